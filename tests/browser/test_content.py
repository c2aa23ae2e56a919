"""The content pages in a real Chromium: axe on each, no sideways scrolling, checks that follow the typing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff.accounts import Staff
from tests.conftest import SECRET
from tests.content_stage import ContentRoom
from tests.knowledge_sample import changed, put

pytestmark = pytest.mark.browser

Look = tuple[str, int, Literal["light", "dark"], str]
PHONE: Look = ("phone", 360, "light", "normal")
BIG: Look = ("big letters", 360, "dark", "large")
DESK: Look = ("desk", 1280, "dark", "normal")
ONE = "/knowledge/leg-mot"


@pytest.fixture(scope="module")
def room(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContentRoom]:
    folder = tmp_path_factory.mktemp("content")
    path = folder / "osso.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    yield ContentRoom(database, folder)
    database.close()


@pytest.fixture(scope="module")
def lan(room: ContentRoom) -> Staff:
    """An approver with every right, after a little work on the article."""
    mai = room.browser("mai", "editor")
    raw = changed("Dạ, chị mang giấy", "Dạ, chị đem giấy")
    seen = re.search(r'name="seen" value="([0-9a-f]*)"', mai.get(f"{ONE}/edit").text)
    assert seen
    form = {"as": "raw", "id": "leg-mot", "topic": "legal", "raw": raw, "seen": seen[1], "do": "save"}
    assert mai.post(f"{ONE}/edit", form).status_code == 303
    assert mai.post(f"{ONE}/submit").status_code == 303
    room.misses("chồng giữ hộ chiếu thì phải làm sao", near="leg-mot")
    room.misses("chong giu ho chieu thi phai lam sao")
    room.feels("leg-mot", useful=False, why="unclear")
    return room.hire("lan", "editor", "approver", "admin", fields=("legal",))


@pytest.fixture(scope="module")
def address(room: ContentRoom) -> Iterator[str]:
    with room.served() as address:
        yield address


@contextmanager
def opened(browser: Browser, address: str, cookie: str, look: Look) -> Iterator[Page]:
    """A signed-in page; a fault in the console or a refused policy fails the test."""
    _, width, scheme, size = look
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, locale="vi-VN")
    context.add_cookies(
        [
            {"name": "osso", "value": cookie, "url": address},
            {"name": "osso-look", "value": f"vi.{size}.auto", "url": address},
        ]
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    yield page
    context.close()
    assert [fault for fault in faults if "status of 409" not in fault] == []  # one test meets a second editor


def sound(page: Page, where: str) -> None:
    """Nothing sticks out sideways, and axe finds nothing."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{where}: {wide} px too wide"
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == [], where


@pytest.mark.parametrize("look", [BIG, DESK], ids=lambda look: look[0])
def test_every_page_is_sound(browser: Browser, address: str, room: ContentRoom, lan: Staff, look: Look) -> None:
    with opened(browser, address, room.cookie(lan), look) as page:
        for path in (
            "/knowledge/",
            ONE,
            f"{ONE}?case=korea",
            f"{ONE}/edit",
            f"{ONE}/edit?as=raw",
            f"{ONE}/history",
            "/knowledge/new",
            "/knowledge/missed",
            "/knowledge/try",
            "/knowledge/experts",
        ):
            answer = page.goto(address + path)
            assert answer is not None
            assert answer.status == 200, path
            expect(page.locator("h1")).to_have_count(1)
            sound(page, path)
        page.goto(f"{address}/knowledge/try")
        page.fill("textarea[name=text]", "ghi chu ly hon lam o dau")
        page.get_by_role("button", name="Hỏi thử").click()
        expect(page.locator(".near")).to_be_visible()
        sound(page, "a tried question")


def test_checks_and_preview_follow_the_typing(browser: Browser, address: str, room: ContentRoom, lan: Staff) -> None:
    before = room.text()
    with opened(browser, address, room.cookie(lan), DESK) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{address}{ONE}/edit")
        page.fill("[name=short]", "Tên nút bấm này quá dài cho điện thoại")
        expect(page.locator('.at-field[data-for="short"] .error')).to_contain_text("tối đa")
        page.fill("[name=short]", "Ghi chú ly hôn")
        page.fill("#answer-0", "Bị bạo lực thì gọi 1900 969 680.")
        expect(page.locator("#findings .error").first).to_be_visible()
        expect(page.locator("#views .bubble").first).to_contain_text("1900 969 680")
        sound(page, "an editor with findings")
        page.get_by_role("button", name="Sửa thẳng tệp YAML").click()
        expect(page.locator("#raw")).to_have_value(re.compile("1900 969 680"))
        page.locator("#findings a[data-line]").first.click()
        line = page.evaluate("(r => r.value.slice(r.selectionStart, r.selectionEnd))(document.getElementById('raw'))")
        assert "1900 969 680" in line
        page.get_by_role("button", name="Sửa bằng biểu mẫu").click()
        expect(page.locator("#answer-0")).to_have_value(re.compile("1900 969 680"))
        assert room.text() == before


def test_rows_are_added_and_a_save_leads_to_the_article(
    browser: Browser, address: str, room: ContentRoom, lan: Staff
) -> None:
    before = room.text()
    with opened(browser, address, room.cookie(lan), PHONE) as page:
        page.goto(f"{address}{ONE}/edit")
        sources = page.locator("[name=source_law]").count()
        page.get_by_role("button", name="Thêm nguồn").click()
        expect(page.locator("[name=source_law]")).to_have_count(sources + 1)
        page.locator("[name=questions]").press("Control+End")
        page.locator("[name=questions]").type("\nem hỏi giùm chị họ giấy ly hôn")
        page.get_by_role("button", name="Lưu bản nháp").click()
        expect(page.locator(".notice.good")).to_contain_text("Đã lưu")
        assert "em hỏi giùm chị họ giấy ly hôn" in room.text()
        page.goto(f"{address}{ONE}/edit")
        put(room.root, "legal/leg-mot.yml", before)  # somebody saves meanwhile
        page.fill("[name=title]", "Làm giấy ghi chú ly hôn ở chỗ nào?")
        with page.expect_navigation():
            page.get_by_role("button", name="Lưu bản nháp").click()
        expect(page.get_by_role("alert")).to_contain_text("vẫn còn nguyên")
        expect(page.locator("[name=title]")).to_have_value("Làm giấy ghi chú ly hôn ở chỗ nào?")
        sound(page, "two editors")
        assert room.text() == before


@pytest.mark.parametrize("look", [PHONE, DESK], ids=lambda look: look[0])
def test_an_article_is_sent_back_with_a_remark(
    browser: Browser, address: str, room: ContentRoom, lan: Staff, look: Look
) -> None:
    writer = room.browser(f"writer-{look[1]}", "editor")
    assert writer.post("/knowledge/gen-hai/submit").status_code == 303
    with opened(browser, address, room.cookie(lan), look) as page:
        page.goto(f"{address}/knowledge/gen-hai")
        page.locator("summary", has_text="Trả lại để sửa").click()
        page.get_by_label("Cần sửa gì?").fill("Thiếu giờ làm việc.")
        sound(page, "sending back")
        page.get_by_role("button", name="Trả lại cho người viết").click()
        expect(page.get_by_text("Đã trả lại cho người viết")).to_be_visible()
        expect(page.locator(".notice.warn")).to_contain_text("Thiếu giờ làm việc.")
        sound(page, "sent back")
