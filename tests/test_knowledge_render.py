from __future__ import annotations

from pathlib import Path

import pytest

from bot.knowledge import Article, load, render, render_case, render_part, shorts
from bot.knowledge.render import DRAFT, PERSON
from bot.messages import Choice
from tests.knowledge_sample import ARTICLE, changed, put, sample

INVITATION = "Chị có muốn tư vấn viên xem giấy giúp không ạ?"
ANSWER = (
    "Dạ, chị mang giấy ra UBND xã/phường để ghi vào sổ.",
    "Có ghi vào sổ thì chị mới xin được giấy độc thân. OSSO sẽ xác nhận lại.",
)
PAPERS = "Giấy tờ cần có:\n– Tờ khai\n– Bản án đã dịch"
STEPS = "Các bước:\n1. Gom giấy\n2. Nộp ở xã"
WHERE = "Đến đâu:\nUBND xã/phường."
LINKS = {"gen-hai": "OSSO là gì"}


def titles(choices: tuple[Choice, ...]) -> list[tuple[str, str]]:
    return [(choice.title, choice.payload) for choice in choices]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return sample(tmp_path)


@pytest.fixture
def article(root: Path) -> Article:
    return load(root).articles["leg-mot"]


def plain_article(root: Path, text: str) -> Article:
    """The sample without its variants."""
    start, end = text.index("variants:"), text.index("documents:")
    put(root, "legal/leg-mot.yml", text[:start] + text[end:])
    return load(root).articles["leg-mot"]


def test_an_unknown_country_is_asked_with_one_question(article: Article) -> None:
    told = render(article, links=LINKS)
    assert told.messages == (*ANSWER, "Chị về từ nước nào ạ?")
    assert told.ask == "country"
    assert titles(told.choices) == [
        ("Hàn Quốc", "case:leg-mot:korea"),
        ("Đài Loan", "case:leg-mot:taiwan"),
        ("Nước khác", "case:leg-mot:other"),
        ("Gặp tư vấn viên", "person"),
    ]
    assert told.stamp == ("leg-mot", article.hash)
    assert told.escalate == article.escalate


def test_a_known_country_is_answered_at_once_in_four_messages(article: Article) -> None:
    told = render(article, country="korea", links=LINKS)
    assert told.ask is None
    assert told.messages == (*ANSWER, "Giấy Hàn Quốc thì chị xin Apostille rồi dịch.", f"{PAPERS}\n\n{INVITATION}")
    assert titles(told.choices) == [
        ("Các bước", "part:leg-mot:steps"),
        ("Đến đâu", "part:leg-mot:where"),
        ("OSSO là gì", "article:gen-hai"),
        ("Căn cứ", "part:leg-mot:sources"),
        ("Gặp tư vấn viên", "person"),
    ]


@pytest.mark.parametrize(("country", "said"), [("china", "Giấy Đài Loan"), ("japan", "Chị nói tên nước")])
def test_a_case_may_cover_several_countries_and_other_all_the_rest(article: Article, country: str, said: str) -> None:
    assert any(message.startswith(said) for message in render(article, country=country).messages)


def test_a_province_does_not_stand_for_a_country(article: Article) -> None:
    assert render(article, province="can-tho").ask == "country"


def test_the_case_she_taps_does_not_repeat_the_answer(article: Article) -> None:
    told = render_case(article, "taiwan", links=LINKS)
    assert told.messages == (
        "Giấy Đài Loan thì chị làm hợp pháp hóa lãnh sự rồi dịch.",
        PAPERS,
        STEPS,
        f"{WHERE}\n\n{INVITATION}",
    )
    assert titles(told.choices)[0] == ("OSSO là gì", "article:gen-hai")


def test_a_stale_or_odd_tap_still_says_something(article: Article, root: Path) -> None:
    assert render_case(article, "atlantis").messages[0].startswith("Chị nói tên nước")
    assert render_case(plain_article(root, ARTICLE), "korea").messages[0] == PAPERS
    assert render_part(article, "nonsense").messages == ()


def test_one_section_offers_the_others(article: Article) -> None:
    told = render_part(article, "steps", links=LINKS)
    assert told.messages == (STEPS,)
    assert titles(told.choices)[:2] == [("Giấy tờ cần có", "part:leg-mot:documents"), ("Đến đâu", "part:leg-mot:where")]
    assert render_part(article, "sources").messages == ("Căn cứ:\n– Luật Hôn nhân và gia đình 2014, Điều 125",)


def test_cost_and_time_stand_on_one_line(root: Path) -> None:
    text = changed("where: UBND xã/phường.\n", "where: UBND xã/phường.\ncost: miễn phí\ntime: 5 ngày\n")
    article = plain_article(root, text)
    assert render_part(article, "cost").messages == ("Chi phí: miễn phí",)
    assert render_part(article, "time").messages == ("Thời gian: 5 ngày",)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 13])
def test_the_channel_limits_the_choices_and_a_person_is_always_among_them(article: Article, most: int) -> None:
    for told in (render(article, choices=most, links=LINKS), render_case(article, "korea", choices=most, links=LINKS)):
        assert len(told.choices) <= most
        assert told.choices[-1] == PERSON
    if most >= 2:
        assert titles(render(article, choices=most).choices)[-2] == ("Nước khác", "case:leg-mot:other")


def test_follow_ups_that_may_not_be_served_are_not_offered(article: Article) -> None:
    assert not [choice for choice in render_case(article, "korea").choices if choice.payload.startswith("article:")]


def test_never_more_than_four_messages_and_no_word_lost(root: Path) -> None:
    text = changed("  - Có ghi vào sổ", "  - Chị cứ yên tâm.\n  - Có ghi vào sổ")
    put(
        root,
        "legal/leg-mot.yml",
        changed("        - Chị nói tên nước", "        - Chị đợi.\n        - Chị nói tên nước", text),
    )
    told = render(load(root).articles["leg-mot"], country="other")
    assert len(told.messages) == 4
    assert told.messages[-1].startswith("Chị đợi.\nChị nói tên nước để OSSO hỏi giúp.")


def test_drafts_are_marked_for_staff_only_while_they_are_drafts(root: Path, article: Article) -> None:
    assert render(article, mark_draft=True).messages[-1].endswith(DRAFT)
    assert not any(DRAFT in message for message in render(article).messages)
    put(root, "legal/leg-mot.yml", changed("status: draft", "status: published\n  by: lan\n  on: 2026-11-25"))
    assert not any(DRAFT in message for message in render(load(root).articles["leg-mot"], mark_draft=True).messages)


def test_every_choice_fits_a_quick_reply(root: Path) -> None:
    knowledge = load(root)
    seen = [
        choice
        for article in knowledge.articles.values()
        for told in (render(article, links=shorts(knowledge.articles.values())), render_case(article, "korea"))
        for choice in told.choices
    ]
    assert seen
    assert all(len(choice.title) <= 20 for choice in seen)
