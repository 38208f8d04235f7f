"""Shared by the Python parts: the client's options, an API call with nothing but the standard library, the figures."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import statistics
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from forcegrant import Token
    from forcegrant.options import ClientOptions

LIMITS = "/services/data/v67.0/limits"
BATCHES = 11
READS = 50_000


def emulator() -> tuple[str, str] | None:
    """Address and certificate authority of the emulator; None when a real org is asked."""
    address = os.environ.get("FORCEGRANT_DEMO_HTTPS")
    return (address, Path(os.environ["FORCEGRANT_DEMO_CA"]).read_text()) if address else None


def options() -> ClientOptions:
    """What a client needs beside the credentials of the environment: for a real org nothing."""
    found = emulator()
    if found is None:
        return {}
    address, ca = found
    return {"resolve": {os.environ["SALESFORCE_LOGIN_URL"]: address}, "roots": ca, "proxy": None}


def limits(token: Token) -> int:
    """The status of an API call with the token: 200, or 401 when its session is dead."""
    host = urlsplit(token.instance_url).hostname or ""
    connection = Connection(host, emulator())
    try:
        connection.request("GET", LIMITS, headers={"Authorization": f"Bearer {token.access_token}"})
        response = connection.getresponse()
        body = json.loads(response.read())
    finally:
        connection.close()
    if response.status == http.client.OK and "DailyApiRequests" not in body:
        raise ValueError(f"the response has no limits: {body}")
    return response.status


class Connection(http.client.HTTPSConnection):
    """To the host by its name; the emulator's hosts have no other address than the emulator's."""

    def __init__(self, host: str, found: tuple[str, str] | None) -> None:
        self._context = ssl.create_default_context(cadata=found[1] if found else None)
        super().__init__(host, timeout=30, context=self._context)
        self._address = found[0] if found else None

    def connect(self) -> None:
        """The certificate is checked against the name, whatever the address."""
        if self._address is None:
            super().connect()
            return
        host, _, port = self._address.rpartition(":")
        plain = socket.create_connection((host, int(port)), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


def print_line(language: str, token: Token, login_seconds: float, status: int, batches: list[float]) -> None:
    """The JSON line that the driver reads; `batches` are seconds for `READS` reads."""
    line = {
        "language": language,
        "login_ms": login_seconds * 1e3,
        "cached_ns": statistics.median(batches) / READS * 1e9,
        "limits": status,
        "org_id": token.org_id,
        "instance_url": token.instance_url,
    }
    print(json.dumps(line))
