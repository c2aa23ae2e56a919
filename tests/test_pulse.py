"""A failing webhook is told within minutes, also when the database cannot keep the alarm."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from bot.errors import Unreachable
from bot.messages import Answer, Call
from bot.pulse import ALARM_MS, Pulse
from bot.store.database import Database
from tests.stage import START


@dataclass
class Operator:
    told: list[object] = field(default_factory=list)

    def exchange(self, call: Call) -> Answer:
        self.told.append(dict(call.json or {}))
        return Answer(200, {}, b"")


@dataclass
class Watch:
    database: Database
    operator: Operator = field(default_factory=Operator)
    now: int = START

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.database, self.operator, "http://operator.example/alarm", lambda: self.now)

    def alarms(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.execute(text("SELECT kind FROM alarm WHERE cleared_at IS NULL")).scalars())


def test_a_short_failure_is_no_alarm(database: Database) -> None:
    watch = Watch(database)
    watch.pulse.failed("zalo", ["222"])
    watch.now += ALARM_MS - 1
    watch.pulse.beat()
    assert watch.alarms() == []


def test_a_lasting_failure_is_told_once_and_cleared_by_success(database: Database) -> None:
    watch = Watch(database)
    watch.pulse.failed("zalo", ["222"])
    watch.now += ALARM_MS
    for _ in range(3):
        watch.pulse.beat()
    assert watch.alarms() == ["webhooks-failing"]
    assert watch.operator.told == [{"alarm": "webhooks-failing", "subject": "zalo 222"}]
    watch.pulse.heard("zalo", ["222"])
    watch.pulse.beat()
    assert watch.alarms() == []


def test_a_database_that_is_gone_cannot_hide_the_alarm(database: Database) -> None:
    class Gone(Database):
        def write(self):  # type: ignore[no-untyped-def]
            raise Unreachable("gone")

    watch = Watch(database)
    watch.pulse.database = object.__new__(Gone)
    watch.pulse.failed("messenger", ["111"])
    watch.now += ALARM_MS
    for _ in range(2):
        with pytest.raises(Unreachable):
            watch.pulse.beat()
    assert watch.operator.told == [{"alarm": "webhooks-failing", "subject": "messenger 111"}]


def test_the_alarm_comes_well_before_the_platforms_give_up() -> None:
    assert ALARM_MS <= 5 * 60_000


def test_health_is_written_down(database: Database) -> None:
    watch = Watch(database)
    watch.pulse.heard("zalo", ["222"])
    watch.pulse.forged("zalo")
    watch.pulse.beat()
    with database.read() as connection:
        rows = connection.execute(text("SELECT account, webhook_at, forged FROM channel_health ORDER BY account")).all()
    assert [tuple(row) for row in rows] == [("", 0, 1), ("222", START, 0)]
