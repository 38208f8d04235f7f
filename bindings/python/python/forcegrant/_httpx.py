"""Authentication for httpx, for `Client` and `AsyncClient` alike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from operator import methodcaller
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import httpx

from forcegrant import _calls
from forcegrant._native import ApiCall, body_counts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from forcegrant._native import Client

_UNREADABLE = (httpx.RequestError, httpx.StreamError)


class HttpxAuth(httpx.Auth):
    """Sends the client's token along, and renews it when Salesforce says that it is dead."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._blocking = _Steps(
            client.token, methodcaller("read"), methodcaller("close"), time.sleep
        )
        # `anyio`, as httpx itself waits, for asyncio and trio.
        self._in_loop = _Steps(
            client.async_client().token, methodcaller("aread"), methodcaller("aclose"), anyio.sleep
        )

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """For `httpx.Client`."""
        flow = self._flow(request, self._blocking)
        try:
            prepared = _without_waiting(flow.__anext__())
            while True:
                prepared = _without_waiting(flow.asend((yield prepared)))
        except StopAsyncIteration:
            return
        finally:
            _without_waiting(flow.aclose())

    def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For `httpx.AsyncClient`."""
        return self._flow(request, self._in_loop)

    async def _flow(
        self, request: httpx.Request, steps: _Steps
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if "Authorization" in request.headers:
            yield request
            return
        call, body = ApiCall(self._client, request.method), _Body(request.stream)
        while True:
            guard = _Guard(self._client, await _value(steps.token()))
            response = yield _prepared(call, guard, request)
            # Another origin's response says nothing about the token.
            if not guard.carries(response.request):
                return
            content, broken = b"", None
            if body_counts(response.status_code):
                try:
                    content = await _value(steps.read(response))
                except httpx.RequestError as error:
                    broken = error
            pause = _handle_response(call, response, content, body)
            if pause is None:
                if broken is not None:
                    raise broken
                return
            # Before the pause, so that another call can have the connection.
            try:
                await _value(steps.read(response))
            except _UNREADABLE:
                await _value(steps.close(response))
                await _value(steps.read(_empty(response)))
            if pause > 0:
                await _value(steps.sleep(pause))
            body.rewind()


class _Steps(NamedTuple):
    """What takes time in a flow: functions that block, or that return what is awaited."""

    token: Callable[[], Any]
    read: Callable[[httpx.Response], Any]
    close: Callable[[httpx.Response], Any]
    sleep: Callable[[float], Any]


async def _value(given: Any) -> Any:
    return await given if isinstance(given, Awaitable) else given


def _without_waiting(step: Coroutine[Any, Any, Any]) -> Any:
    """Run a step of a flow whose functions block: it never waits in a loop."""
    try:
        step.send(None)
    except StopIteration as done:
        return done.value
    msg = "a function that blocks was expected"
    raise RuntimeError(msg)


class _Body:
    """The body of a request, as far as it can be sent again."""

    def __init__(self, stream: object) -> None:
        self._file: Any = None
        fields = getattr(stream, "fields", None)
        file = getattr(stream, "_stream", None)
        if isinstance(stream, httpx.ByteStream):
            self.replayable = True
        elif fields is not None:
            # A multipart body rewinds its files itself, those that can be.
            files = [getattr(field, "file", b"") for field in fields]
            self.replayable = all(
                isinstance(file, str | bytes) or _calls.can_rewind(file) for file in files
            )
        else:
            self.replayable = _calls.can_rewind(file)
            if self.replayable:
                self._file, self._start = file, getattr(file, "tell")()  # noqa: B009

    def rewind(self) -> None:
        """Before it is sent again."""
        if self._file is not None:
            self._file.seek(self._start)


def _prepared(call: ApiCall, guard: _Guard, request: httpx.Request) -> httpx.Request:
    """Give a request of its own, so that the caller's stays as it is."""
    # Neither `copy`, which leaves the stream behind, nor the constructor, which reads everything
    # anew and costs more than all else here.
    prepared: httpx.Request = object.__new__(type(request))
    vars(prepared).update(vars(request))
    prepared.headers = request.headers.copy()
    guard.prepare(call, prepared)
    return prepared


class _Guard(_calls.Guard):
    """When httpx follows a redirect to another origin, it takes the token off itself."""

    def write(self, request: httpx.Request, url: str) -> None:
        request.url = httpx.URL(url)
        request.headers["Host"] = request.url.netloc.decode("ascii")


def _handle_response(
    call: ApiCall, response: httpx.Response, content: bytes, body: _Body
) -> float | None:
    status, headers = response.status_code, response.headers
    return _calls.handle_response(call, status, headers, content, replayable=body.replayable)


def _empty(response: httpx.Response) -> httpx.Response:
    """Without its body, which broke off: httpx reads it before it sends the next request."""
    response.stream = httpx.ByteStream(b"")
    response.is_stream_consumed = response.is_closed = False
    return response
