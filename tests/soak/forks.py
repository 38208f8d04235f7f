"""Forks of a process in which logins never stop: every child has a token of its own in two seconds.

`forks.py [COUNT]`; ends with exit code 1 when a child has no token, or does not end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings

import forcegrant
from forcegrant.testing import Emulator

LIMIT = 2.0
# Threads of the parent: each drops the token and asks again, so that a login is always in flight.
THREADS = 3


def main(count: int) -> int:
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    with Emulator() as emulator:
        # Without the login budget, which would stop so many logins.
        client = emulator.org.client(login_budget="none")
        stop = threading.Event()
        threads = [threading.Thread(target=busy, args=(client, stop)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            outcomes = [outcome(client) for _ in range(count)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        logins = emulator.counters()["token_requests"]
        client.wait_idle()
        assert client.token() is client.cached()
    failed = [said for said, _ in outcomes if said]
    slowest = max(seconds for _, seconds in outcomes)
    print(
        f"soak: {count} forks during logins ({logins} logins), {len(failed)} children without a "
        f"token in {LIMIT:g} s, slowest {slowest * 1000:.0f} ms"
    )
    for said in sorted(set(failed)):
        print(f"{failed.count(said)} children: {said}")
    return 1 if failed else 0


def busy(client: forcegrant.Client, stop: threading.Event) -> None:
    while not stop.is_set():
        client.reset()
        client.token()


def outcome(client: forcegrant.Client) -> tuple[str, float]:
    """The problem of a child, if any, and its time."""
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        # A child that deadlocks is killed here.
        signal.alarm(round(LIMIT) + 1)
        code = 1
        try:
            code = 0 if client.token(timeout=LIMIT).org_id else 2
        except forcegrant.ForcegrantError as error:
            code = 3
            os.write(2, f"{error.code}\n".encode())
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    took = time.monotonic() - begun
    if os.WIFSIGNALED(status):
        return f"ended by signal {os.WTERMSIG(status)}", took
    code = os.waitstatus_to_exitcode(status)
    return (f"exit code {code}" if code else ""), took


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
