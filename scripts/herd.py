"""`make herd`: how many logins a fleet of processes needs, and how long its callers wait.

Processes with one client each share a store. The emulator counts their token requests: cold; when the token ends; when
the org ends all sessions; and when the process that logs in is killed. `--short` is the form for `make test`;
`--kills N` kills N holders one after the other and prints the median wait. The exit code is 1 if there was a request
more than there should be, a caller without a token, or a wait for a killed holder beyond its limit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

from workspace import ROOT, built, check_tools, environment, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

# Nobody waits as long, not even for the lease of one who was killed.
LIMIT = 60.0
# A login takes about as long as at Salesforce, so that all come while it is under way.
LOGIN_MS = 300
# Longer than any session lives here.
A_DAY = 86_400
# The longest that anyone waits after the process that logs in was killed: its lease and the login of the next.
KILLED_MS = 4_000
KILLED = "who logs in is killed in the middle"

# As the tests are built, with all packages, so that nothing is built twice.
BUILD = [
    *["cargo", "build", "--quiet", "--locked", "--features", "forcegrant/tracing,forcegrant/store-redis"],
    *["--example", "herd", "--bin", "forcegrant-emulator"],
]


@dataclass(frozen=True)
class Case:
    """What a fleet went through."""

    name: str
    requests: int
    allowed: int
    worst_ms: int
    errors: list[str]
    limit_ms: int = int(LIMIT * 1000)

    @property
    def is_good(self) -> bool:
        """No login too many, nobody without a token, and nobody who waited too long."""
        return self.requests <= self.allowed and not self.errors and self.worst_ms <= self.limit_ms


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--kills", type=int, default=0, metavar="N")
    options = parser.parse_args()
    sizes = [(8, 25)] if options.short or options.kills else [(1, 1000), (8, 100), (64, 50)]
    check_tools()
    env = environment()
    subprocess.run(BUILD, cwd=ROOT, env=env, check=True)
    program = built("debug", "examples/herd", env)
    print(f"{'store':<6} {'processes':>9} {'callers':>8}  {'case':<36} {'logins':>6} {'worst wait':>11}", flush=True)
    passed = failed = 0
    with contextlib.closing(Emulator(built("debug", "forcegrant-emulator", env))) as emulator:
        for store, opened in (("file", folder), ("redis", redis)):
            if store == "redis" and shutil.which("redis-server") is None:
                print("redis  left out: no redis-server", flush=True)
                continue
            for processes, callers in sizes:
                with opened() as address, contextlib.closing(Herd(program, emulator, address)) as herd:
                    waits: list[int] = []
                    for case in herd.cases(processes, callers, options.kills):
                        start = f"{store:<6} {processes:>9} {processes * callers:>8}"
                        limits = f"  {case.allowed} logins and {case.limit_ms} ms allowed; {case.errors}"
                        end = "" if case.is_good else limits
                        print(f"{start}  {case.name:<36} {case.requests:>6} {case.worst_ms:>8} ms{end}", flush=True)
                        passed, failed = passed + case.is_good, failed + (not case.is_good)
                        waits += [case.worst_ms] if case.name == KILLED else []
                    if options.kills:
                        median = statistics.median(waits)
                        summary = f"{len(waits)} killed, median {median:.0f} ms, worst {max(waits)} ms"
                        print(f"{store}: {summary}", flush=True)
    print(f"herd: {passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


class Herd:
    """Processes that share a store."""

    def __init__(self, program: Path, emulator: Emulator, store: str) -> None:
        self.program, self.emulator, self.store = program, emulator, store
        self.members: list[Member] = []
        # The fingerprints that the last case brought: one.
        self.last: list[str] = []
        # What the clocks of the members show.
        self.time = 0.0

    def cases(self, processes: int, callers: int, kills: int) -> Iterator[Case]:
        """Each in turn, by the same processes; the last of them once more for each of `kills`."""
        emulator = self.emulator
        emulator.control("reset")
        emulator.control("fault", endpoint="token", kind="slow_head", ms=LOGIN_MS)
        self.members = [self.start() for _ in range(processes)]
        self.clocks_go_on(0)
        yield self.ask("cold", callers, allowed=1)
        emulator.control("advance", seconds=A_DAY)
        self.clocks_go_on(A_DAY)
        yield self.ask("the token has ended", callers, allowed=1)
        self.end_sessions()
        yield self.ask("the org ended all sessions", callers, allowed=1)
        for _ in range(max(1, kills)):
            # Else a login would look as old as the one before it.
            self.clocks_go_on(10)
            self.end_sessions()
            yield self.kill_holder(callers)

    def start(self) -> Member:
        """One more process."""
        ready = self.emulator.ready
        set_up = {name: ready["org"][name] for name in ("my_domain", "client_id", "client_secret")}
        set_up |= {"address": ready["https"], "ca_pem": ready["ca_pem"], "store": self.store}
        member = Member(self.program)
        member.clock = time.time()
        member.say(json.dumps(set_up))
        member.expect("ready")
        return member

    def all(self, line: str) -> None:
        """Says it to each, and waits until each has done it."""
        for member in self.members:
            member.say(line)
        for member in self.members:
            member.answer()

    def clocks_go_on(self, seconds: int) -> None:
        """The clocks of all, which stand still and were started one after the other, show one time again."""
        self.time = max(self.time, time.time()) + seconds
        for member in self.members:
            member.clock_shows(self.time)
        for member in self.members:
            member.answer()

    def end_sessions(self) -> None:
        """The org ends all sessions, and an API tells everyone."""
        self.emulator.control("kill_sessions")
        self.all("invalidate")

    def ask(self, name: str, callers: int, allowed: int) -> Case:
        """All callers of all processes ask at once."""
        before = self.emulator.requests()
        for member in self.members:
            member.say(f"ask {callers}")
        answers = [member.answer() for member in self.members]
        return self.case(name, self.emulator.requests() - before, allowed, answers)

    def kill_holder(self, callers: int) -> Case:
        """Who logs in is killed while the org has its request; another comes in its place."""
        before = self.emulator.requests()
        self.emulator.control("fault", endpoint="token", kind="hold", first=1)
        for member in self.members:
            member.say(f"ask {callers}")
        self.emulator.control("wait_requests", endpoint="token", count=before + 1, timeout_ms=int(LIMIT * 1000))
        holder = self.find_holder()
        holder.process.kill()
        holder.process.wait()
        self.members.remove(holder)
        successor = self.start()
        # It lives in the same time as the others: else what it brings has ended long ago for them.
        successor.clock_shows(self.time)
        successor.answer()
        answers = [successor.ask(callers)]
        if answers[0]["tokens"] == self.last:
            # The store had nothing newer for it, and an API tells that the session is over.
            successor.say("invalidate")
            successor.answer()
            answers = [successor.ask(callers)]
        answers += [member.answer() for member in self.members]
        self.members.append(successor)
        self.emulator.control("release")
        requests = self.emulator.requests() - before
        return self.case(KILLED, requests, 2, answers, KILLED_MS)

    def find_holder(self) -> Member:
        """The one that said that it logs in."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            for member in self.members:
                if member.logging_in.is_set():
                    return member
            time.sleep(0.01)
        return fail("nobody logs in")

    def case(
        self, name: str, requests: int, allowed: int, answers: list[dict[str, Any]], limit_ms: int = int(LIMIT * 1000)
    ) -> Case:
        """What the answers come to."""
        errors = sorted({error for answer in answers for error in answer["errors"]})
        self.last = sorted({token for answer in answers for token in answer["tokens"]})
        if len(self.last) != 1:
            errors.append(f"{len(self.last)} tokens")
        errors += sorted({why for member in self.members for why in member.store_failures()})
        for member in self.members:
            member.logging_in.clear()
        worst = max(answer["worst_ms"] for answer in answers)
        return Case(name, requests, allowed, worst, errors, limit_ms)

    def close(self) -> None:
        """Ends all."""
        for member in self.members:
            member.close()


