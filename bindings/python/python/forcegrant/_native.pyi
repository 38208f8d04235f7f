# What the compiled module offers; checked against it by stubtest.
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, final

import grpc
import httpx
import requests.auth
from aiohttp import ClientMiddlewareType
from simple_salesforce.api import Salesforce
from typing_extensions import Self, Unpack, disjoint_base

from forcegrant._client import AsyncClient
from forcegrant._errors import ForcegrantError
from forcegrant._pool import AsyncClientPool
from forcegrant.options import ClientOptions, PoolOptions, Seconds
from forcegrant.stores import Lease, Store

__all__ = [
    "SETUP_STEPS",
    "ApiCall",
    "AsyncConnections",
    "Classification",
    "Client",
    "ClientBase",
    "ClientPool",
    "Connection",
    "ConnectionList",
    "Connections",
    "ConnectionsBase",
    "Event",
    "Expiry",
    "Measurement",
    "PoolBase",
    "Prewarmed",
    "Request",
    "SetupStep",
    "Status",
    "StoreCheck",
    "TestClock",
    "Token",
    "Verification",
    "Verified",
    "Wait",
    "__version__",
    "body_counts",
    "check_renewed",
    "classify_grpc_status",
    "classify_response",
    "cli",
    "error_table",
    "register",
    "seconds",
]

SETUP_STEPS: tuple[SetupStep, ...]
"""The six steps of the set-up in Salesforce, in their order, for a form of your own."""
__version__: str

_T = TypeVar("_T")

