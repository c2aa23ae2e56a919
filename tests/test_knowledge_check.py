from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bot.knowledge import check, check_article, read, read_style
from bot.knowledge.checking import plain
from bot.messages import Finding
from tests.knowledge_sample import ARTICLE, SECOND, changed, put, sample

TODAY = date(2026, 11, 25)
FILE = "legal/leg-mot.yml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return sample(tmp_path)


def found(root: Path, *, today: date = TODAY) -> list[Finding]:
    return [one for one in check(root, today=today) if one.file == FILE]


def codes(root: Path, *, today: date = TODAY) -> set[tuple[str, str]]:
    return {(one.severity, one.code) for one in found(root, today=today)}


def test_the_sample_is_sound(root: Path) -> None:
    findings = check(root, today=TODAY)
    assert [one for one in findings if one.severity == "error"] == []
    assert [(one.file, one.code) for one in findings] == [("general/gen-hai.yml", "few-questions")]


WORDED = [
    ("Gom giấy", "Chị phải chịu thôi"),
    ("Gom giấy", "TẠI SAO chị không bỏ"),
    ("Gom giấy", "Chị ra UBND huyện nộp"),
    ("Gom giấy", "Chị nên quay về với chồng"),
    ("Gom giấy", "Đây là lỗi của chị"),
    ("Gom giấy", "Chị lên phòng   tư pháp hỏi"),
]


@pytest.mark.parametrize(("old", "new"), WORDED)
def test_banned_wordings_are_errors_that_say_what_to_write(root: Path, old: str, new: str) -> None:
    put(root, FILE, changed(f"  - {old}", f"  - {new}"))
    one, *_ = [one for one in found(root) if one.code == "wording"]
    assert one.severity == "error"
    assert one.line == 1 + changed(f"  - {old}", f"  - {new}").splitlines().index(f"  - {new}")
    assert "Nên:" in one.vi


@pytest.mark.parametrize(
    "text", ["Đây không phải lỗi của chị", "Chị không phải chịu một mình", "Không phải lên phòng tư pháp nữa"]
)
def test_the_same_words_in_a_good_sentence_pass(root: Path, text: str) -> None:
    put(root, FILE, changed("  - Gom giấy", f"  - {text}"))
    assert codes(root) == set()


def test_some_wordings_are_banned_only_where_they_hurt(root: Path) -> None:
    put(root, FILE, changed("  - Gom giấy", "  - Nộp thành công thì giữ giấy"))
    assert codes(root) == set()
    put(root, "psychological/psy-ba.yml", SECOND.replace("gen-hai", "psy-ba").replace("OSSO là gì", "Buồn quá", 1))
    text = (root / "psychological/psy-ba.yml").read_text().replace("không mất tiền", "chị sẽ thành công")
    put(root, "psychological/psy-ba.yml", text)
    assert ("psychological/psy-ba.yml", "wording") in {(one.file, one.code) for one in check(root, today=TODAY)}


@pytest.mark.parametrize(
    "start", ["Chồng đánh thì chị", "Dạ, nếu bị   bạo lực thì chị", "Công an xã sẽ giúp chị", "Tự tử"]
)
def test_a_message_may_not_begin_loudly(root: Path, start: str) -> None:
    put(root, FILE, changed("  - Dạ, chị mang giấy", f"  - {start} mang giấy"))
    assert ("error", "loud-start") in codes(root)


def test_a_hard_word_after_the_first_forty_characters_passes(root: Path) -> None:
    text = "Dạ, OSSO nghe chị đây, chị cứ kể từ từ ạ. Nếu bị bạo lực thì chị"
    assert text.index("bạo lực") >= 40
    put(root, FILE, changed("  - Dạ, chị mang giấy", f"  - {text} mang giấy"))
    assert codes(root) == set()


def test_a_section_counts_from_its_heading(root: Path) -> None:
    put(root, FILE, changed("  - Tờ khai", "  - Đơn tố cáo"))
    assert ("error", "loud-start") in codes(root)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Chị gọi 113 ngay nhé", "number-country"),
        ("Chị gọi 113 (Đài Loan)", "number-country"),
        ("Chị gọi 1900 969 680 nhé", "number"),
        ("Chị gọi 0912 345 678 nhé", "number"),
        ("Chị gọi số 115 ở Việt Nam", "number"),
        ("Lệ phí 50.000 đồng", "amount"),
        ("Được hỗ trợ 3 triệu", "amount"),
        ("Bên đó trả 500 won", "amount"),
        ("Giảm 50 % học phí", "amount"),
    ],
)
def test_numbers_and_money_nobody_verified_are_errors(root: Path, text: str, code: str) -> None:
    put(root, FILE, changed("  - Gom giấy", f"  - {text}"))
    assert codes(root) == {("error", code)}


