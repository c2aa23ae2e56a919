"""First words in danger: acknowledge, ask about safety, numbers with their country, and who is really there.

Pure but for reading the file. No word here asks why, names a method or promises an outcome; the lint sees to it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bot.messages import Category, Choice, Danger, Finding, Reply
from bot.yamlfile import Document, read

HOME = "vietnam"
CALLS = 3  # call buttons one message can carry on every channel
LONGEST, BUTTON, FIRST = 320, 20, 40  # characters: a message, a button, what a lock screen shows
YES, NO = "danger:yes", "danger:no"
_HOLE = re.compile(r"\{(\w*)\}")
_LOUD = re.compile(
    r"bạo|đánh|giết|chết|tự tử|tự hại|hiếp|xâm hại|nhốt|mua bán|công an|cảnh sát|nguy hiểm|khẩn cấp|ly hôn|cấp cứu|dọa"
)
_BANNED = re.compile(
    r"tại sao|vì sao|sao (chị|em|con) không|lẽ ra|đáng lẽ|thuốc|dây|nhảy|dao|cắt|hứa|chắc chắn sẽ|thành công|thất bại"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A telephone number, never printed without its country. `verified_on` is an ISO date."""

    id: str
    country: str
    dial: str
    label: str
    button: str
    verified_on: str


@dataclass(frozen=True, slots=True)
class Crisis:
    """The loaded texts. `lines`: country → category → number ids; `hear`: level → category → text."""

    numbers: Mapping[str, Number]
    lines: Mapping[str, Mapping[str, tuple[str, ...]]]
    hear: Mapping[str, Mapping[str, str]]
    who: Mapping[str, Mapping[str, str]]
    numbers_text: Mapping[str, str]
    check_buttons: tuple[str, str]

    def replies(self, danger: Danger, *, country: str, staffed: bool, opens: str) -> tuple[Reply, ...]:
        """What to say at once. CHECK: one question with two buttons. NONE: nothing."""
        if danger.level == "NONE":
            return ()
        texts = self.hear[danger.level]
        heard = texts.get(danger.category) or texts["default"]
        if danger.level == "CHECK":
            yes, no = self.check_buttons
            return (Reply(heard, (Choice(yes, payload=YES), Choice(no, payload=NO))),)
        home = self.numbers_for(HOME, danger.category)
        there = self.numbers_for(country, danger.category) if country != HOME else ()
        shown = (*there[: CALLS - 1], *home)[:CALLS] if there else home[:CALLS]
        text = self.numbers_text["abroad" if there else "home"]
        text = text.replace("{numbers}", _listed(there or home)).replace("{home}", _listed(home))
        who = "staffed" if staffed else "unstaffed" if opens else "no_hours"
        return (
            Reply(heard),
            Reply(text, tuple(Choice(number.button, phone=number.dial) for number in shown)),
            Reply(self.who[danger.level][who].replace("{opens}", opens)),
        )

    def numbers_for(self, country: str, category: Category) -> tuple[Number, ...]:
        """The numbers to print for a country, most fitting first; none for a country without verified ones."""
        lines = self.lines.get(country, {})
        return tuple(self.numbers[name] for name in lines.get(category) or lines.get("default", ()))


def _listed(numbers: tuple[Number, ...]) -> str:
    return "\n".join(f"• {number.label}" for number in numbers)


def load(path: Path) -> tuple[Crisis | None, list[Finding]]:
    """Reads one file. On any error there are no texts, and every fault is in the findings."""
    document, findings = read(path)
    if document is None or any(f.severity == "error" for f in findings):
        return None, findings
    crisis = _build(document, findings)
    return (None if any(f.severity == "error" for f in findings) else crisis), findings


def stale(crisis: Crisis, today: datetime.date, days: int = 90) -> list[Finding]:
    """A warning for each number that nobody verified within `days`."""
    oldest = (today - datetime.timedelta(days=days)).isoformat()
    return [
        Finding(
            "warning",
            "crisis.yml",
            1,
            "stale-number",
            f"số {n.dial} ({n.country}) kiểm tra lần cuối {n.verified_on}, quá {days} ngày",
            f"{n.dial} ({n.country}) was last verified on {n.verified_on}, over {days} days ago",
        )
        for n in crisis.numbers.values()
        if n.verified_on < oldest
    ]


