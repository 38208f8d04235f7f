"""Completes package-lock.json with the optional packages of other platforms: `python3 scripts/package_lock.py`.

npm leaves out of the lock file what its registry does not have, and a mirror may lack the binaries of platforms that
nobody behind it uses. `npm ci` then refuses the file everywhere. Run this after `npm install --package-lock-only`: it
adds those packages with version and platform, which is all that npm needs to pass them over; checksums it keeps if
they are there.
"""

from __future__ import annotations

import json
import sys
from pathlib import PurePosixPath
from typing import Any

from workspace import ROOT

LOCK = ROOT / "package-lock.json"
SYSTEMS = (
    "aix",
    "android",
    "darwin",
    "freebsd",
    "linux",
    "netbsd",
    "openbsd",
    "openharmony",
    "sunos",
    "win32",
)
PROCESSORS = (
    "arm64",
    "arm",
    "ia32",
    "loong64",
    "mips64el",
    "ppc64",
    "riscv64",
    "s390x",
    "wasm32",
    "x64",
)
LIBRARIES = {"gnu": "glibc", "gnueabihf": "glibc", "musl": "musl", "musleabihf": "musl"}


def main() -> int:
    """Returns the exit code."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    added = complete(lock["packages"])
    lock["packages"] = dict(sorted(lock["packages"].items()))
    LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"package-lock.json: {len(added)} packages added", *added, sep="\n  ")
    return 0


def complete(packages: dict[str, Any]) -> list[str]:
    """Adds the optional dependencies that are missing; gives their names."""
    added = []
    for path, package in list(packages.items()):
        for name, wanted in package.get("optionalDependencies", {}).items():
            if any(place in packages for place in places(path, name)):
                continue
            if not wanted[:1].isdigit():
                sys.exit(f"{name}@{wanted}, wanted by {path}: only npm can tell which version that is")
            packages[f"node_modules/{name}"] = entry(name, wanted, package)
            added.append(f"{name}@{wanted}")
    return added


def places(path: str, name: str) -> list[str]:
    """Where Node looks for `name` from the package at `path`."""
    here = PurePosixPath(path)
    folders = [here, *here.parents] if path else [PurePosixPath()]
    return [str(folder / "node_modules" / name) for folder in folders]


def entry(name: str, version: str, parent: dict[str, Any]) -> dict[str, Any]:
    """What the lock file says about a package of which only name and version are known."""
    parts = name.rpartition("/")[2].split("-")
    platform = {
        "cpu": [part for part in parts if part in PROCESSORS],
        "libc": [LIBRARIES[part] for part in parts if part in LIBRARIES and "linux" in parts],
        "os": [part for part in parts if part in SYSTEMS],
    }
    if not platform["cpu"] and not platform["os"]:
        sys.exit(f"{name}: its name does not say for which platform it is")
    known: dict[str, Any] = {"version": version, "optional": True}
    if parent.get("dev"):
        known["dev"] = True
    return {**known, **{key: value for key, value in platform.items() if value}}


if __name__ == "__main__":
    sys.exit(main())
