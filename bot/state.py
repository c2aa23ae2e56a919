"""What the bot remembers, as JSON and back. Any JSON at all becomes a State: what cannot be understood is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from bot.messages import LEVELS, Choice, Level, State

MAX_TEXT = 4_000
MAX_ITEMS = 50


def state_to_json(state: State) -> dict[str, Any]:
    """A plain dict; `state_from_json` gives the same state back."""
    return {
        "version": state.version,
        "flow": state.flow,
        "step": state.step,
        "slots": dict(state.slots),
        "stack": [list(item) for item in state.stack],
        "trail": list(state.trail),
        "last": state.last,
        "offered": [[choice.title, choice.payload, choice.url, choice.phone] for choice in state.offered],
        "article": state.article,
        "topic": state.topic,
        "locale": state.locale,
        "unknowns": state.unknowns,
        "welcomed": state.welcomed,
        "owner": state.owner,
        "heard_at": state.heard_at,
        "said_at": state.said_at,
        "danger_at": [list(item) for item in state.danger_at],
    }


def state_from_json(data: object) -> State:
    """Never raises: unknown keys, wrong types and rubbish are left out, so an old or broken state only forgets."""
    if not isinstance(data, Mapping):
        return State()
    slots = data.get("slots")
    return State(
        flow=_text(data.get("flow")),
        step=_text(data.get("step")),
        slots={
            key: value[:MAX_TEXT] if isinstance(value, str) else value
            for key, value in (slots.items() if isinstance(slots, Mapping) else ())
            if isinstance(key, str) and (value is None or isinstance(value, str | int | float | bool))
        },
        stack=tuple((pair[0], pair[1]) for pair in _rows(data.get("stack"), 2)),
        trail=tuple(item for item in _list(data.get("trail")) if isinstance(item, str)),
        last=_text(data.get("last")),
        offered=tuple(Choice(*row) for row in _rows(data.get("offered"), 4)),
        article=_text(data.get("article")),
        topic=_text(data.get("topic")),
        locale=_text(data.get("locale")) or "vi",
        unknowns=_whole(data.get("unknowns")),
        welcomed=data.get("welcomed") is True,
        owner="person" if data.get("owner") == "person" else "bot",
        heard_at=_whole(data.get("heard_at")),
        said_at=_whole(data.get("said_at")),
        danger_at=tuple(
            (_whole(item[0]), cast(Level, item[1]))
            for item in _list(data.get("danger_at"))
            if isinstance(item, list | tuple) and len(item) == 2 and item[1] in LEVELS
        ),
    )


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0


def _list(value: object) -> list[Any]:
    return value[:MAX_ITEMS] if isinstance(value, list) else []


def _rows(value: object, width: int) -> list[list[str]]:
    return [
        row
        for row in _list(value)
        if isinstance(row, list) and len(row) == width and all(isinstance(item, str) for item in row)
    ]
