"""A gateway in front of a gRPC service: minimal HTTP/2 over TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Self

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING = 0x0, 0x1, 0x3, 0x4, 0x6
ACK = END_STREAM = 0x1
END_HEADERS = 0x4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return b"".join(
        [len(payload).to_bytes(3, "big"), bytes([kind, flags]), stream.to_bytes(4, "big"), payload]
    )


def redirect(location: str) -> Callable[[int], bytes]:
    """A 307 to this address."""
    # Names by their number in HPACK's static table: `:status` is 8, `location` 46.
    head = b"\x08\x03307" + b"\x0f\x1f" + bytes([len(location)]) + location.encode()
    return lambda stream: frame(HEADERS, END_HEADERS | END_STREAM, stream, head)


def cut(stream: int) -> bytes:
    """The head of a successful response and half of its message, then a reset of the stream."""
    # 200, and 31 is `content-type`.
    head = b"\x88" + b"\x0f\x10\x10application/grpc"
    return b"".join(
        [
            frame(HEADERS, END_HEADERS, stream, head),
            frame(DATA, 0, stream, b"\0\0\0\0\x04ha"),
            # INTERNAL_ERROR
            frame(RESET, 0, stream, (2).to_bytes(4, "big")),
        ]
    )


class Gateway:
    """Sends the same response to every request, within a with statement."""

    def __init__(self, response: Callable[[int], bytes], certificate: Path, key: Path) -> None:
        self._answer = response
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept)
        self._open: list[socket.socket] = []
        self.requests = 0

    @property
    def target(self) -> str:
        return f"localhost:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for each in (self._listener, *self._open):
            # Wakes the thread that waits in it.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._thread.join()

    def _accept(self) -> None:
        threads: list[threading.Thread] = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threads.append(threading.Thread(target=self._serve, args=[connection]))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        # Clients go away as they please.
        with (
            contextlib.suppress(OSError, EOFError),
            self._context.wrap_socket(connection, server_side=True) as secure,
        ):
            self._open.append(secure)
            incoming = secure.makefile("rb")
            incoming.read(len(PREFACE))
            secure.sendall(frame(SETTINGS, 0, 0))
            while len(start := incoming.read(9)) == 9:
                payload = incoming.read(int.from_bytes(start[:3], "big"))
                kind, flags = start[3], start[4]
                if kind in (SETTINGS, PING) and not flags & ACK:
                    secure.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
                elif kind == HEADERS:
                    self.requests += 1
                    secure.sendall(self._answer(int.from_bytes(start[5:], "big")))
