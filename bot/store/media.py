"""Files in a chat: sealed with her key and found by a token that nobody can guess, for two days. Staff's go to the
platform that way; the simulator keeps an invented woman's, which no platform keeps.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, delete, select, update

from bot.store import models, queries
from bot.store.crypto import Keyring, Sealed

media = queries.table(models.Media)
LENT_MS = 48 * 3_600_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One file as it lies here. `staff_id` None: an invented woman sent it, and nobody has looked into it yet."""

    conversation_id: int
    staff_id: int | None
    kind: str
    until: int  # ms
    body: bytes


def keep(
    connection: Connection,
    ring: Keyring,
    her: RowMapping,
    body: bytes,
    *,
    kind: str,
    token: str,
    now: int,
    staff_id: int | None = None,
) -> None:
    """Seals the file of a conversation with its key. The same token twice is kept once."""
    public = str(uuid.uuid4())
    values = {
        "uuid": public,
        "conversation_id": her["id"],
        "staff_id": staff_id,
        "kind": kind,
        "body_sealed": ring.open_key(her["wrapped_key"]).seal(body.hex(), "media", public, "body"),
        "token_index": ring.index("media", token),
        "until": now + LENT_MS,
        "at": now,
    }
    queries.insert_once(connection, media, values, ["token_index"])


def kept(connection: Connection, ring: Keyring, token: str) -> Kept | None:
    """The file of this token, however old; None when there is none or its key is gone."""
    query = select(media, queries.conversation.c.wrapped_key).join(
        queries.conversation, queries.conversation.c.id == media.c.conversation_id
    )
    row = connection.execute(query.where(media.c.token_index == ring.index("media", token))).mappings().first()
    if row is None or row["wrapped_key"] is None:
        return None
    try:
        body = ring.open_key(row["wrapped_key"]).open(row["body_sealed"], "media", row["uuid"], "body")
    except Sealed:
        return None
    return Kept(row["conversation_id"], row["staff_id"], row["kind"], row["until"], bytes.fromhex(body))


def lend_again(connection: Connection, ring: Keyring, token: str, now: int) -> None:
    """Two more days, for what leaves later than it was looked into."""
    statement = update(media).where(media.c.token_index == ring.index("media", token))
    connection.execute(statement.values(until=now + LENT_MS))


def drop_invented(connection: Connection, now: int, most: int) -> None:
    """Of the files that invented women sent only the newest `most` stay, and none longer than two days."""
    newest = select(media.c.id).where(media.c.staff_id.is_(None), media.c.until >= now)
    ids = connection.execute(newest.order_by(media.c.id.desc()).limit(most)).scalars().all()
    connection.execute(delete(media).where(media.c.staff_id.is_(None), media.c.id.not_in(ids)))


def token_of(address: str) -> str:
    """The token in an address of ours, empty for every other."""
    return address.rpartition("/media/")[2] if "/media/" in address else ""
