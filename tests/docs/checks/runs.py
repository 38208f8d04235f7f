"""The documentation's lines run as printed; where a block only defines something, a few lines after it use it."""

from __future__ import annotations

import ast
import functools
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from checks import ROOT, Block, Check, blocks, documents, files, read
from checks.emulated import Emulator, run, target_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNNABLE = {"python": "python", "js": "node", "ts": "node", "rust": "rust"}

PYTHON = shlex.split(os.environ.get("PYTHON", shlex.quote(sys.executable)))
NODE = shlex.split(os.environ.get("NODE", "node"))
CARGO = shlex.split(os.environ.get("CARGO", "cargo"))

# What is put after a block that defines and does not call.
PYTHON_401 = """
import json, os, urllib.request
def control(op):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url, headers = os.environ["FORCEGRANT_DOCS_CONTROL"], {"Content-Type": "application/json"}
    opener.open(urllib.request.Request(url, json.dumps({"op": op}).encode(), headers)).close()
first = get("/services/data/v67.0/limits")
control("kill_sessions")
second = get("/services/data/v67.0/limits")
print(first.status_code, second.status_code, sf.status().logins)
"""
NODE_401 = """
import { request } from 'node:http'
const control = (op) => new Promise((resolve, reject) => {
  const headers = { 'content-type': 'application/json' }
  const call = request(process.env.FORCEGRANT_DOCS_CONTROL, { method: 'POST', agent: false, headers }, (answer) => {
    answer.resume().on('end', resolve)
  })
  call.on('error', reject).end(JSON.stringify({ op }))
})
const first = await get('/services/data/v67.0/limits')
await control('kill_sessions')
const second = await get('/services/data/v67.0/limits')
console.log(first.status, second.status, sf.status().logins)
"""
NODE_LAMBDA = """
const [first, second] = [await handler(), await handler()]
console.log(first.instanceUrl, first.fingerprint)
console.log(second.instanceUrl, second.fingerprint)
"""

DEPLOYED_WSGI = """
def start_response(status, headers):
    print(status)
print(b"".join(application({}, start_response)).decode())
"""
DEPLOYED_ASGI = """
import asyncio
async def send(message):
    print(message.get("status", ""), message.get("body", b"").decode())
asyncio.run(application({"type": "http"}, None, send))
"""
DEPLOYED_CELERY = """
print(200, limits())
"""


def checks() -> Iterator[Check]:
    yield Check("every code block is named or not to be run", all_known)
    for block in found():
        if block.name in KNOWN:
            yield Check(f"block {block.name} of {block.place}", functools.partial(KNOWN[block.name], block))
    yield Check("pasted hosts in docs/guides/setup.md", pasted_hosts)
    yield Check("the secret in docs/recipes/kubernetes.md", kubernetes)


def found() -> list[Block]:
    return [block for name in documents() for block in blocks(name) if block.language in RUNNABLE]


def all_known() -> None:
    wrong = [
        f"{block.place}: put `<!-- check: name -->` above this block, with a name that tests/docs/checks/runs.py knows"
        for block in found()
        # The README of a crate may show more than its own tests run; tests/node runs the recipes for Node.
        if block.name not in KNOWN and (block.name or not re.search(r"/README\.md|^docs/recipes/node-", block.file))
    ]
    missing = set(KNOWN) - {block.name for block in found()}
    assert not wrong, "\n".join(wrong)
    assert not missing, f"no document has a block of the name {missing}"


@functools.cache
def emulator() -> Emulator:
    return Emulator()


@functools.cache
def folder() -> Path:
    """Where the blocks are written: Node finds the package by its own name from below the root."""
    given = os.environ.get("FORCEGRANT_DOCS_FOLDER")
    below = Path(given) if given else target_folder() / "docs-blocks"
    if not below.resolve().is_relative_to(ROOT) and not given:
        below = ROOT / "target" / "docs-blocks"
    below.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="run-", dir=below))


def finish() -> None:
    if emulator.cache_info().currsize:
        emulator().stop()
    if folder.cache_info().currsize:
        for path in folder().iterdir():
            if path.is_file():
                path.unlink()
        # Python leaves its caches in sub-folders.
        if not any(folder().iterdir()):
            folder().rmdir()


def execute(block: Block, file: str, command: list[str], after: str = "", logins: int = 1) -> str:
    """Runs a block in a fresh org and sees that it logged in as often as it should."""
    emulator().control("reset")
    path = folder() / file
    path.write_text(block.text + after, encoding="utf-8")
    printed = run([*command, str(path)], emulator().environment(), path.parent)
    counted = emulator().logins()
    assert counted == logins, f"{counted} logins instead of {logins}\n{printed}"
    for secret in (emulator().org["client_secret"],):
        assert secret not in printed, "the secret was printed"
    return printed