class Process:
    """A program that is spoken to in lines, and ends with its input."""

    def __init__(self, *command: str | Path) -> None:
        self.process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, encoding="utf-8")

    def say(self, line: str) -> None:
        """Writes a line."""
        if self.process.stdin is not None:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def heard(self) -> Iterator[dict[str, Any]]:
        """What it says, until it ends."""
        for line in self.process.stdout or ():
            yield json.loads(line)

    def close(self) -> None:
        """Lets it end."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Member(Process):
    """One process of the herd."""

    def __init__(self, program: Path) -> None:
        super().__init__(program)
        self.logging_in = threading.Event()
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        # What its clock showed last, within the time that a process takes to start.
        self.clock = 0.0
        self.failures: list[str] = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        """Tells events and answers apart."""
        for said in self.heard():
            if said.get("event") == "login":
                self.logging_in.set()
            elif said.get("event") == "store_failed":
                self.failures.append(said["why"])
            else:
                self.answers.put(said)

    def answer(self) -> dict[str, Any]:
        """The next answer."""
        try:
            return self.answers.get(timeout=LIMIT)
        except queue.Empty:
            return fail(f"a process gave no answer within {LIMIT:.0f} s")

    def ask(self, callers: int) -> dict[str, Any]:
        """That many callers ask for the token."""
        self.say(f"ask {callers}")
        return self.answer()

    def clock_shows(self, now: float) -> None:
        """Its clock goes on to this time; it answers when that is done."""
        self.say(f"advance {max(0, round((now - self.clock) * 1000))}")
        self.clock = now

    def expect(self, event: str) -> None:
        """It says that this has come about."""
        if self.answer().get("event") != event:
            fail(f"a process is not {event}")

    def store_failures(self) -> list[str]:
        """Since the last time."""
        told, self.failures = self.failures, []
        return told


class Emulator(Process):
    """The org."""

    def __init__(self, program: Path) -> None:
        super().__init__(program, "--exit-with-stdin")
        self.ready = next(self.heard())

    def control(self, operation: str, **fields: object) -> dict[str, Any]:
        """Does something to it."""
        data = json.dumps({"op": operation, **fields}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.ready["control"], data, headers)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:  # noqa: S310
            return dict(json.load(answer))

    def requests(self) -> int:
        """How many asked it for a token."""
        return int(self.control("counters")["token_requests"])


@contextlib.contextmanager
def folder() -> Iterator[str]:
    """A folder for the file store."""
    with tempfile.TemporaryDirectory(prefix="forcegrant-herd-") as path:
        yield str(Path(path).resolve() / "store")


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis of our own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="forcegrant-herd-") as path:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", path]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def wait_for(port: int) -> None:
    """Until Redis answers at this port."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as stream:
            stream.sendall(b"PING\r\n")
            if stream.recv(5) == b"+PONG":
                return
        time.sleep(0.02)
    fail("redis-server does not start")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
