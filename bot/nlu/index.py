"""Every known text of one view as columns of numbers, and how alike a new text is to each of them. Numpy alone.

Grams that stand in many texts are folded into a few hundred directions, so a look-up costs well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.nlu.features import Floats, Ints

COMMON = 0.05  # grams in more than this share of the texts are folded
DIRECTIONS = 96


@dataclass(frozen=True, slots=True)
class Index:
    """`basis` (common grams, directions) folds the common grams (`slot` gives the row of a column, -1 for rare ones)
    and
    `coordinates` (directions, texts) holds the texts so folded. The rest are postings: the texts
    `rows[starts[c]:starts[c + 1]]` hold gram `c` with weights `values`."""

    slot: Ints
    basis: Floats
    coordinates: Floats
    starts: Ints
    rows: Ints
    values: Floats

    @property
    def count(self) -> int:
        return int(self.coordinates.shape[1])

    def alike(self, columns: Ints, weights: Floats) -> Floats:
        """The dot product of the given vector with every text, shape (count,)."""
        slots = self.slot[columns]
        common = slots >= 0
        total = (weights[common] @ self.basis[slots[common]]) @ self.coordinates
        rare = columns[~common]
        begin = self.starts[rare]
        lengths = self.starts[rare + 1] - begin
        size = int(lengths.sum())
        if not size:
            return np.asarray(total, np.float32)
        at = np.repeat(begin - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths) + np.arange(size)
        weighted = self.values[at] * np.repeat(weights[~common], lengths)
        return np.asarray(total + np.bincount(self.rows[at], weights=weighted, minlength=self.count), np.float32)


def build(vectors: Sequence[tuple[Ints, Floats]], columns: int) -> Index:
    """An index over the vectors, in their order."""
    count = len(vectors)
    cols = np.concatenate([at for at, _ in vectors])
    values = np.concatenate([weights for _, weights in vectors])
    rows = np.repeat(np.arange(count, dtype=np.int32), [len(at) for at, _ in vectors])
    common = np.flatnonzero(np.bincount(cols, minlength=columns) > max(COMMON * count, 2))
    slot = np.full(columns, -1, np.int32)
    slot[common] = np.arange(len(common), dtype=np.int32)
    folded = slot[cols] >= 0
    dense = np.zeros((len(common), count), np.float32)
    dense[slot[cols[folded]], rows[folded]] = values[folded]
    _, directions = np.linalg.eigh(dense @ dense.T)
    basis = np.ascontiguousarray(directions[:, -DIRECTIONS:], np.float32)
    cols, rows, values = cols[~folded], rows[~folded], values[~folded]
    order = np.argsort(cols, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(cols, minlength=columns)))).astype(np.int32)
    return Index(slot, basis, basis.T @ dense, starts, rows[order], values[order].astype(np.float32))
