"""The fault matrix: kills, cuts, locks, clocks, duplicates and platforms that misbehave. Whatever happens, nothing that
was accepted is lost, nothing is said twice, and order holds. The long runs are `python -m bench faults`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from bot.clock import fire_timers, hand_back_idle
from bot.errors import Unreachable
from bot.hearing import Holding, LeaseLost, hear_next
from bot.http import Http
from bot.messages import Echo, Heard, Timer
from bot.outbox import UNKNOWN_MS
from bot.store import queries
from bot.store.crypto import Keyring, Sealed
from bot.store.database import Database
from bot.worker import MOST_TRIES, ThreadWaker, Worker, sweep
from tests.conftest import ADMIN, SECRET
from tests.faulty import ROOT, Crowd, Mortal, crowded, judge, quiet, stage_on, wall
from tests.stage import START, Stage, address, message
from tests.standin import Standin, reset, says, standing


@pytest.fixture
def platforms() -> Iterator[Standin]:
    with standing() as standin:
        yield standin


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database)


def drained(stage: Stage) -> None:
    sweep(stage.rim, lambda conversation_id, _rank: stage.worker.drain(conversation_id))


def bodies(platforms: Standin) -> list[Any]:
    return [one.body for one in platforms.requests]


# --- F1, F5: killed workers, duplicates -----------------------------------------------------------------------------


def test_workers_killed_at_any_point_lose_and_double_nothing(
    database: Database, database_url: str, platforms: Standin
) -> None:
    crowd = Crowd(database, seed=7)
    crowd.send(30)
    mortal = Mortal.start(database_url, platforms.url, kills=6, seed=7)
    crowd.send(30, pause=0.05)
    quiet(database, 60)
    killed = mortal.stop()
    assert killed == 6
    assert crowd.duplicates > 10
    verdict = judge(database, crowd, bodies(platforms))
    assert verdict.clean, verdict
    assert len(platforms.said()) + verdict.unknown >= 60


# --- F2: the web process dies between commit and 200 ----------------------------------------------------------------


def test_a_receiver_killed_after_its_commit_is_repeated_without_effect(stage: Stage, database_url: str) -> None:
    code = (
        "import os, signal, sys\n"
        "from tests.stage import Stage, message\n"
        "from bot.store.crypto import Keyring\n"
        "from bot.store.database import Database\n"
        f"stage = Stage(Database(sys.argv[1], Keyring(['{SECRET}'])))\n"
        "stage.accept(message('chào', key='m1'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, database_url], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -9
    again = stage.accept(message("chào", key="m1"))
    assert again.counts["duplicate"] == 1
    drained(stage)
    assert stage.platforms.texts == ["1: chào"]


# --- F3: the database goes away -------------------------------------------------------------------------------------


def cut(url: str) -> None:
    """Ends every connection to this one database, as a restart of its server would."""
    with psycopg.connect(ADMIN, autocommit=True) as admin:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        admin.execute(query, (url.rsplit("/", 1)[1],))


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else holds the only writing lock of a SQLite file."""
    import sqlite3

    holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def disturb(database: Database, url: str) -> None:
    if database.sqlite:
        with locked(url):
            time.sleep(0.6)
    else:
        cut(url)


def test_a_database_that_comes_and_goes_loses_nothing(
    database: Database, database_url: str, platforms: Standin
) -> None:
    stage = stage_on(database_url, platforms.url)
    waker = ThreadWaker(stage.worker, 3)
    waker.start()
    crowd = Crowd(database, seed=3)
    sending = crowded(crowd, 60, pause=0.03, wake=waker.wake)
    for _ in range(6):
        time.sleep(0.25)
        disturb(database, database_url)
    sending.join()
    until = time.monotonic() + 40
    while time.monotonic() < until:
        try:
            sweep(stage.rim, waker.wake)
        except Unreachable:
            continue
        quiet(database, 0.3)
        with database.read() as connection:
            ages = queries.queue_ages(connection)
        if not ages["inbox_open"] and not ages["outbox_open"]:
            break
    waker.stop(timeout=10)
    verdict = judge(database, crowd, bodies(platforms))
    stage.database.close()
    assert verdict.clean, verdict


# --- F4: read-only, full, locked for good ---------------------------------------------------------------------------


