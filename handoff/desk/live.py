"""What is new, told to open desks: one cheap look at the tables per tick, shared by every listener of the process.

A listener learns that something of hers changed, never what: the page then asks for it, and the query decides again.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from bot import log
from bot.errors import Unreachable
from bot.store import queries
from bot.store.database import Database
from handoff.accounts.staff import EVERYWHERE
from handoff.deeds import note
from handoff.duty import called, card, presence
from handoff.routing import AWAY_MS

TICK_S = 0.3
STREAM_S = 55.0  # then the browser comes again, and is recognised again
PULSE_S = 15.0
MOST = 240  # listeners of one process, below the threads of the server; more are told to ask now and then instead
KEEP = 500  # changes remembered for listeners that are slow
OVERLAP = 40  # PostgreSQL gives numbers before commit: a smaller one may appear after a larger


@dataclass(frozen=True, slots=True)
class Change:
    """What moved in one tick."""

    conversations: frozenset[int] = frozenset()
    offices: frozenset[str] = frozenset()
    staff: frozenset[int] = frozenset()
    people: bool = False  # somebody came, went dark, paused, asked to talk, or her limits changed


@dataclass(frozen=True, slots=True)
class Interest:
    """What one open page cares for."""

    staff: int
    offices: frozenset[str]
    conversation: int = 0
    people: bool = False

    def told(self, change: Change) -> dict[str, bool]:
        queue = EVERYWHERE in self.offices and bool(change.offices)
        queue = queue or not change.offices.isdisjoint({*self.offices, ""})
        return {
            name: True
            for name, true in (
                ("queue", queue),
                ("chat", self.conversation in change.conversations),
                ("calls", self.staff in change.staff),
                ("people", self.people and change.people),
            )
            if true
        }


@dataclass
class _Marks:
    """How far the last look saw: by table the highest id, and the ids around it."""

    upto: dict[str, int] = field(default_factory=dict)
    seen: dict[str, set[int]] = field(default_factory=dict)
    presence: int = 0
    known: set[tuple[int, int]] = field(default_factory=set)
    people: frozenset[tuple[object, ...]] | None = None


class Watch:
    """One per process. The thread that looks runs only while somebody listens."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._name = ""  # of the run that looks: numbers of another run, or process, mean nothing to it
        self._changed = threading.Condition()
        self._changes: deque[tuple[int, Change]] = deque(maxlen=KEEP)
        self._number = 0
        self._listeners = 0
        self._thread: threading.Thread | None = None

    @property
    def listeners(self) -> int:
        return self._listeners

    def stream(
        self, interest: Interest, seconds: float = STREAM_S, *, after: str = ""
    ) -> Generator[str, None, None]:  # fmt: skip
        """Server-sent events until the time is over. Yields at once, so that the page knows it is heard. `after`: the
        id of the last event it had, so that nothing falls between two streams."""
        with self._changed:
            self._listeners += 1
            if self._thread is None or not self._thread.is_alive():
                self._start()
            number = self._number
            name, _dash, last = after.partition("-")
            if name == self._name and last.isdecimal():
                number = min(int(last[:15]), number)
            elif after:  # nobody here can say what it missed: it looks at everything once
                number = -1
        try:
            yield "retry: 1500\n" + (f"id: {self._name}-{number}\n\n" if number >= 0 else "\n")
            ends = time.monotonic() + seconds
            while (left := ends - time.monotonic()) > 0:
                number, news = self._news(interest, number, min(left, PULSE_S))
                yield f"id: {self._name}-{number}\n" + (f"data: {json.dumps(news)}\n\n" if news else ": \n\n")
        finally:
            with self._changed:
                self._listeners -= 1

    def _news(self, interest: Interest, number: int, seconds: float) -> tuple[int, dict[str, bool]]:
        ends = time.monotonic() + seconds
        while True:
            with self._changed:
                while self._number <= number and (left := ends - time.monotonic()) > 0:
                    self._changed.wait(left)
                missed = [change for at, change in self._changes if at > number]
                lost = number < 0 or (bool(self._changes) and self._changes[0][0] > number + 1)
                number = self._number
            told: dict[str, bool] = {"queue": True, "chat": True, "people": interest.people} if lost else {}
            for change in missed:
                told |= interest.told(change)
            if told or time.monotonic() >= ends:
                return number, told

    def _run(self) -> None:
        marks = _Marks()
        idle = 0
        while idle < 30:
            try:
                with self._database.read() as connection:
                    change = look(connection, marks, self._clock())
            except Unreachable as error:
                log.get().warning("desk watch blind", error=error)
                change = None
            if change is not None:
                with self._changed:
                    self._number += 1
                    self._changes.append((self._number, change))
                    self._changed.notify_all()
            idle = 0 if self._listeners else idle + 1
            time.sleep(TICK_S)
        with self._changed:
            if self._listeners:  # somebody came in the last moment
                self._start()

    def _start(self) -> None:
        self._name = secrets.token_hex(4)
        self._thread = threading.Thread(target=self._run, name="osso-desk-watch", daemon=True)
        self._thread.start()


