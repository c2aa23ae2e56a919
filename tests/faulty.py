"""Workers that are killed: `python -m tests.faulty URL PLATFORM KILLS SEED` hears with the parrot and a real transport.

The process forks one worker after another; each runs until it kills itself at a random point: while thinking, inside a
transaction, before or after a request. After KILLS deaths the last worker lives until standard input closes. Also what
is sent to it, and the checker that counts what was lost, doubled or out of order afterwards.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, event, text

from bot.channels.messenger import Messenger
from bot.clock import fire_timers
from bot.errors import Unreachable
from bot.http import Http
from bot.inbox import accept
from bot.messages import Answer, Call, Heard, Message, Reply, State, Turn
from bot.rim import Mind, Transport
from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.wakers import Listener
from bot.worker import ThreadWaker, Worker, sweep
from tests.conftest import SECRET
from tests.stage import PAGE, Alarmed, Stage, message

ROOT = Path(__file__).parent.parent
SWEEP_S = 0.25


@dataclass
class Fate:
    """Kills this process with a chance at each point it is asked."""

    chance: float
    dice: random.Random

    def strike(self, *_: Any) -> None:
        if self.dice.random() < self.chance:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Fatal:
    """A transport during whose requests one may die."""

    inner: Transport
    fate: Fate

    def exchange(self, call: Call) -> Answer:
        self.fate.strike()
        answer = self.inner.exchange(call)
        self.fate.strike()
        return answer


@dataclass
class Counting:
    """Answers every text with its number in the conversation; danger like the rest, so that all replies can be told
    apart."""

    before: Callable[[], None] = lambda: None

    def think(self, state: State, heard: Heard) -> Turn:
        self.before()
        count = int(state.slots.get("count") or 0) + 1
        return Turn(replace(state, slots={"count": count}), (Reply(f"{count}: {heard.text}"),), (), "answer")


def stage_on(url: str, platform: str, transport: Transport | None = None) -> Stage:
    """The parrot on this database with real time and real requests to one stand-in."""
    stage = Stage(Database(url, Keyring([SECRET])), now=wall())
    counting = Counting()
    stage.rim = replace(
        stage.rim,
        mind=lambda: cast(Mind, counting),
        channels={"messenger": Messenger([PAGE], f"{platform}/v25.0")},
        transport=transport or Http((platform,)),
        clock=wall,
    )
    stage.worker = Worker(stage.rim)
    return stage


def wall() -> int:
    return time.time_ns() // 1_000_000


def work(url: str, platform: str, fate: Fate) -> None:
    """One worker process: threads, a sweeper, on PostgreSQL a listener; until it dies."""
    stage = stage_on(url, platform, Fatal(Http((platform,)), fate))
    counting = Counting(fate.strike)
    stage.rim = replace(stage.rim, mind=lambda: cast(Mind, counting))
    stage.worker = Worker(stage.rim)
    event.listen(stage.database.engine, "commit", fate.strike)
    waker = ThreadWaker(stage.worker, 2)
    waker.start()
    if not stage.database.sqlite:
        Listener(url, waker.wake).start()
    while True:
        try:
            fire_timers(stage.rim, waker.wake)
            sweep(stage.rim, waker.wake)
        except Unreachable:
            pass
        time.sleep(SWEEP_S)


def zygote(url: str, platform: str, *, kills: int, seed: int) -> None:
    """Forks workers until `kills` have died, then lets one live. Says each death on standard output."""
    chances = random.Random(seed)  # noqa: S311 - a seeded game, no secret
    for number in range(kills + 1):
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(0, 1)
            dice = random.Random(seed * 1000 + number)  # noqa: S311 - a seeded game, no secret
            work(url, platform, Fate(chances.choice((0.02, 0.05, 0.1)) if number < kills else 0.0, dice))
        if number < kills:
            os.waitpid(child, 0)
            print("killed", flush=True)
        else:
            sys.stdin.read()
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@dataclass
class Mortal:
    """A zygote and its workers, from outside. `deaths` counts those that were killed so far."""

    process: subprocess.Popen[str]
    deaths: int = 0

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._count, daemon=True)
        self._reader.start()

    def _count(self) -> None:
        for _line in self.process.stdout or ():
            self.deaths += 1

    @staticmethod
    def start(url: str, platform: str, *, kills: int, seed: int) -> Mortal:
        command = [sys.executable, "-m", "tests.faulty", url, platform, str(kills), str(seed)]
        pipe = subprocess.PIPE
        return Mortal(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))

    def stop(self) -> int:
        """Ends it; the number of workers that had been killed."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(30)
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.deaths


# --- what is sent ---------------------------------------------------------------------------------------------------


