"""Running rasa_sdk actions: in-process with a time limit, or for a Rasa server that asks over HTTP.

An action that raises, hangs or speaks nonsense never loses a turn: `settle` turns it into an honest sentence and a
ticket. Nothing of a request is ever repeated in an answer or a log.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher
from rasa_sdk.interfaces import ActionExecutionRejection, ActionMissingDomainException, ActionNotFoundException

from bot.engine import Book, failed, resume, then
from bot.flows.values import Flows
from bot.messages import Heard, RunAction, State, Turn

LIMIT = 2.0  # seconds one action may take
PULSE = 0.1  # seconds in which a healthy event loop answers
MOST_ACTIONS = 8  # in one turn
SENDER = "person"  # actions never learn who it is


class ActionFailed(Exception):
    """The action raised, hung, is unknown or gave nonsense. Carries only the action's name."""


class Runner(Protocol):
    """Runs one action and gives its Rasa events; what it said comes first, as `bot` events."""

    def run(self, name: str, tracker: Mapping[str, Any], domain: Mapping[str, Any]) -> list[dict[str, Any]]: ...


@dataclass
class _Loop:
    """One background event loop of this process; thrown away when an action blocks it."""

    pid: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self) -> asyncio.AbstractEventLoop:
        with self.lock:
            if self.loop is None or self.pid != os.getpid():
                self.pid, self.loop = os.getpid(), asyncio.new_event_loop()
                threading.Thread(target=_turn, args=(self.loop,), name="actions", daemon=True).start()
            return self.loop

    def drop_if_stuck(self, loop: asyncio.AbstractEventLoop) -> None:
        """An action that blocks the loop holds up every other one: they get a new loop."""
        try:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(PULSE)
        except TimeoutError:
            pass
        else:
            return
        with self.lock:
            if self.loop is loop:
                self.loop = None
        loop.call_soon_threadsafe(loop.stop)


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()


