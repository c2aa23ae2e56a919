"""Private notes and drafts: sealed with her key, and without a way out to her."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, delete, insert, select

from bot.errors import Refused
from bot.hearing import Holding
from bot.store import models, queries
from handoff.accounts.staff import Staff
from handoff.deeds.locked import Desk, Locked, Missing, call, find, locked_for, takes_tickets
from handoff.scope import READERS

note = queries.table(models.Note)
draft = queries.table(models.Draft)
MOST_TEXT = 4_000  # of one message, one note
MOST_PIECES = 10  # messages sent, or begun, in one go


def add_note(desk: Desk, staff: Staff, reference: str, text: str, *, mentions: Sequence[str] = ()) -> None:
    """A private note; `mentions` are public ids of colleagues, who are called to it and may then read the chat."""
    if not text.strip() or len(text) > MOST_TEXT:
        raise Refused("Ghi chú trống hoặc dài quá.")
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
        write_note(desk, locked, staff, text)
        found = connection.execute(select(READERS.c.id).where(READERS.c.uuid.in_(list(mentions)[:10]))).scalars().all()
        for receiver in found:
            if receiver != staff.id and takes_tickets(connection, receiver, locked.now):
                call(connection, locked.row["id"], receiver, "mention", locked.now, by=staff.id, reason="note")
        clear_draft(connection, locked.conversation["id"], staff, "note")
        desk.record(connection, staff, "note.added", locked.subject)


def write_note(desk: Desk, locked: Locked, staff: Staff, text: str) -> None:
    public = str(uuid.uuid4())
    key = Holding.of(desk.rim, locked.conversation).key
    locked.connection.execute(
        insert(note).values(
            uuid=public,
            conversation_id=locked.conversation["id"],
            ticket_id=locked.row["id"],
            staff_id=staff.id,
            body_sealed=key.seal(text.strip()[:MOST_TEXT], "note", public, "body"),
            at=locked.now,
        )
    )


def keep_draft(desk: Desk, staff: Staff, reference: str, kind: str, text: str) -> None:
    """Keeps what she has begun; an empty text forgets it."""
    if kind not in ("reply", "note"):
        raise Missing
    with desk.rim.database.write() as connection:
        row = find(connection, staff, reference, desk.now())
        conversation = queries.get_conversation(connection, row["conversation_id"])
        if conversation is None or conversation["wrapped_key"] is None:
            raise Missing
        if not text.strip():
            clear_draft(connection, conversation["id"], staff, kind)
            return
        key = desk.rim.database.keyring.open_key(conversation["wrapped_key"])
        place = f"{conversation['uuid']} {staff.id}"
        sealed = key.seal(text[: MOST_TEXT * MOST_PIECES], "draft", place, kind)
        where = {"conversation_id": conversation["id"], "staff_id": staff.id, "kind": kind}
        queries.upsert(connection, draft, where, {"body_sealed": sealed, "at": desk.now()})


def drafts(desk: Desk, connection: Connection, staff: Staff, conversation: RowMapping) -> dict[str, str]:
    key = desk.rim.database.keyring.open_key(conversation["wrapped_key"])
    place = f"{conversation['uuid']} {staff.id}"
    query = select(draft).where(draft.c.conversation_id == conversation["id"], draft.c.staff_id == staff.id)
    return {
        row["kind"]: key.open(row["body_sealed"], "draft", place, row["kind"])
        for row in connection.execute(query).mappings()
    }


def clear_draft(connection: Connection, conversation_id: int, staff: Staff, kind: str) -> None:
    where = (draft.c.conversation_id == conversation_id, draft.c.staff_id == staff.id, draft.c.kind == kind)
    connection.execute(delete(draft).where(*where))
