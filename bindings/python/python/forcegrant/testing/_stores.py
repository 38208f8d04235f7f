"""The contract of a store, as checks."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from forcegrant._native import StoreCheck

if TYPE_CHECKING:
    from forcegrant.stores import Store

_PAUSE = 0.001


def check_store(store: Store) -> list[str]:
    """Check the whole contract of a store whose methods are plain functions.

    Gives what the store does not keep, one line each: an empty list is a pass. The store may be in
    use by others. Takes a few seconds. Raises `TypeError` for what is no store.
    """
    check = StoreCheck(store)
    while (found := check.serve()) is None:
        time.sleep(_PAUSE)
    return found


async def check_store_async(store: Store) -> list[str]:
    """Do as `check_store` for a store whose methods are async, in asyncio."""
    check = StoreCheck(store)
    # The check runs on a thread that knows no loop, so it is asked.
    while (found := check.serve()) is None:  # noqa: ASYNC110
        await asyncio.sleep(_PAUSE)
    return found
