"""The check of imports and names in Python and TypeScript finds what it is there for."""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import structure


class WithFiles(unittest.TestCase):
    def folder(self, files: dict[str, str]) -> Path:
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        folder = Path(made.name) / "acme"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder


class PythonImports(WithFiles):
    def circles(self, **files: str) -> list[list[str]]:
        named = {f"{name}.py": text for name, text in files.items()}
        return structure.circles(structure.python_modules(self.folder(named)))

    def test_imports_of_each_other_are_a_circle(self) -> None:
        for b in (
            "from .a import A",
            "from . import a",
            "import acme.a",
            "from acme import A",
            "from acme import a",
            "def lazily():\n    from .a import A",
            "import importlib\nimportlib.import_module('.a', __package__)",
            "try:\n    from .a import A\nexcept ImportError:\n    pass",
        ):
            found = self.circles(__init__="from .a import A", a="from .b import B", b=b)
            self.assertEqual(found, [["acme.a", "acme.b"]], b)

    def test_what_is_no_import_makes_no_circle(self) -> None:
        for b in (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import A",
            "import typing\nif typing.TYPE_CHECKING:\n    from .a import A\nelse:\n    A = None",
            "TEXT = 'from .a import A'",
            "import a",
            "from other.a import A",
        ):
            self.assertEqual(self.circles(__init__="from .a import A", a="from .b import B", b=b), [], b)

    def test_an_item_of_the_package_itself_is_an_import_of_it(self) -> None:
        found = self.circles(__init__="from .a import A\nVERSION = 1", a="from . import VERSION")
        self.assertEqual(found, [["acme", "acme.a"]])


class WithTypescript(WithFiles):
    def modules(self, **files: str) -> structure.Modules:
        sources = {f"{name}.cts": text for name, text in files.items()}
        return structure.typescript_modules(self.folder({**sources, "tsconfig.json": "{}"}) / "tsconfig.json")


class TypescriptImports(WithTypescript):
    def test_imports_of_each_other_are_a_circle(self) -> None:
        modules = self.modules(
            a="import { b } from './b.cjs'",
            b="import type { C } from './c.cjs'",
            c="export { d } from './d.cjs'",
            d="const e = () => import('./e.cjs')",
            e="const f = () => require('./f.cjs')",
            f="type G = import('./g.cjs').G",
            g="import a = require('./a.cjs')",
        )
        self.assertEqual(structure.circles(modules), [[f"{name}.cts" for name in "abcdefg"]])

    def test_a_comment_and_another_package_make_no_circle(self) -> None:
        modules = self.modules(
            a="import { b } from './b.cjs'", b="// import { a } from './a.cjs'\nimport { c } from 'a'"
        )
        self.assertEqual(structure.circles(modules), [])
        self.assertEqual(modules["a.cts"].imports, {"b.cts"})


class RetiredWords(WithTypescript):
    words = json.loads(structure.RETIRED_WORDS.read_text(encoding="utf-8"))

    def test_names_of_python_are_found(self) -> None:
        text = "class Desk:\n    def take_off(self, minted): ...\nPATIENCE = 1\nself.is_hearsay = 1\nPeppermint = desk = 1"
        found = structure.retired(structure.python_modules(self.folder({"a.py": text})), self.words)
        names = sorted(line.split("`")[1] for line in found)
        self.assertEqual(names, ["Desk", "PATIENCE", "is_hearsay", "minted", "take_off"])

    def test_names_of_typescript_are_found(self) -> None:
        text = "class Desk { lastMint = 1 }\nconst PATIENCE = 1\nfunction f(theVerdict: number) {}\nconst peppermint = 1"
        found = structure.retired(self.modules(a=text), self.words)
        self.assertEqual([line.split("`")[1] for line in found], ["Desk", "PATIENCE", "lastMint", "theVerdict"])


if __name__ == "__main__":
    unittest.main()
