"""Memory, threads and descriptors of a long-lived process must not grow.

`leaks.py [DIVISOR]`: 100,000 clients made and dropped, 100,000 logins, and 1,000,000 waits for
logins in an event loop, or that many divided by DIVISOR. Exit code 1 when anything grew.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import forcegrant
from forcegrant.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from forcegrant.testing import Org

# How much the allocator may keep, because it grows in steps.
NOISE = 4_000_000
HERD = 1000
# The limit of logins per hour is not part of this test.
UNLIMITED = {"distinct_tokens": True, "login_limit_per_hour": 2**31}


class Usage:
    """The resources of the process, once its threads have ended."""

    def __init__(self, threads: int | None = None) -> None:
        gc.collect()
        deadline = time.monotonic() + 10
        while threads is not None and count("task") > threads and time.monotonic() < deadline:
            time.sleep(0.01)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.memory = pages * os.sysconf("SC_PAGE_SIZE")
        self.threads = count("task")
        self.files = count("fd")


def count(what: str) -> int:
    return len(os.listdir(f"/proc/self/{what}"))  # noqa: PTH208 - counted, not walked


def main(divisor: int) -> int:
    phases: list[tuple[str, Callable[[Org, int], None], int, float]] = [
        ("clients made and dropped", clients, 100_000 // divisor, 20),
        ("logins", logins, 100_000 // divisor, 50),
        ("waits in an event loop", waits, 1_000_000 // divisor, 5),
    ]
    failed = False
    with Emulator() as emulator:
        for name, phase, times, each in phases:
            emulator.reset()
            phase(emulator.org, times // 10)
            before = Usage()
            begun = time.monotonic()
            phase(emulator.org, times)
            took = time.monotonic() - begun
            after = Usage(before.threads)
            grown = after.memory - before.memory
            fine = (
                grown <= NOISE + times * each
                and after.threads <= before.threads
                and after.files <= before.files
            )
            failed = failed or not fine
            print(
                f"soak: {times:,} {name} in {took:.0f} s: memory {before.memory / 1e6:.1f} to "
                f"{after.memory / 1e6:.1f} MB, threads {before.threads} to {after.threads}, "
                f"descriptors {before.files} to {after.files}{'' if fine else ': GROWN'}",
                flush=True,
            )
    return 1 if failed else 0


def clients(org: Org, times: int) -> None:
    """Clients with an app each, half of them asynchronous; one in a hundred logs in."""
    options = org.options(total_timeout=5, max_attempts=1)
    for number in range(times):
        kind = (forcegrant.Client, forcegrant.AsyncClient)[number % 2]
        client = kind(org.my_domain, f"app{number}", "0" * 64, **options)
        client.status()
        if number % 100 == 0:
            with contextlib.suppress(forcegrant.RefusedError):
                org.client(login_budget="none").token()
                forcegrant.Client(org.my_domain, f"app{number}", "0" * 64, **options).token()


def logins(org: Org, times: int) -> None:
    """Logins from threads and in a loop; each returns another token, and every tenth is refused."""
    org.configure(app=UNLIMITED)
    client = org.client(login_budget="none", refusal_backoff=(0, 0))
    waiting = client.async_client()

    async def ask() -> None:
        await waiting.token()

    for number in range(times):
        if number % 5000 == 0:
            # The emulator keeps its log in memory.
            org.emulator.reset()
            org.configure(app=UNLIMITED)
        client.reset()
        if number % 10 == 9:
            client.set_credentials(org.client_id, "0" * 64)
            with contextlib.suppress(forcegrant.RefusedError):
                client.token()
            client.set_credentials(org.client_id, org.client_secret)
        elif number % 10 == 8:
            asyncio.run(ask())
        else:
            client.invalidate(client.token())
    assert client.status().logins >= times * 8 // 10


def waits(org: Org, times: int) -> None:
    """A thousand callers for one login; some of them are cancelled, others time out."""
    client = org.async_client(login_budget="none")

    async def herd() -> None:
        client.reset()
        calls = [asyncio.ensure_future(client.token()) for _ in range(HERD - 20)]
        calls += [asyncio.ensure_future(client.token(timeout=0)) for _ in range(20)]
        await asyncio.sleep(0)
        for call in calls[:20]:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert len({id(token) for token in outcomes[20 : HERD - 20]}) == 1

    async def run() -> None:
        for _ in range(max(1, times // HERD)):
            await herd()

    asyncio.run(run())
    assert client.status().logins == max(1, times // HERD)
    assert threading.active_count() == 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
