"""The code of docs/recipes/python-*.md runs and prints the documented output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from forcegrant.testing import Org

RECIPES = Path(__file__).resolve().parents[2] / "docs/recipes"
NAMES = sorted(path.name for path in RECIPES.glob("python-*.md"))


def test_there_are_recipes() -> None:
    clients = ("httpx", "requests", "aiohttp", "simple-salesforce", "grpc")
    assert {"python-events.md", *(f"python-{client}.md" for client in clients)} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_recipe_runs(forcegrant_org: Org, tmp_path: Path, name: str) -> None:
    text = (RECIPES / name).read_text()
    (code,) = re.findall(r"^```py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (expected,) = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    script = tmp_path / "recipe.py"
    script.write_text(code)
    environment = {
        **os.environ,
        **forcegrant_org.emulator.environment(),
        **forcegrant_org.environment(),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected
