"""Learning from the knowledge base: two ridge classifiers, and how sure to be, from questions left out with all like
them.

Runs in a process of its own (`python -m bot.nlu.train FILE < lesson.json`), so a server never carries scipy and never
waits.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.nlu import score
from bot.nlu.features import BLOCK_WEIGHTS, RAREST, WINDOW, Floats, Ints, Rows, View, learn_rows
from bot.nlu.model import Calibration, Lesson, Model, Text
from bot.nlu.normalise import Words, concepts, respelt
from bot.nlu.spelling import Speller

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
RIDGE = 0.7
EVEN, LARGEST = 0.3, 4.0  # how evenly large and small articles are heard; acts and the rest count as so large at most
BIAS = 3.0  # of every text: so much that the ridge hardly holds it
STEPS = 3  # of conjugate gradients; more change little
STRONGEST, REST = 450, 0.7  # columns whose part is solved exactly, and how much the others' squares in a row count
MANY, RAREST_OF_MANY = 400, 10  # articles from which a model must stay small: means for ridges, rare neighbours and
# pieces of answers left out, weights of half the size
NEAR_WINDOW = 4  # in the view with marks
ANSWER_WEIGHT = 7.0  # of the retrieval over what articles say; flat between half and twice that
TOLD_WORDS, TOLD_WEIGHT = 20, 0.4  # an answer is learned from in pieces, each weighing less than a question
ACTS_KEPT = 3  # every so many texts of acts are learned from while that is seen: there they only stand against articles
ASIDE = 5  # every so many questions one is left out, to see how a new wording fares
SAME, COMMON = 0.4, 0.05  # likeness from which two questions are one wording; words of so many texts do not count there
WRONG_ANSWERED = 0.032  # of stated answers to left-out questions that may be wrong; of other authors' fewer were
OOS_ANSWERED = 0.035  # of out-of-scope texts that may be answered; of those like none learned more were, one in twenty
LEAST = 0.5  # chance of being right below which nothing is stated, however few were wrong
LOST = 0.004  # of texts with the right article among three that may end as “do not know”
KINDS = ("like no other", "left out", "words missing", "out of scope")  # of the texts put to the test
LIKE_NONE, LEFT_OUT, MISSING, OUTSIDE = range(4)
MIX = (0.35, 0.35, 0.2, 0.1)  # their weights: other authors, asked for such messages, wrote nearer than the second kind
THIN = 6  # every so many of the learned questions are also tried with words missing, or two words alone
ENOUGH = 2_000  # questions of one kind put to the test, of however many
HOLD = 5.0  # ridge of the calibration


@dataclass(frozen=True, slots=True)
class Corpus:
    """Every text in the order of the rows: questions by article, out-of-scope texts, what speech acts sound like, then
    pieces of the answers. `labels` gives the article, then come the acts, and the highest is for out of scope; `asked`
    and `outside` count the first two kinds of texts, `articles` and `acts` the labels."""

    texts: tuple[Text, ...]
    labels: Ints
    asked: int
    outside: int
    articles: int
    acts: int
    told: int
    said: tuple[Text, ...]  # the whole answers, by article

    @property
    def classes(self) -> int:
        return self.articles + self.acts + 1

    @property
    def spoken(self) -> int:
        return self.asked + self.outside


def fit(lesson: Lesson) -> Model:
    """The model of a lesson with at least two articles. Deterministic."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - only training needs it

    collecting = gc.isenabled()
    gc.disable()  # a million small things are made here, and none in a circle
    try:
        with threadpool_limits(1):  # more of them mostly wait, and burn what others need
            return _fit(lesson)
    finally:
        if collecting:
            gc.enable()


