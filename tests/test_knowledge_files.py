from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from bot import yamlfile
from bot.errors import ContentError
from bot.knowledge import OldOffice, examples, load, read, shorts, titles
from bot.knowledge.articles import ARTICLE as SHAPE
from bot.knowledge.shape import faults
from bot.messages import Finding
from tests.knowledge_sample import ARTICLE, REFERRALS, SECOND, changed, put, sample

TODAY = date(2026, 11, 25)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return sample(tmp_path)


def refusals(root: Path) -> tuple[Finding, ...]:
    with pytest.raises(ContentError) as caught:
        load(root)
    return caught.value.findings


def test_sample_loads_whole(root: Path) -> None:
    knowledge = load(root)
    article = knowledge.articles["leg-mot"]
    assert (article.topic, article.status, article.short) == ("legal", "draft", "Ghi chú ly hôn")
    assert article.variants is not None
    assert [case.values for case in article.variants.cases] == [("korea",), ("taiwan", "china"), ("other",)]
    assert article.escalate is not None
    assert article.escalate.skill == "legal"
    assert article.valid_until == date(2027, 2, 28)
    assert list(knowledge.articles) == ["leg-mot", "gen-hai"]
    assert titles(knowledge.articles.values())["gen-hai"] == "OSSO giúp được gì?"
    assert shorts(knowledge.articles.values())["gen-hai"] == "OSSO là gì"
    assert ("OSSO là gì", "gen-hai") in examples(knowledge.articles.values())


def test_unverified_contacts_are_kept_and_never_printed(root: Path) -> None:
    knowledge = load(root)
    assert knowledge.referrals["vn-113"].printed == "113 (Việt Nam)"
    assert knowledge.referrals["any-citizen"].printed == "+84 981 84 84 84"
    assert knowledge.referrals["tw-113"].number == "113"
    assert knowledge.referrals["tw-113"].printed == ""
    assert knowledge.referrals["vn-hidden"].printed == ""
    assert knowledge.offices["osso-mot"].printed_address == ""
    assert knowledge.offices["osso-mot"].address


@pytest.mark.parametrize(
    ("verified_on", "stale"),
    [("2026-11-01", False), ("2026-11", False), ("2026-08-26", True), ("2025", True), ("", True)],
)
def test_a_printed_number_grows_stale(root: Path, verified_on: str, stale: bool) -> None:
    number = replace(load(root).referrals["vn-113"], verified_on=verified_on)
    assert number.stale(TODAY, days=90) is stale
    assert not replace(number, show=False).stale(TODAY, days=90), "nobody is told it"


@pytest.mark.parametrize("name", ["Hậu Giang", "sóc trăng", "can-tho", "Thành phố Cần Thơ", "Tây Đô", "CT"])
def test_a_province_is_found_by_any_name(root: Path, name: str) -> None:
    found = load(root).province_of(name)
    assert found is not None
    assert found.id == "can-tho"
    assert found.old_offices == (OldOffice("Hậu Giang", "osso-mot"),)


