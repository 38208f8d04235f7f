"""How the calls of a scenario are made: from threads, or in an event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from forcegrant import AsyncClient, Client, ForcegrantError, Token, Verified
from scenario_calls import Answer, CallRequest, from_threads, in_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from forcegrant.testing import Emulator

AnyClient = TypeVar("AnyClient", Client, AsyncClient)


class Driver(Protocol[AnyClient]):
    """How calls are made."""

    name: str

    def build(self, *args: str, **options: Any) -> AnyClient: ...
    def token(self, client: AnyClient) -> Token: ...
    def verify(self, client: AnyClient) -> Verified: ...
    def wait_idle(self, client: AnyClient) -> None: ...
    def herd(
        self, client: AnyClient, callers: int, meanwhile: Callable[[], None]
    ) -> list[Token | ForcegrantError]: ...
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
        return Client(*args, **options)

    def token(self, client: Client) -> Token:
        return client.token()

    def verify(self, client: Client) -> Verified:
        return client.verify()

    def wait_idle(self, client: Client) -> None:
        client.wait_idle()

    def herd(
        self, client: Client, callers: int, meanwhile: Callable[[], None]
    ) -> list[Token | ForcegrantError]:
        together = threading.Barrier(callers + 1)

        def call() -> Token | ForcegrantError:
            together.wait()
            try:
                return client.token()
            except ForcegrantError as error:
                return error

        with ThreadPoolExecutor(callers) as pool:
            calls = [pool.submit(call) for _ in range(callers)]
            together.wait()
            meanwhile()
            return [call.result() for call in calls]

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
        return AsyncClient(*args, **options)

    def token(self, client: AsyncClient) -> Token:
        return self._loop.run_until_complete(client.token())

    def verify(self, client: AsyncClient) -> Verified:
        return self._loop.run_until_complete(client.verify())

    def wait_idle(self, client: AsyncClient) -> None:
        self._loop.run_until_complete(client.wait_idle())

    def herd(
        self, client: AsyncClient, callers: int, meanwhile: Callable[[], None]
    ) -> list[Token | ForcegrantError]:
        async def call() -> Token | ForcegrantError:
            try:
                return await client.token()
            except ForcegrantError as error:
                return error

        async def all_of_them() -> list[Token | ForcegrantError]:
            calls = [asyncio.create_task(call()) for _ in range(callers)]
            await asyncio.to_thread(meanwhile)
            return await asyncio.gather(*calls)

        return self._loop.run_until_complete(all_of_them())

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
