"""How the runner reads scenarios.

Every key is taken out of what it was found in, and what is left is an error, so
that a misspelt expectation cannot pass unnoticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = dict[str, Any]


class Fields:
    """The keys of an object, each to be taken once."""

    def __init__(self, values: JSON, where: str) -> None:
        assert isinstance(values, dict), f"{where}: an object was expected, not {values!r}"
        self._values = dict(values)
        self.where = where

    def take(self, name: str, default: Any = None) -> Any:
        return self._values.pop(name, default)

    def has(self, name: str) -> bool:
        return name in self._values

    def rest(self) -> Iterator[tuple[str, Any]]:
        while self._values:
            yield self._values.popitem()

    def done(self) -> None:
        assert not self._values, f"{self.where}: unknown keys {sorted(self._values)}"


def key_pair(given: JSON, secrets: list[str]) -> tuple[str, str]:
    """Give the pair as the package takes it, and note its secret."""
    fields = Fields(given, "key pair")
    pair = (fields.take("client_id"), fields.take("client_secret"))
    fields.done()
    secrets.append(pair[1])
    return pair


def assert_equal(seen: JSON, expect: Fields) -> None:
    """Compare what is expected and left, all of which must be known."""
    wanted = dict(expect.rest())
    unknown = sorted(set(wanted) - set(seen))
    assert not unknown, f"{expect.where}: unknown keys {unknown}"
    assert {name: seen[name] for name in wanted} == wanted


def assert_subset(seen: Any, wanted: Any, where: str) -> None:
    """Objects by the keys that are wanted, lists by position and length."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            assert name in seen, f"{where}: no {name}"
            assert_subset(seen[name], value, f"{where}.{name}")
    elif isinstance(wanted, list):
        assert len(seen) == len(wanted), f"{where}: {len(seen)} items"
        for number, value in enumerate(wanted):
            assert_subset(seen[number], value, f"{where}[{number}]")
    else:
        assert seen == wanted, f"{where}: {seen!r}, not {wanted!r}"
