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
SOURCE, LOCALES = "vi", ("vi", "ko", "en")
LONGEST, BUTTON, FIRST = 320, 20, 40  # characters: a message, a button, what a lock screen shows
YES, NO = "danger:yes", "danger:no"
_HOLE = re.compile(r"\{(\w*)\}")
_LOUD: Mapping[str, re.Pattern[str]] = {  # what a watcher must not read on the lock screen
    "vi": re.compile(
        r"bạo|đánh|giết|chết|tự tử|tự hại|hiếp|xâm hại|nhốt|mua bán|công an|cảnh sát|nguy hiểm|khẩn cấp|ly hôn|cấp cứu"
        r"|dọa"
    ),
    "ko": re.compile(
        r"폭력|폭행|학대|때[리려]|맞(고|았|는)|죽|자살|자해|성폭|강간|감금|인신매매|경찰|위험|응급|긴급|이혼|구급|협박"
    ),
    "en": re.compile(
        r"violen|abus|beat|hit|kill|dead|death|\bdie|suicid|harm|rape|assault|locked|traffick|police|danger|emergenc"
        r"|divorce|ambulance|threat"
    ),
}
_BANNED: Mapping[str, re.Pattern[str]] = {  # blame, ways to do harm, promises
    "vi": re.compile(
        r"tại sao|vì sao|sao (chị|em|con) không|lẽ ra|đáng lẽ|thuốc|dây|nhảy|dao|cắt|hứa|chắc chắn sẽ|thành công"
        r"|thất bại"
    ),
    "ko": re.compile(r"왜|했어야|수면제|약물|약을|밧줄|노끈|끈으로|뛰어내|칼|베[어었]|약속|반드시|성공|실패"),
    "en": re.compile(
        r"\bwhy\b|should have|ought to|\bpills?\b|\bdrugs?\b|\brope|\bjump|\bknife|\bcut\b|promise|certainly|guarantee"
        r"|succe|\bfail"
    ),
}


