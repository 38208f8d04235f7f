"""Processes that end during a login: none crashes, none prints anything.

`exits.py [TIMES]`: each kind of ending that many times. Exit code 1 when any went wrong.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import endings
from forcegrant.testing import Emulator


def main(times: int) -> int:
    complaints = []
    with Emulator() as emulator, tempfile.TemporaryDirectory() as folder:
        for name, ending in endings.ENDINGS.items():
            emulator.reset()
            emulator.hold()
            wrong = endings.wrong(ending, emulator.org, Path(folder), times)
            print(f"{name}: {len(wrong)} of {times} went wrong", flush=True)
            for said in sorted(set(wrong)):
                print(said, flush=True)
            complaints += wrong
    kinds = len(endings.ENDINGS)
    print(
        f"soak: {kinds} ways to end x {times} with a login in flight, {len(complaints)} went wrong"
    )
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
