"""The cost of a turn in a young database and in one that has a million messages: it may hardly differ."""

from __future__ import annotations

import itertools
import logging
import os
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import structlog
from sqlalchemy import Connection, text

from bench import webhooks
from bench.figures import Figure, at_most, told
from bench.places import SECRET, place, reachable
from bench.processes import DATA
from bot import wiring
from bot.inbox import accept
from bot.messages import Address, Answer, Call, Message
from bot.settings import read_settings
from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.wiring import Parts
from bot.worker import Worker

SMALL, LARGE = 1_000, 1_000_000
EACH = 100  # messages of one person, half hers
LEAST = 250  # people, so that nobody is heard twice
TURNS, ROUNDS = 25, 6
NOW = 1_790_000_000_000

# Rows as a year of use leaves them: heard, answered, settled. Bodies are noise of the usual length; nothing opens them.
FILL = {
    "sqlite": """
        INSERT INTO inbox (uuid, conversation_id, event_index, kind, body_sealed, at, received_at, tries, done_at)
          WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :half)
          SELECT hex(randomblob(18)), 1 + i % :people, randomblob(32), 'message', randomblob(120),
            :now + i, :now + i, 1, :now + i FROM n;
        INSERT INTO entry (uuid, conversation_id, inbox_id, author, body_sealed, platform_index, at)
          SELECT hex(randomblob(18)), conversation_id, id, 'person', randomblob(120), randomblob(32), at FROM inbox;
        INSERT INTO entry (uuid, conversation_id, author, body_sealed, why_sealed, at)
          SELECT hex(randomblob(18)), conversation_id, 'bot', randomblob(160), randomblob(80), at FROM inbox;
        INSERT INTO outbox (uuid, conversation_id, entry_id, status, tries, sent_at, platform_index, body_sealed,
            created_at)
          SELECT hex(randomblob(18)), conversation_id, id, 'sent', 1, at, randomblob(32), randomblob(160), at
          FROM entry WHERE author = 'bot'""",
    "postgres": """
        CREATE FUNCTION noise(size int) RETURNS bytea LANGUAGE sql VOLATILE AS
          $$ SELECT substr(decode(repeat(md5(random()::text), 1 + size / 16), 'hex'), 1, size) $$;
        INSERT INTO inbox (uuid, conversation_id, event_index, kind, body_sealed, at, received_at, tries, done_at)
          SELECT gen_random_uuid(), 1 + i % :people, sha256(uuid_send(gen_random_uuid())), 'message', noise(120),
            :now + i, :now + i, 1, :now + i FROM generate_series(1, :half) i;
        INSERT INTO entry (uuid, conversation_id, inbox_id, author, body_sealed, platform_index, at)
          SELECT gen_random_uuid(), conversation_id, id, 'person', noise(120), sha256(uuid_send(gen_random_uuid())), at
          FROM inbox;
        INSERT INTO entry (uuid, conversation_id, author, body_sealed, why_sealed, at)
          SELECT gen_random_uuid(), conversation_id, 'bot', noise(160), noise(80), at FROM inbox;
        INSERT INTO outbox (uuid, conversation_id, entry_id, status, tries, sent_at, platform_index, body_sealed,
            created_at)
          SELECT gen_random_uuid(), conversation_id, id, 'sent', 1, at, sha256(uuid_send(gen_random_uuid())),
            noise(160), at FROM entry WHERE author = 'bot'""",
}

# The rows fit each other by construction, and nobody would mourn them: no checks and no waiting for the disk.
QUICKER = {
    "sqlite": ("PRAGMA cache_size = -200000",),
    "postgres": (
        "SET statement_timeout = 0",
        "SET session_replication_role = replica",
        "SET synchronous_commit = off",
    ),
}