def read_only(database: Database) -> None:
    statement = "PRAGMA query_only = ON" if database.sqlite else "SET default_transaction_read_only = on"

    @event.listens_for(database.engine, "connect")
    def _on_connect(raw: Any, _record: Any) -> None:
        raw.execute(statement)
        if not database.sqlite:
            raw.commit()

    database.engine.dispose()


def full(database: Database) -> None:
    @event.listens_for(database.engine, "connect")
    def _on_connect(raw: Any, _record: Any) -> None:
        raw.execute("PRAGMA max_page_count = 1")  # SQLite takes the pages in use: not one more

    database.engine.dispose()


def impatient(database: Database) -> None:
    @event.listens_for(database.engine, "connect")
    def _on_connect(raw: Any, _record: Any) -> None:
        raw.execute("PRAGMA busy_timeout = 100")

    database.engine.dispose()


def test_a_read_only_database_acknowledges_nothing(database_url: str) -> None:
    stage = Stage(Database(database_url, Keyring([SECRET])))
    assert stage.database.keyring
    read_only(stage.database)
    with pytest.raises(Unreachable):
        stage.accept(message("chào", key="m1"))
    assert stage.rows("SELECT count(*) FROM inbox") == [(0,)]
    stage.database.close()


def test_a_full_disk_acknowledges_nothing_it_did_not_keep(database: Database, database_url: str) -> None:
    if not database.sqlite:
        pytest.skip("PostgreSQL says it with the same kind of error as any other outage")
    stage = Stage(database)
    assert database.keyring
    full(database)
    kept = 0

    def fill() -> None:
        nonlocal kept
        for kept in range(200):
            stage.accept(message("x" * 2000, key=f"m{kept}"))

    with pytest.raises(Unreachable):
        fill()
    assert stage.rows("SELECT count(*) FROM inbox") == [(kept,)]


def test_a_file_locked_for_good_is_unreachable(database: Database, database_url: str) -> None:
    if not database.sqlite:
        pytest.skip("rows are locked there, not the whole database")
    assert database.keyring
    impatient(database)
    with locked(database_url), pytest.raises(Unreachable):
        Stage(database).accept(message("chào", key="m1"))
    Stage(database).accept(message("chào", key="m1"))


# --- F6: two receivers race -----------------------------------------------------------------------------------------


