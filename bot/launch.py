"""gunicorn, started from Python: a light parent that knows nothing of the product, and one process that does all of it.

The parent stays small because everything heavy is imported by the process that needs it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from bot.errors import OssoError
from bot.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

GRACE_S = 2
M_ARENA_MAX = -8  # of malloc.h
THREADS = 320  # an open desk holds one for its news (handoff.desk.live.MOST); the rest wait for the database
Made = Callable[[], "tuple[WSGIApplication, Callable[[], None]]"]


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with one process and many threads. `make` gives the application and what stops its threads."""

    def __init__(self, config: Settings, make: Made, *, processes: int = 1) -> None:
        self._settings = config
        self._make = make
        self._processes = processes
        self._stop: Callable[[], None] | None = None
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
        _share_memory()
        gc.disable()
        try:
            app, self._stop = self._make()
        except OssoError as error:
            click.echo(f"\n{error}\n", err=True)
            sys.exit(Arbiter.APP_LOAD_ERROR)
        _give_back()
        gc.freeze()  # what was loaded stays: walking a quarter of a million objects again would stall every request
        gc.enable()
        return app

    def _on_exit(self, _server: Any, _worker: Any) -> None:
        if self._stop is not None:
            self._stop()
            sys.stdout.flush()
            os._exit(0)  # everything is put away; taking the large heap apart piece by piece would take seconds


def _share_memory() -> None:
    """Lets the threads share two heaps: glibc would give each core eight, which one interpreter does not need."""
    with suppress(AttributeError, OSError):  # another C library has no such heaps
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _give_back() -> None:
    """Returns to the system what reading and building took and left free."""
    gc.collect()
    with suppress(AttributeError, OSError):  # another C library keeps it
        ctypes.CDLL(None).malloc_trim(0)


def run(config: Settings) -> None:
    """Everything in one process, after migrating and greeting."""

    def make() -> tuple[WSGIApplication, Callable[[], None]]:
        from bot import console

        return console.everything(config)

    Server(config, make).run()


def web(config: Settings) -> None:
    """Only the web server."""

    def make() -> tuple[WSGIApplication, Callable[[], None]]:
        from bot import console

        return console.front(config)

    Server(config, make).run()
