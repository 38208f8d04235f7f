"""`make test`: sets everything up, runs every suite in order, and ends with a table of results.

It stops at the first suite that fails. The packages are built, and the tests of Node run, beside the other suites. A
suite without a test is a failure too, because a runner that finds no test also ends without an error. Arguments choose
the suites whose name contains one of them; with KEEP_GOING set, the other suites run even if one has failed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import prepare
from counts import one_check
from suites import Suite, all_suites
from workspace import ROOT, built, check_tools, environment, fail

# Far longer than any suite takes; one that hangs must not block a build machine.
LIMIT_SECONDS = 20 * 60

Show = Callable[[str], None]
# The commands that have not ended.
RUNNING: set[subprocess.Popen[str]] = set()


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    what: str
    seconds: float


def main(wanted: list[str]) -> int:
    """Returns the exit code."""
    check_tools()
    env = test_environment()
    started = time.monotonic()
    lines: list[Line] = []
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="forcegrant-") as reports, BesideOthers(env) as beside:
        suites = [suite for suite in all_suites(Path(reports)) if is_wanted(suite, wanted)]
        if not suites:
            fail(f"there is no such suite: {' '.join(wanted)}")
        headline("set-up")
        prepare.install(env)
        lines.append(Line("set-up", "done", time.monotonic() - started))
        for suite in suites:
            if suite.beside_others:
                beside.start(suite)
                continue
            if not beside.wait(lines, problems, suite.waits_for) and not os.environ.get("KEEP_GOING"):
                break
            headline(suite.name)
            if suite.needs is not None and shutil.which(suite.needs) is None:
                lines.append(Line(suite.name, f"left out: no {suite.needs}", 0))
                if os.environ.get("CI"):
                    problems.append(f"FAILED: {suite.name}: {suite.needs} is not installed, and CI leaves nothing out")
                continue
            line, problem = run_suite(suite, env)
            lines.append(line)
            if problem is not None:
                problems.append(f"FAILED: {suite.name}: {problem}")
                if not os.environ.get("KEEP_GOING"):
                    break
        else:
            beside.wait(lines, problems, beside.names())
    print_table(lines)
    if problems:
        print("", *problems, sep="\n", flush=True)
        return 1
    print(f"\nAll suites passed in {time.monotonic() - started:.0f} s.", flush=True)
    return 0


def test_environment() -> dict[str, str]:
    """The environment without the variables of the developer's own org, and with the emulator of the Rust build."""
    private = ("SALESFORCE_", "SF_", "FORCEGRANT_")
    env = {name: value for name, value in environment().items() if not name.startswith(private)}
    env["FORCEGRANT_EMULATOR"] = str(built("debug", "forcegrant-emulator", env))
    return env


def is_wanted(suite: Suite, wanted: list[str]) -> bool:
    """Whether a suite is chosen; builds always are, because the others need them."""
    return not wanted or suite.read is None or any(word.lower() in suite.name.lower() for word in wanted)


def print_now(text: str) -> None:
    """Prints what a command says, as it says it."""
    print(text, end="", flush=True)


def run_suite(suite: Suite, env: dict[str, str], show: Show = print_now) -> tuple[Line, str | None]:
    """The line of the table, and the problem if there is one."""
    started = time.monotonic()
    problem, output = None, ""
    for command in suite.commands:
        show(f"$ {' '.join(command)}\n")
        # A build beside other suites takes the time that they leave.
        is_polite = suite.beside_others and suite.read is None
        polite, limit = (["nice", "-n", "10"], 2 * LIMIT_SECONDS) if is_polite else ([], LIMIT_SECONDS)
        problem, said = stream([*polite, *command], {**env, **suite.env}, limit, show)
        output += said
        if problem is not None:
            break
    what = "FAILED"
    if problem is None and suite.read is None:
        what = "done"
    elif problem is None:
        count = suite.read(output) if suite.read else None
        if count is None or count.passed == 0:
            problem = "no test ran, or its output does not show it"
        elif suite.read is one_check:
            what = str(count._replace(passed=len(suite.commands)))
        else:
            what = str(count)
    return Line(suite.name, what, time.monotonic() - started), problem


def stream(
    command: list[str], env: dict[str, str], limit: float = LIMIT_SECONDS, show: Show = print_now
) -> tuple[str | None, str]:
    """Runs a command for `limit` seconds at most and shows its output. Returns the problem, if any, and the output."""
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            # A process group of its own, so that all its processes can be ended.
            start_new_session=True,
        )
    except OSError as error:
        return f"{command[0]} does not start: {error}", ""
    seen: list[str] = []

    def read() -> None:
        for text in process.stdout or ():
            seen.append(text)
            show(text)

    RUNNING.add(process)
    reader = threading.Thread(target=read)
    reader.start()
    problem = None
    try:
        code = process.wait(limit)
        if code != 0:
            problem = f"exit code {code} of: {' '.join(command)}"
    except subprocess.TimeoutExpired:
        problem = f"it did not end within {limit / 60:g} minutes: {' '.join(command)}"
    finally:
        kill(process)
        process.wait()
        RUNNING.discard(process)
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
    return problem, "".join(seen)


def kill(process: subprocess.Popen[str]) -> None:
    """Ends a command and all its processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class BesideOthers:
    """Suites that run one after the other while others run. Their output is shown when they have ended."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.executor = ThreadPoolExecutor(max_workers=1)
        self.started: list[tuple[Suite, list[str], Future[tuple[Line, str | None]]]] = []

    def __enter__(self) -> BesideOthers:
        return self

    def start(self, suite: Suite) -> None:
        """Runs a suite after those that were started before it."""
        output: list[str] = []
        self.started.append((suite, output, self.executor.submit(run_suite, suite, self.env, output.append)))

    def names(self) -> tuple[str, ...]:
        """Those that were started and not waited for."""
        return tuple(suite.name for suite, _, _ in self.started)

    def wait(self, lines: list[Line], problems: list[str], names: Sequence[str]) -> bool:
        """Waits for those with these names, and adds their lines and problems. Whether there was no problem."""
        before = len(problems)
        for started in [each for each in self.started if each[0].name in names]:
            suite, output, future = started
            line, problem = future.result()
            headline(suite.name)
            print(*output, sep="", end="", flush=True)
            lines.append(line)
            if problem is not None:
                problems.append(f"FAILED: {suite.name}: {problem}")
            self.started.remove(started)
        return len(problems) == before

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for _, _, future in self.started):
            for process in list(RUNNING):
                kill(process)
            time.sleep(0.05)


def headline(name: str) -> None:
    """Prints the heading of a suite."""
    print(f"\n==== {name} ====", flush=True)


def print_table(lines: list[Line]) -> None:
    """One line for each suite."""
    names = max(len(line.name) for line in lines)
    whats = max(len(line.what) for line in lines)
    print()
    for line in lines:
        print(f"{line.name:{names}}  {line.what:{whats}}  {line.seconds:6.1f} s")


def stop(number: int, _frame: object) -> None:
    """Raises SystemExit, so that the running command is ended too."""
    sys.exit(128 + number)


def take_signals() -> None:
    """Has SIGTERM end the running command too, and SIGINT reach the programs under test.

    A shell that runs this in the background, or a build machine, may have SIGINT ignored. Programs inherit that.
    """
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    take_signals()
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
