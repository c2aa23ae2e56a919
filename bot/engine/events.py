"""What the events of an action mean for the conversation: each is honoured, or refused by name in the trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.engine.book import Talk
from bot.flows.conditions import Scalar
from bot.messages import Choice, Reply, RunAction, State, Timer, Turn


def honoured(talk: Talk, state: State, event: Mapping[str, Any]) -> Turn:
    """One Rasa event of an action: honoured, or refused by name in the trace."""
    flows = talk.book.flows
    kind, name = event.get("event"), event.get("name")
    match kind:
        case "slot" if isinstance(name, str) and name in flows.slots and _plain(event.get("value")):
            return Turn(replace(state, slots={**state.slots, name: event.get("value")}), decision="flow")
        case "bot" if isinstance(event.get("text"), str) or isinstance(event.get("data"), Mapping):
            return _uttered(talk, state, event)
        case "followup" if isinstance(name, str) and name in flows.actions:
            return Turn(state, effects=(RunAction(name),), decision="flow", why=(f"followed by {name}",))
        case "followup" if isinstance(name, str) and name in flows.responses:
            return Turn(state, (talk.say(name, state),), decision="flow", why=(f"followed by {name}",))
        case "followup" if name == "action_listen":
            return Turn(state, decision="flow")
        case "pause":
            return Turn(
                state, effects=talk.ticket(state, "flow"), decision="flow", why=("an action asks for a person",)
            )
        case "reminder" if isinstance(name, str) and (when := _moment(event.get("date_time"))):
            payload = f"/{event.get('intent')}"
            timer = Timer(name, when, payload, event.get("kill_on_user_msg") is not False)
            return Turn(state, effects=(timer,), decision="flow", why=(f"reminder {name}",))
        case "cancel_reminder" if isinstance(name, str):
            return Turn(state, effects=(Timer(name, 0),), decision="flow", why=(f"no reminder {name}",))
        case "reset_slots":
            initial: dict[str, Scalar] = {slot.name: slot.initial for slot in flows.slots.values()}
            return Turn(replace(state, slots=initial), decision="flow", why=("slots reset",))
        case "restart":
            after = State(locale=state.locale, welcomed=True, danger_at=state.danger_at, heard_at=state.heard_at)
            return Turn(after, decision="flow", why=("restarted by an action",))
        case _:
            label = f"{kind} {name}" if isinstance(name, str) else str(kind)
            return Turn(state, decision="flow", why=(f"refused event {label[:60]}",))


def _uttered(talk: Talk, state: State, event: Mapping[str, Any]) -> Turn:
    data = event.get("data")
    extra = data if isinstance(data, Mapping) else {}
    response = extra.get("response")
    if isinstance(response, str) and response in talk.book.flows.responses:
        slots = {**state.slots, **{key: value for key, value in extra.items() if _plain(value)}}
        return Turn(state, (talk.say(response, state, slots),), decision="flow", why=(f"said {response}",))
    raw = extra.get("buttons")
    buttons = raw if isinstance(raw, list) else []
    choices = tuple(
        Choice(str(item["title"])[:20], str(item.get("payload", "")))
        for item in buttons
        if isinstance(item, Mapping) and item.get("title")
    )
    text = event.get("text")
    image = extra.get("image")
    reply = Reply(text if isinstance(text, str) else "", choices, image if isinstance(image, str) else "")
    return Turn(state, (reply,) if reply.text or reply.image else (), decision="flow", why=("an action spoke",))


def _plain(value: object) -> bool:
    return value is None or isinstance(value, int | float | bool) or (isinstance(value, str) and len(value) <= 4_000)


def _moment(value: object) -> int:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return 0
    return int(moment.timestamp() * 1000) if moment.tzinfo else 0
