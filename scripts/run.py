"""The other commands of the Makefile: each prepares what it needs."""

from __future__ import annotations

import subprocess
import sys

import prepare
from workspace import ROOT, VENV_PYTHON, built, check_tools, environment, run


def main(command: str) -> int:
    """Returns the exit code."""
    check_tools()
    env = environment()
    if command == "clean":
        prepare.clean(env)
        return 0
    prepare.install(env)
    if command == "build":
        prepare.build(env)
        return 0
    if command == "format":
        for formatter in FORMATTERS:
            run(formatter, env)
        return 0
    # Release builds, so that the figures are those of users.
    for build in (RUST_PARTS, prepare.python_build(True), prepare.node_build(True)):
        run(build, env)
    env["FORCEGRANT_EMULATOR"] = str(built("release", "forcegrant-emulator", env))
    script = {"demo": "demo/run.py", "bench": "benches/run.py"}[command]
    return subprocess.run(
        [str(VENV_PYTHON), script], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False
    ).returncode


FORMATTERS = [
    ["cargo", "fmt", "--all"],
    ["ruff", "check", "--fix", "."],
    ["ruff", "format", "."],
    ["npm", "run", "--silent", "lint:fix"],
]

# The Rust part of the demo and the emulator in one command, so that shared dependencies are built once.
RUST_PARTS = [
    *["cargo", "build", "--release", "--locked", "--package", "forcegrant", "--package", "forcegrant-emulator"],
    *["--example", "demo", "--bin", "forcegrant-emulator"],
]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
