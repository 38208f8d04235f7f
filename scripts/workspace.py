"""Where things are, and the environment in which every command of the project runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
# The same with the oldest libraries that the package promises to work with.
OLDEST = ROOT / "target" / "venv-oldest"
NODE_MODULES = ROOT / "node_modules"

NEEDED = {"python": (3, 10), "cargo": (1, 88), "node": (20, 19)}


def fail(message: str) -> NoReturn:
    """Ends the program with a message."""
    sys.exit(f"\n{message}")


def check_tools() -> None:
    """Checks that Cargo, Node and Python are installed and new enough."""
    found = {
        "python": sys.version_info[:2],
        "cargo": version("cargo", "install Rust: https://rustup.rs"),
        "node": version("node", "install Node.js: https://nodejs.org"),
    }
    for tool, needed in NEEDED.items():
        if found[tool] < needed:
            dotted = ".".join(map(str, found[tool]))
            hint = " Name a newer one: make PYTHON=python3.12 ..." if tool == "python" else ""
            fail(f"{tool} {dotted} is too old: at least {'.'.join(map(str, needed))} is needed.{hint}")


def version(tool: str, hint: str) -> tuple[int, ...]:
    """Major and minor version that `tool --version` says."""
    path = shutil.which(tool)
    if path is None:
        fail(f"{tool} was not found: {hint}")
    said = subprocess.run([path, "--version"], cwd=ROOT, capture_output=True, text=True, check=False)
    numbers = re.search(r"(\d+)\.(\d+)", said.stdout)
    if numbers is None:
        fail(f"{tool} --version printed no version: {said.stdout or said.stderr}")
    return tuple(map(int, numbers.groups()))


def environment() -> dict[str, str]:
    """The caller's environment, with one target folder and one target for all builds.

    napi always names a target; cargo and maturin can. They share what they built only if all name the same one.
    """
    env = dict(os.environ)
    target_dir = Path(env.get("CARGO_TARGET_DIR") or "target")
    env["CARGO_TARGET_DIR"] = str(ROOT / target_dir)
    env.setdefault("CARGO_BUILD_TARGET", host_target())
    env.setdefault("CARGO_TERM_PROGRESS_WHEN", "never")
    if env.get("CI"):
        # Incremental builds cost time and space, and help only later builds.
        env.setdefault("CARGO_INCREMENTAL", "0")
    env["VIRTUAL_ENV"] = str(VENV)
    env["PATH"] = os.pathsep.join([str(VENV_PYTHON.parent), env.get("PATH", "")])
    for name in ("PYTHONHOME", "PYTHONPATH", "CONDA_PREFIX", "NODE_OPTIONS", "NODE_PATH"):
        env.pop(name, None)
    env["PYTHONUNBUFFERED"] = "1"
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    env["PIP_NO_INPUT"] = "1"
    env["NO_UPDATE_NOTIFIER"] = "1"
    return env


def host_target() -> str:
    """The triple that rustc builds for here."""
    said = subprocess.run(["rustc", "-vV"], cwd=ROOT, capture_output=True, text=True, check=True)
    return next(line.split()[1] for line in said.stdout.splitlines() if line.startswith("host:"))


def built(profile: str, name: str, env: dict[str, str]) -> Path:
    """A file that cargo made: `built("debug", "forcegrant-emulator", env)`."""
    return Path(env["CARGO_TARGET_DIR"], env["CARGO_BUILD_TARGET"], profile, name)


def run(command: list[str], env: dict[str, str], folder: Path = ROOT) -> None:
    """Runs a step of the set-up; its failure ends the program."""
    print(f"$ {' '.join(command)}", flush=True)
    try:
        code = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        fail(f"{command[0]} does not start: {error}")
    if code != 0:
        fail(f"this step failed (exit code {code}): {' '.join(command)}")
