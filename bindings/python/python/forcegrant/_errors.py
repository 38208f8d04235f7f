"""The exceptions.

Every failure is a `ForcegrantError`; its class follows from the core's error
kind, its `code` is the same string in Rust, Python and Node. The core decides
all of it: what is here gives the core's data the shape of Python exceptions.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal


class ForcegrantError(Exception):
    """Base class of everything that this package raises on its own account.

    `str(error)` is one line saying what happened, followed, where there is
    something to do about it, by indented lines saying what and where. Neither
    holds a secret or a token, so both can be logged.
    """

    kind: str = "internal"
    """The family of the error; each has a class."""
    message: str
    """What happened, in one line."""
    code: str
    """Which error it is. A stable string, the same in every language."""
    retryable: bool
    """Whether the same call may succeed later with nothing changed."""
    retry_after: float | None
    """Seconds until asking again makes sense, where that is known."""
    http_status: int | None
    """The status of the response, where the failure was a response."""
    oauth_error: str | None
    """The response's `error` field as Salesforce sent it."""
    oauth_description: str | None
    """The response's `error_description` field as Salesforce sent it."""
    setup_step: str | None
    """The step of the set-up in Salesforce that needs a look, such as `run-as-user`."""
    field: Literal["login_url", "client_id", "client_secret"] | None
    """Which of the three values that a user enters is wrong, where the error is about one."""
    help: str | None
    """What to do about it, in several lines."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "internal",
        retryable: bool = False,
        retry_after: float | None = None,
        http_status: int | None = None,
        oauth_error: str | None = None,
        oauth_description: str | None = None,
        setup_step: str | None = None,
        field: Literal["login_url", "client_id", "client_secret"] | None = None,
        help: str | None = None,  # noqa: A002 - the attribute's name in every language
    ) -> None:
        # One positional argument and the rest in `__dict__`: that is what makes
        # the inherited pickling and copying right.
        super().__init__(message)
        self.message = message
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after
        self.http_status = http_status
        self.oauth_error = oauth_error
        self.oauth_description = oauth_description
        self.setup_step = setup_step
        self.field = field
        self.help = help

    def __str__(self) -> str:
        lines = [self.message, *(f"  {line}" for line in (self.help or "").splitlines())]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code!r})"


class ConfigurationError(ForcegrantError, ValueError):
    """An option is wrong or missing; nothing was sent."""

    kind = "configuration"


class RefusedError(ForcegrantError):
    """Salesforce refused to issue a token; `setup_step` says what to look at."""

    kind = "refused"


class LoginRateError(RefusedError):
    """The hourly limit of logins of this user is used up."""

    kind = "login_rate"


class TransportError(ForcegrantError):
    """No response came: name resolution, connection, TLS, proxy."""

    kind = "transport"


class RequestTimeoutError(TransportError, TimeoutError):
    """The time allowed for the call, or for the request, was over."""

    kind = "timeout"


class UnavailableError(ForcegrantError):
    """The token endpoint answered that it cannot serve at the moment."""

    kind = "unavailable"


class ResponseError(ForcegrantError):
    """The response is not one that a token endpoint gives, or not one to trust."""

    kind = "response"


class TokenRejectedError(ForcegrantError):
    """A token was issued but does not work."""

    kind = "token"


class ReplayError(TokenRejectedError):
    """An API call met a dead session, and its body is a stream that has been read.

    The token was dropped: send the call again with a new body. Its code is
    `request_not_replayable`.
    """


class InternalError(ForcegrantError):
    """A defect in this package, or no thread could be started."""

    kind = "internal"


CLASSES: Mapping[str, type[ForcegrantError]] = {
    cls.kind: cls
    for cls in (
        ConfigurationError,
        RefusedError,
        LoginRateError,
        TransportError,
        RequestTimeoutError,
        UnavailableError,
        ResponseError,
        TokenRejectedError,
        InternalError,
    )
}
"""The class of each of the core's error kinds."""


def build(
    kind: str,
    message: str,
    causes: Iterable[str],
    **attributes: object,
) -> ForcegrantError:
    """Make the exception of an error of the core.

    `causes` are the texts of what led to it, nearest first.
    """
    replay = attributes.get("code") == "request_not_replayable"
    cls = ReplayError if replay else CLASSES.get(kind, ForcegrantError)
    error = cls(message, **attributes)  # type: ignore[arg-type]
    error.kind = kind
    effect: BaseException = error
    for text in causes:
        cause = Cause(text)
        effect.__cause__ = cause
        effect = cause
    return error


class Cause(Exception):  # noqa: N818 - never raised
    """What led to a `ForcegrantError`; found in its `__cause__`, never raised itself."""


# Tracebacks and pickles name the public place.
for _class in (ForcegrantError, ReplayError, *CLASSES.values()):
    _class.__module__ = "forcegrant"
