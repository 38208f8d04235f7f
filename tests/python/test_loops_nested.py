"""`AsyncClient` in trio alone, in a loop that is the guest of another, and in nested loops."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest
import trio

import scripts

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant import Token
    from forcegrant.testing import Org

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="not tried elsewhere")


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
    """A task of one loop is not confused with a task of the other."""
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
    """With `nest_asyncio`, the outer caller waits while an inner one runs the loop."""
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