@dataclass
class Crowd:
    """Accepts numbered messages of several people, delivers some twice and some late, retries what was refused."""

    database: Database
    seed: int
    people: int = 6
    red: float = 0.02
    accepted: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # person -> texts in order
    alarms: int = 0
    refused: int = 0
    duplicates: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - a seeded game, no secret
        self.late: list[Message] = []

    def send(self, count: int, *, pause: float = 0.0, wake: Any = lambda _conversation, _rank: None) -> None:
        for number in range(count):
            person = f"p{self.dice.randrange(self.people)}"
            place = len(self.accepted[person])
            red = self.dice.random() < self.red
            hers = message(f"{'cứu' if red else 'tin'} {place}", key=f"{self.seed}-{person}-{place}", person=person)
            self.deliver(hers, wake)
            self.accepted[person].append(hers.text)
            self.alarms += red
            if self.dice.random() < 0.2:
                self.deliver(hers, wake)
            if self.dice.random() < 0.2:
                self.late.append(hers)
            if pause and number % 4 == 0:
                time.sleep(pause)
        self.dice.shuffle(self.late)
        for hers in self.late:
            self.deliver(hers, wake)

    def deliver(self, hers: Message, wake: Any) -> None:
        """As a platform does: again and again until it hears 200."""
        for _ in range(200):
            try:
                done = accept(self.database, Alarmed(), (hers,), now=wall())
            except Unreachable:
                self.refused += 1
                time.sleep(0.05)
                continue
            self.duplicates += done.counts["duplicate"]
            for conversation_id, rank in done.wake:
                wake(conversation_id, rank)
            return
        raise AssertionError("the database never came back")


# --- what came of it ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """`lost`: accepted, not handled. `double`: heard, or requested at the platform, more than once. `inversions`:
    neighbours in the wrong order. `orphans`: heard without a reply or the reverse. `alerts`: RED without its ticket."""

    lost: int
    double: int
    inversions: int
    orphans: int
    alerts: int
    unknown: int = 0  # sends whose worker died between attempt and end: not repeated, by design

    @property
    def clean(self) -> bool:
        return (self.lost, self.double, self.inversions, self.orphans, self.alerts) == (0, 0, 0, 0, 0)


def quiet(database: Database, seconds: float) -> None:
    """Waits until everything was heard and said; the sweepers of the workers do it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with database.read() as connection:
                ages = queries.queue_ages(connection)
        except Unreachable:
            continue
        if not ages["inbox_open"] and not ages["outbox_open"]:
            return
        time.sleep(0.2)


def judge(database: Database, crowd: Crowd, requests: Sequence[Any]) -> Verdict:
    """Compares what was accepted with the tables and with what the platform saw (`body` of each request)."""
    with database.read() as connection:
        heard, said, alerts = _heard(connection), _said(connection, database.keyring), _alerts(connection)
    index = database.keyring.index
    lost = double = inversions = orphans = 0
    for person, texts in crowd.accepted.items():
        conversation = index("person", "messenger", PAGE.page_id, person)
        rows = heard.get(conversation, [])
        done = [row for row in rows if row["done_at"] is not None or row["dead_at"] is not None]
        lost += len(texts) - len(done)
        words = said.get(conversation, [])
        wanted = Counter(texts)
        orphans += (wanted - Counter(words)).total()
        double += (Counter(words) - wanted).total()
        inversions += _inversions([int(one.split()[-1]) for one in words])
    sent = [one["message"] for one in requests if isinstance(one, dict) and "message" in one]
    double += sum(count - 1 for count in Counter(one["metadata"] for one in sent).values())
    for order in _arrived(requests).values():
        inversions += _inversions(order)
    with database.read() as connection:
        unknown = connection.execute(text("SELECT count(*) FROM outbox WHERE status = 'unknown'")).scalar_one()
    red = {person for person, texts in crowd.accepted.items() if any(one.startswith("cứu") for one in texts)}
    return Verdict(lost, double, inversions, orphans, len(red) - alerts, unknown)


def _heard(connection: Connection) -> dict[bytes, list[Any]]:
    query = "SELECT c.person_index, i.done_at, i.dead_at FROM inbox i JOIN conversation c ON c.id = i.conversation_id"
    found: dict[bytes, list[Any]] = defaultdict(list)
    for row in connection.execute(text(query)).mappings():
        found[bytes(row["person_index"])].append(row)
    return found


def _said(connection: Connection, ring: Keyring) -> dict[bytes, list[str]]:
    """What the parrot answered to, in the order it was queued: its replies end in the words they answer."""
    query = (
        "SELECT c.person_index, c.wrapped_key, o.uuid, o.body_sealed, e.at, o.id FROM outbox o "
        "JOIN conversation c ON c.id = o.conversation_id JOIN entry e ON e.id = o.entry_id ORDER BY o.id"
    )
    found: dict[bytes, list[str]] = defaultdict(list)
    for row in connection.execute(text(query)).mappings():
        key = ring.open_key(bytes(row["wrapped_key"]))
        words = key.open(bytes(row["body_sealed"]), "outbox", row["uuid"], "body")["text"]
        found[bytes(row["person_index"])].append(words.split(": ", 1)[1])
    return found


def _alerts(connection: Connection) -> int:
    query = "SELECT count(DISTINCT conversation_id) FROM ticket WHERE level = 'RED'"
    return int(connection.execute(text(query)).scalar_one())


def _arrived(requests: Sequence[Any]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for body in requests:
        if isinstance(body, dict) and "message" in body:
            found[body["recipient"]["id"]].append(int(body["message"]["text"].split(":")[0]))
    return found


def _inversions(numbers: Sequence[int]) -> int:
    return sum(after <= before for before, after in pairwise(numbers))


def crowded(crowd: Crowd, count: int, **more: Any) -> threading.Thread:
    """The crowd at work in a thread of its own."""
    thread = threading.Thread(target=crowd.send, args=(count,), kwargs=more)
    thread.start()
    return thread


if __name__ == "__main__":
    zygote(sys.argv[1], sys.argv[2], kills=int(sys.argv[3]), seed=int(sys.argv[4]))
