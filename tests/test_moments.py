"""Moments in her language: what is near is named so, and no two moments read alike."""

from __future__ import annotations

from datetime import datetime

import pytest

from bot.moments import VIETNAM, appointed, soon


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=VIETNAM).timestamp() * 1000)


NOW = at("2026-11-25T22:10")


@pytest.mark.parametrize(
    ("then", "vi", "ko", "en"),
    [
        ("2026-11-26T08:00", "8 giờ sáng mai", "내일 오전 8시", "tomorrow at 8:00"),
        ("2026-11-25T23:30", "23 giờ 30 tối nay", "오늘 오후 11시 30분", "today at 23:30"),
        (
            "2026-11-30T13:30",
            "13 giờ 30 chiều thứ Hai 30/11",
            "11월 30일 월요일 오후 1시 30분",
            "Monday 30/11 at 13:30",
        ),
        ("2026-11-29T12:00", "12 giờ trưa Chủ Nhật 29/11", "11월 29일 일요일 오후 12시", "Sunday 29/11 at 12:00"),
    ],
)
def test_when_somebody_will_be_there(then: str, vi: str, ko: str, en: str) -> None:
    assert [soon(at(then), NOW, locale) for locale in ("vi", "ko", "en", "fr")] == [vi, ko, en, vi]


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert soon(None, NOW, "vi") == ""


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("vi", "15:00 thứ Bảy 28/11/2026"),
        ("ko", "2026년 11월 28일 토요일 오후 3시"),
        ("en", "Saturday 28 November 2026, 15:00"),
        ("fr", "15:00 thứ Bảy 28/11/2026"),
    ],
)
def test_an_appointment_names_weekday_date_and_hour(locale: str, words: str) -> None:
    assert appointed(at("2026-11-28T15:00"), locale) == words
