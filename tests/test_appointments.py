"""Appointments: a person confirms, moves or declines; she is told and reminded at safe hours; nobody is spoken over."""

from __future__ import annotations

import datetime
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from bot import texts
from bot.clock import fire_timers
from bot.errors import Refused
from bot.hearing import ZONE
from bot.outbox import safe_time
from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff import appointments
from handoff.accounts import ROLES, Role
from handoff.accounts.queries import audit
from handoff.appointments import Wish, remind_at
from handoff.deeds import Missing
from tests.conftest import SECRET
from tests.desk_room import DeskRoom
from tests.room import Room
from tests.test_asking_later import keep, passed, to_hour

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ROOT = Path(__file__).parent.parent


@pytest.fixture
def room(database: Database) -> Room:
    found = Room(database)
    to_hour(found, 10)
    return found


@pytest.fixture
def pages(sqlite_template: Path, tmp_path: Path) -> Iterator[DeskRoom]:
    shutil.copy(sqlite_template, tmp_path / "osso.db")
    database = Database(f"sqlite:///{tmp_path / 'osso.db'}", Keyring([SECRET]))
    event.listen(database.engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
    found = DeskRoom(database, folder=tmp_path)
    to_hour(found, 10)
    yield found
    database.close()


def at(room: Room, days: int, hour: int) -> int:
    """ms of that hour so many days from now, in Viet Nam."""
    local = datetime.datetime.fromtimestamp(room.now / 1000, ZONE) + datetime.timedelta(days=days)
    return int(local.replace(hour=hour, minute=0, second=0, microsecond=0).timestamp() * 1000)


def iso(ms: int) -> str:
    return datetime.datetime.fromtimestamp(ms / 1000, ZONE).isoformat(timespec="minutes")


def row(room: Room, reference: str) -> dict[str, object]:
    with room.database.read() as connection:
        query = select(queries.appointment).where(queries.appointment.c.uuid == reference)
        return dict(connection.execute(query).mappings().one())


def reminder(room: Room) -> int:
    with room.database.read() as connection:
        query = select(queries.timer.c.at).where(queries.timer.c.kind == "appointment")
        return int(connection.execute(query).scalar() or 0)


# --- the way of a request ---------------------------------------------------------------------------------------------


def test_a_visit_is_confirmed_told_and_reminded_of(room: Room) -> None:
    mai = room.hire("mai")
    wish = at(room, 3, 15)
    reference = room.wants("visit", iso(wish))
    assert reminder(room) == 0  # nothing is promised before a person says yes
    told = appointments.confirm(room.desk, mai, reference, starts_at=wish, place="20 Thụy Khuê")
    room.drain()
    assert told.at == room.now
    assert room.said()[-1].startswith("Chào chị, OSSO trả lời việc chị đã hỏi ạ. Hẹn gặp chị lúc 15:00 ")
    assert "20 Thụy Khuê" in room.said()[-1]
    assert row(room, reference)["status"] == "confirmed"
    assert ("appointment.confirmed", f"appointment:{reference}") in [told[1:] for told in room.told]
    assert reminder(room) == at(room, 2, 18)
    ticket = room.stage.rows("SELECT state, closing, staff_id FROM ticket")[0]
    assert tuple(ticket) == ("closed", "appointment", mai.id)  # what it asked for is done
    to_hour(room, 9)
    to_hour(room, 9)
    room.says("dạ em nhớ rồi")  # the platform lets the bot speak for a day
    assert passed(room, reminder(room) - room.now + MINUTE) == ["3: [remind]"]


def test_a_reminder_the_platform_does_not_take_is_a_persons_to_give(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.wants("call")
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))
    assert len(passed(room, reminder(room) - room.now + MINUTE)) == 1  # the confirmation, days ago
    assert tuple(room.stage.rows("SELECT reason, state FROM ticket ORDER BY id DESC")[0]) == ("appointment", "waiting")


def test_another_time_is_said_to_be_another(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.wants("call", iso(at(room, 3, 15)))
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 4, 9))
    room.drain()
    assert "gọi cho chị giờ khác: 09:00" in room.said()[-1]


def test_moving_takes_back_what_has_not_left_and_sets_the_reminder_anew(room: Room) -> None:
    mai = room.hire("mai")
    to_hour(room, 22)  # nothing leaves at night
    reference = room.wants("call", "2027")
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))
    first = reminder(room)
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 5, 16))
    assert reminder(room) == first + 2 * DAY
    heard = passed(room, 11 * HOUR)
    assert len(heard) == 1
    assert "giờ khác: 16:00" in heard[0]
    assert [told[1] for told in room.told] == ["appointment.confirmed", "appointment.moved"]


