"""What the tests of this folder share. The emulator's fixtures come from the package itself."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("endings", "scenario_drivers", "scenario_runner", "scripts")
