"""ARCHITECTURE.md: its table of the crates, its walks; and that the crate of the decisions has no means to act."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks import Check, files, read

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "ARCHITECTURE.md"
DECISIONS = "crates/forcegrant-proto/"

# Libraries that act, and their parts in Rust's own library.
FORBIDDEN_LIBRARIES = {
    "tokio", "reqwest", "hyper", "rustls", "tokio-rustls", "redis", "arc-swap", "parking_lot", "getrandom", "rand", "rustix", "tracing",
}  # fmt: skip
EFFECTS = (
    "TcpStream", "UdpSocket", "ToSocketAddrs", "std::fs", "std::env", "std::thread", "std::process", "SystemTime::now", "Instant::now",
    "Mutex", "RwLock", "Condvar", "unsafe ",
)  # fmt: skip

# One page: a reader should not have to scroll long.
MOST_LINES = 110


def checks() -> Iterator[Check]:
    yield Check("the crates and what they use", crates)
    yield Check("functions of the walks", walks)
    yield Check("forcegrant-proto cannot act", effects)
    yield Check("ARCHITECTURE.md is one page", page)


def crates() -> None:
    rows = dict(re.findall(r"^\| `(forcegrant[\w-]*)` \| [^|]+ \|([^|]*)\|$", read(PAGE), re.MULTILINE))
    manifests = {path.split("/")[1]: read(path) for path in files() if re.fullmatch(r"crates/[\w-]+/Cargo\.toml", path)}
    published = {name: text for name, text in manifests.items() if "publish = false" not in text}
    del published["forcegrant-emulator"]
    assert set(rows) == set(published), f"in the table: {sorted(rows)}; published: {sorted(published)}"
    earlier: set[str] = set()
    for name, column in rows.items():
        listed = earlier if column.strip() == "all above" else set(re.findall(r"`([\w-]+)`", column))
        used = {other for other in dependencies(published[name]) if other.startswith("forcegrant")}
        assert listed == used, f"{name}: listed {sorted(listed)}, uses {sorted(used)}"
        assert used <= earlier, f"{name} uses a crate that comes after it"
        earlier.add(name)


def walks() -> None:
    found = re.findall(r"`(crates/[\w/-]+\.rs)` ((?:`[\w:]+`(?:, )?)+)", read(PAGE))
    named = re.findall(r"`([\w:]+)` \(`(crates/[\w/-]+\.rs)`\)", read(PAGE))
    pairs = [(path, name) for path, names in found for name in re.findall(r"`([\w:]+)`", names)]
    pairs += [(path, name) for name, path in named]
    assert len(pairs) >= 12, pairs
    wrong = []
    for path, name in pairs:
        owner, _, function = name.rpartition("::")
        text = read(path)
        if not re.search(rf"\bfn {function}\b", text) or (owner and not re.search(rf"\bimpl\b[^{{]*\b{owner}\b", text)):
            wrong.append(f"{path}: {name}")
    paths = [path for path in re.findall(r"`(crates/[\w/.-]+)`", read(PAGE)) if path not in files()]
    assert not wrong + paths, "\n".join(wrong + paths)


def effects() -> None:
    libraries = FORBIDDEN_LIBRARIES & dependencies(read(f"{DECISIONS}Cargo.toml"))
    assert not libraries, f"dependencies that act: {sorted(libraries)}"
    wrong = [
        f"{path}: {word}"
        for path in files()
        if path.startswith(f"{DECISIONS}src/") and path.endswith(".rs") and not path.endswith("tests.rs")
        for word in EFFECTS
        if re.search(rf"(?<!\w){re.escape(word)}", code(path))
    ]
    assert not wrong, "\n".join(wrong)


def page() -> None:
    lines = len(read(PAGE).splitlines())
    assert lines <= MOST_LINES, f"{lines} lines"


def code(path: str) -> str:
    """A file without its unit tests, comments and documentation."""
    text = read(path).split("#[cfg(test)]\nmod tests")[0]
    return re.sub(r"//.*", "", text)


def dependencies(manifest: str) -> set[str]:
    """The names in a manifest's section `[dependencies]`."""
    section = manifest.split("\n[dependencies]\n")[1].split("\n[", maxsplit=1)[0]
    return set(re.findall(r"^([\w-]+)(?:\.workspace)? *=", section, re.MULTILINE))
