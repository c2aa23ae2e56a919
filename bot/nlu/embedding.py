"""A second opinion from a sentence encoder, for those who have one: same interface as `Matcher`, nothing downloaded.

It may turn an answer into a question back and bring an article among the options; it may never make us surer.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bot.messages import Candidate, Reading
from bot.nlu.features import Floats
from bot.nlu.match import Matcher

Encoder = Callable[[Sequence[str]], Any]  # texts -> rows of numbers, one row for each text


def sentence_transformer(path: Path) -> Encoder:
    """The encoder kept in a folder. Raises ImportError without the `embeddings` extra, OSError without the model."""
    library = importlib.import_module("sentence_transformers")
    encoder: Encoder = library.SentenceTransformer(str(path), local_files_only=True).encode
    return encoder


@dataclass(frozen=True, slots=True)
class Advised:
    """A matcher and an encoder side by side. `rows` are the unit vectors of the matcher's questions."""

    matcher: Matcher
    encoder: Encoder
    rows: Floats

    @classmethod
    def of(cls, matcher: Matcher, encoder: Encoder) -> Advised:
        return cls(matcher, encoder, _unit(encoder(list(matcher.questions))))

    def read(self, text: str, *, last_article: str = "", slots: Mapping[str, object] | None = None) -> Reading:
        reading = self.matcher.read(text, last_article=last_article, slots=slots)
        model = self.matcher.model
        if reading.exact or not reading.candidates or model is None:
            return reading
        closest = int((self.rows @ _unit(self.encoder([reading.normalised]))[0]).argmax())
        best = int(np.searchsorted(model.first, closest, side="right")) - 1
        other = self.matcher.articles[best]
        if other == reading.candidates[0].article:
            return replace(reading, why=(*reading.why, "Bộ so nghĩa cũng chọn bài này."))
        first, *rest = reading.candidates
        second = Candidate(
            other, self.matcher.titles[best], min(first.score, max([c.score for c in rest], default=0.0))
        )
        kept = (first, second, *(c for c in rest if c.article != other))[: len(reading.candidates)]
        why = (*reading.why, f"Bộ so nghĩa chọn bài khác, “{second.title}”: nên hỏi lại.")
        sure = min(reading.probability, model.calibration.answer - 0.01)
        band = "clarify" if reading.band == "answer" else reading.band
        first = replace(first, score=min(first.score, sure))
        return replace(reading, candidates=(first, *kept[1:]), probability=sure, band=band, why=why)


def _unit(rows: Any) -> Floats:
    array = np.atleast_2d(np.asarray(rows, np.float32))
    return np.asarray(array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-9), np.float32)
