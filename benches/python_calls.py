"""What a call through each adapter costs in Python, beside the library alone with a fixed header.

Prints one JSON line for each, as `python_cached.py` does: the time of one call, in medians over rounds
in which both take turns, each over a connection of its own that is kept open. The calls go to an
emulated org on loopback, over TLS. Build the package in release mode first.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import requests
from simple_salesforce.api import Salesforce

from forcegrant.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from forcegrant import Client

CALLS = 50
ROUNDS = 41
PATH = "/services/data/v67.0/limits"


def main() -> None:
    with Emulator() as emulator:
        client = emulator.org.client()
        token = client.token()
        bare = {"Authorization": token.authorization}
        url = token.instance_url + PATH
        with_httpx(emulator, client, bare, url)
        with_requests(emulator, client, bare, url)
        with_simple_salesforce(emulator, client)
        asyncio.run(with_async_httpx(emulator, client, bare, url))
        asyncio.run(with_aiohttp(emulator, client, bare, url))
        assert emulator.counters()["token_requests"] == 1


def with_httpx(emulator: Emulator, client: Client, bare: dict[str, str], url: str) -> None:
    options: Any = {"proxy": emulator.proxy, "verify": tls(emulator)}
    with (
        httpx.Client(auth=client.httpx_auth(), **options) as ours,
        httpx.Client(headers=bare, **options) as floor,
    ):
        measure("calls, Python httpx", lambda: ours.get(url), lambda: floor.get(url))


def with_requests(emulator: Emulator, client: Client, bare: dict[str, str], url: str) -> None:
    with session(emulator) as ours, session(emulator) as floor:
        ours.auth = client.requests_auth()
        floor.headers.update(bare)
        measure("calls, Python requests", lambda: ours.get(url), lambda: floor.get(url))


def with_simple_salesforce(emulator: Emulator, client: Client) -> None:
    token = client.token()
    with session(emulator) as mine, session(emulator) as theirs:
        ours = client.simple_salesforce(session=mine)
        floor = Salesforce(
            session_id=token.access_token, instance_url=token.instance_url, session=theirs
        )
        measure("calls, Python simple_salesforce", ours.limits, floor.limits)


async def with_async_httpx(
    emulator: Emulator, client: Client, bare: dict[str, str], url: str
) -> None:
    options: Any = {"proxy": emulator.proxy, "verify": tls(emulator)}
    auth = client.async_client().httpx_auth()
    async with (
        httpx.AsyncClient(auth=auth, **options) as ours,
        httpx.AsyncClient(headers=bare, **options) as floor,
    ):
        await measure_awaits(
            "calls, Python httpx, asyncio", lambda: ours.get(url), lambda: floor.get(url)
        )


async def with_aiohttp(
    emulator: Emulator, client: Client, bare: dict[str, str], url: str
) -> None:
    def http(**options: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=tls(emulator))
        return aiohttp.ClientSession(proxy=emulator.proxy, connector=connector, **options)

    async def get(http: aiohttp.ClientSession) -> None:
        async with http.get(url) as answer:
            await answer.read()

    middleware = client.async_client().aiohttp_middleware()
    async with http(middlewares=[middleware]) as ours, http(headers=bare) as floor:
        await measure_awaits("calls, Python aiohttp", lambda: get(ours), lambda: get(floor))


def tls(emulator: Emulator) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=emulator.ca_pem)


def session(emulator: Emulator) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": emulator.proxy}
    session.verify = str(emulator.ca_file())
    return session


def measure(what: str, ours: Callable[[], object], floor: Callable[[], object]) -> None:
    def once(call: Callable[[], object]) -> float:
        begun = time.perf_counter_ns()
        for _ in range(CALLS):
            call()
        return (time.perf_counter_ns() - begun) / CALLS

    rounds = []
    for number in range(ROUNDS):
        # Neither is always the first.
        order = [ours, floor] if number % 2 else [floor, ours]
        times = [once(call) for call in order]
        rounds.append(times if number % 2 else times[::-1])
    report(what, rounds)


async def measure_awaits(
    what: str, ours: Callable[[], Awaitable[object]], floor: Callable[[], Awaitable[object]]
) -> None:
    async def once(call: Callable[[], Awaitable[object]]) -> float:
        begun = time.perf_counter_ns()
        for _ in range(CALLS):
            await call()
        return (time.perf_counter_ns() - begun) / CALLS

    rounds = []
    for number in range(ROUNDS):
        order = [ours, floor] if number % 2 else [floor, ours]
        times = [await once(call) for call in order]
        rounds.append(times if number % 2 else times[::-1])
    report(what, rounds)


def report(what: str, rounds: list[list[float]]) -> None:
    # The first has the connection's making in it.
    ours, floor = (round(median(column), 1) for column in zip(*rounds[1:], strict=True))
    line = {"what": what, "ours_ns": ours, "floor_ns": floor, "ratio": round(ours / floor, 3)}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
