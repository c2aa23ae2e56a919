"""Who may see which ticket, as a condition of the query itself: what a page does not get it cannot leak.

A counsellor reads what waits in her offices, what is hers or was hers, and what she is called to. Chats that colleagues
hold are listed for her without a word of content; a lead reads everything of the offices she leads. A chat that no
office has yet (most young ones: the province comes late) is for every counsellor to take and for every lead to lead.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, or_, select, true

from bot.store import queries
from handoff.accounts.queries import glass, staff
from handoff.accounts.staff import EVERYWHERE, Role, Staff
from handoff.duty import called
from handoff.tickets import QUEUED

ticket = queries.ticket
READERS = staff
ASKED = ("", "seen")  # what a call is while it waits, and what a mention is for good; every other answer ends it
GLASS = "ticket:"


def listable(who: Staff, now: int) -> ColumnElement[bool]:
    """Tickets she may know of: those of her offices, those without an office yet, and what she may read anyway."""
    return or_(_of(_offices(who, "counsellor", "lead")), *ways(who, now))


def readable(who: Staff, now: int) -> ColumnElement[bool]:
    """Tickets whose chat she may open. `now` (ms) is for break-glass, which runs out."""
    return or_(*ways(who, now))


def ways(who: Staff, now: int) -> list[ColumnElement[bool]]:
    """The ways in which a chat may be hers to read, each of which an index answers by itself."""
    queued = and_(
        ticket.c.closed_at.is_(None),
        ticket.c.state.in_(sorted(QUEUED)),
        _of(_offices(who, "counsellor", "lead")),
    )
    asked = select(called.c.ticket_id).where(called.c.staff_id == who.id, called.c.answer.in_(ASKED))
    broken = select(func.substr(glass.c.subject, len(GLASS) + 1)).where(
        glass.c.staff_id == who.id, glass.c.until > now, glass.c.subject.startswith(GLASS)
    )
    found = [queued, ticket.c.staff_id == who.id, ticket.c.id.in_(asked), ticket.c.uuid.in_(broken)]
    if led := _offices(who, "lead"):
        found.append(_of(led))
    return found


def leads(who: Staff, office: str) -> bool:
    """Whether a ticket of this office ("": of none yet) is hers to take over, assign and close."""
    led = _offices(who, "lead")
    return EVERYWHERE in led or office in led


def _offices(who: Staff, *roles: Role) -> frozenset[str]:
    """Where she holds one of these roles, and "" for what has no office yet; nothing for whoever holds none."""
    offices = who.offices_as(*roles)
    return offices | {""} if offices else offices


def _of(offices: frozenset[str]) -> ColumnElement[bool]:
    return true() if EVERYWHERE in offices else ticket.c.office.in_(sorted(offices))
