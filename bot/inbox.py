"""The way in. `accept` is the one transaction behind a webhook: screen, lock, insert once, alert. It thinks nothing.

What needs no thinking takes effect at once: receipts, echoes (a person who writes in the platform's own inbox silences
the bot in the same transaction), hand-overs. Messages and consents become inbox rows for a worker to hear.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Insert, RowMapping

from bot.messages import (
    LEVELS,
    Address,
    Consent,
    Danger,
    Echo,
    Event,
    Handover,
    Ignored,
    Message,
    Notice,
    Receipt,
)
from bot.store import queries
from bot.store.bodies import heard_to_json
from bot.store.crypto import ConversationKey, Keyring, Known, Sealed
from bot.store.database import Database


class Screen(Protocol):
    def read(self, text: str) -> Danger: ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a webhook left behind: conversations to wake with the rank of their worst message, and counts by kind."""

    wake: tuple[tuple[int, int], ...]
    counts: Counter[str]


def accept(database: Database, screen: Screen, events: Sequence[Event], *, now: int) -> Accepted:
    """Commits every event of one webhook. Raises Unreachable, and then nothing was accepted."""
    counts: Counter[str] = Counter()
    wake: dict[int, int] = {}
    told = [event for event in events if not isinstance(event, Ignored)]
    counts.update(f"ignored {event.why}" for event in events if isinstance(event, Ignored))
    if not told:
        return Accepted((), counts)
    if len(told) == 1 and (met := _once(database, screen, told[0], now)) is not None:
        counts["message"] += 1
        return Accepted((met,), counts)
    hers = {id(event): words for event in told if isinstance(event, Message) and (words := _words(event))}
    screened = {event: screen.read(words) for event, words in hers.items()}
    keyring = database.keyring
    with database.write() as connection:
        door = _Door(connection, keyring, database.known, now)
        books: dict[Address, _Thread] = {}
        # One order of locks for all receivers, so that two batches cannot wait for each other.
        for address in sorted({event.address for event in told if not isinstance(event, Notice)}, key=_order):
            books[address] = _thread(door, address)
        for event in told:
            if isinstance(event, Notice):
                _notice(door, event)
                counts["notice"] += 1
                continue
            thread = books[event.address]
            danger = screened.get(id(event), Danger())
            inbox_id = _insert(door, thread, event, danger)
            if inbox_id is None:
                counts["duplicate"] += 1
                continue
            counts[type(event).__name__.lower()] += 1
            match event:
                case Message():
                    _alert(door, thread, event, danger)
                    wake[thread.id] = max(wake.get(thread.id, 0), LEVELS.index(danger.level))
                case Consent():
                    wake.setdefault(thread.id, 0)
                case Echo():
                    _echo(door, thread, event, inbox_id)
                case Receipt():
                    _receipt(door, thread, event)
                case Handover():
                    _handover(door, thread, event)
    return Accepted(tuple(wake.items()), counts)


def _once(database: Database, screen: Screen, event: Event, now: int) -> tuple[int, int] | None:
    """The common case in one statement: a message that alerts nobody, from a person met before. None: not so."""
    if not isinstance(event, Message) or event.standby:
        return None
    keyring = database.keyring
    person = _person(keyring, event.address)
    met = database.known.get(person)
    if met is None:
        return None
    wrapped, key = met
    rank = 0

    def make() -> tuple[Insert, dict[str, Any]] | None:
        nonlocal rank
        danger = screen.read(words) if (words := _words(event)) else Danger()
        rank = LEVELS.index(danger.level)
        if danger.level == "RED":
            return None
        values = _row(keyring, key, event, danger, now) | {"person": person, "wrapped": wrapped}
        return queries.add_to_known(sqlite_=database.sqlite), values

    found = database.write_once(make)
    if found is not None:
        return found, rank
    if LEVELS[rank] != "RED":
        database.known.forget(person)
    return None


def _words(event: Message) -> str:
    """What of a message may be her own words. The title of a tap is ours, unless its payload is none that we write."""
    if not event.payload:
        return event.text
    return "" if ":" in event.payload or "/" in event.payload else event.payload


@dataclass(frozen=True, slots=True)
class _Door:
    """The transaction that is open, the keys, and the time (ms)."""

    connection: Connection
    keyring: Keyring
    known: Known
    now: int


@dataclass(frozen=True, slots=True)
class _Thread:
    id: int
    uuid: str
    row: RowMapping
    key: ConversationKey


def _order(address: Address) -> tuple[str, str, str]:
    return address.channel, address.account, address.person


def _person(keyring: Keyring, address: Address) -> bytes:
    return keyring.index("person", address.channel, address.account, address.person)


def _thread(door: _Door, address: Address) -> _Thread:
    index = _person(door.keyring, address)
    row = queries.find_conversation(door.connection, index)
    if row is None:
        wrapped, key = door.keyring.new_key()
        public = str(uuid.uuid4())
        row = queries.add_conversation(
            door.connection,
            {
                "uuid": public,
                "channel": address.channel,
                "account": address.account,
                "person_index": index,
                "person_sealed": key.seal(address.person, "conversation", public, "person"),
                "wrapped_key": wrapped,
                "created_at": door.now,
            },
        )
        if row["uuid"] == public:
            door.known.add(index, wrapped, key)
            return _Thread(row["id"], public, row, key)
    key = door.keyring.open_key(row["wrapped_key"])
    door.known.add(index, row["wrapped_key"], key)
    return _Thread(row["id"], row["uuid"], row, key)


def _insert(
    door: _Door, thread: _Thread, event: Message | Consent | Echo | Receipt | Handover, danger: Danger
) -> int | None:
    values = _row(door.keyring, thread.key, event, danger, door.now) | {"conversation_id": thread.id}
    return queries.add_inbox(door.connection, values)


