"""What a content file must look like, said once: one shape refuses a wrong file and makes the JSON Schema for editors.

A shape never repairs a value; it only says what is wrong, on which line, and how to mend it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any

from bot.messages import Finding
from bot.yamlfile import Document

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Text of 1..`most` characters, matching `pattern` whole when one is given (`like` shows an example)."""

    most: int = 320
    pattern: str = ""
    like: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day written `2027-02-28`."""


@dataclass(frozen=True, slots=True)
class Flag:
    """`true` or `false`."""


@dataclass(frozen=True, slots=True)
class OneOf:
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list, one item a line. Fewer than `least` is a fault."""

    item: Shape
    least: int = 0
    most: int = 2000


@dataclass(frozen=True, slots=True)
class OneOrMore:
    """One value, or a list of such values."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Field:
    shape: Shape
    about: str  # Vietnamese, shown by editors
    required: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """`key: value` lines. With `nullable`, a key that is not required may be left without a value."""

    fields: Mapping[str, Field]
    nullable: bool = False


Shape = Text | Day | Flag | OneOf | Items | OneOrMore | Fields

# With such a fault an article can still be told (a dead link is left out): `check` calls it an error, loading bears it.
BEARABLE = frozenset({"too-long", "too-few", "dead-link"})


def faults(shape: Shape, value: Any, *, document: Document, path: Steps = ()) -> Iterator[Finding]:
    """Every way `value` is not of `shape`, in the order of the file."""
    match shape:
        case OneOrMore(item):
            many = Items(item, 1) if isinstance(value, list) else item
            yield from faults(many, value, document=document, path=path)
        case Items() if isinstance(value, list):
            yield from _count(shape, value, document, path)
            for index, item in enumerate(value):
                yield from faults(shape.item, item, document=document, path=(*path, index))
        case Fields() if isinstance(value, dict):
            yield from _keys(shape, value, document, path)
            for key, field in shape.fields.items():
                if key in value and not (value[key] is None and shape.nullable and not field.required):
                    yield from faults(field.shape, value[key], document=document, path=(*path, key))
        case _:
            yield from _leaf(shape, value, document, path)


def _leaf(shape: Shape, value: Any, document: Document, path: Steps) -> Iterator[Finding]:
    match shape:
        case Text() if not isinstance(value, str):
            vi, en = _found(value)
            yield _fault("type", f"phải là chữ, {vi}", f"must be text, {en}", document=document, path=path)
        case Text() if not value.strip():
            vi, en = "đang trống: hãy viết nội dung hoặc bỏ cả dòng", "empty: fill it or remove it"
            yield _fault("empty-text", vi, en, document=document, path=path)
        case Text() if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]", value):
            vi, en = (
                "có ký tự điều khiển không nhìn thấy: hãy gõ lại câu này",
                "invisible characters: retype it",
            )
            yield _fault("control", vi, en, document=document, path=path)
        case Text(most=most) if len(value) > most:
            vi = f"dài {len(value)} ký tự, tối đa {most}: hãy tách ra hoặc rút gọn"
            en = f"{len(value)} characters, at most {most}: split or shorten"
            yield _fault("too-long", vi, en, document=document, path=path)
        case Text(pattern=pattern, like=like) if pattern and not re.fullmatch(pattern, value):
            vi, en = f"viết sai dạng, ví dụ đúng: {like}", f"wrong form, write like: {like}"
            yield _fault("format", vi, en, document=document, path=path)
        case Day() if not is_day(value):
            vi, en = "ngày phải viết dạng 2027-02-28", "write the date as 2027-02-28"
            yield _fault("date", vi, en, document=document, path=path)
        case Flag() if not isinstance(value, bool):
            yield _fault("type", "phải là true hoặc false", "must be true or false", document=document, path=path)
        case OneOf(values) if value not in values:
            allowed = ", ".join(values)
            vi, en = f"chỉ nhận một trong: {allowed}", f"must be one of: {allowed}"
            yield _fault("value", vi, en, document=document, path=path)
        case Items():
            vi = "phải là danh sách, mỗi dòng một mục bắt đầu bằng “- ”"
            yield _fault("type", vi, "must be a list, one “- item” a line", document=document, path=path)
        case Fields():
            vi, en = "phải là các dòng “khóa: giá trị”", "must be “key: value” lines"
            yield _fault("type", vi, en, document=document, path=path)


def _count(shape: Items, value: list[Any], document: Document, path: Steps) -> Iterator[Finding]:
    if len(value) < shape.least:
        vi, en = f"có {len(value)} mục, cần ít nhất {shape.least}", f"{len(value)} items, at least {shape.least} needed"
        yield _fault("too-few", vi, en, document=document, path=path)
    if len(value) > shape.most:
        vi, en = f"có {len(value)} mục, tối đa {shape.most}", f"{len(value)} items, at most {shape.most}"
        yield _fault("too-many", vi, en, document=document, path=path)


def _keys(shape: Fields, value: dict[str, Any], document: Document, path: Steps) -> Iterator[Finding]:
    for key, field in shape.fields.items():
        if field.required and key not in value:
            vi, en = f"thiếu “{key}” ({field.about})", f"“{key}” is missing"
            yield _fault("missing", vi, en, document=document, path=path)
    for key in value:
        if key not in shape.fields:
            near = get_close_matches(key, shape.fields, 1)
            vi = f"không có khóa này{f', có phải “{near[0]}”?' if near else ': hãy bỏ đi'}"
            en = f"unknown key{f', did you mean “{near[0]}”?' if near else ': remove it'}"
            yield _fault("unknown-key", vi, en, document=document, path=(*path, key))


def _fault(code: str, vi: str, en: str, *, document: Document, path: Steps) -> Finding:
    name = ".".join(str(step + 1 if isinstance(step, int) else step) for step in path)
    lead = f"“{name}”: " if name else ""
    return Finding("error", document.file, document.line(*path), code, lead + vi, lead + en)


def is_day(value: Any) -> bool:
    """True for text that names a real day as YYYY-MM-DD."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def json_schema(shape: Shape) -> dict[str, Any]:
    """The shape as JSON Schema (draft 2020-12), for completion and red underlines in an editor."""
    match shape:
        case Text():
            schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": shape.most}
            return schema | ({"pattern": f"^(?:{shape.pattern})$"} if shape.pattern else {})
        case Day():
            return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
        case Flag():
            return {"type": "boolean"}
        case OneOf():
            return {"enum": list(shape.values)}
        case OneOrMore():
            return {"anyOf": [json_schema(shape.item), {"type": "array", "items": json_schema(shape.item)}]}
        case Items():
            return {
                "type": "array",
                "items": json_schema(shape.item),
                "minItems": shape.least,
                "maxItems": shape.most,
            }
        case Fields():
            return {
                "type": "object",
                "properties": {
                    key: json_schema(field.shape) | {"description": field.about} for key, field in shape.fields.items()
                },
                "required": [key for key, field in shape.fields.items() if field.required],
                "additionalProperties": False,
            }


def _found(value: Any) -> tuple[str, str]:
    match value:
        case None:
            return "đang trống", "found nothing"
        case bool() | int() | float():
            return f"gặp {value}: hãy đặt trong ngoặc kép", f"found {value}: put it in quotes"
        case list():
            return "gặp danh sách", "found a list"
        case _:
            return "gặp các dòng “khóa: giá trị” (đặt câu có “: ” trong ngoặc kép)", "found a mapping: quote a “: ”"
