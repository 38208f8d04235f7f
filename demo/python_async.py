"""The part of `make demo` in Python with asyncio. Prints one JSON line."""

from __future__ import annotations

import asyncio
from time import perf_counter

from api import BATCHES, READS, limits, options, print_line

from forcegrant import AsyncClient


async def main() -> None:
    """A token, an API call with it, and the time of a cached read."""
    async with AsyncClient.from_env(**options()) as client:
        started = perf_counter()
        token = await client.token()
        login = perf_counter() - started

        # The standard library has no HTTP for asyncio.
        status = await asyncio.to_thread(limits, token)

        batches = []
        for _ in range(BATCHES):
            started = perf_counter()
            for _ in range(READS):
                await client.token()
            batches.append(perf_counter() - started)
        print_line("Python async", token, login, status, batches)


asyncio.run(main())
