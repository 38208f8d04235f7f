"""The comparison of the three interfaces finds a member that one language has and another lacks."""

from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import api_table

ROW = {
    "shared": ["token", "status"],
    "lacks": {"node": {"status": "why"}},
    "only": {"python": {"close": "why"}},
}


def there(**changed: set[str]) -> dict[str, dict[str, set[str]]]:
    members = {"rust": {"token", "status"}, "python": {"token", "status", "close"}, "node": {"token"}, **changed}
    return {language: {"Client": names} for language, names in members.items()}


class CompareTest(unittest.TestCase):
    def test_what_the_table_says_is_accepted(self) -> None:
        self.assertEqual(api_table.compare("Client", ROW, there()), [])

    def test_a_member_that_one_language_lacks_is_found(self) -> None:
        found = api_table.compare("Client", ROW, there(rust={"token"}))
        self.assertEqual(found, ["rust: Client lacks status"])

    def test_a_member_that_one_language_has_alone_is_found(self) -> None:
        found = api_table.compare("Client", ROW, there(node={"token", "extra"}))
        self.assertEqual(found, ["node: Client.extra is not in the table"])

    def test_a_type_that_is_gone_is_found(self) -> None:
        found = api_table.compare("Client", ROW, there(node=set()))
        self.assertEqual(found, ["node has no Client", "node: Client lacks token"])

    def test_names_of_node_are_compared_in_snake_case(self) -> None:
        self.assertEqual([api_table.snake(name) for name in ("instanceUrl", "token")], ["instance_url", "token"])

    def test_every_difference_in_the_table_has_a_reason(self) -> None:
        table = json.loads(api_table.TABLE.read_text(encoding="utf-8"))
        for row in table.values():
            for kind in ("only", "lacks"):
                for members in row.get(kind, {}).values():
                    self.assertTrue(all(reason.strip() for reason in members.values()))


if __name__ == "__main__":
    unittest.main()