def test_an_unknown_province_is_none(root: Path) -> None:
    assert load(root).province_of("Atlantis") is None


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (ARTICLE + "answer: [x\n", "syntax", 59),
        (changed("title: Làm", "title:\tLàm: a"), "syntax", 2),
        (changed("short: Ghi chú ly hôn", "short: Ghi chú ly hôn\nshort: Hai"), "duplicate-key", 4),
        (changed("short: Ghi chú ly hôn", "short: 12"), "type", 3),
        (changed("short: Ghi chú ly hôn", "short: [a]"), "type", 3),
        (changed("short: Ghi chú ly hôn\n", ""), "missing", 1),
        (changed("short: Ghi chú ly hôn", "shorts: Ghi chú ly hôn"), "unknown-key", 3),
        (changed("short: Ghi chú ly hôn", "short: ' '"), "empty-text", 3),
        (changed("where: UBND xã/phường.", "where:"), "type", 42),
        (changed("  status: draft", "  status: done"), "value", 56),
        (changed("valid_until: 2027-02-28", "valid_until: 2027-02-30"), "date", 57),
        (changed("valid_until: 2027-02-28", "valid_until: soon"), "date", 57),
        (changed("    - value: korea", "    - value: atlantis"), "value", 24),
        (changed("id: leg-mot", "id: leg-khac"), "id", 1),
        (changed("id: leg-mot", "id: Leg Một"), "format", 1),
        (changed("  - Tờ khai", "  - !!python/object:os.system x"), "tag", 37),
        (changed("  - Tờ khai", "  - &a Tờ khai\n  - *a"), "alias", 37),
        (changed("  - Tờ khai", '  - "a\\x07b"'), "control", 37),
        (changed("  - Tờ khai", "  - a: b"), "type", 37),
        ("- chỉ là danh sách\n", "type", 1),
        ("", "empty", 1),
        ("\xff\xfe".encode("latin-1"), "not-utf8", 1),
    ],
)
def test_a_bad_file_is_refused_with_its_line(root: Path, text: str | bytes, code: str, line: int) -> None:
    put(root, "legal/leg-mot.yml", text)
    found = [one for one in refusals(root) if one.file == "legal/leg-mot.yml"]
    assert (code, line) in [(one.code, one.line) for one in found]
    assert all(one.vi and one.en for one in found)


def test_all_faults_come_at_once(root: Path) -> None:
    put(root, "legal/leg-mot.yml", changed("short: Ghi chú ly hôn", "shortt: 12"))
    put(root, "general/gen-hai.yml", changed("title: OSSO", "titel: OSSO", SECOND))
    put(root, "referrals.yml", changed("show: false\n  - id: any", "show: có\n  - id: any", REFERRALS))
    found = refusals(root)
    assert {one.file for one in found} == {"legal/leg-mot.yml", "general/gen-hai.yml", "referrals.yml"}
    near = [one.vi for one in found if one.code == "unknown-key"]
    assert any("“short”" in text for text in near), "a near key is named"


def test_equal_ids_and_buttons_are_refused(root: Path) -> None:
    put(root, "child/leg-mot.yml", ARTICLE)
    put(root, "general/gen-hai.yml", changed("short: OSSO là gì", "short: ghi chú ly hôn", SECOND))
    assert {one.code for one in refusals(root)} == {"same-id", "same-short"}


def test_a_five_megabyte_file_is_refused_unread(root: Path) -> None:
    put(root, "legal/leg-mot.yml", ARTICLE + "# " + "x" * 5_000_000)
    assert [one.code for one in refusals(root)] == ["too-big"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
        "[" * 60_000,
        "{a: " * 20_000,
        "- " * 60_000,
        "a: " + '"' + "\\U0001F600" * 5000 + '"',
    ],
)
def test_bombs_are_findings_and_never_raise(root: Path, text: str) -> None:
    put(root, "legal/leg-mot.yml", text)
    assert refusals(root)


def test_bom_and_crlf_read_the_same(root: Path) -> None:
    before = load(root).articles["leg-mot"]
    put(root, "legal/leg-mot.yml", b"\xef\xbb\xbf" + ARTICLE.replace("\n", "\r\n").encode())
    assert load(root).articles["leg-mot"] == before


def test_decomposed_letters_are_composed_and_told(root: Path) -> None:
    before = load(root).articles["leg-mot"]
    put(root, "legal/leg-mot.yml", unicodedata.normalize("NFD", ARTICLE))
    shelf = read(root)
    assert shelf.knowledge.articles["leg-mot"] == before
    assert [(one.severity, one.code) for one in shelf.findings] == [("warning", "nfd")]


def test_another_ending_is_told(root: Path) -> None:
    put(root, "legal/leg-ba.yaml", ARTICLE)
    assert [(one.severity, one.code, one.file) for one in read(root).findings] == [
        ("warning", "stray", "legal/leg-ba.yaml")
    ]


