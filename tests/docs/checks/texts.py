"""Links between documents, and the commands that they tell people to type."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING

from checks import ROOT, Check, blocks, documents, files, read, without_code

if TYPE_CHECKING:
    from collections.abc import Iterator


def checks() -> Iterator[Check]:
    for name in documents():
        yield Check(f"links of {name}", functools.partial(links, name))
    yield Check("commands", commands)
    yield Check("documents that must be there", present)


def links(name: str) -> None:
    text = without_code(read(name))
    text = re.sub(r"`[^`\n]*`", "", text)
    broken = []
    for found in re.finditer(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)", text):
        target = found[1]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / name).parent / path if path else ROOT / name
        line = text.count("\n", 0, found.start()) + 1
        if not place.exists():
            broken.append(f"line {line}: there is no {path}")
            continue
        if anchor:
            relative = place.resolve().relative_to(ROOT).as_posix()
            if anchor not in anchors(relative):
                broken.append(f"line {line}: {relative} has no place #{anchor}")
    assert not broken, "\n".join(broken)


@functools.cache
def anchors(name: str) -> frozenset[str]:
    """What can stand behind a `#`: headings as GitHub names them, and explicit ids."""
    text = without_code(read(name))
    explicit = re.findall(r"<a id=\"([^\"]+)\"></a>", text)
    assert len(explicit) == len(set(explicit)), f"{name} has an anchor twice"
    headings: list[str] = []
    for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE):
        plain = re.sub(r"<[^>]*>|[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        repeats = headings.count(slug)
        headings.append(slug if not repeats else f"{slug}-{repeats}")
    return frozenset(explicit) | frozenset(headings)


def commands() -> None:
    """What stands in a block of shell lines can be typed."""
    targets = set(re.findall(r"^([a-z][\w-]*):", read("Makefile"), re.MULTILINE))
    scripts = set(json.loads(read("package.json"))["scripts"]) | {"install", "ci", "pack", "test"}
    wrong = []
    for name in documents():
        shell = [block.text for block in blocks(name) if block.language == "sh"]
        inline = re.findall(r"`([^`\n]+)`", without_code(read(name)))
        for text in (*shell, *inline):
            lines = re.sub(r"#.*", "", text)
            wrong += [
                f"{name}: make {target} is no target of the Makefile"
                for target in re.findall(r"\bmake ([a-z][\w-]*)", lines)
                if target not in targets
            ]
            wrong += [
                f"{name}: npm run {script} is no script of package.json"
                for script in re.findall(r"\bnpm run ([\w:-]+)", lines)
                if script not in scripts
            ]
            wrong += [
                f"{name}: there is no example {example}"
                for example in re.findall(r"--example ([\w-]+)", lines)
                if not any(path.endswith(f"examples/{example}.rs") for path in files())
            ]
            wrong += [
                f"{name}: there is no {script}" for script in re.findall(r"\bpython3? ([\w./-]+\.py)", lines) if script not in files()
            ]
            wrong += [
                f"{name}: there is no test {test}"
                for test in re.findall(r"\bcargo test [^\n]*--test ([\w-]+)", lines)
                if not any(path.endswith(f"tests/{test}.rs") for path in files())
            ]
    assert not wrong, "\n".join(wrong)


def present() -> None:
    expected = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
    expected += ["docs/errors.md", "docs/guides/setup.md", "docs/adr/README.md"]
    missing = [name for name in expected if name not in files()]
    assert not missing, f"missing: {missing}"
    index = read("docs/adr/README.md")
    forgotten = [name for name in files() if re.fullmatch(r"docs/adr/\d{4}-.*\.md", name) and f"({name[9:]})" not in index]
    assert not forgotten, f"docs/adr/README.md does not list {forgotten}"
    size = read("README.md").count("\n")
    assert size <= 260, f"the README has {size} lines; it is to be read at three in the morning"
