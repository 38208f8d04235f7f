"""The part of `make demo` about failures, which only an emulator can cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api import limits

from forcegrant import ForcegrantError

if TYPE_CHECKING:
    from forcegrant.testing import Emulator


def killed_session(emulator: Emulator) -> None:
    """An admin ends the session; the caller whose API call was refused reports the token to the client."""
    client = emulator.org.client()
    token = client.token()
    print(f"  token {token.fingerprint}: the API responds with {limits(token)}")
    emulator.control("kill_session", token=token.access_token)
    print("  an administrator ends the session")
    print(f"  token {client.token().fingerprint}: the API responds with {limits(client.token())}")
    print(f"  client.invalidate(token) -> {client.invalidate(token)}")
    fresh = client.token()
    print(f"  token {fresh.fingerprint}: the API responds with {limits(fresh)}")
    if fresh.fingerprint == token.fingerprint or limits(fresh) != 200:
        raise SystemExit("the client did not recover")


def no_run_as_user(emulator: Emulator) -> None:
    """The app has no Run-As user: prints the error that a user sees."""
    emulator.control("configure", app={"run_as": None})
    try:
        emulator.org.client().token()
    except ForcegrantError as error:
        print(f"{type(error).__name__}: {error}")
        print(f"\n  code {error.code}, retryable {error.retryable}, set-up step {error.setup_step}")
    else:
        raise SystemExit("the org refused nothing")