@final
class Token:
    """An access token together with the instance it is for and the identity behind it.

    Its text forms show the fingerprint and never the token; it cannot be pickled.
    Two are equal when they hold the same access token.
    """

    @property
    def access_token(self) -> str:
        """The token itself. Do not print it."""
    @property
    def authorization(self) -> str:
        """The value of an `Authorization` header: `Bearer ...`. Do not print it."""
    @property
    def instance_url(self) -> str:
        """Where API calls go, without a trailing slash."""
    @property
    def api_instance_url(self) -> str | None:
        """Where calls to `api.salesforce.com` APIs go; None unless the app has such a scope."""
    @property
    def identity_url(self) -> str | None:
        """The identity URL, on the login host."""
    @property
    def org_id(self) -> str | None:
        """The 18-character id of the org."""
    @property
    def user_id(self) -> str | None:
        """The 18-character id of the user that the app runs as."""
    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that Salesforce granted; empty when the response did not say."""
    @property
    def token_format(self) -> Literal["opaque", "jwt"]:
        """`opaque` (a session id) or `jwt`."""
    @property
    def token_type(self) -> str:
        """The token type of the response: `Bearer`."""
    @property
    def issued_at(self) -> datetime | None:
        """When the response was signed (UTC). It says nothing about when the session began or
        ends."""
    @property
    def expiry(self) -> Expiry:
        """When the token ends, and how that is known."""
    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell tokens apart; safe to log."""
    @property
    def extra(self) -> dict[str, Any]:
        """Fields of the response that have no attribute here, in a new dict."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any, /) -> Self: ...

@final
class Expiry:
    """When a token ends, and how that is known."""

    @property
    def at(self) -> datetime:
        """The instant of the end, by this machine's wall clock (UTC)."""
    @property
    def source(self) -> str:
        """Where it comes from: `jwt`, `expires_in`, `introspection`, `learned`, `configured` or
        `default`.
        """
    @property
    def certainty(self) -> Literal["known", "estimated"]:
        """`known` (stated by Salesforce) or `estimated`."""
    @property
    def is_known(self) -> bool:
        """Whether the end was stated by Salesforce."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Status:
    """What a client knows at one instant, without asking anyone."""

    @property
    def state(self) -> Literal["empty", "fresh", "refresh_due", "stale", "backing_off"]:
        """`empty` (no usable token), `fresh`, `refresh_due` (used, and renewed in the background),
        `stale` (past an estimated end, used while it cannot be renewed) or `backing_off` (no usable
        token, and a recent failure is answered again without asking Salesforce).
        """
    @property
    def in_flight(self) -> bool:
        """Whether a request for a token is on its way."""
    @property
    def expiry(self) -> Expiry | None:
        """When the current token ends."""
    @property
    def refresh_at(self) -> datetime | None:
        """When it is renewed in the background (UTC)."""
    @property
    def fingerprint(self) -> str | None:
        """Which token it is."""
    @property
    def logins(self) -> int:
        """How many tokens were got."""
    @property
    def failures(self) -> int:
        """How many tries to get one failed."""
    @property
    def last_error(self) -> ForcegrantError | None:
        """Why the last one failed, if none succeeded since."""
    @property
    def last_failure_at(self) -> datetime | None:
        """When (UTC)."""
    @property
    def backing_off_until(self) -> datetime | None:
        """Until when failures are answered from memory (UTC)."""
    @property
    def last_rejected_age(self) -> timedelta | None:
        """How old the last token was that was reported as rejected."""
    @property
    def learned_lifetime(self) -> timedelta | None:
        """The lifetime that rejections taught, while it is in force."""
    @property
    def login_host(self) -> str:
        """The host that tokens are asked from."""

@final
class Verified:
    """A token that was got afresh and has been used for one harmless API call."""

    @property
    def token(self) -> Token:
        """The new token, which the client gives out from now on."""
    @property
    def api_usage(self) -> tuple[int, int] | None:
        """API calls used and allowed in 24 hours, where Salesforce said so."""

@final
class Event:
    """Something that happened in a client. It holds no secret and no token, so it can be logged.

    `name` says what; the attributes that events of this name do not have are None.
    """

    @property
    def name(self) -> str:
        """A stable word: `login_started`, `login_retried`, `login_succeeded`, `login_failed`,
        `refresh_due`, `serving_stale`, `invalidated`, `same_token_returned`,
        `token_adopted`, `store_failed`, `introspection_failed`, `login_budget_warning`,
        `credentials_rotated`, `credentials_reload_failed` or `signature_mismatch`.
        """
    @property
    def level(self) -> Literal["debug", "info", "warning"]:
        """How much it matters: `debug`, `info` or `warning`."""
    @property
    def at(self) -> datetime:
        """When it happened (UTC). It may be told later."""
    @property
    def login_host(self) -> str:
        """The host that the client asks for tokens."""
    @property
    def key(self) -> str | None:
        """The client's key in its pool; None for a client by itself."""
    @property
    def missed(self) -> int:
        """How many events were lost before this one, because nobody came to fetch them."""
    @property
    def background(self) -> bool | None:
        """Whether nobody waits for the login: a usable token is served meanwhile."""
    @property
    def attempts(self) -> int | None:
        """Attempts of the login so far."""
    @property
    def pause(self) -> timedelta | None:
        """The pause before the next attempt."""
    @property
    def took(self) -> timedelta | None:
        """From the first request of the login to its end."""
    @property
    def age(self) -> timedelta | None:
        """How long ago the rejected token was requested."""
    @property
    def fingerprint(self) -> str | None:
        """Which token it is about, or which pair of credentials."""
    @property
    def expiry(self) -> Expiry | None:
        """When the new token ends."""
    @property
    def lifetime(self) -> timedelta | None:
        """What the new token had left to live when it arrived."""
    @property
    def client_id(self) -> str | None:
        """The client id now in use."""
    @property
    def used(self) -> int | None:
        """Logins of this process in the last hour."""
    @property
    def stop(self) -> int | None:
        """None is started from here on."""
    @property
    def error(self) -> ForcegrantError | None:
        """What went wrong: a `ForcegrantError`."""
    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """The event as numbers, for metrics."""

@final
class Measurement:
    """One number about one event. The catalogue of them is in docs/metrics.md."""

    @property
    def name(self) -> str:
        """The instrument, such as `forcegrant.logins`."""
    @property
    def kind(self) -> Literal["counter", "histogram"]:
        """`counter` (the value is added) or `histogram` (it is recorded)."""
    @property
    def unit(self) -> str:
        """In UCUM's notation: `s`, or `{login}` and the like for counts."""
    @property
    def value(self) -> float:
        """The value."""
    @property
    def attributes(self) -> dict[str, str]:
        """Keys and values, all from small fixed sets: error codes and sources of an expiry."""

