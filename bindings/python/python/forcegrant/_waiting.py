"""Waiting in an event loop for what the core's worker thread is doing.

The worker never touches the interpreter: it writes a byte to a socket that the
loop watches. All callers of one client in one loop share one such socket, so
ten thousand of them cost one descriptor. Each library that runs loops has its
own module, which is imported when somebody waits under it.
"""

from __future__ import annotations

import socket
import sys
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from forcegrant._native import Wait

T = TypeVar("T")

# How often a loop in which someone waits looks whether the core asks for credentials.
QUESTIONS_EVERY = 0.005


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
    kind: type[Watch[T]] = _kind()
    loop = kind.running_loop()
    found = registry.get(id(loop)) if registry else None
    watch = found() if found else None
    # One that is settled and only waits for the loop's attention belongs to those
    # who asked before: what it brings may have been reported dead since.
    if watch is None or watch.loop is not loop or watch.wait.done():
        watch = kind(wait, loop, registry, answer)
    await watch.join(timeout)
    return watch.wait


def _kind() -> type[Watch[T]]:
    if in_trio():
        from forcegrant._waiting_trio import TrioWatch  # noqa: PLC0415

        return TrioWatch
    from forcegrant._waiting_asyncio import AsyncioWatch  # noqa: PLC0415

    return AsyncioWatch


def in_trio() -> bool:
    """Whether the caller is a task of trio's.

    Either library can run inside the other. asyncio always runs a task when it runs a
    coroutine, also inside trio; inside asyncio, trio runs in callbacks that are no task.
    """
    return bool(_current_task("trio.lowlevel")) and not _current_task("asyncio")


def _current_task(module: str) -> object:
    # A library that runs a task here is imported; another thread may be importing it just now.
    current_task = getattr(sys.modules.get(module), "current_task", None)
    try:
        return current_task() if current_task is not None else None
    except RuntimeError:
        return None


class Watch(Generic[T]):
    """The callers of one loop that wait for the same thing."""

    __slots__ = ("__weakref__", "answer", "loop", "registry", "sock", "wait")

    def __init__(
        self,
        wait: Wait[T],
        loop: object,
        registry: Registry[T] | None,
        answer: Callable[[], None] | None,
    ) -> None:
        self.wait = wait
        self.loop = loop
        self.registry = registry
        self.answer = answer
        self.sock = socket.socket(fileno=wait.watch())
        self.sock.setblocking(False)
        if registry is not None:
            registry[id(loop)] = weakref.ref(self)

    @staticmethod
    def running_loop() -> object:
        """Give the loop that runs the caller. Raises `RuntimeError` if there is none."""
        raise NotImplementedError

    async def join(self, timeout: float | None) -> None:
        """Wait with the others until it is settled, or the time is over."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the socket, and of the place where others would find this."""
        if self.registry is not None:
            found = self.registry.get(id(self.loop))
            if found is not None and found() is self:
                del self.registry[id(self.loop)]
        self.sock.close()
        self.wait.close()


if TYPE_CHECKING:
    # By the loop's id, and weakly: a client keeps no loop alive that was closed with callers
    # in it. What is collected then ends their wait.
    Registry: TypeAlias = dict[int, weakref.ref[Watch[T]]]
