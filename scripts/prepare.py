"""Set-up: what is installed once (virtual environment, node_modules), and the builds that everything else needs.

Installing is skipped when nothing changed that decides what gets installed; building is left to cargo, which knows.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from workspace import NODE_MODULES, ROOT, VENV, VENV_PYTHON, run, version


def install(env: dict[str, str]) -> None:
    """Both languages' development packages, at the versions of their lock files, and servers."""
    install_python(env)
    install_node(env)
    install_redis(env)


def install_python(env: dict[str, str]) -> None:
    """The virtual environment in .venv, with requirements-dev.txt."""
    requirements = ROOT / "requirements-dev.txt"
    # The location counts: the programs in a virtual environment name it.
    stamp = Stamp(VENV / ".forcegrant", [requirements], f"{platform.python_version()} {sys.prefix} {VENV}")
    if stamp.is_current() and VENV_PYTHON.exists():
        return
    print(f"Setting up {VENV.name} with Python {platform.python_version()}", flush=True)
    venv.create(VENV, clear=True, with_pip=True, symlinks=os.name != "nt")
    pip = [str(VENV_PYTHON), "-m", "pip"]
    run([*pip, "install", "--quiet", "--requirement", requirements.name], env)
    run([*pip, "check"], env)
    stamp.set()


def install_node(env: dict[str, str]) -> None:
    """node_modules, exactly as package-lock.json says."""
    node = ".".join(map(str, version("node", "")))
    stamp = Stamp(NODE_MODULES / ".forcegrant", [ROOT / "package.json", ROOT / "package-lock.json"], node)
    if stamp.is_current():
        return
    run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], env)
    stamp.set()


def install_redis(env: dict[str, str]) -> None:
    """Debian's redis-server, for the tests that start their own. Who may not install it does without."""
    may = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None
    if shutil.which("redis-server") is not None or not may:
        return
    # RUNLEVEL: it is not to be started as a service.
    quietly = {**env, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update", "--quiet=2"],
        ["apt-get", "install", "--quiet=2", "--no-install-recommends", "--yes", "redis-server"],
    ):
        print(f"$ {' '.join(command)}", flush=True)
        if subprocess.run(command, env=quietly, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            print("The suite of the Redis store will be left out.", flush=True)
            return


def build(env: dict[str, str]) -> None:
    """Both packages and the emulator, usable in the repository: quick debug builds."""
    for command in (["cargo", "build", "--locked"], python_build(False), node_build(False)):
        run(command, env)


def python_build(release: bool) -> list[str]:
    """The Python package, usable in .venv from its sources."""
    return ["maturin", "develop", "--quiet", "--locked", *(["--release"] if release else [])]


def node_build(release: bool) -> list[str]:
    """The Node package, usable in the repository by its own name."""
    return ["npm", "run", "--silent", "build" if release else "build:debug"]


class Stamp:
    """Remembers in a file what an installation was made from."""

    def __init__(self, path: Path, sources: list[Path], extra: str) -> None:
        digest = hashlib.sha256(extra.encode())
        for source in sources:
            digest.update(source.read_bytes())
        self.path = path
        self.digest = digest.hexdigest()

    def is_current(self) -> bool:
        """Whether nothing changed since `set`."""
        return self.path.is_file() and self.path.read_text() == self.digest

    def set(self) -> None:
        """The installation is complete."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(self.digest)


def clean(env: dict[str, str]) -> None:
    """Removes what was installed and built; the next command makes it anew."""
    for folder in (
        VENV,
        NODE_MODULES,
        Path(env["CARGO_TARGET_DIR"]),
        ROOT / "bindings" / "node" / "dist",
    ):
        shutil.rmtree(folder, ignore_errors=True)