def test_the_same_answer_twice_speaks_once(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.wants("call")
    for _ in range(2):
        appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))
    room.drain()
    assert len([text for text in room.said() if "gọi cho chị" in text]) == 1


def test_two_counsellors_at_once_one_answer(room: Room) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.wants("call")
    start, refused = threading.Barrier(2), []

    def decline(who: object) -> None:
        start.wait()
        try:
            appointments.decline(room.desk, who, reference)  # type: ignore[arg-type]
        except Refused:
            refused.append(who)

    threads = [threading.Thread(target=decline, args=(who,)) for who in (mai, lan)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    room.drain()
    assert len(refused) == 1
    assert len([text for text in room.said() if "chưa sắp được" in text]) == 1


def test_a_kind_no_with_a_line_of_her_own(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.wants("visit")
    appointments.decline(room.desk, mai, reference, words="Tuần sau văn phòng mở lại, em sẽ nhắn chị trước.")
    room.drain()
    assert "Tuần sau văn phòng mở lại" in room.said()[-1]
    assert "xin lỗi" in room.said()[-1]
    assert (row(room, reference)["status"], reminder(room)) == ("declined", 0)
    with pytest.raises(Refused, match="trả lời rồi"):
        appointments.decline(room.desk, mai, reference)


def test_her_cancel_stops_the_reminder_and_what_has_not_left(room: Room) -> None:
    mai = room.hire("mai")
    to_hour(room, 22)
    reference = room.wants("call")
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))
    assert reminder(room) > 0
    room.wants(act="cancel")
    assert (row(room, reference)["status"], reminder(room)) == ("cancelled", 0)
    assert passed(room, 12 * HOUR) == []
    with pytest.raises(Refused, match="đổi, bỏ"):
        appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))


def test_her_new_wish_replaces_the_old_one(room: Room) -> None:
    mai = room.hire("mai")
    first = room.wants("call")
    appointments.confirm(room.desk, mai, first, starts_at=at(room, 3, 15))
    second = room.wants("call", iso(at(room, 6, 9)), act="move")
    assert (row(room, first)["status"], row(room, second)["status"], reminder(room)) == ("moved", "asked", 0)
    appointments.confirm(room.desk, mai, second, starts_at=at(room, 6, 9))
    assert reminder(room) == at(room, 5, 18)


def test_what_she_is_told_waits_for_her_safe_hours(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.wants("call")
    keep(room, hours="18-21")
    told = appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))
    assert told.at == at(room, 0, 18)
    assert passed(room, 7 * HOUR) == []
    assert len(passed(room, 2 * HOUR)) == 1


@pytest.mark.parametrize("fields", [{"message": "no"}, {"safe_now": "no"}])
def test_where_she_forbade_messages_nothing_is_sent_and_staff_is_told(room: Room, fields: dict[str, str]) -> None:
    mai = room.hire("mai")
    reference = room.wants("call")
    keep(room, **fields)
    assert appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15)).at is None
    assert (row(room, reference)["status"], reminder(room)) == ("confirmed", 0)
    assert passed(room, 60 * HOUR) == []


def test_a_colleague_who_holds_the_chat_is_not_spoken_over(room: Room) -> None:
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.wants("call")
    held = room.asks()
    room.take(mai, held)
    with pytest.raises(Refused, match="Mai"):
        appointments.confirm(room.desk, lan, reference, starts_at=at(room, 3, 15))
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))
    room.drain()
    assert "gọi cho chị" in room.said()[-1]
    assert room.ticket(held)["state"] == "taken"  # her talk goes on


def test_a_ticket_of_danger_is_left_alone(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.wants("call")
    room.says("cứu em")
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))
    assert [one[0] for one in room.stage.rows("SELECT state FROM ticket")] == ["waiting"]


