"""Authentication for requests."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.utils import rewind_body

from forcegrant import _calls
from forcegrant._native import Client

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from forcegrant._native import Core, Token


class RequestsAuth(AuthBase):
    """Sends the client's token along, and renews it when Salesforce says that it is dead."""

    def __init__(self, core: Core) -> None:
        # As `from_env` does; it is not for everybody.
        self._client: Client = Client(core)  # type: ignore[arg-type]
        self._instances = _calls.Instances()

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Prepare a request."""
        if "Authorization" not in r.headers:
            token = self._client.token()
            self._attach(r, token)
            r.register_hook("response", partial(self._answered, token))
        return r

    def _attach(self, request: PreparedRequest, token: Token) -> None:
        url = request.url or ""
        request.url = url = self._instances.aim(url, token)
        request.headers.pop("Authorization", None)
        if self._client.may_carry(token, url):
            request.headers["Authorization"] = token.authorization

    def _answered(self, token: Token, response: Response, **kwargs: Any) -> Response:
        request, status = response.request, response.status_code
        # Another origin, after a redirect, says nothing about the token.
        carried = request.headers.get("Authorization") == token.authorization
        if not carried or not _calls.is_telling(status):
            return response
        if not _calls.is_dead(status, response.headers, response.content):
            return response
        self._client.invalidate(token)
        if not _calls.is_repeated(status):
            return response
        again = request.copy()
        position = getattr(request, "_body_position", None)
        if isinstance(position, int):
            rewind_body(again)
        elif not isinstance(request.body, bytes | str | None):
            response.close()
            raise _calls.not_replayable(status)
        jar: Any = again._cookies  # type: ignore[attr-defined,unused-ignore]
        extract_cookies_to_jar(jar, request, response.raw)
        again.headers.pop("Cookie", None)
        again.prepare_cookies(jar)
        self._attach(again, self._client.token())
        # Lets go of the connection, so that the second call can have it.
        response.close()
        answer: Response = response.connection.send(again, **kwargs)  # type: ignore[attr-defined,unused-ignore]
        answer.history.append(response)
        answer.request = again
        return answer
