"""The safety screen: what it must hear, what it must leave alone, and that nothing anyone writes can stop it."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ContentError, Refused
from bot.messages import LEVELS, Category, Danger, Finding, Level, Reply
from bot.nlu.normalise import Words as Lexicon
from bot.nlu.syllable import strip
from bot.nlu.words import load as lexicon
from bot.safety import Screen, classify, combine, crisis, lint, signing
from bot.safety.score import rows, score
from bot.safety.signs import load
from bot.safety_cli import JUDGES, LESSONS, Signing, safety

ROOT = Path(__file__).resolve().parent.parent
KNOWLEDGE = ROOT / "knowledge"
DATA = ROOT / "tests" / "data" / "safety"
TODAY = datetime.date(2026, 11, 25)


@pytest.fixture(scope="module")
def screen() -> Screen:
    """The screen as shipped, with a watch that stands still: no test may depend on how busy the machine is."""
    return replace(Screen.load(KNOWLEDGE), clock=Stopwatch(0.0))


def bare(text: str) -> str:
    return strip(unicodedata.normalize("NFC", text.lower()))


# --- what it must hear ----------------------------------------------------------------------------------------------

NOW: list[tuple[str, Category]] = [
    ("chồng em đang đánh em", "ipv"),
    ("ck e đag uýnh e, c cíu e vs", "ipv"),
    ("em đang trốn trong nhà vệ sinh, nhắn nhỏ thôi", "ipv"),
    ("anh ta bóp cổ em, em không thở được", "ipv"),
    ("em không muốn sống nữa", "suicide"),
    ("em viết thư để lại cho con rồi", "suicide"),
    ("không có em chắc cả nhà đỡ khổ", "suicide"),
    ("em vừa uống hết vỉ thuốc ngủ", "suicide"),
    ("em bị lừa bán sang Trung Quốc, họ nhốt em", "trafficking"),
    ("họ bắt em tiếp khách, không cho về", "trafficking"),
    ("tui bị hiếp dâm hồi hôm", "sexual_violence"),
    ("cháu 11 tuổi, dượng hay sờ vào người cháu", "child_abuse"),
    ("nó đang cầm dao đứng trước cửa nhà tôi", "threat"),
    ("em bế con chạy ra ngoài đường rồi, không biết đi đâu", "runaway"),
    ("con em bị co giật tím tái", "medical"),
    ("em đang mang thai mà ra máu nhiều quá", "medical"),
]


@pytest.mark.parametrize(("text", "category"), NOW)
@pytest.mark.parametrize(
    "view", [str, bare, lambda t: unicodedata.normalize("NFD", t), str.upper], ids="marks bare nfd caps".split()
)
def test_imminent_danger_is_red_however_it_is_typed(
    screen: Screen, text: str, category: Category, view: Callable[[str], str]
) -> None:
    danger = screen.read(view(text))
    assert (danger.level, danger.category) == ("RED", category), danger
    assert danger.evidence


@pytest.mark.parametrize(
    "text",
    [
        "cứu em với",
        "cuu em voi",
        "SOS",
        "sống làm gì nữa hả chị",
        "em m.u.ố.n c.h.ế.t",
        "em muốn chếttttt",
        "em mu\u200bốn ch\u200bết",
        "em muon tu tu",
        "살려주세요",
        "죽고 싶어요",
        "I want to die",
        "my husband is beating me",
        "help me he has a knife",
        "my boss locked me in the room and took my passport",
        "我想死",
        "I can't live anymore",
        "사장이 여권을 뺏었어요",
        "他要杀我",
        "不让我出去",
        "boss giữ passport với nhốt em trong phòng, không cho em về",
        "사장님 đang đứng ngoài cửa, nó vừa đè em ra",
    ],
)
def test_disguised_and_foreign_calls_are_red(screen: Screen, text: str) -> None:
    assert screen.read(text).level == "RED"


@pytest.mark.parametrize(
    "text",
    [
        "can you help me with my son's birth certificate",
        "I need help with divorce papers",
        "How can I renew my passport?",
        "can I live in Korea with this visa",
        "离婚判决书要翻译吗",
        "이혼 서류 어떻게 해요",
        "여권을 갱신하고 싶어요",
    ],
)
def test_questions_in_other_languages_alarm_nobody(screen: Screen, text: str) -> None:
    assert screen.read(text).level == "NONE"


@pytest.mark.parametrize(
    "text",
    [
        "em bị chồng đánh nhiều lần rồi",
        "mặt em tím hết, em nói với mẹ là em ngã",
        "chủ giữ hộ chiếu, không cho em về",
        "ông chủ cứ sờ soạng em",
        "người yêu cũ dọa tung clip của em",
    ],
)
def test_a_disclosure_is_amber_at_least(screen: Screen, text: str) -> None:
    for view in (text, bare(text)):
        assert screen.read(view).level in ("AMBER", "RED"), view


@pytest.mark.parametrize(
    "text",
    ["chồng em không đánh em", "trước đây chồng hay đánh, giờ em ly hôn rồi, giờ ổn rồi", "bạo lực gia đình là gì"],
)
def test_denied_past_and_asked_about_is_check(screen: Screen, text: str) -> None:
    assert screen.read(text).level == "CHECK"


@pytest.mark.parametrize(
    "text",
    [
        "em mệt muốn chết",
        "cười chết mất",
        "xe em bị chết máy",
        "em giết gà cúng giỗ",
        "treo cờ ngày lễ",
        "chị cứ từ từ",
        "de em tu tu lam giay to",
        "can tu van ve khai sinh",
        "em ban viec nha",
        "anh Hiệp bên xã",
        "làm giấy chứng tử cho ba ở đâu",
        "xem phim thấy chồng đánh vợ tức ghê",
        "tờ rơi phòng chống mua bán người",
        "em muốn ly hôn với chồng Hàn Quốc",
        "cho em hỏi làm hộ chiếu cho con",
        "đánh giá 5 sao",
        "em ly hon ben han roi gio muon lay chong vn thi can giay to gi",
        "chồng cũ em lấy vợ khác rồi, con em muốn đón về",
        "chong cu cua em lay vo khac roi, con em muon don ve",
        "chị ơi giúp em với em cần làm giấy tờ gấp",
        "cuu em vu giay to voi",
        "thôi đừng nhắn nữa",
        "dung nhan tin cho toi nua",
        "đừng gửi tin cho em nữa",
        "không cần nữa",
        "con em bị bạn trêu ở trường",
        "em sợ ra đường gặp hàng xóm",
        "em ve nuoc 3 nam roi, chua co viec lam, con nho",
        "em buồn quá",
        "em nhớ con",
        "chong em dam bao giay to du roi",
        "",
        "👍👍",
        "ok chị",
    ],
)
def test_everyday_words_stay_quiet(screen: Screen, text: str) -> None:
    assert screen.read(text).level == "NONE", screen.read(text)


@pytest.mark.parametrize(
    "text",
    [
        "năm 2012 em bị lừa bán sang Trung Quốc, về nước lâu rồi, giờ em xin giấy xác nhận nạn nhân",
        "hồi trước chồng cũ có đánh em, ly hôn xong lâu rồi, giờ em hỏi thủ tục tái hôn",
        "ảnh chưa bao giờ đánh em, tụi em ly hôn vì hết hợp, thủ tục thế nào",
        "khong ai giu giay to cua em, em hoi gia han ho chieu thoi",
    ],
)
def test_what_is_long_over_or_denied_alarms_nobody(screen: Screen, text: str) -> None:
    assert screen.read(text).level in ("NONE", "CHECK"), screen.read(text)


def test_left_out_marks_neither_deny_nor_hide_a_denial(screen: Screen) -> None:
    assert screen.read("hom nay no uong thuoc sau roi").level == "RED"  # "no" is he, not the dialect's "not"
    assert "negated" in screen.read("chong em khong danh em").why


@pytest.mark.parametrize("text", ["đừng gọi lại cho em, chồng em ngồi cạnh", "dung nhan lai, ong ay dang o canh"])
def test_asking_for_silence_beside_him_is_no_stop_word(screen: Screen, text: str) -> None:
    assert screen.read(text).level == "RED"


def test_unmarked_words_that_may_be_others_need_the_classifier_to_agree(screen: Screen) -> None:
    silent = classify.silent()
    deaf = replace(screen, classifier=replace(silent, bias=silent.bias + np.float32(2)))  # believes every pattern
    harmless = "xin giam tien hoc cho con"  # to lower fees; with other marks, to lock up for money
    assert deaf.read(harmless).level == "RED"
    assert screen.read(harmless).level == "NONE"
    assert screen.read("chong danh em").level == "AMBER"
    assert deaf.read("chồng em đánh em").level == screen.read("chồng em đánh em").level == "AMBER"


def test_the_classifier_alone_asks_and_does_not_alarm(screen: Screen) -> None:
    sure = replace(screen.classifier, check=0.0, amber=2.0)
    eager = replace(screen, classifier=sure)
    assert eager.read("cho em hỏi giờ mở cửa").level == "CHECK"
    certain = replace(screen, classifier=replace(sure, amber=0.0, red=2.0))
    assert certain.read("cho em hỏi văn phòng ở Hà Nội").level == "AMBER"
    hasty = replace(screen, classifier=replace(sure, amber=0.0, red=0.0))
    assert hasty.read("cho em hỏi văn phòng ở Hà Nội").level == "RED"
    lesson = "cô giao bài tập, cho em hỏi văn phòng ở Hà Nội"
    assert hasty.read(lesson).level == "NONE"  # of a lesson much more is needed
    alarmed = replace(sure, amber=0.0, red=0.0, bias=sure.bias + np.float32(30))
    assert replace(screen, classifier=alarmed).read(lesson).level == "CHECK"  # and then it only asks


def test_patterns_only_ask_where_the_classifier_hears_nothing(screen: Screen) -> None:
    sees_nothing = replace(screen.classifier, bias=screen.classifier.bias - np.float32(30))
    unmoved = replace(screen, classifier=sees_nothing)
    assert screen.read("nó đang cầm dao đánh em").level == "RED"
    assert unmoved.read("nó đang cầm dao đánh em").level == "CHECK"  # words of RED never fall lower
    assert unmoved.read("cứu em").level == "RED"  # too few words for an opinion


def test_the_classifier_hears_what_words_mean_and_not_only_the_words(screen: Screen) -> None:
    """Two phrases of one concept are one feature: what was learnt of the one is known of the other."""

    def shared(by: Screen) -> set[int]:
        one, other = (set(by.features(text, 120)[0].tolist()) for text in ("lan bị tát tai", "lan bị đấm đá"))
        return one & other

    named = shared(screen)
    unnamed = Screen.load(KNOWLEDGE)
    nodes = [unnamed.signs.root]
    while nodes:
        node = nodes.pop()
        nodes += node.next.values()
        for phrase in node.phrases:
            phrase.fills.kinds = ()
    assert shared(unnamed) < named


def test_danger_in_the_middle_of_a_long_letter_is_heard(screen: Screen) -> None:
    page = "Em muốn hỏi thủ tục khai sinh cho con, con em sinh bên Hàn, giấy tờ để ở nhà. " * 24
    assert screen.read(page).level == "NONE"
    assert len(page) * 2 < 4_000
    assert screen.read(page + "Chồng em đang cầm dao đuổi em. " + page).level == "RED"


# --- bad input ------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(codec=None), max_size=300))
def test_any_text_gives_a_danger(screen: Screen, text: str) -> None:
    danger = screen.read(text)
    assert danger.level in LEVELS
    assert bool(danger.category) <= (danger.level != "NONE")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from("chồng em đánh không nhốt chết muốn bán dao . , ? phim".split()), max_size=80))
def test_shuffled_alarming_words_never_break_it(screen: Screen, parts: list[str]) -> None:
    assert screen.read(" ".join(parts)).level in LEVELS


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([text for text, _ in NOW]), st.sampled_from(["\u200b", "\u202e", "\ufeff", "\ud800", " ", "!!!"])
)
def test_odd_characters_around_do_not_hide_danger(screen: Screen, text: str, odd: str) -> None:
    assert screen.read(odd + text + odd).level == "RED"


class Stopwatch:
    """Seconds that pass as the test says, one step each time somebody looks."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_time_running_out_is_check_never_none(screen: Screen) -> None:
    assert replace(screen, clock=Stopwatch(0.0)).read("chào chị").level == "NONE"
    assert replace(screen, clock=Stopwatch(0.06)).read("chào chị").level == "CHECK"


