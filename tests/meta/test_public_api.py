"""The script that searches the public interface for types of other crates finds them."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import public_api

PATHS = {
    "1": {"crate_id": 0, "path": ["forcegrant", "Client"]},
    "2": {"crate_id": 7, "path": ["reqwest", "Client"]},
    "3": {"crate_id": 3, "path": ["std", "string", "String"]},
    "4": {"crate_id": 9, "path": ["serde", "Serialize"]},
}


def resolved(number: int) -> dict[str, object]:
    return {"resolved_path": {"path": "X", "id": number, "args": None}}


def described(**inner: object) -> dict[str, object]:
    item = {"crate_id": 0, "name": "thing", "inner": inner}
    return {"paths": PATHS, "index": {"10": item}}


class ForeignTest(unittest.TestCase):
    def test_types_in_signatures_are_found_at_any_depth(self) -> None:
        output = {"resolved_path": {"path": "Vec", "id": 3, "args": {"angle_bracketed": {"args": [{"type": resolved(2)}]}}}}
        function = {"sig": {"inputs": [["self", resolved(1)]], "output": output}}
        self.assertEqual(list(public_api.foreign(described(function=function))), [("reqwest::Client", "thing")])

    def test_traits_of_others_are_found_where_they_are_implemented_by_hand(self) -> None:
        trait = {"trait": {"path": "Serialize", "id": 4, "args": None}, "is_synthetic": False, "blanket_impl": None}
        found = list(public_api.foreign(described(impl=trait)))
        self.assertEqual(found, [("serde::Serialize", "thing")])
        for automatic in ({"is_synthetic": True}, {"blanket_impl": {"generic": "T"}}):
            self.assertEqual(list(public_api.foreign(described(impl={**trait, **automatic}))), [])

    def test_own_types_and_those_of_the_standard_library_are_none(self) -> None:
        function = {"sig": {"inputs": [["self", resolved(1)]], "output": resolved(3)}}
        self.assertEqual(list(public_api.foreign(described(function=function))), [])

    def test_features_come_from_the_manifest_without_the_internal_ones(self) -> None:
        features = public_api.features_of("forcegrant")
        self.assertIn("tracing", features)
        self.assertFalse(public_api.INTERNAL & set(features))


if __name__ == "__main__":
    unittest.main()
