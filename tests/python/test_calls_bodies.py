"""Bodies of API calls, and other tests of single HTTP clients."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests

from callers import JOBS, LIMITS, Aiohttp, AsyncHttpx, Httpx, Requests
from forcegrant import ReplayError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forcegrant.testing import Org


@pytest.fixture
def jobs(forcegrant_org: Org) -> str:
    """The URL of jobs; the session of the client has ended by then."""
    return forcegrant_org.instance_url + JOBS


def killed(caller: Any, org: Org) -> Any:
    caller.client.token()
    org.kill_sessions()
    return caller


def sizes(org: Org) -> list[int]:
    return [request["body_bytes"] for request in org.emulator.requests("bulk")]


class Gone(io.RawIOBase):
    """A file that can be read once, such as a pipe."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


@pytest.fixture
def files() -> Iterator[list[Any]]:
    """Files of each kind, with the same content."""
    with tempfile.TemporaryFile() as file:
        file.write(b"a,b\n1,2\n")
        file.seek(0)
        yield [b"a,b\n1,2\n", io.BytesIO(b"a,b\n1,2\n"), file]


def test_httpx_sends_multipart_bodies_again(
    forcegrant_org: Org, jobs: str, files: list[Any]
) -> None:
    caller = Httpx(forcegrant_org.client(), forcegrant_org.emulator)
    for file in files:
        killed(caller, forcegrant_org)
        upload = {"file": ("a.csv", file, "text/csv")}
        assert caller.http.post(jobs, data={"name": "x"}, files=upload).status_code == 200
    sent = sizes(forcegrant_org)
    assert len(sent) == 6
    assert len(set(sent)) == 1
    caller.close()


def test_async_httpx_sends_multipart_bodies_again(
    forcegrant_org: Org, jobs: str, files: list[Any]
) -> None:
    caller = AsyncHttpx(forcegrant_org.client(), forcegrant_org.emulator)
    for file in files:
        killed(caller, forcegrant_org)
        (response,) = asyncio.run(caller.send("POST", jobs, files={"file": ("a.csv", file)}))
        assert response.status == 200
    sent = sizes(forcegrant_org)
    assert len(sent) == 6
    assert len(set(sent)) == 1


def test_httpx_does_not_send_a_multipart_body_again_that_is_gone(
    forcegrant_org: Org, jobs: str
) -> None:
    caller = killed(Httpx(forcegrant_org.client(), forcegrant_org.emulator), forcegrant_org)
    upload = {"first": ("a", b"text"), "second": ("b", Gone(b"content"))}
    with pytest.raises(ReplayError):
        caller.http.post(jobs, files=upload)
    assert len(sizes(forcegrant_org)) == 1
    caller.close()


# httpx announces the length of the whole file, so there it may start at the beginning only.
@pytest.mark.parametrize(("kind", "start"), [(Httpx, 0), (Requests, 8), (Aiohttp, 8)])
def test_a_file_is_sent_again_from_where_it_began(
    forcegrant_org: Org, jobs: str, kind: type[Any], start: int
) -> None:
    caller = killed(kind(forcegrant_org.client(), forcegrant_org.emulator), forcegrant_org)
    with tempfile.TemporaryFile() as file:
        file.write(b"skipped,sent")
        file.seek(start)
        assert caller.call(jobs, "POST", file).status == 200
    assert sizes(forcegrant_org) == [12 - start] * 2
    caller.close()


@pytest.mark.parametrize("kind", [Httpx, Requests, Aiohttp])
def test_a_pipe_is_not_sent_again(forcegrant_org: Org, jobs: str, kind: type[Any]) -> None:
    caller = killed(kind(forcegrant_org.client(), forcegrant_org.emulator), forcegrant_org)
    with pytest.raises(ReplayError):
        caller.call(jobs, "POST", io.BufferedReader(Gone(b"once")))
    assert sizes(forcegrant_org) == [4]
    caller.close()


def test_aiohttp_sends_forms_again(forcegrant_org: Org, jobs: str) -> None:
    caller = killed(Aiohttp(forcegrant_org.client(), forcegrant_org.emulator), forcegrant_org)
    form = aiohttp.FormData()
    form.add_field("name", "x")
    form.add_field("file", io.BytesIO(b"a,b\n"), filename="a.csv")
    assert caller.call(jobs, "POST", form).status == 200
    first, second = sizes(forcegrant_org)
    assert first == second > 0


def test_a_header_of_the_callers_own_is_left_alone(forcegrant_org: Org) -> None:
    own, url = {"Authorization": "Bearer mine"}, forcegrant_org.instance_url + LIMITS
    for kind in (Httpx, Requests):
        caller = kind(forcegrant_org.client(), forcegrant_org.emulator)
        assert caller.call(url, headers=own).status == 401
        caller.close()
    for asynchronous in (AsyncHttpx, Aiohttp):
        sender = asynchronous(forcegrant_org.client(), forcegrant_org.emulator)
        assert asyncio.run(sender.send("GET", url, headers=own))[0].status == 401
    headers = [r["headers"]["authorization"] for r in forcegrant_org.emulator.requests("limits")]
    assert headers == ["Bearer mine"] * 4
    assert forcegrant_org.emulator.counters()["token_requests"] == 0


def test_a_redirect_of_a_renewed_call_stays_renewed(forcegrant_org: Org) -> None:
    """requests makes the next request after the first one, which had the dead token."""
    caller = killed(Requests(forcegrant_org.client(), forcegrant_org.emulator), forcegrant_org)
    location = f"{forcegrant_org.instance_url}/services/data/v67.0/query?q=SELECT+Id+FROM+User"
    forcegrant_org.emulator.control(
        "fault", endpoint="limits", kind="redirect", status=302, location=location, skip=1
    )
    assert caller.call(forcegrant_org.instance_url + LIMITS).status == 200
    assert len(forcegrant_org.emulator.requests("query")) == 1
    caller.close()


def test_a_prepared_request_can_be_sent_any_number_of_times(forcegrant_org: Org) -> None:
    caller = Requests(forcegrant_org.client(), forcegrant_org.emulator)
    request = requests.Request("GET", forcegrant_org.instance_url + LIMITS)
    prepared = caller.http.prepare_request(request)
    options: Any = caller.http.merge_environment_settings(prepared.url or "", {}, None, None, None)
    forcegrant_org.kill_sessions()
    for _ in range(3):
        assert caller.http.send(prepared, **options).status_code == 200
    assert forcegrant_org.emulator.counters()["token_requests"] == 2
    caller.close()


def test_httpx_hands_out_a_body_that_is_streamed(forcegrant_org: Org) -> None:
    caller = killed(Httpx(forcegrant_org.client(), forcegrant_org.emulator), forcegrant_org)
    with caller.http.stream("GET", forcegrant_org.instance_url + LIMITS) as response:
        assert not response.is_closed
        assert json.loads(response.read())["DailyApiRequests"]
    caller.close()


def test_httpx_keeps_what_was_answered_before(forcegrant_org: Org) -> None:
    client = forcegrant_org.client(call_attempts=2, call_backoff=(0.001, 0.001))
    caller = killed(Httpx(client, forcegrant_org.emulator), forcegrant_org)
    forcegrant_org.emulator.fault("limits", "503_html", first=1)
    response = caller.http.get(forcegrant_org.instance_url + LIMITS)
    assert [before.status_code for before in response.history] == [503, 401]
    assert httpx.codes.is_success(response.status_code)
    caller.close()
