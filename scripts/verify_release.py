"""Checks the files of a release before any of them is published: `verify_release.py FOLDER`.

The folder must contain exactly the files of artifacts.json, all of one version. Each file is opened: its name and tags
match its content, its size is within the limit, it contains the expected files and no others, its licences, no secret
and no path of the machine that built it. `--write-checksums` writes SHA256SUMS beside them; without it, the existing
one has to match. `--only KIND` checks the files of a kind that exist, for a build that makes no others.
"""

from __future__ import annotations

import argparse
import email
import hashlib
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import archives
import artifacts
import binaries
import version
from artifacts import CHECKSUMS, Artifact
from workspace import ROOT

LICENCES = ("LICENSE-APACHE", "LICENSE-MIT")
PACKAGE = ROOT / "bindings/python/python/forcegrant"

# What a file of each kind may hold; in wheels and the npm packages it is a list, see below.
SDIST = re.compile(
    r"Cargo\.(toml|lock)|LICENSE-(MIT|APACHE)|PKG-INFO|README\.md|pyproject\.toml"
    r"|(bindings/python|crates/forcegrant(-[a-z]+)?)/(Cargo\.toml|README\.md|ARCHITECTURE\.md|src/.+\.rs)"
    # Declared in manifests, so that cargo looks for them.
    r"|crates/forcegrant/(examples|benches)/\w+\.rs|crates/forcegrant/README\.md"
    # What the command line includes as text.
    r"|crates/forcegrant-cli/(completions/forcegrant\.[a-z]+|src/connect/page\.css)"
    r"|bindings/python/python/forcegrant/.+\.(py|pyi)|bindings/python/python/forcegrant/py\.typed"
)
CRATE = re.compile(
    r"Cargo\.(toml|toml\.orig|lock)|\.cargo_vcs_info\.json|LICENSE-(MIT|APACHE)|README\.md"
    r"|(src|tests|examples|benches)/.+\.rs|src/jwt_test_key\.pem|completions/forcegrant\.[a-z]+|src/connect/page\.css"
)
NPM = re.compile(
    r"package\.json|README\.md|LICENSE-(MIT|APACHE)|sbom\.cdx\.json|bindings/node/dist/[a-z-]+\.(cjs|mjs|d\.cts|d\.mts)"
)
NPM_EMULATOR = re.compile(r"package\.json|README\.md|LICENSE-(MIT|APACHE)|cli\.js|index\.js|index\.d\.ts|bin/.+")
TEST_KEY = (ROOT / "crates/forcegrant-emulator/src/jwt_test_key.pem").read_bytes().strip()

SECRETS = {
    "a private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}",
    "a token of npm": rb"\bnpm_[A-Za-z0-9]{36}\b",
    "a token of PyPI": rb"\bpypi-AgE[A-Za-z0-9_-]{16}",
    "a token of GitHub": rb"\b(?:ghp|gho|ghs|github_pat)_[A-Za-z0-9]{20}",
    "a token of crates.io": rb"\bcio[A-Za-z0-9]{32}\b",
}
# Homes of people and of build machines.
PATHS = rb"(?:/(?:home|Users|root|github|__w|tmp)/|[A-Z]:\\(?:a|Users|b)\\)[\w.@+/\\-]+"
# Paths that programs name on every machine, and that documentation shows.
NO_PATHS = re.compile(rb"/tmp/(?:\.X11|forcegrant)")


class Problems(list[str]):
    """Problems, each with the file that has it."""

    def __init__(self) -> None:
        super().__init__()
        self.about = ""

    def add(self, text: str) -> None:
        """Adds a problem of the current file."""
        self.append(f"{self.about}: {text}")


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write-checksums", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    args = parser.parse_args(arguments)
    number = version.current(ROOT)
    wanted = [row for row in artifacts.expected(number) if not args.only or row.kind in args.only]
    if args.only:
        wanted = [row for row in wanted if (args.folder / row.name).is_file()]
    problems = verify(args.folder, wanted, number, whole=not args.only)
    if not problems and args.write_checksums:
        (args.folder / CHECKSUMS).write_text(checksums(args.folder), encoding="utf-8")
    elif not args.only and not args.write_checksums:
        problems += fits(args.folder)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"release {number}: {len(wanted)} files, {len(problems)} problems")
    return 1 if problems or not wanted else 0


