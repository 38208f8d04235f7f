"""The callers in one event loop that wait for the same thing, whichever library runs the loop."""

from __future__ import annotations

import socket
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from forcegrant._native import Wait

T = TypeVar("T")

# How often, in seconds, a loop in which someone waits looks whether the core has a request.
REQUESTS_EVERY = 0.005


class Watch(Generic[T]):
    """Callers that share a socket, which becomes readable when the outcome is there."""

    __slots__ = ("__weakref__", "loop", "registry", "serve", "sock", "wait")

    def __init__(
        self,
        wait: Wait[T],
        loop: object,
        registry: Registry[T] | None,
        serve: Callable[[], None] | None,
    ) -> None:
        self.wait = wait
        self.loop = loop
        self.registry = registry
        self.serve = serve
        self.sock = socket.socket(fileno=wait.watch())
        self.sock.setblocking(False)
        if registry is not None:
            registry[id(loop)] = weakref.ref(self)

    @staticmethod
    def running_loop() -> object:
        """Give the loop that runs the caller. Raises `RuntimeError` if there is none."""
        raise NotImplementedError

    async def join(self, timeout: float | None) -> None:
        """Wait with the others until the outcome is there, or the time is over."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket, and leave the place where others would find this."""
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
