"""Appointments in a real Chromium: by keyboard alone; whole on a narrow phone, large, dark, in English."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bot.hearing import ZONE
from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff import appointments
from handoff.accounts.staff import Staff
from tests.conftest import SECRET
from tests.desk_room import DeskRoom
from tests.test_asking_later import keep

pytestmark = pytest.mark.browser
DAY = 86_400_000
LOOKS = [((360, 740), "vi.normal.light"), ((360, 740), "en.large.dark"), ((1280, 800), "en.normal.light")]


@dataclass
class House:
    room: DeskRoom
    address: str
    mai: Staff


@pytest.fixture
def house(sqlite_template: Path, tmp_path: Path) -> Iterator[House]:
    shutil.copy(sqlite_template, tmp_path / "osso.db")
    database = Database(f"sqlite:///{tmp_path / 'osso.db'}", Keyring([SECRET]))
    room = DeskRoom(database, folder=tmp_path)
    room.stage.now = time.time_ns() // 1_000_000
    mai, lan = room.hire("mai"), room.hire("lan")
    soon = datetime.datetime.fromtimestamp(room.now / 1000 + 3 * 86_400, ZONE).replace(hour=15, minute=0)
    room.wants("visit", soon.isoformat(timespec="minutes"), person="a")
    room.wants("call", "sau 8 giờ tối, khi con đã ngủ và nhà yên, chị đừng gọi sớm hơn giúp em", person="b")
    keep(room, hours="18-21", call="no")
    agreed = room.wants("visit", "any", person="c")
    place = "Trung tâm Vì sự phát triển phụ nữ, số 20 Thụy Khuê"
    appointments.confirm(room.desk, mai, agreed, starts_at=room.now + 2 * DAY, place=place)
    room.wants("call", "chiều mai", person="d")
    room.wants(act="cancel", person="d")
    held = room.wants("call", "sáng mai", person="e")
    assert held
    room.take(lan, room.asks("em hỏi thêm", person="e"))
    with room.served() as address:
        yield House(room, address, mai)
    database.close()


def opened(browser: Browser, house: House, size: tuple[int, int], look: str) -> Page:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_cookies(
        [
            {"name": "osso", "value": house.room.cookie(house.mai), "url": house.address},
            {"name": "osso-look", "value": look, "url": house.address},
        ]
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{house.address}/appointments")
    return page


@pytest.mark.parametrize(("size", "look"), LOOKS)
def test_nothing_is_cut_off_and_nothing_keeps_anyone_out(
    browser: Browser, house: House, size: tuple[int, int], look: str, tmp_path: Path
) -> None:
    page = opened(browser, house, size, look)
    expect(page.locator("h1")).to_have_text("Lịch hẹn" if look.startswith("vi") else "Appointments")
    for summary in page.locator(".answers summary").all():
        summary.click()
    page.screenshot(path=tmp_path / "appointments.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    found = Axe().run(page)
    assert [one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")] == []
    page.context.close()


def test_a_visit_is_confirmed_with_the_keyboard_alone(browser: Browser, house: House) -> None:
    page = opened(browser, house, (1280, 800), "vi.normal.light")
    first = page.locator(".meetings .card").first
    first.locator("summary").first.focus()
    page.keyboard.press("Enter")
    first.get_by_label("Nơi gặp").focus()
    page.keyboard.type("20 Thụy Khuê")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Đã ghi")
    expect(page.locator("#confirmed")).to_contain_text("(2)")
    page.context.close()
