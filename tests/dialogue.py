"""Parts for tests of the dialogue: real flows, articles and actions; a reader and a screen one can see through."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from bot import knowledge, texts
from bot.actions import Inside, Runner, house, settle
from bot.engine import REQUIRED, Book, state_from_json, state_to_json, take_turn
from bot.flows import load
from bot.flows.words import fold
from bot.messages import (
    LEVELS,
    Attachment,
    Candidate,
    Category,
    Choice,
    Danger,
    Entity,
    Heard,
    Level,
    Reading,
    Reply,
    State,
    Turn,
    World,
)
from bot.nlu import entities, load_places
from bot.safety import combine

ROOT = Path(__file__).parent.parent
FLOWS = ROOT / "bot" / "flows"
EVENING = "2026-11-25T20:30:00+07:00"
START = 1_795_613_400_000  # the same moment in ms

COUNTRIES = {"han quoc": "korea", "han": "korea", "dai loan": "taiwan", "dai": "taiwan", "trung quoc": "china"}
SIGNS: Sequence[tuple[str, Level, Category]] = (
    ("dang danh em", "RED", "ipv"),
    ("khong muon song", "RED", "suicide"),
    ("hay danh em", "AMBER", "ipv"),
    ("met moi qua roi", "CHECK", "suicide"),
)
WISHES = {"roi cho em gap tu van vien": "person", "roi dung nhan tin cho em": "stop"}  # among other words


class PlainReader:
    """Exact questions of the articles, a share of common words for the rest, and a few entities."""

    def __init__(self, known: knowledge.Knowledge) -> None:
        self._exact = {fold(text): name for text, name in knowledge.examples(known.articles.values())}
        self._words = {name: set(fold(article.title).split()) for name, article in known.articles.items()}
        self._titles = knowledge.titles(known.articles.values())
        self._places = load_places(ROOT / "knowledge")

    def __call__(self, text: str, *, last_article: str = "", slots: Mapping[str, object] | None = None) -> Reading:
        plain = fold(text)
        found = self._entities(text)
        if name := self._exact.get(plain):
            return Reading(plain, plain, True, (Candidate(name, self._titles[name], 1.0),), 1.0, "answer", "", found)
        words = set(plain.split())
        scores = sorted(
            ((len(words & title) / len(words | title), name) for name, title in self._words.items()), reverse=True
        )
        near = tuple(Candidate(name, self._titles[name], score) for score, name in scores[:3] if score >= 0.3)
        band = "answer" if near and near[0].score >= 0.75 else "clarify" if near else "unknown"
        act = "repeat" if plain == "nhac lai" else "foreign_ko" if re.search("[가-힣]", text) else ""
        act = next((one for said, one in WISHES.items() if said in plain), act)
        return Reading(plain, plain, False, near, near[0].score if near else 0.0, band, act, found)  # type: ignore[arg-type]

    def _entities(self, text: str) -> tuple[Entity, ...]:
        said = f" {fold(text)} "
        found = [item for item in entities(text, places=self._places) if item.kind == "province"]
        found += [
            Entity("country", value, name, said.index(f" {name} "), said.index(f" {name} ") + len(name))
            for name, value in COUNTRIES.items()
            if f" {name} " in said
        ]
        return tuple(sorted(found, key=lambda item: (item.start, item.end)))


@dataclass(frozen=True, slots=True)
class PlainScreen:
    """A handful of signs; `heard` counts what was screened."""

    heard: list[str] = field(default_factory=list)

    def read(self, text: str) -> Danger:
        self.heard.append(text)
        plain = fold(text)
        hits = [Danger(level, category, sign) for sign, level, category in SIGNS if sign in plain]
        return max(hits, key=lambda hit: LEVELS.index(hit.level), default=Danger())

    def combine(self, history: Sequence[tuple[int, str]], danger: Danger, at: int) -> Danger:
        return combine(cast(Sequence[tuple[int, Level]], history), danger, at)

    def crisis_replies(
        self, danger: Danger, *, country: str, staffed: bool, opens: str, locale: str
    ) -> tuple[Reply, ...]:
        if danger.level == "CHECK":
            choices = (Choice("Đúng, em cần người", "danger:yes"), Choice("Không phải", "danger:no"))
            return (Reply("OSSO nghe chị đây. Chị có đang cần người hỗ trợ ngay không ạ?", choices),)
        return (Reply("OSSO nghe chị đây. Chị đang ở chỗ an toàn không ạ? Chị gọi được 113 hoặc 115 (Việt Nam)."),)


@cache
def known() -> knowledge.Knowledge:
    return knowledge.read(ROOT / "knowledge").knowledge


@cache
def inside() -> Inside:
    return Inside(house(known()), limit=60)  # a loaded machine is slow, not wrong


@cache
def book() -> Book:
    flows = load(FLOWS, actions=inside().names, articles=known().articles, required=REQUIRED)
    return Book(
        known(),
        PlainReader(known()),
        PlainScreen(),
        flows,
        texts.load(ROOT / "locales"),
        load_places(ROOT / "knowledge"),
    )


@dataclass
class Chat:
    """One conversation through the real engine; the state is stored as JSON and read back between turns."""

    world: World = field(default_factory=lambda: World(now=EVENING, staffed=True, opens="8 giờ sáng mai"))
    state: dict[str, Any] = field(default_factory=lambda: state_to_json(State()))
    at: int = START
    turns: list[Turn] = field(default_factory=list)
    parts: Book = field(default_factory=book)
    runner: Runner = field(default_factory=inside)

    def hears(self, heard: Heard) -> Turn:
        heard = replace(heard, at=self.at, first=not self.turns, world=self.world)
        turn = take_turn(self.parts, state_from_json(self.state), heard)
        turn = settle(self.parts, turn, heard, self.runner)
        self.state = state_to_json(turn.state)
        self.turns.append(turn)
        self.at += 20_000
        return turn

    def you(self, text: str) -> Turn:
        return self.hears(Heard(text))

    def tap(self, title: str) -> Turn:
        offered = state_from_json(self.state).offered
        choice = next((item for item in offered if item.title == title), None)
        assert choice is not None, f"no button “{title}” among {[item.title for item in offered]}"
        return self.hears(Heard(payload=choice.payload))

    def taps(self, payload: str) -> Turn:
        return self.hears(Heard(payload=payload))

    def sends(self, kind: str, **place: float) -> Turn:
        return self.hears(Heard(attachments=(Attachment(kind, **place),)))  # type: ignore[arg-type]

    def wait(self, hours: float) -> None:
        self.at += int(hours * 3_600_000)

    def change(self, world: Mapping[str, Any]) -> None:
        self.world = replace(self.world, **world)

    def confirms(self, office: str) -> None:
        """From now on the office's number and address are confirmed."""
        offices = known().offices
        sure = replace(offices[office], number="0225 000 000", show=True, address="1 Lê Lợi", show_address=True)
        shelf = replace(known(), offices={**offices, office: sure})
        self.parts = replace(self.parts, knowledge=shelf)
        self.runner = Inside(house(shelf), limit=60)

    @property
    def now(self) -> State:
        return state_from_json(self.state)


def words(turn: Turn) -> str:
    return "\n".join(reply.text for reply in turn.replies)
