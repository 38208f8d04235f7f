"""All packages have one version: `version.py` checks that, and `version.py 0.2.0` sets it everywhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from workspace import ROOT, fail

# The part of SemVer that Cargo, Python and npm write in the same way: without pre-releases.
VERSION = re.compile(r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)")
OWN_NPM = r"forcegrant(?:-[a-z0-9-]+)?"


class Place(NamedTuple):
    """A place of the version: `pattern` has one group, the version; `at_least` is the number of matches."""

    files: str
    pattern: str
    at_least: int = 1


PLACES = [
    Place("Cargo.toml", r'^version = "([^"]+)"$'),
    # The version of other crates of the workspace that a published crate requires.
    Place("Cargo.toml", r'^forcegrant[a-z-]* = \{ path = "[^"]+", version = "([^"]+)"', 10),
    Place("Cargo.lock", r'^name = "forcegrant[a-z-]*"\nversion = "([^"]+)"$', 13),
    Place("pyproject.toml", r'"forcegrant-emulator==([^"]+)"'),
    # The package itself, and the packages of the emulator and of the platforms that it names.
    Place("package.json", r'^  "version": "([^"]+)"'),
    Place("package.json", rf'^    "{OWN_NPM}": "(\d[^"]*)"'),
    Place("bindings/*/package.json", r'^  "version": "([^"]+)"'),
    Place("bindings/*/package.json", rf'^    "{OWN_NPM}": "(\d[^"]*)"', 0),
    Place("package-lock.json", rf'^ *"name": "{OWN_NPM}",\n *"version": "([^"]+)"', 2),
    Place("package-lock.json", rf'^ *"{OWN_NPM}": "(\d[^"]*)"'),
    Place("package-lock.json", rf'^    "node_modules/{OWN_NPM}": \{{\n *"version": "([^"]+)"', 0),
    Place("README.md", r"^Version ([0-9.]+) is not in the registries yet", 0),
    Place("crates/forcegrant-cli/README.md", r"^forcegrant ([0-9.]+) on linux"),
    Place("crates/forcegrant-emulator/README.md", r'^\{"ready": true, "version": "([^"]+)"'),
]


def main(args: list[str]) -> int:
    """Returns the exit code."""
    if args:
        if len(args) > 1 or not VERSION.fullmatch(args[0]):
            fail("give one version such as 1.2.3")
        set_everywhere(ROOT, args[0])
    wrong = check(ROOT)
    for line in wrong:
        print(line, file=sys.stderr)
    places = sum(len(found) for _, found in everywhere(ROOT))
    print(f"version {current(ROOT)}: {places} places")
    return 1 if wrong else 0


def current(root: Path) -> str:
    """The version of the workspace, which is the source."""
    found = re.search(PLACES[0].pattern, (root / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        fail("Cargo.toml has no version")
    return found[1]


def check(root: Path) -> list[str]:
    """The places that do not have the version of the workspace."""
    version = current(root)
    wrong = [] if VERSION.fullmatch(version) else [f"{version} is not a version such as 1.2.3"]
    counts = dict.fromkeys(PLACES, 0)
    for (place, file), found in everywhere(root):
        counts[place] += len(found)
        wrong += [f"{file}: {other} instead of {version}" for other in found if other != version]
    wrong += [
        f"{place.files}: {count} instead of {place.at_least} matches of {place.pattern}"
        for place, count in counts.items()
        if count < place.at_least
    ]
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version)}( |$)", changes, re.MULTILINE):
        wrong.append(f"CHANGELOG.md has no section on {version}")
    return wrong


def set_everywhere(root: Path, version: str) -> None:
    """Writes the version to every place."""
    for place in PLACES:
        for path in root.glob(place.files):
            text = path.read_text(encoding="utf-8")
            new = re.sub(place.pattern, lambda found: replaced(found, version), text, flags=re.MULTILINE)
            if new != text:
                path.write_text(new, encoding="utf-8")


def replaced(found: re.Match[str], version: str) -> str:
    """The match, with another version in its group."""
    start, end = found.start(1) - found.start(), found.end(1) - found.start()
    return found[0][:start] + version + found[0][end:]


def everywhere(root: Path) -> list[tuple[tuple[Place, str], list[str]]]:
    """Every place in every file, with its versions."""
    return [
        (
            (place, path.relative_to(root).as_posix()),
            re.findall(place.pattern, path.read_text(encoding="utf-8"), re.MULTILINE),
        )
        for place in PLACES
        for path in sorted(root.glob(place.files))
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
