from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from bot.knowledge import Approval, Article, Editor, approved, load, may_publish, may_review
from bot.knowledge.articles import TOPICS
from bot.knowledge.governance import REVIEWERS, Act
from bot.messages import Finding
from tests.knowledge_sample import sample

TODAY = date(2026, 11, 25)
LAWYER = Editor("lan", frozenset({"legal"}))
WRITER = Editor("mai", frozenset({"legal"}))
COUNSELLOR = Editor("hoa", frozenset({"psychological"}))
CHIEF = Editor("thu", frozenset(), publishes=True)
PEOPLE = {editor.id: editor for editor in (LAWYER, WRITER, COUNSELLOR, CHIEF)}


@pytest.fixture
def article(tmp_path: Path) -> Article:
    return load(sample(tmp_path)).articles["leg-mot"]


def act(article: Article, what: Act, by: str) -> Approval:
    return Approval(article.id, article.hash, what, by, "2026-11-25T08:00:00+07:00")


def codes(findings: list[Finding]) -> set[str]:
    return {one.code for one in findings}


def test_the_straight_way(article: Article) -> None:
    wrote = act(article, "wrote", "mai")
    assert may_review(article, by=LAWYER, acts=[wrote]) == []
    acts = [wrote, act(article, "reviewed", "lan")]
    assert may_publish(article, by=CHIEF, acts=acts, people=PEOPLE, today=TODAY) == []


def test_nobody_reviews_her_own_words(article: Article) -> None:
    assert codes(may_review(article, by=WRITER, acts=[act(article, "wrote", "mai")])) == {"own-words"}
    acts = [act(article, "wrote", "mai"), act(article, "reviewed", "mai")]
    assert codes(may_publish(article, by=CHIEF, acts=acts, people=PEOPLE, today=TODAY)) == {"unreviewed"}


def test_each_topic_has_its_own_skill(article: Article) -> None:
    wrote = [act(article, "wrote", "mai")]
    assert codes(may_review(article, by=COUNSELLOR, acts=wrote)) == {"skill"}
    sad = replace(article, topic="psychological")
    assert may_review(sad, by=COUNSELLOR, acts=wrote) == []
    assert codes(may_review(sad, by=LAWYER, acts=wrote)) == {"skill"}
    assert set(REVIEWERS) == set(TOPICS)
    assert all(REVIEWERS.values())


def test_the_writer_must_be_known(article: Article) -> None:
    assert codes(may_review(article, by=LAWYER, acts=[])) == {"no-writer"}
    acts = [act(article, "reviewed", "lan")]
    assert codes(may_publish(article, by=CHIEF, acts=acts, people=PEOPLE, today=TODAY)) == {"unreviewed"}


def test_a_changed_word_drops_every_approval(article: Article) -> None:
    old = [act(article, "wrote", "mai"), act(article, "reviewed", "lan"), act(article, "published", "thu")]
    changed = replace(article, hash="0" * 16)
    assert codes(may_publish(changed, by=CHIEF, acts=old, people=PEOPLE, today=TODAY)) == {"unreviewed"}
    assert codes(may_review(changed, by=LAWYER, acts=old)) == {"no-writer"}
    assert approved(old) == {(article.id, article.hash)}


def test_publishing_has_its_own_conditions(article: Article) -> None:
    acts = [act(article, "wrote", "mai"), act(article, "reviewed", "lan")]

    def refused(held: Article = article, *, by: Editor = CHIEF, today: date = TODAY, **more: list[Finding]) -> set[str]:
        return codes(may_publish(held, by=by, acts=acts, people=PEOPLE, today=today, **more))

    assert refused(by=LAWYER) == {"role"}
    assert refused(today=date(2027, 3, 1)) == {"expired"}
    assert refused(replace(article, confirm=("Lệ phí?",))) == {"open-points"}
    assert refused(replace(article, sources=())) == {"unsourced"}
    fault = Finding("error", "legal/leg-mot.yml", 3, "wording", "vi", "en")
    assert refused(findings=[fault]) == {"wording"}
    assert refused(findings=[replace(fault, severity="warning"), replace(fault, file="legal/khac.yml")]) == set()


def test_a_reviewer_who_left_no_longer_counts(article: Article) -> None:
    acts = [act(article, "wrote", "mai"), act(article, "reviewed", "lan")]
    left = {name: editor for name, editor in PEOPLE.items() if name != "lan"}
    assert codes(may_publish(article, by=CHIEF, acts=acts, people=left, today=TODAY)) == {"unreviewed"}


def test_what_is_out_follows_the_record(article: Article) -> None:
    newer = replace(article, hash="1" * 16)
    record = [act(article, "published", "thu")]
    assert approved(record) == {(article.id, article.hash)}
    record.append(act(newer, "published", "thu"))
    assert approved(record) == {(article.id, newer.hash)}
    record.append(act(newer, "withdrawn", "thu"))
    assert approved(record) == frozenset()
