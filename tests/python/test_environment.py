"""The environment is `os.environ`, with all changes by a program or a test."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from forcegrant import (
    AsyncClient,
    Client,
    ClientPool,
    ConfigurationError,
    TransportError,
)

if TYPE_CHECKING:
    from forcegrant.testing import Org


def plain(org: Org, **more: Any) -> dict[str, Any]:
    """Give options with the proxy of the environment."""
    options: dict[str, Any] = dict(org.options(store="off", **more))
    options["proxy"] = "env"
    return options


def test_variables_that_a_program_sets(
    forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = forcegrant_org
    with mock.patch.dict(os.environ, org.environment()):
        assert Client.from_env(**org.options()).token().org_id == org.org_id
    with pytest.raises(ConfigurationError, match="SALESFORCE_LOGIN_URL"):
        Client.from_env(**org.options())
    monkeypatch.setenv("https_proxy", "htp://me:hunter22@x")
    with pytest.raises(ConfigurationError, match="https_proxy") as caught:
        org.client(proxy="env")
    assert "hunter22" not in str(caught.value)


def test_a_mapping_in_its_place(forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    org = forcegrant_org
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "of the process")
    with mock.patch.object(os, "environ", {**org.environment(), "HTTPS_PROXY": org.emulator.proxy}):
        for kind in (Client, AsyncClient):
            kind.from_env(**plain(org))
        assert Client.from_env(**plain(org)).token().org_id == org.org_id
    assert org.emulator.counters()["connects"] == 1
    with (
        mock.patch.object(os, "environ", {"HTTPS_PROXY": "foo:bar:baz"}),
        pytest.raises(ConfigurationError, match="HTTPS_PROXY"),
    ):
        ClientPool(proxy="env")


def test_the_usual_one_is_read_again_for_a_refused_login(
    forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = forcegrant_org
    for name, value in org.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "0" * 64)
    client = Client.from_env(**org.options())
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", org.client_secret)
    assert client.token().org_id == org.org_id


def test_bytes_that_are_no_text(forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    org = forcegrant_org
    broken = os.fsdecode(b"canary\xff")
    for name, value in org.environment().items():
        monkeypatch.setenv(name, value)
    for environ in (os.environ, {**org.environment()}):
        with mock.patch.object(os, "environ", environ):
            os.environ["SALESFORCE_CLIENT_SECRET"] = broken
            with pytest.raises(ConfigurationError, match="SALESFORCE_CLIENT_SECRET") as caught:
                Client.from_env(**org.options())
        assert caught.value.code == "invalid_option"
        assert "canary" not in str(caught.value)


def test_a_refused_proxy_user_is_a_transport_error(
    forcegrant_org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = forcegrant_org
    org.emulator.control("fault", endpoint="connect", kind="status", params={"status": 407})
    monkeypatch.setenv("HTTPS_PROXY", org.emulator.proxy)
    with pytest.raises(TransportError, match="HTTPS_PROXY") as caught:
        Client(org.my_domain, org.client_id, org.client_secret, **plain(org)).token()
    assert caught.value.code == "proxy_authentication_required"
    assert org.emulator.counters()["connects"] == 1


def test_what_was_set_before_python_started(forcegrant_org: Org) -> None:
    code = "from forcegrant import Client; print(Client.from_env().login_host)"
    env = {**os.environ, **forcegrant_org.environment()}
    found = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == forcegrant_org.my_domain
