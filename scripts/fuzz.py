"""Runs the fuzz targets under libFuzzer, one after the other: `fuzz.py [--seconds 180] [TARGET ...]`.

It needs no nightly Rust, no cargo-fuzz and no clang: the instrumentation is LLVM's, which a stable rustc reaches by
code generation options, and libFuzzer is built from its sources with the installed C++ compiler. The core has no unsafe
code, so there is no sanitizer.

An input that breaks a promise is put into the corpus, where `cargo test` replays it, and the exit code is 1. Other
inputs that reached new code stay in the target folder for the next run.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workspace import ROOT, environment, run

FUZZ = ROOT / "fuzz"
# The options of cargo-fuzz without the sanitizer.
INSTRUMENTED = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
]
# The limits of one input: more time or memory than this is a fault.
LIMITS = ["-timeout=5", "-rss_limit_mb=1024"]


@dataclass(frozen=True)
class Run:
    """The result of one target."""

    target: str
    code: int
    inputs: int
    edges: int
    found: list[Path]


def main() -> int:
    """Returns the exit code."""
    known = sorted(path.stem for path in (FUZZ / "fuzz_targets").glob("*.rs"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=180, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(known))
    options = parser.parse_args()
    unknown = set(options.targets) - set(known)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    env = environment()
    # These options differ from those of the other commands, so they need a folder of their own.
    target_dir = Path(env["CARGO_TARGET_DIR"], "fuzz")
    env |= {"CARGO_TARGET_DIR": str(target_dir), "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(INSTRUMENTED)}
    env.pop("RUSTFLAGS", None)
    package = ["--package", "forcegrant-fuzz", "--features", "libfuzzer"]
    run(["cargo", "build", "--locked", "--profile", "fuzz", *package, "--bins"], env)
    binaries = target_dir / env["CARGO_BUILD_TARGET"] / "fuzz"
    runs = [fuzz(binaries / name, target_dir / "corpus" / name, options.seconds) for name in options.targets or known]
    for each in runs:
        state = "no fault" if each.code == 0 else f"FAILED (exit code {each.code})"
        print(f"soak: {each.target}: {each.inputs:,} inputs in {options.seconds} s, {each.edges:,} edges: {state}")
        for path in each.found:
            print(f"{path.relative_to(ROOT)} breaks a promise: cargo test -p forcegrant-fuzz", flush=True)
    return 1 if any(each.code for each in runs) else 0


def fuzz(binary: Path, grown: Path, seconds: int) -> Run:
    """Runs one target; it ends at the first fault."""
    name = binary.name
    seeds = FUZZ / "corpus" / name
    faults = grown.parent.parent / "faults" / name
    for folder in (grown, faults):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        str(binary),
        f"-max_total_time={seconds}",
        f"-dict={FUZZ / 'dictionary.txt'}",
        f"-artifact_prefix={faults}{os.sep}",
        "-print_final_stats=1",
        *LIMITS,
        str(grown),
        str(seeds),
    ]
    print(f"$ {' '.join(command)}", flush=True)
    before = set(faults.iterdir())
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    lines = done.stderr.splitlines()
    # The last of many lines say what happened.
    print("\n".join(lines[-60:] if done.returncode else lines[-12:]), flush=True)
    inputs = re.findall(r"^stat::number_of_executed_units:\s*(\d+)", done.stderr, re.MULTILINE)
    edges = re.findall(r"\bcov: (\d+)", done.stderr)
    found = [keep(path, seeds) for path in sorted(set(faults.iterdir()) - before)]
    return Run(name, done.returncode, int(inputs[-1]) if inputs else 0, int(edges[-1]) if edges else 0, found)


def keep(fault: Path, seeds: Path) -> Path:
    """Puts an input into the corpus."""
    data = fault.read_bytes()
    kept = seeds / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    kept.write_bytes(data)
    return kept


if __name__ == "__main__":
    sys.exit(main())
