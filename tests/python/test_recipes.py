"""The code of docs/recipes/python-*.md runs and prints the documented output."""

from __future__ import annotations

import json
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
# It needs a database: see tests/databases.
ELSEWHERE = {"python-postgresql.md"}
# An application, which is called by what stands after it.
FASTAPI = "python-fastapi.md"
NAMES = sorted({path.name for path in RECIPES.glob("python-*.md")} - ELSEWHERE - {FASTAPI})

CALLS = """
import asyncio, json, os, sys
import httpx

async def main():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        values = json.loads(sys.argv[1])
        print((await http.get("/connections/acme")).text.replace("\\n", " "))
        wrong = {**values, "client_secret": "0123456789ABCDEF" * 4, "login_url": '"><script>'}
        for given in (wrong, {**wrong, "login_url": values["login_url"]}, values):
            response = await http.post("/connections/acme", data=given)
            print(response.status_code, response.text.replace("\\n", " "))
        print((await http.get("/connections/acme/org")).json())

asyncio.run(main())
"""


def test_there_are_recipes() -> None:
    clients = ("httpx", "requests", "aiohttp", "simple-salesforce", "grpc")
    assert {"python-events.md", *(f"python-{client}.md" for client in clients)} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_recipe_runs(forcegrant_org: Org, tmp_path: Path, name: str) -> None:
    text = (RECIPES / name).read_text()
    (code,) = re.findall(r"^```py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (expected,) = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert run(forcegrant_org, tmp_path, code) == expected


def test_the_form_in_a_fastapi_application(forcegrant_org: Org, tmp_path: Path) -> None:
    text = (RECIPES / FASTAPI).read_text()
    (code,) = re.findall(r"^```py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert code.count("\n") <= 60
    values = {
        "login_url": forcegrant_org.my_domain,
        "client_id": forcegrant_org.client_id,
        "client_secret": forcegrant_org.client_secret,
    }
    lines = run(forcegrant_org, tmp_path, code + CALLS, json.dumps(values)).splitlines()
    shown = "\n".join(lines)
    form, saved, org = lines[0], lines[-2], lines[-1]
    hostile, refused = (line for line in lines if line.startswith("422 "))
    assert 'type=password value=""' in form
    assert "aria-invalid=true" not in form
    assert re.search(r"name=login_url [^>]*aria-invalid=true", hostile)
    assert re.search(r"name=client_secret [^>]*aria-invalid=true", refused)
    assert "Copy the key and the secret" in refused
    assert saved.startswith("201 ")
    assert org == str({"org_id": forcegrant_org.org_id})
    for secret in ("0123456789ABCDEF" * 4, forcegrant_org.client_secret, "<script>"):
        assert secret not in shown


def run(org: Org, tmp_path: Path, code: str, *arguments: str) -> str:
    """Run a script, which must print nothing on standard error, and give what it printed."""
    script = tmp_path / "recipe.py"
    script.write_text(code)
    environment = {
        **os.environ,
        **org.emulator.environment(),
        **org.environment(),
        "FORCEGRANT_CONNECTIONS": str(tmp_path / "connections"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
