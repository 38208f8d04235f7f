"""The ways in which a process ends during a login, and the expected result of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING

import scripts

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org

# How many processes at once.
TOGETHER = 4

PRELUDE = """
import contextlib, forcegrant
sf = client()

def arrived():
    control("wait_requests", endpoint="token", count=1)
    # That may have been another process's.
    while not sf.status().in_flight:
        time.sleep(0.001)

def ask():
    try:
        sf.token()
    finally:
        pass

def ask_for_a_moment():
    with contextlib.suppress(forcegrant.RequestTimeoutError):
        sf.token(timeout=0.01)

def ask_in_a_loop():
    import asyncio
    asyncio.run(sf.async_client().token())

def ask_in_uvloop():
    uvloop.run(sf.async_client().token())

def ask_in_trio():
    trio.run(sf.async_client().token)

def in_threads(*targets):
    for target in targets:
        threading.Thread(target=target, daemon=True).start()
    arrived()
"""

# Threads come back to Python while it is ending: this keeps it at that for so long.
LINGER = """
class Last:
    def __del__(self, sleep=time.sleep):
        sleep(0.3)
sys.modules["last"] = Last()
entered = threading.Event()

def slow(*_):
    entered.set()
    time.sleep(0.1)
"""


@dataclass(frozen=True)
class Ending:
    """A script that ends during a login."""

    code: str
    exit_code: int = 0
    # The last line on standard error; nothing else of this package's is there.
    last_words: str = ""
    # How often the short form runs it.
    times: int = 20

    def complaint(self, exit_code: int | None, errors: str) -> str:
        """Give the problems of how a process ended; none if it ended well."""
        if self.last_words:
            said = errors.splitlines()[-1:] == [self.last_words]
            fine = said and errors.count("Traceback") == 1 and "forcegrant" not in errors
        else:
            fine = errors == ""
        fine = fine and exit_code == self.exit_code
        return (
            "" if fine else f"exit code {exit_code}, and on standard error: {errors or 'nothing'}"
        )


ENDINGS = {
    "return": Ending("ask_for_a_moment(); arrived()"),
    "sys.exit": Ending("ask_for_a_moment(); arrived(); sys.exit(3)", 3),
    "exception": Ending(
        "in_threads(ask); 1 / 0", 1, last_words="ZeroDivisionError: division by zero"
    ),
    "daemon threads": Ending("in_threads(ask, ask, ask_in_a_loop)"),
    "daemon threads and sys.exit": Ending("in_threads(ask, ask_in_a_loop); sys.exit(0)"),
    # Both are imported before: CPython 3.11 can crash when it ends while two daemon threads
    # import, as it frees the lock that one waits for (seen in `_PyImport_AcquireLock`).
    "daemon threads in other loops": Ending(
        "import trio, uvloop; in_threads(ask, ask_in_uvloop, ask_in_trio)", times=5
    ),
    "asyncio": Ending(
        """
        import asyncio
        async def main():
            tasks = [asyncio.create_task(sf.async_client().token()) for _ in range(3)]
            await asyncio.sleep(0)
            arrived()
        asyncio.run(main())
        """
    ),
    "asyncio and sys.exit": Ending(
        """
        import asyncio
        async def main():
            task = asyncio.create_task(sf.async_client().token())
            await asyncio.sleep(0)
            arrived()
            sys.exit(3)
        asyncio.run(main())
        """,
        3,
        times=5,
    ),
    "asyncio, loop left open": Ending(
        """
        import asyncio
        loop = asyncio.new_event_loop()
        task = loop.create_task(sf.async_client().token())
        loop.run_until_complete(asyncio.sleep(0, loop))
        task._log_destroy_pending = False
        arrived()
        """
    ),
    "uvloop": Ending(
        """
        import asyncio, uvloop
        async def main():
            tasks = [asyncio.create_task(sf.async_client().token()) for _ in range(3)]
            await asyncio.sleep(0)
            arrived()
        uvloop.run(main())
        """,
        times=5,
    ),
    "trio": Ending(
        """
        import trio
        async def main():
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(sf.async_client().token)
                await trio.to_thread.run_sync(arrived)
                nursery.cancel_scope.cancel()
        trio.run(main)
        """,
        times=5,
    ),
    "asked once more by atexit": Ending(
        "import atexit; atexit.register(ask_for_a_moment); in_threads(ask)", times=5
    ),
    "asked once more by a finalizer": Ending(
        """
        class Last:
            def __init__(self):
                self.kept = sf, forcegrant.RequestTimeoutError
            def __del__(self):
                sf, error = self.kept
                try:
                    sf.token(timeout=0.01)
                except error:
                    pass
        last = Last()
        sys.modules["last"] = last
        in_threads(ask)
        """,
        times=5,
    ),
    "a daemon thread in a listener": Ending(
        LINGER
        + """
sf = client(on_event=slow)
control("release")
threading.Thread(target=ask, daemon=True).start()
entered.wait()
""",
        times=5,
    ),
    "a daemon thread in a hook for a listener's errors": Ending(
        LINGER
        + """
sys.unraisablehook = slow
sf = client(on_event=lambda _: 1 / 0)
control("release")
threading.Thread(target=ask, daemon=True).start()
entered.wait()
""",
        times=5,
    ),
    "a daemon thread in a handler of logging": Ending(
        LINGER
        + """
import logging
handler = logging.Handler()
handler.emit = slow
logging.getLogger("forcegrant").addHandler(handler)
logging.getLogger("forcegrant").setLevel(logging.DEBUG)
control("release")
threading.Thread(target=ask, daemon=True).start()
entered.wait()
""",
        times=5,
    ),
    "a daemon thread in a callback": Ending(
        LINGER
        + """
def bring():
    slow()
    return SETUP["credentials"][1:]
sf = forcegrant.Client(
    SETUP["credentials"][0], credentials_callback=bring, **SETUP["options"]
)
threading.Thread(target=ask, daemon=True).start()
entered.wait()
""",
        times=5,
    ),
    "daemon threads that make clients": Ending(
        LINGER
        + """
def make():
    entered.set()
    while True:
        sf.async_client()
        try:
            forcegrant.Client("not a host", "id", "secret")
        except forcegrant.ConfigurationError:
            pass
for _ in range(4):
    threading.Thread(target=make, daemon=True).start()
entered.wait()
""",
        times=5,
    ),
}


def wrong(ending: Ending, org: Org, folder: Path, times: int) -> list[str]:
    """Run a script that many times and give the problems. The login of the org is held."""
    script = scripts.write(folder, PRELUDE + dedent(ending.code) + "\n")

    def run(_: int) -> str:
        process = scripts.start(script, org)
        try:
            errors = process.communicate(timeout=30)[1]
        except BaseException:
            process.kill()
            process.wait()
            raise
        return ending.complaint(process.returncode, errors)

    with ThreadPoolExecutor(TOGETHER) as pool:
        return [said for said in pool.map(run, range(times)) if said]
