"""A middleware for the client of aiohttp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import ClientPayloadError, hdrs
from yarl import URL

from forcegrant import _calls
from forcegrant._native import ApiCall, body_counts

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

    from forcegrant._native import Client


class AiohttpMiddleware:
    """Sends the client's token along, and renews it when Salesforce says that it is dead.

    aiohttp asks it anew for each hop of a redirect.
    """

    def __init__(self, client: Client) -> None:
        self._client = client.async_client()

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send a request."""
        if hdrs.AUTHORIZATION in request.headers:
            return await handler(request)
        call = ApiCall(self._client, request.method)
        while True:
            guard = _Guard(self._client, await self._client.token())
            guard.prepare(call, request)
            response = await handler(request)
            # A response to a request without the token says nothing about it.
            if not guard.carries(request):
                return response
            content, broken = b"", None
            if body_counts(response.status):
                try:
                    content = await response.read()
                except ClientPayloadError as error:
                    broken = error
            try:
                pause = _handle_response(call, request, response, content)
            except BaseException:
                response.close()
                raise
            if pause is None:
                if broken is not None:
                    raise broken
                return response
            response.release()
            # The response may have come before the body had gone out.
            await request.close()
            if pause > 0:
                await asyncio.sleep(pause)


class _Guard(_calls.Guard):
    """For a redirect, aiohttp makes another request."""

    def write(self, request: ClientRequest, url: str) -> None:
        request.url = request.original_url = URL(url, encoded=True)
        request.headers[hdrs.HOST] = request.url.host_port_subcomponent or ""


def _handle_response(
    call: ApiCall, request: ClientRequest, response: ClientResponse, content: bytes
) -> float | None:
    body = request.body
    replayable = not body or not body.consumed
    status, headers = response.status, response.headers
    return _calls.handle_response(call, status, headers, content, replayable=replayable)
