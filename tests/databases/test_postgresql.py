"""The recipe for PostgreSQL against a server of its own, as Debian packages it."""

from __future__ import annotations

import base64
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from forcegrant import ClientPool, ConfigurationError, Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forcegrant.testing import Org

RECIPE = Path(__file__).resolve().parents[2] / "docs/recipes/python-postgresql.md"
KEY = base64.b64encode(bytes([7]) * 32).decode()


def programs() -> Path:
    """Give the folder of the newest server that is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[4]))
    return folders[-1]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of a database that ends with the tests."""
    # Not below pytest's folder, which the server's user cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="forcegrant-postgresql-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        # The server refuses to run as root.
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, control = folder / "data", programs() / "pg_ctl"
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"

    def run(*command: str | Path) -> None:
        subprocess.run([*as_user, *map(str, command)], check=True, cwd=folder, timeout=60)

    run(programs() / "initdb", "--auth=trust", "--username=me", "--no-sync", "-D", data)
    run(control, "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    try:
        yield f"postgresql://me@127.0.0.1:{port}/postgres"
    finally:
        run(control, "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def test_the_recipe_runs(
    forcegrant_org: Org, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = RECIPE.read_text()
    (code,) = re.findall(r"^```py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (expected,) = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    script = tmp_path / "recipe.py"
    script.write_text(code)
    environment = {
        **os.environ,
        **forcegrant_org.emulator.environment(),
        **forcegrant_org.environment(),
        "DATABASE_URL": database,
        "FORCEGRANT_CONNECTIONS_KEY": KEY,
    }
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected.replace("acme.my.salesforce.com", forcegrant_org.my_domain)
    # What is in the table: no secret, and nothing that works under another id.
    with psycopg.connect(database) as connection:
        (row,) = connection.execute("SELECT tenant, connection FROM salesforce").fetchall()
    assert row[0] == "tenant-42"
    assert forcegrant_org.client_secret not in row[1]
    monkeypatch.setenv("FORCEGRANT_CONNECTIONS_KEY", KEY)
    assert Connection.load(row[1], "tenant-42").org_id == forcegrant_org.org_id
    with pytest.raises(ConfigurationError) as caught:
        Connection.load(row[1].replace("tenant-42", "tenant-43"), "tenant-43")
    assert caught.value.code == "connection_unreadable"


def test_a_tenant_that_is_not_in_the_table(forcegrant_org: Org, database: str) -> None:
    def lookup(tenant: str) -> Connection | None:
        with psycopg.connect(database) as connection:
            query = "SELECT connection FROM salesforce WHERE tenant = %s"
            row = connection.execute(query, (tenant,)).fetchone()
        return None if row is None else Connection.load(row[0], tenant, KEY)

    pool = ClientPool(credentials_callback=lookup, resolve=None, proxy=None)
    with pytest.raises(ConfigurationError) as caught:
        pool.token("tenant-44")
    assert caught.value.code == "unknown_key"
    assert forcegrant_org.emulator.counters()["token_requests"] == 0