def run() -> Iterator[Figure]:
    for kind in reachable():
        with ExitStack() as stack:
            sides = [_side(stack, kind, count) for count in (SMALL, LARGE)]
            began = time.monotonic()
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                for side, seconds in zip(sides, times, strict=True):
                    seconds.extend(side.turns())
            small, large = (statistics.median(seconds) * 1000 for seconds in times)
            yield at_most(f"turn with {LARGE:,} / with {SMALL:,} messages, {kind}", large / small, 1.3, "")
            yield told(f"  median turn, {kind}", f"{large:.2f} / {small:.2f} ms ({len(times[0])} turns each)")
            yield told(f"  loading, measuring, {kind}", f"{sides[1].loaded:.0f} s, {time.monotonic() - began:.0f} s")


class _Silent:
    """A platform that says yes at once: the network is not what is measured."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def exchange(self, call: Call) -> Answer:
        return Answer(200, {}, b'{"recipient_id": "x", "message_id": "m%d"}' % next(self._count))


class _Side:
    """One database, filled, with everything of the bot on it in this process."""

    def __init__(self, parts: Parts, people: int, loaded: float) -> None:
        self.parts, self.people, self.loaded = parts, people, loaded
        self.worker = Worker(parts.rim)
        self.count = itertools.count()

    def turns(self) -> list[float]:
        """Seconds of each of some turns, from accepting to sent and settled, each of another person."""
        spent = []
        screen = self.parts.library.matcher.book.screen
        for _ in range(TURNS):
            number = next(self.count)
            person = Address("messenger", webhooks.PAGE, f"p{1 + number * 7 % self.people}")
            words = webhooks.TEXTS[number % len(webhooks.TEXTS)]
            hers = Message(uuid.uuid4().hex, person, self.parts.rim.clock(), id=uuid.uuid4().hex, text=words)
            began = time.perf_counter()
            accepted = accept(self.parts.database, screen, (hers,), now=self.parts.rim.clock())
            self.worker.drain(accepted.wake[0][0])
            spent.append(time.perf_counter() - began)
        return spent


def _side(stack: ExitStack, kind: str, count: int) -> _Side:
    url = stack.enter_context(place(kind))
    environ = {"OSSO_DATABASE_URL": url, "OSSO_SECRET_KEYS": SECRET, "OSSO_DATA_DIR": str(DATA)}
    settings = read_settings(environ | webhooks.environment() | {"OSSO_DOTENV": os.devnull})
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    parts = wiring.build(settings, transport=_Silent())
    stack.callback(parts.close)
    people = max(LEAST, count // EACH)  # on both sides each turn is the first of another person
    loaded = fill(parts.database, kind, count=count, people=people)
    side = _Side(parts, people, loaded)
    stack.callback(side.worker.close)
    side.turns()
    return side


def fill(database: Database, kind: str, *, count: int, people: int) -> float:
    """Loads `count` messages (half of them hers) of `people` persons. Returns seconds."""
    began = time.monotonic()
    ring = database.keyring
    with database.write() as connection:
        _people(connection, ring, people)
    values = {"half": count // 2, "people": people, "now": NOW}
    for statement in FILL[kind].split(";\n"):
        with database.engine.connect() as connection:
            for setting in QUICKER[kind]:
                connection.exec_driver_sql(setting)
            connection.execute(text(statement), _used(statement, values))
            connection.commit()
    settle(database, kind)
    return time.monotonic() - began


def settle(database: Database, kind: str) -> None:
    """What the database would have done by itself, long ago."""
    if kind == "postgres":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE"))
    database.engine.dispose()  # nobody goes on with the settings made for loading
    database.checkpoint()


def _used(statement: str, values: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in values.items() if f":{name}" in statement}


def _people(connection: Connection, ring: Keyring, count: int) -> None:
    wrapped, key = ring.new_key()  # one key for all: unwrapping costs the same
    rows = []
    for number in range(1, count + 1):
        person, public = f"p{number}", str(uuid.uuid4())
        rows.append(
            {
                "id": number,
                "uuid": public,
                "channel": "messenger",
                "account": webhooks.PAGE,
                "person_index": ring.index("person", "messenger", webhooks.PAGE, person),
                "person_sealed": key.seal(person, "conversation", public, "person"),
                "wrapped_key": wrapped,
                "heard_at": NOW,
                "created_at": NOW,
            }
        )
    connection.execute(queries.conversation.insert(), rows)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval('conversation_id_seq', :last)"), {"last": count})
