"""The options of `Client`, `AsyncClient` and the pools, as types.

This module is for annotations (`options: ClientOptions = {"total_timeout": 10}`);
nothing imports it at run time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from os import PathLike
from typing import Literal, TypeAlias, TypedDict

from forcegrant._native import Connection, ConnectionsBase, Event, TestClock
from forcegrant.stores import Store

Seconds: TypeAlias = float | timedelta
"""A length of time: a number of seconds or a `timedelta`."""


CredentialSet: TypeAlias = tuple[str, str] | dict[str, tuple[str, str]]
"""A client id and secret; or a dict of such pairs, `current` and `next`, while one
replaces the other."""


class ClientOptions(TypedDict, total=False):
    """Keyword arguments of `Client` and `AsyncClient`.

    An option that is absent or None has the core's default, given below in
    brackets. A wrong value is a `ConfigurationError` when the client is made;
    it names the option and a right value.
    """

    client_secret_file: str | PathLike[str] | None
    """A file whose whole content is the client secret, as container secrets are mounted.
    It is read again when it changes and when a login is refused. [none]"""
    next_credentials: tuple[str, str] | None
    """A second client id and secret that are live while one pair replaces the other;
    tried when the first is refused. [none]"""
    credentials_callback: Callable[[], CredentialSet | Awaitable[CredentialSet]] | None
    """Brings the credentials, from a vault say: asked at the first login and when they are
    refused, on the thread of a caller that waits, and given up after `total_timeout`. An async
    function needs an `AsyncClient`; a plain one holds up the event loop. With it, leave
    `client_id` and `client_secret` out. [none]"""
    introspect: bool | None
    """Ask the introspection endpoint once after each login when the token ends, if the
    response did not say. [False]"""
    introspection_timeout: Seconds | None
    """For that request. [5 s]"""
    login_budget: int | Literal["none"] | None
    """How many logins this process may make for this org and client id within an hour;
    then the client stops, before Salesforce blocks the user at 3,600. [3000]"""
    auth_style: Literal["body", "basic"] | None
    """How the credentials are sent: in the form body or as HTTP Basic. ["body"]"""
    token_url: str | None
    """The whole URL of the token endpoint, for gateways and custom domains. Its
    host becomes one that the credentials are sent to. [derived from the login host]"""
    trusted_hosts: Iterable[str] | None
    """Host names beyond Salesforce's own that may be logged in to or named as
    instance; a leading dot means "and everything below". [none]"""
    allow_http_loopback: bool | None
    """Permit `http://` and IP addresses, for loopback addresses only. [False]"""
    resolve: Mapping[str, str] | None
    """Host name to `address:port`, instead of asking DNS; port 0 is the URL's. [none]"""
    roots: Literal["platform", "bundled"] | str | bytes | None
    """The certificate authorities to trust: the operating system's, Mozilla's (compiled in), or
    only those of a PEM file, by its path, or of a PEM text. Those of the system and of a file are
    read again when a server's issuer is unknown, once they are a minute old. ["platform"]"""
    proxy: Literal["env"] | str | None
    """How logins reach Salesforce: "env" reads `https_proxy`, `HTTPS_PROXY`, `all_proxy`,
    `ALL_PROXY`, `no_proxy` and `NO_PROXY` of `os.environ` when the client is made; None is no
    proxy, else its URL: `http://user:password@proxy.example:3128`. API calls are sent by HTTP
    libraries of your own, which have their own settings for a proxy. ["env"]"""
    connect_timeout: Seconds | None
    """For name resolution, connecting and TLS. [5 s]"""
    attempt_timeout: Seconds | None
    """For one request with its response. [10 s]"""
    total_timeout: Seconds | None
    """For all attempts of one login and the pauses between them. [30 s]"""
    max_attempts: int | None
    """Requests of one login, at most; refusals are never repeated. [3]"""
    retry_backoff: Seconds | None
    """Longest pause before the second attempt; doubles, drawn at random. [0.25 s]"""
    retry_after_cap: Seconds | None
    """Longest `Retry-After` that is waited for. [10 s]"""
    call_attempts: int | None
    """Attempts of one API call through this client's adapters: more than one repeats calls that
    get 503, 429 and the like as a response, if their method may be repeated (not POST or PATCH)
    and their body can be sent again. [1: off]"""
    call_backoff: tuple[Seconds, Seconds] | None
    """Longest first pause between two of them, and the longest of all. [(0.5 s, 10 s)]"""
    call_retry_after_cap: Seconds | None
    """Longest `Retry-After` that is waited for between two of them. [30 s]"""
    session_timeout: Seconds | None
    """What the org's session settings say (15 min to 24 h). [unknown: 30 min assumed]"""
    refresh_window: Seconds | None
    """How long before its end a token is renewed in the background. [15 min]"""
    safety_margin: Seconds | None
    """How long before a *known* end a token is no longer used. [60 s]"""
    max_stale: Seconds | None
    """How long past an *estimated* end a token is still used while it cannot be
    renewed. [twice the estimated lifetime]"""
    refusal_backoff: tuple[Seconds, Seconds] | None
    """How long a refusal is remembered: at first, and at most; doubles. (0, 0)
    switches it off. [(5 s, 60 s)]"""
    transient_backoff: tuple[Seconds, Seconds] | None
    """The same for failures that pass. [(1 s, 300 s)]"""
    store: Literal["process", "off", "file"] | str | Store | None
    """Whom the client shares its token and its logins with: the clients of this process,
    nobody, the user's processes on this machine (through a folder in the user's cache, or one
    of your own: "file:///var/cache/my-service"), everyone who uses a Redis or Valkey
    ("rediss://user:password@host"), or a store that you wrote: see `forcegrant.stores`.
    ["process"]"""
    store_timeout: Seconds | None
    """For each step of a store; then the login goes ahead without it. [1 s]"""
    clock: TestClock | None
    """A `forcegrant.testing.TestClock`, so that a test can move time. [the system's]"""
    on_event: Callable[[Event], object] | None
    """Called with everything that happens, on the thread of a caller: see `Event`. The
    logger `forcegrant` of the standard `logging` is told the same in any case. [none]"""


