"""Text as numbers: words, pairs of words, character runs and concepts of one view. Nothing is learned in here but
counts; a learned view needs numpy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Written = tuple[Sequence[str], Sequence[str]]  # tokens, concepts
WINDOW = 8  # two words as far apart count as said together, in the view without marks
RAREST, RAREST_PAIR = 2, 4  # what is met in fewer texts is dropped
SHORTEST, LONGEST = 3, 4  # character runs, in the view without marks
_CACHED = 20_000  # tokens whose character runs are remembered
_WEIGHTS = np.array([1.0, 1.2, 0.35, 0.8])  # words, pairs, concepts, characters
BLOCK_WEIGHTS = _WEIGHTS / math.sqrt(_WEIGHTS @ _WEIGHTS)


def char_runs(token: str, *, longest: int = LONGEST) -> list[str]:
    """All runs of 3 or 4 characters of the token between two blanks, or of none longer than that."""
    padded = f" {token[:40]} "
    return [padded[i : i + n] for n in range(SHORTEST, longest + 1) for i in range(len(padded) - n + 1)]


def codes(ids: Longs, of: Longs, count: int, *, words: int, window: int) -> tuple[Longs, Longs]:
    """One number for every two words side by side (the ends of a text count as words), and for every two nearby in
    either order; and the text each is of. `ids` are the words of so many texts end to end, 0..words - 1, or -1 for an
    unknown one, which is in no pair; `of` gives the text of each."""
    base, wide = words + 2, window + 2  # with its ends, and a gap over which no pair reaches
    places = np.arange(len(ids)) + of * wide + 1
    row = np.full(len(ids) + count * wide + 1, -1)
    row[places] = ids
    further = row[places[:, None] + np.arange(2, window + 1)]
    at, apart = np.nonzero((further >= 0) & (ids >= 0)[:, None])
    first, second = ids[at], further[at, apart]
    pairs = base * base + np.minimum(first, second) * base + np.maximum(first, second)
    lengths = np.bincount(of, minlength=count)
    ends = np.cumsum(lengths) + np.arange(count) * wide + 1
    row[ends - lengths - 1], row[ends] = words, words + 1
    side = np.flatnonzero((row[:-1] >= 0) & (row[1:] >= 0))
    near = row[side] * base + row[side + 1]
    return np.concatenate([near, pairs]), np.concatenate([np.searchsorted(ends, side), of[at]])


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
        row, of = _end_to_end([tokens for tokens, _ in texts])
        names, named = _end_to_end([concepts for _, concepts in texts])
        words, first = len(self.words), len(self.words) + len(self.codes)
        ids = np.array([self.words.get(token, -1) for token in row], np.int64)
        concepts = [first + self.concepts[name] if name in self.concepts else -1 for name in names]
        runs = [self._runs.get(token) or self._run(token) for token in row] if self.chars else []
        wanted, near = codes(ids, of, len(texts), words=words, window=self.window)
        found = np.searchsorted(self.codes, wanted)
        found[found == len(self.codes)] = 0
        hit = self.codes[found] == wanted if len(self.codes) else np.zeros(len(wanted), bool)
        columns = np.concatenate([ids, words + found[hit], np.array([*concepts, *chain.from_iterable(runs)], np.int64)])
        spelt = np.repeat(of, [len(some) for some in runs]) if runs else of[:0]
        keys = (np.concatenate([of, near[hit], named, spelt]) * self.size + columns)[columns >= 0]
        keys.sort()
        at = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else keys
        rows, columns = np.divmod(keys[at], max(self.size, 1))
        return self.weighed(rows, columns, np.append(at[1:], len(keys)) - at, len(texts))

    def weighed(self, rows: Longs, columns: Longs, often: Longs, count: int) -> Rows:
        """The rows of so many texts from how often each thing is in them, in the order of rows and columns."""
        weights = (1 + np.log(often)) * self.idf[columns]
        block = rows * 4 + np.searchsorted(self.blocks[1:], columns, side="right")
        lengths = np.sqrt(np.bincount(block, weights * weights, 4 * count))
        scaled = weights / lengths[block] * BLOCK_WEIGHTS[block % 4]
        starts = np.searchsorted(rows, np.arange(count + 1)).astype(np.int32)
        return Rows(starts, columns.astype(np.int32), scaled.astype(np.float32))

    def _run(self, token: str) -> list[int]:
        runs = [self.chars[run] for run in char_runs(token) if run in self.chars]
        if len(self._runs) < _CACHED:
            self._runs[token] = runs
        return runs


def learn(texts: Sequence[Written], *, window: int, longest: int = LONGEST, rarest: int = RAREST) -> View:
    """The vocabulary of the texts; words as far apart as the window make pairs, in a window of 1 only neighbours, met
    in `rarest` texts at least. Character runs are at most `longest`, so in 0 there are none."""
    return learn_rows(texts, window=window, longest=longest, rarest=rarest)[0]


def learn_rows(
    texts: Sequence[Written], *, window: int, longest: int = LONGEST, rarest: int = RAREST
) -> tuple[View, Rows]:
    """The same, and the rows of the texts, which come of the same counts."""
    from scipy import sparse  # noqa: PLC0415 - heavy, and only training needs it

    count = len(texts)
    row, of = _end_to_end([tokens for tokens, _ in texts])
    names, named = _end_to_end([concepts for _, concepts in texts])
    words, ids = _numbered(row)
    concepts, concept_ids = _numbered(names)
    spelt, word = _end_to_end([char_runs(token, longest=longest) for token in words])
    runs, run_ids = _numbered(spelt)
    numbers, near = _in_texts(*codes(ids, of, count, words=len(words), window=window), count)
    said = _counted(of, ids, shape=(count, len(words)))
    heard = (said @ _counted(word, run_ids, shape=(len(words), len(runs)))).tocsc()
    called = _counted(named, concept_ids, shape=(count, len(concepts)))
    enough = np.diff(near.indptr) >= np.where(numbers < (len(words) + 2) ** 2, rarest, RAREST_PAIR)
    common = np.diff(heard.indptr) >= RAREST
    table = sparse.hstack([said.tocsc(), near[:, enough], called.tocsc(), heard[:, common]], format="csc").tocsr()
    first = table.shape[1] - int(common.sum())
    view = View(
        words,
        numbers[enough],
        concepts,
        {run: at for at, run in enumerate(compress(runs, common), first)},
        (np.log((1 + count) / (1 + np.bincount(table.indices))) + 1).astype(np.float32),
        window,
    )
    rows = np.repeat(np.arange(count), np.diff(table.indptr))
    return view, view.weighed(rows, table.indices, table.data, count)


def _end_to_end(rows: Sequence[Sequence[str]]) -> tuple[list[str], Longs]:
    """What all rows hold, one after the other, and the row each is of."""
    return list(chain.from_iterable(rows)), np.repeat(np.arange(len(rows)), [len(row) for row in rows])


def _numbered(row: list[str]) -> tuple[dict[str, int], Longs]:
    """The different strings, in order, with their numbers; and the number of each."""
    numbers = {one: at for at, one in enumerate(sorted(set(row)))}
    return numbers, np.fromiter(map(numbers.__getitem__, row), np.int64, len(row))


def _counted(rows: Longs, columns: Longs, *, shape: tuple[int, int]) -> Any:
    """How often each column is in each row, as a sparse matrix."""
    from scipy import sparse  # noqa: PLC0415 - heavy, and only training needs it

    return sparse.csr_matrix((np.ones(len(rows), np.int32), (rows, columns)), shape=shape)


def _in_texts(numbers: Longs, of: Longs, count: int) -> tuple[Longs, Any]:
    """Every number, ascending, and how often it is in each of so many texts, as a sparse matrix; `of` gives the text
    each is of."""
    from scipy import sparse  # noqa: PLC0415 - heavy, and only training needs it

    seen = numbers * count + of
    seen.sort()
    at = np.flatnonzero(np.diff(seen, prepend=-1))
    each, texts = np.divmod(seen[at], count)
    first = np.flatnonzero(np.diff(each, prepend=-1))
    table = np.diff(at, append=len(seen)).astype(np.int32), texts, np.append(first, len(each))
    return each[first], sparse.csc_matrix(table, shape=(count, len(first)))
