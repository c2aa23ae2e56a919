"""One chat at the desk in a real Chromium, as a counsellor's hand goes through it: ends, blocks, pictures, menus."""

from __future__ import annotations

import io
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from bot.messages import Attachment
from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.store.media import keep
from bot.worker import ThreadWaker, Worker
from handoff import jobs
from handoff.accounts import queries as accounts
from handoff.app import create_desk
from handoff.tickets import NON_DATA
from tests.browser.test_desk import DESK, PHONE, House, opened, serious
from tests.conftest import SECRET
from tests.desk_room import DeskRoom
from tests.desk_stage import settings_for
from tests.simulated import app_of, rim_of
from tests.stage import message

if TYPE_CHECKING:
    from bot.wiring import Parts

pytestmark = pytest.mark.browser
SIZES = pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
MENUS = ("summary:has-text('Tạm gác')", "summary:has-text('Chuyển')", "summary#close", "[aria-label='Việc khác']")


@pytest.fixture
def house(sqlite_template: Path, tmp_path: Path) -> Iterator[House]:
    """A room with Mai, who holds one calm chat with a woman that has just written."""
    shutil.copy(sqlite_template, tmp_path / "osso.db")
    database = Database(f"sqlite:///{tmp_path / 'osso.db'}", Keyring([SECRET]))
    room = DeskRoom(database, folder=tmp_path)
    room.stage.now = time.time_ns() // 1_000_000
    mai, boss = room.hire("mai"), room.hire("hương", ("lead", "hn"), ("counsellor", "hn"))
    taken = room.asks("em muốn hỏi giấy tờ", person="b", topic="legal")
    room.take(mai, taken)
    with room.served() as address:
        yield House(room, address, mai, boss, taken)
    database.close()


def chat(page: Page, house: House) -> None:
    page.goto(f"{house.address}/tickets/{house.taken}")
    expect(page.locator("#talk")).to_be_visible()


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "JPEG")
    return out.getvalue()


def sends(house: House, *attachments: Attachment) -> None:
    key = f"files-{uuid.uuid4()}"
    house.room.stage.hear(message("", key=key, person="b", attachments=attachments))


def kept(house: House, body: bytes) -> Attachment:
    """A picture of hers, as the simulator keeps it."""
    token, database = uuid.uuid4().hex, house.room.database
    with database.write() as connection:
        her = queries.get_conversation(connection, house.room.ticket(house.taken)["conversation_id"])
        assert her is not None
        keep(connection, database.keyring, her, body, kind="image/jpeg", token=token, now=house.room.now)
    return Attachment("image", url=f"kept:{token}")


# --- the end ----------------------------------------------------------------------------------------------------------


@SIZES
def test_what_was_no_counselling_ends_with_one_click(browser: Browser, house: House, size: tuple[int, int]) -> None:
    room = house.room
    with opened(browser, house, house.mai, size) as page:
        for reason in NON_DATA:
            reference = room.asks(f"ca {reason}", person=reason)
            room.take(house.mai, reference)
            page.goto(f"{house.address}/tickets/{reference}")
            page.click("#close")
            page.click(f"button[name=reason][value={reason}]")
            page.wait_for_url("**/queue?ended=*")
            row = room.ticket(reference)
            assert (row["state"], row["closing"], row["outcome"]) == ("closed", reason, "")
            assert room.owner(reference) == "bot"
        page.get_by_role("link", name="mở lại nếu bấm nhầm").click()  # the wrong button, on a small screen
        page.get_by_role("button", name="Mở lại ca").click()
        expect(page.locator("#text")).to_be_enabled()
        assert serious(page) == []
        assert (room.ticket(reference)["state"], room.owner(reference)) == ("taken", "person")