def connections(file: str, command: list[str], block: Block) -> None:
    # One that verifies, and one of the client.
    printed = execute(block, file, command, logins=2)
    org = emulator().org["org_id"]
    assert printed.splitlines() == [f"acme {org}", org], printed


def quick_start(file: str, command: list[str], block: Block) -> None:
    printed = execute(block, file, command)
    org = emulator().org
    for expected in (org["instance_url"], org["org_id"]):
        assert expected in printed, f"{expected} was not printed:\n{printed}"


def recovery(file: str, command: list[str], after: str, block: Block) -> None:
    printed = execute(block, file, command, after, logins=2)
    assert printed.split() == ["200", "200", "2"], printed


def deployed(file: str, after: str, block: Block) -> None:
    """Called as its server calls it; the servers themselves are in tests/python/test_servers.py."""
    printed = execute(block, file, PYTHON, after)
    assert printed.split()[0] == "200", printed
    assert "DailyApiRequests" in printed, printed


def shared(file: str, times: int, after: str, block: Block) -> None:
    """Several processes, threads or calls print instance and fingerprint; one login serves all."""
    # The folder in which processes share is the user's.
    command = ["env", f"XDG_CACHE_HOME={folder() / 'cache'}", *NODE]
    printed = execute(block, file, command, after).splitlines()
    assert len(printed) == times, printed
    assert len(set(printed)) == 1, printed
    assert printed[0].startswith(f"{emulator().org['instance_url']} "), printed
    shutil.rmtree(folder() / "cache", ignore_errors=True)


def verified(block: Block) -> None:
    printed = execute(block, "verified.py", PYTHON)
    assert emulator().org["org_id"] in printed, printed


def python_testing(block: Block) -> None:
    path = folder() / f"test_{block.line}.py"
    path.write_text(block.text, encoding="utf-8")
    # The repository's own settings are not those of a user.
    options = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={path.parent}"]
    printed = run([*PYTHON, *options, str(path)], users_environment(), path.parent)
    assert f"{block.text.count('def test_')} passed" in printed, printed


def node_testing(block: Block) -> None:
    path = folder() / "readme.test.mjs"
    path.write_text(block.text, encoding="utf-8")
    printed = run([*NODE, "--test", str(path)], users_environment(), path.parent)
    assert re.search(r"pass 1\b", printed), printed
    assert re.search(r"fail 0\b", printed), printed


def users_environment() -> dict[str, str]:
    """Nothing that leads to the emulator but the name of its binary."""
    environment = emulator().environment()
    return {
        name: value
        for name, value in environment.items()
        if not name.upper().endswith("_PROXY") and not name.startswith(("SSL_", "NODE_", "SALESFORCE_"))
    }


def rust(block: Block) -> None:
    """The block stands in an example word for word; the example runs."""
    holders = [path for path in files() if re.search(r"/examples/\w+\.rs$", path) and block.text in read(path)]
    assert holders, f"no file in crates/*/examples holds the block of {block.place} word for word"
    package = holders[0].split("/")[1]
    example = Path(holders[0]).stem
    build = [*CARGO, "build", "--quiet", "--package", package, "--example", example]
    run(build, os.environ, ROOT, limit=900)
    emulator().control("reset")
    triple = os.environ.get("CARGO_BUILD_TARGET", "")
    program = target_folder() / triple / "debug" / "examples" / example
    printed = run([str(program)], emulator().environment(), ROOT)
    org = emulator().org
    assert org["instance_url"] in printed, printed
    assert org["org_id"] in printed, printed
    assert emulator().logins() == 1


def rust_recipe(block: Block) -> None:
    """The block stands in an example word for word; the example tries it with an org of its own."""
    holders = [path for path in files() if re.search(r"/examples/\w+\.rs$", path) and block.text in read(path)]
    assert holders, f"no file in crates/*/examples holds the block of {block.place} word for word"
    package, example = holders[0].split("/")[1], Path(holders[0]).stem
    run([*CARGO, "build", "--quiet", "--package", package, "--example", example], os.environ, ROOT, limit=900)
    program = target_folder() / os.environ.get("CARGO_BUILD_TARGET", "") / "debug" / "examples" / example
    printed = run([str(program)], os.environ, ROOT)
    assert "the recipe holds" in printed, printed


