"""`make test` runs suites beside others, shows their output as a whole, and leaves no process behind."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
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
            fine = beside.wait(lines, problems, beside.names())
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

    def test_the_others_go_on_while_some_are_waited_for(self) -> None:
        lines: list[ready.Line] = []
        long = suite("long", "import time; time.sleep(600)")
        with ready.BesideOthers(dict(os.environ)) as beside, contextlib.redirect_stdout(io.StringIO()):
            for each in (suite("short", "print(1)"), long):
                beside.start(each)
            self.assertTrue(beside.wait(lines, [], ("short",)))
            self.assertTrue(beside.wait(lines, [], ()))
            self.assertEqual(beside.names(), ("long",))
        self.assertEqual([line.name for line in lines], ["short"])

    def test_none_is_left_when_others_fail(self) -> None:
        with ready.BesideOthers(dict(os.environ)) as beside:
            beside.start(suite("long", "import time; time.sleep(600)"))
            while not ready.RUNNING:
                time.sleep(0.01)
            (process,) = ready.RUNNING
        self.assertIsNotNone(process.poll())
        self.assertFalse(ready.RUNNING)


class Signals(unittest.TestCase):
    def test_programs_hear_an_interrupt_although_it_was_ignored_before(self) -> None:
        interrupted = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('not heard')"
        outer = f"""
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path.insert(0, {str(Path(ready.__file__).parent)!r})
import ready
ready.take_signals()
print(subprocess.run([sys.executable, "-c", {interrupted!r}], capture_output=True).returncode)
"""
        ran = subprocess.run([sys.executable, "-c", outer], capture_output=True, text=True, check=True)
        self.assertEqual(ran.stdout, f"{-signal.SIGINT}\n")


class Order(unittest.TestCase):
    def test_suites_wait_for_what_they_need(self) -> None:
        all_suites = suites.all_suites(Path("reports"))
        names = [each.name for each in all_suites]
        beside = [each.name for each in all_suites if each.beside_others]
        # One after the other, so that those of Node have their package.
        self.assertEqual(beside[:3], ["build for Python", "build for Node", "tsc"])
        by_name = {each.name: each for each in all_suites}
        self.assertEqual(by_name["pytest"].waits_for, ("build for Python", "build for Node"))
        self.assertEqual(by_name["scenarios, 5 runners"].waits_for, tuple(beside))
        self.assertEqual(by_name["Rust tests"].waits_for, ())
        for each in all_suites:
            for awaited in each.waits_for:
                self.assertLess(names.index(awaited), names.index(each.name))

    def test_no_command_names_a_package_where_all_have_one_set_of_features(self) -> None:
        for each in suites.all_suites(Path("reports")):
            for command in each.commands:
                if suites.FEATURES[1] in command:
                    self.assertNotIn("--package", command, each.name)


if __name__ == "__main__":
    unittest.main()
