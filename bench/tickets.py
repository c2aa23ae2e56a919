"""Tickets as years of work leave them: thousands open, a million closed, loaded by the database itself in seconds."""

from __future__ import annotations

import random
import time
import uuid

from sqlalchemy import Connection, text

from bench.size import QUICKER, settle
from bot.messages import Reply, State
from bot.state import state_to_json
from bot.store import queries
from bot.store.bodies import reply_to_json
from bot.store.crypto import Keyring
from bot.store.database import Database

DAY = 86_400_000
# Four counsellors share the work: :mai and three nobody signs in as. A third of the closed tickets was offered first.
# `:people` women have the open tickets; those who wrote in other years share the closed ones.
FILL = {
    "sqlite": """
        INSERT INTO conversation (uuid, channel, account, person_index, wrapped_key, heard_at, created_at)
          WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :others)
          SELECT hex(randomblob(18)), 'zalo', '222', randomblob(32), :wrapped, :now - i * 60000, :now - i * 60000
          FROM n;
        INSERT INTO ticket (uuid, conversation_id, state, reason, level, rank, office, topic, staff_id, opened_at,
            taken_at, closed_at, closing)
          WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :closed)
          SELECT hex(randomblob(18)), :people + 1 + i % :others, 'closed', 'asked',
            CASE i % 5 WHEN 0 THEN 'CHECK' WHEN 1 THEN 'AMBER' ELSE 'NONE' END,
            CASE i % 5 WHEN 0 THEN 1 WHEN 1 THEN 2 ELSE 0 END,
            CASE i % 3 WHEN 0 THEN 'hn' WHEN 1 THEN 'ct' ELSE '' END,
            CASE i % 7 WHEN 0 THEN 'child' WHEN 1 THEN 'vocational' ELSE 'legal' END,
            CASE abs(random()) % 4 WHEN 0 THEN :mai ELSE 900 + i % 3 END,
            :now - :span + i * (:span / :closed) - 7200000, :now - :span + i * (:span / :closed) - 7000000,
            :now - :span + i * (:span / :closed) - 3600000, 'answered' FROM n;
        INSERT INTO called (uuid, ticket_id, staff_id, kind, at, answer, answered_at)
          SELECT hex(randomblob(18)), id, staff_id, 'offer', opened_at, 'yes', taken_at FROM ticket
          WHERE closed_at IS NOT NULL AND id % 3 = 0""",
    "postgres": """
        INSERT INTO conversation (uuid, channel, account, person_index, wrapped_key, heard_at, created_at)
          SELECT gen_random_uuid(), 'zalo', '222', sha256(uuid_send(gen_random_uuid())), :wrapped,
            :now - i * 60000, :now - i * 60000 FROM generate_series(1::bigint, :others) i;
        INSERT INTO ticket (uuid, conversation_id, state, reason, level, rank, office, topic, staff_id, opened_at,
            taken_at, closed_at, closing)
          SELECT gen_random_uuid(), :people + 1 + i % :others, 'closed', 'asked',
            CASE i % 5 WHEN 0 THEN 'CHECK' WHEN 1 THEN 'AMBER' ELSE 'NONE' END,
            CASE i % 5 WHEN 0 THEN 1 WHEN 1 THEN 2 ELSE 0 END,
            CASE i % 3 WHEN 0 THEN 'hn' WHEN 1 THEN 'ct' ELSE '' END,
            CASE i % 7 WHEN 0 THEN 'child' WHEN 1 THEN 'vocational' ELSE 'legal' END,
            CASE floor(random() * 4)::int WHEN 0 THEN :mai ELSE 900 + i % 3 END,
            :now - :span + i * (:span / :closed) - 7200000, :now - :span + i * (:span / :closed) - 7000000,
            :now - :span + i * (:span / :closed) - 3600000, 'answered' FROM generate_series(1::bigint, :closed) i;
        INSERT INTO called (uuid, ticket_id, staff_id, kind, at, answer, answered_at)
          SELECT gen_random_uuid(), id, staff_id, 'offer', opened_at, 'yes', taken_at FROM ticket
          WHERE closed_at IS NOT NULL AND id % 3 = 0""",
}


def fill(database: Database, kind: str, *, mai: int, now: int, waiting: int, closed: int) -> float:
    """Loads `waiting` open tickets, each of a woman with a name and some words, and `closed` ones. Returns seconds."""
    began = time.monotonic()
    wrapped, _key = database.keyring.new_key()
    with database.write() as connection:
        _open(connection, database.keyring, mai, now, waiting)
    values = {"closed": closed, "others": max(1, closed // 3), "people": waiting, "span": 900 * DAY,
              "now": now, "mai": mai, "wrapped": wrapped}  # fmt: skip
    for statement in FILL[kind].split(";\n"):
        with database.engine.connect() as connection:
            for setting in QUICKER[kind]:
                connection.exec_driver_sql(setting)
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), used)
            connection.commit()
    settle(database, kind)
    return time.monotonic() - began


def _open(connection: Connection, ring: Keyring, mai: int, now: int, count: int) -> None:
    rng = random.Random(7)  # noqa: S311 - spreading, not secrecy
    wrapped, key = ring.new_key()
    people, tickets, said = [], [], []
    for number in range(1, count + 1):
        public, heard = str(uuid.uuid4()), now - rng.randrange(2 * DAY)
        state = state_to_json(State(slots={"name": f"Hoa {number}"}))
        people.append(
            {
                "id": number,
                "uuid": public,
                "channel": "zalo",
                "account": "222",
                "person_index": uuid.uuid4().bytes * 2,
                "wrapped_key": wrapped,
                "state_sealed": key.seal(state, "conversation", public, "state"),
                "owner": "person" if number % 3 == 0 else "bot",
                "heard_at": heard,
                "created_at": heard,
            }
        )
        level = "RED" if number % 500 == 0 else rng.choice(("NONE", "NONE", "CHECK", "AMBER"))
        tickets.append(
            {
                "id": number,
                "uuid": str(uuid.uuid4()),
                "conversation_id": number,
                "state": rng.choice(("taken", "waiting_her", "snoozed")) if number % 3 == 0 else "waiting",
                "reason": "asked",
                "level": level,
                "rank": ("NONE", "CHECK", "AMBER", "RED").index(level),
                "office": rng.choice(("hn", "ct", "")),
                "topic": rng.choice(("legal", "child", "vocational")),
                "staff_id": rng.choice((mai, 900, 901, 902)) if number % 3 == 0 else None,
                "opened_at": heard,
            }
        )
        for author, words in (("person", "em muốn hỏi giấy khai sinh cho con"), ("bot", "Dạ chị chờ em một chút ạ.")):
            line = str(uuid.uuid4())
            body = key.seal(reply_to_json(Reply(words)), "entry", line, "body")
            said.append({"uuid": line, "conversation_id": number, "author": author, "body_sealed": body, "at": heard})
    for table, rows in ((queries.conversation, people), (queries.ticket, tickets), (queries.entry, said)):
        connection.execute(table.insert(), rows)
    if connection.dialect.name == "postgresql":
        for name in ("conversation", "ticket"):
            connection.execute(text(f"SELECT setval('{name}_id_seq', :last)"), {"last": count})
