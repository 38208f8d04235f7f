"""`make docs`: the reference of each language, from its sources, into target/docs.

A warning is an error, and so is a public name without documentation. Arguments choose the languages.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import prepare
from workspace import ROOT, VENV_PYTHON, check_tools, environment, run

OUT = ROOT / "target" / "docs"


def main(wanted: list[str]) -> int:
    """Returns the exit code."""
    languages = wanted or ["rust", "python", "node"]
    check_tools()
    env = environment()
    prepare.install(env)
    OUT.mkdir(parents=True, exist_ok=True)
    if "rust" in languages:
        rust = {**env, "RUSTDOCFLAGS": "--deny warnings"}
        run(["cargo", "doc", "--locked", "--no-deps", "--features", "forcegrant/tracing"], rust)
        made = Path(env["CARGO_TARGET_DIR"], env["CARGO_BUILD_TARGET"], "doc")
        shutil.copytree(made, OUT / "rust", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.json"))
    if "python" in languages:
        run([str(VENV_PYTHON), "scripts/python_reference.py", str(OUT / "python")], env)
    if "node" in languages:
        run(["npm", "run", "--silent", "build:ts"], env)
        run(["node", "bindings/node/scripts/docs.mjs", "--out", str(OUT / "node")], env)
    print(f"The reference is in {OUT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
