"""House rules of the dialogue: what must hold at every step of every flow, with every owner, on any input at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.engine import resume, state_from_json, state_to_json, take_turn
from bot.flows.values import Act, Collect
from bot.messages import (
    Choice,
    Danger,
    Entity,
    Heard,
    Missed,
    OpenTicket,
    Reading,
    RunAction,
    State,
    Subscription,
    Timer,
    Turn,
    World,
)
from bot.safety import Screen
from tests.dialogue import EVENING, ROOT, START, Chat, PlainScreen, book, words

WORLD = World(now=EVENING, staffed=True)
SILENT = replace(WORLD, owner="person", ticket="taken")
WAITS = replace(WORLD, staffed=False, ticket="waiting", ahead=2)  # the bot still owns, a ticket is open
SPEAKS = {"alone": WORLD, "a ticket waits": WAITS, "nobody on duty": replace(WORLD, staffed=False, opens="mai")}


def questions() -> Iterator[tuple[str, str]]:
    for flow in book().flows.flows.values():
        for step in flow.steps.values():
            if isinstance(step, Collect):
                yield flow.name, step.id


EVERYWHERE = [("", ""), *questions()]


def at(flow: str, step: str) -> State:
    return State(flow=flow, step=step, welcomed=True, heard_at=START - 60_000)


def turn(state: State, text: str = "", *, world: World = WORLD, **more: Any) -> Turn:
    return take_turn(book(), state, Heard(text, at=START, world=world, **more))


def tickets(done: Turn) -> list[OpenTicket]:
    return [effect for effect in done.effects if isinstance(effect, OpenTicket)]


def test_there_are_many_questions() -> None:
    assert len(EVERYWHERE) > 25


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
def test_danger_is_heard_at_every_step(flow: str, step: str) -> None:
    done = turn(at(flow, step), "nó đang đánh em")
    assert done.decision == "safety"
    assert [ticket.level for ticket in tickets(done)] == ["RED"]
    assert done.replies
    assert done.state.flow == ""
    silent = turn(at(flow, step), "nó đang đánh em", world=SILENT)
    assert (silent.replies, [ticket.level for ticket in tickets(silent)]) == ((), ["RED"])


def test_the_question_of_check_waits_a_quarter_of_an_hour_and_then_tells_a_person() -> None:
    asked = turn(at("", ""), "em mệt mỏi quá rồi")
    assert tickets(asked) == []
    assert [effect for effect in asked.effects if isinstance(effect, Timer)] == [
        Timer("danger", START + 15 * 60_000, "danger:silence")
    ]
    silent = turn(asked.state, payload="danger:silence")
    assert (silent.replies, [ticket.level for ticket in tickets(silent)]) == ((), ["AMBER"])
    meanwhile = turn(asked.state, payload="danger:silence", world=SILENT)
    assert (meanwhile.replies, meanwhile.effects) == ((), ())  # somebody is with her already


def test_the_levels_of_a_chat_add_up_turn_after_turn() -> None:
    first = turn(at("", ""), "chồng hay đánh em")
    again = take_turn(book(), first.state, Heard("nó hay đánh em lắm", at=START + 29 * 60_000, world=WORLD))
    late = take_turn(book(), first.state, Heard("nó hay đánh em lắm", at=START + 31 * 60_000, world=WORLD))
    assert [[ticket.level for ticket in tickets(done)] for done in (first, again, late)] == [
        ["AMBER"],
        ["RED"],
        ["AMBER"],
    ]
    joke = take_turn(book(), again.state, Heard("em đùa thôi mà chị", at=START + 30 * 60_000, world=WORLD))
    assert not any(ticket.reason == "danger" for ticket in tickets(joke))
    assert joke.state.danger_at == again.state.danger_at  # what was RED stays on record


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
@pytest.mark.parametrize("owner", SPEAKS)
def test_in_every_owner_state_danger_person_and_stop_are_heard(flow: str, step: str, owner: str) -> None:
    """Every question of every flow, whoever waits or is on duty; the person's silence is tested beside it."""
    world = SPEAKS[owner]
    for said, level in (("nó đang đánh em", "RED"), ("chồng hay đánh em", "AMBER")):
        danger = turn(at(flow, step), said, world=world)
        assert (danger.decision, [ticket.level for ticket in tickets(danger)]) == ("safety", [level])
        assert danger.replies
    check = turn(at(flow, step), "em mệt mỏi quá rồi", world=world)
    assert [choice.payload for choice in check.replies[0].choices] == ["danger:yes", "danger:no"]
    assert (check.state.flow, check.state.step) == (flow, step)  # asked gently; the open question stays
    person = turn(at(flow, step), "gặp người", world=world)
    assert person.decision == "person"
    assert person.replies
    assert len(tickets(person)) == (1 if world.ticket == "none" else 0)
    stop = turn(at(flow, step), "dừng", world=world)
    assert (stop.decision, bool(stop.replies)) == ("stop", True)
    assert Subscription("*", False) in stop.effects


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
def test_while_a_person_owns_danger_and_stop_are_passed_on_without_a_word(flow: str, step: str) -> None:
    for said, kind in (("nó đang đánh em", OpenTicket), ("dừng", Subscription)):
        done = turn(at(flow, step), said, world=SILENT)
        assert done.replies == ()
        assert any(isinstance(effect, kind) for effect in done.effects)


