"""Stores of your own: what they are asked, and what they answer.

A client asks its store when it needs a token, so that several processes share one login. The
entries are sealed: a store sees bytes, and never a token. Inherit from `Store` or not: what
counts are the methods. They may be async, for clients that are used in an event loop.

`forcegrant.testing.check_store` checks the whole contract of a store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["Granted", "Held", "Lease", "Store", "Stored"]


class Stored(NamedTuple):
    """An entry, as it was put."""

    entry: bytes
    """The bytes."""
    left: float | None = None
    """The seconds left of its time to live, by the store's own clock if it has one that does not
    depend on this machine's."""


class Lease(NamedTuple):
    """The right to log in, as it was granted."""

    owner: str
    """Who has it: drawn for each login."""
    fence: int
    """Its fencing number."""


class Granted(NamedTuple):
    """The caller has the lease."""

    fence: int
    """Greater than that of every earlier grant and entry of the key; below 2**53."""


class Held(NamedTuple):
    """Another has the lease."""

    fence: int
    """That of the other."""
    left: float
    """For how many seconds it holds, unless it is extended or ended."""


class Store(Protocol):
    """Keeps sealed entries, leases and counters. All times are in seconds.

    The methods are called on threads that wait for a token, or come by for one, and must be quick:
    each has the option `store_timeout`. What they raise is told by the event `store_failed`, and
    the login goes ahead without the store.
    """

    def get(self, key: str) -> Awaitable[Stored | None] | Stored | None:
        """Give the entry under `key`, whole and as it was put, unless its time is over."""

    def put(
        self, key: str, entry: bytes, time_to_live: float, lease: Lease
    ) -> bool | Awaitable[bool]:
        """Put the entry, and end the lease if `lease.owner` has it, in one step.

        Give False if the entry there was put with a greater fence; then it stays.
        """

    def acquire(
        self, key: str, owner: str, time: float
    ) -> Granted | Held | Awaitable[Granted | Held]:
        """Ask for the lease on `key`, without waiting for it.

        One owner has it at a time, for `time` seconds. The owner who has it and asks again keeps
        it, with the same fence, for `time` from now.
        """

    def release(self, key: str, lease: Lease) -> Awaitable[None] | None:
        """End the lease without an entry, if this owner has it."""

    def count(self, key: str, logins: int) -> int | Awaitable[int]:
        """Add to the counter; give how many were added within the last hour."""
