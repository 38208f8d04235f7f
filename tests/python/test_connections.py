"""`Connection` and `Connections` for threads."""

from __future__ import annotations

import base64
import copy
import os
import pickle
import signal
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import scripts
from forcegrant import (
    AsyncClient,
    AsyncConnections,
    Client,
    ConfigurationError,
    Connection,
    Connections,
    ForcegrantError,
    RefusedError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org

KEY = base64.b64encode(bytes([7]) * 32).decode()
SANDBOX = "acme--uat.sandbox.my.salesforce.com"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's connections, for one test."""
    folder = tmp_path / "connections"
    monkeypatch.setenv("FORCEGRANT_CONNECTIONS", str(folder))
    for name in ("FORCEGRANT_CONNECTION", "FORCEGRANT_CONNECTIONS_KEY"):
        monkeypatch.delenv(name, raising=False)
    return folder


def credentials(org: Org) -> tuple[str, str, str]:
    return org.my_domain, org.client_id, org.client_secret


def save(org: Org, of: str = "acme", **options: Any) -> Connection:
    return Connections().authorize(of, *credentials(org), **{**org.options(), **options})


def sandbox(org: Org) -> tuple[str, str, str]:
    """Give the credentials of another org of the emulator."""
    other = org.emulator.control("configure", my_domain=SANDBOX)["org"]
    key = other["apps"][0]["keys"][0]
    return SANDBOX, key["client_id"], key["client_secret"]


def test_what_is_saved_is_used_by_its_id(forcegrant_org: Org, folder: Path) -> None:
    save(forcegrant_org)
    client = Client.from_connection("acme", **forcegrant_org.options())
    assert type(client) is Client
    assert client.token().org_id == forcegrant_org.org_id
    assert type(AsyncClient.from_connection("acme")) is AsyncClient
    for connections in (Connections(folder), AsyncConnections(str(folder))):
        options = forcegrant_org.options()
        client = Client.from_connection("acme", connections, **options)
        assert client.token().user_id == forcegrant_org.user_id
    with pytest.raises(TypeError, match="connections"):
        Client.from_connection("acme", folder)  # type: ignore[arg-type]


def test_a_connection_shows_what_is_known(forcegrant_org: Org) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=2)
    labels = {"tenant": "42"}
    acme = save(forcegrant_org, name="Acme Käse", labels=labels)
    assert (acme.id, acme.name, acme.labels, acme.revision) == ("acme", "Acme Käse", labels, 1)
    assert (acme.login_url, acme.client_id) == credentials(forcegrant_org)[:2]
    assert (acme.org_id, acme.user_id) == (forcegrant_org.org_id, forcegrant_org.user_id)
    for time in (acme.created, acme.verified):
        assert time is not None
        assert time.utcoffset() == timedelta(0)
        assert before <= time <= datetime.now(timezone.utc)
    assert acme.labels is not acme.labels
    assert repr(acme) == f"<Connection acme: org {forcegrant_org.org_id}, revision 1>"
    with pytest.raises(AttributeError):
        acme.name = "other"  # type: ignore[misc]


def test_connections_are_compared_by_what_they_show(forcegrant_org: Org) -> None:
    acme = save(forcegrant_org)
    same = Connections().get("acme")
    assert (acme, hash(acme)) == (same, hash(same))
    assert copy.copy(acme) is copy.deepcopy(acme) is acme
    assert acme != Connections().set_labels("acme", {"a": "b"})
    assert acme != "acme"
    assert len({acme, same}) == 1
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(acme)


