"""No frame of this package holds a secret or a token when an error leaves it.

Error reporters, and test runners, record the variables of all frames of an error.
"""

from __future__ import annotations

import asyncio
import pickle
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from callers import CALLERS, LIMITS, QUERY, Caller
from disclosures import assert_frames_lack
from forcegrant import AsyncClient, AsyncClientPool, Client, ClientPool
from wires import WIRES, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from forcegrant.testing import Org

DOMAIN = "acme.my.salesforce.com"
SECRET = 'CANARY-ab/c+d=e%f&g"h-5ECRET'
# As Salesforce made them long ago.
OLD_SECRET = "7421893650127746385"
PAIR = ("id", SECRET)

# Python, strings of several kinds where others belong.
CLIENTS: dict[str, Callable[[Any], object]] = {
    "host": lambda cls: cls("evil.example.com", "id", SECRET),
    "secret as host": lambda cls: cls(OLD_SECRET, "id", OLD_SECRET),
    "empty id": lambda cls: cls(DOMAIN, "", SECRET),
    "id of another type": lambda cls: cls(DOMAIN, 7, SECRET),
    "secret of another type": lambda cls: cls(DOMAIN, "id", SECRET.encode()),
    "secret with a surrogate": lambda cls: cls(DOMAIN, "id", SECRET + "\ud800"),
    "secret with a line break": lambda cls: cls(DOMAIN, "id", SECRET + "\n\0" + SECRET),
    "option": lambda cls: cls(DOMAIN, "id", SECRET, attempt_timeout=-1),
    "unknown option": lambda cls: cls(DOMAIN, "id", SECRET, secret=SECRET),
    "name of the secret": lambda cls: cls(DOMAIN, "id", clientSecret=SECRET),
    "two secrets": lambda cls: cls(DOMAIN, "id", SECRET, client_secret=SECRET),
    "too many": lambda cls: cls(DOMAIN, "id", SECRET, SECRET),
    "secret alone": lambda cls: cls(DOMAIN, client_secret=SECRET),
    "second pair": lambda cls: cls(DOMAIN, "id", SECRET, next_credentials=("", SECRET)),
    "second pair of another type": lambda cls: cls(
        DOMAIN, "id", SECRET, next_credentials={"id": SECRET}
    ),
    "callback beside it": lambda cls: cls(DOMAIN, "id", SECRET, credentials_callback=lambda: PAIR),
    "proxy": lambda cls: cls(DOMAIN, "id", SECRET, proxy=f"htp://me:{SECRET}@proxy"),
    "store": lambda cls: cls(DOMAIN, "id", SECRET, store=f"rediss://me:{SECRET}@[h"),
    "environment": lambda cls: cls.from_env(next_credentials=("", SECRET)),
}
POOLS: dict[str, Callable[[Any], object]] = {
    "option of one org": lambda cls: cls(next_credentials=PAIR),
    "secret": lambda cls: cls(client_secret=SECRET),
    "proxy": lambda cls: cls(proxy=f"htp://me:{SECRET}@proxy"),
    "option": lambda cls: cls(max_clients=-1, client_secret=SECRET),
    "inserted host": lambda cls: cls().insert("key", "evil.example.com", "id", SECRET),
    "inserted id": lambda cls: cls().insert("key", DOMAIN, "", SECRET),
    "inserted type": lambda cls: cls().insert("key", DOMAIN, 7, SECRET),
    "set id": lambda cls: cls().set_credentials("key", DOMAIN, "", SECRET),
}
CASES = [
    *[(cls, name, make) for cls in (Client, AsyncClient) for name, make in CLIENTS.items()],
    *[(cls, name, make) for cls in (ClientPool, AsyncClientPool) for name, make in POOLS.items()],
]


