"""Call credentials and interceptors for the Pub/Sub API."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from grpc import aio

from forcegrant._errors import ForcegrantError, TokenRejectedError
from forcegrant._native import check_renewed, classify_grpc_status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from forcegrant._client import AsyncClient
    from forcegrant._native import Client, ClientBase, Token


class GrpcAuth(grpc.AuthMetadataPlugin):
    """Brings the token of a client, its instance and its org."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._async_client = client.async_client()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(
        self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback
    ) -> None:
        """Bring the metadata of one call."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # A thread that grpc made for this.
            try:
                token = self._client.token()
            except ForcegrantError as error:
                callback((), error)
            else:
                _bring(self._client, token, context, callback)
            return
        # `grpc.aio` asks in the loop, which must not stand still.
        task = loop.create_task(self._bring(context, callback))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring(
        self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback
    ) -> None:
        try:
            token = await self._async_client.token()
        except ForcegrantError as error:
            callback((), error)
        else:
            _bring(self._client, token, context, callback)


class _Brought(grpc.AuthMetadataPlugin):
    """Brings one token, so that it is known which one a call brought."""

    def __init__(self, client: ClientBase, token: Token) -> None:
        self._client, self._token = client, token

    def __call__(
        self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback
    ) -> None:
        _bring(self._client, self._token, context, callback)


def _bring(
    client: ClientBase,
    token: Token,
    context: grpc.AuthMetadataContext,
    callback: grpc.AuthMetadataPluginCallback,
) -> None:
    if not client.is_allowed_for(token, context.service_url):
        callback((), _untrusted(context.service_url))
        return
    org = () if token.org_id is None else (("tenantid", token.org_id),)
    # Nothing here holds the text of the token if the callback throws.
    callback((("accesstoken", token.access_token), ("instanceurl", token.instance_url), *org), None)


def _untrusted(url: str) -> TokenRejectedError:
    host = url.removeprefix("https://").partition("/")[0]
    return TokenRejectedError(
        f"no token goes to {host}, which is not the token's instance",
        code="api_access_refused",
        help="If it is yours or Salesforce's, name it in the option `trusted_hosts`.",
    )


class _Details(NamedTuple):
    """The details of a call, with other credentials and what is left of its time."""

    method: Any
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: Any


class _Credentials:
    """What the interceptors of one client share: the credentials of its token."""

    def __init__(self, client: ClientBase) -> None:
        self._client = client
        self._made: tuple[Token, grpc.CallCredentials] | None = None

    def of(self, token: Token) -> grpc.CallCredentials:
        """Give those that bring this token."""
        made = self._made
        if made is None or made[0] is not token:
            plugin = _Brought(self._client, token)
            self._made = made = token, grpc.metadata_call_credentials(plugin)
        return made[1]

    def is_dead(self, code: grpc.StatusCode | None, token: Token) -> bool:
        """Whether the call found the session dead; then the token is dropped."""
        if code is None or not classify_grpc_status(code.value[0]).session_expired:
            return False
        self._client.invalidate(token)
        return True


class _Attempts:
    """The attempts of one call, each with a token of its own."""

    token: Token

    def __init__(self, credentials: _Credentials, given: Any) -> None:
        self._credentials, self._given = credentials, given
        self._deadline = None if given.timeout is None else time.monotonic() + given.timeout

    def first(self, token: Token) -> _Details:
        """Give the call this token."""
        self.token = token
        given, own = self._given, self._credentials.of(token)
        if given.credentials is not None:
            own = grpc.composite_call_credentials(given.credentials, own)
        left = None if self._deadline is None else self._deadline - time.monotonic()
        wait_for_ready = given.wait_for_ready
        compression = getattr(given, "compression", None)
        return _Details(given.method, left, given.metadata, own, wait_for_ready, compression)

    def is_refused(self, code: grpc.StatusCode | None) -> bool:
        """Whether the call found the session dead; then the token is dropped."""
        return self._credentials.is_dead(code, self.token)

    def next(self, token: Token) -> _Details | None:
        """Give the call this token after a refusal; None if the time of the call is over."""
        check_renewed(self.token, token)
        is_over = self._deadline is not None and time.monotonic() >= self._deadline
        return None if is_over else self.first(token)


# For threads


def interceptors(client: Client) -> list[object]:
    """Give those for `grpc.intercept_channel`."""
    return [_Interceptor(client)]


class _Interceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def __init__(self, client: Client) -> None:
        self._client = client
        self._credentials = _Credentials(client)

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        attempts = _Attempts(self._credentials, client_call_details)
        call = continuation(attempts.first(self._client.token()), request)
        if not call.done():
            # A future: who asked for it goes on meanwhile.
            return _Watched(call, self._credentials, attempts.token)
        if not attempts.is_refused(call.code()):
            return call
        details = attempts.next(self._client.token())
        return call if details is None else continuation(details, request)

    def _once(self, continuation: Callable[..., Any], given: Any, request: Any) -> Any:
        attempts = _Attempts(self._credentials, given)
        call = continuation(attempts.first(self._client.token()), request)
        if not call.done():
            return _Watched(call, self._credentials, attempts.token)
        attempts.is_refused(call.code())
        return call

    intercept_unary_stream: Any = _once
    intercept_stream_unary: Any = _once
    intercept_stream_stream: Any = _once


class _Watched:
    """A call that goes on. Who learns from it that the session is dead finds the token dropped.

    A callback of the call alone would run beside whoever reads from it.
    """

    def __init__(self, call: Any, credentials: _Credentials, token: Token) -> None:
        self._call, self._credentials, self._token = call, credentials, token
        if not call.add_callback(self._look):
            self._look()

    def _look(self) -> None:
        self._credentials.is_dead(self._call.code(), self._token)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError:
            self._look()
            raise

    def result(self, timeout: float | None = None) -> Any:
        """Give the response, or raise what came of the call."""
        try:
            return self._call.result(timeout)
        except grpc.RpcError:
            self._look()
            raise

    def exception(self, timeout: float | None = None) -> Any:
        """Give what came of the call, if it failed."""
        failure = self._call.exception(timeout)
        self._look()
        return failure


grpc.Call.register(_Watched)
grpc.Future.register(_Watched)


# For asyncio


def async_interceptors(client: Client) -> list[aio.ClientInterceptor]:
    """Give those for the channels of `grpc.aio`, which takes one for each kind of call."""
    async_client = client.async_client()
    credentials = _Credentials(client)
    kinds = (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)
    return [kind(async_client, credentials) for kind in kinds]


class _Asynchronous:
    def __init__(self, client: AsyncClient, credentials: _Credentials) -> None:
        self._client, self._credentials = client, credentials

    async def _once(self, continuation: Callable[..., Any], given: Any, request: Any) -> Any:
        attempts = _Attempts(self._credentials, given)
        details = attempts.first(await self._client.token())
        call = await continuation(_aio(details), request)
        return _AsyncWatched(call, self._credentials, attempts.token)


class _UnaryUnary(_Asynchronous, aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        attempts = _Attempts(self._credentials, client_call_details)
        details = attempts.first(await self._client.token())
        call = await continuation(_aio(details), request)
        if not attempts.is_refused(await call.code()):
            return call
        again = attempts.next(await self._client.token())
        return call if again is None else await continuation(_aio(again), request)


class _UnaryStream(_Asynchronous, aio.UnaryStreamClientInterceptor):
    intercept_unary_stream: Any = _Asynchronous._once


class _StreamUnary(_Asynchronous, aio.StreamUnaryClientInterceptor):
    intercept_stream_unary: Any = _Asynchronous._once


class _StreamStream(_Asynchronous, aio.StreamStreamClientInterceptor):
    intercept_stream_stream: Any = _Asynchronous._once


class _AsyncWatched:
    """A call that goes on, as `_Watched`.

    A callback of the call alone would not do: it may be told that writing failed, before the
    response arrives that says why.
    """

    def __init__(self, call: Any, credentials: _Credentials, token: Token) -> None:
        self._call, self._credentials, self._token = call, credentials, token

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            return (yield from self._call.__await__())
        except aio.AioRpcError as error:
            self._look(error.code())
            raise

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            async for message in self._call:
                yield message
        except aio.AioRpcError as error:
            self._look(error.code())
            raise

    async def read(self) -> Any:
        """Give the next message."""
        try:
            message = await self._call.read()
        except aio.AioRpcError as error:
            self._look(error.code())
            raise
        if message is aio.EOF:
            await self.code()
        return message

    async def code(self) -> grpc.StatusCode:
        """Give the status, when the call is over."""
        code: grpc.StatusCode = await self._call.code()
        self._look(code)
        return code

    def _look(self, code: grpc.StatusCode) -> None:
        self._credentials.is_dead(code, self._token)


aio.UnaryStreamCall.register(_AsyncWatched)
aio.StreamUnaryCall.register(_AsyncWatched)
aio.StreamStreamCall.register(_AsyncWatched)


def _aio(details: _Details) -> Any:
    return aio.ClientCallDetails(*details[:5])
