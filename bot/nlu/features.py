"""Text as numbers: word and character n-grams and concepts of one view, with numpy alone. Nothing is learned in here
but counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
START, END = "^", "$"
_SHORTEST, _LONGEST = 2, 5
_CACHED = 20_000  # tokens whose character n-grams are remembered
BLOCK_WEIGHTS = (1.0, 1.0, 0.5)  # words, characters, concepts


def word_grams(tokens: Sequence[str]) -> list[str]:
    """Single words and pairs, with the two ends of the text as words."""
    if not tokens:
        return []
    pairs = [f"{a} {b}" for a, b in zip((START, *tokens), (*tokens, END), strict=True)]
    return [*tokens, *pairs]


def char_grams(token: str) -> list[str]:
    """All runs of 2 to 5 characters of the token between two blanks."""
    padded = f" {token[:40]} "
    return [padded[i : i + n] for n in range(_SHORTEST, _LONGEST + 1) for i in range(len(padded) - n + 1)]


@dataclass(frozen=True, slots=True)
class View:
    """The vocabulary of one view. Columns: words first, then characters, then concepts; `idf` runs over all of them."""

    words: Mapping[str, int]
    chars: Mapping[str, int]
    concepts: Mapping[str, int]
    idf: Floats
    _tokens: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size(self) -> int:
        return len(self.idf)

    def vector(self, tokens: Sequence[str], concepts: Iterable[str]) -> tuple[Ints, Floats]:
        """The text as (columns, weights); each block has length 1 times its weight, unknown grams count nothing."""
        chars: list[int] = []
        for token in tokens:
            ids = self._tokens.get(token)
            if ids is None:
                ids = [self.chars[g] for g in char_grams(token) if g in self.chars]
                if len(self._tokens) < _CACHED:
                    self._tokens[token] = ids
            chars += ids
        words = [self.words[g] for g in word_grams(tokens) if g in self.words]
        named = [self.concepts[c] for c in concepts if c in self.concepts]
        blocks = [self._block(ids, weight) for ids, weight in zip((words, chars, named), BLOCK_WEIGHTS, strict=True)]
        return np.concatenate([at for at, _ in blocks]), np.concatenate([weights for _, weights in blocks])

    def word_vector(self, tokens: Sequence[str]) -> tuple[Ints, Floats]:
        """The words and pairs alone."""
        return self._block([self.words[g] for g in word_grams(tokens) if g in self.words], BLOCK_WEIGHTS[0])

    def _block(self, ids: list[int], weight: float) -> tuple[Ints, Floats]:
        counted = Counter(ids)
        at = np.fromiter(counted.keys(), np.int32, len(counted))
        counts = np.fromiter(counted.values(), np.float32, len(counted))
        values = (1 + np.log(counts)) * self.idf[at]
        return at, np.asarray(values * (weight / max(float(np.sqrt(values @ values)), 1e-9)), np.float32)


def learn(texts: Sequence[tuple[Sequence[str], Sequence[str]]], *, rarest_word: int = 1, rarest_char: int = 2) -> View:
    """The vocabulary of (tokens, concepts) texts; grams met in fewer texts than the rarest are dropped."""
    words: Counter[str] = Counter()
    chars: Counter[str] = Counter()
    concepts: Counter[str] = Counter()
    grams: dict[str, list[str]] = {}
    for tokens, named in texts:
        words.update(set(word_grams(tokens)))
        seen: set[str] = set()
        for token in set(tokens):
            if token not in grams:
                grams[token] = char_grams(token)
            seen.update(grams[token])
        chars.update(seen)
        concepts.update(set(named))
    kept = (
        sorted(g for g, n in words.items() if n >= rarest_word),
        sorted(g for g, n in chars.items() if n >= rarest_char),
        sorted(concepts),
    )
    frequencies = [counter[g] for counter, block in zip((words, chars, concepts), kept, strict=True) for g in block]
    idf = np.array([math.log((1 + len(texts)) / (1 + n)) + 1 for n in frequencies], np.float32)
    first = len(kept[0])
    second = first + len(kept[1])
    return View(
        {g: i for i, g in enumerate(kept[0])},
        {g: first + i for i, g in enumerate(kept[1])},
        {g: second + i for i, g in enumerate(kept[2])},
        idf,
    )