@SIZES
@pytest.mark.parametrize("grave", [{"level": "RED"}, {"level": "AMBER", "category": "child_abuse"}])
def test_danger_is_ended_only_with_its_outcome_and_the_decision_on_reporting(
    browser: Browser, house: House, size: tuple[int, int], grave: dict[str, str]
) -> None:
    room = house.room
    reference = room.asks("ca nguy hiểm", person="g", **grave)
    room.take(house.mai, reference)
    child = "category" in grave
    with opened(browser, house, house.mai, size, refused=True) as page:
        page.goto(f"{house.address}/tickets/{reference}")
        page.click("#close")
        assert page.locator(f"button[value={NON_DATA[0]}]").count() == 0  # no one-click end
        assert page.locator("[name=reported] option[value=adult_choice]").count() == (0 if child else 1)
        end = page.get_by_role("button", name="Kết thúc ca", exact=True)
        end.click()
        expect(page.locator("[name=outcome]")).to_be_focused()  # the browser holds it back and shows what is missing
        page.select_option("[name=outcome]", "safe")
        end.click()
        expect(page.locator("[name=reported]")).to_be_focused()
        assert room.ticket(reference)["closed_at"] is None
        page.evaluate("document.querySelector('[name=reported]').required = false")  # a browser that does not ask
        page.fill("[name=last_words]", "Chị giữ sức khỏe nhé")
        end.click()
        expect(page.locator("#toasts")).to_contain_text("quyết định báo tin")
        assert room.ticket(reference)["closed_at"] is None
        expect(page.locator("[name=last_words]")).to_have_value("Chị giữ sức khỏe nhé")  # nothing has to be done anew
        page.select_option("[name=outcome]", "with_family")
        page.select_option("[name=reported]", "111")
        page.get_by_role("button", name="Kết thúc ca", exact=True).click()
        page.wait_for_url("**/queue?ended=*")
    row = room.ticket(reference)
    assert (row["state"], row["outcome"], row["reported"]) == ("closed", "with_family", "111")


@SIZES
def test_a_closing_line_leaves_and_the_bot_takes_up_the_talk(
    browser: Browser, house: House, size: tuple[int, int]
) -> None:
    with opened(browser, house, house.mai, size) as page:
        chat(page, house)
        page.click("#close")
        page.fill("[name=last_words]", "Em chào chị nhé")
        house.room.change(house.taken, level="AMBER", rank=2)  # something moves while she writes
        page.evaluate("document.dispatchEvent(new Event('osso-chat'))")
        page.wait_for_timeout(1_000)
        expect(page.locator("[name=last_words]")).to_have_value("Em chào chị nhé")
        page.get_by_role("button", name="Kết thúc ca", exact=True).click()
        page.wait_for_url("**/queue?ended=*")
    house.room.drain()
    assert house.room.said()[-2:] == ["Em chào chị nhé", "2: [handback]"]


# --- blocks -----------------------------------------------------------------------------------------------------------


@SIZES
def test_a_block_asks_first_is_seen_and_is_lifted(browser: Browser, house: House, size: tuple[int, int]) -> None:
    room = house.room

    def blocks() -> int:
        return len(room.stage.rows("SELECT * FROM blocked"))

    with opened(browser, house, house.mai, size) as page:
        chat(page, house)
        page.click("[aria-label='Việc khác']")
        page.click("summary:has-text('Chặn người này')")
        assert blocks() == 0  # so far it only tells what would happen
        assert serious(page) == []
        page.get_by_role("button", name="Chặn", exact=True).click()
        expect(page.locator("#blocked")).to_contain_text("Mai đã chặn người này")
        assert blocks() == 1
        assert serious(page) == []
        page.locator("#blocked").get_by_role("button", name="Bỏ chặn").click()
        expect(page.locator("#blocked")).to_have_count(0)
        assert blocks() == 0
        page.click("[aria-label='Việc khác']")
        page.click("summary:has-text('Chặn người này')")
        page.get_by_label("Kết thúc ca luôn, vì quấy rối").check()
        page.get_by_role("button", name="Chặn", exact=True).click()
        expect(page.locator("#blocked")).to_be_visible()
        assert room.ticket(house.taken)["closing"] == "abusive"
        room.later(60_000)
        room.says("cứu em", person="b")  # danger outranks the block
        page.goto(f"{house.address}/queue")
        expect(page.locator("#urgent")).to_contain_text("1 ca khẩn cấp")
        page.goto(f"{house.address}/tickets/{house.taken}")
        expect(page.locator("#talk")).to_contain_text("cứu em")  # her words are kept
        page.locator("#blocked").get_by_role("button", name="Bỏ chặn").click()
        expect(page.locator("#blocked")).to_have_count(0)


