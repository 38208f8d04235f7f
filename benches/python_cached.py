"""What reading a cached token costs in Python, beside the least that such a read can cost.

Prints one JSON line for each measurement:

    {"what": "cached read, Python sync", "ours_ns": 30.1, "least_ns": 17.4, "ratio": 1.73}

The least possible for the read is a native method of the client that does nothing; that of the await is
a bare `async def` that returns a constant. Both are measured by `timeit`, in turns with ours in the
same process, and the medians are printed. Build the package in release mode first.
"""

from __future__ import annotations

import asyncio
import json
import time
import timeit
from statistics import median
from typing import TYPE_CHECKING

from forcegrant.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOOPS = 50_000
REPEATS = 41


def main() -> None:
    with Emulator() as emulator:
        client = emulator.org.client()
        token = client.token()
        least = (client, "close")
        measure_calls("cached read, Python sync", (client, "token"), least)
        measure_calls("cached read by cached(), Python sync", (client, "cached"), least)
        twin = client.async_client()

        class Bare:
            async def token(self) -> object:
                return token

        asyncio.run(measure_awaits("cached await, Python asyncio", twin.token, Bare().token))
        assert emulator.counters()["token_requests"] == 1


def measure_calls(what: str, ours: tuple[object, str], least: tuple[object, str]) -> None:
    timers = [timeit.Timer(f"it.{name}()", globals={"it": it}) for it, name in (ours, least)]
    rounds = [[timer.timeit(LOOPS) / LOOPS * 1e9 for timer in timers] for _ in range(REPEATS)]
    report(what, rounds)


async def measure_awaits(
    what: str, ours: Callable[[], Awaitable[object]], least: Callable[[], Awaitable[object]]
) -> None:
    async def once(call: Callable[[], Awaitable[object]]) -> float:
        begun = time.perf_counter_ns()
        for _ in range(LOOPS):
            await call()
        return (time.perf_counter_ns() - begun) / LOOPS

    report(what, [[await once(ours), await once(least)] for _ in range(REPEATS)])


def report(what: str, rounds: list[list[float]]) -> None:
    ours, least = (round(median(column), 1) for column in zip(*rounds, strict=True))
    line = {"what": what, "ours_ns": ours, "least_ns": least, "ratio": round(ours / least, 2)}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
