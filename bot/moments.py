"""A moment as she reads it, in her language and the time of Viet Nam. Pure: what is “now” is given."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from babel.dates import format_date, get_day_names

VIETNAM = timezone(timedelta(hours=7))
DAY_NAMES = {"vi": ("nay", "mai"), "ko": ("오늘", "내일"), "en": ("today", "tomorrow")}


def soon(at: int | None, now: int, locale: str) -> str:
    """When somebody will be there: “8 giờ sáng mai”, “13 giờ 30 chiều nay”, “8 giờ sáng thứ Hai 30/11”; empty for None.

    `at` and `now` are ms.
    """
    if at is None:
        return ""
    then, moment = _local(at), _local(now)
    days = (then.date() - moment.date()).days
    near = dict(enumerate(DAY_NAMES.get(locale, DAY_NAMES["vi"]))).get(days, "")
    weekday = get_day_names("wide", locale=locale if locale in DAY_NAMES else "vi")[then.weekday()]
    match locale:
        case "ko":
            return f"{near or f'{then.month}월 {then.day}일 {weekday}'} {_hour_ko(then)}"
        case "en":
            return f"{near or f'{weekday} {then.day}/{then.month}'} at {then.hour}:{then.minute:02}"
    minutes = f" {then.minute}" if then.minute else ""
    part = "sáng" if then.hour < 11 else "trưa" if then.hour < 13 else "chiều" if then.hour < 18 else "tối"
    return f"{then.hour} giờ{minutes} {part} {near or f'{_weekday_vi(weekday)} {then.day}/{then.month}'}"


def appointed(at: int, locale: str) -> str:
    """The moment of an appointment, so that nobody can take it for another: “15:00 thứ Bảy 28/11/2026”. `at` is ms."""
    then = _local(at)
    match locale:
        case "ko":
            return f"{day(at, locale)} {_hour_ko(then)}"
        case "en":
            return f"{day(at, locale)}, {then:%H:%M}"
    return f"{then:%H:%M} {day(at, locale)}"


def day(at: int, locale: str) -> str:
    """“thứ Bảy 28/11/2026”."""
    then = _local(at)
    match locale:
        case "ko":
            return str(format_date(then.date(), "full", locale="ko"))
        case "en":
            return str(format_date(then.date(), "EEEE d MMMM y", locale="en"))
    weekday = get_day_names("wide", locale="vi")[then.weekday()]
    return f"{_weekday_vi(weekday)} {then.day}/{then.month}/{then.year}"


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, VIETNAM)


def _weekday_vi(name: str) -> str:
    """“thứ Hai” within a sentence; Sunday keeps its capital."""
    return name.replace("Thứ", "thứ")


def _hour_ko(then: datetime) -> str:
    half = "오전" if then.hour < 12 else "오후"
    minutes = f" {then.minute}분" if then.minute else ""
    return f"{half} {(then.hour - 1) % 12 + 1}시{minutes}"
