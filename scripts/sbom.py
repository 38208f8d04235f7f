"""Writes a CycloneDX list of the crates that are compiled into a package: licence, checksum, and dependencies.

    sbom.py [--target TRIPLE] --out FILE CRATE...

Its output is the same on every machine: no paths, times or random numbers. Without a target it covers all of a release.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import artifacts
import version
from workspace import ROOT

LINE = re.compile(r"(?P<depth>\d+)(?P<name>[\w-]+) v(?P<version>[^ |]+)[^|]*\|(?P<licence>[^|]*)\|")


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", action="append")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("crates", nargs="+")
    args = parser.parse_args(arguments)
    args.out.write_text(write(args.crates, args.target), encoding="utf-8")
    return 0


def write(crates: list[str], targets: list[str] | None = None) -> str:
    """The document for these crates of the workspace, compiled for these targets."""
    targets = targets or [row.target for row in artifacts.targets()]
    components: dict[str, dict[str, Any]] = {}
    edges: dict[str, set[str]] = {}
    for crate in crates:
        for target in targets:
            _take(_tree(crate, target), components, edges)
    checksums = _checksums()
    for ref, component in components.items():
        if ref in checksums:
            component["hashes"] = [{"alg": "SHA-256", "content": checksums[ref]}]
    name = " ".join([*crates, *targets])
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'forcegrant {version.current(ROOT)} {name}')}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": "forcegrant",
                "name": "forcegrant",
                "version": version.current(ROOT),
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
            },
            "properties": [{"name": "forcegrant:target", "value": target} for target in targets],
        },
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": [
            {"ref": "forcegrant", "dependsOn": sorted(ref for ref in components if components[ref]["name"] in crates)},
            *({"ref": ref, "dependsOn": sorted(edges.get(ref, ()))} for ref in sorted(components)),
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def _tree(crate: str, target: str) -> str:
    command = ["cargo", "tree", "--locked", "--package", crate, "--target", target, "--edges", "normal"]
    command += ["--prefix", "depth", "--format", "{p}|{l}|"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _take(tree: str, components: dict[str, dict[str, Any]], edges: dict[str, set[str]]) -> None:
    above: list[str] = []
    for line in tree.splitlines():
        found = LINE.match(line)
        if found is None:
            sys.exit(f"unexpected output of cargo tree: {line}")
        ref = f"pkg:cargo/{found['name']}@{found['version']}"
        components[ref] = {
            "type": "library",
            "bom-ref": ref,
            "name": found["name"],
            "version": found["version"],
            "purl": ref,
            # Some crates still write the old form.
            "licenses": [{"expression": found["licence"].replace("/", " OR ")}],
        }
        del above[int(found["depth"]) :]
        if above:
            edges.setdefault(above[-1], set()).add(ref)
        above.append(ref)


def _checksums() -> dict[str, str]:
    lock = (ROOT / "Cargo.lock").read_text(encoding="utf-8")
    pattern = r'^name = "([^"]+)"\nversion = "([^"]+)"\nsource = "[^"]+"\nchecksum = "([^"]+)"'
    return {f"pkg:cargo/{name}@{number}": sum_ for name, number, sum_ in re.findall(pattern, lock, re.MULTILINE)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
