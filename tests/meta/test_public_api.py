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


def foreign(**inner: object) -> list[tuple[str, str, str]]:
    return list(public_api.foreign({"forcegrant": described(**inner)}, "forcegrant"))


class ForeignTest(unittest.TestCase):
    def test_types_in_signatures_are_found_at_any_depth(self) -> None:
        output = {
            "resolved_path": {
                "path": "Vec",
                "id": 3,
                "args": {"angle_bracketed": {"args": [{"type": resolved(2)}]}},
            }
        }
        function = {"sig": {"inputs": [["self", resolved(1)]], "output": output}}
        self.assertEqual(foreign(function=function), [("forcegrant", "reqwest::Client", "thing")])

    def test_traits_of_others_are_found_where_they_are_implemented_by_hand(self) -> None:
        trait = {
            "trait": {"path": "Serialize", "id": 4, "args": None},
            "is_synthetic": False,
            "blanket_impl": None,
        }
        self.assertEqual(foreign(impl=trait), [("forcegrant", "serde::Serialize", "thing")])
        for automatic in ({"is_synthetic": True}, {"blanket_impl": {"generic": "T"}}):
            self.assertEqual(foreign(impl={**trait, **automatic}), [])

    def test_own_types_and_those_of_the_standard_library_are_none(self) -> None:
        function = {"sig": {"inputs": [["self", resolved(1)]], "output": resolved(3)}}
        self.assertEqual(foreign(function=function), [])

    def test_what_is_re_exported_is_followed_to_its_methods_and_nothing_else_is(self) -> None:
        client = {"crate_id": 2, "path": ["forcegrant_reqwest", "Call"], "kind": "struct"}
        core = {
            "paths": {"5": client},
            "index": {
                "10": {"crate_id": 0, "name": None, "inner": {"use": {"id": 5, "is_glob": False}}}
            },
        }
        method = {"function": {"sig": {"inputs": [["http", resolved(2)]], "output": None}}}
        implementation = {"is_synthetic": False, "blanket_impl": None, "trait": None, "items": [12]}
        adapter = {
            "paths": {**PATHS, "10": {**client, "crate_id": 0}},
            "index": {
                "10": {"crate_id": 0, "name": "Call", "inner": {"struct": {"impls": [11]}}},
                "11": {"crate_id": 0, "name": None, "inner": {"impl": implementation}},
                "12": {"crate_id": 0, "name": "new", "inner": method},
                "13": {
                    "crate_id": 0,
                    "name": "unrelated",
                    "inner": {"function": {"sig": resolved(4)}},
                },
            },
        }
        found = list(
            public_api.foreign({"forcegrant": core, "forcegrant-reqwest": adapter}, "forcegrant")
        )
        self.assertEqual(found, [("forcegrant-reqwest", "reqwest::Client", "new")])

    def test_features_come_from_the_manifest_and_none_is_internal(self) -> None:
        features = public_api.features_of("forcegrant")
        self.assertIn("tracing", features)
        self.assertTrue({"model", "simulation"}.isdisjoint(features))


if __name__ == "__main__":
    unittest.main()