def verify(folder: Path, wanted: list[Artifact], number: str, *, whole: bool = True) -> list[str]:
    """All problems of the files of a release; without `whole`, other files in the folder are ignored."""
    names = {row.name for row in wanted}
    there = {path.name for path in folder.iterdir() if whole or path.name in names} - {CHECKSUMS}
    problems = Problems()
    problems += [f"{name} is missing" for name in sorted(names - there)]
    problems += [f"{name} does not belong to the release of {number}" for name in sorted(there - names)]
    for row in wanted:
        if row.name in there:
            problems.about = row.name
            try:
                look_at(folder / row.name, row, number, problems)
            except (ValueError, KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
                problems.add(f"cannot be read: {error}")
    return problems


def look_at(path: Path, row: Artifact, number: str, problems: Problems) -> None:
    """One file."""
    size = path.stat().st_size
    budget = artifacts.budgets()[row.kind]
    if size > budget:
        problems.add(f"{size} bytes, more than {budget}")
    found = archives.members(path)
    if row.kind not in ("wheel", "emulator-wheel", "sbom"):
        found = archives.below_top(found)
    secrets_and_paths(found, problems)
    if row.kind in ("wheel", "emulator-wheel"):
        wheel(found, row, number, problems)
    elif row.kind.startswith("npm"):
        npm(found, row, number, problems)
        for name in sorted({name for name in found if name.startswith("bin/")} - archives.programs(path)):
            problems.add(f"{name} is not executable")
    elif row.kind == "sdist":
        sdist(found, number, problems)
    elif row.kind == "crate":
        crate(found, row, number, problems)
    elif row.kind == "sbom":
        sbom(found[""], number, problems)


def secrets_and_paths(found: dict[str, bytes], problems: Problems) -> None:
    """No file contains a secret or a path of the build machine."""
    for name, content in found.items():
        if re.search(r"(^|/)(\.npmrc|\.pypirc|\.env|\.netrc|credentials(\.toml)?|id_[a-z]+)$", name):
            problems.add(f"{name} may hold credentials")
        plain = content.replace(TEST_KEY, b"")
        for what, pattern in SECRETS.items():
            if re.search(pattern, plain):
                problems.add(f"{name} holds {what}")
        if not re.search(r"(^|/)(tests|benches|examples)/|\.rs$", name):
            for path in sorted({hit for hit in re.findall(PATHS, content) if not NO_PATHS.match(hit)})[:3]:
                problems.add(f"{name} holds a path of another machine: {path.decode()}")


def wheel(found: dict[str, bytes], row: Artifact, number: str, problems: Problems) -> None:
    """Exact contents, metadata, record, tag and binary."""
    name = row.name.split("-")[0]
    info = f"{name}-{number}.dist-info"
    exactly(found, wheel_names(row, number), problems)
    said = email.message_from_bytes(found[f"{info}/METADATA"])
    equal("version", said["Version"], number, problems)
    equal("licence", said["License-Expression"], "MIT OR Apache-2.0", problems)
    if any("extra ==" not in needed for needed in said.get_all("Requires-Dist") or []):
        problems.add("it depends on another package")
    python = "cp310-abi3" if row.kind == "wheel" else "py3-none"
    tags = {str(tag) for tag in email.message_from_bytes(found[f"{info}/WHEEL"]).get_all("Tag") or []}
    equal("tags", tags, {f"{python}-{tag}" for tag in row.platform.wheel.split(".")}, problems)
    for problem in archives.record_problems(found):
        problems.add(problem)
    licences(found, f"{info}/licenses/", problems)
    sbom(found[f"{info}/sboms/forcegrant.cdx.json"], number, problems)
    (code,) = (
        content for member, content in found.items() if re.search(r"/_native\.(abi3\.so|pyd)$|/scripts/", member)
    )
    binary(code, row, problems)


def wheel_names(row: Artifact, number: str) -> set[str]:
    """What a wheel holds: the sources as they are in the repository, and what the tools add."""
    name = row.name.split("-")[0]
    info = f"{name}-{number}.dist-info"
    made = {"METADATA", "RECORD", "WHEEL", "sboms/forcegrant.cdx.json", *(f"licenses/{file}" for file in LICENCES)}
    windows = "windows" in row.platform.target
    if row.kind == "emulator-wheel":
        own = {f"{name}-{number}.data/scripts/forcegrant-emulator{'.exe' if windows else ''}"}
    else:
        made.add("entry_points.txt")
        own = {f"forcegrant/_native.{'pyd' if windows else 'abi3.so'}"}
        own |= {f"forcegrant/{file.relative_to(PACKAGE).as_posix()}" for file in PACKAGE.rglob("*") if is_source(file)}
    return own | {f"{info}/{file}" for file in made}


def is_source(file: Path) -> bool:
    """Whether a file of the Python package is a source, and not made by a tool."""
    return file.suffix in {".py", ".pyi"} or file.name == "py.typed"


def npm(found: dict[str, bytes], row: Artifact, number: str, problems: Problems) -> None:
    """A package for npm: the main one, one platform's, or the emulator's."""
    package: dict[str, Any] = json.loads(found["package.json"])
    equal("version", package["version"], number, problems)
    equal("name", f"{package['name']}-{number}.tgz", row.name, problems)
    equal("licence", package["license"], "MIT OR Apache-2.0", problems)
    equal("dependencies", package.get("dependencies", {}), {}, problems)
    if set(package.get("scripts", {})) & {"preinstall", "install", "postinstall"}:
        problems.add("it runs something when it is installed")
    licences(found, "", problems)
    if row.target is not None:
        file = f"forcegrant.{row.target.npm}.node"
        exactly(found, {"package.json", "README.md", "sbom.cdx.json", file, *LICENCES}, problems)
        sbom(found["sbom.cdx.json"], number, problems)
        binary(found[file], row, problems)
    elif row.kind == "npm":
        only(found, NPM, problems)
        platforms = {f"forcegrant-{target.npm}": number for target in artifacts.targets()}
        equal("optionalDependencies", package.get("optionalDependencies"), platforms, problems)
        for entry in entries(package):
            if entry not in found:
                problems.add(f"{entry} is missing")
    else:
        only(found, NPM_EMULATOR, problems)
        programs = {
            f"bin/{target.emulator}/forcegrant-emulator{'.exe' if 'windows' in target.target else ''}": target
            for target in artifacts.targets()
            if target.emulator
        }
        equal("programs", {name for name in found if name.startswith("bin/")}, set(programs), problems)
        for name, target in programs.items():
            if name in found:
                binary(found[name], Artifact(name, row.kind, target), problems)


def entries(package: dict[str, Any]) -> set[str]:
    """The files that a package.json leads to."""

    def files(value: object) -> set[str]:
        if isinstance(value, str):
            return {value.removeprefix("./")}
        return set().union(*map(files, value.values())) if isinstance(value, dict) else set()

    return files({name: package.get(name) for name in ("exports", "main", "types", "bin")})


def sdist(found: dict[str, bytes], number: str, problems: Problems) -> None:
    """The sources that the wheel is made of."""
    only(found, SDIST, problems)
    equal("version", email.message_from_bytes(found["PKG-INFO"])["Version"], number, problems)
    for file in PACKAGE.rglob("*"):
        if is_source(file) and file.relative_to(ROOT).as_posix() not in found:
            problems.add(f"{file.relative_to(ROOT).as_posix()} is missing")
    for name in ("Cargo.lock", "bindings/python/src/lib.rs", "crates/forcegrant/src/lib.rs"):
        if name not in found:
            problems.add(f"{name} is missing")
    licences(found, "", problems)


def crate(found: dict[str, bytes], row: Artifact, number: str, problems: Problems) -> None:
    """A crate as cargo packs it."""
    only(found, CRATE, problems)
    manifest = found["Cargo.toml"].decode()
    name = re.search(r'^name = "([^"]+)"', manifest, re.MULTILINE)
    said = re.search(r'^version = "([^"]+)"', manifest, re.MULTILINE)
    equal("name", name and f"{name[1]}-{number}.crate", row.name, problems)
    equal("version", said and said[1], number, problems)
    if re.search(r'^path = "\.\./', manifest, re.MULTILINE):
        problems.add("Cargo.toml names a path outside of it")
    licences(found, "", problems)


def sbom(content: bytes, number: str, problems: Problems) -> None:
    """A CycloneDX document with the crates and their checksums."""
    document = json.loads(content)
    equal("format of the SBOM", document.get("bomFormat"), "CycloneDX", problems)
    equal("version in the SBOM", document["metadata"]["component"]["version"], number, problems)
    components = {component["name"]: component for component in document["components"]}
    foreign = [component for name, component in components.items() if not name.startswith("forcegrant")]
    if len(foreign) < 10 or not all(component.get("hashes") for component in foreign):
        problems.add("the SBOM is not complete")


def binary(content: bytes, row: Artifact, problems: Problems) -> None:
    """The binary is for the platform of its package, and needs no newer C library than its tag promises."""
    triple = row.platform.target
    equal("machine", binaries.machine(content), binaries.machine_of(triple), problems)
    needed = binaries.glibc(content)
    if "musl" in triple and needed is not None:
        problems.add(f"it is for musl and needs glibc {needed}")
    if triple.endswith("linux-gnu"):
        major, minor = map(int, str(row.platform.compatibility).split("_")[1:])
        if needed is None or needed > (major, minor):
            problems.add(f"it promises to work with glibc {major}.{minor} and needs {needed}")


def licences(found: dict[str, bytes], folder: str, problems: Problems) -> None:
    """Both licence texts are included, word for word."""
    for name in LICENCES:
        if found.get(folder + name) != (ROOT / name).read_bytes():
            problems.add(f"{folder}{name} is not there, or not the one of the project")


def exactly(found: dict[str, bytes], names: set[str], problems: Problems) -> None:
    """These files and no others."""
    for name in sorted(names - set(found)):
        problems.add(f"{name} is missing")
    for name in sorted(set(found) - names):
        problems.add(f"{name} does not belong there")


def only(found: dict[str, bytes], pattern: re.Pattern[str], problems: Problems) -> None:
    """Only files whose names match."""
    for name in sorted(found):
        if not pattern.fullmatch(name):
            problems.add(f"{name} does not belong there")


def equal(what: str, actual: object, right: object, problems: Problems) -> None:
    """Compares one value."""
    if actual != right:
        problems.add(f"{what}: {actual} instead of {right}")


def checksums(folder: Path) -> str:
    """In the form that `sha256sum --check` reads."""
    files = sorted(path for path in folder.iterdir() if path.name != CHECKSUMS)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def fits(folder: Path) -> list[str]:
    """Whether the list of checksums is that of the files."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return [f"{CHECKSUMS} is missing"]
    return [] if path.read_text(encoding="utf-8") == checksums(folder) else [f"{CHECKSUMS} does not fit the files"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
