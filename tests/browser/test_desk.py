"""The desk in a real Chromium: a woman writes, a counsellor answers, takes back, notes; on a phone and on a desk."""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Route, expect

from bot.messages import Attachment
from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff.accounts import queries as accounts
from handoff.accounts.staff import Staff
from tests.conftest import SECRET
from tests.desk_room import DeskRoom
from tests.stage import message

pytestmark = pytest.mark.browser
PHONE, DESK = (360, 740), (1280, 800)
SERIOUS = ("serious", "critical")


@dataclass
class House:
    room: DeskRoom
    address: str
    mai: Staff
    boss: Staff
    taken: str
    script: str = "<img src=x onerror=alert(1)>"

    def path(self, name: str) -> str:
        return {"chat": f"/tickets/{self.taken}", "print": f"/tickets/{self.taken}/print"}.get(name, name)


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(sqlite_template, folder / "osso.db")
    database = Database(f"sqlite:///{folder / 'osso.db'}", Keyring([SECRET]))
    room = DeskRoom(database, folder=folder)
    room.stage.now = time.time_ns() // 1_000_000
    mai = room.hire("mai", skills="legal")
    boss = room.hire("hương", ("lead", "hn"), ("counsellor", "hn"))
    room.asks("em muốn hỏi giấy tờ", person="a", topic="legal")
    room.says("cứu em", person="r")
    taken = room.asks(f"em tên là {House.script}", person="b", level="AMBER", category="ipv")
    room.take(mai, taken)
    room.reply(mai, taken, "Chào chị, em là Mai", hold_ms=0)
    room.drain()
    with room.served() as address:
        yield House(room, address, mai, boss, taken)
    database.close()


