"""A small second opinion: a linear classifier over hashed words, letters and filled slots, for what no pattern says.

Pure but for reading the weights; numpy only. `bot.safety.training` trains it on messages written for this project, and
alone it says CHECK; more only when nearly certain and something else in the text agrees. It also says when words
read without their marks are plainly harmless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, sqrt
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
LETTERS = (3, 4, 5)  # lengths of the runs of letters that are features
WORD, PAIR, RUN = 2.0, 1.5, 0.6  # what a word, two words and a run of letters weigh beside the other features
REACH = 5  # words that may stand between two slots that are a feature together
CATEGORIES: tuple[Category, ...] = (
    "suicide", "ipv", "trafficking", "child_abuse", "sexual_violence", "threat", "runaway", "medical",
)  # fmt: skip
WINDOW, STEP = (
    40,
    20,
)  # words: a long letter is read in overlapping windows, so that one line in the middle still counts
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Slots = Sequence[tuple[int, int, int]]  # first word, word after the last, and `kind` of each slot filled; in order


@dataclass(frozen=True, slots=True)
class Opinion:
    """`chance` that the text speaks of danger, 0..1; `imminent`: that such danger is now, 0..1; `kinds`: what speaks
    for each of `CATEGORIES`, in log odds (empty when nothing was read)."""

    chance: float
    imminent: float = 0.0
    kinds: tuple[float, ...] = ()
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Weighed:
    """A text with its weights summed up to each word, so that every window is read at once: `sums[i]` of the
    features that begin before word i, `weight[i]` of their own squared; `first`: two columns as plain numbers."""

    sums: npt.NDArray[np.float32]
    weight: list[float]
    first: list[list[float]]
    bias: npt.NDArray[np.float32]

    def best(self) -> Opinion:
        """The most alarming window."""
        starts = range(0, max(1, len(self.weight) - 1 - STEP), STEP)
        start = max(starts, key=lambda at: self.chance(at, at + WINDOW))
        return self.window(start, start + WINDOW)

    def chance(self, start: int, end: int) -> float:
        """The chance that the words from `start` up to `end` speak of danger; of fewer than two words, none."""
        return self._certain(start, end, 0)

    def window(self, start: int, end: int) -> Opinion:
        """The whole opinion of these words."""
        start, end = max(0, start), min(len(self.weight) - 1, end)
        if end - start < 2:
            return Opinion(0.0, start=start, end=end)
        kinds = (self.sums[end] - self.sums[start])[2:] / sqrt(max(1, self.weight[end] - self.weight[start]))
        said = tuple((kinds + self.bias[2:]).tolist())
        return Opinion(self.chance(start, end), self._certain(start, end, 1), said, start, end)

    def _certain(self, start: int, end: int, column: int) -> float:
        start, end = max(0, start), min(len(self.weight) - 1, end)
        if end - start < 2:
            return 0.0
        own = max(1, self.weight[end] - self.weight[start])
        score = (self.first[column][end] - self.first[column][start]) / sqrt(own) + float(self.bias[column])
        return 1 / (1 + exp(-max(-30.0, min(30.0, score))))


@dataclass(frozen=True, slots=True)
class Classifier:
    """`weights[f, 0]` speaks for danger, `weights[f, 1]` for its being now, `weights[f, 2 + k]` for category k; `bias`
    likewise. `check`/`amber`: the chances from which a text is CHECK or AMBER; `red`: from which danger is now.
    `words`: hash of the lexicon it was trained with."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    check: float
    amber: float
    red: float
    words: str = ""

    def weigh(self, said: Words, slots: Slots) -> Weighed:
        """Reads a text once."""
        size = len(said.tokens)
        found, owner, value = features(said, slots)
        each = self.weights[found] * value[:, None]
        sums = np.zeros((size + 1, each.shape[1]), dtype=np.float32)
        for column in range(each.shape[1]):
            np.cumsum(np.bincount(owner, each[:, column], size), out=sums[1:, column])
        weight = [0.0, *np.cumsum(np.bincount(owner, value**2, size)).tolist()]
        return Weighed(sums, weight, sums[:, :2].T.tolist(), self.bias)


