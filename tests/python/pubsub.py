"""A gRPC server that looks at the credentials of calls, and calls of each kind to it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from grpc import aio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forcegrant import Client
    from forcegrant.testing import Org

# For tests alone: a key that is public.
FIXTURES = Path(__file__).resolve().parents[1] / "node/fixtures"
KEY_FILE, CERTIFICATE_FILE = FIXTURES / "grpc-test-key.pem", FIXTURES / "grpc-test-cert.pem"
KEY, CERTIFICATE = KEY_FILE.read_bytes(), CERTIFICATE_FILE.read_bytes()
DEAD = grpc.StatusCode.UNAUTHENTICATED


class Brought(NamedTuple):
    accesstoken: str | None
    instanceurl: str | None
    tenantid: str | None


class PubSub(grpc.GenericRpcHandler):
    """Serves each kind of call; `dead` are the tokens that it refuses."""

    def __init__(self) -> None:
        self.seen: list[Brought] = []
        self.dead: set[str | None] = set()
        self.refuse = False
        # Whether a refusal waits until the caller has sent all that it has.
        self.hears_out = False
        self.arrived, self.hold = threading.Event(), threading.Event()
        self.hold.set()

    def service(self, details: Any) -> Any:
        kinds: dict[str, Any] = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Stream": grpc.unary_stream_rpc_method_handler(self.stream),
            "Publish": grpc.stream_unary_rpc_method_handler(self.publish),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        return kinds[details.method.rsplit("/")[-1]]

    def unary(self, request: bytes, context: Any) -> bytes:
        self.arrived.set()
        self.hold.wait(30)
        self.check(context)
        return b"response to " + request

    def stream(self, _request: bytes, context: Any) -> Iterator[bytes]:
        self.check(context)
        yield b"a"
        self.hold.wait(30)
        yield b"b"

    def publish(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b"".join(self.checked(requests, context))

    def both(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        yield from self.checked(requests, context)

    def checked(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        if self.hears_out:
            requests = iter(list(requests))
        self.check(context)
        return requests

    def check(self, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        brought = Brought(*(metadata.get(name) for name in Brought._fields))
        self.seen.append(brought)
        if self.refuse or brought.accesstoken in self.dead:
            context.abort(DEAD, "the session is dead")


class Place(NamedTuple):
    org: Org
    client: Client
    pubsub: PubSub
    target: str

    def kill(self) -> None:
        """End the session, for the emulator and for the server here."""
        self.pubsub.dead.add(self.client.token().access_token)
        self.org.kill_sessions()

    def logins(self) -> int:
        return self.org.emulator.counters()["token_requests"]

    def tokens(self) -> list[str | None]:
        return [brought.accesstoken for brought in self.pubsub.seen]

    def channel(self, client: Client | None = None) -> grpc.Channel:
        channel = grpc.secure_channel(self.target, secure())
        return grpc.intercept_channel(channel, *(client or self.client).grpc_interceptors())

    def aio_channel(self, client: Client | None = None) -> aio.Channel:
        twin = (client or self.client).async_client()
        return aio.secure_channel(self.target, secure(), interceptors=twin.grpc_interceptors())


def secure(plugin: Any = None) -> grpc.ChannelCredentials:
    channel = grpc.ssl_channel_credentials(CERTIFICATE)
    if plugin is None:
        return channel
    return grpc.composite_channel_credentials(channel, grpc.metadata_call_credentials(plugin))


@contextmanager
def served(org: Org) -> Iterator[Place]:
    """A server, and a client of the org that trusts it."""
    pubsub = PubSub()
    server = grpc.server(ThreadPoolExecutor(110), handlers=[pubsub])
    credentials = grpc.ssl_server_credentials([(KEY, CERTIFICATE)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    client = org.client(trusted_hosts=["localhost"])
    yield Place(org, client, pubsub, f"localhost:{port}")
    pubsub.hold.set()
    server.stop(None).wait()


def unary(channel: Any, text: bytes = b"one", **options: Any) -> Any:
    return channel.unary_unary("/test.PubSub/Unary")(text, **{"timeout": 20, **options})


def stream(channel: Any) -> Any:
    return channel.unary_stream("/test.PubSub/Stream")(b"x", timeout=20)


def publish(channel: Any) -> Any:
    return channel.stream_unary("/test.PubSub/Publish")(iter([b"a", b"b"]), timeout=20)


def both(channel: Any) -> Any:
    return channel.stream_stream("/test.PubSub/Both")(iter([b"a", b"b"]), timeout=20)
