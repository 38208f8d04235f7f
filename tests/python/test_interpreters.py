"""The built module in every installed CPython, and in subinterpreters."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import forcegrant
import scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forcegrant.testing import Org

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

OLDEST, NEWEST = 10, 20
PACKAGE = Path(forcegrant.__file__).resolve().parents[1]


def installed() -> Iterator[tuple[str, Path]]:
    """Other interpreters in the PATH, and those of pyenv; by their versions."""
    names = [f"python3.{minor}{kind}" for minor in range(OLDEST, NEWEST) for kind in ("", "t")]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [*map(Path, os.get_exec_path()), *pyenv.glob("versions/*/bin")]
    paths = [path for name in names for folder in folders if (path := folder / name).is_file()]
    for path in paths:
        ask = "import sys; print(sys.implementation.name, *sys.version_info[:3], sys.abiflags)"
        said = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False)
        found = re.match(r"cpython (\d+) (\d+) (\d+) (\w*)", said.stdout)
        if found is not None:
            major, minor, micro, flags = found.groups()
            yield f"{major}.{minor}.{micro}{flags}", path


INTERPRETERS = dict(installed()) or {"this": Path(sys.executable)}
WITH_GIL = {name: path for name, path in INTERPRETERS.items() if not name.endswith("t")}


def run(path: Path, script: Path, org: Org) -> str:
    """Run a script under an interpreter, with the package as it is built here."""
    done = subprocess.run(
        [path, "-W", "error", "-W", "ignore:This process:DeprecationWarning", script],
        env={**scripts.environment(org), "PYTHONPATH": str(PACKAGE)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


@pytest.mark.parametrize("name", WITH_GIL)
def test_the_one_library_works_in_every_version(
    forcegrant_org: Org, tmp_path: Path, name: str
) -> None:
    script = scripts.write(
        tmp_path,
        """
        import asyncio, copy, forcegrant, logging, multiprocessing, pickle
        logging.basicConfig(stream=sys.stdout, level=logging.WARNING)
        sf = client()

        async def herd():
            calls = [asyncio.ensure_future(sf.async_client().token()) for _ in range(100)]
            calls[0].cancel()
            first, *others = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(first, asyncio.CancelledError)
            assert len({id(token) for token in others}) == 1
            return others[0]

        def in_child(_):
            return sf.token(timeout=2).fingerprint

        if __name__ == "__main__":
            token = asyncio.run(herd())
            assert sf.token() is token and sf.verify().token.org_id == token.org_id
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert set(pool.map(in_child, range(8))) == {sf.token().fingerprint}
            sf.reset()
            control("configure", app={"run_as": None})
            try:
                sf.token()
            except forcegrant.RefusedError as error:
                assert pickle.loads(pickle.dumps(error)).code == error.code
                assert copy.copy(error).setup_step == error.setup_step is not None
            # A login is in flight when the process ends.
            sf.reset()
            control("fault", endpoint="token", kind="hold")
            threading.Thread(target=sf.token, daemon=True).start()
            threading.Thread(
                target=lambda: asyncio.run(sf.async_client().token()), daemon=True
            ).start()
            control("wait_requests", endpoint="token", count=1)
        """,
    )
    (warning,) = run(WITH_GIL[name], script, forcegrant_org).splitlines()
    assert warning.startswith("WARNING:forcegrant:login_failed")


SUBINTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

# With the lock and the memory of the main interpreter, and since 3.12 with their own.
if sys.version_info >= (3, 13):
    kinds = [("legacy",), ("isolated",)]
elif sys.version_info >= (3, 12):
    kinds = [(), (1,)]
else:
    kinds = [()]

TRY = '''
try:
    import forcegrant
except ImportError as error:
    print(type(error).__name__, error, flush=True)
else:
    print("imported", flush=True)
'''

def look(kind):
    if sys.version_info[:2] == (3, 12):
        interpreter = interpreters.create(isolated=bool(kind))
    else:
        interpreter = interpreters.create(*kind)
    assert interpreters.run_string(interpreter, TRY) is None
    interpreters.destroy(interpreter)

for kind in kinds:
    look(kind)
# What was tried there does not matter here, nor the other way round.
assert client().token().org_id
for kind in kinds:
    look(kind)
assert client().token().org_id
"""


@pytest.mark.parametrize("name", WITH_GIL)
def test_a_subinterpreter_gets_a_plain_import_error(
    forcegrant_org: Org, tmp_path: Path, name: str
) -> None:
    script = scripts.write(tmp_path, SUBINTERPRETERS)
    lines = run(WITH_GIL[name], script, forcegrant_org).splitlines()
    assert len(lines) in {2, 4}
    for line in lines:
        assert line.startswith("ImportError ")
        assert "subinterpreter" in line


@pytest.mark.parametrize("name", INTERPRETERS.keys() - WITH_GIL.keys())
def test_a_free_threaded_interpreter_does_not_load_it(
    forcegrant_org: Org, tmp_path: Path, name: str
) -> None:
    """Free-threaded Python has no stable ABI, so pip offers it no wheel of this package."""
    script = scripts.write(
        tmp_path,
        """
        try:
            import forcegrant
        except ImportError as error:
            print(error.name)
        """,
    )
    assert run(INTERPRETERS[name], script, forcegrant_org) == "forcegrant._native\n"


def test_the_wheel_is_for_interpreters_with_the_lock() -> None:
    """No tag of the wheel is among those that pip tries under free threading."""
    from packaging.tags import cpython_tags

    def tags(abi: str) -> set[str]:
        found = cpython_tags((3, 14), abis=[abi], platforms=["manylinux_2_28_x86_64"])
        return {f"{tag.interpreter}-{tag.abi}" for tag in found}

    assert "cp310-abi3" in tags("cp314")
    assert "cp310-abi3" not in tags("cp314t")