def test_every_place_a_conversation_can_rest_is_a_question() -> None:
    """What the house tests above look at is all there is: between turns no other step is ever open."""
    chat = Chat()
    for said in (
        "chào",
        "kể trước cho osso",
        "bỏ qua",
        "bỏ qua",
        "văn phòng ở đâu",
        "hẹn gặp",
        "lịch hẹn",
        "giờ an toàn",
    ):
        chat.you(said)
        resting = [(chat.now.flow, chat.now.step), *chat.now.stack]
        assert {place for place in resting if place[0]} <= set(EVERYWHERE)


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
@pytest.mark.parametrize("said", ["gặp người", "gap tu van vien", "0", "Gặp tư vấn viên", "상담사", "counsellor"])
def test_a_person_is_one_turn_away_from_every_step(flow: str, step: str, said: str) -> None:
    done = turn(at(flow, step), said)
    assert [ticket.reason for ticket in tickets(done)] == ["asked"]
    assert done.decision == "person"
    assert done.replies
    if flow:
        assert done.state.stack == ((flow, step),)  # put aside, not lost


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
def test_a_person_by_button_too(flow: str, step: str) -> None:
    for payload in ("/person", "person"):
        assert tickets(turn(at(flow, step), payload=payload))


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
@pytest.mark.parametrize("said", ["dừng", "Dừng lại!", "dung lai", "stop", "đừng nhắn nữa", "그만"])
def test_stop_works_at_every_step_with_every_owner(flow: str, step: str, said: str) -> None:
    done = turn(at(flow, step), said)
    assert done.decision == "stop"
    assert Subscription("*", False) in done.effects
    assert (done.state.flow, done.state.stack) == ("", ())
    assert done.replies
    silent = turn(at(flow, step), said, world=SILENT)
    assert (silent.decision, silent.replies) == ("stop", ())
    assert Subscription("*", False) in silent.effects


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
def test_menu_delete_and_start_over_work_at_every_step(flow: str, step: str) -> None:
    assert "Chị chọn một mục" in words(turn(at(flow, step), "menu"))
    assert turn(at(flow, step), "xóa dữ liệu của tôi").state.flow == "delete_data"
    again = turn(at(flow, step), "bắt đầu lại")
    assert (again.state.flow, again.state.stack) == ("", ())


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
def test_the_bot_is_silent_while_a_person_owns(flow: str, step: str) -> None:
    for said in ("OSSO là gì, giúp được gì, có mất tiền không?", "1", "gặp người", "menu", "có", "qwerty uiop"):
        done = turn(at(flow, step), said, world=SILENT)
        assert done.replies == ()
        assert done.decision == "silent"
        assert not any(isinstance(effect, RunAction | Missed) for effect in done.effects)


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
def test_never_a_third_rephrase(flow: str, step: str) -> None:
    """Whatever she writes that nobody understands: at the second time a person is brought (or the text was taken)."""
    state, brought = at(flow, step), False
    for _ in range(2):
        done = turn(state, "qwx zzk vvp")
        brought = brought or bool(tickets(done))
        taken = done.state.step != state.step or any(isinstance(effect, RunAction) for effect in done.effects)
        state = done.state
        if taken:
            return
    assert brought


