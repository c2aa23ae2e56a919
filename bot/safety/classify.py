"""A small second opinion: a linear classifier over hashed words, letters and filled slots, for what no pattern says.

Pure but for reading the weights; numpy only. `bot.safety.training` trains it on messages written for this project, and
alone it says CHECK; more only when nearly certain and something else in the text agrees. It also says when words
read without their marks are plainly harmless.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
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
MIX = (2654435761, 2246822519, 3266489917, 668265263, 374761393)  # odd: nothing is lost
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Feature = tuple[int, int, float]  # the word it begins in, its row in the table, what it weighs
Slots = Sequence[tuple[int, int, int]]  # first word, word after the last, and `kind` of each slot filled; in order


@dataclass(slots=True)
class Weighed:
    """A text with what speaks for danger summed up to each word, so that every window is read at once: `danger[i]` of
    the features that begin before word i, `weight[i]` of their own squared. What else they say is summed when asked."""

    said: Words
    slots: Slots
    by: Classifier
    danger: list[float]
    weight: list[float]

    def best(self) -> Opinion:
        """The most alarming window."""
        starts = range(0, max(1, len(self.weight) - 1 - STEP), STEP)
        start = max(starts, key=lambda at: self.chance(at, at + WINDOW)) if len(starts) > 1 else 0
        start, end = self._within(start, start + WINDOW)
        return Opinion(self, start, end, self.chance(start, end))

    def chance(self, start: int, end: int) -> float:
        """The chance that the words from `start` up to `end` speak of danger; of fewer than two words, none."""
        start, end = self._within(start, end)
        if end - start < 2:
            return 0.0
        own = max(1, self.weight[end] - self.weight[start])
        return _chance((self.danger[end] - self.danger[start]) / sqrt(own) + float(self.by.bias[0]))

    def imminent(self, start: int, end: int) -> float:
        """The chance that such danger is now; of fewer than two words, none."""
        odds = self._odds(start, end)
        return _chance(odds[1]) if odds else 0.0

    def kinds(self, start: int, end: int) -> list[float]:
        """What speaks for each of `CATEGORIES` in these words, in log odds; of fewer than two words, nothing."""
        return self._odds(start, end)[2:] or [0.0] * len(CATEGORIES)

    def _odds(self, start: int, end: int) -> list[float]:
        start, end = self._within(start, end)
        if end - start < 2:
            return []
        begun, found, value = features(self.said.part(start, end + 2), self._slots(start, end))
        here = begun < end - start
        own = max(1, self.weight[end] - self.weight[start])
        odds: list[float] = (
            (value[here] @ self.by.weights[found[here]].astype(np.float32)) / sqrt(own) + self.by.bias
        ).tolist()
        return odds

    def _slots(self, start: int, end: int) -> Slots:
        """Those that begin in these words or are within reach of one that does, as if the text began there."""
        far = max((stop for first, stop, _ in self.slots if start <= first < end), default=end) + REACH
        return [(first - start, stop - start, kind) for first, stop, kind in self.slots if start <= first <= far]

    def _within(self, start: int, end: int) -> tuple[int, int]:
        return max(0, start), min(len(self.weight) - 1, end)


def _chance(odds: float) -> float:
    return 1 / (1 + exp(-max(-30.0, min(30.0, odds))))


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
        return self.of.imminent(self.start, self.end)

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
    _danger: array[float] = field(init=False, compare=False, repr=False)
    _met: dict[str, tuple[float, float]] = field(default_factory=dict, compare=False, repr=False)
    _filled: dict[int, _Beside] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_danger", array("f", self.weights[:, 0].astype(np.float32).tobytes()))

    def weigh(self, said: Words, slots: Slots) -> Weighed:
        """Reads a text once, number by number: arrays as short as a message would cost more."""
        gains, owns, danger = [0.0], [0.0], self._danger
        for word in said.tokens:
            gain, own = self._met.get(word) or self._meet(word)
            gains.append(gain)
            owns.append(own)
        for begins, row, value in beside(said):
            gains[begins + 1] += danger[row] * value
            owns[begins + 1] += value * value
        starts, kinds = [start for start, _, _ in slots], [kind for *_, kind in slots]
        for start, end, first in slots:
            other = self._filled.get(first)
            if other is None:  # one that has met no other yet is empty, and so false
                other = self._filled[first] = _Beside(first, danger)
            near = kinds[slice(*_reached(starts, end))]
            gains[start + 1] += other.alone + SLOTS * sum(map(other.__getitem__, near))
            owns[start + 1] += 1 + SLOTS * SLOTS * len(near)
        return Weighed(said, slots, self, list(accumulate(gains)), list(accumulate(owns)))

    def _meet(self, word: str) -> tuple[float, float]:
        """What a word's own features say for danger, and what they weigh squared. Most words come again."""
        if len(self._met) >= MET:
            self._met.clear()
        told = alone(word)
        both = sum(self._danger[row] * value for row, value in told), sum(value * value for _, value in told)
        self._met[word] = both
        return both