@dataclass(frozen=True, slots=True)
class Number:
    """A telephone number, never printed without its country; `label` and `button` by locale. `verified_on` is an ISO
    date."""

    id: str
    country: str
    dial: str
    label: Mapping[str, str]
    button: Mapping[str, str]
    verified_on: str


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language. `hear`: level → category → text; `who`: level → whether somebody is there → text."""

    hear: Mapping[str, Mapping[str, str]]
    who: Mapping[str, Mapping[str, str]]
    numbers_text: Mapping[str, str]
    check_buttons: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Crisis:
    """The loaded texts. `lines`: country → category → number ids; `words`: locale → texts, every locale complete."""

    numbers: Mapping[str, Number]
    lines: Mapping[str, Mapping[str, tuple[str, ...]]]
    words: Mapping[str, Words]

    def replies(self, danger: Danger, *, country: str, staffed: bool, opens: str, locale: str) -> tuple[Reply, ...]:
        """What to say at once, in her language. CHECK: one question with two buttons. NONE: nothing."""
        if danger.level == "NONE":
            return ()
        locale = locale if locale in self.words else SOURCE
        words = self.words[locale]
        texts = words.hear[danger.level]
        heard = texts.get(danger.category) or texts["default"]
        if danger.level == "CHECK":
            yes, no = words.check_buttons
            return (Reply(heard, (Choice(yes, payload=YES), Choice(no, payload=NO))),)
        home = self.numbers_for(HOME, danger.category)
        there = self.numbers_for(country, danger.category) if country != HOME else ()
        shown = (*there[: CALLS - 1], *home)[:CALLS] if there else home[:CALLS]
        who = "staffed" if staffed else "unstaffed" if opens else "no_hours"
        return (
            Reply(heard),
            Reply(
                _listing(words, there, home, locale=locale),
                tuple(Choice(number.button[locale], phone=number.dial) for number in shown),
            ),
            Reply(words.who[danger.level][who].replace("{opens}", opens)),
        )

    def numbers_for(self, country: str, category: str) -> tuple[Number, ...]:
        """The numbers to print for a country, most fitting first; none for a country without verified ones."""
        lines = self.lines.get(country, {})
        return tuple(self.numbers[name] for name in lines.get(category) or lines.get("default", ()))


def _listing(words: Words, there: tuple[Number, ...], home: tuple[Number, ...], *, locale: str) -> str:
    """The numbers as she reads them: where she may be, and at home."""

    def listed(numbers: tuple[Number, ...]) -> str:
        return "\n".join(f"• {number.label[locale]}" for number in numbers)

    text = words.numbers_text["abroad" if there else "home"]
    return text.replace("{numbers}", listed(there or home)).replace("{home}", listed(home))


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
    sections = {"numbers": list, "lines": dict, "words": dict}
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
    for key in data["words"].keys() - set(LOCALES):
        fault("unknown-key", f"không có thứ tiếng “{key}”", f"unknown language “{key}”", "words", key)
    numbers = _numbers(data, fault)
    lines = _lines(data, numbers, fault)
    spoken = {locale: _words(data, locale, fault) for locale in LOCALES}
    words = {locale: found for locale, found in spoken.items() if found}
    _alike(words, fault)
    for locale, found in words.items():
        _check_listings(Crisis(numbers, lines, words), locale, found, fault)
    return Crisis(numbers, lines, words) if len(words) == len(LOCALES) else None


def _words(data: Any, locale: str, fault: Any) -> Words | None:
    """The texts of one language, or None when its shape is wrong; every fault is told."""
    given = data["words"].get(locale)
    shapes = {"numbers_text": dict, "who": dict, "hear": dict, "check_buttons": list}
    if not isinstance(given, dict):
        fault("shape", f"thiếu lời bằng tiếng “{locale}”", f"the texts in “{locale}” are missing", "words")
        return None
    for key in given.keys() - shapes.keys():
        fault("unknown-key", f"không có khóa “{key}”", f"unknown key “{key}”", "words", locale, key)
    bad = [name for name, kind in shapes.items() if not isinstance(given.get(name), kind)]
    for name in bad:
        fault("shape", f"{locale}: thiếu “{name}”", f"{locale}: “{name}” is missing", "words", locale)
    if bad:
        return None
    hear = {level: _texts(data, (locale, "hear", level), set(), fault) for level in ("RED", "AMBER", "CHECK")}
    for level, texts in hear.items():
        if "default" not in texts:
            fault("missing", f"{level} thiếu “default”", f"{level} needs a default", "words", locale, "hear", level)
        for category in texts.keys() - {*get_args(Category), "default"}:
            en = f"no category “{category}”"
            fault("category", f"không có loại “{category}”", en, "words", locale, "hear", level, category)
    who = {
        level: _section(data, (locale, "who", level), ("staffed", "unstaffed", "no_hours"), fault)
        for level in ("RED", "AMBER")
    }
    shape = _section(data, (locale, "numbers_text"), ("home", "abroad"), fault)
    buttons = [str(b) for b in given["check_buttons"]]
    if len(buttons) != 2 or any(len(b) > BUTTON for b in buttons):
        en = "exactly two buttons of ≤ 20 letters"
        fault("buttons", "cần đúng hai nút, mỗi nút ≤ 20 ký tự", en, "words", locale, "check_buttons")
        return None
    return Words(hear, who, shape, (buttons[0], buttons[1]))


def _alike(words: Mapping[str, Words], fault: Any) -> None:
    """Each language says something of its own to every kind of danger that Vietnamese does."""
    if SOURCE not in words:
        return
    for locale, found in words.items():
        for level, texts in words[SOURCE].hear.items():
            for category in sorted(texts.keys() - found.hear[level].keys()):
                vi = f"tiếng “{locale}” thiếu lời cho {level} {category}"
                fault("missing", vi, f"{locale}: no text for {level} {category}", "words", locale, "hear", level)


def _check_listings(crisis: Crisis, locale: str, words: Words, fault: Any) -> None:
    """The list of numbers is held against length and lock screen as it will really be read."""
    for country, groups in crisis.lines.items():
        for category in groups:
            there = crisis.numbers_for(country, category) if country != HOME else ()
            home = crisis.numbers_for(HOME, category)
            if any(locale not in number.label for number in (*there, *home)):
                continue  # told already
            text = _listing(words, there, home, locale=locale)
            where = ("words", locale, "numbers_text")
            if len(text) > LONGEST:
                vi = f"{locale}: danh sách số của {country} dài {len(text)} ký tự"
                fault("long", vi, f"{locale}: the numbers of {country} make {len(text)} characters", *where)
            if loud := _LOUD[locale].search(text[:FIRST].lower()):
                fault("loud", f"40 ký tự đầu có “{loud[0]}”", f"“{loud[0]}” within the first 40 characters", *where)


def _numbers(data: Any, fault: Any) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    for index, item in enumerate(data["numbers"]):
        path = ("numbers", index)
        if not isinstance(item, dict) or set(item) != {"id", "country", "dial", "label", "button", "verified_on"}:
            fault(
                "number", "số cần id, country, dial, label, button, verified_on", "a number needs all six keys", *path
            )
            continue
        spoken = {name: _spoken(item[name]) for name in ("label", "button")}
        if any(set(spoken[name]) != set(LOCALES) for name in spoken):
            vi = f"label và button cần đủ {', '.join(LOCALES)}"
            fault("number", vi, f"label and button need {', '.join(LOCALES)}", *path)
            continue
        number = Number(
            str(item["id"]),
            str(item["country"]),
            str(item["dial"]),
            spoken["label"],
            spoken["button"],
            str(item["verified_on"]),
        )
        if number.id in numbers:
            fault("duplicate", f"trùng số “{number.id}”", f"duplicate number “{number.id}”", *path)
        if any(len(title) > BUTTON for title in number.button.values()):
            fault("button", "nút dài quá 20 ký tự", "a button over 20 characters", *path, "button")
        if any("(" not in label for label in number.label.values()):
            fault("country", "số phải in kèm tên nước", "the label must print its country", *path, "label")
        if any(number.dial not in label for label in number.label.values()):
            fault("number", "label phải có đúng số gọi", "the label must print the number itself", *path, "label")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", number.verified_on):
            fault("date", "verified_on phải là ngày năm-tháng-ngày", "verified_on: YYYY-MM-DD", *path, "verified_on")
        numbers[number.id] = number
    return numbers


def _spoken(value: object) -> dict[str, str]:
    """Locale → text, of what may be anything at all."""
    return {str(key): str(text) for key, text in value.items() if str(text).strip()} if isinstance(value, dict) else {}


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
    texts = _texts(data, path, {"opens"} if path[1] == "who" else {"numbers", "home"}, fault)
    for name in names:
        if name not in texts:
            fault("missing", f"thiếu “{name}”", f"missing “{name}”", "words", *path)
    return {name: texts.get(name, "") for name in names}


def _texts(data: Any, path: tuple[str, ...], holes: set[str], fault: Any) -> dict[str, str]:
    """Named texts of one language, each held against the rules for words said in danger. `path`: locale, keys…"""
    items, locale = data["words"], path[0]
    for key in path:
        items = items.get(key) if isinstance(items, dict) else None
    texts: dict[str, str] = {}
    for name, text in (items if isinstance(items, dict) else {}).items():
        where = ("words", *path, name)
        if not isinstance(text, str) or not text.strip():
            fault("text", "phải là chữ", "must be text", *where)
            continue
        texts[name] = text
        if len(text) > LONGEST:
            fault("long", f"dài {len(text)} ký tự, quá {LONGEST}", f"{len(text)} characters, over {LONGEST}", *where)
        if loud := _LOUD[locale].search(text[:FIRST].lower()):
            fault("loud", f"40 ký tự đầu có “{loud[0]}”", f"“{loud[0]}” within the first 40 characters", *where)
        if banned := _BANNED[locale].search(text.lower()):
            fault("banned", f"không nói “{banned[0]}” lúc này", f"“{banned[0]}” is not to be said here", *where)
        for hole in set(_HOLE.findall(text)) - holes:
            fault("hole", f"không có chỗ trống {{{hole}}}", f"no such hole {{{hole}}}", *where)
    return texts
