"""Shared by the tests of this folder. The fixtures of the emulator come from the package itself."""

from __future__ import annotations

import signal

import pytest

# Background programs of a shell ignore Ctrl-C, and the programs of these tests would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("endings", "scenario_drivers", "scenario_runner", "scripts")