class _Beside(dict[int, float]):
    """What a slot says for danger alone, and with each other that follows; reckoned when first met."""

    def __init__(self, kind: int, danger: array[float]) -> None:
        super().__init__()
        self._kind, self._danger = kind, danger
        self.alone = danger[_row(kind)]

    def __missing__(self, kind: int) -> float:
        self[kind] = gain = self._danger[_mixed(self._kind, kind)]
        return gain


def silent() -> Classifier:
    """A classifier that has learnt nothing and sways nothing."""
    columns = 2 + len(CATEGORIES)
    return Classifier(np.zeros((SIZE, columns), dtype=np.float16), np.zeros(columns, dtype=np.float32), 2.0, 2.0, 2.0)


def spelling(lexicon: Lexicon) -> str:
    """Hash of how a lexicon spells messages: a classifier learnt with another one is outdated."""
    spelled = [sorted(lexicon.single.items()), sorted((k, sorted(v)) for k, v in lexicon.phrases.items())]
    return hashlib.sha256(json.dumps(spelled, ensure_ascii=False).encode()).hexdigest()


def features(said: Words, slots: Slots) -> tuple[Ints, Ints, Floats]:
    """Hashed features of a text: the word each begins in, its row among the weights, and what it weighs."""
    own = ((at, row, value) for at, word in enumerate(said.tokens) for row, value in alone(word))
    told = [*own, *beside(said), *meant(slots)]
    begun, found, values = zip(*told, strict=True) if told else ((), (), ())
    return np.array(begun, dtype=np.int64), np.array(found, dtype=np.int64), np.array(values, dtype=np.float32)


def alone(word: str) -> list[tuple[int, float]]:
    """The features of one word: itself, with and without marks, and its runs of 3 to 5 bare letters."""
    bare = syllable.strip(word)
    padded = f" {bare} "
    runs = [padded[at : at + length] for length in LETTERS for at in range(len(padded) - length + 1)]
    named = [(f"m{word}", WORD), (f"p{bare}", WORD), *((run, RUN) for run in runs)]
    return [(_number(name) & (SIZE - 1), value) for name, value in named]


def beside(said: Words) -> Iterator[Feature]:
    """The features of words beside each other: two with their marks, two without, and bare words next but one."""
    marked = [_number(word) for word in said.tokens]
    bare = [_number(word) for word in said.bare]
    for at in range(len(marked) - 1):
        yield at, _row(marked[at] * MIX[0] ^ marked[at + 1]), PAIR
        yield at, _row(bare[at] * MIX[1] ^ bare[at + 1]), PAIR
    for at in range(len(bare) - 2):
        yield at, _row(bare[at] * MIX[2] ^ bare[at + 2]), 1.0


def meant(slots: Slots) -> Iterator[Feature]:
    """The features of the slots a text fills, alone and two with few words between, whatever the words that fill
    them."""
    starts = [start for start, _, _ in slots]
    for start, end, first in slots:
        yield start, _row(first), 1.0
        for at in range(*_reached(starts, end)):
            yield start, _mixed(first, slots[at][2]), SLOTS


def _reached(starts: Sequence[int], end: int) -> tuple[int, int]:
    """Which of the slots that begin at `starts` stand within reach of one that ends before word `end`."""
    return bisect_left(starts, end), bisect_right(starts, end + REACH)


def kind(slot: str) -> int:
    """The number that stands for a slot in `Slots`."""
    return crc32(f"#{slot}".encode())


def _mixed(first: int, second: int) -> int:
    return _row(first * MIX[4] ^ second)


def _row(number: int) -> int:
    number = number * MIX[3] & 0xFFFFFFFF
    return (number ^ number >> 15) & (SIZE - 1)


@lru_cache(maxsize=2 * MET)
def _number(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))


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
