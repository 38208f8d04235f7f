"""`make bench`: in every language, what a cached read and a login cost beside the least that they could cost.

Each part prints one JSON line per figure: medians over many rounds, ours and the least possible in turns in one
process. The ratio is what to look at: it says more about this project, and less about the machine, than a figure alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PARTS = (
    # The same packages as in the build before, so that the same artifacts serve.
    [
        *["cargo", "bench", "--quiet", "--locked", "--package", "forcegrant", "--package", "forcegrant-emulator"],
        *["--bench", "against_least"],
    ],
    ["cargo", "bench", "--quiet", "--locked", "--package", "forcegrant-adapters", "--bench", "calls"],
    [sys.executable, str(HERE / "python_cached.py")],
    [sys.executable, str(HERE / "python_calls.py")],
    ["node", str(HERE / "node_cached.mjs")],
    ["node", str(HERE / "node_calls.mjs")],
)
PART_LIMIT_SECONDS = 900

# What the figure's name says, and what is wanted of it: the ratio to the least possible, or nanoseconds.
GOALS = (
    (("p99.9", "refreshing"), "1"),
    (("slowest", "refreshing"), ""),
    (("read", "Rust", "2 threads"), "twice one thread"),
    (("keyed",), "300 ns"),
    (("read", "Rust"), "15 ns"),
    (("await", "Rust"), "15 ns"),
    (("login",), "1.15"),
    (("calls",), "1.05"),
    (("read", "Python"), "2"),
    (("await", "Python"), "2"),
    (("await", "Node"), "2"),
    (("call,", "gRPC"), ""),
    (("call,",), "1.05"),
    (("call", "Node"), "1.05"),
)


def main() -> None:
    """Runs the parts and prints the table."""
    figures = [figure for part in PARTS for figure in run_part(part)]
    lines = [("", "ours", "least", "ratio", "goal")]
    for figure in figures:
        ours, least = figure["ours_ns"], figure["least_ns"]
        lines.append((figure["what"], shown(ours), shown(least), f"{ours / least:.2f}", goal(figure["what"])))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print()
    for name, *cells in lines:
        print("  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]).rstrip())
    print(f"\n{os.cpu_count()} processors; medians, release builds; a goal without a unit is a ratio.")


def run_part(command: list[str]) -> list[dict[str, Any]]:
    """The figures that one language printed."""
    print(f"$ {' '.join(command)}", flush=True)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PART_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"This did not end within {PART_LIMIT_SECONDS} s.")
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not figures:
        sys.exit(f"This failed (exit code {done.returncode}).\n{done.stdout}")
    return figures


def goal(what: str) -> str:
    """The first goal whose words are all in the name."""
    for words, wanted in GOALS:
        if all(word in what for word in words):
            return wanted
    return ""


def shown(nanoseconds: float) -> str:
    """With a unit that leaves few digits."""
    if nanoseconds >= 1e6:
        return f"{nanoseconds / 1e6:.2f} ms"
    if nanoseconds >= 1e4:
        return f"{nanoseconds / 1e3:.0f} us"
    return f"{nanoseconds:.1f} ns"


if __name__ == "__main__":
    main()