class Inside:
    """Runs registered actions in this process. Thread-safe; started lazily, so it survives a fork."""

    def __init__(self, actions: Iterable[Action], *, limit: float = LIMIT) -> None:
        self._executor = ActionExecutor()
        self._limit = limit
        self._loop = _Loop()
        for action in actions:
            self._executor.register_function(action.name(), _checked(action))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._executor.actions)

    def run(self, name: str, tracker: Mapping[str, Any], domain: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Raises ActionFailed whatever went wrong, after `limit` seconds at the latest."""
        try:
            result = self.call({"next_action": name, "tracker": dict(tracker), "domain": dict(domain)})
        except Exception as error:  # an action may raise anything at all
            raise ActionFailed(name) from error
        return said(result["responses"]) + result["events"] if result else []

    def call(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """One call in Rasa's shape; the caller's tracker is copied. Raises what the SDK or the action raises."""
        loop = self._loop.get()
        work = self._executor.run({**payload, "tracker": copy.deepcopy(payload.get("tracker"))})
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            result = future.result(self._limit)
        except TimeoutError:
            future.cancel()
            self._loop.drop_if_stuck(loop)
            raise
        return None if result is None else {"events": result.events, "responses": result.responses}


def _checked(action: Action) -> Any:
    """The SDK drops odd events with a log line; here they are a fault."""

    async def run(dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        events = action.run(dispatcher, tracker, domain)
        if inspect.isawaitable(events):
            events = await events
        if events is None:
            return []
        if not isinstance(events, list) or not all(
            isinstance(event, dict) and isinstance(event.get("event"), str) for event in events
        ):
            raise TypeError("an action gives a list of events")
        return events

    return run


def said(responses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What an action uttered, as `bot` events."""
    return [
        {"event": "bot", "text": item.get("text"), "data": {key: value for key, value in item.items() if key != "text"}}
        for item in responses
    ]


# --- for our own flows ------------------------------------------------------------------------------------------------


def settle(book: Book, turn: Turn, heard: Heard, runner: Runner) -> Turn:
    """Runs the actions the turn asks for until none is left, and merges what they led to. Never raises."""
    for _ in range(MOST_ACTIONS):
        wanted = next((effect for effect in turn.effects if isinstance(effect, RunAction)), None)
        if wanted is None:
            return turn
        turn = _without(turn, wanted)
        try:
            events = runner.run(wanted.name, tracker(book.flows, turn.state, heard), domain(book.flows))
            after = resume(book, turn.state, heard, events)
        except Exception:  # ActionFailed, or a runner of someone else's: the turn must not be lost
            after = failed(book, turn.state, heard, wanted.name)
        turn = then(turn, after)
    left = next((effect for effect in turn.effects if isinstance(effect, RunAction)), None)
    if left is None:
        return turn
    turn = _without(turn, *(effect for effect in turn.effects if isinstance(effect, RunAction)))
    return then(turn, failed(book, turn.state, heard, left.name))


def _without(turn: Turn, *effects: RunAction) -> Turn:
    kept = list(turn.effects)
    for effect in effects:
        kept.remove(effect)
    return Turn(
        turn.state,
        turn.replies,
        tuple(kept),
        turn.decision,
        turn.article,
        turn.topic,
        turn.candidates,
        turn.sources,
        turn.why,
    )


def tracker(flows: Flows, state: State, heard: Heard) -> dict[str, Any]:
    """A Rasa tracker of what an action may know: slots, flow, locale and time. No text, no name, no id."""
    step = flows.flows[state.flow].steps.get(state.step) if state.flow in flows.flows else None
    asked = getattr(step, "slot", None)
    slots = {**dict.fromkeys(flows.slots), **state.slots}
    events = [{"event": "slot", "name": asked, "value": slots.get(asked)}] if isinstance(asked, str) else []
    now = heard.world.now
    return {
        "sender_id": SENDER,
        "slots": slots,
        "latest_message": {"text": "", "metadata": {"now": now, "locale": state.locale}},
        "events": events,
        "paused": heard.world.owner == "person",
        "active_loop": {},
        "latest_action_name": None,
        "stack": [{"flow_id": state.flow, "step_id": state.step}] if state.flow else [],
    }


def domain(flows: Flows) -> dict[str, Any]:
    """The Rasa domain of the flows. Never empty: the SDK would silently take an earlier call's."""
    return {
        "version": "3.1",
        "intents": sorted({*flows.examples, *flows.triggers}),
        "slots": {
            slot.name: {"type": slot.type, "mappings": [{"type": "controlled"}]} for slot in flows.slots.values()
        },
        "responses": {name: [{"text": item.text} for item in items] for name, items in flows.responses.items()},
        "actions": sorted(flows.actions),
    }


# --- for a Rasa server ------------------------------------------------------------------------------------------------


def serve(inside: Inside, payload: object) -> tuple[int, dict[str, Any] | None]:
    """One request of a Rasa server to its action endpoint → (status, JSON body), with the SDK's own status codes.

    200 events and responses (null without `next_action`), 400 unreadable or rejected, 404 unknown action, 449 no
    domain, 500 failed, 504 too slow. Unlike the SDK's server, no answer repeats the request or the error's text.
    """
    if not isinstance(payload, dict):
        return 400, {"error": "Invalid body request"}
    name = payload.get("next_action")
    if name is None or name == "":
        return 200, None
    known = payload.get("tracker")
    if not isinstance(name, str) or not isinstance(known, dict) or not isinstance(known.get("sender_id"), str):
        return 400, {"error": "Invalid body request"}
    if not payload.get("domain"):
        return 449, {"error": "Missing domain context in the action call", "action_name": name}
    if not isinstance(payload["domain"], dict):
        return 400, {"error": "Invalid body request"}
    try:
        return 200, inside.call(payload)
    except ActionExecutionRejection:
        return 400, {"error": "The action was rejected", "action_name": name}
    except ActionNotFoundException:
        return 404, {"error": "No registered action found", "action_name": name}
    except ActionMissingDomainException:
        return 449, {"error": "Missing domain context in the action call", "action_name": name}
    except TimeoutError:
        return 504, {"error": "The action took too long", "action_name": name}
    except Exception:  # an action may raise anything; its text may hold slots
        return 500, {"error": "The action failed", "action_name": name}
