"""`ClientPool` and `AsyncClientPool`: keys, callbacks, waiting, forks.

What a pool decides is tested in the core.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import scripts
from forcegrant import (
    AsyncClient,
    AsyncClientPool,
    Client,
    ClientPool,
    ConfigurationError,
    Event,
    ForcegrantError,
    RefusedError,
    RequestTimeoutError,
)
from forcegrant.testing import TestClock

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org


def shared(org: Org, **more: Any) -> Any:
    """The options of a client that a pool shares, and those of a pool."""
    options: Any = org.options
    return options(**more)


def pool_of(org: Org, **options: Any) -> ClientPool:
    pool = ClientPool(**shared(org, **options))
    pool.insert("acme", org.my_domain, org.client_id, org.client_secret)
    return pool


def asking(org: Org, **options: Any) -> dict[str, Any]:
    def callback(key: str) -> tuple[str, str, str]:
        assert isinstance(key, str)
        return org.my_domain, org.client_id, org.client_secret

    return dict(shared(org, credentials_callback=callback, **options))


def requests(org: Org) -> int:
    return org.emulator.counters()["token_requests"]


def test_a_key_has_its_token(forcegrant_org: Org) -> None:
    pool = pool_of(forcegrant_org)
    token = pool.token("acme")
    assert token.instance_url == forcegrant_org.instance_url
    assert pool.token("acme") == token == pool.cached("acme")
    assert requests(forcegrant_org) == 1
    assert len(pool) == 1
    assert "acme" in pool
    assert "globex" not in pool
    assert 7 not in pool
    assert repr(pool) == "<ClientPool of 1 clients>"


def test_an_unknown_key_is_a_typed_error(forcegrant_org: Org) -> None:
    pool = pool_of(forcegrant_org)
    calls: list[Any] = [
        lambda: pool.token("globex"),
        lambda: pool.client("globex"),
        lambda: pool.set_credentials("globex", "acme.my.salesforce.com", "id", "secret"),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match="globex") as caught:
            call()
        assert caught.value.code == "unknown_key"
    assert pool.status("globex") is None
    assert pool.cached("globex") is None
    assert not pool.remove("globex")


def test_the_callback_is_asked_with_the_key_on_the_thread_that_waits(forcegrant_org: Org) -> None:
    org = forcegrant_org
    asked: list[tuple[str, int]] = []

    def callback(key: str) -> dict[str, Any]:
        asked.append((key, threading.get_ident()))
        return {
            "login_url": org.my_domain,
            "client_id": org.client_id,
            "client_secret": "0" * 64,
            "next_credentials": (org.client_id, org.client_secret),
        }

    pool = ClientPool(**shared(org, credentials_callback=callback))
    assert pool.token("acme").org_id == org.org_id
    assert pool.token("acme").org_id == org.org_id
    # Asked, refused, asked again, then the second pair.
    assert {key for key, _ in asked} == {"acme"}
    assert {thread for _, thread in asked} == {threading.get_ident()}


@pytest.mark.parametrize("result", ["", ("a", "b"), ("a", "b", 3), {"login_url": "x"}])
def test_a_wrong_result_of_the_callback_is_reported(forcegrant_org: Org, result: object) -> None:
    options = shared(forcegrant_org, credentials_callback=lambda _key: result)
    with pytest.raises(ConfigurationError) as caught:
        ClientPool(**options).token("acme")
    assert caught.value.code == "credentials_unavailable"
    assert "TypeError" in str(caught.value.__cause__)
    assert requests(forcegrant_org) == 0


def test_new_credentials_keep_the_token(forcegrant_org: Org) -> None:
    org = forcegrant_org
    pool = pool_of(org)
    token = pool.token("acme")
    pool.set_credentials("acme", org.my_domain, org.client_id, "0" * 64)
    assert pool.token("acme") == token
    org.kill_sessions()
    assert pool.invalidate("acme", token.access_token)
    assert not pool.invalidate("acme", token)
    with pytest.raises(RefusedError):
        pool.token("acme")
    pool.insert(
        "acme",
        org.my_domain,
        org.client_id,
        "1" * 64,
        next_credentials=(org.client_id, org.client_secret),
    )
    assert pool.token("acme").org_id == org.org_id


def test_a_client_of_a_key_shares_its_token(forcegrant_org: Org) -> None:
    pool = pool_of(forcegrant_org)
    client = pool.client("acme")
    assert type(client) is Client
    assert client.token() == pool.token("acme")
    assert requests(forcegrant_org) == 1
    assert pool.remove("acme")
    assert client.token().org_id == forcegrant_org.org_id


def test_statuses_and_prewarming(forcegrant_org: Org) -> None:
    org = forcegrant_org
    pool = pool_of(org, concurrent_logins=2, logins_per_second="none")
    keys = [f"org{number}" for number in range(10)]
    for key in keys:
        pool.insert(key, org.my_domain, org.client_id, org.client_secret)
    pool.insert("bad", org.my_domain, org.client_id, "0" * 64)
    warm = pool.prewarm([*keys, "bad", "unknown"])
    assert warm.ready == 10
    assert {key: error.code for key, error in warm.failed.items()} == {
        "bad": "invalid_client_secret",
        "unknown": "unknown_key",
    }
    assert repr(warm) == "<Prewarmed: 10 ready, 2 failed>"
    pool.wait_idle()
    states = {key: status.state for key, status in pool.statuses().items()}
    assert states == {**dict.fromkeys(keys, "fresh"), "bad": "backing_off", "acme": "empty"}
    with pytest.raises(TypeError, match="iterable"):
        pool.prewarm("acme")


def test_events_name_the_key_and_the_host(forcegrant_org: Org) -> None:
    events: list[Event] = []
    pool = pool_of(forcegrant_org, on_event=events.append)
    pool.token("acme")
    pool.deliver_events()
    assert [event.name for event in events] == ["login_started", "login_succeeded"]
    assert {event.key for event in events} == {"acme"}
    assert {event.login_host for event in events} == {forcegrant_org.my_domain}


def test_a_pool_that_is_full_forgets(forcegrant_org: Org) -> None:
    pool = ClientPool(**asking(forcegrant_org, max_clients=2))
    for number in range(5):
        pool.token(f"org{number}")
    assert len(pool) == 2


def test_callers_time_out_and_the_login_goes_on(forcegrant_org: Org) -> None:
    pool = pool_of(forcegrant_org)
    forcegrant_org.emulator.fault("token", "hold")
    with pytest.raises(RequestTimeoutError):
        pool.token("acme", timeout=0.05)
    forcegrant_org.emulator.release()
    assert pool.token("acme").org_id == forcegrant_org.org_id
    assert requests(forcegrant_org) == 1


def test_wrong_options_are_named(forcegrant_org: Org) -> None:
    for name, value in (("max_clients", 0), ("logins_per_second", 0), ("token_url", "https://x/y")):
        with pytest.raises(ConfigurationError, match=name):
            ClientPool(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="concurrent_logins"):
        ClientPool(concurrent_logins="many")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unknown option 'clients'"):
        ClientPool(clients=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="keyword"):
        ClientPool(forcegrant_org)  # type: ignore[arg-type,call-arg]
    with pytest.raises(TypeError, match="secrets"):
        pickle.dumps(pool_of(forcegrant_org))


def test_time_can_be_moved(forcegrant_org: Org) -> None:
    clock = TestClock()
    pool = pool_of(forcegrant_org, clock=clock, session_timeout=7200)
    pool.token("acme")
    clock.advance(7100)
    status = pool.status("acme")
    assert status is not None
    assert status.state == "refresh_due"


def test_a_pool_in_a_cycle_is_collected() -> None:
    class Holder:
        def __init__(self) -> None:
            self.pool = ClientPool(on_event=self.on_event)

        def on_event(self, event: Event) -> None: ...

    holder = weakref.ref(Holder())
    gc.collect()
    assert holder() is None


def test_async_callers_of_one_key_share_one_login(forcegrant_org: Org) -> None:
    async def main() -> None:
        async def callback(key: str) -> tuple[str, str, str]:
            await asyncio.sleep(0)
            assert key == "acme"
            return forcegrant_org.my_domain, forcegrant_org.client_id, forcegrant_org.client_secret

        options = shared(forcegrant_org, credentials_callback=callback)
        async with AsyncClientPool(**options) as pool:
            tokens = await asyncio.gather(*(pool.token("acme") for _ in range(1_000)))
            assert len({token.fingerprint for token in tokens}) == 1
            assert type(pool.client("acme")) is AsyncClient
            assert await pool.client("acme").token() == tokens[0]
            assert not pool._watches
            with pytest.raises(ForcegrantError):
                await AsyncClientPool().token("acme")

    asyncio.run(main())
    assert requests(forcegrant_org) == 1


def test_async_prewarming_and_sharing(forcegrant_org: Org) -> None:
    async def main() -> None:
        blocking = ClientPool(**asking(forcegrant_org))
        pool = blocking.async_pool()
        warm = await pool.prewarm(f"org{number}" for number in range(20))
        assert (warm.ready, warm.failed) == (20, {})
        await pool.wait_idle()
        assert len(blocking) == 20
        assert blocking.cached("org7") == await pool.token("org7")

    asyncio.run(main())


def test_both_pools_have_the_same_methods() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(ClientPool) - {"async_pool", "close"} == public(AsyncClientPool) - {
        "from_pool",
        "aclose",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.parametrize("use", ["", "pool.token('acme')"])
def test_fork(forcegrant_org: Org, tmp_path: Path, use: str) -> None:
    code = f"""
from forcegrant import ClientPool
pool = ClientPool(**SETUP["options"])
pool.insert("acme", *SETUP["credentials"])
{use}
child = os.fork()
if child == 0:
    assert pool.token("acme", timeout=5).org_id
    pool.insert("globex", *SETUP["credentials"])
    assert pool.token("globex", timeout=5).org_id
    assert len(pool) == 2
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert pool.token("acme").org_id and len(pool) == 1
"""
    script = scripts.write(tmp_path, code)
    scripts.run(script, forcegrant_org, "-W", "ignore::DeprecationWarning")
