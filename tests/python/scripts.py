"""Scripts in a process of their own, for tests of a whole process.

A script starts with `client()`, which builds a client that reaches the test's
emulator, and `control()`, which speaks to the emulator. It has to end with exit
code 0 and nothing on standard error, unless a test says otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forcegrant.testing import Org

SOAK = Path(__file__).resolve().parents[1] / "soak"

PRELUDE = """\
import http.client, json, os, sys, threading, time

SETUP = json.loads(os.environ["FORCEGRANT_TEST_SETUP"])

def client(kind=None, **options):
    import forcegrant
    kind = kind or forcegrant.Client
    return kind(*SETUP["credentials"], **{**SETUP["options"], **options})

def control(op, **fields):
    address, _, path = SETUP["control"].removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address, timeout=20)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/{path}", json.dumps({"op": op, **fields}), headers)
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    assert response.status == 200, content
    return content
"""


def write(folder: Path, code: str) -> Path:
    """Write a script to a file, with the prelude."""
    path = folder / "script.py"
    path.write_text(PRELUDE + dedent(code))
    return path


def environment(org: Org) -> dict[str, str]:
    """Give the environment that the prelude reads."""
    setup = {
        "credentials": [org.my_domain, org.client_id, org.client_secret],
        "options": org.options(total_timeout=20, attempt_timeout=20),
        "control": org.emulator.control_url,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "FORCEGRANT_TEST_SETUP": json.dumps(setup)}


def start(path: Path, org: Org, *args: str) -> subprocess.Popen[str]:
    """Start a script; the test controls it and checks how it ends."""
    return subprocess.Popen(
        [sys.executable, *args, str(path)],
        env=environment(org),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(path: Path, org: Org, *args: str, code: int = 0) -> str:
    """Run a script that must print nothing on standard error; give its output."""
    process = start(path, org, *args)
    try:
        output, errors = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert (process.returncode, errors) == (code, ""), output
    return output


def soak(folder: Path, name: str, *args: str) -> str:
    """Run a program of tests/soak in its short form; give its reports."""
    done = subprocess.run(
        [sys.executable, str(SOAK / name), *args],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    reports = [line for line in done.stdout.splitlines() if line.startswith("soak: ")]
    assert reports
    return "\n".join(reports)
