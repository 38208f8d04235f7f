"""`AsyncClientPool`; `ClientPool` is in the native module."""

from __future__ import annotations

from forcegrant._client import AsyncClient, AsyncMethods
from forcegrant._native import PoolBase, Token, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self, Unpack

    from forcegrant._native import ClientPool, Prewarmed
    from forcegrant._watch import Registry
    from forcegrant.options import PoolOptions, Seconds


class AsyncClientPool(PoolBase, AsyncMethods):
    """Tokens of many Salesforce orgs, each under a key of yours, for asyncio.

    ```python
    pool = AsyncClientPool(credentials_callback=lookup)
    token = await pool.token("tenant-42")
    ```

    Takes what `ClientPool` takes; `credentials_callback` may be an async function.
    """

    __slots__ = ("_watches",)

    # By key, as the callers of one key share the socket of their wait.
    _watches: dict[str, Registry[Token]]

    def __new__(cls, **options: Unpack[PoolOptions]) -> Self:
        """Check the options; send nothing."""
        try:
            pool = PoolBase(**options)
        finally:
            # A secret that was given here by mistake is not to be found in the frame of the error.
            del options
        return cls._share(pool)

    @classmethod
    def from_pool(cls, pool: ClientPool) -> Self:
        """Share the clients, the options and all else with `pool`."""
        return cls._share(pool)

    @classmethod
    def _share(cls, pool: PoolBase) -> Self:
        self = super().__new__(cls, pool)
        self._watches = {}
        return self

    async def token(self, key: str, timeout: Seconds | None = None) -> Token:
        """Return a token of this key that is good to use now, asking Salesforce only if it must.

        `timeout` (seconds or `timedelta`) limits how long this caller waits;
        the request goes on for the others. Raises what `ClientPool.token` raises.
        """
        found = self._start(key)
        if isinstance(found, Token):
            return found
        limit = None if timeout is None else seconds("timeout", timeout)
        registry = self._watches.setdefault(key, {})
        try:
            wait = await self._settled(found, registry, limit)
        finally:
            if not registry and self._watches.get(key) is registry:
                del self._watches[key]
        return wait.result(limit)

    def client(self, key: str) -> AsyncClient:
        """Give the `AsyncClient` of a key, to use by itself.

        It goes on working when the pool lets go of it.
        """
        return AsyncClient._share(self._client(key))

    async def prewarm(self, keys: Iterable[str]) -> Prewarmed:
        """Log in for every key that has no usable token, and wait until all are done.

        These logins go behind those that callers wait for.
        """
        return (await self._settled(self._start_prewarm(keys))).result()


AsyncClientPool.__module__ = "forcegrant"
