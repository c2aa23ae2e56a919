"""The desk's pages through the real staff app: who sees what, what is written, what can never happen by mistake."""

from __future__ import annotations

import io
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from babel.messages.pofile import read_po
from flask import Flask
from markupsafe import escape
from PIL import Image
from sqlalchemy import delete, event, insert, select, update

from bench.tickets import fill
from bot.errors import Refused
from bot.messages import Attachment, Echo
from bot.outbox import safe_time
from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.store.media import LENT_MS, keep
from bot.store.media import media as kept_files
from handoff import deeds, jobs, media
from handoff.accounts import ROLES, Role, members
from handoff.accounts.queries import audit
from handoff.accounts.queries import staff as members_table
from handoff.desk import words
from handoff.desk.files import lent
from handoff.desk.live import Interest, Watch, _Marks, look
from handoff.desk.room import fold
from handoff.desk.search import place
from handoff.duty import day_off, shift
from handoff.routing import AWAY_MS
from handoff.tickets import Close, Requeue, Take
from tests.conftest import SECRET
from tests.desk_room import DeskRoom
from tests.stage import address, message

if TYPE_CHECKING:
    from bot.wiring import Parts

HOUR = 3_600_000
SCRIPTS = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "javascript:alert(1)")


@pytest.fixture
def room(sqlite_template: Path, tmp_path: Path) -> Iterator[DeskRoom]:
    shutil.copy(sqlite_template, tmp_path / "osso.db")
    database = Database(f"sqlite:///{tmp_path / 'osso.db'}", Keyring([SECRET]))
    event.listen(database.engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
    yield DeskRoom(database, folder=tmp_path)
    database.close()


def actions(room: DeskRoom) -> list[str]:
    with room.database.read() as connection:
        return list(connection.execute(select(audit.c.action).order_by(audit.c.id)).scalars())


def test_the_whole_way_of_a_ticket(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks("em muốn hỏi giấy tờ")
    her = room.browser(mai)
    page = her.get("/queue")
    assert page.status_code == 200
    assert "1 chị đang chờ" in page.text
    taken = her.post("/queue/next")
    assert taken.headers["Location"].endswith(f"/tickets/{reference}")
    assert room.owner(reference) == "person"
    chat = her.get(f"/tickets/{reference}")
    assert "em muốn hỏi giấy tờ" in chat.text
    once = str(uuid.uuid4())
    sent = her.post(f"/tickets/{reference}/reply", {"text": "Chào chị", "once": once}, Accept="application/json")
    assert sent.get_json() == {"once": once, "hold": 5000}
    assert "Chưa gửi, còn rút lại được" in her.get(f"/tickets/{reference}/talk").text
    undone = her.post(f"/tickets/{reference}/undo", {"once": once}, Accept="application/json")
    assert undone.get_json() == {"text": "Chào chị"}
    assert ">Chào chị</textarea>" in her.get(f"/tickets/{reference}").text
    her.post(f"/tickets/{reference}/reply", {"text": "Chào chị ạ", "once": str(uuid.uuid4())})
    room.later(5000)
    room.drain()
    assert room.said()[-1] == "Chào chị ạ"
    assert "Đã gửi" in her.get(f"/tickets/{reference}/talk").text
    closed = her.post(
        f"/tickets/{reference}/close", {"reason": "answered", "last_words": "Chào chị nhé", "hand_back": "1"}
    )
    assert closed.status_code == 303
    room.drain()
    assert room.said()[-2:] == ["Chào chị nhé", "2: [handback]"]
    assert "Đã trả lời xong" in her.get("/queue?view=closed").text


def test_every_reading_of_a_chat_is_audited(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    her = room.browser(mai)
    her.get(f"/tickets/{reference}")
    her.get(f"/tickets/{reference}/talk")
    assert actions(room).count("chat.read") == 1
    room.later(20 * 60_000)
    her.get(f"/tickets/{reference}/talk")  # a page that stays open is recorded again
    her.get(f"/tickets/{reference}/print")
    her.get("/search?q=em")
    assert actions(room).count("chat.read") == 2
    assert {"chat.printed", "chat.searched"} <= set(actions(room))


WRONG_FIRST = ("desk.later", "desk.add_note", "desk.transfer", "desk.picture", "desk.break_open")


def test_pages_of_a_ticket_are_not_there_for_others(room: DeskRoom) -> None:
    """Another office, another role, a stranger, and ids that do not exist: the same answer for every address."""
    mai, lan = room.hire("mai"), room.hire("lan", ("counsellor", "ct"))
    officer, analyst = room.hire("thu", ("officer", "hn")), room.hire("phan", ("analyst", "*"))
    reference = room.asks()
    room.take(mai, reference)
    rules = [rule for rule in room.app.url_map.iter_rules() if rule.rule.startswith("/tickets/")]
    assert len(rules) > 20
    for rule in rules:
        for who in (lan, officer, analyst):
            window = room.browser(who)
            window.get("/account")
            for target in (reference, str(uuid.uuid4())):
                path = re.sub(r"<uuid:reference>", target, rule.rule)
                path = re.sub(r"<uuid:\w+>", str(uuid.uuid4()), path).replace("<int:number>", "0")
                answer = window.get(path) if "GET" in (rule.methods or ()) else window.post(path, {"reason": "joke"})
                if answer.status_code == 409:  # a form that is wrong before the ticket is looked for
                    assert rule.endpoint in WRONG_FIRST
                else:
                    assert answer.status_code in (400, 404), (rule.rule, who.login)
    assert room.ticket(reference)["state"] == "taken"
    assert not [action for action in actions(room) if action.startswith(("chat", "ticket", "note"))]


LEADS = {
    "desk.team",
    "desk.team_now",
    "desk.roster",
    "desk.add_shift",
    "desk.drop_shift",
    "desk.change_day_off",
    "desk.change_card",
    "desk.take_over",
    "desk.assign",
}


@pytest.mark.parametrize("role", ROLES)
def test_every_page_opens_to_its_roles_and_to_nobody_else(room: DeskRoom, role: Role) -> None:
    """Routes of one ticket are asked with a ticket that is there, by a member of its own office."""
    target = room.hire("target")
    caller = room.hire("caller", (role, "hn"))
    window = room.browser(caller)
    window.get("/account")
    rules = [rule for rule in room.app.url_map.iter_rules() if rule.endpoint.startswith("desk.")]
    assert len(rules) > 40
    asked = set()
    for number, rule in enumerate(rules):
        reference = room.asks(person=f"p{number}") if rule.rule.startswith("/tickets/") else ""
        if reference and role in ("counsellor", "lead") and rule.endpoint not in ("desk.take", "desk.take_over"):
            room.take(caller, reference)
        about = str(target.uuid) if rule.rule.startswith("/team/<") else reference
        if rule.rule.startswith("/appointments/<"):
            about = room.wants(person=f"p{number}")
        path = rule.rule.replace("<uuid:reference>", about).replace("<int:number>", "0")
        if "<uuid:" in path or rule.rule.endswith(("/drop", "/file")):
            continue  # a part of something of her own, which is not there: 404 for everybody, tested above
        asked.add(rule.endpoint)
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            answer = window.get(path) if method == "GET" else window.post(path)
            status = answer.status_code
            answer.close()
            may = role == "lead" or (role == "counsellor" and rule.endpoint not in LEADS)
            assert status < 500, f"{method} {path} as {role}: {status}"
            if not may or method == "GET":  # a form may name something that is not there
                assert (status == 404) is not may, f"{method} {path} as {role}: {status}"
    assert len(asked) > 30


AS_LEAD: dict[str, dict[str, str]] = {  # what only the holder or a lead may do to a held chat, and its form
    "take-over": {},
    "assign": {"to": "caller"},
    "requeue": {},
    "close": {"reason": "answered"},
    "block": {"act": "set"},
}


@pytest.mark.parametrize("place", ["hn", "ct", ""])
@pytest.mark.parametrize("home", ["hn", "ct", "*"])
@pytest.mark.parametrize("role", ROLES)
def test_a_held_chat_is_moved_by_leads_of_its_office_and_by_any_lead_while_it_has_none(
    room: DeskRoom, role: Role, home: str, place: str
) -> None:
    """Role × office of hers × office of the chat × what a lead does; everywhere else nothing changes."""
    mai, caller = room.hire("mai", ("counsellor", "*")), room.hire("caller", (role, home))
    window = room.browser(caller)
    window.get("/account")
    leads = role == "lead" and (home in ("*", place) or not place)
    for number, (act, form) in enumerate(AS_LEAD.items()):
        reference = room.asks("chuyện riêng", person=f"p{number}", office=place)
        room.take(mai, reference)
        before, log = dict(room.ticket(reference)), room.log(reference)
        given = {name: caller.uuid if value == "caller" else value for name, value in form.items()}
        answer = window.post(f"/tickets/{reference}/{act}", given)
        page = window.get(f"/tickets/{reference}")
        told = f"{act} as {role} of {home} on a chat of {place or 'no office'}: {answer.status_code}"
        if leads:
            assert answer.status_code == 303, told
            assert page.status_code == 200, told
            assert room.log(reference) != log or act == "block", told
        else:
            assert answer.status_code in (404, 409), told  # 409: a counsellor's own list names who holds it
            assert "chuyện riêng" not in page.text, told
            assert dict(room.ticket(reference)) == before, told
    assert ("block.set" in actions(room)) is leads


@pytest.mark.parametrize("place", ["hn", "ct", ""])
@pytest.mark.parametrize("role", ROLES)
def test_a_waiting_chat_is_taken_in_its_office_and_anywhere_while_it_has_none(
    room: DeskRoom, role: Role, place: str
) -> None:
    reference, caller = room.asks(office=place), room.hire("caller", (role, "hn"))
    answer = room.browser(caller).post(f"/tickets/{reference}/take", {"form_token": ""})
    assert answer.status_code in (400, 404)  # without our token nobody
    window = room.browser(caller)
    window.get("/account")
    window.post(f"/tickets/{reference}/take")
    may = role in ("counsellor", "lead") and place in ("hn", "")
    assert room.ticket(reference)["staff_id"] == (caller.id if may else None)


def test_a_colleagues_chat_is_listed_without_a_word_of_it(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.asks("bí mật của em")
    room.take(mai, reference)
    hers = room.browser(lan)
    page = hers.get("/queue?view=team").text
    assert "Ca của Mai" in page
    assert reference not in page
    assert "bí mật" not in page
    refused = hers.get(f"/tickets/{reference}")
    assert refused.status_code == 409
    assert "Mai" in refused.text
    assert "bí mật" not in refused.text
    assert room.browser(lan).get("/search?q=bí mật").text.count("<mark>") == 0


GOOD = {"reason": "absent", "note": "Chị Mai vắng, chị ấy gọi tới văn phòng em"}


def test_a_chat_of_others_opens_by_emergency_with_a_reason_and_a_second_person(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan", ("counsellor", "ct"))
    boss, other = room.hire("boss", ("lead", "hn")), room.hire("other", ("lead", "ct"))
    reference = room.asks("chuyện rất riêng")
    room.take(mai, reference)
    hers = room.browser(lan)
    shut = hers.get(f"/tickets/{reference}")
    assert (shut.status_code, "chuyện rất riêng" in shut.text) == (404, False)
    assert f"/tickets/{reference}/break-glass" in shut.text
    for bad in ({}, {"reason": "absent", "note": "ngắn"}, {"reason": "tò mò", "note": GOOD["note"]}):
        assert hers.post(f"/tickets/{reference}/break-glass", bad).status_code == 409
        assert hers.get(f"/tickets/{reference}").status_code == 404
    assert hers.post(f"/tickets/{reference}/break-glass", GOOD).status_code == 303
    opened = hers.get(f"/tickets/{reference}")
    assert opened.status_code == 200
    assert "chuyện rất riêng" in opened.text
    assert "Chị đang mở khẩn cấp ca này" in opened.text
    assert hers.post(f"/tickets/{reference}/reply", {"text": "em đây"}).status_code == 409  # to read, not to speak
    assert "Có người mở khẩn cấp" in room.browser(boss).get("/queue").text
    assert GOOD["note"] in room.browser(boss).get("/break-glass").text
    assert "Có người mở khẩn cấp" not in room.browser(other).get("/queue").text
    assert {"break-glass", "chat.read"} <= set(actions(room))
    room.later(31 * 60_000)
    assert room.browser(lan).get(f"/tickets/{reference}").status_code == 404


def test_what_is_not_there_offers_the_same_and_tells_nothing(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan", ("counsellor", "ct"))
    there, nowhere = room.asks(), str(uuid.uuid4())
    room.take(mai, there)
    hers = room.browser(lan)
    pages = [hers.get(f"/tickets/{one}").text.replace(one, "…") for one in (there, nowhere)]
    assert pages[0] == pages[1]
    assert hers.post(f"/tickets/{nowhere}/break-glass", GOOD).status_code == 303
    answer = hers.get(f"/tickets/{nowhere}")
    assert answer.status_code == 404
    assert "không có ca nào" in answer.text
    officer = room.browser(room.hire("thu", ("officer", "hn")))
    assert "break-glass" not in officer.get(f"/tickets/{there}").text


def test_a_held_chat_of_her_own_office_offers_it_too(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.asks()
    room.take(mai, reference)
    shut = room.browser(lan).get(f"/tickets/{reference}")
    assert shut.status_code == 409
    assert "Ca này đã có người nhận. (Mai)" in shut.text
    assert "break-glass" in shut.text


def test_refusals_are_said_in_her_language(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.asks()
    room.take(mai, reference)
    hers = room.browser(lan)
    hers.client.set_cookie("osso-look", "en.normal.auto", domain="localhost")
    answer = hers.get(f"/tickets/{reference}").text
    assert "(Mai)" in answer
    assert "Ca này" not in answer


def told_of(page: str, name: str) -> str:
    """What the list of people to assign to says of one of them."""
    found = re.search(rf"<option [^>]*>{name}(?: \(([^)]*)\))?</option>", page)
    assert found, name
    return found[1] or ""


def test_why_somebody_would_not_get_the_next_ticket_is_told_truly(room: DeskRoom) -> None:
    room.stage.now = 1_798_736_400_000  # Friday 2027-01-01, 00:00 in Viet Nam; and two days on a working Sunday
    boss = room.hire("boss", ("lead", "hn"))
    room.hire("bận", capacity=1)
    room.hire("nghỉ", paused=True)
    room.hire("vắng", present=False)
    room.hire("khách", on_shift=False)
    room.hire("về", on_shift=False, present=False)
    room.hire("phép")
    festive = room.hire("lễ")
    full = room.asks("giữ", person="full")
    with room.database.write() as connection:
        known = {row.login: row.id for row in connection.execute(select(members_table.c.login, members_table.c.id))}
        connection.execute(insert(day_off).values(day="2027-01-01", staff_id=known["phép"], office=""))
        connection.execute(update(shift).where(shift.c.staff_id == festive.id).values(holidays=False))
    deeds.assign(room.desk, boss, full, to=uuid_of(room, "bận"))
    page = room.browser(boss).get(f"/tickets/{room.asks('ai nhận', person='p2')}").text
    said = {name: told_of(page, name) for name in ("Bận", "Nghỉ", "Vắng", "Khách", "Về", "Phép", "Lễ")}
    assert said == {
        "Bận": "đang trực, đủ ca",
        "Nghỉ": "tạm nghỉ nhận ca",
        "Vắng": "có ca trực nhưng vắng",
        "Khách": "ngoài ca, đang mở máy",
        "Về": "ngoài ca",
        "Phép": "nghỉ hôm nay",
        "Lễ": "nghỉ lễ",
    }
    team = room.browser(boss).get("/team").text
    assert all(words in team for words in said.values())
    room.later(2 * 24 * HOUR)
    room.see(festive)
    assert told_of(room.browser(boss).get(f"/tickets/{full}").text, "Lễ") == ""


def uuid_of(room: DeskRoom, login: str) -> str:
    with room.database.read() as connection:
        return str(connection.execute(select(members_table.c.uuid).where(members_table.c.login == login)).scalar_one())


def log_lines(page: str) -> list[str]:
    """The log as the chat page tells it, without the times."""
    lines = re.findall(r'<li class="event small">(.*?)</li>', page, re.DOTALL)
    return [re.sub(r", \d\d:\d\d$", "", line.strip()) for line in lines]


def test_the_log_says_in_whole_sentences_who_did_what_and_to_whom(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    boss = room.hire("boss", ("lead", "hn"))
    reference = room.asks("em chờ", office="hn")
    room.take(mai, reference)
    deeds.assign(room.desk, boss, reference, to=lan.uuid)
    room.browser(boss).post(f"/tickets/{reference}/take-over")
    deeds.transfer(room.desk, boss, reference, to=mai.uuid, reason="load", words="")
    deeds.answer_call(room.desk, mai, reference, yes=False)
    deeds.transfer(room.desk, boss, reference, to=lan.uuid, reason="skill", words="")
    deeds.answer_call(room.desk, lan, reference, yes=True)
    deeds.do(room.desk, lan, reference, Requeue())
    deeds.do(room.desk, mai, reference, Take())
    deeds.do(room.desk, mai, reference, Requeue("office", "ct"))
    deeds.do(room.desk, room.hire("ct", ("counsellor", "ct")), reference, Take())
    room.change(reference, office="hn")
    deeds.close(room.desk, boss, reference, Close("answered"))
    page = room.browser(boss).get(f"/tickets/{reference}").text
    assert log_lines(page) == [
        "Ca được mở",
        "Mai đã nhận ca",
        "Boss đã giao ca cho Lan",
        "Boss đã nhận thay Lan",
        "Boss muốn chuyển ca cho Mai: Đang quá tải",
        "Mai chưa nhận được ca",
        "Boss muốn chuyển ca cho Lan: Cần chuyên môn khác",
        "Lan đã nhận ca do Boss chuyển",
        "Lan đã trả ca về hàng chờ",
        "Mai đã nhận ca",
        "Mai đã chuyển ca sang hàng chờ của OSSO Cần Thơ",
        "Ct đã nhận ca",
        "Boss đã kết thúc ca: Đã trả lời xong",
    ]


KINDS = {  # every line the log can hold: its detail, and whether the clock or the bot writes it
    "opened": "asked NONE",
    "raised": "danger RED",
    "routed": "hn",
    "offered": "3",
    "lapsed": "",
    "declined": "",
    "refused": "load",
    "taken": "",
    "taken_over": "from 3",
    "assigned": "3",
    "accepted": "from 3",
    "transfer": "3 load",
    "snoozed": "",
    "woken": "",
    "requeued": "absent",
    "escalated": "second nobody",
    "closed": "cancelled",
    "reopened": "silent",
    "resumed": "joke",
    "later_dropped": "owner",
}


@pytest.mark.parametrize("name", ["", "Mai"])
@pytest.mark.parametrize("to", ["", "Lan"])
def test_no_line_of_the_log_has_a_hole_or_a_capital_in_the_middle(name: str, to: str) -> None:
    assert set(KINDS) == {key.split()[0] for key in words.EVENTS} - {"again"}
    for kind, detail in KINDS.items():
        said = words.event(kind, detail, name, to, lambda office: f"văn phòng {office}", _filled)
        start = said.partition(":")[0].replace("Mai", "mai").replace("Lan", "lan")
        assert said[0].isupper(), said
        assert start[1:] == start[1:].lower(), said
        assert "{" not in said
        assert "  " not in said


def _filled(source: str, /, **values: object) -> str:
    return source.format(**values) if values else source


def test_lead_sees_her_office_only(room: DeskRoom) -> None:
    mai, boss, other = room.hire("mai"), room.hire("boss", ("lead", "hn")), room.hire("khac", ("lead", "ct"))
    reference = room.asks("chuyện của em")
    room.take(mai, reference)
    assert "chuyện của em" in room.browser(boss).get(f"/tickets/{reference}").text
    assert room.browser(other).get(f"/tickets/{reference}").status_code == 404
    assert "Mai" in room.browser(boss).get("/team").text
    assert "Mai" not in room.browser(other).get("/team").text
    assert room.browser(mai).get("/team").status_code == 404


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_stays_text_everywhere(room: DeskRoom, script: str) -> None:
    mai = room.hire("mai")
    reference = room.asks(script)
    her = room.browser(mai)
    room.take(mai, reference)
    her.post(f"/tickets/{reference}/notes", {"note": script})
    her.post(f"/tickets/{reference}/labels", {"label": script[:40]})
    her.post("/replies", {"title": script, "body": script})
    her.post("/queue/filters", {"name": script, "level": "RED"})
    for path in (f"/tickets/{reference}", f"/tickets/{reference}/print", "/queue?view=mine", "/replies", "/queue"):
        page = her.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert ">49<" not in page
    assert script[:7].replace("<", "&lt;").replace('"', "&#34;").replace(">", "&gt;") in her.get("/replies").text


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_name_of_a_file_stays_text_too(room: DeskRoom, script: str) -> None:
    mai, reference = room.hire("mai"), room.asks()
    file = Attachment("file", url="https://f.zdn.vn/x", name=script)
    room.stage.hear(message("", key="file", attachments=(file,)))
    room.take(mai, reference)
    page = room.browser(mai).get(f"/tickets/{reference}").text
    assert f">Tệp: {escape(script)} <" in " ".join(page.split())


def test_forms_without_our_token_change_nothing(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    her = room.browser(mai)
    for form, headers in (
        ({"form_token": "0" * 64}, {}),
        ({}, {"Sec_Fetch_Site": "cross-site"}),
    ):
        assert her.post(f"/tickets/{reference}/take", form, **headers).status_code == 400
    assert room.ticket(reference)["state"] == "waiting"


def test_refused_words_are_kept_as_a_draft(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    room.later(8 * 24 * HOUR)
    her = room.browser(mai)
    answer = her.post(f"/tickets/{reference}/reply", {"text": "Em gửi chị mấy dòng"}, Sec_Fetch_Dest="empty")
    assert answer.status_code == 409
    assert "quá thời hạn" in answer.text
    assert "Em gửi chị mấy dòng" in her.get(f"/tickets/{reference}").text


def test_draft_survives_the_end_of_a_session(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    assert her.post(f"/tickets/{reference}/draft", {"kind": "reply", "text": "đang viết dở"}).status_code == 204
    room.later(40 * 60_000)
    assert her.get(f"/tickets/{reference}/talk", Sec_Fetch_Dest="empty").status_code == 401
    assert "đang viết dở" in room.browser(mai).get(f"/tickets/{reference}").text


def test_disabled_in_the_middle_of_a_chat(room: DeskRoom) -> None:
    """Her next click finds her signed out, nothing of hers is said, and the woman is back in the queue."""
    mai, boss = room.hire("mai"), room.hire("boss", ("admin", "*"))
    reference = room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    her.get(f"/tickets/{reference}")
    members.disable(room.accounts, boss, mai.uuid)
    answer = her.post(f"/tickets/{reference}/reply", {"text": "còn một câu"}, Sec_Fetch_Dest="empty")
    assert answer.status_code == 401
    room.tick()
    room.drain()
    assert "còn một câu" not in room.said()
    assert (room.ticket(reference)["state"], room.owner(reference)) == ("waiting", "bot")


def test_thousands_of_tickets_are_counted_and_shown_by_pages(room: DeskRoom) -> None:
    mai, boss = room.hire("mai"), room.hire("boss", ("lead", "*"))
    fill(room.database, "sqlite", mai=mai.id, now=room.now, waiting=2_000, closed=3_000)
    lead = room.browser(boss)
    first = lead.get("/queue").text
    assert first.count('class="line ') == 50  # danger stands in a list of its own
    assert "1334 chị đang chờ" in first
    assert "Khẩn cấp, chưa có người nhận" in first
    assert "301–350 trong 2000 ca" in lead.get("/queue?view=all&page=6").text
    assert lead.get("/queue?view=all&page=999").status_code == 200
    hers = room.browser(mai)
    assert "Đã xong" in hers.get("/queue?view=closed").text
    waiting = room.stage.rows("SELECT count(*) FROM ticket WHERE state = 'waiting' AND office IN ('hn', '')")[0][0]
    assert f"{waiting} chị đang chờ" in hers.get("/queue").text
    held = room.stage.rows(f"SELECT count(*) FROM ticket WHERE staff_id = {mai.id} AND closed_at IS NULL")[0][0]
    assert f'data-count="mine">{held}<' in hers.get("/queue?view=mine").text


def test_danger_is_unmissable_and_its_closing_asks(room: DeskRoom) -> None:
    mai = room.hire("mai")
    room.says("cứu em")
    her = room.browser(mai)
    page = her.get("/queue").text
    assert 'class="alarm"' in page
    assert 'data-red="1"' in page
    reference = room.stage.rows("SELECT uuid FROM ticket")[0][0]
    her.post(f"/tickets/{reference}/take")
    chat = her.get(f"/tickets/{reference}").text
    assert "phải ghi kết quả" in chat
    assert 'value="joke"' not in chat
    assert her.post(f"/tickets/{reference}/close", {"reason": "answered"}).status_code == 409
    done = her.post(f"/tickets/{reference}/close", {"reason": "case", "outcome": "safe", "reported": "commune"})
    assert done.status_code == 303


def test_presence_is_shown_to_others_in_chat_and_list(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.asks()
    room.browser(mai).get(f"/tickets/{reference}")
    theirs = room.browser(lan)
    shows = {"reply": "Mai đang viết trả lời", "note": "Mai đang viết ghi chú", "?": "Mai đang xem"}
    for writing, shown in shows.items():
        room.browser(mai).post("/beat", {"ticket": reference, "writing": writing})
        assert shown in theirs.get("/queue/list").text
        assert shown in theirs.get(f"/tickets/{reference}/talk").text
    room.later(AWAY_MS)
    assert "Mai đang" not in theirs.get("/queue/list").text


def test_what_is_answered_from_the_page_inbox_appears_and_the_bot_is_silent(room: DeskRoom) -> None:
    mai = room.hire("mai")
    room.stage.accept(message("em hỏi chút", key="m1"))
    room.stage.hear(Echo("e1", address(), room.now, author="person", id="x", text="Chào em, chị trả lời từ trang"))
    room.drain()
    assert room.said() == []
    reference = room.stage.rows("SELECT uuid FROM ticket")[0][0]
    room.change(reference, staff_id=mai.id, office="hn")
    page = room.browser(mai).get(f"/tickets/{reference}").text
    assert "Chào em, chị trả lời từ trang" in page
    assert "Từ ứng dụng của nền tảng" in page


def test_print_has_no_notes(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks("câu hỏi của em")
    room.take(mai, reference)
    her = room.browser(mai)
    her.post(f"/tickets/{reference}/notes", {"note": "chỉ mình đội biết"})
    assert "chỉ mình đội biết" in her.get(f"/tickets/{reference}").text
    room.stage.hear(message("", key="file", attachments=(Attachment("audio"),)))
    room.reply(mai, reference, "câu còn giữ lại")
    paper = her.get(f"/tickets/{reference}/print").text
    assert "câu hỏi của em" in paper
    assert "(Tin thoại)" in paper
    assert "(Chưa gửi, còn rút lại được)" in paper  # nothing reads as said that was not
    assert "chỉ mình đội biết" not in paper


def test_note_address_cannot_send(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    room.browser(mai).post(f"/tickets/{reference}/notes", {"note": "ghi chú", "text": "lẫn vào", "once": "x"})
    assert room.stage.rows("SELECT count(*) FROM outbox WHERE author = 'person'")[0][0] == 0


def test_saved_replies_are_found_without_tone_marks_and_filled(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    her.post("/replies", {"title": "Chào lần đầu", "body": "Chào {ten}, em là {tu_van_vien}, {van_phong}"})
    (found,) = her.get(f"/tickets/{reference}/finds?q=chao lan dau").get_json()
    assert found["text"] == "Chào chị, em là Mai, OSSO Hà Nội"
    assert her.get(f"/tickets/{reference}/finds?q=không có").get_json() == []
    assert "Chào lần đầu" not in room.browser(lan).get("/replies").text  # hers alone
    assert her.post("/replies", {"title": "a", "body": "b", "team": "1"}).status_code == 409  # a lead's


def test_a_saved_reply_brings_its_picture(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.asks()
    room.take(mai, reference)
    hers, theirs = room.browser(mai), room.browser(lan)
    form = {"title": "Đường tới", "body": "Chị xem hình nhé", "file": (io.BytesIO(jpeg()), "<b>bản đồ.exe")}
    assert hers.post("/replies", form).status_code == 303
    bad = {"title": "x", "body": "x", "file": (io.BytesIO(b"MZ" + bytes(500)), "map.jpg")}
    assert hers.post("/replies", bad).status_code == 409
    found = hers.get(f"/tickets/{reference}/finds?q=duong+toi").get_json()[0]
    assert found["file"]
    assert theirs.get(f"/replies/{found['file']}/file").status_code == 404  # a colleague's own
    assert hers.get(f"/replies/{found['file']}/file").mimetype == "image/jpeg"
    answer = hers.post(f"/tickets/{reference}/reply", {"text": found["text"], "attach": found["file"]})
    assert answer.status_code == 303
    room.later(deeds.HOLD_MS)
    room.drain()
    sent = [call.json["message"] for call in room.stage.platforms.calls if call.json and "message" in call.json]
    assert sent[-2]["text"] == "Chị xem hình nhé"
    assert "/media/" in sent[-1]["attachment"]["payload"]["url"]
    assert hers.post(f"/replies/{found['file']}/drop").status_code == 303
    assert hers.get(f"/replies/{found['file']}/file").status_code == 404


def test_search_finds_with_and_without_marks_and_says_how_far(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks("Em muốn đăng ký khai sinh cho con")
    room.take(mai, reference)
    her = room.browser(mai)
    for asked in ("khai sinh", "KHAI  SINH", "dang ky", "đăng ký", "ky khai"):
        assert "<mark>" in her.get(f"/search?q={asked}").text, asked
    assert "Đã tìm hết" in her.get("/search?q=zzz").text


def test_searching_on_reaches_every_chat_once_and_no_other(room: DeskRoom) -> None:
    mai, boss = room.hire("mai"), room.hire("boss", ("lead", "*"))
    fill(room.database, "sqlite", mai=mai.id, now=room.now, waiting=230, closed=300)
    may = "closed_at IS NULL AND ((state = 'waiting' AND office IN ('hn', '')) OR staff_id = " + f"{mai.id})"
    for who, right in ((boss, "closed_at IS NULL"), (mai, may)):
        wanted = sorted(row[0] for row in room.stage.rows(f"SELECT uuid FROM ticket WHERE {right}"))
        hers, found, path = room.browser(who), list[str](), "/search?q=giay+khai+sinh"
        for _ in range(20):
            page = hers.get(path).text
            found += re.findall(r'class="line-link" href="/tickets/([0-9a-f-]{36})#', page)
            more = re.search(r'href="(/search\?q=[^"]+before=\d+)"', page)
            if more is None:
                break
            path = more[1].replace("&amp;", "&")
        assert "Đã tìm hết" in page
        assert sorted(found) == wanted


@pytest.mark.parametrize(("text", "wanted", "found"), [("Đăng ký", "dang", "Đăng"), ("a\u0301b", "ab", "a\u0301b")])
def test_place_keeps_the_words_as_written(text: str, wanted: str, found: str) -> None:
    spot = place(text, fold(wanted))
    assert spot is not None
    assert text[spot[0] : spot[1]] == found


def test_shifts_cards_and_days_off_are_a_leads(room: DeskRoom) -> None:
    mai, boss = room.hire("mai", on_shift=False), room.hire("boss", ("lead", "hn"), on_shift=False)
    hers = room.browser(boss)
    form = {"who": mai.uuid, "weekday": ["0", "2"], "start": "08:00", "end": "17:00"}
    assert hers.post("/team/shifts", form).status_code == 303
    assert room.stage.rows('SELECT weekday, start, "end" FROM shift ORDER BY weekday') == [
        (0, 480, 1020),
        (2, 480, 1020),
    ]
    card = {"skill": ["legal"], "language": ["vi", "ko"], "capacity": "3", "heavy_cap": "1"}
    assert hers.post(f"/team/{mai.uuid}/card", card).status_code == 303
    assert room.stage.rows("SELECT skills, languages, capacity FROM counsellor") == [("legal", "vi,ko", 3)]
    assert hers.post("/team/days-off", {"who": mai.uuid, "day": "2026-12-24"}).status_code == 303
    assert hers.get("/team/roster").status_code == 200
    assert room.browser(mai).post("/team/shifts", form).status_code == 404


def test_a_shift_sent_twice_stands_once_and_a_day_off_is_taken_back_on_the_page(room: DeskRoom) -> None:
    mai, boss = room.hire("mai", on_shift=False), room.hire("boss", ("lead", "hn"), on_shift=False)
    hers = room.browser(boss)
    form = {"who": mai.uuid, "weekday": ["0"], "start": "08:00", "end": "17:00"}
    hers.post("/team/shifts", form)
    hers.post("/team/shifts", form | {"holidays": "1"})
    assert room.stage.rows("SELECT weekday, holidays FROM shift") == [(0, 1)]
    one = form | {"weekday": [], "day": "2099-01-04"}
    hers.post("/team/shifts", one)
    hers.post("/team/shifts", one)
    assert room.stage.rows("SELECT day FROM shift WHERE weekday IS NULL") == [("2099-01-04",)]
    hers.post("/team/days-off", {"who": mai.uuid, "day": "2099-12-24"})
    hers.post("/team/days-off", {"office": "hn", "day": "2099-12-25"})
    page = hers.get("/team/roster").text
    assert page.count('name="drop" value="1"') == 2
    hers.post("/team/days-off", {"who": mai.uuid, "office": "", "day": "2099-12-24", "drop": "1"})
    hers.post("/team/days-off", {"who": "", "office": "hn", "day": "2099-12-25", "drop": "1"})
    assert room.stage.rows("SELECT day FROM day_off") == []


def test_who_blocked_may_lift_it_after_the_case_has_ended_and_nobody_else(room: DeskRoom) -> None:
    mai, lan, reference = room.hire("mai"), room.hire("lan"), room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    assert her.post(f"/tickets/{reference}/block", {"act": "set", "close": "1"}).status_code == 303
    assert (room.ticket(reference)["state"], room.ticket(reference)["closing"]) == ("closed", "abusive")
    assert room.browser(lan).post(f"/tickets/{reference}/block", {"act": "lift"}).status_code in (404, 409)
    assert "Bỏ chặn" in her.get(f"/tickets/{reference}").text
    assert her.post(f"/tickets/{reference}/block", {"act": "lift"}).status_code == 303
    assert room.stage.rows("SELECT * FROM blocked") == []
    assert her.post(f"/tickets/{reference}/block", {"act": "set"}).status_code == 409  # closed: not hers any more


@pytest.mark.parametrize("text", ["", "mai gặp nhé"])
def test_a_file_goes_along_with_what_is_sent_later(room: DeskRoom, text: str) -> None:
    mai, reference = room.hire("mai"), room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    her.post("/replies", {"title": "Đường tới", "body": "x", "file": (io.BytesIO(jpeg()), "a.jpg")})
    saved = her.get(f"/tickets/{reference}/finds?q=duong+toi").get_json()[0]["file"]
    due = (room.now // HOUR + 20) * HOUR
    form: dict[str, Any] = {"text": text, "at": words.local(due).strftime("%Y-%m-%dT%H:%M")}
    form |= {"attach": saved} if text else {"file": (io.BytesIO(jpeg()), "b.jpg")}
    assert her.post(f"/tickets/{reference}/later", form).status_code == 303
    assert "(một hình)" in her.get(f"/tickets/{reference}").text
    room.stage.now = safe_time({}, due) or 0
    before = len(room.stage.platforms.calls)
    jobs.send_due(room.desk)
    room.drain()
    sent = [str(call.json) for call in room.stage.platforms.calls[before:] if call.json]
    assert "/media/" in sent[-1]
    assert len(sent) == (2 if text else 1)
    assert room.stage.rows("SELECT max(until) FROM media") == [(room.now + LENT_MS,)]  # counted anew


def test_a_file_that_is_gone_keeps_the_later_message_back_and_its_writer_is_told(room: DeskRoom) -> None:
    mai, reference = room.hire("mai"), room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    due = (room.now // HOUR + 20) * HOUR
    form = {"at": words.local(due).strftime("%Y-%m-%dT%H:%M")}
    her.post(f"/tickets/{reference}/later", form | {"file": (io.BytesIO(jpeg()), "b.jpg")})
    bad = form | {"file": (io.BytesIO(b"MZ" + bytes(99)), "b.jpg")}
    assert her.post(f"/tickets/{reference}/later", bad).status_code == 409
    with room.database.write() as connection:
        connection.execute(delete(kept_files))
    room.stage.now = safe_time({}, due) or 0
    jobs.send_due(room.desk)
    assert room.stage.rows("SELECT status FROM send_later") == [("file",)]
    assert "tệp đi kèm không còn" in room.browser(mai).get("/queue?view=calls").text


def test_who_reads_a_chat_sees_that_she_is_blocked(room: DeskRoom) -> None:
    mai, reference = room.hire("mai"), room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    assert "Đang bị chặn" not in her.get(f"/tickets/{reference}").text
    her.post(f"/tickets/{reference}/block", {"act": "set"})
    assert "Đang bị chặn" in her.get(f"/tickets/{reference}").text
    her.post(f"/tickets/{reference}/block", {"act": "lift"})
    assert "Đang bị chặn" not in her.get(f"/tickets/{reference}").text


def test_a_saved_filter_is_at_hand_without_unfolding(room: DeskRoom) -> None:
    her = room.browser(room.hire("mai"))
    her.post("/queue/filters", {"name": "Khẩn của tôi", "level": "RED"})
    page = her.get("/queue").text
    assert page.index("</details>", page.index('class="filters"')) < page.index("Khẩn của tôi")


def test_being_called_is_said_once_in_a_sentence_with_the_chat_it_is_about(room: DeskRoom) -> None:
    mai, boss = room.hire("mai"), room.hire("boss", ("lead", "hn"))
    reference = room.asks(topic="legal")
    room.take(mai, reference)
    deeds.add_note(room.desk, mai, reference, "chị xem giúp em", mentions=[boss.uuid])
    hers = room.browser(boss)
    page = hers.get("/queue/list?view=calls").text
    assert page.count(f"/tickets/{reference}") == 1
    said = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Mai nhắc chị trong một ghi chú" in said
    assert "Pháp lý" in said
    hers.get(f"/tickets/{reference}")
    assert "Không có lời nhắc nào chị chưa xem" in hers.get("/queue/list?view=calls").text


def test_a_lead_notes_in_a_chat_somebody_else_holds_and_calls_the_holder(room: DeskRoom) -> None:
    mai, boss = room.hire("mai"), room.hire("boss", ("lead", "hn"))
    reference = room.asks()
    room.take(mai, reference)
    hers = room.browser(boss)
    form = re.search(r'<form [^>]*class="note-form">.*?</form>', hers.get(f"/tickets/{reference}").text, re.DOTALL)
    assert form
    assert re.search(f'name="mention" value="{mai.uuid}" checked', form[0])
    hers.post(f"/tickets/{reference}/notes", {"note": "hỏi thêm về hộ tịch nhé", "mention": mai.uuid})
    assert "hỏi thêm về hộ tịch nhé" in room.browser(mai).get(f"/tickets/{reference}").text
    assert "chat.reply" not in actions(room)
    lan = room.hire("lan")
    deeds.add_note(room.desk, mai, reference, "chị Lan xem với", mentions=[lan.uuid])
    assert 'class="note-form"' not in room.browser(lan).get(f"/tickets/{reference}").text  # she reads along only


def test_what_has_no_office_yet_can_be_listed_by_itself(room: DeskRoom) -> None:
    boss = room.hire("boss", ("lead", "hn"))
    here, nowhere = room.asks("ở Hà Nội", person="a"), room.asks("chưa biết", person="b", office="")
    hers = room.browser(boss)
    page = hers.get("/queue?office=-").text
    assert nowhere in page
    assert here not in page
    assert '<option value="-" selected>Chưa rõ tỉnh (1, dưới 1 phút)' in page
    hers.post("/queue/filters", {"name": "Chưa có văn phòng", "office": "-"})
    assert "office=-" in hers.get("/queue").text
    hers.post("/queue/next", {"office": "-"})
    assert (room.ticket(nowhere)["staff_id"], room.ticket(here)["staff_id"]) == (boss.id, None)


def test_limits_are_changed_where_they_are_shown(room: DeskRoom) -> None:
    mai, boss = room.hire("mai"), room.hire("boss", ("lead", "hn"))
    hers = room.browser(boss)
    form = {"skill": ["legal"], "language": ["vi", "ko"], "capacity": "3", "heavy_cap": "1"}
    saved = hers.post(f"/team/{mai.uuid}/card", form)
    assert saved.headers["Location"].split("#")[0].endswith(f"/team/roster?card={mai.uuid}")
    page = hers.get(f"/team/roster?card={mai.uuid}").text
    assert "Đã lưu." in page
    assert "nhiều nhất 3 ca, ca nặng 1 · KO, VI · Pháp lý" in page


def test_an_offer_is_not_told_as_a_held_chat(room: DeskRoom) -> None:
    mai, boss = room.hire("mai"), room.hire("boss", ("lead", "hn"), on_shift=False)
    reference = room.asks()
    room.later(60_000)
    room.see(mai)
    room.tick()
    assert room.ticket(reference)["state"] == "offered"
    page = room.browser(boss).get("/team").text
    assert "Đang giữ 0/5 ca, ca nặng 0/2 · đang được mời 1 ca" in page


# --- files ------------------------------------------------------------------------------------------------------------


def jpeg() -> bytes:
    out = io.BytesIO()
    picture = Image.new("RGB", (30, 20), "red")
    exif = Image.Exif()
    exif[0x010E] = "HOME 21.0285,105.8542"
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_pictures_are_re_encoded_without_hidden_data() -> None:
    found = media.clean(jpeg())
    assert found.kind == "image/jpeg"
    assert b"HOME" not in found.body
    assert not Image.open(io.BytesIO(found.body)).getexif()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"MZ" + bytes(200),  # a program
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><script>alert(1)</script>",
        b"PK\x03\x04" + bytes(100),
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        bytes(10_000_001),
    ],
)
def test_everything_else_is_refused_by_content(raw: bytes) -> None:
    with pytest.raises(Refused):
        media.clean(raw)


def test_a_picture_of_twenty_megabytes_or_a_program_is_refused_and_nothing_is_kept(room: DeskRoom) -> None:
    mai, reference = room.hire("mai"), room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    for raw in (jpeg() + bytes(20_000_000), b"\xff\xd8\xff" + b"MZ" * 500):
        answer = her.post(f"/tickets/{reference}/picture", {"file": (io.BytesIO(raw), "<b>ảnh.jpg")})
        assert answer.status_code == 409
        assert "Về cuộc trò chuyện" in answer.text
        answer.request.environ["wsgi.input"].close()  # the test client leaves it open
    assert room.stage.rows("SELECT count(*) FROM media") == [(0,)]
    assert room.log(reference)[-1] == "taken"


def test_a_sent_picture_can_be_fetched_by_its_token_alone(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    sent = her.post(
        f"/tickets/{reference}/picture",
        {"file": (io.BytesIO(jpeg()), "../../x<script>.exe"), "once": str(uuid.uuid4())},
    )
    assert sent.status_code == 303
    program = her.post(f"/tickets/{reference}/picture", {"file": (io.BytesIO(b"MZ" + bytes(99)), "anh.jpg")})
    assert program.status_code == 409
    room.later(deeds.HOLD_MS)
    room.drain()
    call = room.stage.platforms.calls[-1]
    assert call.json is not None
    assert "/media/" in str(call.json)
    assert b"HOME" not in b"".join(file.read_bytes() for file in room.folder.glob("osso.db*"))


@pytest.mark.parametrize(
    "url",
    """http://scontent.fbcdn.net/a.jpg https://evil.example/a.jpg https://fbcdn.net.evil.example/a
    https://127.0.0.1/a https://localhost/a https://[::1]/a https://169.254.169.254/latest/meta-data
    https://scontent.fbcdn.net:8443/a https://user:pw@scontent.fbcdn.net/a file:///etc/passwd gopher://x.fbcdn.net/
    https://scontent.fbcdn.net@evil.example/ https://2130706433/ https://evilfbcdn.net/ ftp://x.zdn.vn/ //x.zdn.vn/a
    https://x.zdn.vn:99999/ https://ⓧ.zdn.vn/""".split(),
)
def test_only_the_platforms_hosts_are_fetched_from(url: str) -> None:
    with pytest.raises(Refused):
        media.allowed(url)


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 10.0.0.5 192.168.1.1 172.16.0.1 169.254.169.254 0.0.0.0 100.64.0.1 224.0.0.1 ::1 fe80::1 fc00::1 "
    "::ffff:127.0.0.1 ::ffff:10.0.0.1 2002:7f00:1::1".split(),
)
def test_a_platforms_name_that_points_inside_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        media.public(["157.240.1.1", address])
    with pytest.raises(Refused):
        media.fetch("https://x.fbcdn.net/a.jpg", resolver=lambda _host: [address])


def test_platform_addresses_are_allowed() -> None:
    assert media.allowed("https://scontent.xx.fbcdn.net/v/a.jpg?x=1") == ("scontent.xx.fbcdn.net", "/v/a.jpg?x=1")
    assert media.public(["157.240.1.1"]) == "157.240.1.1"


def test_a_picture_sent_in_the_simulator_is_looked_into_like_any_other(room: DeskRoom) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    her = room.browser(mai)
    ring = room.database.keyring
    with room.database.write() as connection:
        row = queries.get_conversation(connection, room.ticket(reference)["conversation_id"])
        assert row is not None
        for token, body in (("good", jpeg()), ("bad", b"MZ" + bytes(99))):
            keep(connection, ring, row, body, kind="image/jpeg", token=token, now=room.now)
    files = tuple(Attachment("image", url=url) for url in ("kept:good", "kept:bad", "kept:none", "https://127.0.0.1/x"))
    room.stage.hear(message("", key="pictures", attachments=files))
    page = her.get(f"/tickets/{reference}").text
    links = re.findall(r'src="(/tickets/[^"]+/attachments/[^"]+)"', page)
    assert len(links) == 4
    shown = her.get(links[0])
    assert (shown.status_code, shown.mimetype) == (200, "image/jpeg")
    assert b"HOME" not in shown.data  # re-encoded, its hidden place gone
    why = [her.get(link, Sec_Fetch_Dest="image").text for link in links[1:]]
    assert "không phải hình" in why[0]
    assert "không còn giữ" in why[1]
    assert "không nằm trên máy chủ" in why[2]
    front = Flask("front")
    front.register_blueprint(lent(cast("Parts", SimpleNamespace(database=room.database, rim=room.stage.rim))))
    assert front.test_client().get("/media/good").status_code == 404  # hers are for the desk alone
    stranger = room.asks(person="p2")
    room.take(mai, stranger)
    room.stage.hear(message("", key="theft", person="p2", attachments=files[:1]))
    theft = re.findall(r'src="(/tickets/[^"]+/attachments/[^"]+)"', her.get(f"/tickets/{stranger}").text)
    assert her.get(theft[0]).status_code == 409  # another woman's token opens nothing
    room.later(49 * HOUR)
    assert "không còn giữ" in room.browser(mai).get(links[0]).text


@pytest.mark.parametrize(
    ("status", "size", "late", "why"),
    [
        (200, 12_000_000, False, "lớn quá"),
        (200, 1_000, True, "chưa trả lời"),
        (503, 0, False, "chưa trả lời"),
        (429, 0, False, "chưa trả lời"),
        (404, 0, False, "không còn giữ"),
        (302, 0, False, "không còn giữ"),
        (403, 0, False, "không còn giữ"),
    ],
)
def test_why_a_picture_did_not_come_is_said_plainly(status: int, size: int, late: bool, why: str) -> None:
    with pytest.raises(Refused, match=why):
        media.received(status, (bytes(1_000) for _ in range(size // 1_000)), late=lambda: late)


def test_a_host_without_an_answer_is_said_plainly() -> None:
    def nowhere(host: str) -> list[str]:
        raise OSError(host)

    with pytest.raises(Refused, match="chưa trả lời"):
        media.fetch("https://x.zdn.vn/a", resolver=nowhere)


# --- news -------------------------------------------------------------------------------------------------------------


def test_the_watch_tells_each_listener_what_is_hers(room: DeskRoom) -> None:
    marks = _Marks()
    with room.database.read() as connection:
        assert look(connection, marks, room.now) is None
    reference = room.asks()
    with room.database.read() as connection:
        change = look(connection, marks, room.now)
        again = look(connection, marks, room.now)
    assert change is not None
    assert again is None
    conversation = room.ticket(reference)["conversation_id"]
    mine = Interest(1, frozenset({"hn"}), conversation)
    assert mine.told(change) == {"queue": True, "chat": True}
    assert Interest(2, frozenset({"ct"}), 99).told(change) == {}
    assert Interest(3, frozenset({"*"})).told(change) == {"queue": True}


def test_the_stream_speaks_soon_and_ends(room: DeskRoom) -> None:
    watch = Watch(room.database, lambda: room.now)
    stream = watch.stream(Interest(1, frozenset({"hn"})), seconds=8)
    assert next(stream).startswith("retry")
    first = iter(stream)
    threading.Timer(1.0, room.asks).start()
    assert "queue" in next(first)
    stream.close()
    assert watch.listeners == 0


def test_the_watch_tells_leads_who_came_went_and_paused(room: DeskRoom) -> None:
    mai, marks = room.hire("mai"), _Marks()
    boss, other = Interest(9, frozenset({"hn"}), people=True), Interest(8, frozenset({"hn"}))

    def told() -> dict[str, bool]:
        with room.database.read() as connection:
            change = look(connection, marks, room.now)
        assert change is None or "people" not in other.told(change)
        return boss.told(change) if change else {}

    assert told() == {}
    room.later(1_000)
    room.see(mai)
    assert told() == {}  # she was there before
    for act in ("pause", "back", "debrief"):
        room.browser(mai).post("/me/duty", {"act": act})
        assert told() == {"people": True}, act
    room.later(AWAY_MS + 1)
    assert told() == {"people": True}
    room.see(mai)
    assert told() == {"people": True}
    assert told() == {}


def test_nothing_falls_between_two_streams(room: DeskRoom) -> None:
    watch, mine = Watch(room.database, lambda: room.now), Interest(1, frozenset({"hn"}))
    first, second = watch.stream(mine, seconds=20), watch.stream(mine, seconds=20)
    mark = re.findall(r"id: (\S+)", next(first))[0]
    first.close()
    next(second)  # somebody goes on listening, so the watch goes on looking
    time.sleep(1)
    room.asks()
    assert "queue" in next(second)
    third = watch.stream(mine, seconds=20, after=mark)
    next(third)
    assert "queue" in next(third)
    fourth = watch.stream(mine, seconds=20, after="another-7")  # of another process: it looks at everything once
    assert "id:" not in next(fourth)
    assert '"queue": true' in next(fourth)
    for stream in (second, third, fourth):
        stream.close()
    assert watch.listeners == 0


def test_live_asks_for_a_ticket_she_may_read(room: DeskRoom) -> None:
    mai, lan = room.hire("mai"), room.hire("lan", ("counsellor", "ct"))
    reference = room.asks()
    answer = room.browser(mai).client.get(f"/live?ticket={reference}", base_url="http://localhost", buffered=False)
    assert answer.status_code == 200
    assert answer.mimetype == "text/event-stream"
    answer.close()
    assert room.browser(lan).get(f"/live?ticket={reference}").status_code == 404
    with room.database.read() as connection:
        assert queries.open_ticket(connection, room.ticket(reference)["conversation_id"]) is not None


# --- languages --------------------------------------------------------------------------------------------------------


def test_every_word_of_the_desk_has_its_english() -> None:
    root = Path(__file__).parent.parent
    with (root / "locales/en/LC_MESSAGES/desk.po").open("rb") as file:
        known = {message.id: message.string for message in read_po(file)}
    said = set()
    for template in (root / "handoff/templates/desk").glob("*.html"):
        for found in re.finditer(r"_\(\s*(?:\"([^\"]+)\"|'([^']+)')", template.read_text(encoding="utf-8")):
            said.add(found[1] or found[2])
    for name in vars(words):
        if name.isupper() and isinstance(getattr(words, name), dict) and name != "CHANNELS":
            said |= set(getattr(words, name).values())
    said |= {media.GONE, media.NO_ANSWER}
    for source in [*(root / "handoff/desk").glob("*.py"), *(root / "handoff").glob("[dmt]*.py")]:
        said |= set(re.findall(r'Refused\(\s*"([^"]+)"', source.read_text(encoding="utf-8")))
    assert len(said) > 300
    assert sorted(word for word in said if not known.get(word)) == []
    for word in said:  # every place that is filled is there in both
        assert set(re.findall(r"\{\w+\}", word)) == set(re.findall(r"\{\w+\}", str(known[word]))), word
