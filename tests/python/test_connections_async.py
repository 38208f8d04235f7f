"""`AsyncConnections`, in asyncio and trio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import trio

from disclosures import assert_frames_lack
from forcegrant import (
    AsyncClient,
    AsyncConnections,
    Connections,
    ForcegrantError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from forcegrant.testing import Org

SECRET = 'CANARY-ab/c+d=e%f&g"h-5ECRET'
# As Salesforce made them long ago.
OLD_SECRET = "7421893650127746385"
HEX_SECRET = "7F3A90C1D25E86B4" * 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's connections, for one test."""
    monkeypatch.setenv("FORCEGRANT_CONNECTIONS", str(tmp_path / "connections"))
    monkeypatch.delenv("FORCEGRANT_CONNECTIONS_KEY", raising=False)
    return tmp_path / "connections"


def credentials(org: Org) -> tuple[str, str, str]:
    return org.my_domain, org.client_id, org.client_secret


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_all_methods(forcegrant_org: Org, run: Callable[..., Any]) -> None:
    org, told = forcegrant_org, list[str]()
    options: dict[str, Any] = {**org.options()}

    def in_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        run(main if run is trio.run else main())

    async def main() -> None:
        connections = AsyncConnections()
        acme = await connections.authorize(
            "acme",
            *credentials(org),
            labels={"a": "b"},
            on_event=lambda event: told.append(event.name),
            **options,
        )
        assert (acme.org_id, acme.labels) == (org.org_id, {"a": "b"})
        assert (await connections.verify("acme", **options)).revision == 2
        assert connections.set_labels("acme", {}).revision == 3
        assert [one.id for one in connections.list()] == ["acme"]
        assert connections.get("acme") == Connections().get("acme")
        client = AsyncClient.from_connection("acme", connections, **options)
        assert (await client.token()).org_id == org.org_id
        connections.remove("acme")

    in_loop(main)
    assert told == ["login_started", "login_succeeded"]


def test_a_caller_that_is_cancelled_does_not_end_the_login(forcegrant_org: Org) -> None:
    org = forcegrant_org

    async def main() -> None:
        org.emulator.hold()
        connections = AsyncConnections()
        task = asyncio.create_task(
            connections.authorize("acme", *credentials(org), **org.options())
        )
        await asyncio.to_thread(org.emulator.wait_requests, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        org.emulator.release()
        await asyncio.to_thread(org.emulator.wait_requests, 1, "limits")

    asyncio.run(main())


def test_no_frame_holds_the_secret(forcegrant_org: Org, folder: Path) -> None:
    org = forcegrant_org
    host, client_id, _ = credentials(org)
    forms: list[Callable[[], Any]] = [
        lambda: Connections().authorize("acme", host, client_id, SECRET, **org.options()),
        lambda: Connections().authorize("acme", host, "", SECRET, **org.options()),
        lambda: Connections().authorize("acme", host, SECRET, client_id, **org.options()),
        lambda: Connections().authorize("acme", OLD_SECRET, client_id, OLD_SECRET),
        lambda: Connections().authorize(HEX_SECRET, host, client_id, HEX_SECRET),
        lambda: Connections().authorize("acme", host, client_id, SECRET.encode()),  # type: ignore[arg-type]
        lambda: Connections().authorize("acme", host, client_id, SECRET, retries=1),  # type: ignore[call-arg]
        lambda: asyncio.run(
            AsyncConnections().authorize("acme", host, client_id, SECRET, **org.options())
        ),
    ]
    for form in forms:
        with pytest.raises((ForcegrantError, TypeError)) as caught:
            form()
        assert_frames_lack(caught.value, SECRET, OLD_SECRET, HEX_SECRET)
    assert not folder.exists()
    # One that is there, with a wrong secret in it.
    folder.mkdir(mode=0o700)
    plain = (
        f'{{"version": 1, "login_url": "{host}", "client_id": "{client_id}",'
        f' "client_secret": "CANARY5ECRET"}}'
    )
    (folder / "acme.json").write_text(plain)
    (folder / "acme.json").chmod(0o600)
    acme, found = Connections().get("acme"), Connections().list()
    for shown in (acme, found, Connections(), Connections().folder):
        assert "CANARY" not in repr(shown) + str(shown)
    with pytest.raises(TypeError) as caught_type:
        acme.__reduce__()
    assert_frames_lack(caught_type.value, "CANARY5ECRET")
    with pytest.raises(RefusedError) as refused:
        Connections().verify("acme", **org.options())
    assert_frames_lack(refused.value, "CANARY5ECRET")
