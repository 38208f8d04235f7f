"""One caller for each adapter, so that all adapters run the same tests."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import httpx
import requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from forcegrant import Client
    from forcegrant.testing import Emulator

LIMITS = "/services/data/v67.0/limits"
QUERY = "/services/data/v67.0/query"
JOBS = "/services/data/v67.0/jobs/ingest"


class CallResponse(NamedTuple):
    status: int
    text: str


class GivenUp(Exception):  # noqa: N818 - it is no failure
    """The caller did not wait for the response."""


class Caller:
    """Calls an API through one adapter; `stream` is a body that can be read once."""

    failure: type[Exception]
    """The error of the library for a body that ends early."""

    def __init__(self, client: Client, emulator: Emulator) -> None:
        self.client, self.emulator = client, emulator

    def call(self, url: str, method: str = "GET", body: Any = None) -> CallResponse:
        raise NotImplementedError

    def stream(self, url: str, body: str) -> CallResponse:
        raise NotImplementedError

    def raise_for_status(self, url: str) -> None:
        """Let the library raise its error for a response."""
        raise NotImplementedError

    def give_up(self, url: str, endpoint: str) -> None:
        """Call, and give up once the request has arrived and is held; raises `GivenUp`."""
        raise NotImplementedError

    def many(self, url: str, count: int) -> list[CallResponse]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.call(url), range(count)))

    def close(self) -> None:
        """Close what is open."""

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.emulator.ca_pem)


class Httpx(Caller):
    failure = httpx.TransportError

    def __init__(self, client: Client, emulator: Emulator) -> None:
        super().__init__(client, emulator)
        self.http = httpx.Client(
            auth=client.httpx_auth(),
            proxy=emulator.proxy,
            verify=self.tls,
            follow_redirects=True,
            timeout=30,
            limits=httpx.Limits(max_connections=200),
        )

    def call(self, url: str, method: str = "GET", body: Any = None, **options: Any) -> CallResponse:
        response = self.http.request(method, url, content=body, **options)
        return CallResponse(response.status_code, response.text)

    def stream(self, url: str, body: str) -> CallResponse:
        def content() -> Iterator[bytes]:
            yield body.encode()

        return self.call(url, "POST", content())

    def raise_for_status(self, url: str) -> None:
        self.http.get(url).raise_for_status()

    def give_up(self, url: str, endpoint: str) -> None:
        del endpoint
        try:
            self.call(url, timeout=0.5)
        except httpx.ReadTimeout:
            raise GivenUp from None

    def close(self) -> None:
        self.http.close()


class Asynchronous(Caller):
    """Every call in a loop and a session of its own."""

    async def send(self, *args: Any, count: int = 1, **kwargs: Any) -> list[CallResponse]:
        async with self.session() as call:
            responses: list[CallResponse] = await asyncio.gather(
                *[call(*args, **kwargs) for _ in range(count)]
            )
            return responses

    def session(self) -> Any:
        raise NotImplementedError

    def many(self, url: str, count: int) -> list[CallResponse]:
        return asyncio.run(self.send("GET", url, count=count))

    def call(self, url: str, method: str = "GET", body: Any = None) -> CallResponse:
        return asyncio.run(self.send(method, url, body))[0]

    def stream(self, url: str, body: str) -> CallResponse:
        async def content() -> AsyncIterator[bytes]:
            yield body.encode()

        return self.call(url, "POST", content())

    def raise_for_status(self, url: str) -> None:
        asyncio.run(self.send("GET", url, strict=True))

    def give_up(self, url: str, endpoint: str) -> None:
        async def main() -> None:
            task = asyncio.create_task(self.send("GET", url))
            await asyncio.to_thread(self.emulator.wait_requests, 1, endpoint)
            task.cancel()
            await task

        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            raise GivenUp from None


class _Session:
    """An async context manager over `open`, which yields how to call."""

    def __init__(self, http: Any, call: Callable[..., Awaitable[CallResponse]]) -> None:
        self.http, self.call = http, call

    async def __aenter__(self) -> Callable[..., Awaitable[CallResponse]]:
        await self.http.__aenter__()
        return self.call

    async def __aexit__(self, *exc: object) -> None:
        await self.http.__aexit__(*exc)


class AsyncHttpx(Asynchronous):
    failure = httpx.TransportError

    def __init__(self, client: Client, emulator: Emulator) -> None:
        super().__init__(client, emulator)
        self.auth = client.async_client().httpx_auth()

    def session(self) -> _Session:
        http = httpx.AsyncClient(
            auth=self.auth,
            proxy=self.emulator.proxy,
            verify=self.tls,
            follow_redirects=True,
            timeout=30,
            limits=httpx.Limits(max_connections=200),
        )

        async def call(
            method: str, url: str, body: Any = None, *, strict: bool = False, **options: Any
        ) -> CallResponse:
            response = await http.request(method, url, content=body, **options)
            if strict:
                response.raise_for_status()
            return CallResponse(response.status_code, response.text)

        return _Session(http, call)


class Aiohttp(Asynchronous):
    failure = aiohttp.ClientError

    def __init__(self, client: Client, emulator: Emulator) -> None:
        super().__init__(client, emulator)
        self.middleware = client.async_client().aiohttp_middleware()

    def session(self) -> _Session:
        http = aiohttp.ClientSession(
            middlewares=[self.middleware],
            proxy=self.emulator.proxy,
            connector=aiohttp.TCPConnector(ssl=self.tls, limit=200),
            timeout=aiohttp.ClientTimeout(total=30),
        )

        async def call(
            method: str, url: str, body: Any = None, *, strict: bool = False, **options: Any
        ) -> CallResponse:
            options["raise_for_status"] = strict
            async with http.request(method, url, data=body, **options) as response:
                return CallResponse(response.status, await response.text())

        return _Session(http, call)


class Requests(Caller):
    failure = requests.RequestException

    def __init__(self, client: Client, emulator: Emulator) -> None:
        super().__init__(client, emulator)
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.proxies = {"https": emulator.proxy}
        self.http.verify = str(emulator.ca_file())
        self.attach()

    def attach(self) -> None:
        self.http.auth = self.client.requests_auth()

    def call(self, url: str, method: str = "GET", body: Any = None, **options: Any) -> CallResponse:
        response = self.http.request(method, url, data=body, **{"timeout": 30, **options})
        return CallResponse(response.status_code, response.text)

    def stream(self, url: str, body: str) -> CallResponse:
        return self.call(url, "POST", iter([body.encode()]))

    def raise_for_status(self, url: str) -> None:
        self.http.get(url).raise_for_status()

    def give_up(self, url: str, endpoint: str) -> None:
        del endpoint
        try:
            self.call(url, timeout=0.5)
        except requests.ReadTimeout:
            raise GivenUp from None

    def close(self) -> None:
        self.http.close()


class SimpleSalesforce(Requests):
    """The transport of a `Salesforce`, without its handling of responses."""

    def attach(self) -> None:
        self.salesforce = self.client.simple_salesforce(session=self.http, version="67.0")

    def call(self, url: str, method: str = "GET", body: Any = None, **options: Any) -> CallResponse:
        return super().call(url, method, body, headers=self.salesforce.headers, **options)


CALLERS: list[type[Caller]] = [Httpx, AsyncHttpx, Aiohttp, Requests, SimpleSalesforce]
