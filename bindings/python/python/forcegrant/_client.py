"""`AsyncClient`; `Client` is in the native module."""

from __future__ import annotations

from forcegrant._native import ClientBase, Token, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType
    from typing import TypeVar

    from grpc import aio
    from typing_extensions import Self, Unpack

    from forcegrant._native import Client, Verified, Wait
    from forcegrant._watch import Registry
    from forcegrant.options import ClientOptions, Seconds

    T = TypeVar("T")


class AsyncMethods:
    """The methods that `AsyncClient` and `AsyncClientPool` have in common."""

    __slots__ = ()

    if TYPE_CHECKING:

        def deliver_events(self) -> None: ...
        def _has_requests(self) -> bool: ...
        def _serve_requests(self) -> None: ...
        def _start_wait_idle(self) -> Wait[None]: ...

    def _settled(
        self, wait: Wait[T], registry: Registry[T] | None = None, timeout: float | None = None
    ) -> Coroutine[object, object, Wait[T]]:
        from forcegrant import _waiting  # noqa: PLC0415 - asyncio is slow to import

        return _waiting.settled(self, wait, registry, timeout)

    async def wait_idle(self) -> None:
        """Wait until no request for a token is on its way."""
        (await self._settled(self._start_wait_idle())).result()

    async def aclose(self) -> None:
        """Do nothing: nothing is open between calls, and no token is ever revoked."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class AsyncClient(ClientBase, AsyncMethods):
    """Tokens of one app in one Salesforce org, for asyncio and trio.

    ```python
    client = AsyncClient("acme.my.salesforce.com", client_id, client_secret)
    token = await client.token()
    ```

    Takes what `Client` takes. One client serves any number of event loops and
    threads. Awaiting a token that is cached does not suspend the caller; a
    caller that is cancelled disturbs neither the others nor the request.
    """

    __slots__ = ("_reader", "_watches")

    # A method that is inherited from a native class costs a third more than one of the class
    # itself, so the hot path has an object of that class.
    _reader: ClientBase
    _watches: Registry[Token]

    def __new__(
        cls,
        login_url: str,
        client_id: str | None = None,
        client_secret: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self:
        """Check the options; send nothing."""
        try:
            client = ClientBase(login_url, client_id, client_secret, **options)
        finally:
            # Error trackers record the variables of an error's frames too.
            del login_url, client_id, client_secret, options
        return cls._share(client)

    @classmethod
    def from_client(cls, client: Client) -> Self:
        """Share the token, the options and all else with `client`."""
        return cls._share(client)

    @classmethod
    def _share(cls, client: ClientBase) -> Self:
        self = super().__new__(cls, client)
        self._reader = ClientBase(client)
        self._watches = {}
        return self

    async def token(self, timeout: Seconds | None = None) -> Token:
        """Return a token that is good to use now, asking Salesforce only if it must.

        `timeout` (seconds or `timedelta`) limits how long this caller waits;
        the request goes on for the others. Raises `RequestTimeoutError` when
        that time is over, and else what `Client.token` raises.
        """
        token = self._reader._read()
        if token is not None:
            return token
        limit = None if timeout is None else seconds("timeout", timeout)
        found = self._start()
        if isinstance(found, Token):
            return found
        return (await self._settled(found, self._watches, limit)).result(limit)

    async def verify(self) -> Verified:
        """Get a new token and make one harmless API call with it. Raises what `token` raises."""
        return (await self._settled(self._start_verify())).result()

    def grpc_interceptors(self) -> list[aio.ClientInterceptor]:
        """Give interceptors for the channels of `grpc.aio`, which do what those of `Client` do."""
        interceptors: list[aio.ClientInterceptor] = self._adapter("grpc", "async_interceptors")
        return interceptors


AsyncClient.__module__ = "forcegrant"
