"""Who may approve which words: draft → reviewed → published, tied to the content hash. Pure: the record is elsewhere.

A word changed after a review has a new hash, so every approval of the old words falls away by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

from bot.knowledge.articles import SKILLS, Article
from bot.messages import Finding, Skill

Act = Literal["wrote", "reviewed", "returned", "published", "withdrawn"]

# Who may judge an article of a topic: OSSO's lawyer, psychologist and social worker, each for her own field.
REVIEWERS: Mapping[str, frozenset[str]] = {
    "legal": frozenset({"legal"}),
    "child": frozenset({"child", "legal"}),
    "vocational": frozenset({"vocational", "legal"}),
    "psychological": frozenset({"psychological"}),
    "general": frozenset(SKILLS),
}


@dataclass(frozen=True, slots=True)
class Editor:
    """Someone of the content staff: `id` as in the records, her skills, and whether she may publish."""

    id: str
    skills: frozenset[Skill] = frozenset()
    publishes: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """One act of one person upon one version. `on` is ISO 8601; `text` the file as it stood, for the history; `remark`
    what a reviewer asks to be changed when she sends it back."""

    article: str
    hash: str
    act: Act
    by: str
    on: str
    text: str = ""
    remark: str = ""


class Approvals(Protocol):
    """Where the record is kept: append only."""

    def of(self, article: str) -> Sequence[Approval]:
        """Everything done to the article, the oldest first."""

    def all(self) -> Sequence[Approval]:
        """Everything done to any article, the oldest first."""

    def add(self, approval: Approval) -> None:
        """Keeps one more act."""


def may_review(
    article: Article, *, by: Editor, acts: Iterable[Approval], findings: Iterable[Finding] = ()
) -> list[Finding]:
    """Why this person may not approve these words; empty when she may. `findings` are those of `check`."""
    return [*_mended(article, findings), *_fit(article, by, _writers(article, acts))]


def may_publish(
    article: Article,
    *,
    by: Editor,
    acts: Sequence[Approval],
    people: Mapping[str, Editor],
    today: date,
    findings: Iterable[Finding] = (),
) -> list[Finding]:
    """Why these words may not go out; empty when they may.

    Wanted: no error of `check`, still valid, no open point, sources or a basis, and a review of exactly these words by
    someone with the right skill who did not write them. `people` are those who may review today, by id.
    """
    refusals = _mended(article, findings)
    if not by.publishes:
        refusals.append(_no(article, "role", f"{by.id} không có quyền đăng bài", f"{by.id} may not publish"))
    if not article.valid(today):
        vi, en = f"bài hết hạn từ {article.valid_until}", f"the article expired on {article.valid_until}"
        refusals.append(_no(article, "expired", vi, en))
    if article.confirm:
        vi, en = f"còn {len(article.confirm)} điều chưa xác nhận", f"{len(article.confirm)} points still to confirm"
        refusals.append(_no(article, "open-points", vi, en))
    if not article.sources and not article.basis:
        refusals.append(_no(article, "unsourced", "bài không có nguồn", "the article has no sources"))
    if not article.sources and article.topic not in ("psychological", "general"):
        refusals.append(_no(article, "unsourced", "bài thuộc chủ đề này cần nguồn luật", "this topic needs sources"))
    writers = _writers(article, acts)
    fit = [act.by for act in reviews(article, acts) if act.by in people and not _fit(article, people[act.by], writers)]
    if not fit:
        wanted = " hoặc ".join(sorted(REVIEWERS[article.topic]))
        vi = f"chưa có người duyệt chuyên môn ({wanted}), khác người viết, duyệt đúng bản này"
        en = f"no review of exactly this version by another person with skill {wanted}"
        refusals.append(_no(article, "unreviewed", vi, en))
    return refusals


def reviews(article: Article, acts: Iterable[Approval]) -> list[Approval]:
    """The reviews of exactly these words that still count: none from before they were sent back."""
    mine = [act for act in acts if act.hash == article.hash]
    back = max((at for at, act in enumerate(mine) if act.act == "returned"), default=-1)
    return [act for act in mine[back + 1 :] if act.act == "reviewed"]


def approved(acts: Iterable[Approval]) -> frozenset[tuple[str, str]]:
    """(article id, hash) of every version that is out now: published and not withdrawn or replaced since."""
    out: dict[str, str] = {}
    for act in acts:
        if act.act == "published":
            out[act.article] = act.hash
        elif act.act == "withdrawn":
            out.pop(act.article, None)
    return frozenset(out.items())


def last_published(acts: Iterable[Approval]) -> str:
    """Names the newest publishing of all; empty when there was none."""
    last = [act for act in acts if act.act == "published"][-1:]
    return "".join(f"{act.article} {act.hash} {act.on}" for act in last)


def _writers(article: Article, acts: Iterable[Approval]) -> frozenset[str]:
    return frozenset(act.by for act in acts if act.act == "wrote" and act.hash == article.hash)


def _fit(article: Article, by: Editor, writers: frozenset[str]) -> list[Finding]:
    refusals = []
    if not writers:
        vi, en = (
            "chưa ghi ai viết bản này: hãy ghi người viết trước",
            "nobody is recorded as the writer",
        )
        refusals.append(_no(article, "no-writer", vi, en))
    if by.id in writers:
        vi, en = f"{by.id} đã viết bản này nên không được tự duyệt", f"{by.id} wrote it and may not review it"
        refusals.append(_no(article, "own-words", vi, en))
    if not by.skills & REVIEWERS[article.topic]:
        wanted = " hoặc ".join(sorted(REVIEWERS[article.topic]))
        vi, en = f"{by.id} không có chuyên môn {wanted}", f"{by.id} lacks the skill {wanted}"
        refusals.append(_no(article, "skill", vi, en))
    return refusals


def _mended(article: Article, findings: Iterable[Finding]) -> list[Finding]:
    name = f"{article.topic}/{article.id}.yml"
    return [found for found in findings if found.severity == "error" and found.file == name]


def _no(article: Article, code: str, vi: str, en: str) -> Finding:
    return Finding("error", f"{article.topic}/{article.id}.yml", 1, code, vi, en)