def test_too_long_and_dead_links_are_told_but_do_not_stop_the_talk(root: Path) -> None:
    long = "Dạ, " + "chị " * 100
    put(
        root, "legal/leg-mot.yml", changed("  - gen-hai", "  - gen-vang", changed("  - Tờ khai", f"  - {long.strip()}"))
    )
    assert {one.code for one in read(root).findings if one.severity == "error"} == {"too-long", "dead-link"}
    assert "leg-mot" in load(root).articles


def test_hash_names_the_words_and_nothing_else(root: Path) -> None:
    def hashed(text: str) -> str:
        put(root, "legal/leg-mot.yml", text)
        return load(root).articles["leg-mot"].hash

    first = hashed(ARTICLE)
    assert hashed(changed("  - ghi chú ly hôn làm ở đâu", "  - câu hỏi khác hẳn")) == first
    assert hashed(changed("status: draft", "status: reviewed\n  by: lan\n  on: 2026-11-25")) == first
    assert hashed(changed("short: Ghi chú ly hôn", "short:   'Ghi chú ly hôn'")) == first
    others = [
        changed("rồi dịch.\n    - value: [", "rồi dịch nhé.\n    - value: ["),
        changed("Nộp ở xã", "Nộp tại xã"),
        changed("Điều 125", "Điều 126"),
        changed("skill: legal", "skill: social"),
        changed("2027-02-28", "2027-02-27"),
    ]
    assert len({first, *map(hashed, others)}) == len(others) + 1


def test_serving_in_production_needs_a_published_valid_approved_version(root: Path) -> None:
    knowledge = load(root)
    assert knowledge.serving(drafts=False, today=TODAY) == ()
    assert len(knowledge.serving(drafts=True, today=TODAY)) == 2
    put(root, "legal/leg-mot.yml", changed("status: draft", "status: published\n  by: lan\n  on: 2026-11-25"))
    knowledge = load(root)
    held = knowledge.articles["leg-mot"]
    assert knowledge.serving(drafts=False, today=TODAY) == (held,)
    assert knowledge.serving(drafts=False, today=date(2027, 2, 28)) == (held,)
    assert knowledge.serving(drafts=False, today=date(2027, 3, 1)) == ()
    assert held not in knowledge.serving(drafts=True, today=date(2027, 3, 1))
    assert knowledge.expired(date(2027, 3, 1)) == (held,)
    old = replace(held, answer=("Dạ, chị ra xã.",), valid_until=date(2026, 12, 31))
    for approved in ({}, {"leg-mot": held}, {"leg-mot": old}):
        kept = replace(knowledge, approved=approved)
        assert kept.serving(drafts=False, today=TODAY) == tuple(approved.values())
        assert held in kept.serving(drafts=True, today=TODAY)
    assert replace(knowledge, approved={"leg-mot": old}).serving(drafts=False, today=date(2027, 1, 1)) == ()


def test_plain_scalars_of_both_parsers_are_data() -> None:
    document, findings = yamlfile.parse(b"a: true\nb: null\nc: 2027-02-28\nd: 12\ne: no\nf: 1.5\ng:\n", "x.yml")
    assert findings == []
    assert document is not None
    assert document.data == {"a": True, "b": None, "c": "2027-02-28", "d": 12, "e": "no", "f": 1.5, "g": None}


def test_a_fault_names_its_place_in_words() -> None:
    document, _ = yamlfile.parse(ARTICLE.replace("  - Nộp ở xã", "  - 5").encode(), "legal/leg-mot.yml")
    assert document is not None
    (fault,) = faults(SHAPE, document.data, document=document)
    assert fault.vi.startswith("“steps.2”: phải là chữ")
    assert str(fault).startswith("legal/leg-mot.yml:41: error [type]")