def test_a_fault_of_the_screen_is_check_never_none(screen: Screen) -> None:
    broken = replace(screen, classifier=None)  # type: ignore[arg-type]
    assert broken.read("chào chị em hỏi chút").level == "CHECK"


def test_floods_are_bounded_and_still_looked_at(screen: Screen) -> None:
    steady = replace(screen, clock=Stopwatch(0.0))  # no clock to save it: the work itself must be bounded
    texts = lint.floods(screen.signs)
    assert len(texts) > 4
    for text in texts:
        assert steady.read(text).level in LEVELS
    hidden = "xin chào chị " * 8_000 + "chồng đang cầm dao giết em " + "cảm ơn chị " * 8_000
    assert steady.read(hidden).level == "CHECK"


# --- the conversation -----------------------------------------------------------------------------------------------

MINUTE = 60_000


@pytest.mark.parametrize(
    ("history", "now", "level"),
    [
        ([], "AMBER", "AMBER"),
        ([(0, "AMBER")], "AMBER", "RED"),
        ([(-31 * MINUTE, "AMBER")], "AMBER", "AMBER"),
        ([(0, "CHECK")], "AMBER", "AMBER"),
        ([(0, "RED")], "NONE", "RED"),
        ([(0, "RED")], "CHECK", "RED"),
        ([(-31 * MINUTE, "RED")], "NONE", "NONE"),
        ([(0, "AMBER")], "NONE", "NONE"),
    ],
)
def test_levels_add_up_over_half_an_hour(history: list[tuple[int, Level]], now: Level, level: Level) -> None:
    assert combine(history, Danger(now, "ipv" if now != "NONE" else ""), MINUTE).level == level


