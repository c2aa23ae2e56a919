"""Places, countries, phone numbers, dates, a child's age and sums of money in raw text. Pure; never raises.

Indexes are of the raw text. Without `now`, a date in words keeps her words as its value.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cache

import phonenumbers

from bot.messages import Entity
from bot.nlu import syllable
from bot.nlu.places import Form, Places, Spot, fits, homes, spots

LONGEST = 4_000
VIETNAM = timezone(timedelta(hours=7))
_WORD = re.compile(r"[^\W_]+")
_CUES = frozenset("o tinh tp que tai ve tu nguoi dan huyen gan ngoai duoi tren trong pho ben".split())
_ABROAD = frozenset("ben o tu sang qua ve di nuoc nguoi chong chu tieng lai vo toa tai lay".split())
_COMPOUNDS = frozenset(
    "tam hoc tuan thu cap uong binh xi sat hoa vien doan lan on ket ke".split()
)  # trung tâm, cam đoan
_NOW_CALLED = re.compile(  # between the old name of a province and the new one
    r"[\W_]*(?:(?:nay|gio|bay|hien|da|la|thuoc|thanh|pho|tinh|tp|vao|sap|nhap|cu|moi|thi|doi|ten)\b[\W_]*)*"
)
_NOT = re.compile(r"\b(?:khong|dau|chang|chu)(?: phai)?(?: la| o)*\W*$")
_COUNTRIES: Mapping[str, str] = {  # a form with * counts only after a word for going or being somewhere
    "korea": "hàn quốc|hàn xẻng|nam hàn|đại hàn|korea|hq|한국|*hàn",
    "taiwan": "đài loan|taiwan|đài bắc|cao hùng|đài trung|台灣|台湾|*đài",
    "china": "trung quốc|china|quảng tây|vân nam|trung hoa|中国|中國|tq|*tàu|*trung",
    "japan": "nhật bản|japan|*nhật",
    "malaysia": "malaysia|mã lai|ma lai xi a|*malay|*mã",
    "cambodia": "campuchia|cam pu chia|cambodia|cpc|*cam",
    "other": "thái lan|singapore|ả rập|saudi|dubai|myanmar|philippines|ấn độ|canada"
    "|*mỹ|*đức|*úc|*nga|*pháp|*sing|*thái|*lào|*phi",
}
_NUMBERS = {w: i for i, w in enumerate("khong mot hai ba bon nam sau bay tam chin muoi".split())}
_PARTS = {"sang": 8, "trua": 12, "chieu": 14, "toi": 19, "dem": 21, "khuya": 22}
_DAYS = {"hai": 0, "2": 0, "ba": 1, "3": 1, "tu": 2, "4": 2, "nam": 3, "5": 3, "sau": 4, "6": 4, "bay": 5, "7": 5}
_TIME = re.compile(
    r"\b(?:luc )?(\d{1,2}) ?(?:h|g|gio|:)(?: ?(\d{2})\b| ?(ruoi)\b)?(?: ?phut)?"
    r"(?: (sang|trua|chieu|toi|dem)\b)?(?![a-z])"
)
_SPOKEN = re.compile(  # hours in words, only with their part of the day: “sau giờ làm” is no six o'clock
    r"\b(?:luc )?(?P<h>mot|hai|ba|bon|nam|sau|bay|tam|chin|muoi (?:mot|hai)|muoi) gio(?: (?P<m>\d{2})| (?P<half>ruoi))?"
    r"(?: phut)? (?P<part>sang|trua|chieu|toi|dem)\b"
)
_ISO = re.compile(
    r"\b(?P<iso>\d{4}-\d{2}-\d{2})"
    r"(?:[t ](?P<clock>\d{2}:\d{2})(?::\d{2}(?:\.\d{1,6})?)?(?P<zone>z|[+-]\d{2}:?\d{2})?)?(?!\d)"
)
_PART = re.compile(r"\b(sang|trua|chieu|toi|dem)(?= (?:nay|mai|mot|kia|hom|thu|chu nhat|cn|ngay|mung|cuoi|t[2-7]))\b")
_DAY = re.compile(
    r"\b(?P<near>hom nay|bua nay|ngay hom nay|ngay mai|hom sau|ngay kia|ngay mot"
    r"|(?:(?<=sang )|(?<=trua )|(?<=chieu )|(?<=toi ))(?:nay|mai|mot)"
    r"|^mai(?= |$)|^mot$|mai(?= (?:luc|em|chi|goi|nhe|nha|\d)))\b"
    r"|\b(?:thu ?(?P<dow>hai|ba|tu|nam|sau|bay|[2-7])|t(?P<short>[2-7])|(?P<sunday>chu nhat|cn))"
    r"(?: (?P<week>tuan (?:nay|sau|toi)))?\b"
    r"|\b(?:ngay )?(?P<d>\d{1,2}) ?[/.-] ?(?P<m>\d{1,2})(?: ?[/.-] ?(?P<y>\d{4}|\d{2}))?\b"
    r"|\bngay (?P<d2>\d{1,2}) thang (?P<m2>\d{1,2})(?: nam (?P<y2>\d{4}))?\b"
    r"|\b(?P<n>\d{1,2}|hai|ba|bon|mot) (?P<unit>ngay|tuan|thang) nua\b"
    r"|\b(?P<lunar>(?:sau|truoc|ra|qua|an|nghi|29|30|ba muoi) tet"
    r"|m[uo]ng \d{1,2}(?: tet| thang gieng| am lich)?|ram thang \w+"
    r"|(?:tuan|thang) (?:sau|toi)|cuoi tuan(?: nay| sau)?|cuoi thang|dau thang|dau tuan(?: sau)?|ngay \d{1,2}(?! ?/))\b"
)
_AGE = re.compile(
    r"\b(\d{1,2}|mot|hai|ba|bon|nam|sau|bay|tam|chin|muoi)(?:,5| ruoi)? ?"
    r"(tuoi|thang tuoi|t(?![a-z])|thang(?! nua| nay| roi| truoc| sau))(?! tro len)"
)
_CHILD = re.compile(r"\b(con|be|chau|nhoc|dua|cu|thang cu)\b(?: ?[,:] ?|[^.,;!?\n]{0,24})$")
_CHILD_TOO = re.compile(r" ?(?:,|va|voi|dua) ?(?:dua |be |chau )?$")  # between the age of one child and of the next
_MONEY = re.compile(
    r"\b((?:mot|hai|ba|bon|nam|sau|bay|tam|chin|muoi)(?= (?:trieu|ty|tram nghin|tram ngan)\b)"
    r"|\d{1,3}(?:[.,]\d{3})+|\d+(?:[.,]\d{1,2})?) ?"
    r"(tr(?=\d|\b)|trieu|cu|ty|ti|k|tram nghin|tram ngan|nghin|ngan|xi|lit|chai"
    r"|d|dong|vnd|won|do|usd|do la|te|dai te|ntd|nt|man)(\d)?\b"
    r"(?: (won|dai te|te|do|usd|dong|ruoi|yen)\b)?"
)
_SCALE = {"tr": 10**6, "trieu": 10**6, "cu": 10**6, "chai": 10**6, "ty": 10**9, "ti": 10**9, "k": 1000, "nghin": 1000}
_SCALE |= {"tram nghin": 10**5, "tram ngan": 10**5, "ngan": 1000, "xi": 10**5, "lit": 10**5, "man": 10**4}
_CURRENCY = {"won": "KRW", "man": "KRW", "dai te": "TWD", "ntd": "TWD", "nt": "TWD", "te": "CNY", "yen": "JPY"}
_CURRENCY |= {"do": "USD", "usd": "USD", "do la": "USD"}


def entities(text: str, *, now: datetime | None = None, places: Places | None = None) -> tuple[Entity, ...]:
    """Every entity of the text, by position. Dates are ISO 8601 (`2026-11-28` or `2026-11-28T15:00`) when `now`, local
    time, is given; ages are years (`7`) or months (`18m`); money is `20000000 VND`; phones are E.164."""
    flat = _Flat.of(text[:LONGEST])
    found = [*_phones(flat, text), *_countries(flat)]
    found += _placed(flat, places or Places())
    taken = [(e.start, e.end) for e in found if e.kind == "phone"]
    found += (
        e
        for e in (*_ages(flat), *_money(flat), *_dates(flat, now))
        if not any(e.start < b and a < e.end for a, b in taken)
    )
    return tuple(sorted(found, key=lambda e: (e.start, -e.end)))


@dataclass(frozen=True, slots=True)
class _Flat:
    """`marked` is the text in lower case, one character for each letter; `plain` the same without marks; `at` gives the
    raw index of each."""

    raw: str
    marked: str
    plain: str
    at: tuple[int, ...]
    words: tuple[tuple[str, str, int, int], ...]

    @classmethod
    def of(cls, raw: str) -> _Flat:
        marked, at = raw.lower(), list(range(len(raw)))
        if any(map(unicodedata.combining, raw)) or len(marked) != len(raw):
            marked, at = cls._letters(raw)
        marked = re.sub(r"\s", " ", marked)
        plain = syllable.strip(marked)
        words = tuple(
            (syllable.settle(marked[m.start() : m.end()]), m[0], m.start(), m.end()) for m in _WORD.finditer(plain)
        )
        return cls(raw, marked, plain, (*at, len(raw)), words)

    @staticmethod
    def _letters(raw: str) -> tuple[str, list[int]]:
        """One character for each letter, and where it stands."""
        letters: list[str] = []
        at: list[int] = []
        for index, char in enumerate(raw):
            if unicodedata.combining(char) and letters:
                letters[-1] = unicodedata.normalize("NFC", letters[-1] + char)[:1]
                continue
            low = char.lower()
            letters.append(low if len(low) == 1 else char)
            at.append(index)
        return "".join(letters), at

    def entity(self, kind: str, value: str, *, start: int, end: int) -> Entity:
        first, last = self.at[start], self.at[end]
        return Entity(kind, value, self.raw[first:last].strip(), first, last)


def _phones(flat: _Flat, text: str) -> Iterator[Entity]:
    if sum(c.isdigit() for c in text) < 8:
        return
    seen: list[tuple[int, int]] = []
    for region in ("VN", "KR", "TW"):
        for match in phonenumbers.PhoneNumberMatcher(text[:LONGEST], region, max_tries=20):
            if any(match.start < b and a < match.end for a, b in seen):
                continue
            seen.append((match.start, match.end))
            value = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
            yield Entity("phone", value, match.raw_string, match.start, match.end)


def named(text: str, places: Places, *, asked: bool = False) -> tuple[Spot, ...]:
    """The districts and communes that a text names; `asked`: she was just asked where she is."""
    flat = _Flat.of(text[:LONGEST])
    return spots(flat.words, flat.marked, places, asked=asked)


def _placed(flat: _Flat, places: Places) -> Iterator[Entity]:
    """Provinces by their own names, and by those of their districts and communes when these leave no doubt. “Huyện Hòa
    Bình” and “xã Thái Bình” are not the provinces of that name. “Kim Thành, Hải Phòng” was in Hải Dương."""
    said = list(_provinces(flat, places))
    for spot in spots(flat.words, flat.marked, places):
        start, end = flat.at[spot.start], flat.at[spot.end]
        over = [item for item in said if item.start < end and start < item.end]
        home = homes(spot, places)[0] if len(spot.provinces) == 1 else ""
        if home and (same := [item for item in over if _now(item, places) == spot.provinces[0]]):
            if home != spot.provinces[0]:
                said = [replace(item, value=home) if item in same else item for item in said]
            continue
        if over and not spot.cued:
            continue
        said = [item for item in said if item not in over]
        if home:
            said.append(flat.entity("province", home, start=spot.start, end=spot.end))
    yield from _renamed(sorted(said, key=lambda item: item.start), flat.raw, places)


def _now(item: Entity, places: Places) -> str:
    """The id of the present province."""
    return places.ids.get(item.value.lower(), item.value)


def _renamed(said: list[Entity], raw: str, places: Places) -> Iterator[Entity]:
    """“Hải Dương, nay là Hải Phòng” names one place, by the name it had: the new name alone would say less."""
    before = None
    for item in said:
        if (
            before
            and before.value != item.value == _now(before, places)
            and _NOW_CALLED.fullmatch(syllable.strip(raw[before.end : item.start].lower()))
            and not _NOT.search(syllable.strip(raw[max(before.start - 40, 0) : before.start].lower()))
        ):
            item = replace(item, value=before.value)  # noqa: PLW2901 - the same place, said exactly
        yield item
        before = item


def _provinces(flat: _Flat, places: Places) -> Iterator[Entity]:
    words = flat.words
    at = 0
    while at < len(words):
        step = 1
        for form, place, cued in places.names.get(words[at][1], ()):
            alone = len(form) == len(words)
            if fits(words, at, form) and (not cued or alone or (at > 0 and words[at - 1][1] in _CUES)):
                home = places.homes.get(form, place)
                yield flat.entity("province", home, start=words[at][2], end=words[at + len(form) - 1][3])
                step = len(form)
                break
        at += step


def _countries(flat: _Flat) -> Iterator[Entity]:
    words = flat.words
    at = 0
    while at < len(words):
        step = 1
        for name, form, cued in _country_forms().get(words[at][1], ()):
            after = words[at + 1][1] if at + 1 < len(words) else ""
            known = len(words) == 1 or (at > 0 and words[at - 1][1] in _ABROAD and after not in _COMPOUNDS)
            if words[at][1] == "nhat" and at > 0 and words[at - 1][1] == "chu":
                break  # Sunday
            if fits(words, at, form) and (not cued or (known and (words[at][0] in form or not _ordinary(form[0])))):
                yield flat.entity("country", name, start=words[at][2], end=words[at + len(form) - 1][3])
                step = len(form)
                break
        at += step


@cache
def _country_forms() -> Mapping[str, tuple[tuple[str, Form, bool], ...]]:
    forms = [(name, f.lstrip("*"), f[0] == "*") for name, line in _COUNTRIES.items() for f in line.split("|")]
    table: dict[str, list[tuple[str, Form, bool]]] = defaultdict(list)
    for name, form, cued in sorted(forms, key=lambda f: -len(f[1].split())):
        table[syllable.strip(form.split()[0])].append((name, tuple(form.split()), cued))
    return {first: tuple(found) for first, found in table.items()}


def _ordinary(word: str) -> bool:
    """Country names of one syllable that, without marks, are everyday words: they count only with their marks."""
    return word in {
        "tàu",
        "trung",
        "mã",
        "cam",
        "đức",
        "nga",
        "pháp",
        "phi",
        "thái",
        "lào",
        "sing",
        "mỹ",
    } and syllable.is_marked(word)


def _ages(flat: _Flat) -> Iterator[Entity]:
    end = -1  # of the last child's age
    for match in _AGE.finditer(flat.plain):
        before = flat.plain[: match.start()]
        if _CHILD.search(before[-40:]) or (end >= 0 and _CHILD_TOO.fullmatch(before[end:])):
            end = match.end()
            number = _number(match[1])
            months = match[2].startswith("thang")
            if number and (months or number < 19):
                yield flat.entity("age", f"{number}m" if months else str(number), start=match.start(), end=match.end())


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBERS.get(text, 0)


def _money(flat: _Flat) -> Iterator[Entity]:
    for match in _MONEY.finditer(flat.plain):
        amount, unit, tail, after = match.groups()
        grouped = re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", amount)
        if amount in _NUMBERS:
            value = float(_NUMBERS[amount])
        else:
            value = float(re.sub(r"[.,]", "", amount) if grouped else amount.replace(",", "."))
        if unit in ("d", "k", "cu", "te", "do", "man") and value > 10**9:
            continue
        scale = _SCALE.get(unit, 1)
        value = value * scale + (int(tail) * scale / 10 if tail else scale / 2 if after == "ruoi" else 0)
        currency = _CURRENCY.get(after or "", _CURRENCY.get(unit, "VND"))
        yield flat.entity("money", f"{value:.0f} {currency}", start=match.start(), end=match.end())


def _dates(flat: _Flat, now: datetime | None) -> Iterator[Entity]:
    plain = flat.plain
    whole = [(m.start(), m.end(), m) for m in _ISO.finditer(plain)]
    for start, end, match in whole:
        said = flat.raw[flat.at[start] : flat.at[end]].strip()
        yield flat.entity("date", _iso(match) or said, start=start, end=end)
    pieces = sorted(
        [(m.start(), m.end(), "time", m) for m in _TIME.finditer(plain) if int(m[1]) < 24]
        + [(m.start(), m.end(), "spoken", m) for m in _SPOKEN.finditer(plain) if _is_hour(flat, m)]
        + [(m.start(), m.end(), "part", m) for m in _PART.finditer(plain)]
        + [(m.start(), m.end(), "day", m) for m in _DAY.finditer(plain) if _is_day(flat, m)],
        key=lambda piece: (piece[0], -piece[1]),
    )
    groups: list[list[tuple[int, int, str, re.Match[str]]]] = []
    for piece in pieces:
        if groups and piece[0] < groups[-1][-1][1]:
            continue
        if any(start < piece[1] and piece[0] < end for start, end, _ in whole):
            continue
        between = plain[groups[-1][-1][1] : piece[0]] if groups else "!"
        if (
            groups
            and re.fullmatch(r"[ ,]*(?:(?:vao|luc|ngay|khoang|tam|cua|hom|sau|truoc|tu) ?)*", between)
            and piece[2] not in [p[2] for p in groups[-1]]
        ):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    for group in groups:
        kinds = {kind: match for _, _, kind, match in group}
        if not kinds.keys() & {"day", "time", "spoken"}:
            continue
        start, end = group[0][0], group[-1][1]
        said = flat.raw[flat.at[start] : flat.at[end]].strip()
        value = _moment(kinds, now) if now else None
        yield flat.entity("date", value or said, start=start, end=end)


def _is_day(flat: _Flat, match: re.Match[str]) -> bool:
    if match["dow"]:  # thứ tư, not thư từ or thử ba
        first = flat.marked[match.start() : match.start() + 3]
        return first == "thứ" or (first == "thu" and (match["dow"].isdigit() or bool(match["week"])))
    if match["near"] == "mot":  # mốt, the day after tomorrow; một and mót are not
        return flat.marked[match.start() : match.end()] == "mốt" or match.start() > 0
    if match["d"]:
        counted = re.match(r" (?:thang|diem|phan|so|suat)\b", flat.plain[match.end() : match.end() + 8])
        return not counted and 1 <= int(match["d"]) <= 31 and 1 <= int(match["m"]) <= 12
    return not (match["near"] == "mai" and flat.plain[match.end() :].startswith(" moi"))


def _is_hour(flat: _Flat, match: re.Match[str]) -> bool:
    """Whether the word before “giờ” is a number: sáu and năm, but not sau (after) or nam."""
    start = match.start("h")
    return match["h"] not in ("sau", "nam") or flat.marked[start : start + 3] in ("sáu", "năm", match["h"])


def _iso(match: re.Match[str]) -> str | None:
    """A moment somebody wrote as machines do, in local time; None when there is no such day or hour."""
    zone = (match["zone"] or "").upper()
    try:
        if not match["clock"]:
            return f"{datetime.fromisoformat(match['iso']):%Y-%m-%d}"
        then = datetime.fromisoformat(f"{match['iso']}T{match['clock']}{zone}")
    except ValueError:
        return None
    try:
        return f"{then.astimezone(VIETNAM) if zone else then:%Y-%m-%dT%H:%M}"
    except OverflowError:  # the last day of the calendar
        return None


def _moment(kinds: Mapping[str, re.Match[str]], now: datetime) -> str | None:
    """ISO text of the moment meant, or None when only her words will do (Tết, a lunar day, “next month”)."""
    day: datetime | None = now
    if "day" in kinds:
        day = _day(kinds["day"], now)
    if day is None:
        return None
    time, spoken = kinds.get("time"), kinds.get("spoken")
    part = (time and time[4]) or (spoken and spoken["part"]) or (kinds["part"][1] if "part" in kinds else "")
    if time:
        hour, minute = int(time[1]), 30 if time[3] else int(time[2] or 0)
    elif spoken:
        hour, minute = _hour(spoken["h"]), 30 if spoken["half"] else int(spoken["m"] or 0)
    else:
        return f"{day:%Y-%m-%d}" + (f"T{_PARTS[part]:02}:00" if part else "")
    if minute > 59:
        return None
    then = day.replace(hour=0, minute=minute, second=0, microsecond=0) + timedelta(hours=_of_day(hour, part))
    if "day" not in kinds and then < now:
        then += timedelta(days=1)  # “8h tối” said at nine is tomorrow's
    return f"{then:%Y-%m-%dT%H:%M}"


def _hour(words: str) -> int:
    tens, _, rest = words.partition(" ")
    return _NUMBERS[tens] + (_NUMBERS[rest] if rest else 0)


def _of_day(hour: int, part: str) -> int:
    """Hours after midnight: 3 “chiều” is 15, 1 “trưa” is 13, 12 “đêm” is 24, 2 “đêm” is 26."""
    match part:
        case "chieu" | "toi" if hour < 12:
            return hour + 12
        case "trua" if hour < 4:
            return hour + 12
        case "dem":
            return hour + (24 if hour < 6 else 12 if hour <= 12 else 0)
    return hour


def _day(match: re.Match[str], now: datetime) -> datetime | None:
    near = {2: "kia|mot$", 1: "mai|sau"}
    words: dict[str, Callable[[], datetime | None]] = {
        "near": lambda: now + timedelta(days=next((n for n, w in near.items() if re.search(w, match["near"])), 0)),
        "dow": lambda: _weekday(now, _DAYS[match["dow"]], match["week"] or ""),
        "short": lambda: _weekday(now, _DAYS[match["short"]], match["week"] or ""),
        "sunday": lambda: _weekday(now, 6, match["week"] or ""),
        "d": lambda: _calendar(now, int(match["d"]), int(match["m"]), year=match["y"]),
        "d2": lambda: _calendar(now, int(match["d2"]), int(match["m2"]), year=match["y2"]),
        "n": lambda: now + timedelta(days=_number(match["n"]) * {"ngay": 1, "tuan": 7, "thang": 30}[match["unit"]]),
        "lunar": lambda: None,
    }
    return next((make() for name, make in words.items() if match[name]), None)


def _weekday(now: datetime, weekday: int, week: str) -> datetime:
    monday = now - timedelta(days=now.weekday())
    if week.endswith(("sau", "toi")):
        return monday + timedelta(days=7 + weekday)
    day = monday + timedelta(days=weekday)
    return day if week or day.date() >= now.date() else day + timedelta(days=7)


def _calendar(now: datetime, day: int, month: int, *, year: str | None) -> datetime | None:
    try:
        when = now.replace(year=int(year) + (2000 if len(year) == 2 else 0) if year else now.year, month=month, day=day)
    except ValueError:
        return None
    return (
        when.replace(year=when.year + 1) if not year and when.date() < now.date() and (month, day) != (2, 29) else when
    )
