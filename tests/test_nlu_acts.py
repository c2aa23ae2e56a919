"""What is no question: each act in the spellings women use, and real questions that must never be taken for one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import ContentError
from bot.nlu import Acts, Words, load_acts, load_words, normalise, syllable
from bot.nlu.acts import COMPUTED, NAMES, NEAR, act_of, load, may_be, parse

KNOWLEDGE = Path(__file__).parents[1] / "knowledge"
DATA = Path(__file__).parent / "data" / "nlu"
CASES = [tuple(line.split("\t")) for line in (DATA / "acts.tsv").read_text("utf-8").splitlines()]
HARMFUL = ("person", "stop", "delete")


@cache
def _act(text: str) -> str:
    return act_of(text, normalise(text, _words()), _acts())


@cache
def _words() -> Words:
    return load_words(KNOWLEDGE / "words.yml")


@cache
def _acts() -> Acts:
    return load_acts(KNOWLEDGE / "acts.yml", _words())


@pytest.mark.parametrize(("act", "text"), CASES)
def test_act(act: str, text: str) -> None:
    assert _act(text) == ("" if act == "-" else act)


@pytest.mark.parametrize("act", ["person", "stop"])
def test_person_and_stop_are_heard_without_marks(act: str) -> None:
    texts = [syllable.strip(text.lower()) for name, text in CASES if name == act]
    missed = [text for text in texts if _act(text) != act]
    assert len(texts) >= 25
    assert len(missed) / len(texts) <= 0.03, missed


def test_real_questions_without_marks_are_no_act() -> None:
    texts = [syllable.strip(text.lower()) for name, text in CASES if name == "-"]
    assert len(texts) >= 25
    assert [text for text in texts if _act(text) in HARMFUL] == []


def test_questions_that_only_sound_like_an_act_are_none() -> None:
    lines = (DATA / "acts_near.tsv").read_text("utf-8").splitlines()
    texts = [line.split("\t")[0] for line in lines if not line.startswith("#")]
    assert len(texts) >= 150
    assert [text for text in texts if _act(text) in HARMFUL] == []


def test_what_real_questions_speak_of_is_no_act() -> None:
    asked, told = (normalise(text, _words()) for text in ("xoa an tich lam o dau", "xoa het giup em"))
    assert not may_be("delete", asked, _acts())
    assert may_be("delete", told, _acts())


def test_what_only_sounds_like_an_act_is_learned_and_never_heard() -> None:
    assert len(_acts().acts[NEAR].said) >= 100
    _, findings = parse("filler: []\nacts:\n  none: {whole: [xóa]}\n".encode(), "acts.yml", _words())
    assert [f.code for f in findings] == ["shape"]


@pytest.mark.parametrize("text", ["em ngu quá", "tui khờ quá", "em vô dụng", "con dốt lắm"])
def test_who_blames_herself_insults_nobody(text: str) -> None:
    assert _act(text) == ""


def test_every_act_has_a_case() -> None:
    assert {act for act, _ in CASES} - {"-"} == set(NAMES) | set(COMPUTED)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_some_act_or_none(text: str) -> None:
    assert _act(text) in {"", *NAMES, *COMPUTED}


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    words = load_words(KNOWLEDGE / "words.yml")
    bad = "filler: [dạ, '!']\nacts:\n  fly: {}\n  stop: {whole: x, longest: a}\n  menu: {other: []}\nmore: 1\n"
    _, findings = parse(bad.encode(), "acts.yml", words)
    assert {f.code for f in findings} == {"shape", "unknown-key", "empty"}
    assert len(findings) == 6
    (tmp_path / "acts.yml").write_text(bad, "utf-8")
    with pytest.raises(ContentError):
        load(tmp_path / "acts.yml", words)
