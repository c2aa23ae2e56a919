"""How OSSO speaks, as data: neutral first words, banned wordings, amounts and numbers. Pure; judges, never rewrites."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast
from unicodedata import normalize

from bot.knowledge.articles import Article
from bot.knowledge.places import COUNTRY_NAMES, Contact
from bot.knowledge.render import PARTS, section
from bot.knowledge.shape import Day, Field, Fields, Items, OneOf, Text
from bot.messages import Severity

FIRST = 40  # characters a lock screen may show

_PHRASES = Items(Text(120))
_PREFIXES = Items(Text(60))
STYLE = Fields(
    {
        "neutral": Field(_PHRASES, "từ không được có trong 40 ký tự đầu", required=True),
        "banned": Field(
            Items(
                Fields(
                    {
                        "say": Field(Text(120), "lời không dùng", required=True),
                        "instead": Field(Text(200), "nên viết thế nào", required=True),
                        "not": Field(_PHRASES, "trừ khi nằm trong các câu này"),
                        "in": Field(_PREFIXES, "chỉ các bài có mã bắt đầu như vậy"),
                        "not_in": Field(_PREFIXES, "bỏ qua các bài có mã bắt đầu như vậy"),
                        "severity": Field(OneOf(("error", "warning")), "error hoặc warning"),
                    }
                )
            ),
            "lời lẽ không dùng",
            required=True,
        ),
        "amounts": Field(_PHRASES, "số tiền đã kiểm chứng", required=True),
        "civil_status": Field(
            Fields(
                {
                    "until": Field(Day(), "ngày cuối cùng", required=True),
                    "laws": Field(_PHRASES, "chữ trong tên văn bản", required=True),
                    "articles": Field(_PREFIXES, "mã bài", required=True),
                }
            ),
            "các bài hộ tịch",
            required=True,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Banned:
    say: re.Pattern[str]
    instead: str
    but: re.Pattern[str] | None
    only: tuple[str, ...]
    exempt: tuple[str, ...]
    severity: Severity


@dataclass(frozen=True, slots=True)
class Style:
    """The rules of `style.yml`, ready to use. The empty `Style()` forbids nothing."""

    neutral: re.Pattern[str] | None = None
    banned: tuple[Banned, ...] = ()
    suspect: re.Pattern[str] | None = None  # hits wherever any banned wording does
    amounts: frozenset[str] = frozenset()
    civil_until: date = date.max
    civil_laws: tuple[str, ...] = ()
    civil_articles: frozenset[str] = frozenset()

    def civil(self, article: Article) -> bool:
        """Whether the article speaks of civil status, by its sources or its id."""
        laws = " ".join(source.law for source in article.sources).casefold()
        return article.id in self.civil_articles or any(law in laws for law in self.civil_laws)


def style(data: Mapping[str, Any]) -> Style:
    """The rules from data that has the shape `STYLE`."""
    civil = data["civil_status"]
    return Style(
        neutral=_words(data["neutral"]),
        banned=tuple(
            Banned(
                say=cast(re.Pattern[str], _words([rule["say"]])),
                instead=rule["instead"],
                but=_words(rule.get("not", ())),
                only=tuple(rule.get("in", ())),
                exempt=tuple(rule.get("not_in", ())),
                severity=rule.get("severity", "error"),
            )
            for rule in data["banned"]
        ),
        suspect=_words(rule["say"] for rule in data["banned"]),
        amounts=frozenset(map(_amount, data["amounts"])),
        civil_until=date.fromisoformat(civil["until"]),
        civil_laws=tuple(law.casefold() for law in civil["laws"]),
        civil_articles=frozenset(civil["articles"]),
    )


Path = tuple[str | int, ...]
Remark = tuple[Severity, str, str, str]  # severity, code, vi, en


def spoken(article: Article) -> Iterator[tuple[Path, str]]:
    """Every text of the article she may see, with its place in the file; her own questions are not among them."""
    yield ("title",), article.title
    yield ("short",), article.short
    for index, text in enumerate(article.answer):
        yield ("answer", index), text
    if article.variants:
        yield ("variants", "ask"), article.variants.ask
        for number, case in enumerate(article.variants.cases):
            yield ("variants", "cases", number, "label"), case.label
            for index, text in enumerate(case.answer):
                yield ("variants", "cases", number, "answer", index), text
    for index, text in enumerate(article.documents):
        yield ("documents", index), text
    for index, text in enumerate(article.steps):
        yield ("steps", index), text
    for key, text in (("where", article.where), ("cost", article.cost), ("time", article.time)):
        if text:
            yield (key,), text
    if article.escalate and article.escalate.text:
        yield ("escalate", "text"), article.escalate.text


def said(article: Article) -> Iterator[tuple[Path, str]]:
    """Every message the article can become, as it will stand on her screen."""
    for path, text in spoken(article):
        if path[0] in ("answer", "escalate") or path[-1] == "ask" or "answer" in path:
            yield path, text
    for part in PARTS:
        if part != "sources" and (text := section(article, part)):
            yield (part,), text


def remarks(text: str, *, article: str, rules: Style) -> Iterator[Remark]:
    """Banned wordings of one text of the article with that id."""
    lowered = _lowered(text)
    if not rules.suspect or not rules.suspect.search(lowered):
        return
    for rule in rules.banned:
        if rule.only and not article.startswith(rule.only):
            continue
        if rule.exempt and article.startswith(rule.exempt):
            continue
        spans = [hit.span() for hit in rule.but.finditer(lowered)] if rule.but else []
        for hit in rule.say.finditer(lowered):
            if any(start <= hit.start() and hit.end() <= end for start, end in spans):
                continue
            vi, en = f"không dùng “{hit[0]}”. Nên: {rule.instead}", f"“{hit[0]}” is not used here; see style.yml"
            yield rule.severity, "wording", vi, en


def loud(text: str, rules: Style) -> Iterator[Remark]:
    """A word in the first 40 characters of a message that a lock screen must not show."""
    first = " ".join(_lowered(text).split())
    if rules.neutral and (hit := rules.neutral.search(first)) and hit.start() < FIRST:
        vi = f"40 ký tự đầu có “{hit[0]}”: hãy mở đầu bằng lời trung tính rồi mới nói"
        yield "error", "loud-start", vi, f"“{hit[0]}” within the first 40 characters: begin neutrally"


_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}|(?:19|20)\d\d\s?[-–]\s?(?:19|20)\d\d|\d+(?:/\d+)+(?:/[\w-]+)*")
_AMOUNT = re.compile(
    r"\d[\d.,]*(?:\s?(?:nghìn|ngàn|trăm|triệu|tỷ|tỉ))?\s?(?:đồng|vnđ|vnd|đ|won|usd|đô la|đô|tệ|yên|đài tệ|ntd|%)(?!\w)"
    r"|\d[\d.,]*\s?(?:nghìn|ngàn|triệu|tỷ|tỉ)(?!\w)|(?:usd|ntd|₩|\$)\s?\d[\d.,]*",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\d\w])\+?\d(?:[ .-]?\d){7,}(?!\w)")
_SHORT = re.compile(r"(?<![\w.,/+-])\d{3,4}(?![\w/]|[.,]\d|[ .-]\d{3})")
_UNIT = re.compile(r"\s?(?:ngày|tháng|năm|giờ|tuổi|người|lần|bản|tờ|trang|km|m2|phút)(?!\w)")
_BEFORE = re.compile(r"(?:năm|điều|khoản|luật|nghị định|thông tư|quyết định|đề án|số hiệu|tháng|mẫu|án lệ)\s*$")
_DIAL = re.compile(r"(?:gọi|tổng đài|đường dây|hotline|số máy|bấm|điện thoại)[^.!?\d]{0,24}$")
_NAMES = {
    "vietnam": ("việt nam", "ở việt", "tại việt"),
    "korea": ("hàn quốc", "ở hàn", "bên hàn", "tại hàn"),
    "taiwan": ("đài loan", "ở đài", "bên đài"),
    "china": ("trung quốc",),
    "any": ("",),
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every number anyone wrote down: digits → countries where it may be shown, and those known but not to be shown."""

    shown: Mapping[str, frozenset[str]]
    hidden: frozenset[str]


