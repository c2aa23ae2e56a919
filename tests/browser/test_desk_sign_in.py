"""Signing in at the desk in a real Chromium: small phone and desktop, keyboard, axe, and no word from the CSP."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff.accounts import chain, codes, members
from tests.conftest import SECRET
from tests.desk_stage import PASSWORD, DeskStage, settings_for

pytestmark = pytest.mark.browser

Look = tuple[int, str, Literal["light", "dark"]]
LOOKS: list[Look] = [(360, "vi.normal.auto", "light"), (360, "en.large.dark", "dark"), (1280, "vi.normal.auto", "dark")]
SERIOUS = ("serious", "critical")
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Says nothing."""


@dataclass
class House:
    stage: DeskStage
    address: str
    said: list[str] = field(default_factory=list)  # console errors and dialogs of every page

    def page(self, browser: Browser, look: Look) -> Page:
        width, cookie, scheme = look
        context = browser.new_context(viewport={"width": width, "height": 780}, color_scheme=scheme)
        context.add_cookies([{"name": "osso-look", "value": cookie, "url": self.address}])
        page = context.new_page()
        page.on("console", self._listen)
        page.on("dialog", self._dismiss)
        return page

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.said.append(message.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.said.append("dialog")
        dialog.dismiss()

    def sign_in(self, page: Page, login: str, secret: str) -> None:
        page.goto(f"{self.address}/sign-in")
        page.locator("#login").fill(login)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        self.stage.turn(codes.STEP_S)
        page.locator("#code").fill(codes.code_at(secret, self.stage.now))
        page.keyboard.press("Enter")
        expect(page.locator(".who")).to_be_visible()


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The desk mounted under /desk, as it is served."""
    folder = tmp_path_factory.mktemp("desk")
    path = shutil.copy(sqlite_template, folder / "osso.db")
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    stage = DeskStage(database, settings_for(database.url, folder), time.time_ns() // 1_000_000)
    app = DispatcherMiddleware(Response("", 404), {"/desk": stage.app.wsgi_app})
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield House(stage, f"http://127.0.0.1:{server.port}/desk")
    server.shutdown()
    thread.join()
    server.server_close()
    database.close()


def faults(page: Page) -> list[str]:
    """Serious findings of axe, and anything wider than the screen."""
    found = Axe().run(page).response["violations"]
    serious = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in SERIOUS]
    wider = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return serious + (["wider than the screen"] if wider else [])


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]} {look[1]} {look[2]}")
def test_every_account_page_is_usable_by_anybody(browser: Browser, house: House, look: Look) -> None:
    house.stage.fresh()
    mai = house.stage.add("mai", ("admin", "*"), ("lead", "osso-hanoi"), name=f"Phạm Mai {SCRIPT}"[:80])
    token = members.invite(house.stage.accounts, None, login="moi", name="Lê Thị Mới", posts=[("counsellor", "*")])
    chain.seal(house.stage.accounts)
    house.said.clear()
    page = house.page(browser, look)
    checked = []

    def check(name: str) -> None:
        assert faults(page) == [], name
        checked.append(name)

    page.goto(f"{house.address}/sign-in")
    check("sign-in")
    page.goto(f"{house.address}/invitation/{token}")
    check("invitation, step 1")
    page.locator("#password").fill(PASSWORD)
    page.locator("#again").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".qr svg")).to_be_visible()
    check("invitation, step 2")
    house.sign_in(page, mai.login, mai.secret)
    for place in ("account", "staff", "staff/new", f"staff/{mai.uuid}", "audit", "break-glass", "step-up"):
        page.goto(f"{house.address}/{place}")
        check(place)
    page.goto(f"{house.address}/account")
    page.locator(".who summary").click()
    expect(page.locator(".menu-panel")).to_be_visible()
    check("menu")
    page.keyboard.press("Escape")
    expect(page.locator(".menu-panel")).to_be_hidden()
    page.locator("form[action$='/recovery'] button").click()
    expect(page.locator("#codes li")).to_have_count(10)
    check("recovery codes")
    assert len(checked) == 12
    assert house.said == []  # nothing refused by the CSP, no script of a name ran
    page.goto(f"{house.address}/nowhere")
    check("missing")
    page.context.close()


def test_the_look_is_remembered_without_script(browser: Browser, house: House) -> None:
    house.stage.fresh()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{house.address}/sign-in")
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Large").click()
    page.get_by_role("button", name="Dark").click()
    page.goto(f"{house.address}/sign-in")
    root = page.locator("html")
    expect(root).to_have_attribute("lang", "en")
    expect(root).to_have_attribute("data-size", "large")
    expect(root).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("heading", name="Counselling desk")).to_be_visible()
    context.close()


def test_signing_out_shuts_the_page_behind_her(browser: Browser, house: House) -> None:
    house.stage.fresh()
    lan = house.stage.add("lan", ("counsellor", "osso-hanoi"))
    page = house.page(browser, (360, "vi.normal.auto", "light"))
    house.sign_in(page, lan.login, lan.secret)
    page.goto(f"{house.address}/account")
    page.locator(".who summary").click()
    page.get_by_role("button", name="Đăng xuất").click()
    expect(page.locator("#login")).to_be_visible()
    page.go_back()
    expect(page.locator("#login")).to_be_visible()
    page.context.close()
