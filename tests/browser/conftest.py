"""A real Chromium, driven by WebDriver, and the Connect page in a process of its own.

The browser, as Debian packages it, resolves no host name: it can reach this machine alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from workspace import built, environment  # noqa: E402 - the repository's scripts are no package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from forcegrant.testing import Org

# A guard against a hanging test, and no part of what is tested.
LIMIT_SECONDS = 30
# What a person sees; kept as artefacts of CI.
SCREENSHOTS = Path(os.environ.get("FORCEGRANT_ARTIFACTS") or ROOT / "target" / "connect-page")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser for all tests."""
    driver = shutil.which("chromedriver")
    assert driver is not None, "install Debian's chromium and chromium-driver"
    options = ChromeOptions()
    for argument in (
        "--headless=new",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
        # It runs as root on the machines of CI, where its sandbox cannot.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--window-size=1280,1000",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


class ConnectPage:
    """`forcegrant connect acme` under way, and the browser that shows its page."""

    def __init__(self, browser: Chrome, org: Org, folder: Path, *arguments: str) -> None:
        self.browser, self.org, self.folder = browser, org, folder
        env = {
            name: value
            for name, value in environment().items()
            if not name.startswith(("SALESFORCE_", "SF_", "FORCEGRANT_"))
        }
        emulator = org.emulator
        hosts = [org.my_domain, "acme--uat.sandbox.my.salesforce.com"]
        self.command = [
            str(built("debug", "forcegrant", env)),
            "connect",
            "acme",
            f"--folder={folder}",
            f"--roots={emulator.ca_file()}",
            "--proxy=none",
            *(f"--resolve={host}={emulator.https}" for host in hosts),
        ]
        self.env = env
        self.process = subprocess.Popen(
            [*self.command, "--no-browser", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        lines = iter(self.process.stderr.readline, "")
        self.link = next(line.strip() for line in lines if line.startswith("  http://"))
        self.origin = self.link[: self.link.index("/", len("http://"))]

    def open(self) -> None:
        """Open the link as a person does, with nothing in the logs yet."""
        for kind in ("browser", "performance"):
            self.logs(kind)
        self.browser.get(self.link)
        self.wait_for_attempt(0)

    def enter(self, **values: str) -> None:
        """Enter these values in their boxes."""
        for name, value in values.items():
            box = self.browser.find_element("name", name)
            box.clear()
            box.send_keys(value)

    def credentials(self, **others: str) -> dict[str, str]:
        """Give right values, but for these."""
        org = self.org
        right = {
            "login_url": org.my_domain,
            "client_id": org.client_id,
            "client_secret": org.client_secret,
        }
        return {**right, **others}

    def submit(self, attempt: int) -> None:
        """Press the button, and wait for the page of this attempt."""
        self.browser.find_element("css selector", "button").click()
        self.wait_for_attempt(attempt)

    def wait_for_attempt(self, number: int) -> None:
        """Wait for the marker that changes with each attempt."""

        def is_there(browser: Chrome) -> bool:
            script = "return document.querySelector('main')?.dataset.attempts"
            return bool(browser.execute_script(script) == str(number))

        waiting = WebDriverWait(
            self.browser, LIMIT_SECONDS, ignored_exceptions=[WebDriverException]
        )
        waiting.until(is_there, f"no page of attempt {number}: {self.text()}")

    def text(self) -> str:
        """Give all that can be read."""
        return str(self.browser.execute_script("return document.body.innerText"))

    def connected(self) -> dict[str, Any]:
        """Wait for the end, and give what was saved."""
        assert self.process.wait(LIMIT_SECONDS) == 0
        saved: dict[str, Any] = json.loads((self.folder / "acme.json").read_text())
        return saved

    def screenshot(self, name: str) -> None:
        """Keep what a person sees."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def requested(self) -> set[str]:
        """Give the origins that the browser has asked since the page was opened."""
        messages = [json.loads(line["message"])["message"] for line in self.logs("performance")]
        sent = [each for each in messages if each["method"] == "Network.requestWillBeSent"]
        urls = [each["params"]["request"]["url"] for each in sent]
        return {"/".join(url.split("/")[:3]) for url in urls}

    def logs(self, kind: str) -> list[dict[str, Any]]:
        """Give a log since it was read last."""
        return list(self.browser.get_log(kind))  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """End what is under way."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def connect(
    browser: Chrome, forcegrant_org: Org, tmp_path: Path
) -> Iterator[Callable[..., ConnectPage]]:
    """`connect("--replace")` starts the command and opens its page."""
    started: list[ConnectPage] = []

    def start(*arguments: str) -> ConnectPage:
        page = ConnectPage(browser, forcegrant_org, tmp_path / "connections", *arguments)
        started.append(page)
        page.open()
        return page

    yield start
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get("about:blank")
    for page in started:
        page.close()


@pytest.fixture
def other_site() -> Iterator[Callable[[str], str]]:
    """`other_site(html)` serves a page from another port, and gives its address."""
    body = b""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()

    def serve(html: str) -> str:
        nonlocal body
        body = html.encode()
        return f"http://127.0.0.1:{server.server_port}/"

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()
