"""`AsyncClient` in every event loop: asyncio's own, uvloop, trio, through anyio and without it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest
import trio

import scripts
from forcegrant import AsyncClient, ForcegrantError, RefusedError, RequestTimeoutError, Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from forcegrant.testing import Org

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


class Loop:
    """One way to run an async function, and what tests need under it."""

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
        meanwhile: Callable[[list[anyio.CancelScope]], Awaitable[None]] | None = None,
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
            if meanwhile is not None:
                await meanwhile(scopes)
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
        async def meanwhile(_: object) -> None:
            await loop.arrived(forcegrant_org)
            assert open_files() - before < 20
            forcegrant_org.emulator.release()

        tokens = await loop.outcomes([client.token] * 1000, meanwhile)
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
        async def meanwhile(scopes: list[anyio.CancelScope]) -> None:
            await loop.arrived(forcegrant_org)
            for index in which:
                scopes[index].cancel()
                await anyio.lowlevel.checkpoint()
            forcegrant_org.emulator.release()

        outcomes = await loop.outcomes([client.token] * 10, meanwhile)
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
        async def meanwhile(_: object) -> None:
            for timeout in (0, 0.02):
                with pytest.raises(RequestTimeoutError):
                    await client.token(timeout=timeout)
            forcegrant_org.emulator.release()

        # The first of them is impatient too, so that another takes over from it.
        calls = [lambda: client.token(timeout=0.01), client.token, client.token]
        impatient, *patient = await loop.outcomes(calls, meanwhile)
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
    """Also not when the loop has not yet looked at the socket of the wait before."""
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
    assert open_files() <= before + 5  # the one request that is on its way
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

    async def main() -> None:
        async def meanwhile(scopes: list[anyio.CancelScope]) -> None:
            await anyio.lowlevel.checkpoint()
            scopes[0].cancel()

        outcomes = await loop.outcomes([client.token] * 10, meanwhile)
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
            answer = await http.get("/services/data/v67.0/limits")
        assert answer.status_code == 200
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


# trio alone


def test_trio_needs_neither_anyio_nor_asyncio(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        import trio, forcegrant
        sf = client(forcegrant.AsyncClient)

        async def main():
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(sf.token)
            assert sf.cached() is await sf.token()
            assert (await sf.verify()).token is await sf.token()
            await sf.wait_idle()

        trio.run(main)
        assert not {"asyncio", "anyio"} & set(sys.modules)
        """,
    )
    scripts.run(script, forcegrant_org)


def test_nothing_of_trio_is_imported_without_it(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        sys.modules["trio"] = None
        import asyncio, forcegrant
        asyncio.run(client(forcegrant.AsyncClient).token())
        assert not [name for name in sys.modules if "trio" in name and name != "trio"]
        """,
    )
    scripts.run(script, forcegrant_org)


def test_interrupt_ends_the_wait_in_trio(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        import trio, forcegrant
        sf = client(forcegrant.AsyncClient)
        try:
            trio.run(sf.token)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """,
    )
    forcegrant_org.emulator.hold()
    process = scripts.start(script, forcegrant_org)
    forcegrant_org.emulator.wait_requests(1)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    line = process.stdout.readline()
    took = time.monotonic() - begun
    assert process.communicate(timeout=10) == ("", "")
    assert (line, process.returncode) == ("interrupted\n", 0)
    assert took < 0.3


def test_trio_as_a_guest_of_asyncio(forcegrant_org: Org) -> None:
    """A task of the one is not taken for a task of the other."""
    client = forcegrant_org.async_client()
    forcegrant_org.emulator.hold()

    async def host() -> tuple[Token, Token]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Token] = loop.create_future()

        async def guest() -> Token:
            return await client.token()

        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda outcome: done.set_result(outcome.unwrap()),
        )
        own = asyncio.create_task(client.token())
        await asyncio.to_thread(forcegrant_org.emulator.wait_requests, 1)
        assert not own.done()
        assert not done.done()
        forcegrant_org.emulator.release()
        return await own, await done

    own, guests = asyncio.run(host())
    assert own is guests is client.cached()
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


# Loops inside loops


def test_a_new_loop_while_another_runs_in_this_thread(forcegrant_org: Org) -> None:
    client = forcegrant_org.async_client()

    def nested() -> Token:
        outer = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        try:
            loop = asyncio.SelectorEventLoop()
            task = loop.create_task(client.token())
            # As the C implementation of tasks minds the one that runs, step by hand.
            while not task.done():
                loop.call_soon(loop.stop)
                loop.run_forever()
            loop.close()
            return task.result()
        finally:
            asyncio._set_running_loop(outer)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        inner: asyncio.Future[Token] = loop.create_future()
        loop.call_soon(lambda: inner.set_result(nested()))
        outer = await client.token()
        assert await inner is outer is client.cached()

    asyncio.run(main())
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_a_loop_that_is_entered_again(forcegrant_org: Org, tmp_path: Path) -> None:
    """What `nest_asyncio` allows: the outer caller waits while an inner one runs the loop."""
    script = scripts.write(
        tmp_path,
        """
        import asyncio, forcegrant, nest_asyncio
        nest_asyncio.apply()
        sf = client(forcegrant.AsyncClient)

        def blocking():
            return asyncio.get_running_loop().run_until_complete(sf.token())

        async def main():
            outer = asyncio.create_task(sf.token())
            await asyncio.sleep(0)
            inner = blocking()
            assert inner is await outer is sf.cached()
            sf.reset()
            assert blocking() is asyncio.run(sf.token())

        asyncio.run(main())
        assert control("counters")["token_requests"] == 2
        """,
    )
    scripts.run(script, forcegrant_org)


