"""What routing needs from the tables: who is on duty, who is there, who holds how much, and what waits.

Reads only. `roster` is how the bot learns what it may honestly promise.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Connection, and_, case, func, select

from bot.knowledge.places import Province, office_for
from bot.rim import Duty, Roster
from bot.store import models, queries
from bot.store.database import Database
from handoff.accounts.queries import post, staff
from handoff.routing import (
    AWAY_MS,
    DECLINED_MS,
    HEAVY,
    VIETNAM,
    Calendar,
    Counsellor,
    DayOff,
    Shift,
    Waiting,
    duty,
    excused,
    on_duty,
    public_holidays,
)
from handoff.tickets import HELD

card = queries.table(models.CounsellorCard)
shift = queries.table(models.ShiftSet)
day_off = queries.table(models.DayOffSet)
presence = queries.table(models.Presence)
called = queries.table(models.Called)
blocked = queries.table(models.Blocked)
ticket = queries.ticket
ticket_event = queries.ticket_event
Provinces = Callable[[], Mapping[str, Province]]
DAY_MS = 86_400_000


def calendar(connection: Connection, now: int) -> Calendar:
    year = datetime.datetime.fromtimestamp(now / 1000, VIETNAM).year
    shifts = [
        Shift(row.staff_id, row.start, row.end, row.weekday, row.day, row.kind, row.holidays)
        for row in connection.execute(select(shift)).all()
    ]
    since = datetime.datetime.fromtimestamp((now - DAY_MS) / 1000, VIETNAM).date().isoformat()
    off = [DayOff(row.day, row.staff_id, row.office) for row in connection.execute(select(day_off)) if row.day >= since]
    return Calendar(tuple(shifts), tuple(off), public_holidays((year, year + 1)))


def counsellors(connection: Connection, now: int) -> list[Counsellor]:
    """Everybody who may take tickets, as they are at `now` (ms)."""
    offices: dict[int, set[str]] = {}
    leads: set[int] = set()
    held = select(post.c.staff_id, post.c.role, post.c.office).join(staff, staff.c.id == post.c.staff_id)
    for row in connection.execute(held.where(post.c.role.in_(("counsellor", "lead")), staff.c.disabled_at.is_(None))):
        offices.setdefault(row.staff_id, set()).add(row.office)
        if row.role == "lead":
            leads.add(row.staff_id)
    cards = {row["staff_id"]: row for row in connection.execute(select(card)).mappings()}
    seen = {row.staff_id: row.seen_at for row in connection.execute(select(presence.c.staff_id, presence.c.seen_at))}
    loads = _loads(connection)
    when = calendar(connection, now)
    duties, excuses = on_duty(when, offices, now), excused(when, offices, now)
    found = []
    for staff_id in sorted(offices):
        one = cards.get(staff_id)
        chats, heavy = loads.get(staff_id, (0, 0))
        found.append(
            Counsellor(
                staff_id,
                frozenset(offices[staff_id]),
                _words(one["skills"] if one else ""),
                _words(one["languages"] if one else "vi"),
                on_shift="desk" in duties.get(staff_id, ()),
                on_call="on_call" in duties.get(staff_id, ()),
                present=seen.get(staff_id, 0) > now - AWAY_MS and not (one and one["paused"]),
                open_chats=chats,
                heavy_chats=heavy,
                capacity=one["capacity"] if one else 5,
                heavy_cap=one["heavy_cap"] if one else 2,
                lead=staff_id in leads,
                paused=bool(one and one["paused"]),
                excused=excuses.get(staff_id, ""),
            )
        )
    return found


def waiting(connection: Connection, now: int, *, ticket_ids: Iterable[int] | None = None) -> list[Waiting]:
    """The tickets without a person, blocked people only in danger. With `ticket_ids`, only those."""
    query = (
        select(ticket)
        .join(blocked, blocked.c.conversation_id == ticket.c.conversation_id, isouter=True)
        .where(ticket.c.closed_at.is_(None), ticket.c.state == "waiting")
        .where((blocked.c.conversation_id.is_(None)) | (ticket.c.level.in_(("RED", "AMBER"))))
    )
    if ticket_ids is not None:
        query = query.where(ticket.c.id.in_(list(ticket_ids)))
    rows = connection.execute(query.order_by(ticket.c.rank.desc(), ticket.c.opened_at).limit(500)).mappings().all()
    ids = [row["id"] for row in rows]
    declined: dict[int, set[int]] = {}
    said_no = select(called.c.ticket_id, called.c.staff_id).where(
        called.c.ticket_id.in_(ids), called.c.answer.in_(("no", "late")), called.c.answered_at > now - DECLINED_MS
    )
    for one in connection.execute(said_no):
        declined.setdefault(one.ticket_id, set()).add(one.staff_id)
    knew = _preferred(connection, [row["conversation_id"] for row in rows])
    return [
        Waiting(
            row["id"],
            row["opened_at"],
            row["level"],
            row["office"],
            row["skill"],
            row["locale"],
            knew.get(row["conversation_id"]),
            frozenset(declined.get(row["id"], ())),
        )
        for row in rows
    ]


def since(connection: Connection, ticket_id: int) -> int:
    """When the ticket last came to the queue or grew more urgent (ms): what escalation counts from."""
    kinds = ("opened", "raised", "requeued", "reopened")
    query = select(func.max(ticket_event.c.at)).where(
        ticket_event.c.ticket_id == ticket_id, ticket_event.c.kind.in_(kinds)
    )
    return int(connection.execute(query).scalar() or 0)


def roster(database: Database, provinces: Provinces = dict) -> Roster:
    """The bot's honest waiting words: whether somebody fitting is really there now, and otherwise when."""

    def ask(province: str, skill: str, now: int) -> Duty:
        with database.read() as connection:
            everyone = counsellors(connection, now)
            if not everyone:
                return Duty()
            found = calendar(connection, now)
        return duty(found, everyone, office=office_for(province, provinces()), skill=skill, now=now)

    return ask


def _loads(connection: Connection) -> dict[int, tuple[int, int]]:
    """Staff id → (open chats, heavy ones); a snoozed chat weighs nothing."""
    heavy = func.sum(case((ticket.c.level.in_(HEAVY), 1), else_=0))
    states = (HELD | {"offered"}) - {"snoozed"}
    query = (
        select(ticket.c.staff_id, func.count(), heavy)
        .where(ticket.c.closed_at.is_(None), ticket.c.staff_id.is_not(None), ticket.c.state.in_(states))
        .group_by(ticket.c.staff_id)
    )
    return {row[0]: (int(row[1]), int(row[2])) for row in connection.execute(query)}


def _preferred(connection: Connection, conversation_ids: list[int]) -> dict[int, int]:
    """Conversation → the counsellor who closed her last ticket."""
    last = (
        select(ticket.c.conversation_id, func.max(ticket.c.id).label("id"))
        .where(
            ticket.c.conversation_id.in_(conversation_ids),
            ticket.c.closed_at.is_not(None),
            ticket.c.staff_id.is_not(None),
        )
        .group_by(ticket.c.conversation_id)
        .subquery()
    )
    query = select(ticket.c.conversation_id, ticket.c.staff_id).join(last, and_(last.c.id == ticket.c.id))
    return {row[0]: row[1] for row in connection.execute(query)}


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