# --- pictures ---------------------------------------------------------------------------------------------------------


@SIZES
def test_a_picture_that_does_not_come_says_why_and_is_asked_for_again(
    browser: Browser, house: House, size: tuple[int, int]
) -> None:
    sends(house, kept(house, jpeg()), kept(house, b"MZ" + bytes(99)))
    sends(house, Attachment("image", url="https://169.254.169.254/x"), Attachment("image"))
    answers = ["Máy chủ của nền tảng chưa trả lời."] * 2  # the picture's own request, and the question why

    def stumble(route: Route) -> None:
        if answers:
            route.fulfill(status=409, body=answers.pop(), content_type="text/plain")
        else:
            route.continue_()

    with opened(browser, house, house.mai, size, refused=True) as page:
        page.route("**/attachments/*/0", stumble)
        chat(page, house)
        pictures = page.locator(".blurred")
        expect(pictures).to_have_count(3)
        expect(page.locator(".file").last).to_contain_text("chỉ xem được trong ứng dụng")
        pictures.nth(0).locator("summary").click()
        expect(pictures.nth(0).locator(".unseen")).to_contain_text("chưa trả lời")
        pictures.nth(0).get_by_role("button", name="Thử lại").click()
        expect(pictures.nth(0).locator("img")).to_have_js_property("naturalWidth", 40)
        expect(pictures.nth(0).locator(".unseen")).to_be_hidden()
        for place, why in ((1, "không phải hình"), (2, "không nằm trên máy chủ")):
            pictures.nth(place).locator("summary").click()
            expect(pictures.nth(place).locator(".unseen")).to_contain_text(why)
        assert serious(page) == []


def test_an_open_picture_stays_and_is_not_fetched_again_when_the_talk_goes_on(browser: Browser, house: House) -> None:
    sends(house, kept(house, jpeg()))
    asked: list[str] = []
    with opened(browser, house, house.mai, PHONE) as page:
        page.on("request", lambda one: asked.append(one.url) if "/attachments/" in one.url else None)
        chat(page, house)
        page.locator(".blurred summary").click()
        expect(page.locator(".blurred img")).to_have_js_property("naturalWidth", 40)
        for words in ("em nhắn thêm", "một câu nữa"):
            house.room.says(words, person="b")
            expect(page.locator("#talk")).to_contain_text(words)
        expect(page.locator(".blurred img")).to_be_visible()
        assert len(asked) == 1
        lines = page.locator("#talk .said").all_inner_texts()
        assert lines[-2:] == ["em nhắn thêm", "một câu nữa"]
        page.reload()
        assert page.locator("#talk .said").all_inner_texts() == lines  # nothing doubled, nothing out of place


