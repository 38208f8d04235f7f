"""Searches the memory of another process for the secret and the token, as in a core dump.

`memory.py [ROUNDS]`: the process makes so many clients that read the secret from a file, uses
them and drops them. What the core holds is overwritten when it is dropped; copies in buffers of
HTTP and TLS are only freed, and stay until the memory is used again. Their number must not grow
with that of the clients: exit code 1 when it does.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from forcegrant.testing import Emulator

if TYPE_CHECKING:
    from forcegrant.testing import Org

# Copies in freed buffers: at most one for each size and arena of the allocator.
MOST_LEFT = 8

# The program never has the secret as a Python string, which cannot be overwritten.
PROGRAM = """
import gc, json, sys
import forcegrant
setup = json.loads(sys.stdin.readline())

def come_and_go():
    sf = forcegrant.Client(*setup["who"], client_secret_file=setup["file"], **setup["options"])
    sf.token()
    sf.reset()
    sf.token()
    sf.wait_idle()
    return sf

def stop(name):
    gc.collect()
    print(name, flush=True)
    sys.stdin.readline()

for _ in range(setup["rounds"]):
    sf = come_and_go()
stop("in use")
text = sf.token().access_token
stop("read")
del text, sf
for _ in range(setup["rounds"]):
    come_and_go()
stop("dropped")
"""


def main(rounds: int) -> int:
    with Emulator() as emulator, tempfile.TemporaryDirectory() as folder:
        counts = look(emulator.org, Path(folder, "secret"), rounds)
    for stage, (secrets, tokens) in counts.items():
        print(
            f"soak: {rounds} clients, {stage}: copies of the secret in memory: {secrets}, "
            f"of the token: {tokens}"
        )
    # While the client is in use there must be a copy; otherwise the search is wrong.
    found, left = counts["in use"][0], counts["dropped"][0]
    return 0 if found >= 1 and left <= MOST_LEFT else 1


def look(org: Org, file: Path, rounds: int) -> dict[str, tuple[int, int]]:
    """The number of copies of secret and token at each step."""
    file.write_text(org.client_secret)
    file.chmod(0o600)
    token = org.client().token().access_token
    setup = {
        "who": [org.my_domain, org.client_id],
        "file": str(file),
        "options": org.options(login_budget="none"),
        "rounds": rounds,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    counts = {}
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps(setup), file=process.stdin, flush=True)
        for line in process.stdout:
            memory = dump(process.pid)
            counts[line.strip()] = (
                memory.count(org.client_secret.encode()),
                memory.count(token.encode()),
            )
            print(file=process.stdin, flush=True)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    return counts


def dump(process: int) -> bytes:
    """All writable memory of the process."""
    parts = []
    maps = Path(f"/proc/{process}/maps").read_text()
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as file:
        for begin, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            first, last = int(begin, 16), int(end, 16)
            while first < last:
                part = os.pread(file.fileno(), min(last - first, 1 << 24), first)
                parts.append(part)
                first += len(part)
    return b"".join(parts)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