@pytest.mark.parametrize(
    "text",
    [
        "Chị gọi 113 (Việt Nam) nhé",
        "Chị gọi bảo hộ công dân +84 981 84 84 84",
        "Chị gọi 0981 84 84 84",
        "Luật 91/2025/QH15 có từ 01/7/2025",
        "Đề án 2415 cho các năm 2026-2035",
        "Chờ 113 ngày, ở lại 180 ngày",
        "Án lệ 82/2025, Điều 125, năm 2027",
        "Sinh ngày 2020-01-02",
    ],
)
def test_verified_numbers_dates_and_laws_pass(root: Path, text: str) -> None:
    put(root, FILE, changed("  - Gom giấy", f'  - "{text}"'))
    assert codes(root) == set()


def test_an_amount_staff_verified_passes(root: Path) -> None:
    put(root, FILE, changed("  - Gom giấy", "  - Lệ phí 50.000 đồng"))
    style = (root / "style.yml").read_text()
    put(root, "style.yml", changed("amounts: []", "amounts: [50 000 đồng]", style))
    assert codes(root) == set()


def test_secondary_sources_need_the_promise_to_confirm(root: Path) -> None:
    put(root, FILE, changed(" OSSO sẽ xác nhận lại.", ""))
    assert codes(root) == {("error", "unconfirmed")}


def test_sources_are_wanted(root: Path) -> None:
    start, end = ARTICLE.index("sources:"), ARTICLE.index("review:")
    put(root, FILE, ARTICLE[:start] + "sources: []\n" + ARTICLE[end:])
    assert codes(root) == {("error", "unsourced")}
    put(root, FILE, ARTICLE[:start] + "sources: []\nbasis: chưa có\n" + ARTICLE[end:])
    assert codes(root) == {("warning", "unsourced")}
    bare = ARTICLE[:start] + "sources: []\nbasis: chưa có\n" + ARTICLE[end:]
    put(root, FILE, changed("status: draft", "status: published\n  by: lan\n  on: 2026-11-25", bare))
    assert codes(root) == {("error", "unsourced")}


def test_dates_are_watched(root: Path) -> None:
    assert codes(root, today=date(2027, 1, 10)) == {("note", "expires-soon")}
    assert codes(root, today=date(2027, 3, 1)) == {("warning", "expired")}
    put(root, FILE, changed("status: draft", "status: published\n  by: lan\n  on: 2026-11-25"))
    assert codes(root, today=date(2027, 3, 1)) == {("error", "expired")}
    put(root, FILE, changed("checked: 2026-11-22", "checked: 2027-11-22"))
    assert codes(root) == {("error", "checked")}


def test_civil_status_ends_with_its_decree(root: Path) -> None:
    law = changed("law: Luật Hôn nhân và gia đình 2014", "law: Nghị định 120/2025")
    put(root, FILE, law)
    assert codes(root) == set()
    put(root, FILE, changed("2027-02-28", "2027-03-01", law))
    assert codes(root) == {("error", "civil-status")}
    put(root, FILE, changed("2027-02-28", "2027-03-01"))
    assert codes(root) == set()


def test_a_review_names_who_and_when_and_open_points_stop_publishing(root: Path) -> None:
    put(root, FILE, changed("status: draft", "status: reviewed"))
    assert codes(root) == {("error", "review")}
    published = changed("status: draft", "status: published\n  by: lan\n  on: 2026-11-25")
    put(root, FILE, changed("review:\n", "confirm:\n  - Lệ phí bao nhiêu?\nreview:\n", published))
    assert codes(root) == {("error", "open-points")}