def test_pictures_go_both_ways_between_the_simulator_and_the_desk(
    browser: Browser, sqlite_template: Path, tmp_path: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "osso.db")
    database = Database(f"sqlite:///{tmp_path / 'osso.db'}", Keyring([SECRET]))
    room = DeskRoom(database, folder=tmp_path)
    room.stage.now = time.time_ns() // 1_000_000
    mai = room.hire("mai", ("counsellor", "*"))
    rim = rim_of(database, lambda: time.time_ns() // 1_000_000)
    waker = ThreadWaker(Worker(rim), 2)
    waker.start()
    parts = SimpleNamespace(settings=settings_for(database.url, tmp_path), database=database, rim=rim)
    accounts = replace(room.accounts, clock=rim.clock)
    desk = create_desk(cast("Parts", parts), waker.wake, accounts=accounts)
    both = DispatcherMiddleware(app_of(rim, waker.wake), {"/desk": desk})
    server = make_server("127.0.0.1", 0, both, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    house = House(room, address, mai, mai, "")
    try:
        woman = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]}).new_page()
        woman.goto(f"{address}/chat")
        woman.fill("#text", "gặp người thật")
        woman.keyboard.press("Enter")
        expect(woman.locator(".row.them").first).to_be_visible()
        woman.click("#attach")
        woman.click("[data-sample]")
        shown = woman.locator(".row.me .picture")
        expect(shown).to_have_js_property("naturalWidth", 480)
        expect(woman.locator(".row.them").last).to_contain_text("chị không phải gửi lại")
        woman.reload()
        expect(shown).to_have_js_property("naturalWidth", 480)
        big = {"name": "to.jpg", "mimeType": "image/jpeg", "buffer": bytes(10_000_001)}
        woman.click("#attach")
        with woman.expect_file_chooser() as chooser:
            woman.click("[data-file=image]")
        chooser.value.set_files(big)  # type: ignore[arg-type]
        expect(woman.locator("#notice")).to_contain_text("quá 10 MB")
        with opened(browser, house, mai, PHONE) as page:
            page.goto(f"{address}/desk/queue")
            page.locator(".line-link").first.click()
            page.locator(".write button", has_text="Nhận ca").click()
            page.locator(".blurred summary").click()
            expect(page.locator(".blurred img")).to_have_js_property("naturalWidth", 480)
            page.click("[aria-label^='Thêm']")
            page.set_input_files("[name=file]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": jpeg()})
            page.get_by_role("button", name="Gửi tệp").click()
            page.locator(".blurred summary", has_text="Hình đã gửi").click()
            expect(page.locator(".blurred img").last).to_have_js_property("naturalWidth", 40)
            time.sleep(5)  # the hold, in which it can be taken back
            for row in room.stage.rows("SELECT id FROM conversation"):
                waker.wake(row[0], 1)
            expect(woman.locator(".row.staff .picture")).to_have_js_property("naturalWidth", 40)
        woman.context.close()
    finally:
        server.shutdown()
        server.server_close()
        waker.stop()
        database.close()


# --- words ------------------------------------------------------------------------------------------------------------


@SIZES
def test_the_first_answer_can_be_taken_back_too(browser: Browser, house: House, size: tuple[int, int]) -> None:
    with opened(browser, house, house.mai, size) as page:
        chat(page, house)
        expect(page.locator("#state")).to_have_text("Đang trò chuyện")
        page.fill("#text", "nhầm rồi")
        page.click("#send")
        expect(page.locator("#state")).to_have_text("Chờ chị ấy trả lời")
        page.wait_for_timeout(1_500)  # the page hears of its own change meanwhile
        page.locator(".toast-act").click()
        expect(page.locator("#text")).to_have_value("nhầm rồi")
        expect(page.locator("#talk")).not_to_contain_text("nhầm rồi")
    house.room.later(10_000)
    house.room.drain()
    assert "nhầm rồi" not in house.room.said()


