"""Tests of a whole process: import, threads, forks, exit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import endings
import scripts
from endings import ENDINGS

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


# Import


def test_import_is_cheap_and_silent(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        import collections

        class Watched(collections.UserDict):
            def __getitem__(self, name):
                raise AssertionError(f"{name} was read")

            __contains__ = __iter__ = get = __getitem__

        os.environ, real = Watched(), os.environ
        threads, modules = len(os.listdir("/proc/self/task")), set(sys.modules)
        begun = time.perf_counter()
        import forcegrant
        took = time.perf_counter() - begun
        os.environ = real
        assert len(os.listdir("/proc/self/task")) == threads
        new = {name for name in set(sys.modules) - modules if not name.startswith("forcegrant")}
        assert not new & {"asyncio", "logging", "typing", "socket", "dataclasses"}, new
        assert not [name for name in sys.modules if name.startswith("forcegrant.testing")]
        print(took)
        """,
    )
    times = sorted(float(scripts.run(script, forcegrant_org)) for _ in range(5))
    # 10 ms is the budget of a release build; a debug build loads a much larger file.
    assert times[0] < 0.03


# Threads


def test_no_thread_is_resident(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        import asyncio, forcegrant

        def tasks():
            return len(os.listdir("/proc/self/task"))

        def settled(limit):
            # Ending threads are not awaited by anyone: give the last one a moment to go.
            until = time.monotonic() + 5
            while tasks() > limit and time.monotonic() < until:
                time.sleep(0.01)
            return tasks()

        before = tasks()
        sf = client()
        assert tasks() == before
        sf.token()
        assert settled(before) == before
        sf.reset()
        asyncio.run(sf.async_client().token())
        sf.verify()
        control("configure", app={"run_as": None})
        sf.reset()
        try:
            sf.token()
        except forcegrant.RefusedError:
            pass
        assert settled(before) == before
        """,
    )
    scripts.run(script, forcegrant_org)


# Forks

USES = {
    "cold": "",
    "warm": "sf.token()",
    # The first request is held, those of children are not.
    "in-flight": """
control("fault", endpoint="token", kind="hold", first=1)
waiter = threading.Thread(target=lambda: tokens.append(sf.token()))
waiter.start()
control("wait_requests", endpoint="token", count=1)
""",
}
AFTER = """
if waiter is not None:
    control("release")
    waiter.join()
    assert len(tokens) == 1
sf.wait_idle()
assert sf.token() is sf.cached()
"""


def using(use: str, code: str) -> str:
    before = f"sf, waiter, tokens = client(), None, []\n{USES[use]}"
    return f"if __name__ == '__main__':\n{indent(before + code + AFTER)}"


def indent(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ["token", "await", "grandchild"])
def test_fork(forcegrant_org: Org, tmp_path: Path, use: str, kind: str) -> None:
    child = {
        "token": "assert sf.token(timeout=2).org_id",
        "await": "import asyncio; assert asyncio.run(sf.async_client().token(timeout=2)).org_id",
        "grandchild": "grandchild = os.fork(); assert sf.token(timeout=2).org_id\n"
        "    if grandchild: assert os.waitpid(grandchild, 0)[1] == 0",
    }[kind]
    code = f"""
child = os.fork()
if child == 0:
    {child}
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    script = scripts.write(tmp_path, using(use, code))
    scripts.run(script, forcegrant_org, "-W", "ignore::DeprecationWarning")
    counters = forcegrant_org.emulator.counters()
    # The child has the token of the parent, and no process uses a connection of the other.
    assert counters["token_requests"] == 1 or use != "warm"
    assert counters["connections"] == counters["token_requests"]


@pytest.mark.parametrize("use", USES)
def test_child_that_exits_in_the_ordinary_way(
    forcegrant_org: Org, tmp_path: Path, use: str
) -> None:
    code = """
child = os.fork()
if child == 0:
    assert sf.token(timeout=2).org_id
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    script = scripts.write(tmp_path, using(use, code))
    scripts.run(script, forcegrant_org, "-W", "ignore::DeprecationWarning")


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(forcegrant_org: Org, tmp_path: Path, use: str, method: str) -> None:
    # A forked child has the parent's client; a spawned one makes its own.
    code = f"""
import multiprocessing
context = multiprocessing.get_context({method!r})
with context.Pool(2) as pool:
    assert len(set(pool.map(in_child, range(8)))) == 1
"""
    script = scripts.write(
        tmp_path,
        "sf = None\n"
        "def in_child(_):\n"
        "    global sf\n"
        "    sf = sf or client()\n"
        "    return sf.token(timeout=2).org_id\n" + using(use, code),
    )
    scripts.run(script, forcegrant_org, "-W", "ignore::DeprecationWarning")


def test_fifty_forks_during_logins(tmp_path: Path) -> None:
    """The short form of a soak test, which runs a thousand times."""
    scripts.soak(tmp_path, "forks.py", "50")


def test_a_login_imports_nothing_of_this_package(forcegrant_org: Org, tmp_path: Path) -> None:
    """A child that was forked while a thread imports a module hangs if it needs that module."""
    script = scripts.write(
        tmp_path,
        """
        import logging, forcegrant

        clients = [
            client(),
            forcegrant.Client(
                SETUP["credentials"][0],
                credentials_callback=lambda: tuple(SETUP["credentials"][1:]),
                **SETUP["options"],
            ),
        ]
        before = set(sys.modules)
        for each in clients:
            each.token()
        new = {name for name in set(sys.modules) - before if name.startswith("forcegrant")}
        assert not new, new
        """,
    )
    scripts.run(script, forcegrant_org)


# Exit, with a request that is held for good


@pytest.mark.parametrize("ending", ENDINGS)
def test_exit_with_a_request_on_its_way(forcegrant_org: Org, tmp_path: Path, ending: str) -> None:
    """About twenty times each; the soak test runs two hundred times."""
    forcegrant_org.emulator.hold()
    times = ENDINGS[ending].times
    assert endings.wrong(ENDINGS[ending], forcegrant_org, tmp_path, times) == []


# Leaks


def test_clients_that_come_and_go_leave_nothing(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        import asyncio, forcegrant, gc

        def resident():
            gc.collect()
            pages = int(open("/proc/self/statm").read().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")

        def come_and_go(times):
            for _ in range(times):
                sf = client()
                sf.token().access_token
                asyncio.run(sf.async_client().token())
                sf.invalidate(sf.token())
                asyncio.run(sf.async_client().token())

        come_and_go(30)
        before, files = resident(), len(os.listdir("/proc/self/fd"))
        come_and_go(150)
        print((resident() - before) / 150, len(os.listdir("/proc/self/fd")) - files)
        """,
    )
    forcegrant_org.configure(app={"distinct_tokens": True})
    each, files = map(float, scripts.run(script, forcegrant_org).split())
    # A token and its response are larger than this.
    assert each < 2000, each
    assert files <= 1


def test_memory_threads_and_descriptors_stay_what_they_were(tmp_path: Path) -> None:
    """The short form of a soak test."""
    assert scripts.soak(tmp_path, "leaks.py", "200").count("threads 1 to 1") == 3
