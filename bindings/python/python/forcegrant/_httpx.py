"""Authentication for httpx, for `Client` and `AsyncClient` alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from forcegrant import _calls
from forcegrant._client import AsyncClient
from forcegrant._native import Client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from forcegrant._native import Core, Token


class HttpxAuth(httpx.Auth):
    """Sends the client's token along, and renews it when Salesforce says that it is dead."""

    def __init__(self, core: Core) -> None:
        # As `from_env` does; it is not for everybody.
        self._client: Client = Client(core)  # type: ignore[arg-type]
        self._async_client = AsyncClient.from_client(self._client)
        self._instances = _calls.Instances()

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """For `httpx.Client`."""
        if "Authorization" in request.headers:
            yield request
            return
        first = self._client.token()
        response = yield self._prepared(request, first)
        if not self._may_tell(response, first):
            return
        response.read()
        if self._is_final(request, response, first):
            return
        second = self._client.token()
        yield self._prepared(request, second)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For `httpx.AsyncClient`."""
        if "Authorization" in request.headers:
            yield request
            return
        first = await self._async_client.token()
        response = yield self._prepared(request, first)
        if not self._may_tell(response, first):
            return
        await response.aread()
        if self._is_final(request, response, first):
            return
        second = await self._async_client.token()
        yield self._prepared(request, second)

    def _prepared(self, request: httpx.Request, token: Token) -> httpx.Request:
        """Give a request of its own, so that the caller's stays as it is."""
        url = self._instances.aim(str(request.url), token)
        headers = request.headers.copy()
        if url != str(request.url):
            headers["Host"] = httpx.URL(url).netloc.decode("ascii")
        if self._client.may_carry(token, url):
            headers["Authorization"] = token.authorization
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )

    def _may_tell(self, response: httpx.Response, token: Token) -> bool:
        """Whether it is an answer to this very token; another origin's say nothing about it."""
        carried = response.request.headers.get("Authorization") == token.authorization
        return carried and _calls.is_telling(response.status_code)

    def _is_final(self, request: httpx.Request, response: httpx.Response, token: Token) -> bool:
        status = response.status_code
        if not _calls.is_dead(status, response.headers, response.content):
            return True
        self._client.invalidate(token)
        if not _calls.is_repeated(status):
            return True
        if not isinstance(request.stream, httpx.ByteStream):
            raise _calls.not_replayable(status)
        return False
