"""The page of a lead in a real Chromium: it moves by itself, asks little, and says when it cannot."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, expect

from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff import deeds
from handoff.routing import AWAY_MS
from handoff.tickets import Close
from tests.browser.test_desk import DESK, PHONE, House, opened
from tests.conftest import SECRET
from tests.desk_room import DeskRoom

pytestmark = pytest.mark.browser


@pytest.fixture
def house(sqlite_template: Path, tmp_path: Path) -> Iterator[House]:
    shutil.copy(sqlite_template, tmp_path / "osso.db")
    database = Database(f"sqlite:///{tmp_path / 'osso.db'}", Keyring([SECRET]))
    room = DeskRoom(database, folder=tmp_path)
    room.stage.now = time.time_ns() // 1_000_000
    mai, boss = room.hire("mai"), room.hire("hương", ("lead", "hn"))
    taken = room.asks("em hỏi giấy tờ", person="b")
    room.take(mai, taken)
    with room.served() as address:
        yield House(room, address, mai, boss, taken)
    database.close()


def test_the_team_moves_by_itself_without_being_loaded_again(browser: Browser, house: House) -> None:
    room = house.room
    with opened(browser, house, house.boss) as page:
        page.goto(f"{house.address}/team")
        page.evaluate("() => { window.same = true }")
        mai = page.locator(".person", has=page.get_by_role("heading", name="Mai"))
        expect(mai.locator(".line")).to_have_count(1)
        expect(mai.locator(".badge").first).to_have_text("đang trực")
        page.wait_for_timeout(1_500)  # the first look of the watch only takes its bearings
        second = room.asks("em mới tới", person="n")
        expect(page.locator("#list")).to_contain_text("1 chị đang chờ")
        room.take(house.mai, second)
        expect(mai.locator(".line")).to_have_count(2)
        deeds.close(room.desk, house.mai, house.taken, Close("answered"))
        expect(mai.locator(".line")).to_have_count(1)
        room.browser(house.mai).post("/me/duty", {"act": "pause"})
        expect(mai.locator(".badge").first).to_have_text("tạm nghỉ nhận ca")
        room.browser(house.mai).post("/me/duty", {"act": "debrief"})
        expect(mai.locator(".notice")).to_contain_text("Muốn được nói chuyện")
        room.browser(house.mai).post("/me/duty", {"act": "back"})
        expect(mai.locator(".badge").first).to_have_text("đang trực")
        room.says("cứu em", person="red")
        expect(page.locator("#urgent")).to_be_in_viewport()
        room.later(AWAY_MS + 1_000)  # nobody touches her desk any more, and no row says so
        expect(mai.locator(".badge").first).to_have_text("có ca trực nhưng vắng")
        assert page.evaluate("() => window.same")


def test_a_busy_minute_is_asked_for_a_few_times_only(browser: Browser, house: House) -> None:
    asked: list[str] = []

    def count(request: Request) -> None:
        if request.url.endswith("/team/now"):
            asked.append(request.url)

    with opened(browser, house, house.boss, DESK) as page:
        page.goto(f"{house.address}/team")
        page.wait_for_timeout(1_500)
        page.on("request", count)
        began = time.monotonic()
        for number in range(30):
            house.room.asks("em chờ", person=f"p{number}")
            page.wait_for_timeout(150)
        expect(page.locator("#list")).to_contain_text("30 chị đang chờ")
        rests = (time.monotonic() - began) / 2.5
        assert 1 <= len(asked) <= rests + 2, f"{len(asked)} questions"


def test_a_lost_stream_is_told_and_the_page_goes_on_asking(browser: Browser, house: House) -> None:
    with opened(browser, house, house.boss) as page:
        page.route("**/live?*", lambda route: route.fulfill(status=204))
        page.goto(f"{house.address}/team")
        expect(page.locator("#lost")).to_be_visible()
        house.room.asks("em mới tới", person="n")
        expect(page.locator("#list")).to_contain_text("1 chị đang chờ", timeout=60_000)
        page.unroute("**/live?*")
        expect(page.locator("#lost")).to_be_hidden()


LOOKS = [(PHONE, False), (PHONE, True), (DESK, False), (DESK, True)]


@pytest.mark.parametrize(("size", "large"), LOOKS)
def test_nothing_lies_over_the_words_of_a_held_chat_or_over_its_buttons(
    browser: Browser, house: House, size: tuple[int, int], large: bool
) -> None:
    house.room.says("cứu em", person="b")
    house.room.take(house.boss, house.room.asks("ca của tôi", person="o"))
    with opened(browser, house, house.boss, size, large=large) as page:
        page.goto(f"{house.address}/team")
        held = page.locator(".person .line")
        expect(held).to_have_count(2)
        for line in held.all():
            bar, words = line.bounding_box(), line.locator(".line-link").bounding_box()
            assert bar is not None
            assert words is not None
            assert words["x"] - bar["x"] > 8  # the bar is 5.6 px wide at most
            inside = line.evaluate(
                "one => [...one.querySelectorAll('*')].every(it => it.scrollWidth <= one.scrollWidth)"
            )
            assert inside
    with opened(browser, house, house.mai, size, large=large) as page:
        page.goto(f"{house.address}/tickets/{house.taken}")
        page.locator(".acts > details > summary").last.click()
        panel = page.locator(".acts > .menu[open] > .menu-panel").bounding_box()
        assert panel is not None
        buttons = [box for one in page.locator(".acts > * > .button").all() if (box := one.bounding_box())]
        assert len(buttons) >= 3
        assert max(box["y"] + box["height"] for box in buttons) <= panel["y"] + 1


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_a_lead_passes_a_chat_on_from_the_team_and_takes_one_over(
    browser: Browser, house: House, size: tuple[int, int]
) -> None:
    room, lan = house.room, house.room.hire("lan", on_shift=False)
    nowhere = room.asks("em chưa biết tỉnh nào", person="n", office="")
    room.take(room.hire("cẩm", ("counsellor", "ct")), nowhere)
    with opened(browser, house, house.boss, size) as page:
        page.goto(f"{house.address}/team")
        mai = page.locator(".person", has=page.get_by_role("heading", name="Mai"))
        mai.get_by_text("Giao lại").click()
        expect(mai.locator("select[name=to] option", has_text="Lan")).to_have_text("Lan (ngoài ca, đang mở máy)")
        mai.locator("select[name=to]").select_option(value=lan.uuid)
        mai.get_by_role("button", name="Giao ca").click()
        hers = page.locator(".person", has=page.get_by_role("heading", name="Lan"))
        expect(hers.locator(".line")).to_have_count(1)
        assert room.ticket(house.taken)["staff_id"] == lan.id
        other = page.locator(".person", has=page.get_by_role("heading", name="Người văn phòng khác đang giữ"))
        other.get_by_text("Giao lại").click()
        other.get_by_role("button", name="Nhận thay").click()
        page.wait_for_url(f"**/tickets/{nowhere}")
        expect(page.locator("#text")).to_be_enabled()
        expect(page.locator("#talk")).to_contain_text("Hương đã nhận thay Cẩm")
        assert room.ticket(nowhere)["staff_id"] == house.boss.id
