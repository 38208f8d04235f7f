"""No form of a secret is shown when a server repeats the whole request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from disclosures import assert_frames_lack, fields, forms, texts
from echo import RESPONSES, TOKEN, EchoServer
from forcegrant import AsyncClient, AsyncClientPool, Client, ClientPool, ForcegrantError

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "3MVG9canary.client_id"
SECRETS = {
    "signs": 'CANARY/ab+cd=ef%gh&ij"kl-5ECRET',
    "letters": "CANARYäöü€5ECRETéß",
    "hexadecimal": "C0FFEE" * 10 + "CAFE",
}
QUICK: dict[str, Any] = {"max_attempts": 2, "retry_backoff": 0.001, "retry_after_cap": 0.001}


class Shown:
    """All texts that were shown."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.texts: list[str] = []
        self.caplog = caplog
        caplog.set_level(logging.DEBUG)

    def event(self, event: object) -> None:
        self.texts += fields(event)

    def error(self, error: BaseException) -> None:
        if isinstance(error, ForcegrantError):
            self.texts += texts(error)

    def lacks(self, *needles: str) -> None:
        for record in self.caplog.records:
            self.texts += [record.getMessage(), *fields(record)]
        assert len("".join(self.texts)) > 500, "nothing was collected"
        for text in self.texts:
            for needle in needles:
                assert needle not in text


def blocking(server: EchoServer, secret: str, shown: Shown, **options: Any) -> None:
    client = Client(server.url, ID, secret, on_event=shown.event, **options)
    steps: list[Callable[[], object]] = [client.token, client.token, client.verify, client.token]
    for step in steps:
        collect(step, shown, secret)
        shown.texts += fields(client.status())
    shown.texts += [repr(client), str(client)]


def waiting(server: EchoServer, secret: str, shown: Shown, **options: Any) -> None:
    client = AsyncClient(server.url, ID, secret, on_event=shown.event, **options)

    async def main(step: Any) -> None:
        await step()

    steps: list[Callable[[], object]] = [client.token, client.verify, client.token]
    for step in steps:
        collect(partial(asyncio.run, main(step)), shown, secret)
        shown.texts += fields(client.status())


def pool(server: EchoServer, secret: str, shown: Shown, **options: Any) -> None:
    pool = ClientPool(on_event=shown.event, **options)
    pool.insert("key", server.url, ID, secret)
    collect(lambda: pool.token("key"), shown, secret)
    warm = pool.prewarm(["key"])
    shown.texts += [*fields(warm), *fields(pool.status("key")), repr(pool.statuses())]
    with contextlib.suppress(ForcegrantError):
        pool.client("key").token()
    other = AsyncClientPool(
        on_event=shown.event, credentials_callback=lambda _: (server.url, ID, secret), **options
    )

    async def main() -> None:
        await other.token("key")

    collect(lambda: asyncio.run(main()), shown, secret)
    shown.texts += fields(other.status("key"))


def calling_back(server: EchoServer, secret: str, shown: Shown, **options: Any) -> None:
    pairs = {"current": (ID, secret), "next": (ID + "2", secret[::-1])}
    client = Client(server.url, on_event=shown.event, credentials_callback=lambda: pairs, **options)
    collect(client.token, shown, secret)
    client = Client(server.url, ID, secret, on_event=shown.event, **options)
    client.set_credentials(ID, secret + "x", next_credentials=(ID, secret[::-1]))
    collect(client.token, shown, secret)
    shown.texts += fields(client.status())


def adapters(server: EchoServer, secret: str, shown: Shown, **options: Any) -> None:
    import httpx
    import requests

    client = Client(server.url, ID, secret, on_event=shown.event, **options)
    url = "https://acme.my.salesforce.com/x"
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    with httpx.Client(auth=client.httpx_auth(), transport=transport) as http:
        collect(lambda: http.get(url), shown, secret)
    request = requests.Request("GET", url, auth=client.requests_auth())
    collect(request.prepare, shown, secret)
    collect(client.simple_salesforce, shown, secret)


def collect(step: Callable[[], object], shown: Shown, secret: str) -> None:
    """Take a step, which may end in an error."""
    try:
        step()
    except Exception as error:
        assert_frames_lack(error, secret)
        del secret
        # Without this frame, and those of the caller.
        shown.error(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))


WAYS = [blocking, waiting, pool, calling_back, adapters]
CASES = [
    *[(way, "signs") for way in WAYS],
    *[(blocking, name) for name in SECRETS if name != "signs"],
]


@pytest.mark.parametrize("style", ["body", "basic"])
@pytest.mark.parametrize(
    ("way", "name"), CASES, ids=[f"{way.__name__}-{name}" for way, name in CASES]
)
def test_a_server_that_repeats_the_request(
    way: Any, style: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = SECRETS[name]
    for response in RESPONSES.values():
        shown = Shown(caplog)
        with EchoServer(response) as server:
            options = {**QUICK, "auth_style": style, "allow_http_loopback": True, "proxy": None}
            way(server, secret, shown, store="off", **options)
            assert server.requests
        needles = [*forms(ID, secret), *forms(ID, secret[::-1]), *forms(ID, secret + "x"), TOKEN]
        shown.lacks(*needles)
        caplog.clear()


def test_the_server_repeats_what_it_should(caplog: pytest.LogCaptureFixture) -> None:
    """Shows that the server of the test above repeats the secret."""
    import httpx

    del caplog
    secret = SECRETS["signs"]
    with EchoServer(RESPONSES["description"]) as server:
        response = httpx.post(
            server.url, data={"client_secret": secret}, auth=(ID, secret), trust_env=False
        )
    for form in (secret, forms(ID, secret)[1], forms(ID, secret)[-3]):
        assert form in response.json()["error_description"]


def test_a_pickled_error_is_whole() -> None:
    with EchoServer(RESPONSES["description"]) as server:
        client = Client(
            server.url, ID, SECRETS["signs"], allow_http_loopback=True, proxy=None, store="off"
        )
        with pytest.raises(ForcegrantError) as caught:
            client.token()
    found = pickle.loads(pickle.dumps(caught.value))
    assert (str(found), vars(found)) == (str(caught.value), vars(caught.value))
    assert "[redacted]" in found.oauth_description
