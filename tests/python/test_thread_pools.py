"""Thread pools of a service, and gevent, which replaces threads with greenlets."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import scripts

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="not tried elsewhere")


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


def test_greenlets_run_while_others_wait(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        from gevent import monkey; monkey.patch_all()
        import gevent, forcegrant
        sf = client()

        # The code that resumes the login runs in a greenlet too.
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