@final
class Classification:
    """What a response of a Salesforce API says about the token, and about limits."""

    @property
    def response_class(self) -> str:
        """`fine`, `session_expired`, `unauthorized`, `rest_not_allowed`, `agent_not_attached`,
        `wrong_audience`, `password_expired`, `blocked`, `daily_limit`, `concurrent_limit`,
        `rate_limited`, `unavailable` or `other`.
        """
    @property
    def session_expired(self) -> bool:
        """Whether the session is dead, so that a new token helps: report it with `invalidate`."""
    @property
    def retry_after(self) -> timedelta | None:
        """How long to wait, where the response says so."""
    @property
    def api_usage(self) -> tuple[int, int] | None:
        """API calls used and allowed in 24 hours, where the response says so."""

@final
class TestClock:
    """A clock that stands still until it is moved, so that code which waits for a
    token to end can be tested without sleeping. Give it to a client as `clock`;
    several clients may share one. It starts at `start`, or now.
    """

    __test__ = False

    def __new__(cls, start: datetime | None = None) -> Self: ...
    def advance(self, by: Seconds) -> None:
        """Let time pass: seconds or a `timedelta`, not negative."""
    def set_wall(self, time: datetime) -> None:
        """Step the wall clock alone, as a time server or an administrator does; it may go back."""
    def now(self) -> datetime:
        """What the wall clock shows."""

@final
class ApiCall:
    """One API call, from its first request to the response that is handed out.

    An adapter prepares a request, sends it, passes the response on, and goes on until there is no
    pause any more.
    """

    def __new__(cls, client: ClientBase, method: str) -> Self: ...
    def prepare(self, token: Token, url: str) -> tuple[str, bool]:
        """Where a request with this token goes, and whether the token may go along: connect to
        exactly this URL. Raises `TokenRejectedError` if it is the token that was just refused, and
        `ConfigurationError` for a URL that HTTP libraries read differently.
        """
    def handle_response(
        self,
        status: int,
        retry_after: str | None,
        limit_info: str | None,
        body: bytes,
        replayable: bool,
    ) -> float | None:
        """Take in the response to a request that carried the token: None hands it out, a number
        says how many seconds later another request is to be made. Raises `ReplayError` or
        `TokenRejectedError` where the call ends in an error.
        """

@final
class Request:
    """A request of the core that waits for its answer. One that is dropped tells the core so."""

    def call(self, credentials_callback: object, store: object, lease: type[Lease]) -> object:
        """Call the function that the request is for: the credentials callback, with the key if a
        pool asks, or a method of the store. `lease` is the class of a lease.
        """
    def answer(self, value: object) -> None:
        """Answer with what the function returned. A value that is of no use is told to the core,
        too.
        """
    def fail(self, reason: str) -> None:
        """Say why there is no answer."""

@final
class StoreCheck:
    """A check of the contract of a store that is written in Python, under way on a thread of its
    own. Raises `TypeError` for what is no store.
    """

    def __new__(cls, store: Store) -> Self: ...
    def serve(self) -> list[str] | None:
        """Have the store carry out the calls that wait, on this thread. Give what it does not keep,
        one line each, when the check is over; None before.
        """

