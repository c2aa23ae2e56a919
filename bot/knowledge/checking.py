"""Everything the house demands of its content, as findings with a severity. The server, the pages and `osso kb check`
all judge by this one function; it reads files and changes nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from unicodedata import normalize
from zlib import crc32

from rapidfuzz import fuzz

from bot import yamlfile
from bot.knowledge.articles import MESSAGE, Article
from bot.knowledge.loading import Knowledge, Shelf, parse_article, read
from bot.knowledge.render import MOST_MESSAGES, section
from bot.knowledge.shape import faults
from bot.knowledge.wording import STYLE, Numbers, Style, figures, loud, numbers, remarks, said, spoken, style
from bot.messages import Finding, Severity
from bot.yamlfile import Document

FEW = 12  # questions below which staff are asked for more
NEAR = 88  # likeness of two questions, 0..100, from which staff are asked to look
SOON = timedelta(days=60)
_UNMARKED = {ord("đ"): "d", ord("Đ"): "D", **dict.fromkeys(range(0x300, 0x370))}
CONFIRM = "xác nhận lại"

At = tuple[str | int, ...]


def check(root: Path, *, today: date) -> list[Finding]:
    """Every finding about the content below `root`, in the order of files and lines."""
    shelf = read(root)
    rules, more = read_style(root)
    return judge(shelf, rules=rules, today=today, before=more)


def judge(shelf: Shelf, *, rules: Style, today: date, before: Iterable[Finding] = ()) -> list[Finding]:
    """The same for content already read; `before` are findings made while reading other files."""
    known = numbers((*shelf.knowledge.referrals.values(), *shelf.knowledge.offices.values()))
    found = [*shelf.findings, *before]
    for article in shelf.knowledge.articles.values():
        document = shelf.documents[shelf.files[article.id]]
        found += _article(Bench(article, document, rules, known, today))
    found += _alike(shelf)
    return sorted(dict.fromkeys(found), key=_place)


def check_article(raw: bytes, file: str, *, shelf: Shelf, rules: Style, today: date) -> list[Finding]:
    """Findings about one file as if these bytes stood in it (`<topic>/<id>.yml`): what a form shows while typing."""
    document, article, findings = parse_article(raw, file, file.split("/", 1)[0])
    if document is None or article is None:
        return list(findings)
    knowledge = shelf.knowledge
    others = {key: held for key, held in knowledge.articles.items() if shelf.files[key] != file}
    if article.id in others:
        vi, en = f"mã “{article.id}” đã có", f"the id “{article.id}” is already used"
        return [*findings, Finding("error", file, document.line("id"), "same-id", vi, en)]
    replaced = Knowledge(others | {article.id: article}, knowledge.offices, knowledge.referrals, knowledge.provinces)
    changed = Shelf(replaced, {**shelf.documents, file: document}, {**shelf.files, article.id: file}, findings)
    links = [link for link in article.follow_ups if link not in replaced.articles]
    dead = [_dead(document, article.follow_ups.index(link), link) for link in links]
    twin = next((other for other in others.values() if other.short.casefold() == article.short.casefold()), None)
    if twin:
        vi, en = f"tên nút “{article.short}” đã dùng ở {twin.id}", f"“{article.short}” is already used by {twin.id}"
        dead.append(Finding("error", file, document.line("short"), "same-short", vi, en))
    known = numbers((*knowledge.referrals.values(), *knowledge.offices.values()))
    found = [*findings, *dead, *_article(Bench(article, document, rules, known, today))]
    found += [one for one in _alike(changed, about=article.id) if one.file == file]  # it stands last: told on its lines
    return sorted(dict.fromkeys(found), key=_place)


def read_style(root: Path) -> tuple[Style, list[Finding]]:
    """The rules of `style.yml` and its faults; a root without one has no rules."""
    path = root / "style.yml"
    if not path.exists():
        return Style(), []
    document, findings = yamlfile.read(path, root=root)
    if document is None:
        return Style(), findings
    findings += faults(STYLE, document.data, document=document)
    if any(found.severity == "error" for found in findings):
        return Style(), findings
    return style(document.data), findings


@lru_cache(maxsize=200_000)
def key(text: str) -> str:
    """A question as words: lower case, no punctuation, marks kept."""
    return " ".join(re.findall(r"\w+", normalize("NFC", text).lower()))


@lru_cache(maxsize=200_000)
def plain(text: str) -> str:
    """A question as words without marks: what many women type."""
    return unmarked(key(text))


def unmarked(text: str) -> str:
    """The text without tone marks and letter marks."""
    return normalize("NFD", text).translate(_UNMARKED)


@dataclass(frozen=True, slots=True)
class Bench:
    """One article on the bench, with what it is judged by."""

    article: Article
    document: Document
    rules: Style
    known: Numbers
    today: date

    def finding(self, severity: Severity, code: str, vi: str, en: str, *, at: At) -> Finding:
        return Finding(severity, self.document.file, self.document.line(*at), code, vi, en)


def _article(bench: Bench) -> Iterator[Finding]:
    for rule in (_texts, _size, _sources, _dates, _review):
        yield from rule(bench)


def _texts(bench: Bench) -> Iterator[Finding]:
    article, rules = bench.article, bench.rules
    for at, text in spoken(article):
        for severity, code, vi, en in (
            *remarks(text, article=article.id, rules=rules),
            *figures(text, rules=rules, known=bench.known, near=_label(article, at)),
        ):
            yield bench.finding(severity, code, vi, en, at=at)
    for at, text in said(article):
        for severity, code, vi, en in loud(text, rules):
            yield bench.finding(severity, code, vi, en, at=at)


def _size(bench: Bench) -> Iterator[Finding]:
    article = bench.article
    if 5 <= len(article.questions) < FEW:
        vi = f"mới có {len(article.questions)} câu hỏi, nên có ít nhất {FEW}: thêm cách hỏi của chị em"
        en = f"only {len(article.questions)} questions, aim for {FEW}"
        yield bench.finding("warning", "few-questions", vi, en, at=("questions",))
    for part in ("documents", "steps"):
        if len(text := section(article, part)) > MESSAGE:
            vi = f"cả mục dài {len(text)} ký tự, tối đa {MESSAGE}: rút gọn để vừa một tin nhắn"
            en = f"the section has {len(text)} characters, at most {MESSAGE}"
            yield bench.finding("error", "too-long", vi, en, at=(part,))
    for number, case in enumerate(article.variants.cases if article.variants else ()):
        if len(article.answer) + len(case.answer) > MOST_MESSAGES:
            vi = f"phần chung và trường hợp này cộng lại quá {MOST_MESSAGES} tin nhắn: gộp hoặc bỏ bớt"
            en = f"with the answer more than {MOST_MESSAGES} messages: merge some"
            at = ("variants", "cases", number, "answer")
            yield bench.finding("warning", "too-many-messages", vi, en, at=at)
    if not 1 <= len(article.follow_ups) <= 3:
        vi, en = "nên có 1–3 bài liên quan", "1–3 follow-ups wanted"
        yield bench.finding("warning", "follow-ups", vi, en, at=("follow_ups",))


def _sources(bench: Bench) -> Iterator[Finding]:
    article = bench.article
    secondary = any(source.mark == "S2" for source in article.sources)
    if secondary and not any(CONFIRM in text.lower() for _, text in spoken(article)):
        vi = f"có nguồn S2 nhưng không câu nào nói “OSSO sẽ {CONFIRM}”"
        en = f"an S2 source needs “OSSO sẽ {CONFIRM}”"
        yield bench.finding("error", "unconfirmed", vi, en, at=("sources",))
    if not article.sources and not article.basis:
        vi, en = "không có nguồn nào và không có “basis”: ghi nguồn, hoặc ghi căn cứ", "no sources and no basis"
        yield bench.finding("error", "unsourced", vi, en, at=("sources",))
    elif not article.sources and article.topic not in ("psychological", "general"):
        severity: Severity = "error" if article.status == "published" else "warning"
        vi, en = "bài thuộc chủ đề này cần nguồn luật trước khi đăng", "needs sources before it is published"
        yield bench.finding(severity, "unsourced", vi, en, at=("sources",))
    for index, source in enumerate(article.sources):
        if date.fromisoformat(source.checked) > bench.today:
            vi, en = "ngày kiểm tra nguồn ở tương lai", "the source was checked in the future"
            yield bench.finding("error", "checked", vi, en, at=("sources", index, "checked"))


def _dates(bench: Bench) -> Iterator[Finding]:
    article, at = bench.article, ("valid_until",)
    if not article.valid(bench.today):
        vi = f"hết hạn từ {article.valid_until}: bài đã tự rút, hãy xem lại rồi đổi ngày"
        en = f"expired on {article.valid_until}: withdrawn until reviewed again"
        yield bench.finding("error" if article.status == "published" else "warning", "expired", vi, en, at=at)
    elif article.valid_until - bench.today <= SOON:
        vi, en = f"sắp hết hạn ({article.valid_until})", f"expires soon ({article.valid_until})"
        yield bench.finding("note", "expires-soon", vi, en, at=at)
    if bench.rules.civil(article) and article.valid_until > bench.rules.civil_until:
        vi = f"bài về hộ tịch chỉ được dùng đến {bench.rules.civil_until}: sửa “valid_until”"
        en = f"civil status may not be stated beyond {bench.rules.civil_until}"
        yield bench.finding("error", "civil-status", vi, en, at=at)


def _review(bench: Bench) -> Iterator[Finding]:
    article = bench.article
    if article.status != "draft" and not (article.review.by and article.review.on):
        vi, en = "bài đã duyệt phải ghi người duyệt (by) và ngày duyệt (on)", "a reviewed article needs by and on"
        yield bench.finding("error", "review", vi, en, at=("review",))
    if article.status == "published" and article.confirm:
        vi, en = "còn điều chưa xác nhận trong “confirm”", "open points in confirm"
        yield bench.finding("error", "open-points", vi, en, at=("confirm",))


def _alike(shelf: Shelf, *, about: str = "") -> Iterator[Finding]:
    """The same or nearly the same question, title or answer under two articles, and twice under one.

    With `about` the near ones are only looked for around that article.
    """
    places = [
        (text, article.id, at)
        for article in shelf.knowledge.articles.values()
        for text, at in [(article.title, ("title",)), *((q, ("questions", i)) for i, q in enumerate(article.questions))]
    ]
    told: set[tuple[int, int]] = set()

    def pair(first: int, second: int, severity: Severity, code: str, say: tuple[str, str]) -> Iterator[Finding]:
        """One finding on the later line, naming the earlier one; each pair once."""
        vi, en = say
        if (first, second) in told:
            return
        told.add((first, second))
        text, owner, at = places[first]
        document = shelf.documents[shelf.files[places[second][1]]]
        where = f"{shelf.files[owner]}:{shelf.documents[shelf.files[owner]].line(*at)}"
        line = document.line(*places[second][2])
        yield Finding(severity, document.file, line, code, f"{vi} “{text}” ({where})", f"{en} “{text}” ({where})")

    def groups(of: Mapping[str, list[int]]) -> Iterator[tuple[int, int]]:
        """(first, other) of every group: the first stands for the group."""
        for held in of.values():
            yield from ((held[0], other) for other in held[1:])

    exact: dict[str, list[int]] = defaultdict(list)
    bare: dict[str, list[int]] = defaultdict(list)
    for index, (text, _, _) in enumerate(places):
        exact[key(text)].append(index)
        bare[plain(text)].append(index)
    for first, second in groups(exact):
        if places[first][1] != places[second][1]:
            vi, en = "cùng một câu hỏi ở hai bài: chọn một bài. Câu kia:", "the same question under two articles:"
            yield from pair(first, second, "error", "same-question", (vi, en))
        elif places[first][2] != ("title",):
            vi, en = "câu hỏi lặp lại trong bài:", "repeated in this article:"
            yield from pair(first, second, "warning", "repeated-question", (vi, en))
    for first, second in groups(bare):
        if places[first][1] != places[second][1]:
            vi, en = "bỏ dấu thì trùng với câu của bài khác:", "without marks the same as"
            yield from pair(first, second, "warning", "same-without-marks", (vi, en))
    for first, second in _one_word_apart(list(bare.values()), places, about=about):
        vi, en = "rất giống câu của bài khác:", "very like a question of another article:"
        yield from pair(first, second, "warning", "near-question", (vi, en))
    answers: dict[tuple[str, ...], Article] = {}
    for article in shelf.knowledge.articles.values():
        twin = answers.setdefault(article.answer, article)
        if twin is not article:
            document = shelf.documents[shelf.files[article.id]]
            vi, en = f"câu trả lời giống hệt bài {twin.id}", f"the same answer as {twin.id}"
            yield Finding("warning", document.file, document.line("answer"), "same-answer", vi, en)


def _one_word_apart(
    distinct: list[list[int]], places: list[tuple[str, str, At]], *, about: str = ""
) -> Iterator[tuple[int, int]]:
    """Pairs of questions of different articles that differ by one word and are at least `NEAR` alike.

    Each question is filed under its bag of words and under that bag with one word left out, so that only neighbours are
    ever compared: linear in the number of words, where comparing all pairs of 2,000 articles would take minutes. A bag
    is the sum of its words' checksums; two bags of one sum cost a comparison and change nothing.
    """
    firsts = [group[0] for group in distinct]
    mine = [_bags(plain(places[first][0])) for first in firsts if about and places[first][1] == about]
    near = {bag for bags in mine for bag in bags}
    filed: dict[int, list[int]] = defaultdict(list)
    for first in firsts:
        for bag in _bags(plain(places[first][0])):
            if not about or bag in near:
                filed[bag].append(first)
    seen: set[tuple[int, int]] = set()
    for held in filed.values():
        for position, second in enumerate(held[1:20], 1):
            for first in held[:position]:
                if first == second or (first, second) in seen or places[first][1] == places[second][1]:
                    continue
                seen.add((first, second))
                if fuzz.ratio(key(places[first][0]), key(places[second][0])) >= NEAR:
                    yield first, second


@lru_cache(maxsize=200_000)
def _bags(text: str) -> tuple[int, ...]:
    """The bag of its words, and that bag without each of them; nothing for a text of few words."""
    words = text.split()
    if len(words) < 5:
        return ()
    sums = [crc32(word.encode()) for word in words]
    bag = sum(sums)
    return (bag, *(bag - left_out for left_out in sums))


def _place(finding: Finding) -> tuple[str, int, str]:
    return finding.file, finding.line, finding.code


def _label(article: Article, at: At) -> str:
    """The label of the case a text belongs to: it stands on the button she tapped, so it names the country."""
    match at:
        case ("variants", "cases", int(number), *_) if article.variants:
            return article.variants.cases[number].label
        case _:
            return ""


def _dead(document: Document, index: int, link: str) -> Finding:
    vi, en = f"không có bài nào tên “{link}”", f"there is no article “{link}”"
    return Finding("error", document.file, document.line("follow_ups", index), "dead-link", vi, en)
