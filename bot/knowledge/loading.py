"""The whole of `knowledge/` as one value. Reads files; writes none; refuses with every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from bot import yamlfile
from bot.errors import ContentError
from bot.knowledge.articles import COUNTRIES, TOPICS, Article, article
from bot.knowledge.places import OFFICES, PROVINCES, REFERRALS, Contact, Office, Province, Referral, contact, province
from bot.knowledge.shape import BEARABLE, Shape, faults
from bot.messages import Finding
from bot.yamlfile import Document

ARTICLE_BYTES = 128_000  # some 1,500 questions; parsing more would hold up the talk going on meanwhile

Place = TypeVar("Place", Contact, Province)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything people may say and what is true, keyed by id, in file order.

    `approved` are the versions that are out by the record of approvals, or None where no record is kept.
    """

    articles: Mapping[str, Article] = field(default_factory=dict)
    offices: Mapping[str, Office] = field(default_factory=dict)
    referrals: Mapping[str, Referral] = field(default_factory=dict)
    provinces: Mapping[str, Province] = field(default_factory=dict)
    approved: Mapping[str, Article] | None = None

    def serving(self, *, drafts: bool, today: date) -> tuple[Article, ...]:
        """The articles that may be said on this day.

        With `drafts`, every valid article as its file stands. Without, the approved versions: an article edited since
        is told in its old words until the new ones are approved. Where no record is kept, what calls itself published.
        """
        if drafts or self.approved is None:
            held = [found for found in self.articles.values() if drafts or found.status == "published"]
        else:
            held = list(self.approved.values())
        return tuple(found for found in held if found.valid(today))

    def expired(self, today: date) -> tuple[Article, ...]:
        """The articles withdrawn because their last day has passed."""
        return tuple(found for found in self.articles.values() if not found.valid(today))

    def province_of(self, name: str) -> Province | None:
        """The present province for its id or any old, new or other name, exactly written but for case."""
        wanted = name.casefold()
        for found in self.provinces.values():
            if wanted in map(str.casefold, found.names):
                return found
        return None


def titles(articles: Iterable[Article]) -> dict[str, str]:
    """id → title."""
    return {found.id: found.title for found in articles}


def shorts(articles: Iterable[Article]) -> dict[str, str]:
    """id → button title."""
    return {found.id: found.short for found in articles}