class _Org(TypedDict):
    login_url: str
    client_id: str
    client_secret: str


class Org(_Org, total=False):
    """Where one org's credentials go and what they are, by name."""

    next_credentials: tuple[str, str] | None


OrgCredentials: TypeAlias = tuple[str, str, str] | Org | Connection
"""What the `credentials_callback` of a pool returns: login URL, client id and client secret; a
dict that names them and may hold a second pair; or a `Connection`, as `Connection.load` gives."""


class PoolOptions(ClientOptions, total=False):
    """Keyword arguments of `ClientPool` and `AsyncClientPool`.

    The options of `ClientOptions` hold for all clients of the pool, but for those about one org,
    which are refused (`client_secret_file`, `next_credentials` and `token_url`). The pool is itself
    what this process shares, so `store` tells only what is shared beyond it. [nothing]
    """

    credentials_callback: (  # type: ignore[misc]  # it is asked with a key
        Callable[[str], OrgCredentials | Awaitable[OrgCredentials | None] | None] | None
    )
    """Brings the credentials of a key that was not inserted, from a database or a vault: asked at
    its first login and when they are refused, on the thread of a caller that waits, and given up
    after `total_timeout`. None says that there is no such key: its callers get `unknown_key`. An
    async function needs an `AsyncClientPool`. [none]"""
    connections: ConnectionsBase | None
    """`Connections` (or `AsyncConnections`) of a folder, whose ids are the keys of the pool: each
    is read at the first use of its key, and again when its file changes and when a login is
    refused. The options in a connection come before those of the pool. [none]"""
    max_clients: int | None
    """How many clients are kept; then one that was not used lately goes. [10000]"""
    logins_per_second: int | Literal["none"] | None
    """How many logins of the pool start within a second. [100]"""
    concurrent_logins: int | Literal["none"] | None
    """How many logins of the pool are in flight at once; one that takes longer than two seconds
    is not counted, up to four times as many. [64]"""
