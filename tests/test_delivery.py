"""From accept to the platform and back, on both databases: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, text
from sqlalchemy.event import listen

from bot.clock import fire_timers, hand_back_idle
from bot.messages import Choice, Consent, Echo, Forget, Handover, Message, Notice, Receipt, Reply, Timer, Turn
from bot.outbox import STOPPED_MS, UNKNOWN_MS, settle_unknown
from bot.rim import MaybeSent, NotSent
from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.worker import ThreadWaker, Worker, sweep
from tests.conftest import SECRET, dump
from tests.stage import START, Stage, address, answer, message


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)


def statuses(stage: Stage) -> list[str]:
    return [row[0] for row in stage.rows("SELECT status FROM outbox ORDER BY id")]


def test_a_message_is_answered_once_however_often_it_is_delivered(stage: Stage) -> None:
    for _ in range(3):
        stage.write("chào", key="m1")
    assert stage.platforms.texts == ["1: chào"]
    assert statuses(stage) == ["sent"]
    assert stage.rows("SELECT count(*) FROM inbox")[0][0] == 1


def test_state_lives_in_the_database_and_survives_a_new_process(stage: Stage) -> None:
    stage.write("một")
    again = Stage(stage.database)
    again.write("hai")
    assert again.platforms.texts == ["2: hai"]


def test_messages_are_heard_in_the_order_they_were_accepted(stage: Stage) -> None:
    accepted = stage.accept(*(message(f"tin {number}", key=f"k{number}") for number in range(10)))
    stage.worker.drain(accepted.wake[0][0])
    assert [text.split(": ")[1] for text in stage.platforms.texts] == [f"tin {number}" for number in range(10)]


def test_one_worker_at_a_time_speaks_for_a_conversation(stage: Stage) -> None:
    accepted = stage.accept(*(message(f"tin {number}", key=f"k{number}") for number in range(12)))
    threads = [threading.Thread(target=stage.worker.drain, args=(accepted.wake[0][0],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert [text.split(": ")[1] for text in stage.platforms.texts] == [f"tin {number}" for number in range(12)]


def test_many_people_at_once_through_the_thread_waker(stage: Stage) -> None:
    waker = ThreadWaker(stage.worker, 3)
    waker.start()
    for number in range(30):
        accepted = stage.accept(message(f"a{number}", key=f"k{number}", person=f"p{number % 7}"))
        for conversation_id, rank in accepted.wake:
            waker.wake(conversation_id, rank)
    waker.stop(timeout=20)
    rest = Worker(stage.rim)  # whatever the stopped threads left lying open
    sweep(stage.rim, lambda conversation_id, _rank: rest.drain(conversation_id))
    assert sorted(text.split(": ")[1] for text in stage.platforms.texts) == sorted(f"a{n}" for n in range(30))
    assert set(statuses(stage)) == {"sent"}


def test_red_opens_its_ticket_in_the_accept_transaction(stage: Stage) -> None:
    accepted = stage.accept(message("cứu với", key="m1"))
    assert stage.rows("SELECT reason, level, category, state FROM ticket") == [("danger", "RED", "ipv", "waiting")]
    assert accepted.wake[0][1] == 3


def test_danger_written_into_a_message_afterwards_is_heard_like_any_other(stage: Stage) -> None:
    stage.accept(message("em chào chị", key="m1"))
    assert stage.rows("SELECT count(*) FROM ticket") == [(0,)]
    edited = stage.accept(message("cứu với", key="m1:edit:1", edits="m1"))
    assert stage.rows("SELECT reason, level, state FROM ticket") == [("danger", "RED", "waiting")]
    assert edited.wake[0][1] == 3


def test_no_later_word_lowers_a_red_ticket(stage: Stage) -> None:
    stage.write("cứu với")
    for number, words in enumerate(("em đùa thôi mà chị", "không sao đâu", "em nhắn nhầm")):
        stage.write(words, key=f"later{number}")
    assert stage.rows("SELECT level, state FROM ticket WHERE reason = 'danger'") == [("RED", "waiting")]


def test_whoever_was_met_is_accepted_in_one_statement_and_danger_takes_the_long_way(stage: Stage) -> None:
    stage.accept(message("một", key="m1"))
    opened: list[object] = []
    listen(stage.database.engine, "begin", opened.append)
    assert stage.accept(message("hai", key="m2")).counts == {"message": 1}
    assert not opened
    assert stage.accept(message("hai", key="m2")).counts == {"duplicate": 1}
    assert stage.accept(message("cứu với", key="m3")).wake[0][1] == 3
    assert len(opened) == 2
    stage.worker.drain(1)
    assert [text.split(": ")[1] for text in stage.platforms.texts[:2]] == ["một", "hai"]


def test_a_key_that_another_process_destroyed_seals_nothing(stage: Stage, database_url: str) -> None:
    stage.accept(message("một", key="m1"))
    other = Database(database_url, Keyring([SECRET]))
    with other.write() as connection:
        queries.erase(connection, 1, now=stage.now, new_index=bytes(32))
    other.close()
    stage.write("hai", key="m2")
    assert stage.platforms.texts == ["1: hai"]
    assert stage.rows("SELECT conversation_id, done_at IS NULL FROM inbox WHERE kind = 'message'")[-1] == (2, 0)


def test_a_statement_that_cannot_run_gives_nothing_and_the_database_serves_on(stage: Stage) -> None:
    broken = select(queries.conversation.c.id).where(text("no_such_column = 1"))
    assert stage.database.write_once(lambda: (broken, {})) is None
    stage.write("chào")
    assert stage.platforms.texts == ["1: chào"]


def test_every_event_of_a_batch_is_kept_when_one_is_a_duplicate(stage: Stage) -> None:
    stage.accept(message("một", key="m1"))
    accepted = stage.accept(message("một", key="m1"), message("hai", key="m2"))
    assert accepted.counts["duplicate"] == 1
    assert accepted.counts["message"] == 1


# --- failing platforms ----------------------------------------------------------------------------------------------


def test_a_refused_connection_is_tried_again_later(stage: Stage) -> None:
    stage.platforms.script = [NotSent()]
    stage.write("chào")
    assert statuses(stage) == ["due"]
    stage.now += 2_000
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert statuses(stage) == ["sent"]
    assert stage.platforms.texts == ["1: chào", "1: chào"]


def test_retries_end_and_reach_a_person(stage: Stage) -> None:
    stage.platforms.script = [NotSent() for _ in range(20)]
    stage.write("chào")
    for _ in range(12):
        stage.now += 400_000
        sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert statuses(stage) == ["failed"]
    assert len(stage.platforms.calls) == 6
    assert stage.rows("SELECT reason FROM ticket") == [("failure",)]


def test_an_unknown_send_is_never_repeated_blindly(stage: Stage) -> None:
    stage.platforms.script = [MaybeSent()]
    stage.write("chào")
    stage.now += UNKNOWN_MS + 1
    assert settle_unknown(stage.rim) == []
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert len(stage.platforms.calls) == 1
    assert stage.rows("SELECT status, code FROM outbox") == [("unknown", "unsettled")]
    assert stage.rows("SELECT reason FROM ticket") == [("failure",)]


def test_an_unknown_send_troubles_nobody_when_she_wrote_on(stage: Stage) -> None:
    stage.platforms.script = [MaybeSent()]
    stage.write("chào")
    stage.now += 1_000
    stage.write("chị ơi")
    stage.now += UNKNOWN_MS
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert statuses(stage) == ["unknown", "sent"]
    assert stage.rows("SELECT code FROM outbox ORDER BY id")[0][0] == "unsettled"
    assert not stage.rows("SELECT reason FROM ticket")


def test_a_red_reply_of_unknown_end_is_said_once_more(stage: Stage) -> None:
    stage.platforms.script = [MaybeSent(), MaybeSent()]
    stage.write("cứu với")
    for _ in range(3):
        stage.now += UNKNOWN_MS + 1
        sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert len(stage.platforms.calls) == 2


def test_an_echo_settles_an_unknown_send(stage: Stage) -> None:
    stage.platforms.script = [MaybeSent()]
    stage.write("chào")
    reference = stage.rows("SELECT uuid FROM outbox")[0][0]
    stage.hear(Echo("e1", address(), stage.now, author="bot", id="mid.9", reference=reference))
    assert statuses(stage) == ["sent"]


def test_an_echo_without_reference_settles_by_its_words(stage: Stage) -> None:
    stage.platforms.script = [MaybeSent()]
    stage.write("chào", channel="zalo")
    stage.hear(Echo("e1", address(channel="zalo"), stage.now, author="bot", id="zz", text="1: chào"))
    assert statuses(stage) == ["sent"]


def test_later_messages_go_on_after_an_unknown_send(stage: Stage) -> None:
    stage.platforms.script = [MaybeSent()]
    stage.write("một")
    stage.write("hai")
    assert statuses(stage) == ["unknown", "sent"]


def test_a_refused_token_is_renewed_once(stage: Stage) -> None:
    stage.platforms.script = [answer(200, {"error": -216, "message": "Access token is invalid"})]
    stage.write("chào", channel="zalo")
    assert stage.tokens.renewed == 1
    assert statuses(stage) == ["sent"]


def test_a_token_refused_twice_stops_the_channel_and_raises_an_alarm(stage: Stage) -> None:
    stage.platforms.script = [answer(200, {"error": -216, "message": ""})] * 2
    stage.write("chào", channel="zalo")
    assert statuses(stage) == ["due"]
    assert stage.rows("SELECT kind, subject FROM alarm") == [("channel-stopped", "zalo 222")]


def test_a_stopped_channel_keeps_still_for_everybody_and_is_seen_to_go_again(stage: Stage) -> None:
    stage.platforms.script = [answer(401, {"error": {"code": 190, "message": ""}})]
    stage.write("một", person="p1")
    stage.write("hai", person="p2")
    assert len(stage.platforms.calls) == 1  # the second was not even tried
    assert statuses(stage) == ["due", "due"]
    stage.now += STOPPED_MS + 1
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert statuses(stage) == ["sent", "sent"]
    assert stage.rows("SELECT stopped_at, sent_at FROM channel_health") == [(None, stage.now)]
    assert stage.rows("SELECT count(*) FROM alarm WHERE cleared_at IS NULL")[0][0] == 0


def test_a_restart_lets_a_stopped_channel_try_at_once(stage: Stage) -> None:
    stage.platforms.script = [answer(401, {"error": {"code": 190, "message": ""}})]
    stage.write("một")
    with stage.database.write() as connection:
        queries.lift_stops(connection, stage.now)
    assert stage.rows("SELECT count(*) FROM alarm WHERE cleared_at IS NULL")[0][0] == 0
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert statuses(stage) == ["sent"]


def test_a_closed_window_ends_the_send_and_reaches_a_person(stage: Stage) -> None:
    body = {"error": {"code": 10, "error_subcode": 2018278, "message": "outside"}}
    stage.platforms.script = [answer(400, body)]
    stage.write("chào")
    assert statuses(stage) == ["failed"]
    assert stage.rows("SELECT unreachable FROM conversation") == [("window",)]


def test_html_with_status_500_is_tried_again(stage: Stage) -> None:
    from bot.messages import Answer

    stage.platforms.script = [Answer(500, {}, b"<html>oops</html>")]
    stage.write("chào")
    assert statuses(stage)[0] in ("due", "unknown")


def test_another_app_holding_the_thread_silences_the_bot(stage: Stage) -> None:
    stage.platforms.script = [answer(403, {"error": {"code": 10, "error_subcode": 2018300, "message": ""}})]
    stage.write("chào")
    assert statuses(stage) == ["withheld"]
    assert stage.rows("SELECT owner FROM conversation") == [("person",)]


# --- poison ---------------------------------------------------------------------------------------------------------


def test_a_message_that_cannot_be_heard_is_buried_and_the_next_one_is_answered(stage: Stage) -> None:
    stage.write("boom")
    stage.write("sau", key="after")
    for _ in range(8):
        stage.now += 120_000
        sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert stage.rows("SELECT count(*) FROM inbox WHERE dead_at IS NOT NULL")[0][0] == 1
    assert stage.rows("SELECT reason FROM ticket") == [("failure",)]
    assert stage.platforms.texts[-1] == "1: sau"
    assert any("trục trặc" in text for text in stage.platforms.texts)


# --- people ---------------------------------------------------------------------------------------------------------


def test_a_person_in_the_page_inbox_silences_the_bot_at_once(stage: Stage) -> None:
    accepted = stage.accept(message("chào", key="m1"))
    stage.hear(Echo("e1", address(), stage.now, author="person", id="x", text="Chào em, chị Hoa đây"))
    stage.worker.drain(accepted.wake[0][0])
    assert stage.platforms.calls == []
    assert stage.rows("SELECT author, kind FROM entry WHERE author = 'staff'") == [("staff", "outside")]
    assert stage.rows("SELECT state, reason FROM ticket") == [("taken", "echo")]


def test_a_takeover_while_the_bot_thinks_wins(stage: Stage) -> None:
    def take(_heard: object) -> None:
        if not stage.parrot.heard:
            stage.accept(Echo("e1", address(), stage.now, author="person", id="x", text="để chị"))

    stage.parrot.before = take
    stage.write("chào")
    assert stage.platforms.calls == []
    assert statuses(stage) == []


def test_thread_control_given_back_lets_the_bot_speak_again(stage: Stage) -> None:
    stage.write("chào")
    stage.hear(Handover("h1", address(), stage.now, "taken"))
    stage.write("im")
    stage.hear(Handover("h2", address(), stage.now, "passed", ours=True))
    stage.write("nói")
    assert [text.split(": ")[1] for text in stage.platforms.texts] == ["chào", "nói"]


def test_an_idle_chat_taken_from_outside_goes_back_to_the_bot(stage: Stage) -> None:
    stage.write("chào")
    stage.hear(Echo("e1", address(), stage.now, author="person", id="x", text="chị đây"))
    assert hand_back_idle(stage.rim) == 0
    stage.now += 25 * 3_600_000
    assert hand_back_idle(stage.rim) == 1
    assert stage.rows("SELECT owner FROM conversation") == [("bot",)]
    assert stage.rows("SELECT state, closing FROM ticket") == [("closed", "outside")]


def test_standby_messages_are_heard_in_silence(stage: Stage) -> None:
    stage.write("em hỏi", standby=True)
    assert stage.platforms.calls == []
    assert stage.rows("SELECT count(*) FROM entry")[0][0] == 1


# --- receipts, consent, timers, erasure -----------------------------------------------------------------------------


def test_a_delivery_receipt_marks_the_message(stage: Stage) -> None:
    stage.write("chào")
    stage.hear(Receipt("r1", address(), stage.now + 5, "delivered", ids=("m1",)))
    assert stage.rows("SELECT delivered_at FROM outbox") == [(stage.now + 5,)]


def test_following_starts_the_conversation(stage: Stage) -> None:
    stage.hear(Consent("c1", address(channel="zalo"), stage.now, "follow"))
    assert stage.platforms.texts == ["1: [menu]"]


def test_a_demand_to_forget_from_the_platform_is_done_at_once(stage: Stage) -> None:
    stage.write("bí mật", channel="zalo")
    stage.hear(Consent("c2", address(channel="zalo"), stage.now, "withdraw"))
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert stage.rows("SELECT count(*) FROM tombstone")[0][0] == 1
    assert stage.rows("SELECT count(*) FROM entry")[0][0] == 0
    assert "Mã biên nhận" in stage.platforms.texts[-1]


def test_shared_contact_details_are_kept_sealed(stage: Stage) -> None:
    fields = (("name", "Trần Thị Kín"), ("phone", "0912345678"))
    stage.hear(Consent("c3", address(channel="zalo"), stage.now, "profile", fields))
    assert stage.rows("SELECT profile_sealed IS NOT NULL FROM conversation")[0][0]
    assert b"0912345678" not in dump(stage.database)


def test_unfollowing_ends_campaigns_without_a_word(stage: Stage) -> None:
    stage.hear(Consent("c4", address(channel="zalo"), stage.now, "unfollow"))
    assert stage.platforms.calls == []
    assert [tuple(row) for row in stage.rows('SELECT topic, "on" FROM subscription')] == [("*", False)]


def test_a_timer_fires_once_unless_she_spoke(stage: Stage) -> None:
    stage.parrot.effects = lambda heard: (Timer("check", stage.now + 1000, "danger:silence"),) if heard.text else ()
    stage.now += 12 * 3_600_000  # by day: what a timer says waits for a safe hour
    stage.write("chào")
    stage.now += 2000
    waked: list[int] = []
    assert fire_timers(stage.rim, lambda conversation_id, _rank: waked.append(conversation_id)) == 1
    assert fire_timers(stage.rim, lambda conversation_id, _rank: waked.append(conversation_id)) == 0
    stage.worker.drain(waked[0])
    assert stage.platforms.texts[-1] == "2: [danger:silence]"


def test_a_timer_is_dropped_when_she_spoke_since(stage: Stage) -> None:
    stage.parrot.effects = lambda heard: (Timer("check", stage.now + 5000),) if heard.text == "một" else ()
    stage.write("một")
    stage.now += 1000
    stage.write("hai")
    stage.now += 10_000
    assert fire_timers(stage.rim, lambda _conversation, _rank: None) == 0


def test_a_message_kept_for_a_safer_hour_holds_up_no_answer(stage: Stage) -> None:
    stage.write("một")
    stage.now += 2 * 3_600_000  # 23:13 in Viet Nam
    with stage.database.write() as connection:
        connection.execute(text("UPDATE outbox SET purpose = 'reminder', status = 'due', sent_at = NULL"))
    stage.write("hai")
    assert stage.platforms.texts == ["1: một", "2: hai"]
    assert statuses(stage) == ["due", "sent"]


def test_short_messages_are_gathered_into_one_thought(database: Database) -> None:
    stage = Stage(database, gather_ms=1500)
    first = stage.hear(message("em ở hàn", key="k1"))
    assert stage.platforms.calls == []
    stage.now += 800
    stage.hear(message("mới về", key="k2"))
    assert stage.platforms.calls == []
    stage.now += 2000
    stage.worker.drain(first.wake[0][0])
    assert stage.platforms.texts == ["1: em ở hàn\nmới về"]


def test_danger_is_never_gathered(database: Database) -> None:
    stage = Stage(database, gather_ms=5000)
    stage.write("cứu")
    assert stage.platforms.texts == ["OSSO đây ạ."]


def test_forgetting_destroys_everything_and_leaves_a_receipt(stage: Stage) -> None:
    stage.write("bí mật của em")
    before = stage.rows("SELECT id FROM conversation")[0][0]

    def think(state: object, heard: object) -> Turn:
        return Turn(state, (Reply("Đã xóa. Mã biên nhận: {receipt}"),), (Forget(),), "flow")  # type: ignore[arg-type]

    stage.parrot.think = think  # type: ignore[method-assign]
    stage.write("xóa")
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))
    assert stage.rows(f"SELECT wrapped_key, person_sealed, state_sealed FROM conversation WHERE id = {before}") == [
        (None, None, None)
    ]
    assert stage.rows(f"SELECT count(*) FROM entry WHERE conversation_id = {before}")[0][0] == 0
    receipt = stage.rows("SELECT receipt FROM tombstone")[0][0]
    assert stage.platforms.texts[-1] == f"Đã xóa. Mã biên nhận: {receipt[:12].upper()}"


def test_a_forgotten_event_delivered_again_stays_forgotten(stage: Stage) -> None:
    test_forgetting_destroys_everything_and_leaves_a_receipt(stage)
    count = len(stage.platforms.calls)
    accepted = stage.write("bí mật của em", key=f"k-bí mật của em-{START}")
    assert accepted.counts["duplicate"] == 1
    assert len(stage.platforms.calls) == count


def test_nothing_readable_of_her_is_in_the_database(stage: Stage) -> None:
    canary = "Nguyễn-Thị-Canary-0987654321"
    stage.write(canary, person="psid-canary-77")
    stage.parrot.effects = lambda _heard: ()
    stage.hear(Message("k9", address("psid-canary-77"), stage.now, id="mid-canary-88", text=canary, payload="x"))
    found = dump(stage.database)
    for secret in (canary, "psid-canary-77", "mid-canary-88", "0987654321"):
        assert secret.encode() not in found
    assert b"conversation" in found or b"messenger" in found  # the dump is not empty


def test_a_notice_of_the_platform_raises_an_alarm_once(stage: Stage) -> None:
    for _ in range(2):
        stage.accept(Notice("n1", "messenger", "111", stage.now, "policy-block"))
    assert stage.rows("SELECT kind, subject FROM alarm") == [("policy-block", "messenger 111")]


def test_choices_over_the_limit_become_words_and_one_request_each(stage: Stage) -> None:
    many = tuple(Choice(f"Lựa chọn {number}", f"p{number}") for number in range(9))

    def think(state: object, heard: object) -> Turn:
        return Turn(state, (Reply("Chị chọn ạ", many),), (), "clarify")  # type: ignore[arg-type]

    stage.parrot.think = think  # type: ignore[method-assign]
    stage.write("menu", channel="zalo")
    assert set(statuses(stage)) == {"sent"}
    assert "Lựa chọn 8" in "".join(stage.platforms.texts) or "Lựa chọn 8" in str(stage.platforms.calls[-1].json)
