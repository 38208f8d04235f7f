"""The command `forcegrant` of this package: the same program as the Rust one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from forcegrant.testing import Org

# Installed beside the interpreter, as any console script.
COMMAND = Path(sys.executable).with_name("forcegrant")


def start(command: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    """Start a command without the settings of this machine."""
    return subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"], **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*args: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Give exit code and both outputs of the installed command."""
    return outcome(start([str(COMMAND), *args], env or {}))


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def reaching(org: Org) -> dict[str, str]:
    """Give the environment variables for the org of the emulator."""
    return {**org.environment(), **org.emulator.environment()}


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["errors"],
        ["errors", "no_run_as_user"],
        ["errors", "no_such_code"],
        ["token"],
        ["doctor"],
        ["--bogus"],
        [],
    ],
    ids=" ".join,
)
def test_output_and_exit_code_are_those_of_the_rust_program(args: list[str]) -> None:
    built = Path(os.environ["FORCEGRANT_EMULATOR"]).with_name("forcegrant")
    assert built.is_file(), "build it first: cargo build --package forcegrant-cli"
    expected = outcome(start([str(built), *args], {}))
    assert run(*args) == expected
    assert outcome(start([sys.executable, "-m", "forcegrant", *args], {})) == expected
    assert expected[1] or expected[2]


def test_prints_the_token(forcegrant_org: Org) -> None:
    code, out, err = run("token", env=reaching(forcegrant_org))
    assert (code, err) == (0, "")
    sessions = json.dumps(forcegrant_org.emulator.control("sessions"))
    assert out.strip() in sessions
    code, out, err = run("token", "--json", env=reaching(forcegrant_org))
    assert (code, err) == (0, "")
    assert json.loads(out)["org_id"] == forcegrant_org.org_id


def test_doctor_finds_the_step_that_is_wrong(forcegrant_org: Org) -> None:
    assert run("doctor", env=reaching(forcegrant_org))[0] == 0
    forcegrant_org.configure(app={"run_as": None})
    code, out, err = run("doctor", env=reaching(forcegrant_org))
    assert (code, err) == (1, "")
    assert "Error code: no_run_as_user" in out
    assert forcegrant_org.client_secret not in out


def test_ctrl_c_ends_it_in_the_middle_of_a_login(forcegrant_org: Org) -> None:
    forcegrant_org.emulator.hold()
    process = start([str(COMMAND), "token"], reaching(forcegrant_org))
    try:
        forcegrant_org.emulator.wait_requests(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=2)
    finally:
        process.kill()
        forcegrant_org.emulator.release()
    assert (process.returncode, out, err) == (-signal.SIGINT, "", "")


def test_a_closed_pipe_is_no_traceback() -> None:
    with start([str(COMMAND), "errors"], {}) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode in {0, 1}


def test_an_argument_that_is_no_text_is_refused() -> None:
    code, out, err = run("errors", os.fsdecode(b"\xff"))
    assert (code, out) == (2, "")
    assert "not valid Unicode" in err


def test_the_command_is_declared() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="forcegrant")
    assert script.value == "forcegrant.__main__:main"
