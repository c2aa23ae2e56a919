"""The simulator in a real Chromium: what a hand and an eye do there, at the width of a small phone and on a desk."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.worker import ThreadWaker, Worker
from tests.conftest import SECRET
from tests.simulated import app_of, rim_of

pytestmark = pytest.mark.browser

Look = tuple[str, int, int, Literal["light", "dark"]]
PHONE: Look = ("phone", 360, 740, "light")
DESK: Look = ("desk", 1280, 800, "dark")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def address(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the simulator and workers of its own, on a free port."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("chat") / "osso.db")
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    rim = rim_of(database, lambda: time.time_ns() // 1_000_000)
    waker = ThreadWaker(Worker(rim), 2)
    waker.start()
    server = make_server("127.0.0.1", 0, app_of(rim, waker.wake), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/chat"
    server.shutdown()
    thread.join()
    server.server_close()
    waker.stop()
    database.close()


@contextmanager
def opened(browser: Browser, address: str, look: Look) -> Iterator[Page]:
    """An open chat; a fault in the console or a refused policy fails the test."""
    _, width, height, scheme = look
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale="vi-VN")
    page = context.new_page()
    page.set_default_timeout(30_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.goto(address)
    yield page
    context.close()
    assert [fault for fault in faults if "status of 503" not in fault] == []  # one test makes the server fail


@pytest.fixture(params=[PHONE, DESK], ids=lambda look: look[0])
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """On a small phone in daylight, and on a desk at night."""
    with opened(browser, address, request.param) as page:
        yield page


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address, PHONE) as page:
        yield page


def panel(page: Page) -> None:
    """Opens the drawer where the page has one."""
    button = page.locator("#open-drawer")
    if button.is_visible():
        button.click()
        expect(page.locator("#drawer")).to_have_class(re.compile("open"))


def switch(page: Page, channel: str) -> None:
    panel(page)
    settle(page)  # the drawer slides in; a forced click does not wait for it
    with page.expect_navigation():
        page.get_by_label(channel, exact=True).check(force=True)


def settle(page: Page) -> None:
    """Waits until nothing moves, since half-faded text has no contrast to measure."""
    page.evaluate(
        """() => Promise.all(document.getAnimations()
          .filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished))"""
    )


def examine(page: Page) -> None:
    settle(page)
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS] == []


def test_a_message_is_answered_and_a_choice_tapped(page: Page) -> None:
    page.get_by_label("Tin nhắn của chị").fill("xin chao")
    page.keyboard.press("Enter")
    mine = page.locator(".row.me")
    expect(mine.locator(".bubble")).to_contain_text("xin chao")
    expect(mine.locator(".mark")).to_contain_text("Đã nhận")
    expect(page.locator(".row.them").first).to_be_visible()
    choice = page.locator("button.choice").first
    title = choice.inner_text()
    choice.click()
    expect(page.locator(".row.me").nth(1)).to_contain_text(title)
    expect(page.locator(".row.me").nth(1)).to_have_attribute("data-mark", "received")
    expect(page.locator(".typing")).to_be_hidden()
    page.reload()
    expect(page.locator(".row.me .bubble")).to_contain_text(["xin chao", title])


def test_why_stands_in_the_panel(page: Page) -> None:
    page.get_by_label("Tin nhắn của chị").fill("chồng đang đánh em")
    page.get_by_role("button", name="Gửi", exact=True).click()
    expect(page.locator(".row.them").first).to_be_visible()
    panel(page)
    expect(page.locator("#ticket")).to_contain_text("Đang chờ tư vấn viên")
    expect(page.locator(".turn").first).to_contain_text("An toàn trước hết")
    expect(page.locator(".turn").first).to_contain_text("Khẩn cấp")
    examine(page)


def test_shift_enter_begins_a_line(phone: Page) -> None:
    box = phone.get_by_label("Tin nhắn của chị")
    box.press_sequentially("một")
    box.press("Shift+Enter")
    box.press_sequentially("hai")
    assert box.input_value() == "một\nhai"
    expect(phone.locator(".row.me")).to_have_count(0)
    box.press("Enter")
    expect(phone.locator(".row.me .bubble")).to_have_text("Chị: một\nhai")
    assert box.input_value() == ""


def test_messenger_chips_vanish_with_the_next_message(page: Page) -> None:
    switch(page, "Messenger")
    expect(page.locator(".badge")).to_have_text("Như Messenger")
    page.get_by_role("button", name="Bắt đầu").click()
    chips = page.locator("#chips button")
    expect(chips.first).to_be_visible()
    assert page.locator(".choices button").count() == 0
    chips.last.click()
    expect(page.locator(".row.me").nth(1)).to_be_visible()
    expect(page.locator(".row.me").nth(1)).to_have_attribute("data-mark", "received")
    examine(page)


def test_another_woman_begins_with_an_empty_page(phone: Page) -> None:
    phone.get_by_role("button", name="Bắt đầu").click()
    expect(phone.locator(".row.them").first).to_be_visible()
    panel(phone)
    with phone.expect_navigation():
        phone.get_by_role("button", name="Người mới").click()
    expect(phone.get_by_role("button", name="Bắt đầu")).to_be_visible()
    expect(phone.locator(".row")).to_have_count(0)


def test_media_from_the_menu(phone: Page) -> None:
    phone.get_by_role("button", name="Gửi thử ảnh").click()
    phone.get_by_role("button", name="Ghi âm", exact=True).click()
    expect(phone.locator(".row.me .media-card")).to_contain_text("Ghi âm")
    expect(phone.locator(".row.me")).to_have_attribute("data-mark", "received")
    expect(phone.locator(".row.them").first).to_be_visible()


def test_lost_message_can_be_sent_again(phone: Page) -> None:
    phone.route("**/chat/messages", lambda route: route.fulfill(status=503, body=""))
    phone.get_by_label("Tin nhắn của chị").fill("xin chao")
    phone.keyboard.press("Enter")
    row = phone.locator(".row.me")
    expect(row).to_have_attribute("data-mark", "failed")
    phone.unroute("**/chat/messages")
    phone.get_by_role("button", name="Gửi lại").click()
    expect(row).to_have_attribute("data-mark", "received")
    expect(row).to_have_count(1)


def test_numbers_and_addresses_become_links_and_markup_stays_text(phone: Page) -> None:
    shown = phone.evaluate(
        """async () => {
          const { linked } = await import('/chat/static/bubbles.js');
          const box = document.createElement('p');
          box.append(...linked('Gọi 113 hoặc 1900 969 680, 0912 345 678, +84 981 84 84 84. '
            + 'Xem https://dichvucong.gov.vn/abc. Lương 1.150.000 đồng, năm 2024, Điều 115/2015, <b>x</b>'));
          return [[...box.querySelectorAll('a')].map((a) => a.getAttribute('href')), box.textContent];
        }"""
    )
    assert shown[0] == [
        "tel:113",
        "tel:1900969680",
        "tel:0912345678",
        "tel:+84981848484",
        "https://dichvucong.gov.vn/abc",
    ]
    assert shown[1].endswith("Điều 115/2015, <b>x</b>")


def test_nothing_is_wider_than_the_page_even_with_large_text(phone: Page) -> None:
    phone.get_by_role("button", name="Bắt đầu").click()
    expect(phone.locator(".row.them").first).to_be_visible()
    phone.evaluate("document.documentElement.style.fontSize = '200%'")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("#text", "#send"):
        box = phone.locator(name).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= phone.evaluate("innerWidth")


def test_drawer_is_left_by_escape_and_gives_the_focus_back(page: Page) -> None:
    button = page.locator("#open-drawer")
    if not button.is_visible():
        expect(page.locator("#samples")).to_be_visible()
        assert page.locator("#drawer").get_attribute("role") is None
        return
    button.click()
    expect(page.locator("#close-drawer")).to_be_focused()
    assert page.locator("#phone").evaluate("e => e.inert")
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    assert page.locator("#drawer").evaluate("e => e.inert")
