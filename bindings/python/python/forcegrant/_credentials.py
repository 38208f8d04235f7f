"""Answering the core's question for credentials, on a thread of Python's."""

from __future__ import annotations

import inspect
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from forcegrant._native import Question
    from forcegrant.options import CredentialSet, OrgCredentials


def answer(
    question: Question,
    callback: Callable[
        ..., CredentialSet | OrgCredentials | Awaitable[CredentialSet] | Awaitable[OrgCredentials]
    ],
) -> None:
    """Have `callback` answer; what it throws becomes the answer that there is none.

    A pool asks with a key, a client with nothing.
    """
    try:
        pairs = _asked(question, callback)
    except Exception as error:
        question.fail(_reason(error))
        return
    if pairs is not None:
        what = "the credentials_callback is async"
        in_the_loop(_finish(question, pairs), pairs, question.fail, what)


def _asked(
    question: Question,
    callback: Callable[
        ..., CredentialSet | OrgCredentials | Awaitable[CredentialSet] | Awaitable[OrgCredentials]
    ],
) -> Awaitable[CredentialSet | OrgCredentials] | None:
    """Give what is to be awaited, or None if the callback has answered."""
    key = question.key
    pairs = callback() if key is None else callback(key)
    try:
        if inspect.isawaitable(pairs):
            return pairs
        question.answer(pairs)
        return None
    finally:
        # No frame holds a secret when an error, or Ctrl-C, leaves it.
        del pairs


def in_the_loop(
    answering: Coroutine[object, object, None],
    asked: Awaitable[object],
    fail: Callable[[str], None],
    what: str,
) -> None:
    """Have a coroutine answer in the event loop that runs; without one, `fail` is told."""
    if "trio" in sys.modules:
        from forcegrant import _waiting  # noqa: PLC0415 - whoever waits has imported it

        if _waiting.in_trio():
            import trio  # noqa: PLC0415 - a task of it is running

            # Of no caller's: one that leaves does not take the answer from the others.
            trio.lowlevel.spawn_system_task(_once, answering)
            return
    # A running loop means that asyncio is imported.
    asyncio = sys.modules.get("asyncio")
    try:
        if asyncio is None:
            raise RuntimeError
        loop = asyncio.get_running_loop()
    except RuntimeError:
        answering.close()
        if inspect.iscoroutine(asked):
            asked.close()
        fail(f"{what}: an event loop has to run, so use AsyncClient or AsyncClientPool")
        return
    task = loop.create_task(answering)
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)


async def _once(answering: Coroutine[object, object, None]) -> None:
    await answering


async def _finish(question: Question, pairs: Awaitable[CredentialSet | OrgCredentials]) -> None:
    try:
        question.answer(await pairs)
    except Exception as error:
        question.fail(_reason(error))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


# A loop keeps no strong reference to its tasks.
_TASKS: set[object] = set()
