"""The options of `Client`: each one takes effect, and errors name the wrong one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from forcegrant import Client, ConfigurationError, options
from forcegrant.testing import TestClock


def test_every_option_may_be_none() -> None:
    names = options.ClientOptions.__annotations__
    given: dict[str, Any] = dict.fromkeys(names)
    assert Client("acme.my.salesforce.com", "id", "secret", **given).cached() is None


def test_every_option_has_the_type_that_is_annotated() -> None:
    client = Client(
        "acme.my.salesforce.com",
        "id",
        "secret",
        next_credentials=("id2", "secret2"),
        introspect=True,
        introspection_timeout=2,
        login_budget="none",
        auth_style="basic",
        token_url="https://gateway.example.com/services/oauth2/token",
        trusted_hosts={".example.com"},
        allow_http_loopback=True,
        resolve={"acme.my.salesforce.com": "[::1]:0"},
        roots="bundled",
        proxy="http://127.0.0.1:3128",
        connect_timeout=timedelta(seconds=1),
        attempt_timeout=2,
        total_timeout=3.5,
        max_attempts=1,
        retry_backoff=0.1,
        retry_after_cap=1,
        call_attempts=3,
        call_backoff=(0.1, 1),
        call_retry_after_cap=5,
        session_timeout=timedelta(hours=2),
        refresh_window=60,
        safety_margin=5,
        max_stale=60,
        refusal_backoff=(1, timedelta(seconds=2)),
        transient_backoff=(0, 0),
        store="off",
        store_timeout=0.5,
        clock=TestClock(),
    )
    assert client.login_host == "gateway.example.com"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"total_timeout": -1}, "-1 seconds"),
        ({"total_timeout": float("nan")}, "NaN seconds"),
        ({"total_timeout": float("inf")}, "inf seconds"),
        ({"total_timeout": timedelta(days=-1)}, "-86400 seconds"),
        ({"total_timeout": 0}, "total_timeout"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": -1}, "max_attempts"),
        ({"call_attempts": 0}, "call_attempts"),
        ({"call_backoff": (2, 1)}, "call_backoff"),
        ({"refusal_backoff": (1,)}, "two lengths of time"),
        ({"refusal_backoff": "12"}, "two lengths of time"),
        ({"resolve": {"acme.my.salesforce.com": "localhost:80"}}, "not an IP address"),
        ({"auth_style": "jwt"}, "no style 'jwt'"),
        ({"login_budget": -1}, "login_budget"),
        ({"store": "memcached://hunter22@host"}, "unknown store"),
        ({"store": "file:relative"}, "unknown store"),
        ({"store": "file://host/path"}, "not an absolute path"),
        ({"store_timeout": 0}, "store_timeout"),
        ({"roots": "ca.pem"}, "roots"),
        ({"proxy": "nonsense://"}, "proxy"),
    ],
)
def test_wrong_values_name_the_option(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Client("acme.my.salesforce.com", "id", "secret", **given)
    assert isinstance(caught.value, ValueError)
    assert caught.value.code == "invalid_option"
    assert next(iter(given)) in caught.value.message
    assert text in caught.value.message
    assert caught.value.help


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"total_timeout": "5"}, "'total_timeout': expected a number of seconds or a timedelta"),
        ({"trusted_hosts": "a.example"}, "'trusted_hosts': expected an iterable of str, not str"),
        ({"trusted_hosts": [1]}, "'trusted_hosts': expected a str, not int"),
        ({"resolve": [("a", "b")]}, "'resolve': expected a mapping"),
        ({"login_budget": "no"}, "'login_budget': expected an int, not str"),
        ({"next_credentials": "x"}, "'next_credentials': expected a tuple"),
        ({"clock": 1}, "'clock': expected a forcegrant.testing.TestClock"),
        ({"max_attempts": 1.5}, "'max_attempts': expected an int, not float"),
        ({"allow_http_loopback": "no"}, "'allow_http_loopback': expected a bool, not str"),
        ({"total_timout": None}, "unknown option 'total_timout'"),
    ],
)
def test_wrong_types_are_type_errors(given: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        Client("acme.my.salesforce.com", "id", "secret", **given)


def test_wrong_types_do_not_show_the_value() -> None:
    with pytest.raises(TypeError) as caught:
        Client("acme.my.salesforce.com", "id", b"hunter22")  # type: ignore[arg-type]
    assert "hunter22" not in str(caught.value)
