"""The steps of a scenario about pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forcegrant import ForcegrantError
from scenario_fields import Fields, key_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from forcegrant import Status, Token
    from scenario_fields import JSON
    from scenario_runner import Run


class Keyed:
    """A key of a pool, with the methods of a client."""

    def __init__(self, pool: Any, key: str, login_url: str) -> None:
        self._pool = pool
        self._key = key
        self._login_url = login_url

    def token(self) -> Any:
        return self._pool.token(self._key)

    def cached(self) -> Token | None:
        token: Token | None = self._pool.cached(self._key)
        return token

    def invalidate(self, token: Token) -> bool:
        evicted: bool = self._pool.invalidate(self._key, token)
        return evicted

    def status(self) -> Status | None:
        status: Status | None = self._pool.status(self._key)
        return status

    def set_credentials(
        self, client_id: str, client_secret: str, *, login_url: str | None = None, **options: Any
    ) -> None:
        credentials = (login_url or self._login_url, client_id, client_secret)
        self._pool.set_credentials(self._key, *credentials, **options)

    def wait_idle(self) -> Any:
        return self._pool.wait_idle()


class Asked:
    """A credentials callback, and how often it was asked for each key."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self._answer = answer
        self.counts: dict[str, int] = {}

    def __call__(self, key: str) -> Any:
        self.counts[key] = self.counts.get(key, 0) + 1
        answer = self._answer(key)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Pools:
    """The pools of one run, which stand among its clients."""

    def __init__(self, run: Run[Any]) -> None:
        self._run = run
        self._orgs: dict[str, JSON] = {}
        self._asked: dict[str, Asked] = {}

    def keyed(self, name: str, key: str) -> str:
        """Give the name under which a key of a pool stands among the clients."""
        run, of_key = self._run, f"{name}/{key}"
        run.clients[of_key] = Keyed(run.clients[name], key, run.emulator.org.my_domain)
        run.secrets[of_key] = run.secrets[name]
        return of_key

    def do_new_pool(self, _name: str, step: Fields) -> None:
        run, name = self._run, step.take("as", "pool")
        own = Fields(step.take("pool", {}), "pool")
        options = {
            option: own.take(option)
            for option in ("max_clients", "logins_per_second", "concurrent_logins")
            if own.has(option)
        }
        own.done()
        secrets = run.secrets[name] = []
        options |= run.options(name, step.take("client", {}), secrets)
        callback = None
        if step.has("orgs"):
            self._orgs[name] = {}
            self._add(name, step.take("orgs"))
            callback = self._asked[name] = Asked(lambda key: self._answer(name, key))
        if step.take("connections", False):
            options["connections"] = run.driver.connections(run.connections.folder)
        build_error = step.take("build_error")
        try:
            pool = run.driver.build_pool(callback, **options)
        except ForcegrantError as error:
            if build_error is None:
                raise
            run.check_error(error, build_error, secrets)
            return
        assert build_error is None, "the pool was built"
        run.clients[name] = pool

    def do_orgs(self, name: str, step: Fields) -> None:
        self._add(name, step.take("orgs"))

    def do_insert(self, name: str, step: Fields) -> None:
        key, expect = step.take("key"), step.take("expect")
        org = self._org(name, step)

        def insert() -> None:
            self._run.clients[name].insert(key, **org)

        self._run.must(insert, expect, name)

    def do_remove(self, name: str, step: Fields) -> None:
        expect = Fields(step.take("expect"), "expect")
        removed = self._run.clients[name].remove(step.take("key"))
        assert removed == expect.take("removed"), f"removed is {removed}"
        expect.done()

    def do_prewarm(self, name: str, step: Fields) -> None:
        run, expect = self._run, Fields(step.take("expect"), "expect")
        warm = run.driver.prewarm(run.clients[name], step.take("keys"))
        ready, failed = expect.take("ready"), expect.take("failed")
        expect.done()
        seen = {key: error.code for key, error in warm.failed.items()}
        assert warm.ready == ready, f"{warm.ready} are ready, and failed: {seen}"
        assert seen.keys() == failed.keys(), f"failed: {seen}"
        for key, error in warm.failed.items():
            run.check_error(error, failed[key], run.secrets[name])

    def do_take_client(self, name: str, step: Fields) -> None:
        run, key, taken = self._run, step.take("key"), step.take("as")

        def take() -> None:
            run.clients[taken] = run.clients[name].client(key)

        run.must(take, step.take("expect"), name)
        if taken is not None:
            run.secrets[taken] = run.secrets[name]

    def do_pool_status(self, name: str, step: Fields) -> None:
        pool, expect = self._run.clients[name], Fields(step.take("expect"), "expect")
        if expect.has("size"):
            size = expect.take("size")
            assert len(pool) == size, f"{len(pool)} clients"
        for key, known in expect.take("has", {}).items():
            assert (key in pool) == known, f"{key}: {key in pool}"
        if expect.has("statuses"):
            wanted, seen = expect.take("statuses"), pool.statuses()
            assert seen.keys() == wanted.keys(), f"statuses of {sorted(seen)}"
            for key, status in wanted.items():
                self._run.check_status(seen[key], status)
        expect.done()

    def do_asked(self, name: str, step: Fields) -> None:
        seen, expect = self._asked[name].counts, step.take("expect")
        assert seen == expect, f"asked {seen}"

    def _answer(self, name: str, key: str) -> Any:
        missing = LookupError(f"there is no tenant {key}")
        return self._orgs[name].get(key, missing)

    def _add(self, name: str, orgs: JSON) -> None:
        for key, given in orgs.items():
            org = Fields(given, key)
            fails, none, dumped = org.take("fails"), org.take("none"), org.take("dumped")
            answer: Any = RuntimeError(fails) if fails else None
            if not fails and not none:
                answer = self._org(name, org)
            if dumped:
                answer = self._run.connections.dumped(key, answer)
            self._orgs[name][key] = answer
            org.done()

    def _org(self, name: str, given: Fields) -> JSON:
        """Give an org as the package takes it; what is not given is that of the emulator's org."""
        secrets = self._run.secrets[name]
        org = self._run.org_at(given.take("login_url"))
        pair = {
            "client_id": given.take("client_id", org["client_id"]),
            "client_secret": given.take("client_secret", org["client_secret"]),
        }
        client_id, client_secret = key_pair(pair, secrets)
        credentials: JSON = {
            "login_url": org["login_url"],
            "client_id": client_id,
            "client_secret": client_secret,
        }
        following = given.take("next_credentials")
        if following is not None:
            credentials["next_credentials"] = key_pair(following, secrets)
        return credentials
