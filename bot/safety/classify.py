"""A small second opinion: a linear classifier over hashed words, letters and filled slots, for what no pattern says.

Pure but for reading the weights; numpy only. `bot.safety.training` trains it on messages written for this project, and
alone it says CHECK; more only when nearly certain and something else in the text agrees. It also says when words
read without their marks are plainly harmless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import exp, sqrt
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from bot.messages import Category, Finding
from bot.nlu import syllable
from bot.nlu.normalise import Words as Lexicon
from bot.safety.words import Words

BITS = 17
SIZE = 1 << BITS
LETTERS = (3, 4, 5)  # lengths of the runs of letters that are features
WORD, PAIR, RUN, SLOTS = (
    2.0,
    1.5,
    0.6,
    0.5,
)  # what a word, two words, a run of letters and two slots weigh beside others
REACH = 5  # words that may stand between two slots that are a feature together
CATEGORIES: tuple[Category, ...] = (
    "suicide", "ipv", "trafficking", "child_abuse", "sexual_violence", "threat", "runaway", "medical",
)  # fmt: skip
WINDOW, STEP = (
    40,
    20,
)  # words: a long letter is read in overlapping windows, so that one line in the middle still counts
MET = 2_000  # words whose summed weights are kept at hand
MIX = np.array([2654435761, 2246822519, 3266489917, 668265263, 374761393], dtype=np.uint32)  # odd: nothing is lost
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float32]
Slots = Sequence[tuple[int, int, int]]  # first word, word after the last, and `kind` of each slot filled; in order


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
        start = max(starts, key=lambda at: self.chance(at, at + WINDOW)) if len(starts) > 1 else 0
        start, end = self._within(start, start + WINDOW)
        return Opinion(self, start, end, self.chance(start, end))

    def chance(self, start: int, end: int, column: int = 0) -> float:
        """The chance that the words from `start` up to `end` speak of danger (column 1: of danger that is now); of
        fewer than two words, none."""
        start, end = self._within(start, end)
        if end - start < 2:
            return 0.0
        own = max(1, self.weight[end] - self.weight[start])
        score = (self.first[column][end] - self.first[column][start]) / sqrt(own) + float(self.bias[column])
        return 1 / (1 + exp(-max(-30.0, min(30.0, score))))

    def kinds(self, start: int, end: int) -> list[float]:
        """What speaks for each of `CATEGORIES` in these words, in log odds; of fewer than two words, nothing."""
        start, end = self._within(start, end)
        if end - start < 2:
            return [0.0] * len(CATEGORIES)
        said = (self.sums[end] - self.sums[start])[2:] / sqrt(max(1, self.weight[end] - self.weight[start]))
        kinds: list[float] = (said + self.bias[2:]).tolist()
        return kinds

    def _within(self, start: int, end: int) -> tuple[int, int]:
        return max(0, start), min(len(self.weight) - 1, end)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the classifier thinks of the words from `start` up to `end`: `chance` that they speak of danger, 0..1."""

    of: Weighed
    start: int
    end: int
    chance: float

    @property
    def imminent(self) -> float:
        """The chance that such danger is now, 0..1."""
        return self.of.chance(self.start, self.end, 1)

    @property
    def kinds(self) -> list[float]:
        """What speaks for each of `CATEGORIES`, in log odds."""
        return self.of.kinds(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Classifier:
    """`weights[f, 0]` speaks for danger, `weights[f, 1]` for its being now, `weights[f, 2 + k]` for category k; `bias`
    likewise. `check`/`amber`: the chances from which a text is CHECK or AMBER; `red`: from which danger is now.
    `words`: hash of the lexicon it was trained with."""

    weights: npt.NDArray[np.float16]
    bias: npt.NDArray[np.float32]
    check: float
    amber: float
    red: float
    words: str = ""
    _met: dict[str, tuple[npt.NDArray[np.float32], float]] = field(default_factory=dict, compare=False, repr=False)

    def weigh(self, said: Words, slots: Slots) -> Weighed:
        """Reads a text once."""
        size = len(said.tokens)
        sums = np.zeros((size + 1, self.weights.shape[1]), dtype=np.float32)
        if not size:
            return Weighed(sums, [0.0], sums[:, :2].T.tolist(), self.bias)
        met = [self._met.get(word) or self._meet(word) for word in said.tokens]
        rows = np.concatenate([row for row, _ in met]).reshape(size, -1)
        own = np.array([weight for _, weight in met])
        pairs, ends = beside(said), max(0, size - 1)
        each = self.weights[pairs].astype(np.float32)
        rows[:-1] += (each[:ends] + each[ends : 2 * ends]) * PAIR
        own[:-1] += 2 * PAIR * PAIR
        if size > 2:
            rows[:-2] += each[2 * ends :]
            own[:-2] += 1.0
        np.cumsum(rows, axis=0, out=sums[1:])
        weight = np.cumsum(own)
        if slots:
            found, begun, value = meant(slots)
            before = np.searchsorted(begun, np.arange(1, size + 1))
            sums[1:] += np.concatenate((sums[:1], np.cumsum(self.weights[found] * value[:, None], axis=0)))[before]
            weight += np.concatenate(([0.0], np.cumsum(value * value)))[before]
        return Weighed(sums, [0.0, *weight.tolist()], sums[:, :2].T.tolist(), self.bias)

    def _meet(self, word: str) -> tuple[npt.NDArray[np.float32], float]:
        """The summed weights of what a word is by itself, and its own squared. Most words come again."""
        found, value = own(word)
        if len(self._met) >= MET:
            self._met.clear()
        self._met[word] = both = (value @ self.weights[found].astype(np.float32), float(value @ value))
        return both


def silent() -> Classifier:
    """A classifier that has learnt nothing and sways nothing."""
    columns = 2 + len(CATEGORIES)
    return Classifier(np.zeros((SIZE, columns), dtype=np.float16), np.zeros(columns, dtype=np.float32), 2.0, 2.0, 2.0)


def spelling(lexicon: Lexicon) -> str:
    """Hash of how a lexicon spells messages: a classifier learnt with another one is outdated."""
    spelled = [sorted(lexicon.single.items()), sorted((k, sorted(v)) for k, v in lexicon.phrases.items())]
    return hashlib.sha256(json.dumps(spelled, ensure_ascii=False).encode()).hexdigest()


def features(said: Words, slots: Slots) -> tuple[Ints, Floats]:
    """Hashed features of a text and what each weighs: of every word by itself, of words beside each other, and of the
    slots that phrases fill."""
    alone = [own(word) for word in said.tokens]
    pairs, (found, _, filled) = beside(said), meant(slots)
    value = np.ones(len(pairs), dtype=np.float32)
    value[: 2 * max(0, len(said.tokens) - 1)] = PAIR
    return (
        np.concatenate([*(f for f, _ in alone), pairs, found]),
        np.concatenate([*(v for _, v in alone), value, filled]),
    )


def own(word: str) -> tuple[Ints, Floats]:
    """The features of one word: itself, with and without marks, and its runs of 3 to 5 bare letters."""
    bare = syllable.strip(word)
    padded = f" {bare} "
    runs = [padded[at : at + length] for length in LETTERS for at in range(len(padded) - length + 1)]
    named = [_hash(name) for name in (f"m{word}", f"p{bare}", *runs)]
    return np.array(named, dtype=np.int64), np.array([WORD, WORD] + [RUN] * len(runs), dtype=np.float32)


def beside(said: Words) -> Ints:
    """The features of words beside each other: two with their marks, two without, and bare words next but one."""
    marked = np.array([_number(word) for word in said.tokens], dtype=np.uint32)
    bare = np.array([_number(word) for word in said.bare], dtype=np.uint32)
    return _fold(
        np.concatenate(
            (marked[:-1] * MIX[0] ^ marked[1:], bare[:-1] * MIX[1] ^ bare[1:], bare[:-2] * MIX[2] ^ bare[2:])
        )
    )


def meant(slots: Slots) -> tuple[Ints, Ints, Floats]:
    """The features of the slots a text fills, alone and two with few words between, whatever the words that fill them;
    the word each begins in, rising; and what it weighs."""
    rows = np.array(slots, dtype=np.int64).reshape(-1, 3)
    starts, ends, kinds = rows[:, 0], rows[:, 1], rows[:, 2].astype(np.uint32)
    first = np.searchsorted(starts, ends, side="left")
    counts = np.maximum(0, np.searchsorted(starts, ends + REACH, side="right") - first)
    before = np.repeat(np.arange(len(slots)), counts)
    after = np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts - first, counts)
    begun = np.concatenate((starts, starts[before]))
    value = np.ones(len(begun), dtype=np.float32)
    value[len(slots) :] = SLOTS
    order = np.argsort(begun, kind="stable")
    return _fold(np.concatenate((kinds, kinds[before] * MIX[4] ^ kinds[after])))[order], begun[order], value[order]


def kind(slot: str) -> int:
    """The number that stands for a slot in `Slots`."""
    return crc32(f"#{slot}".encode())


def _fold(hashes: Hashes) -> Ints:
    hashes = hashes * MIX[3]
    return ((hashes ^ (hashes >> np.uint32(15))) & np.uint32(SIZE - 1)).astype(np.int64)


@lru_cache(maxsize=MET)
def _number(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))


def _hash(name: str) -> int:
    return _number(name) & (SIZE - 1)


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
    table = np.frombuffer(raw, dtype="<f2")
    if table.size != (SIZE + 1) * (2 + len(CATEGORIES)):
        return None, [_fault(path, "bộ phân loại sai cỡ", "the classifier has the wrong size")]
    table = table.reshape(SIZE + 1, 2 + len(CATEGORIES))
    limits = (float(label["check"]), float(label["amber"]), float(label["red"]))
    return Classifier(table[:-1], table[-1].astype(np.float32), *limits, str(label.get("words", ""))), []


def _fault(path: Path, vi: str, en: str) -> Finding:
    return Finding("error", path.name, 1, "classifier", vi, f"{en}: run `osso safety train`")
