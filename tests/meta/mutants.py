#!/usr/bin/env python3
"""Tests a scenario runner: makes scenarios each of which has one false expectation, so that every one must fail.

    mutants.py write DIR [TEXT]  writes DIR/mutants.json and the schema, for FORCEGRANT_SCENARIO_DIR=DIR;
                                 with TEXT those of the scenarios whose id holds it; with --core those of the
                                 tables of the core, for the one runner that runs them
    mutants.py judge DIR LOG     LOG is what the runner printed: it must name every id of DIR, followed by a colon

Standard library only. Exit status 0 when no mutant survived.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from check_scenarios import SCENARIOS, read, scenario_files

Place = tuple[str | int, ...]
# Objects that name all there is, so that an empty one is an expectation too.
EXACT = {"failed", "statuses"}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arguments.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write")
    write.add_argument("folder", type=Path)
    write.add_argument("text", nargs="?", default="")
    write.add_argument("--core", action="store_true")
    judge = commands.add_parser("judge")
    judge.add_argument("folder", type=Path)
    judge.add_argument("log", type=Path)
    options = arguments.parse_args()

    target = options.folder / "mutants.json"
    if options.command == "write":
        made = list(mutants(SCENARIOS / "core" if options.core else SCENARIOS, options.text))
        options.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(SCENARIOS / "schema.json", options.folder)
        document = {"$schema": "./schema.json", "about": "each must fail", "scenarios": made}
        target.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        print(f"{len(made)} mutants in {target}")
        return 0
    ids = {scenario["id"]: scenario["about"] for scenario in read(target)["scenarios"]}
    failed = set(re.findall(r"\b(m[0-9]+-[a-z0-9-]+):", options.log.read_text(encoding="utf-8", errors="replace")))
    survivors = [each for each in ids if each not in failed]
    for each in survivors:
        print(f"survived: {each}: {ids[each]}", file=sys.stderr)
    print(f"{len(ids) - len(survivors)} of {len(ids)} mutants were found")
    return 1 if survivors else 0


def mutants(folder: Path, text: str) -> Iterator[dict[str, Any]]:
    """Every scenario of the folder whose id holds the text, once for each of its expectations, with that one made false."""
    number = 0
    for path in scenario_files(folder):
        for scenario in read(path)["scenarios"]:
            for place in expectations(scenario) if text in scenario["id"] else ():
                mutant = copy.deepcopy(scenario)
                parent = mutant
                for key in place[:-1]:
                    parent = parent[key]
                if falsify(parent, place[-1]):
                    number += 1
                    mutant["id"] = f"m{number}-{scenario['id']}"
                    mutant["about"] = "false: " + ".".join(str(key) for key in place)
                    yield mutant


def expectations(scenario: dict[str, Any]) -> Iterator[Place]:
    for name in ("build_error", "counters"):
        yield from leaves(scenario.get(name, {}), (name,))
    for index, step in enumerate(scenario.get("steps", [])):
        expected = step.get("expect", {})
        parts = enumerate(expected) if isinstance(expected, list) else [(None, expected)]
        for position, part in parts:
            here: Place = ("steps", index, "expect")
            if step["do"] == "asked" and part == {}:
                yield here
            yield from leaves(part, here if position is None else (*here, position))
        if step["do"] == "events":
            yield ("steps", index, "expect")
        if "count" in step:
            yield ("steps", index, "count")


def leaves(value: Any, at: Place) -> Iterator[Place]:
    if value == {} and at[-1] in EXACT:
        yield at
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*at, key))
    else:
        yield at


def falsify(parent: Any, key: str | int) -> bool:
    """Changes `parent[key]` to something that cannot be met. False: there is no such thing."""
    value = parent[key]
    opposite = {"same_as": "differs_from", "differs_from": "same_as"}.get(str(key))
    never = {
        "message_lacks": ["e"],
        "headers_lack": ["host"],
        "form_lacks": ["grant_type"],
        "retry_after_at_least": 1_000_000_000,
        "retry_after_at_most": 0,
    }
    if opposite is not None:
        if opposite in parent:
            return False
        parent[opposite] = parent.pop(key)
    elif key in never:
        parent[key] = never[str(key)]
    elif key in {"extra_lacks", "fingerprint_of"}:
        return False
    elif isinstance(value, bool):
        parent[key] = not value
    elif isinstance(value, (int, float)):
        parent[key] = value + 17
    elif key == "expect" and value is None:
        parent[key] = {"logins": 0}
    elif value == {}:
        parent[key] = {"false": 17 if key == "expect" else {}}
    elif value is None:
        parent[key] = "false"
    elif isinstance(value, str):
        parent[key] = value + "-false"
    elif key == "expect" and isinstance(value, list):
        parent[key] = [*value, {"name": "false"}]
    elif isinstance(value, list):
        parent[key] = [*value, "false"]
    return True


if __name__ == "__main__":
    sys.exit(main())
