"""The libraries that clients are made for: none is imported before it is asked for."""

from __future__ import annotations

from importlib import import_module, metadata
from re import findall
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from forcegrant._native import Core


class _Extra(NamedTuple):
    module: str
    """Of this package."""
    library: str
    distribution: str
    oldest: tuple[int, ...]


_EXTRAS = {
    "httpx": _Extra("_httpx", "httpx", "httpx", (0, 27)),
    "requests": _Extra("_requests", "requests", "requests", (2, 31)),
    "aiohttp": _Extra("_aiohttp", "aiohttp", "aiohttp", (3, 13)),
    "simple-salesforce": _Extra(
        "_simple_salesforce", "simple_salesforce", "simple-salesforce", (1, 12, 6)
    ),
    "grpc": _Extra("_grpc", "grpc", "grpcio", (1, 60)),
}


def adapter(extra: str, name: str, core: Core, options: dict[str, Any] | None = None) -> Any:
    """Make what adapts a client to a library, or raise an `ImportError` that says what to do."""
    module, library, distribution, oldest = _EXTRAS[extra]
    try:
        import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        msg = f"{library} is not installed: pip install 'forcegrant[{extra}]'"
        raise ModuleNotFoundError(msg, name=library) from None
    found = _version(distribution)
    if found is not None and tuple(map(int, findall(r"\d+", found)[:3])) < oldest:
        wanted = ".".join(map(str, oldest))
        msg = (
            f"{distribution} {found} is too old, at least {wanted} is needed: "
            f"pip install --upgrade 'forcegrant[{extra}]'"
        )
        raise ImportError(msg, name=library)
    make = getattr(import_module(f"forcegrant.{module}"), name)
    return make(core, **(options or {}))


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        # Bundled in some way of its own: it is taken at its word.
        return None
