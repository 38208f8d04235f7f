"""Fetches and caches Salesforce access tokens for server applications.

```python
from forcegrant import Client

client = Client("acme.my.salesforce.com", client_id, client_secret)
token = client.token()
token.access_token, token.instance_url
```

`Client` is for threads, `AsyncClient` for asyncio and trio; `ClientPool` and
`AsyncClientPool` keep the tokens of many orgs. `Connections` verifies what a user
entered and keeps it: `Client.from_connection("acme")`. Every failure is a
`ForcegrantError`. Importing this package starts no thread, reads no
environment variable and sets up no logging.
"""

from forcegrant import _errors, _events, _extras, _native
from forcegrant._client import AsyncClient
from forcegrant._errors import (
    ConfigurationError,
    ForcegrantError,
    InternalError,
    LoginRateError,
    RefusedError,
    ReplayError,
    RequestTimeoutError,
    ResponseError,
    TokenRejectedError,
    TransportError,
    UnavailableError,
)
from forcegrant._native import (
    SETUP_STEPS,
    AsyncConnections,
    Classification,
    Client,
    ClientPool,
    Connection,
    ConnectionList,
    Connections,
    Event,
    Expiry,
    Measurement,
    Prewarmed,
    SetupStep,
    Status,
    Token,
    Verified,
    __version__,
    classify_grpc_status,
    classify_response,
)
from forcegrant._pool import AsyncClientPool

__all__ = [
    "SETUP_STEPS",
    "AsyncClient",
    "AsyncClientPool",
    "AsyncConnections",
    "Classification",
    "Client",
    "ClientPool",
    "ConfigurationError",
    "Connection",
    "ConnectionList",
    "Connections",
    "Event",
    "Expiry",
    "ForcegrantError",
    "InternalError",
    "LoginRateError",
    "Measurement",
    "Prewarmed",
    "RefusedError",
    "ReplayError",
    "RequestTimeoutError",
    "ResponseError",
    "SetupStep",
    "Status",
    "Token",
    "TokenRejectedError",
    "TransportError",
    "UnavailableError",
    "Verified",
    "__version__",
    "classify_grpc_status",
    "classify_response",
]


def _make_request_handler(credentials_callback: object, store: object) -> object:
    # Slow to import, and few programs need it.
    from forcegrant._callbacks import RequestHandler  # noqa: PLC0415

    return RequestHandler(credentials_callback, store)


async def _settle_verification(verification: _native.Verification) -> Connection:
    from forcegrant import _waiting  # noqa: PLC0415 - asyncio is slow to import

    return (await _waiting.settled(verification, verification.wait)).result()


# What the native module calls, so that it imports nothing from here.
_native.register(
    build_error=_errors.build,
    log_event=_events.log,
    make_adapter=_extras.adapter,
    make_request_handler=_make_request_handler,
    make_async_client=AsyncClient.from_client,
    make_async_pool=AsyncClientPool.from_pool,
    settle_verification=_settle_verification,
)