def test_length_is_judged_per_message_and_per_section(root: Path) -> None:
    put(root, FILE, changed("  - Gom giấy", "  - " + "giấy " * 50 + "tờ\n  - " + "giấy " * 20 + "tờ"))
    assert codes(root) == {("error", "too-long")}
    put(root, FILE, changed("title: Làm giấy ghi chú ly hôn ở đâu?", "title: " + "Làm giấy " * 10 + "gì?"))
    assert codes(root) == {("error", "too-long")}
    put(root, FILE, changed("short: Ghi chú ly hôn", "short: Ghi chú việc ly hôn bên đó"))
    assert codes(root) == {("error", "too-long")}


def test_too_many_messages_with_a_case_are_told(root: Path) -> None:
    more = changed("  - Có ghi vào sổ", "  - Chị cứ yên tâm.\n  - Có ghi vào sổ")
    put(root, FILE, changed("        - Chị nói tên nước", "        - Chị đợi chút.\n        - Chị nói tên nước", more))
    assert codes(root) == {("warning", "too-many-messages")}


def test_few_questions(root: Path) -> None:
    put(root, FILE, changed("  - chị ơi em cần vào sổ việc ly hôn\n", ""))
    assert codes(root) == {("warning", "few-questions")}
    start, end = ARTICLE.index("  - về nước"), ARTICLE.index("answer:\n  - Dạ")
    put(root, FILE, ARTICLE[:start] + ARTICLE[end:])
    assert codes(root) == {("error", "too-few")}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Ghi chú ly hôn, làm ở đâu???", ("error", "same-question")),
        ("ghi chu ly hon lam o dau", ("warning", "same-without-marks")),
        ("em ly hôn bên Hàn rồi bây giờ phải làm giấy gì", ("warning", "near-question")),
        ("Làm giấy ghi chú ly hôn ở đâu", ("error", "same-question")),
    ],
)
def test_the_same_question_under_two_articles(root: Path, question: str, expected: tuple[str, str]) -> None:
    put(root, "general/gen-hai.yml", changed("  - có mất tiền không chị", f"  - {question}", SECOND))
    likeness = [one for one in check(root, today=TODAY) if "question" in one.code or "marks" in one.code]
    likeness = [one for one in likeness if one.code != "few-questions"]
    assert {(one.severity, one.code) for one in likeness} == {expected}
    assert "general/gen-hai.yml:" in likeness[0].vi or likeness[0].file == "general/gen-hai.yml"


def test_a_question_twice_in_one_article_and_one_answer_twice(root: Path) -> None:
    put(root, "general/gen-hai.yml", changed("  - có mất tiền không chị", "  - osso là gì?", SECOND))
    put(root, "general/gen-ba.yml", SECOND.replace("gen-hai", "gen-ba").replace("OSSO", "Hội").replace("có", "được"))
    text = (root / "general/gen-ba.yml").read_text()
    text = text.replace("Dạ, Hội nghe", "Dạ, OSSO nghe").replace("bên mình giúp", "ở đây giúp")
    put(root, "general/gen-ba.yml", text)
    got = {one.code for one in check(root, today=TODAY)}
    assert {"repeated-question", "same-answer"} <= got


def test_plain_is_what_she_types_without_marks() -> None:
    assert plain("Đường  ĐỜI, ở   Huế?") == "duong doi o hue"


def test_one_file_is_judged_as_if_it_were_saved(root: Path) -> None:
    shelf = read(root)
    rules, _ = read_style(root)

    def judged(text: str, file: str = FILE) -> set[str]:
        return {one.code for one in check_article(text.encode(), file, shelf=shelf, rules=rules, today=TODAY)}

    assert judged(ARTICLE) == set()
    assert judged(changed("  - Gom giấy", "  - Chị phải chịu thôi")) == {"wording"}
    assert judged(changed("  - ghi chú ly hôn làm ở đâu", "  - ai lập ra OSSO")) == {"same-question"}
    assert judged(changed("  - gen-hai", "  - gen-vang")) == {"dead-link"}
    assert judged(changed("short: Ghi chú ly hôn", "short: OSSO là gì")) == {"same-short"}
    assert judged(ARTICLE, "child/leg-mot.yml") == {"same-id"}
    assert judged("a: [") == {"syntax"}
    assert read(root).knowledge.articles == shelf.knowledge.articles, "nothing was written"


def test_a_bad_style_file_is_told(root: Path) -> None:
    put(root, "style.yml", "neutral: []\nbanned: []\namounts: [1]\n")
    findings = [one for one in check(root, today=TODAY) if one.file == "style.yml"]
    assert {one.code for one in findings} == {"missing", "type"}
