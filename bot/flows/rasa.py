"""The flows as a Rasa project: flows, domain, responses, NLU examples and a configuration. Text out; writes nothing.

What our engine knows of the moment (`context.staffed`) is not Rasa's context; it becomes slots `world_…`, which whoever
runs the project under Rasa has to fill.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from bot.flows.checks import CONTEXT
from bot.flows.conditions import Condition
from bot.flows.conditions import text as written
from bot.flows.deeds import CLEAN_STACK, DEEDS
from bot.flows.values import Act, Branch, Collect, Flow, Flows, Link, Noop, Rejection, SetSlots, Step

VERSION = "3.1"
WORLD = "world_"
_CONTEXT = re.compile(r"\bcontext\.(\w+)")
_HOLE = re.compile(r"\{(\w+)\}")


def project(flows: Flows) -> dict[str, str]:
    """Path below the project directory → content."""
    return {
        **{f"data/flows/{flow.name}.yml": _dump({"flows": {flow.name: _flow(flow)}}) for flow in flows.flows.values()},
        "data/nlu.yml": _dump({"version": VERSION, "nlu": _nlu(flows)}),
        "domain.yml": _dump(domain(flows)),
        "config.yml": _dump(_config()),
        "endpoints.yml": _dump({"action_endpoint": {"url": "http://localhost:8000/rasa/webhook"}}),
    }


def domain(flows: Flows) -> dict[str, Any]:
    """Rasa's domain. A payload only our engine knows becomes the button's own words, which Rasa then reads as text."""
    entities = {kind for slot in flows.slots.values() for kind in slot.entities}
    return {
        "version": VERSION,
        "intents": sorted(flows.examples),
        "entities": sorted(entities),
        "slots": {slot.name: _slot(flows, slot.name) for slot in flows.slots.values()}
        | {f"{WORLD}{name}": {"type": "any", "mappings": [{"type": "controlled"}]} for name in CONTEXT},
        "responses": {
            name: [_response(flows, name, index) for index in range(len(variants))]
            for name, variants in flows.responses.items()
        },
        "actions": sorted({*flows.actions, *_deeds(flows)}),
    }


def _deeds(flows: Flows) -> set[str]:
    steps = (step for flow in flows.flows.values() for step in flow.steps.values())
    return {step.name for step in steps if isinstance(step, Act) and step.name in {*DEEDS} - {CLEAN_STACK}}


def _slot(flows: Flows, name: str) -> dict[str, Any]:
    slot = flows.slots[name]
    mappings: list[dict[str, Any]] = [{"type": "from_entity", "entity": kind} for kind in slot.entities]
    if slot.free:
        mappings.append({"type": "from_text"})
    found: dict[str, Any] = {"type": slot.type, "mappings": mappings or [{"type": "controlled"}]}
    if slot.values:
        found["values"] = list(slot.values)
    if slot.initial is not None:
        found["initial_value"] = slot.initial
    if slot.rejections:
        found["validation"] = {"rejections": [_rejection(item) for item in slot.rejections]}
    return found


def _response(flows: Flows, name: str, index: int) -> dict[str, Any]:
    variant = flows.responses[name][index]
    found: dict[str, Any] = {"text": _holes(variant.text)} if variant.text else {}
    if variant.image:
        found["image"] = variant.image
    if variant.buttons:
        found["buttons"] = [
            {"title": button.title, "url": button.url, "type": "web_url"}
            if button.url
            else {
                "title": button.title,
                "payload": button.payload if button.payload.startswith("/") else button.title,
            }
            for button in variant.buttons
        ]
    if variant.channel:
        found["channel"] = variant.channel
    if variant.conditions:
        found["condition"] = [{"type": "slot", "name": slot, "value": value} for slot, value in variant.conditions]
    return found


def _holes(said: str) -> str:
    """Places of the moment are filled from its slots."""
    return _HOLE.sub(lambda hole: f"{{{WORLD}{hole[1]}}}" if hole[1] in CONTEXT else hole[0], said)


def _text(condition: Condition) -> str:
    return _CONTEXT.sub(rf"slots.{WORLD}\1", written(condition))


def _nlu(flows: Flows) -> list[dict[str, str]]:
    return [
        {"intent": intent, "examples": "".join(f"- {example}\n" for example in examples)}
        for intent, examples in flows.examples.items()
    ]


def _flow(flow: Flow) -> dict[str, Any]:
    found: dict[str, Any] = {"name": flow.title, "description": flow.description}
    if flow.condition:
        found["if"] = _text(flow.condition)
    if flow.triggers:
        found["nlu_trigger"] = [{"intent": {"name": intent, "confidence_threshold": 0.7}} for intent in flow.triggers]
    steps = sorted(flow.steps.values(), key=lambda step: step.id != flow.start)
    found["steps"] = [_step(step, flow) for step in steps]
    return found


def _step(step: Step, flow: Flow) -> dict[str, Any]:
    found: dict[str, Any] = {"id": step.id}
    match step:
        case Collect():
            found |= {"collect": step.slot, "utter": step.utter}
            if step.fresh:
                found["ask_before_filling"] = True
            if step.keep or step.slot in flow.persisted:
                found["reset_after_flow_ends"] = False
            if step.rejections:
                found["rejections"] = [_rejection(item) for item in step.rejections]
        case Act():
            found["action"] = step.name
        case SetSlots():
            found["set_slots"] = [{name: value} for name, value in step.values.items()]
        case Link():
            return found | {"link": step.flow}
        case Noop():
            pass
    return found | {"next": _next(step.next)}


def _next(branches: tuple[Branch, ...]) -> str | list[dict[str, Any]]:
    if len(branches) == 1 and branches[0].condition is None:
        return branches[0].target
    return [
        {"if": _text(branch.condition), "then": branch.target} if branch.condition else {"else": branch.target}
        for branch in branches
    ]


def _rejection(item: Rejection) -> dict[str, str]:
    return {"if": _text(item.condition), "utter": item.utter}


def _config() -> dict[str, Any]:
    return {
        "recipe": "default.v1",
        "language": "vi",
        "pipeline": [
            {"name": "WhitespaceTokenizer"},
            {"name": "CountVectorsFeaturizer", "analyzer": "char_wb", "min_ngram": 2, "max_ngram": 5},
            {"name": "LogisticRegressionClassifier"},
            {"name": "NLUCommandAdapter"},
        ],
        "policies": [{"name": "FlowPolicy"}],
    }


def _dump(data: Any) -> str:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=120)