@pytest.mark.parametrize(
    ("cls", "make"),
    [case[::2] for case in CASES],
    ids=[f"{cls.__name__}-{name}" for cls, name, _ in CASES],
)
def test_what_is_given_to_a_constructor(
    cls: type, make: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SALESFORCE_LOGIN_URL", raising=False)
    with pytest.raises(Exception, match=r".+") as caught:
        make(cls)
    assert_frames_lack(caught.value, SECRET, OLD_SECRET)
    shown = str(caught.value) + repr(caught.value)
    assert SECRET not in shown
    assert OLD_SECRET not in shown


def test_a_constructor_of_a_subclass() -> None:
    class Mine(AsyncClient):
        __slots__ = ()

    with pytest.raises(ValueError, match="evil") as caught:
        Mine("evil.example.com", "id", SECRET)
    assert assert_frames_lack(caught.value, SECRET) == 1


def token_of(client: Client | AsyncClient) -> None:
    if isinstance(client, AsyncClient):

        async def main() -> None:
            await client.token()

        asyncio.run(main())
    else:
        client.token()


def fails() -> Any:
    kept = SECRET
    raise OSError(len(kept))


def interrupted() -> Any:
    raise KeyboardInterrupt


CALLBACKS: dict[str, Callable[[], Any]] = {
    "wrong pair": lambda: PAIR,
    "three": lambda: (*PAIR, SECRET),
    "list": lambda: [SECRET],
    "dict": lambda: {"client_id": "id", "client_secret": SECRET},
    "bytes": lambda: ("id", SECRET.encode()),
    "empty id": lambda: ("", SECRET),
    "error": fails,
    "interrupt": interrupted,
}


@pytest.mark.parametrize("credentials", CALLBACKS.values(), ids=CALLBACKS)
@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_the_result_of_a_callback(
    cls: Any, credentials: Callable[[], Any], forcegrant_org: Org
) -> None:
    org = forcegrant_org
    client = cls(org.my_domain, **org.options(credentials_callback=credentials))
    with pytest.raises(BaseException, match=r".*") as caught:
        token_of(client)
    assert_frames_lack(caught.value, SECRET)


def test_what_an_async_callback_answers(forcegrant_org: Org) -> None:
    org = forcegrant_org

    async def credentials() -> Any:
        return PAIR

    client = AsyncClient(org.my_domain, **org.options(credentials_callback=credentials))
    with pytest.raises(Exception, match=r".+") as caught:
        token_of(client)
    assert_frames_lack(caught.value, SECRET)


@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_credentials_that_are_replaced(cls: Any, forcegrant_org: Org) -> None:
    org = forcegrant_org
    client = cls(org.my_domain, org.client_id, org.client_secret, **org.options())
    for pair in (("", SECRET), (7, SECRET), ("id", SECRET.encode())):
        with pytest.raises((ValueError, TypeError)) as caught:
            client.set_credentials(*pair)
        assert_frames_lack(caught.value, SECRET)
    client.set_credentials(org.client_id, SECRET)
    with pytest.raises(Exception, match=r".+") as caught:
        token_of(client)
    assert_frames_lack(caught.value, SECRET, org.client_secret)


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest, forcegrant_org: Org) -> Any:
    opened: Caller = request.param(forcegrant_org.client(), forcegrant_org.emulator)
    yield opened
    opened.close()


EXPIRED = '[{"errorCode":"INVALID_SESSION_ID"}]'


