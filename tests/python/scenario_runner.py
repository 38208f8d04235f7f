"""Executes tests/scenarios/*.json; the grammar is in the README beside them.

The steps are the same for threads and for asyncio: a driver makes the calls.
"""

from __future__ import annotations

import itertools
import re
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic

from forcegrant import (
    Event,
    ForcegrantError,
    Status,
    Token,
    Verified,
)
from forcegrant.testing import Emulator, TestClock
from scenario_calls import CallRequest
from scenario_connections import SavedConnections
from scenario_drivers import AnyClient, Driver, Outcomes
from scenario_expect import Expectations
from scenario_fields import JSON, Fields, assert_subset, key_pair
from scenario_pools import Pools
from scenario_surroundings import variables

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = itertools.count()
SANDBOX = "acme--uat.sandbox.my.salesforce.com"


class Run(Expectations, Generic[AnyClient]):
    """One scenario with one driver."""

    def __init__(self, emulator: Emulator, driver: Driver[AnyClient], scenario: JSON) -> None:
        super().__init__()
        self.emulator = emulator
        self.driver: Driver[AnyClient] = driver
        self.scenario = scenario
        # Beside the clients, the keys of pools that steps name: they have the same methods.
        self.clients: dict[str, AnyClient] = {}
        self.pools = Pools(self)
        self.connections = SavedConnections(self)
        # By client or pool.
        self.secrets: dict[str, list[str]] = {}
        self.started: dict[str, tuple[str, Callable[[], Outcomes]]] = {}
        # What clients and pools have told, where the scenario asks for it.
        self.listens = any(step["do"] == "events" for step in scenario.get("steps", []))
        self.events: dict[str, list[Event]] = {}
        self.at = ""
        self.number = next(NUMBERS)
        self.surroundings = ExitStack()

    def run(self) -> None:
        """Run it; the error says which scenario and, where there is one, which step."""
        where = self.scenario["id"]
        try:
            self._run(Fields(self.scenario, "scenario"))
        except Exception as error:
            if self.at:
                where += f": step {self.at}"
            raise AssertionError(f"{where}: {error}") from error
        finally:
            self.surroundings.close()
            self.connections.close()
            # After a failure too: what is on its way must not reach the next scenario.
            self.emulator.release()
            for _, finish in self.started.values():
                finish()
            for client in self.clients.values():
                self.driver.wait_idle(client)

    def _run(self, fields: Fields) -> None:
        fields.take("id"), fields.take("about")
        self._prepare(fields)
        environment = fields.take("environment")
        if environment is not None:
            self.surroundings.enter_context(variables(self._substitute(environment)))
        build_error = fields.take("build_error")
        main = fields.take("client", {})
        steps = fields.take("steps", [])
        counters = fields.take("counters", {})
        fields.done()
        self._new_client("main", main, build_error)
        for number, step in enumerate(steps, 1):
            self.at = f"{number} ({step['do']})"
            self._step(self._substitute(step))
        self.at = ""
        for client in self.clients.values():
            self.driver.wait_idle(client)
        seen = self.emulator.counters()
        assert {name: seen[name] for name in counters} == counters

    def _prepare(self, fields: Fields) -> None:
        self.emulator.reset()
        emulator = Fields(self._substitute(fields.take("emulator", {})), "emulator")
        changes = {name: emulator.take(name) for name in ("org", "app", "user")}
        if any(changes.values()):
            self.emulator.control("configure", **changes)
        for fault in emulator.take("faults", []):
            self.emulator.control("fault", **fault)
        emulator.done()
        self.hosts = ["$my_domain", *fields.take("hosts", [])]
        clock = fields.take("clock")
        assert clock in {None, "test"}
        if clock:
            self.clock = TestClock(self.emulator.now())

    # Placeholders

    def _substitute(self, value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"\$(\$|[a-z0-9_]+)", lambda match: self._value(match[1]), value)
        if isinstance(value, list):
            return [self._substitute(item) for item in value]
        if isinstance(value, dict):
            return {name: self._substitute(item) for name, item in value.items()}
        return value

    def _value(self, name: str) -> str:
        if name == "$":
            return "$"
        if name in self.tokens:
            return self.tokens[name].access_token
        emulator, org = self.emulator, self.emulator.org
        values = {
            "my_domain": org.my_domain,
            "client_id": org.client_id,
            "client_secret": org.client_secret,
            "org_id": org.org_id,
            "user_id": org.user_id,
            "username": org.username,
            "instance_url": org.instance_url,
            "https": emulator.https,
            "http": emulator.http,
            "https_port": emulator.https.rpartition(":")[2],
            "http_port": emulator.http.rpartition(":")[2],
            "proxy": emulator.proxy,
            "proxy_address": emulator.proxy.removeprefix("http://"),
            "connections": str(self.connections.folder),
        }
        if name.startswith("sandbox_"):
            values = {f"sandbox_{part}": value for part, value in self.sandbox.items()}
        assert name in values, f"unknown placeholder ${name}"
        return values[name]

    @cached_property
    def sandbox(self) -> dict[str, str]:
        """The second org of the emulator, as it is by default."""
        org = self.emulator.control("configure", my_domain=SANDBOX)["org"]
        (app,) = org["apps"]
        return {"my_domain": SANDBOX, "org_id": org["org_id"], **app["keys"][0]}

    def org_at(self, login_url: str | None) -> JSON:
        """Give the login URL and client credentials of the org there, or the default org's."""
        org = self.emulator.org
        pair = {"client_id": org.client_id, "client_secret": org.client_secret}
        if login_url == SANDBOX:
            pair = {part: self.sandbox[part] for part in pair}
        return {"login_url": org.my_domain if login_url is None else login_url, **pair}

    # Clients

    def _new_client(self, name: str, given: JSON, build_error: JSON | None) -> None:
        options = dict(self._substitute(given))
        org = self.emulator.org
        credentials = [
            options.pop(option, default)
            for option, default in (
                ("login_url", org.my_domain),
                ("client_id", org.client_id),
                ("client_secret", org.client_secret),
            )
        ]
        secrets = self.secrets[name] = [credentials[2]]
        if options.pop("from_env", False):
            credentials.clear()
        saved = options.pop("from_connection", None)
        options = self.options(name, options, secrets)

        def build() -> AnyClient:
            if saved is not None:
                return self.driver.build_saved(saved, self.connections.folder, **options)
            return self.driver.build(*credentials, **options)

        if build_error is not None:
            try:
                build()
            except ForcegrantError as error:
                self.check_error(error, self._substitute(build_error), secrets)
            else:
                raise AssertionError("the client was built")
            if name == "main":
                assert not self.emulator.requests("token"), "a token request was sent"
            return
        self.clients[name] = build()

    def options(self, name: str, given: JSON, secrets: list[str]) -> JSON:
        """Give the options as the package takes them, and note secrets among them."""
        options = dict(given)
        resolve = options.pop("resolve", {})
        options["resolve"] = {
            **{self._substitute(host): self.emulator.https for host in self.hosts},
            **{self._substitute(host): address for host, address in resolve.items()},
            # Clients that reach their org in another way share nothing: those of an earlier run
            # may still live.
            f"run-{self.number}.example.com": self.emulator.https,
        }
        roots = options.pop("roots", "emulator")
        options["roots"] = self.emulator.ca_pem if roots == "emulator" else roots
        proxy = options.pop("proxy", "none")
        options["proxy"] = {"none": None, "environment": "env"}.get(proxy, proxy)
        options.setdefault("retry_backoff", 0.001)
        options["clock"] = self.clock
        if self.listens:
            events = self.events[name] = []
            options["on_event"] = events.append
        if "next_credentials" in options:
            options["next_credentials"] = key_pair(options["next_credentials"], secrets)
        return options

    # Steps

    def _step(self, step: JSON) -> None:
        fields = Fields(step, "step")
        do = fields.take("do")
        fields.take("note")
        of_pool = getattr(self.pools, f"do_{do}", None)
        of_connection = getattr(self.connections, f"do_{do}", None)
        execute = of_pool or of_connection or getattr(self, f"_do_{do}", None)
        assert execute is not None, f"unknown step {do}"
        key = fields.take("key") if of_pool is None else None
        name = fields.take("with", "main" if key is None and of_pool is None else "pool")
        execute(name if key is None else self.pools.keyed(name, key), fields)
        fields.done()

    def _do_token(self, name: str, step: Fields) -> None:
        self._expect(name, step, self._caught(self.driver.token, name))

    def _do_cached(self, name: str, step: Fields) -> None:
        token = self.clients[name].cached()
        expect = Fields(step.take("expect"), "expect")
        if expect.take("none"):
            assert token is None
        else:
            assert token is not None, "nothing is cached"
            self.check_token(token, expect.take("token"))
            self._save(step.take("save"), token)
        expect.done()

    def _do_herd(self, name: str, step: Fields) -> None:
        callers, arrival = step.take("callers"), step.take("release_after_arrival")

        def meanwhile() -> None:
            if arrival is not None:
                self.emulator.wait_requests(arrival)
                self.emulator.release()

        outcomes = self.driver.start(self.clients[name], callers, meanwhile)()
        assert len(outcomes) == callers
        self._expect_all(name, step, outcomes)

    def _do_start(self, name: str, step: Fields) -> None:
        arrival = step.take("until_arrival")

        def meanwhile() -> None:
            if arrival is not None:
                self.emulator.wait_requests(arrival)

        finish = self.driver.start(self.clients[name], step.take("callers", 1), meanwhile)
        self.started[step.take("as")] = (name, finish)

    def _do_finish(self, _name: str, step: Fields) -> None:
        name, finish = self.started.pop(step.take("of"))
        self._expect_all(name, step, finish())

    def _expect_all(self, name: str, step: Fields, outcomes: Outcomes) -> None:
        save, expect = step.take("save"), step.take("expect", {"token": {}})
        for outcome in outcomes:
            self._expect(name, Fields({"save": save, "expect": expect}, "herd"), outcome)
        texts = {outcome.access_token for outcome in outcomes if isinstance(outcome, Token)}
        assert len(texts) <= 1, "the callers got different tokens"

    def _do_invalidate(self, name: str, step: Fields) -> None:
        token, times = self.tokens[step.take("token")], step.take("times", 1)
        expect = Fields(step.take("expect"), "expect")
        evicted = expect.take("evicted")
        expect.done()
        answers = [self.clients[name].invalidate(token) for _ in range(times)]
        assert answers.count(True) == (1 if evicted else 0), answers

    def _do_verify(self, name: str, step: Fields) -> None:
        self._expect(name, step, self._caught(self.driver.verify, name))

    def _do_reset(self, name: str, _step: Fields) -> None:
        self.clients[name].reset()

    def _do_settle(self, name: str, _step: Fields) -> None:
        self.driver.wait_idle(self.clients[name])

    def _do_status(self, name: str, step: Fields) -> None:
        status: Status | None = self.clients[name].status()
        expect = step.take("expect")
        if expect is None:
            assert status is None, "the pool knows the key"
            return
        assert status is not None, "the pool does not know the key"
        self.check_status(status, expect)

    def _do_new_client(self, _name: str, step: Fields) -> None:
        self._new_client(step.take("as"), step.take("client"), step.take("build_error"))

    def _do_environment(self, _name: str, step: Fields) -> None:
        self.surroundings.enter_context(variables(step.take("variables")))

    def _do_advance(self, _name: str, step: Fields) -> None:
        assert self.clock is not None, "without a test clock nothing can advance"
        seconds = step.take("seconds")
        self.emulator.advance(seconds)
        self.clock.advance(seconds)

    def _do_control(self, _name: str, step: Fields) -> None:
        answer = self.emulator.control(**step.take("request"))
        assert_subset(answer, step.take("expect", {"ok": True}), "answer")

    def _do_requests(self, _name: str, step: Fields) -> None:
        log = self.emulator.requests(step.take("endpoint"))
        count = step.take("count", len(log))
        least, most = step.take("count_at_least", 0), step.take("count_at_most", len(log))
        assert len(log) == count, f"{len(log)} requests"
        assert least <= len(log) <= most, f"{len(log)} requests"
        expect = step.take("expect")
        if expect is None:
            return
        assert len(log) == len(expect), f"{len(log)} requests"
        for number, (seen, wanted) in enumerate(zip(log, expect, strict=True), 1):
            self.check_request(seen, Fields(wanted, f"request {number}"))

    def _do_set_credentials(self, name: str, step: Fields) -> None:
        secrets = self.secrets[name]
        current = {part: step.take(part) for part in ("client_id", "client_secret")}
        client_id, client_secret = key_pair(current, secrets)
        following = step.take("next_credentials")
        options = {"next_credentials": key_pair(following, secrets)} if following else {}
        if step.has("login_url"):
            options["login_url"] = step.take("login_url")

        def use() -> None:
            self.clients[name].set_credentials(client_id, client_secret, **options)

        self.must(use, step.take("expect"), name)

    def _do_call(self, name: str, step: Fields) -> None:
        request = self._call_request(step)
        callers, arrival = step.take("callers", 1), step.take("release_after_arrival")

        def meanwhile() -> None:
            if arrival is not None:
                self.emulator.wait_requests(arrival, endpoint="data")
                self.emulator.release()

        outcomes = self.driver.call(self.clients[name], self.emulator, request, callers, meanwhile)
        assert len(outcomes) == callers
        expected = step.take("expect")
        for outcome in outcomes:
            if isinstance(outcome, ForcegrantError) and "error" not in (expected or {}):
                raise outcome
            expect = Fields(expected or {"response": {}}, "expect")
            if isinstance(outcome, ForcegrantError):
                self.check_error(outcome, expect.take("error"), self.secrets[name])
            else:
                assert expect.has("response"), f"the response is {outcome.status}"
                assert expected or outcome.status < 400, f"the response is {outcome.status}"
                self.check_response(outcome, expect.take("response"))
            expect.done()

    def _call_request(self, step: Fields) -> CallRequest:
        path, url = step.take("path"), step.take("url")
        body = Fields(step.take("body", {}), "body")
        text, stream = body.take("bytes"), body.take("stream")
        body.done()
        return CallRequest(
            method=step.take("method", "GET"),
            url=url or self.emulator.org.instance_url + path,
            headers=step.take("headers", {}),
            body=(stream, True) if stream else (text, False) if text else None,
        )

    def _do_limits(self, name: str, step: Fields) -> None:
        known = self.clients[name].limits()
        expect = Fields(step.take("expect"), "expect")
        if expect.take("none"):
            assert known is None, f"the usage is {known}"
        else:
            usage = Fields(expect.take("usage"), "usage")
            assert known == (usage.take("used"), usage.take("limit")), f"the usage is {known}"
            usage.done()
        expect.done()

    def _do_events(self, name: str, step: Fields) -> None:
        client, expect = self.clients[name], step.take("expect")
        self.driver.wait_idle(client)
        client.deliver_events()
        events, self.events[name][:] = list(self.events[name]), []
        names = [event.name for event in events]
        assert len(events) == len(expect), f"what happened is {names}"
        for event, wanted in zip(events, expect, strict=True):
            self.check_event(event, Fields(wanted, event.name))

    def _do_invalidate_if_rotated(self, name: str, step: Fields) -> None:
        expect = Fields(step.take("expect"), "expect")
        dropped = expect.take("dropped")
        expect.done()
        assert self.clients[name].invalidate_if_rotated() == dropped, f"dropped is not {dropped}"

    # Expectations

    def must(self, action: Callable[[], None], expected: JSON | None, name: str) -> None:
        """Do it; with an expectation it must fail."""
        try:
            action()
        except ForcegrantError as error:
            if expected is None:
                raise
            expect = Fields(expected, "expect")
            self.check_error(error, expect.take("error"), self.secrets[name])
            expect.done()
        else:
            assert expected is None, "it did not fail"

    def _caught(self, call: Callable[[AnyClient], Any], name: str) -> Any:
        try:
            return call(self.clients[name])
        except ForcegrantError as error:
            return error

    def _expect(self, name: str, step: Fields, outcome: Token | Verified | ForcegrantError) -> None:
        kind = "verified" if isinstance(outcome, Verified) else "token"
        expect = Fields(step.take("expect", {kind: {}}), "expect")
        save = step.take("save")
        if isinstance(outcome, ForcegrantError):
            if not expect.has("error"):
                raise outcome
            self.check_error(outcome, expect.take("error"), self.secrets[name])
        elif isinstance(outcome, Verified):
            assert expect.has("verified"), f"it succeeded: {outcome}"
            self.check_verified(outcome, expect.take("verified"))
            self._save(save, outcome.token)
        else:
            assert expect.has("token"), f"it succeeded: {outcome}"
            self.check_token(outcome, expect.take("token"))
            self._save(save, outcome)
        expect.done()

    def _save(self, name: str | None, token: Token) -> None:
        if name is not None:
            self.tokens[name] = token