def silent() -> Classifier:
    """A classifier that has learnt nothing and sways nothing."""
    columns = 2 + len(CATEGORIES)
    nothing = np.zeros((SIZE, columns), dtype=np.float32)
    return Classifier(nothing, nothing[0], 2.0, 2.0, 2.0)


def spelling(lexicon: Lexicon) -> str:
    """Hash of how a lexicon spells messages: a classifier learnt with another one is outdated."""
    spelled = [sorted(lexicon.single.items()), sorted((k, sorted(v)) for k, v in lexicon.phrases.items())]
    return hashlib.sha256(json.dumps(spelled, ensure_ascii=False).encode()).hexdigest()


def features(said: Words, slots: Slots) -> tuple[Ints, Ints, Floats]:
    """Hashed features of a text, the word each begins in, and what it weighs: words and pairs with and without marks,
    bare words next but one, runs of 3 to 5 bare letters, and the slots its phrases fill, alone and one after the other.
    """
    bare = said.bare
    named: list[int] = []
    owner: list[int] = []
    values: list[float] = []
    for kind, row in (("m", said.tokens), ("p", bare)):
        named += [_hash(f"{kind}{word}") for word in row]
        named += [_hash(f"{kind}{a} {b}") for a, b in pairwise(row)]
        owner += [*range(len(row)), *range(len(row) - 1)]
        values += [WORD] * len(row) + [PAIR] * max(0, len(row) - 1)
    named += [_hash(f"s{a} _ {c}") for a, c in zip(bare, bare[2:], strict=False)]
    owner += range(len(bare) - 2)
    values += [1.0] * max(0, len(bare) - 2)
    text = f" {' '.join(bare)} "
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)
    begins = np.cumsum([1, *(len(word) + 1 for word in bare)])[:-1]
    words = np.maximum(0, np.searchsorted(begins, np.arange(len(codes)), side="right") - 1)
    hashes, owners = [np.array(named, dtype=np.int64)], [np.array(owner, dtype=np.int64)]
    weights = [np.array(values, dtype=np.float64)]
    for length in LETTERS if len(bare) else ():
        runs = np.full(max(0, len(codes) - length + 1), 2166136261 + length, dtype=np.uint32)
        for at in range(length):
            runs = (runs ^ codes[at : at + len(runs)]) * np.uint32(16777619)
        hashes.append(_fold(runs))
        owners.append(words[: len(runs)])
        weights.append(np.full(len(runs), RUN))
    for found, begun in _meant(slots):
        hashes.append(found)
        owners.append(begun)
        weights.append(np.ones(len(found)))
    return np.concatenate(hashes), np.concatenate(owners), np.concatenate(weights)


def _meant(slots: Slots) -> list[tuple[Ints, Ints]]:
    """The slots a text fills, and each two of them with few words between, whatever the words that fill them."""
    if not slots:
        return []
    starts, ends, kinds = np.array(slots, dtype=np.int64).T
    first = np.searchsorted(starts, ends, side="left")
    counts = np.maximum(0, np.searchsorted(starts, ends + REACH, side="right") - first)
    before = np.repeat(np.arange(len(slots)), counts)
    after = np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    pairs = (kinds[before].astype(np.uint32) * np.uint32(2654435761)) ^ kinds[after].astype(np.uint32)
    return [(_fold(kinds.astype(np.uint32)), starts), (_fold(pairs * np.uint32(16777619)), starts[before])]


def kind(slot: str) -> int:
    """The number that stands for a slot in `Slots`."""
    return crc32(f"#{slot}".encode())


def _fold(hashes: npt.NDArray[np.uint32]) -> Ints:
    return ((hashes ^ (hashes >> np.uint32(15))) & np.uint32(SIZE - 1)).astype(np.int64)


def _hash(name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass")) & (SIZE - 1)


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
