"""Call credentials and interceptors for gRPC, with grpcio on both sides of a TLS connection."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import aio

from forcegrant import ForcegrantError, TokenRejectedError, classify_grpc_status
from gateway import Gateway, cut, redirect
from pubsub import (
    CERTIFICATE_FILE,
    DEAD,
    KEY_FILE,
    Place,
    both,
    publish,
    secure,
    served,
    stream,
    unary,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forcegrant.testing import Org

# Before 1.83 a call prints what an interceptor raised when it is collected, even if it was caught.
PRINTED = "Exception ignored in. <function InterceptedCall:pytest.PytestUnraisableExceptionWarning"
pytestmark: Any = (
    pytest.mark.filterwarnings(f"ignore:{PRINTED}")
    if tuple(map(int, grpc.__version__.split(".")[:2])) < (1, 83)
    else []
)


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_collected_later() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def place(forcegrant_org: Org) -> Iterator[Place]:
    with served(forcegrant_org) as place:
        yield place


def test_the_plugin_brings_token_instance_and_org(place: Place) -> None:
    with grpc.secure_channel(place.target, secure(place.client.grpc_auth())) as channel:
        assert unary(channel) == b"response to one"
    token = place.client.token()
    assert place.pubsub.seen == [(token.access_token, token.instance_url, token.org_id)]


def test_the_plugin_holds_up_no_loop(place: Place) -> None:
    place.org.emulator.hold()

    async def main() -> None:
        plugin = place.client.async_client().grpc_auth()
        async with aio.secure_channel(place.target, secure(plugin)) as channel:
            calling = asyncio.ensure_future(unary(channel))
            # It goes on while the login is held.
            await asyncio.to_thread(place.org.emulator.wait_requests, 1)
            place.org.emulator.release()
            assert await calling == b"response to one"

    asyncio.run(main())
    assert place.tokens() == [place.client.token().access_token]


def test_a_host_that_is_not_trusted_gets_no_token(place: Place) -> None:
    client = place.org.client()
    by_plugin = grpc.secure_channel(place.target, secure(client.grpc_auth()))
    with by_plugin as channel, pytest.raises(grpc.RpcError, match="no token goes to localhost"):
        unary(channel)
    with place.channel(client) as channel, pytest.raises(grpc.RpcError, match="no token goes to"):
        unary(channel)

    async def main() -> None:
        async with place.aio_channel(client) as channel:
            with pytest.raises(aio.AioRpcError, match="no token goes to localhost"):
                await unary(channel)

    asyncio.run(main())
    assert place.pubsub.seen == []


def test_without_tls_no_token_goes_out(place: Place) -> None:
    channel = grpc.intercept_channel(
        grpc.insecure_channel(place.target), *place.client.grpc_interceptors()
    )
    with channel, pytest.raises(grpc.RpcError):
        unary(channel)
    assert place.pubsub.seen == []


def test_a_login_that_fails_is_told_as_it_is(place: Place) -> None:
    place.org.configure(app={"run_as": None})
    with place.channel() as channel:
        for call in (unary, publish, lambda channel: next(stream(channel))):
            with pytest.raises(ForcegrantError) as caught:
                call(channel)
            assert caught.value.setup_step == "run-as-user"
    by_plugin = grpc.secure_channel(place.target, secure(place.client.grpc_auth()))
    with by_plugin as channel, pytest.raises(grpc.RpcError, match="no client credentials user"):
        unary(channel)


def test_a_unary_call_that_meets_a_dead_session_is_made_once_more(place: Place) -> None:
    place.kill()
    with place.channel() as channel:
        assert unary(channel) == b"response to one"
    first, second = place.tokens()
    assert first != second == place.client.token().access_token
    assert place.logins() == 2


def test_the_same_in_asyncio(place: Place) -> None:
    place.kill()

    async def main() -> None:
        async with place.aio_channel() as channel:
            assert await unary(channel) == b"response to one"

    asyncio.run(main())
    first, second = place.tokens()
    assert first != second == place.client.token().access_token
    assert place.logins() == 2


def test_a_hundred_calls_that_meet_a_dead_session_cause_one_login(place: Place) -> None:
    place.kill()
    texts = [str(number).encode() for number in range(100)]
    with place.channel() as channel, ThreadPoolExecutor(100) as pool:
        responses = list(pool.map(lambda text: unary(channel, text), texts))
    assert responses == [b"response to " + text for text in texts]
    assert place.logins() == 2

    async def main() -> None:
        async with place.aio_channel() as channel:
            responses = await asyncio.gather(*(unary(channel, text) for text in texts))
            assert responses == [b"response to " + text for text in texts]

    place.kill()
    asyncio.run(main())
    assert place.logins() == 3


def test_when_the_instance_moved_the_repeated_call_names_the_new_one(place: Place) -> None:
    place.kill()
    moved = "https://acme-one.my.salesforce.com"
    place.org.emulator.control("move_instance", instance_url=moved)
    with place.channel() as channel:
        unary(channel)
    assert [b.instanceurl for b in place.pubsub.seen] == [place.org.instance_url, moved]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda channel: list(stream(channel)), [b"a", b"b"]),
        (publish, b"ab"),
        (lambda channel: list(both(channel)), [b"a", b"b"]),
    ],
    ids=["stream", "publish", "both"],
)
def test_of_a_call_that_goes_on_the_next_one_has_a_new_token(
    place: Place, call: Any, expected: object
) -> None:
    with place.channel() as channel:
        for number in range(1, 4):
            place.kill()
            with pytest.raises(grpc.RpcError) as caught:
                call(channel)
            assert caught.value.code() == DEAD
            assert place.client.cached() is None
            assert call(channel) == expected
            assert place.logins() == number + 1


def test_the_same_of_a_future(place: Place) -> None:
    place.kill()
    place.pubsub.hold.clear()
    with place.channel() as channel:
        method: Any = channel.unary_unary("/test.PubSub/Unary")
        call = method.future(b"x", timeout=20)
        assert place.pubsub.arrived.wait(20)
        place.pubsub.hold.set()
        with pytest.raises(grpc.RpcError):
            call.result()
        assert place.client.cached() is None
        assert unary(channel, b"x") == b"response to x"
    assert place.logins() == 2


@pytest.mark.parametrize("kind", ["stream", "publish", "both", "write", "read"])
def test_the_same_of_calls_in_asyncio(place: Place, kind: str) -> None:
    # A refusal that overtakes what is still being written becomes INTERNAL (grpc/grpc#36066).
    place.pubsub.hears_out = True

    async def call(channel: aio.Channel) -> object:
        if kind == "publish":
            return [await publish(channel)]
        if kind == "write":
            writing: Any = channel.stream_unary("/test.PubSub/Publish")(timeout=20)
            for text in (b"a", b"b"):
                await writing.write(text)
            await writing.done_writing()
            return [await writing]
        if kind == "read":
            reading = stream(channel)
            return [await reading.read(), await reading.read()]
        return [one async for one in (stream if kind == "stream" else both)(channel)]

    async def main() -> None:
        async with place.aio_channel() as channel:
            await asyncio.to_thread(place.kill)
            with pytest.raises(aio.AioRpcError) as caught:
                await call(channel)
            assert caught.value.code() == DEAD
            assert place.client.cached() is None
            joined = kind in ("publish", "write")
            assert await call(channel) == ([b"ab"] if joined else [b"a", b"b"])

    asyncio.run(main())
    assert place.logins() == 2


def test_a_stream_can_be_used_as_ever(place: Place) -> None:
    with place.channel() as channel:
        call: Any = stream(channel)
        assert [isinstance(call, kind) for kind in (grpc.Call, grpc.Future)] == [True, True]
        assert call.is_active()
        assert next(call) == b"a"
        call.cancel()
        with pytest.raises(grpc.RpcError):
            next(call)
        assert call.code() == grpc.StatusCode.CANCELLED
    assert place.client.cached() is not None


def test_the_same_token_again_and_a_fresh_one_that_is_refused_end_in_an_error(
    place: Place,
) -> None:
    place.pubsub.refuse = True
    with place.channel() as channel:
        with pytest.raises(TokenRejectedError) as caught:
            unary(channel)
        assert caught.value.code == "same_token_returned"
        assert len(place.pubsub.seen) == 1
        place.client.reset()
        place.org.configure(app={"distinct_tokens": True})
        with pytest.raises(grpc.RpcError) as refused:
            unary(channel)
        assert refused.value.code() == DEAD
        assert len(place.pubsub.seen) == 3


def test_the_same_of_a_token_again_in_asyncio(place: Place) -> None:
    place.pubsub.refuse = True

    async def main() -> None:
        async with place.aio_channel() as channel:
            with pytest.raises(TokenRejectedError) as caught:
                await unary(channel)
            assert caught.value.code == "same_token_returned"
            assert len(place.pubsub.seen) == 1
            place.client.reset()
            place.org.configure(app={"distinct_tokens": True})
            with pytest.raises(aio.AioRpcError) as refused:
                await unary(channel)
            assert refused.value.code() == DEAD
            assert len(place.pubsub.seen) == 3

    asyncio.run(main())


def test_a_slow_refusal_is_cured(place: Place) -> None:
    place.kill()
    place.pubsub.hold.clear()
    with place.channel() as channel, ThreadPoolExecutor(1) as pool:
        calling = pool.submit(unary, channel)
        assert place.pubsub.arrived.wait(20)
        place.pubsub.hold.set()
        assert calling.result() == b"response to one"

    async def main() -> None:
        async with place.aio_channel() as channel:
            calling = asyncio.ensure_future(unary(channel))
            await asyncio.to_thread(place.pubsub.arrived.wait, 20)
            place.pubsub.hold.set()
            assert await calling == b"response to one"

    place.kill()
    place.pubsub.arrived.clear()
    place.pubsub.hold.clear()
    asyncio.run(main())
    assert place.logins() == 3


def test_a_slow_stream_arrives_whole(place: Place) -> None:
    place.pubsub.hold.clear()
    with place.channel() as channel:
        call = stream(channel)
        assert next(call) == b"a"
        assert not call.done()
        place.pubsub.hold.set()
        assert list(call) == [b"b"]

    async def main() -> None:
        async with place.aio_channel() as channel:
            call = stream(channel)
            assert await call.read() == b"a"
            assert not call.done()
            place.pubsub.hold.set()
            assert [message async for message in call] == [b"b"]

    place.pubsub.hold.clear()
    asyncio.run(main())
    assert place.logins() == 1


def outcomes(place: Place) -> Iterator[grpc.StatusCode]:
    """How calls of each kind end if they cannot succeed."""
    with place.channel() as channel:
        for call in (unary, publish, lambda channel: next(stream(channel))):
            with pytest.raises(grpc.RpcError) as caught:
                call(channel)
            yield caught.value.code()

    async def ends(call: Any) -> grpc.StatusCode:
        async with place.aio_channel() as channel:
            with pytest.raises(aio.AioRpcError) as caught:
                await call(channel)
            return caught.value.code()

    for call in (unary, publish, lambda channel: stream(channel).read()):
        yield asyncio.run(ends(call))


def test_a_redirect_is_not_followed(place: Place) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as elsewhere,
        Gateway(
            redirect(f"https://localhost:{elsewhere.getsockname()[1]}/"), CERTIFICATE_FILE, KEY_FILE
        ) as gateway,
    ):
        ends = list(outcomes(place._replace(target=gateway.target)))
        assert DEAD not in ends
        assert gateway.requests == len(ends)
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert place.client.cached() is not None, "it says nothing about the token"
    assert place.logins() == 1


def test_an_answer_that_is_cut_breaks_off_and_the_token_stays(place: Place) -> None:
    with Gateway(cut, CERTIFICATE_FILE, KEY_FILE) as gateway:
        ends = list(outcomes(place._replace(target=gateway.target)))
        assert DEAD not in ends
        assert gateway.requests == len(ends)
    assert place.client.cached() is not None
    with place.channel() as channel:
        assert unary(channel) == b"response to one"
    assert place.logins() == 1


def test_a_call_that_waits_for_its_token_can_be_given_up(place: Place) -> None:
    place.org.emulator.hold()

    async def main() -> None:
        async with place.aio_channel() as channel:
            calls = [asyncio.ensure_future(unary(channel)), asyncio.ensure_future(publish(channel))]
            await asyncio.to_thread(place.org.emulator.wait_requests, 1)
            for call in calls:
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
            place.org.emulator.release()
            assert await unary(channel) == b"response to one"

    asyncio.run(main())
    assert len(place.pubsub.seen) == 1
    assert place.logins() == 1


def test_a_call_that_is_given_up_disturbs_nobody(place: Place) -> None:
    place.pubsub.hold.clear()

    async def main() -> None:
        async with place.aio_channel() as channel:
            call = unary(channel)
            await asyncio.to_thread(place.pubsub.arrived.wait, 20)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            place.pubsub.hold.set()
            assert await unary(channel) == b"response to one"

    asyncio.run(main())
    assert place.logins() == 1


def test_the_time_of_a_call_is_for_both_tries(place: Place) -> None:
    place.kill()
    place.org.emulator.hold()
    released = threading.Timer(0.6, place.org.emulator.release)
    released.start()
    with place.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        unary(channel, timeout=0.5)
    released.join()
    assert caught.value.code() == DEAD
    assert len(place.pubsub.seen) == 1


def test_call_credentials_of_the_callers_own_go_along(place: Place) -> None:
    class Own(grpc.AuthMetadataPlugin):
        def __call__(self, _context: Any, callback: Any) -> None:
            callback((("own", "mine"),), None)

    seen: list[Any] = []
    check = place.pubsub.check

    def looking(context: Any) -> None:
        seen.append(dict(context.invocation_metadata()))
        check(context)

    place.pubsub.check = looking  # type: ignore[method-assign]
    with place.channel() as channel:
        unary(channel, credentials=grpc.metadata_call_credentials(Own()))
    assert seen[0]["own"] == "mine"
    assert seen[0]["accesstoken"] == place.client.token().access_token


def test_classify_grpc_status() -> None:
    words = [classify_grpc_status(code).response_class for code in (0, 16, 7, 8, 14, 5)]
    assert words == [
        "fine",
        "session_expired",
        "blocked",
        "rate_limited",
        "unavailable",
        "other",
    ]
    assert classify_grpc_status(16).session_expired
