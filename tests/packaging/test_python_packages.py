"""The Python packages as users get them work where nothing else is installed.

Slow, because the wheel is built as it is released: choose with `-m slow` or `-m "not slow"`.
"""

from __future__ import annotations

import email
import email.message
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "bindings/python/python/forcegrant"
EMULATOR = ROOT / "bindings/python-emulator"
MEGABYTE = 1_000_000

sys.path.insert(0, str(ROOT / "scripts"))
import binaries  # noqa: E402

# A user's first steps, in an interpreter that sees nothing but the installed packages.
FIRST_STEPS = """
import asyncio, os, sys
import forcegrant
assert "site-packages" in forcegrant.__file__, forcegrant.__file__
assert len(os.listdir("/proc/self/task")) == 1
from forcegrant.testing import Emulator
with Emulator() as emulator:
    client = emulator.org.client()
    token = client.token()
    assert asyncio.run(client.async_client().token()) is token
    assert client.verify().token.org_id == emulator.org.org_id
print(forcegrant.__version__)
"""


def run(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dist")


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    # As scripts/release_build.py builds it.
    compression = ("--compression-level", "9")
    run(
        sys.executable,
        "-m",
        "maturin",
        "build",
        "--release",
        "--locked",
        *compression,
        "--out",
        dist,
    )
    return one(dist.glob("forcegrant-*.whl"))


@pytest.fixture(scope="session")
def sdist(dist: Path) -> Path:
    run(sys.executable, "-m", "maturin", "sdist", "--out", dist)
    return one(dist.glob("forcegrant-*.tar.gz"))


@pytest.fixture(scope="session")
def emulator_wheel(dist: Path) -> Path:
    # It is for tests, so nothing depends on its being optimised.
    build = ("maturin", "build", "--profile", "dev", "--locked", "--out", dist)
    run(sys.executable, "-m", *build, cwd=EMULATOR)
    return one(dist.glob("forcegrant_emulator-*.whl"))


def one(paths: Iterable[Path]) -> Path:
    (path,) = paths
    return path


def version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def own_target_dir() -> Path:
    """A target folder for the sdist alone, in which only the dependencies are still built.

    Cargo takes the unpacked crates for those of the checkout, and as all files of an sdist have one
    old time, it would take what it once built from the checkout for theirs.
    """
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "sdist"
    for fingerprint in folder.glob("**/.fingerprint/forcegrant*"):
        shutil.rmtree(fingerprint)
    return folder


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path, file: str = "METADATA") -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f".dist-info/{file}"))
        return email.message_from_bytes(archive.read(name))


def sources() -> set[str]:
    """Every file of the package that is not made by a tool."""
    return {
        f"forcegrant/{path.relative_to(SOURCES).as_posix()}"
        for path in SOURCES.rglob("*")
        if path.suffix in {".py", ".pyi", ".typed"} or path.name == "py.typed"
    }


def test_wheel_holds_what_it_should_and_no_more(wheel: Path) -> None:
    info = f"forcegrant-{version()}.dist-info"
    assert names(wheel) == sources() | {
        "forcegrant/_native.abi3.so",
        f"{info}/METADATA",
        f"{info}/RECORD",
        f"{info}/WHEEL",
        f"{info}/entry_points.txt",
        f"{info}/licenses/LICENSE-APACHE",
        f"{info}/licenses/LICENSE-MIT",
    }
    assert re.fullmatch(
        rf"forcegrant-{re.escape(version())}-cp310-abi3-(manylinux_\d+_\d+|linux)_\w+\.whl",
        wheel.name,
    )
    assert wheel.stat().st_size < 2.5 * MEGABYTE
    said = metadata(wheel)
    assert said["Requires-Python"] == ">=3.10"
    assert said["License-Expression"] == "MIT OR Apache-2.0"
    needed = said.get_all("Requires-Dist") or []
    assert f"forcegrant-emulator=={version()} ; extra == 'testing'" in needed
    # Nothing comes along unasked.
    assert [line for line in needed if "extra ==" not in line] == []
    assert str(said.get_payload()).strip()
    tags = metadata(wheel, "WHEEL").get_all("Tag") or []
    assert {tag.rpartition("-")[0] for tag in tags} == {"cp310-abi3"}