@pytest.mark.parametrize(
    ("days", "place", "why"),
    [
        (-1, "20 Thụy Khuê", "sau lúc này"),
        (400, "20 Thụy Khuê", "sau lúc này"),
        (2, "  ", "nơi gặp"),
        (2, "x" * 201, "nơi"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(room: Room, days: int, place: str, why: str) -> None:
    mai = room.hire("mai")
    reference = room.wants("visit")
    with pytest.raises(Refused, match=why):
        appointments.confirm(room.desk, mai, reference, starts_at=at(room, days, 15), place=place)
    assert row(room, reference)["status"] == "asked"
    assert [text for text in room.said() if text.startswith("Chào chị")] == []


def test_a_closed_window_is_told_before_anything_is_written(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.wants("call")
    room.later(8 * DAY)
    with pytest.raises(Refused, match="quá thời hạn"):
        appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15))
    assert row(room, reference)["status"] == "asked"


def test_words_come_in_her_language(room: Room) -> None:
    room.stage.rim = room.desk.rim
    object.__setattr__(room.desk.rim, "texts", texts.load(ROOT / "locales"))
    mai = room.hire("mai")
    reference = room.wants("visit")
    with room.database.write() as connection:
        connection.execute(queries.conversation.update().values(locale="ko"))
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15), place="20 Thụy Khuê")
    room.drain()
    assert "오후 3시" in room.said()[-1]
    assert "20 Thụy Khuê" in room.said()[-1]


def test_the_bot_knows_what_is_agreed(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.wants("visit")
    room.says("một")
    appointments.confirm(room.desk, mai, reference, starts_at=at(room, 3, 15), place="20 Thụy Khuê")
    room.says("hai")
    world = room.stage.parrot.heard[-1].world
    assert world.appointment_at.startswith("15:00 ")
    assert world.appointment_at.endswith(", 20 Thụy Khuê")
    room.later(4 * DAY)
    room.says("ba")
    assert [heard.world.appointment for heard in room.stage.parrot.heard[-3:]] == ["asked", "confirmed", "none"]


# --- rules alone ------------------------------------------------------------------------------------------------------


NIGHT = int(datetime.datetime(2026, 11, 28, 15, tzinfo=ZONE).timestamp() * 1000)


@pytest.mark.parametrize(
    ("when", "hour", "wanted"),
    [
        ("2026-11-28", 9, True),
        ("2026-11-28T15:00+07:00", 15, True),
        ("2026-11-28T08:00+00:00", 15, True),
        ("2026-11-28T15:00", 16, False),
        ("2026-11-27", 15, False),
        ("sau Tết", 15, True),
        ("any", 15, True),
        ("", 15, True),
    ],
)
def test_whether_a_time_is_what_she_asked_for(when: str, hour: int, wanted: bool) -> None:
    starts_at = int(datetime.datetime(2026, 11, 28, hour, tzinfo=ZONE).timestamp() * 1000)
    assert Wish(when, "").wants(starts_at) is wanted


@given(
    st.integers(0, 23),
    st.integers(1, 24),
    st.integers(0, 14 * 24),
    st.sampled_from([{}, {"message": "no"}]),
)
def test_reminders_come_at_safe_hours_and_in_time(low: int, high: int, ahead: int, more: dict[str, str]) -> None:
    safe = {"hours": f"{low}-{high}"} | more
    now = NIGHT - ahead * HOUR
    found = remind_at(safe, NIGHT, now)
    if found is None:
        return
    assert now + 2 * HOUR <= found <= NIGHT - HOUR
    assert safe_time(safe, found) == found


def test_an_evening_reminder_is_the_evening_before() -> None:
    assert remind_at({}, NIGHT, NIGHT - 3 * DAY) == NIGHT - 21 * HOUR
    assert remind_at({"hours": "6-11"}, NIGHT, NIGHT - 3 * DAY) == NIGHT - 9 * HOUR
    assert remind_at({"hours": "20-22"}, NIGHT, NIGHT - 3 * DAY) == NIGHT - 19 * HOUR
    assert remind_at({}, NIGHT, NIGHT - 2 * HOUR) is None


# --- pages ------------------------------------------------------------------------------------------------------------


def forms(reference: str) -> list[tuple[str, dict[str, str]]]:
    return [
        (f"/appointments/{reference}/confirm", {"date": "2026-09-30", "time": "15:00", "place": "20 Thụy Khuê"}),
        (f"/appointments/{reference}/decline", {"words": "xin lỗi chị"}),
    ]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("office", "there"), [("hn", True), ("ct", False), ("*", True)])
def test_only_counsellors_and_leads_of_the_office_see_and_answer(
    pages: DeskRoom, role: Role, office: str, there: bool
) -> None:
    reference = pages.wants("visit", "chiều mai nhé")
    window = pages.browser(pages.hire("who", (role, office)))
    window.get("/account")
    may = role in ("counsellor", "lead")
    page = window.get("/appointments")
    assert page.status_code == (200 if may else 404)
    assert ("chiều mai nhé" in page.text) is (may and there)
    for path, form in forms(reference):
        answer = window.post(path, form)
        assert answer.status_code == (303 if may and there and "confirm" in path else answer.status_code)
        assert (answer.status_code == 404) is not (may and there), (path, answer.status_code)
        missing = window.post(path.replace(reference, str(uuid.uuid4())), form)
        assert missing.status_code == 404
    with pages.database.read() as connection:
        done = set(connection.execute(select(audit.c.action)).scalars())
    assert ("appointment.confirmed" in done) is (may and there)
    assert ("appointment.declined" in done) is (may and there)


