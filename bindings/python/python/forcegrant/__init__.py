"""A valid Salesforce access token for server programs, with no user present.

```python
from forcegrant import Client

client = Client("acme.my.salesforce.com", client_id, client_secret)
token = client.token()
token.access_token, token.instance_url
```

`Client` is for threads, `AsyncClient` for asyncio and trio; `ClientPool` and
`AsyncClientPool` keep the tokens of many orgs. Every failure is a
`ForcegrantError`. Importing this package starts no thread, reads no
environment variable and sets up no logging.
"""

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
    Classification,
    Client,
    ClientPool,
    Event,
    Expiry,
    Measurement,
    Prewarmed,
    Status,
    Token,
    Verified,
    __version__,
    classify_grpc_status,
    classify_response,
)
from forcegrant._pool import AsyncClientPool

__all__ = [
    "AsyncClient",
    "AsyncClientPool",
    "Classification",
    "Client",
    "ClientPool",
    "ConfigurationError",
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
