"""Compares the Rust version that each published crate promises with what its dependencies need: `msrv.py`.

`msrv.py --print` prints the version of the core, for the workflow that compiles the crates with that very toolchain.
What the language and the standard library need, clippy compares (`incompatible_msrv`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from workspace import ROOT


def main(args: list[str]) -> int:
    """Returns the exit code."""
    metadata = read_metadata()
    if args == ["--print"]:
        print(next(package["rust_version"] for package in metadata["packages"] if package["name"] == "forcegrant"))
        return 0
    problems, compared = compare(metadata)
    for line in problems:
        print(line, file=sys.stderr)
    print(f"Rust versions: {compared} dependencies of published crates compared")
    return 1 if problems else 0


def read_metadata() -> dict[str, Any]:
    """Every package with all features, on all systems."""
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version=1", "--quiet"]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    metadata: dict[str, Any] = json.loads(said.stdout)
    return metadata


def compare(metadata: dict[str, Any]) -> tuple[list[str], int]:
    """What is wrong, and how many dependencies say what they need."""
    packages = {package["id"]: package for package in metadata["packages"]}
    edges = {
        node["id"]: [
            dependency["pkg"]
            for dependency in node["deps"]
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
        ]
        for node in metadata["resolve"]["nodes"]
    }
    problems, compared = [], 0
    # An empty list: it may be published nowhere.
    for crate in (packages[member] for member in metadata["workspace_members"] if packages[member]["publish"] != []):
        if crate["rust_version"] is None:
            problems.append(f"{crate['name']} promises no Rust version")
            continue
        for dependency in (packages[found] for found in reachable(crate["id"], edges)):
            needed = dependency["rust_version"]
            if needed is None:
                continue
            compared += 1
            if numbers(needed) > numbers(crate["rust_version"]):
                problems.append(
                    f"{crate['name']} promises Rust {crate['rust_version']}, but "
                    f"{dependency['name']} {dependency['version']} needs {needed}"
                )
    return problems, compared


def reachable(start: str, edges: dict[str, list[str]]) -> set[str]:
    """All that is built for a package, without itself."""
    found: set[str] = set()
    coming = list(edges[start])
    while coming:
        package = coming.pop()
        if package not in found:
            found.add(package)
            coming += edges[package]
    return found


def numbers(version: str) -> tuple[int, ...]:
    """`1.88` is `1.88.0`, and comes after `1.9.1`."""
    return tuple(map(int, f"{version}.0.0".split(".")[:3]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
