"""The steps of a scenario about saved connections."""

from __future__ import annotations

import base64
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forcegrant import Connection, ForcegrantError
from scenario_fields import Fields, assert_equal

if TYPE_CHECKING:
    from collections.abc import Callable

    from scenario_fields import JSON
    from scenario_runner import Run

KEY = base64.b64encode(bytes([7]) * 32).decode()


class SavedConnections:
    """The folder of the saved connections of one run."""

    def __init__(self, run: Run[Any]) -> None:
        self._run = run
        self._parent = Path(tempfile.mkdtemp(prefix="forcegrant-scenario-"))
        self.folder = self._parent / "connections"
        # What went into them.
        self._secrets: list[str] = []

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._parent)

    def dumped(self, key: str, org: JSON) -> Connection:
        """Give what a callback returns that keeps connections as texts."""
        values = (org["login_url"], org["client_id"], org["client_secret"])
        connection = self._run.driver.authorize_unsaved(key, *values, **self._options())
        return Connection.load(connection.dump(KEY), key, KEY)

    def do_authorize(self, _name: str, step: Fields) -> None:
        org = self._run.org_at(None)
        replace, other_org = step.take("replace", False), step.take("other_org", False)
        values: JSON = {
            value: step.take(value, None if replace else org[value])
            for value in ("login_url", "client_id", "client_secret")
        }
        if values["client_secret"] is not None:
            self._secrets.append(values["client_secret"])
        options = {**self._options(), "replace": replace, "other_org": other_org, **values}
        for option in ("name", "labels"):
            options[option] = step.take(option)
        authorize, of = self._run.driver.authorize, step.take("id")
        self._expect(step, lambda: authorize(self.folder, of, **options))

    def do_verify_connection(self, _name: str, step: Fields) -> None:
        verify, of = self._run.driver.verify_connection, step.take("id")
        self._expect(step, lambda: verify(self.folder, of, **self._options()))

    def do_get_connection(self, _name: str, step: Fields) -> None:
        of = step.take("id")
        self._expect(step, lambda: self._run.driver.connections(self.folder).get(of))

    def do_remove_connection(self, name: str, step: Fields) -> None:
        of = step.take("id")
        connections = self._run.driver.connections(self.folder)
        self._run.must(lambda: connections.remove(of), step.take("expect"), name)

    def _expect(self, step: Fields, call: Callable[[], Connection]) -> None:
        expect = Fields(step.take("expect", {"connection": {}}), "expect")
        try:
            connection = call()
        except ForcegrantError as error:
            if not expect.has("error"):
                raise
            self._run.check_error(error, expect.take("error"), self._secrets)
        else:
            assert expect.has("connection"), "it did not fail"
            self._check(connection, Fields(expect.take("connection"), "connection"))
        expect.done()

    def _check(self, connection: Connection, expect: Fields) -> None:
        shown = repr(connection) + str(connection)
        assert not any(secret in shown for secret in self._secrets), "it shows a secret"
        names = "id name labels login_url client_id org_id user_id revision".split()  # noqa: SIM905
        seen = {name: getattr(connection, name) for name in names}
        seen["is_verified"] = connection.verified is not None
        assert_equal(seen, expect)

    def _options(self) -> JSON:
        """Give the options of one login."""
        return self._run.options("connections", {}, [])
