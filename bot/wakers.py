"""PostgreSQL NOTIFY as a waker between processes. It carries a conversation id and its rank, nothing else; a lost
notification costs seconds, since the sweeper finds what lies open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import psycopg

from bot import log
from bot.store.together import Together

CHANNEL = "osso_wake"


class Notifier:
    """Sends wake-ups, those of one moment in one statement that waits for no disk. Share one between threads."""

    def __init__(self, url: str) -> None:
        self._url = _plain(url)
        self._together: Together[str, None] = Together(self._send)
        self._connection: psycopg.Connection | None = None

    def wake(self, conversation_id: int, rank: int = 0) -> None:
        self._together(f"{conversation_id} {rank}")

    def _send(self, payloads: Sequence[str]) -> list[None]:
        try:
            if self._connection is None or self._connection.closed:
                options = "-c synchronous_commit=off"
                self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=3, options=options)
            self._connection.execute("SELECT pg_notify(%s, unnest(%s::text[]))", (CHANNEL, list(set(payloads))))
        except psycopg.Error as error:
            self._connection = None
            log.get().warning("wake-up not sent", waker="postgres", error=error)
        return [None] * len(payloads)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class Listener:
    """Receives wake-ups in a thread of its own and hands them on; reconnects by itself."""

    def __init__(self, url: str, wake: Callable[[int, int], None]) -> None:
        self._url = _plain(url)
        self._wake = wake
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="osso-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=3) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self._stopped.is_set():
                        for notice in connection.notifies(timeout=0.5):
                            self._hand_on(notice.payload)
            except psycopg.Error as error:
                log.get().warning("listener reconnects", waker="postgres", error=error)
                self._stopped.wait(1.0)

    def _hand_on(self, payload: str) -> None:
        conversation_id, _, rank = payload.partition(" ")
        if conversation_id.isdigit() and rank.isdigit():
            self._wake(int(conversation_id), int(rank))


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
