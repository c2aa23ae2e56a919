"""Text as numbers: words, pairs of words, character runs and concepts of one view, with numpy alone. Nothing is learned
in here but counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Written = tuple[Sequence[str], Sequence[str]]  # tokens, concepts
WINDOW = 8  # two words as far apart count as said together, in the view without marks
RAREST, RAREST_PAIR = 2, 3  # what is met in fewer texts is dropped
SHORTEST, LONGEST = 3, 4  # character runs, in the view without marks
_CACHED = 20_000  # tokens whose character runs are remembered
_WEIGHTS = np.array([1.0, 1.2, 0.35, 0.8])  # words, pairs, concepts, characters
BLOCK_WEIGHTS = _WEIGHTS / math.sqrt(_WEIGHTS @ _WEIGHTS)


def char_runs(token: str, *, longest: int = LONGEST) -> list[str]:
    """All runs of 3 or 4 characters of the token between two blanks, or of none longer than that."""
    padded = f" {token[:40]} "
    return [padded[i : i + n] for n in range(SHORTEST, longest + 1) for i in range(len(padded) - n + 1)]


def codes(texts: Sequence[Sequence[int]], words: int, *, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One number for every two words side by side (the ends of a text count as words), and for every two nearby in
    either order; and the text each is of. Words are 0..words - 1, or -1 for an unknown one, which is in no pair."""
    base = words + 2
    gap = [-1] * window
    row = np.array(list(chain.from_iterable((words, *ids, words + 1, *gap) for ids in texts)), np.int64)
    text = np.repeat(np.arange(len(texts)), [len(ids) + 2 + window for ids in texts])
    first, second = row[:-1], row[1:]
    both = (first >= 0) & (second >= 0)
    numbers, of = [(first * base + second)[both]], [text[:-1][both]]
    row[row >= words] = -1  # the ends are in no further pairs
    for apart in range(2, window + 1):
        first, second = row[:-apart], row[apart:]
        both = (first >= 0) & (second >= 0)
        first, second = first[both], second[both]
        numbers.append(base * base + np.minimum(first, second) * base + np.maximum(first, second))
        of.append(text[:-apart][both])
    return np.concatenate(numbers), np.concatenate(of)


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts as sparse rows: row i has `columns[starts[i]:starts[i + 1]]`, ascending, with the weights of the same."""

    starts: Ints
    columns: Ints
    weights: Floats

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, at: int) -> tuple[Ints, Floats]:
        here = slice(self.starts[at], self.starts[at + 1])
        return self.columns[here], self.weights[here]


@dataclass(frozen=True, slots=True)
class View:
    """The vocabulary of one view. Columns: words, `codes` (neighbours, then pairs, ascending), concepts, character
    runs; `idf` runs over all of them. `blocks` are the first columns of neighbours, pairs, concepts and runs."""

    words: Mapping[str, int]
    codes: NDArray[np.int64]
    concepts: Mapping[str, int]  # 0..; the column is that plus `blocks[2]`
    chars: Mapping[str, int]  # the column itself
    idf: Floats
    window: int
    _runs: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size(self) -> int:
        return len(self.idf)

    @property
    def blocks(self) -> tuple[int, int, int, int]:
        words = len(self.words)
        near = words + int(np.searchsorted(self.codes, (words + 2) ** 2))
        return words, near, words + len(self.codes), words + len(self.codes) + len(self.concepts)

    def encode(self, texts: Sequence[Written]) -> Rows:
        """One row for each text; a row has length 1 when it has something of every block. Unknown things count
        nothing."""
        columns: list[int] = []
        lengths: list[int] = []
        numbered: list[list[int]] = []
        words = len(self.words)
        first = words + len(self.codes)
        for tokens, concepts in texts:
            before = len(columns)
            ids = [self.words.get(token, -1) for token in tokens]
            columns += [i for i in ids if i >= 0]
            columns += [first + self.concepts[c] for c in concepts if c in self.concepts]
            for token in tokens if self.chars else ():
                columns += self._runs.get(token) or self._run(token)
            numbered.append(ids)
            lengths.append(len(columns) - before)
        rows = np.arange(len(texts)) * self.size
        wanted, of = codes(numbered, words, window=self.window)
        found = np.searchsorted(self.codes, wanted)
        found[found == len(self.codes)] = 0
        hit = self.codes[found] == wanted if len(self.codes) else np.zeros(len(wanted), bool)
        keys = np.concatenate(
            [
                np.repeat(rows, lengths) + np.array(columns, np.int64),
                rows[of[hit]] + found[hit] + words,
            ]
        )
        return self._weighed(keys, len(texts))

    def _weighed(self, keys: NDArray[np.int64], count: int) -> Rows:
        keys.sort()
        at = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else keys
        often = np.concatenate((at[1:], [len(keys)])) - at if len(keys) else keys
        keys = keys[at]
        row, column = np.divmod(keys, max(self.size, 1))
        weights = (1 + np.log(often)) * self.idf[column]
        _, *ends = self.blocks
        block = row * 4 + np.searchsorted(ends, column, side="right")
        lengths = np.sqrt(np.bincount(block, weights * weights, 4 * count))
        scaled = weights / lengths[block] * BLOCK_WEIGHTS[block % 4]
        starts = np.searchsorted(row, np.arange(count + 1)).astype(np.int32)
        return Rows(starts, column.astype(np.int32), scaled.astype(np.float32))

    def _run(self, token: str) -> list[int]:
        runs = [self.chars[run] for run in char_runs(token) if run in self.chars]
        if len(self._runs) < _CACHED:
            self._runs[token] = runs
        return runs


def learn(texts: Sequence[Written], *, window: int, longest: int = LONGEST, rarest: int = RAREST) -> View:
    """The vocabulary of the texts; words as far apart as the window make pairs, in a window of 1 only neighbours, met
    in `rarest` texts at least. Character runs are at most `longest`, so in 0 there are none."""
    often = Counter(token for tokens, _ in texts for token in set(tokens))
    words = {token: at for at, token in enumerate(sorted(often))}
    runs = {token: char_runs(token, longest=longest) for token in words}
    chars: Counter[str] = Counter()
    concepts: Counter[str] = Counter()
    for tokens, named in texts:
        chars.update(set(chain.from_iterable(runs[token] for token in tokens)))
        concepts.update(set(named))
    numbers, times = _in_texts(
        *codes([[words[token] for token in tokens] for tokens, _ in texts], len(words), window=window)
    )
    enough = times >= np.where(numbers < (len(words) + 2) ** 2, rarest, RAREST_PAIR)
    numbers, times = numbers[enough], times[enough]
    kept = sorted(run for run, count in chars.items() if count >= RAREST)
    named = sorted(concepts)
    counts = [often[w] for w in words] + times.tolist()
    counts += [concepts[c] for c in named] + [chars[r] for r in kept]
    first = len(words) + len(numbers) + len(named)
    return View(
        words,
        numbers,
        {concept: at for at, concept in enumerate(named)},
        {run: first + at for at, run in enumerate(kept)},
        (np.log((1 + len(texts)) / (1 + np.array(counts, np.float64))) + 1).astype(np.float32),
        window,
    )


def _in_texts(numbers: NDArray[np.int64], texts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every number, ascending, and in how many texts it is; `texts` gives the text each is of."""
    count = int(texts.max(initial=0)) + 1
    seen = numbers * count + texts
    seen.sort()
    once = seen[np.flatnonzero(np.diff(seen, prepend=-1))] // count
    at = np.flatnonzero(np.diff(once, prepend=-1))
    return once[at], np.diff(np.append(at, len(once)))
