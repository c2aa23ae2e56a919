"""One chat as its page shows it: what was said, noted and done, in the order in which it came to us. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, RowMapping, select

from bot.hearing import safe_contact
from bot.messages import Attachment, Reply
from bot.state import state_from_json
from bot.store import queries
from bot.store.bodies import attachments_from_json, reply_from_json
from bot.store.crypto import ConversationKey, Sealed
from handoff.accounts.queries import names
from handoff.deeds import later, note, set_for_later
from handoff.desk.rows import Board, label, ticket_label, viewers
from handoff.desk.words import delivery, other, text_of
from handoff.duty import called

ticket, outbox = queries.ticket, queries.outbox


@dataclass(frozen=True, slots=True)
class Bubble:
    """One line of the talk. `kind`: message, edit, consent, outside, note, event."""

    at: int
    author: str  # person, bot, staff, system
    kind: str
    text: str = ""
    key: str = ""  # public id, also the anchor on the page
    staff_id: int | None = None
    choices: tuple[str, ...] = ()
    image: str = ""
    contact: bool = False
    attachments: tuple[tuple[int, Attachment], ...] = ()
    status: str = ""
    status_words: str = ""
    why: tuple[str, ...] = ()
    article: str = ""
    level: str = "NONE"
    event: str = ""
    detail: str = ""
    to: int | None = None  # the other person of an event
    raised: bool = False  # the message that brought the ticket


@dataclass(frozen=True, slots=True)
class Chat:
    """One ticket with its talk."""

    row: RowMapping
    her: RowMapping
    name: str
    bubbles: tuple[Bubble, ...]
    older: bool
    slots: Mapping[str, str | int | float | bool | None]
    safe: Mapping[str, str]
    laters: tuple[tuple[RowMapping, tuple[Reply, ...]], ...]
    labels: tuple[str, ...]
    before: tuple[RowMapping, ...]
    names: Mapping[int | None, str]
    viewers: tuple[tuple[str, str], ...]
    pending: RowMapping | None  # a transfer somebody has not answered
    erased: bool = False
    last_id: int = 0


@dataclass(slots=True)
class _Talk:
    connection: Connection
    key: ConversationKey
    row: RowMapping
    her: RowMapping
    bubbles: list[Bubble] = field(default_factory=list)


def chat(board: Board, row: RowMapping, *, limit: int = 120) -> Chat:
    """The ticket's talk, newest `limit` messages; her key gone: the ticket alone."""
    connection = board.connection
    her = queries.get_conversation(connection, row["conversation_id"])
    assert her is not None  # noqa: S101 - tickets keep their conversation
    seen = viewers(connection, [row["id"]], board.now, but=board.who.id).get(row["id"], ())
    other = select(ticket).where(ticket.c.conversation_id == her["id"], ticket.c.id != row["id"])
    before = connection.execute(other.order_by(ticket.c.id.desc()).limit(10)).mappings().all()
    tags = (
        select(label.c.name)
        .join(ticket_label, ticket_label.c.label_id == label.c.id)
        .where(ticket_label.c.ticket_id == row["id"])
    )
    labels = tuple(connection.execute(tags.order_by(label.c.name)).scalars())
    moving = select(called).where(
        called.c.ticket_id == row["id"], called.c.kind == "transfer", called.c.answered_at.is_(None)
    )
    pending = connection.execute(moving).mappings().first()
    everyone: set[int | None] = {row["staff_id"], *(one["staff_id"] for one in before)}
    if pending is not None:
        everyone |= {pending["staff_id"], pending["by_id"]}
    if her["wrapped_key"] is None:
        known = names(connection, everyone)
        return Chat(row, her, "", (), older=False, slots={}, safe={}, laters=(), labels=labels, before=tuple(before),
                    names=known, viewers=seen, pending=pending, erased=True)  # fmt: skip
    key = board.keyring.open_key(her["wrapped_key"])
    talk = _Talk(connection, key, row, her)
    entries = queries.entries(connection, her["id"], limit=limit + 1)
    older = len(entries) > limit
    entries = entries[-limit:]
    _messages(talk, entries)
    since = entries[0]["at"] if entries and older else 0
    _notes(talk, since)
    _events(talk, since)
    talk.bubbles.sort(key=_in_order(entries))
    everyone |= {who for one in talk.bubbles for who in (one.staff_id, one.to)}
    state = key.open(her["state_sealed"], "conversation", her["uuid"], "state") if her["state_sealed"] else {}
    slots = {name: value for name, value in state_from_json(state).slots.items() if value not in (None, "")}
    waiting = select(later).where(later.c.conversation_id == her["id"], later.c.status == "waiting")
    laters = tuple(
        (one, tuple(set_for_later(key, one))) for one in connection.execute(waiting.order_by(later.c.at)).mappings()
    )
    name = str(slots.get("name") or her["uuid"][:4].upper())[:60]
    return Chat(
        row,
        her,
        name,
        tuple(talk.bubbles),
        older,
        slots,
        safe_contact(key, her),
        laters,
        labels,
        tuple(before),
        names(connection, everyone),
        seen,
        pending,
        last_id=entries[-1]["id"] if entries else 0,
    )