@final
class Connection:
    """Where to log in and with which credentials, under an id of your own.

    It shows no secret, not in its text forms either, and cannot be pickled; `dump` gives a text of
    it for a place of your own. Two are equal when all that they show is equal.
    """

    @staticmethod
    def authorize(
        id: str,
        login_url: str,
        client_id: str,
        client_secret: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        **options: Unpack[ClientOptions],
    ) -> Connection:
        """Log in with these values, make one harmless API call, and give a connection that is saved
        in no folder: `dump` gives its text, for a column of your database say.

        Takes what `Connections.authorize` takes, and raises what it raises about these values.
        """
    @staticmethod
    def authorize_async(
        id: str,
        login_url: str,
        client_id: str,
        client_secret: str,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        **options: Unpack[ClientOptions],
    ) -> Coroutine[object, object, Connection]:
        """Give a coroutine that does what `authorize` does, for asyncio and trio. The login begins
        at once.
        """
    @staticmethod
    def load(text: str, id: str, key: str | None = None) -> Connection:
        """Read a text that `dump` gave. `id` is the one that it was made for: a text that belongs
        to another row is refused.

        `key` is what the secret was sealed with: 32 bytes in base64, several with a comma between.
        Without it, the keys are those of the environment variable FORCEGRANT_CONNECTIONS_KEY, or of
        the file that FORCEGRANT_CONNECTIONS_KEY_FILE names. The text may not name a file or a
        command. Raises `ConfigurationError` with the code `connection_unreadable`, which says what
        is wrong with it.
        """
    def dump(self, key: str | None = None, *, plain: bool = False) -> str:
        """Give the text of the connection, for a place of your own, with its secret sealed
        (AES-256-GCM). The seal is bound to the id, the login host and the client id.

        `key` is as with `load`; the first of several seals. With `plain`, and without a key, the
        secret stands in the text in clear: for a place that encrypts what it keeps. Raises
        `ConfigurationError` with the code `invalid_option` if there is no key, and
        `connection_unreadable` if a file or a command brings the secret.
        """
    @property
    def id(self) -> str:
        """The id, under which it is found."""
    @property
    def name(self) -> str | None:
        """A name in any characters."""
    @property
    def labels(self) -> dict[str, str]:
        """Labels of your own, in a new dict."""
    @property
    def login_url(self) -> str:
        """The login URL: the org's My Domain."""
    @property
    def client_id(self) -> str:
        """The client id (consumer key)."""
    @property
    def org_id(self) -> str | None:
        """The 18-character id of the org that the last verification reached."""
    @property
    def user_id(self) -> str | None:
        """The 18-character id of the user that the app ran as at the last verification."""
    @property
    def created(self) -> datetime | None:
        """When it was made (UTC)."""
    @property
    def verified(self) -> datetime | None:
        """When a login and an API call succeeded last with these values (UTC)."""
    @property
    def revision(self) -> int:
        """How often it was saved; 0 if it never was, or was written by hand."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any, /) -> Self: ...

@final
class ConnectionList:
    """What a folder has: iterating and `len` are over the connections."""

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections, by their ids."""
    @property
    def unreadable(self) -> tuple[ForcegrantError, ...]:
        """Why the other files cannot be used: a `ForcegrantError` for each that names the file."""
    def __iter__(self) -> Iterator[Connection]: ...
    def __len__(self) -> int: ...

@final
class Verification:
    """A login that verifies a connection, under way: what a coroutine waits for."""

    @property
    def wait(self) -> Wait[Connection]:
        """Brings the connection."""
    def deliver_events(self) -> None:
        """Tell `on_event` and `logging` what has happened."""
    def _has_requests(self) -> bool:
        """Whether the core may have requests."""
    def _serve_requests(self) -> None:
        """Have the requests of the core answered that wait."""

@disjoint_base
class ConnectionsBase:
    """What `Connections` and `AsyncConnections` have in common."""

    def __new__(cls, folder: str | PathLike[str] | None = None) -> Self: ...
    @property
    def folder(self) -> Path:
        """The folder."""
    def list(self, labels: Mapping[str, str] | None = None) -> ConnectionList:
        """Give the connections that have these labels; all without. A file that cannot be used does
        not hide the others: `unreadable` says why. Raises `ConfigurationError` with the code
        `connection_unreadable` if it is the folder.
        """
    def get(self, id: str) -> Connection:
        """Give the connection with this id. Raises `ConfigurationError` with the code
        `unknown_connection`, which names the nearest ids, or `connection_unreadable`.
        """
    def set_labels(self, id: str, labels: Mapping[str, str]) -> Connection:
        """Replace the labels of a connection, and give it as it was saved. Raises what `get`
        raises; `connection_unreadable` also where nothing can be written.
        """
    def reseal(self, id: str) -> Connection:
        """Seal the secret of a connection anew with the first key of the environment, and one that
        is not sealed yet too. Gives the connection as it was saved. Raises what `set_labels`
        raises, and `invalid_option` if there is no key.
        """
    def remove(self, id: str) -> None:
        """Remove a connection. Salesforce is told nothing: sessions go on, and the client secret
        stays valid. Raises what `get` raises.
        """

