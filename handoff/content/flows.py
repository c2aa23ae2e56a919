"""What the bot does, drawn: each flow as a picture and, for whoever cannot use a picture, step by step in words."""

from __future__ import annotations

from dataclasses import dataclass

from flask import abort, request
from markupsafe import Markup

from bot.flows import drawing
from bot.flows.conditions import text
from bot.flows.values import END, Act, Collect, Flow, Flows, Link, SetSlots, Step
from handoff.accounts import allow
from handoff.content.room import pages
from handoff.frame import frame, page, translate


@dataclass(frozen=True, slots=True)
class Told:
    """One step in words: what it does, what she reads there, and where it goes on (condition, step)."""

    id: str
    does: str
    says: str
    goes: tuple[tuple[str, str], ...]


@pages.get("/flows")
@allow("editor", "approver")
def flows() -> str:
    known: Flows = frame().parts.rim.mind().book.flows
    asked = request.args.get("flow", "")
    if asked and asked not in known.flows:
        abort(404)
    chosen = known.flows[asked] if asked else None
    return page(
        "content/flows.html",
        flows=sorted(known.flows.values(), key=lambda one: one.title),
        chosen=chosen,
        picture=Markup(drawing.svg(chosen)) if chosen else "",  # noqa: S704 - it escapes every text itself
        steps=[_told(step, known) for step in _in_order(chosen)] if chosen else [],
        starts=[example for intent in chosen.triggers for example in known.examples.get(intent, ())] if chosen else [],
    )


def _in_order(flow: Flow) -> list[Step]:
    return sorted(flow.steps.values(), key=lambda step: step.id != flow.start)


def _told(step: Step, known: Flows) -> Told:
    goes = tuple(
        (
            text(branch.condition) if branch.condition else "",
            translate("hết") if branch.target == END else branch.target,
        )
        for branch in step.next
    )
    match step:
        case Collect():
            return Told(step.id, translate("Hỏi: {slot}", slot=step.slot), _says(step.utter, known), goes)
        case Act():
            return Told(step.id, step.name, _says(step.name, known), goes)
        case SetSlots():
            values = ", ".join(f"{name} = {value}" for name, value in step.values.items())
            return Told(step.id, translate("Ghi: {values}", values=values), "", goes)
        case Link():
            return Told(step.id, translate("Sang: {flow}", flow=known.flows[step.flow].title), "", goes)
    return Told(step.id, translate("Rẽ nhánh"), "", goes)


def _says(response: str, known: Flows) -> str:
    return next((variant.text for variant in known.responses.get(response, ())), "")
