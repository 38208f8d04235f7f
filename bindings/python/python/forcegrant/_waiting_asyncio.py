"""Waiting in a loop of asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from forcegrant._watch import REQUESTS_EVERY, T, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from forcegrant._native import Wait
    from forcegrant._watch import Registry


class AsyncioWatch(Watch[T]):
    """The callers of one loop of asyncio's, each with a future."""

    __slots__ = ("callers", "task", "ticker")

    running_loop = staticmethod(asyncio.get_running_loop)
    loop: asyncio.AbstractEventLoop

    def __init__(
        self,
        wait: Wait[T],
        loop: asyncio.AbstractEventLoop,
        registry: Registry[T] | None,
        serve: Callable[[], None] | None,
    ) -> None:
        super().__init__(wait, loop, registry, serve)
        self.callers: set[asyncio.Future[None]] = set()
        self.task: asyncio.Task[None] | None = None
        self.ticker: asyncio.TimerHandle | None = None
        try:
            loop.add_reader(self.sock, self.settle)
        except NotImplementedError:  # a loop of completion ports
            self.task = loop.create_task(self.receive())
        if serve is not None:
            try:
                self.tick()
            except BaseException:
                # Ctrl-C in a callback: nobody has this object to close it.
                self.close()
                raise

    def tick(self) -> None:
        self.ticker = self.loop.call_later(REQUESTS_EVERY, self.tick)
        if self.serve is not None:
            self.serve()

    async def join(self, timeout: float | None) -> None:
        caller = self.loop.create_future()
        self.callers.add(caller)
        timer = None if timeout is None else self.loop.call_later(timeout, _finish, caller)
        try:
            await caller
        finally:
            if timer is not None:
                timer.cancel()
            self.callers.discard(caller)
            if not self.callers:
                self.close()

    async def receive(self) -> None:
        try:
            await self.loop.sock_recv(self.sock, 1)
        finally:
            self.task = None
            self.settle()

    def settle(self) -> None:
        for caller in self.callers:
            _finish(caller)
        self.close()

    def close(self) -> None:
        if self.ticker is not None:
            self.ticker.cancel()
        if self.sock.fileno() == -1:
            return
        if self.task is not None:
            self.task.cancel()
        elif not self.loop.is_closed():
            self.loop.remove_reader(self.sock)
        super().close()


def _finish(caller: asyncio.Future[None]) -> None:
    if not caller.done():
        caller.set_result(None)
