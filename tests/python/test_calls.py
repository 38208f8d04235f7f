"""Calls through the HTTP clients that people use, with a token that renews itself."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
import requests

from forcegrant import ReplayError, TokenRejectedError, verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from forcegrant import Client
    from forcegrant.testing import Emulator, Org

LIMITS = "/services/data/v67.0/limits"
JOBS = "/services/data/v67.0/jobs/ingest"
FOREIGN = "https://acme--uat.sandbox.my.salesforce.com"
EXPIRED = '[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]'


class Answer(NamedTuple):
    status: int
    text: str


class Caller:
    """One way of calling; `stream` is a body that can be read once."""

    def __init__(self, client: Client, emulator: Emulator) -> None:
        self.client, self.emulator = client, emulator

    def call(self, url: str, method: str = "GET", body: str | None = None) -> Answer:
        raise NotImplementedError

    def stream(self, url: str, body: str) -> Answer:
        raise NotImplementedError

    def many(self, url: str, count: int) -> list[Answer]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.call(url), range(count)))

    def close(self) -> None:
        """Close what is open."""


class Httpx(Caller):
    def __init__(self, client: Client, emulator: Emulator) -> None:
        super().__init__(client, emulator)
        self.http = httpx.Client(
            auth=client.httpx_auth(),
            proxy=emulator.proxy,
            verify=ssl.create_default_context(cadata=emulator.ca_pem),
            follow_redirects=True,
            timeout=30,
            limits=httpx.Limits(max_connections=200),
        )

    def call(self, url: str, method: str = "GET", body: str | None = None) -> Answer:
        answer = self.http.request(method, url, content=body)
        return Answer(answer.status_code, answer.text)

    def stream(self, url: str, body: str) -> Answer:
        def content() -> Iterator[bytes]:
            yield body.encode()

        answer = self.http.post(url, content=content())
        return Answer(answer.status_code, answer.text)

    def close(self) -> None:
        self.http.close()


class AsyncHttpx(Caller):
    """Every call in a loop of its own."""

    def __init__(self, client: Client, emulator: Emulator) -> None:
        super().__init__(client, emulator)
        self.auth = client.async_client().httpx_auth()

    async def send(self, *args: Any, count: int = 1, **kwargs: Any) -> list[Answer]:
        async with httpx.AsyncClient(
            auth=self.auth,
            proxy=self.emulator.proxy,
            verify=ssl.create_default_context(cadata=self.emulator.ca_pem),
            follow_redirects=True,
            timeout=30,
            limits=httpx.Limits(max_connections=200),
        ) as http:
            calls = [http.request(*args, **kwargs) for _ in range(count)]
            answers = await asyncio.gather(*calls)
            return [Answer(answer.status_code, answer.text) for answer in answers]

    def call(self, url: str, method: str = "GET", body: str | None = None) -> Answer:
        return asyncio.run(self.send(method, url, content=body))[0]

    def stream(self, url: str, body: str) -> Answer:
        async def content() -> AsyncIterator[bytes]:
            yield body.encode()

        return asyncio.run(self.send("POST", url, content=content()))[0]

    def many(self, url: str, count: int) -> list[Answer]:
        return asyncio.run(self.send("GET", url, count=count))


class Requests(Caller):
    def __init__(self, client: Client, emulator: Emulator) -> None:
        super().__init__(client, emulator)
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.auth = client.requests_auth()
        self.http.proxies = {"https": emulator.proxy}
        self.http.verify = str(emulator.ca_file())

    def call(self, url: str, method: str = "GET", body: Any = None) -> Answer:
        answer = self.http.request(method, url, data=body, timeout=30)
        return Answer(answer.status_code, answer.text)

    def stream(self, url: str, body: str) -> Answer:
        answer = self.http.post(url, data=iter([body.encode()]), timeout=30)
        return Answer(answer.status_code, answer.text)

    def close(self) -> None:
        self.http.close()


@pytest.fixture(params=[Httpx, AsyncHttpx, Requests])
def opened(request: pytest.FixtureRequest, forcegrant_org: Org) -> Iterator[Caller]:
    caller = request.param(forcegrant_org.client(), forcegrant_org.emulator)
    yield caller
    caller.close()


def logins(org: Org) -> int:
    return org.emulator.counters()["token_requests"]


def dead(org: Org, **params: Any) -> None:
    answer = {"status": 401, "body": EXPIRED, "content_type": "application/json", **params}
    org.emulator.control("fault", endpoint="limits", kind="status", **answer)


def test_a_call_carries_the_token(opened: Caller, forcegrant_org: Org) -> None:
    answer = opened.call(forcegrant_org.instance_url + LIMITS)
    assert answer.status == 200
    assert json.loads(answer.text)["DailyApiRequests"]["Max"] == 15_000
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
    answers = opened.many(forcegrant_org.instance_url + LIMITS, 100)
    assert {answer.status for answer in answers} == {200}
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
    query = f"{FOREIGN}/services/data/v67.0/query"
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
    assert logins(forcegrant_org) == 1, "another origin's answer says nothing about the token"
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


def test_a_fresh_token_that_is_refused_too_ends_in_the_answer(
    opened: Caller, forcegrant_org: Org
) -> None:
    forcegrant_org.configure(app={"distinct_tokens": True})
    dead(forcegrant_org)
    assert opened.call(forcegrant_org.instance_url + LIMITS) == Answer(401, EXPIRED)
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
    assert opened.call(forcegrant_org.instance_url + LIMITS) == Answer(status, body)
    assert len(forcegrant_org.emulator.requests("limits")) == 1
    assert logins(forcegrant_org) == 1
    assert opened.client.status().state == "fresh"


def test_a_403_is_never_repeated(opened: Caller, forcegrant_org: Org) -> None:
    dead(forcegrant_org, status=403, body="Bad_OAuth_Token")
    assert opened.call(forcegrant_org.instance_url + LIMITS).status == 403
    assert len(forcegrant_org.emulator.requests("limits")) == 1
    assert opened.client.cached() is None


def test_a_header_of_the_callers_own_is_left_alone(forcegrant_org: Org) -> None:
    own = {"Authorization": "Bearer mine"}
    for cls in (Httpx, Requests):
        caller = cls(forcegrant_org.client(), forcegrant_org.emulator)
        answer = caller.http.get(forcegrant_org.instance_url + LIMITS, headers=own)
        assert answer.status_code == 401
        caller.close()
    headers = [r["headers"]["authorization"] for r in forcegrant_org.emulator.requests("limits")]
    assert headers == ["Bearer mine"] * 2
    assert logins(forcegrant_org) == 0


def test_requests_sends_a_file_again_from_where_it_began(forcegrant_org: Org) -> None:
    caller = Requests(forcegrant_org.client(), forcegrant_org.emulator)
    caller.client.token()
    forcegrant_org.kill_sessions()
    file = io.BytesIO(b"skipped,sent")
    file.seek(8)
    assert caller.call(forcegrant_org.instance_url + JOBS, "POST", file).status == 200
    assert [r["body_bytes"] for r in forcegrant_org.emulator.requests("bulk")] == [4, 4]
    caller.close()


def test_httpx_hands_out_a_body_that_is_streamed(forcegrant_org: Org) -> None:
    caller = Httpx(forcegrant_org.client(), forcegrant_org.emulator)
    caller.client.token()
    forcegrant_org.kill_sessions()
    with caller.http.stream("GET", forcegrant_org.instance_url + LIMITS) as answer:
        assert not answer.is_closed
        assert json.loads(answer.read())["DailyApiRequests"]
    caller.close()


def test_trust_is_the_cores(forcegrant_org: Org) -> None:
    client = forcegrant_org.client(trusted_hosts=[".example.com"])
    token = client.token()
    assert client.may_carry(token, token.instance_url + LIMITS)
    assert client.may_carry(token, "https://gateway.example.com/x")
    assert not client.may_carry(token, FOREIGN)
    assert not client.may_carry(token, token.instance_url.replace("https", "http"))


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import forcegrant, sys; print({'httpx', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# The verdict


def test_verdict_takes_what_http_clients_give() -> None:
    assert str(verdict(200)) == "fine"
    judged = verdict(401, None, EXPIRED)
    assert judged.session_expired
    assert repr(judged) == "<Verdict session_expired>"
    assert (judged.retry_after, judged.api_usage) == (None, None)
    usage = "api-usage=25/5000"
    for headers in (
        {"sforce-limit-info": usage},
        {b"Sforce-Limit-Info": usage.encode()},
        [("SFORCE-LIMIT-INFO", usage)],
        httpx.Headers({"Sforce-Limit-Info": usage}),
        requests.structures.CaseInsensitiveDict({"Sforce-Limit-Info": usage}),
    ):
        assert verdict(200, headers).api_usage == (25, 5000)
    limited = verdict(429, {"Retry-After": "7"}, b"")
    assert limited.word == "rate_limited"
    assert limited.retry_after is not None
    assert limited.retry_after.total_seconds() == 7
    assert verdict(403, {}, b'[{"errorCode":"API_DISABLED_FOR_ORG"}]').word == "blocked"
    with pytest.raises(ValueError, match="-1 is no HTTP status"):
        verdict(-1)