def test_the_office_of_her_ticket_counts_when_she_named_no_province(pages: DeskRoom) -> None:
    reference = pages.wants("call", "chiều mai nhé", office="")
    lan = pages.browser(pages.hire("lan", ("counsellor", "ct")))
    assert "chiều mai nhé" in lan.get("/appointments").text  # of no office yet: whoever is there
    with pages.database.write() as connection:
        connection.execute(queries.ticket.update().values(office="hn"))
    assert "chiều mai nhé" not in lan.get("/appointments").text
    with pytest.raises(Missing):
        appointments.decline(pages.desk, pages.hire("thu", ("counsellor", "ct")), reference)


def test_the_page_shows_the_way_of_a_request(pages: DeskRoom) -> None:
    mai = pages.hire("mai")
    her = pages.browser(mai)
    reference = pages.wants("visit", iso(at(pages, 3, 15)))
    page = her.get("/appointments").text
    day = datetime.datetime.fromtimestamp(at(pages, 3, 15) / 1000, ZONE)
    assert f'value="{day:%Y-%m-%d}"' in page
    assert 'value="15:00"' in page
    form = {"date": f"{day:%Y-%m-%d}", "time": "15:00", "place": "20 Thụy Khuê"}
    answer = her.post(f"/appointments/{reference}/confirm", form)
    assert "tin đang được gửi" in her.get(answer.headers["Location"].removeprefix("http://localhost")).text
    pages.drain()
    assert "20 Thụy Khuê" in pages.said()[-1]
    assert "Mai" in her.get("/appointments").text
    pages.wants(act="cancel")
    assert "Chị ấy bỏ hẹn" in her.get("/appointments").text
    pages.wants("visit", "sáng thứ bảy", act="ask")
    pages.wants("visit", "sau Tết", act="move")
    page = her.get("/appointments").text
    assert "Chị ấy xin đổi giờ" in page
    assert "“sau Tết”" in page


def test_a_form_without_day_or_hour_is_refused_in_words(pages: DeskRoom) -> None:
    her = pages.browser(pages.hire("mai"))
    reference = pages.wants("visit")
    for form in ({}, {"date": "x", "time": "y"}, {"date": "2026-09-30"}):
        answer = her.post(f"/appointments/{reference}/confirm", form)
        assert answer.status_code == 409
        assert "chọn ngày và giờ" in answer.text


def test_her_number_is_shown_for_a_call_and_her_no_to_calls_too(pages: DeskRoom) -> None:
    her = pages.browser(pages.hire("mai"))
    pages.wants("call", "any")
    keep(pages, call="no")
    page = her.get("/appointments").text
    assert "xin đừng gọi điện" in page
    assert "Lúc nào cũng được" in page


@pytest.mark.parametrize("script", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}"])
def test_script_stays_text(pages: DeskRoom, script: str) -> None:
    her = pages.browser(pages.hire("mai"))
    reference = pages.wants("visit", script)
    her.post(f"/appointments/{reference}/confirm", {"date": "2026-09-30", "time": "15:00", "place": script})
    page = her.get("/appointments?told=%3Cscript%3E").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert ">49<" not in page


def test_reading_the_list_is_audited(pages: DeskRoom) -> None:
    pages.browser(pages.hire("mai")).get("/appointments")
    with pages.database.read() as connection:
        assert "appointments.read" in set(connection.execute(select(audit.c.action)).scalars())


def test_nothing_is_left_of_her_when_she_is_forgotten(pages: DeskRoom) -> None:
    mai = pages.hire("mai")
    reference = pages.wants("call", "chiều mai nhé")
    appointments.confirm(pages.desk, mai, reference, starts_at=at(pages, 3, 15))
    with pages.database.write() as connection:
        her = connection.execute(select(queries.conversation.c.id)).scalar_one()
        queries.erase(connection, her, now=pages.now, new_index=uuid.uuid4().bytes * 2)
    assert "chiều mai nhé" not in pages.browser(mai).get("/appointments").text
    assert pages.stage.rows("SELECT count(*) FROM appointment")[0][0] == 0
    assert fire_timers(pages.stage.rim, lambda _conversation, _rank: None) == 0