def test_a_joke_afterwards_does_not_lower_red(screen: Screen) -> None:
    assert combine([(0, "RED")], screen.read("em đùa thôi mà chị"), MINUTE).level == "RED"


# --- first words ----------------------------------------------------------------------------------------------------

WHERE = ("", "vietnam", "korea", "taiwan", "china", "other")


LOUD = {
    "vi": ("đánh", "chết", "bạo", "công an", "tự tử"),
    "ko": ("폭력", "경찰", "자살", "죽", "구급"),
    "en": ("violen", "police", "suicid", "kill", "ambulance"),
}
NEVER = {"vi": ("tại sao", "vì sao", "thuốc", "dây"), "ko": ("왜 ", "약속", "밧줄"), "en": ("why", "promise", "rope")}
SOON = {"vi": "8 giờ sáng mai", "ko": "내일 오전 8시", "en": "tomorrow at 8:00"}


def every_reply(screen: Screen, locale: str) -> Iterator[tuple[Danger, str, tuple[Reply, ...]]]:
    for level in LEVELS[1:]:
        for category in ("", *screen.crisis.words["vi"].hear["RED"]):
            danger = Danger(level, category if category != "default" else "")  # type: ignore[arg-type]
            for country in WHERE:
                for staffed, opens in ((True, ""), (False, SOON[locale]), (False, "")):
                    yield (
                        danger,
                        country,
                        screen.crisis_replies(danger, country=country, staffed=staffed, opens=opens, locale=locale),
                    )


