"""The emulator as a child process, steered over its control port."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import tempfile
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from forcegrant import AsyncClient, Client
from forcegrant.testing import _locate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from forcegrant.options import ClientOptions, Seconds

START_LIMIT = 30.0
STOP_LIMIT = 5.0


class EmulatorError(Exception):
    """The emulator did not start, or refused what it was told; the text says why."""


class Emulator:
    """A Salesforce emulator: TLS, several orgs, faults on demand; on loopback only.

    ```python
    with Emulator() as emulator:
        client = emulator.org.client()
    ```

    It is a child process that ends with the `with` block, and with this process
    in any case. `config` is the emulator's own configuration; without one it has
    a production org, a sandbox and a developer edition.
    """

    org: Org
    """The default org."""
    https: str
    """`address:port` of the HTTPS listener, which serves all orgs by name."""
    http: str
    """`address:port` of the plain listener, which redirects to HTTPS."""
    proxy: str
    """URL of an HTTP CONNECT proxy through which every host name leads here."""
    control_url: str
    """Where commands go, as JSON over HTTP; its path is another at each start."""
    ca_pem: str
    """The certificate authority to trust, made for this process alone."""
    version: str
    """The emulator's version."""

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        binary: str | os.PathLike[str] | None = None,
    ) -> None:
        self._binary = binary
        self._config = config
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> Self:
        """Start the process and wait until it listens; `with` does this."""
        if self._process is not None:
            msg = "this emulator was started before"
            raise EmulatorError(msg)
        path = os.fspath(self._binary or _locate.find())
        # It ends when its standard input does: none is left behind, however this process ends.
        self._process = process = subprocess.Popen(  # noqa: S603 - our own binary
            [path, "--exit-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        try:
            self._greet(process, path)
            if self._config is not None:
                self.reset(self._config)
        except BaseException:
            self.stop()
            raise
        return self

    def _greet(self, process: subprocess.Popen[str], path: str) -> None:
        watchdog = threading.Timer(START_LIMIT, process.kill)
        watchdog.start()
        try:
            line = process.stdout.readline() if process.stdout else ""
        finally:
            watchdog.cancel()
        if not line:
            msg = f"{path} ended without a word (exit code {process.wait()})"
            raise EmulatorError(msg)
        ready = json.loads(line)
        self.control_url = ready["control"]
        self.https, self.http, self.proxy = ready["https"], ready["http"], ready["proxy"]
        self.ca_pem, self.version = ready["ca_pem"], ready["version"]
        self.org = Org(self, ready["org"])

    def stop(self) -> None:
        """End the process; `with` does this. Stopping twice is harmless."""
        process, self._process = self._process, None
        if process is not None:
            # A forked child of ours may hold a copy of its standard input: ask as well.
            process.terminate()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # What tests read and set.

    def control(self, op: str, **fields: object) -> dict[str, Any]:
        """Send a command to the control port; fields that are None are left out.

        Raises `EmulatorError` with the emulator's own words when it refuses.
        """
        if self._process is None:
            msg = "the emulator is not running"
            raise EmulatorError(msg)
        command = {"op": op, **{name: value for name, value in fields.items() if value is not None}}
        target = urlsplit(self.control_url)
        connection = http.client.HTTPConnection(target.netloc, timeout=60)
        headers = {"Content-Type": "application/json"}
        try:
            connection.request("POST", target.path, json.dumps(command), headers)
            response = connection.getresponse()
            reply: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            msg = f"{op}: {reply.get('error', reply)}"
            raise EmulatorError(msg)
        return reply

    def reset(self, config: Mapping[str, Any] | None = None) -> None:
        """Forget everything that happened and was set; start over with `config` or the default."""
        self.control("reset", config=config)

    def fault(
        self,
        endpoint: str,
        kind: str,
        *,
        first: int | None = None,
        every: int | None = None,
        skip: int | None = None,
        my_domain: str | None = None,
        **params: object,
    ) -> None:
        """Make requests fail: `fault("token", "503_html", first=2)`.

        `endpoint` is token, introspect, userinfo, revoke, data, limits, query,
        soap, bulk or any. `kind` is a status with its usual body (`503_html`,
        `429_retry_after`, ...), a broken response (`not_json`, `cut_body`,
        `huge_body`, `missing_token`, ...), a refusal (`refusal` with `error` and
        `description`), a connection fault (`reset`, `slow_head`, `slow_body`) or
        `hold`, which keeps requests until `release()`.
        """
        self.control(
            "fault",
            endpoint=endpoint,
            kind=kind,
            first=first,
            every=every,
            skip=skip,
            my_domain=my_domain,
            params=params or None,
        )

    def clear_faults(self) -> None:
        """Take all faults away."""
        self.control("clear_faults")

    def hold(self, endpoint: str = "token") -> None:
        """Keep requests from being answered until `release()`."""
        self.fault(endpoint, "hold")

    def release(self) -> None:
        """Answer the requests that are held, and hold no more."""
        self.control("release")

    def wait_requests(self, count: int, endpoint: str = "token", timeout: Seconds = 10.0) -> None:
        """Wait until `count` requests have arrived since the reset, held ones included."""
        self.control(
            "wait_requests",
            endpoint=endpoint,
            count=count,
            timeout_ms=round(_seconds(timeout) * 1000),
        )

    def counters(self) -> dict[str, int]:
        """Give the counts since the reset: `token_requests`, `logins`, `data_calls`, ..."""
        reply = self.control("counters")
        counters: dict[str, int] = reply.get("counters", reply)
        return {name: value for name, value in counters.items() if name != "ok"}

    def requests(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Give the log of the requests since the reset."""
        requests: list[dict[str, Any]] = self.control("requests", endpoint=endpoint)["requests"]
        return requests

    def advance(self, by: Seconds) -> None:
        """Move the emulator's clock on. A client's own clock is moved with `TestClock`."""
        self.control("advance", seconds=_seconds(by))

    def now(self) -> datetime:
        """Say what the emulator's clock shows (UTC)."""
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
        return epoch + timedelta(milliseconds=self.control("now")["now_ms"])

    # How programs reach it.

    def options(self, *hosts: str) -> ClientOptions:
        """Give the options with which a `Client` reaches it, for the named hosts.

        It shares its token with no other client: one of the test before may still be there,
        until the garbage collector has seen it.
        """
        return {
            "store": "off",
            "resolve": dict.fromkeys(hosts, self.https),
            "roots": self.ca_pem,
            "proxy": None,
        }

    def environment(self) -> dict[str, str]:
        """Give the environment variables with which other programs and libraries reach it.

        They send everything through the emulator's proxy, where every host name
        leads to the emulator, and trust its certificate authority.
        """
        ca_file = str(self.ca_file())
        # Both spellings: where they differ, programs disagree on which one counts.
        proxies = {"http_proxy": self.proxy, "https_proxy": self.proxy, "no_proxy": ""}
        return {
            **proxies,
            **{name.upper(): value for name, value in proxies.items()},
            "SSL_CERT_FILE": ca_file,
            "REQUESTS_CA_BUNDLE": ca_file,
            "NODE_EXTRA_CA_CERTS": ca_file,
        }

    def ca_file(self) -> Path:
        """Give the certificate authority as a file, which goes away with the emulator."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="forcegrant-emulator-")
        path = Path(self._folder.name, "ca.pem")
        path.write_text(self.ca_pem)
        return path


class Org:
    """An emulated org with one app, and the credentials of that app."""

    my_domain: str
    """Its host name."""
    client_id: str
    """The app's consumer key."""
    client_secret: str
    """The app's consumer secret."""
    org_id: str
    """18 characters."""
    user_id: str
    """Of the user that the app runs as; 18 characters."""
    username: str
    """Of that user."""
    instance_url: str
    """Where API calls go."""

    def __init__(self, emulator: Emulator, announced: Mapping[str, str]) -> None:
        self.emulator = emulator
        for name in Org.__annotations__:
            setattr(self, name, announced[name])

    def __repr__(self) -> str:
        return f"<Org {self.my_domain}>"

    def client(self, **options: Unpack[ClientOptions]) -> Client:
        """Make a `Client` of this org that reaches the emulator."""
        return Client(self.my_domain, self.client_id, self.client_secret, **self.options(**options))

    def async_client(self, **options: Unpack[ClientOptions]) -> AsyncClient:
        """Make an `AsyncClient` of this org that reaches the emulator."""
        return AsyncClient(
            self.my_domain, self.client_id, self.client_secret, **self.options(**options)
        )

    def options(self, **more: Unpack[ClientOptions]) -> ClientOptions:
        """Give the options with which a client reaches the emulator, with `more` on top."""
        options = self.emulator.options()
        options.update(more)
        options["resolve"] = {self.my_domain: self.emulator.https, **(more.get("resolve") or {})}
        return options

    def environment(self) -> dict[str, str]:
        """Give the environment variables that `Client.from_env` reads."""
        return {
            "SALESFORCE_LOGIN_URL": self.my_domain,
            "SALESFORCE_CLIENT_ID": self.client_id,
            "SALESFORCE_CLIENT_SECRET": self.client_secret,
        }

    def configure(
        self,
        *,
        org: Mapping[str, Any] | None = None,
        app: Mapping[str, Any] | None = None,
        user: Mapping[str, Any] | None = None,
    ) -> None:
        """Change the set-up, as an administrator does: `configure(app={"run_as": None})`."""
        self.emulator.control("configure", my_domain=self.my_domain, org=org, app=app, user=user)

    def kill_session(self, access_token: str) -> None:
        """End one session, as an administrator does."""
        self.emulator.control("kill_session", token=access_token)

    def kill_sessions(self) -> None:
        """End all sessions, as a change of the My Domain does."""
        self.emulator.control("kill_sessions", my_domain=self.my_domain)


def _seconds(length: Seconds) -> float:
    return length.total_seconds() if isinstance(length, timedelta) else length
