"""Which article answers a text, and how sure we are: text -> `Reading`. No clock, network or randomness; the only deed
is keeping what was learned in the cache folder it is given. People's words never raise.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bot.messages import Band, Candidate, Entity, Reading
from bot.nlu import score, syllable
from bot.nlu.acts import NEAR, Acts, act_of, matters, may_be
from bot.nlu.entities import entities
from bot.nlu.features import Floats
from bot.nlu.model import Lesson, Model, Text, load
from bot.nlu.normalise import Normalised, Words, concepts, normalise
from bot.nlu.places import Places
from bot.nlu.spelling import Speller, Spelt

LONGEST = 6_000  # characters of one message that are read; the first and the last parts of anything longer
MOST_WORDS = 400
STORY, PART_WORDS, MOST_PARTS = 36, 24, 8  # texts of so many words are also read in parts
PART_WEIGHT = 0.6  # of the score comes from the best part of a story
LAST_ARTICLE, SHORT = 0.08, 6  # a little for the article just told, when she adds a few words only
COUNTRY = 0.05  # a little for, or off, articles titled with her country, or another
COUNTRIES = {"korea": "han_quoc", "taiwan": "dai_loan", "china": "trung_quoc"}
# A message is a speech act from this score, after shares of what speaks against it, and for it: weighed on messages of
# two authors, each heard by a model that had learned from the other alone.
ACT, ARTICLE_SHARE, MATTERS = 0.22, 0.4, 0.1
WORDS_SHARE, WORDS_TOGETHER, MOST_READ, HIGHEST = 0.2, 12, 12, 1.0  # words read by themselves; they hardly lead by more
OTHER_ACT = 0.4  # how much more another act must sound than the one the rules found
CACHED = 4  # files of learned weights that are kept
SHUT = -99.0  # the score of an article that may not be offered
_TAUGHT_BY = (
    "train",
    "score",
    "features",
    "model",
    "normalise",
    "spelling",
    "syllable",
)  # what is learned depends on these too
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
Exact = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Matcher:
    """Made by `train`. `exact` maps plain question texts to (marked text, article index); `key` names what was learned
    from."""

    key: str
    words: Words
    articles: tuple[str, ...]
    titles: tuple[str, ...]
    model: Model | None
    exact: Exact
    speller: Speller
    acts: Acts = field(default_factory=Acts)
    places: Places = field(default_factory=Places)
    closed: frozenset[str] = frozenset()  # articles not offered

    @classmethod
    def train(
        cls,
        questions: Mapping[str, Sequence[str]],
        titles: Mapping[str, str],
        answers: Mapping[str, str],
        words: Words,
        oos: Sequence[str] = (),
        *,
        cache: Path | None = None,
        acts: Acts | None = None,
        places: Places | None = None,
        before: Matcher | None = None,
    ) -> Matcher:
        """Learns from articles (id -> questions, title, what the answer says) and out-of-scope texts. With a cache
        folder, what was learned is kept there by content and the learning is done in a process of its own. When
        `before` learned from the same, nothing is learned again."""
        articles = tuple(sorted(questions))
        named = tuple(titles.get(article, article) for article in articles)
        said = {name: act.said for name, act in sorted(acts.acts.items())} if acts else {}
        lesson = Lesson({a: list(questions[a]) for a in articles}, titles, answers, words, list(oos), said)
        raw = lesson.to_json()
        key = hashlib.sha256(_code() + raw).hexdigest()[:32]
        if before is not None and before.key == key:
            return replace(before, words=words, titles=named, acts=acts or Acts(), places=places or Places())
        model: Model | None = None
        exact: Exact = {}
        if len(articles) > 1 and any(questions.values()):
            model = _learned(lesson, raw, cache / f"nlu-{key}.npz" if cache else None)
            labels = np.repeat(np.arange(len(articles)), np.diff(model.first)).tolist()
            exact = _exact(model.questions, labels)
        elif articles:
            own = [normalise(text, words).marked for text in (*questions[articles[0]], *titles.values())]
            exact = _exact([text for text in own if text], [0] * len(own))
        speller = Speller.of(model.marked, model.met, keep=words.keep) if model else Speller()
        return cls(key, words, articles, named, model, exact, speller, acts or Acts(), places or Places())

    @property
    def questions(self) -> tuple[str, ...]:
        """The normalised questions, those of one article together, in the order of `articles`."""
        return self.model.questions if self.model else ()

    def among(self, articles: Collection[str]) -> Matcher:
        """The same matcher that offers only these articles."""
        return replace(self, closed=frozenset(self.articles) - frozenset(articles))

    def read(self, text: str, *, last_article: str = "", slots: Mapping[str, object] | None = None) -> Reading:
        """The reading of one message. `last_article` and `slots` are weak hints, never more than a nudge."""
        if len(text) > LONGEST:
            text = text[: LONGEST // 2] + "\n" + text[-LONGEST // 2 :]
        normal = normalise(text, self.words)
        act = act_of(text, normal, self.acts)
        found = entities(text, places=self.places)
        if not normal.tokens or not self.articles:
            return Reading(normal.marked, normal.plain, act=act, entities=found, why=("Tin nhắn không có chữ để so.",))
        exact = self.exact.get(normal.plain)
        if exact and self.articles[exact[1]] not in self.closed and _same(normal.tokens, exact[0]):
            best = Candidate(self.articles[exact[1]], self.titles[exact[1]], 1.0)
            why = (f"Trùng khớp câu hỏi mẫu “{exact[0]}” của bài “{best.title}”.",)
            return Reading(normal.marked, normal.plain, True, (best,), 1.0, "answer", act, found, why)
        if self.model is None:
            return Reading(normal.marked, normal.plain, act=act, entities=found, why=("Kho bài chưa đủ để so.",))
        return self._guess(self.model, normal, act=act, found=found, last_article=last_article, slots=slots or {})

    def _guess(
        self,
        model: Model,
        normal: Normalised,
        *,
        act: str,
        found: tuple[Entity, ...],
        last_article: str,
        slots: Mapping[str, object],
    ) -> Reading:
        spelt = self.speller.read(normal.tokens[:MOST_WORDS], normal.plain_tokens[:MOST_WORDS])
        plain = spelt.plain
        whole = self._text(spelt, slice(None))
        parts = self._parts(spelt, normal.breaks) if len(plain) >= STORY else []
        row, fits = score.fits(model, [whole, *parts])
        z = fits[0].scores
        agreed = True
        if parts:  # a story's question may stand in any part of it: more than half of the score is the best part's
            z = (1 - PART_WEIGHT) * z + PART_WEIGHT * np.max([part.scores for part in fits[1:]], axis=0)
            agreed = int(fits[0].scores.argmax()) == int(z.argmax())
        z = z + self._hints(whole.concepts, len(plain), last_article=last_article, slots=slots)
        near = score.nearest(model, row, replace(fits[0], scores=z))
        known = score.known_share(model, plain)
        sure = score.sure(model.calibration, score.facts(near, words=len(plain), known=known))
        limits = model.calibration
        if not agreed:  # the story as a whole speaks of something else: ask, do not tell
            sure = min(sure, limits.answer - 0.01)
        order = [int(at) for at in near.order if z[at] > SHUT / 2]
        shares = [math.exp(float(z[at] - z[order[0]]) / 0.25) for at in order[1:]]
        points = [sure, *(min(sure, share / sum(shares) * (1 - sure)) for share in shares)]
        candidates = tuple(
            Candidate(self.articles[at], self.titles[at], round(point, 4))
            for at, point in zip(order, points, strict=False)
        )
        band: Band = "answer" if sure >= limits.answer else "clarify" if sure >= limits.clarify else "unknown"
        act = self._act(model, fits[0], spelt, normal, ruled=act)
        why = self._why(model, near, whole, sure=sure, band=band)
        return Reading(normal.marked, normal.plain, False, candidates, sure, band, act, found, why)

    def _act(self, model: Model, fit: score.Fit, spelt: Spelt, normal: Normalised, *, ruled: str) -> str:
        """The act of the rules, unless the message sounds much more like another and is not known word for word: as a
        whole, and in those words of it that do most, for a wish may be one thing of many she tells."""
        heard = dict(zip(model.acts, fit.acts.tolist(), strict=True))
        near = heard.pop(NEAR, 0.0)
        if not heard or self.acts.exact.get(normal.tokens) == ruled:
            return ruled
        name = max(heard, key=heard.__getitem__)
        if ruled in heard:
            sure = heard[name] - heard[ruled] >= OTHER_ACT
            return name if sure and may_be(name, normal, self.acts) else ruled
        against = near + ARTICLE_SHARE * float(fit.scores.max()) + MATTERS * matters(normal, self.acts)
        lacking = ACT - (heard[name] - against)
        if ruled or lacking > WORDS_SHARE * HIGHEST:
            return ruled
        return name if WORDS_SHARE * self._lead(model, fit, spelt, name) >= lacking else ruled

    def _lead(self, model: Model, fit: score.Fit, spelt: Spelt, name: str) -> float:
        """By how much the act leads all else in those few words that sound most like it."""
        fits, step = [fit], WORDS_TOGETHER // 2
        if len(spelt.plain) > WORDS_TOGETHER:
            starts = range(0, min(len(spelt.plain) - step, step * MOST_READ), step)
            _, fits = score.fits(model, [self._text(spelt, slice(at, at + WORDS_TOGETHER)) for at in starts])
        leads = []
        for one in fits:
            heard = dict(zip(model.acts, one.acts.tolist(), strict=True))
            leads.append(heard[name] - max(float(one.scores.max()), one.outside, heard.get(NEAR, 0.0)))
        return float(max(leads))

    def _text(self, spelt: Spelt, where: slice) -> Text:
        tokens, plain = spelt.marked[where], spelt.plain[where]
        named = concepts(Normalised(tokens=tokens, plain_tokens=plain), self.words)
        return Text(tokens, plain, named)

    def _parts(self, spelt: Spelt, breaks: tuple[int, ...]) -> list[Text]:
        count = len(spelt.plain)
        size = max(PART_WORDS, -(-count // (MOST_PARTS // 2)))
        parts: list[Text] = []
        start = 0
        while start < count:
            ends = [b for b in breaks if start + 5 <= b <= start + size]
            end = ends[0] if ends and len(parts) < MOST_PARTS // 2 else min(start + size, count)
            if count - end < 4:
                end = count
            parts.append(self._text(spelt, slice(start, end)))
            start = end
        return parts

    def _hints(self, named: tuple[str, ...], length: int, *, last_article: str, slots: Mapping[str, object]) -> Floats:
        nudge = np.zeros(len(self.articles), np.float32)
        if last_article in self.articles and length <= SHORT:
            nudge[self.articles.index(last_article)] += LAST_ARTICLE
        country = COUNTRIES.get(str(slots.get("country", "")))
        if country and self.model and not set(COUNTRIES.values()) & set(named):
            for at, concept in enumerate(self.model.title_concepts):
                others = set(COUNTRIES.values()) & concept
                nudge[at] += COUNTRY if country in others else -COUNTRY if others else 0.0
        for article in self.closed:
            nudge[self.articles.index(article)] = SHUT
        return nudge

    def _why(self, model: Model, near: score.Near, text: Text, *, sure: float, band: Band) -> tuple[str, ...]:
        best = int(near.order[0])
        shared = [
            self.words.concepts[name].label
            for name in text.concepts
            if name in model.plain.concepts and model.concepts[best, model.plain.concepts[name]]
        ]
        strange = [token for token in dict.fromkeys(text.plain) if token not in model.known and token.isalpha()][:4]
        verdict = {"answer": "đủ chắc để trả lời", "clarify": "chưa đủ chắc, nên hỏi lại", "unknown": "không đủ chắc"}[
            band
        ]
        reasons = []
        if model.first[best] < model.first[best + 1]:
            closest = int(near.likes.argmax())
            question = self.questions[model.first[best] + closest]
            share = near.likes[closest]
            reasons.append(f"Gần câu mẫu “{question}” của bài “{self.titles[best]}” nhất (giống {share:.0%}).")
        if shared:
            reasons.append(f"Cùng nói về: {', '.join(shared)}.")
        if strange:
            reasons.append(f"Từ chưa gặp trong kho bài: {', '.join(strange)}.")
        return (*reasons, f"Khả năng đúng {sure:.0%}: {verdict}.")


def _same(tokens: Sequence[str], question: str) -> bool:
    """Whether every mark she wrote, and none but those, stands in the question too; unmarked words fit any."""
    pairs = zip(tokens, question.split(), strict=True)
    return all(a == b or a == syllable.strip(b) or syllable.strip(a) == b for a, b in pairs)


def _exact(questions: Sequence[str], labels: Sequence[int]) -> Exact:
    """Plain texts of the questions that belong to one article only."""
    exact: dict[str, tuple[str, int]] = {}
    twice: set[str] = set()
    stripped = map(syllable.strip, questions)  # one by one: all at once holds up every other thread
    for plain, marked, label in zip(stripped, questions, labels, strict=False):
        if exact.setdefault(plain, (marked, label))[1] != label:
            twice.add(plain)
    return {plain: known for plain, known in exact.items() if plain not in twice}


def _code() -> bytes:
    here = Path(__file__).parent
    return b"".join((here / f"{name}.py").read_bytes() for name in _TAUGHT_BY)


def _tidy(cache: Path) -> None:
    """Every save of an article leaves what was learned from it: only the newest are kept."""
    with contextlib.suppress(OSError):  # another process tidies too
        found = sorted(cache.glob("nlu-*.npz"), key=lambda path: path.stat().st_mtime_ns)
        for path in found[:-CACHED]:
            path.unlink(missing_ok=True)


def _learned(lesson: Lesson, raw: bytes, kept: Path | None) -> Model:
    if kept is None:
        from bot.nlu.train import fit  # noqa: PLC0415 - brings scipy, which a server must not carry

        return fit(lesson)
    with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
        return load(kept)
    kept.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "bot.nlu.train", str(kept)], input=raw, check=False, env=environment
    )
    if done.returncode == 0:
        with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
            model = load(kept)
            _tidy(kept.parent)
            return model
    return _learned(lesson, raw, None)
