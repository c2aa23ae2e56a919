"""One article: its values, the shape of its file, and its content hash.

Pure: text in, values out. An article that is not of the right shape never becomes an `Article`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Literal
from unicodedata import is_normalized, normalize

from bot.knowledge.shape import BEARABLE, Day, Field, Fields, Items, OneOf, OneOrMore, Text, faults
from bot.messages import Finding, Skill
from bot.yamlfile import Document

Status = Literal["draft", "reviewed", "published"]
Slot = Literal["country", "province"]

TOPICS = ("legal", "vocational", "psychological", "child", "general")
COUNTRIES = ("korea", "taiwan", "china", "japan", "malaysia", "cambodia", "vietnam", "other")
SKILLS = ("legal", "psychological", "vocational", "child", "social")
ID = r"[a-z0-9]+(-[a-z0-9]+)*"
_UNSTATED = ("hash", "questions", "confirm", "review")
MESSAGE = 320  # characters one message may have


@dataclass(frozen=True, slots=True)
class Case:
    """One way the answer differs. `values` are country or province ids; `other` fits any value no case names."""

    values: tuple[str, ...]
    label: str
    answer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variants:
    slot: Slot
    ask: str
    cases: tuple[Case, ...]

    def case(self, value: str) -> Case | None:
        """The case for a slot value, else the case `other`, else nothing; nothing for an empty value."""
        if not value:
            return None
        return next((case for name in (value, "other") for case in self.cases if name in case.values), None)


@dataclass(frozen=True, slots=True)
class Escalate:
    """When a person is offered (`offer`: a button; `always`: a ticket at once) and which skill she needs."""

    when: Literal["offer", "always"]
    skill: Skill
    text: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a stated fact stands. `mark`: S = a public page quotes the act, S2 = secondary, to be confirmed."""

    law: str
    article: str
    link: str
    checked: str
    mark: Literal["S", "S2"]


@dataclass(frozen=True, slots=True)
class Review:
    status: Status
    by: str = ""
    on: str = ""


@dataclass(frozen=True, slots=True)
class Article:
    """`hash` names what is stated: it covers all she can be told and its sources, not `questions`, `confirm`, `review`.

    So a phrasing may be added without a new legal review, and no word of an answer can change without one.
    """

    id: str
    topic: str
    title: str
    short: str
    questions: tuple[str, ...]
    answer: tuple[str, ...]
    variants: Variants | None
    documents: tuple[str, ...]
    steps: tuple[str, ...]
    where: str
    cost: str
    time: str
    follow_ups: tuple[str, ...]
    escalate: Escalate | None
    sources: tuple[Citation, ...]
    basis: str
    confirm: tuple[str, ...]
    review: Review
    valid_until: date
    hash: str

    @property
    def status(self) -> Status:
        return self.review.status

    @property
    def asked(self) -> tuple[str, ...]:
        """All the ways of asking for it, the name on its button too."""
        return (*self.questions, self.short)

    @property
    def said(self) -> str:
        """All that she can be told, as one text."""
        cases = [line for case in (self.variants.cases if self.variants else ()) for line in case.answer]
        parts = (*self.answer, *cases, *self.documents, *self.steps, self.where, self.cost, self.time)
        return "\n".join(part for part in parts if part)

    def valid(self, today: date) -> bool:
        """Whether it may be used on this day; `valid_until` is the last such day."""
        return today <= self.valid_until


_LINE = Text(MESSAGE)
_DAY = Day()

ARTICLE = Fields(
    {
        "id": Field(Text(60, ID, "leg-an-phi-ly-hon"), "mã bài, không đổi, trùng tên tệp", required=True),
        "title": Field(Text(80), "câu hỏi ngắn mà chị ấy nhận ra ngay", required=True),
        "short": Field(Text(20), "tên nút bấm, không trùng bài khác", required=True),
        "questions": Field(Items(Text(300), 5), "các cách chị em thật sự hỏi, mỗi dòng một câu", required=True),
        "answer": Field(Items(_LINE, 1, 3), "1–3 tin nhắn: việc cần làm trước, vì sao sau", required=True),
        "variants": Field(
            Fields(
                {
                    "slot": Field(OneOf(("country", "province")), "câu trả lời khác nhau theo gì", required=True),
                    "ask": Field(Text(160), "MỘT câu hỏi để biết trường hợp của chị ấy", required=True),
                    "cases": Field(
                        Items(
                            Fields(
                                {
                                    "value": Field(
                                        OneOrMore(Text(40, ID, "korea")), "nước hoặc tỉnh, một hay nhiều", required=True
                                    ),
                                    "label": Field(Text(20), "tên nút bấm", required=True),
                                    "answer": Field(
                                        Items(_LINE, 1, 2), "1–2 tin nhắn nói thêm sau phần chung", required=True
                                    ),
                                }
                            ),
                            2,
                        ),
                        "các trường hợp",
                        required=True,
                    ),
                }
            ),
            "chỉ dùng khi câu trả lời thật sự khác nhau theo nước hoặc tỉnh",
        ),
        "documents": Field(Items(_LINE, 1), "giấy tờ cần có"),
        "steps": Field(Items(_LINE, 1), "các bước"),
        "where": Field(_LINE, "đến đâu: chỉ cấp xã và cấp tỉnh"),
        "cost": Field(Text(160), "chi phí, chỉ khi có nguồn"),
        "time": Field(Text(160), "thời gian, chỉ khi có nguồn"),
        "follow_ups": Field(Items(Text(60, ID, "leg-an-phi-ly-hon"), 0, 3), "mã các bài liên quan"),
        "escalate": Field(
            Fields(
                {
                    "when": Field(OneOf(("offer", "always")), "offer = nút mời; always = chuyển ngay", required=True),
                    "skill": Field(OneOf(SKILLS), "chuyên môn của tư vấn viên", required=True),
                    "text": Field(Text(160), "một câu mời gặp tư vấn viên"),
                }
            ),
            "khi nào mời gặp tư vấn viên",
        ),
        "sources": Field(
            Items(
                Fields(
                    {
                        "law": Field(Text(300), "tên văn bản hoặc nguồn", required=True),
                        "article": Field(Text(200), "điều, khoản"),
                        "link": Field(Text(500), "trang hoặc địa chỉ", required=True),
                        "checked": Field(_DAY, "ngày kiểm tra", required=True),
                        "mark": Field(OneOf(("S", "S2")), "S = nguồn công khai; S2 = cần xác nhận lại", required=True),
                    }
                )
            ),
            "nguồn của mọi điều đã nói",
            required=True,
        ),
        "basis": Field(Text(600), "căn cứ khi không có nguồn luật"),
        "confirm": Field(Items(Text(600)), "điều văn phòng phải xác nhận trước khi đăng (chị ấy không thấy)"),
        "review": Field(
            Fields(
                {
                    "status": Field(OneOf(("draft", "reviewed", "published")), "tình trạng duyệt", required=True),
                    "by": Field(Text(80), "người duyệt"),
                    "on": Field(_DAY, "ngày duyệt"),
                }
            ),
            "tình trạng duyệt",
            required=True,
        ),
        "valid_until": Field(_DAY, "ngày cuối cùng còn được dùng", required=True),
    }
)


