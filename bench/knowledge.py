"""The knowledge base: how long checking, loading and learning take, and how long a reload holds up other threads."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bot.knowledge import Article, read, write_article
from bot.knowledge.articles import TOPICS

ROOT = Path(__file__).parents[1] / "knowledge"
LEAST = 12


def generate(root: Path, count: int) -> None:
    """A knowledge folder with `count` articles made from the words of the real ones, each with 12 questions."""
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*TOPICS))
    articles = list(read(ROOT).knowledge.articles.values())
    for number in range(count):
        made = _another(articles[number % len(articles)], number)
        path = root / made.topic / f"{made.id}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(write_article(made), "utf-8")


def _another(like: Article, number: int) -> Article:
    """An article of the same size about things of its own: names that only it has, in questions of the old shape."""
    draw = random.Random(number)  # noqa: S311 - content, not secrecy
    own = [_name(draw) for _ in range(4)]
    questions = draw.sample(like.questions, LEAST)
    return replace(
        like,
        id=f"{like.id[:40]}-{number}",
        title=f"{like.title[:60]} {' '.join(own[:2])}"[:80],
        short=f"bài {number}",
        questions=tuple(_mixed(question, own, draw) for question in questions),
        answer=tuple(f"{text[:290]} {own[0]}" for text in like.answer),
        follow_ups=(),
    )


def _mixed(question: str, own: Sequence[str], draw: random.Random) -> str:
    """The question with some of its words replaced by the article's own."""
    words = question.split()
    for at in draw.sample(range(len(words)), min(len(words), 1 + len(words) // 4)):
        words[at] = draw.choice(own)
    return f"{' '.join(words)} {draw.choice(own)}"


def _name(draw: random.Random) -> str:
    """A made-up word of two syllables."""
    starts, middles, ends = (
        "b c ch d đ g h kh l m n nh ph r s t th tr v x".split(),
        "aăâeêioôơuư",
        ["", "n", "m", "ng", "t", "c"],
    )
    return " ".join(draw.choice(starts) + draw.choice(middles) + draw.choice(ends) for _ in range(2))
