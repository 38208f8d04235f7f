"""The files of a release: one table (artifacts.json), and the file names that follow from it.

`artifacts.py matrix` prints the build matrix for the workflow, so that it builds what is expected and nothing else.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("artifacts.json")
CHECKSUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Target:
    """One row: a platform, and how its packages are named in each registry."""

    target: str
    runner: str
    # The oldest system that the Linux builds promise, as maturin writes it; None elsewhere.
    compatibility: str | None
    wheel: str
    npm: str
    # The folder of the emulator's program in its npm package; the static ones of musl serve every Linux.
    emulator: str | None


@dataclass(frozen=True)
class Artifact:
    """One file of a release."""

    name: str
    kind: str
    target: Target | None = None

    @property
    def platform(self) -> Target:
        """The platform that it is for; an error when it is for all."""
        if self.target is None:
            msg = f"{self.name} is not for one platform"
            raise ValueError(msg)
        return self.target


def targets() -> list[Target]:
    """Every platform."""
    return [Target(**row) for row in _table()["targets"]]


def target(triple: str) -> Target:
    """The platform of a Rust target."""
    return next(row for row in targets() if row.target == triple)


def budgets() -> dict[str, int]:
    """The largest size of a file of each kind, in bytes."""
    return dict(_table()["budgets"])


def crates() -> list[str]:
    """The crates for crates.io, in the order in which they have to be published."""
    return list(_table()["crates"])


def expected(version: str) -> list[Artifact]:
    """Every file of the release of a version."""
    per_target = [
        artifact
        for row in targets()
        for artifact in (
            Artifact(f"forcegrant-{version}-cp310-abi3-{row.wheel}.whl", "wheel", row),
            Artifact(f"forcegrant_emulator-{version}-py3-none-{row.wheel}.whl", "emulator-wheel", row),
            Artifact(f"forcegrant-{row.npm}-{version}.tgz", "npm-platform", row),
        )
    ]
    return [
        *per_target,
        Artifact(f"forcegrant-{version}.tar.gz", "sdist"),
        Artifact(f"forcegrant-{version}.tgz", "npm"),
        Artifact(f"forcegrant-emulator-{version}.tgz", "npm-emulator"),
        *(Artifact(f"{crate}-{version}.crate", "crate") for crate in crates()),
        Artifact(f"forcegrant-{version}.cdx.json", "sbom"),
    ]


def matrix() -> str:
    """The `strategy.matrix` of the build job."""
    return json.dumps({"include": [{"target": row.target, "runner": row.runner} for row in targets()]})


def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


if __name__ == "__main__":
    if sys.argv[1:] != ["matrix"]:
        sys.exit("usage: artifacts.py matrix")
    print(f"matrix={matrix()}")
