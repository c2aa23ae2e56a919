"""Who may see which ticket, as a condition of the query itself: what a page does not get it cannot leak.

A counsellor reads what waits in her offices, what is hers or was hers, and what she is called to. Chats that colleagues
hold are listed for her without a word of content; a lead reads everything of the offices she leads.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, or_, true

from bot.store import queries
from handoff.accounts.queries import glass, staff
from handoff.accounts.staff import EVERYWHERE, Staff
from handoff.duty import called
from handoff.tickets import QUEUED

ticket = queries.ticket
READERS = staff
OVER = ("no", "late", "over")  # calls that no longer open anything


def listable(who: Staff, now: int) -> ColumnElement[bool]:
    """Tickets she may know of: those of her offices, those without an office yet, and what she may read anyway."""
    return or_(_office(who.offices_as("counsellor", "lead")), ticket.c.office == "", readable(who, now))


def readable(who: Staff, now: int) -> ColumnElement[bool]:
    """Tickets whose chat she may open. `now` (ms) is for break-glass, which runs out."""
    queued = and_(
        ticket.c.state.in_(sorted(QUEUED)),
        or_(_office(who.offices_as("counsellor", "lead")), ticket.c.office == ""),
    )
    asked = exists().where(called.c.ticket_id == ticket.c.id, called.c.staff_id == who.id, called.c.answer.not_in(OVER))
    broken = exists().where(
        glass.c.staff_id == who.id, glass.c.subject == "ticket:" + ticket.c.uuid, glass.c.until > now
    )
    return or_(_led(who), queued, ticket.c.staff_id == who.id, asked, broken)


def _office(offices: frozenset[str]) -> ColumnElement[bool]:
    return true() if EVERYWHERE in offices else ticket.c.office.in_(sorted(offices))


def _led(who: Staff) -> ColumnElement[bool]:
    """A lead also reads what belongs to no office, for somebody must."""
    offices = who.offices_as("lead")
    return or_(_office(offices), and_(ticket.c.office == "", true() if offices else ticket.c.id < 0))
