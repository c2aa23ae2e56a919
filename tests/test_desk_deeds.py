"""Deeds and jobs on both databases: one winner, silence after takeover, undo, and every deadline exactly once."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import IntegrityError

from bot.errors import Refused
from bot.hearing import Holding, queue
from bot.messages import Level, OpenTicket, Reply
from bot.outbox import safe_time
from bot.store import media, queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff import deeds, jobs
from handoff.accounts import queries as accounts
from handoff.deeds import Missing
from handoff.duty import blocked, called, counsellors, roster
from handoff.routing import AWAY_MS, LEAD_MS, OFFER_MS, PULL_MS, SECOND_MS
from handoff.tickets import RESUME_MS, Close, Requeue, Snooze, Take, TakeOver
from tests.conftest import SECRET
from tests.room import Room

DAY = 86_400_000
HOUR = 3_600_000


@pytest.fixture
def room(sqlite_template: Path, tmp_path: Path) -> Iterator[Room]:
    """On SQLite, not waiting for the disk; what depends on locks asks for `either`."""
    shutil.copy(sqlite_template, tmp_path / "osso.db")
    database = Database(f"sqlite:///{tmp_path / 'osso.db'}", Keyring([SECRET]))
    event.listen(database.engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
    yield Room(database)
    database.close()


@pytest.fixture
def either(database: Database) -> Room:
    """On each kind of database."""
    return Room(database)


def test_taking_silences_the_bot_in_the_same_moment(either: Room) -> None:
    room = either
    mai = room.hire("mai")
    reference = room.asks()
    before = list(room.said())
    with room.database.write() as connection:  # the bot has one more thing to say
        row = queries.get_conversation(connection, room.ticket(reference)["conversation_id"])
        assert row is not None
        held = Holding.of(room.stage.rim, row)
        queue(
            connection,
            held,
            room.stage.rim.channels["messenger"],
            Reply("còn nữa"),
            entry_id=None,
            purpose="reply",
            now=room.now,
        )
    room.take(mai, reference)
    room.drain()
    room.says("alo")
    assert room.said() == before
    assert room.owner(reference) == "person"
    assert room.stage.rows("SELECT status FROM outbox ORDER BY id DESC LIMIT 1")[0][0] == "withheld"
    assert (mai.id, "ticket.taken", f"ticket:{reference}") in room.told


def test_two_at_once_one_winner_the_other_told_who(either: Room) -> None:
    room = either
    staff = [room.hire(login) for login in ("mai", "lan", "hoa", "cuc")]
    reference = room.asks()
    outcomes: list[str] = []
    barrier = threading.Barrier(len(staff))

    def claim(number: int) -> None:
        barrier.wait()
        try:
            room.take(staff[number], reference)
            outcomes.append("won")
        except Refused as refused:
            outcomes.append(str(refused))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(len(staff))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("won") == 1
    winner = next(one.name for one in staff if one.id == room.ticket(reference)["staff_id"])
    losers = [text for text in outcomes if text != "won"]
    assert len(losers) == 3
    assert all(winner in text for text in losers)


def test_reply_is_held_then_sent_and_the_turn_is_hers(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    room.reply(mai, reference, "Chào chị, em là Mai\n---\nChị kể em nghe nhé")
    room.drain()
    assert "Chào chị, em là Mai" not in room.said()
    room.later(deeds.HOLD_MS)
    room.drain()
    assert room.said()[-2:] == ["Chào chị, em là Mai", "Chị kể em nghe nhé"]
    assert room.ticket(reference)["state"] == "waiting_her"
    room.later(1000)
    room.says("dạ")
    room.tick()
    assert room.ticket(reference)["state"] == "taken"
    assert room.ticket(reference)["answered_at"] is not None


def test_undo_takes_back_what_is_held_and_nothing_else(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    once = str(uuid.uuid4())
    room.reply(mai, reference, "nhầm\n---\nnhầm nữa", once)
    assert deeds.undo(room.desk, mai, reference, once) == "nhầm\n---\nnhầm nữa"
    room.later(HOUR)
    room.drain()
    assert "nhầm" not in room.said()
    assert room.ticket(reference)["state"] == "taken"
    once = str(uuid.uuid4())
    room.reply(mai, reference, "đúng", once)
    room.later(deeds.HOLD_MS)
    room.drain()
    with pytest.raises(Refused, match="không lấy lại được"):
        deeds.undo(room.desk, mai, reference, once)


def test_a_form_sent_twice_speaks_once(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    once = str(uuid.uuid4())
    assert room.reply(mai, reference, "một lần", once)
    assert room.reply(mai, reference, "một lần", once) == []
    room.later(deeds.HOLD_MS)
    room.drain()
    assert room.said().count("một lần") == 1


def test_only_the_holder_speaks_and_a_stale_tab_is_told_who_has_it(room: Room) -> None:
    mai, lan, boss = room.hire("mai"), room.hire("lan"), room.hire("boss", ("lead", "hn"))
    reference = room.asks()
    with pytest.raises(Refused, match="nhận ca trước"):
        room.reply(mai, reference, "chưa nhận")
    room.take(mai, reference)
    with pytest.raises(Refused, match="Mai"):
        room.reply(lan, reference, "không phải ca của em")
    with pytest.raises(Refused, match=r"người khác giữ.*Mai"):
        room.reply(boss, reference, "để chị")
    deeds.do(room.desk, boss, reference, TakeOver())
    with pytest.raises(Refused, match="Boss"):
        room.reply(mai, reference, "em vẫn mở tab cũ")
    assert room.reply(boss, reference, "chị nhận rồi")


def test_windows_are_told_before_anything_is_written(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    room.later(8 * 24 * HOUR)
    room.see(mai)
    with pytest.raises(Refused, match="quá thời hạn"):
        room.reply(mai, reference, "muộn rồi")
    assert room.stage.rows("SELECT count(*) FROM outbox WHERE author = 'person'")[0][0] == 0


def test_billed_zalo_needs_a_yes(room: Room) -> None:
    mai = room.hire("mai")
    accepted = room.stage.write("alo", person="z1", channel="zalo")
    with room.database.write() as connection:
        queries.ask_for_person(connection, accepted.wake[0][0], reason="asked", now=room.now, office="hn")
    reference = room.stage.rows("SELECT uuid FROM ticket")[0][0]
    room.take(mai, reference)
    room.later(50 * HOUR)
    with pytest.raises(Refused, match="tính phí"):
        room.reply(mai, reference, "tin")
    assert room.reply(mai, reference, "tin", paid=True)


def test_guessing_and_foreign_offices_look_like_nothing(room: Room) -> None:
    can_tho = room.hire("lan", ("counsellor", "ct"))
    officer = room.hire("thu", ("officer", "hn"))
    reference = room.asks()
    for who in (can_tho, officer):
        for guess in (reference, str(uuid.uuid4()), "1", "'; --"):
            with pytest.raises(Missing):
                deeds.do(room.desk, who, guess, Take())


def test_transfer_waits_for_a_yes_and_may_be_refused(room: Room) -> None:
    mai, lan = room.hire("mai"), room.hire("lan", ("counsellor", "ct"))
    reference = room.asks()
    room.take(mai, reference)
    with pytest.raises(Missing):
        deeds.answer_call(room.desk, lan, reference, yes=True)
    deeds.transfer(room.desk, mai, reference, to=lan.uuid, reason="skill", words="Cần luật sư")
    assert room.ticket(reference)["staff_id"] == mai.id
    deeds.answer_call(room.desk, lan, reference, yes=False, reason="load")
    assert room.ticket(reference)["staff_id"] == mai.id
    with pytest.raises(Missing):  # refused: it is no longer hers to see
        deeds.answer_call(room.desk, lan, reference, yes=True)
    deeds.transfer(room.desk, mai, reference, to=lan.uuid, reason="skill", words="")
    deeds.answer_call(room.desk, lan, reference, yes=True)
    assert room.ticket(reference)["staff_id"] == lan.id
    assert room.owner(reference) == "person"
    assert room.reply(lan, reference, "Chào chị")
    kinds = [row[0] for row in room.stage.rows("SELECT kind FROM called ORDER BY id")]
    assert kinds == ["transfer", "mention", "transfer"]


def test_close_says_goodbye_and_hands_back_in_this_order(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    deeds.close(
        room.desk, mai, reference, Close("answered"), last_words="Cảm ơn chị đã tin em.", hand_back=True
    )  # fmt: skip
    room.drain()
    assert room.said()[-2:] == ["Cảm ơn chị đã tin em.", "2: [handback]"]
    assert (room.owner(reference), room.ticket(reference)["state"]) == ("bot", "closed")


def test_danger_is_not_closed_without_outcome_by_rule_and_by_table(either: Room) -> None:
    room = either
    mai = room.hire("mai")
    room.says("cứu em")
    reference = room.stage.rows("SELECT uuid FROM ticket")[0][0]
    room.take(mai, reference)
    with pytest.raises(Refused):
        deeds.close(room.desk, mai, reference, Close("joke"))
    with pytest.raises(IntegrityError):
        room.change(reference, state="closed", closed_at=room.now)
    deeds.close(room.desk, mai, reference, Close("answered", "safe", "adult_choice"))
    assert room.ticket(reference)["closed_at"] == room.now


RAW = (
    "state='closed', closed_at=5",
    "state='closed', closed_at=5, outcome='safe'",
    "state='closed', closed_at=5, reported='111'",
    "state='closed', closed_at=5, closing='joke', outcome='', reported='not_needed'",
    "state='closed', outcome='safe', reported='111'",  # hidden from the queue without an end
    "closed_at=5, outcome='safe', reported='111'",
)


@pytest.mark.parametrize("danger", ["level='RED', category='ipv'", "level='AMBER', category='child_abuse'"])
def test_no_statement_closes_danger_without_outcome_and_decision(either: Room, danger: str) -> None:
    room = either
    reference = room.asks()
    with room.database.write() as connection:
        connection.execute(text(f"UPDATE ticket SET {danger}"))
    for values in RAW:
        with pytest.raises(IntegrityError), room.database.write() as connection:
            connection.execute(text(f"UPDATE ticket SET {values}"))
    if "child_abuse" in danger:
        with pytest.raises(IntegrityError), room.database.write() as connection:
            connection.execute(text("UPDATE ticket SET state='closed', closed_at=5, outcome='safe',"
                                    " reported='adult_choice'"))  # fmt: skip
    assert room.ticket(reference)["closed_at"] is None
    with room.database.write() as connection:
        connection.execute(text("UPDATE ticket SET state='closed', closed_at=5, outcome='safe', reported='111'"))
    for emptied in ("outcome=''", "reported=''"):
        with pytest.raises(IntegrityError), room.database.write() as connection:
            connection.execute(text(f"UPDATE ticket SET {emptied}"))
    assert room.ticket(reference)["closed_at"] == 5


@pytest.mark.parametrize("level", ["AMBER", "RED"])
def test_a_child_once_in_danger_stays_in_the_case(room: Room, level: Level) -> None:
    """Whatever is said before or afterwards, and also when nothing grows more urgent."""
    reference = room.asks(level="AMBER", category="ipv")
    conversation_id = room.ticket(reference)["conversation_id"]
    with room.database.write() as connection:
        for category in ("child_abuse", "suicide"):
            queries.ask_for_person(
                connection, conversation_id, reason="danger", level=level, category=category, now=room.now
            )
    assert room.ticket(reference)["category"] == "child_abuse"
    assert deeds.as_ticket(room.ticket(reference)).grave


def test_danger_answered_elsewhere_stays_in_the_queue(room: Room) -> None:
    """A colleague answered from the Page inbox and everybody went silent: the bot speaks again, the ticket stays."""
    red, calm = room.asks(person="a", level="RED", category="ipv"), room.asks(person="b")
    with room.database.write() as connection:
        connection.execute(queries.conversation.update().values(owner="person"))
        assert queries.hand_back(connection, room.now + 1, room.now + 1) == 2
    assert room.ticket(red)["closed_at"] is None
    assert room.ticket(calm)["closing"] == "outside"
    assert (room.owner(red), room.owner(calm)) == ("bot", "bot")


def test_red_climbs_exactly_once_with_several_clocks(either: Room) -> None:
    room = either
    mai = room.hire("mai")
    lan = room.hire("lan", ("counsellor", "ct"))
    boss = room.hire("boss", ("lead", "hn"))
    room.says("cứu em")
    start = room.now

    def everybody_looks() -> None:
        threads = [threading.Thread(target=jobs.escalate_danger, args=(room.desk,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def calls() -> list[tuple[str, int]]:
        return [(row[0], row[1]) for row in room.stage.rows("SELECT kind, staff_id FROM called ORDER BY id")]

    everybody_looks()
    assert [kind for kind, _ in calls()] == ["first"]
    room.stage.now = start + SECOND_MS - 1
    everybody_looks()
    assert len(calls()) == 1
    room.stage.now = start + SECOND_MS
    everybody_looks()
    room.stage.now = start + LEAD_MS
    for who in (mai, lan, boss):
        room.see(who)
    everybody_looks()
    everybody_looks()
    found = calls()
    assert [kind for kind, _ in found] == ["first", "second", "lead"]
    assert len({who for _, who in found}) == 3
    assert found[2][1] == boss.id
    assert [row[0] for row in room.stage.rows("SELECT kind FROM alarm")] == ["red-unclaimed"]
    reference = room.stage.rows("SELECT uuid FROM ticket")[0][0]
    room.take(lan, reference)
    assert room.stage.rows("SELECT count(*) FROM alarm WHERE cleared_at IS NULL")[0][0] == 0


def test_red_at_night_with_nobody_there_rings_outside_at_once(room: Room) -> None:
    room.hire("mai", present=False, on_shift=False)
    room.says("cứu em")
    jobs.escalate_danger(room.desk)
    assert room.stage.rows("SELECT kind, staff_id FROM called") == [("first", None)]
    assert len(room.stage.rows("SELECT 1 FROM alarm")) == 1


def test_offers_go_to_one_who_fits_lapse_and_go_on(either: Room) -> None:
    room = either
    mai, lan = room.hire("mai"), room.hire("lan")
    reference = room.asks()
    room.tick()
    assert room.ticket(reference)["state"] == "waiting"  # time to pull it
    room.later(PULL_MS)
    room.tick()
    first = room.ticket(reference)
    assert first["state"] == "offered"
    room.later(OFFER_MS["NONE"])
    room.see(mai)
    room.see(lan)
    room.tick()
    second = room.ticket(reference)
    assert second["state"] == "offered"
    assert {first["staff_id"], second["staff_id"]} == {mai.id, lan.id}
    holder = mai if second["staff_id"] == mai.id else lan
    deeds.answer_call(room.desk, holder, reference, yes=True)
    assert room.ticket(reference)["state"] == "taken"
    assert room.owner(reference) == "person"


def test_province_becomes_an_office(room: Room) -> None:
    reference = room.asks(office="", province="ha-noi")
    room.tick()
    assert room.ticket(reference)["office"] == "hn"
    assert "routed" in room.log(reference)


def test_absent_counsellor_loses_a_waiting_woman_who_is_told(either: Room) -> None:
    room = either
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    room.reply(mai, reference, "Chị đợi em chút", hold_ms=0)
    room.drain()
    room.later(AWAY_MS)
    room.says("chị ơi")
    room.tick()
    found = room.ticket(reference)
    assert (found["state"], found["staff_id"], room.owner(reference)) == ("waiting", None, "bot")
    room.drain()
    assert room.said()[-1] == deeds.GONE


def test_counsellor_who_is_there_keeps_it(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    room.later(AWAY_MS)
    room.see(mai)
    room.says("chị ơi")
    room.tick()
    assert room.ticket(reference)["staff_id"] == mai.id


def test_disabled_counsellors_chats_go_back_at_once(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    with room.database.write() as connection:
        accounts.change_member(connection, mai.id, disabled_at=room.now)
    room.tick()
    assert (room.ticket(reference)["state"], room.owner(reference)) == ("waiting", "bot")


def test_snooze_ends_by_time_and_by_her_word(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    deeds.do(room.desk, mai, reference, Snooze(room.now + HOUR))
    room.tick()
    assert room.ticket(reference)["state"] == "snoozed"
    room.later(HOUR)
    room.see(mai)
    room.tick()
    assert room.ticket(reference)["state"] == "taken"
    deeds.do(room.desk, mai, reference, Snooze(room.now + HOUR))
    room.later(1000)
    room.says("em đây")
    room.tick()
    assert room.ticket(reference)["state"] == "taken"


def test_closed_for_silence_opens_again_when_she_writes(either: Room) -> None:
    room = either
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    deeds.close(room.desk, mai, reference, Close("silent"))
    room.later(1000)
    room.says("em xin lỗi, máy hết pin")
    room.tick()
    assert room.ticket(reference)["state"] == "waiting"
    assert room.log(reference)[-1] == "reopened"
    room.tick()
    assert room.log(reference).count("reopened") == 1


@pytest.mark.parametrize(
    ("asked", "opens"),
    [
        (OpenTicket("asked"), False),
        (OpenTicket("unknown"), False),
        (OpenTicket("flow", level="CHECK"), False),
        (OpenTicket("danger", level="AMBER"), True),
        (OpenTicket("delete"), True),  # her right, blocked or not
    ],
)
def test_a_block_keeps_people_away_but_not_from_danger(either: Room, asked: OpenTicket, opens: bool) -> None:
    room = either
    mai, reference = room.hire("mai"), room.asks()
    room.take(mai, reference)
    deeds.close(room.desk, mai, reference, Close("abusive"))
    with room.database.write() as connection:
        values = {"conversation_id": room.ticket(reference)["conversation_id"], "staff_id": mai.id, "at": room.now}
        connection.execute(insert(blocked).values(**values))
    room.stage.parrot.effects = lambda _heard: (asked,)
    room.says("cho em nói chuyện với người")
    room.tick()
    assert room.stage.parrot.heard[-1].world.blocked
    assert room.said()[-1].endswith("cho em nói chuyện với người")  # the bot hears and answers
    assert room.stage.rows("SELECT count(*) FROM ticket WHERE closed_at IS NULL") == [(int(opens),)]
    if asked.level == "AMBER":
        assert room.stage.rows("SELECT state FROM ticket WHERE closed_at IS NULL") == [("offered",)]


def test_an_end_by_mistake_is_taken_back_soon_after_by_who_made_it(either: Room) -> None:
    room = either
    mai, lan, boss = room.hire("mai"), room.hire("lan"), room.hire("boss", ("lead", "hn"))

    def ends(person: str, reason: str = "joke", **grave: Any) -> str:
        reference = room.asks(person=person, **grave)
        room.take(mai, reference)
        deeds.close(room.desk, mai, reference, Close(reason, *(("safe", "111") if grave else ())))
        return reference

    first = ends("a", "answered", level="RED")
    with pytest.raises((Refused, Missing)):
        deeds.resume(room.desk, lan, first)
    deeds.resume(room.desk, mai, first)
    row = room.ticket(first)
    assert (row["state"], row["staff_id"], row["level"], room.owner(first)) == ("taken", mai.id, "RED", "person")
    assert (row["closing"], row["outcome"], row["reported"], row["closed_at"]) == ("", "", "", None)
    assert room.log(first)[-2:] == ["closed", "resumed"]
    assert room.stage.rows("SELECT count(*) FROM timer") == [(0,)]  # nobody asks how it went
    with pytest.raises(Refused):  # and its end is asked for again
        deeds.close(room.desk, mai, first, Close("answered"))
    second = ends("b")
    deeds.resume(room.desk, boss, second)
    assert room.ticket(second)["staff_id"] == boss.id
    third = ends("c")
    room.asks("em cần người thật", person="c")
    with pytest.raises(Refused, match="ca mới hơn"):
        deeds.resume(room.desk, mai, third)
    fourth = ends("d")
    room.later(RESUME_MS + 1)
    with pytest.raises(Refused):
        deeds.resume(room.desk, mai, fourth)


def test_files_are_kept_once_found_by_their_token_and_the_oldest_invented_ones_go(either: Room) -> None:
    room, mai = either, either.hire("mai")
    row, ring = room.ticket(room.asks()), room.database.keyring
    with room.database.write() as connection:
        her = queries.get_conversation(connection, row["conversation_id"])
        assert her is not None
        for token, staff_id in (("a", None), ("a", None), ("b", None), ("ours", mai.id)):
            media.keep(
                connection, ring, her, token.encode(), kind="image/png", token=token, now=room.now, staff_id=staff_id
            )
    assert room.stage.rows("SELECT count(*) FROM media") == [(3,)]
    with room.database.write() as connection:
        found = media.kept(connection, ring, "a")
        assert found is not None
        assert (found.body, found.staff_id, found.until) == (b"a", None, room.now + media.LENT_MS)
        assert media.kept(connection, ring, "c") is None
        media.drop_invented(connection, room.now, 1)
        assert [media.kept(connection, ring, one) is not None for one in ("a", "b", "ours")] == [False, True, True]
        media.lend_again(connection, ring, "ours", room.now + HOUR)
        media.drop_invented(connection, room.now + media.LENT_MS + 1, 9)
        assert [media.kept(connection, ring, one) is not None for one in ("b", "ours")] == [False, True]
    assert room.stage.rows("SELECT until FROM media") == [(room.now + HOUR + media.LENT_MS,)]


def test_danger_names_the_message_that_raised_it(either: Room) -> None:
    room = either
    room.says("cứu em")  # the ticket opens when it is accepted, before the message has its place in the transcript
    raised = "SELECT level, (SELECT inbox_id FROM entry WHERE entry.id = ticket.entry_id) FROM ticket"
    assert room.stage.rows(raised) == [("RED", 1)]
    room.says("cứu em với")
    assert room.stage.rows(raised) == [("RED", 1)]  # the first cry


def test_a_blocked_woman_who_cries_for_help_rings_at_once(either: Room) -> None:
    room = either
    mai, reference = room.hire("mai"), room.asks()
    with room.database.write() as connection:
        values = {"conversation_id": room.ticket(reference)["conversation_id"], "staff_id": mai.id, "at": room.now}
        connection.execute(insert(blocked).values(**values))
    room.says("cứu em")
    room.tick()
    assert room.ticket(reference)["level"] == "RED"
    assert room.stage.rows("SELECT kind FROM called") == [("first",)]


def test_returning_to_the_queue_keeps_her_place(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    opened = room.ticket(reference)["opened_at"]
    room.take(mai, reference)
    room.later(HOUR)
    deeds.do(room.desk, mai, reference, Requeue())
    assert room.ticket(reference)["opened_at"] == opened
    assert room.owner(reference) == "bot"


@pytest.mark.parametrize("clocks", [4])
def test_send_later_fires_once_and_checks_again(either: Room, clocks: int) -> None:
    room = either
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    due = room.now + 2 * HOUR
    deeds.send_later(room.desk, mai, reference, [Reply("Chị nhớ mang giấy tờ nhé")], at=due)
    jobs.send_due(room.desk)
    assert room.stage.rows("SELECT status FROM send_later") == [("waiting",)]
    room.stage.now = due
    hour_ok = safe_time({}, due) == due
    threads = [threading.Thread(target=jobs.send_due, args=(room.desk,)) for _ in range(clocks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not hour_ok:  # the stage's clock may stand at night: then it waits for the morning
        room.stage.now = safe_time({}, due) or 0
        jobs.send_due(room.desk)
    room.drain()
    assert room.said().count("Chị nhớ mang giấy tờ nhé") == 1


def test_send_later_says_at_once_when_her_hours_move_it(room: Room) -> None:
    mai, reference = room.hire("mai"), room.asks()
    room.take(mai, reference)
    night = room.now // DAY * DAY + 16 * HOUR + DAY  # 23 o'clock in Viet Nam
    moved = deeds.send_later(room.desk, mai, reference, [Reply("mai mình gặp nhé")], at=night)
    assert moved == night + 9 * HOUR
    assert room.stage.rows("SELECT at FROM send_later") == [(moved,)]
    row = room.ticket(reference)
    with room.database.write() as connection:
        her = queries.get_conversation(connection, row["conversation_id"])
        assert her is not None
        key = Holding.of(room.stage.rim, her).key
        sealed = key.seal({"message": "no"}, "conversation", her["uuid"], "safe")
        queries.change_conversation(connection, her["id"], safe_sealed=sealed)
    with pytest.raises(Refused, match="đừng nhắn"):
        deeds.send_later(room.desk, mai, reference, [Reply("mai mình gặp nhé")], at=night)


def test_send_later_after_transfer_is_dropped_and_its_writer_told(room: Room) -> None:
    mai, boss = room.hire("mai"), room.hire("boss", ("lead", "hn"))
    reference = room.asks()
    room.take(mai, reference)
    deeds.send_later(room.desk, mai, reference, [Reply("tin hẹn giờ")], at=room.now + HOUR)
    deeds.do(room.desk, boss, reference, TakeOver())
    room.later(20 * HOUR)
    jobs.send_due(room.desk)
    room.drain()
    assert room.stage.rows("SELECT status FROM send_later") == [("owner",)]
    assert "tin hẹn giờ" not in room.said()
    with room.database.read() as connection:
        told = connection.execute(select(called.c.staff_id, called.c.reason)).all()
    assert (mai.id, "later owner") in told


def test_take_next_gives_the_most_urgent_and_then_the_oldest(either: Room) -> None:
    room = either
    mai = room.hire("mai")
    old = room.asks(person="a")
    room.later(1000)
    amber = room.asks(person="b", level="AMBER")
    room.asks(person="c", office="ct")
    assert deeds.take_next(room.desk, mai) == amber
    assert deeds.take_next(room.desk, mai) == old
    assert deeds.take_next(room.desk, mai) is None


def test_danger_comes_before_what_was_offered_to_her(room: Room) -> None:
    mai = room.hire("mai")
    calm = room.asks(person="calm")
    room.later(PULL_MS)
    room.tick()
    assert room.ticket(calm)["state"] == "offered"
    room.says("cứu em", person="red")
    red = room.stage.rows("SELECT uuid FROM ticket WHERE level = 'RED'")[0][0]
    assert deeds.take_next(room.desk, mai) == red
    assert deeds.take_next(room.desk, mai) == calm


def test_notes_mention_colleagues_and_never_reach_her(room: Room) -> None:
    mai, lan = room.hire("mai"), room.hire("lan", ("counsellor", "ct"))
    reference = room.asks()
    room.take(mai, reference)
    deeds.add_note(room.desk, mai, reference, "Nhờ Lan xem giúp phần quốc tịch", mentions=[lan.uuid])
    with room.database.read() as connection:
        assert deeds.find(connection, lan, reference, room.now)["uuid"] == reference  # called, so she may read
    room.later(HOUR)
    room.drain()
    assert not any("quốc tịch" in text for text in room.said())


def test_drafts_are_sealed_per_person_and_survive(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    deeds.keep_draft(room.desk, mai, reference, "reply", "Chị ơi em đang")
    with room.database.read() as connection:
        row = queries.get_conversation(connection, room.ticket(reference)["conversation_id"])
        assert row is not None
        assert deeds.drafts(room.desk, connection, mai, row) == {"reply": "Chị ơi em đang"}
    deeds.keep_draft(room.desk, mai, reference, "reply", "")
    assert room.stage.rows("SELECT count(*) FROM draft")[0][0] == 0


def test_roster_tells_the_truth(room: Room) -> None:
    ask = roster(room.database, dict)
    assert (ask("", "", room.now).staffed, ask("", "", room.now).opens_at) == (False, None)
    mai = room.hire("mai", present=False)
    assert not ask("", "", room.now).staffed
    room.see(mai)
    assert ask("", "", room.now).staffed
    assert ask("", "legal", room.now).staffed  # nobody of that skill, but somebody will come


def test_load_is_counted(room: Room) -> None:
    mai = room.hire("mai", capacity=3, heavy_cap=1, skills="legal,child")
    for person, level in (("a", "AMBER"), ("b", "NONE")):
        room.take(mai, room.asks(person=person, level=level))
    with room.database.read() as connection:
        (found,) = counsellors(connection, room.now)
    assert (found.open_chats, found.heavy_chats, found.capacity, found.heavy_cap) == (2, 1, 3, 1)
    assert found.skills == {"legal", "child"}
    assert Counter(row[0] for row in room.stage.rows("SELECT state FROM ticket")) == {"taken": 2}


def test_forgetting_her_takes_what_the_desk_kept(room: Room) -> None:
    mai = room.hire("mai")
    reference = room.asks()
    room.take(mai, reference)
    deeds.add_note(room.desk, mai, reference, "một ghi chú")
    deeds.keep_draft(room.desk, mai, reference, "reply", "một bản nháp")
    deeds.send_later(room.desk, mai, reference, [Reply("một tin hẹn giờ")], at=room.now + HOUR)
    with room.database.write() as connection:
        queries.erase(connection, room.ticket(reference)["conversation_id"], now=room.now, new_index=bytes(32))
    for table in ("note", "draft", "send_later", "media"):
        assert room.stage.rows(f"SELECT count(*) FROM {table}")[0][0] == 0
    with pytest.raises(Refused, match="đã được xóa"):
        room.reply(mai, reference, "alo")
    jobs.send_due(room.desk)
