"""The optional second opinion: it may add an option or make us ask back, never make us surer."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bot.nlu import Matcher, load_words
from bot.nlu.embedding import Advised, sentence_transformer

QUESTIONS = {
    "vay": ["vay vốn làm ăn", "vay tiền ngân hàng", "điều kiện vay vốn", "muốn vay chăn nuôi", "vay bao nhiêu tiền"],
    "viec": ["tìm việc ở đâu", "xin việc làm", "trung tâm việc làm", "kiếm việc gần nhà", "giới thiệu việc làm"],
    "ngu": ["mất ngủ", "không ngủ được", "đêm khó ngủ", "buồn mất ngủ", "thức trắng đêm"],
}


def bag(texts: Sequence[str]) -> NDArray[np.float32]:
    """A tiny encoder: words hashed into 64 numbers."""
    rows = np.zeros((len(texts), 64), np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.split():
            row[zlib.crc32(word.encode()) % 64] += 1
    return rows


def stubborn(texts: Sequence[str]) -> NDArray[np.float32]:
    """An encoder that finds everything unknown most like the questions about sleep."""
    return np.array([[1, 0] if "ngủ" in t or t not in _known() else [0, 1] for t in texts], np.float32)


@cache
def _matcher() -> Matcher:
    words = load_words(Path(__file__).parents[1] / "knowledge" / "words.yml")
    return Matcher.train(QUESTIONS, {}, {}, words, ["trời mưa to", "giá vàng hôm nay", "bóng đá tối qua"])


def _known() -> frozenset[str]:
    return frozenset(_matcher().questions)


def test_agreement_changes_nothing_but_the_reasons() -> None:
    plain = _matcher().read("em muốn vay vốn chăn nuôi bò")
    advised = Advised.of(_matcher(), bag).read("em muốn vay vốn chăn nuôi bò")
    assert (advised.candidates, advised.probability, advised.band) == (plain.candidates, plain.probability, plain.band)
    assert advised.why[-1] == "Bộ so nghĩa cũng chọn bài này."


def test_disagreement_never_makes_us_surer_and_adds_the_option() -> None:
    plain = _matcher().read("em muốn vay vốn chăn nuôi bò")
    advised = Advised.of(_matcher(), stubborn).read("em muốn vay vốn chăn nuôi bò")
    assert advised.candidates[0].article == plain.candidates[0].article == "vay"
    assert advised.candidates[1].article == "ngu"
    assert advised.probability <= plain.probability
    assert advised.band != "answer"
    assert len({c.article for c in advised.candidates}) == len(advised.candidates)


def test_an_exact_question_needs_no_advice() -> None:
    assert Advised.of(_matcher(), stubborn).read("Vay vốn làm ăn?") == _matcher().read("Vay vốn làm ăn?")


def test_without_the_extra_or_the_model_it_says_so(tmp_path: Path) -> None:
    with pytest.raises((ImportError, OSError)):
        sentence_transformer(tmp_path / "none")
