"""The desk: the queue page over many tickets, her word on open desks, and the bot's silence after takeover."""

from __future__ import annotations

import logging
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog
from sqlalchemy import event, text

from bench.figures import Figure, at_most, nothing, percentile, told
from bench.places import opened, place, reachable
from bench.tickets import fill
from bot.store.database import Database
from handoff.desk.live import Interest, Watch
from tests.desk_room import DeskRoom, Window
from tests.room import Room
from tests.takeover import STEPS, Scene

OPEN, CLOSED = 10_000, 1_000_000
DESKS, WORDS = 200, 60
SCENES = 10_000
ASKED = 40  # times each page
PAGES = (
    "/queue",
    "/queue?office=ct&topic=legal",
    "/queue?view=mine",
    "/queue?view=team",
    "/queue?view=all&page=3",
    "/queue?view=calls",
    "/queue?view=closed",
    "/queue?view=closed&page=20",
    "/queue/list",
    "/news",
    "/search?q=giay+khai+sinh",
)


def run() -> Iterator[Figure]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for kind in reachable():
        with place(kind) as url:
            yield from _pages(url, kind)
    with place("sqlite") as url:
        yield from _news(url)
    for kind in reachable():
        with place(kind) as url:
            yield from _takeover(url, kind)


def _room(url: str) -> DeskRoom:
    return DeskRoom(opened(url), folder=Path(tempfile.mkdtemp(prefix="osso-bench-")))


def _pages(url: str, kind: str) -> Iterator[Figure]:
    """Server time of the pages that read many tickets, asked for by one who has many, one who has none, and a lead."""
    room = _room(url)
    room.stage.now = time.time_ns() // 1_000_000
    mai, lan, boss = room.hire("mai"), room.hire("lan", ("counsellor", "ct")), room.hire("boss", ("lead", "*"))
    seconds = fill(room.database, kind, mai=mai.id, now=room.now, waiting=OPEN, closed=CLOSED)
    yield told(f"loading {OPEN:,} open, {CLOSED:,} closed tickets, {kind}", f"{seconds:.0f} s")
    backends = _backends(room.database)
    for who, name in ((mai, "counsellor"), (lan, "new counsellor"), (boss, "lead of all offices")):
        her = room.browser(who)
        for path in PAGES if who is not boss else (*PAGES, "/team"):
            wall, spent = _asked(her, path, backends)
            # Judged by what the page costs, ours and the database's; the clock also shows who else uses the machine.
            figure = f"{spent:.3g} ms ({wall:.3g} ms by the clock)"
            yield Figure(f"{path} ({name}, {kind}), p95", figure, "≤ 150 ms", spent <= 150)
    room.database.close()


def _asked(her: Window, path: str, backends: Sequence[int]) -> tuple[float, float]:
    """p95 of server time and of processor time (ours and the database's), ms."""
    wall, spent = [], []
    for _ in range(ASKED):
        began, used = time.perf_counter(), _used(backends)
        answer = her.get(path)
        wall.append((time.perf_counter() - began) * 1000)
        spent.append((_used(backends) - used) * 1000)
        assert answer.status_code == 200, path  # noqa: S101 - a page that fails measures nothing
    return percentile(wall, 0.95), percentile(spent, 0.95)


def _used(backends: Sequence[int]) -> float:
    """Processor seconds of this thread and of the database's processes."""
    theirs = sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in backends)
    return time.thread_time() + theirs / 1e9


def _backends(database: Database) -> list[int]:
    """The processes that serve our connections; none for SQLite, which works in our thread."""
    if database.sqlite:
        return []
    with database.read() as connection:
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return list(connection.execute(text(query)).scalars())


def _news(url: str) -> Iterator[Figure]:
    """From her accepted message to the line on the stream of each of 200 open desks; a desk then asks for the chat."""
    room = _room(url)
    watch = Watch(room.database, lambda: room.now)
    references = [room.asks(person=f"p{number}") for number in range(20)]
    rooms = [room.ticket(one)["conversation_id"] for one in references]
    heard: list[float] = []
    sent: dict[int, float] = {}
    ready = threading.Barrier(DESKS + 1)

    def listen(number: int) -> None:
        conversation = rooms[number % len(rooms)]
        stream = watch.stream(Interest(number + 1, frozenset({"hn"}), conversation), seconds=90)
        next(stream)
        ready.wait()
        for line in stream:
            if '"chat"' in line and conversation in sent:
                heard.append(time.perf_counter() - sent[conversation])

    for number in range(DESKS):
        threading.Thread(target=listen, args=(number,), daemon=True).start()
    ready.wait()
    time.sleep(1.5)
    cpu, began = time.process_time(), time.perf_counter()
    for number in range(WORDS):
        person = number % len(rooms)
        sent[rooms[person]] = time.perf_counter()
        room.says(f"tin {number}", person=f"p{person}")
        time.sleep(0.25)
    time.sleep(1.5)
    share = (time.process_time() - cpu) / (time.perf_counter() - began)
    yield at_most(f"her message to {DESKS} open desks, p95 of {len(heard)}", percentile(heard, 0.95) * 1000, 1000, "ms")
    yield told("processor this took, four messages a second included", f"{share * 100:.0f} % of one core")
    mai = room.hire("mai")
    her, took = room.browser(mai), []
    for reference in references * 3:
        her.get(f"/tickets/{reference}/talk")
        began = time.perf_counter()
        her.get(f"/tickets/{reference}/talk")
        took.append((time.perf_counter() - began) * 1000)
    yield at_most("the chat asked for again, p95", percentile(took, 0.95), 150, "ms")


def _takeover(url: str, kind: str) -> Iterator[Figure]:
    """Women, workers and a counsellor in random order, through the real gate; nobody waits for the disk."""
    room = Room(opened(url))
    hurry = {"sqlite": "PRAGMA synchronous=OFF", "postgres": "SET synchronous_commit=off"}[kind]
    event.listen(room.database.engine, "connect", lambda raw, _record: raw.execute(hurry))
    broken, sent, rng = 0, 0, random.Random(11)  # noqa: S311 - spreading, not secrecy
    mai = room.hire("mai")
    for _ in range(SCENES):
        steps: Sequence[str] = rng.choices(STEPS, k=rng.randrange(4, 14))
        scene = Scene(room, mai, quick=True)
        broken += len(scene.play(["says", *steps]))
        sent += scene.sent
    room.database.close()
    what = f"bot messages after takeover in {SCENES:,} random interleavings ({sent:,} messages left), {kind}"
    yield nothing(what, broken)
