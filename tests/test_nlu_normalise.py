"""One spelling for what women type: examples, and the properties that must hold for any text at all."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.errors import ContentError
from bot.nlu import syllable
from bot.nlu.normalise import Words, concepts, normalise
from bot.nlu.words import load, parse, read

FILE = Path(__file__).parents[1] / "knowledge" / "words.yml"


@pytest.fixture(scope="module")
def words() -> Words:
    return load(FILE)


@pytest.mark.parametrize(
    ("typed", "marked"),
    [
        ("Em KHÔNG biết", "em không biết"),
        ("hoà, thuý, qúy", "hòa thúy quý"),
        ("E k bjk làm sao hết z chị", "em không biết làm sao hết vậy chị"),
        ("ck e hok cho e gặp con", "chồng em không cho em gặp con"),
        ("t.ự t.ử", "tự tử"),
        ("t ự t ử", "tự tử"),
        ("ch.ế.t", "chết"),
        ("ddang kys ly hoon", "đang ký ly hôn"),
        ("khoong bieest", "không biết"),
        ("d9u7o7c5 kho6ng", "được không"),
        ("tuiiiii mệtttt quáaaa", "tôi mệt quá"),
        ("F-6 hết hạn r", "f6 hết hạn rồi"),
        ("lam rang chừ", "làm sao giờ"),
        ("ở mô rứa", "ở đâu vậy"),
        ("dị nghị", "dị nghị"),
        ("đau răng quá kkkk", "đau răng quá"),
        ("mô hình, vô sinh, chi phí, mùa hè", "mô hình vô sinh chi phí mùa hè"),
        ("đầu thai, thai nghén", "đầu thai thai nghén"),
        ("fải k", "phải không"),
        ("kái j zậy", "cái gì vậy"),
        ("ngừi ta", "người ta"),
        ("em muốn 이혼", "em muốn 이혼"),
        ("visa tax her box", "visa tax her box"),
        ("cty tnhh abc", "công ty tnhh abc"),
        ("cho a b c t m ty", "cho a b c t m ty"),
        ("em\u200bmuốn", "em muốn"),
        ("hihi em chào ạ", "em chào ạ"),
        ("\ud800abc", "abc"),
        ("", ""),
        ("😀😀", ""),
    ],
)
def test_spelling(typed: str, marked: str, words: Words) -> None:
    assert normalise(typed, words).marked == marked


def test_decomposed_and_compatibility_letters_are_the_same_text(words: Words) -> None:
    text = "Chồng em không chịu ký giấy ly hôn, đường xa quá"
    assert normalise(unicodedata.normalize("NFD", text), words) == normalise(text, words)
    assert normalise("𝓮𝓶 ｍｕốn", words).marked == "em muốn"


def test_plain_has_no_marks_and_share_counts_what_she_wrote(words: Words) -> None:
    n = normalise("e k biet duong ve", words)
    assert (n.plain, n.share, n.has_marks) == ("em khong biet duong ve", 0.0, False)
    assert normalise("đường về", words).share == 1.0
    assert normalise("Về rồi. Giờ sao?", words).breaks == (0, 2)


@pytest.mark.parametrize(
    "token", "khuỷu thuở quýt giếng gìn yêu ngoằn xoèn chuyện hoàn uỳnh giữa goòng ủy quyền".split()
)
def test_real_syllables_are_syllables(token: str) -> None:
    assert syllable.could_be(token)
    assert syllable.settle(token) == token


@pytest.mark.parametrize("token", "ddang kys hoon wtf visaa khg xyz ngi gh".split())
def test_impossible_syllables_are_not(token: str) -> None:
    assert not syllable.could_be(token)


LETTERS = "aăâbcdđeêghiklmnoôơpqrstuưvxyzwfj áàảãạếềểễệốờợứữ 0123456789.,!?*-_/'\n이혼離ẞİﬁ😀\u0301\u0323\u200d\ud800"


@settings(max_examples=400, deadline=None)
@given(text=st.text(max_size=80) | st.text(alphabet=LETTERS, max_size=60))
def test_twice_is_once_and_nothing_raises(text: str) -> None:
    words = _words()
    once = normalise(text, words)
    assert normalise(once.marked, words).marked == once.marked
    bare = normalise(once.plain, words).marked
    assert normalise(bare, words).marked == bare
    assert len(once.tokens) == len(once.plain_tokens)
    assert 0 <= once.share <= 1
    assert list(once.breaks) == sorted(set(once.breaks))


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            sorted(load(FILE).single) + sorted(load(FILE).phrases) + ["em", "t", "o", "a", "kk", ".", "\n"]
        ),
        max_size=12,
    )
)
@example(["l", "\n", "a", "y"])
def test_twice_is_once_over_the_lexicon(tokens: list[str]) -> None:
    words = _words()
    once = normalise(" ".join(tokens), words).marked
    assert normalise(once, words).marked == once


@cache
def _words() -> Words:
    return load(FILE)


TELEX = {"â": "aa", "ê": "ee", "ô": "oo", "ă": "aw", "ơ": "ow", "ư": "uw", "đ": "dd"}
VNI = {"â": "a6", "ê": "e6", "ô": "o6", "ă": "a8", "ơ": "o7", "ư": "u7", "đ": "d9"}


def _typed(token: str, keys: dict[str, str], tones: str) -> str:
    letters, tone = syllable.split_tone(token)
    return "".join(keys.get(c, c) for c in letters) + (tones[tone - 1] if tone else "")


def test_telex_and_vni_residue_comes_back(words: Words) -> None:
    sample = "được không muốn chồng đánh giấy khẩu quyền nuôi tiền lương về nước người phụ nữ trường đẻ".split()
    telex = [normalise(_typed(token, TELEX, "sfrxj"), words).marked for token in sample]
    vni = [normalise(_typed(token, VNI, "12345"), words).marked for token in sample]
    assert vni == sample
    assert sum(a == b for a, b in zip(telex, sample, strict=True)) >= len(sample) - 1


def test_concepts_meet_marked_unmarked_and_foreign_forms(words: Words) -> None:
    assert concepts(normalise("giấy khai sanh", words), words) == concepts(normalise("giay khai sinh", words), words)
    assert "ly_hon" in concepts(normalise("tôi đã 이혼했어요", words), words)
    assert "apostille" in concepts(normalise("đóng dấu a pốt tin ở đâu", words), words)
    assert concepts(normalise("trời hôm nay đẹp", words), words) == ()


def test_the_shipped_lexicon_is_clean_and_large(words: Words) -> None:
    assert read(FILE)[1] == []
    assert len(words.single) + sum(map(len, words.phrases.values())) >= 450
    assert not {"ty", "t", "m", "b", "c"} & set(words.single)


def test_every_fault_of_a_lexicon_is_told_at_once() -> None:
    bad = """
short:
  k: không
  ck: k
  Vk: vợ
  chong: chồng
  zz:
regional:
  k: khác
concepts:
  x: {label: a}
other: 1
"""
    _, findings = parse(bad.encode(), "words.yml")
    assert {f.code for f in findings} == {"chain", "key-form", "restore", "empty", "twice", "shape", "unknown-key"}
    assert all(f.line > 1 and f.vi and f.en for f in findings)


def test_a_broken_lexicon_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.yml").write_text("short: [1]", encoding="utf-8")
    with pytest.raises(ContentError):
        load(tmp_path / "words.yml")


@pytest.mark.parametrize(
    "text", ["abcdzz" * 20_000, "a." * 50_000, "a " * 50_000, "đ" * 100_000, "t.ừ" * 30_000, "9" * 100_000]
)
def test_floods_end(text: str, words: Words) -> None:
    assert len(normalise(text, words).marked) <= 2 * len(text)
