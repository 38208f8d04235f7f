"""Waiting in a run of trio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from forcegrant._watch import REQUESTS_EVERY, T, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from forcegrant._native import Wait
    from forcegrant._watch import Registry


class TrioWatch(Watch[T]):
    """The callers of one run of trio's.

    Only one task may watch a socket: the first caller does. One that leaves early hands
    the socket on to another; no task runs on behalf of them all.
    """

    __slots__ = ("callers", "led", "others", "settled")

    running_loop = staticmethod(trio.lowlevel.current_trio_token)

    def __init__(
        self,
        wait: Wait[T],
        loop: trio.lowlevel.TrioToken,
        registry: Registry[T] | None,
        serve: Callable[[], None] | None,
    ) -> None:
        super().__init__(wait, loop, registry, serve)
        self.callers = 0
        self.led = False
        self.settled = False
        self.others = trio.lowlevel.ParkingLot()

    async def join(self, timeout: float | None) -> None:
        self.callers += 1
        try:
            with trio.move_on_after(math.inf if timeout is None else timeout):
                while not self.settled:
                    await (self.others.park() if self.led else self.lead())
        finally:
            self.callers -= 1
            if not self.callers:
                self.close()

    async def lead(self) -> None:
        self.led = True
        try:
            while not self.settled:
                await self.look()
        finally:
            self.led = False
            if self.settled:
                self.others.unpark_all()
            else:
                self.others.unpark()

    async def look(self) -> None:
        if self.serve is not None:
            self.serve()
        pause = math.inf if self.serve is None else REQUESTS_EVERY
        with trio.move_on_after(pause):
            await trio.lowlevel.wait_readable(self.sock)
            self.settled = True
