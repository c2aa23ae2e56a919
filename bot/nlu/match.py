"""Which article answers a text, and how sure we are: text -> `Reading`. No clock, network or randomness; the only
deed is
keeping what was learned in the cache folder it is given. People's words never raise.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bot.messages import Band, Candidate, Entity, Reading
from bot.nlu import score, syllable
from bot.nlu.acts import Acts, act_of
from bot.nlu.entities import Places, entities
from bot.nlu.features import Floats
from bot.nlu.model import Lesson, Model, Text, load, to_json
from bot.nlu.normalise import Normalised, Words, concepts, normalise
from bot.nlu.spelling import Speller

LONGEST = 6_000  # characters of one message that are read; the first and the last parts of anything longer
MOST_WORDS = 400
STORY, PART_WORDS, MOST_PARTS = 36, 24, 8  # texts of so many words are also read in parts
PART_WEIGHT = 0.6  # of the score comes from the best part of a story
LAST_ARTICLE, SHORT = 0.08, 6  # a little for the article just told, when she adds a few words only
COUNTRY = 0.05  # a little for, or off, articles titled with her country, or another
COUNTRIES = {"korea": "han_quoc", "taiwan": "dai_loan", "china": "trung_quoc"}
CANDIDATES = 5
_TAUGHT_BY = ("train", "score", "features", "index", "model")  # what is learned depends on these rooms too


@dataclass(frozen=True, slots=True)
class Matcher:
    """Made by `train`. `exact` maps plain question texts to (marked text, article index)."""

    words: Words
    articles: tuple[str, ...]
    titles: tuple[str, ...]
    questions: tuple[str, ...]  # normalised, one for each row of the index
    model: Model | None
    exact: Mapping[str, tuple[tuple[str, ...], int]]
    speller: Speller
    title_concepts: tuple[frozenset[str], ...]
    acts: Acts = field(default_factory=Acts)
    places: Places = field(default_factory=Places)

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
    ) -> Matcher:
        """Learns from articles (id -> questions, title, answer text) and out-of-scope texts. With a cache folder,
        what was
        learned is kept there by content and the learning is done in a process of its own."""
        articles = tuple(sorted(questions))
        lesson, rows = _lesson(articles, questions, titles=titles, answers=answers, words=words, oos=oos)
        model = _learned(lesson, cache) if len(articles) > 1 and lesson.texts else None
        exact: dict[str, tuple[tuple[str, ...], int]] = {}
        twice: set[str] = set()
        for text, label in zip(lesson.texts, lesson.labels, strict=True):
            key = " ".join(text.plain)
            twice |= {key} if key in exact and exact[key][1] != label else set()
            exact.setdefault(key, (text.tokens, label))
        named = tuple(frozenset(concepts(normalise(titles.get(a, ""), words), words)) for a in articles)
        return cls(
            words,
            articles,
            tuple(titles.get(article, article) for article in articles),
            rows,
            model,
            {key: value for key, value in exact.items() if key not in twice},
            Speller(model.known if model else {}, words.keep),
            named,
            acts or Acts(),
            places or Places(),
        )

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
        if exact and all(
            a == b or a == syllable.strip(b) or syllable.strip(a) == b
            for a, b in zip(normal.tokens, exact[0], strict=True)
        ):
            best = Candidate(self.articles[exact[1]], self.titles[exact[1]], 1.0)
            why = (f"Trùng khớp câu hỏi mẫu “{' '.join(exact[0])}” của bài “{best.title}”.",)
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
        tokens, plain = self.speller.mend(normal.tokens[:MOST_WORDS], normal.plain_tokens[:MOST_WORDS])
        named = concepts(Normalised(tokens=tokens, plain_tokens=plain), self.words)
        like = score.likeness(model, Text(tokens, plain, named), share=normal.share)
        z, outside = score.scores(model, like)
        agreed = True
        if len(tokens) >= STORY:
            whole = int(z.argmax())
            z = self._story(model, tokens, plain, breaks=normal.breaks, share=normal.share, whole=z)
            agreed = whole == int(z.argmax())
        z = z + self._hints(named, len(tokens), last_article=last_article, slots=slots)
        sure = score.sure(model, score.facts(like, z, outside, labels=model.labels))
        limits = model.calibration
        if not agreed:  # the story as a whole speaks of something else: ask, do not tell
            sure = min(sure, limits.answer - 0.01)
        order = np.argsort(-z)[:CANDIDATES]
        shares = np.exp((z[order] - z[order[0]]) / 0.25)
        rest = shares[1:] / max(float(shares[1:].sum()), 1e-9) * (1 - sure)
        points = [sure, *(min(sure, float(r)) for r in rest)]
        candidates = tuple(
            Candidate(self.articles[i], self.titles[i], round(p, 4)) for i, p in zip(order, points, strict=True)
        )
        band: Band = "answer" if sure >= limits.answer else "clarify" if sure >= limits.clarify else "unknown"
        why = self._why(model, like, named, best=int(order[0]), sure=sure, band=band, plain=plain)
        return Reading(normal.marked, normal.plain, False, candidates, sure, band, act, found, why)

    def _story(
        self,
        model: Model,
        tokens: tuple[str, ...],
        plain: tuple[str, ...],
        *,
        breaks: tuple[int, ...],
        share: float,
        whole: Floats,
    ) -> Floats:
        """A long story's question may stand in any part of it: more than half of the score is that of the best part."""
        size = max(PART_WORDS, -(-len(tokens) // (MOST_PARTS // 2)))
        parts: list[Floats] = []
        start = 0
        while start < len(tokens):
            ends = [b for b in breaks if start + 5 <= b <= start + size]
            end = ends[0] if ends and len(parts) < MOST_PARTS // 2 else min(start + size, len(tokens))
            if len(tokens) - end < 4:
                end = len(tokens)
            side, bare = tokens[start:end], plain[start:end]
            named = concepts(Normalised(tokens=side, plain_tokens=bare), self.words)
            parts.append(score.scores(model, score.likeness(model, Text(side, bare, named), share=share))[0])
            start = end
        return np.asarray((1 - PART_WEIGHT) * whole + PART_WEIGHT * np.max(parts, axis=0), np.float32)

    def _hints(self, named: tuple[str, ...], length: int, *, last_article: str, slots: Mapping[str, object]) -> Floats:
        nudge = np.zeros(len(self.articles), np.float32)
        if last_article in self.articles and length <= SHORT:
            nudge[self.articles.index(last_article)] += LAST_ARTICLE
        country = COUNTRIES.get(str(slots.get("country", "")))
        if country and not set(COUNTRIES.values()) & set(named):
            for at, concept in enumerate(self.title_concepts):
                others = set(COUNTRIES.values()) & concept
                nudge[at] += COUNTRY if country in others else -COUNTRY if others else 0.0
        return nudge

    def _why(
        self,
        model: Model,
        like: score.Likeness,
        named: tuple[str, ...],
        *,
        best: int,
        sure: float,
        band: Band,
        plain: tuple[str, ...],
    ) -> tuple[str, ...]:
        near = np.where(model.labels == best, like.plain[: len(model.labels)], 0)
        closest = int(near.argmax())
        shared = [
            self.words.concepts[name].label
            for name in named
            if name in model.plain.concepts
            and model.concepts[best, model.plain.concepts[name] - len(model.plain.words) - len(model.plain.chars)]
        ]
        strange = [token for token in dict.fromkeys(plain) if token not in model.known and token.isalpha()][:4]
        verdict = {"answer": "đủ chắc để trả lời", "clarify": "chưa đủ chắc, nên hỏi lại", "unknown": "không đủ chắc"}[
            band
        ]
        reasons = [
            f"Gần câu mẫu “{self.questions[closest]}” của bài “{self.titles[best]}” nhất (giống {near[closest]:.0%})."
        ]
        if shared:
            reasons.append(f"Cùng nói về: {', '.join(shared)}.")
        if strange:
            reasons.append(f"Từ chưa gặp trong kho bài: {', '.join(strange)}.")
        return (*reasons, f"Khả năng đúng {sure:.0%}: {verdict}.")


def _lesson(
    articles: tuple[str, ...],
    questions: Mapping[str, Sequence[str]],
    *,
    titles: Mapping[str, str],
    answers: Mapping[str, str],
    words: Words,
    oos: Sequence[str],
) -> tuple[Lesson, tuple[str, ...]]:
    texts: list[Text] = []
    labels: list[int] = []
    for label, article in enumerate(articles):
        kept = {
            text.tokens: text
            for text in (_text(q, words) for q in (*questions[article], titles.get(article, "")))
            if text.tokens
        }
        texts += kept.values()
        labels += [label] * len(kept)
    told = tuple(_text(answers.get(article, ""), words) for article in articles)
    outside = tuple(text for text in dict.fromkeys(_text(line, words) for line in oos) if text.tokens)
    return Lesson(tuple(texts), tuple(labels), told, outside), tuple(" ".join(text.tokens) for text in texts)


def _text(raw: str, words: Words) -> Text:
    normal = normalise(raw, words)
    return Text(normal.tokens, normal.plain_tokens, concepts(normal, words))


def _learned(lesson: Lesson, cache: Path | None) -> Model:
    if cache is None:
        from bot.nlu.train import fit  # noqa: PLC0415 - brings scipy and scikit-learn, which a server must not carry

        return fit(lesson)
    raw = to_json(lesson)
    here = Path(__file__).parent
    code = b"".join((here / f"{name}.py").read_bytes() for name in _TAUGHT_BY)
    path = cache / f"nlu-{hashlib.sha256(code + raw).hexdigest()[:32]}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError):
        return load(path)
    cache.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-m", "bot.nlu.train", str(path)], input=raw, check=False)  # noqa: S603 - ourselves
    if done.returncode == 0:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return load(path)
    return _learned(lesson, None)
