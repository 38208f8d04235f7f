"""One interface in three languages: `api_table.py` compares the members of each with the table in api.json.

Rust is reflected from rustdoc's JSON (scripts/public_api.py makes it), Python and Node from their references. A member
that not all languages have is in the table with the reason. Node's names are the same in camelCase.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from workspace import ROOT, environment

TABLE = Path(__file__).with_name("api.json")
DOCS = ROOT / "target/docs"
# Members that a language or its conventions add.
CONVENTIONS = {"constructor", "to_json", "to_string"}
# What users of the core meet: its own items, and what it re-exports.
DESCRIBED = ("forcegrant", "forcegrant_proto", "forcegrant_reqwest")
LANGUAGES = ("rust", "python", "node")


def main() -> int:
    """Returns the exit code."""
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    there = {"rust": rust(), "python": references("python"), "node": references("node")}
    wrong = [problem for name, row in table.items() for problem in compare(name, row, there)]
    for line in wrong:
        print(line, file=sys.stderr)
    shared = sum(len(row["shared"]) for row in table.values())
    print(f"one interface: {len(table)} types, {shared} members in all languages, {len(wrong)} differences")
    return 1 if wrong or not shared else 0


def compare(name: str, row: dict[str, Any], there: dict[str, dict[str, set[str]]]) -> list[str]:
    """The differences between a type of each language and the table."""
    wrong = []
    for language in LANGUAGES:
        called = row.get("called", {}).get(language, name)
        if called is None:
            continue
        has = set().union(*(there[language].get(one, set()) for one in called.split()))
        if not has:
            wrong.append(f"{language} has no {called}")
        only = row.get("only", {}).get(language, {})
        expected = set(row["shared"]) - set(row.get("lacks", {}).get(language, {})) | set(only)
        wrong += [f"{language}: {called} lacks {member}" for member in sorted(expected - has)]
        wrong += [f"{language}: {called}.{member} is not in the table" for member in sorted(has - expected)]
    return wrong


def references(language: str) -> dict[str, set[str]]:
    """The members of each type, from the headings of a reference."""
    found: dict[str, set[str]] = {}
    for path in (DOCS / language).glob("*.md"):
        for owner, member in re.findall(r"^### (\w+)\.([\w]+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(owner, set()).add(snake(member))
    return {owner: members - CONVENTIONS for owner, members in found.items()}


def rust() -> dict[str, set[str]]:
    """The methods of each type of the core; blocking types count as the same type."""
    env = environment()
    folder = Path(env["CARGO_TARGET_DIR"], env["CARGO_BUILD_TARGET"], "doc")
    found: dict[str, set[str]] = {}
    for crate in DESCRIBED:
        file = folder / f"{crate}.json"
        if not file.is_file():
            sys.exit("run the suite `public interface` first: it describes the crates")
        index = json.loads(file.read_text(encoding="utf-8"))["index"]
        for item in index.values():
            if item["crate_id"] == 0 and item["name"]:
                found.setdefault(item["name"].removesuffix("Ext"), set()).update(members(index, item))
    return found


def members(index: dict[str, Any], item: dict[str, Any]) -> set[str]:
    """The methods and fields of a type, or the methods that a trait `ClientExt` gives a `Client`."""
    if "trait" in item["inner"] and item["name"].endswith("Ext"):
        parts = [index.get(str(number)) for number in item["inner"]["trait"]["items"]]
        return {part["name"] for part in parts if part and "function" in part["inner"]}
    inner = item["inner"].get("struct") or item["inner"].get("enum")
    if inner is None:
        return set()
    found: set[str] = set()
    for number in inner["impls"]:
        implementation = index[str(number)]["inner"]["impl"] if str(number) in index else {"trait": "elsewhere"}
        if implementation["trait"] is None:
            found |= {index[str(part)]["name"] for part in implementation["items"] if is_method(index, part)}
    kind = inner.get("kind")
    if isinstance(kind, dict) and "plain" in kind:
        found |= {index[str(part)]["name"] for part in kind["plain"]["fields"] if str(part) in index}
    return found


def is_method(index: dict[str, Any], number: object) -> bool:
    """A function, and not hidden from users."""
    item = index.get(str(number))
    return item is not None and "function" in item["inner"] and item["visibility"] == "public"


def snake(name: str) -> str:
    """`instanceUrl` as `instance_url`; a name in snake case stays."""
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", lambda letters: f"_{letters[1].lower()}", name)


if __name__ == "__main__":
    sys.exit(main())
