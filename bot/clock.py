"""The clock: APScheduler as a metronome. What is due lives in tables, so any number of clocks may tick in any process.

Each job takes its own small lease first; a job that fails is logged and comes round again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler

from bot import log
from bot.errors import Unreachable
from bot.rim import Rim
from bot.store import queries
from bot.worker import sweep

DAY_MS = 86_400_000
SILENT_MS = 5 * 60_000  # a webhook failing for this long raises the alarm; platforms give up after about an hour
IDLE_MS = 24 * 3_600_000  # a chat left by whoever wrote from outside goes back to the bot
DEDUPE_MS = 14 * DAY_MS


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    seconds: float
    run: Callable[[], Any]


def worker_jobs(rim: Rim, wake: Callable[[int, int], None]) -> tuple[Job, ...]:
    """A process that hears also sweeps: a lost wake-up costs two seconds."""
    return (Job("sweep", 2.0, lambda: sweep(rim, wake)),)


def jobs(rim: Rim, wake: Callable[[int, int], None]) -> tuple[Job, ...]:
    """What happens by time, once in the whole installation."""
    return (
        Job("timers", 5.0, lambda: fire_timers(rim, wake)),
        Job("hand back", 60.0, lambda: hand_back_idle(rim)),
        Job("tidy", 3600.0, lambda: tidy(rim)),
    )


def start(all_jobs: tuple[Job, ...]) -> BackgroundScheduler:
    """A running scheduler; the caller shuts it down."""
    scheduler = BackgroundScheduler(timezone="UTC")
    for job in all_jobs:
        scheduler.add_job(
            _guarded(job),
            "interval",
            seconds=job.seconds,
            id=job.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    scheduler.start()
    return scheduler


def _guarded(job: Job) -> Callable[[], None]:
    def run() -> None:
        try:
            job.run()
        except Unreachable as error:
            log.get().warning("job skipped", job=job.name, error=error)
        except Exception as error:  # the clock goes on whatever one job does
            log.get().error("job failed", job=job.name, error=error)

    return run


def fire_timers(rim: Rim, wake: Callable[[int, int], None]) -> int:
    """Turns due timers into inbox rows, each exactly once, unless she spoke since. Returns how many fired."""
    now = rim.clock()
    ring = rim.database.keyring
    fired = []
    with rim.database.write() as connection:
        for row in queries.due_timers(connection, now):
            conversation = queries.get_conversation(connection, row["conversation_id"], lock=True)
            if not queries.drop_timer(connection, row["id"]) or conversation is None:
                continue
            spoke = row["unless_heard"] and conversation["heard_at"] > row["set_at"]
            if conversation["wrapped_key"] is None or spoke:
                continue
            public = str(uuid.uuid4())
            key = ring.open_key(conversation["wrapped_key"])
            body = {"payload": row["payload"] or f"timer:{row['kind']}"}
            queries.add_inbox(
                connection,
                {
                    "uuid": public,
                    "conversation_id": conversation["id"],
                    "event_index": ring.index("timer", public),
                    "kind": "timer",
                    "body_sealed": key.seal(body, "inbox", public, "body"),
                    "at": row["at"],
                    "received_at": now,
                },
            )
            fired.append(conversation["id"])
    for conversation_id in fired:
        wake(conversation_id, 0)
    return len(fired)


def hand_back_idle(rim: Rim) -> int:
    """Chats silenced from outside with no counsellor of ours in them go back to the bot after a day."""
    now = rim.clock()
    with rim.database.write() as connection:
        return queries.hand_back(connection, now - IDLE_MS, now)


def tidy(rim: Rim) -> None:
    """Folds the log, and forgets dedupe marks of erased people once no platform can repeat them."""
    now = rim.clock()
    with rim.database.write() as connection:
        if not queries.take_job(connection, "tidy", now, 3_500_000):
            return
        queries.forget_marks(connection, now - DEDUPE_MS)
    rim.database.checkpoint()
