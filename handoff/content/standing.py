"""Where an article stands between draft and answer, from the file and the record together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from bot.knowledge import Approval, Article
from bot.knowledge.loading import version
from bot.knowledge.trial import Winners
from bot.messages import Finding

Standing = Literal["out", "unapproved", "reviewed", "submitted", "returned", "draft", "expired"]
SOON = timedelta(days=60)
OLD_SOURCE = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. `recall`: share 0..1 of its questions that found it when last measured, or None."""

    article: Article
    standing: Standing
    older: Article | None  # the approved version with other words, which women are told until these are approved
    soon: bool  # expires within 60 days
    old: bool  # a source was last looked at more than a year ago
    errors: int
    warnings: int
    recall: float | None
    unhappy: int


def standing(article: Article, acts: Iterable[Approval], *, out: AbstractSet[tuple[str, str]], today: date) -> Standing:
    if not article.valid(today):
        return "expired"
    if (article.id, article.hash) in out:
        return "out"
    if article.status == "published":
        return "unapproved"
    mine = [act.act for act in acts if act.hash == article.hash]
    if "reviewed" in mine and article.status == "reviewed":
        return "reviewed"
    handed = [act for act in mine if act in ("wrote", "returned", "withdrawn")]
    match handed[-1:]:
        case ["wrote"]:
            return "submitted"
        case ["returned"]:
            return "returned"
        case _:
            return "draft"


def older(article: Article, acts: Iterable[Approval], *, out: AbstractSet[tuple[str, str]]) -> Article | None:
    """The approved version women are told while these words, which differ, wait; None when there is none."""
    digest = next((digest for name, digest in out if name == article.id), article.hash)
    texts = [act.text for act in acts if act.act == "published" and act.hash == digest]
    return version(article.id, digest, texts[-1]) if texts and digest != article.hash else None


def unapproved(
    articles: Iterable[Article], files: Mapping[str, str], out: AbstractSet[tuple[str, str]]
) -> list[Finding]:
    """Files that call themselves published while the record knows no approval of exactly these words: not served."""
    vi = "tệp ghi đã đăng nhưng bản này chưa đủ duyệt: chị em chưa nhận được bản này, hãy gửi duyệt và đăng lại"
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
    return [
        Row(
            article=one,
            standing=standing(one, done.get(one.id, ()), out=out, today=today),
            older=older(one, done.get(one.id, ()), out=out),
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
