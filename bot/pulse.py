"""How the webhooks are doing, and who must be told. Counted in memory so that a broken database cannot hide itself,
written down every few seconds, alarmed within minutes: after about an hour of failures the platforms unsubscribe us.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from bot import log
from bot.errors import Unreachable
from bot.messages import Call
from bot.rim import MaybeSent, NotSent, Transport
from bot.store import queries
from bot.store.database import Database

ALARM_MS = 2 * 60_000


@dataclass(slots=True)
class _Door:
    webhook_at: int = 0
    failing_since: int | None = None
    forged: int = 0
    changed: bool = False


@dataclass(slots=True)
class Pulse:
    """One per process."""

    database: Database
    transport: Transport
    alarm_url: str
    clock: Callable[[], int]
    _doors: dict[tuple[str, str], _Door] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def heard(self, channel: str, accounts: Collection[str]) -> None:
        for account in accounts:
            door = self._door(channel, account)
            door.webhook_at, door.failing_since, door.changed = self.clock(), None, True

    def failed(self, channel: str, accounts: Collection[str]) -> None:
        for account in accounts:
            door = self._door(channel, account)
            door.failing_since = door.failing_since or self.clock()
            door.changed = True

    def forged(self, channel: str) -> None:
        door = self._door(channel, "")
        door.forged += 1
        door.changed = True

    def beat(self) -> None:
        """Writes the counts down, raises and clears alarms, tells the operator of new ones. For the clock."""
        now = self.clock()
        late = [
            f"{channel} {account}"
            for (channel, account), door in list(self._doors.items())
            if door.failing_since is not None and now - door.failing_since >= ALARM_MS
        ]
        try:
            self._write(now, late)
        except Unreachable:
            # The database cannot keep the alarm; the operator hears of it all the same.
            self._tell("webhooks-failing", ", ".join(late) or "database")
            raise
        self._told.clear()

    def _write(self, now: int, late: list[str]) -> None:
        with self.database.write() as connection:
            for (channel, account), door in list(self._doors.items()):
                if door.changed and account:
                    door.changed = False
                    values = {"webhook_at": door.webhook_at, "failing_since": door.failing_since}
                    queries.note_health(connection, channel, account, **values)
                elif door.changed:
                    door.changed = False
                    queries.note_health(connection, channel, "", forged=door.forged)
            for subject in late:
                queries.raise_alarm(connection, "webhooks-failing", subject, now)
            for row in queries.open_alarms(connection):
                if row["kind"] == "webhooks-failing" and row["subject"] not in late:
                    queries.clear_alarm(connection, row["kind"], row["subject"], now)
            news = queries.untold_alarms(connection)
        for row in news:
            self._tell(row["kind"], row["subject"])
            with self.database.write() as connection:
                queries.alarm_told(connection, row["id"], now)

    def _tell(self, kind: str, subject: str) -> None:
        if f"{kind} {subject}" in self._told:
            return
        self._told.add(f"{kind} {subject}")
        log.get().error("alarm", alarm=kind, channel=subject.split(" ", maxsplit=1)[0])
        if self.alarm_url:
            try:
                self.transport.exchange(Call("POST", self.alarm_url, json={"alarm": kind, "subject": subject}))
            except (NotSent, MaybeSent) as error:
                log.get().error("alarm not delivered", alarm=kind, error=error)

    def _door(self, channel: str, account: str) -> _Door:
        with self._lock:
            return self._doors.setdefault((channel, account), _Door())
