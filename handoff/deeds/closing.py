"""The end of a ticket: the last words, the bot's return, and the question that comes later."""

from __future__ import annotations

import uuid

from sqlalchemy import select

from bot.hearing import Holding, safe_contact
from bot.messages import Reply
from bot.outbox import safe_time
from bot.store import queries
from handoff.accounts.staff import Staff
from handoff.deeds.locked import Desk, Locked, actor, apply, lock, locked_for
from handoff.deeds.speaking import pieces, speak
from handoff.tickets import Close, asks_how_it_went

ASK_AFTER_MS = 30 * 60_000  # how the chat went is asked when it has settled
DAY_MS = 86_400_000


def close(
    desk: Desk, staff: Staff, reference: str, act: Close, *, last_words: str = "", hand_back: bool = False
) -> None:  # fmt: skip
    """Ends the ticket; with `last_words` says them first, with `hand_back` lets the bot take up the talk at once."""
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
        if last_words.strip():
            words = [Reply(one) for one in pieces(last_words)]
            speak(desk, locked, staff, words, once=str(uuid.uuid4()), paid=True, not_before=0)
            locked = lock(connection, locked.conversation["id"], locked.row["id"], locked.now)
        apply(locked, act, actor(staff, locked.row["office"]))
        _ask_later(desk, locked, act.reason)
        if hand_back:
            give_back(desk, locked)
        desk.record(connection, staff, "ticket.closed", locked.subject, f"{act.reason} {act.outcome}".strip())
    desk.wake(locked.row["conversation_id"], 1)


def _ask_later(desk: Desk, locked: Locked, reason: str) -> None:
    """Sets the question whether the chat helped: at an hour that is safe for her, while the platform still lets the bot
    speak. Her next word, or another ticket, takes it away again."""
    her, connection = locked.conversation, locked.connection
    danger = her["flagged"] or _sounded_dangerous(locked)
    if her["wrapped_key"] is None or not asks_how_it_went(locked.ticket, reason, danger=danger):
        return
    at = safe_time(safe_contact(Holding.of(desk.rim, her).key, her), locked.now + ASK_AFTER_MS)
    channel = desk.rim.channels[her["channel"]]
    if at is None or not channel.window(her["heard_at"], at).bot or queries.stopped(connection, her["id"]):
        return
    values = {"at": at, "payload": "/chat_feedback", "set_at": locked.now, "unless_heard": True}
    queries.set_timer(connection, her["id"], queries.CHAT_FEEDBACK, values)


def _sounded_dangerous(locked: Locked) -> bool:
    """Whether a word of hers since the day before this ticket was more than nothing to the screen."""
    query = select(queries.entry.c.id).where(
        queries.entry.c.conversation_id == locked.conversation["id"],
        queries.entry.c.at > locked.row["opened_at"] - DAY_MS,
        queries.entry.c.level != "NONE",
    )
    return locked.connection.execute(query.limit(1)).first() is not None


def give_back(desk: Desk, locked: Locked) -> None:
    """The bot hears that the chat is its own again, after everything queued before."""
    conversation = locked.conversation
    if conversation["wrapped_key"] is None:
        return
    public = str(uuid.uuid4())
    ring = desk.rim.database.keyring
    key = ring.open_key(conversation["wrapped_key"])
    queries.add_inbox(
        locked.connection,
        {
            "uuid": public,
            "conversation_id": conversation["id"],
            "event_index": ring.index("handback", public),
            "kind": "timer",
            "body_sealed": key.seal({"payload": "handback"}, "inbox", public, "body"),
            "at": locked.now,
            "received_at": locked.now,
        },
    )
