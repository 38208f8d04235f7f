"""The part of `make demo` in Python with threads. Prints one JSON line."""

from __future__ import annotations

from time import perf_counter

from api import BATCHES, READS, limits, options, print_line

from forcegrant import Client


def main() -> None:
    """A token, an API call with it, and the time of a cached read."""
    client = Client.from_env(**options())
    started = perf_counter()
    token = client.token()
    login = perf_counter() - started

    status = limits(token)

    batches = []
    for _ in range(BATCHES):
        started = perf_counter()
        for _ in range(READS):
            client.token()
        batches.append(perf_counter() - started)
    print_line("Python", token, login, status, batches)


main()
