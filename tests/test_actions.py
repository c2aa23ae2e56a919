"""Actions: inside the process with a limit, checks of answers, a Rasa server at the door, a failing remote server."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from rasa_sdk import Action
from rasa_sdk.events import SlotSet
from rasa_sdk.interfaces import ActionExecutionRejection

from bot.actions import ActionFailed, Inside, Remote, domain, house, serve, settle
from bot.actions.house import check_hours, check_phone, check_when, holiday
from bot.actions.run import tracker
from bot.flows.deeds import DEEDS
from bot.messages import Heard, OpenTicket, RunAction, State, Turn, World
from tests.dialogue import EVENING, START, Chat, book, inside, known, words

NOW = datetime.fromisoformat(EVENING)
WORLD = World(now=EVENING, staffed=True)
HEARD = Heard("văn phòng ở đâu", at=START, world=WORLD)


class Scripted(Action):  # type: ignore[misc]  # rasa_sdk is not typed
    """An action that does what the test says."""

    def __init__(self, name: str, what: Any) -> None:
        self._name, self._what = name, what

    def name(self) -> str:
        return self._name

    async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> Any:
        result = self._what(dispatcher, tracker, domain)
        return await result if asyncio.iscoroutine(result) else result


def raises(*_: Any) -> None:
    raise RuntimeError("the database password is hunter2")


def hangs(*_: Any) -> None:
    time.sleep(0.6)


async def waits(*_: Any) -> None:
    await asyncio.sleep(30)


BAD: dict[str, Any] = {
    "raises": raises,
    "hangs": hangs,
    "waits": lambda *_: waits(),
    "gives text": lambda *_: "nonsense",
    "gives a dict": lambda *_: SlotSet("province", "x"),
    "gives a list of text": lambda *_: ["x"],
    "gives an event without a name": lambda *_: [{"slot": 1}],
    "exits": lambda *_: (_ for _ in ()).throw(KeyError("x")),
}


def asking(action: str = "action_find_office", flow: str = "find_office") -> Turn:
    step = next(step.id for step in book().flows.flows[flow].steps.values() if getattr(step, "name", "") == action)
    return Turn(State(flow=flow, step=step, welcomed=True), effects=(RunAction(action),), decision="flow")


@pytest.mark.parametrize("name", BAD)
def test_an_action_that_misbehaves_gets_her_an_honest_word_and_a_person(name: str) -> None:
    runner = Inside([Scripted("action_find_office", BAD[name])], limit=0.3)
    done = settle(book(), asking(), HEARD, runner)
    assert "gặp trục trặc" in words(done)
    assert "hunter2" not in repr(done)
    assert [effect.reason for effect in done.effects if isinstance(effect, OpenTicket)] == ["failure"]
    assert done.state.flow == ""
    good = Inside(house(known()), limit=2)
    assert settle(book(), asking(), HEARD, good).replies  # and the next one runs


def test_after_a_hang_the_same_runner_still_works() -> None:
    runner = Inside([Scripted("slow", hangs), Scripted("quick", lambda *_: [SlotSet("province", "x")])], limit=0.2)
    with pytest.raises(ActionFailed):
        runner.run("slow", {"sender_id": "x"}, {"a": 1})
    assert runner.run("quick", {"sender_id": "x"}, {"a": 1}) == [SlotSet("province", "x")]


def test_an_unknown_action_fails_alike() -> None:
    done = settle(book(), asking(), HEARD, Inside([]))
    assert "gặp trục trặc" in words(done)


def test_actions_that_follow_each_other_for_ever_are_cut() -> None:
    def again(*_: Any) -> list[dict[str, Any]]:
        return [{"event": "followup", "name": "action_find_office"}]

    done = settle(book(), asking(), HEARD, Inside([Scripted("action_find_office", again)]))
    assert not any(isinstance(effect, RunAction) for effect in done.effects)
    assert "gặp trục trặc" in words(done)


def test_an_action_cannot_reach_what_is_not_its_own() -> None:
    seen: dict[str, Any] = {}

    def spoils(dispatcher: Any, tracker: Any, domain: Any) -> list[Any]:
        seen.update(tracker.current_state())
        tracker.slots.clear()
        tracker.events.append({"event": "x"})
        dispatcher.utter_message(text="Dạ.", buttons=[{"title": "Menu", "payload": "/menu"}])
        return [SlotSet("office_found", False)]

    before = replace(asking(), state=replace(asking().state, slots={"province": "lai-chau"}))
    done = settle(book(), before, HEARD, Inside([Scripted("action_find_office", spoils)]))
    assert done.state.slots["province"] == "lai-chau"
    assert before.state.slots == {"province": "lai-chau"}
    assert words(done).startswith("Dạ.")
    assert seen["sender_id"] == "person"
    assert "văn phòng" not in repr(seen)  # her words stay with the engine


def test_the_domain_is_never_empty_and_never_someone_elses() -> None:
    told: list[Any] = []
    runner = Inside([Scripted("look", lambda dispatcher, tracker, domain: told.append(domain))])
    runner.run("look", {"sender_id": "x"}, {"first": 1})
    runner.run("look", {"sender_id": "x"}, {"second": 2})
    assert told == [{"first": 1}, {"second": 2}]
    assert {"intents", "slots", "responses", "actions"} <= set(domain(book().flows))


def test_many_threads_share_one_runner() -> None:
    runner = Inside([Scripted("echo", lambda dispatcher, tracker, domain: [SlotSet("n", tracker.get_slot("n"))])])
    found: list[tuple[int, Any]] = []

    def work(number: int) -> None:
        for _ in range(20):
            found.append((number, runner.run("echo", {"sender_id": "x", "slots": {"n": number}}, {"a": 1})[0]["value"]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 120
    assert all(number == value for number, value in found)
    assert os.getpid() > 0


# --- the actions of the house -----------------------------------------------------------------------------------------


def events(name: str, slots: dict[str, Any], now: str = EVENING) -> dict[str, Any]:
    state = State(slots=slots)
    told = tracker(book().flows, state, replace(HEARD, world=replace(WORLD, now=now)))
    return {item["name"]: item["value"] for item in inside().run(name, told, domain(book().flows)) if "name" in item}


def test_the_office_of_a_province_old_or_new() -> None:
    assert events("action_find_office", {"province": "hai-phong"})["office_name"] == "Văn phòng OSSO Hải Phòng"
    assert events("action_find_office", {"province": "Hải Dương"})["office_name"] == "Văn phòng OSSO Hải Dương"
    assert events("action_find_office", {"province": "Hậu Giang"})["office_name"] == "Văn phòng OSSO Hậu Giang"
    lai_chau = events("action_find_office", {"province": "lai-chau"})
    assert (lai_chau["office_found"], lai_chau["office_name"]) == (False, None)
    assert events("action_find_office", {"province": "atlantis"})["office_found"] is False


def test_nothing_unconfirmed_is_told() -> None:
    for office in known().offices.values():
        told = events("action_find_office", {"province": office.province})
        assert told["office_place"] is None or office.show_address
        assert told["office_phone"] is None or office.show


@pytest.mark.parametrize(
    ("today", "said"),
    [
        ("2027-02-03", "29 Tết (04/02)"),
        ("2026-12-28", "Tết Dương lịch (01/01)"),
        ("2026-09-02", "Quốc khánh (02/09)"),
        ("2026-11-01", None),
    ],
)
def test_holidays_within_a_week(today: str, said: str | None) -> None:
    assert holiday(date.fromisoformat(today)) == said


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ("18-21", "18-21"),
        ("6 giờ tối đến 9 giờ tối", "18-21"),
        ("6h tối đến 9h", "18-21"),
        ("8h - 11h sáng", "8-11"),
        ("8:00 - 11:30", "8-11"),
        ("từ 14h đến 16h30", "14-16"),
        ("sau 8 giờ tối", "20-22"),
        ("sau 20h", "20-22"),
        ("trước 10h", "7-10"),
        ("buổi tối", "18-22"),
        ("buoi sang", "6-11"),
        ("lúc nào rảnh", None),
        ("18-25", None),
        ("không biết", None),
        ("", None),
    ],
)
def test_safe_hours(said: str, hours: str | None) -> None:
    assert check_hours(said, NOW) == hours


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("0912345678", "+84912345678"),
        ("091 234 5678", "+84912345678"),
        ("+82 10-1234-5678", "+821012345678"),
        ("010-1234-5678", "+821012345678"),
        ("113", None),
        ("12ab", None),
        ("không cho", None),
    ],
)
def test_phone_numbers(said: str, number: str | None) -> None:
    assert check_phone(said, NOW) == number


@pytest.mark.parametrize(
    ("said", "when"),
    [
        ("2026-11-30T09:00:00+07:00", "2026-11-30T09:00+07:00"),
        ("2026-11-30T09:00", "2026-11-30T09:00+07:00"),
        ("2020-01-01T09:00:00+07:00", None),
        ("2036-01-01T09:00:00+07:00", None),
        ("chiều mai 3h", "2026-11-26T15:00+07:00"),
        ("thứ 7 tuần sau", "2026-12-05"),
        ("20/11", None),
        ("20/12", "2026-12-20"),
        ("chiều mai sau 2 giờ", "2026-11-26T14:00+07:00"),
        ("tám giờ tối thứ sáu", "2026-11-27T20:00+07:00"),
        ("sau Tết", "sau Tết"),
        ("khi nào chồng đi vắng", "khi nào chồng đi vắng"),
        ("?", None),
    ],
)
def test_times_of_appointments(said: str, when: str | None) -> None:
    assert check_when(said, NOW) == when


@given(st.text(max_size=60))
def test_checks_never_raise(said: str) -> None:
    for check in (check_hours, check_phone, check_when):
        found = check(said, NOW)
        assert found is None or isinstance(found, str)


# --- a Rasa server at the door ----------------------------------------------------------------------------------------


def call(**more: Any) -> dict[str, Any]:
    """The shape Rasa sends to an action endpoint."""
    return {
        "next_action": "action_find_office",
        "sender_id": "abc",
        "tracker": {
            "sender_id": "abc",
            "slots": {"province": "hai-phong", "phone": "0912345678"},
            "latest_message": {"intent": {"name": "find_office"}, "entities": [], "text": "văn phòng"},
            "events": [{"event": "action", "name": "action_listen", "timestamp": 1.0}],
            "paused": False,
            "followup_action": None,
            "active_loop": {},
            "latest_action_name": "action_listen",
            "stack": [],
        },
        "domain": domain(book().flows),
        "version": "3.21.1",
        **more,
    }


def test_a_rasa_server_gets_events_and_responses() -> None:
    status, body = serve(inside(), call())
    assert status == 200
    assert body is not None
    assert {"office_found", "office_name"} <= {event["name"] for event in body["events"]}
    assert body["responses"] == []


def test_every_deed_answers_a_rasa_server() -> None:
    for name in DEEDS:
        status, body = serve(inside(), call(next_action=name))
        assert (status, body is not None and list(body["responses"][0]["custom"])) == (200, ["effects"])


def test_a_slot_is_validated_for_a_rasa_server() -> None:
    asked = call(next_action="validate_phone")
    asked["tracker"]["events"].append({"event": "slot", "name": "phone", "value": "0912345678"})
    status, body = serve(inside(), asked)
    assert (status, body and body["events"][-1]["value"]) == (200, "+84912345678")


def rejects(*_: Any) -> None:
    raise ActionExecutionRejection("reject", "no")


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (None, 400),
        ([], 400),
        ("x", 400),
        ({}, 200),
        ({"next_action": ""}, 200),
        (call(next_action=3), 400),
        (call(tracker=None), 400),
        (call(tracker={"slots": {}}), 400),
        (call(next_action="action_gone"), 404),
        (call(domain=None), 449),
        (call(domain={}), 449),
        (call(domain=[1]), 400),
        (call(next_action="raises"), 500),
        (call(next_action="reject"), 400),
        (call(next_action="waits"), 504),
    ],
)
def test_status_codes_and_nothing_repeated(payload: object, status: int) -> None:
    runner = Inside(
        [*house(known()), Scripted("raises", raises), Scripted("reject", rejects), Scripted("waits", BAD["waits"])],
        limit=0.3,
    )
    got, body = serve(runner, payload)
    assert got == status
    assert "hunter2" not in repr(body)
    assert "0912345678" not in repr(body)
    assert "request_body" not in repr(body)


# --- a remote action server -------------------------------------------------------------------------------------------

URL = "https://actions.example.org/webhook"


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def test_a_remote_server_is_asked_in_rasas_shape(server: responses.RequestsMock) -> None:
    server.post(URL, json={"events": [SlotSet("office_found", False)], "responses": [{"text": "Dạ."}]})
    done = settle(book(), asking(), HEARD, Remote(URL, inside(), token="secret"))
    assert words(done).startswith("Dạ.")
    assert "chưa có văn phòng" in words(done)
    request = server.calls[0].request
    assert request.headers["Authorization"] == "Bearer secret"
    sent = json.loads(request.body or b"{}")
    assert {"next_action", "sender_id", "tracker", "domain", "version"} == set(sent)
    assert sent["tracker"]["latest_message"]["text"] == ""
    assert "secret" not in repr(Remote(URL, inside(), token="secret"))


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "body": "<html>"},
        {"status": 302, "headers": {"Location": "https://elsewhere.example.org"}},
        {"status": 200, "body": "no json"},
        {"status": 200, "json": {"events": "x"}},
        {"status": 200, "json": {"events": [3], "responses": []}},
        {"status": 200, "json": [1, 2]},
        {"status": 200, "body": "x" * 300_000},
        {"body": TimeoutError("slow")},
        {"body": ConnectionError("refused")},
    ],
)
def test_a_failing_remote_server_never_loses_the_turn(server: responses.RequestsMock, answer: dict[str, Any]) -> None:
    server.add(responses.POST, URL, **answer)
    done = settle(book(), asking(), HEARD, Remote(URL, inside()))
    assert "gặp trục trặc" in words(done)
    assert [effect.reason for effect in done.effects if isinstance(effect, OpenTicket)] == ["failure"]


def test_our_own_actions_stay_inside(server: responses.RequestsMock) -> None:
    chat = Chat(runner=Remote(URL, inside(), inside().names))
    chat.you("chào")
    chat.you("văn phòng ở đâu")
    assert "Văn phòng OSSO" in words(chat.you("hải phòng"))
    assert len(server.calls) == 0
