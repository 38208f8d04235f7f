"""How the calls of a scenario are made: from threads, or in an event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from forcegrant import (
    AsyncClient,
    AsyncClientPool,
    AsyncConnections,
    Client,
    ClientPool,
    Connection,
    Connections,
    ForcegrantError,
    Token,
    Verified,
)
from scenario_calls import Answer, CallRequest, from_threads, in_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from forcegrant._native import ConnectionsBase, Prewarmed
    from forcegrant.testing import Emulator

AnyClient = TypeVar("AnyClient", Client, AsyncClient)
Outcomes = list[Token | ForcegrantError]


class Driver(Protocol[AnyClient]):
    """How calls are made."""

    name: str

    def build(self, *args: str, **options: Any) -> AnyClient: ...
    def build_saved(self, of: str, folder: Path, **options: Any) -> AnyClient: ...
    def connections(self, folder: Path) -> ConnectionsBase: ...
    def authorize(self, folder: Path, *args: str, **options: Any) -> Connection: ...
    def authorize_unsaved(self, *args: str, **options: Any) -> Connection: ...
    def verify_connection(self, folder: Path, of: str, **options: Any) -> Connection: ...
    def build_pool(self, callback: Callable[[str], Any] | None, **options: Any) -> Any: ...
    def prewarm(self, pool: Any, keys: list[str]) -> Prewarmed: ...
    def start(
        self, client: AnyClient, callers: int, meanwhile: Callable[[], None]
    ) -> Callable[[], Outcomes]: ...
    def token(self, client: AnyClient) -> Token: ...
    def verify(self, client: AnyClient) -> Verified: ...
    def wait_idle(self, client: AnyClient) -> None: ...
    def call(
        self,
        client: AnyClient,
        emulator: Emulator,
        request: CallRequest,
        callers: int,
        meanwhile: Callable[[], None],
    ) -> list[Answer | ForcegrantError]: ...
    def close(self) -> None: ...


class Threads:
    """`Client`, called from threads."""

    name = "python-sync"

    def build(self, *args: str, **options: Any) -> Client:
        return Client(*args, **options) if args else Client.from_env(**options)

    def build_saved(self, of: str, folder: Path, **options: Any) -> Client:
        return Client.from_connection(of, Connections(folder), **options)

    def connections(self, folder: Path) -> ConnectionsBase:
        return Connections(folder)

    def authorize(self, folder: Path, *args: str, **options: Any) -> Connection:
        return Connections(folder).authorize(*args, **options)

    def authorize_unsaved(self, *args: str, **options: Any) -> Connection:
        return Connection.authorize(*args, **options)

    def verify_connection(self, folder: Path, of: str, **options: Any) -> Connection:
        return Connections(folder).verify(of, **options)

    def build_pool(self, callback: Callable[[str], Any] | None, **options: Any) -> ClientPool:
        return ClientPool(credentials_callback=callback, **options)

    def prewarm(self, pool: ClientPool, keys: list[str]) -> Prewarmed:
        return pool.prewarm(keys)

    def token(self, client: Client) -> Token:
        return client.token()

    def verify(self, client: Client) -> Verified:
        return client.verify()

    def wait_idle(self, client: Client) -> None:
        client.wait_idle()

    def start(
        self, client: Client, callers: int, meanwhile: Callable[[], None]
    ) -> Callable[[], Outcomes]:
        together, begun = threading.Barrier(callers + 1), threading.Semaphore(0)

        def call() -> Token | ForcegrantError:
            together.wait()
            begun.release()
            try:
                return client.token()
            except ForcegrantError as error:
                return error

        threads = ThreadPoolExecutor(callers)
        calls = [threads.submit(call) for _ in range(callers)]
        # A thread that has begun goes on until it waits: none is interrupted meanwhile.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(60)
        try:
            together.wait()
            for _ in range(callers):
                begun.acquire()
        finally:
            sys.setswitchinterval(interval)
        meanwhile()

        def finish() -> Outcomes:
            with threads:
                return [call.result() for call in calls]

        return finish

    def call(
        self,
        client: Client,
        emulator: Emulator,
        request: CallRequest,
        callers: int,
        meanwhile: Callable[[], None],
    ) -> list[Answer | ForcegrantError]:
        return from_threads(client, emulator, request, callers, meanwhile)

    def close(self) -> None:
        pass


class Loop:
    """`AsyncClient`, called in one event loop."""

    name = "python-async"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def build(self, *args: str, **options: Any) -> AsyncClient:
        return AsyncClient(*args, **options) if args else AsyncClient.from_env(**options)

    def build_saved(self, of: str, folder: Path, **options: Any) -> AsyncClient:
        return AsyncClient.from_connection(of, AsyncConnections(folder), **options)

    def connections(self, folder: Path) -> ConnectionsBase:
        return AsyncConnections(folder)

    def authorize(self, folder: Path, *args: str, **options: Any) -> Connection:
        return self._settled(lambda: AsyncConnections(folder).authorize(*args, **options))

    def authorize_unsaved(self, *args: str, **options: Any) -> Connection:
        return self._settled(lambda: Connection.authorize_async(*args, **options))

    def verify_connection(self, folder: Path, of: str, **options: Any) -> Connection:
        return self._settled(lambda: AsyncConnections(folder).verify(of, **options))

    def _settled(self, call: Callable[[], Awaitable[Connection]]) -> Connection:
        async def settle() -> Connection:
            return await call()

        return self._loop.run_until_complete(settle())

    def build_pool(self, callback: Callable[[str], Any] | None, **options: Any) -> AsyncClientPool:
        async def answer(key: str) -> Any:
            assert callback is not None
            await asyncio.sleep(0)
            return callback(key)

        return AsyncClientPool(credentials_callback=callback and answer, **options)

    def prewarm(self, pool: AsyncClientPool, keys: list[str]) -> Prewarmed:
        return self._loop.run_until_complete(pool.prewarm(keys))

    def token(self, client: AsyncClient) -> Token:
        return self._loop.run_until_complete(client.token())

    def verify(self, client: AsyncClient) -> Verified:
        return self._loop.run_until_complete(client.verify())

    def wait_idle(self, client: AsyncClient) -> None:
        self._loop.run_until_complete(client.wait_idle())

    def start(
        self, client: AsyncClient, callers: int, meanwhile: Callable[[], None]
    ) -> Callable[[], Outcomes]:
        async def call() -> Token | ForcegrantError:
            try:
                return await client.token()
            except ForcegrantError as error:
                return error

        async def begin() -> list[asyncio.Task[Token | ForcegrantError]]:
            calls = [asyncio.create_task(call()) for _ in range(callers)]
            await asyncio.to_thread(meanwhile)
            return calls

        async def end() -> Outcomes:
            return await asyncio.gather(*calls)

        calls = self._loop.run_until_complete(begin())
        return lambda: self._loop.run_until_complete(end())

    def call(
        self,
        client: AsyncClient,
        emulator: Emulator,
        request: CallRequest,
        callers: int,
        meanwhile: Callable[[], None],
    ) -> list[Answer | ForcegrantError]:
        calls = in_loop(client, emulator, request, callers, meanwhile)
        return self._loop.run_until_complete(calls)

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
