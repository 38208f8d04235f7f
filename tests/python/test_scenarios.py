"""The scenarios that every language runs, with threads and with asyncio."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scenario_drivers import Loop, Threads
from scenario_runner import Run
from scenario_surroundings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forcegrant.testing import Emulator

SCENARIOS = load()
CHOICE = os.environ.get("FORCEGRANT_SCENARIO", "")
CHOSEN = [scenario for scenario in SCENARIOS if CHOICE in scenario["id"]]


@pytest.fixture(scope="module")
def ran() -> Iterator[dict[str, list[str]]]:
    """The ids that each runner ran; reported at the end if all ran."""
    ran: dict[str, list[str]] = {Threads.name: [], Loop.name: []}
    yield ran
    folder = os.environ.get("FORCEGRANT_SCENARIO_REPORT_DIR")
    for runner, ids in ran.items():
        if folder and ids == [scenario["id"] for scenario in SCENARIOS]:
            report = json.dumps({"runner": runner, "ran": ids}, indent=1)
            Path(folder, f"{runner}.json").write_text(report + "\n")


@pytest.mark.parametrize("driver", [Threads, Loop], ids=lambda driver: driver.name)
@pytest.mark.parametrize("scenario", CHOSEN, ids=lambda scenario: scenario["id"])
def test_scenario(
    scenario: dict[str, object],
    driver: type[Threads | Loop],
    forcegrant_emulator: Emulator,
    ran: dict[str, list[str]],
) -> None:
    calls = driver()
    try:
        Run[Any](forcegrant_emulator, calls, scenario).run()
    finally:
        calls.close()
    ran[driver.name].append(str(scenario["id"]))
