"""What the adapters of HTTP clients have in common. The core makes the decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forcegrant._native import ApiCall

if TYPE_CHECKING:
    from typing import Protocol

    from forcegrant._native import ClientBase, Token

    class Headers(Protocol):
        """Those of any of the libraries: names in any case."""

        def get(self, name: str, /) -> str | None:
            """Give a header's value."""


_GUARD = "_forcegrant"


class Guarded:
    """A request that carries a token, of any library: each URL that it is given is checked.

    Redirects, hooks and middlewares give another URL to a request that has its token already, or to
    a copy of it. So the library always connects to the URL that the core has checked last.
    """

    if TYPE_CHECKING:
        url: Any
        headers: Any
    else:

        @property
        def url(self) -> Any:
            return self.__dict__["url"]

        @url.setter
        def url(self, url: Any) -> None:
            self.__dict__["url"] = url
            guard = guard_of(self)
            if guard is not None:
                guard.check(self)

    def __copy__(self) -> Guarded:
        copy = object.__new__(type(self))
        vars(copy).update(vars(self))
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        # What is stored holds no token, and in another process nobody guards it.
        plain = self.__copy__()
        plain.headers = plain.headers.copy()
        guard = guard_of(plain)
        if guard is not None:
            guard.detach(plain)
        return _same, (plain,)


def _same(request: Any) -> Any:
    return request


def guard_of(request: Guarded) -> Guard | None:
    """Give what checks the URLs of this request."""
    guard: Guard | None = vars(request).get(_GUARD)
    return guard


def guarded(cls: type, kind: type[Guarded] = Guarded) -> type:
    """Give the class of requests of this class whose URLs are checked."""
    found = _CLASSES.get((cls, kind))
    if found is None:
        made = type(cls.__name__, (kind, cls), {"__module__": cls.__module__})
        found = _CLASSES.setdefault((cls, kind), made)
    return found


_CLASSES: dict[tuple[type, type], type] = {}


class Guard:
    """Keeps the token of one request from where it may not go. Each library has its own."""

    kind: type[Guarded] = Guarded

    def __init__(self, client: ClientBase, token: Token) -> None:
        self.client, self.token = client, token

    def prepare(self, call: ApiCall, request: Any) -> None:
        """Write the request's URL as the core does, and attach the token if it may go there."""
        self.leave(request)
        given = str(request.url)
        url, carries = call.prepare(self.token, given)
        if url != given:
            self.write(request, url)
        self.attach(request, self.token if carries else None)
        if carries:
            self.watch(request)

    def check(self, request: Any) -> None:
        """Do the same for a URL that the request was given after its token."""
        if not self.carries(request):
            self.leave(request)
            return
        try:
            self.prepare(ApiCall(self.client, request.method), request)
        except BaseException:
            # If it is sent all the same, it carries no token.
            self.detach(request)
            raise

    def watch(self, request: Any) -> None:
        """Have each URL that the request is given from now on checked."""
        if not isinstance(request, Guarded):
            request.__class__ = guarded(type(request), self.kind)
        vars(request)[_GUARD] = self

    def leave(self, request: Any) -> None:
        """Check no more."""
        if isinstance(request, Guarded):
            vars(request).pop(_GUARD, None)
            request.__class__ = type(request).__bases__[1]

    def detach(self, request: Any) -> None:
        """Take the token off."""
        self.leave(request)
        if self.carries(request):
            self.attach(request, None)

    def write(self, request: Any, url: str) -> None:
        """Give the request this URL, and what follows from it."""
        request.url = url

    def attach(self, request: Any, token: Token | None) -> None:
        """Have the request carry this token, or none."""
        if token is not None:
            request.headers["Authorization"] = Hidden(token.authorization)
        else:
            request.headers.pop("Authorization", None)

    def carries(self, request: Any) -> bool:
        """Whether the request carries this very token."""
        return bool(request.headers.get("Authorization") == self.token.authorization)


class Hidden(str):
    """A token where a library would print it: among the headers of a request, say."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[redacted]'"

    def __radd__(self, before: str) -> Hidden:
        return Hidden(before + str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def handle_response(
    call: ApiCall, status: int, headers: Headers, body: bytes, *, replayable: bool
) -> float | None:
    """How many seconds later the request goes out again; None hands the response out."""
    return call.handle_response(
        status, headers.get("Retry-After"), headers.get("Sforce-Limit-Info"), body, replayable
    )


def can_rewind(file: object) -> bool:
    """Whether what was read of a body can be read again."""
    seekable = getattr(file, "seekable", None)
    return seekable is not None and bool(seekable())
