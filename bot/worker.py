"""Workers: take one conversation, hear what was written in order, say what is due in order, let it go.

The lease in the database lets one worker at a time speak for a conversation; the fence stops one that was thought dead.
A wake-up that gets lost costs seconds, never a message: the sweeper finds whatever lies open.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bot import log
from bot.errors import GrantLost, NoToken, Unreachable
from bot.hearing import Holding, LeaseLost, bury, hear_next
from bot.messages import LEVELS, Address
from bot.outbox import DELAYS, say_next, settle_unknown
from bot.rim import MaybeSent, NotSent, Rim
from bot.store import queries
from bot.store.crypto import Sealed

MOST_TRIES = len(DELAYS)


class Worker:
    """Drains conversations. Holds no state of its own but the pool that sends signs of life."""

    def __init__(self, rim: Rim) -> None:
        self.rim = rim
        self._signals = ThreadPoolExecutor(2, thread_name_prefix="osso-signal")

    def drain(self, conversation_id: int) -> None:
        """Hears and says everything due. Faults of one message never stop the next conversation."""
        try:
            while self._drain_once(conversation_id):
                pass
        except LeaseLost:
            log.get().info("lease lost", conversation=conversation_id)
        except Unreachable as error:
            log.get().warning("database unreachable", error=error)

    def close(self) -> None:
        self._signals.shutdown(wait=False, cancel_futures=True)

    def _drain_once(self, conversation_id: int) -> bool:
        """One lease. True when new work arrived while it was given back."""
        database = self.rim.database
        with database.write() as connection:
            row = queries.claim(connection, conversation_id, database.now(connection))
            if row is None or row["wrapped_key"] is None:
                return False
            waiting = queries.next_inbox(connection, conversation_id)
            if waiting is not None and waiting["next_at"] <= self.rim.clock():
                queries.count_try(connection, waiting["id"])
        held = Holding.of(self.rim, row)
        if waiting is not None and waiting["tries"] >= MOST_TRIES:  # it never failed in words: it took its worker along
            bury(self.rim, held, waiting["id"])
        elif waiting is not None and waiting["kind"] == "message" and row["owner"] == "bot":
            self._signals.submit(self._seen, held)
        failed = False
        while not failed:
            try:
                if hear_next(self.rim, held):
                    continue
            except (LeaseLost, Unreachable):
                raise
            except Exception as error:  # a message that cannot be heard must not stop the others
                failed = self._failed(held, error)
                continue
            if not say_next(self.rim, held):
                break
        with database.write() as connection:
            queries.release(connection, conversation_id, held.fence)
            return queries.has_work(connection, conversation_id, self.rim.clock())

    def _failed(self, held: Holding, error: Exception) -> bool:
        """Books the failure: tried again later, or buried. True when this lease should end."""
        with self.rim.database.write() as connection:
            row = queries.next_inbox(connection, held.id)
            if row is None:
                raise error
            if row["tries"] < MOST_TRIES:
                delay = int(DELAYS[max(row["tries"] - 1, 0)] * 1000)
                queries.change_inbox(connection, [row["id"]], next_at=self.rim.clock() + delay)
        log.get().error("hearing failed", error=error, conversation=held.id, row=row["id"], attempt=row["tries"])
        if row["tries"] < MOST_TRIES:
            return True
        bury(self.rim, held, row["id"])
        return False

    def _seen(self, held: Holding) -> None:
        """Tells the platform that her message was read; a courtesy, so every fault is dropped."""
        rim, row = self.rim, held.row
        try:
            person = held.key.open(row["person_sealed"], "conversation", held.uuid, "person")
            address = Address(row["channel"], row["account"], person)
            call = rim.channels[row["channel"]].signal(
                address, "seen", rim.tokens.token(row["channel"], row["account"])
            )
            if call is not None:
                rim.transport.exchange(call)
        except (NotSent, MaybeSent, GrantLost, NoToken, Unreachable, Sealed, KeyError) as error:
            log.get().info("sign of life not sent", error=error)


class ThreadWaker:
    """Wakes worker threads of this process; the most urgent conversation first. `wake` may be called from anywhere."""

    def __init__(self, worker: Worker, count: int) -> None:
        self._worker = worker
        self._queue: queue.PriorityQueue[tuple[int, int, int]] = queue.PriorityQueue()
        self._waiting: set[int] = set()
        self._lock = threading.Lock()
        self._count = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"osso-worker-{number}", daemon=True) for number in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self, conversation_id: int, rank: int = 0) -> None:
        with self._lock:
            if conversation_id in self._waiting and rank < LEVELS.index("RED"):
                return
            self._waiting.add(conversation_id)
            self._count += 1
            self._queue.put((-rank, self._count, conversation_id))

    def stop(self, timeout: float = 2.0) -> None:
        for _ in self._threads:
            self._queue.put((-100, 0, 0))
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout)
        self._worker.close()

    def _run(self) -> None:
        while True:
            _rank, _number, conversation_id = self._queue.get()
            if conversation_id == 0:
                return
            with self._lock:
                self._waiting.discard(conversation_id)
            try:
                self._worker.drain(conversation_id)
            except Exception as error:  # a thread that dies would leave its conversations unheard
                log.get().error("worker failed", error=error, conversation=conversation_id)


def sweep(rim: Rim, wake: Callable[[int, int], None]) -> int:
    """Finds what lies open with nobody at it, and wakes it. Returns how many conversations."""
    for conversation_id in settle_unknown(rim):
        wake(conversation_id, LEVELS.index("RED"))
    with rim.database.read() as connection:
        found = queries.conversations_with_work(connection, due=rim.clock(), free=rim.database.now(connection))
    for conversation_id, rank in found:
        wake(conversation_id, rank)
    return len(found)
