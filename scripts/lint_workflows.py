"""Checks the workflows: every action is pinned to a commit, and what zizmor and actionlint find.

actionlint is a Go program and comes from no registry that this project uses. Where it or Go is installed it runs, and
in CI it has to; elsewhere it is skipped and counted. zizmor needs Python 3.11.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from workspace import ROOT, VENV_PYTHON

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$")


def main() -> int:
    """Returns the exit code."""
    wrong = [problem for path in WORKFLOWS for problem in unpinned(path.name, path.read_text(encoding="utf-8"))]
    for line in wrong:
        print(line, file=sys.stderr)
    failed, skipped = bool(wrong), 0
    for command in (zizmor(), actionlint()):
        if command is None:
            skipped += 1
        elif subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed = True
    print(f"workflows: {len(WORKFLOWS)} files, {3 - skipped} checks, {skipped} left out")
    return 1 if failed else 0


def unpinned(name: str, text: str) -> list[str]:
    """Actions that are not pinned to a commit with its version beside it: a tag can be moved."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"\buses:", line)]
    return [f"{name}: not pinned to a commit: {line}" for line in lines if not PINNED.search(line)]


def zizmor() -> list[str] | None:
    """The command of zizmor, without access to GitHub."""
    program = VENV_PYTHON.with_name("zizmor")
    names = [str(path) for path in WORKFLOWS]
    return [str(program), "--offline", "--no-progress", "--quiet", *names] if program.exists() else None


def actionlint() -> list[str] | None:
    """The command of an installed actionlint, or of the pinned version through Go."""
    if shutil.which("actionlint"):
        return ["actionlint", "-color"]
    if shutil.which("go") and go_can_fetch_it():
        return ["go", "run", ACTIONLINT]
    if os.environ.get("CI"):
        sys.exit("neither actionlint nor Go is installed on this build machine")
    return None


def go_can_fetch_it() -> bool:
    """Go may be installed without access to its proxy; then the check is skipped, but not in CI."""
    if os.environ.get("CI"):
        return True
    return subprocess.run(["go", "run", ACTIONLINT, "-version"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
