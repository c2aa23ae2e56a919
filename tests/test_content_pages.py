"""The content staff's pages: who may do what, from a draft to an answer that is out, and what women asked in vain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from werkzeug.test import TestResponse

from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff.accounts import ROLES, Role
from handoff.content import words
from handoff.content.missed import Asked, grouped
from handoff.content.room import masked
from tests.conftest import SECRET
from tests.content_stage import ContentRoom
from tests.desk_room import Window
from tests.knowledge_sample import changed, put

ONE = "/knowledge/leg-mot"
FIRST = "Dạ, chị mang giấy ra UBND xã/phường để ghi vào sổ."
OTHER = "Dạ, chị đem giấy ra UBND xã/phường để ghi vào sổ."


@pytest.fixture
def room(sqlite_template: Path, tmp_path: Path) -> Iterator[ContentRoom]:
    path = tmp_path / "osso.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    yield ContentRoom(database, tmp_path)
    database.close()


@pytest.fixture
def mai(room: ContentRoom) -> Window:
    return room.browser("mai", "editor")


@pytest.fixture
def lan(room: ContentRoom) -> Window:
    return room.browser("lan", "approver", fields=("legal",))


def words_of(answer: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def mark(window: Window, address: str = f"{ONE}/edit") -> str:
    found = re.search(r'name="seen" value="([0-9a-f]*)"', window.get(address).text)
    assert found
    return found[1]


def save(window: Window, raw: str, seen: str = "", **more: str) -> TestResponse:
    form = {"as": "raw", "id": "leg-mot", "topic": "legal", "raw": raw, "seen": seen or mark(window), "do": "save"}
    return window.post(f"{ONE}/edit", form | more)


def publish(room: ContentRoom, writer: Window, reviewer: Window) -> None:
    """The straight way."""
    assert writer.post(f"{ONE}/submit").status_code == 303
    for step in ("review", "publish"):
        answer = reviewer.post(f"{ONE}/{step}", {"hash": room.article().hash})
        assert answer.status_code == 303, words_of(answer)


# --- who may ----------------------------------------------------------------------------------------------------------

BOTH: tuple[Role, ...] = ("editor", "approver")
ALLOWED: dict[str, tuple[Role, ...]] = {
    "knowledge.review": ("approver",),
    "knowledge.send_back": ("approver",),
    "knowledge.publish": ("approver",),
    "knowledge.withdraw": ("approver",),
    "knowledge.experts": ("admin",),
    "knowledge.set_expert": ("admin",),
}


@pytest.mark.parametrize("role", ROLES)
def test_every_page_opens_to_its_roles_and_to_nobody_else(room: ContentRoom, role: Role) -> None:
    target = room.hire("target", "approver")
    window = room.browser("caller", role)
    rules = [rule for rule in room.app.url_map.iter_rules() if rule.endpoint.startswith("knowledge.")]
    assert len(rules) > 15
    for rule in rules:
        path = rule.rule.replace("<article>", "leg-mot").replace("<reference>", target.uuid)
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            query = "?article=leg-mot" if rule.endpoint == "knowledge.pick" else ""
            answer = window.get(path + query) if method == "GET" else window.post(path, {"id": "leg-mot"})
            hidden = answer.status_code == 404
            assert hidden is (role not in ALLOWED.get(rule.endpoint, BOTH)), f"{method} {path} as {role}"
            assert answer.status_code < 500, f"{method} {path} as {role}"


def test_an_admin_of_one_office_does_not_say_who_is_an_expert(room: ContentRoom) -> None:
    from handoff.accounts import queries as members

    window = room.browser("ad", "admin")
    assert window.get("/knowledge/experts").status_code == 200
    with room.database.write() as connection:
        row = members.member(connection, login="ad")
        assert row
        members.set_posts(connection, row["id"], [("admin", "osso-hanoi")])
    assert window.get("/knowledge/experts").status_code == 404


def test_an_expert_is_named_and_told_to_the_audit(room: ContentRoom) -> None:
    target, window = room.hire("target", "approver"), room.browser("ad", "admin")
    answer = window.post(f"/knowledge/experts/{target.uuid}", {"skill": ["legal", "child"]})
    assert answer.status_code == 303
    assert ("staff.expert", f"staff:{target.uuid}", "child legal") in room.audited()
    assert window.get("/knowledge/experts").text.count("checked") == 2
    assert window.post(f"/knowledge/experts/{target.uuid}", {"skill": "magic"}).status_code == 409


# --- the list ---------------------------------------------------------------------------------------------------------


def test_articles_are_found_without_tone_marks(mai: Window) -> None:
    assert "leg-mot" in mai.get("/knowledge/?q=ghi+chu+LY+hon").text
    assert "leg-mot" not in mai.get("/knowledge/?q=ghi+chu+kho+tho").text
    assert "gen-hai" not in mai.get("/knowledge/?topic=legal").text
    assert "Không có bài nào" in mai.get("/knowledge/?view=out").text


def test_a_file_that_says_published_without_approval_is_told(room: ContentRoom, mai: Window) -> None:
    put(room.root, "legal/leg-mot.yml", changed("status: draft", "status: published\n  by: ai\n  on: 2026-11-20"))
    page = mai.get("/knowledge/?view=unapproved").text
    assert "1 bài ghi là đã đăng" in page
    assert "leg-mot" in page
    assert "chưa đủ duyệt" in mai.get(ONE).text


def test_a_broken_file_is_told_and_the_rest_still_shown(room: ContentRoom, mai: Window) -> None:
    put(room.root, "legal/leg-hong.yml", "id: [")
    page = words_of(mai.get("/knowledge/"))
    assert "Bot vẫn dùng bản tốt trước đó" in page
    assert "legal/leg-hong.yml" in page
    assert "Làm giấy ghi chú ly hôn ở đâu?" in page


def test_recall_is_shown_once_measured(room: ContentRoom, mai: Window) -> None:
    assert "chưa đo" in mai.get("/knowledge/").text
    questions = room.article().questions
    lines = [f"{questions[0]}\tleg-mot\tanswer", f"{questions[1]}\tgen-hai\tanswer"]
    (room.root / "winners.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    assert "50 %" in mai.get("/knowledge/?topic=legal").text


def test_an_article_is_seen_on_both_channels_and_for_each_case(mai: Window) -> None:
    page = mai.get(ONE)
    assert page.text.count('class="phone-top') == 2
    assert "Chị về từ nước nào ạ?" in page.text
    assert "Apostille" not in page.text
    assert "Apostille" in mai.get(f"{ONE}?case=korea").text
    assert "Tờ khai" in mai.get(f"{ONE}?part=documents").text
    assert mai.get("/knowledge/leg-vang").status_code == 404


# --- from a draft to an answer that is out ----------------------------------------------------------------------------


def test_the_straight_way(room: ContentRoom, mai: Window, lan: Window) -> None:
    assert save(mai, changed(FIRST, OTHER)).status_code == 303
    assert room.article().answer[0] == OTHER
    publish(room, mai, lan)
    assert room.out() == {("leg-mot", room.article().hash)}
    assert (room.article().status, room.article().review.by) == ("published", "lan")
    assert "Đang đăng" in words_of(mai.get(ONE))
    told = [action for action, subject, _ in room.audited() if subject == "article:leg-mot"]
    assert told == ["article.saved", "article.submitted", "article.wrote", "article.reviewed", "article.published"]


def test_nobody_reviews_her_own_words_or_another_field(room: ContentRoom, mai: Window, lan: Window) -> None:
    hoa = room.browser("hoa", "approver", fields=("psychological",))
    save(lan, changed(FIRST, OTHER))
    mai.post(f"{ONE}/submit")  # handed in by another: the writer stays the writer
    own = lan.post(f"{ONE}/review", {"hash": room.article().hash})
    assert own.status_code == 409
    assert "lan đã viết bản này" in words_of(own)
    assert "không có chuyên môn legal" in words_of(hoa.post(f"{ONE}/review", {"hash": room.article().hash}))
    assert room.article().status == "draft"
    assert "vì sao?" in lan.get(ONE).text


def test_whoever_wrote_along_since_the_last_publishing_may_not_review(
    room: ContentRoom, mai: Window, lan: Window
) -> None:
    save(lan, changed(FIRST, OTHER))
    save(mai, room.text().replace("Có ghi vào sổ", "Ghi vào sổ rồi"))
    mai.post(f"{ONE}/submit")
    assert "lan đã viết bản này" in words_of(lan.post(f"{ONE}/review", {"hash": room.article().hash}))


def test_words_brought_back_still_have_their_writer(room: ContentRoom, mai: Window, lan: Window) -> None:
    vy = room.browser("vy", "approver", fields=("legal",))
    save(lan, changed(FIRST, OTHER))
    lans = room.article().hash
    save(mai, room.text().replace("đem giấy", "cầm giấy"))
    publish(room, mai, vy)
    reference = next(
        found
        for found in re.findall(r"version=([0-9a-f-]{36})", mai.get(f"{ONE}/history").text)
        if lans in mai.get(f"{ONE}/history?version={found}").text and is_version(room, found, lans)
    )
    assert mai.post(f"{ONE}/rollback", {"version": reference}).status_code == 303
    assert room.article().hash == lans
    mai.post(f"{ONE}/submit")
    assert "lan đã viết bản này" in words_of(lan.post(f"{ONE}/review", {"hash": lans}))
    assert vy.post(f"{ONE}/review", {"hash": lans}).status_code == 303


def is_version(room: ContentRoom, reference: str, content_hash: str) -> bool:
    from handoff.content.approvals import find_version

    with room.database.read() as connection:
        row = find_version(connection, "leg-mot", reference)
    return row is not None and row["hash"] == content_hash


def test_what_was_edited_meanwhile_is_not_approved_unread(room: ContentRoom, mai: Window, lan: Window) -> None:
    mai.post(f"{ONE}/submit")
    seen = room.article().hash
    save(mai, changed(FIRST, OTHER))
    answer = lan.post(f"{ONE}/review", {"hash": seen})
    assert answer.status_code == 409
    assert "đọc lại bản mới" in words_of(answer)


def test_new_words_wait_while_the_approved_ones_are_told_and_new_questions_do_not(
    room: ContentRoom, mai: Window, lan: Window
) -> None:
    publish(room, mai, lan)
    first = room.article().hash
    more = room.text().replace("questions:", "questions:\n  - em hỏi giúp bạn em giấy ly hôn")
    assert save(mai, more).status_code == 303
    assert room.article().status == "published"
    assert ("leg-mot", room.article().hash) in room.out()
    save(mai, room.text().replace(FIRST, OTHER))
    assert room.article().status == "draft"
    assert room.out() == {("leg-mot", first)}
    page = mai.get(ONE).text
    assert "chị em vẫn nhận bản đã duyệt trước, dùng được đến 28/02/2027" in words_of(mai.get(ONE))
    assert 'class="diff-in"' in page
    assert "chị em vẫn nhận bản đã duyệt trước" in mai.get("/knowledge/?view=draft").text
    assert "Đang đăng" in words_of(mai.get(f"{ONE}/history"))
    assert lan.post(f"{ONE}/withdraw").status_code == 303, "also while other words are being written"
    assert room.out() == frozenset()
    assert "bản đã duyệt trước" not in mai.get(ONE).text


def test_an_approved_version_that_expired_is_told_so(room: ContentRoom, mai: Window, lan: Window) -> None:
    publish(room, mai, lan)
    save(mai, room.text().replace(FIRST, OTHER).replace("2027-02-28", "2029-01-01"))
    room.now += 200 * 86_400_000
    window = room.browser("vy", "editor")
    assert "đã hết hạn ngày 28/02/2027" in words_of(window.get(ONE))
    assert "bản đã duyệt trước đã hết hạn" in window.get("/knowledge/").text


def test_a_reviewer_sends_back_with_a_remark(room: ContentRoom, mai: Window, lan: Window) -> None:
    assert lan.post(f"{ONE}/send-back", {"remark": "x"}).status_code == 409, "nothing was handed in"
    mai.post(f"{ONE}/submit")
    assert "Trả lại để sửa" not in mai.get(ONE).text
    assert "Trả lại để sửa" in lan.get(ONE).text
    assert lan.post(f"{ONE}/send-back", {"remark": " "}).status_code == 409
    assert lan.post(f"{ONE}/send-back", {"remark": "Thiếu bước <dịch> giấy"}).status_code == 303
    page = mai.get(ONE)
    assert "Chị Lan trả lại để sửa: Thiếu bước <dịch> giấy" in words_of(page)
    assert "leg-mot" in mai.get("/knowledge/?view=returned").text
    publish(room, mai, lan)
    assert room.out() == {("leg-mot", room.article().hash)}


def test_a_status_written_by_hand_is_not_believed(room: ContentRoom, mai: Window) -> None:
    save(mai, changed(FIRST, OTHER).replace("status: draft", "status: published\n  by: lan\n  on: 2026-11-20"))
    assert room.article().status == "draft"


def test_an_article_is_withdrawn_at_once(room: ContentRoom, mai: Window, lan: Window) -> None:
    assert lan.post(f"{ONE}/withdraw").status_code == 409
    publish(room, mai, lan)
    assert lan.post(f"{ONE}/withdraw").status_code == 303
    assert room.out() == frozenset()
    assert room.article().status == "draft"


def test_publishing_asks_for_a_fresh_code(room: ContentRoom, mai: Window, lan: Window) -> None:
    mai.post(f"{ONE}/submit")
    lan.post(f"{ONE}/review", {"hash": room.article().hash})
    room.now += 11 * 60_000
    assert lan.post(f"{ONE}/publish", {"hash": room.article().hash}).status_code == 403
    assert room.out() == frozenset()


def test_an_old_version_comes_back_as_a_new_one_and_needs_no_second_review(
    room: ContentRoom, mai: Window, lan: Window
) -> None:
    publish(room, mai, lan)
    first = room.article().hash
    save(mai, room.text().replace(FIRST, OTHER))
    publish(room, mai, lan)
    history = mai.get(f"{ONE}/history").text
    oldest = re.findall(r"version=([0-9a-f-]{36})", history)[-1]
    assert OTHER in words_of(mai.get(f"{ONE}/history?version={oldest}"))
    before = history.count('class="line-link"')
    assert mai.post(f"{ONE}/rollback", {"version": oldest}).status_code == 303
    assert room.article().hash == first
    assert room.article().status == "reviewed"
    assert mai.get(f"{ONE}/history").text.count('class="line-link"') == before + 1
    assert lan.post(f"{ONE}/publish", {"hash": first}).status_code == 303
    assert room.out() == {("leg-mot", first)}
    assert mai.post(f"{ONE}/rollback", {"version": "no-such"}).status_code == 409


def test_going_back_to_what_is_out_needs_nobody(room: ContentRoom, mai: Window, lan: Window) -> None:
    publish(room, mai, lan)
    first = room.article().hash
    save(mai, room.text().replace(FIRST, OTHER))
    oldest = re.findall(r"version=([0-9a-f-]{36})", mai.get(f"{ONE}/history").text)[-1]
    answer = mai.post(f"{ONE}/rollback", {"version": oldest})
    assert "khớp với bản chị em đang nhận" in mai.get(answer.location.replace("http://localhost", "")).text
    assert (room.article().hash, room.article().status) == (first, "published")


# --- writing ----------------------------------------------------------------------------------------------------------


def test_the_second_editor_is_told_and_both_texts_are_kept(room: ContentRoom, mai: Window, lan: Window) -> None:
    seen = mark(lan)
    assert save(mai, changed(FIRST, OTHER)).status_code == 303
    mine = changed(FIRST, "Dạ, chị cầm giấy ra UBND xã/phường để ghi vào sổ.")
    answer = save(lan, mine, seen)
    assert answer.status_code == 409
    assert OTHER in answer.text
    assert "chị cầm giấy" in answer.text
    assert "Chị Mai vừa lưu bài này" in words_of(answer)
    assert room.article().answer[0] == OTHER
    again = re.search(r'name="seen" value="([0-9a-f]+)"', answer.text)
    assert again
    assert save(lan, mine, again[1]).status_code == 303
    assert "chị cầm giấy" in room.text()


def test_what_the_bot_could_not_read_is_not_saved_and_not_lost(room: ContentRoom, mai: Window) -> None:
    before = room.text()
    for broken in ("id: [", "\ttab: 1", changed("short: Ghi chú ly hôn", "short: OSSO là gì"), "a: &x 1\nb: *x"):
        answer = save(mai, broken)
        assert answer.status_code == 422
        assert broken.split("\n")[0] in unescape(answer.text)
        assert "Lỗi" in answer.text
    assert room.text() == before
    assert [action for action, *_ in room.audited() if action == "article.saved"] == []


def test_a_huge_file_is_refused_on_the_page_too(room: ContentRoom, mai: Window) -> None:
    before = room.text()
    for size in (200_000, 5_000_000):
        assert save(mai, f"{before}# {'x' * size}\n").status_code == 422
    assert room.text() == before
    assert mai.get(ONE).status_code == 200


def test_the_form_and_the_file_are_one(room: ContentRoom, mai: Window) -> None:
    page = mai.get(f"{ONE}/edit").text
    form = fields(page)
    assert mai.post(f"{ONE}/edit", form | {"do": "save"}).status_code == 303
    assert room.article().hash == hash_of(room)
    data = form | {"seen": mark(mai), "title": "Làm giấy ghi chú ly hôn: ở đâu?", "do": "save"}
    assert mai.post(f"{ONE}/edit", data).status_code == 303
    assert room.article().title == "Làm giấy ghi chú ly hôn: ở đâu?"
    assert room.article().variants is not None
    assert len(room.article().questions) == 12


def hash_of(room: ContentRoom) -> str:
    from bot.knowledge.loading import parse_article
    from tests.knowledge_sample import ARTICLE

    _, article, _ = parse_article(ARTICLE.encode(), "legal/leg-mot.yml", "legal")
    assert article
    return article.hash


def fields(page: str) -> dict[str, object]:
    """What a browser would send for the form of the editor."""
    from html.parser import HTMLParser

    found: dict[str, list[str]] = {}

    class Reader(HTMLParser):
        area = select = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = {name: value or "" for name, value in attrs}
            name = given.get("name", "")
            if tag == "input" and name and given.get("type") != "search":
                found.setdefault(name, []).append(given.get("value", ""))
            elif tag == "textarea" and name:
                self.area = name
                found.setdefault(name, []).append("")
            elif tag == "select" and name:
                self.select = name
                found.setdefault(name, []).append("")
            elif tag == "option" and self.select and "selected" in given:
                found[self.select][-1] = given["value"]

        def handle_data(self, data: str) -> None:
            if self.area:
                found[self.area][-1] += data

        def handle_endtag(self, tag: str) -> None:
            if tag == "textarea":
                self.area = ""
            if tag == "select":
                self.select = ""

    Reader().feed(page[page.index('<form method="post" class="editor"') :])
    return dict(found)


def test_a_new_article_is_written_in_the_form(room: ContentRoom, mai: Window) -> None:
    form: dict[str, object] = {
        "as": "form",
        "topic": "general",
        "id": "gen-moi",
        "title": "OSSO mở cửa lúc nào?",
        "short": "Giờ mở cửa",
        "questions": "mấy giờ mở cửa\nchủ nhật có làm không\ntối có ai không\nmấy giờ nghỉ\ntrưa có mở không",
        "answer": ["Dạ, OSSO sẽ báo chị giờ mở cửa.", ""],
        "basis": "Giới thiệu về OSSO",
        "follow_up": ["gen-hai"],
        "valid_until": "2027-11-22",
        "do": "save",
    }
    assert mai.post("/knowledge/new", form).status_code == 303
    assert room.article("gen-moi").title == "OSSO mở cửa lúc nào?"
    again = mai.post("/knowledge/new", form)
    assert again.status_code == 409
    for bad in ("", "../leg", "LEG", "leg--", "a" * 61):
        assert mai.post("/knowledge/new", form | {"id": bad}).status_code in (409, 422)
    assert sorted(path.name for path in (room.root / "general").iterdir()) == ["gen-hai.yml", "gen-moi.yml"]


def test_going_between_form_and_file_saves_nothing_and_loses_nothing(room: ContentRoom, mai: Window) -> None:
    before = room.text()
    form = fields(mai.get(f"{ONE}/edit").text) | {"title": "Tên khác hẳn", "do": "raw"}
    raw = mai.post(f"{ONE}/edit", form)
    assert raw.status_code == 200
    assert "title: Tên khác hẳn" in unescape(raw.text)
    back = mai.post(f"{ONE}/edit", fields(raw.text) | {"do": "form"})
    assert 'value="Tên khác hẳn"' in back.text
    assert room.text() == before


def test_checks_while_typing_are_those_of_the_command(room: ContentRoom, mai: Window) -> None:
    from datetime import date

    from bot.knowledge import check_article, read, read_style

    raw = changed(FIRST, "Bị bạo lực thì gọi 1900 969 680. Tại sao chị không đi?")
    answer = mai.post("/knowledge/check", {"as": "raw", "id": "leg-mot", "topic": "legal", "raw": raw})
    told = answer.get_json()
    rules, _ = read_style(room.root)
    file = "legal/leg-mot.yml"
    found = check_article(raw.encode(), file, shelf=read(room.root), rules=rules, today=date(2026, 11, 25))
    assert [(one["line"], one["code"]) for one in told["findings"]] == [(one.line, one.code) for one in found]
    assert {one["field"] for one in told["findings"]} >= {"answer"}
    assert next(one["item"] for one in told["findings"] if one["code"] == "loud-start") == 1
    assert [view["channel"] for view in told["views"]] == ["zalo", "messenger"]
    assert "1900 969 680" in told["views"][0]["bubbles"][0]["text"]
    assert room.text() != raw


def test_her_language_is_that_of_the_findings(mai: Window) -> None:
    mai.client.set_cookie("osso-look", "en.normal.auto", domain="localhost")
    form = {"as": "raw", "id": "leg-mot", "topic": "legal", "raw": "id: ["}
    assert "broken YAML" in mai.post("/knowledge/check", form).get_json()["findings"][0]["text"]
    assert "Answers" in mai.get("/knowledge/").text


def test_saving_over_a_published_article_is_warned_of(room: ContentRoom, mai: Window, lan: Window) -> None:
    publish(room, mai, lan)
    form = {"as": "raw", "id": "leg-mot", "topic": "legal"}
    assert mai.post("/knowledge/check", form | {"raw": room.text()}).get_json()["rewords"] is False
    assert mai.post("/knowledge/check", form | {"raw": room.text().replace(FIRST, OTHER)}).get_json()["rewords"] is True


# --- trying -----------------------------------------------------------------------------------------------------------


def test_a_question_is_tried_and_explained(mai: Window) -> None:
    page = words_of(mai.post("/knowledge/try", {"text": "ghi chu ly hon lam o dau"}))
    assert "Trùng với một câu đã viết." in page
    assert "Làm giấy ghi chú ly hôn ở đâu?" in page
    assert FIRST in page
    lost = words_of(mai.post("/knowledge/try", {"text": "trời hôm nay thế nào"}))
    assert "Chưa biết" in lost
    assert "Khẩn cấp" in words_of(mai.post("/knowledge/try", {"text": "nó đang đánh em"}))


# --- what women asked in vain -----------------------------------------------------------------------------------------


def test_missed_questions_are_grouped_masked_and_read_on_the_record(room: ContentRoom, mai: Window) -> None:
    room.misses("số em là 0912 345 678, chồng giữ hộ chiếu thì phải làm sao", near="leg-mot")
    room.misses("chong giu ho chieu thi phai lam sao")
    room.misses("chồng giữ hộ chiếu thì phải làm sao ạ")
    room.misses("mấy giờ mở cửa")
    page = mai.get("/knowledge/missed")
    assert "0912" not in page.text
    assert page.text.count('class="card group"') == 2
    assert "3 lần hỏi" in words_of(page)
    action, subject, detail = room.audited()[-1]
    assert (action, subject) == ("missed.read", "missed")
    assert detail.startswith("new 4 ")
    assert len(detail) <= 200


def test_her_words_reach_the_editor_by_reference_and_on_the_record(room: ContentRoom, mai: Window) -> None:
    reference = room.misses("giấy ly hôn bên Nhật đem về làm sao, gọi em 0912345678", near="leg-mot")
    page = mai.get(f"{ONE}/edit?add={reference}")
    assert "giấy ly hôn bên Nhật đem về làm sao" in page.text
    assert "0912345678" not in page.text
    assert ("missed.read", f"missed:{reference}", "one") in room.audited()
    assert room.status(reference) == "new"
    assert mai.post(f"{ONE}/edit", fields(page.text) | {"do": "save"}).status_code == 303
    assert room.status(reference) == "done"
    assert any("bên Nhật" in text for text in room.article().questions)
    fresh = mai.get(f"/knowledge/new?from={reference}")
    assert "giấy ly hôn bên Nhật đem về làm sao" in fresh.text
    for nothing in ("x", "../etc", "00000000-0000-4000-8000-000000000000"):
        assert mai.get(f"/knowledge/new?from={nothing}").status_code == 200


def test_a_group_moves_between_states(room: ContentRoom, mai: Window) -> None:
    references = [room.misses(text) for text in ("mấy giờ mở cửa", "may gio mo cua")]
    form: dict[str, object] = {"missed": references, "status": "ignored", "back": "new"}
    assert mai.post("/knowledge/missed", form).status_code == 303
    assert {room.status(one) for one in references} == {"ignored"}
    assert "mấy giờ mở cửa" not in mai.get("/knowledge/missed").text
    assert "may gio mo cua" in mai.get("/knowledge/missed?status=ignored").text
    assert mai.post("/knowledge/missed", form | {"status": "burnt"}).status_code == 409
    assert ("missed.marked", "missed", "ignored 2") in room.audited()


def test_a_forgotten_woman_has_no_question(room: ContentRoom, mai: Window) -> None:
    from sqlalchemy import update

    from bot.store import queries

    reference = room.misses("mấy giờ mở cửa")
    with room.database.write() as connection:
        connection.execute(update(queries.conversation).values(wrapped_key=None))
    assert "mấy giờ mở cửa" not in mai.get("/knowledge/missed").text
    assert "mấy giờ mở cửa" not in mai.get(f"/knowledge/new?from={reference}").text


def test_answers_that_did_not_help_stand_beside_without_her_own_words(room: ContentRoom, mai: Window) -> None:
    room.misses("mấy giờ mở cửa")
    room.feels("leg-mot", useful=False, why="unclear")
    room.feels("leg-mot", useful=False, why="tôi tên Hoa, ở Cần Thơ")
    room.feels("leg-mot", useful=True)
    page = words_of(mai.get("/knowledge/missed"))
    assert "2 chưa đúng ý, 1 hữu ích" in page
    assert "Khó hiểu 1" in page
    assert "Hoa" not in page
    assert "2 lần chưa đúng ý" in words_of(mai.get("/knowledge/"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gọi 0912.345.678 nha", "gọi ••• nha"),
        ("+84 912 345 678", "+•••"),
        ("cccd 079 183 001 234", "cccd •••"),
        ("thư em là hoa@thu.vn", "thư em là •••"),
        ("xem https://a.vn/x?y=1 đi", "xem ••• đi"),
        ("em 25 tuổi, về năm 2019, gọi 113", "em 25 tuổi, về năm 2019, gọi 113"),
    ],
)
def test_what_could_be_a_number_of_hers_is_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_the_largest_group_comes_first_and_short_words_do_not_swallow_others() -> None:
    texts = ["hộ chiếu", "chồng giữ hộ chiếu của em thì phải làm sao", "ho chieu", "học nghề ở đâu"]
    groups = grouped([Asked(str(number), text, number, ()) for number, text in enumerate(texts)])
    assert [[one.text for one in group.asked] for group in groups] == [
        ["hộ chiếu", "ho chieu"],
        ["học nghề ở đâu"],
        ["chồng giữ hộ chiếu của em thì phải làm sao"],
    ]


# --- words ------------------------------------------------------------------------------------------------------------


def test_every_word_of_the_pages_has_its_english() -> None:
    root = Path(__file__).parent.parent
    with (root / "locales/en/LC_MESSAGES/desk.po").open("rb") as file:
        known = {message.id: str(message.string) for message in read_po(file)}
    said: set[str] = set()
    for template in (root / "handoff/templates/content").glob("*.html"):
        text = template.read_text(encoding="utf-8")
        for found in re.finditer(r"_\(\s*(?:\"([^\"]+)\"|'([^']+)')", text):
            said.add(found[1] or found[2])
        for found in re.finditer(r"\{\{ (?:line|many)\(([^}]*)\) \}\}", text):
            said |= set(re.findall(r'"([^"]*)"', found[1])[1:])
        if told := re.search(r"set told = (\{.*?\}) %", text):
            said |= set(re.findall(r': "([^"]+)"', told[1]))
    for name in ("TOPICS", "SKILLS", "STANDINGS", "ACTS", "SEVERITIES", "MISSED", "WHY", "BANDS"):
        said |= set(getattr(words, name).values())
    for source in (root / "handoff/content").glob("*.py"):
        said |= set(re.findall(r'Refused\(\s*"([^"]+)"', source.read_text(encoding="utf-8")))
    assert len(said) > 200
    assert sorted(word for word in said if not known.get(word)) == []
    for word in said:
        assert set(re.findall(r"\{\w+\}", word)) == set(re.findall(r"\{\w+\}", known[word])), word


# --- what the bot does ------------------------------------------------------------------------------------------------


def test_every_flow_is_drawn_and_told_in_words(room: ContentRoom) -> None:
    window = room.browser("sua", "editor")
    known = room.mind().book.flows
    overview = window.get("/knowledge/flows").text
    assert len(known.flows) > 10
    for flow in known.flows.values():
        assert f"flow={flow.name}" in overview
        page = window.get(f"/knowledge/flows?flow={flow.name}").text
        assert "<svg" in page
        assert all(f">{step}</code>" in page for step in flow.steps)
        assert "style=" not in page.split("<svg", 1)[1].split("</svg>")[0]  # the policy of the page would refuse it
    assert "Tư vấn viên có gọi điện cho chị được không" in window.get("/knowledge/flows?flow=safe_contact").text
    assert window.get("/knowledge/flows?flow=<script>").status_code == 404