def kubernetes() -> None:
    """What the secret holds is a connection, and the variables of the deployment lead a program to it."""
    text = read("docs/recipes/kubernetes.md")
    held = re.search(r"^  (acme\.json): \|\n((?:    .*\n)+)", text, re.MULTILINE)
    variables = dict(re.findall(r"name: (FORCEGRANT_\w+), value: (\S+) }", text))
    assert held, "there is no file in the secret"
    assert re.search(rf"mountPath: {re.escape(variables['FORCEGRANT_CONNECTIONS'])}\b", text)
    place = folder() / "mounted"
    place.mkdir(mode=0o700)
    org = emulator().org
    content = held[2].replace("acme.my.salesforce.com", org["my_domain"])
    for value in ("client_id", "client_secret"):
        content = re.sub(rf'"{value}": "[^"]+"', f'"{value}": "{org[value]}"', content)
    file = place / held[1]
    file.write_text(content, encoding="utf-8")
    file.chmod(0o600)
    environment = users_environment() | {
        **{name: emulator().environment()[name] for name in ("HTTPS_PROXY", "SSL_CERT_FILE")},
        **variables,
        "FORCEGRANT_CONNECTIONS": str(place),
    }
    script = "from forcegrant import Client; print(Client.from_env().token().org_id)"
    printed = run([*PYTHON, "-c", script], environment, folder())
    shutil.rmtree(place)
    assert printed.split() == [org["org_id"]], printed


def pasted_hosts() -> None:
    """The table of what people paste says what the client does."""
    name = "docs/guides/setup.md"
    table = re.search(r"^\| pasted \|.*\n\|.*\n((?:\|.*\n)+)", read(name), re.MULTILINE)
    assert table, f"{name} has no table of pasted hosts"
    cases = []
    for row in table[1].splitlines():
        left, right = (cell.strip() for cell in row.strip("|").split("|"))
        wanted = re.findall(r"`([^`]+)`", right)
        cases += [(pasted, wanted, "refused" in right) for pasted in re.findall(r"`([^`]+)`", left)]
    assert len(cases) >= 8, f"only {len(cases)} cases were found in {name}"
    script = (
        "import sys\nfrom forcegrant import Client, ConfigurationError\n"
        "for host in sys.argv[1:]:\n"
        "    try:\n        print(repr(['host', Client(host, 'id', 'secret').login_host]))\n"
        "    except ConfigurationError as error:\n        print(repr(['refused', error.code, str(error)]))\n"
    )
    lines = run([*PYTHON, "-c", script, *(case[0] for case in cases)], os.environ, folder()).splitlines()
    wrong = []
    for (pasted, wanted, refused), line in zip(cases, lines, strict=True):
        answer = ast.literal_eval(line)
        if refused:
            right = answer[0] == "refused" and all(word in answer[1] or word in answer[2] for word in wanted)
        else:
            right = answer == ["host", *wanted]
        if not right:
            wrong.append(f"{pasted}: the guide says {wanted}, the client {answer}")
    assert not wrong, "\n".join(wrong)


KNOWN: dict[str | None, Callable[[Block], None]] = {
    "python": functools.partial(quick_start, "quick_start.py", PYTHON),
    "python-async": functools.partial(quick_start, "quick_start_async.py", PYTHON),
    "python-401": functools.partial(recovery, "recovery.py", PYTHON, PYTHON_401),
    "python-verify": verified,
    "python-testing": python_testing,
    "deploy-wsgi": functools.partial(deployed, "deploy_wsgi.py", DEPLOYED_WSGI),
    "deploy-asgi": functools.partial(deployed, "deploy_asgi.py", DEPLOYED_ASGI),
    "deploy-celery": functools.partial(deployed, "deploy_celery.py", DEPLOYED_CELERY),
    "node-import": functools.partial(quick_start, "quick_start.mjs", NODE),
    "node-require": functools.partial(quick_start, "quick_start.cjs", NODE),
    "node-401": functools.partial(recovery, "recovery.mjs", NODE, NODE_401),
    "node-testing": node_testing,
    "node-cluster": functools.partial(shared, "cluster.mjs", 4, ""),
    "node-worker-threads": functools.partial(shared, "worker_threads.mjs", 5, ""),
    "node-lambda": functools.partial(shared, "lambda.mjs", 2, NODE_LAMBDA),
    "rust": rust,
    "rust-reqwest": rust_recipe,
    "rust-reqwest-blocking": rust_recipe,
    "rust-reqwest-middleware": rust_recipe,
    "rust-tower": rust_recipe,
    "rust-tonic": rust_recipe,
    "python-connections": functools.partial(connections, "connections.py", PYTHON),
    "node-connections": functools.partial(connections, "connections.mjs", NODE),
    "python-pool": functools.partial(quick_start, "pool.py", PYTHON),
    "node-pool": functools.partial(quick_start, "pool.mjs", NODE),
    "rust-pool": rust,
}
