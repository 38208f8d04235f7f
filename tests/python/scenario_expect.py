"""What the expectations of a scenario mean."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from forcegrant import (
    Event,
    ForcegrantError,
    ReplayError,
    Status,
    Token,
    Verified,
    _errors,
    classify_response,
)
from scenario_fields import JSON, Fields, assert_equal, assert_subset

if TYPE_CHECKING:
    from forcegrant.testing import TestClock
    from scenario_calls import Answer


class Expectations:
    """Holds what happened against what was expected, with the time and the tokens of the run."""

    def __init__(self) -> None:
        self.clock: TestClock | None = None
        self.tokens: dict[str, Token] = {}

    def now(self) -> datetime:
        return self.clock.now() if self.clock else datetime.now(timezone.utc)

    def check_token(self, token: Token, expected: JSON) -> None:
        expect = Fields(expected, "token")
        if expect.has("has_issued_at"):
            assert (token.issued_at is not None) == expect.take("has_issued_at")
        if expect.has("expires_in_seconds"):
            left = (token.expiry.at - self.now()).total_seconds()
            wanted = expect.take("expires_in_seconds")
            assert abs(left - wanted) <= 5, f"it ends in {left} s"
        if expect.has("same_as"):
            assert token.access_token == self.tokens[expect.take("same_as")].access_token
        if expect.has("differs_from"):
            assert token.access_token != self.tokens[expect.take("differs_from")].access_token
        assert_subset(token.extra, expect.take("extra", {}), "extra")
        assert not set(expect.take("extra_lacks", [])) & set(token.extra)
        seen = {
            "access_token": token.access_token,
            "instance_url": token.instance_url,
            "api_instance_url": token.api_instance_url,
            "org_id": token.org_id,
            "user_id": token.user_id,
            "identity_url": token.identity_url,
            "token_format": token.token_format,
            "token_type": token.token_type,
            "scopes": list(token.scopes),
            "expiry_source": token.expiry.source,
            "expiry_certainty": token.expiry.certainty,
        }
        assert token.authorization == f"Bearer {token.access_token}"
        assert token.access_token not in repr(token)
        assert_equal(seen, expect)

    def check_error(self, error: ForcegrantError, expected: JSON, secrets: list[str]) -> None:
        expect = Fields(expected, "error")
        text = str(error)
        assert len(text) > 10, f"the text says nothing: {text!r}"
        for unsaid in (*secrets, *(token.access_token for token in self.tokens.values())):
            assert not unsaid or unsaid not in text + repr(error), "the text holds a secret"
        wanted = _errors.CLASSES[error.kind]
        if error.code == "request_not_replayable":
            wanted = ReplayError
        assert type(error) is wanted, f"{type(error)} for {error.kind}"
        for part in expect.take("message_contains", []):
            assert part.lower() in text.lower(), f"{part!r} is not in {text!r}"
        for part in expect.take("message_lacks", []):
            assert part.lower() not in text.lower(), f"{part!r} is in {text!r}"
        if expect.has("has_retry_after"):
            assert (error.retry_after is not None) == expect.take("has_retry_after")
        if expect.has("retry_after_at_least"):
            least = expect.take("retry_after_at_least")
            assert error.retry_after is not None and error.retry_after >= least  # noqa: PT018
        if expect.has("retry_after_at_most"):
            most = expect.take("retry_after_at_most")
            assert error.retry_after is not None and error.retry_after <= most  # noqa: PT018
        names = (
            "code kind retryable http_status oauth_error oauth_description setup_step field".split()  # noqa: SIM905
        )
        assert_equal({name: getattr(error, name) for name in names}, expect)

    def check_response(self, response: Answer, expected: JSON) -> None:
        expect = Fields(expected, "response")
        for part in expect.take("body_contains", []):
            assert part.encode() in response.body, f"{part!r} is not in {response.body!r}"
        said = str(classify_response(response.status, response.headers, response.body))
        assert_equal({"status": response.status, "response_class": said}, expect)

    def check_verified(self, verified: Verified, expected: JSON) -> None:
        expect = Fields(expected, "verified")
        if expect.has("has_api_usage"):
            assert (verified.api_usage is not None) == expect.take("has_api_usage")
        self.check_token(verified.token, expect.take("token", {}))
        expect.done()

    def check_status(self, status: Status, expected: JSON) -> None:
        expect = Fields(expected, "status")
        if expect.has("fingerprint_of"):
            name = expect.take("fingerprint_of")
            wanted = None if name is None else self.tokens[name].fingerprint
            assert status.fingerprint == wanted
        if expect.has("backing_off"):
            until = status.backing_off_until
            backing_off = until is not None and until > self.now()
            assert backing_off == expect.take("backing_off"), f"backing off until {until}"
        seen = {
            "state": status.state,
            "in_flight": status.in_flight,
            "logins": status.logins,
            "failures": status.failures,
            "last_error_code": status.last_error and status.last_error.code,
            "login_host": status.login_host,
            "expiry_source": status.expiry and status.expiry.source,
            "expiry_certainty": status.expiry and status.expiry.certainty,
        }
        assert_equal(seen, expect)

    def check_event(self, event: Event, expect: Fields) -> None:
        if expect.has("fingerprint_of"):
            token = self.tokens[expect.take("fingerprint_of")]
            assert event.fingerprint == token.fingerprint, f"{event.name}: fingerprint"
        seen = {
            "name": event.name,
            "key": event.key,
            "background": event.background,
            "attempts": event.attempts,
            "code": event.error and event.error.code,
            "expiry_source": event.expiry and event.expiry.source,
            "client_id": event.client_id,
            "used": event.used,
            "stop": event.stop,
        }
        assert_equal(seen, expect)

    def check_request(self, seen: JSON, expect: Fields) -> None:
        form, headers = seen["form"] or {}, seen["headers"]
        assert_subset(form, expect.take("form", {}), "form")
        assert_subset(headers, expect.take("headers", {}), "headers")
        assert not set(expect.take("form_lacks", [])) & set(form)
        assert not set(expect.take("headers_lack", [])) & set(headers)
        names = "host sni method path body_bytes listener via_proxy answered".split()  # noqa: SIM905
        assert_equal({name: seen[name] for name in names}, expect)
