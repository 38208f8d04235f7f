"""What the adapters of HTTP clients have in common. What is decided, the core decides."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol

    from forcegrant._native import Call

    class Headers(Protocol):
        """Those of any of the libraries: names in any case."""

        def get(self, name: str, /) -> str | None:
            """Give a header's value."""

    class Guard(Protocol):
        """Keeps the token of one request from where it may not go."""

        def judge(self, request: Any) -> None:
            """Judge the request's new URL: write it as the core does, or take the token off."""

        def detach(self, request: Any) -> None:
            """Take the token off."""


_GUARD = "_forcegrant"


class Guarded:
    """A request that carries a token, of any library: each URL that it is given is judged.

    Redirects, hooks and middlewares give another URL to a request that has its token already, or to
    a copy of it. So what the library connects to is always what the core has judged last.
    """

    if TYPE_CHECKING:
        url: Any
        headers: Any
    else:

        @property
        def url(self) -> Any:
            return vars(self)["url"]

        @url.setter
        def url(self, url: Any) -> None:
            vars(self)["url"] = url
            guard = vars(self).get(_GUARD)
            if guard is not None:
                guard.judge(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process nobody guards it, and no token is to be found in what is stored.
        plain = object.__new__(type(self))
        vars(plain).update(vars(self))
        plain.headers = plain.headers.copy()
        guard = vars(self).get(_GUARD)
        if guard is not None:
            guard.detach(plain)
        unguard(plain)
        reduced: tuple[Any, ...] = plain.__reduce_ex__(2)
        return reduced


def guard(request: Any, by: Guard, kind: type[Guarded] = Guarded) -> None:
    """Have each URL that this request is given from now on judged."""
    request.__class__ = guarded(type(request), kind)
    vars(request)[_GUARD] = by


def guard_of(request: Any) -> Guard | None:
    """Who judges the URLs of this request."""
    found: Guard | None = vars(request).get(_GUARD)
    return found


def unguard(request: Any) -> None:
    """Judge no more."""
    vars(request).pop(_GUARD, None)
    if isinstance(request, Guarded):
        request.__class__ = type(request).__bases__[1]


@cache
def guarded(cls: type, kind: type[Guarded] = Guarded) -> type:
    """Give the class of requests of this class whose URLs are judged."""
    if issubclass(cls, Guarded):
        return cls
    return type(cls.__name__, (kind, cls), {"__module__": cls.__module__})


class Hidden(str):
    """A token where a library would print it: among the headers of a request, say."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[redacted]'"

    def __radd__(self, before: str) -> Hidden:
        return Hidden(before + str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def judge(
    call: Call, status: int, headers: Headers, body: bytes, *, replayable: bool
) -> float | None:
    """How many seconds later the request goes out again; None hands the answer out."""
    return call.judge(
        status, headers.get("Retry-After"), headers.get("Sforce-Limit-Info"), body, replayable
    )


def can_rewind(file: object) -> bool:
    """Whether what was read of a body can be read again."""
    seekable = getattr(file, "seekable", None)
    return seekable is not None and bool(seekable())
