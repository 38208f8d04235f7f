"""Waiting in an event loop for what the core's worker thread is doing.

The worker never touches the interpreter: it writes a byte to a socket that the
loop watches. All callers of one client in one loop share one such socket, so
ten thousand of them cost one descriptor. Each library that runs loops has its
own module, which is imported when somebody waits under it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeVar

    from forcegrant._client import AsyncMethods
    from forcegrant._native import Verification, Wait
    from forcegrant._watch import Registry, Watch

    T = TypeVar("T")


async def settled(
    client: AsyncMethods | Verification,
    wait: Wait[T],
    registry: Registry[T] | None = None,
    timeout: float | None = None,
) -> Wait[T]:
    """Return the wait when its outcome is there, or `timeout` seconds are over.

    With a `registry`, callers in one loop share the socket of a wait that is on
    its way. A caller that is cancelled leaves the others, and the core, undisturbed.
    Meanwhile the requests of the core are answered now and then. The outcome is the
    caller's to take, so that a traceback has one frame of this package.
    """
    if not wait.done():
        kind: type[Watch[T]] = _kind()
        loop = kind.running_loop()
        found = registry.get(id(loop)) if registry else None
        watch = found() if found else None
        # One whose outcome is there, and waits for the loop's attention, belongs to those
        # who asked before: what it brings may have been reported dead since.
        if watch is None or watch.loop is not loop or watch.wait.done():
            serve = client._serve_requests if client._has_requests() else None
            watch = kind(wait, loop, registry, serve)
        await watch.join(timeout)
        wait = watch.wait
    client.deliver_events()
    return wait


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
