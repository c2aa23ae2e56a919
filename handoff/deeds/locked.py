"""A ticket in hand: found if she may read it, locked with its conversation, changed as the rules say.

The chat's owner changes in the same transaction as the ticket, and what the bot still wanted to say is withheld with
it; so from that commit on no word of the bot can leave.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, RowMapping, insert, select, update

from bot.errors import Refused
from bot.rim import Rim
from bot.store import queries
from handoff.accounts.queries import names
from handoff.accounts.staff import Staff
from handoff.duty import called, counsellors
from handoff.scope import leads, listable, readable
from handoff.tickets import Act, Actor, Change, Ticket, move


class Missing(Exception):
    """No such ticket, or not for her eyes: the page answers 404 either way."""


class Record(Protocol):
    def __call__(
        self, connection: Connection, staff: Staff | None, action: str, subject: str, detail: str = ""
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What deeds work with. `wake` may fail freely; `record` appends to the audit inside the transaction."""

    rim: Rim
    wake: Callable[[int, int], None]
    record: Record

    def now(self) -> int:
        return self.rim.clock()


@dataclass(frozen=True, slots=True)
class Locked:
    """A ticket and its conversation, locked in the open transaction."""

    connection: Connection
    row: RowMapping
    conversation: RowMapping
    now: int

    @property
    def ticket(self) -> Ticket:
        return as_ticket(self.row)

    @property
    def subject(self) -> str:
        return f"ticket:{self.row['uuid']}"


def as_ticket(row: Mapping[str, Any] | RowMapping) -> Ticket:
    return Ticket(row["state"], row["level"], row["category"], row["staff_id"], row["closing"], row["closed_at"])


def actor(staff: Staff, office: str) -> Actor:
    return Actor(staff.id, lead=leads(staff, office))


def find(connection: Connection, staff: Staff, reference: str, now: int) -> RowMapping:
    """The ticket with this public id, if she may read it. Raises Missing; or Refused with the holder's name when the
    queue shows it to her but a colleague holds it."""
    query = select(queries.ticket).where(queries.ticket.c.uuid == reference)
    row = connection.execute(query.where(readable(staff, now))).mappings().first()
    if row is not None:
        return row
    row = connection.execute(query.where(listable(staff, now))).mappings().first()
    if row is None:
        raise Missing
    if row["state"] == "closed":
        raise Refused("Ca này đã kết thúc.")
    raise with_name(connection, row, Refused("Ca này đã có người nhận."), Actor(staff.id))


def lock(connection: Connection, conversation_id: int, ticket_id: int, now: int) -> Locked:
    """Locks in the order of everybody else: the conversation first."""
    conversation = queries.get_conversation(connection, conversation_id, lock=True)
    row = connection.execute(select(queries.ticket).where(queries.ticket.c.id == ticket_id)).mappings().first()
    if conversation is None or row is None:
        raise Missing
    return Locked(connection, row, conversation, now)


def locked_for(desk: Desk, connection: Connection, staff: Staff, reference: str) -> Locked:
    now = desk.now()
    row = find(connection, staff, reference, now)
    return lock(connection, row["conversation_id"], row["id"], now)


def apply(locked: Locked, act: Act, by: Actor) -> Change:
    """Writes what the rules say. Raises Refused; then nothing was written."""
    change = move(locked.ticket, act, by)
    connection, row, now = locked.connection, locked.row, locked.now
    values = dict(change.values) | {name: now for name in change.stamp if not row[name] or name == "closed_at"}
    queries.change_ticket(connection, row["id"], **values)
    queries.log_ticket(connection, row["id"], change.event, now, staff_id=by.id or None, detail=change.detail[:200])
    if change.owner and change.owner != locked.conversation["owner"]:
        queries.change_conversation(connection, row["conversation_id"], owner=change.owner)
    if change.owner == "person":
        queries.withhold_bot(connection, row["conversation_id"])
    if change.event in ("reopened", "resumed"):
        queries.cancel_timer(connection, row["conversation_id"], queries.CHAT_FEEDBACK)
    if change.values.get("state") not in (None, "offered", "waiting"):
        queries.clear_alarm(connection, "red-unclaimed", row["uuid"], now)
    if change.event in ("taken", "taken_over", "assigned", "accepted", "closed", "requeued"):
        end_calls(connection, row["id"], now, taker=change.values.get("staff_id"))
    return change


def end_calls(connection: Connection, ticket_id: int, now: int, *, taker: int | None) -> None:
    """Calls that waited for an answer are over; the taker's own counts as a yes. Mentions stay until seen."""
    open_calls = (called.c.ticket_id == ticket_id, called.c.answered_at.is_(None), called.c.kind != "mention")
    if taker is not None:
        mine = update(called).where(*open_calls, called.c.staff_id == taker)
        connection.execute(mine.values(answer="yes", answered_at=now))
    connection.execute(update(called).where(*open_calls).values(answer="over", answered_at=now))


def call(
    connection: Connection,
    ticket_id: int,
    staff_id: int | None,
    kind: str,
    now: int,
    *,
    by: int | None = None,
    until: int = 0,
    reason: str = "",
) -> None:
    connection.execute(
        insert(called).values(
            uuid=str(uuid.uuid4()),
            ticket_id=ticket_id,
            staff_id=staff_id,
            kind=kind,
            by_id=by,
            until=until,
            reason=reason[:24],
            at=now,
        )
    )


def takes_tickets(connection: Connection, staff_id: int, now: int) -> bool:
    return any(one.id == staff_id for one in counsellors(connection, now))


def with_name(connection: Connection, row: RowMapping, refused: Refused, by: Actor) -> Refused:
    """Who has it: the one thing the second of two wants to know."""
    holder = row["staff_id"]
    if holder is None or holder == by.id:
        return refused
    return Refused("{why} ({name})", why=refused, name=names(connection, [holder]).get(holder, ""))
