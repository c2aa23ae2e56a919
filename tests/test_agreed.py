"""The real flows, the rim and the desk together, on both databases: an appointment from her first word to the reminder,
how a chat went, and giving up the place in the queue."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from sqlalchemy import select

from bot.knowledge import office_for
from bot.messages import Message
from bot.rim import Duty, Mind
from bot.store import queries
from bot.store.database import Database
from bot.worker import Worker
from handoff import appointments, deeds, jobs
from handoff.desk.talk import _shown
from handoff.tickets import Close
from tests.dialogue import book, inside
from tests.room import Room
from tests.stage import START, Parrot, address
from tests.test_appointments import at, reminder
from tests.test_asking_later import passed, to_hour


@pytest.fixture
def room(database: Database) -> Room:
    found = Room(database)
    found.stage.parrot = cast(Parrot, Mind(book(), inside(), inside()))
    found.stage.screen = book().screen
    to_hour(found, 10)
    return found


def tap(room: Room, payload: str) -> None:
    key = f"{payload}-{room.now}"
    room.later(1_000)
    room.stage.hear(Message(key=key, address=address(), at=START, id=key, payload=payload))


def newest(room: Room) -> str:
    with room.database.read() as connection:
        query = select(queries.appointment.c.uuid).order_by(queries.appointment.c.id.desc()).limit(1)
        return str(connection.execute(query).scalar_one())


def statuses(room: Room) -> list[str]:
    return [row[0] for row in room.stage.rows("SELECT status FROM appointment ORDER BY id")]


def test_an_appointment_from_her_first_word_to_the_reminder(room: Room) -> None:
    mai = room.hire("mai", ("counsellor", "*"))
    room.says("hẹn gặp")
    tap(room, "/SetSlots(appointment_kind=visit)")
    tap(room, "/SetSlots(appointment_when=any)")
    tap(room, "/SetSlots(province=ha-noi)")
    assert "lúc đó mới chắc chắn" in room.said()[-1]
    assert (statuses(room), reminder(room)) == (["asked"], 0)
    room.later(1_000)
    room.says("lịch hẹn")
    assert "đang chờ xác nhận" in room.said()[-1]
    tap(room, "/SetSlots(appointment_act=keep)")
    appointments.confirm(room.desk, mai, newest(room), starts_at=at(room, 2, 15), place="20 Thụy Khuê")
    room.drain()
    assert "Hẹn gặp chị lúc 15:00" in room.said()[-1]
    room.later(1_000)
    room.says("lịch hẹn")
    assert "mình đã hẹn với chị: 15:00" in room.said()[-1]
    assert "20 Thụy Khuê" in room.said()[-1]
    to_hour(room, 9)
    room.says("em cảm ơn")
    assert passed(room, reminder(room) - room.now + 1)[-1].startswith("Chào chị, OSSO nhắc chị một việc mình đã hẹn")
    tap(room, "/change_appointment")
    tap(room, "/SetSlots(appointment_act=cancel)")
    assert "đã bỏ lời hẹn" in room.said()[-1]
    assert (statuses(room), reminder(room)) == (["cancelled"], 0)


def test_asking_anew_replaces_what_was_asked_or_agreed(room: Room) -> None:
    mai = room.hire("mai", ("counsellor", "*"))
    for _ in range(2):
        room.says("hẹn gọi lại", key=str(room.now))
        tap(room, "/SetSlots(appointment_kind=call)")
        tap(room, "/skip")
        tap(room, "/skip")
        room.later(60_000)
    assert statuses(room) == ["moved", "asked"]
    appointments.confirm(room.desk, mai, newest(room), starts_at=at(room, 2, 15))
    assert reminder(room) > 0
    room.says("hẹn gọi lại", key="again")
    tap(room, "/SetSlots(appointment_kind=call)")
    tap(room, "/skip")
    tap(room, "/skip")
    assert (statuses(room), reminder(room)) == (["moved", "moved", "asked"], 0)


def noted(asked: list[str], place: str) -> Duty:
    asked.append(place)
    return Duty()


@pytest.mark.parametrize(
    ("said", "office"),
    [
        (("em ở Hải Dương, làm khai sinh cho con ở đâu", "gặp người"), "osso-haiduong"),
        (("van phong o hai duong", "gặp người"), "osso-haiduong"),
        (("văn phòng ở đâu", "kim thanh hai duong", "gặp người"), "osso-haiduong"),
        (("văn phòng ở đâu", "huyện Long Mỹ", "gặp người"), "osso-haugiang"),
        (("văn phòng ở đâu", "Hải Phòng", "gặp người"), "osso-haiphong"),
        (("em cần giúp ngay", "em ở huyện Long Mỹ"), "osso-haugiang"),  # the ticket came before the question
        (("gặp người", "văn phòng ở đâu", "Hải Phòng", "à không, em ở Hải Dương"), "osso-haiduong"),
    ],
)
def test_her_ticket_goes_to_the_office_of_her_old_province(room: Room, said: tuple[str, ...], office: str) -> None:
    asked: list[str] = []
    room.stage.worker = Worker(replace(room.stage.rim, roster=lambda place, _skill, _now: noted(asked, place)))
    for text in said:
        room.later(1_000)
        room.says(text, key=text)
    jobs.route(room.desk, book().knowledge.provinces)
    assert [tuple(row) for row in room.stage.rows("SELECT office FROM ticket")] == [(office,)]
    room.later(1_000)
    room.says("có ai không", key="late")
    assert office_for(asked[-1], book().knowledge.provinces) == office, "the waiting words speak of that office"


@pytest.mark.parametrize(
    ("told", "read"), [("hai-phong", "Hải Phòng"), ("Hải Dương", "Hải Dương (Hải Phòng)"), ("ở xa lắm", "ở xa lắm")]
)
def test_the_desk_names_the_old_province_and_the_new(told: str, read: str) -> None:
    assert _shown(Mind(book(), inside(), inside()), "province", told) == read


def test_after_a_chat_she_is_asked_and_answers(room: Room) -> None:
    mai = room.hire("mai", ("counsellor", "*"))
    room.says("gặp người")
    reference = str(room.stage.rows("SELECT uuid FROM ticket")[0][0])
    room.take(mai, reference)
    room.reply(mai, reference, "Chào chị, em là Mai", hold_ms=0)
    room.drain()
    room.later(60_000)
    room.says("dạ em cảm ơn chị")
    deeds.close(room.desk, mai, reference, Close("answered"))
    heard = passed(room, deeds.ASK_AFTER_MS + 1)
    assert "trợ lý tự động" in heard[0]  # who speaks now
    assert "có giúp được chị không" in heard[-1]
    tap(room, "/SetSlots(feedback_useful=true)")
    assert "OSSO đã ghi nhận" in room.said()[-1]
    assert [tuple(row) for row in room.stage.rows("SELECT article, useful FROM feedback")] in (
        [("chat", 1)],
        [("chat", True)],
    )


def test_after_danger_she_is_never_asked(room: Room) -> None:
    mai = room.hire("mai", ("counsellor", "*"))
    room.says("anh ấy hay đánh em")
    reference = str(room.stage.rows("SELECT uuid FROM ticket")[0][0])
    room.take(mai, reference)
    deeds.close(room.desk, mai, reference, Close("answered", "safe", "adult_choice"))
    assert passed(room, 48 * 3_600_000) == []


def tickets(room: Room) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in room.stage.rows("SELECT level, state, closing FROM ticket ORDER BY id")]


def test_her_place_is_given_up_after_one_question_and_only_then(room: Room) -> None:
    mai = room.hire("mai", ("counsellor", "*"))
    room.says("gặp người")
    room.says("huỷ")
    assert "OSSO vẫn giữ lượt cho chị" in room.said()[-1]
    assert tickets(room) == [("NONE", "waiting", "")]
    tap(room, "/keep_waiting")
    assert tickets(room) == [("NONE", "waiting", "")]
    room.says("khong can nua")
    tap(room, "/stop_waiting")
    assert "OSSO bỏ lượt chờ của chị" in room.said()[-1]
    assert tickets(room) == [("NONE", "closed", "cancelled")]
    assert deeds.take_next(room.desk, mai) is None
    tap(room, "/stop_waiting")  # the old button
    assert "không thấy lượt chờ nào" in room.said()[-1]
    assert tickets(room) == [("NONE", "closed", "cancelled")]


def test_danger_keeps_its_place_whatever_is_said_and_she_is_told(room: Room) -> None:
    mai = room.hire("mai", ("counsellor", "*"))
    room.says("anh ta đang đánh em")
    for words in ("huỷ", "thôi khỏi chờ nữa", "không cần nữa"):
        room.says(words)
        assert "tư vấn viên vẫn sẽ xem tin của chị" in room.said()[-1], words
    tap(room, "/stop_waiting")
    assert "tư vấn viên vẫn sẽ xem tin của chị" in room.said()[-1]
    assert tickets(room) == [("RED", "waiting", "")]
    assert deeds.take_next(room.desk, mai) is not None