def test_calls_that_end_in_errors(caller: Caller, forcegrant_org: Org) -> None:
    emulator, url = forcegrant_org.emulator, forcegrant_org.instance_url + LIMITS
    seen = [caller.client.token().access_token]

    def lack(call: Callable[[], object]) -> int:
        try:
            call()
        except Exception as error:
            cached = caller.client.cached()
            if cached is not None:
                seen.append(cached.access_token)
            assert_frames_lack(error, *seen, forcegrant_org.client_secret)
            return 1
        return 0

    errors = 0

    # The connection ends, and so does the body.
    for kind in ("reset", "cut_body"):
        emulator.control("fault", endpoint="limits", kind=kind)
        errors += lack(lambda: caller.call(url))
        emulator.clear_faults()
    # A redirect that libraries read differently, and one too many.
    for location in (f"https:///{forcegrant_org.my_domain}/x", url):
        emulator.control("fault", endpoint="limits", kind="redirect", status=307, location=location)
        errors += lack(lambda: caller.call(url))
        emulator.clear_faults()
    errors += lack(lambda: caller.call(f"{forcegrant_org.instance_url}\\@evil.example.com/x"))
    # A dead session: a body that is gone; a refusal; the same token again.
    forcegrant_org.kill_sessions()
    errors += lack(lambda: caller.stream(url, "{}"))
    emulator.control("fault", endpoint="limits", kind="status", status=401, body=EXPIRED)
    errors += lack(lambda: caller.call(url))
    emulator.clear_faults()
    caller.client.reset()
    emulator.control("fault", endpoint="limits", kind="status", status=500)
    errors += lack(lambda: caller.raise_for_status(url))
    emulator.clear_faults()
    caller.client.reset()
    refusal = {"error": "invalid_client", "description": "no"}
    emulator.control("fault", endpoint="token", kind="refusal", **refusal)
    errors += lack(lambda: caller.call(url))
    assert errors >= 7


@pytest.mark.parametrize("wired", WIRES)
def test_what_the_adapters_attach_is_not_printed(wired: type[Wire], forcegrant_org: Org) -> None:
    wire = wired(forcegrant_org.client())
    token = wire.client.token().access_token
    wire.send(forcegrant_org.instance_url + LIMITS)
    assert wire.sent[0].has_token
    for printed in wire.printed:
        assert token not in printed
    assert len(wire.printed) == 1


def test_what_simple_salesforce_prints(
    forcegrant_org: Org, caplog: pytest.LogCaptureFixture
) -> None:
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": forcegrant_org.emulator.proxy}
    session.verify = str(forcegrant_org.emulator.ca_file())
    client = forcegrant_org.client()
    caplog.set_level("DEBUG")
    with session:
        salesforce: Any = client.simple_salesforce(session=session, version="67.0")
        token = client.token().access_token
        assert salesforce.session_id == token
        salesforce.query("SELECT Id FROM User")
        assert salesforce.mdapi.describe_metadata().partialSaveAllowed
    bulk, bulk2, mdapi = salesforce.bulk, salesforce.bulk2, salesforce.mdapi
    for shown in (salesforce, bulk, bulk2, mdapi, salesforce.User):
        assert token not in repr(vars(shown))
        assert token not in repr(shown)
    assert token not in repr(mdapi._session_header)
    assert token not in caplog.text
    forcegrant_org.emulator.control("fault", endpoint="query", kind="status", status=500)
    with pytest.raises(Exception, match=r".+") as caught:
        salesforce.query("SELECT Id FROM User")
    assert_frames_lack(caught.value, token)
    assert token not in repr(vars(caught.value))


def test_a_pickled_request_of_httpx_has_no_token(forcegrant_org: Org) -> None:
    emulator = forcegrant_org.emulator
    client = forcegrant_org.client()
    token = client.token()
    tls = ssl.create_default_context(cadata=emulator.ca_pem)
    with httpx.Client(auth=client.httpx_auth(), proxy=emulator.proxy, verify=tls) as http:
        response = http.get(
            forcegrant_org.instance_url + QUERY, params={"q": "SELECT Id FROM User"}
        )
    assert response.request.headers["Authorization"] == token.authorization
    stored = pickle.dumps(response)
    assert token.access_token.encode() not in stored
    found = pickle.loads(stored)
    assert type(found.request) is httpx.Request
    assert (found.json(), found.request.url) == (response.json(), response.request.url)
    assert response.request.headers["Authorization"] == token.authorization
