"""Runs the single flight under a model checker, which tries many orders of its threads.

`--cfg shuttle` puts the checker's locks in place of the standard library's, in the tests of the core alone: no feature
that users could choose, and nothing else is built anew.
"""

from __future__ import annotations

import json
import subprocess
import sys

from workspace import ROOT, environment

BUILD = ["cargo", "rustc", "--locked", "--package", "forcegrant", "--lib", "--profile", "test"]


def main() -> int:
    """Returns the exit code of the tests."""
    command = [*BUILD, "--message-format=json-render-diagnostics", "--", "--cfg", "shuttle"]
    env = environment()
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return done.returncode
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    (program,) = (message["executable"] for message in messages if message.get("executable"))
    return subprocess.run([program, "single_flight::model"], cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
