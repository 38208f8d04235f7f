"""A valid Salesforce access token for server programs, with no user present.

```python
from forcegrant import Client

client = Client("acme.my.salesforce.com", client_id, client_secret)
token = client.token()
token.access_token, token.instance_url
```

`Client` is for threads, `AsyncClient` for asyncio. Every failure is a
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
    RequestTimeoutError,
    ResponseError,
    TokenRejectedError,
    TransportError,
    UnavailableError,
)
from forcegrant._native import Client, Expiry, Status, Token, Verified, __version__

__all__ = [
    "AsyncClient",
    "Client",
    "ConfigurationError",
    "Expiry",
    "ForcegrantError",
    "InternalError",
    "LoginRateError",
    "RefusedError",
    "RequestTimeoutError",
    "ResponseError",
    "Status",
    "Token",
    "TokenRejectedError",
    "TransportError",
    "UnavailableError",
    "Verified",
    "__version__",
]
