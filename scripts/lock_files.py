"""Checks the files that pin dependencies: complete, current, and without addresses of one machine or registry."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from workspace import ROOT

OLDEST = "tests/python/oldest-requirements.txt"
REQUIREMENTS = ["requirements-dev.txt", "requirements-release.txt", OLDEST]


def main() -> int:
    """Returns the exit code."""
    npm_locks = [Path("package-lock.json"), Path("tests", "node-runtimes", "package-lock.json")]
    wrong = [*cargo_lock(), *requirements(), *oldest()]
    for lock in npm_locks:
        wrong += package_lock(lock)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"lock files: {1 + len(npm_locks) + len(REQUIREMENTS)} files checked")
    return 1 if wrong else 0


def cargo_lock() -> list[str]:
    """Cargo.lock fits the manifests, and every crate comes from crates.io or from here."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--quiet"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if said.returncode != 0:
        return [f"Cargo.lock does not fit the manifests: {said.stderr.strip()}"]
    sources = {package["source"] for package in json.loads(said.stdout)["packages"] if package["source"]}
    known = "registry+https://github.com/rust-lang/crates.io-index"
    return [f"Cargo.lock: a crate from {source}" for source in sorted(sources - {known})]


def package_lock(file: Path) -> list[str]:
    """A package-lock.json has a checksum and no address for each package; `npm ci` checks the rest."""
    packages = json.loads((ROOT / file).read_text(encoding="utf-8"))["packages"]
    wrong = []
    for path, package in packages.items():
        if "node_modules/" not in path or package.get("link"):
            continue
        if "resolved" in package:
            wrong.append(f"{file}: {path} names an address")
        # A registry may not have the packages of other platforms; see complete-lock.mjs.
        if "integrity" not in package and not package.get("optional"):
            wrong.append(f"{file}: {path} has no checksum")
    return wrong


def requirements() -> list[str]:
    """Every package of the files with requirements is pinned to one version."""
    wrong = []
    for name in REQUIREMENTS:
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            requirement = line.split("#")[0].strip()
            if requirement and not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+(\s*;.+)?", requirement):
                wrong.append(f"{name}:{number}: {requirement} is not pinned")
    return wrong


def oldest() -> list[str]:
    """The oldest versions that are tested are those that the extras of the package promise."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    promised = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', project.split("[project.optional-dependencies]")[1]))
    tried: dict[str, str] = {}
    for name, version in re.findall(r"^([\w-]+)==([\d.]+)", (ROOT / OLDEST).read_text(encoding="utf-8"), re.MULTILINE):
        # Of several, the first is that of the oldest Python.
        tried.setdefault(name, version)
    return [
        f"{OLDEST}: {name} is promised from {version} on, and tried with {tried.get(name)}"
        for name, version in promised.items()
        if tried.get(name, "").removesuffix(".0") != version.removesuffix(".0")
    ]


if __name__ == "__main__":
    sys.exit(main())