def _fit(lesson: Lesson) -> Model:
    articles = tuple(sorted(lesson.questions))
    corpus = _corpus(lesson, articles)
    many = len(articles) > MANY
    far, near, rarest = (1, 1, RAREST_OF_MANY) if many else (WINDOW, NEAR_WINDOW, RAREST)
    plain, rows = learn_rows([(t.plain, t.concepts) for t in corpus.texts], window=far, rarest=rarest)
    marked, others = learn_rows([(t.tokens, t.concepts) for t in corpus.texts], window=near, rarest=rarest, longest=0)
    matrices = _matrix(rows, plain), _matrix(others, marked)
    titles = tuple(_text(lesson.titles.get(article, ""), lesson.words) for article in articles)
    one, none = np.ones(1, np.float32), np.zeros((0, 0), np.float32)
    questions = tuple(" ".join(text.tokens) for text in corpus.texts[: corpus.asked])
    nothing, told = np.zeros(0, np.int32), _answers(corpus, plain)
    frame = Model(
        plain, marked, tuple(lesson.acts), told, none, nothing, none, rows, nothing, questions,
        tuple(frozenset(title.concepts) for title in titles), {}, Calibration(one, one, one, 0.0, 1.0, 1.0, {}),
    )  # fmt: skip
    trials = _trials(frame, corpus, matrices, keep=lesson.words.keep)
    model = _taught(frame, corpus, matrices, np.ones(len(corpus.texts), bool))
    half = {name: getattr(model, name).astype(np.float16) for name in ("plain_weights", "marked_weights")}
    rows = Rows(
        model.rows.starts,
        model.rows.columns.astype(np.min_scalar_type(plain.size)),
        model.rows.weights.astype(np.float16),
    )
    return replace(model, **half, rows=rows, calibration=_calibrate(trials))


def _corpus(lesson: Lesson, articles: tuple[str, ...]) -> Corpus:
    asked: list[tuple[Text, int]] = []
    told: list[tuple[Text, int]] = []
    answers = tuple(_text(lesson.answers.get(article, ""), lesson.words) for article in articles)
    for label, article in enumerate(articles):
        written = (*lesson.questions[article], lesson.titles.get(article, ""))
        own = {text.tokens: text for text in (_text(raw, lesson.words) for raw in written) if text.tokens}
        asked += [(text, label) for text in own.values()]
        tokens, plain = answers[label].tokens, answers[label].plain
        last = 0 if len(articles) > MANY else len(tokens) - TOLD_WORDS // 2
        for at in range(0, last, TOLD_WORDS):
            piece = slice(at, at + TOLD_WORDS)
            told.append((Text(tokens[piece], plain[piece], ()), label))
    outside = [text for text in dict.fromkeys(_text(line, lesson.words) for line in lesson.oos) if text.tokens]
    acted: list[tuple[Text, int]] = []
    for label, act in enumerate(lesson.acts, len(articles)):
        own = {text.tokens: text for text in (_text(raw, lesson.words) for raw in lesson.acts[act]) if text.tokens}
        acted += [(text, label) for text in own.values()]
    nothing = len(articles) + len(lesson.acts)
    texts = [*asked, *((text, nothing) for text in outside), *acted, *told]
    labels = np.array([label for _, label in texts], np.int32)
    counts = len(asked), len(outside), len(articles), len(lesson.acts)
    return Corpus(tuple(text for text, _ in texts), labels, *counts, told=len(told), said=answers)


def _text(raw: str, words: Words) -> Text:
    normal = respelt(raw, words)
    return Text(normal.tokens, normal.plain_tokens, concepts(normal, words))


def _matrix(rows: Rows, view: View) -> Any:
    from scipy import sparse  # noqa: PLC0415 - heavy, and only training needs it

    return sparse.csr_matrix((rows.weights, rows.columns, rows.starts), shape=(len(rows), view.size))


def _answers(corpus: Corpus, plain: View) -> Floats:
    """Retrieval over what articles say, as weights beside those learned: their words, shape (columns + 1,
    classes)."""
    said = plain.encode([(text.plain, ()) for text in corpus.said])
    table = np.zeros((plain.size + 1, corpus.classes), np.float32)
    for article in range(corpus.articles):
        columns, weights = said.row(article)
        here = columns < plain.blocks[1]
        table[columns[here], article] = weights[here] * ANSWER_WEIGHT
    return table


