"""How many tests of a suite passed and were skipped, read from its output.

Every reader takes the whole output of one command and returns a `Count`, or None if it finds no number: then nothing
shows that a test ran, and the suite fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple


class Count(NamedTuple):
    """Sums over one suite."""

    passed: int
    skipped: int = 0
    unit: str = "tests"

    def __str__(self) -> str:
        unit = self.unit.removesuffix("s") if self.passed == 1 else self.unit
        left_out = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} {unit}{left_out}"


Reader = Callable[[str], "Count | None"]


def one_check(_: str) -> Count:
    """For tools that print nothing on success."""
    return Count(1, unit="checks")


def cargo(output: str) -> Count | None:
    """libtest, once for each test binary."""
    found = re.findall(r"^test result: \w+\. (\d+) passed; \d+ failed; (\d+) ignored;", output, re.MULTILINE)
    return _sum(found)


def pytest(output: str) -> Count | None:
    """The last line of pytest."""
    last = re.findall(r"^=*\s?(?=.*\b\d+ passed\b)(.+) in [\d.]+s", output, re.MULTILINE)
    if not last:
        return None
    numbers = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last[-1])}
    return Count(numbers["passed"], numbers.get("skipped", 0) + numbers.get("deselected", 0))


def unittest(output: str) -> Count | None:
    """The end of unittest."""
    ran = re.findall(r"^Ran (\d+) tests?", output, re.MULTILINE)
    skipped = re.findall(r"skipped=(\d+)", output)
    if not ran:
        return None
    left_out = int(skipped[-1]) if skipped else 0
    return Count(int(ran[-1]) - left_out, left_out)


def node(output: str) -> Count | None:
    """Node's own runner; its two built-in reporters mark the summary differently."""
    passed = re.findall(r"^(?:#|\u2139) pass (\d+)", output, re.MULTILINE)
    skipped = re.findall(r"^(?:#|\u2139) (?:skipped|todo) (\d+)", output, re.MULTILINE)
    if not passed:
        return None
    return Count(sum(map(int, passed)), sum(map(int, skipped)))


def number_of(pattern: str, unit: str) -> Reader:
    """A number in a sentence, such as `Checked 31 files`."""

    def read(output: str) -> Count | None:
        found = re.findall(pattern, output)
        return Count(sum(map(int, found)), unit=unit) if found else None

    return read


def _sum(found: list[tuple[str, str]]) -> Count | None:
    if not found:
        return None
    return Count(sum(int(passed) for passed, _ in found), sum(int(skipped) for _, skipped in found))
