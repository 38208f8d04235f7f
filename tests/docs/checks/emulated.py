"""The emulator as a child process, and the environment in which real programs reach it.

The blocks run as printed: they name hosts that do not exist here, and they find the emulator only by what
every program honours. HTTPS_PROXY leads every host name to it, SSL_CERT_FILE makes its certificates trusted. Node's own
`fetch` knows no proxy variables; a preloaded file leads its connections to the emulator.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

_START_LIMIT = 30.0


class Emulator:
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forcegrant-docs-")
        self.ca_file = Path(self._folder.name, "ca.pem")
        command = [str(binary()), "--exit-with-stdin", "--ca-file", str(self.ca_file)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        watchdog = threading.Timer(_START_LIMIT, self._process.kill)
        watchdog.start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        watchdog.cancel()
        assert line, f"the emulator ended with {self._process.wait()} and said nothing"
        self.ready: dict[str, Any] = json.loads(line)
        self.org: dict[str, str] = self.ready["org"]

    def control(self, op: str, **fields: object) -> dict[str, Any]:
        body, headers = json.dumps({"op": op, **fields}).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(self.ready["control"], body, headers, method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            result: dict[str, Any] = json.load(answer)
        return result

    def logins(self) -> int:
        answer = self.control("counters")
        return int(answer.get("counters", answer)["logins"])

    def environment(self) -> dict[str, str]:
        left_out = ("SALESFORCE_", "SF_", "SSL_CERT_", "PYTHON", "NODE_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            environment[name] = environment[name.lower()] = self.ready["proxy"]
        environment["NO_PROXY"] = environment["no_proxy"] = ""
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            environment[name] = str(self.ca_file)
        environment["NODE_OPTIONS"] = f'--require "{ROOT / "tests/docs/through_emulator.cjs"}"'
        # Empty, and this user's alone.
        environment["FORCEGRANT_CONNECTIONS"] = tempfile.mkdtemp(prefix="connections-", dir=self._folder.name)
        environment["FORCEGRANT_DOCS_HTTPS"] = self.ready["https"]
        environment["FORCEGRANT_DOCS_CONTROL"] = self.ready["control"]
        environment["FORCEGRANT_EMULATOR"] = str(binary())
        environment["SALESFORCE_LOGIN_URL"] = self.org["my_domain"]
        environment["SALESFORCE_CLIENT_ID"] = self.org["client_id"]
        environment["SALESFORCE_CLIENT_SECRET"] = self.org["client_secret"]
        return environment

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._folder.cleanup()


@functools.cache
def binary() -> Path:
    named = os.environ.get("FORCEGRANT_EMULATOR")
    if named:
        return Path(named)
    target = target_folder()
    triple = os.environ.get("CARGO_BUILD_TARGET", "")
    for folder in (target / triple / "debug", target / "debug", target / triple / "release"):
        if (folder / "forcegrant-emulator").is_file():
            return folder / "forcegrant-emulator"
    message = "build the emulator first: cargo build -p forcegrant-emulator"
    raise AssertionError(message)


def target_folder() -> Path:
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def run(command: list[str], environment: Mapping[str, str], folder: Path, limit: float = 60) -> str:
    """The standard output; an AssertionError with both outputs when the program fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
