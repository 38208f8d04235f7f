"""Functions in Python that answer the core: with credentials, and the results of store calls."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING

from forcegrant.stores import Lease

if TYPE_CHECKING:
    from forcegrant._native import Request


class RequestHandler:
    """Has the credentials callback or a method of the store answer a request.

    What the function raises becomes the answer that there is none.
    """

    __slots__ = ("credentials_callback", "store")

    def __init__(self, credentials_callback: object, store: object) -> None:
        self.credentials_callback = credentials_callback
        self.store = store

    def __call__(self, request: Request) -> None:
        """Answer now, or in the event loop that runs if the function is async."""
        try:
            value = request.call(self.credentials_callback, self.store, Lease)
        except Exception as error:
            request.fail(_reason(error))
            return
        try:
            if isinstance(value, Awaitable):
                _answer_in_loop(request, value)
            else:
                request.answer(value)
        finally:
            # No frame holds a secret when an error, or Ctrl-C, leaves it.
            del value


async def _answer_later(request: Request, value: Awaitable[object]) -> None:
    try:
        request.answer(await value)
    except Exception as error:
        request.fail(_reason(error))


def _answer_in_loop(request: Request, value: Awaitable[object]) -> None:
    """Await the value in the event loop that runs; without one, the request fails."""
    if "trio" in sys.modules:
        from forcegrant import _waiting  # noqa: PLC0415 - a caller that waits has imported it

        if _waiting.in_trio():
            import trio  # noqa: PLC0415 - a task of it is running

            # Of no caller: one that leaves does not take the answer from the others.
            trio.lowlevel.spawn_system_task(_answer_later, request, value)
            return
    # A running loop means that asyncio is imported.
    asyncio = sys.modules.get("asyncio")
    try:
        if asyncio is None:
            raise RuntimeError
        loop = asyncio.get_running_loop()
    except RuntimeError:
        if isinstance(value, Coroutine):
            value.close()
        request.fail(
            "an async function needs a running event loop: use AsyncClient or AsyncClientPool"
        )
        return
    task = loop.create_task(_answer_later(request, value))
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


# A loop keeps no strong reference to its tasks.
_TASKS: set[object] = set()
