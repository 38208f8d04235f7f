"""Set-up: the installations (virtual environment, node_modules), and the builds that everything else needs.

An installation is skipped if its lock file and interpreter have not changed; cargo decides what to build.
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

from workspace import NODE_MODULES, OLDEST, ROOT, VENV, environment, run, version

# Other runtimes for the Node package: large, and of use to one suite only.
NODE_RUNTIMES = ROOT / "tests" / "node-runtimes"


def install(env: dict[str, str]) -> None:
    """Both languages' development packages, at the versions of their lock files, and servers for tests."""
    install_python(env)
    install_node(env)
    install_servers(env)


def install_python(
    env: dict[str, str], folder: Path = VENV, requirements: Path = ROOT / "requirements-dev.txt"
) -> None:
    """A virtual environment, with what a file of requirements says."""
    # The folder is part of it, because the programs in a virtual environment name it.
    stamp = Stamp(folder / ".forcegrant", [requirements], f"{platform.python_version()} {sys.prefix} {folder}")
    python = folder / "bin" / "python"
    if stamp.is_current() and python.exists():
        return
    print(f"Setting up {folder.name} with Python {platform.python_version()}", flush=True)
    venv.create(folder, clear=True, with_pip=True, symlinks=os.name != "nt")
    pip = [str(python), "-m", "pip"]
    run([*pip, "install", "--quiet", "--requirement", str(requirements.relative_to(ROOT))], env)
    run([*pip, "check"], env)
    stamp.set()


def install_node(env: dict[str, str], folder: Path = ROOT) -> None:
    """A folder's node_modules, exactly as its package-lock.json says."""
    node = ".".join(map(str, version("node", "")))
    sources = [folder / "package.json", folder / "package-lock.json"]
    stamp = Stamp(folder / NODE_MODULES.name / ".forcegrant", sources, node)
    if stamp.is_current():
        return
    where = ["--prefix", str(folder.relative_to(ROOT))] if folder != ROOT else []
    run(["npm", "ci", *where, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], env)
    stamp.set()


# Programs that some tests need, and the Debian package of each.
SERVERS = {
    "redis-server": "redis-server",
    "tinyproxy": "tinyproxy-bin",
    "pg_ctlcluster": "postgresql",
    # With chromium itself, for the Connect page.
    "chromedriver": "chromium-driver",
}


def install_servers(env: dict[str, str]) -> None:
    """Servers from Debian, where that is possible; tests that need one are skipped without it."""
    apt = shutil.which("apt-get")
    missing = [package for program, package in SERVERS.items() if shutil.which(program) is None]
    if not missing or apt is None or os.name == "nt":
        return
    # sudo without a password, and only on the machines of CI.
    by = [] if os.geteuid() == 0 else ["sudo", "--non-interactive", "--preserve-env"]
    if by and not (env.get("CI") and shutil.which("sudo")):
        return
    # RUNLEVEL keeps apt from starting them as services.
    quiet = {**env, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        # Not an error: a machine without a network can still run everything else.
        done = subprocess.run(
            [*by, apt, "-qq", *command],
            env=quiet,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            names = ", ".join(missing)
            print(f"not installed, so a few tests are skipped: {names}: {done.stderr.strip()}", flush=True)
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
    """Removes what was installed and built; the next command creates it again."""
    for folder in (
        VENV,
        OLDEST,
        NODE_MODULES,
        NODE_RUNTIMES / NODE_MODULES.name,
        Path(env["CARGO_TARGET_DIR"]),
        ROOT / "bindings" / "node" / "dist",
    ):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    # Needed by one suite only: a folder with a package-lock.json of its own, or the oldest libraries.
    needed = ROOT / sys.argv[1]
    if needed.is_dir():
        install_node(environment(), needed)
    else:
        install_python(environment(), OLDEST, needed)
