"""Flow files: text to values. Faults of shape (unknown keys, wrong types) are found here, of sense in checks.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot import yamlfile
from bot.flows.conditions import Condition, Scalar, parse
from bot.flows.values import (
    END,
    Act,
    Branch,
    Collect,
    Flow,
    Flows,
    Link,
    Noop,
    Rejection,
    Response,
    SetSlots,
    Slot,
    Step,
)
from bot.flows.words import fold
from bot.messages import Choice, Finding

Lines = dict[tuple[str, ...], tuple[str, int]]
Place = tuple[str | int, ...]

KEYS_OF_FILE = {"version", "flows", "slots", "responses", "actions", "nlu"}
KEYS_OF_FLOW = {"name", "description", "if", "nlu_trigger", "persisted_slots", "steps"}
KEYS_OF_STEP = {"id", "next", "description", "metadata"}
KEYS_OF_KIND: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "collect": frozenset({"utter", "ask_before_filling", "reset_after_flow_ends", "rejections"}),
        "action": frozenset(),
        "set_slots": frozenset(),
        "link": frozenset(),
        "noop": frozenset(),
    }
)
KEYS_OF_SLOT = {"type", "values", "initial_value", "mappings", "validation", "influence_conversation"}
KEYS_OF_RESPONSE = {"text", "buttons", "image", "channel", "condition"}
_TYPES = ("text", "bool", "categorical", "float", "any")


@dataclass
class _Reader:
    """Collects while one directory is read; lives only inside `read_files`."""

    document: yamlfile.Document = field(default_factory=lambda: yamlfile.Document("", None, {}))
    findings: list[Finding] = field(default_factory=list)
    lines: Lines = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    responses: dict[str, tuple[Response, ...]] = field(default_factory=dict)
    actions: set[str] = field(default_factory=set)
    examples: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def fault(self, place: Place, code: str, vi: str, en: str) -> None:
        self.findings.append(Finding("error", self.document.file, self.document.line(*place), code, vi, en))

    def mark(self, key: tuple[str, ...], place: Place) -> None:
        self.lines[key] = (self.document.file, self.document.line(*place))

    def mapping(self, value: Any, place: Place) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fault(place, "shape", "chỗ này phải là “khóa: giá trị”", "a mapping (key: value) is needed here")
            return {}
        return value

    def sequence(self, value: Any, place: Place) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(place, "shape", "chỗ này phải là danh sách (- …)", "a list (- …) is needed here")
            return []
        return value

    def text(self, value: Any, place: Place) -> str:
        if not isinstance(value, str):
            self.fault(place, "shape", "chỗ này phải là chữ", "text is needed here")
            return ""
        return value.strip()

    def keys(self, value: Mapping[str, Any], allowed: set[str] | frozenset[str], place: Place) -> None:
        for key in value:
            if key not in allowed:
                known = ", ".join(sorted(allowed))
                self.fault(
                    (*place, key),
                    "unknown-key",
                    f"không có khóa “{key}”; dùng một trong: {known}",
                    f"unknown key “{key}”; use one of: {known}",
                )

    def condition(self, value: Any, place: Place) -> Condition | None:
        try:
            return parse(str(value))
        except ValueError as error:
            self.fault(place, "condition", f"không hiểu điều kiện: {error}", f"cannot read the condition: {error}")
            return None

    def scalar(self, value: Any, place: Place) -> Scalar:
        if value is None or isinstance(value, str | int | float | bool):
            return value
        self.fault(place, "shape", "chỗ này phải là một giá trị đơn", "a single value is needed here")
        return None

    def new(self, kind: str, name: str, place: Place, known: Mapping[str, Any]) -> bool:
        if name in known:
            file, line = self.lines.get((kind, name), ("", 0))
            self.fault(
                place, "twice", f"“{name}” đã có ở {file}:{line}; xóa một", f"“{name}” is already at {file}:{line}"
            )
            return False
        self.mark((kind, name), place)
        return True


def read_files(directory: Path) -> tuple[Flows, Lines, list[Finding]]:
    """Every `*.yml` of the directory, in name order. `Lines` maps (kind, name, …) to file and line."""
    reader = _Reader()
    paths = sorted(directory.glob("*.yml"))
    if not paths:
        reader.findings.append(
            Finding("error", str(directory), 1, "no-files", "không thấy tệp *.yml nào", "no *.yml file here")
        )
    for path in paths:
        document, findings = yamlfile.read(path, root=directory)
        reader.findings += findings
        if document is not None:
            reader.document = document
            _file(reader)
    phrases: dict[str, tuple[tuple[str, str], ...]] = {}
    for intent, examples in reader.examples.items():
        for example in examples:
            key = fold(example)
            other = next((name for text, name in phrases.get(key, ()) if text == example and name != intent), "")
            if other:
                file, line = reader.lines.get(("intent", intent), ("", 1))
                vi = f"câu “{example}” vừa thuộc {other} vừa thuộc {intent}; bỏ một"
                en = f"“{example}” belongs to {other} and {intent}; remove one"
                reader.findings.append(Finding("error", file, line, "ambiguous-example", vi, en))
            phrases[key] = (*phrases.get(key, ()), (example, intent))
    triggers: dict[str, tuple[str, ...]] = {}
    for flow in reader.flows.values():
        for trigger in flow.triggers:
            triggers[trigger] = (*triggers.get(trigger, ()), flow.name)
    flows = Flows(
        MappingProxyType(reader.flows),
        MappingProxyType(reader.slots),
        MappingProxyType(reader.responses),
        frozenset(reader.actions),
        MappingProxyType(reader.examples),
        MappingProxyType(phrases),
        MappingProxyType(triggers),
    )
    return flows, reader.lines, reader.findings


def _file(reader: _Reader) -> None:
    data = reader.mapping(reader.document.data, ())
    reader.keys(data, KEYS_OF_FILE, ())
    for name, value in reader.mapping(data.get("slots"), ("slots",)).items():
        if reader.new("slot", name, ("slots", name), reader.slots):
            reader.slots[name] = _slot(reader, name, reader.mapping(value, ("slots", name)))
    for name, value in reader.mapping(data.get("responses"), ("responses",)).items():
        place: Place = ("responses", name)
        if reader.new("response", name, place, reader.responses):
            variants = reader.sequence(value, place)
            reader.responses[name] = tuple(
                _response(reader, variant, (*place, index)) for index, variant in enumerate(variants)
            )
            if not variants:
                reader.fault(place, "empty", "cần ít nhất một câu “- text: …”", "at least one “- text: …” is needed")
    for index, action in enumerate(reader.sequence(data.get("actions"), ("actions",))):
        name = reader.text(action, ("actions", index))
        reader.mark(("action", name), ("actions", index))
        reader.actions.add(name)
    for index, item in enumerate(reader.sequence(data.get("nlu"), ("nlu",))):
        _examples(reader, reader.mapping(item, ("nlu", index)), ("nlu", index))
    for name, value in reader.mapping(data.get("flows"), ("flows",)).items():
        if reader.new("flow", name, ("flows", name), reader.flows):
            reader.flows[name] = _flow(reader, name, reader.mapping(value, ("flows", name)))


def _examples(reader: _Reader, item: Mapping[str, Any], place: Place) -> None:
    reader.keys(item, {"intent", "examples"}, place)
    intent = reader.text(item.get("intent"), place)
    text = reader.text(item.get("examples"), place)
    if not reader.new("intent", intent, place, reader.examples):
        return
    examples = [line.strip() for line in text.splitlines() if line.strip()]
    for example in examples:
        if not example.startswith("- "):
            vi, en = f"mỗi câu mẫu bắt đầu bằng “- ”: {example[:30]}", "every example line starts with “- ”"
            reader.fault((*place, "examples"), "example", vi, en)
    reader.examples[intent] = tuple(example.removeprefix("- ").strip() for example in examples)


def _slot(reader: _Reader, name: str, value: Mapping[str, Any]) -> Slot:
    place: Place = ("slots", name)
    reader.keys(value, KEYS_OF_SLOT, place)
    kind = value.get("type")
    if kind not in _TYPES:
        known = ", ".join(_TYPES)
        reader.fault((*place, "type"), "slot-type", f"type phải là một trong: {known}", f"type must be one of: {known}")
        kind = "text"
    entities, free = [], False
    for index, mapping in enumerate(reader.sequence(value.get("mappings"), (*place, "mappings"))):
        at: Place = (*place, "mappings", index)
        item = reader.mapping(mapping, at)
        reader.keys(item, {"type", "entity"}, at)
        match item.get("type"):
            case "from_entity":
                entities.append(reader.text(item.get("entity"), at))
            case "from_text":
                free = True
            case "controlled":
                pass
            case _:
                vi, en = "mappings: from_entity, from_text hoặc controlled", "use from_entity, from_text or controlled"
                reader.fault(at, "mapping", vi, en)
    validation = reader.mapping(value.get("validation"), (*place, "validation"))
    reader.keys(validation, {"rejections"}, (*place, "validation"))
    return Slot(
        name,
        str(kind),
        tuple(str(item) for item in reader.sequence(value.get("values"), (*place, "values"))),
        reader.scalar(value.get("initial_value"), (*place, "initial_value")),
        tuple(entities),
        free,
        _rejections(reader, validation.get("rejections"), (*place, "validation", "rejections")),
    )


def _rejections(reader: _Reader, value: Any, place: Place) -> tuple[Rejection, ...]:
    result = []
    for index, item in enumerate(reader.sequence(value, place)):
        at: Place = (*place, index)
        data = reader.mapping(item, at)
        reader.keys(data, {"if", "utter"}, at)
        condition = reader.condition(data.get("if", ""), at)
        utter = reader.text(data.get("utter"), at)
        if condition is not None:
            result.append(Rejection(condition, utter))
    return tuple(result)


def _response(reader: _Reader, value: Any, place: Place) -> Response:
    data = reader.mapping(value, place)
    reader.keys(data, KEYS_OF_RESPONSE, place)
    buttons = []
    for index, item in enumerate(reader.sequence(data.get("buttons"), (*place, "buttons"))):
        at: Place = (*place, "buttons", index)
        button = reader.mapping(item, at)
        reader.keys(button, {"title", "payload", "url"}, at)
        payload, url = button.get("payload") or "", button.get("url") or ""
        buttons.append(Choice(reader.text(button.get("title"), at), str(payload), url=str(url)))
    conditions = []
    for index, item in enumerate(reader.sequence(data.get("condition"), (*place, "condition"))):
        at = (*place, "condition", index)
        data_ = reader.mapping(item, at)
        reader.keys(data_, {"type", "name", "value"}, at)
        if data_.get("type") != "slot":
            reader.fault(at, "shape", "condition cần “type: slot”", "a condition needs “type: slot”")
        conditions.append((reader.text(data_.get("name"), at), reader.scalar(data_.get("value"), at)))
    text = "" if data.get("text") is None and data.get("image") else reader.text(data.get("text"), place)
    return Response(
        text, tuple(buttons), str(data.get("image") or ""), str(data.get("channel") or ""), tuple(conditions)
    )


def _flow(reader: _Reader, name: str, value: Mapping[str, Any]) -> Flow:
    place: Place = ("flows", name)
    reader.keys(value, KEYS_OF_FLOW, place)
    triggers = []
    for index, item in enumerate(reader.sequence(value.get("nlu_trigger"), (*place, "nlu_trigger"))):
        at: Place = (*place, "nlu_trigger", index)
        data = reader.mapping(item, at)
        reader.keys(data, {"intent"}, at)
        intent = data.get("intent")
        if isinstance(intent, dict):
            reader.keys(intent, {"name", "confidence_threshold"}, at)
            intent = intent.get("name")
        triggers.append(reader.text(intent, at))
    steps: dict[str, Step] = {}
    raw = reader.sequence(value.get("steps"), (*place, "steps"))
    start = _steps(reader, name, raw, place=(*place, "steps"), steps=steps, after=END)
    if not raw:
        reader.fault(place, "empty", "flow cần ít nhất một bước trong steps", "a flow needs at least one step")
    persisted = reader.sequence(value.get("persisted_slots"), (*place, "persisted_slots"))
    return Flow(
        name,
        reader.text(value.get("name", name), (*place, "name")),
        reader.text(value.get("description", ""), (*place, "description")),
        MappingProxyType(steps),
        start,
        tuple(triggers),
        frozenset(str(slot) for slot in persisted),
        reader.condition(value["if"], (*place, "if")) if "if" in value else None,
        reader.document.file,
        reader.document.line(*place),
    )


def _steps(reader: _Reader, flow: str, raw: Sequence[Any], *, place: Place, steps: dict[str, Step], after: str) -> str:
    """Reads a list of steps, each falling through to the one below it and the last to `after`; gives the first id.

    Steps without an id are named by kind and place in the file, so an id stays the same while its neighbours do.
    """
    names = []
    for index, item in enumerate(raw):
        data = reader.mapping(item, (*place, index))
        kind = next((key for key in KEYS_OF_KIND if key in data), "")
        label = str(data.get(kind)) if isinstance(data.get(kind), str) else ""
        name = data.get("id") or "_".join(part for part in (str(len(steps)), kind, label) if part)
        if not isinstance(name, str):
            name = str(name)
        if name in steps or name in names:
            reader.fault((*place, index), "twice", f"id “{name}” lặp lại trong flow", f"step id “{name}” is used twice")
        names.append(name)
        if not kind and "next" in data:
            kind = "noop"  # a step of only `next` is a fork
        steps[name] = Noop(name, ())  # holds the place, so that nested steps get later numbers
        reader.mark(("step", flow, name), (*place, index))
        if not kind:
            kinds = ", ".join(KEYS_OF_KIND)
            reader.fault((*place, index), "step-kind", f"bước cần một trong: {kinds}", f"a step needs one of: {kinds}")
            continue
        reader.keys(data, {kind, *KEYS_OF_STEP, *KEYS_OF_KIND[kind]}, (*place, index))
    for index, item in enumerate(raw):
        data = item if isinstance(item, dict) else {}
        below = names[index + 1] if index + 1 < len(names) else after
        steps[names[index]] = _step(
            reader, flow, data, name=names[index], place=(*place, index), steps=steps, below=below
        )
    return names[0] if names else after


def _step(
    reader: _Reader,
    flow: str,
    data: Mapping[str, Any],
    *,
    name: str,
    place: Place,
    steps: dict[str, Step],
    below: str,
) -> Step:
    to = _next(reader, flow, data.get("next", below), place=(*place, "next"), steps=steps)
    metadata = reader.mapping(data.get("metadata"), (*place, "metadata"))
    reader.keys(metadata, {"skip"}, (*place, "metadata"))
    if "collect" in data:
        slot = reader.text(data["collect"], place)
        return Collect(
            name,
            slot,
            reader.text(data.get("utter", f"utter_ask_{slot}"), place),
            to,
            _rejections(reader, data.get("rejections"), (*place, "rejections")),
            data.get("ask_before_filling") is True,
            data.get("reset_after_flow_ends") is False,
            metadata.get("skip") is not False,
        )
    if "action" in data:
        return Act(name, reader.text(data["action"], place), to)
    if "set_slots" in data:
        values: dict[str, Scalar] = {}
        for index, item in enumerate(reader.sequence(data["set_slots"], (*place, "set_slots"))):
            for slot, value in reader.mapping(item, (*place, "set_slots", index)).items():
                values[slot] = reader.scalar(value, (*place, "set_slots", index))
        return SetSlots(name, MappingProxyType(values), to)
    if "link" in data:
        if "next" in data:
            reader.fault(place, "link-next", "link là bước cuối, bỏ next", "a link ends the flow: remove next")
        return Link(name, reader.text(data["link"], place))
    return Noop(name, to)


def _next(reader: _Reader, flow: str, value: Any, *, place: Place, steps: dict[str, Step]) -> tuple[Branch, ...]:
    if isinstance(value, str):
        return (Branch(value),)
    branches: list[Branch] = []
    items = reader.sequence(value, place)
    for index, item in enumerate(items):
        at: Place = (*place, index)
        data = reader.mapping(item, at)
        reader.keys(data, {"if", "then"} if "if" in data else {"else"}, at)
        condition = reader.condition(data["if"], (*at, "if")) if "if" in data else None
        inner = data.get("then") if "if" in data else data.get("else")
        if isinstance(inner, list):
            target = _steps(
                reader, flow, inner, place=(*at, "then" if "if" in data else "else"), steps=steps, after=END
            )
        else:
            target = reader.text(inner, at)
        branches.append(Branch(target, condition))
    if items and (not branches or branches[-1].condition is not None):
        reader.fault(place, "no-else", "next cần nhánh cuối “else:”", "a next with if needs a last “else:”")
    return tuple(branches)