@pytest.mark.parametrize("locale", crisis.LOCALES)
def test_every_reply_keeps_the_rules(screen: Screen, locale: str) -> None:
    seen = list(every_reply(screen, locale))
    assert len(seen) > 400
    for danger, _, replies in seen:
        for reply in replies:
            text = reply.text
            assert 0 < len(text) <= crisis.LONGEST, text
            assert "{" not in text
            assert not any(loud in text[: crisis.FIRST].lower() for loud in LOUD[locale]), text
            assert not any(banned in text.lower() for banned in NEVER[locale]), text
            assert all(0 < len(choice.title) <= 20 for choice in reply.choices)
            assert bool(re.search("[가-힣]", text)) is (locale == "ko"), text
        assert len([one for one in replies if one.choices]) == 1, danger


def test_every_language_says_the_same_things(screen: Screen) -> None:
    """Same kinds of danger, same numbers with their country, in another language."""
    words = screen.crisis.words
    assert set(words) == {"vi", "ko", "en"}
    for locale in ("ko", "en"):
        assert {level: set(texts) for level, texts in words[locale].hear.items()} == {
            level: set(texts) for level, texts in words["vi"].hear.items()
        }
        danger = Danger("RED", "ipv")
        home, theirs = (
            screen.crisis_replies(danger, country="korea", staffed=True, opens="", locale=one)[1]
            for one in ("vi", locale)
        )
        assert [choice.phone for choice in home.choices] == [choice.phone for choice in theirs.choices]
        assert home.text != theirs.text
        country = {"ko": ("한국", "베트남"), "en": ("Korea", "Viet Nam")}[locale]
        assert all(any(name in choice.title for name in country) for choice in theirs.choices)


