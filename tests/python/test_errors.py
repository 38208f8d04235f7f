"""The exceptions."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import forcegrant
from forcegrant import (
    SETUP_STEPS,
    Client,
    ConfigurationError,
    ForcegrantError,
    LoginRateError,
    RefusedError,
    ReplayError,
    RequestTimeoutError,
    TransportError,
    UnavailableError,
    _errors,
    _native,
)

if TYPE_CHECKING:
    from forcegrant.testing import Org

TABLE = _native.error_table()


def test_classes_are_those_of_the_core() -> None:
    page = (Path(__file__).parents[2] / "docs/errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE)
    assert {code: kind for code, kind, _ in rows} == {row["code"]: row["kind"] for row in TABLE}
    assert {kind: name for _, kind, name in rows} == {
        kind: cls.__name__ for kind, cls in _errors.CLASSES.items()
    }
    for cls in _errors.CLASSES.values():
        assert getattr(forcegrant, cls.__name__) is cls
        assert issubclass(cls, ForcegrantError)
        assert cls.__module__ == "forcegrant"
        assert cls.__doc__


def test_classes_are_what_python_programs_catch() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(RequestTimeoutError, TimeoutError)
    assert issubclass(RequestTimeoutError, TransportError)
    assert issubclass(LoginRateError, RefusedError)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["code"])
def test_every_error_survives_pickling_and_copying(row: dict[str, str]) -> None:
    error = _errors.build(
        row["kind"],
        "what happened",
        ["nearer", "deeper"],
        code=row["code"],
        retryable=True,
        retry_after=1.5,
        http_status=400,
        oauth_error="invalid_grant",
        oauth_description="no client credentials user enabled",
        setup_step="run-as-user",
        field="client_id",
        help="first\nsecond",
    )
    assert str(error) == "what happened\n  first\n  second"
    assert row["code"] in repr(error)
    assert str(error.__cause__) == "nearer"
    assert error.__cause__ is not None
    assert str(error.__cause__.__cause__) == "deeper"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        own = ReplayError if row["code"] == "request_not_replayable" else None
        assert type(twin) is type(error) is (own or _errors.CLASSES[row["kind"]])
        assert vars(twin) == vars(error)
        assert (twin.args, str(twin)) == (error.args, str(error))


def test_an_unknown_kind_is_still_an_error_of_ours() -> None:
    error = _errors.build("brand_new", "x", [], code="brand_new_code")
    assert type(error) is ForcegrantError
    assert error.kind == "brand_new"


def test_a_refusal_as_users_see_it(forcegrant_org: Org) -> None:
    forcegrant_org.configure(app={"run_as": None})
    with pytest.raises(RefusedError) as caught:
        forcegrant_org.client().token()
    error = caught.value
    assert vars(error) == {
        "kind": "refused",
        "code": "no_run_as_user",
        "retryable": False,
        "retry_after": None,
        "http_status": 400,
        "oauth_error": "invalid_grant",
        "oauth_description": "no client credentials user enabled",
        "setup_step": "run-as-user",
        "field": None,
        "message": error.message,
        "help": error.help,
    }
    assert "no client credentials user enabled" in error.message
    assert error.help is not None
    assert "Run As" in error.help
    assert str(error).startswith(f"{error.message}\n  ")


def test_the_field_of_a_form_that_is_wrong(forcegrant_org: Org) -> None:
    org = forcegrant_org
    wrong = {
        "login_url": ("login.salesforce.com", org.client_id, org.client_secret),
        "client_id": (org.my_domain, "3MVG9.NOT.THIS.ONE", org.client_secret),
        "client_secret": (org.my_domain, org.client_id, "0123456789ABCDEF" * 4),
    }
    for field, credentials in wrong.items():
        with pytest.raises(ForcegrantError) as caught:
            Client(*credentials, **org.options()).token()
        assert caught.value.field == field
        assert pickle.loads(pickle.dumps(caught.value)).field == field


def test_the_steps_of_the_set_up_are_data() -> None:
    steps = {step.name: step for step in SETUP_STEPS}
    assert len(steps) == len(SETUP_STEPS) == 6
    assert {row["setup_step"] for row in TABLE} - {None} <= steps.keys()
    for step in SETUP_STEPS:
        assert step.title
        assert step.text.endswith(".")
        assert step.path.startswith("Setup > ")
        assert repr(step) == f"<SetupStep {step.name}>"
    assert steps["run-as-user"] == SETUP_STEPS[2]
    assert len(set(SETUP_STEPS)) == 6


def test_retry_after_is_seconds(forcegrant_org: Org) -> None:
    forcegrant_org.emulator.fault("token", "429_retry_after", seconds=7)
    with pytest.raises(UnavailableError) as caught:
        forcegrant_org.client(max_attempts=1).token()
    assert caught.value.code == "rate_limited"
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 7


def test_cause_says_what_the_system_said(forcegrant_org: Org) -> None:
    client = forcegrant_org.client(
        resolve={forcegrant_org.my_domain: "127.0.0.1:1"}, max_attempts=1
    )
    with pytest.raises(TransportError) as caught:
        client.token()
    assert caught.value.code == "connect_failed"
    causes: list[str] = []
    cause = caught.value.__cause__
    while cause is not None:
        causes.append(str(cause))
        cause = cause.__cause__
    assert any("refused" in text.lower() for text in causes)


def test_tracebacks_are_short_and_hold_no_secret(forcegrant_org: Org) -> None:
    forcegrant_org.configure(app={"run_as": None})
    client = forcegrant_org.client()
    with pytest.raises(RefusedError) as sync:
        client.token()
    # No frame of this package: the native method raises.
    assert len(traceback.extract_tb(sync.value.__traceback__)) == 1

    with pytest.raises(RefusedError) as awaited:
        asyncio.run(client.async_client().token())
    ours = [
        frame
        for frame in traceback.extract_tb(awaited.value.__traceback__)
        if "forcegrant" in frame.filename and "tests" not in frame.filename
    ]
    assert len(ours) == 1

    with pytest.raises(ConfigurationError) as built:
        Client("login.salesforce.com", "id", "hunter22")
    assert len(traceback.extract_tb(built.value.__traceback__)) == 1
    for caught in (sync, awaited, built):
        text = "".join(traceback.format_exception(caught.value))
        assert forcegrant_org.client_secret not in text


def test_each_waiter_raises_an_exception_of_its_own(forcegrant_org: Org) -> None:
    forcegrant_org.emulator.fault("token", "503_html")
    client = forcegrant_org.async_client(max_attempts=1)

    async def ask() -> list[object]:
        return await asyncio.gather(*(client.token() for _ in range(5)), return_exceptions=True)

    errors = asyncio.run(ask())
    assert {type(error) for error in errors} == {UnavailableError}
    assert len({id(error) for error in errors}) == 5
    assert {len(traceback.extract_tb(error.__traceback__)) for error in errors} == {1}  # type: ignore[attr-defined]