@final
class Connections(ConnectionsBase):
    """The saved connections of a folder, for threads.

    ```python
    connections = Connections()
    connections.authorize("acme", "acme.my.salesforce.com", client_id, client_secret)
    client = Client.from_connection("acme")
    ```

    `folder` is an absolute path. Without one it is what the environment variable
    FORCEGRANT_CONNECTIONS names, else `forcegrant/connections` where the system keeps the settings
    of its users. Nothing is read yet. Each connection is a file that its owner alone can read; a
    folder that is mounted for reading, as Kubernetes mounts secrets, is never written. Raises
    `ConfigurationError`.
    """

    def __new__(cls, folder: str | PathLike[str] | None = None) -> Self: ...
    def authorize(
        self,
        id: str,
        login_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        replace: bool = False,
        other_org: bool = False,
        **options: Unpack[ClientOptions],
    ) -> Connection:
        """Log in with these values, make one harmless API call, and then save the connection under
        this id. Gives it as it was saved; if anything fails, what was saved before stays as it was.

        `login_url` is the org's My Domain, in any of the forms that people copy out of a browser.
        With `replace` a connection may be there already, and what is not given stays as it is. Only
        with `other_org` may the login reach another org than before. The options are those of
        `forcegrant.options.ClientOptions`, for this login alone; the token is shared with nobody,
        and `credentials_callback` is refused. Other threads run meanwhile, and Ctrl-C ends the
        wait.

        Raises `ConfigurationError` with the code `connection_exists`, `other_org`,
        `missing_credentials` or `connection_unreadable`, and what `Client.verify` raises; `field`
        of the error says which value is wrong.
        """
    def verify(self, id: str, **options: Unpack[ClientOptions]) -> Connection:
        """Log in with a saved connection, whatever is cached, and make one harmless API call. The
        time and the user are saved, unless the folder is for reading. Gives the connection.

        The options are as with `authorize`. Raises `ConfigurationError` with the code `other_org`
        if the login reaches another org than before, what `get` raises, and what `Client.verify`
        raises.
        """

@final
class AsyncConnections(ConnectionsBase):
    """The saved connections of a folder, for asyncio and trio.

    Takes what `Connections` takes. `authorize` and `verify` are awaited; the other methods read or
    write a small file or a few, and are plain.
    """

    def __new__(cls, folder: str | PathLike[str] | None = None) -> Self: ...
    def authorize(
        self,
        id: str,
        login_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        replace: bool = False,
        other_org: bool = False,
        **options: Unpack[ClientOptions],
    ) -> Coroutine[object, object, Connection]:
        """Give a coroutine that does what `Connections.authorize` does. The login begins at once,
        and a caller that is cancelled does not end it.
        """
    def verify(
        self, id: str, **options: Unpack[ClientOptions]
    ) -> Coroutine[object, object, Connection]:
        """Give a coroutine that does what `Connections.verify` does. The login begins at once."""

