"""Walking a flow: from a step to the next question, action or end. Pure; a walk that goes round is cut short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.flows.conditions import Scalar, holds
from bot.flows.deeds import DEEDS
from bot.flows.values import END, Act, Branch, Collect, Flow, Flows, Link, Noop, SetSlots, Step

MOST_STEPS = 200

Slots = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Said:
    """A response to say, with the slots as they were then."""

    name: str
    slots: Slots


@dataclass(frozen=True, slots=True)
class Done:
    """A built-in deed to do, with the slots as they were then."""

    name: str
    slots: Slots


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk stopped. `asks`: at that question. `runs`: at that action, to be run outside. Neither: it is over.

    `lost` is true when it went round in circles and was cut.
    """

    flow: str
    step: str
    slots: Slots
    did: tuple[Said | Done, ...] = ()
    asks: Collect | None = None
    runs: str = ""
    lost: bool = False
    passed: tuple[str, ...] = ()  # `flow/step` of every step walked, for the trace


def start(flows: Flows, name: str, slots: Slots, context: Mapping[str, Scalar]) -> Walk:
    """Walks a flow from its first step."""
    return _walk(flows, flows.flows[name], flows.flows[name].start, slots, context)


def go_on(flows: Flows, name: str, step: str, slots: Slots, context: Mapping[str, Scalar]) -> Walk:
    """Walks on after `step`, whose question was answered, skipped, or whose action was done."""
    flow = flows.flows[name]
    return _walk(flows, flow, _choose(flow.steps[step].next, slots, context), slots, context)


def at(flows: Flows, name: str, step: str) -> Step | None:
    """The step, or None when the flow files changed since."""
    flow = flows.flows.get(name)
    return flow.steps.get(step) if flow else None


def _choose(branches: tuple[Branch, ...], slots: Slots, context: Mapping[str, Scalar]) -> str:
    for branch in branches:
        if branch.condition is None or holds(branch.condition, slots, context):
            return branch.target
    return END


def _walk(flows: Flows, flow: Flow, step_id: str, slots: Slots, context: Mapping[str, Scalar]) -> Walk:
    did: list[Said | Done] = []
    passed: list[str] = []
    known = dict(slots)
    for _ in range(MOST_STEPS):
        if step_id == END:
            return Walk(flow.name, "", _ended(flows, flow, known), tuple(did), passed=tuple(passed))
        step = flow.steps[step_id]
        passed.append(f"{flow.name}/{step_id}")
        match step:
            case Collect(slot=slot, fresh=fresh):
                if fresh or known.get(slot) is None:
                    known[slot] = None
                    return Walk(flow.name, step_id, known, tuple(did), asks=step, passed=tuple(passed))
            case Act(name=name) if name.startswith("utter_"):
                did.append(Said(name, dict(known)))
            case Act(name=name) if name in DEEDS:
                did.append(Done(name, dict(known)))
            case Act(name=name):
                return Walk(flow.name, step_id, known, tuple(did), runs=name, passed=tuple(passed))
            case SetSlots(values=values):
                known.update(values)
            case Link(flow=target):
                known = dict(_ended(flows, flow, known, to=target))
                flow = flows.flows[target]
                step_id = flow.start
                continue
            case Noop():
                pass
        step_id = _choose(step.next, known, context)
    return Walk(flow.name, "", _ended(flows, flow, known), tuple(did), lost=True, passed=tuple(passed))


def _ended(flows: Flows, flow: Flow, slots: Slots, to: str = "") -> Slots:
    """The slots after the flow: its own are forgotten, but for those the flow it links to asks for as well."""
    wanted = flows.flows[to].own_slots if to else frozenset()
    return {
        name: (flows.slots[name].initial if name in flows.slots else None) if name in flow.own_slots - wanted else value
        for name, value in slots.items()
    }
