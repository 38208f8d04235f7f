"""`make demo`: the same job in every language, as one table; then what happens when something fails.

With SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET set it asks that org, and leaves out the
failures that only an emulator can cause.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import recovery

from forcegrant.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).resolve().parent
CREDENTIALS = ("SALESFORCE_LOGIN_URL", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET")
RUST = Path(os.environ["CARGO_TARGET_DIR"], os.environ["CARGO_BUILD_TARGET"], "release", "examples", "demo")
PARTS = (
    [str(RUST)],
    [sys.executable, str(HERE / "python_sync.py")],
    [sys.executable, str(HERE / "python_async.py")],
    ["node", str(HERE / "node.mjs")],
)
PART_LIMIT_SECONDS = 120


def main() -> None:
    """Uses the org of the environment variables, or the emulator."""
    given = [name for name in CREDENTIALS if os.environ.get(name)]
    if given == list(CREDENTIALS):
        print(f"\nThe org is {os.environ['SALESFORCE_LOGIN_URL']}.\n")
        print_table([{**run_part(part, {}), "logins": "not counted"} for part in PARTS])
    elif given:
        missing = ", ".join(name for name in CREDENTIALS if name not in given)
        sys.exit(f"\nTo use your own org set {missing} too; to use the emulated one set none of the three.")
    else:
        with Emulator() as emulator:
            emulated(emulator)


def emulated(emulator: Emulator) -> None:
    """The table, a killed session, a refusal."""
    org = emulator.org
    print(f"\nThe org is {org.my_domain}, emulated at https://{emulator.https}: nothing leaves this machine.\n")
    env = {
        "SALESFORCE_LOGIN_URL": org.my_domain,
        "SALESFORCE_CLIENT_ID": org.client_id,
        "SALESFORCE_CLIENT_SECRET": org.client_secret,
        "FORCEGRANT_DEMO_HTTPS": emulator.https,
        "FORCEGRANT_DEMO_CA": str(emulator.ca_file()),
    }
    rows = []
    for part in PARTS:
        emulator.reset()
        row = run_part(part, env)
        rows.append({**row, "logins": emulator.counters()["token_requests"]})
    print_table(rows)
    if any(row["logins"] != 1 for row in rows):
        sys.exit("One login should have been enough for each.")

    os.environ.update(env)
    print("\nA session is killed (Python):\n")
    recovery.killed_session(emulator)
    print("\nThe app has no Run-As user (Python), exactly as its user sees it:\n")
    recovery.no_run_as_user(emulator)


def run_part(command: list[str], env: dict[str, str]) -> dict[str, Any]:
    """What one language printed."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PART_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{Path(command[-1]).name} did not end within {PART_LIMIT_SECONDS} s.")
    if done.returncode != 0:
        sys.exit(f"{Path(command[-1]).name} failed.")
    row: dict[str, Any] = json.loads(done.stdout)
    if row["limits"] != 200:
        sys.exit(f"{row['language']}: the API responded with {row['limits']} to a new token.")
    return row


def print_table(rows: list[dict[str, Any]]) -> None:
    """One line for each language."""
    head = ("language", "login ms", "cached read ns", "API call", "org id", "instance URL", "logins")
    print_columns(
        [
            head,
            *(
                (
                    row["language"],
                    f"{row['login_ms']:.1f}",
                    f"{row['cached_ns']:.0f}",
                    str(row["limits"]),
                    str(row["org_id"]),
                    row["instance_url"],
                    str(row["logins"]),
                )
                for row in rows
            ),
        ]
    )


def print_columns(lines: Iterable[tuple[str, ...]]) -> None:
    """Columns as wide as needed, with figures to the right."""
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    figures = {1, 2, 3, 6}
    for line in lines:
        cells = [
            cell.rjust(width) if number in figures else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    main()
