"""Searches everything that an error, an event or a client shows for secrets: texts and frames."""

from __future__ import annotations

import base64
import html
import json
import pickle
import traceback
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import forcegrant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

PACKAGE = Path(forcegrant.__file__).resolve().parent
TESTS = Path(__file__).resolve().parent


def forms(client_id: str, secret: str) -> list[str]:
    """Every form in which a secret is sent, or in which a server may repeat it."""
    basic = [f"{client_id}:{secret}", f"{quote(client_id, safe='')}:{quote(secret, safe='')}"]
    basic += [f"{quote_plus(client_id)}:{quote_plus(secret)}"]
    found = [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        quote(secret, safe="").lower(),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        *[base64.b64encode(pair.encode()).decode() for pair in basic],
    ]
    return list(dict.fromkeys(found))


def chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and its causes."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def frames(error: BaseException) -> Iterator[FrameType]:
    """Give the frames of the error and its causes, without those of the tests."""
    for each in chain(error):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if TESTS not in path_of(frame).parents:
                yield frame


def path_of(frame: FrameType) -> Path:
    return Path(frame.f_code.co_filename).resolve()


def parts(value: object, depth: int = 4) -> Iterator[str]:
    """Give the texts in a local variable, and what it prints."""
    yield repr(value)
    if isinstance(value, str):
        yield str(value)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif depth and isinstance(value, dict):
        for key, each in value.items():
            yield from parts(key, depth - 1)
            yield from parts(each, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from parts(each, depth - 1)


def assert_frames_lack(error: BaseException, *needles: str) -> int:
    """Look at the variables of frames; gives how many frames of this package there were.

    Libraries have to hold what they send: theirs must not print it.
    """
    ours = 0
    for each in chain(error):
        for text in parts([str(each), each, each.args]):
            for needle in needles:
                assert needle not in text
    for frame in frames(error):
        is_ours = PACKAGE in path_of(frame).parents
        ours += is_ours
        for name, value in list(frame.f_locals.items()):
            for text in parts(value) if is_ours else [repr(value)]:
                for needle in needles:
                    assert needle not in text, f"{name} in {frame.f_code.co_name}"
    return ours


def texts(error: BaseException) -> Iterator[str]:
    """Give all texts that an error can become."""
    for each in chain(error):
        yield from parts([str(each), each, each.args, vars(each)])
        yield json.dumps(vars(each), default=str)
        yield json.dumps(vars(each), default=str, ensure_ascii=False)
        yield pickle.dumps(each).decode("latin-1")
        yield str(pickle.loads(pickle.dumps(each)))
    yield "".join(traceback.format_exception(error))
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield "".join(shown.format())


def fields(value: object) -> Iterator[str]:
    """Give what an event or a status shows: its text and its attributes."""
    yield from parts(value)
    for name in dir(value):
        if not name.startswith("_"):
            yield from parts(getattr(value, name))
