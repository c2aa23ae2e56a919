"""The life of a ticket: every act from every state, who may do it, and that danger is never closed lightly."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Refused
from handoff.tickets import (
    CLOCK,
    CLOSINGS,
    HELD,
    NON_DATA,
    OUTCOMES,
    QUEUED,
    REPORTED,
    Act,
    Actor,
    Answer,
    Assign,
    Close,
    Decline,
    HerWord,
    Offer,
    Reopen,
    Requeue,
    Resume,
    Snooze,
    Take,
    TakeOver,
    Ticket,
    Wake,
    may_write,
    move,
    reopens,
)

ME, OTHER, LEAD = Actor(1), Actor(2), Actor(9, lead=True)
DAY = 86_400_000
STATES = ("waiting", "offered", "taken", "snoozed", "waiting_her", "closed")
ACTS: tuple[Act, ...] = (
    Offer(2),
    Decline(),
    Take(),
    TakeOver(),
    Assign(2),
    Answer(),
    HerWord(),
    HerWord(present=False),
    Snooze(99),
    Wake(),
    Requeue(),
    Requeue("absent"),
    Close("answered", "safe", "not_needed"),
    Close("joke"),
    Reopen(5),
    Resume(5),
)
# state → the acts that the holder herself, a lead and the clock may do, by name of the event they leave
HOLDER = {
    "waiting": {"offered", "taken"},
    "offered": {"declined", "taken"},
    "taken": {"answered", "she_wrote", "requeued", "snoozed", "closed"},
    "snoozed": {"answered", "she_wrote", "requeued", "snoozed", "closed", "woken"},
    "waiting_her": {"answered", "she_wrote", "requeued", "snoozed", "closed"},
    "closed": {"reopened", "resumed"},
}


def did(ticket: Ticket, by: Actor) -> set[str]:
    found = set()
    for act in ACTS:
        try:
            found.add(move(ticket, act, by).event)
        except Refused:
            continue
    return found


@pytest.mark.parametrize("state", STATES)
def test_holder_may_do_exactly_this(state: str) -> None:
    ticket = Ticket(state, staff_id=1, closing="silent", closed_at=0)
    assert did(ticket, ME) == HOLDER[state]


@pytest.mark.parametrize("state", sorted(HELD))
def test_colleague_may_not_touch_a_held_ticket(state: str) -> None:
    ticket = Ticket(state, staff_id=1)
    # what is left is not hers to do: her word and the clock's wake come from the clock
    assert did(ticket, OTHER) - {"she_wrote", "requeued", "woken"} == set()
    with pytest.raises(Refused, match="đang do người khác giữ"):
        move(ticket, Requeue(), OTHER)


def test_lead_takes_over_assigns_and_closes_but_does_not_write() -> None:
    ticket = Ticket("taken", staff_id=1)
    assert {"taken_over", "assigned", "closed", "requeued"} <= did(ticket, LEAD)
    assert not may_write(ticket, LEAD)
    with pytest.raises(Refused):
        move(ticket, Answer(), LEAD)


def test_taking_gives_the_chat_to_the_person_and_closing_gives_it_back() -> None:
    taken = move(Ticket("waiting"), Take(), ME)
    assert (taken.owner, taken.values["staff_id"], taken.stamp) == ("person", 1, ("taken_at",))
    closed = move(Ticket("taken", staff_id=1), Close("answered"), ME)
    assert (closed.owner, closed.stamp) == ("bot", ("closed_at",))
    assert move(Ticket("taken", staff_id=1), Requeue(), ME).owner == "bot"


def test_second_taker_is_told() -> None:
    with pytest.raises(Refused, match="đã có người nhận"):
        move(Ticket("taken", staff_id=1), Take(), OTHER)


def test_only_the_receiver_accepts_a_transfer() -> None:
    ticket = Ticket("taken", staff_id=1)
    assert move(ticket, Assign(2, accepted=True), OTHER).values["staff_id"] == 2
    with pytest.raises(Refused):
        move(ticket, Assign(2, accepted=True), ME)


@pytest.mark.parametrize("ticket", [Ticket("taken", "RED", "ipv", 1), Ticket("taken", "AMBER", "child_abuse", 1)])
def test_danger_needs_outcome_and_reporting_decision(ticket: Ticket) -> None:
    for act in (Close("answered"), Close("joke"), Close("answered", "safe"), Close("answered", "", "111")):
        with pytest.raises(Refused):
            move(ticket, act, ME)
    assert move(ticket, Close("answered", "safe", "111"), ME).values["reported"] == "111"


def test_a_childs_case_is_not_left_to_an_adults_wish() -> None:
    with pytest.raises(Refused):
        move(Ticket("taken", "RED", "child_abuse", 1), Close("answered", "safe", "adult_choice"), ME)


@pytest.mark.parametrize("reason", NON_DATA)
def test_non_data_closes_need_nothing_more(reason: str) -> None:
    assert move(Ticket("taken", staff_id=1), Close(reason), ME).values["closing"] == reason


def test_unknown_reasons_are_refused() -> None:
    for act in (Close("because"), Close("answered", "happy"), Close("answered", "safe", "blog")):
        with pytest.raises(Refused):
            move(Ticket("taken", staff_id=1), act, ME)


def test_red_is_never_snoozed() -> None:
    with pytest.raises(Refused):
        move(Ticket("taken", "RED", staff_id=1), Snooze(5), ME)


def test_her_word_finds_an_absent_counsellor() -> None:
    change = move(Ticket("snoozed", staff_id=1), HerWord(present=False), CLOCK)
    assert (change.values["state"], change.values["staff_id"], change.owner) == ("waiting", None, "bot")


@pytest.mark.parametrize(
    ("closing", "level", "after", "opens"),
    [
        ("silent", "NONE", DAY, True),
        ("silent", "NONE", 4 * DAY, False),
        ("answered", "NONE", 1, False),
        ("answered", "RED", 6 * DAY, True),
        ("answered", "AMBER", 8 * DAY, False),
        ("joke", "RED", 1, False),
        ("abusive", "NONE", 1, False),
    ],
)
def test_reopening(closing: str, level: str, after: int, opens: bool) -> None:
    ticket = Ticket("closed", level, staff_id=1, closing=closing, closed_at=1000)
    assert reopens(ticket, 1000 + after) is opens
    assert not reopens(ticket, 1000)
    assert not reopens(replace(ticket, state="taken", closed_at=None), 5000)


acts = st.one_of(
    st.builds(Offer, st.integers(1, 3)),
    st.builds(Assign, st.integers(1, 3), st.booleans()),
    st.builds(HerWord, st.booleans()),
    st.builds(
        Close,
        st.sampled_from(("", *CLOSINGS)),
        st.sampled_from(("", *OUTCOMES)),
        st.sampled_from(("", *REPORTED)),
    ),
    st.sampled_from([Decline(), Take(), TakeOver(), Answer(), Snooze(9), Wake(), Requeue(), Reopen(50), Resume(50)]),
)
actors = st.builds(Actor, st.integers(0, 3), st.booleans())


@given(st.sampled_from(["NONE", "AMBER", "RED"]), st.lists(st.tuples(acts, actors), max_size=30))
def test_any_history_keeps_the_invariants(level: str, history: list[tuple[Act, Actor]]) -> None:
    ticket, owner = Ticket("waiting", level), "bot"
    for act, by in history:
        try:
            change = move(ticket, act, by)
        except Refused:
            continue
        values = dict(change.values) | {name: 40 for name in change.stamp if name == "closed_at"}
        outcome, reported = values.pop("outcome", ""), values.pop("reported", "")
        known = {key: values[key] for key in ("state", "staff_id", "closing", "closed_at") if key in values}
        ticket = replace(ticket, **known)
        owner = change.owner or owner
        assert ticket.state in STATES
        assert (ticket.state == "waiting") <= (ticket.staff_id is None)
        assert (ticket.state in HELD) == (owner == "person")
        assert not (ticket.state in QUEUED and owner == "person")
        if ticket.state == "closed" and change.event == "closed" and ticket.grave:
            assert outcome
            assert reported
