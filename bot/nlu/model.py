"""What there is to learn from, and what was learned, as plain arrays: kept in a file without pickle, loaded without
scipy and without reading any text again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.nlu.features import Floats, Ints, Rows, View
from bot.nlu.normalise import Concept, Words

_WORDS = ("single", "phrases", "keep", "concepts", "openings", "unspaced")


@dataclass(frozen=True, slots=True)
class Text:
    """One text: its tokens, the same without marks, and the concepts in it."""

    tokens: tuple[str, ...]
    plain: tuple[str, ...]
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """All there is to learn from, as staff wrote it; the first three mappings are by article, `acts` gives what every
    speech act sounds like."""

    questions: Mapping[str, Sequence[str]]
    titles: Mapping[str, str]
    answers: Mapping[str, str]
    words: Words
    oos: Sequence[str] = ()
    acts: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Written piece by piece: the encoder holds up every other thread until it is done."""
        words = {name: getattr(self.words, name) for name in _WORDS}
        words |= {
            "keep": sorted(self.words.keep),
            "concepts": {name: asdict(concept) for name, concept in self.words.concepts.items()},
        }
        data: dict[str, Mapping[str, Any]] = {
            "questions": self.questions,
            "titles": self.titles,
            "answers": self.answers,
            "acts": self.acts,
            "words": words,
        }
        pieces = [f"{_json(name)}:{_pieces(held)}" for name, held in data.items()]
        return ("{" + ",".join([*pieces, f'"oos":{_json(self.oos)}']) + "}").encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Lesson:
        data = json.loads(raw)
        words = data.pop("words")
        phrases = {
            first: tuple((tuple(wrote), tuple(means)) for wrote, means in pairs)
            for first, pairs in words["phrases"].items()
        }
        openings = {
            first: tuple((tuple(form), name) for form, name in pairs) for first, pairs in words["openings"].items()
        }
        lexicon = Words(
            words["single"],
            phrases,
            frozenset(words["keep"]),
            {name: Concept(**concept) for name, concept in words["concepts"].items()},
            openings,
            tuple((form, name) for form, name in words["unspaced"]),
        )
        return cls(words=lexicon, **data)


def _pieces(held: Mapping[str, Any]) -> str:
    return "{" + ",".join(f"{_json(key)}:{_json(held[key])}" for key in sorted(held)) + "}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=list)


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
    measured: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Model:
    """Two linear classifiers, one for each view; after the articles' columns come those of the `acts`, and the last is
    “none of these”. `questions` are normalised, those of one article together: article i has `rows` from `first[i]` to
    `first[i + 1]`. `known` counts the plain words of the questions, commonest first."""

    plain: View
    marked: View
    acts: tuple[str, ...]
    plain_weights: Floats  # (columns + 1, articles + acts + 1); the last row is the bias
    marked_weights: Floats
    met: Ints  # in how many texts each word and each pair of neighbours of the marked view stands
    concepts: Floats  # (articles, concepts): 1 where questions of the article name it
    rows: Rows  # of the plain view, without character runs; in the narrowest types that hold them
    first: Ints
    questions: tuple[str, ...]
    title_concepts: tuple[frozenset[str], ...]
    known: Mapping[str, int]
    calibration: Calibration

    def save(self, path: Path) -> None:
        """Writes atomically; half a file is never seen."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        for name, view in (("p", self.plain), ("m", self.marked)):
            arrays |= {f"{name}_{k}": _packed(list(getattr(view, k))) for k in ("words", "concepts", "chars")}
            arrays |= {f"{name}_codes": view.codes, f"{name}_idf": view.idf, f"{name}_window": np.array(view.window)}
        arrays |= {f"r_{k}": getattr(self.rows, k) for k in ("starts", "columns", "weights")}
        arrays |= {"questions": _packed(self.questions), "known": _packed(list(self.known))}
        arrays |= {"known_counts": np.array(list(self.known.values()), np.int32)}
        arrays |= {"acts": _packed(self.acts)}
        arrays |= {"title_concepts": _packed([" ".join(sorted(named)) for named in self.title_concepts])}
        c = self.calibration
        arrays |= {"c_mean": c.mean, "c_scale": c.scale, "c_weights": c.weights, "c_names": _packed(list(c.measured))}
        arrays |= {"c_rest": np.array([c.bias, c.answer, c.clarify, *c.measured.values()])}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{id(self)}.part")
        with part.open("wb") as file:
            np.savez(file, **arrays)
        part.replace(path)


_ARRAYS = ("plain_weights", "marked_weights", "met", "concepts", "first")


def load(path: Path) -> Model:
    """Raises OSError, ValueError, KeyError or zipfile.BadZipFile when the file is not a whole model."""
    with np.load(path, allow_pickle=False) as arrays:
        views: list[View] = []
        for name in ("p", "m"):
            words, concepts, chars = (_unpacked(arrays[f"{name}_{block}"]) for block in ("words", "concepts", "chars"))
            numbers, idf = arrays[f"{name}_codes"], arrays[f"{name}_idf"]
            first = len(words) + len(numbers) + len(concepts)
            runs = {run: first + at for at, run in enumerate(chars)}
            window = int(arrays[f"{name}_window"])
            views.append(View(_numbered(words), numbers, _numbered(concepts), runs, idf, window))
        bias, answer, clarify, *measured = (float(v) for v in arrays["c_rest"])
        names = _unpacked(arrays["c_names"])
        calibration = Calibration(
            arrays["c_mean"], arrays["c_scale"], arrays["c_weights"], bias, answer, clarify,
            dict(zip(names, measured, strict=True)),
        )  # fmt: skip
        plain, marked = views
        return Model(
            plain, marked, tuple(_unpacked(arrays["acts"])),
            arrays["plain_weights"], arrays["marked_weights"], arrays["met"], arrays["concepts"],
            Rows(arrays["r_starts"], arrays["r_columns"], arrays["r_weights"]), arrays["first"],
            tuple(_unpacked(arrays["questions"])),
            tuple(frozenset(named.split()) for named in _unpacked(arrays["title_concepts"])),
            dict(zip(_unpacked(arrays["known"]), arrays["known_counts"].tolist(), strict=True)), calibration,
        )  # fmt: skip


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: at for at, name in enumerate(names)}


def _packed(strings: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer("".join(f"{string}\n" for string in strings).encode(), np.uint8)


def _unpacked(array: NDArray[np.uint8]) -> list[str]:
    return array.tobytes().decode().split("\n")[:-1]