@final
class SetupStep:
    """A step of the set-up in Salesforce: what an error's `setup_step` names."""

    @property
    def name(self) -> str:
        """Its stable name, such as `run-as-user`."""
    @property
    def title(self) -> str:
        """What is done, in a few words."""
    @property
    def path(self) -> str:
        """Where in Salesforce's Setup it is done."""
    @property
    def text(self) -> str:
        """How it is done: a few sentences for a person in front of Salesforce's Setup."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@disjoint_base
class ClientBase:
    """What `Client` and `AsyncClient` have in common."""

    def __new__(
        cls,
        login_url: str | ClientBase,
        client_id: str | None = None,
        client_secret: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self: ...
    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """Take the org and the credentials from the environment.

        That is SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET, or the file
        that SALESFORCE_CLIENT_SECRET_FILE names; or FORCEGRANT_CONNECTION, which names a saved
        connection. Raises `ConfigurationError` naming what is missing.
        """
    @classmethod
    def from_connection(
        cls,
        connection: str | Connection,
        connections: ConnectionsBase | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self:
        """Take the org and the credentials of a saved connection, and none of the environment's
        credentials.

        `connection` is its id, and `connections` are `Connections` or `AsyncConnections` of a
        folder; else those of the user. A `Connection` itself is taken as it is, and not read again.
        The file is read now, again when it changes, and when a login is refused. For the same login
        host the token stays; for another the client starts afresh. When the connection is removed,
        the token serves on, and the next login fails with `unknown_connection`. Raises
        `ConfigurationError` with that code, or `connection_unreadable`.
        """
    @classmethod
    def _share(cls, client: ClientBase) -> Self:
        """Make a client of this class that shares another's token and everything else."""
    def deliver_events(self) -> None:
        """Tell `on_event` and `logging` what has happened since they were last told, on this
        thread.

        Calls that wait, look at the status or begin a new second of reading do the same, so this
        is for programs that make none of them for a long time. Never waits for anything but the
        listeners.
        """
    def is_allowed_for(self, token: Token, url: str) -> bool:
        """Whether a token may be sent to a URL: only over https, to the token's instance or API
        instance, or to a host that the option `trusted_hosts` names. Asks nobody.
        """
    def limits(self) -> tuple[int, int] | None:
        """The org's API requests in the last 24 hours, used and allowed, as the last response
        told that came through an adapter of this client; None before the first.
        """
    def cached(self) -> Token | None:
        """Return the token if one can be used now, else None. Never waits, and never asks
        Salesforce, not even in the background.
        """
    def invalidate(self, token: Token | str) -> bool:
        """Report that Salesforce rejected a token (a `Token`, or its text): it is not given out
        again.

        True if it was the current token. A late report about an older one changes nothing and
        returns False, so every worker may report what it saw.
        """
    def status(self) -> Status:
        """Say what is known at this instant, without asking anyone."""
    def reset(self) -> None:
        """Forget the token and all remembered failures."""
    def set_credentials(
        self,
        client_id: str,
        client_secret: str,
        *,
        next_credentials: tuple[str, str] | None = None,
    ) -> None:
        """Use other credentials from the next login on.

        `next_credentials` are a second pair, client id and secret, that is live as well. The token
        at hand goes on serving. Raises `ConfigurationError` for what cannot be right.
        """
    def invalidate_if_rotated(self) -> bool:
        """Drop the token at hand if it was issued to credentials that are not in use any more:
        after a leak, say. True if it was dropped.

        Salesforce is not told: to end the session there, revoke it in the org.
        """
    def httpx_auth(self) -> httpx.Auth:
        """Give an `httpx.Auth`, for `httpx.Client` and `httpx.AsyncClient`.

        It sends the token to the token's instance, its API instance and `trusted_hosts`, over https
        only. When a response says that the session is dead, it gets a new token and repeats the
        call once; a body that can be read only once is a `ReplayError`. Needs httpx:
        `pip install 'forcegrant[httpx]'`.
        """
    def requests_auth(self) -> requests.auth.AuthBase:
        """Give a `requests.auth.AuthBase`, which does what that of `httpx_auth` does. Needs
        requests: `pip install 'forcegrant[requests]'`.
        """
    def aiohttp_middleware(self) -> ClientMiddlewareType:
        """Give a middleware for `aiohttp.ClientSession`, which does what `httpx_auth` does. Needs
        aiohttp: `pip install 'forcegrant[aiohttp]'`.
        """
    def grpc_auth(self) -> grpc.AuthMetadataPlugin:
        """Give a `grpc.AuthMetadataPlugin` that brings `accesstoken`, `instanceurl` and
        `tenantid`, as the Pub/Sub API wants them. The host of the API has to be among
        `trusted_hosts`.

        It does not see what comes of a call: `grpc_interceptors` do. Needs grpcio:
        `pip install 'forcegrant[grpc]'`.
        """
    @property
    def login_host(self) -> str:
        """The host that tokens are asked from."""
    def _adapter(self, extra: str, name: str, options: dict[str, Any] | None = None) -> Any:
        """Make what adapts the client to another library, which is imported now."""
    def _has_requests(self) -> bool:
        """Whether the core may have requests."""
    def _serve_requests(self) -> None:
        """Have the requests of the core answered that wait."""
    def _read(self) -> Token | None:
        """The token if the last view of it covers the present, which is nearly always; else
        None.
        """
    def _start(self) -> Token | Wait[Token]:
        """The token, or a `Wait` for it."""
    def _start_verify(self) -> Wait[Verified]: ...
    def _start_wait_idle(self) -> Wait[None]: ...

