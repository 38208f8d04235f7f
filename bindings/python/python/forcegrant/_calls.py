"""What the adapters of HTTP clients have in common. What is decided, the core decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from forcegrant._native import Call

    class Headers(Protocol):
        """Those of any of the libraries: names in any case."""

        def get(self, name: str, /) -> str | None:
            """Give a header's value."""


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
