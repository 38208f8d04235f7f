"""`make soak`: runs the long tests and ends with a summary of what they measured.

Arguments choose the soak tests whose name contains one of them. If one fails, the others still run and the exit code
is 1. A soak test that reports nothing has failed too.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass

import prepare
from ready import headline, stream, take_signals, test_environment
from soaks import Soak, all_soaks
from workspace import check_tools, fail, run


@dataclass(frozen=True)
class Outcome:
    """The result of a soak test for the summary."""

    soak: Soak
    problem: str | None
    reports: list[str]
    seconds: float


def main(wanted: list[str]) -> int:
    """Returns the exit code."""
    check_tools()
    env = test_environment()
    soaks = [soak for soak in all_soaks() if is_wanted(soak, wanted)]
    if not soaks:
        fail(f"there is no such soak: {' '.join(wanted) or 'none is listed'}")
    headline("set-up")
    prepare.install(env)
    builds = {tuple(build): None for soak in soaks for build in soak.builds}
    for build in builds:
        run(list(build), env)
    outcomes = []
    for soak in soaks:
        headline(soak.name)
        outcomes.append(run_soak(soak, env))
    print_summary(outcomes)
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def is_wanted(soak: Soak, wanted: list[str]) -> bool:
    """Whether one of the words is in its name."""
    return not wanted or any(word.lower() in soak.name.lower() for word in wanted)


def run_soak(soak: Soak, env: dict[str, str]) -> Outcome:
    """All its commands, up to the first that fails."""
    started = time.monotonic()
    problem, reports = None, []
    for command in soak.commands:
        print(f"$ {' '.join(command)}", flush=True)
        problem, said = stream(command, {**env, **soak.env}, soak.limit_minutes * 60)
        reports += re.findall(r"^soak: (.+)$", said, re.MULTILINE)
        if problem is not None:
            break
    if problem is None and not reports:
        problem = "it reports nothing"
    return Outcome(soak, problem, reports, time.monotonic() - started)


def print_summary(outcomes: list[Outcome]) -> None:
    """What was measured, then what went wrong."""
    width = max(len(outcome.soak.name) for outcome in outcomes)
    print("\n==== summary ====")
    for outcome in outcomes:
        first, *others = outcome.reports or [""]
        state = "FAILED" if outcome.problem else "passed"
        print(f"{outcome.soak.name:{width}}  {state}  {outcome.seconds:7.1f} s  {first}".rstrip())
        for report in others:
            print(f"{'':{width}}  {'':6}  {'':9}  {report}")
    failed = [outcome for outcome in outcomes if outcome.problem]
    for outcome in failed:
        print(f"FAILED: {outcome.soak.name}: {outcome.problem}")
    print(f"{len(outcomes) - len(failed)} soaks passed, {len(failed)} failed", flush=True)


if __name__ == "__main__":
    take_signals()
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