@contextmanager
def opened(
    browser: Browser,
    house: House,
    staff: Staff,
    size: tuple[int, int] = DESK,
    *,
    dark: bool = False,
    large: bool = False,
    refused: bool = False,
) -> Iterator[Page]:
    """Her browser. A fault in the console, a dialog or a refused policy fails the test; with `refused` an answer that
    refuses may be among them."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    look = f"vi.{'large' if large else 'normal'}.{'dark' if dark else 'light'}"
    context.add_cookies(
        [
            {"name": "osso", "value": house.room.cookie(staff), "url": house.address},
            {"name": "osso-look", "value": look, "url": house.address},
        ]
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))

    def on_dialog(dialog: Dialog) -> None:
        faults.append("dialog")
        dialog.dismiss()

    def on_console(told: ConsoleMessage) -> None:
        if told.type == "error" and not (refused and "status of 40" in told.text):
            faults.append(told.text)

    page.on("dialog", on_dialog)
    page.on("console", on_console)
    yield page
    context.close()
    assert faults == []


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in SERIOUS]


PAGES = [
    "/queue",
    "/queue?view=mine",
    "/queue?view=closed",
    "chat",
    "print",
    "/appointments",
    "/replies",
    "/search?q=giay",
    "/team",
    "/team/roster",
    "/break-glass",
    f"/tickets/{uuid.uuid4()}",  # not there: the page that offers to break the glass
]


@pytest.mark.parametrize(("size", "dark", "large"), [(DESK, False, False), (PHONE, True, False), (PHONE, False, True)])
def test_every_page_is_accessible_and_fits(
    browser: Browser, house: House, size: tuple[int, int], dark: bool, large: bool
) -> None:
    with opened(browser, house, house.boss, size, dark=dark, large=large, refused=True) as page:
        for name in PAGES:
            page.goto(house.address + house.path(name))
            page.evaluate(
                "() => { for (const one of document.querySelectorAll('main details:not(.menu)')) one.open = true }"
            )
            page.emulate_media(reduced_motion="reduce")
            assert serious(page) == [], name
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 1, f"{name} is {wide} px too wide"


def test_answer_take_back_and_note(browser: Browser, house: House) -> None:
    with opened(browser, house, house.mai, PHONE) as page:
        page.goto(house.address + house.path("chat"))
        expect(page.locator("#talk")).to_contain_text(house.script)  # as text
        page.fill("#text", "nhầm người rồi")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#talk")).to_contain_text("nhầm người rồi")
        page.locator(".toast-act").click()
        expect(page.locator("#text")).to_have_value("nhầm người rồi")
        expect(page.locator("#talk")).not_to_contain_text("nhầm người rồi")
        page.fill("#text", "Chị kể em nghe nhé")
        page.click("#send")
        expect(page.locator("#talk")).to_contain_text("Chị kể em nghe nhé")
        expect(page.locator("#text")).to_have_value("")
        page.click("#tab-note")
        expect(page.locator("#reply-form")).to_be_hidden()
        page.fill("#note", "chỉ mình đội đọc")
        page.click(".note-button")
        expect(page.locator(".bubble.note")).to_contain_text("chỉ mình đội đọc")
    house.room.later(5_000)
    house.room.drain()
    assert house.room.said()[-1] == "Chị kể em nghe nhé"
    assert not any("nhầm" in text or "đội" in text for text in house.room.said())


def test_her_word_appears_by_itself(browser: Browser, house: House) -> None:
    with opened(browser, house, house.mai) as page:
        page.goto(house.address + house.path("chat"))
        expect(page.locator("#talk")).to_be_visible()
        page.wait_for_timeout(1_500)  # the first look of the watch only takes its bearings
        house.room.says("em vừa nhắn thêm", person="b")
        expect(page.locator("#talk")).to_contain_text("em vừa nhắn thêm")


def test_list_grows_by_itself_and_the_title_counts(browser: Browser, house: House) -> None:
    with opened(browser, house, house.mai) as page:
        page.goto(house.address + "/queue")
        expect(page).to_have_title(re.compile(r"^‼ \(\d+\)"))
        before = page.locator(".line").count()
        page.wait_for_timeout(1_500)
        house.room.asks("em mới tới", person="new")
        expect(page.locator(".line")).to_have_count(before + 1)


def test_keys_alone_are_enough(browser: Browser, house: House) -> None:
    house.room.asks("ca cho bàn phím", person="keys")
    with opened(browser, house, house.mai) as page:
        page.goto(house.address + "/queue")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/tickets/"))
        page.keyboard.press("t")
        expect(page.locator("#text")).to_be_visible()
        page.keyboard.press("r")
        page.keyboard.type("/")
        expect(page.locator("#find")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.keyboard.press("m")
        expect(page.locator("#note")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("e")
        expect(page.locator("#close + .menu-panel select").first).to_be_focused()


def test_draft_is_there_after_a_reload(browser: Browser, house: House) -> None:
    with opened(browser, house, house.mai) as page:
        page.goto(house.address + house.path("chat"))
        page.fill("#text", "em đang viết dở")
        expect(page.locator("#kept")).to_have_text("Đã lưu nháp")
        page.reload()
        expect(page.locator("#text")).to_have_value("em đang viết dở")


def test_words_survive_the_end_of_a_session_and_go_out_after_signing_in_again(browser: Browser, house: House) -> None:
    with opened(browser, house, house.mai, refused=True) as page:
        page.goto(house.address + house.path("chat"))
        with house.room.database.write() as connection:
            accounts.end_sessions_of(connection, house.mai.id)
        page.fill("#text", "câu này không được mất")
        page.click("#send")
        expect(page.locator("#toasts")).to_contain_text("Phiên làm việc đã hết")
        expect(page.locator("#text")).to_have_value("câu này không được mất")
        cookie = house.room.cookie(house.mai)  # as another tab does
        page.context.add_cookies([{"name": "osso", "value": cookie, "url": house.address}])
        page.click("#send")
        expect(page.locator("#talk .mine .said").last).to_have_text("câu này không được mất")
        expect(page.locator("#text")).to_have_value("")


def test_a_message_is_kept_as_a_saved_reply_and_found_again(browser: Browser, house: House) -> None:
    with opened(browser, house, house.mai) as page:
        page.goto(house.address + house.path("chat"))
        page.locator("[data-keep]").first.click()
        expect(page.locator("#save-reply [name=body]")).to_have_value("Chào chị, em là Mai")
        page.fill("#save-reply [name=title]", "Lời đầu tiên")
        page.click("#save-reply button.button:not(.quiet)")
        expect(page.locator("#toasts")).to_contain_text("Đã lưu câu mẫu")
        page.fill("#text", "")
        page.keyboard.press("/")
        page.fill("#find", "loi dau tien")
        expect(page.locator("#found")).to_contain_text("Lời đầu tiên")
        page.keyboard.press("Enter")
        expect(page.locator("#text")).to_have_value("Chào chị, em là Mai")


def test_danger_stands_over_every_page_and_rings(browser: Browser, house: House) -> None:
    house.room.says("cứu em", person="red")
    with opened(browser, house, house.mai, PHONE) as page:
        page.add_init_script(
            "localStorage.setItem('osso-bell', 'on'); window.rang = 0;"
            "const make = AudioContext.prototype.createOscillator;"
            "AudioContext.prototype.createOscillator = function () { window.rang += 1; return make.call(this); };"
        )
        for path in (house.path("chat"), "/queue?view=mine"):
            page.goto(house.address + path)
            bar = page.locator("#urgent")
            expect(bar).to_be_in_viewport()
            expect(page).to_have_title(re.compile("^‼"))
            before = int(re.findall(r"\d+", bar.inner_text())[0])
            house.room.says("cứu em", person=f"red{path}")
            expect(bar).to_contain_text(str(before + 1))
            page.wait_for_timeout(1_000)
            assert page.evaluate("() => window.rang") >= 4


def test_two_counsellors_see_each_other_and_pass_a_chat_on(browser: Browser, house: House) -> None:
    room = house.room
    lan = room.hire("lan")
    reference = room.asks("em muốn hỏi quốc tịch của con", person="t", topic="legal")
    room.take(house.mai, reference)
    chat = f"{house.address}/tickets/{reference}"
    with (
        opened(browser, house, house.mai, refused=True) as mine,
        opened(browser, house, lan, PHONE, refused=True) as hers,
    ):
        mine.goto(chat)
        hers.goto(f"{house.address}/queue?view=team")
        for tab, field, doing in (("reply", "#text", "đang viết trả lời"), ("note", "#note", "đang viết ghi chú")):
            mine.wait_for_timeout(3_100)  # a sign of writing is given every three seconds
            room.later(3_100)
            mine.click(f"#tab-{tab}")
            mine.fill(field, "một hai ba")
            expect(hers.locator(".seen", has_text="Mai")).to_have_text(f"Mai {doing}")

        def ask(words: str) -> None:
            mine.click("summary:has-text('Chuyển')")
            mine.locator("select[name=to]").first.select_option(label="Lan")
            mine.select_option("select[name=reason]", "skill")
            mine.fill("textarea[name=words]", words)
            mine.click("button:has-text('Nhờ nhận ca')")
            expect(mine.locator("#talk-top")).to_contain_text("Đang chờ Lan nhận ca")

        ask("Cần người rành quốc tịch")
        call = hers.locator(".call", has_text="Muốn chuyển ca này cho chị")
        call.get_by_role("button", name="Không nhận được").click()
        expect(mine.locator("#talk-top")).not_to_contain_text("Đang chờ Lan nhận ca")
        assert "chưa nhận ca chị chuyển" in room.browser(house.mai).get("/queue?view=calls").text
        mine.goto(chat)
        ask("Nhờ chị lần nữa")
        call.get_by_role("button", name="Nhận ca", exact=True).click()
        hers.wait_for_url("**/tickets/*")
        expect(hers.locator("#talk .note").last).to_contain_text("Nhờ chị lần nữa")  # what was written travels along
        expect(hers.locator("#text")).to_be_enabled()
        assert room.ticket(reference)["staff_id"] == lan.id
    with opened(browser, house, house.mai, refused=True) as stale:
        room.change(reference, staff_id=house.mai.id)
        stale.goto(chat)
        stale.fill("#text", "câu của thẻ cũ")
        room.change(reference, staff_id=lan.id)
        stale.click("#send")
        expect(stale.locator("#toasts")).to_contain_text("(Lan)")
        expect(stale.locator("#text")).to_have_value("câu của thẻ cũ")


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_her_picture_is_fetched_when_asked_for_and_then_plain(
    browser: Browser, house: House, size: tuple[int, int]
) -> None:
    picture = Attachment("image", url="https://f.zdn.vn/x")
    house.room.stage.hear(message("", key=f"picture-{size[0]}", person="b", attachments=(picture,)))
    asked: list[str] = []

    def serve(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(
            body='<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', content_type="image/svg+xml"
        )

    with opened(browser, house, house.mai, size) as page:
        page.route("**/attachments/**", serve)
        page.goto(house.address + house.path("chat"))
        page.wait_for_load_state("load")
        assert not asked
        page.locator(".blurred summary").last.click()
        shown = page.locator(".blurred img").last
        expect(shown).to_be_visible()
        expect(shown).to_have_css("filter", "none")
        expect(shown).to_have_js_property("naturalWidth", 9)
