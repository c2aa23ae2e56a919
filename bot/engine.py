"""One turn of the dialogue: what she wrote and what the bot remembers go in, replies and effects come out. Pure: no clock,
no network, no database, no randomness; her words never raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from bot.messages import Choice, Danger, Heard, Reading, Reply, State, Turn
from bot.state import state_from_json, state_to_json

__all__ = ["Book", "resume", "state_from_json", "state_to_json", "take_turn"]


class Screen(Protocol):
    """The safety screen (bot/safety.py)."""

    def read(self, text: str) -> Danger: ...

    def crisis_replies(self, danger: Danger, *, country: str, staffed: bool, opens: str) -> tuple[Reply, ...]: ...


@dataclass(frozen=True, slots=True)
class Book:
    """The loaded parts a turn needs."""

    knowledge: Any
    reader: Callable[[str], Reading]
    screen: Screen
    flows: Any
    texts: Any


def take_turn(book: Book, state: State, heard: Heard) -> Turn:
    """What one thought of hers leads to. Never raises on her words."""
    danger = heard.danger
    if danger.level == "NONE" and heard.text:
        danger = book.screen.read(heard.text)
    after = replace(state, heard_at=heard.at, welcomed=True)
    if danger.level != "NONE":
        replies = book.screen.crisis_replies(danger, country="", staffed=heard.world.staffed, opens=heard.world.opens)
        return Turn(after, replies, (), "safety", why=(f"danger {danger.level} {danger.category}",))
    if heard.world.owner == "person":
        return Turn(after, decision="silent", why=("a person owns the chat",))
    menu = (Choice("Gặp tư vấn viên", "person"),)
    return Turn(after, (Reply("OSSO chưa biết câu này ạ.", menu),), (), "unknown", why=("nothing fits",))


def resume(book: Book, state: State, heard: Heard, events: Sequence[Mapping[str, Any]]) -> Turn:
    """Goes on after the action named by `RunAction` ended with these Rasa events."""
    return Turn(state, decision="flow", why=("action done",))
