"""After a person took the chat the bot says nothing, however the steps of worker and counsellor fall."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update

from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from tests.conftest import SECRET
from tests.room import Room
from tests.takeover import STEPS, Scene


@pytest.fixture(scope="module")
def stage(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    path = tmp_path_factory.mktemp("takeover") / "osso.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    event.listen(database.engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
    yield Room(database)
    database.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS), min_size=4, max_size=24))
def test_no_word_of_the_bot_after_takeover(stage: Room, steps: list[str]) -> None:
    staff = stage.hire(f"mai{stage.now}")
    assert Scene(stage, staff).play(["says", *steps]) == []


def test_the_scene_would_see_a_bot_that_speaks(stage: Room) -> None:
    """The check can fail: with the gate's owner rule undone by hand, the bot's word is caught."""
    scene = Scene(stage, stage.hire("lan"))
    for step in ("says", "hears"):
        scene.step(step)
    with stage.database.write() as connection:
        connection.execute(update(queries.conversation).values(owner="person"))
        connection.execute(update(queries.outbox).where(queries.outbox.c.status == "due").values(author="person"))
    scene.step("sends")
    assert scene.broken


def test_the_bot_speaks_when_it_may(stage: Room) -> None:
    scene = Scene(stage, stage.hire("hoa"))
    assert scene.play(["says", "hears", "sends"]) == []
    assert scene.sent >= 1
