"""The soak tests of `make soak`, which take too long for `make test`.

To add one, write a program that ends with exit code 0 on success and prints what it measured in lines that begin
with `soak: `, and list its commands here. Words given to `make soak` choose by the name, whose first word is the
language.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import prepare
from workspace import VENV_PYTHON

PYTHON = str(VENV_PYTHON)


@dataclass(frozen=True)
class Soak:
    """One entry of the summary."""

    name: str
    commands: list[list[str]]
    # The builds that it needs; a command that several soak tests need is run once.
    builds: list[list[str]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    # A command that takes longer is ended, and the soak test fails.
    limit_minutes: int = 60


EMULATOR = ["cargo", "build", "--locked", "--package", "forcegrant-emulator"]
# Packages as they are published: users do not run debug builds.
FOR_PYTHON = [EMULATOR, prepare.python_build(True)]
FOR_NODE = [EMULATOR, prepare.node_build(True)]


def all_soaks() -> list[Soak]:
    """Every soak, in the order in which they run."""
    return [*python(), *node(), *rust()]


def python() -> list[Soak]:
    """The Python package."""
    return [
        Soak("python forks", [[PYTHON, "tests/soak/forks.py"]], FOR_PYTHON),
        Soak("python exits", [[PYTHON, "tests/soak/exits.py"]], FOR_PYTHON),
        Soak("python sdist offline", [[PYTHON, "tests/soak/sdist_offline.py"]]),
        Soak("python leaks", [[PYTHON, "tests/soak/leaks.py"]], FOR_PYTHON),
        Soak("python memory", [[PYTHON, "tests/soak/memory.py"]], FOR_PYTHON),
    ]


def node() -> list[Soak]:
    """The Node package."""
    return [
        Soak("node workers", [["node", "tests/soak/node_workers.mjs"]], FOR_NODE),
        Soak("node exits", [["node", "tests/soak/node_exits.mjs"]], FOR_NODE),
        Soak("node memory", [["node", "tests/soak/node_memory.mjs"]], FOR_NODE),
        Soak("node leaks", [["node", "tests/soak/node_leaks.mjs"]], FOR_NODE),
    ]


def rust() -> list[Soak]:
    """The crates."""
    build = ["cargo", "build", "--release", "--locked", "--package", "forcegrant-adapters", "--bin", "soak"]
    soak = ["cargo", "run", "--quiet", *build[2:], "--"]
    pool = ["--release", "--locked", "--package", "xtask", "--example", "pool_soak"]
    return [
        Soak("rust leaks", [[*soak, "leaks"]], [build]),
        Soak("rust memory", [[*soak, "memory"]], [build]),
        Soak("rust pool", [["cargo", "run", "--quiet", *pool]], [["cargo", "build", *pool]]),
        # Three minutes for each target; the script builds them with options of its own.
        Soak("rust fuzz", [[PYTHON, "scripts/fuzz.py"]]),
    ]
