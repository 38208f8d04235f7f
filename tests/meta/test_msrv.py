"""The comparison of Rust versions finds a dependency that needs more than a published crate promises."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import msrv


def package(name: str, rust: str | None, publish: list[str] | None = None) -> dict[str, Any]:
    return {"id": name, "name": name, "version": "1.0.0", "rust_version": rust, "publish": publish}


def metadata(core: str | None, deep: str | None, kind: str | None = None) -> dict[str, Any]:
    def edge(to: str, of: str | None = None) -> dict[str, Any]:
        return {"pkg": to, "dep_kinds": [{"kind": of}]}

    return {
        "packages": [package("core", core), package("near", "1.60"), package("deep", deep), package("tool", "1.90", [])],
        "workspace_members": ["core", "tool"],
        "resolve": {
            "nodes": [
                {"id": "core", "deps": [edge("near"), edge("tool", "dev")]},
                {"id": "near", "deps": [edge("deep", kind)]},
                {"id": "deep", "deps": []},
                {"id": "tool", "deps": [edge("core")]},
            ]
        },
    }


class CompareTest(unittest.TestCase):
    def test_what_needs_no_more_is_accepted(self) -> None:
        self.assertEqual(msrv.compare(metadata("1.88", "1.88.0")), ([], 2))
        self.assertEqual(msrv.compare(metadata("1.88", None)), ([], 1))
        self.assertEqual(msrv.compare(metadata("1.88", "1.99", "dev")), ([], 1))

    def test_what_needs_more_is_found(self) -> None:
        for kind in (None, "build"):
            found, _ = msrv.compare(metadata("1.88", "1.100.1", kind))
            self.assertEqual(found, ["core promises Rust 1.88, but deep 1.0.0 needs 1.100.1"])

    def test_a_promise_that_is_missing_is_found(self) -> None:
        self.assertEqual(msrv.compare(metadata(None, None))[0], ["core promises no Rust version"])


if __name__ == "__main__":
    unittest.main()
