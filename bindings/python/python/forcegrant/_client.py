"""`AsyncClient`; `Client` is in the native module."""

from __future__ import annotations

# Not at the first event: a child forked in the middle of an import waits for ever for its end.
from forcegrant import _events  # noqa: F401
from forcegrant._native import Client, Core, Handle, Token, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeVar

    from grpc import aio
    from typing_extensions import Self, Unpack

    from forcegrant._native import Verified, Wait
    from forcegrant._waiting import Registry
    from forcegrant.options import ClientOptions, Seconds

    T = TypeVar("T")


class _AsyncCommon:
    """What the clients for event loops have in common, beside the native class of each."""

    __slots__ = ()

    if TYPE_CHECKING:

        def deliver_events(self) -> None: ...
        def _asks(self) -> bool: ...
        def _answer(self) -> None: ...
        def _start_wait_idle(self) -> Wait[None]: ...

    async def wait_idle(self) -> None:
        """Wait until no request for a token is on its way."""
        await self._settle(self._start_wait_idle())

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

    async def _settle(self, wait: Wait[T]) -> T:
        from forcegrant import _waiting  # noqa: PLC0415 - slow to import

        wait = await _waiting.settled(wait, answer=self._asked())
        self.deliver_events()
        return wait.result()

    def _asked(self) -> Callable[[], None] | None:
        return self._answer if self._asks() else None


class AsyncClient(Handle, _AsyncCommon):
    """Tokens of one app in one Salesforce org, for asyncio and trio.

    ```python
    client = AsyncClient("acme.my.salesforce.com", client_id, client_secret)
    token = await client.token()
    ```

    Takes what `Client` takes. One client serves any number of event loops and
    threads. Awaiting a token that is cached does not suspend the caller; a
    caller that is cancelled disturbs neither the others nor the request.
    """

    __slots__ = ("_reader", "_waits")

    # A method that is inherited from a native class costs a third more than one of the class
    # itself, so the hot path has an object of that class.
    _reader: Handle
    _waits: Registry[Token]

    def __new__(
        cls,
        login_url: str,
        client_id: str | None = None,
        client_secret: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self:
        """Check the options; send nothing."""
        try:
            core = Core(login_url, client_id, client_secret, options)
        finally:
            # Error trackers record the variables of an error's frames too.
            del login_url, client_id, client_secret, options
        return cls._over(core)

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """Take the org and the credentials from the environment, as `Client.from_env` does."""
        try:
            core = Core.from_env(options)
        finally:
            del options
        return cls._over(core)

    @classmethod
    def from_client(cls, client: Client) -> Self:
        """Share the token, the options and all else with `client`."""
        return cls._over(client._core)

    @classmethod
    def _over(cls, core: Core) -> Self:
        self = super().__new__(cls, core)
        self._reader = Handle(core)
        self._waits = {}
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
        found = self._find()
        if isinstance(found, Token):
            return found
        from forcegrant import _waiting  # noqa: PLC0415 - slow to import

        wait = await _waiting.settled(found, self._waits, limit, self._asked())
        self.deliver_events()
        return wait.result(limit)

    async def verify(self) -> Verified:
        """Get a new token and make one harmless API call with it. Raises what `token` raises."""
        return await self._settle(self._start_verify())

    def grpc_interceptors(self) -> list[aio.ClientInterceptor]:
        """Give interceptors for the channels of `grpc.aio`, which do what those of `Client` do."""
        from forcegrant._extras import adapter  # noqa: PLC0415 - for those who call it

        found: list[aio.ClientInterceptor] = adapter("grpc", "async_interceptors", self._core)
        return found


AsyncClient.__module__ = "forcegrant"
