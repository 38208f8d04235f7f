"""Records what an HTTP library sends and where it connects, without a network.

The host, port and scheme are those of the library's last step before it opens a connection: the
pool that urllib3 gives to requests, the URL that httpx gives to httpcore, the key under which
aiohttp looks for a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import httpcore
import httpx
import requests
import urllib3
from multidict import CIMultiDict

from forcegrant import ForcegrantError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from forcegrant import Client

Origin = tuple[str, str, int]

EXPIRED = b'[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]'

REFUSALS = (
    ForcegrantError,
    ValueError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    httpx.HTTPError,
    httpx.InvalidURL,
    aiohttp.ClientError,
)
"""The errors of an invalid address."""


class Sent(NamedTuple):
    """One request that was sent."""

    origin: Origin
    url: str
    has_token: bool


def origin_of(url: str) -> Origin:
    """The origin of a URL that can be read in one way only. Raises `ValueError` for any other."""
    found = re.fullmatch(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(\d*))?([/?#].*)?", url)
    if found is None:
        raise ValueError(url)
    scheme, host, port, _ = found.groups()
    return scheme, host, int(port or (443 if scheme == "https" else 80))


class Wire:
    """Sends requests that are redirected to one location after the other."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.sent: list[Sent] = []
        self.printed: list[str] = []
        """The headers of requests that the library shows."""
        self.dead = 0
        """How many requests first get the response of a dead session. For requests."""
        self.locations: list[str] = []

    def send(self, url: str, *locations: str, **options: Any) -> list[Sent]:
        """All requests that were sent, also if the call ends in an error."""
        self.sent, self.locations = [], list(locations)
        with contextlib.suppress(*REFUSALS):
            self.call(url, **options)
        return self.sent

    def call(self, url: str, **options: Any) -> None:
        raise NotImplementedError

    def arrived(self, origin: Origin, url: str, *texts: Any) -> tuple[int, dict[str, str]]:
        token = self.client.token().access_token
        said = "".join(
            text.decode("latin-1") if isinstance(text, bytes) else str(text) for text in texts
        )
        self.sent.append(Sent(origin, url, token in said))
        if self.dead:
            self.dead -= 1
            return 401, {}
        return (307, {"Location": self.locations.pop(0)}) if self.locations else (200, {})


def port_of(scheme: str, port: int | None) -> int:
    return port or (443 if scheme == "https" else 80)


class RequestsWire(Wire):
    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.http = self.session()
        self.http.auth = client.requests_auth()

    def session(self) -> requests.Session:
        session = requests.Session()
        for prefix in ("https://", "http://"):
            session.mount(prefix, _Adapter(self))
        return session

    def call(self, url: str, **options: Any) -> None:
        self.http.request("GET", url, **options)


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        pool: Any
        if hasattr(self, "get_connection_with_tls_context"):
            pool = self.get_connection_with_tls_context(request, verify=True)
        else:
            pool = self.get_connection(request.url or "")
        self.wire.printed.append(repr(request.headers))
        status, headers = self.wire.arrived(
            (pool.scheme, pool.host, port_of(pool.scheme, pool.port)),
            request.url or "",
            *request.headers.values(),
            request.body or "",
        )
        # As http.client reads them.
        headers = {name: text.encode().decode("latin-1") for name, text in headers.items()}
        body = io.BytesIO(EXPIRED if status == 401 else b"")
        raw = urllib3.HTTPResponse(body, headers, status, preload_content=False)
        response: Any = self.build_response(request, raw)
        response.connection = self
        return response


class BulkWire(RequestsWire):
    """The transport of simple_salesforce's Bulk API 1."""

    headers: dict[str, str]

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.salesforce: Any = client.simple_salesforce(session=self.http, version="67.0")
        bulk: Any = self.salesforce.bulk
        self.headers = bulk.headers

    def call(self, url: str, **options: Any) -> None:
        self.http.request("POST", url, headers=self.headers, data="{}", **options)


class SoapWire(BulkWire):
    def call(self, url: str, **options: Any) -> None:
        body = f"<h:sessionId>{self.salesforce.session_id}</h:sessionId>"
        headers = {"SOAPAction": "x", "Content-Type": "text/xml"}
        self.http.request("POST", url, headers=headers, data=body, **options)


class HttpxWire(Wire):
    def __init__(self, client: Client) -> None:
        super().__init__(client)
        transport = httpx.HTTPTransport(verify=False)
        transport._pool = _Pool(self)  # type: ignore[assignment]
        self.http = httpx.Client(
            auth=client.httpx_auth(), transport=transport, follow_redirects=True
        )
        self.http.event_hooks = {"response": [self.shown]}

    def shown(self, response: httpx.Response) -> None:
        self.printed.append(repr(response.request.headers))

    def call(self, url: str, **options: Any) -> None:
        self.http.request("GET", url, **options)


class AsyncHttpxWire(Wire):
    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.transport = httpx.AsyncHTTPTransport(verify=False)
        self.transport._pool = _AsyncPool(self)  # type: ignore[assignment]
        self.auth = client.async_client().httpx_auth()

    def call(self, url: str, **options: Any) -> None:
        async def main() -> None:
            http = httpx.AsyncClient(
                auth=self.auth, transport=self.transport, follow_redirects=True
            )
            http.event_hooks = {"response": [self.shown]}
            await http.request("GET", url, **options)

        asyncio.run(main())

    async def shown(self, response: httpx.Response) -> None:
        self.printed.append(repr(response.request.headers))


class _Pool:
    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        url = request.url
        scheme = url.scheme.decode()
        if scheme not in ("http", "https"):
            raise httpcore.UnsupportedProtocol(scheme)
        status, headers = self.wire.arrived(
            (scheme, url.host.decode(), port_of(scheme, url.port)),
            bytes(url).decode(),
            *[value for _, value in request.headers],
        )
        raw = [(name.encode(), text.encode()) for name, text in headers.items()]
        return httpcore.Response(status, headers=raw, content=_Nothing())


class _AsyncPool(_Pool):
    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        return self.handle_request(request)


class _Nothing:
    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


class AiohttpWire(Wire):
    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.middleware = client.async_client().aiohttp_middleware()

    def call(self, url: str, *, base_url: str | None = None, **options: Any) -> None:
        async def main() -> None:
            middlewares = [self.middleware, *options.pop("middlewares", []), self.connect]
            async with aiohttp.ClientSession(base_url, middlewares=middlewares) as http:
                await http.request("GET", url, **options)

        asyncio.run(main())

    async def connect(self, request: aiohttp.ClientRequest, handler: object) -> Any:
        del handler
        key = request.connection_key
        self.printed.append(repr(request.headers))
        scheme = "https" if key.is_ssl else "http"
        host = f"[{key.host}]" if ":" in key.host else key.host
        status, headers = self.arrived(
            (scheme, host, port_of(scheme, key.port)), str(request.url), *request.headers.values()
        )
        return SimpleNamespace(
            status=status,
            headers=CIMultiDict(headers),
            method=request.method,
            url=request.url,
            connection=None,
            _raw_cookie_headers=None,
            cookies={},
            release=lambda: None,
            close=lambda: None,
        )


WIRES: list[type[Wire]] = [
    RequestsWire,
    BulkWire,
    SoapWire,
    HttpxWire,
    AsyncHttpxWire,
    AiohttpWire,
]
