"""Sense of the flows: whatever could surprise a woman at night is a finding here, with file, line and the mending."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from bot.flows.conditions import Condition, Scalar, names
from bot.flows.deeds import DEEDS
from bot.flows.values import (
    END,
    Act,
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
from bot.messages import Finding

Lines = Mapping[tuple[str, ...], tuple[str, int]]

TITLE = 20  # a Messenger quick reply's title
TEXT = 640  # two screens of an old phone; Zalo and Messenger take about 2,000
BUTTONS = 13
HEAD = 40  # what a lock screen shows
CONTEXT: Mapping[str, str] = MappingProxyType(
    {
        "owner": "bot or person",
        "ticket": "none, waiting or taken",
        "ahead": "tickets before hers",
        "kept": "her word does not end her ticket: there was danger",
        "staffed": "a counsellor is on shift",
        "opens": "when one will be, in words",
        "appointment": "none, asked or confirmed",
        "appointment_at": "when and where, in words, once confirmed",
        "locale": "vi, ko or en",
        "channel": "her channel",
        "welcomed": "she was greeted before",
        "topic": "topic of the last answer",
        "receipt": "the number of a deletion's receipt, filled in when it is done",
    }
)
INTENTS = frozenset(
    {"person", "menu", "stop", "restart", "back", "skip", "cancel", "yes", "no", "resume", "drop", "greeting", "thanks"}
)
_PAYLOADS = re.compile(r"(topic|article|case|part|feedback|danger|timer):\S+")
_SET = re.compile(r"/SetSlots\((\w+)=([^)]*)\)")
_GAP = re.compile(r"[\W_]+")
_HOLE = re.compile(r"\{([^{}]*)\}")
ALARMING = (
    *("bạo lực", "bạo hành", "đánh đập", "bị đánh", "ly hôn", "ly dị", "tự tử", "tự sát", "mua bán", "buôn người"),
    *("công an", "xâm hại", "lạm dụng", "hiếp dâm", "giết", "chết", "bị nhốt", "đe dọa", "tố cáo", "cảnh sát"),
    *("nạn nhân", "khẩn cấp", "nguy hiểm", "113", "111", "violen", "abuse", "suicid", "traffick", "police", "divorce"),
    *("victim", "danger", "emergency", "rape", "kill", "폭력", "학대", "자살", "인신매매", "경찰", "이혼", "피해자"),
    *("위험", "응급", "긴급"),
)


def alarming(text: str) -> str:
    """The word a watcher must not see among the first 40 characters, or nothing."""
    head = " " + _GAP.sub(" ", text[:HEAD].casefold())
    return next((word for word in ALARMING if (word if word > "가" else f" {word}") in head), "")


def check(
    flows: Flows,
    lines: Lines,
    *,
    actions: Collection[str],
    articles: Collection[str] | None,
    required: Collection[str],
) -> list[Finding]:
    """Every fault and warning at once."""
    runnable = {*actions, *DEEDS}
    findings = [
        *_responses(flows, lines, articles=articles),
        *_slots(flows, lines),
        *_missing(flows, lines, runnable=runnable, required=required),
    ]
    for flow in flows.flows.values():
        findings += _flow(flows, flow, lines)
    findings += _orphans(flows, lines, required)
    return findings


def _finding(lines: Lines, key: tuple[str, ...], code: str, vi: str, en: str) -> Finding:
    file, line = lines.get(key, ("", 1))
    return Finding("error", file, line, code, vi, en)


# --- responses --------------------------------------------------------------------------------------------------------


def _responses(flows: Flows, lines: Lines, *, articles: Collection[str] | None) -> Iterable[Finding]:
    for name, variants in flows.responses.items():
        key = ("response", name)
        if not name.startswith("utter_"):
            yield _finding(lines, key, "name", f"{name}: tên phải là utter_…", f"{name}: names begin with utter_")
        for variant in variants:
            yield from _variant(flows, lines, key, variant, articles)


def _variant(
    flows: Flows, lines: Lines, key: tuple[str, ...], variant: Response, articles: Collection[str] | None
) -> Iterable[Finding]:
    name = key[1]
    if len(variant.text) > TEXT:
        size = len(variant.text)
        yield _finding(
            lines, key, "long", f"{name}: {size} ký tự, hãy cắt còn {TEXT}", f"{name}: cut to {TEXT} characters"
        )
    if not variant.text and not variant.image:
        yield _finding(lines, key, "empty", f"{name}: cần text hoặc image", f"{name}: text or image is needed")
    if word := alarming(variant.text):
        vi = f"{name}: 40 ký tự đầu hiện trên màn hình khóa, có “{word}”; hãy mở đầu trung tính"
        yield _finding(lines, key, "not-neutral", vi, f"{name}: first 40 characters show “{word}”; begin neutrally")
    if variant.image and not variant.image.startswith("https://"):
        yield _finding(lines, key, "image", f"{name}: ảnh phải là https://…", f"{name}: an image must be https://…")
    yield from _holes(flows, lines, key, variant)
    if len(variant.buttons) > BUTTONS:
        yield _finding(lines, key, "buttons", f"{name}: tối đa {BUTTONS} nút", f"{name}: at most {BUTTONS} buttons")
    for button in variant.buttons:
        where = f"{name}, “{button.title}”"
        if not button.title or len(button.title) > TITLE:
            vi = f"{where}: tên nút dài 1–{TITLE} ký tự (đang {len(button.title)})"
            yield _finding(lines, key, "title", vi, f"{where}: a title has 1–{TITLE} characters")
        if bool(button.payload) == bool(button.url):
            yield _finding(
                lines, key, "payload", f"{where}: cần payload hoặc url", f"{where}: give payload or url, one"
            )
        elif button.payload and (fault := _payload(flows, button.payload, articles)):
            yield _finding(lines, key, "payload", f"{where}: {fault[0]}", f"{where}: {fault[1]}")


def _holes(flows: Flows, lines: Lines, key: tuple[str, ...], variant: Response) -> Iterable[Finding]:
    name = key[1]
    for hole in _HOLE.findall(variant.text):
        if hole not in flows.slots and hole not in CONTEXT:
            vi, en = f"{name}: {{{hole}}} không phải slot", f"{name}: {{{hole}}} is neither a slot nor a context name"
            yield _finding(lines, key, "hole", vi, en)
    for slot, _ in variant.conditions:
        if slot not in flows.slots:
            yield _finding(lines, key, "slot-missing", f"{name}: chưa có slot {slot}", f"{name}: no slot {slot}")


def _payload(flows: Flows, payload: str, articles: Collection[str] | None) -> tuple[str, str] | None:
    if match := _SET.fullmatch(payload):
        slot = flows.slots.get(match[1])
        if slot is None:
            return f"chưa có slot {match[1]}", f"no slot {match[1]}"
        if typed(slot, match[2]) is None:
            return f"“{match[2]}” không hợp với slot {slot.name}", f"“{match[2]}” does not fit slot {slot.name}"
        return None
    kind, _, rest = payload.partition(":")
    if kind == "article" and articles is not None and rest not in articles:
        return f"chưa có bài {rest}", f"no article {rest}"
    if _PAYLOADS.fullmatch(payload):
        return None
    intent = payload.removeprefix("/")
    if payload.startswith("/") and (intent in flows.triggers or intent in INTENTS):
        return None
    return f"không hiểu payload {payload}", f"payload {payload} is no /intent, /SetSlots(slot=value) or article:id"


def typed(slot: Slot, text: str) -> Scalar:
    """The text as a value of the slot, or None when it does not fit."""
    match slot.type:
        case "bool":
            return {"true": True, "false": False}.get(text)
        case "float":
            try:
                number = float(text.replace(",", "."))
            except ValueError:
                return None
            return number if abs(number) < 1e12 else None
        case "categorical":
            return text if text in slot.values else None
        case _:
            return text or None


# --- slots, missing things --------------------------------------------------------------------------------------------


def _slots(flows: Flows, lines: Lines) -> Iterable[Finding]:
    for slot in flows.slots.values():
        key = ("slot", slot.name)
        if slot.type == "categorical" and not slot.values:
            yield _finding(lines, key, "values", f"{slot.name}: cần values", f"{slot.name}: values are needed")
        if slot.type != "categorical" and slot.values:
            yield _finding(lines, key, "values", f"{slot.name}: values chỉ cho categorical", "values: categorical only")
        yield from _rejections(flows, lines, key, slot.rejections)


def _rejections(
    flows: Flows, lines: Lines, key: tuple[str, ...], rejections: tuple[Rejection, ...]
) -> Iterable[Finding]:
    for rejection in rejections:
        yield from _condition(flows, lines, key, rejection.condition)
        if rejection.utter not in flows.responses:
            vi, en = f"chưa có câu {rejection.utter}", f"no response {rejection.utter}"
            yield _finding(lines, key, "response-missing", vi, en)


def _condition(flows: Flows, lines: Lines, key: tuple[str, ...], condition: Condition | None) -> Iterable[Finding]:
    for name in names(condition) if condition is not None else ():
        if name.space == "slots" and name.name not in flows.slots:
            yield _finding(lines, key, "slot-missing", f"chưa có slot {name.name}", f"no slot {name.name}")
        if name.space == "context" and name.name not in CONTEXT:
            known = ", ".join(CONTEXT)
            vi, en = f"context.{name.name} không có; dùng: {known}", f"no context.{name.name}; use: {known}"
            yield _finding(lines, key, "context", vi, en)


def _missing(flows: Flows, lines: Lines, *, runnable: Collection[str], required: Collection[str]) -> Iterable[Finding]:
    for name in sorted(required):
        if name.startswith("utter_") and name not in flows.responses:
            yield Finding("error", "", 1, "response-missing", f"chưa có câu {name}", f"the engine needs {name}")
        if not name.startswith("utter_") and name not in flows.flows:
            yield Finding("error", "", 1, "flow-missing", f"chưa có flow {name}", f"the engine needs flow {name}")
    for action in sorted(flows.actions - set(runnable)):
        vi, en = f"chưa có hành động {action}", f"no action {action} is registered"
        yield _finding(lines, ("action", action), "action-missing", vi, en)


# --- steps ------------------------------------------------------------------------------------------------------------


def _flow(flows: Flows, flow: Flow, lines: Lines) -> Iterable[Finding]:
    top = ("flow", flow.name)
    yield from _condition(flows, lines, top, flow.condition)
    for slot in sorted(flow.persisted - set(flows.slots)):
        yield _finding(lines, top, "slot-missing", f"chưa có slot {slot}", f"persisted_slots: no slot {slot}")
    for step in flow.steps.values():
        key = ("step", flow.name, step.id)
        yield from _step(flows, step, lines, key)
        for branch in step.next:
            yield from _condition(flows, lines, key, branch.condition)
            if branch.target != END and branch.target not in flow.steps:
                vi = f"bước “{branch.target}” không có; sửa next"
                yield _finding(lines, key, "dangling", vi, f"no step “{branch.target}” in {flow.name}: mend next")
    if not flow.steps:
        return
    reached = _reach(flow, flow.start)
    for name in flow.steps:
        if name not in reached:
            key = ("step", flow.name, name)
            yield _finding(
                lines, key, "unreachable", f"không đường nào tới bước “{name}”", f"nothing leads to “{name}”"
            )
    for name in _silent_loops(flow):
        key = ("step", flow.name, name)
        vi = f"vòng lặp qua “{name}” không có câu hỏi; thêm collect"
        yield _finding(lines, key, "loop", vi, f"the loop through “{name}” asks nothing: add a collect")


def _question(flows: Flows, step: Collect, lines: Lines, key: tuple[str, ...]) -> Iterable[Finding]:
    slot = flows.slots.get(step.slot)
    if slot is None:
        yield _finding(lines, key, "slot-missing", f"chưa có slot {step.slot}", f"no slot {step.slot}")
    if step.utter not in flows.responses:
        vi, en = f"chưa có câu hỏi {step.utter}", f"no response {step.utter} to ask with"
        yield _finding(lines, key, "response-missing", vi, en)
    elif slot is not None and not _answerable(slot, flows.responses[step.utter]):
        vi = f"không trả lời được {step.slot}: cần nút /SetSlots hoặc mappings"
        yield _finding(lines, key, "unanswerable", vi, f"{step.slot} needs /SetSlots buttons or mappings")
    yield from _rejections(flows, lines, key, step.rejections)


def _step(flows: Flows, step: Step, lines: Lines, key: tuple[str, ...]) -> Iterable[Finding]:
    match step:
        case Collect():
            yield from _question(flows, step, lines, key)
        case Act(name=name):
            if name.startswith("utter_"):
                if name not in flows.responses:
                    yield _finding(lines, key, "response-missing", f"chưa có câu {name}", f"no response {name}")
            elif name not in DEEDS and name not in flows.actions:
                vi = f"{name} chưa ghi ở “actions:” và không phải việc có sẵn"
                yield _finding(lines, key, "action-missing", vi, f"{name} is neither built in nor listed in actions")
        case SetSlots(values=values):
            for slot_name, value in values.items():
                slot = flows.slots.get(slot_name)
                if slot is None:
                    yield _finding(lines, key, "slot-missing", f"chưa có slot {slot_name}", f"no slot {slot_name}")
                elif slot.type == "categorical" and value is not None and value not in slot.values:
                    vi, en = f"{slot_name} không nhận “{value}”", f"{slot_name} does not take “{value}”"
                    yield _finding(lines, key, "value", vi, en)
        case Link(flow=target):
            if target not in flows.flows:
                yield _finding(lines, key, "link", f"chưa có flow {target}", f"no flow {target}")
        case Noop():
            pass


def _answerable(slot: Slot, variants: tuple[Response, ...]) -> bool:
    buttons = [button.payload for variant in variants for button in variant.buttons]
    sets = any(payload.startswith(f"/SetSlots({slot.name}=") for payload in buttons)
    return sets or slot.free or bool(slot.entities) or slot.type in ("bool", "float")


def _reach(flow: Flow, start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name in seen or name not in flow.steps:
            continue
        seen.add(name)
        todo += [branch.target for branch in flow.steps[name].next]
    return seen


def _silent_loops(flow: Flow) -> list[str]:
    """Steps that lead back to themselves without passing a question that is always asked."""
    loops = []
    for name, step in flow.steps.items():
        if isinstance(step, Collect) and step.fresh:
            continue
        seen: set[str] = set()
        todo = [branch.target for branch in step.next]
        while todo:
            target = todo.pop()
            if target in seen or target not in flow.steps:
                continue
            seen.add(target)
            follower = flow.steps[target]
            if isinstance(follower, Collect) and follower.fresh:
                continue
            todo += [branch.target for branch in follower.next]
        if name in seen:
            loops.append(name)
            break
    return loops


def _orphans(flows: Flows, lines: Lines, required: Collection[str]) -> Iterable[Finding]:
    """Flows nothing starts, and links that go round without a question."""
    linked = {step.flow for flow in flows.flows.values() for step in flow.steps.values() if isinstance(step, Link)}
    for flow in flows.flows.values():
        key = ("flow", flow.name)
        if not flow.triggers and flow.name not in linked and flow.name not in required:
            vi, en = (
                f"không gì mở flow {flow.name}: thêm nlu_trigger hoặc link",
                "nothing starts it: add nlu_trigger or link",
            )
            yield _finding(lines, key, "orphan", vi, en)
        for trigger in flow.triggers:
            if trigger not in flows.examples and trigger not in INTENTS:
                vi, en = f"ý định {trigger} chưa có câu mẫu ở nlu:", f"intent {trigger} has no examples under nlu:"
                yield _finding(lines, key, "intent", vi, en)
        silent = {flow.name}
        target: str | None = flow.name
        while target is not None:
            other = flows.flows.get(target)
            target = None
            if other is None or any(isinstance(step, Collect) for step in other.steps.values()):
                break
            for step in other.steps.values():
                if isinstance(step, Link):
                    target = step.flow
            if target in silent:
                vi, en = (
                    f"link vòng quanh {flow.name} không có câu hỏi",
                    f"links go round {flow.name} without a question",
                )
                yield _finding(lines, key, "loop", vi, en)
                break
            if target is not None:
                silent.add(target)
