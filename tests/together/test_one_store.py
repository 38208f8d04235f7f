"""Processes of Rust, Python and Node share one token and one login through one store."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest

from forcegrant.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from workspace import built, environment  # noqa: E402 - the repository's scripts are no package

PYTHON = """
import json, sys
from forcegrant import Client
setup = json.loads(sys.stdin.readline())
sf = Client(setup["my_domain"], setup["client_id"], setup["client_secret"], proxy=None,
            resolve={setup["my_domain"]: setup["address"]}, roots=setup["ca_pem"],
            store=setup["store"])
for line in sys.stdin:
    if line.strip() == "invalidate":
        sf.invalidate(sf.cached())
    token = sf.token()
    print(token.fingerprint, flush=True)
"""
NODE = """
import { createInterface } from 'node:readline'
import { Client } from 'forcegrant'
let sf
for await (const line of createInterface({ input: process.stdin })) {
  if (sf === undefined) {
    const setup = JSON.parse(line)
    sf = new Client({
      loginUrl: setup.my_domain,
      clientId: setup.client_id,
      clientSecret: setup.client_secret,
      proxy: null,
      resolve: { [setup.my_domain]: setup.address },
      roots: setup.ca_pem,
      store: setup.store,
    })
    continue
  }
  if (line === 'invalidate') sf.invalidate(sf.cached())
  console.log((await sf.token()).fingerprint)
}
"""


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a store."""
    if request.param == "file":
        yield (tmp_path / "store").as_uri()
        return
    server = shutil.which("redis-server")
    assert server is not None, "redis-server is not installed: apt-get install redis-server"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        server,
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            until_open(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()


def until_open(port: int) -> None:
    """Wait until the port accepts connections."""
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "redis-server does not start"
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def fleet(setup: dict[str, Any]) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """One process of each language, waiting for a line."""
    rust = built("debug", "examples/shared", environment())
    commands = {
        "Rust": [str(rust)],
        "Python": [sys.executable, "-c", PYTHON],
        # With an import of the package by its own name.
        "Node": ["node", "--input-type=module", "--eval", NODE],
    }
    processes: dict[str, subprocess.Popen[str]] = {}
    try:
        for language, command in commands.items():
            process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT)
            processes[language] = process
            send(process, json.dumps(setup))
        yield processes
    finally:
        for process in processes.values():
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.wait(20)
            process.stdout.close()


def send(process: subprocess.Popen[str], line: str) -> None:
    """Send one line."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def ask(process: subprocess.Popen[str], line: str) -> str:
    """Send one line; give the fingerprint that comes back."""
    send(process, line)
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("first", ["Rust", "Python", "Node"])
def test_three_languages_share_one_login(store: str, first: str) -> None:
    with Emulator() as emulator:
        org = emulator.org
        setup = {
            "my_domain": org.my_domain,
            "client_id": org.client_id,
            "client_secret": org.client_secret,
            "address": emulator.https,
            "ca_pem": emulator.ca_pem,
            "store": store,
        }
        with fleet(setup) as processes:
            token = ask(processes[first], "token")
            assert len(token) == 16
            for process in processes.values():
                assert ask(process, "token") == token
            assert emulator.counters()["token_requests"] == 1
            emulator.control("kill_sessions")
            renewed = ask(processes[first], "invalidate")
            assert renewed != token
            for language, process in processes.items():
                if language != first:
                    assert ask(process, "invalidate") == renewed
            assert emulator.counters()["token_requests"] == 2