@pytest.mark.parametrize(("flow", "step"), EVERYWHERE)
def test_an_old_button_leaves_the_question_open(flow: str, step: str) -> None:
    for payload in ("/SetSlots(gone=1)", "article:gone", "/gone", "x" * 3_000, "flow:gone", "topic:gone", "case:a:b"):
        done = turn(at(flow, step), payload=payload)
        assert done.replies
        assert (done.state.flow, done.state.step) == (flow, step)


def test_two_taps_at_once_do_the_thing_once() -> None:
    chat = Chat()
    chat.you("chào")
    chat.you("xóa dữ liệu")
    first = chat.taps("/SetSlots(delete_sure=true)")
    second = chat.taps("/SetSlots(delete_sure=true)")
    assert [type(effect).__name__ for effect in first.effects] == ["Forget"]
    assert second.effects == ()
    assert "nút này thuộc phần trước" in words(second)


def test_a_button_of_last_week_is_met_kindly_and_content_still_opens() -> None:
    chat = Chat()
    chat.you("chào")
    chat.you("văn phòng ở đâu")
    chat.wait(170)
    late = chat.taps("/SetSlots(province=hai-phong)")
    assert "lâu rồi mới gặp lại" in words(late)
    assert "nút này thuộc phần trước" in words(late)
    assert [choice.payload for choice in late.replies[-1].choices] == ["/menu", "/person"]
    chat.wait(170)
    assert chat.taps("article:gen-osso-la-gi").decision == "answer"
    chat.wait(170)
    assert tickets(chat.taps("/person"))


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_slots_of_100_kb_in_an_old_state_or_from_an_action_do_no_harm(size: int) -> None:
    big = "x" * size
    stored = state_to_json(State(welcomed=True, slots={"story": big, "province": big, "phone": big}))
    state = state_from_json(stored)
    assert max(len(str(value)) for value in state.slots.values()) <= 4_000
    assert turn(state, "kể trước cho osso").replies
    done = resume(
        book(),
        at("find_office", ""),
        Heard(at=START, world=WORLD),
        [{"event": "slot", "name": "province", "value": big}],
    )
    assert done.state.slots.get("province") is None
    assert any("refused event slot" in line for line in done.why)


def test_a_slot_of_100_kb_is_cut_and_the_turn_goes_on() -> None:
    chat = Chat()
    chat.you("chào")
    chat.you("kể trước cho osso")
    chat.tap("Con cái")
    done = chat.you("chuyện của em dài lắm " * 5_000)
    assert "tỉnh, thành phố nào" in words(done)
    assert len(str(chat.now.slots["story"])) <= 2_000
    assert len(str(chat.state)) < 20_000


def test_the_screen_is_asked_only_when_the_rim_has_not() -> None:
    screen = PlainScreen()
    parts = replace(book(), screen=screen)
    take_turn(parts, at("", ""), Heard("em chào chị", at=START, world=WORLD))
    assert screen.heard == ["em chào chị"]
    done = take_turn(parts, at("", ""), Heard("x", at=START, world=WORLD, danger=Danger("AMBER", "ipv")))
    assert screen.heard == ["em chào chị"]
    assert [ticket.level for ticket in tickets(done)] == ["AMBER"]


def test_more_choices_than_the_channel_can_carry_become_a_numbered_list() -> None:
    chat = Chat(world=replace(WORLD, choices=3))
    done = chat.you("chào")
    last = done.replies[-1]
    assert [choice.title for choice in last.choices] == ["Giấy tờ, pháp lý", "Việc làm, học nghề", "Gặp tư vấn viên"]
    assert "4. Con cái" in last.text
    assert chat.you("4").topic == "child"


def test_no_message_carries_more_choices_than_its_channel() -> None:
    for most in (1, 3, 5, 13):
        chat = Chat(world=replace(WORLD, choices=most))
        for said in ("chào", "1", "1", "kể trước cho osso", "gặp người", "chi phí ly hôn bao nhiêu"):
            for reply in chat.you(said).replies:
                assert len(reply.choices) <= most


