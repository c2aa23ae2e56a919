"""What staff send beside words: sealed with her key, and lent to the platform for two days under an address that nobody
can guess.
"""

from __future__ import annotations

import secrets
import uuid

from sqlalchemy import insert

from bot.messages import Reply
from bot.store import models, queries
from handoff.accounts.staff import Staff
from handoff.deeds.locked import Desk, Missing, find
from handoff.media import Clean

media = queries.table(models.Media)
LENT_MS = 48 * 3_600_000


def lend(desk: Desk, staff: Staff, reference: str, found: Clean, *, base_url: str) -> Reply:
    """The message that brings her a picture, or a file as a link. Raises Missing."""
    token, public = secrets.token_urlsafe(32), str(uuid.uuid4())
    with desk.rim.database.write() as connection:
        row = find(connection, staff, reference, desk.now())
        her = queries.get_conversation(connection, row["conversation_id"], lock=True)
        if her is None or her["wrapped_key"] is None:
            raise Missing
        ring = desk.rim.database.keyring
        connection.execute(
            insert(media).values(
                uuid=public,
                conversation_id=her["id"],
                staff_id=staff.id,
                kind=found.kind,
                body_sealed=ring.open_key(her["wrapped_key"]).seal(found.body.hex(), "media", public, "body"),
                token_index=ring.index("media", token),
                until=desk.now() + LENT_MS,
                at=desk.now(),
            )
        )
    address = f"{base_url}/media/{token}"
    return Reply(image=address) if found.picture else Reply(f"Em gửi chị tệp này ạ: {address}")
