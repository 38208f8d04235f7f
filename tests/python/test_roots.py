"""Which certificates are trusted, and when they are read again."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

import scripts
from forcegrant import Client, ConfigurationError, TransportError
from forcegrant.testing import Emulator, TestClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from forcegrant.testing import Org


@pytest.fixture(scope="module")
def other_ca() -> Iterator[str]:
    """The certificate authority of another emulator."""
    with Emulator() as other:
        yield other.ca_pem


def client(org: Org, roots: str, clock: TestClock) -> Client:
    options = {**org.options(), "roots": roots, "clock": clock, "max_attempts": 2}
    return Client(org.my_domain, org.client_id, org.client_secret, **options)  # type: ignore[arg-type]


def test_roots_of_a_file_are_read_again(forcegrant_org: Org, other_ca: str, tmp_path: Path) -> None:
    file = tmp_path / "corp.pem"
    file.write_text(other_ca)
    clock = TestClock(datetime.now(timezone.utc))
    sf = client(forcegrant_org, str(file), clock)
    with pytest.raises(TransportError) as caught:
        sf.token()
    assert caught.value.code == "tls_failed"
    file.write_text(forcegrant_org.emulator.ca_pem)
    # Not at once: a server that nobody knows must not have the file read again and again.
    clock.advance(30)
    with pytest.raises(TransportError):
        sf.token()
    clock.advance(400)
    assert sf.token().org_id == forcegrant_org.org_id


def test_a_reset_reads_them_at_once(forcegrant_org: Org, other_ca: str, tmp_path: Path) -> None:
    file = tmp_path / "corp.pem"
    file.write_text(other_ca)
    sf = client(forcegrant_org, str(file), TestClock(datetime.now(timezone.utc)))
    with pytest.raises(TransportError):
        sf.token()
    file.write_text(forcegrant_org.emulator.ca_pem)
    sf.reset()
    assert sf.token().org_id == forcegrant_org.org_id


def test_roots_of_the_system_are_read_again(
    forcegrant_org: Org, other_ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    file.write_text(other_ca)
    script = scripts.write(
        tmp_path,
        """
        from datetime import datetime, timezone
        from forcegrant import Client
        from forcegrant.testing import TestClock
        clock = TestClock(datetime.now(timezone.utc))
        options = {**SETUP["options"], "roots": "platform", "clock": clock}
        sf = Client(*SETUP["credentials"], **options)
        try:
            sf.token()
        except Exception as error:
            print(error.code, "SSL_CERT_FILE" in error.help)
        with open(os.environ["SSL_CERT_FILE"], "w") as file:
            file.write(SETUP["options"]["roots"])
        clock.advance(400)
        print(sf.token().org_id)
        """,
    )
    printed = scripts.run(script, forcegrant_org)
    assert printed == f"tls_failed True\n{forcegrant_org.org_id}\n"


def test_a_path_that_leads_nowhere_is_a_wrong_option(forcegrant_org: Org, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for path in (str(tmp_path / "no-such.pem"), str(empty)):
        with pytest.raises(ConfigurationError, match="roots") as caught:
            client(forcegrant_org, path, TestClock(datetime.now(timezone.utc)))
        assert caught.value.code == "invalid_option"