def test_a_picture_goes_along_with_what_is_sent_later(browser: Browser, house: House) -> None:
    room = house.room
    with opened(browser, house, house.mai, PHONE) as page:
        chat(page, house)
        page.fill("#text", "Đường tới văn phòng đây ạ")
        page.click("[aria-label^='Thêm']")
        page.set_input_files("[name=file]", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": jpeg()})
        page.get_by_role("button", name="Hẹn gửi").click()
        later = page.locator(".later")
        expect(later).to_contain_text("Đường tới văn phòng đây ạ")
        expect(later).to_contain_text("(một hình)")
        expect(page.locator("#text")).to_have_value("")
        assert page.locator("[name=file]").input_value() == ""
        later.get_by_role("button", name="Bỏ hẹn").click()
        expect(later).to_have_count(0)
    assert room.stage.rows("SELECT status FROM send_later") == [("cancelled",)]
    jobs.send_due(room.desk)
    room.drain()
    assert not any("Đường tới" in text for text in room.said())


@SIZES
def test_every_menu_is_within_reach(browser: Browser, house: House, size: tuple[int, int]) -> None:
    with opened(browser, house, house.mai, size) as page:
        chat(page, house)
        for name in (*MENUS, "[aria-label^='Thêm']"):
            page.locator(name).first.click()
            panel = page.locator("details.menu[open] .menu-panel")
            box = panel.bounding_box()
            assert box is not None
            assert box["x"] >= 0, name
            assert box["x"] + box["width"] <= size[0], name
            assert box["y"] >= 0, name
            assert box["y"] + box["height"] <= size[1], name
            last = panel.locator("button:visible").last
            if last.count():
                last.scroll_into_view_if_needed()
                expect(last).to_be_in_viewport(ratio=0.95)
            assert serious(page) == [], name
            page.keyboard.press("Escape")
        page.click("#open-finds")
        expect(page.locator("#finds")).to_be_in_viewport(ratio=1)
        expect(page.locator("#text")).to_be_in_viewport(ratio=1)
        page.click("#her")  # beside it: away again
        expect(page.locator("#finds")).to_be_hidden()


@SIZES
def test_set_aside_and_passed_back_to_the_queue(browser: Browser, house: House, size: tuple[int, int]) -> None:
    room = house.room
    with opened(browser, house, house.mai, size) as page:
        chat(page, house)
        page.click("#snooze")
        page.get_by_role("button", name="30 phút").click()
        page.wait_for_url("**/queue?view=mine")
        assert room.ticket(house.taken)["state"] == "snoozed"
        chat(page, house)
        page.click("summary:has-text('Chuyển')")
        page.get_by_role("button", name="Trả về hàng chờ").click()
        page.wait_for_url("**/queue")
    assert (room.ticket(house.taken)["state"], room.owner(house.taken)) == ("waiting", "bot")


def test_notes_and_last_words_survive_the_end_of_a_session(browser: Browser, house: House) -> None:
    with opened(browser, house, house.mai, PHONE, refused=True) as page:
        chat(page, house)
        with house.room.database.write() as connection:
            accounts.end_sessions_of(connection, house.mai.id)
        page.click("#tab-note")
        page.fill("#note", "điều không được mất")
        page.click(".note-button")
        expect(page.locator("#toasts")).to_contain_text("Phiên làm việc đã hết")
        expect(page.locator("#note")).to_have_value("điều không được mất")
        page.click("#close")
        page.fill("[name=last_words]", "Em chào chị")
        end = page.get_by_role("button", name="Kết thúc ca", exact=True)
        end.click()
        expect(page.locator("[name=last_words]")).to_have_value("Em chào chị")
        assert house.room.ticket(house.taken)["closed_at"] is None
        cookie = house.room.cookie(house.mai)  # she signs in again in another tab
        page.context.add_cookies([{"name": "osso", "value": cookie, "url": house.address}])
        page.keyboard.press("Escape")
        page.click(".note-button")
        expect(page.locator(".bubble.note")).to_contain_text("điều không được mất")
        expect(page.locator("#note")).to_have_value("")
        page.click("#close")
        expect(page.locator("[name=last_words]")).to_have_value("Em chào chị")
        end.click()
        page.wait_for_url("**/queue?ended=*")
    house.room.drain()
    assert "Em chào chị" in house.room.said()


def test_a_note_being_written_survives_what_happens_to_the_ticket(browser: Browser, house: House) -> None:
    with opened(browser, house, house.mai, PHONE) as page:
        chat(page, house)
        page.click("#tab-note")
        page.fill("#note", "đang ghi dở")
        house.room.change(house.taken, level="RED", rank=3, category="ipv")
        page.evaluate("document.dispatchEvent(new Event('osso-chat'))")
        page.wait_for_timeout(1_000)
        expect(page.locator("#note")).to_have_value("đang ghi dở")
        expect(page.locator("#note")).to_be_visible()
        page.fill("#note", "")  # hands free: now the page is drawn as the ticket stands
        page.evaluate("document.dispatchEvent(new Event('osso-chat'))")
        expect(page.locator(".her-red")).to_be_visible()


@SIZES
def test_a_closed_window_is_told_before_anything_is_written(
    browser: Browser, house: House, size: tuple[int, int]
) -> None:
    house.room.later(8 * 86_400_000)
    house.room.see(house.mai)
    with opened(browser, house, house.mai, size) as page:
        chat(page, house)
        expect(page.locator(".window.bad")).to_contain_text("Đã quá thời hạn")
        expect(page.locator("#text")).to_be_disabled()
        expect(page.locator("#send")).to_be_disabled()
        page.click("#tab-note")
        page.fill("#note", "ghi chú vẫn được")
        page.click(".note-button")
        expect(page.locator(".bubble.note")).to_contain_text("ghi chú vẫn được")
