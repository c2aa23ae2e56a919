"""Who should take which ticket, when to call further people, and what may honestly be promised to her. Pure.

Nobody absent is ever chosen, and no ticket can starve: urgency is a head start in time, not a wall.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import holidays

from bot.rim import Duty
from handoff.accounts.staff import EVERYWHERE

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
HEAD_START = {"RED": 7 * DAY, "AMBER": 2 * HOUR, "CHECK": 15 * MINUTE, "NONE": 0}  # ms
HEAVY = frozenset({"RED", "AMBER"})
OTHER_SKILL_MS = 5 * MINUTE  # then anyone of the office will do
OTHER_OFFICE_MS = 15 * MINUTE  # then any office will do
PULL_MS = 20_000  # an ordinary ticket waits this long for somebody to pull it before it is offered
OFFER_MS = {"RED": 45_000, "AMBER": 60_000, "CHECK": 90_000, "NONE": 90_000}
DECLINED_MS = 10 * MINUTE  # a declined ticket is not offered again to the same person for so long
SECOND_MS, LEAD_MS = 120_000, 300_000  # RED unclaimed
AWAY_MS = 5 * MINUTE  # no sign of life from her browser: a phone's browser sleeps long before this
AWAY_RED_MS = 2 * MINUTE
VIETNAM = datetime.timezone(datetime.timedelta(hours=7))
WEEKDAYS = ("thứ Hai", "thứ Ba", "thứ Tư", "thứ Năm", "thứ Sáu", "thứ Bảy", "Chủ nhật")


Excuse = Literal["", "day_off", "holiday"]
Standing = Literal[
    "here", "full", "paused", "absent", "on_call", "on_call_away", "visiting", "off", "day_off", "holiday"
]


@dataclass(frozen=True, slots=True)
class Counsellor:
    """One who may take tickets. `present`: her desk showed a sign of life, and she has not set a pause.

    `offices` may hold `*`: every office. `lead`: she leads one of them. `paused`: she set a pause. `excused`: why she
    is not on the shift that is hers at this hour on other days.
    """

    id: int
    offices: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset({"vi"})
    on_shift: bool = False
    on_call: bool = False
    present: bool = False
    open_chats: int = 0
    heavy_chats: int = 0
    capacity: int = 5
    heavy_cap: int = 2
    lead: bool = False
    paused: bool = False
    excused: Excuse = ""

    @property
    def available(self) -> bool:
        return self.present and (self.on_shift or self.on_call)

    @property
    def standing(self) -> Standing:
        """Whether she would get the next ticket, and if not, the one reason that is told of her."""
        if not (self.on_shift or self.on_call):
            return self.excused or ("visiting" if self.present else "off")
        if self.paused:
            return "paused"
        if not self.on_shift:
            return "on_call" if self.present else "on_call_away"
        if not self.present:
            return "absent"
        return "full" if self.open_chats >= self.capacity else "here"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A ticket in the queue. `since` (ms): when it came, or came back. `preferred`: who knew her before."""

    id: int
    since: int
    level: str = "NONE"
    office: str = ""
    skill: str = ""
    locale: str = "vi"
    preferred: int | None = None
    declined: frozenset[int] = frozenset()


def order(tickets: Iterable[Waiting]) -> list[Waiting]:
    """Oldest and most urgent first. The head start is finite, so every ticket comes to the front in the end."""
    return sorted(tickets, key=lambda one: (one.since - HEAD_START.get(one.level, 0), one.id))


def fits(counsellor: Counsellor, ticket: Waiting, now: int) -> bool:
    """Whether she may be given this ticket now. Danger and long waits open it to other skills and offices."""
    if not counsellor.available or not _room(counsellor, ticket):
        return False
    if not counsellor.on_shift and ticket.level != "RED":
        return False  # on call is for danger
    waited = now - ticket.since
    red = ticket.level == "RED"
    if not at_home(counsellor, ticket.office) and waited < (SECOND_MS if red else OTHER_OFFICE_MS):
        return False
    skilled = not ticket.skill or ticket.skill in counsellor.skills
    speaks = ticket.locale in counsellor.languages
    return red or (skilled and speaks) or waited >= OTHER_SKILL_MS


def at_home(counsellor: Counsellor, office: str) -> bool:
    """Whether a ticket of this office is hers: the office is hers, or she works for all, or it has none yet."""
    return not office or office in counsellor.offices or EVERYWHERE in counsellor.offices


