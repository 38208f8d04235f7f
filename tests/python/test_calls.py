"""Calls through the HTTP clients that people use, with a token that renews itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from callers import (
    CALLERS,
    JOBS,
    LIMITS,
    QUERY,
    Aiohttp,
    AsyncHttpx,
    Caller,
    CallResponse,
    GivenUp,
)
from forcegrant import ReplayError, TokenRejectedError, classify_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forcegrant.testing import Org

FOREIGN = "https://acme--uat.sandbox.my.salesforce.com"
EXPIRED = '[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]'


@pytest.fixture(params=CALLERS)
def calling(request: pytest.FixtureRequest, forcegrant_org: Org) -> Iterator[Callable[..., Caller]]:
    opened: list[Caller] = []

    def opening(**options: Any) -> Caller:
        opened.append(request.param(forcegrant_org.client(**options), forcegrant_org.emulator))
        return opened[-1]

    yield opening
    for caller in opened:
        caller.close()


@pytest.fixture
def opened(calling: Callable[..., Caller]) -> Caller:
    return calling()


def logins(org: Org) -> int:
    return org.emulator.counters()["token_requests"]


def dead(org: Org, **params: Any) -> None:
    response = {"status": 401, "body": EXPIRED, "content_type": "application/json", **params}
    org.emulator.control("fault", endpoint="limits", kind="status", **response)


def test_a_call_carries_the_token(opened: Caller, forcegrant_org: Org) -> None:
    response = opened.call(forcegrant_org.instance_url + LIMITS)
    assert response.status == 200
    assert json.loads(response.text)["DailyApiRequests"]["Max"] == 15_000
    (request,) = forcegrant_org.emulator.requests("limits")
    assert request["headers"]["authorization"] == opened.client.token().authorization
    assert logins(forcegrant_org) == 1


def test_a_dead_session_is_renewed_once_and_the_call_repeated(
    opened: Caller, forcegrant_org: Org
) -> None:
    opened.client.token()
    forcegrant_org.kill_sessions()
    body = '{"object":"Account"}'
    assert opened.call(forcegrant_org.instance_url + JOBS, "POST", body).status == 200
    sent = [(r["answered"], r["body_bytes"]) for r in forcegrant_org.emulator.requests("bulk")]
    assert sent == [(401, len(body)), (200, len(body))]
    assert logins(forcegrant_org) == 2


def test_a_hundred_dead_sessions_cause_one_login(opened: Caller, forcegrant_org: Org) -> None:
    opened.client.token()
    forcegrant_org.kill_sessions()
    responses = opened.many(forcegrant_org.instance_url + LIMITS, 100)
    assert {response.status for response in responses} == {200}
    assert logins(forcegrant_org) == 2


def test_calls_follow_an_instance_that_moved(opened: Caller, forcegrant_org: Org) -> None:
    opened.call(forcegrant_org.instance_url + LIMITS)
    moved = "https://acme-one.my.salesforce.com"
    forcegrant_org.emulator.control("move_instance", instance_url=moved)
    forcegrant_org.kill_sessions()
    for _ in range(2):
        assert opened.call(forcegrant_org.instance_url + LIMITS + "?x=1").status == 200
        last = forcegrant_org.emulator.requests("limits")[-1]
        assert (last["host"], last["query"]) == (moved.removeprefix("https://"), "x=1")
    assert opened.client.token().instance_url == moved
    assert logins(forcegrant_org) == 2
    assert len(forcegrant_org.emulator.requests("limits")) == 4


def test_another_origin_sees_no_token(opened: Caller, forcegrant_org: Org) -> None:
    query = FOREIGN + QUERY
    forcegrant_org.emulator.control(
        "fault", endpoint="limits", kind="redirect", status=307, location=query, first=1
    )
    assert opened.call(forcegrant_org.instance_url + LIMITS).status == 401
    assert opened.call(query).status == 401
    requests = forcegrant_org.emulator.requests("query")
    assert len(requests) == 2
    for request in requests:
        assert request["host"] == FOREIGN.removeprefix("https://")
        assert "authorization" not in request["headers"]
    assert logins(forcegrant_org) == 1, "another origin's response says nothing about the token"
    assert opened.client.status().state == "fresh"


def test_a_body_that_is_gone_is_not_sent_again(opened: Caller, forcegrant_org: Org) -> None:
    opened.client.token()
    forcegrant_org.kill_sessions()
    with pytest.raises(ReplayError, match="its body is a stream") as caught:
        opened.stream(forcegrant_org.instance_url + JOBS, "{}")
    assert (caught.value.code, caught.value.kind) == ("request_not_replayable", "token")
    assert caught.value.http_status == 401
    assert len(forcegrant_org.emulator.requests("bulk")) == 1
    assert opened.stream(forcegrant_org.instance_url + JOBS, "{}").status == 200
    assert logins(forcegrant_org) == 2


def test_the_same_token_again_ends_in_an_error(opened: Caller, forcegrant_org: Org) -> None:
    dead(forcegrant_org)
    with pytest.raises(TokenRejectedError) as caught:
        opened.call(forcegrant_org.instance_url + LIMITS)
    assert caught.value.code == "same_token_returned"
    assert len(forcegrant_org.emulator.requests("limits")) == 1
    assert logins(forcegrant_org) == 2


def test_a_fresh_token_that_is_refused_too_ends_in_an_error(
    opened: Caller, forcegrant_org: Org
) -> None:
    forcegrant_org.configure(app={"distinct_tokens": True})
    dead(forcegrant_org)
    with pytest.raises(TokenRejectedError) as caught:
        opened.call(forcegrant_org.instance_url + LIMITS)
    assert (caught.value.code, caught.value.http_status) == ("fresh_token_refused", 401)
    assert len(forcegrant_org.emulator.requests("limits")) == 2
    assert logins(forcegrant_org) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, "This session is not valid for use with the REST API"),
        (403, '[{"errorCode":"API_DISABLED_FOR_ORG"}]'),
        (500, "an error of the service"),
    ],
)
def test_what_a_new_token_does_not_cure_is_handed_out(
    opened: Caller, forcegrant_org: Org, status: int, body: str
) -> None:
    dead(forcegrant_org, status=status, body=body)
    assert opened.call(forcegrant_org.instance_url + LIMITS) == CallResponse(status, body)
    assert len(forcegrant_org.emulator.requests("limits")) == 1
    assert logins(forcegrant_org) == 1
    assert opened.client.status().state == "fresh"


def test_a_403_is_never_repeated(opened: Caller, forcegrant_org: Org) -> None:
    dead(forcegrant_org, status=403, body="Bad_OAuth_Token")
    assert opened.call(forcegrant_org.instance_url + LIMITS).status == 403
    assert len(forcegrant_org.emulator.requests("limits")) == 1
    assert opened.client.cached() is None


def test_a_call_that_is_given_up_disturbs_nobody(opened: Caller, forcegrant_org: Org) -> None:
    emulator, url = forcegrant_org.emulator, forcegrant_org.instance_url + LIMITS
    emulator.hold("limits")
    with pytest.raises(GivenUp):
        opened.give_up(url, "limits")
    emulator.release()
    emulator.clear_faults()
    assert opened.call(url).status == 200
    assert logins(forcegrant_org) == 1


# A thread that waits is not stopped from outside.
@pytest.mark.parametrize("calling", [AsyncHttpx, Aiohttp], indirect=True)
def test_a_call_that_waits_for_its_token_can_be_given_up(
    opened: Caller, forcegrant_org: Org
) -> None:
    emulator, url = forcegrant_org.emulator, forcegrant_org.instance_url + LIMITS
    emulator.hold("token")
    with pytest.raises(GivenUp):
        opened.give_up(url, "token")
    emulator.release()
    emulator.clear_faults()
    assert opened.call(url).status == 200
    assert len(emulator.requests("limits")) == 1
    assert logins(forcegrant_org) == 1


def test_the_answer_of_a_dead_session_may_be_slow(opened: Caller, forcegrant_org: Org) -> None:
    opened.client.token()
    forcegrant_org.kill_sessions()
    forcegrant_org.emulator.fault("limits", "slow_body", ms=200)
    response = opened.call(forcegrant_org.instance_url + LIMITS)
    assert json.loads(response.text)["DailyApiRequests"]["Max"] == 15_000
    assert len(forcegrant_org.emulator.requests("limits")) == 2
    assert logins(forcegrant_org) == 2


def test_the_answer_of_a_dead_session_may_break_off(opened: Caller, forcegrant_org: Org) -> None:
    opened.client.token()
    forcegrant_org.kill_sessions()
    forcegrant_org.emulator.fault("limits", "cut_body", first=1)
    assert opened.call(forcegrant_org.instance_url + LIMITS).status == 200
    assert logins(forcegrant_org) == 2
    forcegrant_org.emulator.fault("limits", "cut_body")
    with pytest.raises(opened.failure):
        opened.call(forcegrant_org.instance_url + LIMITS)
    assert logins(forcegrant_org) == 2
    assert opened.client.status().state == "fresh"


def test_the_usage_is_remembered(opened: Caller, forcegrant_org: Org) -> None:
    assert opened.client.limits() is None
    opened.call(forcegrant_org.instance_url + LIMITS)
    assert opened.client.limits() == (1, 15_000)
    assert opened.client.async_client().limits() == (1, 15_000)


BUSY = {"endpoint": "limits", "kind": "status", "status": 503, "body": "busy"}


def test_nothing_is_repeated_for_a_busy_service_by_default(
    opened: Caller, forcegrant_org: Org
) -> None:
    forcegrant_org.emulator.control("fault", **BUSY)
    assert opened.call(forcegrant_org.instance_url + LIMITS) == CallResponse(503, "busy")
    assert len(forcegrant_org.emulator.requests("limits")) == 1


def test_a_busy_service_is_asked_again_if_wanted(
    calling: Callable[..., Caller], forcegrant_org: Org
) -> None:
    opened = calling(call_attempts=3, call_backoff=(0.001, 0.002))
    url, emulator = forcegrant_org.instance_url + LIMITS, forcegrant_org.emulator
    emulator.control("fault", first=2, **BUSY)
    assert opened.call(url).status == 200
    assert len(emulator.requests("limits")) == 3
    emulator.control("fault", **BUSY)
    assert opened.call(url) == CallResponse(503, "busy")
    assert len(emulator.requests("limits")) == 6
    # Not what may have been done already, nor what would take too long.
    assert opened.call(url, "POST", "{}").status == 503
    emulator.clear_faults()
    emulator.control("fault", **{**BUSY, "status": 429, "headers": {"Retry-After": "3600"}})
    assert opened.call(url).status == 429
    assert len(emulator.requests("limits")) == 8
    assert logins(forcegrant_org) == 1


def test_retry_after_is_waited_for(calling: Callable[..., Caller], forcegrant_org: Org) -> None:
    opened = calling(call_attempts=2)
    opened.client.token()
    busy = {**BUSY, "status": 429, "headers": {"Retry-After": "1"}}
    forcegrant_org.emulator.control("fault", first=1, **busy)
    begun = time.monotonic()
    assert opened.call(forcegrant_org.instance_url + LIMITS).status == 200
    assert 1.0 <= time.monotonic() - begun < 5.0


def test_a_busy_service_and_a_dead_session_in_one_call(
    calling: Callable[..., Caller], forcegrant_org: Org
) -> None:
    opened = calling(call_attempts=2, call_backoff=(0.001, 0.002))
    opened.client.token()
    forcegrant_org.kill_sessions()
    forcegrant_org.emulator.control("fault", first=1, **BUSY)
    body = "x" * 100_000
    assert opened.call(forcegrant_org.instance_url + LIMITS, "PUT", body).status == 200
    sent = [(r["answered"], r["body_bytes"]) for r in forcegrant_org.emulator.requests("limits")]
    assert [size for _, size in sent] == [len(body)] * 3
    assert [answered for answered, _ in sent][1:] == [401, 200]
    assert logins(forcegrant_org) == 2


def test_trust_is_the_cores(forcegrant_org: Org) -> None:
    client = forcegrant_org.client(trusted_hosts=[".example.com"])
    token = client.token()
    assert client.is_allowed_for(token, token.instance_url + LIMITS)
    assert client.is_allowed_for(token, "https://gateway.example.com/x")
    assert not client.is_allowed_for(token, FOREIGN)
    assert not client.is_allowed_for(token, token.instance_url.replace("https", "http"))


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import forcegrant, sys\n"
        "print({'httpx', 'requests', 'aiohttp', 'grpc', 'simple_salesforce'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


ADAPTERS = {
    "httpx": ("httpx", "httpx_auth"),
    "requests": ("requests", "requests_auth"),
    "aiohttp": ("aiohttp", "aiohttp_middleware"),
    "grpc": ("grpcio", "grpc_auth"),
    "simple_salesforce": ("simple-salesforce", "simple_salesforce"),
}


@pytest.mark.parametrize("library", ADAPTERS)
def test_a_library_that_is_missing_or_old_is_told(
    forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    client = forcegrant_org.client()
    distribution, name = ADAPTERS[library]
    extra = distribution.removesuffix("io")
    monkeypatch.setattr(metadata, "version", lambda given: f"0.1.9rc{len(given)}")
    with pytest.raises(ImportError) as caught:
        getattr(client, name)()
    assert str(caught.value).startswith(f"{distribution} 0.1.9rc{len(distribution)} is too old")
    assert str(caught.value).endswith(f"pip install --upgrade 'forcegrant[{extra}]'")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError) as missing:
        getattr(client, name)()
    message = f"{library} is not installed: pip install 'forcegrant[{extra}]'"
    assert (str(missing.value), missing.value.name) == (message, library)
    assert logins(forcegrant_org) == 0


def test_the_extras_are_those_that_are_told_of() -> None:
    from forcegrant import _extras

    project = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    for extra, (_, _, distribution, oldest) in _extras._EXTRAS.items():
        assert f'{extra} = ["{distribution}>={".".join(map(str, oldest))}"' in project


# The class of a response


def test_classify_response_takes_what_http_clients_give() -> None:
    assert str(classify_response(200)) == "fine"
    judged = classify_response(401, None, EXPIRED)
    assert judged.session_expired
    assert repr(judged) == "<Classification session_expired>"
    assert (judged.retry_after, judged.api_usage) == (None, None)
    usage = "api-usage=25/5000"
    for headers in (
        {"sforce-limit-info": usage},
        {b"Sforce-Limit-Info": usage.encode()},
        [("SFORCE-LIMIT-INFO", usage)],
        httpx.Headers({"Sforce-Limit-Info": usage}),
        requests.structures.CaseInsensitiveDict({"Sforce-Limit-Info": usage}),
    ):
        assert classify_response(200, headers).api_usage == (25, 5000)
    limited = classify_response(429, {"Retry-After": "7"}, b"")
    assert limited.response_class == "rate_limited"
    assert limited.retry_after is not None
    assert limited.retry_after.total_seconds() == 7
    assert (
        classify_response(403, {}, b'[{"errorCode":"API_DISABLED_FOR_ORG"}]').response_class
        == "blocked"
    )
    with pytest.raises(ValueError, match="-1 is no HTTP status"):
        classify_response(-1)
