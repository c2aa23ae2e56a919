"""A small second opinion: a linear classifier over hashed words and letters, for what no pattern says.

Pure but for reading the weights; numpy only. `bot.safety.training` trains it on messages written for this project, and
alone it says CHECK; more only when nearly certain and something else in the text agrees. It also says when words
read without their marks are plainly harmless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from bot.messages import Category, Finding
from bot.nlu.normalise import Words as Lexicon
from bot.safety.words import Words

BITS = 15
SIZE = 1 << BITS
CATEGORIES: tuple[Category, ...] = (
    "suicide", "ipv", "trafficking", "child_abuse", "sexual_violence", "threat", "runaway", "medical",
)  # fmt: skip
WINDOW, STEP = (
    40,
    20,
)  # words: a long letter is read in overlapping windows, so that one line in the middle still counts


@dataclass(frozen=True, slots=True)
class Opinion:
    """`chance` that the text speaks of danger, 0..1, and of which kind; `imminent`: that such danger is now, 0..1."""

    chance: float
    category: Category
    imminent: float = 0.0
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Classifier:
    """`weights[f, 0]` speaks for danger, `weights[f, 1]` for its being now, `weights[f, 2 + k]` for category k; `bias`
    likewise. `check`/`amber`: the chances from which a text is CHECK or AMBER; `red`: from which danger is now. `words`:
    hash of the lexicon it was trained with."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    check: float
    amber: float
    red: float
    words: str = ""

    def read(self, said: Words) -> Opinion:
        """The most alarming window of a text. A text without words has no chance of danger."""
        best = Opinion(0.0, "")
        for start in range(0, max(1, len(said.tokens) - STEP), STEP):
            opinion = self.window(said, start, start + WINDOW)
            if opinion.chance > best.chance:
                best = opinion
        return best

    def window(self, said: Words, start: int, end: int) -> Opinion:
        """The opinion of the words from `start` up to `end`; of fewer than two, none."""
        start, end = max(0, start), min(len(said.tokens), end)
        found = features(said.tokens[start:end], said.bare[start:end])
        if end - start < 2:
            return Opinion(0.0, "", start=start, end=end)
        scores = self.weights[found].sum(axis=0) / np.sqrt(len(found)) + self.bias
        chance, imminent = (1 / (1 + np.exp(-np.clip(scores[:2], -30, 30)))).tolist()
        return Opinion(chance, CATEGORIES[int(scores[2:].argmax())], imminent, start, end)


def spelling(lexicon: Lexicon) -> str:
    """Hash of how a lexicon spells messages: a classifier learnt with another one is outdated."""
    spelled = [sorted(lexicon.single.items()), sorted((k, sorted(v)) for k, v in lexicon.phrases.items())]
    return hashlib.sha256(json.dumps(spelled, ensure_ascii=False).encode()).hexdigest()


def features(tokens: tuple[str, ...], bare: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Hashed features of a window, each once: words and pairs with and without marks, runs of 3 to 5 bare letters."""
    return np.fromiter({crc32(f.encode()) & (SIZE - 1) for f in _named(tokens, bare)}, dtype=np.int64)


def _named(tokens: tuple[str, ...], bare: tuple[str, ...]) -> Iterator[str]:
    for kind, row in (("m", tokens), ("p", bare)):
        yield from (f"{kind}{word}" for word in row)
        yield from (f"{kind}{a} {b}" for a, b in pairwise(row))
    yield from (f"s{a} _ {c}" for a, c in zip(bare, bare[2:], strict=False))
    text = f" {' '.join(bare)} "
    for size in (3, 4, 5):
        yield from (text[i : i + size] for i in range(len(text) - size + 1))


def load(path: Path) -> tuple[Classifier | None, list[Finding]]:
    """Reads frozen weights; they must be the ones whose hash stands beside them (`<name>.json`)."""
    try:
        raw = path.read_bytes()
        label: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, [_fault(path, "không đọc được bộ phân loại", "the classifier or its label cannot be read")]
    if hashlib.sha256(raw).hexdigest() != label.get("sha256"):
        return None, [
            _fault(path, "bộ phân loại không đúng mã đã ghi", "the classifier is not the one that was frozen")
        ]
    table = np.frombuffer(raw, dtype="<f2").astype(np.float32)
    if table.size != (SIZE + 1) * (2 + len(CATEGORIES)):
        return None, [_fault(path, "bộ phân loại sai cỡ", "the classifier has the wrong size")]
    table = table.reshape(SIZE + 1, 2 + len(CATEGORIES))
    limits = (float(label["check"]), float(label["amber"]), float(label["red"]))
    return Classifier(table[:-1], table[-1], *limits, str(label.get("words", ""))), []


def _fault(path: Path, vi: str, en: str) -> Finding:
    return Finding("error", path.name, 1, "classifier", vi, f"{en}: run `osso safety train`")