# A service's own threads


def test_a_pool_of_threads(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    forcegrant_org.emulator.hold()
    with ThreadPoolExecutor(32) as pool:
        calls = [pool.submit(client.token) for _ in range(200)]
        forcegrant_org.emulator.wait_requests(1)
        forcegrant_org.emulator.release()
        assert {id(call.result()) for call in calls} == {id(client.cached())}
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_an_executor_of_the_loop(forcegrant_org: Org) -> None:
    """The blocking client in threads, the waiting one in the loop, one request for both."""
    client = forcegrant_org.client()
    emulator = forcegrant_org.emulator
    emulator.hold()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(None, client.token) for _ in range(4)]
        calls += [asyncio.ensure_future(client.async_client().token()) for _ in range(4)]
        await asyncio.to_thread(emulator.wait_requests, 1)
        # A thread cannot be cancelled: it goes on, and the loop is free of it.
        calls[0].cancel()
        emulator.release()
        first, *others = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, asyncio.CancelledError)
        assert others == [client.cached()] * 7

    asyncio.run(main())
    assert emulator.counters()["token_requests"] == 1


def test_a_pool_that_is_waiting_at_exit(forcegrant_org: Org, tmp_path: Path) -> None:
    """Python waits for the threads of its pools, and they end as the request does."""
    script = scripts.write(
        tmp_path,
        """
        from concurrent.futures import ThreadPoolExecutor
        sf = client()
        pool = ThreadPoolExecutor(4)
        calls = [pool.submit(sf.token) for _ in range(4)]
        control("wait_requests", endpoint="token", count=1)
        threading.Timer(0.1, control, ["release"]).start()
        """,
    )
    forcegrant_org.emulator.hold()
    assert scripts.run(script, forcegrant_org) == ""
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_a_thread_that_ends_while_its_loop_waits(forcegrant_org: Org) -> None:
    client = forcegrant_org.async_client()
    forcegrant_org.emulator.hold()
    gone: list[int] = []

    def leave() -> None:
        async def main() -> None:
            task = asyncio.create_task(client.token())
            await asyncio.sleep(0)
            task.cancel()

        asyncio.run(main())
        gone.append(threading.get_ident())

    for _ in range(10):
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
    assert len(gone) == 10
    forcegrant_org.emulator.release()
    assert asyncio.run(client.token()) is client.cached()
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


# gevent, which turns the calls of a thread into switches between greenlets


def test_greenlets_run_while_others_wait(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        from gevent import monkey; monkey.patch_all()
        import gevent, forcegrant
        sf = client()

        # Whoever lets the login go on is a greenlet too.
        calls = [gevent.spawn(sf.token) for _ in range(50)]

        def ask_for_a_moment():
            try:
                sf.token(timeout=0.01)
            except forcegrant.RequestTimeoutError as error:
                return error

        impatient = gevent.spawn(ask_for_a_moment)
        gone = gevent.spawn(sf.token)
        waited = []
        while len(waited) < 5:
            waited.append(control("wait_requests", endpoint="token", count=1))
        gone.kill()
        assert isinstance(gone.value, gevent.GreenletExit)
        assert impatient.get(timeout=10).code == "timeout"
        control("release")
        gevent.joinall(calls, timeout=10, raise_error=True)
        assert {id(call.value) for call in calls} == {id(sf.cached())}
        assert control("counters")["token_requests"] == 1
        # In a thread of the system there are no greenlets.
        sf.reset()
        thread = gevent.get_hub().threadpool.spawn(sf.token)
        assert thread.get(timeout=10) is sf.cached()
        """,
    )
    forcegrant_org.emulator.hold()
    assert scripts.run(script, forcegrant_org) == ""


def test_a_greenlet_that_brings_the_credentials(forcegrant_org: Org, tmp_path: Path) -> None:
    """The callback switches to another greenlet, which waits for the token as well."""
    script = scripts.write(
        tmp_path,
        """
        from gevent import monkey; monkey.patch_all()
        import gevent, forcegrant
        host, *pair = SETUP["credentials"]

        def callback():
            gevent.sleep(0.05)
            return tuple(pair)

        sf = forcegrant.Client(host, credentials_callback=callback, **SETUP["options"])
        calls = [gevent.spawn(sf.token, timeout=5) for _ in range(10)]
        gevent.joinall(calls, raise_error=True)
        assert {id(call.value) for call in calls} == {id(sf.cached())}
        """,
    )
    assert scripts.run(script, forcegrant_org) == ""
