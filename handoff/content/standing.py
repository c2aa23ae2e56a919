"""Where an article stands between draft and answer, from the file and the record together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from bot.knowledge import Approval, Article
from bot.knowledge.trial import Winners
from bot.messages import Finding

Standing = Literal["out", "unapproved", "reviewed", "submitted", "draft", "expired"]
SOON = timedelta(days=60)
OLD_SOURCE = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. `recall`: share 0..1 of its questions that found it when last measured, or None."""

    article: Article
    standing: Standing
    changed: bool  # other words than these are out, or were before somebody saved
    soon: bool  # expires within 60 days
    old: bool  # a source was last looked at more than a year ago
    errors: int
    warnings: int
    recall: float | None
    unhappy: int


def standing(article: Article, acts: Iterable[Approval], *, out: AbstractSet[tuple[str, str]], today: date) -> Standing:
    if not article.valid(today):
        return "expired"
    if article.status == "published":
        return "out" if (article.id, article.hash) in out else "unapproved"
    mine = {act.act for act in acts if act.hash == article.hash}
    if "reviewed" in mine and article.status == "reviewed":
        return "reviewed"
    return "submitted" if "wrote" in mine and _open(article, acts) else "draft"


def _open(article: Article, acts: Iterable[Approval]) -> bool:
    """Whether these words were handed in since they were last withdrawn."""
    last = [act.act for act in acts if act.hash == article.hash and act.act in ("wrote", "withdrawn")]
    return bool(last) and last[-1] == "wrote"


def unapproved(
    articles: Iterable[Article], files: Mapping[str, str], out: AbstractSet[tuple[str, str]]
) -> list[Finding]:
    """Files that call themselves published while the record knows no approval of exactly these words: not served."""
    vi = "tệp ghi đã đăng nhưng bản này chưa đủ duyệt: chị em chưa nhận được, hãy gửi duyệt và đăng lại"
    en = "the file says published, but exactly these words lack approvals: not served until reviewed and published"
    return [
        Finding("error", files[one.id], 1, "unapproved", vi, en)
        for one in articles
        if one.status == "published" and (one.id, one.hash) not in out
    ]


def rows(
    articles: Iterable[Article],
    acts: Sequence[Approval],
    findings: Mapping[str, Mapping[str, int]],
    *,
    out: AbstractSet[tuple[str, str]],
    winners: Winners,
    unhappy: Mapping[str, int],
    today: date,
) -> list[Row]:
    """`findings`: article → counts by severity; `unhappy`: article → answers that did not help."""
    done: dict[str, list[Approval]] = {}
    for act in acts:
        done.setdefault(act.article, []).append(act)
    out_ids = {name for name, _ in out}
    return [
        Row(
            article=one,
            standing=standing(one, done.get(one.id, ()), out=out, today=today),
            changed=one.id in out_ids and (one.id, one.hash) not in out,
            soon=one.valid(today) and one.valid_until - today <= SOON,
            old=any(date.fromisoformat(source.checked) < today - OLD_SOURCE for source in one.sources),
            errors=findings.get(one.id, {}).get("error", 0),
            warnings=findings.get(one.id, {}).get("warning", 0),
            recall=recall(one, winners),
            unhappy=unhappy.get(one.id, 0),
        )
        for one in articles
    ]


def recall(article: Article, winners: Winners) -> float | None:
    known = [winners[text][0] for text in article.questions if text in winners]
    return sum(name == article.id for name in known) / len(known) if known else None