def test_receivers_that_race_keep_each_message_once_and_in_the_order_of_the_inbox(
    stage: Stage, database_url: str
) -> None:
    others = [Stage(Database(database_url, Keyring([SECRET]))) for _ in range(3)]
    together = threading.Barrier(len(others))

    def receive(place: int) -> None:
        together.wait()
        for number in range(8):
            late_first = (number + place * 3) % 8
            others[place].accept(message(f"tin {late_first}", key=f"k{late_first}"))

    threads = [threading.Thread(target=receive, args=(place,)) for place in range(len(others))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.database.close()
    drained(stage)
    texts = [said.split(": ")[1] for said in stage.platforms.texts]
    assert sorted(texts) == sorted(f"tin {number}" for number in range(8))
    assert [said.split(": ")[0] for said in stage.platforms.texts] == [str(number) for number in range(1, 9)]


# --- F7: a worker whose clock is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-600_000, 600_000])
def test_a_worker_with_a_wrong_clock_neither_steals_nor_repeats(stage: Stage, database_url: str, wrong: int) -> None:
    other = Stage(Database(database_url, Keyring([SECRET])), now=START + wrong)
    accepted = stage.accept(message("chào", key="m1"))
    conversation_id = accepted.wake[0][0]
    with stage.database.write() as connection:
        row = queries.claim(connection, conversation_id, stage.database.now(connection))
    assert row is not None
    other.worker.drain(conversation_id)  # the lease is the database's: no clock of a worker ends it
    assert other.platforms.calls == []
    held = Holding.of(stage.rim, row)
    assert hear_next(stage.rim, held)
    with stage.database.write() as connection:
        queries.release(connection, conversation_id, held.fence)
    other.worker.drain(conversation_id)
    stage.worker.drain(conversation_id)
    assert len(stage.platforms.calls) + len(other.platforms.calls) == 1
    other.database.close()


# --- F8: platforms that misbehave, through the real transport -------------------------------------------------------

BUSY = {"error": {"code": 613, "message": "calls"}}
SICK = {"error": {"code": 2, "message": "try later", "is_transient": True}}


@pytest.mark.parametrize(
    ("behave", "requests", "end"),
    [
        (reset, 1, "unknown"),
        (says(500, b"<html>oops</html>"), None, None),
        (says(429, BUSY, {"Retry-After": "7"}), 2, "sent"),
        (says(200, SICK), 2, "sent"),
    ],
    ids=["reset", "500 html", "429", "error in 200"],
)
def test_a_misbehaving_platform_gets_each_message_once(
    database: Database, database_url: str, platforms: Standin, behave: Any, requests: int | None, end: str | None
) -> None:
    stage = stage_on(database_url, platforms.url)
    clock = [wall()]
    stage.rim = replace(stage.rim, clock=lambda: clock[0])
    stage.worker = Worker(stage.rim)
    platforms.behave.append(behave)
    stage.write("chào")
    first = stage.rows("SELECT status, next_at FROM outbox")[0]
    assert first[0] in ("due", "unknown")
    for _ in range(3):
        clock[0] += UNKNOWN_MS + 1
        drained(stage)
    status = stage.rows("SELECT status FROM outbox")[0][0]
    stage.database.close()
    if requests is not None:
        assert (len(platforms.requests), status) == (requests, end)
    else:  # nobody documents what a bare 500 means: either it is unknown and stays, or it was refused and comes again
        assert (len(platforms.requests), status) in ((1, "unknown"), (2, "sent"))


def test_retry_after_is_obeyed(database_url: str, platforms: Standin) -> None:
    stage = stage_on(database_url, platforms.url)
    platforms.behave.append(says(429, BUSY, {"Retry-After": "40"}))
    before = wall()
    stage.write("chào")
    assert stage.rows("SELECT next_at FROM outbox")[0][0] >= before + 40_000
    stage.database.close()


def test_a_refused_connection_is_certainly_not_sent(database_url: str) -> None:
    stage = stage_on(database_url, "http://127.0.0.1:9", Http(("http://127.0.0.1:9",)))
    stage.write("chào")
    assert stage.rows("SELECT status, code FROM outbox") == [("due", "unreachable")]
    stage.database.close()


# --- F10: poison ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["a\ud83d\udc94\ud83d"[:3], "\u200b" * 4000, "x" * 100_000, "\x00"])
def test_odd_words_are_heard_like_any_other(stage: Stage, words: str) -> None:
    stage.write(words, key="odd")
    stage.write("sau", key="after")
    assert stage.rows("SELECT count(*) FROM inbox WHERE done_at IS NULL") == [(0,)]
    assert any("sau" in said for said in stage.platforms.texts)


def test_a_message_that_kills_its_worker_is_buried_after_a_few_deaths(stage: Stage) -> None:
    accepted = stage.accept(message("chết", key="m1"), message("sau", key="m2"))
    conversation_id = accepted.wake[0][0]

    class Death(BaseException):
        """A worker that vanishes: nothing of it is caught, nothing released."""

    def die(heard: Heard) -> None:
        if heard.text == "chết":
            raise Death

    stage.parrot.before = die
    for _ in range(MOST_TRIES):
        with pytest.raises(Death):
            stage.worker.drain(conversation_id)
        expire(stage, conversation_id)
    stage.worker.drain(conversation_id)
    assert stage.rows("SELECT count(*) FROM inbox WHERE dead_at IS NOT NULL") == [(1,)]
    assert stage.rows("SELECT reason FROM ticket") == [("failure",)]
    assert stage.platforms.texts[-1] == "1: sau"


def test_a_poisoned_chat_delays_nobody_else(stage: Stage) -> None:
    stage.accept(message("boom", key="m1", person="p1"), message("chào", key="m2", person="p2"))
    drained(stage)
    assert stage.platforms.texts == ["1: chào"]


def expire(stage: Stage, conversation_id: int) -> None:
    with stage.database.write() as connection:
        queries.change_conversation(connection, conversation_id, lease_until=0)


# --- F12: a worker that was thought dead ----------------------------------------------------------------------------


def test_a_stale_worker_cannot_commit(stage: Stage, database_url: str) -> None:
    other = Stage(Database(database_url, Keyring([SECRET])))
    accepted = stage.accept(message("chào", key="m1"))
    conversation_id = accepted.wake[0][0]

    def overtaken(_heard: Heard) -> None:
        expire(stage, conversation_id)
        other.worker.drain(conversation_id)

    stage.parrot.before = overtaken
    with stage.database.write() as connection:
        row = queries.claim(connection, conversation_id, stage.database.now(connection))
    assert row is not None
    with pytest.raises(LeaseLost):
        hear_next(stage.rim, Holding.of(stage.rim, row))
    assert other.platforms.texts == ["1: chào"]
    assert stage.rows("SELECT count(*) FROM outbox") == [(1,)]
    other.database.close()


def test_a_send_that_outlived_its_worker_is_not_repeated(stage: Stage) -> None:
    accepted = stage.accept(message("chào", key="m1"))
    conversation_id = accepted.wake[0][0]

    class Vanished(BaseException):
        """The worker dies with the request on its way."""

    stage.platforms.script = [raising(Vanished())]
    with pytest.raises(Vanished):
        stage.worker.drain(conversation_id)
    assert len(stage.platforms.calls) == 1
    expire(stage, conversation_id)
    drained(stage)
    assert len(stage.platforms.calls) == 1
    assert stage.rows("SELECT status FROM outbox") == [("unknown",)]


def raising(error: BaseException) -> Callable[[Any], Any]:
    def exchange(_call: Any) -> Any:
        raise error

    return exchange


# --- F14: two clocks ------------------------------------------------------------------------------------------------


def at_once(deeds: list[Callable[[], int]]) -> int:
    """Does all of them at the same moment; the sum of what they returned."""
    together, results = threading.Barrier(len(deeds)), list[int]()

    def run(deed: Callable[[], int]) -> None:
        together.wait()
        results.append(deed())

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(deeds)
    return sum(results)


def test_two_clocks_fire_each_timer_once(stage: Stage, database_url: str) -> None:
    stage.parrot.effects = lambda heard: (Timer("check", stage.now + 1000, "danger:silence"),) if heard.text else ()
    for number in range(12):
        stage.write("chào", person=f"p{number}", key=f"k{number}")
    other = Stage(Database(database_url, Keyring([SECRET])), now=stage.now + 2000)
    stage.now += 2000
    fired = at_once([lambda: fire_timers(stage.rim, nobody), lambda: fire_timers(other.rim, nobody)])
    other.database.close()
    assert fired == 12
    assert stage.rows("SELECT count(*) FROM inbox WHERE kind = 'timer'") == [(12,)]


def test_two_clocks_give_each_idle_chat_back_once(stage: Stage, database_url: str) -> None:
    for number in range(8):
        stage.hear(Echo(f"e{number}", address(f"p{number}"), stage.now, author="person", id=f"x{number}", text="chị"))
    other = Stage(Database(database_url, Keyring([SECRET])), now=stage.now + 25 * 3_600_000)
    stage.now += 25 * 3_600_000
    back = at_once([lambda: hand_back_idle(stage.rim), lambda: hand_back_idle(other.rim)])
    other.database.close()
    assert back == 8
    assert stage.rows("SELECT count(*) FROM ticket_event WHERE kind = 'closed'") == [(8,)]


def nobody(_conversation: int, _rank: int) -> None:
    """Wakes no one."""


# --- F15: keys rotate while people write ----------------------------------------------------------------------------


def test_keys_rotate_during_traffic(stage: Stage, database_url: str) -> None:
    new = "a-newer-ring-for-tests-9876543210-zyxwvuts"
    for number in range(6):
        stage.write("một", person=f"p{number}", key=f"a{number}")
    both = Stage(Database(database_url, Keyring([new, SECRET])))
    done: list[int] = []

    def rotate() -> None:
        with both.database.write() as connection:
            done.append(queries.rotate_conversations(connection, both.database.keyring.rotate)[1])

    assert both.database.keyring
    rotating = threading.Thread(target=rotate)
    rotating.start()
    for number in range(6):
        both.write("hai", person=f"p{number}", key=f"b{number}")
    rotating.join()
    with both.database.write() as connection:
        queries.rotate_wrapped(connection, both.database.keyring.rotate)
    only = Stage(Database(database_url, Keyring([new])))
    for number in range(6):
        only.write("ba", person=f"p{number}", key=f"c{number}")
    assert done == [6]
    assert both.platforms.texts == ["2: hai"] * 6
    assert only.platforms.texts == ["3: ba"] * 6
    old = Database(database_url, Keyring([SECRET]))
    with pytest.raises(Sealed):
        _ = old.keyring
    for one in (both.database, only.database, old):
        one.close()


def test_rotation_never_brings_a_destroyed_key_back(stage: Stage) -> None:
    stage.write("chào")

    def forgotten_meanwhile(wrapped: bytes) -> bytes:
        with stage.database.engine.connect() as connection:
            if not stage.database.sqlite:  # there the rotation holds the only lock
                connection.execute(text("UPDATE conversation SET wrapped_key = NULL"))
                connection.commit()
        return stage.database.keyring.rotate(wrapped)

    with stage.database.write() as connection:
        queries.rotate_conversations(connection, forgotten_meanwhile)
    found = stage.rows("SELECT wrapped_key FROM conversation")[0][0]
    assert found is not None if stage.database.sqlite else found is None


# --- F17: danger at the end of a flood ------------------------------------------------------------------------------


def test_danger_at_the_tail_of_a_flood_is_alarmed_before_anyone_works(stage: Stage) -> None:
    for number in range(150):
        stage.accept(message(f"tin {number}", key=f"k{number}", person=f"p{number}"))
    accepted = stage.accept(*(message("cứu em", key=f"r{number}", person=f"r{number}") for number in range(2)))
    assert stage.rows("SELECT level, state FROM ticket") == [("RED", "waiting")] * 2
    waker = ThreadWaker(stage.worker, 1)
    for conversation_id, rank in accepted.wake:
        waker.wake(conversation_id, rank)
    with stage.database.read() as connection:
        found = queries.conversations_with_work(connection, due=stage.now, free=stage.database.now(connection))
    assert [conversation_id for conversation_id, _ in found[:2]] == [one for one, _ in accepted.wake]
    waker.stop()


# --- F18: the wrong key ---------------------------------------------------------------------------------------------


def test_a_process_with_the_wrong_key_refuses_to_start(stage: Stage, database_url: str, tmp_path: Any) -> None:
    assert stage.database.keyring
    environ = {
        "OSSO_DATABASE_URL": database_url,
        "OSSO_SECRET_KEYS": "another-ring-" + "z9y8x7w6" * 4,
        "OSSO_DATA_DIR": str(tmp_path),
        "OSSO_DOTENV": str(tmp_path / "none"),
    }
    command = [sys.executable, "-m", "bot", "worker"]
    done = subprocess.run(command, cwd=ROOT, env=environ, timeout=240, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "OSSO_SECRET_KEYS" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_kept_under_a_wrong_key(stage: Stage, database_url: str) -> None:
    assert stage.database.keyring
    stranger = Stage(Database(database_url, Keyring(["another-ring-" + "z9y8x7w6" * 4])))
    with pytest.raises(Sealed):
        stranger.accept(message("chào", key="m1"))
    stranger.database.close()
    assert stage.rows("SELECT count(*) FROM inbox") == [(0,)]


# --- a helper that must be able to fail -----------------------------------------------------------------------------


def test_the_checker_sees_what_is_wrong(stage: Stage, database: Database) -> None:
    crowd = Crowd(database, seed=1, people=2, red=0.5)
    crowd.send(10)
    verdict = judge(database, crowd, [])
    assert verdict.lost == 10
    assert verdict.orphans == 10
    one = {"recipient": {"id": "p0"}, "message": {"text": "1: tin 0", "metadata": "osso:1"}}
    two = {"recipient": {"id": "p0"}, "message": {"text": "1: tin 0", "metadata": "osso:1"}}
    broken = judge(database, crowd, [one, json.loads(json.dumps(two))])
    assert (broken.double, broken.inversions) == (1, 1)
    with database.write() as connection:
        connection.execute(text("DELETE FROM ticket_event"))
        connection.execute(text("DELETE FROM ticket"))
    assert judge(database, crowd, []).alerts > 0
