"""Reads which machine a library or program is for, and which version of the C library it needs."""

from __future__ import annotations

import re
import struct

_ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
_MACHO_CPUS = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
_PE_MACHINES = {0x8664: "x86_64", 0xAA64: "aarch64"}


def machine(content: bytes) -> str | None:
    """As the first and the last part of a Rust target: `x86_64-linux`, `aarch64-darwin`; None: unknown."""
    if content[:4] == b"\x7fELF" and len(content) >= 20:
        (number,) = struct.unpack_from("<H", content, 18)
        return _named(_ELF_MACHINES.get(number), "linux")
    if content[:4] == b"\xcf\xfa\xed\xfe":
        (number,) = struct.unpack_from("<I", content, 4)
        return _named(_MACHO_CPUS.get(number), "darwin")
    if content[:2] == b"MZ" and len(content) >= 64:
        (place,) = struct.unpack_from("<I", content, 60)
        if content[place : place + 4] == b"PE\0\0":
            (number,) = struct.unpack_from("<H", content, place + 4)
            return _named(_PE_MACHINES.get(number), "windows")
    return None


def machine_of(target: str) -> str:
    """What `machine` says for a build of a Rust target."""
    system = "darwin" if "apple" in target else "windows" if "windows" in target else "linux"
    return f"{target.partition('-')[0]}-{system}"


def glibc(content: bytes) -> tuple[int, int] | None:
    """The newest glibc whose symbols a Linux binary asks for; None: it does not use glibc.

    Versions that a binary needs stand in its string table as `GLIBC_2.17`, which is what decides the manylinux tag.
    """
    found = [(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", content)]
    return max(found, default=None)


def is_musl(content: bytes) -> bool:
    """Whether a Linux binary is for musl: it names that C library, or none at all."""
    return b"libc.musl-" in content or b"ld-musl-" in content or (glibc(content) is None and b"\0libc.so\0" in content)


def _named(cpu: str | None, system: str) -> str | None:
    return None if cpu is None else f"{cpu}-{system}"
