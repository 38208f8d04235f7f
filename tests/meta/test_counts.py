"""The readers of `make test` find what ran, and find nothing where nothing ran."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import counts
from counts import Count

CARGO = """
running 2 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s
"""
TAP = "1..3\n# tests 3\n# suites 0\n# pass 2\n# fail 0\n# cancelled 0\n# skipped 1\n# todo 0\n"


class Counts(unittest.TestCase):
    def test_cargo_is_summed_over_its_binaries(self) -> None:
        self.assertEqual(counts.cargo(CARGO), Count(42, 1))

    def test_cargo_that_ran_no_binary_shows_nothing(self) -> None:
        self.assertIsNone(counts.cargo("    Finished `test` profile in 0.1s\n"))

    def test_pytest_quiet_and_not(self) -> None:
        self.assertEqual(counts.pytest("...\n867 passed, 2 skipped in 56.20s\n"), Count(867, 2))
        decorated = "==== 5 passed, 1 deselected, 3 warnings in 61.20s (0:01:01) ====\n"
        self.assertEqual(counts.pytest(decorated), Count(5, 1))

    def test_pytest_without_tests_shows_nothing(self) -> None:
        self.assertIsNone(counts.pytest("no tests ran in 0.02s\n"))

    def test_node_by_both_reporters(self) -> None:
        self.assertEqual(counts.node(TAP), Count(2, 1))
        self.assertEqual(counts.node(TAP.replace("# ", "\u2139 ")), Count(2, 1))

    def test_node_that_found_no_file_shows_nothing(self) -> None:
        self.assertIsNone(counts.node("Could not find 'tests/node/*.test.mjs'\n"))

    def test_unittest(self) -> None:
        self.assertEqual(counts.unittest("Ran 11 tests in 0.1s\n\nOK (skipped=2)\n"), Count(9, 2))
        self.assertIsNone(counts.unittest("ImportError\n"))

    def test_a_number_in_a_sentence(self) -> None:
        read = counts.number_of(r"Checked (\d+) files", "files")
        self.assertEqual(read("Checked 31 files in 5ms."), Count(31, unit="files"))
        self.assertIsNone(read("Checked no files"))

    def test_as_text(self) -> None:
        self.assertEqual(str(Count(1, unit="checks")), "1 check")
        self.assertEqual(str(Count(1200, 3)), "1200 tests, 3 skipped")


if __name__ == "__main__":
    unittest.main()
