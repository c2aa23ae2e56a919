"""Her text as the screen sees it: tokens with and without marks, and how far a bare token may stand for a marked word.

Pure. Spelling is `bot.nlu.normalise`'s; nothing here decides about danger.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from bot.nlu.normalise import Words as Lexicon
from bot.nlu.normalise import normalise

_STOP = re.compile(r"[.,;:!?…()\"“”–—]+(?=\s|$)|[\n]+")
_ENDS = frozenset(".!?…\n")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
BARE, HALF = 0.12, 0.3  # a sentence with fewer of its words marked was written without marks, or with only some


@lru_cache(maxsize=20_000)
def stands_for(token: str, word: str) -> bool:
    """Whether `token`, equal to `word` without marks, could be `word` with some of its marks left out."""
    tone, shapes = _marks(token)
    meant_tone, meant_shapes = _marks(word)
    return tone in ("", meant_tone) and all(a <= b for a, b in zip(shapes, meant_shapes, strict=False))


def _marks(word: str) -> tuple[str, list[set[str]]]:
    tone, shapes = "", list[set[str]]()
    for char in unicodedata.normalize("NFD", word):
        if char in _TONES:
            tone = char
        elif unicodedata.combining(char) and shapes:
            shapes[-1].add(char)
        else:
            shapes.append({"đ"} if char == "đ" else set())
    return tone, shapes


@dataclass(frozen=True, slots=True)
class Words:
    """`tokens[i]` after normalising, `bare[i]` without marks; `loose[i]`: its sentence carries all its marks (0),
    only some (1), or none (2);
    `stop[i]`: punctuation or a line break stands right before token i."""

    tokens: tuple[str, ...]
    bare: tuple[str, ...]
    loose: tuple[int, ...]
    stop: tuple[bool, ...]

    def span(self, start: int, end: int) -> str:
        """The words from `start` up to `end` (exclusive)."""
        return " ".join(self.tokens[start:end])

    def part(self, start: int, end: int) -> Words:
        """These words alone."""
        return Words(self.tokens[start:end], self.bare[start:end], self.loose[start:end], self.stop[start:end])


def words(text: str, lexicon: Lexicon) -> Words:
    """Normalises and splits a text, clause by clause, so that what stands between stops stays known."""
    tokens: list[str] = []
    bare: list[str] = []
    stop: list[bool] = []
    loose: list[int] = []
    marked, begun, last = 0.0, 0, 0
    for end, mark in [*((m.span(), m[0]) for m in _STOP.finditer(text)), ((len(text), len(text)), "\n")]:
        clause = text[last : end[0]]
        last = end[1]
        if clause and not clause.isspace():
            heard = normalise(clause, lexicon)
            tokens += heard.tokens
            bare += heard.plain_tokens
            stop += [True, *[False] * (len(heard.tokens) - 1)] if heard.tokens else []
            marked += heard.share * len(heard.tokens)
        if not _ENDS.isdisjoint(mark) and len(tokens) > begun:
            size = len(tokens) - begun
            loose += [(marked < BARE * size) + (marked < HALF * size)] * size
            marked, begun = 0.0, len(tokens)
    return Words(tuple(tokens), tuple(bare), tuple(loose), tuple(stop))
