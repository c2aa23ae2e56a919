"""The knowledge base: how long checking, loading and learning take, and how long a reload holds up the talk.

Seconds are processor seconds, those of the learning process too: what an idle machine would take, also on a busy one.
"""

from __future__ import annotations

import gc
import os
import random
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from bench.figures import Figure, at_most, told
from bench.places import SECRET
from bot import wiring
from bot.knowledge import Article, Knowledge, judge, read, read_style, write_article
from bot.knowledge.articles import TOPICS
from bot.messages import Heard, State
from bot.nlu import acts, words
from bot.nlu.match import Matcher
from bot.nlu.outside import load_out_of_scope
from bot.settings import read_settings

ROOT = Path(__file__).parents[1] / "knowledge"
TODAY = date(2026, 11, 25)
MANY, EACH = 2_000, 12
TICK, BETWEEN, IDLE = 0.0005, 0.05, 3.0  # seconds: of one look at the clock, between two turns, of doing nothing
ROUNDS = 5


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _sizes(Path(folder))
        yield from _reload(Path(folder) / "live")


# --- checking, loading, learning ------------------------------------------------------------------------------------


def _sizes(folder: Path) -> Iterator[Figure]:
    own = len(_checked(ROOT).articles)  # once before the clock runs, so that nothing is imported on its time
    yield at_most(f"check and load {own} articles", _spent(lambda: _checked(ROOT)), 1, "s")
    many = folder / "many"
    generate(many, MANY)
    held: list[Knowledge] = []
    checked = _spent(lambda: held.append(_checked(many)))
    learned = _spent(lambda: _learn(many, held[0], folder / "cache"))
    what = f"check, load and learn {MANY:,} articles with {EACH} questions"
    yield at_most(what, checked + learned, 15, "s")
    size = sum(path.stat().st_size for path in (folder / "cache").iterdir()) / 1e6
    yield told(
        "  of which", f"check and load {checked:.1f} s, learn {learned:.1f} s; what was learned has {size:.0f} MB"
    )


def _checked(root: Path) -> Knowledge:
    """What a page of the content staff does: everything read once, and judged."""
    shelf, (rules, before) = read(root), read_style(root)
    judge(shelf, rules=rules, today=TODAY, before=before)
    return shelf.knowledge


def _learn(root: Path, knowledge: Knowledge, cache: Path) -> Matcher:
    """What the server does: in a process of its own, and what was learned loaded."""
    held = knowledge.articles.values()
    lexicon = words.load(root / "words.yml")
    return Matcher.train(
        {article.id: article.asked for article in held},
        {article.id: article.title for article in held},
        {article.id: article.said for article in held},
        lexicon,
        load_out_of_scope(root / "out_of_scope.tsv"),
        cache=cache,
        acts=acts.load(root / "acts.yml", lexicon),
    )


def _spent(what: Callable[[], object]) -> float:
    """Processor seconds of this process and of those it waited for."""

    def now() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(used.ru_utime + used.ru_stime for used in both)

    began = now()
    what()
    return now() - began


def generate(root: Path, count: int) -> None:
    """A knowledge folder with `count` articles in the words of the real ones, each about things of its own."""
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*TOPICS))
    articles = list(read(ROOT).knowledge.articles.values())
    for number in range(count):
        made = _another(articles[number % len(articles)], number)
        path = root / made.topic / f"{made.id}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(write_article(made), "utf-8")


def _another(like: Article, number: int) -> Article:
    draw = random.Random(number)  # noqa: S311 - content, not secrecy
    own = [_name(draw) for _ in range(4)]
    return replace(
        like,
        id=f"{like.id[:40]}-{number}",
        title=f"{like.title[:60]} {' '.join(own[:2])}"[:80],
        short=f"bài {number}",
        questions=tuple(_mixed(question, own, draw) for question in draw.sample(like.questions, EACH)),
        answer=tuple(f"{text[:290]} {own[0]}" for text in like.answer),
        follow_ups=(),
    )


def _mixed(question: str, own: Sequence[str], draw: random.Random) -> str:
    """The question with a quarter of its words replaced by the article's own."""
    said = question.split()
    for at in draw.sample(range(len(said)), min(len(said), 1 + len(said) // 4)):
        said[at] = draw.choice(own)
    return f"{' '.join(said)} {draw.choice(own)}"


def _name(draw: random.Random) -> str:
    """A made-up name of two syllables."""
    starts = "b c ch d đ g h kh l m n nh ph r s t th tr v x".split()
    ends = ("", "n", "m", "ng", "t", "c")
    return " ".join(draw.choice(starts) + draw.choice("aăâeêioôơuư") + draw.choice(ends) for _ in range(2))


# --- a reload while people talk -------------------------------------------------------------------------------------


def _reload(folder: Path) -> Iterator[Figure]:
    shutil.copytree(ROOT, folder / "knowledge")
    environ = {
        "OSSO_DATABASE_URL": f"sqlite:///{folder / 'none.db'}",
        "OSSO_SECRET_KEYS": SECRET,
        "OSSO_DATA_DIR": str(folder / "var"),
        "OSSO_KNOWLEDGE_DIR": str(folder / "knowledge"),
        "OSSO_DOTENV": os.devnull,
    }
    library = wiring.open_library(read_settings(environ))
    gc.collect()
    gc.freeze()  # as the server does once it is up
    path = folder / "knowledge/general/gen-osso-la-gi.yml"
    text = path.read_text("utf-8")
    edits = iter(text.replace("Dạ, OSSO chào chị.", f"Dạ, OSSO xin chào chị {number}.") for number in range(99))

    def reload() -> None:
        path.write_text(next(edits), "utf-8")
        library.poll()
        library.settle()

    def turn() -> None:
        library.matcher.think(State(welcomed=True), Heard(text="ly hôn bên Hàn rồi thì về ghi chú ở đâu"))

    for name, what, pause in (("thread that ticks", lambda: time.sleep(TICK), 0.0), ("turn", turn, BETWEEN)):
        idle = [_longest(lambda: time.sleep(IDLE), what, pause=pause) for _ in range(ROUNDS)]
        loading = [_longest(reload, what, pause=pause) for _ in range(ROUNDS)]
        added = min(loading) - min(
            idle
        )  # other processes only ever add to it: the quietest round is the one to believe
        yield at_most(f"longest wait of a {name} that a reload adds", max(added, 0) * 1000, 50, "ms")
        shown = " / ".join(", ".join(f"{one * 1000:.0f}" for one in sorted(held)) for held in (idle, loading))
        yield told("  longest of each round, idle / reloading", f"{shown} ms")


def _longest(meanwhile: Callable[[], object], what: Callable[[], object], *, pause: float) -> float:
    """The most seconds that `what`, done over and over in a thread of its own, took once while something went on."""
    over = threading.Event()
    taken: list[float] = []

    def again() -> None:
        while not over.is_set():
            began = time.perf_counter()
            what()
            taken.append(time.perf_counter() - began)
            over.wait(pause)

    thread = threading.Thread(target=again)
    thread.start()
    try:
        meanwhile()
    finally:
        over.set()
        thread.join()
    return max(taken)
