"""The committed knowledge itself: every article sound, every tool file current, the staff guide true."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bot import yamlfile
from bot.knowledge import Knowledge, check, check_article, load, read, read_style, render, render_case, shorts
from bot.knowledge.articles import MESSAGE
from bot.knowledge.sheets import write_csv
from bot.knowledge.trial import read_golden
from bot.knowledge.writing import write_article
from bot.knowledge_cli import schema_text

REPO = Path(__file__).parents[1]
ROOT = REPO / "knowledge"
TODAY = date(2026, 11, 25)


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load(ROOT)


def test_every_article_passes_the_check(knowledge: Knowledge) -> None:
    assert len(knowledge.articles) > 0
    errors = [str(one) for one in check(ROOT, today=TODAY) if one.severity == "error"]
    assert errors == []


def test_every_article_can_be_told_in_short_messages(knowledge: Knowledge) -> None:
    links = shorts(knowledge.articles.values())
    told = 0
    for article in knowledge.articles.values():
        cases = [value for case in (article.variants.cases if article.variants else ()) for value in case.values]
        for country in ("", *cases):
            for most in (5, 13):
                rendered = render(article, country=country, province=country, choices=most, links=links)
                told += 1
                assert 1 <= len(rendered.messages) <= 4, article.id
                assert 1 <= len(rendered.choices) <= most, article.id
                assert all(len(choice.title) <= 20 for choice in rendered.choices), article.id
                assert all(len(choice.payload) <= 200 for choice in rendered.choices), article.id
        for value in cases:
            assert all(len(message) <= MESSAGE + 12 for message in render_case(article, value).messages), article.id
    assert told > len(knowledge.articles)


def test_every_article_survives_the_house_layout(knowledge: Knowledge) -> None:
    assert knowledge.articles
    for article in knowledge.articles.values():
        document, findings = yamlfile.parse(write_article(article).encode(), f"{article.topic}/{article.id}.yml")
        assert document is not None
        assert findings == []
    assert write_csv(knowledge.articles.values()).count(b"\n") > 40 * len(knowledge.articles)


def test_civil_status_ends_before_its_decree(knowledge: Knowledge) -> None:
    rules, findings = read_style(ROOT)
    assert findings == []
    civil = [article for article in knowledge.articles.values() if rules.civil(article)]
    assert civil
    assert all(article.valid_until <= date(2027, 2, 28) for article in civil)
    assert not set(rules.civil_articles) - set(knowledge.articles), "style.yml names an article that is not there"


def test_nothing_is_served_in_production_before_its_review(knowledge: Knowledge) -> None:
    drafts = {article.id for article in knowledge.articles.values() if article.status == "draft"}
    assert drafts
    served = {article.id for article in knowledge.serving(drafts=False, today=TODAY)}
    assert not drafts & served
    assert knowledge.serving(drafts=True, today=TODAY + timedelta(days=3650)) == ()


def test_places_hang_together(knowledge: Knowledge) -> None:
    assert len(knowledge.provinces) == 34
    assert sum(len(province.old) for province in knowledge.provinces.values()) == 63
    for province in knowledge.provinces.values():
        for office in filter(None, (province.office, *(one.office for one in province.old_offices))):
            assert office in knowledge.offices, province.id
        for one in province.old_offices:
            assert one.old in province.old
            assert set(one.aliases) <= {*province.aliases, *province.abbreviations}, "only what is read in a text"
            assert knowledge.offices[one.office].old_province == one.old
    assert {office.province for office in knowledge.offices.values()} <= set(knowledge.provinces)
    printed = [referral for referral in knowledge.referrals.values() if referral.printed]
    assert printed
    assert all(referral.show for referral in printed)
    short = [referral for referral in printed if len(referral.number) <= 4]
    assert short
    assert all(referral.printed.endswith(")") for referral in short), "a short number never stands without its country"
    assert [
        office.id for office in knowledge.offices.values() if office.printed_address and not office.show_address
    ] == []


# What Resolution 202/2025/QH15 made of the 63 provinces on 2025-07-01, by what they were; the other 11 stayed.
MERGED = {
    "tuyen-quang": "Hà Giang, Tuyên Quang",
    "lao-cai": "Yên Bái, Lào Cai",
    "thai-nguyen": "Bắc Kạn, Thái Nguyên",
    "phu-tho": "Vĩnh Phúc, Hòa Bình, Phú Thọ",
    "bac-ninh": "Bắc Giang, Bắc Ninh",
    "hung-yen": "Thái Bình, Hưng Yên",
    "hai-phong": "Hải Dương, Hải Phòng",
    "ninh-binh": "Hà Nam, Nam Định, Ninh Bình",
    "quang-tri": "Quảng Bình, Quảng Trị",
    "da-nang": "Quảng Nam, Đà Nẵng",
    "quang-ngai": "Kon Tum, Quảng Ngãi",
    "gia-lai": "Bình Định, Gia Lai",
    "khanh-hoa": "Ninh Thuận, Khánh Hòa",
    "lam-dong": "Đắk Nông, Bình Thuận, Lâm Đồng",
    "dak-lak": "Phú Yên, Đắk Lắk",
    "ho-chi-minh": "Bình Dương, Bà Rịa - Vũng Tàu, Hồ Chí Minh",
    "dong-nai": "Bình Phước, Đồng Nai",
    "tay-ninh": "Long An, Tây Ninh",
    "can-tho": "Sóc Trăng, Hậu Giang, Cần Thơ",
    "vinh-long": "Bến Tre, Trà Vinh, Vĩnh Long",
    "dong-thap": "Tiền Giang, Đồng Tháp",
    "ca-mau": "Bạc Liêu, Cà Mau",
    "an-giang": "Kiên Giang, An Giang",
}


def test_every_old_province_leads_to_the_new_one(knowledge: Knowledge) -> None:
    provinces = knowledge.provinces
    assert len(provinces) == 34
    assert {name for name, held in provinces.items() if len(held.old) > 1} == set(MERGED)
    for name, olds in MERGED.items():
        assert set(provinces[name].old) == set(olds.split(", "))
    old = [one for held in provinces.values() for one in held.old]
    assert len(old) == len(set(old)) == 63
    named: dict[str, str] = {}
    for held in provinces.values():
        for text in (held.name, held.short, *held.old, *held.aliases, *held.abbreviations):
            assert named.setdefault(text.casefold(), held.id) == held.id, f"{text} means two provinces"
            found = knowledge.province_of(text.upper())
            assert found is not None
            assert found.id == held.id


def test_the_json_schema_is_current_and_takes_every_article() -> None:
    text = (ROOT / "article.schema.json").read_text("utf-8")
    assert text == schema_text(), "run: osso kb schema > knowledge/article.schema.json"
    schema: dict[str, Any] = json.loads(text)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    documents = [held for name, held in read(ROOT).documents.items() if "/" in name]
    assert documents
    blank = {"article", "by", "on"}
    for document in documents:
        wrong = [
            e for e in validator.iter_errors(document.data) if not (e.absolute_path and e.absolute_path[-1] in blank)
        ]
        assert [f"{document.file}: {error.message}" for error in wrong] == []
    assert list(validator.iter_errors({"id": "x"}))


def test_golden_questions_name_real_articles(knowledge: Knowledge) -> None:
    golden, findings = read_golden(ROOT / "golden.tsv")
    assert findings == []
    assert len(golden) >= len(knowledge.articles)
    named = {name for one in golden for name in one.wanted}
    assert named <= set(knowledge.articles)
    own = {question.casefold() for article in knowledge.articles.values() for question in article.questions}
    assert [one.text for one in golden if one.text.casefold() in own] == [], "a golden question is never learned"


def test_the_example_of_the_staff_guide_is_true() -> None:
    guide = (REPO / "docs" / "writing-answers.md").read_text("utf-8")
    drafts = re.findall(r"```yaml\n(id: .*?)```", guide, re.DOTALL)
    assert len(drafts) == 2, "a first draft with faults, and the mended one"
    shelf = read(ROOT)
    rules, _ = read_style(ROOT)
    first, last = (
        check_article(text.encode(), "legal/leg-vi-du.yml", shelf=shelf, rules=rules, today=TODAY) for text in drafts
    )
    shown = set(re.findall(r"\[([a-z-]+)\]", guide))
    assert {one.code for one in first} == shown, "the guide shows every fault of the first draft, and no other"
    assert last == []
