"""Conversations in YAML, run through the real engine with the state stored as JSON between turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bot import messages, yamlfile
from bot.messages import Effect, Turn
from tests.dialogue import Chat, book, words

DIRECTORY = Path(__file__).parent / "transcripts"
SPEAKS = ("you", "tap", "payload", "sends")


def conversations() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for path in sorted(DIRECTORY.glob("*.yml")):
        document, findings = yamlfile.read(path)
        assert document is not None, findings
        assert not findings, findings
        for title, lines in document.data.items():
            yield f"{path.stem}: {title}", lines


@cache
def run(name: str) -> Chat:
    """Plays one conversation and checks every line of it; the chat is kept for the coverage of steps."""
    lines = dict(conversations())[name]
    chat = Chat()
    said = 0
    for number, line in enumerate(lines, 1):
        assert len(line) == 1, f"line {number}: one key a line"
        (key, value), where = next(iter(line.items())), f"line {number}, {line}"
        match key:
            case "world":
                chat.change(value)
            case "confirms":
                chat.confirms(str(value))
            case "wait":
                chat.wait(float(value))
            case "you" | "tap" | "payload" | "sends":
                said = 0
                _speak(chat, key, value)
            case "bot":
                said = _hears(chat.turns[-1], str(value), said, where)
            case _:
                _check(chat, key, value, where)
    return chat


def _speak(chat: Chat, key: str, value: Any) -> None:
    match key:
        case "you":
            chat.you(str(value))
        case "tap":
            chat.tap(str(value))
        case "payload":
            chat.taps(str(value))
        case _ if isinstance(value, dict):
            chat.sends("location", **value)
        case _:
            chat.sends(str(value))


def _hears(turn: Turn, fragment: str, start: int, where: str) -> int:
    for index in range(start, len(turn.replies)):
        if fragment in turn.replies[index].text:
            return index
    raise AssertionError(f"{where}: not said; she heard:\n{words(turn)}\nwhy: {turn.why}")


def _check(chat: Chat, key: str, value: Any, where: str) -> None:
    turn = chat.turns[-1]
    state = chat.now
    match key:
        case "not":
            assert value not in words(turn), where
        case "choices":
            titles = [choice.title for reply in turn.replies for choice in reply.choices]
            assert [title for title in value if title not in titles] == [], f"{where}: {titles}"
        case "not_offered":
            assert all(choice.title != value for reply in turn.replies for choice in reply.choices), where
        case "no_choices":
            assert all(not reply.choices for reply in turn.replies) is value, where
        case "decision":
            assert turn.decision == value, f"{where}: {turn.decision} {turn.why}"
        case "silent":
            assert (turn.replies == ()) is value, f"{where}: {words(turn)}"
        case "ticket":
            tickets = [effect for effect in turn.effects if isinstance(effect, messages.OpenTicket)]
            wanted = value if isinstance(value, dict) else {"reason": value}
            if value == "none":
                assert tickets == [], where
            else:
                assert any(_fits(ticket, wanted) for ticket in tickets), f"{where}: {tickets}"
        case "effect":
            kind, wanted = next(iter(value.items())) if isinstance(value, dict) else (value, {})
            found = [effect for effect in turn.effects if type(effect).__name__ == kind and _fits(effect, wanted)]
            assert found, f"{where}: {turn.effects}"
        case "no_effect":
            assert all(type(effect).__name__ != value for effect in turn.effects), where
        case "slots":
            assert {name: state.slots.get(name) for name in value} == value, f"{where}: {state.slots}"
        case "flow":
            assert state.flow == value, f"{where}: {state.flow}/{state.step} {turn.why}"
        case "article":
            assert turn.article == value, f"{where}: {turn.article}"
        case "locale":
            assert state.locale == value, where
        case "replies":
            assert len(turn.replies) == value, f"{where}: {words(turn)}"
        case _:
            raise AssertionError(f"{where}: unknown line")


def _fits(effect: Effect, wanted: dict[str, Any]) -> bool:
    plain = {item.name: getattr(effect, item.name) for item in fields(effect)}
    plain["fields"] = dict(plain["fields"]) if "fields" in plain else None
    return all(plain.get(name) == value for name, value in wanted.items())


NAMES = [name for name, _ in conversations()]


@pytest.mark.parametrize("name", NAMES)
def test_the_conversation_goes_as_written(name: str) -> None:
    chat = run(name)
    assert chat.turns


def test_every_step_of_every_flow_is_reached_by_some_conversation() -> None:
    reached: set[str] = set()
    for name in NAMES:
        for turn in run(name).turns:
            for line in turn.why:
                if line.startswith("steps "):
                    reached.update(line.removeprefix("steps ").split())
    steps = {f"{flow.name}/{step}" for flow in book().flows.flows.values() for step in flow.steps}
    assert len(steps) > 50
    assert sorted(steps - reached) == []


def test_every_line_she_can_hear_says_something() -> None:
    for name in NAMES:
        for turn in run(name).turns:
            for reply in turn.replies:
                assert reply.text.strip() or reply.image, (name, turn.why)
                assert "{" not in reply.text.replace("{receipt}", ""), reply.text
