"""What the matcher has learned, as plain arrays: kept in a file without pickle, loaded without scikit-learn or
scipy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.nlu.features import Floats, Ints, View
from bot.nlu.index import Index

_INDEX = ("slot", "basis", "coordinates", "starts", "rows", "values")
U_FULL, D_FULL = 2.25, 4.5  # the largest possible dot product of one view, and of both


@dataclass(frozen=True, slots=True)
class Text:
    """One text for training: its tokens, the same without marks, and the concepts in it."""

    tokens: tuple[str, ...]
    plain: tuple[str, ...]
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """All there is to learn from. `labels[i]` is the article index of `texts[i]`; `families[i]` groups paraphrases."""

    texts: tuple[Text, ...]
    labels: tuple[int, ...]
    answers: tuple[Text, ...]  # one per article
    oos: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """`weights` and `bias` of the logistic over the standardised facts; the two limits between the bands; what was
    measured on texts left out of training, by name."""

    mean: Floats
    scale: Floats
    weights: Floats
    bias: float
    answer: float
    clarify: float
    measured: dict[str, float]


@dataclass(frozen=True, slots=True)
class Model:
    """`labels` of the first rows of both indexes (questions and titles); the rows after them are out-of-scope texts."""

    plain: View
    marked: View
    plain_index: Index
    marked_index: Index
    labels: Ints
    alpha_plain: Floats  # (texts, articles)
    alpha_both: Floats
    answers: Floats  # (words of the plain view, articles)
    concepts: Floats  # (articles, concepts of the plain view): 1 where a question of the article names it
    known: dict[str, int]
    calibration: Calibration

    def save(self, path: Path) -> None:
        """Writes atomically; half a file is never seen."""
        arrays: dict[str, Any] = {
            "labels": self.labels, "alpha_plain": self.alpha_plain, "alpha_both": self.alpha_both,
            "answers": self.answers, "concepts": self.concepts, "known": _packed(list(self.known)),
            "known_counts": np.array(list(self.known.values()), np.int32),
        }  # fmt: skip
        for name, view, index in (("p", self.plain, self.plain_index), ("m", self.marked, self.marked_index)):
            arrays |= {f"{name}_{k}": _packed(list(getattr(view, k))) for k in ("words", "chars", "concepts")}
            arrays |= {f"{name}_idf": view.idf}
            arrays |= {f"{name}_{k}": getattr(index, k) for k in _INDEX}
        c = self.calibration
        arrays |= {"c_mean": c.mean, "c_scale": c.scale, "c_weights": c.weights}
        arrays |= {
            "c_rest": np.array([c.bias, c.answer, c.clarify, *c.measured.values()]),
            "c_names": _packed(list(c.measured)),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{id(self)}.part")
        with part.open("wb") as file:
            np.savez(file, **arrays)
        part.replace(path)


def load(path: Path) -> Model:
    """Raises OSError, ValueError or KeyError when the file is not a whole model."""
    with np.load(path, allow_pickle=False) as arrays:
        views = {}
        indexes = {}
        for name in ("p", "m"):
            columns: list[dict[str, int]] = []
            start = 0
            for block in ("words", "chars", "concepts"):
                grams = _unpacked(arrays[f"{name}_{block}"])
                columns.append({gram: start + i for i, gram in enumerate(grams)})
                start += len(grams)
            in_words, in_chars, in_concepts = columns
            views[name] = View(in_words, in_chars, in_concepts, arrays[f"{name}_idf"])
            indexes[name] = Index(*(arrays[f"{name}_{k}"] for k in _INDEX))
        bias, answer, clarify, *measured = (float(v) for v in arrays["c_rest"])
        calibration = Calibration(
            arrays["c_mean"], arrays["c_scale"], arrays["c_weights"], bias, answer, clarify,
            dict(zip(_unpacked(arrays["c_names"]), measured, strict=True)),
        )  # fmt: skip
        known = dict(zip(_unpacked(arrays["known"]), arrays["known_counts"].tolist(), strict=True))
        return Model(
            views["p"], views["m"], indexes["p"], indexes["m"], arrays["labels"], arrays["alpha_plain"],
            arrays["alpha_both"], arrays["answers"], arrays["concepts"], known, calibration,
        )  # fmt: skip


def to_json(lesson: Lesson) -> bytes:
    return json.dumps(asdict(lesson), ensure_ascii=False).encode()


def from_json(raw: bytes) -> Lesson:
    data = json.loads(raw)

    def texts(name: str) -> tuple[Text, ...]:
        return tuple(Text(tuple(t["tokens"]), tuple(t["plain"]), tuple(t["concepts"])) for t in data[name])

    return Lesson(texts("texts"), tuple(data["labels"]), texts("answers"), texts("oos"))


def _packed(strings: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(strings).encode(), np.uint8)


def _unpacked(array: NDArray[np.uint8]) -> list[str]:
    text = array.tobytes().decode()
    return text.split("\n") if text else []
