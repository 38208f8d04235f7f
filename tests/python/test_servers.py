"""Servers that fork: gunicorn with a preloaded application, and celery's pool of processes.

The client is made in the parent, which then forks: cold, with a token, or during a login.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from forcegrant.testing import Org

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these servers fork")

WORKERS = 2
LIMIT = 20.0

# What the parent does before it forks.
USES = {
    "cold": "",
    "warm": "sf.token()",
    # The first request is held, those of children are not.
    "in-flight": """
def wait():
    org_id = sf.token().org_id
    with open("parent", "w") as file:
        file.write(org_id)

control("fault", endpoint="token", kind="hold", first=1)
threading.Thread(target=wait, daemon=True).start()
control("wait_requests", endpoint="token", count=1)
""",
}
PARENT = """
sf = client()
PARENT = os.getpid()

def said(token, begun):
    return {
        "pid": os.getpid(), "forked": os.getpid() != PARENT, "org_id": token.org_id,
        "seconds": time.monotonic() - begun,
    }
"""
WSGI = """
def application(environ, start_response):
    begun = time.monotonic()
    body = json.dumps(said(sf.token(timeout=2), begun)).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
"""
ASGI = """
waiting = sf.async_client()

async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    begun = time.monotonic()
    body = json.dumps(said(await waiting.token(timeout=2), begun)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""
CELERY = """
import multiprocessing
from celery import Celery

app = Celery("tasks", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.broker_connection_retry_on_startup = True
# So that each of the children gets a task.
together = multiprocessing.Barrier(2)

@app.task(name="use")
def use():
    together.wait(10)
    begun = time.monotonic()
    return said(sf.token(timeout=2), begun)
"""
GUNICORN = {
    "sync": (WSGI, []),
    "gthread": (WSGI, ["--threads", "4"]),
    "gevent": (WSGI, []),
    "uvicorn_worker.UvicornWorker": (ASGI, []),
}


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, env: dict[str, str], *files: int
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Start a server whose output goes to a file, and end it with the block."""
    log = folder / f"{command[0].rpartition('/')[2]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=files,
            start_new_session=True,
        )
    try:
        yield process, log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(what: Callable[[], Any], says: str) -> Any:
    """Ask until there is a response."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        response = what()
        if response:
            return response
        time.sleep(0.02)
    raise AssertionError(says)


def check(org: Org, use: str, responses: list[dict[str, Any]], folder: Path) -> None:
    """Check the responses of the workers, and the requests that the emulator received."""
    assert all(response["forked"] for response in responses)
    assert {response["org_id"] for response in responses} == {org.org_id}
    assert max(response["seconds"] for response in responses) < 2
    workers = len({response["pid"] for response in responses})
    assert workers == WORKERS
    if use == "in-flight":
        assert not (folder / "parent").exists()
        org.emulator.release()
        until((folder / "parent").exists, "the parent has no token")
    counters = org.emulator.counters()
    # With the parent's token none logs in; else each does, and the parent's own login is its own.
    expected = {"cold": workers, "warm": 1, "in-flight": workers + 1}[use]
    assert counters["token_requests"] == expected
    # Nobody speaks over a connection of another's.
    assert counters["connections"] == expected


def stopped(process: subprocess.Popen[bytes], log: Path) -> None:
    """The process ends when it is asked to, and has logged no error."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT) == 0, log.read_text()
    said = log.read_text()
    for word in ("Traceback", "[ERROR]", "[CRITICAL]", "ERROR/", "SIGSEGV", "SIGABRT", "timed out"):
        assert word not in said, said


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", GUNICORN)
def test_gunicorn_with_a_preloaded_application(
    forcegrant_org: Org, tmp_path: Path, kind: str, use: str
) -> None:
    code, options = GUNICORN[kind]
    scripts.write(tmp_path, PARENT + USES[use] + code)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [
            *(sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS)),
            *("--worker-class", kind, "--worker-tmp-dir", str(tmp_path), *options),
            *("--bind", f"fd://{listener.fileno()}", "script:application"),
        ]
        address = "http://{}:{}/".format(*listener.getsockname())
        env = {**scripts.environment(forcegrant_org), "PYTHONPATH": str(tmp_path)}
        with running(command, tmp_path, env, listener.fileno()) as (process, log):
            responses: list[dict[str, Any]] = []

            def ask(_: int) -> dict[str, Any]:
                with urllib.request.urlopen(address, timeout=LIMIT) as response:
                    return json.load(response)  # type: ignore[no-any-return]

            with ThreadPoolExecutor(8) as pool:

                def everybody_answered() -> bool:
                    responses.extend(pool.map(ask, range(8)))
                    return len({response["pid"] for response in responses}) == WORKERS

                until(everybody_answered, "a worker is not reached")
            check(forcegrant_org, use, responses, tmp_path)
            stopped(process, log)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis server that ends with the block; the test is skipped if there is none."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed")
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [server, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", "."]
    with running(command, folder, dict(os.environ)) as (process, log):

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return "Ready to accept connections" in log.read_text()

        until(ready, "redis does not start")
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """A Redis server of this test's own."""
    with redis(tmp_path / "redis") as address:
        yield f"{address}/0"


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("use", USES)
def test_celery_with_its_pool_of_processes(
    forcegrant_org: Org, tmp_path: Path, broker: str, use: str
) -> None:
    import celery

    scripts.write(tmp_path, PARENT + USES[use] + CELERY)
    command = [
        *(sys.executable, "-m", "celery", "--app", "script", "worker", "--pool", "prefork"),
        *("--concurrency", str(WORKERS), "--loglevel", "WARNING", "--without-mingle"),
        *("--without-gossip", "--without-heartbeat"),
    ]
    env = {
        **scripts.environment(forcegrant_org),
        "PYTHONPATH": str(tmp_path),
        "BROKER": broker,
        "C_FORCE_ROOT": "1",
    }
    with running(command, tmp_path, env) as (process, log):
        app = celery.Celery(broker=broker, backend=broker)
        try:
            tasks = [app.send_task("use") for _ in range(WORKERS)]
            responses = [task.get(timeout=LIMIT) for task in tasks]
        except celery.exceptions.TimeoutError:
            raise AssertionError(log.read_text()) from None
        finally:
            app.close()
        check(forcegrant_org, use, responses, tmp_path)
        stopped(process, log)
