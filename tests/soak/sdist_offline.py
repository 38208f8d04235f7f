"""The source distribution builds without a network from vendored crates; its wheel works alone.

Everything that cargo may use is in a folder of this run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from pathlib import Path

SOURCES = """[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "{}"
"""
ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{command}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="forcegrant-") as folder:
        home = Path(folder)
        run(sys.executable, "-m", "maturin", "sdist", "--out", home, cwd=ROOT)
        (sdist,) = home.glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(home, filter="data")
        source = home / sdist.name.removesuffix(".tar.gz")
        # The only step with a network: a packager of a distribution vendors the crates first.
        run("cargo", "vendor", "--quiet", home / "vendor", cwd=source)
        (source / ".cargo").mkdir()
        (source / ".cargo/config.toml").write_text(SOURCES.format(home / "vendor"))
        crates = len(list((home / "vendor").iterdir()))
        offline = {
            **os.environ,
            "CARGO_HOME": str(home / "cargo-home"),
            "CARGO_NET_OFFLINE": "true",
            "CARGO_TARGET_DIR": str(home / "target"),
            # The profile takes a third of the time; the tree must fit its lock file.
            "MATURIN_PEP517_ARGS": "--profile dev --locked --offline",
        }
        pip = ("-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index")
        run(sys.executable, *pip, "--wheel-dir", home, source, cwd=home, env=offline)
        (wheel,) = home.glob("*.whl")
        venv.create(home / "venv", with_pip=True)
        install = ("-m", "pip", "install", "--quiet", "--no-index", wheel)
        run(home / "venv/bin/python", *install, cwd=home)
        said = run(home / "venv/bin/forcegrant", "--version", cwd=home)
    took = time.monotonic() - started
    print(f"soak: {said.strip()} from {sdist.name} and {crates} vendored crates, {took:.0f} s")


if __name__ == "__main__":
    main()
