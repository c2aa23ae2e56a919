"""The form of an article and its file are one: fields to plain data in the house layout, and back. Pure.

Nothing is corrected here; what she typed goes to the checker as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from bot.knowledge.articles import ARTICLE
from bot.knowledge.loading import parse_article
from bot.knowledge.writing import write_data
from bot.messages import Finding
from bot.yamlfile import Document

LISTS = ("questions", "documents", "steps", "confirm")  # one item a line
TEXTS = ("id", "title", "short", "where", "cost", "time", "basis", "valid_until")
ANSWERS, CASE_ANSWERS, FOLLOW_UPS = 3, 2, 3


@dataclass(frozen=True, slots=True)
class Marked:
    """A finding with the field of the form it is about, and which item of it (from 1; 0: the field as a whole)."""

    finding: Finding
    field: str
    item: int


def data_of(form: MultiDict[str, str]) -> dict[str, Any]:
    """What the form says, in the order of the house layout, without what is empty."""
    found: dict[str, Any] = {name: _text(form.get(name, "")) for name in TEXTS}
    found |= {name: _lines(form.get(name, "")) for name in LISTS}
    found["answer"] = _full(form.getlist("answer"))
    found["follow_ups"] = _full(form.getlist("follow_up"))
    found["variants"] = _variants(form)
    if skill := form.get("skill", ""):
        found["escalate"] = _some(
            {"when": form.get("when") or "offer", "skill": skill, "text": _text(form.get("invitation", ""))}
        )
    found["sources"] = _sources(form)
    found["review"] = {"status": "draft"}
    return {name: found[name] for name in ARTICLE.fields if found.get(name) or name == "sources"}


def text_of(form: MultiDict[str, str]) -> str:
    """The file this form stands for, broken or not."""
    return write_data(data_of(form))


def fields_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows for the data of a file, whatever its shape; nothing raises."""
    shown: dict[str, Any] = {name: _shown(data.get(name)) for name in TEXTS}
    shown |= {name: "\n".join(_shown(item).replace("\n", " ") for item in _list(data.get(name))) for name in LISTS}
    shown["answer"] = [_shown(item) for item in _list(data.get("answer"))]
    shown["follow_ups"] = [_shown(item) for item in _list(data.get("follow_ups"))]
    variants = data.get("variants") if isinstance(data.get("variants"), Mapping) else {}
    assert isinstance(variants, Mapping)  # noqa: S101 - tells mypy
    shown["slot"], shown["ask"] = _shown(variants.get("slot")), _shown(variants.get("ask"))
    shown["cases"] = [
        {
            "value": ", ".join(_shown(one) for one in _list(case.get("value"))),
            "label": _shown(case.get("label")),
            "answer": [_shown(one) for one in _list(case.get("answer"))],
        }
        for case in _list(variants.get("cases"))
        if isinstance(case, Mapping)
    ]
    escalate = data.get("escalate") if isinstance(data.get("escalate"), Mapping) else {}
    assert isinstance(escalate, Mapping)  # noqa: S101
    shown |= {
        "when": _shown(escalate.get("when")) or "offer",
        "skill": _shown(escalate.get("skill")),
        "invitation": _shown(escalate.get("text")),
    }
    shown["sources"] = [
        {name: _shown(one.get(name)) for name in ("law", "article", "link", "checked", "mark")}
        for one in _list(data.get("sources"))
        if isinstance(one, Mapping)
    ]
    return shown


def document_of(raw: bytes, file: str) -> Document | None:
    return parse_article(raw, file, file.split("/", 1)[0])[0]


def marked(findings: Sequence[Finding], document: Document | None) -> list[Marked]:
    """Each finding with the field its line belongs to."""
    if document is None:
        return [Marked(one, "", 0) for one in findings]
    places = sorted((line, path) for path, line in document.lines.items() if path)
    found = []
    for one in findings:
        here: tuple[str | int, ...] = ()
        for line, path in places:
            if line > one.line:
                break
            here = path
        field = str(here[0]) if here else ""
        item = next((part + 1 for part in here if isinstance(part, int)), 0)
        found.append(Marked(one, field, item))
    return found


def _variants(form: MultiDict[str, str]) -> dict[str, Any]:
    slot = form.get("slot", "")
    if not slot:
        return {}
    first, second = form.getlist("case_answer"), form.getlist("case_more")
    cases = []
    for number, (value, label) in enumerate(zip(form.getlist("case_value"), form.getlist("case_label"), strict=False)):
        answer = _full([*first[number : number + 1], *second[number : number + 1]])
        values = [part.strip() for part in value.split(",") if part.strip()]
        if values or label.strip() or answer:
            cases.append(
                _some({"value": values[0] if len(values) == 1 else values, "label": _text(label), "answer": answer})
            )
    return _some({"slot": slot, "ask": _text(form.get("ask", "")), "cases": cases})


def _sources(form: MultiDict[str, str]) -> list[dict[str, Any]]:
    columns = [form.getlist(f"source_{name}") for name in ("law", "article", "link", "checked", "mark")]
    rows = [
        dict(zip(("law", "article", "link", "checked", "mark"), map(_text, row), strict=True))
        for row in zip(*columns, strict=False)
    ]
    return [_some(row) for row in rows if row["law"] or row["article"] or row["link"]]


def _some(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value}


def _text(value: str) -> str:
    return value.replace("\r\n", "\n").strip()


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]


def _full(values: Sequence[str]) -> list[str]:
    return [text for value in values if (text := _text(value))]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _shown(value: object) -> str:
    return "" if value is None else str(value)
