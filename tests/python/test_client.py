"""`Client` and `Token` for threads."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import signal
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

import scripts
from forcegrant import (
    AsyncClient,
    Client,
    ConfigurationError,
    RequestTimeoutError,
    Token,
)
from forcegrant.testing import TestClock

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org


def test_token_says_all_that_salesforce_said(forcegrant_org: Org) -> None:
    forcegrant_org.configure(app={"extra": {"sfdc_site": {"a": [1, 2.5, None, True, "ü"]}}})
    token = forcegrant_org.client().token()
    assert isinstance(token, Token)
    assert token.access_token.startswith(forcegrant_org.org_id[:15] + "!")
    assert token.authorization == f"Bearer {token.access_token}"
    assert token.instance_url == forcegrant_org.instance_url
    assert (token.org_id, token.user_id) == (forcegrant_org.org_id, forcegrant_org.user_id)
    assert token.identity_url is not None
    assert token.identity_url.endswith(f"/id/{token.org_id}/{token.user_id}")
    assert token.api_instance_url is None
    assert token.scopes == ("api", "id")
    assert (token.token_format, token.token_type) == ("opaque", "Bearer")
    assert token.extra == {"sfdc_site": {"a": [1, 2.5, None, True, "ü"]}}
    now = datetime.now(timezone.utc)
    assert token.issued_at is not None
    assert token.issued_at.utcoffset() == timedelta(0)
    assert abs(token.issued_at - now) < timedelta(minutes=1)
    assert (token.expiry.source, token.expiry.certainty) == ("default", "estimated")
    assert not token.expiry.is_known
    assert timedelta(minutes=29) < token.expiry.at - now < timedelta(minutes=31)


def test_cached_read_returns_the_kept_object(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    assert client.cached() is None
    token = client.token()
    assert client.token() is token
    assert client.cached() is token
    assert token.access_token is token.access_token
    assert forcegrant_org.emulator.counters()["token_requests"] == 1


def test_invalidate_compares(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    first = client.token()
    forcegrant_org.kill_sessions()
    assert client.invalidate(first)
    assert client.cached() is None
    second = client.token()
    assert second != first
    assert not client.invalidate(first)
    assert not client.invalidate(first.access_token)
    assert client.token() is second
    assert client.invalidate(second.access_token)
    with pytest.raises(TypeError, match="takes a Token or the text"):
        client.invalidate(3)  # type: ignore[arg-type]


def test_secrets_are_in_no_text(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    token = client.token()
    texts = [str(token), repr(token), f"{token}", repr(client), repr(client.status())]
    texts += [repr(client.verify()), repr(token.expiry), repr(vars(type(token)))]
    for secret in (token.access_token, forcegrant_org.client_secret):
        assert not [text for text in texts if secret in text]
    assert token.fingerprint in repr(token)


def test_secrets_are_not_pickled(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    token = client.token()
    for secret in (token, client, forcegrant_org.async_client()):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret)
    assert copy.copy(token) is token
    assert copy.deepcopy([token])[0] is token


def test_equal_tokens(forcegrant_org: Org) -> None:
    one, other = forcegrant_org.client().token(), forcegrant_org.client().token()
    assert one is not other
    assert one == other
    assert hash(one) == hash(other)
    assert one != one.access_token
    assert one.expiry != one
    assert len({one, other}) == 1


def test_status_and_reset(forcegrant_org: Org) -> None:
    client = forcegrant_org.client(refusal_backoff=(5, 60))
    assert client.login_host == forcegrant_org.my_domain
    status = client.status()
    assert (status.state, status.in_flight, status.logins, status.failures) == (
        "empty",
        False,
        0,
        0,
    )
    assert (status.expiry, status.fingerprint, status.last_error) == (None, None, None)
    token = client.token()
    status = client.status()
    assert (status.state, status.logins) == ("fresh", 1)
    assert status.fingerprint == token.fingerprint
    assert status.expiry == token.expiry
    assert status.refresh_at is not None
    assert status.refresh_at < token.expiry.at
    forcegrant_org.configure(app={"run_as": None})
    client.reset()
    assert client.status().state == "empty"
    with pytest.raises(Exception, match="no client credentials user"):
        client.token()
    status = client.status()
    assert (status.state, status.failures) == ("backing_off", 1)
    assert status.last_error is not None
    assert status.last_error.code == "no_run_as_user"
    assert status.last_failure_at is not None
    assert status.backing_off_until is not None
    assert status.backing_off_until > status.last_failure_at


def test_verify(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    verified = client.verify()
    assert verified.token is client.token()
    assert verified.api_usage is not None
    used, allowed = verified.api_usage
    assert 0 <= used <= allowed


def test_from_env(forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in forcegrant_org.environment().items():
        monkeypatch.setenv(name, value)
    client = Client.from_env(**forcegrant_org.options())
    assert type(client) is Client
    assert client.token().org_id == forcegrant_org.org_id
    assert type(AsyncClient.from_env()) is AsyncClient
    monkeypatch.delenv("SALESFORCE_CLIENT_SECRET")
    with pytest.raises(ConfigurationError, match="SALESFORCE_CLIENT_SECRET") as caught:
        Client.from_env()
    assert caught.value.code == "missing_credentials"


def test_context_manager_revokes_nothing(forcegrant_org: Org) -> None:
    with forcegrant_org.client() as client:
        token = client.token()
    client.close()
    assert client.token() is token
    counters = forcegrant_org.emulator.counters()
    assert (counters["revocations"], counters["sessions_live"]) == (0, 1)


def test_subclasses_and_weak_references(forcegrant_org: Org) -> None:
    class Mine(Client):
        pass

    client = Mine("acme.my.salesforce.com", "id", "secret")
    assert type(client) is Mine
    assert repr(client) == "<Mine of acme.my.salesforce.com>"
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    assert isinstance(forcegrant_org.client().async_client(), AsyncClient)


def test_secret_from_a_file(forcegrant_org: Org, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="client_secret") as caught:
        Client(forcegrant_org.my_domain, forcegrant_org.client_id)
    assert caught.value.code == "missing_credentials"
    file = tmp_path / "secret"
    file.write_text(forcegrant_org.client_secret + "\n")
    who = (forcegrant_org.my_domain, forcegrant_org.client_id)
    for path in (file, str(file)):
        given = forcegrant_org.options(client_secret_file=path)
        assert Client(*who, **given).token().org_id == forcegrant_org.org_id
        assert asyncio.run(AsyncClient(*who, **given).token()).org_id == forcegrant_org.org_id


def test_credentials_are_replaced(forcegrant_org: Org) -> None:
    client = forcegrant_org.client()
    token = client.token()
    assert not client.invalidate_if_rotated()
    other = ("3MVG9.OTHER", "0123456789ABCDEF" * 4)
    forcegrant_org.emulator.control("add_key", client_id=other[0], client_secret=other[1])
    client.set_credentials(*other, next_credentials=None)
    assert client.token() is token
    assert client.invalidate_if_rotated()
    assert client.cached() is None
    assert client.token().org_id == forcegrant_org.org_id
    asked = forcegrant_org.emulator.requests("token")[-1]
    assert asked["form"]["client_id"] == other[0]
    with pytest.raises(ConfigurationError, match="client_id"):
        client.set_credentials(" ", "x")
    with pytest.raises(TypeError, match="next_credentials"):
        client.set_credentials(*other, next_credentials="x")  # type: ignore[arg-type]


# Time


def test_test_clock(forcegrant_org: Org) -> None:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    clock = TestClock(start)
    assert clock.now() == start
    clock.advance(timedelta(minutes=1))
    clock.advance(0.5)
    assert clock.now() == start + timedelta(seconds=60.5)
    clock.set_wall(start - timedelta(days=1))
    assert clock.now() == start - timedelta(days=1)
    assert repr(clock) == "<TestClock at 2025-12-31 00:00:00+00:00>"
    clock.set_wall(datetime(1969, 1, 1, tzinfo=timezone.utc) + timedelta(days=365))
    with pytest.raises(ConfigurationError):
        clock.advance(-1)

    clock = TestClock(forcegrant_org.emulator.now())
    client = forcegrant_org.client(clock=clock, session_timeout=timedelta(minutes=15), max_stale=0)
    token = client.token()
    assert token.expiry.source == "configured"
    clock.advance(timedelta(minutes=16))
    assert client.cached() is None
    forcegrant_org.emulator.advance(timedelta(minutes=16))
    assert client.token() is not token


def test_times_beyond_what_python_can_tell(forcegrant_org: Org) -> None:
    forcegrant_org.configure(app={"expires_in": 2**40})
    token = forcegrant_org.client().token()
    assert token.expiry.at.year == 9999
    assert "9999" in repr(token)


# Waiting


def test_other_threads_run_while_one_waits(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.client(total_timeout=20, attempt_timeout=20)
    emulator.hold()
    counted = 0

    def count() -> None:
        nonlocal counted
        emulator.wait_requests(1)
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            counted += 1
        emulator.release()

    counter = threading.Thread(target=count)
    counter.start()
    client.token()
    counter.join()
    assert counted > 10_000


def test_threads_share_one_request(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.client()
    emulator.hold()
    with ThreadPoolExecutor(100) as pool:
        calls = [pool.submit(client.token) for _ in range(100)]
        emulator.wait_requests(1)
        emulator.release()
        tokens = {id(call.result()) for call in calls}
    assert len(tokens) == 1
    assert emulator.counters()["token_requests"] == 1


def test_timeout_of_one_caller(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.client(total_timeout=20, attempt_timeout=20)
    emulator.hold()
    for timeout in (0, 0.05, timedelta(milliseconds=20)):
        begun = time.monotonic()
        with pytest.raises(RequestTimeoutError) as caught:
            client.token(timeout=timeout)
        assert time.monotonic() - begun < 1
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.code, caught.value.retryable) == ("timeout", True)
    assert client.status().in_flight
    emulator.release()
    client.wait_idle()
    assert client.cached() is not None
    assert client.token(timeout=0) is client.cached()
    assert emulator.counters()["token_requests"] == 1


@pytest.mark.parametrize("timeout", ["1", -1, float("nan")])
def test_wrong_timeouts(forcegrant_org: Org, timeout: Any) -> None:
    with pytest.raises((TypeError, ConfigurationError), match="timeout"):
        forcegrant_org.client().token(timeout)


def test_interrupt_ends_the_wait(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        sf = client()
        try:
            sf.token()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """,
    )
    forcegrant_org.emulator.hold()
    process = scripts.start(script, forcegrant_org)
    forcegrant_org.emulator.wait_requests(1)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    line = process.stdout.readline()
    took = time.monotonic() - begun
    assert process.communicate(timeout=10) == ("", "")
    assert (line, process.returncode) == ("interrupted\n", 0)
    assert took < 0.3
    assert time.monotonic() - begun < 2
