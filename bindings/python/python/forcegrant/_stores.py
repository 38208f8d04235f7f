"""Taking the core's steps at a store that is written in Python, on a thread of Python's."""

from __future__ import annotations

import inspect

from forcegrant import _credentials
from forcegrant.stores import Granted, Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from forcegrant._native import StoreStep


def take(step: StoreStep, store: Any) -> None:
    """Have `store` take the step; what it throws becomes the failure of the step."""
    try:
        value = _call(step, store)
        if not inspect.isawaitable(value):
            _answer(step, value)
            return
    except Exception as error:
        step.fail(f"{type(error).__name__}: {error}")
        return
    _credentials.in_the_loop(
        _finish(step, value), value, step.fail, "the methods of this store are async"
    )


def _call(step: StoreStep, store: Any) -> Any:
    arguments = step.arguments
    if step.method in ("put", "release"):
        *others, lease = arguments
        return getattr(store, step.method)(*others, Lease(*lease))
    return getattr(store, step.method)(*arguments)


async def _finish(step: StoreStep, value: Any) -> None:
    try:
        _answer(step, await value)
    except Exception as error:
        step.fail(f"{type(error).__name__}: {error}")


def _answer(step: StoreStep, value: Any) -> None:
    if step.method == "acquire":
        granted = isinstance(value, Granted)
        value = (granted, value.fence, 0.0 if granted else value.left)
    step.answer(value)
