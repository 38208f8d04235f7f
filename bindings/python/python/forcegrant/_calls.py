"""What calls through any HTTP client have in common: where they go, and when they are repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from forcegrant._errors import ReplayError
from forcegrant._native import verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forcegrant._native import Token

HELP = (
    "The token was dropped. Send the request again with a new body, or give the body as bytes or\n"
    "str, which can be sent twice."
)
_TELLING = frozenset({400, 401, 403, 500})


class Instances:
    """The instances of one client's tokens, so that calls to one that moved go to the new one."""

    def __init__(self) -> None:
        self._is_api: dict[str, bool] = {}

    def aim(self, url: str, token: Token) -> str:
        """Give the URL that a call with this token goes to."""
        now = {False: token.instance_url, True: token.api_instance_url}
        for is_api, base in now.items():
            if base is not None:
                self._is_api[_origin(base)] = is_api
        origin = _origin(url)
        base = now[self._is_api[origin]] if origin in self._is_api else None
        if base is None or _origin(base) == origin:
            return url
        parts = urlsplit(url)
        return base + url[len(f"{parts.scheme}://{parts.netloc}") :]


def is_telling(status: int) -> bool:
    """Whether an answer of this status can mean that the session is dead: then its body counts."""
    return status in _TELLING


def is_dead(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the answer says that the session is dead."""
    return verdict(status, headers, body).session_expired


def is_repeated(status: int) -> bool:
    """Whether the call is sent again: never after a 403."""
    return status != 403  # noqa: PLR2004


def not_replayable(status: int) -> ReplayError:
    """Make the error of a call that cannot be sent again."""
    return ReplayError(
        "the session has expired, and the request cannot be repeated: its body is a stream",
        code="request_not_replayable",
        retryable=True,
        http_status=status,
        help=HELP,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower().removesuffix(":443")