def test_an_unknown_language_is_answered_in_vietnamese(screen: Screen) -> None:
    replies = screen.crisis_replies(Danger("RED"), country="", staffed=True, opens="", locale="fr")
    assert replies == screen.crisis_replies(Danger("RED"), country="", staffed=True, opens="", locale="vi")


def test_check_asks_one_question_with_two_buttons(screen: Screen) -> None:
    (reply,) = screen.crisis_replies(Danger("CHECK", "ipv"), country="", staffed=True, opens="", locale="vi")
    assert reply.text.count("?") == 1
    assert [choice.payload for choice in reply.choices] == ["danger:yes", "danger:no"]
    assert all(len(choice.title) <= 20 for choice in reply.choices)


def test_numbers_can_be_tapped_and_carry_their_country(screen: Screen) -> None:
    _, numbers, _ = screen.crisis_replies(Danger("RED", "ipv"), country="", staffed=True, opens="", locale="vi")
    assert {choice.phone for choice in numbers.choices} == {"113", "115", "111"}
    assert all("Việt Nam" in choice.title for choice in numbers.choices)
    _, numbers, _ = screen.crisis_replies(Danger("RED", "ipv"), country="korea", staffed=True, opens="", locale="vi")
    assert {"112", "1366"} <= {choice.phone for choice in numbers.choices}
    assert all(number in numbers.text for number in ("112", "1366", "1577-1366", "119", "113"))
    _, numbers, _ = screen.crisis_replies(Danger("RED", "ipv"), country="taiwan", staffed=True, opens="", locale="vi")
    assert numbers.choices[0].phone == "1955"
    assert "113 – công an (Việt Nam)" in numbers.text


def test_it_tells_the_truth_about_who_is_there(screen: Screen) -> None:
    def last(level: Level, *, staffed: bool, opens: str) -> str:
        return screen.crisis_replies(Danger(level), country="", staffed=staffed, opens=opens, locale="vi")[-1].text

    for level in ("RED", "AMBER"):
        assert "đang trực" in last(level, staffed=True, opens="")
        assert "8 giờ" in last(level, staffed=False, opens="8 giờ")
        assert "đang trực" not in last(level, staffed=False, opens="")
    assert screen.crisis_replies(Danger(), country="", staffed=True, opens="", locale="vi") == ()


# --- the files ------------------------------------------------------------------------------------------------------


KEPT = ("chán sống", "tự_tử", "{now} .. {beat|strangle} {me}")


