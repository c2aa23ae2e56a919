"""Processes: the one that does everything, or web, worker and clock apart. Each stops within seconds when told."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from apscheduler.schedulers.background import BackgroundScheduler
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from bot import clock, log, settings, wiring
from bot.app import create_server
from bot.errors import OssoError
from bot.settings import Settings
from bot.wiring import Hands, Parts
from handoff.accounts import upkeep
from handoff.accounts.accounts import open_accounts
from handoff.demo import load_demo
from handoff.duty import roster
from handoff.jobs import handoff_jobs

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

GRACE_S = 2
THREADS = 320  # an open desk holds one for its news (handoff.desk.live.MOST); the rest wait for the database


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


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The environment over `.env`; in development with the local key ring made beside the data."""
    given = dict(os.environ if environ is None else environ)
    dotenv = Path(given.get("OSSO_DOTENV", ".env"))
    given.pop("OSSO_DOTENV", None)
    if given.get("OSSO_ENV", "development") != "production" and not given.get("OSSO_SECRET_KEYS"):
        merged = settings.merged(given, dotenv)
        if merged.get("OSSO_ENV", "development") != "production" and not merged.get("OSSO_SECRET_KEYS"):
            local = settings.local_secrets(Path(merged.get("OSSO_DATA_DIR") or "var"))
            given |= settings.merged({}, local)
    return settings.load(given, dotenv)


def build(config: Settings) -> Parts:
    """The parts, with the desk's roster behind the bot's honest waiting words."""
    return wiring.build(config, roster=roster)


def start(parts: Parts, *, works: bool, ticks: bool) -> Running:
    """Starts the threads of this process: workers, clock."""
    hands = wiring.hands(parts, works=works)
    hands.start()
    jobs = wiring.own_jobs(parts)
    if works:
        jobs += clock.worker_jobs(parts.rim, hands.wake)
    if ticks:
        accounts = open_accounts(parts.settings, parts.database, clock=parts.rim.clock, offices=dict)
        jobs += clock.jobs(parts.rim, hands.wake) + wiring.clock_jobs(parts)
        jobs += (*handoff_jobs(parts), *upkeep.jobs(accounts))
    return Running(parts, hands, clock.start(jobs))


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with one process and many threads, started from Python."""

    def __init__(
        self, config: Settings, make: Callable[[], tuple[WSGIApplication, Running]], *, processes: int = 1
    ) -> None:
        self._settings = config
        self._make = make
        self._processes = processes
        self._running: Running | None = None
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"{self._settings.host}:{self._settings.port}",
            "workers": self._processes,
            "worker_class": "gthread",
            "threads": THREADS,
            "graceful_timeout": GRACE_S,
            "timeout": 60,
            "keepalive": 30,
            "accesslog": None,
            "loglevel": "warning",
            "limit_request_line": 4094,
            "forwarded_allow_ips": "",
            "worker_exit": self._on_exit,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        try:
            app, self._running = self._make()
        except OssoError as error:
            click.echo(f"\n{error}\n", err=True)
            sys.exit(Arbiter.APP_LOAD_ERROR)
        return app

    def _on_exit(self, _server: Any, _worker: Any) -> None:
        if self._running is not None:
            self._running.stop()


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
