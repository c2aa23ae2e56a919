"""Folding and near matching of short words and titles. Only spelling, never meaning."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from rapidfuzz import fuzz

_GAP = re.compile(r"[\W_]+")
NEAR = 84.0
_OPENING = frozenset({"da", "vang", "a", "u", "ok", "oi", "chi", "em", "cho"})
_CLOSING = frozenset({"a", "nhe", "nha", "nhen", "di", "voi", "giup", "ho", "oi", "chi", "em", "minh", "osso", "shop"})


def fold(text: str) -> str:
    """Lower case, no marks, no punctuation, single spaces: “À, KHÔNG!” and “a khong” are the same. Hangul is kept."""
    split = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    plain = "".join(letter for letter in split if not unicodedata.combining(letter))
    return _GAP.sub(" ", unicodedata.normalize("NFC", plain)).strip()


def without_courtesy(text: str) -> str:
    """The words without the small polite ones around them: “dạ, dừng giúp em ạ” → “dừng”."""
    words = _GAP.sub(" ", text).split()
    while len(words) > 1 and fold(words[0]) in _OPENING:
        words = words[1:]
    while len(words) > 1 and fold(words[-1]) in _CLOSING:
        words = words[:-1]
    return " ".join(words)


def agrees(said: str, meant: str) -> bool:
    """Whether `said` can be `meant` with some marks left out: “dung” is “dừng” or “đúng”, “đúng” only itself.

    Marks are compared word by word, so that “hoà” and “hòa” agree.
    """
    said_words, meant_words = _words(said), _words(meant)
    return len(said_words) == len(meant_words) and all(
        base == other and not marks - wanted
        for (base, marks), (other, wanted) in zip(said_words, meant_words, strict=True)
    )


def _words(text: str) -> list[tuple[str, Counter[str]]]:
    split = unicodedata.normalize("NFD", _GAP.sub(" ", unicodedata.normalize("NFC", text.casefold())))
    found = []
    for word in split.replace("đ", "d\u0335").split():
        letters = "".join(letter for letter in word if not unicodedata.combining(letter))
        found.append((letters, Counter(letter for letter in word if unicodedata.combining(letter))))
    return found


def _halves(title: str) -> list[str]:
    """What stands between the commas of a title and says something by itself: “Không, đừng gọi” → “dung goi”."""
    parts = [fold(part) for part in title.split(",")] if "," in title else []
    return [part for part in parts if " " in part]


def pick(text: str, titles: Sequence[str]) -> int | None:
    """Index of the title she means: its number, its words, or nearly its words; None when unclear or tied."""
    said = fold(text)
    if not said or len(said) > 60:
        return None
    folded = [fold(title) for title in titles]
    bare = said.removeprefix("so ").removeprefix("cau ").removeprefix("chon ").removeprefix("so ")
    if bare.isdecimal() and bare.isascii() and len(bare) <= 2:
        return int(bare) - 1 if 1 <= int(bare) <= len(titles) else None
    same = [index for index, title in enumerate(titles) if agrees(text, title)]
    if same:
        return same[0] if len(same) == 1 else None
    if said in folded:
        return None  # the same letters with other marks are another word
    scores = sorted(((fuzz.ratio(said, title), -index) for index, title in enumerate(folded)), reverse=True)
    if scores and scores[0][0] >= NEAR and (len(scores) == 1 or scores[0][0] - scores[1][0] >= 5):
        return -scores[0][1]
    words = f" {said} "
    inside = {
        index: part
        for index, title in enumerate(titles)
        for part in (folded[index], *_halves(title))
        if len(part) >= 4 and f" {part} " in words
    }
    if len(inside) == 1 and len(said) <= 3 * len(next(iter(inside.values()))) + 4:
        return next(iter(inside))
    count = len(said.split())
    begun = [
        index
        for index, title in enumerate(titles)
        if len(said) >= 4 and agrees(text, " ".join(_GAP.sub(" ", title).split()[:count]))
    ]
    return begun[0] if len(begun) == 1 else None