def _row(
    keyring: Keyring,
    key: ConversationKey,
    event: Message | Consent | Echo | Receipt | Handover,
    danger: Danger,
    now: int,
) -> dict[str, Any]:
    """The inbox row of an event, but for its conversation."""
    public = str(uuid.uuid4())
    body = heard_to_json(event) if isinstance(event, Message | Consent) else None
    heard_later = body is not None
    if body is not None and danger.evidence:
        body["evidence"] = danger.evidence
    return {
        "uuid": public,
        "event_index": keyring.index("event", event.address.channel, event.address.account, event.key),
        "kind": type(event).__name__.lower(),
        "body_sealed": key.seal(body, "inbox", public, "body") if body is not None else None,
        "level": danger.level,
        "category": danger.category,
        "at": event.at,
        "received_at": now,
        "done_at": None if heard_later else now,
    }


def _alert(door: _Door, thread: _Thread, event: Message, danger: Danger) -> None:
    """RED opens its ticket here, in the accept transaction: no queue can delay or lose it."""
    if danger.level == "RED":
        queries.ask_for_person(
            door.connection,
            thread.id,
            reason="danger",
            level="RED",
            category=danger.category,
            now=door.now,
            locale="vi",
        )
        if not thread.row["flagged"]:
            queries.change_conversation(door.connection, thread.id, flagged=True)
    if event.standby and thread.row["owner"] == "bot":
        _silence(door, thread)  # another app owns the thread: the bot may listen, not speak


def _silence(door: _Door, thread: _Thread) -> None:
    queries.change_conversation(door.connection, thread.id, owner="person", said_at=door.now)
    queries.withhold_bot(door.connection, thread.id)


def _echo(door: _Door, thread: _Thread, event: Echo, inbox_id: int) -> None:
    index = door.keyring.index("message", event.address.channel, event.address.account, event.id) if event.id else None
    if event.author == "bot":
        _settle_by_echo(door, thread, event, index)
        return
    if event.author == "machine":
        return
    public = str(uuid.uuid4())
    entry_id = queries.add_entry(
        door.connection,
        {
            "uuid": public,
            "conversation_id": thread.id,
            "inbox_id": inbox_id,
            "author": "staff",
            "kind": "outside",  # written in the platform's own inbox
            "body_sealed": thread.key.seal(heard_to_json(event), "entry", public, "body"),
            "platform_index": index,
            "at": event.at or door.now,
        },
    )
    _silence(door, thread)
    ticket_id, new = queries.ask_for_person(
        door.connection, thread.id, reason="echo", now=door.now, state="taken", entry_id=entry_id
    )
    if new:
        queries.change_ticket(door.connection, ticket_id, taken_at=door.now, answered_at=door.now)


def _settle_by_echo(door: _Door, thread: _Thread, event: Echo, index: bytes | None) -> None:
    """Our own send came back: it was delivered, whatever the HTTP request said."""
    row = queries.outbox_by_uuid(door.connection, event.reference) if event.reference else None
    if row is None and index is not None:
        row = queries.outbox_by_platform(door.connection, index)
    if row is None and event.text:
        row = _same_words(door, thread, event.text)
    if row is not None and row["conversation_id"] == thread.id:
        values = {"status": "sent", "sent_at": row["sent_at"] or door.now, "code": ""}
        queries.change_outbox(door.connection, row["id"], **values, platform_index=index or row["platform_index"])


def _same_words(door: _Door, thread: _Thread, text: str) -> RowMapping | None:
    """The unsettled send with these words: for platforms whose echo carries no reference of ours."""
    for row in queries.unsettled(door.connection, thread.id):
        try:
            body = thread.key.open(row["body_sealed"], "outbox", row["uuid"], "body")
        except Sealed:
            continue
        if " ".join(str(body.get("text", "")).split()) == " ".join(text.split()):
            return row
    return None


def _receipt(door: _Door, thread: _Thread, event: Receipt) -> None:
    if event.kind in ("delivered", "seen"):
        names = (event.address.channel, event.address.account)
        indexes = [door.keyring.index("message", *names, one) for one in event.ids]
        queries.mark_delivered(door.connection, thread.id, indexes, event.watermark, event.at or event.watermark)
    elif event.kind == "reacted" and event.at > thread.row["heard_at"]:
        queries.change_conversation(door.connection, thread.id, heard_at=event.at)  # a reaction opens the window


def _handover(door: _Door, thread: _Thread, event: Handover) -> None:
    if event.kind in ("taken", "passed") and not event.ours:
        _silence(door, thread)
    elif event.kind == "passed" and event.ours and thread.row["owner"] == "person":
        found = queries.open_ticket(door.connection, thread.id)
        if found is None or found["staff_id"] is None:  # no counsellor of ours is in the chat
            queries.change_conversation(door.connection, thread.id, owner="bot")
            if found is not None and found["reason"] == "echo":
                queries.end_outside(door.connection, found, "outside", door.now)


def _notice(door: _Door, event: Notice) -> None:
    """The platform warns about our account. Never content: the kind is a constant of the channel."""
    index = door.keyring.index("event", event.channel, event.account, event.key)
    values = {
        "uuid": str(uuid.uuid4()),
        "conversation_id": None,
        "event_index": index,
        "kind": "notice",
        "at": event.at,
        "received_at": door.now,
        "done_at": door.now,
    }
    if queries.add_inbox(door.connection, values) is not None:
        queries.raise_alarm(door.connection, event.kind[:32], f"{event.channel} {event.account}"[:80], door.now)