def test_list_get_label_and_remove(forcegrant_org: Org, folder: Path) -> None:
    connections = Connections()
    assert connections.folder == folder
    assert (len(connections.list()), folder.exists()) == (0, False)
    save(forcegrant_org, labels={"tenant": "42", "region": "eu"})
    save(forcegrant_org, "globex")
    (folder / "broken.json").write_text("{ hunter22")
    (folder / "broken.json").chmod(0o600)
    found = connections.list()
    assert [one.id for one in found] == [one.id for one in found.connections] == ["acme", "globex"]
    assert len(found) == 2
    (unreadable,) = found.unreadable
    assert isinstance(unreadable, ConfigurationError)
    assert unreadable.code == "connection_unreadable"
    assert "broken.json" in unreadable.message
    assert repr(found) == "<ConnectionList: 2 connections, 1 unreadable>"
    assert [one.id for one in connections.list({"tenant": "42"})] == ["acme"]
    assert [one.id for one in connections.list(labels={"tenant": "43"})] == []
    changed = connections.set_labels("acme", {})
    assert (changed.labels, changed.revision) == ({}, 2)
    connections.remove("acme")
    for lost in (connections.get, connections.remove, Client.from_connection):
        with pytest.raises(ConfigurationError, match="acme") as caught:
            lost("acme")
        assert caught.value.code == "unknown_connection"
    for wrong in ("tenant", [("tenant", "42")], {"tenant": 42}):
        with pytest.raises(TypeError, match="labels"):
            connections.set_labels("globex", wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'id'"):
        connections.get(7)  # type: ignore[arg-type]


def test_authorized_anew(forcegrant_org: Org) -> None:
    save(forcegrant_org, name="Acme", labels={"tenant": "42"})
    client = Client.from_connection("acme", **forcegrant_org.options())
    token = client.token()
    with pytest.raises(ConfigurationError) as caught:
        save(forcegrant_org)
    assert caught.value.code == "connection_exists"
    other = ("3MVG9.OTHER", "0123456789ABCDEF" * 4)
    forcegrant_org.emulator.control("add_key", client_id=other[0], client_secret=other[1])
    again = Connections().authorize(
        "acme",
        client_id=other[0],
        client_secret=other[1],
        replace=True,
        **forcegrant_org.options(),
    )
    assert (again.revision, again.client_id) == (2, other[0])
    assert (again.name, again.labels) == ("Acme", {"tenant": "42"})
    # The same host: the token stays, and the next login has the new values.
    assert client.token() is token
    forcegrant_org.kill_sessions()
    client.invalidate(token)
    client.token()
    asked = forcegrant_org.emulator.requests("token")[-1]
    assert asked["form"]["client_id"] == other[0]


def test_a_refusal_changes_nothing_and_names_the_field(forcegrant_org: Org, folder: Path) -> None:
    host, client_id, secret = credentials(forcegrant_org)
    options = forcegrant_org.options()
    save(forcegrant_org)
    before = (folder / "acme.json").read_bytes()
    wrong = "0123456789ABCDEF" * 4
    for given, error, field in (
        (("acme", host, client_id, wrong), RefusedError, "client_secret"),
        (("acme", host, "3MVG9.NOT.THIS.ONE", secret), RefusedError, "client_id"),
        (("acme", "login.salesforce.com", client_id, secret), ConfigurationError, "login_url"),
        (("new", host, client_id), ConfigurationError, "client_secret"),
    ):
        with pytest.raises(error) as caught:
            Connections().authorize(*given, replace=True, **options)
        assert caught.value.field == field
        assert wrong not in str(caught.value)
    assert [path.name for path in folder.iterdir()] == ["acme.json"]
    assert (folder / "acme.json").read_bytes() == before


def test_another_org_needs_leave(forcegrant_org: Org, folder: Path) -> None:
    save(forcegrant_org)
    before = (folder / "acme.json").read_bytes()
    other = sandbox(forcegrant_org)
    options = forcegrant_org.emulator.options(SANDBOX)
    connections = Connections()
    with pytest.raises(ConfigurationError) as caught:
        connections.authorize("acme", *other, replace=True, **options)
    assert caught.value.code == "other_org"
    assert (folder / "acme.json").read_bytes() == before
    acme = connections.authorize("acme", *other, replace=True, other_org=True, **options)
    assert acme.login_url == SANDBOX
    assert acme.org_id != forcegrant_org.org_id


def test_verify_saves_the_time(forcegrant_org: Org) -> None:
    acme = save(forcegrant_org)
    verified = Connections().verify("acme", **forcegrant_org.options())
    assert verified.revision == 2
    assert acme.verified is not None
    assert verified.verified is not None
    assert verified.verified >= acme.verified
    assert verified == Connections().get("acme")
    forcegrant_org.configure(app={"run_as": None})
    with pytest.raises(RefusedError) as caught:
        Connections().verify("acme", **forcegrant_org.options())
    assert caught.value.setup_step == "run-as-user"


def test_events_of_a_login_are_told(forcegrant_org: Org, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "forcegrant")
    told: list[str] = []
    save(forcegrant_org, on_event=lambda event: told.append(event.name))
    assert told == ["login_started", "login_succeeded"]
    assert forcegrant_org.client_secret not in caplog.text
    assert len(caplog.records) == 2


def test_options_are_checked_and_nothing_is_sent(forcegrant_org: Org, folder: Path) -> None:
    for wrong in (
        {"attempt_timeout": -1},
        {"credentials_callback": lambda: ("id", "secret")},
        {"client_secret_file": "secret"},
        {"proxy": "htp://x"},
    ):
        with pytest.raises(ConfigurationError) as caught:
            save(forcegrant_org, **wrong)
        assert caught.value.code == "invalid_option"
        assert next(iter(wrong)) in caught.value.message
    with pytest.raises(TypeError, match="client_secrets"):
        save(forcegrant_org, client_secrets="x")
    with pytest.raises(TypeError, match="name"):
        save(forcegrant_org, name=7)
    assert not folder.exists()
    assert forcegrant_org.emulator.counters()["token_requests"] == 0


# The environment


def test_the_folder_of_the_environment(folder: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    with mock.patch.object(os, "environ", home):
        assert tmp_path in Connections().folder.parents
    with mock.patch.object(os, "environ", {}), pytest.raises(ConfigurationError) as caught:
        Connections()
    assert "FORCEGRANT_CONNECTIONS" in caught.value.message
    assert Connections(tmp_path).folder == AsyncConnections(str(tmp_path)).folder == tmp_path
    with pytest.raises(ConfigurationError, match="absolute"):
        Connections("relative")
    with pytest.raises(TypeError, match="folder"):
        Connections(7)  # type: ignore[arg-type]
    connections = Connections()
    assert repr(connections) == f"<Connections in {folder}>"
    assert repr(AsyncConnections()) == f"<AsyncConnections in {folder}>"
    assert pickle.loads(pickle.dumps(connections)).folder == folder


def test_a_connection_that_the_environment_names(
    forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(forcegrant_org)
    monkeypatch.setenv("FORCEGRANT_CONNECTION", "acme")
    for variable in forcegrant_org.environment():
        monkeypatch.delenv(variable, raising=False)
    client = Client.from_env(**forcegrant_org.options())
    assert client.token().org_id == forcegrant_org.org_id
    monkeypatch.setenv("SALESFORCE_CLIENT_ID", "x")
    with pytest.raises(ConfigurationError, match="FORCEGRANT_CONNECTION") as caught:
        Client.from_env()
    assert caught.value.code == "ambiguous_credentials"
    # Given explicitly, it is not ambiguous.
    assert Client.from_connection("acme").login_host == forcegrant_org.my_domain


@pytest.mark.parametrize("given", [True, False], ids=["folder", "environment"])
def test_the_key_of_the_environment_seals(forcegrant_org: Org, folder: Path, given: bool) -> None:
    secret = forcegrant_org.client_secret
    variables = {"FORCEGRANT_CONNECTIONS": str(folder), "FORCEGRANT_CONNECTIONS_KEY": KEY}
    # Not of the process: it is the one of Python that counts.
    with mock.patch.object(os, "environ", variables):
        connections = Connections(folder) if given else Connections()
    connections.authorize("acme", *credentials(forcegrant_org), **forcegrant_org.options())
    assert secret not in (folder / "acme.json").read_text()
    client = Client.from_connection("acme", connections, **forcegrant_org.options())
    assert client.token().org_id == forcegrant_org.org_id
    with pytest.raises(ConfigurationError) as caught:
        Client.from_connection("acme", **forcegrant_org.options()).token()
    assert caught.value.code == "connection_unreadable"


# Threads and processes


def test_other_threads_run_while_a_login_is_waited_for(forcegrant_org: Org) -> None:
    forcegrant_org.emulator.hold()
    found: list[Connection] = []
    thread = threading.Thread(target=lambda: found.append(save(forcegrant_org)))
    thread.start()
    forcegrant_org.emulator.wait_requests(1)
    forcegrant_org.emulator.release()
    thread.join()
    assert [one.id for one in found] == ["acme"]


def test_interrupt_ends_the_wait(forcegrant_org: Org, tmp_path: Path) -> None:
    forcegrant_org.emulator.hold()
    script = scripts.write(
        tmp_path,
        """
        from forcegrant import Connections
        try:
            Connections().authorize("acme", *SETUP["credentials"], **SETUP["options"])
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """,
    )
    process = scripts.start(script, forcegrant_org)
    forcegrant_org.emulator.wait_requests(1)
    process.send_signal(signal.SIGINT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.wait(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert (line, process.returncode) == ("interrupted\n", 0)
    forcegrant_org.emulator.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        from forcegrant import Client, Connections
        connections = Connections()
        connections.authorize("acme", *SETUP["credentials"], **SETUP["options"])
        sf = Client.from_connection("acme", **SETUP["options"])
        child = os.fork()
        if child == 0:
            connections.verify("acme", **SETUP["options"])
            connections.authorize("child", *SETUP["credentials"], **SETUP["options"])
            os._exit(0 if sf.token() else 1)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        print([(one.id, one.revision) for one in connections.list()])
        """,
    )
    assert scripts.run(script, forcegrant_org) == "[('acme', 2), ('child', 1)]\n"


def test_the_errors_of_a_removed_connection(forcegrant_org: Org) -> None:
    save(forcegrant_org)
    client = Client.from_connection("acme", **forcegrant_org.options())
    token = client.token()
    Connections().remove("acme")
    assert client.token() is token
    client.invalidate(token)
    with pytest.raises(ForcegrantError) as caught:
        client.token()
    assert caught.value.code == "unknown_connection"
