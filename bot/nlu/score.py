"""How well a text fits every article, and the facts by which we judge how sure that is. Pure; numpy alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.nlu.features import BLOCK_WEIGHTS, Floats, Ints
from bot.nlu.model import Calibration, Model, Text

GATE = 0.42  # what the view with marks weighs
BEST = 5  # articles kept of all
FACTS = ("score", "lead", "lead over third", "nearest", "known words", "length", "out of scope")
FULL = float(BLOCK_WEIGHTS[:3] @ BLOCK_WEIGHTS[:3])  # the product of a text with itself, character runs aside
Row = tuple[Ints, Floats]


@dataclass(frozen=True, slots=True)
class Fit:
    """One text against all articles: `scores`, those of the speech acts, and the score of nothing fitting."""

    scores: Floats
    acts: Floats
    outside: float


@dataclass(frozen=True, slots=True)
class Near:
    """The best articles, best first, and the likeness (cosine) of the text with every question of the first of them."""

    fit: Fit
    order: NDArray[np.intp]
    likes: Floats


def fits(model: Model, texts: Sequence[Text]) -> tuple[Row, list[Fit]]:
    """The first text's row in the plain view, and the fit of each text."""
    plain = model.plain.encode([(text.plain, text.concepts) for text in texts])
    marked = model.marked.encode([(text.tokens, text.concepts) for text in texts])
    return plain.row(0), [fit(model, plain.row(at), marked.row(at)) for at in range(len(texts))]


def fit(model: Model, plain: Row, marked: Row) -> Fit:
    z = (1 - GATE) * _linear(model.plain_weights, plain) + GATE * _linear(model.marked_weights, marked)
    articles = len(model.title_concepts)
    return Fit(z[:articles], z[articles:-1], float(z[-1]))


def fit_all(model: Model, plain: Any, marked: Any) -> list[Fit]:
    """The fits of many texts at once; their rows of both views as sparse matrices."""
    z = (1 - GATE) * (plain @ model.plain_weights[:-1] + model.plain_weights[-1])
    z += GATE * (marked @ model.marked_weights[:-1] + model.marked_weights[-1])
    articles = len(model.title_concepts)
    return [Fit(row[:articles], row[articles:-1], float(row[-1])) for row in z]


def _linear(table: Floats, row: Row) -> Floats:
    return np.asarray(row[1] @ table[row[0]].astype(np.float32, copy=False) + table[-1], np.float32)


def nearest(model: Model, row: Row, fitting: Fit) -> Near:
    order = np.argsort(-fitting.scores)[:BEST]
    starts = model.rows.starts[model.first[order[0]] : model.first[order[0] + 1] + 1]
    if len(starts) < 2:
        return Near(fitting, order, np.zeros(1, np.float32))
    dense = np.zeros(model.plain.size, np.float32)
    dense[row[0]] = row[1]
    here = slice(starts[0], starts[-1])
    products = dense[model.rows.columns[here]] * model.rows.weights[here]
    return Near(fitting, order, np.asarray(np.add.reduceat(products, starts[:-1] - starts[0]) / FULL, np.float32))


def facts(near: Near, *, words: int, known: float) -> Floats:
    """The facts named in `FACTS`; `words` is the length of the text, `known` the known share of it. Few on purpose:
    more of them judged the questions they were learned from better, and others worse."""
    z = near.fit.scores[near.order]
    lead, further = z[0] - z[min(1, len(z) - 1)], z[0] - z[min(2, len(z) - 1)]
    return np.array([z[0], lead, further, near.likes.max(), known, math.log1p(words), near.fit.outside], np.float32)


def sure(calibration: Calibration, found: Floats) -> float:
    """The calibrated chance that the best article is the right one; never certainty, which is for known questions."""
    c = calibration
    odds = float(crossed((found - c.mean) / c.scale) @ c.weights) + c.bias
    return 1 / (1 + math.exp(-max(-7.0, min(7.0, odds))))


def crossed(standard: Floats) -> Floats:
    """The standardised facts and all their products, along the last axis: what a fact means depends on the others."""
    clipped = np.clip(standard, -4, 4)
    first, second = _pairs(clipped.shape[-1])
    return np.concatenate([clipped, clipped[..., first] * clipped[..., second]], axis=-1)


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(count)


def known_share(model: Model, plain: Sequence[str]) -> float:
    """The share of the words' weight that is known; an unknown word weighs as much as the rarest."""
    view = model.plain
    highest = float(view.idf[: len(view.words)].max(initial=1.0))
    weights = [float(view.idf[view.words[token]]) if token in model.known else highest for token in plain]
    got = sum(weight for weight, token in zip(weights, plain, strict=True) if token in model.known)
    return got / sum(weights) if weights else 0.0