def _taught(frame: Model, corpus: Corpus, matrices: tuple[Any, Any], kept: Bools) -> Model:
    """The model that learned from the kept texts alone."""
    solve = _means if corpus.articles > MANY else _ridge
    weights = [solve(matrix[kept], corpus.labels[kept], corpus) for matrix in matrices]
    asked = np.flatnonzero(kept[: corpus.asked])
    first = np.searchsorted(corpus.labels[asked], np.arange(corpus.articles + 1)).astype(np.int32)
    shared = np.zeros((corpus.articles, len(frame.plain.concepts)), np.float32)
    known: Counter[str] = Counter()
    for at in asked:
        known.update(set(corpus.texts[at].plain))
        for name in corpus.texts[at].concepts:
            shared[corpus.labels[at], frame.plain.concepts[name]] += 1
    return replace(
        frame,
        plain_weights=frame.plain_weights + weights[0],
        marked_weights=weights[1],
        met=np.bincount(matrices[1][kept].indices, minlength=frame.marked.size)[: frame.marked.blocks[1]].astype(
            np.int32
        ),
        concepts=(shared >= 2).astype(np.float32),
        rows=_chosen(frame.rows, asked, frame.plain.blocks[3]),
        first=first,
        known=dict(known.most_common()),
    )


def _chosen(rows: Rows, which: NDArray[np.intp], columns: int) -> Rows:
    """Some of the rows, cut off before the column."""
    counts = np.diff(rows.starts)[which]
    first = np.concatenate(([0], np.cumsum(counts)))
    at = np.repeat(rows.starts[which] - first[:-1], counts) + np.arange(first[-1])
    here = rows.columns[at] < columns
    row = np.repeat(np.arange(len(which)), counts)[here]
    starts = np.searchsorted(row, np.arange(len(which) + 1)).astype(np.int32)
    return Rows(starts, rows.columns[at][here], rows.weights[at][here])


def _means(matrix: Any, labels: Ints, corpus: Corpus) -> Floats:
    """Weights of the same shape from the means of the classes alone, each of length 1: a hundred times faster, and what
    thousands of articles can bear."""
    from scipy import sparse  # noqa: PLC0415 - heavy, and only training needs it

    heed = np.ones(len(labels), np.float32)
    heed[len(labels) - corpus.told :] = TOLD_WEIGHT
    own = sparse.csr_matrix((heed, (labels, np.arange(len(labels)))), shape=(labels.max() + 1, len(labels)))
    sums = own[: corpus.classes] @ matrix
    lengths = np.sqrt(np.asarray(sums.multiply(sums).sum(axis=1)).ravel())
    means = (sparse.diags(1 / np.maximum(lengths, 1e-9)) @ sums).tocsc()
    weights = np.zeros((matrix.shape[1] + 1, corpus.classes), np.float32)
    sparse.csr_matrix((means.data, means.indices, means.indptr), shape=means.shape[::-1]).toarray(out=weights[:-1])
    return weights


