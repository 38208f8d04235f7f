"""The libraries that clients can be adapted to: none is imported before it is asked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from forcegrant._native import Client

# Extra: the module of this package, the library, its distribution, the oldest version that will do.
_EXTRAS = {
    "httpx": ("_httpx", "httpx", "httpx", (0, 27)),
    "requests": ("_requests", "requests", "requests", (2, 31)),
    "aiohttp": ("_aiohttp", "aiohttp", "aiohttp", (3, 13)),
    "simple-salesforce": (
        "_simple_salesforce",
        "simple_salesforce",
        "simple-salesforce",
        (1, 12, 6),
    ),
    "grpc": ("_grpc", "grpc", "grpcio", (1, 60)),
}


def adapter(extra: str, name: str, client: Client, options: dict[str, Any] | None = None) -> Any:
    """Make what adapts a client to a library, or raise an `ImportError` that says what to do."""
    # Slow to import.
    from importlib import import_module  # noqa: PLC0415
    from re import findall  # noqa: PLC0415

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
    return make(client, **(options or {}))


def _version(distribution: str) -> str | None:
    from importlib import metadata  # noqa: PLC0415 - slow to import

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        # Bundled in some way of its own: it is taken at its word.
        return None