def fewer(text: str) -> str:
    """The danger signs with two masks and two patterns of each family, and those the tests name: read much faster."""
    lines, kept = [], 0
    for line in text.splitlines():
        listed = line.startswith(("      - ", '  - "'))
        kept = kept + 1 if listed else 0
        if not listed or kept <= 2 or any(pattern in line for pattern in KEPT):
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("danger.bin", "danger.json", "crisis.yml", "words.yml"):
        shutil.copy(KNOWLEDGE / name, tmp_path)
    signs = fewer((KNOWLEDGE / "danger.yml").read_text(encoding="utf-8"))
    (tmp_path / "danger.yml").write_text(signs, encoding="utf-8")
    return tmp_path


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_copied_files_are_good(folder: Path) -> None:
    assert Screen.load(folder).read("em muốn tự tử").level == "RED"


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("danger.yml", "category: suicide\n    level: RED", "category: sadness\n    level: RED", "category"),
        ("danger.yml", "category: suicide\n    level: RED", "category: suicide\n    level: HIGH", "level"),
        ("danger.yml", '- "chán sống"', '- "{nobody} chán sống"', "no-slot"),
        ("danger.yml", "  - id: suicide.means", "  - id: suicide.wish", "id"),
        ("danger.yml", "    unless: [media]", "    unless: [medio]", "no-slot"),
        ("danger.yml", "\nmodifiers:", "\nmodifierz:", "unknown-key"),
        ("crisis.yml", "OSSO đã đọc tin của chị và ở đây với chị. Việc này", "Cấp cứu ngay! Việc này", "loud"),
        ("crisis.yml", "Chuyện này không phải lỗi của chị.", "Tại sao chị không bỏ đi?", "banned"),
        ("crisis.yml", "làm việc tới: {opens}", "làm việc tới: {open}", "hole"),
        ("crisis.yml", '"Cần người hỗ trợ"', '"Đúng rồi, em đang cần người hỗ trợ"', "buttons"),
        ("crisis.yml", "default: [vn-113, vn-115, vn-111]", "default: [kr-112]", "number"),
        ("crisis.yml", "OSSO가 메시지를 읽었고, 여기 함께 있어요. 이 일은", "경찰에 알릴까요? 이 일은", "loud"),
        ("crisis.yml", "This is not your fault.", "Why did you not leave?", "banned"),
        ("crisis.yml", "OSSO는 자동 도우미이고, 계속 여기 있어요.", "약속해요.", "banned"),
        ("crisis.yml", "next working time: {opens}", "next working time: {open}", "hole"),
        ("crisis.yml", '"I need someone"', '"Yes, I need someone right now"', "buttons"),
        ("crisis.yml", 'ko: "113 – 경찰 (베트남)"', 'ko: "113 – 경찰"', "country"),
        ("crisis.yml", 'en: "113 – police (Viet Nam)"', 'en: "112 – police (Viet Nam)"', "number"),
        ("crisis.yml", ', en: "Call 113 (Viet Nam)"', "", "number"),
        ("crisis.yml", "You can call these numbers by tapping them:", "Tap:", "loud"),
        ("crisis.yml", '        medical: "OSSO has', '        # medical: "OSSO has', "missing"),
        ("crisis.yml", "\n  en:\n", "\n  de:\n", "unknown-key"),
        ("danger.json", '"sha256": "', '"sha256": "0', "classifier"),
    ],
)
def test_a_spoiled_file_is_refused_with_its_line(folder: Path, file: str, old: str, new: str, code: str) -> None:
    spoil(folder / file, old, new)
    room: dict[str, Callable[[Path], tuple[object, list[Finding]]]] = {
        "danger.yml": lambda path: load(path, Lexicon()),
        "crisis.yml": crisis.load,
        "danger.json": lambda path: classify.load(path.with_suffix(".bin")),
    }
    loaded, findings = room[file](folder / file)
    assert loaded is None
    assert code in {finding.code for finding in findings}
    assert all(finding.line >= 1 and finding.vi and finding.en for finding in findings)


def test_all_faults_come_at_once(folder: Path) -> None:
    spoil(folder / "danger.yml", '- "chán sống"', '- "{nobody} chán sống"')
    spoil(folder / "crisis.yml", "làm việc tới: {opens}", "làm việc tới: {open}")
    with pytest.raises(ContentError) as caught:
        Screen.load(folder)
    assert {"no-slot", "hole"} <= {finding.code for finding in caught.value.findings}


