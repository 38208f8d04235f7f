#!/usr/bin/env python3
"""Checks the scenario files and, given a folder of reports, that the runners ran all of them.

    check_scenarios.py                  the files alone: schema, unique ids, at least 60 of them
    check_scenarios.py --reports DIR    and DIR/<runner>.json of every runner: none missing, none twice

All five runners run the files of the folder; one of them alone runs those of its folder `core`.

Standard library only. Exit status 0 when all is well, else 1 with one line for each thing that is wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schema import Validator

RUNNERS = ("rust-async", "rust-blocking", "python-sync", "python-async", "node")
# It also runs the tables of the core, which no language can change.
CORE_RUNNER = "rust-async"
AT_LEAST = 60
OF_POOLS = {"orgs", "insert", "remove", "prewarm", "take_client", "pool_status", "asked"}
SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--reports", type=Path, help="folder with the runners' reports")
    arguments.add_argument("--scenarios", type=Path, default=SCENARIOS, help="folder with the scenario files")
    options = arguments.parse_args()

    shared, core, wrong = check_files(options.scenarios)
    if options.reports is not None:
        wrong += check_reports(options.reports, shared, core)
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        by = f", run by each of {len(RUNNERS)} runners" if options.reports is not None else ""
        print(f"scenarios: {len(shared)} valid{by}; and {len(core)} of the core, run by {CORE_RUNNER} alone")
    return 1 if wrong else 0


def scenario_files(folder: Path) -> list[Path]:
    """The files that every runner runs; the folder `core` is not among them."""
    return sorted(path for path in folder.glob("*.json") if path.name != "schema.json")


def check_files(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """The ids of the scenarios of all runners, those of the core alone, and what is wrong with the files."""
    validator = Validator(read(folder / "schema.json"))
    shared: list[str] = []
    core: list[str] = []
    wrong: list[str] = []
    for where, found in ((folder, shared), (folder / "core", core)):
        for path in scenario_files(where):
            document = read(path)
            name = path.relative_to(folder)
            errors = validator.errors(document)
            wrong += [f"{name}: {error}" for error in errors]
            if not errors:
                for scenario in document["scenarios"]:
                    found.append(scenario["id"])
                    wrong += [f"{name}: {scenario['id']}: {error}" for error in check_names(scenario)]
    ids = shared + core
    wrong += [f"id {each} is used {ids.count(each)} times" for each in sorted(set(ids)) if ids.count(each) > 1]
    if len(shared) < AT_LEAST:
        wrong.append(f"{len(shared)} scenarios for all runners: at least {AT_LEAST} are promised")
    return shared, core, wrong


def check_names(scenario: dict[str, Any]) -> list[str]:
    """What a schema cannot say: names are given before they are used, and a clock that moves is a test clock."""
    wrong: list[str] = []
    saved: set[str] = set()
    clients, pools, started = {"main"}, set[str](), set[str]()
    for number, step in enumerate(scenario.get("steps", []), 1):
        for name in used_tokens(step) - saved:
            wrong.append(f"step {number}: token {name} was not saved before")
        do, of_pool = step["do"], "key" in step or step["do"] in OF_POOLS
        known = pools if of_pool else clients | pools if do in {"settle", "events"} else clients
        name = step.get("with", "pool" if of_pool else "main")
        if do != "new_pool" and name not in known:
            wrong.append(f"step {number}: there is no {'pool' if of_pool else 'client'} {name}")
        wrong += [f"step {number}: {each}" for each in check_step(step, "clock" in scenario)]
        if do == "finish" and step["of"] not in started:
            wrong.append(f"step {number}: {step['of']} was not started")
        if "save" in step:
            saved.add(step["save"])
        if do == "new_pool":
            pools.add(step.get("as", "pool"))
        elif do == "start":
            started.add(step["as"])
        elif do == "finish":
            started.discard(step["of"])
        elif "as" in step:
            clients.add(step["as"])
    wrong += [f"{each} is never finished" for each in sorted(started)]
    wrong += [f"{each} is a client and a pool" for each in sorted(clients & pools)]
    return wrong


def check_step(step: dict[str, Any], has_clock: bool) -> Iterator[str]:
    """The same of one step by itself."""
    do = step["do"]
    if do == "advance" and not has_clock:
        yield "only a test clock can be advanced"
    if do == "requests" and not step.keys() & {"count", "count_at_least", "count_at_most", "expect"}:
        yield "expects nothing of the requests"
    if do == "set_credentials" and "key" not in step and step.keys() & {"login_url", "expect"}:
        yield "a client's login host stays, and its credentials are not refused here"
    if do == "take_client" and ("as" in step) == ("expect" in step):
        yield "give either `as` or `expect`"


def used_tokens(value: Any, key: str = "") -> set[str]:
    """Names of saved tokens below `value`, bare under the keys that take a name, or as `$t1` in a text."""
    if isinstance(value, dict):
        return set().union(*(used_tokens(each, name) for name, each in value.items() if name != "save"))
    if isinstance(value, list):
        return set().union(*(used_tokens(each) for each in value))
    if not isinstance(value, str):
        return set()
    if key in {"same_as", "differs_from", "fingerprint_of", "token"} and not value.startswith("$"):
        return {value}
    return set(re.findall(r"(?<!\$)\$(t[0-9]+)(?![a-z0-9_])", value))


def check_reports(folder: Path, shared: list[str], core: list[str]) -> list[str]:
    """What is wrong with the reports in `folder`, if every runner should have run `shared`, and one also `core`."""
    wrong: list[str] = []
    known = {f"{runner}.json" for runner in RUNNERS}
    wrong += [f"{path.name}: no such runner" for path in sorted(folder.glob("*.json")) if path.name not in known]
    for runner in RUNNERS:
        path = folder / f"{runner}.json"
        if not path.is_file():
            wrong.append(f"{runner}: no report")
            continue
        report = read(path)
        if report.keys() != {"runner", "ran"} or report["runner"] != runner:
            wrong.append(f"{runner}: the report should be {{'runner': '{runner}', 'ran': [ids]}}")
            continue
        ran: list[str] = report["ran"]
        ids = shared + core if runner == CORE_RUNNER else shared
        wrong += [f"{runner}: did not run {each}" for each in ids if each not in set(ran)]
        wrong += [f"{runner}: ran {each}, which is in no file" for each in sorted(set(ran) - set(ids))]
        wrong += [f"{runner}: ran {each} {ran.count(each)} times" for each in sorted(set(ran)) if ran.count(each) > 1]
    return wrong


def read(path: Path) -> Any:
    """The JSON document at `path`; a key that is given twice is an error."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise ValueError(f"{path.name}: a key is given twice among {names}")
        return dict(pairs)

    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)


if __name__ == "__main__":
    sys.exit(main())
