"""What the page asks the database: one look at one conversation, in one read transaction. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, or_, select

from bot.store import queries
from bot.store.queries import conversation, entry, outbox

SOON_MS = 5_000  # a send due later than this is no sign of somebody typing


@dataclass(frozen=True, slots=True)
class Seen:
    """`said` are the outbox rows of `entries`, and those that belong to no entry. `writing`: words are on their way."""

    conversation: RowMapping
    entries: Sequence[RowMapping]
    said: Sequence[RowMapping]
    ticket: RowMapping | None
    ahead: int
    writing: bool


def look(connection: Connection, person_index: bytes, *, after: str, now: int) -> Seen | None:
    """Her conversation after the entry with the public id `after` (empty or unknown: from the beginning)."""
    found = (
        connection.execute(select(conversation).where(conversation.c.person_index == person_index)).mappings().first()
    )
    if found is None or found["wrapped_key"] is None:
        return None
    mark = select(entry.c.id).where(entry.c.conversation_id == found["id"], entry.c.uuid == after)
    entries = queries.entries(connection, found["id"], after=connection.execute(mark).scalar() or 0)
    said = select(outbox).where(
        outbox.c.conversation_id == found["id"],
        or_(outbox.c.entry_id.in_([row["id"] for row in entries]), outbox.c.entry_id.is_(None)),
    )
    ticket = queries.open_ticket(connection, found["id"])
    return Seen(
        conversation=found,
        entries=entries,
        said=connection.execute(said.order_by(outbox.c.id)).mappings().all(),
        ticket=ticket,
        ahead=queries.tickets_before(connection, ticket) if ticket else 0,
        writing=found["owner"] == "bot" and _writing(connection, found["id"], now),
    )


def _writing(connection: Connection, conversation_id: int, now: int) -> bool:
    if queries.next_inbox(connection, conversation_id) is not None:
        return True
    said = queries.next_outbox(connection, conversation_id, now)
    return said is not None and said["status"] != "held" and said["next_at"] < now + SOON_MS
