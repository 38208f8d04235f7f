"""ARCHITECTURE.md's table of the core's rooms: complete, and the pure ones are pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks import Check, files, read

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "crates/forcegrant/src/"

# Plain values of rooms that also have effects; the text above the table names them.
VALUES = {
    "clock": {"Moment", "millis", "to_system_time"},
    "credentials": {"ClientCredentials"},
    "event": {"Event"},
    "http": {"Request", "Response", "MAX_BODY"},
    "store": {"Acquired", "Lease", "Put"},
}
# Reference counts, part of the state.
EXCEPTIONS = {("cache/state.rs", "cache/sharded_refs")}

EFFECTS = (
    "TcpStream", "UdpSocket", "ToSocketAddrs", "std::fs", "std::env", "std::thread", "std::process", "tokio", "reqwest", "rustls::",
    "SystemTime::now", "Instant::now", "getrandom", "Mutex", "RwLock",
)  # fmt: skip


def checks() -> Iterator[Check]:
    yield Check("rooms of the core", rooms)
    yield Check("pure rooms have no effects", effects)
    yield Check("pure rooms import pure rooms", imports)


def table() -> dict[str, bool]:
    found = re.findall(r"^\| ((?:`[\w/]+\.rs`(?:, )?)+) \| [^|]* \|([^|]*)\|", read("ARCHITECTURE.md"), re.MULTILINE)
    return {name: column.strip().startswith("yes") for names, column in found for name in re.findall(r"`([^`]+)`", names)}


def rooms() -> None:
    listed = set(table())
    there = {
        path.removeprefix(SOURCE) for path in files() if path.startswith(SOURCE) and "tests" not in path.removesuffix(".rs").split("/")
    }
    # What only declares modules is no room.
    there -= {"lib.rs", "cache/mod.rs", "calls/mod.rs", "grant/mod.rs"}
    # Instruments beside the house: compiled for their own tests only.
    there = {name for name in there if not name.startswith(("simulation/", "fuzz/", "store/model"))}
    assert listed == there, f"not in the table: {there - listed}; not in the source: {listed - there}"


def effects() -> None:
    wrong = [
        f"{name}: {word}"
        for name, pure in table().items()
        if pure
        for word in EFFECTS
        if re.search(rf"(?<!\w){re.escape(word)}", code(name))
    ]
    assert not wrong, "\n".join(wrong)


def imports() -> None:
    pure = {room(name) for name, is_pure in table().items() if is_pure}
    wrong = []
    for name in (name for name, is_pure in table().items() if is_pure):
        for path, items in uses(name):
            allowed = path in pure or (name, path) in EXCEPTIONS
            if not allowed and not (path in VALUES and items <= VALUES[path]):
                wrong.append(f"{name} imports {sorted(items)} of {path}")
    assert not wrong, "\n".join(wrong)


def room(name: str) -> str:
    return name.removesuffix(".rs").removesuffix("/mod")


def uses(name: str) -> Iterator[tuple[str, set[str]]]:
    """The rooms that a file imports from, with the items."""
    known = {room(other) for other in table()}
    for path, group in re.findall(r"^use crate::([\w:]+?)(?:::\{([^}]*)\})?;", code(name), re.MULTILINE):
        parts = path.split("::")
        items = {item.split(" as ")[0].strip() for item in group.split(",")} - {"self", ""}
        if not items and "/".join(parts) not in known:
            items = {parts.pop()}
        for item in sorted(items):
            # `use crate::cache::policy::{self, ..}` and `use crate::grant::refusal` name rooms.
            deeper = "/".join([*parts, item])
            if deeper in known:
                yield deeper, {item}
                items = items - {item}
        yield "/".join(parts), items


def code(name: str) -> str:
    """A file without its unit tests, comments and documentation."""
    text = read(SOURCE + name).split("#[cfg(test)]\nmod tests")[0]
    return re.sub(r"//.*", "", text)