def _in_order(entries: Sequence[RowMapping]) -> Callable[[Bubble], int]:
    """Messages stand in the order they came to us, whatever the platform's clock said; the rest by its time."""
    at, times = 0, {}
    for one in entries:
        at = max(at, one["at"])
        times[one["uuid"]] = at
    return lambda bubble: times.get(bubble.key, bubble.at)


def _messages(talk: _Talk, entries: Sequence[RowMapping]) -> None:
    sent: dict[int, list[Mapping[str, object]]] = {}
    wanted = [one["id"] for one in entries if one["author"] != "person"]
    columns = (outbox.c.entry_id, outbox.c.status, outbox.c.code, outbox.c.delivered_at)
    for row in talk.connection.execute(select(*columns).where(
        outbox.c.conversation_id == talk.her["id"], outbox.c.entry_id.in_(wanted)
    )).mappings():  # fmt: skip
        sent.setdefault(row["entry_id"], []).append(dict(row))
    for one in entries:
        if one["kind"] == "undone":
            continue
        try:
            body = talk.key.open(one["body_sealed"], "entry", one["uuid"], "body") if one["body_sealed"] else {}
            why = talk.key.open(one["why_sealed"], "entry", one["uuid"], "why") if one["why_sealed"] else []
        except Sealed:
            continue
        status, words = delivery(sent.get(one["id"], []))
        reply = reply_from_json(body)
        talk.bubbles.append(
            Bubble(
                one["at"],
                one["author"],
                one["kind"],
                text=text_of(body),
                key=one["uuid"],
                staff_id=one["staff_id"],
                choices=tuple(choice.title for choice in reply.choices),
                image=reply.image,
                contact=reply.contact,
                attachments=tuple(enumerate(attachments_from_json(body.get("attachments", [])))),
                status=status,
                status_words=words,
                why=tuple(str(line) for line in why),
                article=one["article"],
                level=one["level"],
                raised=one["id"] == talk.row["entry_id"],
            )
        )


def _notes(talk: _Talk, since: int) -> None:
    query = select(note).where(note.c.conversation_id == talk.her["id"], note.c.at >= since)
    for one in reversed(talk.connection.execute(query.order_by(note.c.id.desc()).limit(100)).mappings().all()):
        text = talk.key.open(one["body_sealed"], "note", one["uuid"], "body")
        talk.bubbles.append(Bubble(one["at"], "staff", "note", text, one["uuid"], one["staff_id"]))


def _events(talk: _Talk, since: int) -> None:
    events = queries.ticket_event
    quiet = ("answered", "she_wrote", "undone", "again")
    query = select(events).where(
        events.c.ticket_id == talk.row["id"], events.c.at >= since, events.c.kind.not_in(quiet)
    )
    for one in reversed(talk.connection.execute(query.order_by(events.c.id.desc()).limit(60)).mappings().all()):
        talk.bubbles.append(
            Bubble(
                one["at"],
                "system",
                "event",
                key=f"event-{one['id']}",
                staff_id=one["staff_id"],
                event=one["kind"],
                detail=one["detail"],
                to=other(one["kind"], one["detail"]),
            )
        )
