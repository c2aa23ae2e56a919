"""How a chat went is asked later, on both databases: at a safe hour, once, and never after danger or when she wrote."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import insert, select

from bot.clock import fire_timers
from bot.hearing import ZONE, Holding
from bot.messages import OpenTicket, Subscription
from bot.store import queries
from bot.store.database import Database
from handoff import deeds
from handoff.accounts.staff import Staff
from handoff.tickets import CLOSINGS, NON_DATA, Close, Ticket, asks_how_it_went
from tests.room import Room

MINUTE, HOUR = 60_000, 3_600_000
QUESTION = "[/chat_feedback]"  # what the parrot makes of the timer


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


def timer(room: Room) -> int:
    """When the question is set for (ms), 0 for never."""
    with room.database.read() as connection:
        query = select(queries.timer.c.at).where(queries.timer.c.kind == queries.CHAT_FEEDBACK)
        return int(connection.execute(query).scalar() or 0)


def closed(room: Room, reason: str = "answered", *, text: str = "em hỏi giấy tờ", **more: str) -> tuple[Staff, str]:
    mai = room.hire("mai")
    reference = room.asks(text)
    room.take(mai, reference)
    deeds.close(room.desk, mai, reference, Close(reason, **more))
    return mai, reference


def to_hour(room: Room, hour: int) -> None:
    """On to the next moment of that hour in Viet Nam."""
    local = datetime.datetime.fromtimestamp(room.now / 1000, ZONE)
    then = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    room.later(int(((then if then > local else then + datetime.timedelta(days=1)) - local).total_seconds() * 1000))


def passed(room: Room, milliseconds: int) -> list[str]:
    """What she hears in that time."""
    before = len(room.said())
    room.later(milliseconds)
    fire_timers(room.stage.rim, lambda _conversation, _rank: None)
    room.drain()
    return room.said()[before:]


def keep(room: Room, **fields: str) -> None:
    """Her own word about safe contact (of whoever came last)."""
    with room.database.write() as connection:
        newest = select(queries.conversation).order_by(queries.conversation.c.id.desc()).limit(1)
        row = connection.execute(newest).mappings().one()
        key = Holding.of(room.stage.rim, row).key
        sealed = key.seal(fields, "conversation", row["uuid"], "safe")
        queries.change_conversation(connection, row["id"], safe_sealed=sealed)


def test_half_an_hour_after_the_end_once(room: Room) -> None:
    to_hour(room, 10)
    closed(room)
    assert timer(room) == room.now + deeds.ASK_AFTER_MS
    assert passed(room, 29 * MINUTE) == []
    assert passed(room, 2 * MINUTE) == [f"2: {QUESTION}"]
    assert passed(room, 3 * HOUR) == []


def test_at_night_it_waits_for_the_morning(room: Room) -> None:
    to_hour(room, 21)
    closed(room)
    assert datetime.datetime.fromtimestamp(timer(room) / 1000, ZONE).hour == 8
    assert passed(room, 9 * HOUR) == []
    assert passed(room, 2 * HOUR) == [f"2: {QUESTION}"]


def test_her_own_hours_count_and_also_when_she_changes_them_meanwhile(room: Room) -> None:
    to_hour(room, 10)
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    keep(room, hours="18-21")
    deeds.close(room.desk, mai, reference, Close("answered"))
    assert datetime.datetime.fromtimestamp(timer(room) / 1000, ZONE).hour == 18
    keep(room, hours="19-21")
    assert passed(room, 8 * HOUR + MINUTE) == []  # it is due, and the gate holds it
    assert passed(room, HOUR) == [f"2: {QUESTION}"]


@pytest.mark.parametrize("fields", [{"message": "no"}, {"safe_now": "no"}])
def test_never_where_she_asked_for_no_messages(room: Room, fields: dict[str, str]) -> None:
    to_hour(room, 10)
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    keep(room, **fields)
    deeds.close(room.desk, mai, reference, Close("answered"))
    assert timer(room) == 0


def test_never_after_she_said_stop_before_or_after_the_end(room: Room) -> None:
    to_hour(room, 10)
    room.stage.parrot.effects = lambda heard: (Subscription("*", False),) if heard.text == "dừng" else ()
    room.says("dừng")
    closed(room)
    assert timer(room) == 0
    with room.database.write() as connection:
        connection.execute(queries.subscription.update().values(on=True))
    reference = room.asks("lần nữa")
    lan = room.hire("lan")
    room.take(lan, reference)
    deeds.close(room.desk, lan, reference, Close("answered"))
    assert timer(room) > 0
    with room.database.write() as connection:  # she stopped everything at the platform: no word of hers, but a no
        connection.execute(queries.subscription.update().values(on=False))
    assert passed(room, HOUR) == []


def test_her_word_takes_it_away(room: Room) -> None:
    to_hour(room, 10)
    closed(room)
    room.later(MINUTE)
    room.says("em cảm ơn")
    assert passed(room, HOUR) == []
    assert timer(room) == 0


def test_a_new_ticket_takes_it_away_at_once(room: Room) -> None:
    to_hour(room, 10)
    closed(room)
    assert timer(room) > 0
    room.stage.parrot.effects = lambda _heard: (OpenTicket("asked"),)
    room.later(MINUTE)
    room.says("em muốn hỏi thêm")
    assert timer(room) == 0


def test_while_a_person_owns_the_chat_again_nothing_is_asked(room: Room) -> None:
    to_hour(room, 10)
    _mai, reference = closed(room)
    room.change(reference, state="taken", closed_at=None)
    with room.database.write() as connection:
        queries.change_conversation(connection, room.ticket(reference)["conversation_id"], owner="person")
    assert passed(room, HOUR) == []


@pytest.mark.parametrize("reason", [*NON_DATA, "cancelled"])
def test_not_where_there_was_no_talk(room: Room, reason: str) -> None:
    to_hour(room, 10)
    closed(room, reason)
    assert timer(room) == 0


@pytest.mark.parametrize("level", ["RED", "AMBER", "CHECK"])
def test_never_after_danger(room: Room, level: str) -> None:
    to_hour(room, 10)
    mai = room.hire("mai")
    reference = room.asks(level=level)
    room.take(mai, reference)
    deeds.close(room.desk, mai, reference, Close("answered", "safe", "not_needed"))
    assert timer(room) == 0


@pytest.mark.parametrize("level", ["RED", "AMBER", "CHECK"])
def test_never_when_she_sounded_in_danger_though_the_ticket_says_nothing(room: Room, level: str) -> None:
    """A gentle question opens no ticket; what led to it still counts, also shortly before the ticket."""
    to_hour(room, 10)
    room.says("câu đầu")
    with room.database.write() as connection:
        connection.execute(queries.entry.update().where(queries.entry.c.author == "person").values(level=level))
    room.later(5 * HOUR)
    closed(room)
    assert timer(room) == 0


def test_never_to_her_who_was_in_danger_in_an_earlier_chat(room: Room) -> None:
    to_hour(room, 10)
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    with room.database.write() as connection:
        queries.change_conversation(connection, room.ticket(reference)["conversation_id"], flagged=True)
    deeds.close(room.desk, mai, reference, Close("answered"))
    assert timer(room) == 0


def test_not_when_the_platform_would_no_longer_take_it(room: Room) -> None:
    to_hour(room, 10)
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    room.later(25 * HOUR)
    deeds.close(room.desk, mai, reference, Close("answered"))
    assert timer(room) == 0


def test_a_reminder_too_waits_for_her_safe_hour(room: Room) -> None:
    """Whatever a timer says is unasked for, so it obeys the same gate."""
    to_hour(room, 22)
    room.says("chào")
    with room.database.write() as connection:
        conversation = connection.execute(select(queries.conversation.c.id)).scalar_one()
        values = {"kind": "appointment", "at": room.now + MINUTE, "payload": "remind", "set_at": room.now}
        connection.execute(insert(queries.timer).values(conversation_id=conversation, unless_heard=False, **values))
    assert passed(room, HOUR) == []
    assert passed(room, 10 * HOUR) == ["2: [remind]"]


def test_the_rule_alone() -> None:
    calm = Ticket("closed")
    assert {one for one in CLOSINGS if asks_how_it_went(calm, one, danger=False)} == {
        "answered",
        "referred",
        "case",
        "appointment",
    }
    assert not any(asks_how_it_went(calm, one, danger=True) for one in CLOSINGS)
    assert not any(asks_how_it_went(Ticket("closed", "CHECK"), one, danger=False) for one in CLOSINGS)
    assert not any(asks_how_it_went(Ticket("closed", "NONE", "ipv"), one, danger=False) for one in CLOSINGS)
