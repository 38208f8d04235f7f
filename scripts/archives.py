"""Reads all archives of a release in one way: wheels, source distributions, npm packages, crates."""

from __future__ import annotations

import base64
import hashlib
import tarfile
import zipfile
from pathlib import Path


def members(path: Path) -> dict[str, bytes]:
    """Every file in an archive, by its name; a path that is not an archive is one file without a name.

    An entry that is not a plain file, or whose name leads out of the folder, is an error.
    """
    if path.name.endswith(".whl"):
        with zipfile.ZipFile(path) as archive:
            found = {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    elif path.name.endswith((".tar.gz", ".tgz", ".crate")):
        found = {}
        with tarfile.open(path) as archive:
            for entry in archive:
                if entry.isdir():
                    continue
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None:
                    msg = f"{path.name}: {entry.name} is not a plain file"
                    raise ValueError(msg)
                found[entry.name] = content.read()
    else:
        found = {"": path.read_bytes()}
    for name in found:
        if name.startswith("/") or ".." in name.split("/") or "\\" in name:
            msg = f"{path.name}: {name} leads out of its folder"
            raise ValueError(msg)
    return found


def programs(path: Path) -> set[str]:
    """The files of a tar archive that may be executed, below its one folder."""
    with tarfile.open(path) as archive:
        return {entry.name.partition("/")[2] for entry in archive if entry.isreg() and entry.mode & 0o111 == 0o111}


def below_top(found: dict[str, bytes]) -> dict[str, bytes]:
    """Without the one folder that everything in a tar archive is in."""
    tops = {name.split("/")[0] for name in found}
    if len(tops) != 1:
        msg = f"not one folder, but {sorted(tops)}"
        raise ValueError(msg)
    return {name.partition("/")[2]: content for name, content in found.items()}


def add_to_wheel(path: Path, name: str, content: bytes) -> None:
    """Puts one more file into a wheel's metadata folder, and into its record."""
    with zipfile.ZipFile(path) as old:
        entries = [(info, old.read(info)) for info in old.infolist()]
    (record,) = (info.filename for info, _ in entries if info.filename.endswith(".dist-info/RECORD"))
    added = zipfile.ZipInfo(f"{record.removesuffix('RECORD')}{name}", date_time=entries[0][0].date_time)
    added.external_attr = 0o644 << 16
    line = f"{added.filename},{_digest(content)},{len(content)}\n".encode()
    temporary = path.with_suffix(".partial")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as new:
        for info, text in entries:
            info.compress_type = zipfile.ZIP_DEFLATED
            if info.filename == record:
                # The record comes last, as the format recommends.
                new.writestr(_deflated(added), content)
                new.writestr(info, line + text)
            else:
                new.writestr(info, text, compresslevel=9)
    temporary.replace(path)


def record_problems(found: dict[str, bytes]) -> list[str]:
    """The differences between the record of a wheel and its files."""
    (record,) = (name for name in found if name.endswith(".dist-info/RECORD"))
    wrong, listed = [], set()
    for line in found[record].decode().splitlines():
        name, digest, _ = line.rsplit(",", 2)
        listed.add(name)
        if name != record and digest != _digest(found.get(name, b"")):
            wrong.append(f"the record does not fit {name}")
    return wrong + [f"the record lacks {name}" for name in sorted(set(found) - listed)]


def _digest(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _deflated(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
