"""What was said in the chats she may read, found again.

Bodies are encrypted, and an index of words, even keyed, would tell how often each word is said. So searching opens the
newest chats within her scope and looks; every answer says how far back it looked, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request
from sqlalchemy import Connection, RowMapping, select, true, union

from bot.store import queries
from bot.store.crypto import Sealed
from handoff.accounts import allow, audit, current_staff
from handoff.desk import rows
from handoff.desk.room import fold, pages
from handoff.desk.words import text_of
from handoff.frame import frame, now, page
from handoff.scope import readable, ways

SCAN = 1_500  # messages: after so many a search shows what it has and offers to go on
TICKETS = 100  # and after so many tickets
BATCH = 10  # chats opened at once
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Hit:
    """A message with the words: where, and the words around them in three parts."""

    ticket: str
    key: str
    name: str
    author: str
    at: int
    before: str
    words: str
    after: str


@pages.get("/search")
@allow("counsellor", "lead")
def search() -> str:
    staff, asked = current_staff(), " ".join(request.args.get("q", "").split())[:100]
    upto = request.args.get("before", "")
    before = int(upto) if upto.isascii() and upto.isdigit() and len(upto) < 16 else 0
    hits: list[Hit] = []
    oldest = (0, 0)
    if asked:
        with frame().parts.database.write() as connection:
            audit(connection, staff, "chat.searched", f"staff:{staff.uuid}")
        with frame().parts.database.read() as connection:
            hits, oldest = _look(connection, fold(asked), before)
    return page("desk/search.html", asked=asked, hits=hits, oldest=oldest, scan=SCAN)


def _look(connection: Connection, wanted: str, before: int) -> tuple[list[Hit], tuple[int, int]]:
    """Opens the newest chats she may read. (hits, (id and opening time of the oldest ticket looked at; 0: all))."""
    hits: list[Hit] = []
    opened = 0
    ids = _newest(connection, before)
    for batch in _batches(_chats(connection, ids)):
        said = _said(connection, [row["conversation_id"] for row in batch])
        for row in batch:
            found = said.get(row["conversation_id"], [])
            opened += len(found)
            hits += _hits(row, found, wanted)
        last = batch[-1]
        if (opened >= SCAN or len(hits) >= SHOWN) and last["id"] > ids[-1]:
            return hits, (last["id"], last["opened_at"])
    if len(ids) < TICKETS:
        return hits, (0, 0)
    oldest = select(queries.ticket.c.opened_at).where(queries.ticket.c.id == ids[-1])
    return hits, (ids[-1], connection.execute(oldest).scalar_one())


def _batches(chats: Sequence[RowMapping]) -> list[Sequence[RowMapping]]:
    return [chats[start : start + BATCH] for start in range(0, len(chats), BATCH)]


def _said(connection: Connection, conversation_ids: Sequence[int]) -> dict[int, list[RowMapping]]:
    """Conversation → what was said in it, newest first."""
    entry = queries.entry
    columns = (entry.c.conversation_id, entry.c.uuid, entry.c.author, entry.c.body_sealed, entry.c.at)
    query = select(*columns).where(
        entry.c.conversation_id.in_(conversation_ids), entry.c.kind != "undone", entry.c.body_sealed.is_not(None)
    )
    found: dict[int, list[RowMapping]] = {}
    for row in connection.execute(query.order_by(entry.c.id.desc())).mappings():
        found.setdefault(row["conversation_id"], []).append(row)
    return found


def _newest(connection: Connection, before: int) -> list[int]:
    """Ids of the newest tickets she may read, older than `before` unless it is 0: each way by its own index."""
    ticket = queries.ticket
    older = ticket.c.id < before if before else true()
    each = [
        select(select(ticket.c.id).where(way, older).order_by(ticket.c.id.desc()).limit(TICKETS).subquery().c.id)
        for way in ways(current_staff(), now())
    ]
    found = union(*each).subquery()
    return list(connection.execute(select(found.c.id).order_by(found.c.id.desc()).limit(TICKETS)).scalars())


def _chats(connection: Connection, ids: Sequence[int]) -> list[RowMapping]:
    """The tickets with what opens their chat, newest first; of a chat only the newest that she may read."""
    ticket, her = queries.ticket, queries.conversation
    query = (
        select(ticket, her.c.wrapped_key, her.c.uuid.label("her"), her.c.state_sealed)
        .join(her, her.c.id == ticket.c.conversation_id)
        .where(ticket.c.id.in_(ids), her.c.wrapped_key.is_not(None))
    )
    found = connection.execute(query.order_by(ticket.c.id.desc())).mappings().all()
    every = select(ticket.c.id).where(ticket.c.conversation_id.in_([row["conversation_id"] for row in found]))
    theirs = list(connection.execute(every).scalars())  # asked apart: SQLite would look through all that ever was hers
    hers = select(ticket.c.conversation_id, ticket.c.id).where(ticket.c.id.in_(theirs))
    readable_ids = connection.execute(hers.where(readable(current_staff(), now())).order_by(ticket.c.id))
    newest = {row.conversation_id: row.id for row in readable_ids}
    return [row for row in found if row["id"] == newest.get(row["conversation_id"])]


def _hits(row: RowMapping, entries: Sequence[RowMapping], wanted: str) -> list[Hit]:
    """The messages of one chat with the words."""
    if not entries:
        return []
    ring = frame().parts.database.keyring
    key, found = ring.open_key(row["wrapped_key"]), []
    for entry in entries:
        try:
            text = text_of(key.open(entry["body_sealed"], "entry", entry["uuid"], "body"))
        except Sealed:
            continue
        spot = place(text, wanted)
        if spot is None:
            continue
        start, end = spot
        around = (text[max(0, start - 60) : start], text[start:end], text[end : end + 90])
        found.append(Hit(row["uuid"], entry["uuid"], rows.name_of(ring, row), entry["author"], entry["at"], *around))
    return found


def place(text: str, wanted: str) -> tuple[int, int] | None:
    """Where the folded words stand in the text as it was written."""
    folded, origin = [], []
    for number, letter in enumerate(text):
        for plain in fold(letter):
            folded.append(plain)
            origin.append(number)
    at = "".join(folded).find(wanted)
    if at < 0 or not wanted:
        return None
    return origin[at], origin[at + len(wanted) - 1] + 1
