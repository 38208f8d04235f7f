"""A middleware for the client of aiohttp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import ClientPayloadError, hdrs
from yarl import URL

from forcegrant import _calls
from forcegrant._calls import Hidden
from forcegrant._client import AsyncClient
from forcegrant._native import Client, body_counts

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

    from forcegrant._native import Call, Core, Token


class AiohttpMiddleware:
    """Sends the client's token along, and renews it when Salesforce says that it is dead.

    aiohttp asks it anew for each hop of a redirect.
    """

    def __init__(self, core: Core) -> None:
        # As `from_env` does; it is not for everybody.
        self._client = AsyncClient.from_client(Client(core))  # type: ignore[arg-type]

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send a request."""
        if hdrs.AUTHORIZATION in request.headers:
            return await handler(request)
        call = self._client._call(request.method)
        while True:
            token = await self._client.token()
            _prepare(call, self._client, request, token)
            response = await handler(request)
            # An answer to a request without the token says nothing about it.
            if not _carries(request, token):
                return response
            content, broken = b"", None
            if body_counts(response.status):
                try:
                    content = await response.read()
                except ClientPayloadError as error:
                    broken = error
            try:
                pause = _judge(call, request, response, content)
            except BaseException:
                response.close()
                raise
            if pause is None:
                if broken is not None:
                    raise broken
                return response
            response.release()
            # The answer may have come before the body had gone out.
            await request.close()
            if pause > 0:
                await asyncio.sleep(pause)


def _prepare(call: Call, client: AsyncClient, request: ClientRequest, token: Token) -> None:
    _calls.unguard(request)
    given = str(request.url)
    url, carries = call.prepare(token, given)
    if url != given:
        request.url = request.original_url = URL(url, encoded=True)
        request.headers[hdrs.HOST] = request.url.host_port_subcomponent or ""
    request.headers.pop(hdrs.AUTHORIZATION, None)
    if carries:
        request.headers[hdrs.AUTHORIZATION] = Hidden(token.authorization)
        _calls.guard(request, _Guard(client, token))


class _Guard:
    """Of one request. For a redirect aiohttp makes another."""

    def __init__(self, client: AsyncClient, token: Token) -> None:
        self._client, self._token = client, token

    def judge(self, request: ClientRequest) -> None:
        """Judge a URL that another middleware gave to the request after its token."""
        _calls.unguard(request)
        if not _carries(request, self._token):
            return
        try:
            _prepare(self._client._call(request.method), self._client, request, self._token)
        except BaseException:
            # Whoever sends it all the same sends no token.
            self.detach(request)
            raise

    def detach(self, request: ClientRequest) -> None:
        """Take the token off."""
        if _carries(request, self._token):
            del request.headers[hdrs.AUTHORIZATION]


def _carries(request: ClientRequest, token: Token) -> bool:
    return request.headers.get(hdrs.AUTHORIZATION) == token.authorization


def _judge(
    call: Call, request: ClientRequest, response: ClientResponse, content: bytes
) -> float | None:
    body = request.body
    replayable = not body or not body.consumed
    status, headers = response.status, response.headers
    return _calls.judge(call, status, headers, content, replayable=replayable)
