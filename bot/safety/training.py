"""Training the screen's second opinion, on messages written for this project only: `osso safety train`.

The one room of the screen that uses scikit-learn, and only while training; serving never imports it.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.messages import Category
from bot.nlu.syllable import strip
from bot.safety.classify import CATEGORIES, SIZE, STEP, WINDOW, Floats, Ints
from bot.safety.score import Row
from bot.yamlfile import read

CHECK, AMBER, RED = 0.42, 0.86, 0.2  # chances from which a text is CHECK, AMBER, or RED; chosen on left-out authors
RETOLD, SWAPPED, FORGOTTEN = 2, 0.6, 0.12  # copies of a labelled message; the chance that a word of it changes
SEEDS = (3, 4, 5)  # as many tellings are learnt from, and their weights averaged: chance decides less
QUIET, TOLD = 1_000, 600  # harmless messages joined to longer ones, and dangers told in passing among harmless words
HER = ("em", "tôi", "tui", "mình", "con", "cháu", "chị", "")
HIM = ("nó", "ổng", "ảnh", "hắn", "lão", "chồng em", "anh ta", "ông ấy", "chồng")
LONGEST = 120  # words of an example that are learnt from
STRENGTH, KINDS = 5.0, 20.0  # inverse regularisation, of danger and of its kinds
CARE, RARE = 6.0, 4.0  # how much more a missed danger weighs than a false alarm, and a kind than the others
WEIGHTS = {"scenes2": 2.0} | {f"learn{of}": 3.0 for of in range(3, 10)}  # authors who had not read the signs tell more
SAID = 0.6  # and what an example of a speech act weighs: there are thousands, much alike
IDLE = 2.0  # what a question of an article weighs beside a labelled message: at half of it, one in twenty alarmed
Example = tuple[
    str, Category, bool | None, float
]  # text, kind or "", whether the danger is now (None: not said), weight
# articles whose questions are themselves told in danger, by kind; and those that speak of it without being it
DANGEROUS: dict[str, Category] = {
    "emg-khong-muon-song": "suicide",
    "emg-dang-bi-danh-bi-nhot": "ipv",
    "emg-nghi-bi-mua-ban": "trafficking",
    "chi-nghi-con-bi-xam-hai": "child_abuse",
}
DOUBTFUL = ("emg", "leg-bao-luc", "leg-nan-nhan", "leg-tu-tro", "leg-cam-tiep", "voc-viec-nhe", "psy-am-anh")


def examples(
    labelled: Sequence[tuple[Row, float]], knowledge: Path, calm: Callable[[str], bool], seed: int
) -> list[Example]:
    """From labelled messages and what each weighs, the questions of the articles and what is out of scope, each with
    and without marks.

    A question counts as harmless when `calm`, the patterns alone, hears nothing in it. Of each labelled message there
    are more, told by somebody else of somebody else, with a word forgotten here and there. A long harmless one is
    learnt from as the screen reads it, window by window.
    """
    dice = np.random.default_rng(seed)
    pairs: list[Example] = [
        (text, row.category, row.level == "RED", weight)
        for row, weight in labelled
        for part in ([row.text] if row.category else _windows(row.text))
        for text in (part, *(_retold(part, dice) for _ in range(RETOLD)))
    ]
    pairs += _joined([row for row, _ in labelled], dice)
    for file in sorted(knowledge.glob("*/*.yml")):
        kind = DANGEROUS.get(file.stem, "")
        if not kind and file.stem.startswith(DOUBTFUL):
            continue
        document, _ = read(file)
        data: Any = document.data if document else {}
        asked = [str(q) for q in (data.get("questions") if isinstance(data, dict) else None) or ()]
        pairs += [(question, kind, None, IDLE) for question in asked if kind or calm(question)]
    pairs += [(text, "", None, weight) for text, weight in _idle(knowledge) if calm(text)]
    return [(said, kind, now, weight) for text, kind, now, weight in pairs for said in (text, _bare(text))]


def _windows(text: str) -> list[str]:
    """A text as the screen reads it: whole when short, else in overlapping windows."""
    words = text.split()
    return [" ".join(words[at : at + WINDOW]) for at in range(0, max(1, len(words) - STEP), STEP)]


def _joined(rows: Sequence[Row], dice: np.random.Generator) -> Iterator[Example]:
    """Harmless messages said one after the other, and dangers told in passing between harmless words."""
    harmless = [row.text for row in rows if not row.category and len(row.text.split()) < WINDOW]
    dangers = [row for row in rows if row.category and len(row.text.split()) < WINDOW]
    if not harmless or not dangers:
        return
    for _ in range(QUIET):
        told = ". ".join(harmless[at] for at in dice.integers(len(harmless), size=dice.integers(2, 5)))
        yield from ((part, "", False, 1.0) for part in _windows(told))
    for _ in range(TOLD):
        row = dangers[int(dice.integers(len(dangers)))]
        before, after = (harmless[at].split() for at in dice.integers(len(harmless), size=2))
        leading, trailing = dice.integers(2, size=2)
        told = f"{' '.join(before[-STEP:] * leading)}. {row.text}. {' '.join(after[:STEP] * trailing)}"
        yield told, row.category, row.level == "RED", 1.0


def _retold(text: str, dice: np.random.Generator) -> str:
    """The message with other words for her and for him, and some words left out; it need not be good Vietnamese."""
    her = str(dice.choice(HER))
    told = []
    for word in text.split():
        if word.lower() in ("em", "tôi") and dice.random() < SWAPPED:
            told.append(her)
        elif word.lower() in HIM and dice.random() < SWAPPED:
            told.append(str(dice.choice(HIM)))
        elif dice.random() >= FORGOTTEN:
            told.append(word)
    return " ".join(told)


def _idle(knowledge: Path) -> Iterator[tuple[str, float]]:
    """What people write that is no question, and what it weighs: out of scope, and the words of speech acts."""
    outside = knowledge / "out_of_scope.tsv"
    if outside.is_file():
        for line in outside.read_text(encoding="utf-8").splitlines():
            yield line.rpartition("\t")[2], IDLE
    document, _ = read(knowledge / "acts.yml") if (knowledge / "acts.yml").is_file() else (None, [])
    data: Any = document.data if document else {}
    for act in data.get("acts", {}).values():
        for key, weight in (("whole", IDLE), ("inside", IDLE), ("examples", SAID)):
            yield from ((str(text), weight) for text in act.get(key) or ())


def train(pairs: Sequence[Example], features: Callable[[str], tuple[Ints, Floats]]) -> npt.NDArray[np.float16]:
    """The table of weights: a row per feature and one for the biases; columns for danger, haste and each category."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - training only
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    rows = [features(text) for text, *_ in pairs]
    found = [row for row, _ in rows]
    values = np.concatenate([value / max(1.0, float(np.linalg.norm(value))) for _, value in rows])
    bounds = np.cumsum([0, *map(len, found)])
    matrix = csr_matrix((values, np.concatenate(found), bounds), shape=(len(found), SIZE))
    matrix.sum_duplicates()
    rare = np.log((len(found) + 1) / (np.bincount(matrix.indices, minlength=SIZE) + 1))
    rare /= rare.mean()  # what many texts share says little
    matrix = matrix.multiply(rare).tocsr()
    kinds = np.array([kind for _, kind, *_ in pairs])
    red = np.array([now is True for *_, now, _ in pairs])
    told = np.array([now is not None for *_, now, _ in pairs])
    weight = np.array([weight for *_, weight in pairs])
    table = np.zeros((SIZE + 1, 2 + len(CATEGORIES)), dtype=np.float16)
    danger = kinds != ""
    for column, truth, mask, care in [
        (0, danger, np.ones(len(kinds), dtype=bool), CARE),
        (1, red, danger & told, 1.0),
        *((2 + k, kinds == kind, danger, RARE) for k, kind in enumerate(CATEGORIES)),
    ]:
        model = LogisticRegression(
            C=STRENGTH if column < 2 else KINDS,
            class_weight={False: 1.0, True: care},
            solver="liblinear",
            dual=True,
            tol=0.001,
            max_iter=60,
            random_state=0,
        )
        model.fit(matrix[mask], truth[mask], sample_weight=weight[mask])
        table[:-1, column] = model.coef_[0] * rare
        table[-1, column] = model.intercept_[0]
    return table


def average(tables: Sequence[npt.NDArray[np.float16]]) -> npt.NDArray[np.float16]:
    """One table of the weights that several lessons gave."""
    mean: npt.NDArray[np.float32] = np.stack(tables).mean(axis=0, dtype=np.float32)
    return mean.astype(np.float16)


def freeze(table: npt.NDArray[np.float16], path: Path, *, count: int, spelled: str) -> None:
    """Writes the weights, and beside them their hash, thresholds and the hash of the words they were learnt with."""
    raw = table.astype("<f2").tobytes()
    path.write_bytes(raw)
    label = {
        "sha256": hashlib.sha256(raw).hexdigest(),
        "check": CHECK,
        "amber": AMBER,
        "red": RED,
        "examples": count,
        "words": spelled,
    }
    path.with_suffix(".json").write_text(json.dumps(label, indent=1) + "\n", encoding="utf-8")


def _bare(text: str) -> str:
    return strip(unicodedata.normalize("NFC", text.lower()))
