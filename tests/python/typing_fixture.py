"""Code of a user, for the type checker alone; test_types.py looks at what it says.

A line that ends in `# E: code` must be an error of that code; every other one must be right.
"""

import asyncio
from datetime import datetime, timedelta

from forcegrant import (
    SETUP_STEPS,
    AsyncClient,
    AsyncConnections,
    Client,
    Connection,
    ConnectionList,
    Connections,
    Expiry,
    ForcegrantError,
    RefusedError,
    RequestTimeoutError,
    Status,
    Token,
    Verified,
)
from forcegrant.options import ClientOptions, Seconds
from forcegrant.testing import Emulator, Org, TestClock

options: ClientOptions = {"total_timeout": 10, "proxy": None, "resolve": {"h": "127.0.0.1:1"}}
client: Client = Client("acme.my.salesforce.com", "id", "secret", **options)
client = Client.from_env(connect_timeout=timedelta(seconds=1), refusal_backoff=(5, 60))
client = Client("acme.my.salesforce.com", "id", "secret", clock=TestClock(), roots=b"pem")

Client()  # E: call-arg
Client("acme.my.salesforce.com", "id", client_secret_file="secret")
Client("acme.my.salesforce.com", "id", "secret", total_timout=3)  # E: call-arg
Client("acme.my.salesforce.com", "id", "secret", total_timeout="3")  # E: arg-type
Client("acme.my.salesforce.com", "id", "secret", auth_style="jwt")  # E: arg-type
Client.from_env(resolve={"h": 1})  # E: dict-item

token: Token = client.token()
token = client.token(timeout=2.5)
token = client.token(timedelta(seconds=2))
maybe: Token | None = client.cached()
token = client.cached()  # E: assignment
text: str = token.access_token + token.instance_url + token.authorization + token.fingerprint
text = token.org_id  # E: assignment
scopes: tuple[str, ...] = token.scopes
issued: datetime | None = token.issued_at
expiry: Expiry = token.expiry
at: datetime = expiry.at
token.access_token = "x"  # E: misc
evicted: bool = client.invalidate(token) and client.invalidate(token.access_token)
client.invalidate(3)  # E: arg-type
status: Status = client.status()
logins: int = status.logins
reason: ForcegrantError | None = status.last_error
verified: Verified = client.verify()
usage: tuple[int, int] | None = verified.api_usage
twin: AsyncClient = client.async_client()

connections = Connections("/run/secrets/forcegrant")
acme: Connection = connections.authorize("acme", "host", "id", "secret", labels={"tenant": "42"})
acme = connections.authorize("acme", client_secret="new", replace=True, total_timeout=10)
connections.authorize("acme", "host", "id", "secret", label={"tenant": "42"})  # E: call-arg
connections.authorize("acme", "host", "id", "secret", labels={"tenant": 42})  # E: dict-item
found: ConnectionList = connections.list({"tenant": "42"})
ids: list[str] = [one.id for one in found]
unreadable: tuple[ForcegrantError, ...] = found.unreadable
checked: datetime | None = acme.verified
acme.name = "x"  # E: misc
client = Client.from_connection("acme", connections, total_timeout=10)
twin = AsyncClient.from_connection("acme", AsyncConnections())
Client.from_connection("acme", "/run/secrets")  # E: arg-type
titles: list[str] = [f"{step.title}: {step.path}" for step in SETUP_STEPS]


class Mine(Client):
    """A subclass."""


mine: Mine = Mine.from_env()

try:
    token = client.token()
except RefusedError as error:
    step: str | None = error.setup_step
    field: str | None = error.field
except RequestTimeoutError as error:
    wait: float | None = error.retry_after
except ForcegrantError as error:
    code: str = error.code
    code = error.http_status  # E: assignment


async def main(twin: AsyncClient) -> Token:
    """Await things."""
    async with twin as sf:
        not_awaited: Token = sf.token()  # E: assignment
        token: Token = await sf.token(timeout=1)
        verified: Verified = await sf.verify()
        await sf.wait_idle()
    acme: Connection = await AsyncConnections().authorize("acme", "host", "id", "secret")
    acme = AsyncConnections().verify("acme")  # E: assignment
    cached: Token | None = twin.cached()
    return cached or (verified.token if verified.api_usage else token)


length: Seconds = 3
with Emulator() as emulator, client as entered:
    org: Org = emulator.org
    token = org.client(total_timeout=length).token()
    token = asyncio.run(main(org.async_client()))
    same: Client = entered
