"""`credentials_callback`: asked on Python's own threads, in a loop and out of one."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import scripts
from forcegrant import AsyncClient, Client, ConfigurationError, ForcegrantError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from forcegrant.testing import Org


def blocking(org: Org, callback: Callable[[], Any], **options: Any) -> Client:
    return Client(org.my_domain, **org.options(credentials_callback=callback, **options))


def waiting(org: Org, callback: Callable[[], Any], **options: Any) -> AsyncClient:
    return AsyncClient(org.my_domain, **org.options(credentials_callback=callback, **options))


def test_it_is_asked_once_on_the_thread_that_waits(forcegrant_org: Org) -> None:
    org = forcegrant_org
    asked: list[int] = []

    def callback() -> tuple[str, str]:
        asked.append(threading.get_ident())
        return org.client_id, org.client_secret

    client = blocking(org, callback)
    token = client.token()
    assert client.token() is token
    assert asked == [threading.get_ident()]


def test_it_is_asked_again_after_a_refusal(forcegrant_org: Org) -> None:
    org = forcegrant_org
    secrets = ["0" * 64, org.client_secret]
    client = blocking(org, lambda: (org.client_id, secrets.pop(0)))
    assert client.token().instance_url == org.instance_url
    assert secrets == []
    assert org.emulator.counters()["token_requests"] == 2


def test_it_can_bring_two_pairs(forcegrant_org: Org) -> None:
    org = forcegrant_org
    right = (org.client_id, org.client_secret)
    pairs = {"current": (org.client_id, "0" * 64), "next": right}
    assert blocking(org, lambda: pairs).token().org_id == org.org_id


def test_verify_waits_for_it_too(forcegrant_org: Org) -> None:
    org = forcegrant_org
    verified = blocking(org, lambda: (org.client_id, org.client_secret)).verify()
    assert verified.token.org_id == org.org_id


@pytest.mark.parametrize(
    ("callback", "says"),
    [
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: "nonsense", "TypeError"),
        (lambda: ("id", ""), "client_secret"),
    ],
)
def test_what_it_throws_is_the_cause(
    forcegrant_org: Org, callback: Callable[[], Any], says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        blocking(forcegrant_org, callback).token()
    assert caught.value.code == "credentials_unavailable"
    assert says in str(caught.value.__cause__)
    assert forcegrant_org.emulator.counters()["token_requests"] == 0


def test_an_async_one_needs_a_loop(forcegrant_org: Org) -> None:
    async def callback() -> tuple[str, str]:
        raise AssertionError

    with pytest.raises(ForcegrantError) as caught:
        blocking(forcegrant_org, callback).token()
    assert caught.value.code == "credentials_unavailable"
    assert "AsyncClient" in str(caught.value.__cause__)


def test_a_loop_answers_plain_and_async_functions(forcegrant_org: Org) -> None:
    org = forcegrant_org

    async def later() -> tuple[str, str]:
        await asyncio.sleep(0)
        return org.client_id, org.client_secret

    async def broken() -> tuple[str, str]:
        await asyncio.sleep(0)
        raise OSError("the vault is sealed")

    async def main() -> None:
        tokens = await asyncio.gather(*(waiting(org, later).token() for _ in range(3)))
        plain = await waiting(org, lambda: (org.client_id, org.client_secret)).token()
        assert {token.access_token for token in tokens} == {plain.access_token}
        with pytest.raises(ForcegrantError) as caught:
            await waiting(org, broken).token()
        assert caught.value.code == "credentials_unavailable"
        assert "the vault is sealed" in str(caught.value.__cause__)

    asyncio.run(main())


def test_a_hundred_callers_ask_once(forcegrant_org: Org) -> None:
    org = forcegrant_org
    asked: list[None] = []

    async def callback() -> tuple[str, str]:
        asked.append(None)
        await asyncio.sleep(0)
        return org.client_id, org.client_secret

    async def main() -> None:
        client = waiting(org, callback)
        await asyncio.gather(*(client.token() for _ in range(100)))

    asyncio.run(main())
    assert len(asked) == 1
    assert org.emulator.counters()["token_requests"] == 1


def test_a_refusal_of_what_it_brings_is_reported(forcegrant_org: Org) -> None:
    org = forcegrant_org
    with pytest.raises(RefusedError) as caught:
        blocking(org, lambda: (org.client_id, "0" * 64)).token()
    assert caught.value.code == "invalid_client_secret"
    assert org.emulator.counters()["token_requests"] == 1


def test_it_stands_alone(forcegrant_org: Org) -> None:
    org = forcegrant_org

    def callback() -> tuple[str, str]:
        return org.client_id, org.client_secret

    with pytest.raises(ConfigurationError, match="credentials_callback"):
        org.client(credentials_callback=callback)
    with pytest.raises(ConfigurationError, match="client_secret_file"):
        blocking(org, callback, client_secret_file="secret")
    with pytest.raises(TypeError, match="credentials_callback"):
        blocking(org, 7)  # type: ignore[arg-type]


def test_a_process_ends_while_it_is_asked(forcegrant_org: Org, tmp_path: Path) -> None:
    script = scripts.write(
        tmp_path,
        """
        import asyncio
        from forcegrant import AsyncClient, RequestTimeoutError

        async def never():
            await asyncio.Event().wait()

        async def main():
            host = SETUP["credentials"][0]
            client = AsyncClient(host, credentials_callback=never, **SETUP["options"])
            try:
                await client.token(timeout=0.2)
            except RequestTimeoutError:
                print("gave up")

        asyncio.run(main())
        """,
    )
    assert scripts.run(script, forcegrant_org) == "gave up\n"
