"""Keeps the documentation true: `python tests/docs/check.py`.

* every link between the project's Markdown files leads somewhere;
* every option, error code, set-up step, file and name that the documentation mentions exists;
* every code block in a language of the project runs against the emulator, as printed.

Taken from the environment: PYTHON (with the built package, pytest and requests), NODE, CARGO, and
what finds the emulator: FORCEGRANT_EMULATOR, or CARGO_TARGET_DIR and CARGO_BUILD_TARGET. Node finds the package by
its own name from FORCEGRANT_DOCS_FOLDER, a folder in which the blocks are written; without it a folder below
`target`, from where that is the build in this repository. With words as arguments, only checks whose
name holds one of them run.
"""

from __future__ import annotations

import sys
import traceback

from checks import Check, names, runs, structure, texts


def main() -> int:
    wanted = sys.argv[1:]
    passed, failed = 0, []
    for check in (*texts.checks(), *names.checks(), *structure.checks(), *runs.checks()):
        if wanted and not any(word in check.name for word in wanted):
            continue
        try:
            check.run()
        except AssertionError as error:
            failed.append(check)
            print(f"FAILED  {check.name}\n{indent(str(error))}", flush=True)
        except Exception:
            failed.append(check)
            print(f"FAILED  {check.name}\n{indent(traceback.format_exc())}", flush=True)
        else:
            passed += 1
            print(f"ok      {check.name}", flush=True)
    runs.finish()
    print(f"docs: {passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


def indent(text: str) -> str:
    return "\n".join(f"        {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())

__all__ = ["Check", "main"]