class Client(ClientBase):
    """Tokens of one app in one Salesforce org, for threads.

    ```python
    client = Client("acme.my.salesforce.com", client_id, client_secret)
    token = client.token()
    ```

    `login_url` is the org's My Domain, in any of the forms that people copy out of a browser;
    `client_secret` may be left out where the option `client_secret_file` says where it is, and both
    it and `client_id` where `credentials_callback` brings them. The options are those of
    `forcegrant.options.ClientOptions`. Nothing is sent, and no thread started, before a token is
    asked for.

    One client serves any number of threads, and works on in a forked child. It needs no closing:
    `with` and `close()` are there for symmetry, and the token is never revoked, because Salesforce
    gives the same one to other processes.

    Raises `ConfigurationError` for an option that is wrong.
    """

    def __new__(
        cls,
        login_url: str,
        client_id: str | None = None,
        client_secret: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self: ...
    def token(self, timeout: Seconds | None = None) -> Token:
        """Return a token that is good to use now, asking Salesforce only if it must.

        `timeout` (seconds or a `timedelta`) limits how long this caller waits; the request goes on
        for the others. Other threads run meanwhile, and Ctrl-C ends the wait. Raises
        `RefusedError`, `TransportError`, `UnavailableError`, `ResponseError`,
        `TokenRejectedError` or `InternalError`, all of them `ForcegrantError`; and
        `RequestTimeoutError` when the time is over.
        """
    def verify(self) -> Verified:
        """Get a new token and make one harmless API call with it. Raises what `token` raises."""
    def wait_idle(self) -> None:
        """Wait until no request for a token is on its way."""
    def async_client(self) -> AsyncClient:
        """Give an `AsyncClient` that shares this one's token and everything else."""
    def grpc_interceptors(self) -> list[grpc.UnaryUnaryClientInterceptor]:
        """Give interceptors for `grpc.intercept_channel`: they bring what `grpc_auth` brings, and
        drop the very token that a call was refused for.

        A unary call is then made once more with a new token; of one that streams, or is a future,
        the next call gets it. Needs grpcio: `pip install 'forcegrant[grpc]'`.
        """
    def simple_salesforce(
        self,
        *,
        version: str = ...,
        session: requests.Session | None = None,
        proxies: Mapping[str, str] | None = None,
        parse_float: Callable[[str], Any] | None = None,
        object_pairs_hook: Callable[[list[tuple[Any, Any]]], Any] | None = ...,
    ) -> Salesforce:
        """Give a `simple_salesforce.Salesforce` whose session renews itself.

        `options` are those of `Salesforce` but for the ones about credentials and the instance:
        `version`, `session`, `proxies`, `parse_float`, `object_pairs_hook`. Gets a token, and
        raises what `token` raises. Needs simple-salesforce:
        `pip install 'forcegrant[simple-salesforce]'`.
        """
    def close(self) -> None:
        """Do nothing: nothing is open between calls, and the token is never revoked."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *_args: object) -> None: ...

@disjoint_base
class PoolBase:
    """What `ClientPool` and `AsyncClientPool` have in common."""

    def __new__(cls, *pool: PoolBase, **options: Unpack[PoolOptions]) -> Self: ...
    def insert(
        self,
        key: str,
        login_url: str,
        client_id: str,
        client_secret: str,
        *,
        next_credentials: tuple[str, str] | None = None,
    ) -> None:
        """Give the pool an org.

        For a key that it knows, this replaces the credentials: the token at hand stays if they are
        for the same login host, and for another host the key starts afresh. The same credentials
        again change nothing. `next_credentials` are a second pair, client id and secret, that is
        live as well. What was inserted is forgotten when the pool is full and the key was not used
        lately; where that may happen, use `credentials_callback`. Raises `ConfigurationError`.
        """
    def set_credentials(
        self,
        key: str,
        login_url: str,
        client_id: str,
        client_secret: str,
        *,
        next_credentials: tuple[str, str] | None = None,
    ) -> None:
        """The same for a key that the pool knows. Raises `ConfigurationError` with the code
        `unknown_key` for another.
        """
    def remove(self, key: str) -> bool:
        """Forget a key, its credentials and its token. True if the pool knew it."""
    def cached(self, key: str) -> Token | None:
        """Return the key's token if one can be used now, else None. Never waits, and never asks
        Salesforce.
        """
    def invalidate(self, key: str, token: Token | str) -> bool:
        """Report that Salesforce rejected a key's token (a `Token`, or its text): it is not given
        out again. True if it was the current token.
        """
    def status(self, key: str) -> Status | None:
        """Say what is known of a key at this instant, without asking anyone; None for one that the
        pool does not know.
        """
    def statuses(self) -> dict[str, Status]:
        """Say the same of all keys, in a new dict."""
    def deliver_events(self) -> None:
        """Tell `on_event` and `logging` what has happened since they were last told, on this
        thread.
        """
    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    def _client(self, key: str) -> ClientBase:
        """What a client of one key is made over."""
    def _has_requests(self) -> bool:
        """Whether the core may have requests."""
    def _serve_requests(self) -> None:
        """Have the requests of the core answered that wait."""
    def _start(self, key: str) -> Token | Wait[Token]:
        """The token of a key, or a `Wait` for it."""
    def _start_prewarm(self, keys: Iterable[str]) -> Wait[Prewarmed]: ...
    def _start_wait_idle(self) -> Wait[None]: ...

class ClientPool(PoolBase):
    """Tokens of many Salesforce orgs, each under a key of yours, for threads.

    ```python
    pool = ClientPool(credentials_callback=lookup)
    token = pool.token("tenant-42")
    ```

    Credentials come from `insert`; or from the option `credentials_callback`, which is called with
    a key and returns `(login_url, client_id, client_secret)`; or with the option `connections` from
    a folder, whose ids are the keys then. The options are those of
    `forcegrant.options.PoolOptions`. Each key has a client of its own, so that one org's failures
    and delays are no other's; the pace of logins is shared.

    One pool serves any number of threads, and works on in a forked child.
    """

    def __new__(cls, **options: Unpack[PoolOptions]) -> Self: ...
    def token(self, key: str, timeout: Seconds | None = None) -> Token:
        """Return a token of this key that is good to use now, asking Salesforce only if it must.

        `timeout` (seconds or a `timedelta`) limits how long this caller waits; the request goes on
        for the others. Raises what `Client.token` raises, and `ConfigurationError` with the code
        `unknown_key` where nobody gave credentials for the key.
        """
    def client(self, key: str) -> Client:
        """Give the `Client` of a key, to use by itself. It goes on working when the pool lets go of
        it.
        """
    def prewarm(self, keys: Iterable[str]) -> Prewarmed:
        """Log in for every key that has no usable token, behind the logins that callers wait for,
        and wait until all are done.
        """
    def wait_idle(self) -> None:
        """Wait until no request for a token is on its way."""
    def async_pool(self) -> AsyncClientPool:
        """Give an `AsyncClientPool` that shares this one's clients and everything else."""
    def close(self) -> None:
        """Do nothing: nothing is open between calls, and no token is ever revoked."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *_args: object) -> None: ...

@final
class Prewarmed:
    """What came of logging in ahead."""

    @property
    def ready(self) -> int:
        """How many keys have a usable token now."""
    @property
    def failed(self) -> dict[str, ForcegrantError]:
        """The keys whose login failed, and the `ForcegrantError` of each."""

@final
class Wait(Generic[_T]):
    """Something that is on its way."""

    def done(self) -> bool:
        """Whether the outcome is there."""
    def watch(self) -> int:
        """Make a socket that becomes readable when the outcome is there, and hand over its
        descriptor; the caller closes it.
        """
    def result(self, waited: float | None = None) -> _T:
        """Return or raise the outcome. Before it is there, `waited` is how many seconds the caller
        was ready to wait, and the error is that of a time-out.
        """
    def close(self) -> None:
        """Nobody waits any more: be told nothing. What is on its way goes on."""

def body_counts(status: int) -> bool:
    """Whether the body of a response with this status has to be read, for
    `ApiCall.handle_response`.
    """

def cli(args: list[str]) -> int:
    """Run the command line with the arguments after the program's name; give the exit code.

    It writes to the process's own standard streams, past `sys.stdout` and `sys.stderr`. It looks
    for no signals: leave Ctrl-C to the system before.
    """

def check_renewed(before: Token, now: Token) -> None:
    """Check the token that a call is made again with: raises `TokenRejectedError` if it is the one
    that was refused.
    """

def error_table() -> list[dict[str, Any]]:
    """The core's table of errors: a list of dicts, one for each code."""

def register(**functions: Callable[..., object]) -> None:
    """Name the functions of the package that this module calls."""

def seconds(name: str, value: Seconds) -> float:
    """The number of seconds in a number or a `timedelta`."""

def classify_response(
    status: int,
    headers: Mapping[str, str]
    | Mapping[bytes, bytes]
    | Iterable[tuple[str, str]]
    | Iterable[tuple[bytes, bytes]]
    | None = None,
    body: str | bytes | None = None,
) -> Classification:
    """Classify a response of a Salesforce API: REST, Bulk, SOAP, Connect or identity. Asks nobody.

    `headers` are a mapping, or pairs, of str or bytes; upper and lower case do not matter. The
    first few hundred bytes of the body are enough.
    """

def classify_grpc_status(code: int) -> Classification:
    """Classify the status of a gRPC call (of the Pub/Sub API). Asks nobody.

    `code` is the number of the status: `error.code().value[0]` with grpcio.
    """
