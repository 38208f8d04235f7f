"""Connections that lie in no folder, and pools over connections."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest
import trio

from disclosures import assert_frames_lack
from forcegrant import (
    AsyncClientPool,
    AsyncConnections,
    Client,
    ClientPool,
    ConfigurationError,
    Connection,
    Connections,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from forcegrant.testing import Org

KEY = base64.b64encode(bytes([7]) * 32).decode()
OTHER_KEY = base64.b64encode(bytes([8]) * 32).decode()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's connections, for one test."""
    monkeypatch.setenv("FORCEGRANT_CONNECTIONS", str(tmp_path / "connections"))
    monkeypatch.delenv("FORCEGRANT_CONNECTIONS_KEY", raising=False)
    return tmp_path / "connections"


def credentials(org: Org) -> tuple[str, str, str]:
    return org.my_domain, org.client_id, org.client_secret


def shared(org: Org) -> dict[str, Any]:
    """Give the options of all clients of a pool."""
    return {**org.options()}


def authorize(org: Org, of: str = "tenant-42", **options: Any) -> Connection:
    return Connection.authorize(of, *credentials(org), **{**org.options(), **options})


def test_a_connection_of_a_database(forcegrant_org: Org, folder: Path) -> None:
    acme = authorize(forcegrant_org, name="Acme", labels={"tenant": "42"})
    assert (acme.id, acme.name, acme.labels) == ("tenant-42", "Acme", {"tenant": "42"})
    assert (acme.org_id, acme.revision) == (forcegrant_org.org_id, 0)
    assert acme.verified is not None
    assert not folder.exists()
    text = acme.dump(KEY)
    assert forcegrant_org.client_secret not in text
    loaded = Connection.load(text, "tenant-42", f"{OTHER_KEY},{KEY}")
    assert loaded == acme
    client = Client.from_connection(loaded, **forcegrant_org.options())
    assert client.token().org_id == forcegrant_org.org_id
    with pytest.raises(TypeError, match="folder"):
        Client.from_connection(loaded, Connections())
    for text_of, of, key in (
        (text, "tenant-43", KEY),
        (text, "tenant-42", OTHER_KEY),
        (text, "tenant-42", None),
        (text[:-9], "tenant-42", KEY),
    ):
        with pytest.raises(ConfigurationError) as caught:
            Connection.load(text_of, of, key)
        assert caught.value.code == "connection_unreadable"


def test_the_key_of_the_environment_and_no_key(
    forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = authorize(forcegrant_org)
    with pytest.raises(ConfigurationError, match="plain") as caught:
        acme.dump()
    assert caught.value.code == "invalid_option"
    clear = acme.dump(plain=True)
    assert forcegrant_org.client_secret in clear
    assert Connection.load(clear, "tenant-42") == acme
    with pytest.raises(ConfigurationError):
        acme.dump(KEY, plain=True)
    monkeypatch.setenv("FORCEGRANT_CONNECTIONS_KEY", KEY)
    assert Connection.load(acme.dump(), "tenant-42", KEY) == acme
    for wrong in (7, KEY.encode()):
        with pytest.raises(TypeError, match="key"):
            acme.dump(wrong)  # type: ignore[arg-type]


def test_a_text_from_elsewhere_runs_nothing(forcegrant_org: Org, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    host, client_id, _ = credentials(forcegrant_org)
    for source in (f'{{"command": ["/usr/bin/touch", "{marker}"]}}', f'{{"file": "{marker}"}}'):
        text = (
            f'{{"version": 1, "login_url": "{host}", "client_id": "{client_id}",'
            f' "client_secret": {source}}}'
        )
        with pytest.raises(ConfigurationError) as caught:
            Connection.load(text, "tenant-42")
        assert (caught.value.code, caught.value.field) == (
            "connection_unreadable",
            "client_secret",
        )
    assert not marker.exists()


def test_a_refusal_and_its_frames(forcegrant_org: Org) -> None:
    host, client_id, _ = credentials(forcegrant_org)
    secret = "CANARY5ECRET"
    options = forcegrant_org.options()
    forms: list[Callable[[], Any]] = [
        lambda: Connection.authorize("a", host, client_id, secret, **options),
        lambda: asyncio.run(Connection.authorize_async("a", host, client_id, secret, **options)),
    ]
    for form in forms:
        with pytest.raises(RefusedError) as caught:
            form()
        assert caught.value.field == "client_secret"
        assert_frames_lack(caught.value, secret)


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_authorized_in_a_loop(forcegrant_org: Org, run: Callable[..., Any]) -> None:
    org = forcegrant_org

    async def main() -> None:
        acme = await Connection.authorize_async("acme", *credentials(org), **org.options())
        assert acme.org_id == org.org_id
        pool = AsyncClientPool(credentials_callback=lambda _key: acme, **shared(org))
        assert (await pool.token("acme")).org_id == org.org_id

    run(main if run is trio.run else main())


def test_a_pool_over_the_connections_of_a_folder(forcegrant_org: Org) -> None:
    org, connections = forcegrant_org, Connections()
    connections.authorize("acme", *credentials(org), **org.options())
    pool = ClientPool(connections=connections, **shared(org))
    assert pool.token("acme").org_id == org.org_id
    with pytest.raises(ConfigurationError, match="acme") as caught:
        pool.token("acne")
    assert caught.value.code == "unknown_connection"
    assert len(pool) == 1
    in_loop = AsyncClientPool(connections=AsyncConnections(), **shared(org))
    assert asyncio.run(in_loop.token("acme")).org_id == org.org_id
    assert ClientPool(connections=None, **shared(org)).cached("acme") is None
    with pytest.raises(ConfigurationError, match="connections"):
        ClientPool(connections=connections, credentials_callback=lambda _key: None)
    with pytest.raises(TypeError, match="connections"):
        ClientPool(connections=connections.folder)  # type: ignore[arg-type]


def test_a_callback_over_rows(forcegrant_org: Org) -> None:
    rows = {"tenant-42": authorize(forcegrant_org).dump(KEY)}
    asked: list[str] = []

    def lookup(key: str) -> Connection | None:
        asked.append(key)
        return Connection.load(rows[key], key, KEY) if key in rows else None

    pool = ClientPool(credentials_callback=lookup, **shared(forcegrant_org))
    assert pool.token("tenant-42").org_id == forcegrant_org.org_id
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="tenant-43") as caught:
            pool.token("tenant-43")
        assert (caught.value.code, caught.value.retryable) == ("unknown_key", False)
    assert asked == ["tenant-42", "tenant-43"]


def test_sealed_anew(forcegrant_org: Org, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections()
    connections.authorize("acme", *credentials(forcegrant_org), **forcegrant_org.options())
    with pytest.raises(ConfigurationError) as caught:
        connections.reseal("acme")
    assert caught.value.code == "invalid_option"
    monkeypatch.setenv("FORCEGRANT_CONNECTIONS_KEY", KEY)
    sealed = Connections().reseal("acme")
    assert sealed.revision == 2
    assert forcegrant_org.client_secret not in (folder / "acme.json").read_text()
