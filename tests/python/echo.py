"""A token endpoint that repeats the whole request, which is the worst case for secrets."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from typing_extensions import Self

TOKEN = "00DCANARY000001!AQ.CANARYt0ken+/=x"


class EchoResponse(NamedTuple):
    """The response; its texts may hold `{echo}`."""

    status: int
    body: Any
    content_type: str = "application/json"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed

    def filled(self, echo: str) -> EchoResponse:
        """Replace `{echo}` with the request."""
        headers = {name: fill(text, one_line(echo)) for name, text in self.headers.items()}
        content_type = fill(self.content_type, one_line(echo))
        return EchoResponse(self.status, fill(self.body, echo), content_type, headers)


def fill(value: Any, echo: str) -> Any:
    if isinstance(value, str):
        return value.replace("{echo}", echo)
    if isinstance(value, dict):
        return {name: fill(each, echo) for name, each in value.items()}
    return value


def one_line(text: str) -> str:
    """Give the text in a form that a header allows."""
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()


REFUSED = {"error": "invalid_client", "error_description": "no: {echo}"}
GOOD = {
    "access_token": TOKEN,
    "instance_url": "https://acme.my.salesforce.com",
    "id": "https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA",
    "token_type": "Bearer",
    "issued_at": "1700000000000",
}
RESPONSES = {
    "description": EchoResponse(400, REFUSED),
    "error": EchoResponse(400, {"error": "{echo}", "error_description": "{echo}"}),
    "other refusal": EchoResponse(401, {"error": "invalid_grant", "error_description": "{echo}"}),
    "temporary": EchoResponse(400, {"error": "unknown_error", "error_description": "{echo}"}),
    "rate": EchoResponse(400, {"error": "login_rate_exceeded", "error_description": "{echo}"}),
    "html": EchoResponse(400, "<html><body>{echo}</body></html>", "text/html"),
    "unavailable": EchoResponse(503, "{echo}", "text/plain"),
    "too many": EchoResponse(429, "{echo}", "text/plain", {"Retry-After": "{echo}"}),
    "content type": EchoResponse(200, "{echo}", "text/{echo}"),
    "proxy": EchoResponse(
        407, "{echo}", "text/plain", {"Proxy-Authenticate": 'Basic realm="{echo}"'}
    ),
    "location": EchoResponse(302, "", "text/plain", {"Location": "https://a.example/?{echo}"}),
    "user in location": EchoResponse(
        302, "", "text/plain", {"Location": "https://{echo}@a.example/"}
    ),
    "host in location": EchoResponse(302, "", "text/plain", {"Location": "https://{echo}/"}),
    "not json": EchoResponse(200, "{echo}"),
    "no token": EchoResponse(200, {"echo": "{echo}", "scope": "{echo}"}),
    "instance": EchoResponse(200, {**GOOD, "instance_url": "https://evil.example/?{echo}"}),
    "instance host": EchoResponse(200, {**GOOD, "instance_url": "https://{echo}.evil.example"}),
    "token type": EchoResponse(200, {**GOOD, "token_type": "{echo}"}),
    "issued": EchoResponse(200, {**GOOD, "issued_at": "{echo}"}),
    "expiry": EchoResponse(200, {**GOOD, "expires_in": "{echo}"}),
    "signature": EchoResponse(200, {**GOOD, "signature": "{echo}"}),
    "token": EchoResponse(200, {**GOOD, "access_token": "{echo}"}),
}


class EchoServer:
    """Sends the same response to every request, within a with statement."""

    def __init__(self, response: EchoResponse) -> None:
        self.requests = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(response))
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self, response: EchoResponse) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.requests += 1
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                status, body, content_type, headers = response.filled(
                    echo_of(self.requestline, dict(self.headers), body)
                )
                sent = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(sent)))
                for name, text in headers.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(sent)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *args: object) -> None:
                del args

        return Handler


def echo_of(line: str, headers: dict[str, str], body: str) -> str:
    """The request as it came, and as various servers decode it."""
    said = [body, unquote(body), unquote_plus(body)]
    for name, text in headers.items():
        said.append(f"{name}: {text}")
        if text.startswith("Basic "):
            pair = base64.b64decode(text.removeprefix("Basic ")).decode()
            said += [pair, unquote(pair)]
    return "\n".join([*said, line, json.dumps({"form": unquote_plus(body)})])
