"""The published packages depend on no package of others and run nothing when they are installed."""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import artifacts  # noqa: E402

LICENCE = "MIT OR Apache-2.0"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def npm_packages() -> dict[str, dict[str, object]]:
    paths = [ROOT / "package.json", *ROOT.glob("bindings/*/package.json"), *ROOT.glob("bindings/*/npm/*/package.json")]
    return {path.relative_to(ROOT).as_posix(): json.loads(path.read_text(encoding="utf-8")) for path in paths}


class ShippedTest(unittest.TestCase):
    def test_python_packages_depend_on_nothing(self) -> None:
        for name in ("pyproject.toml", "bindings/python-emulator/pyproject.toml"):
            self.assertNotRegex(text(name), r"(?m)^dependencies\s*=", name)
            self.assertIn(f'license = "{LICENCE}"', text(name))

    def test_node_packages_depend_on_nothing_but_their_own_binaries(self) -> None:
        for name, package in npm_packages().items():
            for kind in ("dependencies", "bundledDependencies", "bundleDependencies"):
                self.assertNotIn(kind, package, name)
            for own in package.get("optionalDependencies", {}):
                self.assertRegex(own, r"^(@forcegrant/|forcegrant-)", name)
            optional = {
                peer for peer, meta in package.get("peerDependenciesMeta", {}).items() if meta.get("optional")
            }
            self.assertEqual(set(package.get("peerDependencies", {})), optional, name)
            self.assertEqual(package["license"], LICENCE, name)

    def test_node_packages_run_nothing_when_they_are_installed(self) -> None:
        for name, package in npm_packages().items():
            scripts = set(package.get("scripts", {}))
            self.assertFalse(scripts & {"preinstall", "install", "postinstall", "prepare"}, name)

    def test_crates_have_the_same_licence(self) -> None:
        for path in [*ROOT.glob("crates/*/Cargo.toml"), *ROOT.glob("bindings/*/Cargo.toml")]:
            self.assertIn("license.workspace = true", path.read_text(encoding="utf-8"), path)
        self.assertIn(f'license = "{LICENCE}"', text("Cargo.toml"))

    def test_what_is_published_brings_the_texts_of_its_licences(self) -> None:
        for folder in ("bindings/python-emulator", *(f"crates/{name}" for name in artifacts.crates())):
            for name in ("LICENSE-MIT", "LICENSE-APACHE"):
                self.assertEqual(text(f"{folder}/{name}"), text(name), folder)


if __name__ == "__main__":
    unittest.main()
