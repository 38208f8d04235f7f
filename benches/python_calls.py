"""What a call through each adapter costs in Python, beside the library alone with a fixed header.

Prints one JSON line for each, as `python_cached.py` does, in medians over rounds in which both take
turns, each over a connection of its own that is kept open. The calls go to an emulated org on
loopback, over TLS. Counted is the processor's time of this process, as that is what bounds its
requests per second, whatever the network does. Build the package in release mode first.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
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
# For tests alone: a key that is public.
FIXTURES = Path(__file__).resolve().parents[1] / "tests/node/fixtures"


def main() -> None:
    with Emulator() as emulator:
        client = emulator.org.client(trusted_hosts=["localhost"])
        token = client.token()
        bare = {"Authorization": token.authorization}
        url = token.instance_url + PATH
        with_httpx(emulator, client, bare, url)
        with_requests(emulator, client, bare, url)
        with_simple_salesforce(emulator, client)
        asyncio.run(with_async_httpx(emulator, client, bare, url))
        asyncio.run(with_aiohttp(emulator, client, bare, url))
        with_grpc(client)
        assert emulator.counters()["token_requests"] == 1


def with_httpx(emulator: Emulator, client: Client, bare: dict[str, str], url: str) -> None:
    options: Any = {"proxy": emulator.proxy, "verify": tls(emulator)}
    with (
        httpx.Client(auth=client.httpx_auth(), **options) as ours,
        httpx.Client(headers=bare, **options) as least,
    ):
        measure("call, Python httpx", lambda: ours.get(url), lambda: least.get(url))


def with_requests(emulator: Emulator, client: Client, bare: dict[str, str], url: str) -> None:
    with session(emulator) as ours, session(emulator) as least:
        ours.auth = client.requests_auth()
        least.headers.update(bare)
        measure("call, Python requests", lambda: ours.get(url), lambda: least.get(url))


def with_simple_salesforce(emulator: Emulator, client: Client) -> None:
    token = client.token()
    with session(emulator) as mine, session(emulator) as theirs:
        ours = client.simple_salesforce(session=mine)
        least = Salesforce(session_id=token.access_token, instance_url=token.instance_url, session=theirs)
        measure("call, Python simple_salesforce", ours.limits, least.limits)


async def with_async_httpx(emulator: Emulator, client: Client, bare: dict[str, str], url: str) -> None:
    options: Any = {"proxy": emulator.proxy, "verify": tls(emulator)}
    auth = client.async_client().httpx_auth()
    async with (
        httpx.AsyncClient(auth=auth, **options) as ours,
        httpx.AsyncClient(headers=bare, **options) as least,
    ):
        await measure_awaits("call, Python httpx, asyncio", lambda: ours.get(url), lambda: least.get(url))


async def with_aiohttp(emulator: Emulator, client: Client, bare: dict[str, str], url: str) -> None:
    def http(**options: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=tls(emulator))
        return aiohttp.ClientSession(proxy=emulator.proxy, connector=connector, **options)

    async def get(http: aiohttp.ClientSession) -> None:
        async with http.get(url) as answer:
            await answer.read()

    middleware = client.async_client().aiohttp_middleware()
    async with http(middlewares=[middleware]) as ours, http(headers=bare) as least:
        await measure_awaits("call, Python aiohttp", lambda: get(ours), lambda: get(least))


def with_grpc(client: Client) -> None:
    """To a server in this process, which counts too.

    grpcio makes a thread for each call that has credentials: that is most of the difference. Fixed
    metadata go anywhere; credentials over TLS only, and ours to trusted hosts only.
    """
    key, certificate = ((FIXTURES / f"grpc-test-{part}.pem").read_bytes() for part in ("key", "cert"))
    echo: Any = grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
    handlers = grpc.method_handlers_generic_handler("bench", {"Echo": echo})
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handlers])
    credentials = grpc.ssl_server_credentials([(key, certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    token = client.token()
    metadata = (("accesstoken", token.access_token), ("instanceurl", token.instance_url))

    def channel() -> grpc.Channel:
        return grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(certificate))

    with channel() as bare, grpc.intercept_channel(channel(), *client.grpc_interceptors()) as own:
        methods: list[Any] = [to.unary_unary("/bench/Echo") for to in (own, bare)]
        ours, least = methods
        measure(
            "call, Python gRPC",
            lambda: ours(b"x"),
            lambda: least(b"x", metadata=metadata),
        )
    server.stop(None).wait()


def tls(emulator: Emulator) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=emulator.ca_pem)


def session(emulator: Emulator) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": emulator.proxy}
    session.verify = str(emulator.ca_file())
    return session


def measure(what: str, ours: Callable[[], object], least: Callable[[], object]) -> None:
    def once(call: Callable[[], object]) -> float:
        begun = time.process_time_ns()
        for _ in range(CALLS):
            call()
        return (time.process_time_ns() - begun) / CALLS

    rounds = []
    for number in range(ROUNDS):
        # Neither is always the first.
        order = [ours, least] if number % 2 else [least, ours]
        times = [once(call) for call in order]
        rounds.append(times if number % 2 else times[::-1])
    report(what, rounds)


async def measure_awaits(
    what: str, ours: Callable[[], Awaitable[object]], least: Callable[[], Awaitable[object]]
) -> None:
    async def once(call: Callable[[], Awaitable[object]]) -> float:
        begun = time.process_time_ns()
        for _ in range(CALLS):
            await call()
        return (time.process_time_ns() - begun) / CALLS

    rounds = []
    for number in range(ROUNDS):
        order = [ours, least] if number % 2 else [least, ours]
        times = [await once(call) for call in order]
        rounds.append(times if number % 2 else times[::-1])
    report(what, rounds)


def report(what: str, rounds: list[list[float]]) -> None:
    # The first has the connection's making in it.
    ours, least = (round(median(column), 1) for column in zip(*rounds[1:], strict=True))
    line = {"what": f"{what}, {1e9 / ours:.0f}/s", "ours_ns": ours, "least_ns": least}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