def choose(ticket: Waiting, counsellors: Iterable[Counsellor], now: int) -> Counsellor | None:
    """The best of those who fit: who knows her, then language, skill, home office, the lightest load."""

    def merit(one: Counsellor) -> tuple[bool, bool, bool, bool, int, int, int]:
        return (
            one.id != ticket.preferred,
            ticket.locale not in one.languages,
            bool(ticket.skill) and ticket.skill not in one.skills,
            not at_home(one, ticket.office),
            one.heavy_chats if ticket.level in HEAVY else 0,
            one.open_chats,
            one.id,
        )

    fitting = [one for one in counsellors if one.id not in ticket.declined and fits(one, ticket, now)]
    return min(fitting, key=merit, default=None)


def plan(tickets: Iterable[Waiting], counsellors: Iterable[Counsellor], now: int) -> list[tuple[Waiting, Counsellor]]:
    """The offers to make now, in order of need; each offer counts against the capacity of who gets it."""
    free = {one.id: one for one in counsellors}
    offers = []
    for ticket in order(tickets):
        if ticket.level == "NONE" and ticket.preferred is None and now - ticket.since < PULL_MS:
            continue
        chosen = choose(ticket, free.values(), now)
        if chosen is not None:
            offers.append((ticket, chosen))
            heavy = int(ticket.level in HEAVY)
            free[chosen.id] = replace(chosen, open_chats=chosen.open_chats + 1, heavy_chats=chosen.heavy_chats + heavy)
    return offers


def next_for(counsellor: Counsellor, tickets: Iterable[Waiting], now: int) -> Waiting | None:
    """What “Nhận ca tiếp theo” gives her: the neediest ticket that fits, even one she passed over a moment ago."""
    here = replace(counsellor, present=True, on_shift=True)
    return next((ticket for ticket in order(tickets) if fits(here, ticket, now)), None)


def _room(counsellor: Counsellor, ticket: Waiting) -> bool:
    if ticket.level == "RED":
        return True  # danger is never turned away by a number; the cap keeps AMBER and the rest off her
    if ticket.level in HEAVY and counsellor.heavy_chats >= counsellor.heavy_cap:
        return False
    return counsellor.open_chats < counsellor.capacity


# --- RED unclaimed ----------------------------------------------------------------------------------------------------

Called = Literal["first", "second", "lead"]


@dataclass(frozen=True, slots=True)
class Escalation:
    """One step to take: whom to call, and when the next step is due (ms, 0: never)."""

    step: int
    called: Called
    next_at: int


def escalate(step: int, since: int, now: int) -> Escalation | None:
    """The next step of an unclaimed RED ticket, or None while it is not due. `step`: steps already made."""
    match step:
        case 0:
            return Escalation(1, "first", since + SECOND_MS)
        case 1 if now >= since + SECOND_MS:
            return Escalation(2, "second", since + LEAD_MS)
        case 2 if now >= since + LEAD_MS:
            return Escalation(3, "lead", 0)
        case _:
            return None


def whom(
    called: Called, ticket: Waiting, counsellors: Sequence[Counsellor], already: Collection[int], now: int
) -> Counsellor | None:  # fmt: skip
    """The person a step calls: never one called before, the lead of her office for the last step, on call at night."""
    others = [one for one in counsellors if one.id not in already]
    if called == "lead":
        leads = [one for one in others if one.lead and (one.on_shift or one.on_call or one.present)]
        home = [one for one in leads if at_home(one, ticket.office)]
        found = choose(ticket, home, now) or next(iter(home or leads), None)
        if found is not None:
            return found
    near = choose(replace(ticket, since=min(ticket.since, now - SECOND_MS)), others, now)
    return near or next((one for one in others if one.on_call or one.on_shift), None)


# --- shifts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shift:
    """Weekly (`weekday` 0 = Monday) or on one `day` (ISO). Minutes after midnight; an end before the start runs over
    midnight. `holidays`: also on public holidays."""

    staff_id: int
    start: int
    end: int
    weekday: int | None = None
    day: str = ""
    kind: Literal["desk", "on_call"] = "desk"
    holidays: bool = False