def test_hand_back_forgets_nothing_and_is_announced_once() -> None:
    chat = Chat()
    chat.you("chào")
    chat.change({"owner": "person"})
    chat.you("alo")
    chat.change({"owner": "bot"})
    assert "trở lại" in words(chat.taps("handback"))
    assert "trở lại" not in words(chat.you("cảm ơn"))


@pytest.mark.parametrize(
    ("language", "said"), [("vi", "Gọi 113 (Việt Nam)"), ("ko", "113 전화 (베트남)"), ("en", "Call 113 (Viet Nam)")]
)
def test_first_words_in_danger_come_in_her_language(language: str, said: str) -> None:
    chat = Chat(parts=replace(book(), screen=Screen.load(ROOT / "knowledge")))
    chat.you("chào")
    chat.taps("/language")
    chat.taps(f"/SetSlots(language={language})")
    turn = chat.you("chồng đang đánh em")
    assert turn.decision == "safety"
    assert said in [choice.title for reply in turn.replies for choice in reply.choices]


def test_a_timer_of_check_is_fifteen_minutes() -> None:
    done = turn(at("", ""), "em mệt mỏi quá rồi")
    assert [effect.at - START for effect in done.effects if isinstance(effect, Timer)] == [15 * 60_000]


# --- events of actions ------------------------------------------------------------------------------------------------


def after(*events: dict[str, Any], flow: str = "find_office", step: str = "1_action_action_find_office") -> Turn:
    assert isinstance(book().flows.flows[flow].steps[step], Act)
    return resume(book(), at(flow, step), Heard("", at=START, world=WORLD), list(events))


def test_events_are_honoured_or_refused_by_name() -> None:
    done = after({"event": "slot", "name": "office_found", "value": False})
    assert "chưa có văn phòng" in words(done)
    assert [ticket.reason for ticket in tickets(after({"event": "pause"}))] == ["flow"]
    reminder = {"event": "reminder", "name": "r", "intent": "menu", "date_time": EVENING, "kill_on_user_msg": False}
    assert Timer("r", START + 0, "/menu", False) in after(reminder).effects
    assert Timer("r", 0) in after({"event": "cancel_reminder", "name": "r"}).effects
    assert RunAction("action_tell_hours") in after({"event": "followup", "name": "action_tell_hours"}).effects
    assert "Chị chọn một mục" in words(after({"event": "followup", "name": "utter_menu"}))
    spoken = {"event": "bot", "text": "Dạ.", "data": {"buttons": [{"title": "Menu", "payload": "/menu"}, "x"]}}
    assert after(spoken).replies[0].choices == (Choice("Menu", "/menu"),)
    assert after({"event": "reset_slots"}).state.slots["province"] is None
    assert after({"event": "restart"}).state.flow == ""
    assert after({"event": "followup", "name": "action_listen"}).replies
    for refused in (
        {"event": "rewind"},
        {"event": "undo"},
        {"event": "slot", "name": "unknown", "value": 1},
        {"event": "slot", "name": "province", "value": {"a": 1}},
        {"event": "slot", "name": "province", "value": "x" * 9_000},
        {"event": "followup", "name": "action_gone"},
        {"event": "reminder", "name": "r", "date_time": "tomorrow"},
        {"event": "active_loop", "name": "form"},
        {"event": "user", "text": "hi"},
        {"event": 3},
        {},
    ):
        assert any(line.startswith("refused event") for line in after(refused).why), refused


def test_resuming_where_nothing_is_open_changes_nothing() -> None:
    done = resume(book(), at("", ""), Heard("", at=START, world=WORLD), [])
    assert (done.replies, done.effects, done.state.flow) == ((), (), "")


# --- any input at all -------------------------------------------------------------------------------------------------

places = st.sampled_from(EVERYWHERE)
SAID = (
    *("chào", "1", "0", "99", "có", "không", "dung", "quay lại", "bỏ qua", "thôi", "menu", "gặp người", "hải phòng"),
    *("hàn quốc", "văn phòng ở đâu", "OSSO là gì, giúp được gì, có mất tiền không?", "à không, ở cần thơ"),
    *("tiếp tục", "đừng gọi", "\u200b", "\ud83d"),
)
pieces = st.sampled_from(SAID)


