"""Authentication for requests."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from requests import RequestException
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.utils import rewind_body

from forcegrant import _calls
from forcegrant._native import ApiCall, body_counts

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from forcegrant._native import Client, Token


class RequestsAuth(AuthBase):
    """Sends the client's token along, and renews it when Salesforce says that it is dead."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Prepare a request."""
        if not self.is_own(r):
            token = self._client.token()
            self._prepare(r, token)
            r.register_hook("response", partial(self._handle, token))
        return r

    # How the token travels; `_simple_salesforce` has other ways.

    def is_own(self, request: PreparedRequest) -> bool:
        """Whether the caller brings a header of its own: then all is left alone."""
        return "Authorization" in request.headers

    def guard(self, token: Token) -> Guard:
        """Give what attaches this token to a request."""
        return Guard(self._client, token)

    def _prepare(self, request: PreparedRequest, token: Token) -> None:
        self.guard(token).prepare(ApiCall(self._client, request.method or "GET"), request)

    def _handle(self, token: Token, response: Response, **kwargs: Any) -> Response:
        # A prepared request may be sent any number of times: each time is a call of its own.
        first = response.request
        call = ApiCall(self._client, first.method or "GET")
        call.prepare(token, first.url or "")
        while True:
            # Another origin, after a redirect, says nothing about the token.
            if not self.guard(token).carries(response.request):
                return response
            pause = _handle_response(call, response)
            if pause is None:
                if response.is_redirect and response.request is not first:
                    # The next request is made after the first one.
                    self._prepare(first, token)
                return response
            again = _repeated(response)
            # Lets go of the connection, so that the second call can have it.
            response.close()
            if pause > 0:
                time.sleep(pause)
            token = self._client.token()
            self.guard(token).prepare(call, again)
            repeated: Response = response.connection.send(again, **kwargs)  # type: ignore[attr-defined,unused-ignore]
            repeated.history = [*response.history, response]
            repeated.request = again
            response = repeated


class _Guarded(_calls.Guarded):
    """With what requests follows a redirect with: a copy."""

    def copy(self) -> PreparedRequest:
        """Give a copy that is guarded too."""
        copy: PreparedRequest = super().copy()  # type: ignore[misc]
        guard = _calls.guard_of(self)
        if guard is not None:
            guard.watch(copy)
        return copy


class Guard(_calls.Guard):
    """Of one request, and of its copies."""

    kind = _Guarded


def _handle_response(call: ApiCall, response: Response) -> float | None:
    content, broken = b"", None
    if body_counts(response.status_code):
        try:
            content = response.content
        except RequestException as error:
            broken = error
    body = response.request.body
    replayable = isinstance(body, bytes | str | None) or isinstance(_position(response), int)
    status, headers = response.status_code, response.headers
    try:
        pause = _calls.handle_response(call, status, headers, content, replayable=replayable)
    except BaseException:
        response.close()
        raise
    if pause is None and broken is not None:
        raise broken
    return pause


def _repeated(response: Response) -> PreparedRequest:
    request = response.request
    again = request.copy()
    if isinstance(_position(response), int):
        rewind_body(again)
    jar: Any = again._cookies  # type: ignore[attr-defined,unused-ignore]
    extract_cookies_to_jar(jar, request, response.raw)
    again.headers.pop("Cookie", None)
    again.prepare_cookies(jar)
    return again


def _position(response: Response) -> object:
    """Where a body that is a file began, if it can go back there."""
    return getattr(response.request, "_body_position", None)
