"""Events reach `on_event` and `logging`, on threads of Python."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
import weakref
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

import scripts
from forcegrant import Client, Event, ForcegrantError, Measurement, RefusedError
from forcegrant.testing import TestClock

if TYPE_CHECKING:
    from pathlib import Path

    from forcegrant.testing import Org


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def test_a_login_is_told(forcegrant_org: Org) -> None:
    events: list[Event] = []
    client = forcegrant_org.client(on_event=events.append)
    assert not events
    token = client.token()
    assert names(events) == ["login_started", "login_succeeded"]
    started, succeeded = events
    assert (started.level, started.background, started.took) == ("debug", False, None)
    assert started.measurements == ()
    assert succeeded.login_host == forcegrant_org.my_domain
    assert succeeded.fingerprint == token.fingerprint
    assert succeeded.expiry == token.expiry
    assert (succeeded.attempts, succeeded.level, succeeded.missed) == (1, "info", 0)
    assert succeeded.took is not None
    assert timedelta(0) < succeeded.took < timedelta(seconds=30)
    assert succeeded.lifetime is not None
    assert timedelta(minutes=29) < succeeded.lifetime <= timedelta(minutes=30)
    assert abs(succeeded.at - datetime.now(timezone.utc)) < timedelta(seconds=30)
    measured = {measurement.name: measurement for measurement in succeeded.measurements}
    assert measured.keys() == {
        "forcegrant.logins",
        "forcegrant.login.duration",
        "forcegrant.token.lifetime",
    }
    logins = measured["forcegrant.logins"]
    assert isinstance(logins, Measurement)
    assert (logins.kind, logins.unit, logins.value) == ("counter", "{login}", 1.0)
    assert logins.attributes == {"outcome": "ok"}
    with pytest.raises(AttributeError):
        succeeded.name = "another"  # type: ignore[misc]


def test_failures_and_rejections_are_told(forcegrant_org: Org) -> None:
    events: list[Event] = []
    client = forcegrant_org.client(on_event=events.append, retry_backoff=0)
    forcegrant_org.emulator.fault("token", "503_html", first=1)
    token = client.token()
    assert names(events) == ["login_started", "login_retried", "login_succeeded"]
    retried = events[1].error
    assert isinstance(retried, ForcegrantError)
    assert retried.http_status == 503
    assert events[1].pause is not None
    assert client.invalidate(token)
    assert events[-1].name == "invalidated"
    assert events[-1].age is not None
    forcegrant_org.configure(app={"run_as": None})
    with pytest.raises(RefusedError):
        client.token()
    assert events[-1].name == "login_failed"
    error = events[-1].error
    assert isinstance(error, RefusedError)
    assert error.code == "no_run_as_user"
    assert "no_run_as_user: " in str(events[-1])


def test_a_refresh_behind_the_callers_is_told_to_the_next_that_comes_by(
    forcegrant_org: Org,
) -> None:
    events: list[Event] = []
    clock = TestClock()
    client = forcegrant_org.client(on_event=events.append, clock=clock)
    client.token()
    events.clear()
    clock.advance(timedelta(minutes=29))
    client.reset()
    client.token()
    events.clear()
    clock.advance(timedelta(minutes=29))
    client.cached()
    client.token()
    client.wait_idle()
    assert names(events) == ["refresh_due", "login_started", "login_succeeded"]
    assert events[1].background is True
    forcegrant_org.emulator.hold()
    clock.advance(timedelta(minutes=29))
    client.token()
    client.deliver_events()
    forcegrant_org.emulator.release()
    client.wait_idle()
    assert len(events) == 6


def test_a_task_is_told_in_its_loop(forcegrant_org: Org) -> None:
    received: list[tuple[str, int]] = []

    async def run() -> None:
        client = forcegrant_org.async_client(
            on_event=lambda event: received.append((event.name, threading.get_ident()))
        )
        await asyncio.gather(*(client.token() for _ in range(50)))
        await client.verify()
        await client.wait_idle()

    asyncio.run(run())
    assert [name for name, _ in received] == ["login_started", "login_succeeded"] * 2
    assert {thread for _, thread in received} == {threading.get_ident()}


def test_a_listener_that_throws_harms_nothing(
    forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", caught.append)

    def listener(event: Event) -> None:
        raise ValueError(event.name)

    client = forcegrant_org.client(on_event=listener)
    assert client.token() is client.token()
    assert [str(args.exc_value) for args in caught] == ["login_started", "login_succeeded"]
    assert caught[0].object is listener
    caught.clear()


def test_what_ends_the_program_is_no_such_throw(forcegrant_org: Org) -> None:
    events: list[Event] = []

    def listener(event: Event) -> None:
        events.append(event)
        if len(events) == 1:
            raise KeyboardInterrupt

    client = forcegrant_org.client(on_event=listener)
    with pytest.raises(KeyboardInterrupt):
        client.token()
    client.token()
    client.wait_idle()
    assert names(events) == ["login_started", "login_succeeded"]


def test_a_slow_listener_holds_up_nobody_else(forcegrant_org: Org) -> None:
    entered, leave = threading.Event(), threading.Event()
    events: list[Event] = []

    def listener(event: Event) -> None:
        events.append(event)
        entered.set()
        assert leave.wait(30)

    client = forcegrant_org.client(on_event=listener)
    slow = threading.Thread(target=client.token)
    slow.start()
    assert entered.wait(30)
    begun = time.perf_counter()
    token = client.token()
    client.invalidate(token)
    client.status()
    assert time.perf_counter() - begun < 10
    leave.set()
    slow.join(30)
    # The thread that delivered the first event delivered the others, in order.
    assert names(events) == ["login_started", "login_succeeded", "invalidated"]


def test_a_listener_may_call_the_client(forcegrant_org: Org) -> None:
    states: list[str] = []
    client: Client

    def listener(event: Event) -> None:
        states.append(f"{event.name} {client.status().state}")
        assert client.token() is not None

    client = forcegrant_org.client(on_event=listener)
    client.token()
    client.wait_idle()
    assert states[-1] == "login_succeeded fresh"


def test_too_many_events_drop_the_oldest_and_say_so(forcegrant_org: Org) -> None:
    events: list[Event] = []
    inside, leave = threading.Event(), threading.Event()

    def listener(event: Event) -> None:
        events.append(event)
        inside.set()
        assert leave.wait(30)

    client = forcegrant_org.client(on_event=listener)
    forcegrant_org.configure(app={"distinct_tokens": True})
    teller = threading.Thread(target=client.token)
    teller.start()
    assert inside.wait(30)
    for _ in range(300):
        # Not `invalidate`: renewals that follow one another are held off.
        client.reset()
        client.token()
    leave.set()
    teller.join(30)
    assert len(events) == 257
    assert [event.missed for event in events if event.missed] == [events[1].missed]
    assert f"missed {events[1].missed}" in str(events[1])
    assert events[1].missed > 300


def test_a_client_in_a_cycle_with_its_listener_is_collected(forcegrant_org: Org) -> None:
    class Program:
        def __init__(self) -> None:
            self.client = forcegrant_org.client(on_event=self.record)
            self.other = self.client.async_client()

        def record(self, event: Event) -> None:
            pass

    program = Program()
    program.client.token()
    gone = weakref.ref(program)
    del program
    gc.collect()
    assert gone() is None


def test_options_are_checked(forcegrant_org: Org) -> None:
    with pytest.raises(TypeError, match="'on_event': expected a callable, not int"):
        forcegrant_org.client(on_event=3)  # type: ignore[arg-type]
    forcegrant_org.client(on_event=None)


# logging


def test_logging_has_them_by_default(forcegrant_org: Org, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "forcegrant")
    client = forcegrant_org.client()
    before = time.time()
    token = client.token()
    started, succeeded = caplog.records
    assert (started.name, started.levelname) == ("forcegrant", "DEBUG")
    assert succeeded.levelname == "INFO"
    assert succeeded.getMessage().startswith(f"login_succeeded at {forcegrant_org.my_domain}: ")
    assert token.fingerprint in succeeded.getMessage()
    assert isinstance(vars(succeeded)["event"], Event)
    assert before - 1 < started.created <= succeeded.created <= time.time()
    caplog.clear()
    caplog.set_level(logging.WARNING, "forcegrant")
    forcegrant_org.client().token()
    assert not caplog.records


def test_logging_may_throw(
    forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "forcegrant")
    caught: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", caught.append)

    def throwing(record: logging.LogRecord) -> bool:
        raise ValueError(record.levelname)

    logger = logging.getLogger("forcegrant")
    logger.addFilter(throwing)
    try:
        forcegrant_org.client().token()
    finally:
        logger.removeFilter(throwing)
    assert [str(args.exc_value) for args in caught] == ["DEBUG", "INFO"]
    caught.clear()


def test_no_secret_is_in_any_record(forcegrant_org: Org, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[Event] = []
    client = forcegrant_org.client(
        on_event=events.append, retry_backoff=0, refusal_backoff=(0, 0), transient_backoff=(0, 0)
    )
    secrets = {forcegrant_org.client_secret}
    faults: dict[str, dict[str, Any]] = {
        "no fault": {},
        "503_html": {},
        "refusal": {"error": "invalid_grant", "description": f"not {secrets}"},
        "not_json": {},
        "missing_token": {},
    }
    for fault, params in faults.items():
        forcegrant_org.emulator.clear_faults()
        if fault != "no fault":
            forcegrant_org.emulator.fault("token", fault, **params)
        client.reset()
        try:
            token = client.token()
        except ForcegrantError:
            continue
        secrets.add(token.access_token)
        forcegrant_org.kill_sessions()
        client.invalidate(token)
    assert len(secrets) > 1
    texts = [str(event) + repr(event) + repr(event.error) for event in events]
    texts += [repr(event.error.__cause__) for event in events if event.error]
    texts += [repr(event.measurements) for event in events]
    texts += [record.getMessage() + repr(vars(record)) for record in caplog.records]
    assert {"login_failed", "login_retried", "invalidated"} <= set(names(events))
    assert not [text for text in texts for secret in secrets if secret in text]


def test_events_reach_logging_while_other_threads_hold_its_lock_and_the_interpreter(
    forcegrant_org: Org,
) -> None:
    records: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Handler()
    logger = logging.getLogger("forcegrant")
    level, stop = logger.level, threading.Event()
    client = forcegrant_org.client()

    def spin() -> None:
        while not stop.is_set():
            sum(range(1000))

    spinning = threading.Thread(target=spin)
    callers = [threading.Thread(target=client.token) for _ in range(4)]
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        spinning.start()
        handler.acquire()
        try:
            for caller in callers:
                caller.start()
            # With the lock of logging in hand, this thread calls as well: no one waits for the
            # other's lock while holding the own.
            token = client.token()
            forcegrant_org.kill_sessions()
            client.invalidate(token)
            assert client.token() is not None
        finally:
            handler.release()
        for caller in callers:
            caller.join(30)
            assert not caller.is_alive()
        client.wait_idle()
    finally:
        stop.set()
        spinning.join(30)
        logger.removeHandler(handler)
        logger.setLevel(level)
    received = [record.getMessage().split()[0] for record in records]
    assert received.count("login_started") == received.count("login_succeeded")
    assert "invalidated" in received


def test_a_program_without_logging_hears_nothing(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        c = client(retry_backoff=0)
        control("fault", endpoint="token", kind="503_html", first=1)
        c.token()
        assert "logging" not in sys.modules
        import logging
        control("kill_sessions")
        c.invalidate(c.token())
        c.token()
        """,
    )
    scripts.run(script, forcegrant_org)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_forked_child_tells_its_own_events_only(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        events = []
        inside, leave = threading.Event(), threading.Event()
        def listener(event):
            events.append(event.name)
            inside.set()
            leave.wait(30)
        c = client(on_event=listener)
        threading.Thread(target=c.token).start()
        inside.wait(30)
        # Another thread is in the middle of telling.
        child = os.fork()
        leave.set()
        if child == 0:
            events.clear()
            c.reset()
            c.token()
            c.wait_idle()
            os._exit(0 if events == ["login_started", "login_succeeded"] else 7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        c.wait_idle()
        """,
    )
    scripts.run(script, forcegrant_org)
