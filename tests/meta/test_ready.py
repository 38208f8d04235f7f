"""`make test` runs suites beside others, shows their output as a whole, and leaves no process behind."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import ready
import suites


def suite(name: str, text: str) -> suites.Suite:
    return suites.Suite(name, [[sys.executable, "-c", text]], None, beside_others=True)


class BesideOthers(unittest.TestCase):
    def wait(self, *started: suites.Suite) -> tuple[str, list[str], list[str], bool]:
        lines: list[ready.Line] = []
        problems: list[str] = []
        shown = io.StringIO()
        with ready.BesideOthers(dict(os.environ)) as beside, contextlib.redirect_stdout(shown):
            for each in started:
                beside.start(each)
            fine = beside.wait(lines, problems)
        return shown.getvalue(), [line.name for line in lines], problems, fine

    def test_their_output_is_shown_in_order(self) -> None:
        shown, names, problems, fine = self.wait(suite("one", "print(1 + 1)"), suite("two", "print(2 + 2)"))
        self.assertEqual((names, problems, fine), (["one", "two"], [], True))
        self.assertLess(shown.index("==== one ====\n$ "), shown.index("\n2\n"))
        self.assertLess(shown.index("\n2\n"), shown.index("==== two ===="))
        self.assertTrue(shown.endswith("\n4\n"), shown)

    def test_a_failure_is_a_problem_and_the_next_runs(self) -> None:
        shown, names, problems, fine = self.wait(suite("one", "raise SystemExit(3)"), suite("two", "print(2 + 2)"))
        self.assertEqual((names, fine), (["one", "two"], False))
        self.assertEqual(len(problems), 1)
        self.assertIn("FAILED: one: exit code 3", problems[0])
        self.assertTrue(shown.endswith("\n4\n"), shown)

    def test_none_is_left_when_others_fail(self) -> None:
        with ready.BesideOthers(dict(os.environ)) as beside:
            beside.start(suite("long", "import time; time.sleep(600)"))
            while not ready.RUNNING:
                time.sleep(0.01)
            (process,) = ready.RUNNING
        self.assertIsNotNone(process.poll())
        self.assertFalse(ready.RUNNING)


class Order(unittest.TestCase):
    def test_suites_wait_for_the_packages_if_they_may_need_them(self) -> None:
        all_suites = suites.all_suites(Path("reports"))
        names = [each.name for each in all_suites]
        waiting = [each.name for each in all_suites if each.needs_packages]
        self.assertEqual(names[-len(waiting) :], waiting)
        self.assertIn("pytest", waiting)
        self.assertIn("Node tests", waiting)

    def test_no_command_names_a_package_where_all_have_one_set_of_features(self) -> None:
        for each in suites.all_suites(Path("reports")):
            for command in each.commands:
                if suites.FEATURES[1] in command:
                    self.assertNotIn("--package", command, each.name)


if __name__ == "__main__":
    unittest.main()
