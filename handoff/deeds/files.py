"""What staff send beside words: sealed with her key, and lent to the platform for two days under an address that nobody
can guess.
"""

from __future__ import annotations

import secrets

from bot.messages import Reply
from bot.store import queries
from bot.store.media import keep
from handoff.accounts.staff import Staff
from handoff.deeds.locked import Desk, Missing, find
from handoff.media import Clean


def lend(desk: Desk, staff: Staff, reference: str, found: Clean, *, base_url: str) -> Reply:
    """The message that brings her a picture, or a file as a link. Raises Missing."""
    token, ring = secrets.token_urlsafe(32), desk.rim.database.keyring
    with desk.rim.database.write() as connection:
        row = find(connection, staff, reference, desk.now())
        her = queries.get_conversation(connection, row["conversation_id"], lock=True)
        if her is None or her["wrapped_key"] is None:
            raise Missing
        keep(connection, ring, her, found.body, kind=found.kind, token=token, now=desk.now(), staff_id=staff.id)
    address = f"{base_url}/media/{token}"
    return Reply(image=address) if found.picture else Reply(f"Em gửi chị tệp này ạ: {address}")
