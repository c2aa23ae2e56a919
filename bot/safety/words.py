"""Her text as the screen sees it: tokens with and without marks, and how far a bare token may stand for a marked word.

Pure. Nothing here decides about danger.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_STOPS = frozenset('.,;:!?\n…–—()"“”')
_ZERO = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF, 0x00AD])
_STRETCH = re.compile(r"(\w)\1{2,}")
_SHORT = {
    "k": "không", "ko": "không", "kh": "không", "hok": "không", "hông": "không", "hổng": "không", "hong": "không",
    "ck": "chồng", "vk": "vợ", "ng": "người", "ngta": "người ta", "đag": "đang", "dag": "đang", "hqua": "hôm qua",
    "e": "em", "a": "anh", "mik": "mình", "mk": "mình", "vs": "với", "r": "rồi", "dc": "được", "đc": "được",
    "j": "gì", "z": "vậy", "bh": "bây giờ", "bjo": "bây giờ", "lm": "làm", "bik": "biết", "bit": "biết",
}  # fmt: skip


def fold(text: str) -> str:
    """NFC, lower case, no zero-width characters, stretched letters shortened, common short forms spelled out."""
    text = unicodedata.normalize("NFC", text.translate(_ZERO)).lower()
    text = _STRETCH.sub(r"\1", text)
    return _WORD.sub(lambda m: _SHORT.get(m[0], m[0]), text)


@lru_cache(maxsize=20_000)
def bare(word: str) -> str:
    """The word without marks: `đánh` → `danh`."""
    if word.isascii():
        return word
    spread = unicodedata.normalize("NFD", word).replace("đ", "d")
    return "".join(c for c in spread if not unicodedata.combining(c))


@lru_cache(maxsize=20_000)
def stands_for(token: str, word: str) -> bool:
    """Whether `token`, equal to `word` without marks, could be `word` with some of its marks left out."""
    tone_t, shape_t = _marks(token)
    tone_w, shape_w = _marks(word)
    return (not tone_t or tone_t == tone_w) and all(t <= w for t, w in zip(shape_t, shape_w, strict=False))


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
    """`tokens[i]` as written after folding, `bare[i]` without marks; `loose[i]`: its sentence hardly carries marks;
    `stop[i]`: punctuation stands right before token i; `at[i]` its (start, end) in `text`."""

    text: str
    tokens: tuple[str, ...]
    bare: tuple[str, ...]
    loose: tuple[bool, ...]
    stop: tuple[bool, ...]
    at: tuple[tuple[int, int], ...]

    def span(self, start: int, end: int) -> str:
        """The text from token `start` up to token `end` (exclusive)."""
        return self.text[self.at[start][0] : self.at[end - 1][1]] if end > start else ""


def words(text: str) -> Words:
    """Folds and splits a text."""
    text = fold(text)
    tokens: list[str] = []
    stop: list[bool] = []
    at: list[tuple[int, int]] = []
    loose: list[bool] = []
    marked = begun = last = 0
    for match in _WORD.finditer(text):
        between = text[last : match.start()]
        stops = not _STOPS.isdisjoint(between)
        if stops and not {".", "!", "?", "\n", "…"}.isdisjoint(between):
            loose.extend([marked < 0.36 * (len(tokens) - begun)] * (len(tokens) - begun))
            marked, begun = 0, len(tokens)
        token = match[0]
        marked += not token.isascii()
        tokens.append(token)
        stop.append(stops)
        at.append(match.span())
        last = match.end()
    loose.extend([marked < 0.36 * (len(tokens) - begun)] * (len(tokens) - begun))
    return Words(text, tuple(tokens), tuple(map(bare, tokens)), tuple(loose), tuple(stop), tuple(at))
