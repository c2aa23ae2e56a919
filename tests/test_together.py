"""Work that several threads bring at once is done by one of them, in order, for all; and so are accepted messages."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import select, text

from bot.store import queries
from bot.store.database import Database
from bot.store.together import MOST, Together
from bot.wakers import CHANNEL, Notifier
from tests.stage import Stage, message


class Desk:
    """Work that can be held up, and remembers what came together."""

    def __init__(self) -> None:
        self.turns: list[list[int]] = []
        self.open = threading.Event()
        self.begun = threading.Event()
        self.crowd = 0

    def work(self, items: Sequence[int]) -> list[int]:
        self.crowd += 1
        assert self.crowd == 1, "two worked at the same time"
        self.turns.append(list(items))
        self.begun.set()
        assert self.open.wait(10)
        self.crowd -= 1
        if -1 in items:
            raise ValueError("minus one")
        return [item * 10 for item in items]


def _queued(together: Together[int, int], count: int) -> bool:
    with together._lock:
        return len(together._waiting) == count


def _until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2_000):
        if true():
            return
        pause.wait(0.005)
    raise AssertionError("it never came to that")


def test_who_comes_while_one_works_is_served_in_one_turn_and_gets_his_own() -> None:
    desk = Desk()
    together = Together(desk.work)
    with ThreadPoolExecutor(MOST + 9) as crowd:
        first = crowd.submit(together, 0)
        assert desk.begun.wait(10)
        others = []
        for number in range(1, MOST + 4):
            others.append(crowd.submit(together, number))
            _until(lambda number=number: _queued(together, number))  # type: ignore[misc]
        desk.open.set()
        assert first.result(10) == 0
        assert [one.result(10) for one in others] == [number * 10 for number in range(1, MOST + 4)]
    assert desk.turns == [[0], list(range(1, MOST + 1)), list(range(MOST + 1, MOST + 4))]


def test_what_a_turn_raises_everyone_of_it_hears_and_the_next_is_served() -> None:
    desk = Desk()
    together = Together(desk.work)
    with ThreadPoolExecutor(4) as crowd:
        first = crowd.submit(together, 1)
        assert desk.begun.wait(10)
        unlucky = [crowd.submit(together, number) for number in (-1, 2)]
        _until(lambda: _queued(together, 2))
        desk.open.set()
        assert first.result(10) == 10
        for one in unlucky:
            with pytest.raises(ValueError, match="minus one"):
                one.result(10)
    assert together(3) == 30


def test_messages_that_arrive_together_are_each_accepted_once(database: Database) -> None:
    stage = Stage(database)
    for person in range(6):
        stage.accept(message("chào", person=f"p{person}", key=f"first-{person}"))
    events = [message(f"câu {n}", person=f"p{n % 6}", key=f"k{n // 12}-{n % 6}") for n in range(240)]
    with ThreadPoolExecutor(16) as crowd:
        kinds = Counter(kind for one in crowd.map(stage.accept, events) for kind in one.counts.elements())
    distinct = len({(event.address.person, event.key) for event in events})
    assert kinds == {"message": distinct, "duplicate": len(events) - distinct}
    assert stage.rows("SELECT count(*) FROM inbox WHERE kind = 'message'") == [(distinct + 6,)]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_message_for_a_chat_that_somebody_holds_waits_alone(database: Database) -> None:
    stage = Stage(database)
    for person in ("held", "free"):
        stage.accept(message("chào", person=person, key=f"first-{person}"))
    with ThreadPoolExecutor(1) as crowd:
        with database.write() as connection:
            connection.execute(select(queries.conversation).where(queries.conversation.c.id == 1).with_for_update())
            waiting = crowd.submit(stage.accept, message("em đây", person="held", key="held"))
            assert stage.accept(message("em nữa", person="free", key="free")).counts == {"message": 1}
            assert not waiting.done()
        assert waiting.result(10).counts == {"message": 1}


def test_one_bad_statement_spoils_nothing_for_long(database: Database) -> None:
    broken = select(queries.conversation.c.id).where(text("no_such_column = 1"))
    sound = select(queries.conversation.c.id).where(text("id = 0"))
    assert database.write_once(lambda: (broken, {})) is None
    assert database.write_once(lambda: (sound, {})) is None
    with database.read() as connection:
        assert connection.execute(sound).first() is None


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_wake_ups_of_one_moment_all_arrive(database: Database) -> None:
    url = database.url.replace("+psycopg", "", 1)
    notifier = Notifier(database.url)
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        with ThreadPoolExecutor(8) as crowd:
            list(crowd.map(notifier.wake, range(40), [0, 3] * 20))
        heard = {notice.payload for notice in listener.notifies(timeout=10, stop_after=40)}
    notifier.close()
    assert heard == {f"{number} {rank}" for number, rank in zip(range(40), [0, 3] * 20, strict=True)}


def test_what_one_cannot_make_harms_nobody_beside_him(database: Database) -> None:
    def fails() -> None:
        raise ValueError("not to be told")

    assert database._write_together([fails, lambda: (select(text("7")), {}), lambda: None]) == [None, 7, None]
