"""How well a text fits every article, and the facts by which we judge how sure that is. Pure; numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bot.nlu.features import Floats, Ints, View
from bot.nlu.model import D_FULL, U_FULL, Model, Text

ANSWER_WEIGHT = 1.2  # of the retrieval over answers; measured on left-out families, flat between 0.8 and 1.6
GATE, GATE_FULL = 0.85, 0.35  # the marked view's part grows with the share of marked words up to this
SPAN_FROM, SPAN_WORDS, SPANS = 32, 24, 8  # longer stories are also read in parts
FACTS = (
    "score", "lead", "lead over third", "nearest", "nearest rival", "centre", "known words", "length", "answer text",
    "shared concepts", "nearest out of scope", "out of scope",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Likeness:
    """One text against all known ones. `both` and `plain` are dot products over the index rows, scaled to 0..1;
    `answer` is the cosine with each article's answer; `share` the marked share; `known` the known
    share of its words."""

    both: Floats
    plain: Floats
    answer: Floats
    concepts: Floats
    share: float
    known: float
    words: int


def likeness(model: Model, text: Text, *, share: float) -> Likeness:
    columns, weights = model.plain.vector(text.plain, text.concepts)
    plain = model.plain_index.alike(columns, weights)
    marked = model.marked_index.alike(*model.marked.vector(text.tokens, text.concepts))
    answer, concepts = by_article(model, text)
    known = known_share(model.plain, model.known, text.plain)
    return Likeness((plain + marked) / D_FULL, plain / U_FULL, answer, concepts, share, known, len(text.plain))


def by_article(model: Model, text: Text) -> tuple[Floats, Floats]:
    """For each article: the cosine of the text's words with its answer, and its share of the text's concepts."""
    view = model.plain
    at, weights = view.word_vector(text.plain)
    named = [view.concepts[c] - len(view.words) - len(view.chars) for c in text.concepts if c in view.concepts]
    shared = model.concepts[:, named].mean(axis=1) if named else np.zeros(len(model.concepts), np.float32)
    return weights @ model.answers[at], shared


def kernel(alike: Floats) -> Floats:
    """Squared likeness: two things said together count more than each alone. Beats the linear kernel by 2.5 points."""
    return 4 * alike * alike


def gate(share: float) -> float:
    """The weight of the model that sees marks, 0..0.85, for a text whose words carry marks to this share."""
    return GATE * min(1.0, share / GATE_FULL)


def scores(model: Model, like: Likeness) -> tuple[Floats, float]:
    """One score per article, two ridge models gated by the marked share plus retrieval over the answers; and the score
    of being out of scope."""
    count = len(model.labels)
    g = gate(like.share)
    plain = (kernel(like.plain) + 1) @ model.alpha_plain
    both = (kernel(like.both[:count]) + 1) @ model.alpha_both if g else plain[:-1]
    return combine(plain, both, like), float(plain[-1])


def combine(plain: Floats, both: Floats, like: Likeness) -> Floats:
    """The articles' scores from the two models'; the last of `plain` is the score of being out of scope."""
    g = gate(like.share)
    return np.asarray(g * both + (1 - g) * plain[:-1] + ANSWER_WEIGHT * like.answer, np.float32)


def facts(like: Likeness, z: Floats, outside_score: float, *, labels: Ints) -> Floats:
    """The facts named in `FACTS`. `labels` gives the article of the first index rows; the rest are out of scope."""
    order = np.argsort(-z)[:3]
    best = int(order[0])
    near = like.both if gate(like.share) > GATE / 2 else like.plain
    own = near[: len(labels)][labels == best]
    rest = near[: len(labels)][labels != best]
    outside = near[len(labels) :]
    top = np.sort(own)[-3:] if len(own) else np.zeros(1)
    second = z[order[1]] if len(z) > 1 else 0.0
    third = z[order[2]] if len(z) > 2 else 0.0
    rival = float(rest.max()) if len(rest) else 0.0
    far = float(outside.max()) if len(outside) else 0.0
    return np.array(
        [
            z[best], z[best] - second, z[best] - third, top[-1], rival - top[-1], top.mean(), like.known,
            np.log1p(like.words),
            like.answer[best], like.concepts[best], far - max(rival, float(top[-1])), outside_score,
        ], np.float32,
    )  # fmt: skip


def sure(model: Model, found: Floats) -> float:
    """The calibrated chance that the best article is the right one."""
    c = model.calibration
    return float(1 / (1 + np.exp(-(crossed((found - c.mean) / c.scale) @ c.weights + c.bias))))


def crossed(standard: Floats) -> Floats:
    """The standardised facts and all their products, along the last axis: what a fact means depends on the others."""
    clipped = np.clip(standard, -4, 4)
    first, second = np.triu_indices(clipped.shape[-1])
    return np.concatenate([clipped, clipped[..., first] * clipped[..., second]], axis=-1)


def known_share(view: View, known: Mapping[str, int], plain: Sequence[str]) -> float:
    """The share of the words' weight that is `known`; an unknown word weighs as much as the rarest."""
    highest = float(view.idf[: len(view.words)].max(initial=1.0))
    total = got = 0.0
    for token in plain:
        weight = float(view.idf[view.words[token]]) if token in known else highest
        total += weight
        got += weight if token in known else 0.0
    return got / total if total else 0.0
