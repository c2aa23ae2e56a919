"""Does every question find its own article? Asked three ways: as written, without its tone marks, and left out.

Left out means learned without the question and its near copies: a new wording is judged, not the memory of an old one.
Pure; the reader of texts is given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from rapidfuzz import fuzz

from bot.knowledge.articles import Article
from bot.knowledge.checking import plain, unmarked
from bot.messages import Band, Finding, Reading

Reader = Callable[[str], Reading]
Train = Callable[[Sequence[Article]], Reader]

WINNERS = "winners.tsv"  # who answered what when something was last published
ALIKE = 80  # likeness of two questions of one article, 0..100, from which they are one family


@dataclass(frozen=True, slots=True)
class Answered:
    """One question put to a reader: the right articles, the winner, whether a right one was among the first three."""

    text: str
    wanted: tuple[str, ...]
    winner: str
    band: Band
    among: bool

    @property
    def right(self) -> bool:
        return self.winner in self.wanted


@dataclass(frozen=True, slots=True)
class Golden:
    """A question with the articles that answer it; none when no article should."""

    text: str
    wanted: tuple[str, ...]


def ask(reader: Reader, text: str, wanted: tuple[str, ...]) -> Answered:
    reading = reader(text)
    found = [candidate.article for candidate in reading.candidates]
    return Answered(text, wanted, found[0] if found else "", reading.band, bool(set(found[:3]) & set(wanted)))


def families(questions: Sequence[str]) -> list[list[str]]:
    """The questions of one article grouped so that near copies stay together, in order."""
    groups: list[list[str]] = []
    for question in questions:
        bare = plain(question)
        near = [group for group in groups if any(fuzz.token_sort_ratio(bare, plain(other)) >= ALIKE for other in group)]
        merged = [other for group in near for other in group] + [question]
        groups = [group for group in groups if group not in near] + [merged]
    return groups


def left_out(articles: Sequence[Article], train: Train, *, folds: int = 5) -> list[Answered]:
    """Every question asked of a reader that learned everything but that question's fold. Families are never split."""
    fold_of: dict[tuple[str, str], int] = {}
    for article in articles:
        ordered = sorted(families(article.questions), key=lambda group: sha256(group[0].encode()).digest())
        for number, group in enumerate(ordered):
            fold_of |= {(article.id, question): number % folds for question in group}
    answered: list[Answered] = []
    for fold in range(folds):
        kept = [
            replace(article, questions=tuple(q for q in article.questions if fold_of[article.id, q] != fold))
            for article in articles
        ]
        reader = train(kept)
        answered += [
            ask(reader, question, (article.id,))
            for article in articles
            for question in article.questions
            if fold_of[article.id, question] == fold
        ]
    return answered


def as_written(articles: Sequence[Article], reader: Reader) -> list[Answered]:
    """Every question asked of a reader that learned it."""
    return [ask(reader, question, (article.id,)) for article in articles for question in article.questions]


def without_marks(articles: Sequence[Article], reader: Reader) -> list[Answered]:
    """Every question asked as many women type it: `em muốn ly hôn` → `em muon ly hon`."""
    return [ask(reader, unmarked(question), (article.id,)) for article in articles for question in article.questions]


def read_golden(path: Path) -> tuple[list[Golden], list[Finding]]:
    """`question<TAB>article|article` lines; `-` for a question no article should answer; `#` begins a remark."""
    golden: list[Golden] = []
    findings: list[Finding] = []
    for line, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        question, tab, wanted = text.partition("\t")
        if not tab or not wanted.strip():
            vi, en = "mỗi dòng: câu hỏi, dấu Tab, mã bài", "each line: question, tab, article id"
            findings.append(Finding("error", path.name, line, "golden", vi, en))
            continue
        names = () if wanted.strip() == "-" else tuple(name.strip() for name in wanted.split("|"))
        golden.append(Golden(question.strip(), names))
    return golden, findings


@dataclass(frozen=True, slots=True)
class Score:
    """`top1` and `top3` are shares 0..1 of `asked`; `confused` says which articles won instead, most often first."""

    asked: int
    top1: float
    top3: float
    confused: tuple[tuple[str, int], ...]


def score(answered: Iterable[Answered]) -> Score:
    held = list(answered)
    wrong = Counter(one.winner or "(không bài nào)" for one in held if not one.right)
    most = max(len(held), 1)
    return Score(
        asked=len(held),
        top1=sum(one.right for one in held) / most,
        top3=sum(one.among for one in held) / most,
        confused=tuple(wrong.most_common()),
    )


def by_article(answered: Iterable[Answered]) -> dict[str, Score]:
    """Article → score of its own questions."""
    groups: dict[str, list[Answered]] = defaultdict(list)
    for one in answered:
        groups[one.wanted[0]].append(one)
    return {article: score(held) for article, held in groups.items()}


Winners = Mapping[str, tuple[str, str]]  # question → (winner, band)


def winners(answered: Iterable[Answered]) -> Winners:
    return {one.text: (one.winner, one.band) for one in answered}


def write_winners(held: Winners) -> str:
    return "".join(f"{text}\t{winner}\t{band}\n" for text, (winner, band) in sorted(held.items()))


def save_winners(root: Path, held: Winners, *, since: str = "") -> None:
    """Keeps them to compare with; `since` names the publishing after which they were measured."""
    part = root / f".{WINNERS}"
    part.write_text(f"# {since}\n{write_winners(held)}", "utf-8")
    part.replace(root / WINNERS)


def measured_since(root: Path) -> str:
    """The publishing after which the kept winners were measured."""
    path = root / WINNERS
    first = path.read_text("utf-8").partition("\n")[0] if path.exists() else ""
    return first.removeprefix("# ") if first.startswith("# ") else ""


def read_winners(text: str) -> Winners:
    rows = [line.split("\t") for line in text.splitlines()]
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}


def changed(before: Winners, after: Winners) -> list[tuple[str, tuple[str, str], tuple[str, str]]]:
    """(question, before, after) wherever the winner or the band is another now."""
    return [(text, before[text], now) for text, now in after.items() if text in before and before[text] != now]
