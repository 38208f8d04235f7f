"""The Connect page as a person meets it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome

    from conftest import ConnectPage
    from forcegrant.testing import Org

    Connect = Callable[..., ConnectPage]

WRONG = "0123456789ABCDEF" * 4
SANDBOX = "acme--uat.sandbox.my.salesforce.com"
BOXES = {
    "login_url": ("Hostname", "textbox"),
    "client_id": ("Client ID", "textbox"),
    "client_secret": ("Client Secret", "textbox"),
}


def invalid(browser: Chrome) -> list[str]:
    """Give the names of the boxes that are marked."""
    marked = browser.find_elements("css selector", "[aria-invalid=true]")
    return [str(box.get_attribute("name")) for box in marked]


def open_steps(browser: Chrome) -> list[str]:
    """Give the steps of the guide that are open."""
    steps = browser.find_elements("css selector", "details[open]")
    return [str(step.get_attribute("id")).removeprefix("step-") for step in steps]


def test_a_refusal_is_mended_and_the_connection_is_saved(connect: Connect, browser: Chrome) -> None:
    page = connect()
    page.screenshot("form")
    page.enter(**page.credentials(client_secret=WRONG))
    page.submit(1)
    page.screenshot("refused")
    assert browser.title.startswith("Error:")
    alert = browser.find_element("css selector", "[role=alert]")
    assert "Not connected" in alert.text
    assert "invalid_client_secret" in alert.text
    assert "Nothing was saved" in alert.text
    assert invalid(browser) == ["client_secret"]
    assert open_steps(browser) == ["key-and-secret"]
    assert not page.folder.exists()
    # What was entered stays, and the secret is nowhere in the page.
    values = {name: browser.find_element("name", name).get_attribute("value") for name in BOXES}
    assert values == page.credentials(client_secret="")
    assert WRONG not in browser.page_source
    page.enter(client_secret=page.org.client_secret)
    page.submit(2)
    page.screenshot("connected")
    assert browser.title == "Connected: acme"
    status = browser.find_element("css selector", "[role=status]")
    assert "Connection acme is saved" in status.text
    assert page.org.org_id in page.text()
    assert page.org.client_secret not in browser.page_source
    saved = page.connected()
    assert saved["client_secret"] == page.org.client_secret
    assert (saved["org_id"], saved["login_url"]) == (page.org.org_id, page.org.my_domain)


def test_boxes_and_buttons_have_names_roles_and_hints(connect: Connect, browser: Chrome) -> None:
    connect()
    assert browser.title == "Connect Salesforce: acme"
    assert browser.find_element("css selector", "html").get_attribute("lang") == "en"
    for name, (label, role) in BOXES.items():
        box = browser.find_element("name", name)
        assert (box.accessible_name, box.aria_role) == (label, role)
        hints = str(box.get_attribute("aria-describedby")).split()
        assert hints
        assert all(len(browser.find_element("id", hint).text) > 20 for hint in hints)
    button = browser.find_element("css selector", "button")
    assert (button.accessible_name, button.aria_role) == ("Authorize", "button")
    assert browser.find_element("name", "client_secret").get_attribute("type") == "password"
    headings = browser.find_elements("css selector", "h1, h2, h3")
    assert [heading.tag_name for heading in headings] == ["h1", "h2"]
    assert len(browser.find_elements("css selector", "details > summary")) == 6
    # An empty form is not sent: the browser says which box is empty.
    browser.find_element("css selector", "button").click()
    assert browser.switch_to.active_element.get_attribute("name") == "login_url"


@pytest.mark.parametrize(
    ("change", "code", "step"),
    [
        ({"run_as": None}, "no_run_as_user", "run-as-user"),
        ({"flow_enabled": False}, "flow_not_enabled", "enable-flow"),
        ({}, "invalid_client_id", "key-and-secret"),
    ],
    ids=["no-run-as-user", "flow-not-enabled", "wrong-id"],
)
def test_each_refusal_opens_its_step(
    connect: Connect, browser: Chrome, change: dict[str, Any], code: str, step: str
) -> None:
    page = connect()
    page.org.configure(app=change)
    page.enter(**page.credentials(**({} if change else {"client_id": "3MVG9.NOT.THIS.ONE"})))
    page.submit(1)
    assert code in page.text()
    assert open_steps(browser) == [step]
    assert invalid(browser) == ([] if change else ["client_id"])
    assert "look here" in browser.find_element("css selector", "li.current").text
    # A new app is told to wait, and the secret need not be entered again.
    if code == "invalid_client_id":
        assert "2 to 10 minutes" in page.text()
        page.enter(client_id=page.org.client_id)
        page.submit(2)
        page.connected()


def test_a_host_that_is_no_org_is_marked(connect: Connect, browser: Chrome) -> None:
    page = connect()
    page.enter(**page.credentials(login_url="login.salesforce.com"))
    page.submit(1)
    assert invalid(browser) == ["login_url"]
    assert browser.switch_to.active_element.get_attribute("name") == "login_url"
    assert page.org.emulator.counters()["token_requests"] == 0


def test_authorizing_anew_and_another_org(
    connect: Connect, browser: Chrome, forcegrant_org: Org
) -> None:
    first = connect()
    first.enter(**first.credentials())
    first.submit(1)
    first.connected()
    page = connect("--replace")
    assert "This connection exists" in page.text()
    assert page.org.org_id in page.text()
    for name in ("login_url", "client_id"):
        assert browser.find_element("name", name).get_attribute("value") == page.credentials()[name]
    other = forcegrant_org.emulator.control("configure", my_domain=SANDBOX)["org"]
    page.enter(login_url=SANDBOX, **other["apps"][0]["keys"][0])
    page.submit(1)
    assert "other_org" in page.text()
    assert page.org.org_id in page.text()
    assert other["org_id"] in page.text()
    button = browser.find_element("css selector", "button")
    assert button.text == "Replace it"
    page.submit(2)
    assert page.connected()["org_id"] == other["org_id"]


def test_only_this_machine_is_asked_and_the_console_is_empty(connect: Connect) -> None:
    page = connect()
    page.enter(**page.credentials(client_secret=WRONG))
    page.submit(1)
    page.enter(client_secret=page.org.client_secret)
    page.submit(2)
    page.connected()
    assert page.logs("browser") == []
    assert page.requested() == {page.origin}


def test_the_link_works_once(connect: Connect, browser: Chrome) -> None:
    page = connect()
    form = browser.current_url
    assert form != page.link
    browser.get(page.link)
    assert "used already" in page.text()
    # The page itself goes on.
    browser.get(form)
    page.wait_for_attempt(0)


def test_another_site_cannot_frame_the_page(
    connect: Connect, browser: Chrome, other_site: Callable[[str], str]
) -> None:
    page = connect()
    browser.get(other_site(f"<!doctype html><iframe src='{browser.current_url}'></iframe>"))
    browser.switch_to.frame(0)
    assert browser.find_elements("css selector", "main") == []
    browser.switch_to.default_content()
    assert any("frame-ancestors" in line["message"] for line in page.logs("browser"))


def test_another_site_cannot_send_the_form(
    connect: Connect, browser: Chrome, other_site: Callable[[str], str]
) -> None:
    page = connect()
    boxes = "".join(
        f"<input name={name} value='{value}'>" for name, value in page.credentials().items()
    )
    form = f"<form method=post action='{browser.current_url}'>{boxes}<button>Go</button></form>"
    browser.get(other_site(f"<!doctype html>{form}"))
    browser.find_element("css selector", "button").click()
    assert "saved" not in page.text().replace("Nothing was saved", "")
    assert not page.folder.exists()
    assert page.org.emulator.counters()["token_requests"] == 0
    assert page.process.poll() is None


HOSTILE = [
    '"><script>window.hit = 1</script>',
    "'><img src=x onerror='window.hit = 1'>",
    "</title></style><svg onload='window.hit = 1'>",
    "javascript:window.hit=1",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_is_entered_or_answered_is_text(
    connect: Connect, browser: Chrome, forcegrant_org: Org, hostile: str
) -> None:
    forcegrant_org.emulator.fault(
        "token", "refusal", error="invalid_grant", description=f"no such thing {hostile}"
    )
    page = connect()
    page.enter(**page.credentials(client_id=hostile))
    page.submit(1)
    assert browser.execute_script("return window.hit") is None
    assert browser.find_element("name", "client_id").get_attribute("value") == hostile
    page.enter(login_url=hostile, client_id=page.org.client_id)
    page.submit(2)
    assert browser.execute_script("return window.hit") is None
    assert browser.find_elements("css selector", "script, img, svg") == []


def test_nothing_that_is_injected_runs_or_reaches_out(connect: Connect, browser: Chrome) -> None:
    page = connect()
    browser.execute_script(
        "const script = document.createElement('script');"
        "script.textContent = 'window.hit = 1'; document.body.append(script);"
        "const link = document.createElement('div');"
        "link.innerHTML = '<img src=x onerror=\"window.hit = 2\">'; document.body.append(link)"
    )
    assert browser.execute_script("return window.hit") is None
    fetched = browser.execute_async_script(
        "const done = arguments[0]; fetch('/').then(() => done('fetched'), () => done('blocked'))"
    )
    assert fetched == "blocked"
    assert all("Content Security Policy" in line["message"] for line in page.logs("browser"))


def test_by_keyboard_alone(connect: Connect, browser: Chrome) -> None:
    page = connect()
    values = page.credentials()

    def press(keys: str) -> None:
        ActionChains(browser).send_keys(keys).perform()

    for name in BOXES:
        assert browser.switch_to.active_element.get_attribute("name") == name
        press(values[name])
        press(Keys.TAB)
    assert browser.switch_to.active_element.tag_name == "button"
    press(Keys.TAB)
    assert browser.switch_to.active_element.tag_name == "summary"
    press(Keys.SPACE)
    assert open_steps(browser) == ["create-app"]
    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    press(Keys.ENTER)
    page.wait_for_attempt(1)
    page.connected()


@pytest.mark.parametrize("width", [320, 768, 1920])
def test_nothing_is_cut_off(connect: Connect, browser: Chrome, width: int) -> None:
    page = connect()
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def widest() -> int:
        browser.execute_script(
            "document.querySelectorAll('details').forEach((one) => one.open = true)"
        )
        return int(browser.execute_script("return document.documentElement.scrollWidth"))

    assert widest() <= width
    page.enter(**page.credentials(client_secret=WRONG))
    page.submit(1)
    assert widest() <= width
    page.enter(client_secret=page.org.client_secret)
    page.submit(2)
    assert widest() <= width
    page.connected()


CONTRASTS = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number)
const light = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b)
const behind = (element) => {
  for (let at = element; at !== null; at = at.parentElement) {
    const [r, g, b, alpha = 1] = parse(getComputedStyle(at).backgroundColor)
    if (alpha === 1) return [r, g, b]
    if (alpha !== 0) throw new Error('a background that is half transparent')
  }
  throw new Error('no background')
}
const isText = (node) => node.nodeType === 3 && node.data.trim() !== ''
return [...document.querySelectorAll('body *')]
  .filter((one) => [...one.childNodes].some(isText))
  .map((one) => {
    const [text, ground] = [parse(getComputedStyle(one).color), behind(one)].map(luminance)
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05)
    return { ratio, name: `${one.tagName} ${one.className} ${one.textContent.slice(0, 30)}` }
  })
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out(connect: Connect, browser: Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page = connect()
    seen: list[dict[str, Any]] = []

    def look() -> None:
        found = browser.execute_script(CONTRASTS)
        assert len(found) > 10
        seen.extend(found)

    look()
    page.enter(**page.credentials(client_secret=WRONG))
    page.submit(1)
    page.screenshot(f"refused-{scheme}")
    look()
    page.enter(client_secret=page.org.client_secret)
    page.submit(2)
    look()
    page.connected()
    assert [each for each in seen if each["ratio"] < 4.5] == []
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 128 * 3) == (scheme == "dark")


def test_ctrl_c_ends_it_and_nothing_is_saved(connect: Connect) -> None:
    page = connect()
    page.enter(**page.credentials(client_secret=WRONG))
    page.submit(1)
    page.process.send_signal(signal.SIGINT)
    # A shell says 130.
    assert page.process.wait(30) == -signal.SIGINT
    assert not page.folder.exists()