def _build(doc: Document, findings: list[Finding]) -> Crisis | None:
    def fault(code: str, vi: str, en: str, *path: str | int) -> None:
        findings.append(Finding("error", doc.file, doc.line(*path), code, vi, en))

    data: Any = doc.data
    sections = {"numbers": list, "lines": dict, "numbers_text": dict, "who": dict, "hear": dict, "check_buttons": list}
    if not isinstance(data, dict):
        fault("mapping", "tệp phải là các khóa", "the file must be a mapping")
        return None
    for key in data.keys() - sections.keys() - {"version", "author"}:
        fault("unknown-key", f"không có khóa “{key}”", f"unknown key “{key}”", key)
    bad = [name for name, kind in sections.items() if not isinstance(data.get(name), kind)]
    for name in bad:
        fault("shape", f"thiếu “{name}” hoặc sai kiểu", f"“{name}” is missing or of the wrong shape", name)
    if bad:
        return None
    numbers = _numbers(data, fault)
    lines = _lines(data, numbers, fault)
    hear = {level: _texts(data, ("hear", level), set(), fault) for level in ("RED", "AMBER", "CHECK")}
    for level, texts in hear.items():
        if "default" not in texts:
            fault("missing", f"{level} thiếu “default”", f"{level} needs a default", "hear", level)
        for category in texts.keys() - {*get_args(Category), "default"}:
            fault("category", f"không có loại “{category}”", f"no category “{category}”", "hear", level, category)
    who = {
        level: _section(data, ("who", level), ("staffed", "unstaffed", "no_hours"), fault) for level in ("RED", "AMBER")
    }
    shape = _section(data, ("numbers_text",), ("home", "abroad"), fault)
    buttons = [str(b) for b in data["check_buttons"]]
    if len(buttons) != 2 or any(len(b) > BUTTON for b in buttons):
        fault("buttons", "cần đúng hai nút, mỗi nút ≤ 20 ký tự", "exactly two buttons of ≤ 20 letters", "check_buttons")
        return None
    return Crisis(numbers, lines, hear, who, shape, (buttons[0], buttons[1]))


def _numbers(data: Any, fault: Any) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for index, item in enumerate(data["numbers"]):
        path = ("numbers", index)
        if not isinstance(item, dict) or set(item) != {"id", "country", "dial", "label", "button", "verified_on"}:
            fault(
                "number", "số cần id, country, dial, label, button, verified_on", "a number needs all six keys", *path
            )
            continue
        number = Number(**{key: str(value) for key, value in item.items()})
        if number.id in numbers:
            fault("duplicate", f"trùng số “{number.id}”", f"duplicate number “{number.id}”", *path)
        if len(number.button) > BUTTON:
            fault("button", "nút dài quá 20 ký tự", "a button over 20 characters", *path, "button")
        if "(" not in number.label:
            fault("country", "số phải in kèm tên nước", "the label must print its country", *path, "label")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", number.verified_on):
            fault("date", "verified_on phải là ngày năm-tháng-ngày", "verified_on: YYYY-MM-DD", *path, "verified_on")
        numbers[number.id] = number
    return numbers


def _lines(data: Any, numbers: Mapping[str, Number], fault: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    lines: dict[str, dict[str, tuple[str, ...]]] = {}
    for country, groups in data["lines"].items():
        lines[country] = {}
        for category, names in (groups if isinstance(groups, dict) else {}).items():
            lines[country][category] = tuple(n for n in names if n in numbers) if isinstance(names, list) else ()
            for name in names if isinstance(names, list) else [names]:
                if name not in numbers or numbers[name].country != country:
                    fault("number", f"“{name}” không phải số của {country}", f"no {country} number “{name}”",
                          "lines", country, category)  # fmt: skip
    if not lines.get(HOME, {}).get("default"):
        fault("missing", "thiếu số của Việt Nam", "Viet Nam's default numbers are missing", "lines")
    return lines


def _section(data: Any, path: tuple[str, ...], names: tuple[str, ...], fault: Any) -> dict[str, str]:
    texts = _texts(data, path, {"opens"} if path[0] == "who" else {"numbers", "home"}, fault)
    for name in names:
        if name not in texts:
            fault("missing", f"thiếu “{name}”", f"missing “{name}”", *path)
    return {name: texts.get(name, "") for name in names}


def _texts(data: Any, path: tuple[str, ...], holes: set[str], fault: Any) -> dict[str, str]:
    """Named texts, each held against the rules for words said in danger."""
    items = data
    for key in path:
        items = items.get(key) if isinstance(items, dict) else None
    texts: dict[str, str] = {}
    for name, text in (items if isinstance(items, dict) else {}).items():
        where = (*path, name)
        if not isinstance(text, str) or not text.strip():
            fault("text", "phải là chữ", "must be text", *where)
            continue
        texts[name] = text
        if len(text) > LONGEST:
            fault("long", f"dài {len(text)} ký tự, quá {LONGEST}", f"{len(text)} characters, over {LONGEST}", *where)
        if loud := _LOUD.search(text[:FIRST].lower()):
            fault("loud", f"40 ký tự đầu có “{loud[0]}”", f"“{loud[0]}” within the first 40 characters", *where)
        if banned := _BANNED.search(text.lower()):
            fault("banned", f"không nói “{banned[0]}” lúc này", f"“{banned[0]}” is not to be said here", *where)
        for hole in set(_HOLE.findall(text)) - holes:
            fault("hole", f"không có chỗ trống {{{hole}}}", f"no such hole {{{hole}}}", *where)
    return texts