def _ridge(matrix: Any, labels: Ints, corpus: Corpus) -> Floats:
    """Weights (columns + 1, classes; the last row is the bias) of one-against-all ridge regression, by conjugate
    gradients on the dual. Small articles count a little more, pieces of answers less. What the strongest columns do,
    the bias among them, is solved exactly at every step, so few steps are enough."""
    from scipy import sparse  # noqa: PLC0415 - heavy, and only training needs it

    sizes = np.bincount(labels, minlength=corpus.classes)
    share = sizes[labels] / np.median(sizes[sizes > 0])
    heed = (np.where(labels < corpus.articles, share, np.minimum(share, LARGEST)) ** -EVEN).astype(np.float32)
    heed[len(labels) - corpus.told :] *= TOLD_WEIGHT**0.5
    wanted = 2 * (labels[:, None] == np.arange(corpus.classes)).astype(np.float32)
    usual = (heed * heed) @ wanted / (heed @ heed)
    bias = np.full((1, len(labels)), BIAS, np.float32)
    columns = sparse.vstack([matrix.T.tocsr(), sparse.csr_matrix(bias)], format="csr")
    columns.data *= heed[columns.indices]
    strength = np.bincount(np.repeat(np.arange(columns.shape[0]), np.diff(columns.indptr)), columns.data**2)
    order = np.argsort(-strength)
    top, others = np.sort(order[:STRONGEST]), np.sort(order[STRONGEST:])
    strong, rest = columns[top], columns[others]
    shared = REST * np.bincount(rest.indices, rest.data**2, len(labels)).astype(np.float32)[:, None]
    each = 1 / (RIDGE + shared)
    across = strong.T.tocsr()
    gram = (strong @ (sparse.diags_array(each.ravel()) @ across)).toarray()
    solved = np.linalg.inv(gram + np.eye(len(top), dtype=np.float32))

    def nearly(left: Floats) -> tuple[Floats, Floats, Floats]:
        """What nearly solves it, the weights of the strong columns that come of that, and what was to be solved."""
        own = solved @ (strong @ (each * left))
        heard = across @ own
        better = each * (left - heard)
        heard += RIDGE * better
        heard += rest.T @ (rest @ better)
        return better, own, heard

    left = (wanted - usual) * heed[:, None]
    way, own, moved = nearly(left)
    size = np.einsum("ij,ij->j", left, way)
    alpha, weights = np.zeros_like(left), np.zeros((len(strength), corpus.classes), np.float32)
    for step in range(1, STEPS + 1):
        far = size / np.maximum(np.einsum("ij,ij->j", way, moved), 1e-9)
        alpha += far * way
        weights[top] += far * own
        if step < STEPS:
            left -= far * moved
            better, *more = nearly(left)
            size, before = np.einsum("ij,ij->j", left, better), size
            turn = size / np.maximum(before, 1e-9)
            way = better + turn * way
            own, moved = more[0] + turn * own, more[1] + turn * moved
    weights[others] = rest @ alpha
    weights[-1] = usual + BIAS * weights[-1]
    return weights


@dataclass(frozen=True, slots=True)
class Trials:
    """Texts put to the test: their facts, the rank of the right article (0-based, -1 when out of scope), whether marks
    were kept, and of what kind they are."""

    facts: Floats
    ranks: NDArray[np.int16]
    kept: Bools
    kinds: NDArray[np.int8]


