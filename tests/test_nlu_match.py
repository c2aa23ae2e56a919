"""Matching: exact questions, other wordings, strangers, stories, floods; what is learned is kept and stays the same."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.nlu import answer_text, articles, public
from bot.errors import ContentError
from bot.nlu import Matcher, load_acts, load_out_of_scope, load_words, syllable
from bot.nlu.features import BLOCK_WEIGHTS, learn, learn_rows
from bot.nlu.model import Lesson
from bot.nlu.normalise import concepts, normalise
from bot.nlu.spelling import Speller
from bot.nlu.train import MANY

KNOWLEDGE = Path(__file__).parents[1] / "knowledge"
DATA = Path(__file__).parent / "data" / "nlu"
QUESTIONS = {
    "an-phi": [
        "ly hôn tốn bao nhiêu án phí",
        "án phí ly hôn là bao nhiêu",
        "ra tòa phải đóng tiền gì",
        "nhà nghèo có được miễn án phí không",
        "tiền tạm ứng án phí nộp ở đâu",
        "le phi toa an het may trieu",
    ],
    "nuoi-con": [
        "ly hôn ai được nuôi con",
        "em muốn giành quyền nuôi con",
        "con dưới 3 tuổi tòa giao cho mẹ phải không",
        "chồng hàn đòi nuôi con",
        "quyen nuoi con sau ly hon",
        "tòa xử con cho ai",
    ],
    "khai-sinh": [
        "khai sinh cho con sinh ở hàn",
        "con đẻ bên đài loan làm giấy khai sinh ở việt nam",
        "lam giay khai sinh cho be",
        "thủ tục đăng ký khai sinh",
        "con chưa có khai sinh thì nộp ở xã nào",
        "giấy khai sinh của con làm ở đâu",
    ],
    "viec-lam": [
        "tìm việc ở đâu",
        "trung tâm dịch vụ việc làm có mất phí không",
        "em mới về nước muốn xin việc",
        "kiem viec lam gan nha",
        "có chỗ nào giới thiệu việc làm không",
        "em biết tiếng hàn xin việc gì",
    ],
    "vay-von": [
        "vay vốn ngân hàng chính sách",
        "em muốn vay tiền làm ăn",
        "điều kiện vay vốn là gì",
        "vay von chan nuoi",
        "hộ nghèo được vay bao nhiêu",
        "vay ngân hàng cần giấy tờ gì",
    ],
    "mat-ngu": [
        "em buồn và mất ngủ",
        "đêm nào cũng không ngủ được",
        "lo âu hoài phải làm sao",
        "mat ngu tu ngay ve nuoc",
        "em hay khóc một mình",
        "tâm trạng em nặng nề quá",
    ],
}
TITLES = {
    "an-phi": "Án phí ly hôn",
    "nuoi-con": "Ly hôn thì ai được nuôi con?",
    "khai-sinh": "Khai sinh cho con",
    "viec-lam": "Tìm việc ở đâu?",
    "vay-von": "Vay vốn ngân hàng chính sách",
    "mat-ngu": "Buồn, mất ngủ",
}
ANSWERS = {
    "an-phi": "Án phí ly hôn không có tranh chấp tài sản là 300.000 đồng.",
    "nuoi-con": "Tòa xem quyền lợi mọi mặt của con.",
    "khai-sinh": "Đăng ký tại UBND xã nơi cư trú, mang giấy chứng sinh.",
    "viec-lam": "Trung tâm dịch vụ việc làm công lập miễn phí.",
    "vay-von": "Ngân hàng Chính sách xã hội cho vay qua tổ tiết kiệm.",
    "mat-ngu": "Chị thử thở chậm và nói với người tin cậy.",
}


@cache
def _matcher() -> Matcher:
    words = load_words(KNOWLEDGE / "words.yml")
    oos = load_out_of_scope(KNOWLEDGE / "out_of_scope.tsv")[::12]
    return Matcher.train(QUESTIONS, TITLES, ANSWERS, words, oos, acts=load_acts(KNOWLEDGE / "acts.yml", words))


@pytest.mark.parametrize("article", QUESTIONS)
def test_its_own_questions_are_certain(article: str) -> None:
    for question in (*QUESTIONS[article], TITLES[article]):
        for said in (question, question.upper() + "?", syllable.strip(question)):
            reading = _matcher().read(said)
            assert (reading.exact, reading.probability, reading.band) == (True, 1.0, "answer")
            assert reading.candidates[0].article == article
            assert TITLES[article] in reading.why[0]


@pytest.mark.parametrize(
    ("text", "article"),
    [
        ("cho em hỏi tiền án phí khi ly hôn ạ", "an-phi"),
        ("e muon gianh quyen nuoi con thi lam sao", "nuoi-con"),
        ("lm giấy khai sanh cho bé sinh bên hàn", "khai-sinh"),
        ("toi can tim viec lam", "viec-lam"),
        ("muốn vay tiền ngan hang chinh sách mần ăn", "vay-von"),
        ("từ hôm về nước em mất ngủ quá", "mat-ngu"),
        ("ra tòa ly hôn thì con ở với ai nuôi", "nuoi-con"),
    ],
)
def test_other_wordings(text: str, article: str) -> None:
    reading = _matcher().read(text)
    assert reading.candidates[0].article == article
    assert not reading.exact
    assert 0 < reading.probability < 1
    assert reading.candidates[0].score == pytest.approx(reading.probability, abs=1e-3)
    assert reading.why[-1].startswith("Khả năng đúng")


def test_strangers_are_not_answered() -> None:
    lines = load_out_of_scope(KNOWLEDGE / "out_of_scope.tsv")[5::12]  # none of these was learned from
    answered = [text for text in lines if _matcher().read(text).band == "answer"]
    assert len(lines) > 40
    assert len(answered) / len(lines) <= 0.1, answered


def test_a_question_inside_a_long_story_is_among_the_first() -> None:
    story = (
        "Chị ơi em tên Lan, năm nay em ba mươi hai, nhà em ở gần chợ, sống xa nhà mấy năm. {} "
        "Em kể dài quá, mong chị thông cảm, trời hôm nay mưa to, em ngồi một mình viết cho chị."
    )
    for article, asked in (
        ("an-phi", "Ly hôn tốn bao nhiêu án phí vậy chị?"),
        ("vay-von", "Em muốn vay vốn làm ăn thì sao?"),
    ):
        assert article in [c.article for c in _matcher().read(story.format(asked)).candidates[:3]]


def test_the_last_article_is_only_a_nudge() -> None:
    plain, nudged = _matcher().read("cần giấy tờ gì"), _matcher().read("cần giấy tờ gì", last_article="khai-sinh")
    before, after = ([c.article for c in reading.candidates].index("khai-sinh") for reading in (plain, nudged))
    assert after <= before
    assert _matcher().read("vay vốn ngân hàng chính sách", last_article="mat-ngu").candidates[0].article == "vay-von"
    assert _matcher().read("muốn vay tiền", slots={"country": "korea"}).candidates[0].article == "vay-von"


def test_learning_is_kept_and_the_same(tmp_path: Path) -> None:
    words = load_words(KNOWLEDGE / "words.yml")
    oos = load_out_of_scope(KNOWLEDGE / "out_of_scope.tsv")[::40]
    first = Matcher.train(QUESTIONS, TITLES, ANSWERS, words, oos, cache=tmp_path)
    kept = list(tmp_path.iterdir())
    second = Matcher.train(QUESTIONS, TITLES, ANSWERS, words, oos, cache=tmp_path)
    here = Matcher.train(QUESTIONS, TITLES, ANSWERS, words, oos)
    assert list(tmp_path.iterdir()) == kept
    for text in ("em muốn vay tiền mua bò", "toa giao con cho ai"):
        assert first.read(text) == second.read(text)
        assert here.read(text).probability == pytest.approx(first.read(text).probability, abs=1e-3)
    kept[0].write_bytes(b"half a file")
    for old in range(6):
        (tmp_path / f"nlu-{old}.npz").touch()
        os.utime(tmp_path / f"nlu-{old}.npz", (old, old))
    assert Matcher.train(QUESTIONS, TITLES, ANSWERS, words, oos, cache=tmp_path).read("vay tiền").candidates
    names = {path.name for path in tmp_path.glob("nlu-*.npz")}
    assert names == {kept[0].name, "nlu-3.npz", "nlu-4.npz", "nlu-5.npz"}, "only the newest are kept"


def test_what_was_learned_before_is_not_learned_again() -> None:
    words, before = load_words(KNOWLEDGE / "words.yml"), _matcher()
    oos = load_out_of_scope(KNOWLEDGE / "out_of_scope.tsv")[::12]
    acts = load_acts(KNOWLEDGE / "acts.yml", words)
    again = Matcher.train(QUESTIONS, TITLES, ANSWERS, words, oos, before=before, acts=acts)
    assert again.model is before.model
    edited = {**ANSWERS, "vay-von": "Chị ra xã hỏi."}
    other = Matcher.train(QUESTIONS, TITLES, edited, words, oos, before=before, acts=acts)
    assert other.model is not before.model


def test_articles_that_are_gone_are_not_offered() -> None:
    fewer = _matcher().among(set(QUESTIONS) - {"vay-von"})
    for said in (QUESTIONS["vay-von"][0], "em muốn vay tiền làm ăn"):
        assert _matcher().read(said).candidates[0].article == "vay-von"
        assert "vay-von" not in [c.article for c in fewer.read(said).candidates]
    assert fewer.among(QUESTIONS).read("em muốn vay tiền làm ăn") == _matcher().read("em muốn vay tiền làm ăn")
    assert not _matcher().among(()).read("em muốn vay tiền làm ăn").candidates


def test_a_server_with_a_cache_carries_no_scikit_learn() -> None:
    code = "import sys, bot.nlu; assert not {'sklearn', 'scipy', 'bot.nlu.train'} & set(sys.modules); print('light')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "light"


def test_an_empty_knowledge_base_knows_nothing() -> None:
    words = load_words(KNOWLEDGE / "words.yml")
    for questions in ({}, {"a": ["ly hôn ở đâu"]}):
        reading = Matcher.train(questions, {}, {}, words).read("xin việc")
        assert (reading.band, reading.candidates) == ("unknown", ())
    assert Matcher.train({"a": ["ly hôn ở đâu"]}, {}, {}, words).read("ly hôn ở đâu ạ").exact is False


def test_a_question_of_two_articles_is_not_certain() -> None:
    words = load_words(KNOWLEDGE / "words.yml")
    reading = Matcher.train({"a": ["ly hôn", "tòa"], "b": ["ly hôn", "con"]}, {}, {}, words).read("ly hôn")
    assert not reading.exact


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "😀😀😀",
        "\u202e\u202dabc",
        "\ud800",
        "a",
        "이혼 離婚 развод",
        "ly hôn " * 20_000,
        "x" * 100_000,
        "án phí. " * 600,
        "\u0301" * 5_000,
        "1" * 4_000,
        "em " + "rất " * 1_000 + "buồn",
    ],
)
def test_odd_texts_end_quietly(text: str) -> None:
    reading = _matcher().read(text)
    assert 0 <= reading.probability <= 1
    assert reading.band in ("answer", "clarify", "unknown")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_read(text: str) -> None:
    reading = _matcher().read(text)
    assert all(0 <= c.score <= 1 for c in reading.candidates)
    assert reading == _matcher().read(text)


@cache
def _speller() -> Speller:
    said = "khai sinh cho con|em làm khai sinh|chồng đánh em|chồng không ký|thai nhi|ly hôn chồng|em muốn ly hôn".split(
        "|"
    )
    view = learn([(tuple(text.split()), ()) for text in said * 2], window=1)
    return Speller.of(view, np.full(view.blocks[1], 2), keep=frozenset({"visa"}))


def _spelt(text: str) -> tuple[str, str]:
    tokens = tuple(text.split())
    spelt = _speller().read(tokens, tuple(map(syllable.strip, tokens)))
    return " ".join(spelt.marked), " ".join(spelt.plain)


def test_spelling_mends_only_what_is_no_syllable() -> None:
    assert _spelt("khaj sinhh") == ("khai sinh", "khai sinh")
    assert _spelt("khaisinh con") == ("khai sinh con", "khai sinh con")
    assert _spelt("thai visa f6 khải") == ("thai visa f6 khai", "thai visa f6 khai")
    assert _spelt("khau qwrtpsd") == ("khau qwrtpsd", "khau qwrtpsd")


def test_marks_left_out_are_put_back_by_what_stands_beside() -> None:
    assert _spelt("chong danh em") == ("chồng đánh em", "chong danh em")
    assert _spelt("em muon ly hon") == ("em muốn ly hôn", "em muon ly hon")
    assert _spelt("hồn") == ("hôn", "hon"), "marks that no known word has are taken for a slip"
    assert _spelt("sống chong") == ("sống chồng", "song chong"), "an unknown word stays"


def test_a_view_knows_words_neighbours_pairs_and_concepts() -> None:
    texts = [
        (("ly", "hôn", "ở", "tòa"), ("ly_hon",)),
        (("ly", "hôn", "xa", "tòa"), ()),
        (("tòa", "xử", "ly"), ("viec",)),
        (("có", "tòa", "nào", "ly", "chưa"), ()),
    ]
    view = learn(texts, window=8)
    rows = view.encode([*texts, (("tòa", "nào", "ly"), ()), ((), ()), (("zzz",), ("lạ",))])
    lengths = [float(np.sqrt(weights @ weights)) for _, weights in map(rows.row, range(7))]
    assert lengths == pytest.approx([1, (1 - BLOCK_WEIGHTS[2] ** 2) ** 0.5, 1, *lengths[3:5], 0, 0], abs=1e-5)
    words, near, pairs, named = view.blocks
    assert (words, near - words, pairs - near, named - pairs) == (len(view.words), 3, 1, 2)
    own = {int(c) for c in rows.row(0)[0]}
    other = {int(c) for c in rows.row(4)[0]}
    assert {c for c in own & other if near <= c < pairs}, "ly … tòa in either order stands in four texts"


def test_the_rows_learned_with_a_view_are_those_it_gives_the_same_texts() -> None:
    words = load_words(KNOWLEDGE / "words.yml")
    normal = [normalise(text, words) for text in (*chain(*QUESTIONS.values()), *ANSWERS.values(), "con con con", "")]
    texts = [(text.plain_tokens, concepts(text, words)) for text in normal]
    for window, longest in ((8, 4), (4, 0), (1, 3)):
        view, rows = learn_rows(texts, window=window, longest=longest)
        again = view.encode(texts)
        for name in ("starts", "columns", "weights"):
            assert np.array_equal(getattr(rows, name), getattr(again, name)), (window, name)


def test_a_faulty_out_of_scope_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "o.tsv").write_text("chat\tchào\nhỏng\n\n# ghi chú\nspam\t\n", "utf-8")
    with pytest.raises(ContentError) as refused:
        load_out_of_scope(tmp_path / "o.tsv")
    assert [f.line for f in refused.value.findings] == [2, 5]


def test_the_shipped_out_of_scope_set_is_large_and_varied() -> None:
    lines = (KNOWLEDGE / "out_of_scope.tsv").read_text("utf-8").splitlines()
    assert len(load_out_of_scope(KNOWLEDGE / "out_of_scope.tsv")) == len({line.split("\t")[1] for line in lines}) >= 650
    assert len({line.split("\t")[0] for line in lines}) >= 7


def test_a_lesson_survives_the_way_to_another_process() -> None:
    lesson = Lesson(QUESTIONS, TITLES, ANSWERS, load_words(KNOWLEDGE / "words.yml"), ["trời mưa"], {"hi": ["chào"]})
    back = Lesson.from_json(lesson.to_json())
    assert {name: getattr(back, name) for name in back.__slots__} == {
        name: {key: list(held) for key, held in QUESTIONS.items()} if name == "questions" else getattr(lesson, name)
        for name in lesson.__slots__
    }


def test_a_folder_in_the_format_of_public_sets_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vé").mkdir()
    told = "bay\tđặt vé máy bay đi {}\ngiá\tgiá vé đi {} bao nhiêu\ngiờ\tmấy giờ có chuyến đi {}\n"
    towns = "Hà Nội,Huế,Đà Nẵng,Cần Thơ,Vinh,Đà Lạt".split(",")
    (tmp_path / "vé" / "train.tsv").write_text("".join(told.replace("{}", town) for town in towns), "utf-8")
    (tmp_path / "vé" / "test.tsv").write_text(told.replace("{}", "Phú Quốc") + "không có phím Tab\n", "utf-8")
    public(tmp_path, load_words(KNOWLEDGE / "words.yml"))
    said = capsys.readouterr().out
    assert "vé: 18 learned" in said
    assert "3 asked; as written 100.00%, stripped 100.00%" in said
    assert "  3 of each label, mean of 5 draws: 100.0%, stripped 100.0%" in said


@cache
def _whole() -> Matcher:
    words, known = load_words(KNOWLEDGE / "words.yml"), articles(KNOWLEDGE)
    return Matcher.train(
        {name: [str(text) for text in _list(article["questions"])] for name, article in known.items()},
        {name: str(article["title"]) for name, article in known.items()},
        {name: answer_text(article) for name, article in known.items()},
        words,
        load_out_of_scope(KNOWLEDGE / "out_of_scope.tsv"),
        acts=load_acts(KNOWLEDGE / "acts.yml", words),
    )


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("nói miệng cho dễ, em đánh máy chậm lắm chị", "person"),
        ("may tra loi hoai, cho gap nguoi di", "person"),
        ("thôi từ rày đừng nhắn qua đây nữa nha", "stop"),
        ("gỡ hết mấy tin nhắn của em xuống đi", "delete"),
        ("cac chi oi", "greeting"),
        ("ờ", "yes"),
        ("hiện mấy cái lựa chọn ra coi", "menu"),
        ("dừng đóng bảo hiểm xã hội thì sao", ""),
        ("chồng bắt em dừng cho con bú", ""),
        ("tư vấn ly hôn cho em", ""),
    ],
)
def test_acts_are_heard_in_other_words_and_questions_are_none(text: str, act: str) -> None:
    assert _whole().read(text).act == act


def test_messages_of_another_author_are_understood() -> None:
    """Half of them only: the other half is for judging, not for passing."""
    model = _whole()
    rows = [line.split("\t") for line in (DATA / "questions_a.tsv").read_text("utf-8").splitlines() if line[:1] != "#"]
    helped = wrong = 0
    for text, wanted, _ in rows:
        reading = model.read(text)
        named = [candidate.article for candidate in reading.candidates[:3]]
        right = named[0] in wanted.split("|")
        helped += right if reading.band == "answer" else bool(set(named) & set(wanted.split("|")))
        wrong += reading.band == "answer" and not right
    assert len(rows) > 300
    assert helped / len(rows) >= 0.95
    assert wrong / len(rows) <= 0.02


def test_hundreds_of_articles_are_learned_small_and_still_told_apart() -> None:
    heads, tails = (
        "bo chan dieu gach hanh kem lua mia nem quat".split(),
        "ba che dong em ga hoa lon mot nam ong sau".split(),
    )
    names = [f"{first} {second} {third}" for first in heads for second in tails for third in tails[:4]]
    assert len(names) > MANY
    asked = {
        f"bai-{at}": [f"em muốn hỏi {name} ở đâu", f"{name} mất bao nhiêu tiền chị", f"cho hỏi {name} cần giấy gì"]
        for at, name in enumerate(names)
    }
    titles = {article: questions[0] for article, questions in asked.items()}
    matcher = Matcher.train(asked, titles, titles, load_words(KNOWLEDGE / "words.yml"), ["trời hôm nay mưa"])
    assert matcher.model is not None
    assert matcher.model.plain_weights.nbytes < 20e6
    found = [matcher.read(f"chị ơi {name} thì làm thế nào").candidates[0].article for name in names[::10]]
    right = sum(article == f"bai-{at * 10}" for at, article in enumerate(found))
    assert right >= 0.9 * len(found)