def look(connection: Connection, marks: _Marks, now: int) -> Change | None:
    """What is new since the last look; None for nothing (and for the first look, which only takes its bearings).
    `now` (ms) is for whoever goes dark, which no row tells."""
    events, ticket, entry = queries.ticket_event, queries.ticket, queries.entry
    entries = select(entry.c.id, entry.c.conversation_id)
    moved = select(events.c.id, ticket.c.conversation_id, ticket.c.office).join(
        ticket, ticket.c.id == events.c.ticket_id
    )
    asked = select(called.c.id, called.c.staff_id, ticket.c.conversation_id).join(
        ticket, ticket.c.id == called.c.ticket_id
    )
    noted = select(note.c.id, note.c.conversation_id)
    conversations: set[int] = set()
    offices: set[str] = set()
    staff: set[int] = set()
    for name, table, query in (
        ("entry", entry, entries),
        ("event", events, moved),
        ("called", called, asked),
        ("note", note, noted),
    ):
        for row in _fresh(connection, marks, name, table, query):
            conversations.add(row["conversation_id"])
            if name == "event":
                offices.add(row["office"])
            if name == "called" and row["staff_id"] is not None:
                staff.add(row["staff_id"])
    _viewing(connection, marks, conversations, offices)
    before, marks.people = marks.people, _people(connection, now)
    moved_people = before is not None and before != marks.people
    if not (conversations or offices or staff or moved_people):
        return None
    return Change(frozenset(conversations), frozenset(offices), frozenset(staff), moved_people)


def _fresh(connection: Connection, marks: _Marks, name: str, table: Any, query: Any) -> list[Any]:
    top = int(connection.execute(select(func.max(table.c.id))).scalar() or 0)
    before = marks.upto.get(name)
    marks.upto[name] = max(top, before or 0)
    if before is None:
        around = select(table.c.id).where(table.c.id > top - OVERLAP)
        marks.seen[name] = set(connection.execute(around).scalars())
        return []
    if top == before and not connection.dialect.name.startswith("postgres"):
        return []
    rows = connection.execute(query.where(table.c.id > before - OVERLAP)).mappings().all()
    new = [row for row in rows if row["id"] not in marks.seen[name]]
    marks.seen[name] = {row["id"] for row in rows if row["id"] > top - OVERLAP}
    return new


def _people(connection: Connection, now: int) -> frozenset[tuple[object, ...]]:
    """Who is there, and what cards say of pauses, talks asked for and limits."""
    here = connection.execute(select(presence.c.staff_id).where(presence.c.seen_at > now - AWAY_MS)).all()
    cards = connection.execute(
        select(card.c.staff_id, card.c.paused, card.c.debrief_at, card.c.capacity, card.c.heavy_cap)
    ).all()
    return frozenset(map(tuple, (*here, *cards)))


def _viewing(connection: Connection, marks: _Marks, conversations: set[int], offices: set[str]) -> None:
    """Who opened, left or types: told to the chat and to the lists of its office."""
    ticket = queries.ticket
    query = (
        select(presence.c.staff_id, presence.c.changed_at, ticket.c.conversation_id, ticket.c.office)
        .join(ticket, ticket.c.id == presence.c.ticket_id)
        .where(presence.c.changed_at > marks.presence - 5_000)
    )
    rows = connection.execute(query).all()
    first = not marks.presence
    known = {(row.staff_id, row.changed_at) for row in rows}
    for row in rows:
        if not first and (row.staff_id, row.changed_at) not in marks.known:
            conversations.add(row.conversation_id)
            offices.add(row.office)
    marks.known = known
    marks.presence = max([marks.presence, 1, *(row.changed_at for row in rows)])