def article(document: Document, topic: str) -> tuple[Article | None, list[Finding]]:
    """The article of a file in the folder `topic`, with every fault of its shape; no article when a fault is grave."""
    data = _nfc(_without_blank(document.data))
    findings = list(faults(ARTICLE, data, document=document))
    findings += _nfd(document)
    if any(finding.severity == "error" and finding.code not in BEARABLE for finding in findings):
        return None, findings
    stem = document.file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    if data["id"] != stem:
        vi = f"“id” là “{data['id']}” nhưng tên tệp là “{stem}”: hai tên phải trùng nhau"
        en = f"“id” is “{data['id']}” but the file is called “{stem}”: make them equal"
        return None, [*findings, Finding("error", document.file, document.line("id"), "id", vi, en)]
    return _article(data, topic), findings


def content_hash(of: Article) -> str:
    """16 hex digits of SHA-256 over canonical JSON of what the article states; layout of the file does not matter."""
    stated = {key: value for key, value in asdict(of).items() if key not in _UNSTATED and value}
    text = json.dumps(stated, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=date.isoformat)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _article(data: dict[str, Any], topic: str) -> Article:
    variants = data.get("variants")
    escalate = data.get("escalate")
    made = Article(
        id=data["id"],
        topic=topic,
        title=data["title"],
        short=data["short"],
        questions=tuple(data["questions"]),
        answer=tuple(data["answer"]),
        variants=variants
        and Variants(
            variants["slot"],
            variants["ask"],
            tuple(Case(_many(case["value"]), case["label"], tuple(case["answer"])) for case in variants["cases"]),
        ),
        documents=tuple(data.get("documents", ())),
        steps=tuple(data.get("steps", ())),
        where=data.get("where", ""),
        cost=data.get("cost", ""),
        time=data.get("time", ""),
        follow_ups=tuple(data.get("follow_ups", ())),
        escalate=escalate and Escalate(escalate["when"], escalate["skill"], escalate.get("text", "")),
        sources=tuple(
            Citation(source["law"], source.get("article", ""), source["link"], source["checked"], source["mark"])
            for source in data["sources"]
        ),
        basis=data.get("basis", ""),
        confirm=tuple(data.get("confirm", ())),
        review=Review(**data["review"]),
        valid_until=date.fromisoformat(data["valid_until"]),
        hash="",
    )
    return replace(made, hash=content_hash(made))


def _many(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _without_blank(data: Any) -> Any:
    """`article: ""` in a source, `by: ""` and `on: ""` in a review mean the same as leaving the line out."""
    if not isinstance(data, dict):
        return data
    data = dict(data)
    if isinstance(sources := data.get("sources"), list):
        data["sources"] = [_drop(source, "article") for source in sources]
    if "review" in data:
        data["review"] = _drop(data["review"], "by", "on")
    return data


def _drop(value: Any, *keys: str) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: held for key, held in value.items() if held != "" or key not in keys}


def _nfc(value: Any) -> Any:
    match value:
        case str():
            return normalize("NFC", value)
        case list():
            return [_nfc(item) for item in value]
        case dict():
            return {normalize("NFC", key): _nfc(item) for key, item in value.items()}
        case _:
            return value


def _nfd(document: Document) -> Iterator[Finding]:
    """One warning for a file saved with decomposed letters; they are composed when read."""

    def composed(value: Any) -> bool:
        match value:
            case str():
                return is_normalized("NFC", value)
            case list():
                return all(map(composed, value))
            case dict():
                return all(composed(key) and composed(item) for key, item in value.items())
            case _:
                return True

    if not composed(document.data):
        vi = "chữ Việt trong tệp ở dạng tách dấu (NFD): hãy lưu lại dạng NFC, hoặc lưu bằng trang soạn thảo"
        yield Finding("warning", document.file, 1, "nfd", vi, "decomposed letters (NFD): save as NFC")