def numbers(contacts: Iterable[Contact]) -> Numbers:
    shown: dict[str, frozenset[str]] = {}
    hidden: set[str] = set()
    for contact in contacts:
        for one in filter(None, re.split(r"[|,;]", contact.number)):
            digits = _digits(one)
            if contact.show:
                shown[digits] = shown.get(digits, frozenset()) | {contact.country}
            else:
                hidden.add(digits)
    return Numbers(shown, frozenset(hidden - set(shown)))


def figures(text: str, *, rules: Style, known: Numbers, near: str = "") -> Iterator[Remark]:
    """Amounts and phone numbers that stand in no verified list, and short numbers without their country.

    `near` is a text shown with this one (the label of its case), where the country may stand.
    """
    lowered = _lowered(text)
    bare = _DATE.sub(lambda hit: "x" * len(hit[0]), lowered)
    for hit in _AMOUNT.finditer(bare):
        if _amount(hit[0]) not in rules.amounts:
            vi = f"số tiền “{hit[0]}” chưa kiểm chứng: bỏ đi, hoặc thêm vào “amounts” của style.yml cùng nguồn"
            yield "error", "amount", vi, f"unverified amount “{hit[0]}”: remove it or add it to amounts in style.yml"
    bare = _AMOUNT.sub(lambda hit: "x" * len(hit[0]), bare)
    short = _PHONE.sub(lambda hit: "x" * len(hit[0]), bare)
    for hit in (*_PHONE.finditer(bare), *_SHORT.finditer(short)):
        digits = _digits(hit[0])
        before = bare[: hit.start()]
        if len(digits) < 5 and (_UNIT.match(bare, hit.end()) or _BEFORE.search(before)):
            continue
        if digits in known.shown:
            if not any(name in f"{lowered} {near.casefold()}" for at in known.shown[digits] for name in _NAMES[at]):
                names = " hoặc ".join(COUNTRY_NAMES[at] for at in sorted(known.shown[digits]))
                vi = f"số {hit[0]} phải đi cùng tên nước: “{hit[0]} ({names})”"
                yield "error", "number-country", vi, f"{hit[0]} must stand with its country"
        elif digits in known.hidden or len(digits) >= 8 or (len(digits) < 5 and _DIAL.search(before)):
            vi = f"số {hit[0]} chưa kiểm chứng: không được nói; kiểm chứng trong referrals.yml trước"
            yield "error", "number", vi, f"{hit[0]} is not verified: verify it in referrals.yml first"


def _words(phrases: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern for all phrases as whole words, the longest first."""
    ordered = sorted((" ".join(_lowered(phrase).split()) for phrase in phrases), key=len, reverse=True)
    joined = "|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in ordered)
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)") if joined else None


def _lowered(text: str) -> str:
    return normalize("NFC", text).lower()


def _digits(text: str) -> str:
    """Digits alone; Viet Nam's +84 written as a leading 0."""
    digits = re.sub(r"\D", "", text)
    return f"0{digits[2:]}" if text.strip().startswith("+84") else digits


def _amount(text: str) -> str:
    return re.sub(r"[\s.,]", "", _lowered(text))
