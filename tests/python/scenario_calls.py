"""The API calls of a scenario: through `httpx_auth`, from threads or in an event loop."""

from __future__ import annotations

import asyncio
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from forcegrant import AsyncClient, Client, ForcegrantError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from forcegrant.testing import Emulator


class CallRequest(NamedTuple):
    """An API call; `body` is the text to send, and whether it can be read once only."""

    method: str
    url: str
    headers: dict[str, str]
    body: tuple[str, bool] | None


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


Outcome = Answer | ForcegrantError


def options(emulator: Emulator) -> dict[str, Any]:
    """What an httpx client needs to reach the emulator under any host's name."""
    return {
        "proxy": emulator.proxy,
        "verify": ssl.create_default_context(cadata=emulator.ca_pem),
        "follow_redirects": True,
        "timeout": 30,
        "limits": httpx.Limits(max_connections=200),
    }


def from_threads(
    client: Client,
    emulator: Emulator,
    request: CallRequest,
    callers: int,
    meanwhile: Callable[[], None],
) -> list[Outcome]:
    """Call from as many threads."""
    together = threading.Barrier(callers + 1)

    def stream() -> Iterator[bytes]:
        assert request.body is not None
        yield request.body[0].encode()

    def content() -> Any:
        return content_of(request, stream)

    with httpx.Client(auth=client.httpx_auth(), **options(emulator)) as http:

        def call() -> Outcome:
            together.wait()
            try:
                answer = http.request(
                    request.method, request.url, headers=request.headers, content=content()
                )
            except ForcegrantError as error:
                return error
            return outcome(answer)

        with ThreadPoolExecutor(callers) as pool:
            calls = [pool.submit(call) for _ in range(callers)]
            together.wait()
            meanwhile()
            return [call.result() for call in calls]


async def in_loop(
    client: AsyncClient,
    emulator: Emulator,
    request: CallRequest,
    callers: int,
    meanwhile: Callable[[], None],
) -> list[Outcome]:
    """Call from as many tasks."""

    async def stream() -> AsyncIterator[bytes]:
        assert request.body is not None
        yield request.body[0].encode()

    async with httpx.AsyncClient(auth=client.httpx_auth(), **options(emulator)) as http:

        async def call() -> Outcome:
            content = content_of(request, stream)
            try:
                answer = await http.request(
                    request.method, request.url, headers=request.headers, content=content
                )
            except ForcegrantError as error:
                return error
            return outcome(answer)

        calls = [asyncio.create_task(call()) for _ in range(callers)]
        await asyncio.to_thread(meanwhile)
        return await asyncio.gather(*calls)


def content_of(request: CallRequest, stream: Callable[[], Any]) -> Any:
    """Give the body as httpx takes it."""
    if request.body is None:
        return None
    text, is_stream = request.body
    return stream() if is_stream else text


def outcome(answer: httpx.Response) -> Answer:
    return Answer(answer.status_code, dict(answer.headers), answer.content)
