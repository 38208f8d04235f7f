"""`AsyncClient` in every event loop: asyncio's own, uvloop, trio, through anyio and without it."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest

from forcegrant import AsyncClient, ForcegrantError, RefusedError, RequestTimeoutError, Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from forcegrant.testing import Org

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


class Loop:
    """One event loop library, with what the tests need of it."""

    def __init__(self, name: str) -> None:
        self.options = LOOPS[name]

    def run(self, function: Callable[[], Awaitable[Any]]) -> Any:
        return anyio.run(function, **self.options)

    @staticmethod
    async def arrived(org: Org, count: int = 1) -> None:
        await anyio.to_thread.run_sync(org.emulator.wait_requests, count)

    @staticmethod
    async def outcomes(
        calls: Sequence[Callable[[], Awaitable[Token]]],
        while_waiting: Callable[[list[anyio.CancelScope]], Awaitable[None]] | None = None,
    ) -> list[Token | ForcegrantError | str]:
        """Make calls at once; each has a scope in which it can be cancelled."""
        scopes = [anyio.CancelScope() for _ in calls]
        outcomes: list[Token | ForcegrantError | str] = ["cancelled"] * len(calls)

        async def make(index: int) -> None:
            with scopes[index]:
                try:
                    outcomes[index] = await calls[index]()
                except ForcegrantError as error:
                    outcomes[index] = error

        async with anyio.create_task_group() as group:
            for index in range(len(calls)):
                group.start_soon(make, index)
            if while_waiting is not None:
                await while_waiting(scopes)
        return outcomes


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Loop:
    return Loop(request.param)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not walked


def test_a_thousand_cold_callers_cause_one_request(forcegrant_org: Org, loop: Loop) -> None:
    client = forcegrant_org.async_client()
    forcegrant_org.emulator.hold()
    before = open_files()

    async def main() -> None:
        async def while_waiting(_: object) -> None:
            await loop.arrived(forcegrant_org)
            assert open_files() - before < 20
            forcegrant_org.emulator.release()

        tokens = await loop.outcomes([client.token] * 1000, while_waiting)
        assert {id(token) for token in tokens} == {id(client.cached())}

    loop.run(main)
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


@pytest.mark.parametrize("which", [[0], [9], [0, 1, 2, 5], [3, 2, 1, 0], list(range(9))])
def test_some_of_ten_waiters_are_cancelled(
    forcegrant_org: Org, loop: Loop, which: list[int]
) -> None:
    client = forcegrant_org.async_client()
    forcegrant_org.emulator.hold()

    async def main() -> None:
        async def while_waiting(scopes: list[anyio.CancelScope]) -> None:
            await loop.arrived(forcegrant_org)
            for index in which:
                scopes[index].cancel()
                await anyio.lowlevel.checkpoint()
            forcegrant_org.emulator.release()

        outcomes = await loop.outcomes([client.token] * 10, while_waiting)
        for index, outcome in enumerate(outcomes):
            assert outcome is ("cancelled" if index in which else client.cached())

    loop.run(main)
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_all_waiters_are_cancelled(forcegrant_org: Org, loop: Loop) -> None:
    client = forcegrant_org.async_client()
    emulator = forcegrant_org.emulator
    emulator.hold()

    async def leave() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(client.token)
            await loop.arrived(forcegrant_org)
            group.cancel_scope.cancel()

    begun = time.monotonic()
    loop.run(leave)
    assert time.monotonic() - begun < 0.5
    # The request goes on, and its token is there for the next who asks.
    emulator.release()
    loop.run(client.wait_idle)
    assert client.cached() is not None
    assert emulator.counters()["token_requests"] == 1


def test_a_deadline_of_the_library(forcegrant_org: Org, loop: Loop) -> None:
    client = forcegrant_org.async_client()
    forcegrant_org.emulator.hold()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.05):
                await client.token()
        forcegrant_org.emulator.release()
        assert await client.token() is client.cached()

    loop.run(main)
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_the_timeout_of_one_caller(forcegrant_org: Org, loop: Loop) -> None:
    client = forcegrant_org.async_client()
    forcegrant_org.emulator.hold()

    async def main() -> None:
        async def while_waiting(_: object) -> None:
            for timeout in (0, 0.02):
                with pytest.raises(RequestTimeoutError):
                    await client.token(timeout=timeout)
            forcegrant_org.emulator.release()

        # The first of them is impatient too, so that another takes over from it.
        calls = [lambda: client.token(timeout=0.01), client.token, client.token]
        impatient, *patient = await loop.outcomes(calls, while_waiting)
        assert isinstance(impatient, RequestTimeoutError)
        assert patient == [client.cached()] * 2

    loop.run(main)
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_a_failure_reaches_all_waiters(forcegrant_org: Org, loop: Loop) -> None:
    forcegrant_org.configure(app={"run_as": None})
    client = forcegrant_org.async_client()

    async def main() -> None:
        outcomes = await loop.outcomes([client.token] * 20)
        assert {type(outcome) for outcome in outcomes} == {RefusedError}
        assert len({id(outcome) for outcome in outcomes}) == 20
        forcegrant_org.configure(app={"run_as": forcegrant_org.username})
        client.reset()
        assert (await client.verify()).token is client.cached()

    loop.run(main)
    assert forcegrant_org.emulator.counters()["token_requests"] == 2


def test_a_token_reported_dead_is_not_given_to_who_asks_later(
    forcegrant_org: Org, loop: Loop
) -> None:
    """The same if the loop has not yet read the socket of the previous wait."""
    client = forcegrant_org.async_client()
    forcegrant_org.configure(app={"distinct_tokens": True})

    async def main() -> None:
        early: list[Token] = []

        async def ask() -> None:
            early.append(await client.token())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            # The loop is kept busy until the token is there, and until it was reported.
            forcegrant_org.emulator.wait_requests(1)
            while (first := client.cached()) is None:
                pass
            assert client.invalidate(first)
            late = await client.token()
        assert late != first
        assert early == [first]

    loop.run(main)
    assert forcegrant_org.emulator.counters()["token_requests"] == 2


def test_many_runs_that_leave_work_behind(forcegrant_org: Org, loop: Loop) -> None:
    client = forcegrant_org.async_client(total_timeout=30, attempt_timeout=30)
    forcegrant_org.emulator.hold()

    async def leave() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(client.token)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    before = open_files()
    for _ in range(50):
        loop.run(leave)
    assert open_files() <= before + 5  # the one request in flight
    forcegrant_org.emulator.release()
    assert loop.run(client.token) is client.cached()
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_callback_for_the_credentials(forcegrant_org: Org, loop: Loop, kind: str) -> None:
    org = forcegrant_org
    asked: list[None] = []

    def plain() -> tuple[str, str]:
        asked.append(None)
        return org.client_id, org.client_secret

    async def slow() -> tuple[str, str]:
        await anyio.sleep(0.12)  # longer than a loop takes to look again
        return plain()

    callback = plain if kind == "plain" else slow
    options = org.options(credentials_callback=callback)
    client = AsyncClient(org.my_domain, **options)
    org.emulator.hold()

    async def main() -> None:
        async def while_waiting(scopes: list[anyio.CancelScope]) -> None:
            await anyio.lowlevel.checkpoint()
            scopes[0].cancel()
            org.emulator.release()

        outcomes = await loop.outcomes([client.token] * 10, while_waiting)
        assert outcomes == ["cancelled", *[client.cached()] * 9]

    loop.run(main)
    assert len(asked) == 1


def test_an_async_callback_that_fails(forcegrant_org: Org, loop: Loop) -> None:
    async def broken() -> tuple[str, str]:
        await anyio.lowlevel.checkpoint()
        raise OSError("the vault is sealed")

    options = forcegrant_org.options(credentials_callback=broken)
    client = AsyncClient(forcegrant_org.my_domain, **options)

    async def main() -> None:
        with pytest.raises(ForcegrantError) as caught:
            await client.token()
        assert caught.value.code == "credentials_unavailable"
        assert "the vault is sealed" in str(caught.value.__cause__)

    loop.run(main)


def test_httpx_in_every_loop(forcegrant_org: Org, loop: Loop) -> None:
    org = forcegrant_org
    client = org.async_client()
    proxy, ca = org.emulator.proxy, org.emulator.ca_file()

    async def main() -> None:
        import ssl

        context = ssl.create_default_context(cafile=str(ca))
        token = await client.token()
        org.kill_sessions()
        async with httpx.AsyncClient(
            auth=client.httpx_auth(), base_url=token.instance_url, proxy=proxy, verify=context
        ) as http:
            response = await http.get("/services/data/v67.0/limits")
        assert response.status_code == 200
        assert await client.token() != token

    loop.run(main)
    assert org.emulator.counters()["token_requests"] == 2


def test_all_loops_and_threads_at_once_on_one_client(forcegrant_org: Org) -> None:
    client = forcegrant_org.async_client()
    threads = forcegrant_org.client()
    twin = AsyncClient.from_client(threads)
    forcegrant_org.emulator.hold()

    async def main() -> list[Any]:
        return await Loop.outcomes([client.token, twin.token, client.token])

    with ThreadPoolExecutor(12) as pool:
        loops = [pool.submit(Loop(name).run, main) for name in [*LOOPS] * 3]
        callers = [pool.submit(threads.token) for _ in range(3)]
        forcegrant_org.emulator.wait_requests(2)
        forcegrant_org.emulator.release()
        outcomes = [run.result() for run in loops]
        assert {caller.result() for caller in callers} == {threads.cached()}
    for own, shared, again in outcomes:
        assert own is again is client.cached()
        assert shared is threads.cached()
    assert forcegrant_org.emulator.counters()["token_requests"] == 2
