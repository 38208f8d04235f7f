"""Fixtures for the tests of programs that use this package.

Installed as a pytest plugin; until a test asks for one of these, nothing of
`forcegrant.testing` is imported and no process is started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forcegrant.testing import Emulator, Org


@pytest.fixture(scope="session")
def forcegrant_emulator() -> Iterator[Emulator]:
    """Run one Salesforce emulator on loopback for the whole session."""
    from forcegrant.testing import Emulator  # noqa: PLC0415 - only when asked for

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def forcegrant_org(forcegrant_emulator: Emulator) -> Org:
    """Give a fresh emulated org: `forcegrant_org.client()` is a client that reaches it."""
    forcegrant_emulator.reset()
    return forcegrant_emulator.org
