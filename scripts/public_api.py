"""Finds types and traits of other crates in the public interface of the crates: `public_api.py`.

A user of such a type depends on that crate's version. ALLOWED has the types that are exposed on purpose, with reasons.
An adapter exposes the library that it is named after, and no other crate does. What `forcegrant` re-exports of the other
crates of this project is followed to where it is defined.
The JSON of rustdoc needs a switch that is meant for nightly compilers; nothing that is shipped is built so. On the way
the documentation of all features together is checked: a warning is an error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workspace import ROOT, environment, fail

CRATES = (
    "forcegrant",
    "forcegrant-redis",
    "forcegrant-reqwest",
    "forcegrant-tower",
    "forcegrant-tonic",
    "forcegrant-cli",
    "forcegrant-emulator",
)
# Exempt from semantic versioning, as they are released with the crates that are built from them: only what those
# re-export counts.
BUILDING_BLOCKS = ("forcegrant-proto", "forcegrant-support", "forcegrant-http")
STANDARD = {"std", "core", "alloc"}
# The crates of this workspace that are built into `forcegrant`: all are released together.
OWN = {"forcegrant", "forcegrant_proto", "forcegrant_redis", "forcegrant_support"}

ALLOWED = {
    "serde_json::map::Map": "the extra fields of a response are JSON: `Token::extra`",
    "serde_json::value::Value": "control operations of the emulator, and what is in the map above",
    "serde_core::ser::Serialize": "the emulator's configuration is also read and written as JSON",
    "serde_core::ser::Serializer": "the same",
    "serde_core::de::Deserialize": "the same",
    "serde_core::de::Deserializer": "the same",
}
# Whole libraries by the crate that exposes them: who uses an adapter wants its library, at its major version.
ADAPTED = {
    "forcegrant-http": {"bytes", "http", "http_body"},
    "forcegrant-reqwest": {"bytes", "http", "reqwest", "reqwest_middleware"},
    "forcegrant-tower": {"bytes", "http", "http_body", "tower_layer", "tower_service"},
    "forcegrant-tonic": {"bytes", "http", "http_body", "tonic", "tower_layer", "tower_service"},
}


def main() -> int:
    """Returns the exit code."""
    described = describe()
    wrong: list[str] = []
    used: set[tuple[str, str]] = set()
    for crate, path, where in sorted({found for root in CRATES for found in foreign(described, root)}):
        library = path.split("::")[0]
        if library in ADAPTED.get(crate, ()):
            used.add((crate, library))
        elif path in ALLOWED:
            used.add(("", path))
        elif library.replace("_", "-") not in described:
            wrong.append(f"{crate}: {where} exposes {path}")
    allowed = {("", path) for path in ALLOWED}
    allowed |= {(crate, library) for crate, libraries in ADAPTED.items() for library in libraries}
    wrong += [
        f"{crate or 'no crate'} does not expose {path}; take it from the list" for crate, path in sorted(allowed - used)
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"public interface: {len(CRATES)} crates, {len(used)} foreign names allowed")
    return 1 if wrong else 0


def describe() -> dict[str, dict[str, Any]]:
    """The description of each crate, with every feature that is for users."""
    env = environment()
    # The switch is for rustdoc alone: cargo would build all dependencies anew if it were for all.
    with tempfile.TemporaryDirectory(prefix="forcegrant-") as folder:
        wrapper = Path(folder, "rustdoc")
        wrapper.write_text('#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n', encoding="utf-8")
        wrapper.chmod(0o755)
        env["RUSTDOC"] = str(wrapper)
        env["RUSTDOCFLAGS"] = "-Z unstable-options --output-format json --deny warnings"
        # As the suite `rustdoc` does it, so that the dependencies are checked once.
        features = ",".join(f"forcegrant/{name}" for name in features_of("forcegrant"))
        command = ["cargo", "doc", "--quiet", "--locked", "--no-deps", "--features", features]
        if subprocess.run(command, cwd=ROOT, env=env, check=False).returncode != 0:
            fail("rustdoc failed")
    documents = Path(env["CARGO_TARGET_DIR"], env["CARGO_BUILD_TARGET"], "doc")
    names = {crate: f"{crate.replace('-', '_')}.json" for crate in (*CRATES, *BUILDING_BLOCKS)}
    return {crate: json.loads((documents / name).read_text(encoding="utf-8")) for crate, name in names.items()}


def features_of(crate: str) -> list[str]:
    """The features of a crate of the workspace that users may choose."""
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version=1", "--quiet"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (package,) = (package for package in json.loads(said.stdout)["packages"] if package["name"] == crate)
    return sorted(package["features"])


def foreign(described: dict[str, dict[str, Any]], crate: str) -> Iterator[tuple[str, str, str]]:
    """Each name of another crate that one exposes: the crate where that is written, the name, and the item."""
    own = [number for number, item in described[crate]["index"].items() if item["crate_id"] == 0]
    waiting = [(crate, number) for number in own]
    seen = set(waiting)
    while waiting:
        crate, number = waiting.pop()
        item, paths = described[crate]["index"].get(number), described[crate]["paths"]
        if item is None or is_automatic(item["inner"].get("impl")):
            continue
        for reference in references(item["inner"]):
            path = paths.get(str(reference))
            if path and path["crate_id"] != 0 and path["path"][0] not in STANDARD:
                yield crate, "::".join(path["path"]), item["name"] or "an implementation"
        more = [(crate, str(child)) for child in children(item["inner"])]
        if "use" in item["inner"]:
            more += defined(described, paths.get(str(item["inner"]["use"]["id"])))
        waiting += [found for found in more if found not in seen]
        seen.update(more)


def defined(described: dict[str, dict[str, Any]], used: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The item that a `use` of another crate of this project stands for, as its crate and its id there."""
    crate = used["path"][0].replace("_", "-") if used and used["crate_id"] != 0 else ""
    return [
        (crate, number)
        for number, path in described.get(crate, {"paths": {}})["paths"].items()
        if used and path["crate_id"] == 0 and path["path"] == used["path"]
    ]


def children(value: object) -> Iterator[int]:
    """The ids of the parts of an item: fields, variants, methods, implementations."""
    if isinstance(value, dict):
        for part in value.values():
            yield from children(part)
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, int):
                yield part
            else:
                yield from children(part)


def is_automatic(implementation: dict[str, Any] | None) -> bool:
    """Whether the compiler made it: auto traits such as `Send`, and blanket implementations."""
    return implementation is not None and (implementation["is_synthetic"] or implementation["blanket_impl"] is not None)


def references(value: object) -> Iterator[int]:
    """The ids of types and traits that a part of a description refers to."""
    if isinstance(value, dict):
        if {"path", "id", "args"} <= value.keys():
            yield value["id"]
        for key, part in value.items():
            if key != "attrs":
                yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


if __name__ == "__main__":
    sys.exit(main())