@settings(max_examples=100, deadline=None)
@given(places, st.lists(pieces | st.text(max_size=30), min_size=1, max_size=6), st.booleans())
def test_no_words_of_hers_ever_raise(place: tuple[str, str], said: list[str], owned: bool) -> None:
    chat = Chat(state=state_to_json(at(*place)), world=SILENT if owned else WORLD)
    for text in said:
        done = chat.you(text)
        assert state_from_json(state_to_json(done.state)) == done.state
        assert owned or done.replies or not text.strip()


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=40),
    st.sampled_from(["", "/SetSlots(province=", "article:", "case:", "topic:", "feedback:", "flow:", "/"]),
)
def test_no_payload_ever_raises(rest: str, start: str) -> None:
    for flow, step in EVERYWHERE[:6]:
        turn(at(flow, step), payload=start + rest)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "flow",
    "step",
    "slots",
    "stack",
    "trail",
    "offered",
    "danger_at",
    "unknowns",
    "heard_at",
    "locale",
    "owner",
    "last",
]


@settings(max_examples=80, deadline=None)
@given(json_like | st.dictionaries(st.sampled_from(FIELDS), json_like, max_size=12))
def test_any_json_is_a_state_and_a_turn_can_be_taken_on_it(data: Any) -> None:
    state = state_from_json(data)
    assert state_from_json(state_to_json(state)) == state
    assert turn(state, "menu").replies


def test_a_state_of_older_flow_files_only_forgets() -> None:
    old = State(
        flow="gone",
        step="x",
        slots={"gone": 1, "province": "hai-phong"},
        stack=(("gone", "x"),),
        welcomed=True,
        heard_at=START,
    )
    done = turn(old, "tiếp tục")
    assert done.state.stack == ()
    assert "gone" not in done.state.slots
    assert done.state.slots["province"] == "hai-phong"


def test_a_phrase_with_its_time_begins_the_appointment_and_without_one_does_not() -> None:
    def reads(text: str, **_: Any) -> Reading:
        found = (Entity("date", "chiều mai", "chiều mai", 0, 1),) if "chiều mai" in text else ()
        return Reading(text, text, entities=found)

    parts = replace(book(), reader=reads)
    asked = take_turn(parts, at("", ""), Heard("chị gọi cho em chiều mai nhé", at=START, world=WORLD))
    assert asked.state.flow == "appointment"
    other = take_turn(parts, at("", ""), Heard("chồng gọi cho em hoài", at=START, world=WORLD))
    assert other.state.flow == ""


def test_who_says_when_she_wants_to_meet_a_person_is_given_an_appointment() -> None:
    def reads(text: str, **_: Any) -> Reading:
        days = {"chiều mai": "2999-01-01", "hôm qua": "1999-01-01", "hôm nay": "2999-01-01"}
        found = tuple(Entity("date", day, said, 0, 1) for said, day in days.items() if said in text)
        return Reading(text, text, entities=found, act="person")

    parts = replace(book(), reader=reads)
    dated = take_turn(parts, at("", ""), Heard("em muốn hẹn gặp chiều mai", at=START, world=WORLD))
    assert dated.state.flow == "appointment"
    for said in ("em muốn hẹn gặp chị nào đó", "hôm qua hẹn gọi lại mà chưa gọi", "gọi lại cho em ngay hôm nay"):
        assert take_turn(parts, at("", ""), Heard(said, at=START, world=WORLD)).decision == "person", said


def test_who_never_chose_a_language_is_answered_in_the_one_she_cries_out_in() -> None:
    chat = Chat(parts=replace(book(), screen=Screen.load(ROOT / "knowledge")))
    done = chat.you("남편이 때려요")
    assert done.decision == "safety"
    assert "113 전화 (베트남)" in [choice.title for reply in done.replies for choice in reply.choices]
    assert "giờ" not in words(done)
    assert chat.now.locale == "ko"
    assert "상담사" in words(chat.you("상담사"))
