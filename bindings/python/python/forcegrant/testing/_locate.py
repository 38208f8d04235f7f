"""Finding the emulator's binary."""

from __future__ import annotations

import os
import sysconfig
from importlib import metadata
from pathlib import Path

NAME = "forcegrant-emulator"
VARIABLE = "FORCEGRANT_EMULATOR"
_FILE = NAME + (".exe" if os.name == "nt" else "")


def find() -> Path:
    """Give the path of the emulator's binary.

    The first of: what the environment variable FORCEGRANT_EMULATOR names, the
    installed package `forcegrant-emulator`, and a build in the repository that
    this package is used from.
    """
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named)
        if path.is_file():
            return path
        msg = f"{VARIABLE} is set to {named}, which is no file"
        raise FileNotFoundError(msg)
    for candidate in (*_installed(), *_built()):
        if candidate.is_file():
            return candidate
    msg = (
        f"the emulator is not installed: run  pip install 'forcegrant[testing]',  "
        f"or name its binary in {VARIABLE}"
    )
    raise FileNotFoundError(msg)


def _installed() -> list[Path]:
    try:
        files = metadata.files(NAME) or []
    except metadata.PackageNotFoundError:
        return []
    # The record knows where the installer put it, whatever the scheme.
    recorded = [Path(str(file.locate())) for file in files if file.name == _FILE]
    return [*recorded, Path(sysconfig.get_path("scripts"), _FILE)]


def _built() -> list[Path]:
    root = next(
        (
            folder
            for folder in Path(__file__).resolve().parents
            if (folder / "crates" / NAME).is_dir()
        ),
        None,
    )
    if root is None:
        return []
    target = Path(os.environ.get("CARGO_TARGET_DIR") or root / "target")
    triple = os.environ.get("CARGO_BUILD_TARGET")
    folders = [target / triple] if triple else []
    return [
        folder / profile / _FILE
        for folder in (*folders, target)
        for profile in ("debug", "release")
    ]
