"""What the tests of this folder share. The emulator's fixtures come from the package itself."""

from __future__ import annotations

import signal

import pytest

# A shell has what runs in its background ignore Ctrl-C, and so would the programs of these tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("endings", "scenario_drivers", "scenario_runner", "scripts")