def _trials(frame: Model, corpus: Corpus, matrices: tuple[Any, Any], *, keep: frozenset[str]) -> Trials:
    """A fifth of the questions and half of the out-of-scope texts asked of a model that never saw them, nor, for every
    other question, any like it. Every other text is asked as if typed without marks."""
    aside, thin = (max(every, corpus.asked // ENOUGH) for every in (ASIDE, THIN))
    seeds = np.arange(2, corpus.asked, aside)
    strangers = np.arange(corpus.asked + 1, corpus.spoken, 2)
    kept = np.ones(len(corpus.texts), bool)
    acts = slice(corpus.spoken, len(kept) - corpus.told)
    kept[seeds] = kept[strangers] = kept[acts] = False
    kept[acts][::ACTS_KEPT] = True
    kept[: corpus.asked] &= ~_like(matrices[0][: corpus.asked], seeds[::2], frame.plain.blocks[1])
    told = np.delete(frame.plain_weights, np.s_[corpus.articles : -1], axis=1)
    model = _taught(replace(frame, plain_weights=told), _unvoiced(corpus), matrices, kept)
    speller = Speller.of(frame.marked, model.met, keep=keep)
    asked: list[tuple[Text, int, bool, int]] = []  # text, article, marks kept, kind
    for number, at in enumerate((*seeds, *strangers)):
        label, marks = int(corpus.labels[at]), number // 2 % 2 > 0
        kind = OUTSIDE if label >= corpus.articles else (LIKE_NONE, LEFT_OUT)[number % 2]
        asked.append((corpus.texts[at], label, marks, kind))
    for number, at in enumerate(np.flatnonzero(kept[: corpus.asked])[::thin]):
        text = corpus.texts[at]
        text = _heart(text, frame.plain) if number % 5 == 4 else _thinned(text)
        asked.append((text, int(corpus.labels[at]), number % 2 > 0, MISSING))
    spelt = [_spelt(speller, text, marks=marks) for text, _, marks, _ in asked]
    rows = [
        _unlearnt(view.encode(texts), view, np.bincount(matrix[kept].indices, minlength=view.size) > 0)
        for view, matrix, texts in (
            (frame.plain, matrices[0], [(text.plain, text.concepts) for text in spelt]),
            (frame.marked, matrices[1], [(text.tokens, text.concepts) for text in spelt]),
        )
    ]
    found, ranks = [], []
    fits = score.fit_all(model, _matrix(rows[0], frame.plain), _matrix(rows[1], frame.marked))
    for at, ((text, label, _, _), fitting) in enumerate(zip(asked, fits, strict=True)):
        known = score.known_share(model, text.plain)
        z = fitting.scores
        ranks.append(int((z > z[label]).sum()) if label < corpus.articles else -1)
        found.append(score.facts(score.nearest(model, rows[0].row(at), fitting), words=len(text.plain), known=known))
    _, _, marks_kept, kinds = zip(*asked, strict=True)
    return Trials(np.array(found, np.float32), np.array(ranks, np.int16), np.array(marks_kept), np.array(kinds))


def _unvoiced(corpus: Corpus) -> Corpus:
    """The same texts, those of speech acts of no class: nobody asks how well these are told apart."""
    articles = corpus.articles
    label = np.where(corpus.labels < articles, corpus.labels, articles + 1)
    label[corpus.labels == articles + corpus.acts] = articles
    return replace(corpus, labels=label.astype(np.int32), acts=0)


def _spelt(speller: Speller, text: Text, *, marks: bool) -> Text:
    """The text as it would be read, had it been typed with or without marks."""
    spelt = speller.read(text.tokens if marks else text.plain, text.plain)
    return Text(spelt.marked, spelt.plain, text.concepts)


def _thinned(text: Text) -> Text:
    """The text with every third word missing."""
    kept = [at for at in range(len(text.tokens)) if at % 3 != 2]
    return Text(tuple(text.tokens[at] for at in kept), tuple(text.plain[at] for at in kept), text.concepts)


def _heart(text: Text, view: View) -> Text:
    """The two neighbouring words that tell most, as short messages have them."""
    telling = [float(view.idf[view.words[word]]) for word in text.plain]
    at = max(range(max(len(telling) - 1, 1)), key=lambda at: sum(telling[at : at + 2]))
    return Text(text.tokens[at : at + 2], text.plain[at : at + 2], ())


def _like(matrix: Any, seeds: NDArray[np.intp], columns: int) -> Bools:
    """Which texts share their telling words with one of the seeds."""
    words = matrix[:, :columns].tocsc()
    often = np.diff(words.indptr)
    words = words[:, np.flatnonzero(often <= max(COMMON * matrix.shape[0], 2))].tocsr()
    lengths = np.sqrt(np.asarray(words.multiply(words).sum(axis=1)).ravel())
    words = words.multiply(1 / np.maximum(lengths, 1e-9)[:, None]).tocsr()
    return np.asarray((words @ words[seeds].T > SAME).sum(axis=1)).ravel() > 0


def _unlearnt(rows: Rows, view: View, seen: Bools) -> Rows:
    """The rows as they would be had the vocabulary been learned from texts with the seen columns alone."""
    known = seen[rows.columns]
    row = np.repeat(np.arange(len(rows)), np.diff(rows.starts))[known]
    columns, weights = rows.columns[known], rows.weights[known]
    block = row * 4 + np.searchsorted(view.blocks[1:], columns, side="right")
    lengths = np.sqrt(np.bincount(block, weights * weights, 4 * len(rows)))
    starts = np.searchsorted(row, np.arange(len(rows) + 1)).astype(np.int32)
    return Rows(starts, columns, (weights / lengths[block] * BLOCK_WEIGHTS[block % 4]).astype(np.float32))


def _calibrate(trials: Trials) -> Calibration:
    counts = np.bincount(trials.kinds, minlength=len(KINDS))
    weight = (np.array(MIX) / np.maximum(counts, 1))[trials.kinds]
    mean, scale = trials.facts.mean(axis=0), trials.facts.std(axis=0) + 1e-6
    crossed = score.crossed((trials.facts - mean) / scale)
    weights, bias = _logistic(crossed, trials.ranks == 0, weight * len(weight))
    sure = 1 / (1 + np.exp(-(crossed @ weights + bias)))
    limits = _limits(sure, trials.ranks, mix=np.where(trials.kinds >= MISSING, 0.0, weight))
    return Calibration(mean, scale, weights.astype(np.float32), bias, *limits, _measure(sure, trials, limits=limits))


def _logistic(facts: Floats, right: Bools, heed: Doubles) -> tuple[Doubles, float]:
    """Weights and bias of a logistic regression held back by a little ridge, by Newton's steps."""
    if right.all() or not right.any():
        return np.zeros(facts.shape[1]), 3.0 if right.all() else -3.0
    table = np.column_stack([facts, np.ones(len(facts))]).astype(np.float64)
    hold = np.append(np.full(facts.shape[1], HOLD), 1e-6)
    weights = np.zeros(table.shape[1])
    for _ in range(20):
        chance = 1 / (1 + np.exp(-np.clip(table @ weights, -30, 30)))
        slope = table.T @ (heed * (right - chance)) - hold * weights
        bend = (table * (heed * chance * (1 - chance))[:, None]).T @ table + np.diag(hold)
        step = np.linalg.solve(bend, slope)
        weights += step
        if np.abs(step).max() < 1e-4:
            break
    return weights[:-1], float(weights[-1])


def _limits(sure: Doubles, ranks: NDArray[np.int16], *, mix: Doubles) -> tuple[float, float]:
    """The lowest limit for answering that keeps both promises, and the highest for asking back that loses few. `mix` is
    the weight of each text that counts for them."""
    oos = ranks < 0
    answer = 0.99
    for limit in np.arange(0.99, LEAST, -0.005):
        said = sure >= limit
        wrong = mix[said & (ranks > 0)].sum()
        doubt = (mix * (1 - sure))[said].sum()  # of the few that were asked, luck may have let few be wrong
        allowed = WRONG_ANSWERED * mix[said].sum()
        if max(wrong, doubt) <= allowed and (not oos.any() or said[oos].mean() <= OOS_ANSWERED):
            answer = float(limit)
    among = (ranks >= 0) & (ranks < 3)
    order = np.argsort(sure[among])
    passed = np.cumsum(mix[among][order]) / max(mix[among].sum(), 1e-9)
    clarify = float(sure[among][order][min(int(np.searchsorted(passed, LOST)), len(order) - 1)]) if among.any() else 0.1
    return answer, min(clarify, answer)


def _measure(sure: Doubles, trials: Trials, *, limits: tuple[float, float]) -> dict[str, float]:
    ranks, oos = trials.ranks, trials.ranks < 0
    said, asked = sure >= limits[0], (sure >= limits[1]) & (sure < limits[0])
    helped = (said & (ranks == 0)) | (asked & (ranks >= 0) & (ranks < 3))

    def share(what: Bools, of: Bools) -> float:
        return float(what[of].mean()) if of.any() else 0.0

    found: dict[str, float] = {}
    for kind, name in enumerate(KINDS[:OUTSIDE]):
        group = trials.kinds == kind
        bins = np.minimum((sure * 10).astype(int), 9)
        full = [here for b in range(10) if (here := group & (bins == b)).any()]
        error = sum(abs(sure[b].mean() - (ranks[b] == 0).mean()) * b.sum() for b in full) / max(group.sum(), 1)
        found |= {
            f"{name}: questions": float(group.sum()),
            f"{name}: first right": share(ranks == 0, group),
            f"{name}: first right, marks kept": share(ranks == 0, group & trials.kept),
            f"{name}: first right, no marks": share(ranks == 0, group & ~trials.kept),
            f"{name}: among three": share(ranks < 3, group),
            f"{name}: answered": share(said, group),
            f"{name}: wrong of answered": share(ranks > 0, group & said),
            f"{name}: right or option": share(helped, group),
            f"{name}: calibration error": float(error),
        }
    return found | {"out of scope answered": share(said, oos), "out of scope asked back": share(asked, oos)}


if __name__ == "__main__":
    os.nice(10)  # whoever talks now comes first
    fit(Lesson.from_json(sys.stdin.buffer.read())).save(Path(sys.argv[1]))
