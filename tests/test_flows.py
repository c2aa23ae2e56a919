"""Flow files: what is read, what is refused and how well it is said, and what is drawn and exported."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot import flows_cli
from bot.engine import REQUIRED
from bot.errors import ContentError
from bot.flows import Flows, checks, drawing, load, rasa, read
from bot.flows.conditions import Both, Compare, Condition, Either, Literal, Name, Not, Scalar, Truth, holds, parse, text
from bot.flows.deeds import DEEDS
from bot.flows.values import Collect, Link
from bot.flows.walk import go_on, start
from bot.flows.words import agrees, fold, pick, without_courtesy
from tests.dialogue import FLOWS, ROOT, book, inside, known

GOOD = """
flows:
  tea:
    name: Trà
    description: Asks for tea.
    nlu_trigger:
      - intent: tea
    steps:
      - collect: kind
      - action: utter_done
slots:
  kind:
    type: categorical
    values: [green, black]
    mappings:
      - type: controlled
responses:
  utter_ask_kind:
    - text: Chị uống trà gì ạ?
      buttons:
        - title: Xanh
          payload: /SetSlots(kind=green)
  utter_done:
    - text: Dạ, có ngay.
nlu:
  - intent: tea
    examples: |
      - trà
"""


def written(directory: Path, content: str = GOOD, name: str = "tea.yml") -> Path:
    (directory / name).write_text(content, encoding="utf-8")
    return directory


def codes(directory: Path, **more: Any) -> list[str]:
    return [finding.code for finding in read(directory, **more)[1]]


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    flows, findings = read(written(tmp_path))
    assert findings == []
    flow = flows.flows["tea"]
    assert (flow.title, flow.triggers, flow.start) == ("Trà", ("tea",), "0_collect_kind")
    assert [step.id for step in flow.steps.values()] == ["0_collect_kind", "1_action_utter_done"]
    assert flows.slots["kind"].values == ("green", "black")
    assert flows.intents("TRA!") == {"tea"}
    walk = start(flows, "tea", {}, {})
    assert isinstance(walk.asks, Collect)
    assert go_on(flows, "tea", walk.step, {"kind": "green"}, {}).step == ""


FAULTS = [
    ("unknown-key", "    name: Trà\n", "    name: Trà\n    colour: green\n"),
    ("unknown-key", "      - collect: kind\n", "      - collect: kind\n        askk: true\n"),
    ("unknown-key", "flows:\n", "flow:\n  x: 1\nflows:\n"),
    ("unknown-key", "      - collect: kind\n", "      - collect: kind\n        metadata: {skipp: true}\n"),
    ("step-kind", "      - action: utter_done\n", "      - say: utter_done\n"),
    ("dangling", "      - action: utter_done\n", "      - action: utter_done\n        next: nowhere\n"),
    ("unreachable", "      - collect: kind\n", "      - collect: kind\n        next: END\n"),
    ("loop", "      - action: utter_done\n", "      - id: again\n        action: utter_done\n        next: again\n"),
    ("loop", "      - action: utter_done\n", "      - action: utter_done\n        next: 0_collect_kind\n"),
    ("loop", "      - action: utter_done\n", "      - link: tea2\n  tea2:\n    steps:\n      - link: tea2\n"),
    ("slot-missing", "      - collect: kind\n", "      - collect: sort\n        utter: utter_ask_kind\n"),
    ("slot-missing", "      - action: utter_done\n", "      - set_slots:\n          - sort: 1\n"),
    ("slot-missing", "    steps:\n", "    persisted_slots: [sort]\n    steps:\n"),
    ("slot-missing", "    steps:\n", "    if: slots.sort is null\n    steps:\n"),
    ("value", "      - action: utter_done\n", "      - set_slots:\n          - kind: red\n"),
    ("response-missing", "      - action: utter_done\n", "      - action: utter_gone\n"),
    ("response-missing", "      - collect: kind\n", "      - collect: kind\n        utter: utter_gone\n"),
    (
        "response-missing",
        "    type: categorical\n",
        "    type: categorical\n    validation:\n      rejections:\n        - {if: slots.kind, utter: utter_gone}\n",
    ),
    ("action-missing", "      - action: utter_done\n", "      - action: action_gone\n"),
    ("action-missing", "slots:\n", "actions: [action_gone]\nslots:\n"),
    ("link", "      - action: utter_done\n", "      - link: gone\n"),
    ("link-next", "      - action: utter_done\n", "      - link: tea\n        next: END\n"),
    ("no-else", "      - action: utter_done\n", "      - next:\n          - {if: slots.kind, then: END}\n"),
    ("condition", "    steps:\n", "    if: __import__('os')\n    steps:\n"),
    ("condition", "    steps:\n", "    if: slots.kind is\n    steps:\n"),
    ("context", "    steps:\n", "    if: context.weather\n    steps:\n"),
    ("unanswerable", "          payload: /SetSlots(kind=green)\n", "          payload: /menu\n"),
    ("payload", "          payload: /SetSlots(kind=green)\n", "          payload: /SetSlots(kind=red)\n"),
    ("payload", "          payload: /SetSlots(kind=green)\n", "          payload: /SetSlots(sort=green)\n"),
    ("payload", "          payload: /SetSlots(kind=green)\n", "          payload: /nothing\n"),
    ("payload", "          payload: /SetSlots(kind=green)\n", "          payload: article:gone\n"),
    ("payload", "          payload: /SetSlots(kind=green)\n", ""),
    ("title", "        - title: Xanh\n", "        - title: Trà xanh Thái Nguyên thơm\n"),
    ("long", "    - text: Dạ, có ngay.\n", f"    - text: {'a' * 700}\n"),
    ("not-neutral", "    - text: Dạ, có ngay.\n", "    - text: Chị bị bạo lực thì gọi ngay.\n"),
    ("not-neutral", "    - text: Dạ, có ngay.\n", "    - text: 경찰에 전화하세요.\n"),
    ("hole", "    - text: Dạ, có ngay.\n", "    - text: Dạ, {sort} có ngay.\n"),
    ("image", "    - text: Dạ, có ngay.\n", "    - text: Dạ.\n      image: http://x.vn/a.png\n"),
    ("empty", "    - text: Dạ, có ngay.\n", "    - channel: zalo\n"),
    ("empty", "    - text: Dạ, có ngay.\n", "    []\n"),
    ("name", "  utter_done:\n", "  say_done:\n"),
    ("slot-type", "    type: categorical\n", "    type: colour\n"),
    ("values", "    values: [green, black]\n", ""),
    ("values", "    type: categorical\n", "    type: text\n"),
    ("mapping", "      - type: controlled\n", "      - type: from_llm\n"),
    ("shape", "    values: [green, black]\n", "    values: green\n"),
    ("shape", "    name: Trà\n", "    name: [a]\n"),
    ("shape", "flows:\n  tea:\n", "flows:\n  coffee: 3\n  tea:\n"),
    ("twice", "      - action: utter_done\n", "      - {id: a, noop: true}\n      - {id: a, noop: true}\n"),
    ("twice", "nlu:\n", "nlu:\n  - intent: tea\n    examples: |\n      - chè\n"),
    ("ambiguous-example", "nlu:\n", "nlu:\n  - intent: tea_too\n    examples: |\n      - trà\n"),
    ("example", "      - trà\n", "      trà\n"),
    ("orphan", "    nlu_trigger:\n      - intent: tea\n", ""),
    ("intent", "      - intent: tea\n    steps", "      - intent: coffee\n    steps"),
    ("empty", "      - collect: kind\n      - action: utter_done\n", "      []\n"),
    ("duplicate-key", "    name: Trà\n", "    name: Trà\n    name: Chè\n"),
    ("syntax", "flows:\n", "flows: [\n"),
]


@pytest.mark.parametrize(
    ("code", "old", "new"), FAULTS, ids=[f"{index}-{item[0]}" for index, item in enumerate(FAULTS)]
)
def test_every_fault_is_refused_with_file_line_and_a_hint_in_two_languages(
    tmp_path: Path, code: str, old: str, new: str
) -> None:
    assert GOOD.count(old) >= 1, old
    broken = GOOD.replace(old, new, 1)
    written(tmp_path, broken)
    _, findings = read(tmp_path, articles=["leg-a"])
    found = [finding for finding in findings if finding.code == code]
    assert found, [str(finding) for finding in findings]
    finding = found[0]
    assert finding.file == "tea.yml"
    assert 1 <= finding.line <= broken.count("\n") + 1
    assert finding.vi
    assert finding.en
    assert finding.vi != finding.en
    with pytest.raises(ContentError):
        load(tmp_path, articles=["leg-a"])


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    broken = GOOD
    for old, new in (
        ("utter_done\n", "utter_gone\n"),
        ("title: Xanh", "title: " + "X" * 30),
        ("name: Trà", "nam: Trà"),
    ):
        broken = broken.replace(old, new, 1)
    assert {"response-missing", "title", "unknown-key"} <= set(codes(written(tmp_path, broken)))


def test_an_empty_folder_and_a_missing_required_response_are_faults(tmp_path: Path) -> None:
    assert codes(tmp_path) == ["no-files"]
    assert codes(written(tmp_path), required=["gone", "utter_gone"]) == ["flow-missing", "response-missing"]


def test_a_finding_points_at_the_very_line(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("      - action: utter_done\n", "      - action: utter_gone\n"))
    finding = read(tmp_path)[1][0]
    assert GOOD.splitlines()[finding.line - 1].strip() == "- action: utter_done"


KEYS = (
    *(
        "flows",
        "steps",
        "collect",
        "next",
        "if",
        "then",
        "else",
        "slots",
        "type",
        "responses",
        "text",
        "buttons",
        "nlu",
    ),
    *("intent", "actions", "mappings", "set_slots"),
)
rubbish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(rubbish)
def test_no_yaml_at_all_raises(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    directory = tmp_path_factory.mktemp("any")
    written(directory, json.dumps({"flows": {"a": {"steps": data}}, "slots": data, "responses": data, "nlu": data}))
    flows, findings = read(directory)
    assert isinstance(flows, Flows)
    assert findings


# --- the house's own flows --------------------------------------------------------------------------------------------


def test_the_flows_of_the_house_have_no_fault() -> None:
    flows, findings = read(FLOWS, actions=inside().names, articles=known().articles, required=REQUIRED)
    assert len(flows.flows) >= 15
    assert [str(finding) for finding in findings] == []


def test_no_response_lies_unused() -> None:
    flows = book().flows
    used = set(REQUIRED)
    for flow in flows.flows.values():
        for step in flow.steps.values():
            used.add(getattr(step, "utter", ""))
            used.add(getattr(step, "name", ""))
            used.update(item.utter for item in getattr(step, "rejections", ()))
    used.update(item.utter for slot in flows.slots.values() for item in slot.rejections)
    used.update(f"utter_invalid_{action.removeprefix('validate_')}" for action in flows.actions)
    assert len(used) > 80
    assert sorted(set(flows.responses) - used) == []


def test_every_deed_is_used_by_a_flow_or_kept_for_a_rasa_server() -> None:
    names = {getattr(step, "name", "") for flow in book().flows.flows.values() for step in flow.steps.values()}
    assert set(DEEDS) - names == {"action_open_ticket"}  # our engine opens tickets itself


# --- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written_", "wanted"),
    [
        ("slots.a", True),
        ("not slots.a", False),
        ("slots.none is null", True),
        ("slots.none is not null", False),
        ("slots.a is true and slots.n > 2", True),
        ("slots.a is false or slots.n = 3", True),
        ("(slots.a or slots.none) and not (slots.n < 3)", True),
        ("slots.word is 'hai phong'", True),
        ('slots.word contains "PHONG"', True),
        ("slots.word > 3", False),
        ("slots.none < 3", False),
        ('context.ticket is "waiting" and context.ahead >= 1', True),
        ("slots.n != 3.0", False),
        ("slots.n <= -1", False),
    ],
)
def test_conditions(written_: str, wanted: bool) -> None:
    slots: dict[str, Scalar] = {"a": True, "n": 3, "word": "hai phong", "none": None}
    assert holds(parse(written_), slots, {"ticket": "waiting", "ahead": 1}) is wanted


names_ = st.builds(Name, st.sampled_from(["slots", "context"]), st.from_regex(r"[a-z_]{1,6}", fullmatch=True))
literals = st.builds(
    Literal,
    st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from([0.5, 2.25]) | st.text("abc '", max_size=5),
)
simple = st.builds(
    Compare, st.sampled_from(["is", "is not", "==", "!=", "<", "contains"]), names_ | literals, names_ | literals
) | st.builds(Truth, names_)
conditions = st.recursive(
    simple,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(Both, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Either, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


@given(conditions)
def test_a_condition_written_down_reads_the_same(condition: Condition) -> None:
    assert parse(text(condition)) == condition


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_plain_fault(said: str) -> None:
    try:
        condition = parse(said)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - both ends are fine, only another exception is not
    else:
        assert holds(condition, {}, {}) in (True, False)


# --- words ------------------------------------------------------------------------------------------------------------


def test_left_out_marks_agree_and_other_marks_do_not() -> None:
    assert agrees("dung", "dừng")
    assert agrees("dung", "đúng")
    assert not agrees("đúng", "dừng")
    assert agrees("hoà", "hòa")
    assert agrees("gap tư van vien", "gặp tư vấn viên")
    assert book().flows.intents("dừng") == {"stop"}
    assert book().flows.intents("đúng") == {"yes"}
    assert book().flows.intents("dung") == {"stop", "yes"}
    assert book().flows.intents("dạ, dừng giúp em ạ") == {"stop"}
    assert without_courtesy("dạ ạ") == "ạ"


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ("1", 0),
        ("so 2", 1),
        ("câu 3", 2),
        ("4", None),
        ("0", None),
        ("việc làm", 1),
        ("viec lam hoc nghe", 1),
        ("giay to phap li", 0),
        ("con cai", 2),
        ("em chọn con cái ạ", 2),
        ("con cái em bị trêu ở trường làm sao bây giờ ạ", None),
        ("", None),
        ("x" * 100, None),
    ],
)
def test_a_choice_by_number_words_or_nearly(said: str, index: int | None) -> None:
    assert pick(said, ["Giấy tờ, pháp lý", "Việc làm, học nghề", "Con cái"]) == index


@given(st.text(max_size=80))
def test_folding_is_settled_after_once(said: str) -> None:
    assert fold(fold(said)) == fold(said)
    assert agrees(said, said)


def test_alarming_words_are_seen_with_their_marks() -> None:
    assert checks.alarming("Chị bị đe dọa thì") == "đe dọa"
    assert checks.alarming("OSSO sẽ làm đúng") == ""
    assert checks.alarming("a" * 40 + " bạo lực") == ""


# --- drawings, export, command line ----------------------------------------------------------------------------------


def test_every_flow_can_be_drawn() -> None:
    for flow in book().flows.flows.values():
        chart = drawing.mermaid(flow)
        assert chart.startswith("flowchart TD\n")
        assert len(re.findall(r"^  s\d+[\[({]", chart, re.MULTILINE)) == len(flow.steps)
        tree = ElementTree.fromstring(drawing.svg(flow))  # noqa: S314 - our own text
        boxes = [item for item in tree.iter() if item.tag.endswith("rect")]
        assert len(boxes) == len(flow.steps) + 1
        assert "script" not in drawing.svg(flow)


# What Rasa documents for its files, written down here from the documentation's keys: nothing else may stand in them.
NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
TEXT = {"type": "string", "minLength": 1}
SCALAR = {"type": ["string", "null", "boolean", "number"]}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object with these keys and no other."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


NEXT = {
    "anyOf": [
        TEXT,
        {
            "type": "array",
            "minItems": 2,
            "items": {
                "oneOf": [closed(["if", "then"], **{"if": TEXT, "then": TEXT}), closed(["else"], **{"else": TEXT})]
            },
        },
    ]
}
REJECTIONS = {"type": "array", "minItems": 1, "items": closed(["if", "utter"], **{"if": TEXT, "utter": TEXT})}
STEP = {
    "oneOf": [
        closed(["action"], id=TEXT, action=TEXT, next=NEXT),
        closed(
            ["collect"],
            id=TEXT,
            collect={"type": "string", "pattern": NAME},
            description=TEXT,
            utter={"type": "string", "pattern": "^(utter|action)_"},
            ask_before_filling={"type": "boolean"},
            reset_after_flow_ends={"type": "boolean"},
            rejections=REJECTIONS,
            next=NEXT,
        ),
        closed(["link"], id=TEXT, link=TEXT),
        closed(
            ["set_slots"],
            id=TEXT,
            set_slots={
                "type": "array",
                "minItems": 1,
                "items": {"type": "object", "patternProperties": {NAME: SCALAR}, "additionalProperties": False},
            },
            next=NEXT,
        ),
        closed(["id", "next"], id=TEXT, next=NEXT),
    ]
}
TRIGGER = closed(
    ["intent"],
    intent=closed(["name"], name=TEXT, confidence_threshold={"type": "number", "minimum": 0, "maximum": 1}),
)
FLOW = closed(
    ["description", "steps"],
    **{
        "name": TEXT,
        "description": TEXT,
        "if": TEXT,
        "nlu_trigger": {"type": "array", "minItems": 1, "items": TRIGGER},
        "persisted_slots": {"type": "array", "items": TEXT},
        "steps": {"type": "array", "minItems": 1, "items": STEP},
    },
)
RASA_FLOWS = closed(
    ["flows"],
    version=TEXT,
    flows={"type": "object", "patternProperties": {NAME: FLOW}, "additionalProperties": False, "minProperties": 1},
)
MAPPING = {
    "oneOf": [
        closed(["type", "entity"], type={"const": "from_entity"}, entity=TEXT),
        closed(["type"], type={"enum": ["from_text", "from_llm", "controlled"]}),
    ]
}
RASA_SLOT = closed(
    ["type", "mappings"],
    type={"enum": ["text", "bool", "categorical", "float", "list", "any"]},
    mappings={"type": "array", "minItems": 1, "items": MAPPING},
    values={"type": "array", "minItems": 1, "items": TEXT},
    initial_value=SCALAR,
    validation=closed(["rejections"], rejections=REJECTIONS),
)
BUTTON = {
    "oneOf": [
        closed(["title", "payload"], title=TEXT, payload=TEXT),
        closed(
            ["title", "url", "type"],
            title=TEXT,
            url={"type": "string", "pattern": "^https://"},
            type={"const": "web_url"},
        ),
    ]
}
RESPONSE = closed(
    [],
    text=TEXT,
    image={"type": "string", "pattern": "^https://"},
    buttons={"type": "array", "minItems": 1, "items": BUTTON},
    channel=TEXT,
    condition={
        "type": "array",
        "items": closed(["type", "name", "value"], type={"const": "slot"}, name=TEXT, value=SCALAR),
    },
) | {"anyOf": [{"required": ["text"]}, {"required": ["image"]}]}
NAMES = {"type": "array", "items": {"type": "string", "pattern": NAME}, "uniqueItems": True}
RASA_DOMAIN = closed(
    ["version", "intents", "slots", "responses", "actions"],
    version={"const": "3.1"},
    intents=NAMES,
    entities=NAMES,
    actions=NAMES,
    slots={"type": "object", "patternProperties": {NAME: RASA_SLOT}, "additionalProperties": False},
    responses={
        "type": "object",
        "patternProperties": {"^utter_[A-Za-z0-9_]+$": {"type": "array", "minItems": 1, "items": RESPONSE}},
        "additionalProperties": False,
    },
)
RASA_NLU = closed(
    ["version", "nlu"],
    version={"const": "3.1"},
    nlu={
        "type": "array",
        "minItems": 1,
        "items": closed(["intent", "examples"], intent=TEXT, examples={"type": "string", "pattern": r"^(- .+\n)+$"}),
    },
)
COMPONENTS = {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["name"]}}
RASA_CONFIG = closed(
    ["recipe", "language", "pipeline", "policies"],
    recipe={"const": "default.v1"},
    language=TEXT,
    assistant_id=TEXT,
    pipeline=COMPONENTS,
    policies=COMPONENTS,
)
RASA_ENDPOINTS = closed(
    ["action_endpoint"], action_endpoint=closed(["url"], url={"type": "string", "pattern": "^http"})
)


def exported() -> dict[str, Any]:
    return {name: yaml.safe_load(content) for name, content in rasa.project(book().flows).items()}


def test_the_export_meets_what_rasa_documents() -> None:
    files = exported()
    schemas = {
        "domain.yml": RASA_DOMAIN,
        "data/nlu.yml": RASA_NLU,
        "config.yml": RASA_CONFIG,
        "endpoints.yml": RASA_ENDPOINTS,
    }
    assert set(schemas) < set(files)
    for name, content in files.items():
        jsonschema.validate(content, schemas.get(name, RASA_FLOWS))
    assert sum(name.startswith("data/flows/") for name in files) == len(book().flows.flows)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("data/flows/intake.yml", ("flows", "intake", "steps", 0, "persisted"), True),
        ("data/flows/intake.yml", ("flows", "intake", "description"), None),
        ("domain.yml", ("slots", "province", "mappings"), []),
        ("domain.yml", ("slots", "province", "mappings", 0, "type"), "from_heart"),
        ("domain.yml", ("responses", "utter_menu", 0, "buttons", 0, "payload"), None),
        ("data/nlu.yml", ("nlu", 0, "examples"), "chào"),
    ],
)
def test_the_schemas_can_say_no(name: str, path: tuple[Any, ...], value: Any) -> None:
    content = exported()[name]
    place = content
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    schema = {"domain.yml": RASA_DOMAIN, "data/nlu.yml": RASA_NLU}.get(name, RASA_FLOWS)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)


def test_every_name_of_the_export_stands_in_its_domain() -> None:
    """Nothing of our engine alone is left: no context that Rasa has not, no slot, response or action of nowhere."""
    flows, files = book().flows, exported()
    domain = files["domain.yml"]
    slots, ids = set(domain["slots"]), 0
    intents = {item["intent"] for item in files["data/nlu.yml"]["nlu"]}
    assert intents <= set(domain["intents"])
    for name, content in files.items():
        if not name.startswith("data/flows/"):
            continue
        for flow in content["flows"].values():
            steps = {step["id"] for step in flow["steps"]}
            ids += len(steps)
            assert {item["intent"]["name"] for item in flow.get("nlu_trigger", [])} <= set(domain["intents"])
            for step in flow["steps"]:
                assert set(targets(step)) <= {"END", *steps}
                assert {step["collect"]} <= slots if "collect" in step else True
                assert {key for item in step.get("set_slots", []) for key in item} <= slots
                said = [step.get("utter", ""), *(item["utter"] for item in step.get("rejections", []))]
                for word in (*said, step.get("action", "")):
                    known = {*domain["responses"], *domain["actions"], "action_clean_stack", ""}
                    assert word in known, word
                assert step.get("link", "intake") in flows.flows
        said_conditions = str(content)
        assert "context." not in said_conditions
        assert set(re.findall(r"slots\.(\w+)", said_conditions)) <= slots
    for variants in domain["responses"].values():
        for variant in variants:
            assert set(re.findall(r"\{(\w+)\}", variant.get("text", ""))) <= slots
    assert ids == sum(len(flow.steps) for flow in flows.flows.values())


def targets(step: dict[str, Any]) -> list[str]:
    onward = step.get("next", "END")
    return [onward] if isinstance(onward, str) else [item.get("then") or item["else"] for item in onward]


def test_the_exported_flows_read_back_to_the_same_steps(tmp_path: Path) -> None:
    """Rasa's own reading of the export cannot be run here; our reader takes the same format."""
    flows = book().flows
    for name, content in rasa.project(flows).items():
        if name.startswith("data/flows/"):
            ours = content.replace(f"slots.{rasa.WORLD}", "context.")
            (tmp_path / Path(name).name).write_text(ours, encoding="utf-8")
    again = read(tmp_path)[0]
    for name, flow in flows.flows.items():
        assert again.flows[name].start == flow.start
        assert {key: step.next for key, step in again.flows[name].steps.items()} == {
            key: step.next for key, step in flow.steps.items()
        }
        assert [step for step in again.flows[name].steps.values() if isinstance(step, Link)] == [
            step for step in flow.steps.values() if isinstance(step, Link)
        ]


def test_the_commands(tmp_path: Path) -> None:
    runner = CliRunner()
    good = runner.invoke(flows_cli.flow, ["check", "--knowledge", str(ROOT / "knowledge")])
    assert (good.exit_code, "no fault" in good.output) == (0, True), good.output
    written(tmp_path, GOOD.replace("utter_done\n", "utter_gone\n", 1))
    bad = runner.invoke(flows_cli.flow, ["check", "--flows", str(tmp_path)])
    assert bad.exit_code == 1
    assert "tea.yml:10" in bad.output
    assert runner.invoke(flows_cli.flow, ["draw", "intake"]).output.startswith("flowchart")
    assert runner.invoke(flows_cli.flow, ["draw", "intake", "--svg"]).output.startswith("<svg")
    unknown = runner.invoke(flows_cli.flow, ["draw", "nothing"])
    assert (unknown.exit_code, "intake" in unknown.output) == (1, True)
    broken = runner.invoke(flows_cli.flow, ["draw", "tea", "--flows", str(tmp_path)])
    assert broken.exit_code == 1
    target = tmp_path / "project"
    assert runner.invoke(flows_cli.export, ["rasa", str(target)]).exit_code == 0
    assert (target / "domain.yml").exists()
