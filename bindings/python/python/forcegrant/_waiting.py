"""Waiting in an event loop for what the core's worker thread is doing.

The worker never touches the interpreter: it writes a byte to a socket that the
loop watches. All callers of one client in one loop share one such socket, so
ten thousand of them cost one descriptor. Another event loop library would get
its own functions here; nothing else knows about asyncio.
"""

from __future__ import annotations

import asyncio
import socket
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from forcegrant._native import Wait

T = TypeVar("T")


# How often a loop in which someone waits looks whether the core asks for credentials.
_QUESTIONS_EVERY = 0.05


async def settled(
    wait: Wait[T],
    registry: Registry[T] | None = None,
    timeout: float | None = None,
    answer: Callable[[], None] | None = None,
) -> Wait[T]:
    """Return the wait when it is settled, or when `timeout` seconds are over.

    With a `registry`, callers in one loop share the socket of a wait that is on
    its way. A caller that is cancelled leaves the others, and the core, undisturbed.
    `answer` is called now and then meanwhile: the core may ask for credentials.
    """
    if wait.done():
        return wait
    loop = asyncio.get_running_loop()
    found = registry.get(id(loop)) if registry else None
    watch = found() if found else None
    # One that is settled and only waits for the loop's attention belongs to those
    # who asked before: what it brings may have been reported dead since.
    if watch is None or watch.loop is not loop or watch.wait.done():
        watch = _Watch(wait, loop, registry, answer)
    await watch.join(timeout)
    return watch.wait


class _Watch(Generic[T]):
    """The callers of one loop that wait for the same thing."""

    __slots__ = (
        "__weakref__", "answer", "callers", "loop", "registry", "sock", "task", "ticker", "wait",
    )  # fmt: skip

    def __init__(
        self,
        wait: Wait[T],
        loop: asyncio.AbstractEventLoop,
        registry: Registry[T] | None,
        answer: Callable[[], None] | None,
    ) -> None:
        self.wait = wait
        self.loop = loop
        self.registry = registry
        self.callers: set[asyncio.Future[None]] = set()
        self.task: asyncio.Task[None] | None = None
        self.sock = socket.socket(fileno=wait.watch())
        self.sock.setblocking(False)
        try:
            loop.add_reader(self.sock, self.settle)
        except NotImplementedError:  # a loop of completion ports
            self.task = loop.create_task(self.receive())
        if registry is not None:
            registry[id(loop)] = weakref.ref(self)
        self.answer = answer
        self.ticker: asyncio.TimerHandle | None = None
        if answer is not None:
            self.tick()

    def tick(self) -> None:
        self.ticker = self.loop.call_later(_QUESTIONS_EVERY, self.tick)
        if self.answer is not None:
            self.answer()

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
        if self.registry is not None:
            found = self.registry.get(id(self.loop))
            if found is not None and found() is self:
                del self.registry[id(self.loop)]
        if self.task is not None:
            self.task.cancel()
        elif not self.loop.is_closed():
            self.loop.remove_reader(self.sock)
        self.sock.close()
        self.wait.close()


if TYPE_CHECKING:
    # By the loop's id, and weakly: a client keeps no loop alive that was closed with callers
    # in it. What is collected then ends their wait.
    Registry: TypeAlias = dict[int, weakref.ref[_Watch[T]]]


def _finish(caller: asyncio.Future[None]) -> None:
    if not caller.done():
        caller.set_result(None)
