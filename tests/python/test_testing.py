"""`forcegrant.testing`, and a well-known client of others against the emulator."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceExpiredSession

from forcegrant import RefusedError
from forcegrant.testing import Emulator, EmulatorError, _locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forcegrant.testing import Org


@pytest.fixture
def session(forcegrant_emulator: Emulator) -> Iterator[requests.Session]:
    """Reaches the emulator by the real host names, through its proxy."""
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": forcegrant_emulator.proxy, "https": forcegrant_emulator.proxy}
        session.verify = str(forcegrant_emulator.ca_file())
        yield session


# simple-salesforce


def test_simple_salesforce_logs_in_and_queries(
    forcegrant_org: Org, session: requests.Session
) -> None:
    salesforce = Salesforce(
        consumer_key=forcegrant_org.client_id,
        consumer_secret=forcegrant_org.client_secret,
        domain=forcegrant_org.my_domain.removesuffix(".salesforce.com"),
        session=session,
    )
    assert salesforce.session_id == forcegrant_org.client().token().access_token
    response = salesforce.query("SELECT Id FROM Account LIMIT 1")
    assert response["done"]
    assert response["totalSize"] == len(response["records"])
    counters = forcegrant_org.emulator.counters()
    assert counters["connects"] >= 1
    assert counters["data_calls"] == 1


def test_simple_salesforce_with_our_token(forcegrant_org: Org, session: requests.Session) -> None:
    client = forcegrant_org.client()
    token = client.token()

    def salesforce() -> Salesforce:
        token = client.token()
        return Salesforce(
            instance_url=token.instance_url, session_id=token.access_token, session=session
        )

    assert salesforce().query("SELECT Id FROM Account LIMIT 1")["done"]
    forcegrant_org.kill_session(token.access_token)
    with pytest.raises(SalesforceExpiredSession):
        salesforce().query("SELECT Id FROM Account LIMIT 1")
    assert client.invalidate(token)
    assert salesforce().query("SELECT Id FROM Account LIMIT 1")["done"]


def test_login_host_refuses_as_the_real_one_does(
    forcegrant_org: Org, session: requests.Session
) -> None:
    response = session.post(
        "https://login.salesforce.com/services/oauth2/token",
        {
            "grant_type": "client_credentials",
            "client_id": forcegrant_org.client_id,
            "client_secret": forcegrant_org.client_secret,
        },
    )
    assert response.status_code == 400
    assert response.json() == {
        "error": "invalid_grant",
        "error_description": "request not supported on this domain",
    }


# The emulator


def test_our_client_goes_through_the_proxy(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.client(resolve={}, proxy=emulator.proxy)
    assert client.verify().token.org_id == forcegrant_org.org_id
    assert emulator.counters()["connects"] == 2


def test_environment_leads_other_programs_here(forcegrant_org: Org) -> None:
    code = (
        "import forcegrant, requests\n"
        "token = forcegrant.Client.from_env(roots=open(__import__('os').environ['SSL_CERT_FILE'])"
        ".read()).token()\n"
        "url = token.instance_url + '/services/data/v67.0/limits'\n"
        "print(requests.get(url, headers={'Authorization': token.authorization}).status_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **forcegrant_org.environment(), **forcegrant_org.emulator.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("200\n", "")


def test_org_is_fresh_in_every_test(forcegrant_org: Org) -> None:
    assert set(forcegrant_org.emulator.counters().values()) == {0}
    forcegrant_org.configure(app={"run_as": None})
    with pytest.raises(RefusedError):
        asyncio.run(forcegrant_org.async_client().token())


def test_org_is_fresh_in_every_test_indeed(forcegrant_org: Org) -> None:
    test_org_is_fresh_in_every_test(forcegrant_org)


def test_faults_are_given_by_name(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    emulator.fault("token", "503_html", first=2)
    token = forcegrant_org.client(retry_backoff=0.001).token()
    assert [entry["answered"] for entry in emulator.requests("token")] == [
        "503_html",
        "503_html",
        200,
    ]
    assert emulator.counters()["faults"] == 2
    emulator.clear_faults()
    forcegrant_org.kill_sessions()
    assert forcegrant_org.client().token() != token


def test_time_passes_when_told(forcegrant_emulator: Emulator) -> None:
    forcegrant_emulator.reset()
    before = forcegrant_emulator.now()
    forcegrant_emulator.advance(3600)
    assert 3600 <= (forcegrant_emulator.now() - before).total_seconds() < 3660


def test_refusals_of_the_emulator_say_what_is_wrong(forcegrant_emulator: Emulator) -> None:
    with pytest.raises(EmulatorError, match="no_such_thing"):
        forcegrant_emulator.control("no_such_thing")
    with pytest.raises(EmulatorError, match="fault"):
        forcegrant_emulator.fault("token", "no_such_fault")


def test_emulator_ends_with_the_block() -> None:
    with Emulator(config={"orgs": [org_config()]}) as emulator:
        assert emulator.org.client().token().org_id is not None
        process = emulator._process
        folder = emulator.ca_file().parent
        with pytest.raises(EmulatorError, match="started before"):
            emulator.start()
    assert process is not None
    assert process.poll() == 0
    assert not folder.exists()
    emulator.stop()
    with pytest.raises(EmulatorError, match="not running"):
        emulator.counters()


def org_config() -> dict[str, Any]:
    return {
        "my_domain": "acme.my.salesforce.com",
        "users": [{"username": "integration@acme.example"}],
        "apps": [{"run_as": "integration@acme.example"}],
    }


def test_emulator_that_does_not_start(tmp_path: Path) -> None:
    program = tmp_path / "emulator"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o700)
    with pytest.raises(EmulatorError, match="exit code 3"), Emulator(binary=program):
        pass


def test_a_process_that_dies_leaves_no_emulator_behind() -> None:
    code = (
        "import os\n"
        "from forcegrant.testing import Emulator\n"
        "emulator = Emulator().start()\n"
        "print(emulator._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, timeout=20, check=False
    )
    assert done.returncode == -9

    def alive() -> bool:
        # One that has ended and was not yet buried has an empty command line.
        try:
            return bool(Path(f"/proc/{int(done.stdout)}/cmdline").read_bytes())
        except FileNotFoundError:
            return False

    until = time.monotonic() + 10
    while alive() and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive()


# Where it is found


def test_variable_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "mine"
    monkeypatch.setenv(_locate.VARIABLE, str(binary))
    with pytest.raises(FileNotFoundError, match="which is no file"):
        _locate.find()
    binary.touch()
    assert _locate.find() == binary


def test_missing_emulator_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(_locate.VARIABLE, raising=False)
    monkeypatch.setattr(_locate, "_installed", list)
    monkeypatch.setattr(_locate, "_built", list)
    with pytest.raises(FileNotFoundError, match=r"pip install 'forcegrant\[testing\]'"):
        _locate.find()


def test_plugin_is_lazy() -> None:
    code = "import sys, forcegrant._pytest_plugin\nprint('forcegrant.testing' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
