"""The long runs of the fault matrix: hundreds of killed workers, a database that comes and goes, a platform that is
sick. Prints the checker's figures; every one of them must be 0. `tests/test_faults.py` has the short runs.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator

import structlog

from bench.figures import Figure, at_least, at_most, nothing, told
from bench.places import place, reachable
from bot.errors import Unreachable
from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.worker import ThreadWaker, sweep
from tests.conftest import SECRET
from tests.faulty import Crowd, Mortal, Verdict, crowded, judge, quiet, stage_on
from tests.standin import hang, reset, says, standing
from tests.test_faults import disturb

KILLS = {"sqlite": 100, "postgres": 100}
CUTS = 20
LONGEST_S = 400.0
GRACE_S = 3.0  # to hear what piled up, beside the lease of 10 s and the sweep of 2 s


def run() -> Iterator[Figure]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for kind in reachable():
        with place(kind) as url:
            yield from kills(kind, url)
        with place(kind) as url:
            yield from cuts(kind, url)
        with place(kind) as url:
            yield from sick(kind, url)


def kills(kind: str, url: str) -> Iterator[Figure]:
    """F1, F5, F17: workers killed while thinking, committing and sending; duplicates at once and late; some danger."""
    database, began = _opened(url), time.monotonic()
    with standing() as platforms:
        crowd = Crowd(database, seed=11, people=40)
        mortal = Mortal.start(url, platforms.url, kills=KILLS[kind], seed=11)
        while mortal.deaths < KILLS[kind] and time.monotonic() - began < LONGEST_S:
            crowd.send(10)
            time.sleep(0.5)
        last = time.monotonic()
        quiet(database, 90)
        resumed = time.monotonic() - last
        killed = mortal.stop()
        verdict = judge(database, crowd, [one.body for one in platforms.requests])
    database.close()
    sent = sum(map(len, crowd.accepted.values()))
    name = f"{kind}, {killed} workers killed, {sent} messages, {crowd.duplicates} duplicates"
    yield at_least(f"workers killed, {kind}", killed, KILLS[kind])
    yield from _figures(name, verdict)
    yield at_most(f"everything heard after the last kill, {kind}", resumed, 12 + GRACE_S, "s")


def cuts(kind: str, url: str) -> Iterator[Figure]:
    """F3: every connection cut, or the file locked, again and again while people write."""
    database = _opened(url)
    with standing() as platforms:
        stage = stage_on(url, platforms.url)
        waker = ThreadWaker(stage.worker, 3)
        waker.start()
        crowd = Crowd(database, seed=5, people=20)
        sending = crowded(crowd, 400, pause=0.05, wake=waker.wake)
        for _ in range(CUTS):
            time.sleep(0.4)
            disturb(database, url)
        sending.join()
        until = time.monotonic() + 60
        while time.monotonic() < until and not _settled(database):
            try:
                sweep(stage.rim, waker.wake)
            except Unreachable:
                continue
            time.sleep(0.5)
        waker.stop(timeout=10)
        verdict = judge(database, crowd, [one.body for one in platforms.requests])
        stage.database.close()
    database.close()
    yield from _figures(f"{kind}, database gone {CUTS} times, {crowd.refused} accepts refused and repeated", verdict)


def sick(kind: str, url: str) -> Iterator[Figure]:
    """F8: one request in three is reset, hangs, is refused with 429 or answered with an error."""
    database = _opened(url)
    dice = random.Random(3)  # noqa: S311 - a seeded game
    with standing() as platforms:
        stage = stage_on(url, platforms.url)
        waker = ThreadWaker(stage.worker, 8)
        waker.start()
        ills = (reset, hang(7.0), says(429, {"error": {"code": 613}}, {"Retry-After": "1"}),
                says(200, {"error": {"code": 2, "is_transient": True}}))  # fmt: skip
        platforms.behave = [dice.choice(ills) if dice.random() < 0.33 else _well for _ in range(80)]
        crowd = Crowd(database, seed=9, people=25, red=0)
        crowd.send(60, wake=waker.wake)
        until = time.monotonic() + 80
        while time.monotonic() < until and not _settled(database):
            sweep(stage.rim, waker.wake)
            time.sleep(0.5)
        waker.stop(timeout=10)
        asked = [one.body["message"]["metadata"] for one in platforms.requests if "message" in one.body]
        again = _blind(database, asked)
        verdict = judge(database, crowd, [])
        stage.database.close()
    database.close()
    yield nothing(f"blind repeats after an unknown end, {kind}, sick platform", again)
    yield nothing(f"lost or twice queued, {kind}, sick platform", verdict.lost + verdict.double + verdict.orphans)
    yield told("  of unknown end, not repeated", f"{verdict.unknown} of {len(asked)} requests")


def _opened(url: str) -> Database:
    return Database(url, Keyring([SECRET]))  # the ring of the workers of `tests.faulty`


def _well(_handler: object) -> bool:
    return False


def _blind(database: Database, asked: list[str]) -> int:
    """Sends that ended unknown and were asked for more than once after that."""
    with database.read() as connection:
        table = queries.outbox
        query = table.select().where(table.c.status == "unknown")
        rows = connection.execute(query).mappings().all()
    return sum(asked.count(f"osso:{row['uuid']}") > row["tries"] for row in rows)


def _settled(database: Database) -> bool:
    try:
        with database.read() as connection:
            ages = queries.queue_ages(connection)
    except Unreachable:
        return False
    return not ages["inbox_open"] and not ages["outbox_open"]


def _figures(name: str, verdict: Verdict) -> Iterator[Figure]:
    for what in ("lost", "double", "inversions", "orphans", "alerts"):
        yield nothing(f"{what}: {name}", getattr(verdict, what))
    yield told("  sends of unknown end, not repeated", str(verdict.unknown))
