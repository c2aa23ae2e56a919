"""What invented women send beside words, kept as a platform keeps it: for two days, and only the newest of them all."""

from __future__ import annotations

from sqlalchemy import Connection

from bot.channels.webchat import ACCOUNT
from bot.simulator.visitors import Visitor
from bot.store import media, queries
from bot.store.crypto import Keyring

MOST_BYTES = 10_100_000  # the desk opens 10 MB; a little is the form around it
MOST_KEPT = 40  # anybody may come to this page
KINDS = ("image", "audio", "file")
STARTS = (
    *((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n", "image/png"), (b"GIF8", "image/gif")),
    *((b"%PDF-", "application/pdf"), (b"ID3", "audio/mpeg"), (b"OggS", "audio/ogg")),
)


def token(ring: Keyring, visitor: Visitor, message: str) -> str:
    """The same for the same message sent twice, and a guess for nobody."""
    return ring.index("simulator file", visitor.channel, visitor.person, message).hex()


def keep(connection: Connection, ring: Keyring, visitor: Visitor, token: str, body: bytes, now: int) -> None:
    """`body` as it came. Her conversation is there already, for her message was accepted before."""
    index = ring.index("person", visitor.channel, ACCOUNT, visitor.person)
    her = queries.find_conversation(connection, index)
    if her is not None:
        media.keep(connection, ring, her, body, kind=_kind(body), token=token, now=now)
        media.drop_invented(connection, now, MOST_KEPT)


def hers(connection: Connection, ring: Keyring, visitor: Visitor, token: str) -> media.Kept | None:
    """The file of her own chat with this token."""
    her = queries.find_conversation(connection, ring.index("person", visitor.channel, ACCOUNT, visitor.person))
    found = media.kept(connection, ring, token)
    return found if found and her is not None and found.conversation_id == her["id"] else None


def _kind(body: bytes) -> str:
    """What a browser may show by itself, known by its first bytes; everything else is just a file."""
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in STARTS if body.startswith(start)), "application/octet-stream")
