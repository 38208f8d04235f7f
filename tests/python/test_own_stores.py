"""Shared tokens: built-in stores, and stores written in Python."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from forcegrant.stores import Granted, Held, Lease, Stored
from forcegrant.testing import check_store, check_store_async
from scripts import start, write

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org


class MemoryStore:
    """A complete store for one process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: dict[str, tuple[bytes, int, float]] = {}
        self.leases: dict[str, tuple[Lease, float]] = {}
        self.fences: dict[str, int] = {}
        self.logins: dict[str, list[float]] = {}
        self.calls: list[str] = []

    def get(self, key: str) -> Stored | None:
        with self.lock:
            self.calls.append("get")
            entry = self._entry(key)
            return Stored(entry[0], entry[2] - time.monotonic()) if entry else None

    def put(self, key: str, entry: bytes, time_to_live: float, lease: Lease) -> bool:
        with self.lock:
            self.calls.append("put")
            self._end(key, lease)
            there = self._entry(key)
            if there and there[1] > lease.fence:
                return False
            self.fences[key] = max(self.fences.get(key, 0), lease.fence)
            self.entries[key] = (entry, lease.fence, time.monotonic() + time_to_live)
            return True

    def acquire(self, key: str, owner: str, time_: float) -> Granted | Held:
        with self.lock:
            self.calls.append("acquire")
            now = time.monotonic()
            held, ends = self.leases.get(key, (None, 0.0))
            if held and now < ends and held.owner != owner:
                return Held(held.fence, ends - now)
            if not held or now >= ends:
                self.fences[key] = self.fences.get(key, 0) + 1
                held = Lease(owner, self.fences[key])
            self.leases[key] = (held, now + time_)
            return Granted(held.fence)

    def release(self, key: str, lease: Lease) -> None:
        with self.lock:
            self.calls.append("release")
            self._end(key, lease)

    def count(self, key: str, logins: int) -> int:
        with self.lock:
            self.calls.append("count")
            now = time.monotonic()
            counted = [at for at in self.logins.get(key, []) if now - at < 3600]
            self.logins[key] = counted + [now] * logins
            return len(self.logins[key])

    def _entry(self, key: str) -> tuple[bytes, int, float] | None:
        entry = self.entries.get(key)
        return entry if entry and time.monotonic() < entry[2] else None

    def _end(self, key: str, lease: Lease) -> None:
        held = self.leases.get(key)
        if held and held[0].owner == lease.owner:
            del self.leases[key]


class AsyncMemoryStore:
    """The same with async methods."""

    def __init__(self) -> None:
        self.inner = MemoryStore()

    async def get(self, key: str) -> Stored | None:
        await asyncio.sleep(0)
        return self.inner.get(key)

    async def put(self, key: str, entry: bytes, time_to_live: float, lease: Lease) -> bool:
        return self.inner.put(key, entry, time_to_live, lease)

    async def acquire(self, key: str, owner: str, time: float) -> Granted | Held:
        return self.inner.acquire(key, owner, time)

    async def release(self, key: str, lease: Lease) -> None:
        self.inner.release(key, lease)

    async def count(self, key: str, logins: int) -> int:
        return self.inner.count(key, logins)


def test_a_store_in_python_keeps_the_contract() -> None:
    assert check_store(MemoryStore()) == []


def test_an_async_store_keeps_the_contract() -> None:
    assert asyncio.run(check_store_async(AsyncMemoryStore())) == []


def test_a_store_that_forgets_its_fences_is_found() -> None:
    class Forgetful(MemoryStore):
        def acquire(self, key: str, owner: str, time_: float) -> Granted | Held:
            super().acquire(key, owner, time_)
            return Granted(1)

    assert check_store(Forgetful()) != []
    with pytest.raises(TypeError, match="get, put, acquire, release and count"):
        check_store(object())  # type: ignore[arg-type]


def test_clients_share_a_token_through_it(forcegrant_org: Org) -> None:
    store = MemoryStore()
    one, two = forcegrant_org.client(store=store), forcegrant_org.client(store=store)
    token = one.token()
    assert two.token().access_token == token.access_token
    assert forcegrant_org.emulator.counters()["token_requests"] == 1
    # What it keeps is sealed.
    (entry,) = [entry for entry, _, _ in store.entries.values()]
    assert token.access_token.encode() not in entry
    assert token.instance_url.encode() not in entry


def test_an_async_client_shares_through_an_async_store(forcegrant_org: Org) -> None:
    store = AsyncMemoryStore()

    async def share() -> None:
        one = forcegrant_org.async_client(store=store)
        two = forcegrant_org.async_client(store=store)
        tokens = await asyncio.gather(one.token(), two.token(), one.token())
        assert len({token.access_token for token in tokens}) == 1

    asyncio.run(share())
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_an_async_store_needs_a_loop(forcegrant_org: Org) -> None:
    events: list[Any] = []
    client = forcegrant_org.client(store=AsyncMemoryStore(), on_event=events.append)
    client.token()
    client.deliver_events()
    (failed,) = [event for event in events if event.name == "store_failed"]
    assert failed.error.code == "store_failed"
    assert "use AsyncClient" in str(failed.error)


def test_a_store_that_raises_is_an_event_and_the_login_goes_ahead(forcegrant_org: Org) -> None:
    class Broken(MemoryStore):
        def get(self, key: str) -> Stored | None:
            raise ConnectionError(f"out of order at {key}")

    events: list[Any] = []
    client = forcegrant_org.client(store=Broken(), on_event=events.append)
    client.token()
    client.deliver_events()
    names = [event.name for event in events]
    assert names == ["store_failed", "login_started", "login_succeeded"]
    assert "ConnectionError: out of order at fg1:" in str(events[0].error)


def test_another_way_of_authenticating_shares_nothing(forcegrant_org: Org) -> None:
    store = MemoryStore()
    forcegrant_org.client(store=store).token()
    forcegrant_org.client(store=store, auth_style="basic").token()
    assert forcegrant_org.emulator.counters()["token_requests"] == 2
    assert len(store.entries) == 2


def test_processes_share_a_login_through_a_folder(forcegrant_org: Org, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    script = write(
        tmp_path,
        f"""
        sf = client(store={folder.as_uri()!r})
        print(sf.token().fingerprint)
        """,
    )
    processes = [start(script, forcegrant_org) for _ in range(4)]
    results = [process.communicate(timeout=30) for process in processes]
    assert [errors for _, errors in results] == [""] * 4
    assert len({output for output, _ in results}) == 1
    assert forcegrant_org.emulator.counters()["token_requests"] == 1
    token = forcegrant_org.client(store=folder.as_uri()).token()
    assert forcegrant_org.emulator.counters()["token_requests"] == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in folder.iterdir():
        assert token.access_token.encode() not in file.read_bytes()
