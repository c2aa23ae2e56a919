"""The simulator on a small stage: real database, engine, flows and articles; nobody outside."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from flask import Flask

from bot import simulator
from bot.channels.webchat import Webchat
from bot.metrics import Meter
from bot.rim import Mind, Rim
from bot.settings import load
from bot.store.database import Database
from tests.conftest import SECRET
from tests.dialogue import book, inside
from tests.stage import START, Platforms, Tokens

if TYPE_CHECKING:
    from bot.wiring import Parts, Wake

OLDER = "an-older-ring-for-tests-0123456789-abcdefgh"


class Time:
    """A settable clock (ms)."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        self.now += 1
        return self.now


def rim_of(database: Database, clock: Any) -> Rim:
    return Rim(
        database=database,
        channels={"webchat": Webchat("zalo"), "webchat-m": Webchat("messenger", name="webchat-m")},
        mind=lambda: Mind(book(), inside(), inside()),
        transport=Platforms(),
        tokens=Tokens(),
        clock=clock,
    )


def app_of(rim: Rim, wake: Wake, *, keys: Sequence[str] = (SECRET,)) -> Flask:
    """A server with nothing but the simulator."""
    settings = load({"OSSO_SECRET_KEYS": ",".join(keys)})
    parts = SimpleNamespace(settings=settings, database=rim.database, channels=rim.channels, rim=rim, meter=Meter())
    app = Flask("simulated", static_folder=None)
    app.register_blueprint(simulator.blueprint(cast("Parts", parts), wake))
    return app
