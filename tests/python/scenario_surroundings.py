"""Where scenarios are read from, and the environment in which they run."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scenario_fields import JSON, Fields

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(
    os.environ.get("FORCEGRANT_SCENARIO_DIR") or Path(__file__).resolve().parents[1] / "scenarios"
)


def load() -> list[JSON]:
    """Read all scenarios, in the order of the files' names."""
    scenarios: list[JSON] = []
    for path in sorted(FOLDER.glob("*.json")):
        if path.name != "schema.json":
            fields = Fields(json.loads(path.read_text(encoding="utf-8")), path.name)
            fields.take("$schema"), fields.take("about")
            scenarios.extend(fields.take("scenarios"))
            fields.done()
    ids = [scenario["id"] for scenario in scenarios]
    assert len(set(ids)) == len(ids), "an id is used twice"
    return scenarios


@contextmanager
def variables(wanted: dict[str, str]) -> Iterator[None]:
    """Have these variables in `os.environ`, and no others that a client reads."""
    read = ("SALESFORCE_", "SF_", "FORCEGRANT_CONNECTION")
    before = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(read) or name.lower().endswith("_proxy")
    }
    for name in before:
        del os.environ[name]
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            os.environ.pop(name, None)
        os.environ.update(before)