def test_emulator_is_a_wheel_of_its_own(emulator_wheel: Path) -> None:
    info = f"forcegrant_emulator-{version()}.dist-info"
    assert names(emulator_wheel) == {
        f"forcegrant_emulator-{version()}.data/scripts/forcegrant-emulator",
        f"{info}/METADATA",
        f"{info}/RECORD",
        f"{info}/WHEEL",
        f"{info}/licenses/LICENSE-APACHE",
        f"{info}/licenses/LICENSE-MIT",
    }
    assert "-py3-none-" in emulator_wheel.name
    assert metadata(emulator_wheel).get_all("Requires-Dist") is None
    for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert (EMULATOR / licence).read_bytes() == (ROOT / licence).read_bytes()


def test_wheels_work_where_nothing_else_is(
    wheel: Path, emulator_wheel: Path, tmp_path: Path
) -> None:
    assert wheel.parent == emulator_wheel.parent
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin/python"
    offline = ("-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheel.parent)
    run(python, *offline, "forcegrant", cwd=tmp_path)
    listed = run(python, "-m", "pip", "list", "--format", "freeze", cwd=tmp_path).stdout
    assert set(re.findall(r"^[a-z-]+", listed, re.MULTILINE)) <= {"forcegrant", "pip", "setuptools"}
    run(python, *offline, "forcegrant[testing]", cwd=tmp_path)
    clean = {"FORCEGRANT_EMULATOR": "", "PYTHONPATH": ""}
    done = run(python, "-I", "-c", FIRST_STEPS, cwd=tmp_path, env=clean)
    assert (done.stdout, done.stderr) == (f"{version()}\n", "")
    done = run(environment / "bin/forcegrant", "--version", cwd=tmp_path, env=clean)
    assert (done.stdout, done.stderr) == (f"forcegrant {version()}\n", "")


def test_sdist_holds_the_sources_and_builds(sdist: Path, dist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "PKG-INFO",
        "README.md",
        "bindings/python/Cargo.toml",
        "bindings/python/src/lib.rs",
        "crates/forcegrant/src/lib.rs",
        "pyproject.toml",
    } <= inside
    assert {name for name in inside if "/python/python/" in name} == {
        f"bindings/python/python/{name}" for name in sources()
    }
    unwanted = re.compile(r"(^|/)(target|node_modules|\.venv)/|\.(so|whl|pyc|node)$|^tests/|^docs/")
    assert not [name for name in inside if unwanted.search(name)]
    assert sdist.stat().st_size < MEGABYTE

    # As pip builds it, but for the profile, which takes a third of the time.
    build = ("-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index")
    profile = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "MATURIN_PEP517_ARGS": "--profile dev",
        "CARGO_TARGET_DIR": str(own_target_dir()),
    }
    run(sys.executable, *build, "--wheel-dir", tmp_path, sdist, cwd=tmp_path, env=profile)
    built = one(tmp_path.glob("*.whl"))
    assert names(built) >= sources()
    assert "-cp310-abi3-" in built.name
    assert dist.is_dir()


def test_wheel_needs_no_newer_c_library_than_its_tag_says(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        needed = binaries.glibc(archive.read("forcegrant/_native.abi3.so"))
    tag = re.search(r"manylinux_(\d+)_(\d+)", wheel.name)
    assert tag is not None, f"{wheel.name} promises nothing"
    assert needed is not None
    assert needed <= (int(tag[1]), int(tag[2]))


def test_wheels_name_no_path_of_this_machine(wheel: Path, emulator_wheel: Path) -> None:
    for path in (wheel, emulator_wheel):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                # In a release those in binaries are neutral: see scripts/release_build.py.
                if not name.endswith(".so") and "/scripts/" not in name:
                    text = archive.read(name)
                    assert str(ROOT).encode() not in text, name
                    assert str(Path.home()).encode() + b"/" not in text, name


def test_sdist_holds_no_more_than_it_needs(sdist: Path, tmp_path: Path) -> None:
    (tmp_path / sdist.name).write_bytes(sdist.read_bytes())
    verify = (ROOT / "scripts/verify_release.py", tmp_path, "--only", "sdist")
    assert "1 files, 0 problems" in run(sys.executable, *verify).stdout


def test_sdist_resolves_offline_to_the_locked_crates(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    locked = packages(folder / "Cargo.lock")
    tree = (
        "cargo",
        "tree",
        "--offline",
        "--package",
        "forcegrant-python",
        "--edges",
        "normal,build",
    )
    assert "pyo3 v" in run(*tree, cwd=folder).stdout
    # The workspace in it is smaller: fewer crates are needed, and those are the same.
    assert packages(folder / "Cargo.lock") <= locked


def packages(lock: Path) -> set[tuple[str, ...]]:
    pattern = r'^name = "(.+)"\nversion = "(.+)"\n(?:source = ".+"\nchecksum = "(.+)")?'
    return set(re.findall(pattern, lock.read_text(), re.MULTILINE))
