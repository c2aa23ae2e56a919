"""Communes and districts by their names before and since July 2025: what is certain, what is asked, what is none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bot.knowledge import Knowledge, load, office_for
from bot.knowledge_cli import Tools, kb
from bot.nlu import Places, communes, entities, homes, load_places, named, syllable
from bot.nlu.communes import Communes, Row
from bot.nlu.places import Spot, called

KNOWLEDGE = Path(__file__).parents[1] / "knowledge"
DATA = Path(__file__).parent / "data"


@cache
def places() -> Places:
    return load_places(KNOWLEDGE)


@cache
def load_knowledge() -> Knowledge:
    return load(KNOWLEDGE)


@cache
def rows() -> tuple[Row, ...]:
    lines = (KNOWLEDGE / "communes.tsv").read_text("utf-8").splitlines()
    return tuple(Row(*line.split("\t")) for line in lines if not line.startswith("#"))


def provinces(text: str) -> list[str]:
    return [found.value for found in entities(text, places=places()) if found.kind == "province"]


@pytest.mark.parametrize(
    ("text", "province"),
    [
        ("em ở xã Kim Anh huyện Kim Thành", "Hải Dương"),
        ("em o xa kim anh huyen kim thanh", "Hải Dương"),
        ("e o p. An Khanh Ninh Kieu can tho", "can-tho"),
        ("nhà em ở Vị Thủy Hậu Giang", "Hậu Giang"),
        ("Kim Thành Hải Dương", "Hải Dương"),
        ("huyện Long Mỹ", "Hậu Giang"),
        ("thị xã Long Mỹ", "Hậu Giang"),
        ("Q. Ninh Kiều", "can-tho"),
        ("tx. Chí Linh", "Hải Dương"),
        ("tp Thủ Đức", "ho-chi-minh"),
        ("em o quan 8", "ho-chi-minh"),
        ("Phường 5, Quận 8", "ho-chi-minh"),
        ("quận 9 cũ", "ho-chi-minh"),
        ("xã Tân Lập huyện Vũ Thư", "hung-yen"),
        ("huyện Kim Thành, xã Kim Anh", "Hải Dương"),
        ("Châu Thành, Hậu Giang", "Hậu Giang"),
        ("Châu Thành Sóc Trăng", "can-tho"),
        ("em ở Cát Tiên Lâm Đồng", "lam-dong"),
        ("xã Ea H'leo", "dak-lak"),
        ("Ea Hleo dak lak", "dak-lak"),
        ("phường Vĩnh Nguơn châu đốc", "an-giang"),
        ("huyện Hòa Bình", "ca-mau"),  # not the province of that name
        ("Mĩ Lộc Nam Định", "ninh-binh"),
        ("thị trấn Phú Thái", "Hải Dương"),
    ],
)
def test_one_province_is_certain(text: str, province: str) -> None:
    assert set(provinces(text)) == {province}


@pytest.mark.parametrize("text", ["xã Tân Lập", "em ở huyện Châu Thành", "xã Thái Bình", "phường An Bình"])
def test_of_several_none_is_guessed(text: str) -> None:
    assert len(named(text, places())[0].provinces) > 1
    assert provinces(text) == []


def test_what_else_she_says_settles_it() -> None:
    assert set(provinces("quê em Hưng Yên, nhà ở xã Tân Lập")) == {"hung-yen"}


@pytest.mark.parametrize(
    "text",
    [
        "em ở Tân Lập",
        "ba em đông con, nhà yên ổn",
        "em ở xa quê, đi làm xa hội",
        "báo UBND xã, phường, công an",
        "ông xã tuyên bố có luật sư giỏi",
        "xã chưa cho gì hết",
        "bao hiem xa hoi cu",
        "nghe tieng mo cong la tim em dap",
        "visa F6",
        "phường mới ở đâu",
        "ho chi qua cho moi, cho moi lai chi ve",
        "",
    ],
)
def test_ordinary_words_are_no_places(text: str) -> None:
    assert named(text, places()) == ()
    assert provinces(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Vị Thủy", ("can-tho",)),
        ("dạ em ở Phụng Hiệp ạ", ("can-tho",)),
        ("vi thuy", ("can-tho",)),
        ("xa kim anh", ("ha-noi", "hai-phong")),
        ("Kim Thành", ("hai-phong", "nghe-an")),  # the district before the communes
        ("nhà em ở Ba Đình", ("ha-noi", "thanh-hoa")),
    ],
)
def test_after_the_question_a_bare_name_counts(text: str, found: tuple[str, ...]) -> None:
    assert named(text, places()) == () or text.startswith("xa")
    (spot,) = named(text, places(), asked=True)
    assert spot.provinces == found or set(spot.provinces) == set(found)
    assert spot.provinces[0] == found[0]


@pytest.mark.parametrize(
    "text", ["em đồng ý", "công an", "ở xa văn phòng", "không biết", "em muốn hỏi ly hôn", "visa F6"]
)
def test_after_the_question_other_answers_stay_other(text: str) -> None:
    assert named(text, places(), asked=True) == ()
    assert named(syllable.strip(text), places(), asked=True) == ()


def test_an_office_is_no_commune() -> None:
    """Xã Văn Phong lies in Hải Phòng."""
    assert named("van phong hai phong o dau", places()) == ()
    assert named("xã Văn Phong, Hải Phòng", places())[0].provinces == ("hai-phong",)


def test_few_of_the_sentences_people_wrote_name_a_place() -> None:
    """Whoever adds a way of naming places looks at what it newly reads here."""
    texts = {
        cell
        for file in (*DATA.glob("*/*.tsv"), KNOWLEDGE / "golden.tsv", KNOWLEDGE / "out_of_scope.tsv")
        for line in file.read_text("utf-8").splitlines()
        if not line.startswith("#")
        for cell in [max(line.split("\t"), key=len)]
    }
    for file in KNOWLEDGE.glob("*/*.yml"):
        texts |= set(yaml.safe_load(file.read_text("utf-8"))["questions"])
    assert len(texts) > 8_000
    read = {text[spot.start : spot.end].lower() for text in texts for spot in named(text, places())}
    assert read == READ


READ = {
    "phường bắc hà",
    "thạch hà, hà tĩnh",
    "vu thu thai binh",
    "phường an bình",
    "quan 3",
    "thanh hà hải dương",
    "vinh bao hai phong",
    "xã vị thanh",
    "huyen long my",
    "huyen thanh ha",
    "huyện châu thành a",
    "thanh pho hai duong",
    "vi thuy hau giang",
    "thành phố hải dương",
    "huyện phụng hiệp",
    "phường cầu giấy",
    "huyện thủy nguyên",
    "quan 1",
    "quan 8",
    "q12",
    "quận 1",
    "quận 7",
    "quận 8",
    "huyện kim thành",
    "xã tân thành",
    "xã tân lập huyện vũ thư",
    "quận ninh kiều",
}


def test_the_list_is_whole() -> None:
    """The figures of the resolutions of June 2025: 34 provinces, 3,321 communes of 10,035."""
    old = {(row.old, row.district, row.old_province) for row in rows() if row.old}
    new = {(row.now, row.province) for row in rows() if not row.district}
    assert (len(old), len(new), len({province for _, province in new})) == (10_035, 3_321, 34)
    assert {(row.now, row.province) for row in rows() if row.old} <= new
    names = called(KNOWLEDGE)
    assert {row.province for row in rows()} == set(names.values())
    assert all(names[row.old_province] == row.province for row in rows() if row.old_province)
    assert len({row.old_province for row in rows() if row.old_province}) == 63


def test_every_row_is_found_by_its_own_name() -> None:
    held = places().communes
    for row in rows():
        assert row in held.rows(row.key)


def test_a_whole_address_is_always_certain() -> None:
    """Commune, district and province as they were, with and without marks: every 25th of them."""
    old = sorted({(row.old, row.district, row.old_province, row.province) for row in rows() if row.old})[::25]
    assert len(old) > 400
    ids = places().ids
    for commune, district, province, now in old:
        text = f"{commune}, {district}, {province}"
        for said in (text, syllable.strip(text.lower())):
            assert [spot.provinces for spot in named(said, places())] == [(ids[now.lower()],)], said


def test_marks_tell_two_neighbours_apart() -> None:
    for name in ("Nga Thanh", "Nga Thành"):
        (spot,) = named(f"Xã {name}, Huyện Nga Sơn, Thanh Hóa", places())
        assert {row.old for row in spot.rows} == {f"Xã {name}"}
    (spot,) = named("xa nga thanh huyen nga son thanh hoa", places())
    assert {row.old for row in spot.rows} == {"Xã Nga Thanh", "Xã Nga Thành"}


def test_a_list_that_is_missing_or_broken_finds_nothing(tmp_path: Path) -> None:
    assert not communes.load(tmp_path / "none.tsv")
    broken = Communes.of(b"kimanh\tonly two\nnothing\n\xff\xfe\tx\t\t\t\t\t\n")
    assert broken.rows("kimanh") == []
    assert broken.rows("nothing") == []


GOOD = """\
kimanh\tXã Kim Anh\tHuyện Kim Thành\tHải Dương\tXã Phú Thái\tHải Phòng\t
phuthai\t\t\t\tXã Phú Thái\tHải Phòng\t
"""


@pytest.mark.parametrize(
    ("lines", "line", "code"),
    [
        ("kimanh\tXã Kim Anh\n" + GOOD, 1, "columns"),
        (GOOD.replace("Hải Phòng", "Hải Phòn"), 1, "province"),
        (GOOD.replace("Hải Dương", "Hậu Giang"), 1, "province"),
        (GOOD + GOOD.splitlines()[1] + "\n", 3, "same"),
        ("\n".join(reversed(GOOD.splitlines())), 2, "order"),
        (GOOD.replace("kimanh", "kim anh"), 1, "key"),
        (GOOD.replace("Xã Kim Anh", "Kim Anh"), 1, "unit"),
        (GOOD.replace("Xã Phú Thái", "Xã Phú Tái", 1), 1, "now"),
        (GOOD.replace("Hải Phòng\t\n", "Hải Phòng\tlạ\n", 1), 1, "note"),
        (GOOD.replace("Huyện Kim Thành", ""), 1, "cells"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path: Path, lines: str, line: int, code: str) -> None:
    path = tmp_path / "communes.tsv"
    path.write_text(GOOD, "utf-8")
    assert communes.read(path, called(KNOWLEDGE), root=tmp_path) == []
    path.write_text(lines, "utf-8")
    assert (line, code) in [(found.line, found.code) for found in communes.read(path, called(KNOWLEDGE), root=tmp_path)]


@pytest.mark.parametrize(
    ("text", "office"),
    [
        ("Hải Dương", "osso-haiduong"),
        ("hai duong", "osso-haiduong"),
        ("quê em ở hd", "osso-haiduong"),
        ("em ở Chí Linh", "osso-haiduong"),
        ("kim thanh hai duong", "osso-haiduong"),
        ("em ở xã Kim Anh huyện Kim Thành", "osso-haiduong"),
        ("huyện Kim Thành, Hải Phòng", "osso-haiduong"),
        ("xã Phú Thái, Hải Phòng", "osso-haiduong"),  # new, and all of it was in Hải Dương
        ("Hải Dương, nay là Hải Phòng", "osso-haiduong"),
        ("Hải Phòng (Hải Dương cũ)", "osso-haiduong"),
        ("không phải Hải Dương, Hải Phòng", "osso-haiphong"),
        ("trước ở Hải Dương giờ ở Hải Phòng", "osso-haiphong"),
        ("quận Hồng Bàng", "osso-haiphong"),
        ("Hải Phòng", "osso-haiphong"),
        ("nhà em ở Vị Thủy Hậu Giang", "osso-haugiang"),
        ("huyen long my", "osso-haugiang"),
        ("xã Trường Long Tây", "osso-haugiang"),
        ("Ngã Bảy", "osso-haugiang"),
        ("Sóc Trăng", "osso-cantho"),
        ("quận Ninh Kiều", "osso-cantho"),
        ("quận 8", ""),
    ],
)
def test_what_she_names_leads_to_the_office_of_her_old_province(text: str, office: str) -> None:
    assert office_for(provinces(text)[-1], load_knowledge().provinces) == office


def test_a_place_tells_an_old_province_only_when_all_of_it_was_there() -> None:
    """Every line of the list: an old commune or district says it itself, a new commune by its parts."""
    ids, own = places().ids, set(places().homes.values())
    parts: dict[tuple[str, str], set[str]] = {}
    for row in rows():
        if row.old:
            parts.setdefault((row.now, row.province), set()).add(row.old_province)
    told = {"old": 0, "new": 0, "mixed": 0}
    for row in rows():
        if ids.get(row.province.lower()) not in {ids[name.lower()] for name in own}:
            continue
        olds = {row.old_province} if row.old_province else parts.get((row.now, row.province), set())
        home = olds.copy().pop() if len(olds) == 1 and olds <= own else ids[row.province.lower()]
        told["mixed" if len(olds) != 1 else "old" if row.old_province else "new"] += 1
        assert homes(Spot(0, 0, (row,), (ids[row.province.lower()],)), places()) == (home,), row
    assert told["old"] > 500
    assert told["new"] > 150
    assert told["mixed"] > 0


def test_staff_can_try_it() -> None:
    tools = Tools(root=KNOWLEDGE)
    told = CliRunner().invoke(kb, ["place", "em", "ở", "xã Kim Anh huyện Kim Thành"], obj=tools).output
    assert "Thành phố Hải Phòng" in told
    assert "Xã Phú Thái" in told
    assert "Văn phòng: osso-haiduong" in told
    assert "OSSO sẽ hỏi lại" in CliRunner().invoke(kb, ["place", "xã Tân Lập"], obj=tools).output
    assert "Không thấy" in CliRunner().invoke(kb, ["place", "em muốn ly hôn"], obj=tools).output
