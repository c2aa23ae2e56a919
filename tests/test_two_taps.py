"""Two taps at once, on both databases, through the real flows: the thing is done once, and both taps get an answer."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from bot.messages import Message
from bot.rim import Mind
from bot.store.database import Database
from tests.dialogue import book, inside
from tests.stage import START, Parrot, Stage, address


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database, parrot=cast(Parrot, Mind(book(), inside(), inside())))


def tap(payload: str, key: str) -> Message:
    return Message(key=key, address=address(), at=START, id=key, payload=payload)


def at_once(stage: Stage, *messages: Message) -> None:
    ready = threading.Barrier(len(messages))

    def hear(one: Message) -> None:
        ready.wait()
        stage.hear(one)

    threads = [threading.Thread(target=hear, args=(one,)) for one in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row in stage.rows("SELECT id FROM conversation"):
        stage.worker.drain(row[0])


def count(stage: Stage, sql: str) -> Any:
    return stage.rows(sql)[0][0]


def test_one_appointment_from_two_taps(stage: Stage) -> None:
    stage.write("hẹn gặp")
    stage.hear(tap("/SetSlots(appointment_kind=call)", "1"))
    stage.hear(tap("/SetSlots(appointment_when=any)", "2"))
    at_once(stage, tap("/skip", "3"), tap("/skip", "4"))
    assert count(stage, "SELECT count(*) FROM appointment") == 1
    assert count(stage, "SELECT count(*) FROM ticket") == 1
    assert len([text for text in stage.platforms.texts if "đã gửi lời hẹn" in text]) == 1
    assert count(stage, "SELECT count(*) FROM inbox WHERE done_at IS NULL") == 0


def test_one_feedback_from_two_taps_on_one_button(stage: Stage) -> None:
    stage.write("góp ý")
    at_once(stage, tap("/SetSlots(feedback_useful=true)", "1"), tap("/SetSlots(feedback_useful=true)", "2"))
    assert count(stage, "SELECT count(*) FROM feedback") == 1
    assert len([text for text in stage.platforms.texts if "đã ghi nhận" in text]) == 1
    assert len([text for text in stage.platforms.texts if "nút này thuộc phần trước" in text]) == 1


def test_forgetting_twice_at_once_leaves_one_receipt(stage: Stage) -> None:
    stage.write("xóa dữ liệu của tôi")
    at_once(stage, tap("/SetSlots(delete_sure=true)", "1"), tap("/SetSlots(delete_sure=true)", "2"))
    assert count(stage, "SELECT count(*) FROM tombstone") == 1
    assert len([text for text in stage.platforms.texts if "Mã biên nhận" in text]) == 1
