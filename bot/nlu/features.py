"""Text as numbers: words, pairs of words, character runs and concepts of one view, with numpy alone. Nothing is learned
in here but counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Written = tuple[Sequence[str], Sequence[str]]  # tokens, concepts
WINDOW = 8  # two words as far apart count as said together, in the view without marks
RAREST, RAREST_PAIR = 2, 3  # what is met in fewer texts is dropped
SHORTEST, LONGEST = 2, 5  # character runs
_CACHED = 20_000  # tokens whose character runs are remembered
BLOCK_WEIGHTS = np.array([1.0, 1.0, 0.5, 1.0]) / math.sqrt(3.25)  # words, pairs, concepts, characters


def char_runs(token: str) -> list[str]:
    """All runs of 2 to 5 characters of the token between two blanks."""
    padded = f" {token[:40]} "
    return [padded[i : i + n] for n in range(SHORTEST, LONGEST + 1) for i in range(len(padded) - n + 1)]


def codes(ids: Sequence[int], words: int, *, window: int) -> list[int]:
    """One number for every two words side by side (the ends of the text count as words), and for every two nearby in
    either order. `ids` are 0..words - 1, or -1 for an unknown word, which is in no pair."""
    base = words + 2
    ends = (words, *ids, words + 1)
    found = [a * base + b for a, b in pairwise(ends) if a >= 0 and b >= 0]
    beyond = base * base
    for apart in range(2, min(window, len(ids) - 1) + 1):
        found += [
            beyond + (a * base + b if a < b else b * base + a)
            for a, b in zip(ids, ids[apart:], strict=False)
            if a >= 0 and b >= 0
        ]
    return found


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
        numbers: list[int] = []
        lengths: list[int] = []
        pairs: list[int] = []
        words = len(self.words)
        first = words + len(self.codes)
        for tokens, concepts in texts:
            before, earlier = len(columns), len(numbers)
            ids = [self.words.get(token, -1) for token in tokens]
            columns += [i for i in ids if i >= 0]
            columns += [first + self.concepts[c] for c in concepts if c in self.concepts]
            for token in tokens:
                columns += self._runs.get(token) or self._run(token)
            numbers += codes(ids, words, window=self.window)
            lengths.append(len(columns) - before)
            pairs.append(len(numbers) - earlier)
        rows = np.arange(len(texts)) * self.size
        wanted = np.array(numbers, np.int64)
        found = np.searchsorted(self.codes, wanted)
        found[found == len(self.codes)] = 0
        hit = self.codes[found] == wanted if len(self.codes) else np.zeros(len(wanted), bool)
        keys = np.concatenate(
            [
                np.repeat(rows, lengths) + np.array(columns, np.int64),
                np.repeat(rows, pairs)[hit] + found[hit] + words,
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


def learn(texts: Sequence[Written], *, window: int) -> View:
    """The vocabulary of the texts; words as far apart as the window make pairs, in a window of 1 only neighbours."""
    often = Counter(token for tokens, _ in texts for token in set(tokens))
    words = {token: at for at, token in enumerate(sorted(often))}
    runs = {token: char_runs(token) for token in words}
    chars: Counter[str] = Counter()
    concepts: Counter[str] = Counter()
    near = []
    for tokens, named in texts:
        near.append(codes([words[token] for token in tokens], len(words), window=window))
        chars.update(set(chain.from_iterable(runs[token] for token in tokens)))
        concepts.update(set(named))
    numbers, times = _in_texts(near)
    enough = times >= np.where(numbers < (len(words) + 2) ** 2, RAREST, RAREST_PAIR)
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


def _in_texts(found: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every number found, ascending, and in how many texts."""
    count = max(len(found), 1)
    flat = np.fromiter(chain.from_iterable(found), np.int64)
    text = np.repeat(np.arange(len(found)), [len(numbers) for numbers in found])
    numbers, times = np.unique(np.unique(flat * count + text) // count, return_counts=True)
    return numbers, times