def examples(articles: Iterable[Article]) -> list[tuple[str, str]]:
    """(question, article id) for every question, the title counted as one: what a matcher learns from."""
    return [(text, found.id) for found in articles for text in dict.fromkeys((found.title, *found.questions))]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What was read: the knowledge that could be built, the documents with their lines, and the faults of shape.

    `documents` is keyed by file name below the root; `files` by article id.
    """

    knowledge: Knowledge
    documents: Mapping[str, Document]
    files: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def grave(self) -> tuple[Finding, ...]:
        """The errors for which loading refuses the whole."""
        return tuple(found for found in self.findings if found.severity == "error" and found.code not in BEARABLE)


Parsed = tuple[Document | None, Article | None, tuple[Finding, ...]]
Read = Callable[[Path, Path, str], Parsed]


def read_article(path: Path, root: Path, topic: str) -> Parsed:
    """One article file: its document, its article when the shape allows, its faults."""
    document, findings = yamlfile.read(path, root=root, most=ARTICLE_BYTES)
    return _shaped(document, findings, topic)


def parse_article(raw: bytes, name: str, topic: str) -> Parsed:
    """The same from bytes, for an editor that has not saved yet."""
    document, findings = yamlfile.parse(raw, name, most=ARTICLE_BYTES)
    return _shaped(document, findings, topic)


@lru_cache(maxsize=1_000)
def version(name: str, digest: str, text: str) -> Article | None:
    """An article as it stood when its words had this hash; the folder it lay in then is part of the hash."""
    for topic in TOPICS:
        _, found, _ = parse_article(text.encode(), f"{topic}/{name}.yml", topic)
        if found and found.hash == digest:
            return found
    return None


def article_files(root: Path) -> list[tuple[Path, str]]:
    """(path, topic) of every article file, in a fixed order."""
    return [(path, topic) for topic in TOPICS for path in sorted((root / topic).glob("*.yml"))]


def read(root: Path, *, parsed: Read = read_article) -> Shelf:
    """Reads `root` whole and never raises on content. `parsed` may remember files that did not change."""
    documents: dict[str, Document] = {}
    articles: dict[str, Article] = {}
    files: dict[str, str] = {}
    findings: list[Finding] = []
    shorts_seen: dict[str, str] = {}
    stray = [path for topic in TOPICS for path in sorted((root / topic).glob("*")) if path.suffix != ".yml"]
    for path in stray:
        name = path.relative_to(root).as_posix()
        if not path.name.startswith("."):
            findings.append(_warning(name, "stray", "chỉ tệp .yml mới được đọc", "only .yml files are read"))
    for path, topic in article_files(root):
        document, found, faults_found = parsed(path, root, topic)
        findings += faults_found
        if document is None:
            continue
        documents[document.file] = document
        if found is None:
            continue
        if found.id in articles:
            other = files[found.id]
            vi, en = f"mã “{found.id}” đã có trong {other}", f"the id “{found.id}” is already used in {other}"
            findings.append(Finding("error", document.file, document.line("id"), "same-id", vi, en))
            continue
        if (key := found.short.casefold()) in shorts_seen:
            other = shorts_seen[key]
            vi, en = f"tên nút “{found.short}” đã dùng ở {other}", f"“{found.short}” is already the button of {other}"
            findings.append(Finding("error", document.file, document.line("short"), "same-short", vi, en))
        shorts_seen[key] = document.file
        articles[found.id] = found
        files[found.id] = document.file
    provinces, wrong = _places(root, "provinces", shape=PROVINCES, build=province, documents=documents)
    offices, wrong_too = _places(root, "offices", shape=OFFICES, build=contact, documents=documents)
    referrals, wrong_also = _places(root, "referrals", shape=REFERRALS, build=contact, documents=documents)
    findings += wrong + wrong_too + wrong_also
    knowledge = Knowledge(MappingProxyType(articles), offices, referrals, provinces)
    findings += _links(knowledge, documents, files)
    order = sorted(findings, key=lambda found: (found.file, found.line))
    return Shelf(knowledge, MappingProxyType(documents), MappingProxyType(files), tuple(order))


def load(root: Path) -> Knowledge:
    """The knowledge below `root`.

    Raises `ContentError` with all faults that would break a conversation: unreadable files, wrong shapes, equal ids or
    button titles. Wording, length, links and dates are for `check`, which also guards publishing: an article that
    expires at midnight must leave quietly, not take the others with it.
    """
    shelf = read(root)
    if shelf.grave:
        raise ContentError(shelf.grave)
    return shelf.knowledge


def _shaped(document: Document | None, findings: list[Finding], topic: str) -> Parsed:
    if document is None or any(found.severity == "error" for found in findings):
        return document, None, tuple(findings)
    built, more = article(document, topic)
    return document, built, (*findings, *more)


def _places(
    root: Path,
    key: str,
    *,
    shape: Shape,
    build: Callable[[dict[str, Any]], Place],
    documents: dict[str, Document],
) -> tuple[Mapping[str, Place], list[Finding]]:
    """The places of `<key>.yml`, listed under that key; a file that is not there is an empty one."""
    name = f"{key}.yml"
    if not (root / name).exists():
        return {}, []
    document, findings = yamlfile.read(root / name, root=root)
    if document is None:
        return {}, findings
    documents[name] = document
    findings += faults(shape, document.data, document=document)
    if any(found.severity == "error" for found in findings):
        return {}, findings
    places: dict[str, Place] = {}
    for index, item in enumerate(document.data[key]):
        place = build(item)
        if place.id in places:
            vi, en = f"mã “{place.id}” lặp lại", f"the id “{place.id}” is used twice"
            findings.append(Finding("error", name, document.line(key, index, "id"), "same-id", vi, en))
        places[place.id] = place
    return MappingProxyType(places), findings


def _links(knowledge: Knowledge, documents: Mapping[str, Document], files: Mapping[str, str]) -> Iterator[Finding]:
    """Dead follow-ups, and slot values that nothing can ever fill."""
    provinces = set(knowledge.provinces) | {"other"}
    for found in knowledge.articles.values():
        document = documents[files[found.id]]
        for index, link in enumerate(found.follow_ups):
            line = document.line("follow_ups", index)
            if link == found.id:
                vi, en = "bài tự dẫn về chính nó", "the article follows up on itself"
                yield Finding("error", document.file, line, "dead-link", vi, en)
            elif link not in knowledge.articles:
                vi, en = f"không có bài nào tên “{link}”", f"there is no article “{link}”"
                yield Finding("error", document.file, line, "dead-link", vi, en)
        if not found.variants:
            continue
        known: set[str] | tuple[str, ...] = COUNTRIES if found.variants.slot == "country" else provinces
        for index, case in enumerate(found.variants.cases):
            for value in case.values:
                if value not in known and (knowledge.provinces or found.variants.slot == "country"):
                    line = document.line("variants", "cases", index, "value")
                    vi, en = f"không biết giá trị “{value}”", f"unknown value “{value}”"
                    yield Finding("error", document.file, line, "value", vi, en)


def _warning(file: str, code: str, vi: str, en: str) -> Finding:
    return Finding("warning", file, 1, code, vi, en)