class Staff:
    """A content staff of two, and what the audit was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __call__(self) -> Signing:
        return Signing(lambda: ("an", "An ", "binh"), lambda login, content: self.told.append((login, content)))


def test_two_people_must_sign_the_very_content(folder: Path) -> None:
    staff = Staff()

    def sign(by: str) -> Result:
        return CliRunner().invoke(safety, ["sign", "--folder", str(folder), "--by", by], obj=staff)

    def content() -> tuple[str, bool]:
        signs, _ = load(folder / "danger.yml", Lexicon())
        assert signs is not None
        weights = (folder / "danger.bin").read_bytes()
        return signing.content(signs, weights), lint.unsigned(signs, weights) == []

    before = (folder / "danger.yml").read_text(encoding="utf-8")
    digest, signed = content()
    assert not signed
    assert sign("an").exit_code == 0
    for refused in ("an", "An ", "nobody"):  # the same person, the same in another spelling, and a stranger
        result = sign(refused)
        assert isinstance(result.exception, Refused), refused
    assert content() == (digest, False)
    assert sign("binh").exit_code == 0
    assert content() == (digest, True)
    assert staff.told == [("an", digest), ("binh", digest)]
    after = (folder / "danger.yml").read_text(encoding="utf-8")
    assert after.replace(after[after.index("reviews:") : after.index("slots:")], "") == before.replace(
        before[before.index("reviews:") : before.index("slots:")], ""
    )
    spoil(folder / "danger.yml", '- "chán sống"', '- "chán sống lắm"')
    changed, signed = content()
    assert changed != digest
    assert not signed
    assert sign("an").exit_code == 0  # she may sign the new content, and the old signatures are gone
    assert digest not in (folder / "danger.yml").read_text(encoding="utf-8")
    assert sign("binh").exit_code == 0
    assert content() == (changed, True)
    (folder / "danger.bin").write_bytes(b"trained again")  # what the classifier learnt is signed with the signs
    assert not content()[1]


def test_a_faulty_file_cannot_be_signed(folder: Path) -> None:
    spoil(folder / "danger.yml", '- "chán sống"', '- "{nobody} chán sống"')
    staff = Staff()
    result = CliRunner().invoke(safety, ["sign", "--folder", str(folder), "--by", "an"], obj=staff)
    assert isinstance(result.exception, ContentError)
    assert staff.told == []


def test_the_files_as_shipped_have_no_fault() -> None:
    found = lint.check(KNOWLEDGE, Stopwatch(0.0), today=TODAY)
    assert [f for f in found if f.severity == "error"] == []
    assert {f.code for f in found} <= {"unsigned", "overlap", "hidden", "unused", "outdated"}


def test_new_words_make_the_classifier_outdated_but_not_unfit(folder: Path, screen: Screen) -> None:
    label = json.loads((folder / "danger.json").read_text(encoding="utf-8"))
    label["words"] = classify.spelling(lexicon(folder / "words.yml"))
    (folder / "danger.json").write_text(json.dumps(label), encoding="utf-8")
    fresh, _ = classify.load(folder / "danger.bin")
    assert fresh is not None
    assert lint.outdated(replace(screen, classifier=fresh)) == []
    spoil(folder / "words.yml", "  ck: chồng", "  ck: chồng\n  chongyeu: chồng")
    edited = Screen.load(folder)
    assert edited.read("chongyeu em đang đánh em").level == "RED"
    assert [(f.code, f.severity) for f in lint.outdated(edited)] == [("outdated", "warning")]


def test_lints_find_what_is_slow_said_twice_or_stale(folder: Path) -> None:
    spoil(folder / "danger.yml", '- "chán sống"', '- "chán sống"\n      - "chán sống"')
    found = lint.check(folder, Stopwatch(1.0), today=datetime.date(2027, 6, 1))
    assert {"slow", "overlap", "stale-number"} <= {f.code for f in found}


def test_serving_does_not_load_the_training_library() -> None:
    code = "import sys; from bot.safety import Screen; Screen.load; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


# --- the figures ----------------------------------------------------------------------------------------------------


def test_the_development_set_is_what_it_says() -> None:
    judge = [row for path in JUDGES for row in rows(path)]
    lessons = [row for path in LESSONS for row in rows(path)]
    assert len(judge) >= 2_400
    assert len(lessons) >= 10_000
    assert not set(JUDGES) & set(LESSONS)
    assert not {row.text for row in judge} & {row.text for row in lessons if len(row.text) > 30}
    for part in (judge, lessons):
        harmless = sum(row.category == "" for row in part)
        assert 0.4 <= harmless / len(part) <= 0.6
    styles = {row.style for row in judge}
    assert {
        "textbook",
        "implicit",
        "child",
        "neighbour",
        "abroad",
        "dialect_c",
        "unmarked",
        "teencode",
        "story",
    } <= styles
    assert {"idiom", "cooking", "farming", "film", "news", "paperwork", "study", "negation", "homograph"} <= styles


@pytest.mark.parametrize(
    ("author", "recall", "imminent", "red", "category", "alarms", "check"),
    [
        ("judge3", 0.96, 0.98, 0.80, 0.81, 0.035, 0.10),
        ("judge4", 0.97, 0.98, 0.92, 0.86, 0.04, 0.07),
        ("judge5", 0.97, 0.99, 0.96, 0.91, 0.04, 0.09),
        ("judge6", 0.945, 0.98, 0.93, 0.84, 0.03, 0.09),
    ],
)
def test_figures_on_authors_who_never_saw_the_signs_do_not_fall(
    screen: Screen,
    author: str,
    recall: float,
    imminent: float,
    red: float,
    category: float,
    alarms: float,
    check: float,
) -> None:
    result = score(screen.read, rows(DATA / f"{author}.tsv"))
    assert result.recall >= recall
    assert result.imminent >= imminent
    assert result.imminent_red >= red
    assert result.category_right >= category
    assert result.false_alarms <= alarms
    assert result.check_on_harmless <= check
    for style, floor in (("implicit", 0.92), ("untoned", 0.95)):
        found, of = result.cases[f"style {style}"]
        assert found / of >= floor, style


@pytest.mark.parametrize("author", ["judge", "judge2"])
def test_figures_on_the_judging_parts_do_not_fall(screen: Screen, author: str) -> None:
    result = score(replace(screen, clock=Stopwatch(0.0)).read, rows(DATA / f"{author}.tsv"))
    assert result.dangerous > 100
    assert result.recall >= 0.98
    assert result.imminent >= 0.99
    assert result.imminent_red >= 0.90
    assert result.category_right >= 0.97
    assert result.false_alarms <= 0.01
    assert result.check_on_harmless <= 0.05
    for style, floor in (("implicit", 0.95), ("unmarked", 0.95)):
        found, of = result.cases[f"style {style}"]
        assert found / of >= floor, style


def test_the_commands(folder: Path, tmp_path: Path) -> None:
    checked = CliRunner().invoke(safety, ["check", "--folder", str(folder)])
    assert checked.exit_code == 0, checked.output
    assert "unsigned" in checked.output
    few = tmp_path / "few.tsv"
    few.write_text("RED\tsuicide\ttextbook\tem muốn tự tử\nNONE\t\tplain\tchào chị\n", encoding="utf-8")
    tested = CliRunner().invoke(safety, ["test", "--json", "--folder", str(folder), "--examples", str(few)])
    figures = json.loads(tested.output)
    assert (figures["recall"], figures["false_alarms"], figures["dangerous"]) == (1.0, 0.0, 1)
    few.write_text("LOUD\tsuicide\ttextbook\n", encoding="utf-8")
    (folder / "danger.yml").write_text("version: 1\n", encoding="utf-8")
    assert CliRunner().invoke(safety, ["test", "--folder", str(folder), "--examples", str(few)]).exit_code == 1
    assert CliRunner().invoke(safety, ["check", "--folder", str(folder)]).exit_code == 1
