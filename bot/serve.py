"""Processes: the one that does everything, or web, worker and clock apart. Each stops within seconds when told."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apscheduler.schedulers.background import BackgroundScheduler

from bot import clock, log, wiring
from bot.app import create_server
from bot.settings import Settings, read_settings
from bot.store import queries
from bot.wiring import Hands, Parts
from handoff.accounts import upkeep
from handoff.accounts.accounts import open_accounts
from handoff.content import upkeep as content_upkeep
from handoff.demo import load_demo
from handoff.duty import roster
from handoff.jobs import handoff_jobs

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True, slots=True)
class Running:
    """What this process started, and how to stop it."""

    parts: Parts
    hands: Hands
    scheduler: BackgroundScheduler

    def stop(self) -> None:
        self.scheduler.shutdown(wait=False)
        self.hands.stop()
        self.parts.close()


def build(config: Settings) -> Parts:
    """The parts, with the desk's roster behind the bot's honest waiting words."""
    return wiring.build(config, roster=roster)


def start(parts: Parts, *, works: bool, ticks: bool) -> Running:
    """Starts the threads of this process: workers, clock."""
    hands = wiring.hands(parts, works=works)
    hands.start()
    jobs = wiring.own_jobs(parts)
    if works:
        with parts.database.write() as connection:
            queries.lift_stops(connection, parts.rim.clock())
        jobs += clock.worker_jobs(parts.rim, hands.wake)
    if ticks:
        accounts = open_accounts(parts.settings, parts.database, clock=parts.rim.clock, offices=dict)
        jobs += clock.jobs(parts.rim, hands.wake) + wiring.clock_jobs(parts)
        jobs += (*handoff_jobs(parts), *upkeep.jobs(accounts))
        jobs += content_upkeep.jobs(parts.database, parts.settings.knowledge_dir)
    return Running(parts, hands, clock.start(jobs))


def application(config: Settings, *, works: bool, ticks: bool) -> tuple[WSGIApplication, Running]:
    """The web app of this process together with its threads."""
    parts = build(config)
    if works and ticks and not config.production:
        load_demo(parts)
    running = start(parts, works=works, ticks=ticks)
    wiring.watch(parts)
    return create_server(parts, running.hands.wake), running


def web() -> WSGIApplication:
    """For `gunicorn "bot.serve:web()"`: answers webhooks and staff, and leaves hearing to the worker process."""
    config = read_settings()
    log.setup(config.log_level)
    app, _running = application(config, works=False, ticks=False)
    return app


def until_stopped(running: Running) -> None:
    """Blocks until SIGINT or SIGTERM, then stops."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    stopped.wait()
    running.stop()
