"""Routing: who gets which ticket, that nobody absent does, that nothing starves, and what she is told of the hours."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.knowledge.places import OldOffice, Province, home_for, office_for
from bot.moments import soon
from handoff.routing import (
    DAY,
    HEAVY,
    HOUR,
    LEAD_MS,
    MINUTE,
    OFFER_MS,
    OTHER_OFFICE_MS,
    SECOND_MS,
    VIETNAM,
    Calendar,
    Counsellor,
    DayOff,
    Shift,
    Waiting,
    choose,
    duty,
    escalate,
    fits,
    next_for,
    on_duty,
    opens_at,
    order,
    plan,
    public_holidays,
    whom,
)

NOW = 1_800_000_000_000


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=VIETNAM).timestamp() * 1000)


def mai(**fields: object) -> Counsellor:
    known: dict[str, object] = {"offices": frozenset({"hn"}), "skills": frozenset({"legal"}), "on_shift": True}
    return Counsellor(1, **(known | {"present": True} | fields))  # type: ignore[arg-type]


def test_absent_people_get_nothing() -> None:
    for absent in (mai(present=False), mai(on_shift=False), mai(on_shift=False, on_call=True)):
        assert choose(Waiting(1, NOW - DAY, office="hn"), [absent], NOW) is None
    assert fits(mai(on_shift=False, on_call=True), Waiting(1, NOW, "RED"), NOW)  # on call is for danger


def test_office_skill_and_language_open_up_with_time() -> None:
    lan = Counsellor(2, frozenset({"ct"}), on_shift=True, present=True)
    ticket = Waiting(1, NOW, office="hn", skill="legal", locale="ko")
    assert not fits(mai(), ticket, NOW)  # no Korean yet
    assert fits(mai(), ticket, NOW + 5 * MINUTE)
    assert not fits(lan, ticket, NOW + 5 * MINUTE)
    assert fits(lan, ticket, NOW + OTHER_OFFICE_MS)
    assert fits(lan, replace(ticket, level="RED"), NOW + SECOND_MS)


def test_capacity_and_heavy_cap_but_danger_is_never_turned_away() -> None:
    full = mai(open_chats=5)
    heavy = mai(open_chats=2, heavy_chats=2)
    assert not fits(full, Waiting(1, NOW), NOW)
    assert fits(full, Waiting(1, NOW, "RED"), NOW)
    assert not fits(heavy, Waiting(1, NOW, "AMBER"), NOW)
    assert fits(heavy, Waiting(1, NOW), NOW)


def test_returning_woman_goes_to_her_counsellor_only_if_there() -> None:
    lan = Counsellor(2, frozenset({"hn"}), frozenset({"legal"}), on_shift=True, present=True, open_chats=4)
    ticket = Waiting(1, NOW - MINUTE, office="hn", skill="legal", preferred=2)
    assert choose(ticket, [mai(), lan], NOW) == lan
    assert choose(ticket, [mai(), replace(lan, present=False)], NOW) == mai()


def test_lightest_load_wins_and_a_declined_ticket_goes_elsewhere() -> None:
    lan = Counsellor(2, frozenset({"hn"}), frozenset({"legal"}), on_shift=True, present=True)
    ticket = Waiting(1, NOW - MINUTE, office="hn")
    assert choose(ticket, [mai(open_chats=1), lan], NOW) == lan
    assert choose(replace(ticket, declined=frozenset({2})), [mai(open_chats=1), lan], NOW) == mai(open_chats=1)


def test_most_urgent_first_then_oldest() -> None:
    red, amber = Waiting(3, NOW, "RED"), Waiting(2, NOW - HOUR, "AMBER")
    old, new = Waiting(1, NOW - HOUR - MINUTE), Waiting(4, NOW)
    assert [one.id for one in order([new, old, amber, red])] == [3, 2, 1, 4]
    assert next_for(mai(present=False), [new, old, amber, red], NOW) == red


def test_offers_count_against_capacity() -> None:
    tickets = [Waiting(number, NOW - HOUR) for number in range(9)]
    offers = plan(tickets, [mai(open_chats=3)], NOW)
    assert [ticket.id for ticket, _who in offers] == [0, 1]


def test_new_ordinary_tickets_are_left_to_whoever_pulls_first() -> None:
    assert plan([Waiting(1, NOW)], [mai()], NOW) == []
    assert len(plan([Waiting(1, NOW, "AMBER")], [mai()], NOW)) == 1


levels = st.sampled_from(["NONE", "NONE", "CHECK", "AMBER", "RED"])
arrivals = st.lists(
    st.tuples(levels, st.sampled_from(["", "hn", "ct"]), st.sampled_from(["", "legal", "child"])), max_size=25
)


@settings(deadline=None, max_examples=30)
@given(arrivals, st.integers(1, 3))
def test_no_ticket_starves_and_no_one_absent_is_chosen(found: Sequence[tuple[str, str, str]], capacity: int) -> None:
    """One counsellor, a flood of danger that never stops, and still every ticket is served."""
    waiting = [Waiting(number, NOW, level, office, skill) for number, (level, office, skill) in enumerate(found)]
    absent = Counsellor(7, frozenset({"hn", "ct"}), on_shift=True)
    now, flood = NOW, 1000
    for _round in range(len(waiting) * 2 + 40):
        now += 12 * HOUR
        waiting.append(Waiting(flood, now - MINUTE, "RED"))
        flood += 1
        offers = plan(waiting, [mai(capacity=capacity), absent], now)
        assert offers
        assert all(who.id == 1 for _ticket, who in offers)
        gone = {ticket.id for ticket, _who in offers[:1]}  # at worst one is served each time
        waiting = [ticket for ticket in waiting if ticket.id not in gone]
        if all(ticket.id >= 1000 for ticket in waiting):
            break
    assert all(ticket.id >= 1000 for ticket in waiting)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 400_000), st.integers(100, 7_000))
def test_red_unclaimed_climbs_exactly_once_each(first_look: int, tick: int) -> None:
    step, called, now = 0, [], first_look
    while now <= first_look + LEAD_MS + 2 * tick:
        while (due := escalate(step, 0, now)) is not None:
            step = due.step
            called.append((due.called, now))
        now += tick
    assert [who for who, _when in called] == ["first", "second", "lead"]
    assert called[1][1] < max(SECOND_MS, first_look) + tick
    assert called[2][1] < max(LEAD_MS, first_look) + tick


def test_whom_escalation_calls() -> None:
    lan = Counsellor(2, frozenset({"ct"}), on_shift=True, present=True)
    lead = Counsellor(3, frozenset({"hn"}), on_call=True, lead=True)
    ticket = Waiting(1, NOW, "RED", office="hn")
    everyone = [mai(), lan, lead]
    assert whom("first", ticket, everyone, (), NOW) == mai()
    assert whom("second", ticket, everyone, (1,), NOW) == lan
    assert whom("lead", ticket, everyone, (1, 2), NOW) == lead
    assert whom("second", ticket, [lead], (), NOW) == lead  # night: on call, wherever she is
    assert whom("second", ticket, [mai(on_shift=False, present=False)], (), NOW) is None


PROVINCES = {
    "hai-phong": Province(
        "hai-phong",
        "Thành phố Hải Phòng",
        "Hải Phòng",
        old=("Hải Phòng", "Hải Dương"),
        office="osso-haiphong",
        old_offices=(OldOffice("Hải Dương", "osso-haiduong", ("chí linh", "hd")),),
    ),
    "hue": Province("hue", "Thành phố Huế", "Huế", old=("Thừa Thiên Huế",)),
}


@pytest.mark.parametrize(
    ("said", "home", "office"),
    [
        ("hai-phong", "hai-phong", "osso-haiphong"),
        ("Hải Phòng", "hai-phong", "osso-haiphong"),
        ("hải dương", "Hải Dương", "osso-haiduong"),
        (" Chí Linh ", "Hải Dương", "osso-haiduong"),
        ("HD", "Hải Dương", "osso-haiduong"),
        ("Thừa Thiên Huế", "hue", ""),  # no office of its own: the present province says as much
        ("hue", "hue", ""),
        ("", "", ""),
        ("Paris", "", ""),
    ],
)
def test_office_by_old_and_new_province(said: str, home: str, office: str) -> None:
    assert home_for(said, PROVINCES) == home
    assert office_for(said, PROVINCES) == office
    assert office_for(home, PROVINCES) == office, "what the slot holds leads to the same office"


def test_the_only_office_of_a_province_is_for_all_of_it() -> None:
    moved = replace(PROVINCES["hai-phong"], office="")
    assert office_for("Hải Phòng", {moved.id: moved}) == "osso-haiduong"


# --- the roster -------------------------------------------------------------------------------------------------------

WEEK = tuple(Shift(1, 8 * 60, 17 * 60, weekday=day) for day in range(5))
CALENDAR = Calendar((*WEEK, Shift(2, 20 * 60, 6 * 60, weekday=4, kind="on_call")), public=public_holidays([2026, 2027]))


def test_on_duty_by_weekday_and_over_midnight() -> None:
    assert on_duty(CALENDAR, {}, at("2026-11-27T08:00")) == {1: {"desk"}}  # a Friday
    assert on_duty(CALENDAR, {}, at("2026-11-27T17:00")) == {}
    assert on_duty(CALENDAR, {}, at("2026-11-28T05:59")) == {2: {"on_call"}}
    assert on_duty(CALENDAR, {}, at("2026-11-28T06:00")) == {}


@pytest.mark.parametrize("day", ["2027-02-08", "2027-09-02", "2026-01-01", "2027-04-16"])
def test_public_holidays_close_the_desk(day: str) -> None:
    assert on_duty(CALENDAR, {}, at(f"{day}T10:00")) == {}
    always = Calendar(tuple(replace(shift, holidays=True) for shift in WEEK), public=CALENDAR.public)
    assert on_duty(always, {}, at(f"{day}T10:00")) == {1: {"desk"}}


def test_days_off_of_a_person_an_office_and_everybody() -> None:
    for off in (DayOff("2026-11-25", 1), DayOff("2026-11-25", office="hn"), DayOff("2026-11-25")):
        calendar = replace(CALENDAR, off=(off,))
        assert on_duty(calendar, {1: ("hn",)}, at("2026-11-25T10:00")) == {}
        assert on_duty(calendar, {1: ("hn",)}, at("2026-11-26T10:00")) == {1: {"desk"}}
    other = replace(CALENDAR, off=(DayOff("2026-11-25", office="ct"),))
    assert on_duty(other, {1: ("hn",)}, at("2026-11-25T10:00")) == {1: {"desk"}}


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("2026-11-25T22:10", "8 giờ sáng mai"),
        ("2026-11-26T03:00", "8 giờ sáng nay"),
        ("2026-11-27T17:30", "8 giờ sáng thứ Hai 30/11"),
        ("2027-02-03T18:00", "8 giờ sáng thứ Năm 11/2"),  # Tết 2027
    ],
)
def test_she_is_told_when_the_desk_opens(now: str, words: str) -> None:
    assert soon(opens_at(CALENDAR, {1: ("hn",)}, at(now)), at(now), "vi") == words


def test_nothing_is_promised_that_is_not_known() -> None:
    assert soon(opens_at(CALENDAR, {5: ()}, NOW), NOW, "vi") == ""
    night = at("2026-11-25T22:10")
    off = mai(on_shift=False, present=False)
    assert duty(CALENDAR, [off], office="hn", skill="", now=night).opens_at == at("2026-11-26T08:00")
    assert duty(CALENDAR, [mai()], office="hn", skill="child", now=night).staffed
    asleep = duty(CALENDAR, [mai(present=False)], office="hn", skill="", now=night)
    assert (asleep.staffed, asleep.opens_at) == (False, None)  # on shift, but no desk is open


def test_offer_times_are_shorter_for_danger() -> None:
    assert min(OFFER_MS, key=lambda level: OFFER_MS[level]) == "RED"
    assert "AMBER" in HEAVY
