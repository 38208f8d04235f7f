"""A `Salesforce` of simple_salesforce whose session renews itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import requests
from simple_salesforce.api import Salesforce

from forcegrant._calls import Hidden
from forcegrant._native import ApiCall
from forcegrant._requests import Guard, RequestsAuth

if TYPE_CHECKING:
    from requests import PreparedRequest
    from simple_salesforce.metadata import SfdcMetadataApi

    from forcegrant._native import Client, Token

_OPTIONS = frozenset({"version", "session", "proxies", "parse_float", "object_pairs_hook"})


def connect(client: Client, **options: Any) -> RenewingSalesforce:
    """Check the options, which the client's own are not among."""
    others = ", ".join(sorted(options.keys() - _OPTIONS))
    if others:
        msg = (
            f"simple_salesforce() does not take {others}: the client brings session and instance; "
            f"it takes {', '.join(sorted(_OPTIONS))}"
        )
        raise TypeError(msg)
    return RenewingSalesforce(client, **options)


class RenewingSalesforce(Salesforce):
    """A `Salesforce` with a client's token, in all that it sends: REST, Bulk, Metadata API.

    Whatever it or the objects that it makes were given as session id is replaced when a request
    goes out.
    """

    def __init__(
        self,
        client: Client,
        session: requests.Session | None = None,
        proxies: Any = None,
        **options: Any,
    ) -> None:
        if session is None:
            session = requests.Session()
            session.proxies = proxies or session.proxies
            proxies = None
        self._client = client
        auth = _Auth(client)
        token = auth.begin()
        super().__init__(
            session_id=token.access_token,
            instance_url=token.instance_url,
            session=session,
            proxies=proxies,
            **options,
        )
        session.auth = auth

    @property
    def session_id(self) -> str:
        """The access token that is good to use now. Its `repr` does not show it, `str` does."""
        return Hidden(self._client.token().access_token)

    @session_id.setter
    def session_id(self, _given: str) -> None:
        """Simple_salesforce sets what it was given."""

    @property
    def mdapi(self) -> SfdcMetadataApi:
        """The Metadata API."""
        api = super().mdapi
        try:
            transport = api._client.transport
        except AttributeError as error:
            # An AttributeError would have the base class make an object of that name.
            msg = "this version of simple_salesforce keeps its SOAP client in another place"
            raise RuntimeError(msg) from error
        # It has a session of its own, which knows nothing of ours.
        transport.session = self.session
        # zeep logs what it sends; the token is put in its place after that.
        api._session_id = api._session_header.sessionId = _PLACEHOLDER
        return api


class _Auth(RequestsAuth):
    """Puts the token where a request has one already."""

    def begin(self) -> Token:
        """Give the first token; what is meant for its instance goes where later ones belong."""
        token = self._client.token()
        ApiCall(self._client, "GET").prepare(token, token.instance_url)
        return token

    def is_own(self, request: PreparedRequest) -> bool:
        """None is: there is a session id of ours in all of them."""
        del request
        return False

    def guard(self, token: Token) -> Guard:
        """Give what attaches this token to a request."""
        return _Guard(self._client, token)


class _Guard(Guard):
    """Knows the header of the REST API, that of Bulk API 1, and the envelope of a SOAP call."""

    def attach(self, request: PreparedRequest, token: Token | None) -> None:
        headers = request.headers
        is_soap, is_bulk = "SOAPAction" in headers, "X-SFDC-Session" in headers
        if is_bulk:
            del headers["X-SFDC-Session"]
            if token is not None:
                headers["X-SFDC-Session"] = Hidden(token.access_token)
        if is_soap:
            _put_in_envelope(request, token)
        if "Authorization" in headers or not (is_soap or is_bulk):
            super().attach(request, token)

    def carries(self, request: PreparedRequest) -> bool:
        headers = request.headers
        return (
            headers.get("X-SFDC-Session") == self.token.access_token
            or ("SOAPAction" in headers and _is_in_envelope(request, self.token))
            or super().carries(request)
        )


_SESSION_ID = re.compile(rb"(<(?:[\w.-]+:)?sessionId(?:\s[^>]*)?>)[^<]*")
_PLACEHOLDER = "forcegrant puts the token here"


def _put_in_envelope(request: PreparedRequest, token: Token | None) -> None:
    def session_id(tag: re.Match[bytes]) -> bytes:
        return tag[1] if token is None else tag[1] + token.access_token.encode()

    request.body = _SESSION_ID.sub(session_id, _bytes(request.body), count=1)
    request.prepare_content_length(request.body)


def _is_in_envelope(request: PreparedRequest, token: Token) -> bool:
    return token.access_token.encode() in _bytes(request.body)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""
