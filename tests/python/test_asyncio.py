"""`AsyncClient` in one loop, in several, in none that lives."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import scripts
from forcegrant import AsyncClient, RefusedError, RequestTimeoutError, Token

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not walked


def assert_closed(before: int) -> None:
    """No socket is left open; that of a request is closed shortly after its result arrives."""
    until = time.monotonic() + 5
    while open_files() > before and time.monotonic() < until:
        time.sleep(0.005)
    assert open_files() <= before


def test_token_is_shared_with_the_blocking_client(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    twin = client.async_client()
    token = asyncio.run(twin.token())
    assert client.cached() is token is AsyncClient.from_client(client).cached()
    assert client.invalidate(token)
    assert twin.cached() is None
    assert asyncio.run(twin.verify()).token is client.token()
    assert twin.status().logins == client.status().logins == 2


def test_cached_token_does_not_touch_the_loop(forcegrant_org: Org) -> None:
    client = forcegrant_org.async_client()
    token = asyncio.run(client.token())
    # Driven by hand, without any loop: it ends at the first step.
    call = client.token()
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    assert ended.value.value is token
    assert inspect.iscoroutinefunction(AsyncClient.token)


def test_ten_thousand_cold_callers_cause_one_request(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.async_client()
    emulator.hold()
    before = open_files()

    async def ask() -> set[int]:
        calls = [asyncio.create_task(client.token()) for _ in range(10_000)]
        await asyncio.to_thread(emulator.wait_requests, 1)
        # One pair of sockets for all of them, beside the loop's own and the request's.
        assert open_files() - before < 20
        emulator.release()
        return {id(token) for token in await asyncio.gather(*calls)}

    assert len(asyncio.run(ask())) == 1
    assert emulator.counters()["token_requests"] == 1
    assert_closed(before)


def test_cancelling_one_waiter_leaves_the_others(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.async_client()
    emulator.hold()

    async def ask() -> list[Token | BaseException]:
        calls = [asyncio.create_task(client.token()) for _ in range(10)]
        await asyncio.to_thread(emulator.wait_requests, 1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(calls[0], 0.1)
        assert calls[0].cancelled()
        emulator.release()
        return await asyncio.gather(*calls[1:], return_exceptions=True)

    tokens = asyncio.run(ask())
    assert len(tokens) == 9
    assert {type(token) for token in tokens} == {Token}
    assert emulator.counters()["token_requests"] == 1


def test_cancelling_all_waiters_ends_the_loop_at_once(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.async_client()
    emulator.hold()
    before = open_files()

    async def leave() -> None:
        for _ in range(10):
            task = asyncio.create_task(client.token())
            task.add_done_callback(lambda _: None)
        await asyncio.to_thread(emulator.wait_requests, 1)

    begun = time.monotonic()
    asyncio.run(leave())
    assert time.monotonic() - begun < 0.5
    # The request goes on, and its token is there for the next who asks.
    emulator.release()
    asyncio.run(client.wait_idle())
    assert client.cached() is not None
    assert emulator.counters()["token_requests"] == 1
    assert_closed(before)


def test_many_loops_that_leave_work_behind(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.async_client(total_timeout=30, attempt_timeout=30)
    emulator.hold()

    async def leave() -> None:
        tasks = {asyncio.create_task(client.token()) for _ in range(3)}
        await asyncio.sleep(0)
        assert not [task for task in tasks if task.done()]

    before = open_files()
    for _ in range(50):
        asyncio.run(leave())
    assert open_files() <= before + 5  # the one request in flight
    emulator.release()
    assert asyncio.run(client.token()) is client.cached()
    assert emulator.counters()["token_requests"] == 1


def test_a_loop_that_is_closed_with_waiters(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.async_client()
    emulator.hold()
    before = open_files()

    def leave() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(client.token())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        # The loop's complaint about the task is right, and not what is looked at here.
        task._log_destroy_pending = False  # type: ignore[attr-defined]

    leave()
    gc.collect()
    emulator.wait_requests(1)
    emulator.release()
    assert asyncio.run(client.token()) is client.cached()
    assert emulator.counters()["token_requests"] == 1
    assert_closed(before)


def test_one_client_in_several_loops_and_threads(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.client()
    emulator.hold()

    async def ask() -> list[Token]:
        return await asyncio.gather(*(client.async_client().token() for _ in range(5)))

    shared = client.async_client()

    async def ask_shared() -> list[Token]:
        return await asyncio.gather(*(shared.token() for _ in range(5)))

    with ThreadPoolExecutor(12) as pool:
        loops = [pool.submit(asyncio.run, ask()) for _ in range(4)]
        loops += [pool.submit(asyncio.run, ask_shared()) for _ in range(4)]
        threads = [pool.submit(client.token) for _ in range(4)]
        emulator.wait_requests(1)
        emulator.release()
        tokens = [token for loop in loops for token in loop.result()]
        tokens += [thread.result() for thread in threads]
    assert len({id(token) for token in tokens}) == 1
    assert emulator.counters()["token_requests"] == 1


def test_a_loop_inside_a_running_loop(forcegrant_org: Org) -> None:
    client = forcegrant_org.async_client()

    async def outer() -> Token:
        inner = await asyncio.to_thread(lambda: asyncio.run(client.token()))
        assert await client.token() is inner
        # What blocks the loop is the caller's own doing, and still works.
        client.reset()
        thread = threading.Thread(target=lambda: asyncio.run(client.token()))
        thread.start()
        thread.join()
        return await client.token()

    assert asyncio.run(outer()) is client.cached()


def test_without_a_loop_there_is_a_plain_error() -> None:
    client = AsyncClient("acme.my.salesforce.com", "id", "secret", connect_timeout=0.01)
    call = client.token()
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)


def test_a_loop_without_readers(forcegrant_org: Org) -> None:
    """Loops over completion ports, as on Windows, can only receive."""

    class Loop(asyncio.SelectorEventLoop):
        def add_reader(self, *_args: object) -> None:
            raise NotImplementedError

    emulator = forcegrant_org.emulator
    client = forcegrant_org.async_client(transient_backoff=(0, 0), max_attempts=1)
    before = open_files()
    loop = Loop()

    async def ask() -> None:
        tokens = await asyncio.gather(*(client.token() for _ in range(10)))
        assert len({id(token) for token in tokens}) == 1
        client.reset()
        emulator.hold()
        calls = [asyncio.create_task(client.token()) for _ in range(3)]
        with pytest.raises(RequestTimeoutError):
            await client.token(timeout=0.05)
        for call in calls:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
        emulator.release()
        await client.wait_idle()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    loop.run_until_complete(ask())
    loop.close()
    assert_closed(before)


def test_timeout_of_one_caller(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.async_client()
    emulator.hold()

    async def ask() -> None:
        patient = asyncio.create_task(client.token())
        for timeout in (0, 0.05, timedelta(milliseconds=20)):
            with pytest.raises(RequestTimeoutError) as caught:
                await client.token(timeout=timeout)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.code == "timeout"
        with pytest.raises(TypeError, match="timeout"):
            await client.token(timeout="1")  # type: ignore[arg-type]
        assert client.status().in_flight
        emulator.release()
        assert await patient is await client.token(timeout=0)

    asyncio.run(ask())
    assert emulator.counters()["token_requests"] == 1


def test_failures_reach_all_waiters_and_the_next_call_works(forcegrant_org: Org) -> None:
    forcegrant_org.configure(app={"run_as": None})
    client = forcegrant_org.async_client()

    async def ask() -> None:
        outcomes = await asyncio.gather(
            *(client.token() for _ in range(20)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {RefusedError}
        assert forcegrant_org.emulator.counters()["token_requests"] == 1
        forcegrant_org.configure(app={"run_as": forcegrant_org.username})
        client.reset()
        assert (await client.token()).org_id == forcegrant_org.org_id

    asyncio.run(ask())


def test_a_token_reported_dead_is_not_given_to_who_asks_later(forcegrant_org: Org) -> None:
    """The same if the loop has not yet read the socket of the previous wait."""
    client = forcegrant_org.async_client()
    forcegrant_org.configure(app={"distinct_tokens": True})

    async def ask() -> None:
        early = asyncio.create_task(client.token())
        await asyncio.sleep(0)
        # The loop is kept busy until the token is there, and until it was reported.
        forcegrant_org.emulator.wait_requests(1)
        while (first := client.cached()) is None:
            pass
        assert client.invalidate(first)
        late = await client.token()
        assert late != first
        assert await early == first

    asyncio.run(ask())
    assert forcegrant_org.emulator.counters()["token_requests"] == 2


def test_context_manager_revokes_nothing(forcegrant_org: Org) -> None:
    async def ask() -> None:
        async with forcegrant_org.async_client() as client:
            token = await client.token()
        await client.aclose()
        assert await client.token() is token

    asyncio.run(ask())
    assert forcegrant_org.emulator.counters()["revocations"] == 0


def test_interrupt_ends_the_wait(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        import asyncio, forcegrant
        sf = client(forcegrant.AsyncClient)
        try:
            asyncio.run(sf.token())
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


def test_ctrl_c_in_a_callback_leaves_no_socket_open(forcegrant_org: Org) -> None:
    def credentials() -> tuple[str, str]:
        raise KeyboardInterrupt

    options = forcegrant_org.options(credentials_callback=credentials)
    client = AsyncClient(forcegrant_org.my_domain, **options)

    async def main() -> None:
        await client.token()

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(main())
        gc.collect()
    assert [str(one.message) for one in seen if one.category is ResourceWarning] == []