@dataclass(frozen=True, slots=True)
class DayOff:
    """Somebody's day off, or with `staff_id` 0 a day a whole office is closed (`office` empty: all of them)."""

    day: str
    staff_id: int = 0
    office: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Shifts, days off, and public holidays of Viet Nam (Tết included)."""

    shifts: tuple[Shift, ...] = ()
    off: tuple[DayOff, ...] = ()
    public: frozenset[str] = frozenset()


def public_holidays(years: Iterable[int]) -> frozenset[str]:
    """ISO days of Viet Nam's public holidays. Source: the `holidays` library (lunar Tết and Giỗ Tổ included)."""
    return frozenset(day.isoformat() for day in holidays.country_holidays("VN", years=list(years)))


def on_duty(calendar: Calendar, offices: Mapping[int, Collection[str]], now: int) -> dict[int, set[str]]:
    """Who is on which kind of shift at `now` (ms): staff id → {"desk", "on_call"}."""
    moment = _local(now)
    found: dict[int, set[str]] = {}
    for shift in calendar.shifts:
        for start_day in (moment.date(), moment.date() - datetime.timedelta(days=1)):
            if not _works(calendar, shift, start_day, offices.get(shift.staff_id, ())):
                continue
            start, end = _span(shift, start_day)
            if start <= moment < end:
                found.setdefault(shift.staff_id, set()).add(shift.kind)
    return found


def excused(calendar: Calendar, offices: Mapping[int, Collection[str]], now: int) -> dict[int, Excuse]:
    """Who would be on a shift at `now` (ms) but for a day off of hers or of her office, or a public holiday."""
    moment = _local(now)
    days = {moment.date().isoformat(), (moment.date() - datetime.timedelta(days=1)).isoformat()}
    if days.isdisjoint(calendar.public) and days.isdisjoint(off.day for off in calendar.off):
        return {}
    working = on_duty(calendar, offices, now)
    but_for_leave = on_duty(replace(calendar, off=()), offices, now)
    any_week = on_duty(replace(calendar, off=(), public=frozenset()), offices, now)
    found: dict[int, Excuse] = dict.fromkeys(any_week.keys() - but_for_leave.keys(), "holiday")
    return found | dict.fromkeys(but_for_leave.keys() - working.keys(), "day_off")


def opens_at(calendar: Calendar, staff: Mapping[int, Collection[str]], now: int) -> int | None:
    """When the next desk shift of any of `staff` (id → offices) begins (ms), within two weeks."""
    moment = _local(now)
    best: datetime.datetime | None = None
    for shift in calendar.shifts:
        if shift.kind != "desk" or shift.staff_id not in staff:
            continue
        for ahead in range(15):
            day = moment.date() + datetime.timedelta(days=ahead)
            start, _end = _span(shift, day)
            if start > moment and _works(calendar, shift, day, staff[shift.staff_id]):
                best = start if best is None else min(best, start)
                break
    return None if best is None else int(best.timestamp() * 1000)


def duty(
    calendar: Calendar,
    counsellors: Sequence[Counsellor],
    *,
    office: str,
    skill: str,
    now: int,
) -> Duty:
    """What she may be told: staffed only when somebody whom routing would really give her is on shift and there.
    Somebody on shift whose desk is closed promises nothing; out of hours the next shift is named."""
    ticket = Waiting(0, now - OTHER_OFFICE_MS, office=office, skill=skill)
    if any(fits(replace(one, open_chats=0, heavy_chats=0), ticket, now) for one in counsellors):
        return Duty(staffed=True)
    home = [one for one in counsellors if at_home(one, office)]
    if any(one.on_shift for one in home or counsellors):
        return Duty()
    at = opens_at(calendar, {one.id: one.offices for one in home}, now)
    if at is None:
        at = opens_at(calendar, {one.id: one.offices for one in counsellors}, now)
    return Duty(opens_at=at)


def _local(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at / 1000, VIETNAM)


def _span(shift: Shift, day: datetime.date) -> tuple[datetime.datetime, datetime.datetime]:
    midnight = datetime.datetime.combine(day, datetime.time(), VIETNAM)
    length = (shift.end - shift.start) % 1440 or 1440
    start = midnight + datetime.timedelta(minutes=shift.start)
    return start, start + datetime.timedelta(minutes=length)


def _works(calendar: Calendar, shift: Shift, day: datetime.date, offices: Collection[str]) -> bool:
    iso = day.isoformat()
    if shift.day:
        if shift.day != iso:
            return False
    elif shift.weekday != day.weekday() or (iso in calendar.public and not shift.holidays):
        return False
    for off in calendar.off:
        if off.day == iso and (off.staff_id == shift.staff_id or (not off.staff_id and off.office in ("", *offices))):
            return False
    return True
