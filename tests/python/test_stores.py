"""Tokens shared between processes, with a fork at different times and with each store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import scripts
from test_servers import redis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from forcegrant.testing import Org

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these tests fork")

USES = {
    "cold": "",
    "warm": "sf.token()",
    # The parent has the lease, and its request is held.
    "in-flight": """
control("fault", endpoint="token", kind="hold", first=1)
waiter = threading.Thread(target=lambda: sf.token())
waiter.start()
control("wait_requests", endpoint="token", count=1)
""",
}
FORK = """
child = os.fork()
if child == 0:
    if waiter is not None:
        # The parent logs in for both: its thread does not exist in this process.
        try:
            sf.token(timeout=0.3)
            os._exit(1)
        except TimeoutError:
            control("release")
    token = sf.token(timeout=10)
    # Not over a connection, nor with a lock, of the parent's.
    control("kill_sessions")
    sf.invalidate(token)
    assert sf.token(timeout=10).access_token != token.access_token
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
if waiter is not None:
    waiter.join()
# What the child brought about: it is in the store.
dead = sf.cached()
if dead is not None:
    sf.invalidate(dead)
token = sf.token(timeout=10).access_token
assert [session["token"] for session in control("sessions")["sessions"]] == [token]
assert events.count("store_failed") == 0, events
"""


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store of this test's own."""
    folder = tmp_path / "store"
    if request.param == "file":
        yield folder.as_uri()
        return
    with redis(folder) as address:
        yield address


@pytest.mark.parametrize("use", USES)
def test_parent_and_child_share_logins(
    forcegrant_org: Org, tmp_path: Path, store: str, use: str
) -> None:
    before = f"""
events, waiter = [], None
sf = client(store={store!r}, on_event=lambda event: events.append(event.name))
"""
    script = scripts.write(tmp_path, before + USES[use] + FORK)
    scripts.run(script, forcegrant_org, "-W", "ignore::DeprecationWarning")
    # One before the child ended the sessions, and one after.
    assert forcegrant_org.emulator.counters()["logins"] == 2
