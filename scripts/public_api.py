"""Finds types and traits of other crates in the public interface of the core: `public_api.py`.

A user of such a type depends on that crate's version. ALLOWED has the types that are exposed on purpose, with reasons.
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

CRATES = ("forcegrant", "forcegrant-redis", "forcegrant-cli", "forcegrant-emulator")
# For this project's own tests and instruments: no part of the interface.
INTERNAL = {"model", "simulation"}
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
# Whole crates, behind features that are off by default: a user who enables one wants that crate, at its major version.
ALLOWED_BY_FEATURE = {
    "bytes": "http-client, tower, tonic",
    "http": "http-client, tower, tonic",
    "http_body": "http-client, tower, tonic",
    "reqwest": "http-client",
    "reqwest_middleware": "reqwest-middleware",
    "tonic": "tonic",
    "tower_layer": "tower, tonic",
    "tower_service": "tower, tonic",
}


def main() -> int:
    """Returns the exit code."""
    wrong: list[str] = []
    used: set[str] = set()
    for crate, described in describe().items():
        for path, where in foreign(described):
            if path in ALLOWED:
                used.add(path)
            elif path.split("::")[0] in ALLOWED_BY_FEATURE:
                used.add(path.split("::")[0])
            else:
                wrong.append(f"{crate}: {where} exposes {path}")
    wrong += [
        f"nothing exposes {path} any more; take it from the list"
        for path in sorted({*ALLOWED, *ALLOWED_BY_FEATURE} - used)
    ]
    for line in sorted(set(wrong)):
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
    names = {crate: f"{crate.replace('-', '_')}.json" for crate in CRATES}
    return {crate: json.loads((documents / name).read_text(encoding="utf-8")) for crate, name in names.items()}


def features_of(crate: str) -> list[str]:
    """The features of a crate of the workspace that users may choose."""
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version=1", "--quiet"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (package,) = (package for package in json.loads(said.stdout)["packages"] if package["name"] == crate)
    return sorted(set(package["features"]) - INTERNAL)


def foreign(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each name of another crate, and the item that has it."""
    paths = described["paths"]
    for item in described["index"].values():
        if item["crate_id"] != 0 or is_automatic(item["inner"].get("impl")):
            continue
        for number in references(item["inner"]):
            path = paths.get(str(number))
            if path and path["crate_id"] != 0 and path["path"][0] not in STANDARD | OWN:
                yield "::".join(path["path"]), item["name"] or "an implementation"


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
