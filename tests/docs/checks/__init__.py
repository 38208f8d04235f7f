"""What the checks share: the repository, its Markdown files, and what a check is."""

from __future__ import annotations

import functools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]

_LEFT_OUT = {"target", "node_modules", ".git", "dist", ".venv"}


@dataclass(frozen=True)
class Check:
    """One thing that must be true; `run` raises an AssertionError that says what is not."""

    name: str
    run: Callable[[], None]


@dataclass(frozen=True)
class Block:
    """A fenced code block, with the name in the comment `<!-- check: name -->` above it."""

    file: str
    line: int
    language: str
    name: str | None
    text: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@functools.cache
def files() -> tuple[str, ...]:
    """The files of the repository, by git, or by looking where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        found = [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]
    else:
        found = [
            path.relative_to(ROOT).as_posix()
            for path in ROOT.rglob("*")
            if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(ROOT).parts)
        ]
    return tuple(sorted(found))


@functools.cache
def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def documents() -> list[str]:
    return [name for name in files() if name.endswith(".md")]


def without_code(text: str) -> str:
    """The text with its code blocks blanked out; lines keep their numbers."""
    return re.sub(
        r"^(```|~~~).*?^\1[ ]*$",
        lambda block: "\n" * block[0].count("\n"),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


def blocks(name: str) -> list[Block]:
    pattern = re.compile(
        r"(?:^<!-- check: (?P<name>[\w-]+) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```[ ]*$",
        re.MULTILINE | re.DOTALL,
    )
    text = read(name)
    return [
        Block(
            file=name,
            line=text.count("\n", 0, found.start("text")) + 1,
            language=found["language"],
            name=found["name"],
            text=found["text"],
        )
        for found in pattern.finditer(text)
    ]
