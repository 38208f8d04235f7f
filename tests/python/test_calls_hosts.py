"""A token goes only to hosts that the core has checked, also if parsers read a URL differently."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from yarl import URL

from wires import (
    WIRES,
    AiohttpWire,
    BulkWire,
    HttpxWire,
    RequestsWire,
    Sent,
    SoapWire,
    Wire,
    origin_of,
)

if TYPE_CHECKING:
    from forcegrant.testing import Org

LIMITS = "/services/data/v67.0/limits"
EVIL = "https://evil.example.com"
HOSTILE: list[str] = json.loads(
    (Path(__file__).resolve().parents[1] / "hostile-urls.json").read_text()
)


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest, forcegrant_org: Org) -> Wire:
    wire: Wire = request.param(forcegrant_org.client(trusted_hosts=[".trusted.example"]))
    wire.client.token()
    return wire


def filled(text: str, org: Org) -> str:
    host = org.instance_url.removeprefix("https://")
    return text.replace("{instance}", org.instance_url).replace("{host}", host)


def check(sent: list[Sent], org: Org) -> int:
    """Count the requests with the token; it must be in none to another host."""
    for request in sent:
        if request.has_token:
            scheme, host, _ = request.origin
            assert request.origin == origin_of(request.url)
            assert scheme == "https", request
            if host.endswith(".trusted.example"):
                continue
            assert request.origin == origin_of(org.instance_url), request
    return sum(request.has_token for request in sent)


def test_hostile_addresses_of_calls(wire: Wire, forcegrant_org: Org) -> None:
    carried = [check(wire.send(filled(text, forcegrant_org)), forcegrant_org) for text in HOSTILE]
    # Some are harmless: without the token there, this would test nothing.
    assert sum(carried) > 15


def test_hostile_redirects(wire: Wire, forcegrant_org: Org) -> None:
    carried = []
    for text in HOSTILE:
        sent = wire.send(forcegrant_org.instance_url + LIMITS, filled(text, forcegrant_org))
        assert sent[0].has_token
        carried.append(check(sent, forcegrant_org))
    assert sum(carried) > len(HOSTILE) + 10


def test_a_foreign_host_that_redirects_back_gets_nothing_done(
    wire: Wire, forcegrant_org: Org
) -> None:
    url = forcegrant_org.instance_url + LIMITS
    sent = [request.has_token for request in wire.send(url, EVIL + "/x", url)]
    # For aiohttp each hop is a request of its own, which nothing connects with those before.
    assert sent == [True, False, isinstance(wire, AiohttpWire)]


@pytest.mark.parametrize("wired", [RequestsWire, BulkWire, SoapWire])
@pytest.mark.parametrize(
    ("location", "has_token"), [("/y", True), ("////evil.example.com/x", False)]
)
def test_a_redirect_after_a_new_token(
    wired: type[Wire], location: str, has_token: bool, forcegrant_org: Org
) -> None:
    """requests makes the next request after the first one, which had the dead token."""
    wire = wired(forcegrant_org.client())
    dead = wire.client.token()
    forcegrant_org.kill_sessions()
    wire.dead = 1
    sent = wire.send(forcegrant_org.instance_url + LIMITS, location)
    token = wire.client.token()
    assert token is not dead
    # The wire asks for the present token when a request arrives.
    assert [request.has_token for request in sent] == [True, True, has_token]


@pytest.mark.parametrize("wired", [HttpxWire, AiohttpWire])
@pytest.mark.parametrize("base", ["{instance}", "{instance}/a/b", EVIL + "/a"])
def test_hostile_addresses_below_a_base(wired: type[Wire], base: str, forcegrant_org: Org) -> None:
    wire = wired(forcegrant_org.client())
    base = filled(base, forcegrant_org).rstrip("/")
    carried = 0
    for text in HOSTILE:
        url = filled(text, forcegrant_org)
        if isinstance(wire, HttpxWire):
            wire.http.base_url = httpx.URL(base)
            sent = wire.send(url)
        else:
            sent = wire.send(url, base_url=base + "/")
        carried += check(sent, forcegrant_org)
    assert carried > 10


# Unusual forms

PIECES = [
    "{host}",
    "{instance}",
    "evil.example.com",
    "x.trusted.example",
    *"@\\/:?#.[]%-_*;&=|^`{}<>\"' \t\n\r\0",
    *["443", "8443", "::1", "user", "xn--", "..", "//", "\\\\", "@@", ":@"],
    *["%2F", "%5C", "%40", "%3A", "%00", "%2e", "%09", "%25"],
    *"\u3002\uff0e\uff0f\uff3c\uff20\uff1a\uff03\uff1f\u00ad\u200b\ufeff\u017f\u00e9\u0430\u2100\u3000",
]
STARTS = ["https://", "https:/", "https:", "https:///", "https:////", "https:\\\\", "HTTPS://"]
STARTS += ["http://", "//", "/", "////", "\\\\", "/\\", " https://", "\thttps://", ""]
hostile = st.one_of(
    st.builds(
        lambda start, pieces: start + "".join(pieces),
        st.sampled_from(STARTS),
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=8),
    ),
    st.builds(
        lambda text, at, piece: text[:at] + piece + text[at:],
        st.sampled_from(HOSTILE),
        st.integers(0, 60),
        st.sampled_from(PIECES),
    ),
)
examples = settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@examples
@given(text=hostile)
def test_any_address_of_a_call(wire: Wire, forcegrant_org: Org, text: str) -> None:
    check(wire.send(filled(text, forcegrant_org)), forcegrant_org)


@examples
@given(text=hostile)
def test_any_redirect(wire: Wire, forcegrant_org: Org, text: str) -> None:
    sent = wire.send(forcegrant_org.instance_url + LIMITS, filled(text, forcegrant_org))
    assert check(sent, forcegrant_org) >= 1


@examples
@given(text=hostile)
@example(text="{instance}")
def test_any_service_of_grpc(forcegrant_org: Org, text: str) -> None:
    """gRPC connects to the target of the channel, and names it in this URL."""
    client = forcegrant_org.client()
    client.token()
    brought: list[Any] = []
    url = filled(text, forcegrant_org)
    context: Any = SimpleNamespace(service_url=url, method_name="m")
    callback: Any = lambda metadata, error: brought.extend([metadata, error])  # noqa: E731
    client.grpc_auth()(context, callback)
    metadata, error = brought
    if error is None:
        assert metadata
        assert origin_of(url.lower()) == origin_of(forcegrant_org.instance_url)
    assert (error is None) == bool(metadata)
    assert error is None or text != "{instance}"


# What changes a request that is prepared


def test_a_prepared_request_of_requests_that_gets_another_address(forcegrant_org: Org) -> None:
    wire = RequestsWire(forcegrant_org.client())
    url = forcegrant_org.instance_url + LIMITS
    prepared = wire.http.prepare_request(requests.Request("GET", url))
    for request in (prepared.copy(), prepared.copy().copy(), prepared):
        assert "Authorization" in request.headers
        request.url = EVIL
        assert "Authorization" not in request.headers
        request.url = url
        assert "Authorization" not in request.headers, "what was taken off stays off"
        wire.http.send(request)
    assert [sent.has_token for sent in wire.sent] == [False, False, False]
    shallow = copy.copy(wire.http.prepare_request(requests.Request("GET", url)))
    assert "Authorization" in shallow.headers
    shallow.url = EVIL
    assert "Authorization" not in shallow.headers
    own = wire.http.prepare_request(requests.Request("GET", url))
    own.headers["Authorization"] = "Basic mine"
    own.url = EVIL
    assert own.headers["Authorization"] == "Basic mine"


def test_a_hook_of_httpx_that_sets_another_address(forcegrant_org: Org) -> None:
    wire = HttpxWire(forcegrant_org.client())

    def hook(request: httpx.Request) -> None:
        request.url = httpx.URL(EVIL)

    wire.http.event_hooks = {"request": [hook]}
    (sent,) = wire.send(forcegrant_org.instance_url + LIMITS)
    assert (sent.origin[1], sent.has_token) == ("evil.example.com", False)


def test_a_middleware_of_aiohttp_that_sets_another_address(forcegrant_org: Org) -> None:
    wire = AiohttpWire(forcegrant_org.client())

    async def elsewhere(request: Any, handler: Any) -> Any:
        request.url = URL(EVIL)
        return await handler(request)

    (sent,) = wire.send(forcegrant_org.instance_url + LIMITS, middlewares=[elsewhere])
    assert (sent.origin[1], sent.has_token) == ("evil.example.com", False)


def test_a_raw_target_does_not_say_where_to_connect(forcegrant_org: Org) -> None:
    wire = HttpxWire(forcegrant_org.client())
    for target in (b"https://evil.example.com/x", b"//evil.example.com", b"@evil.example.com"):
        url = forcegrant_org.instance_url + LIMITS
        wire.send(url, extensions={"target": target})
        assert wire.sent[0].origin == origin_of(forcegrant_org.instance_url)


def test_a_netrc_gives_nobody_the_token(
    forcegrant_org: Org, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = forcegrant_org.instance_url.removeprefix("https://")
    netrc = tmp_path / "netrc"
    lines = [f"machine {name} login a password b\n" for name in (host, "evil.example.com")]
    netrc.write_text("".join(lines))
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    wire = RequestsWire(forcegrant_org.client())
    for locations in ([EVIL], ["https:////evil.example.com/x"], ["/y"], []):
        sent = wire.send(forcegrant_org.instance_url + LIMITS, *locations)
        assert sent[0].has_token
        check(sent, forcegrant_org)
