"""All packages have one version: the script finds and sets every place that names it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import version  # noqa: E402


class VersionTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="forcegrant-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for pattern in {"CHANGELOG.md", *(place.files for place in version.PLACES)}:
            for path in ROOT.glob(pattern):
                copy = self.root / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)

    def test_every_package_has_the_same_version(self) -> None:
        self.assertEqual(version.check(ROOT), [])

    def test_it_can_be_set_everywhere(self) -> None:
        before = version.everywhere(self.root)
        version.set_everywhere(self.root, "98.7.6")
        self.assertEqual(version.check(self.root), ["CHANGELOG.md has no section on 98.7.6"])
        after = version.everywhere(self.root)
        self.assertEqual([place for place, _ in before], [place for place, _ in after])
        for (_, old), (_, new) in zip(before, after, strict=True):
            self.assertEqual(new, ["98.7.6"] * len(old))

    def test_one_place_that_differs_is_found(self) -> None:
        old = version.current(ROOT)
        for (place, name), found in version.everywhere(ROOT):
            if not found or place is version.PLACES[0]:
                continue
            path = self.root / name
            text = path.read_text(encoding="utf-8")
            one = version.re.search(place.pattern, text, version.re.MULTILINE)
            path.write_text(text[: one.start(1)] + "9.9.9" + text[one.end(1) :], encoding="utf-8")
            self.assertEqual(version.check(self.root), [f"{name}: 9.9.9 instead of {old}"])
            path.write_text(text, encoding="utf-8")

    def test_a_place_that_is_gone_is_found(self) -> None:
        path = self.root / "pyproject.toml"
        path.write_text(path.read_text(encoding="utf-8").replace("forcegrant-emulator==", "forcegrant-emulator>="), encoding="utf-8")
        (wrong,) = version.check(self.root)
        self.assertIn("pyproject.toml: 0 instead of 1", wrong)


if __name__ == "__main__":
    unittest.main()
