"""The values a flow file becomes. Plain data: nothing here reads, checks or walks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.flows.conditions import Condition, Scalar
from bot.flows.words import agrees, fold, without_courtesy
from bot.messages import Choice

END = "END"


@dataclass(frozen=True, slots=True)
class Branch:
    """Where to go next: to `target` (a step id or END) if the condition holds; no condition is `else`."""

    target: str
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    condition: Condition
    utter: str


@dataclass(frozen=True, slots=True)
class Collect:
    """Asks for a slot. `fresh`: ask even when filled. `keep`: do not forget at the end. `skip`: she may skip it."""

    id: str
    slot: str
    utter: str
    next: tuple[Branch, ...]
    rejections: tuple[Rejection, ...] = ()
    fresh: bool = False
    keep: bool = False
    skip: bool = True


@dataclass(frozen=True, slots=True)
class Act:
    """Says a response (`utter_…`) or does an action (`action_…`)."""

    id: str
    name: str
    next: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class SetSlots:
    id: str
    values: Mapping[str, Scalar]
    next: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Link:
    id: str
    flow: str
    next: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Noop:
    id: str
    next: tuple[Branch, ...]


Step = Collect | Act | SetSlots | Link | Noop


@dataclass(frozen=True, slots=True)
class Flow:
    """`triggers` are the intents (speech acts) that start it; `condition` must hold for a trigger to count."""

    name: str
    title: str
    description: str
    steps: Mapping[str, Step]
    start: str
    triggers: tuple[str, ...] = ()
    persisted: frozenset[str] = frozenset()
    condition: Condition | None = None
    file: str = ""
    line: int = 1

    @property
    def own_slots(self) -> frozenset[str]:
        """Slots forgotten when the flow ends."""
        mine: set[str] = set()
        for step in self.steps.values():
            match step:
                case Collect(slot=slot, keep=False):
                    mine.add(slot)
                case SetSlots(values=values):
                    mine.update(values)
                case _:
                    pass
        return frozenset(mine - self.persisted)


@dataclass(frozen=True, slots=True)
class Slot:
    """`entities` fill it from text; `free` takes any text; `rejections` are checked after every filling."""

    name: str
    type: str  # text, bool, categorical, float, any
    values: tuple[str, ...] = ()
    initial: Scalar = None
    entities: tuple[str, ...] = ()
    free: bool = False
    rejections: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """One variant of a response; the first whose channel and conditions fit is said."""

    text: str
    buttons: tuple[Choice, ...] = ()
    image: str = ""
    channel: str = ""
    conditions: tuple[tuple[str, Scalar], ...] = ()


@dataclass(frozen=True, slots=True)
class Flows:
    """Everything read from the flow files. `phrases` maps folded examples to (example, intent) pairs."""

    flows: Mapping[str, Flow] = field(default_factory=dict)
    slots: Mapping[str, Slot] = field(default_factory=dict)
    responses: Mapping[str, tuple[Response, ...]] = field(default_factory=dict)
    actions: frozenset[str] = frozenset()
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    phrases: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    triggers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def intents(self, text: str) -> frozenset[str]:
        """The intents whose example she wrote word for word; case, punctuation and left-out marks aside.

        More than one when the marks she left out would decide: “dung” is “dừng” (stop) or “đúng” (yes).
        """
        for said in (text, without_courtesy(text)):
            found = {intent for example, intent in self.phrases.get(fold(said), ()) if agrees(said, example)}
            if found:
                return frozenset(found)
        return frozenset()
