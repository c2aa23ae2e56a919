"""Offices, referral numbers and provinces: data with a source and a day it was verified. What is not verified is kept
and never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bot.knowledge.articles import ID
from bot.knowledge.shape import Field, Fields, Flag, Items, OneOf, Text

COUNTRY_NAMES = {"vietnam": "Việt Nam", "korea": "Hàn Quốc", "taiwan": "Đài Loan", "china": "Trung Quốc", "any": ""}


@dataclass(frozen=True, slots=True)
class Contact:
    """Someone who can help: an OSSO office, or a number or service outside it (`Referral` and `Office` are its kinds).

    `verified_on` is the day of the source, as exact as it gives (`2025`, `2025-09-19`). `show` is false until the
    number was verified; until then it is never printed. The same holds for `show_address` and the address.
    """

    id: str
    name: str
    category: str
    country: str
    when_to_use: str
    number: str = ""
    hours: str = ""
    cost: str = ""
    languages: tuple[str, ...] = ()
    status: str = ""
    verified_on: str = ""
    source: str = ""
    show: bool = False
    note: str = ""
    province: str = ""  # province id, offices only from here on
    old_province: str = ""
    address: str = ""
    address_status: str = ""
    address_source: str = ""
    show_address: bool = False
    opened: str = ""

    @property
    def printed(self) -> str:
        """The number as it may be printed, its country beside it; empty when it may not be shown."""
        if not self.show or not self.number:
            return ""
        country = COUNTRY_NAMES[self.country]
        return f"{self.number} ({country})" if country else self.number

    def stale(self, today: date, *, days: int) -> bool:
        """Whether a printed number was last verified longer ago than that, or nobody knows when."""
        if not self.printed:
            return False
        year, month, day = [*map(int, self.verified_on.split("-") if self.verified_on else ()), 1, 1, 1][:3]
        return not self.verified_on or today - date(year, month, min(day, 28)) > timedelta(days=days)

    @property
    def printed_address(self) -> str:
        """The address, or nothing while nobody has confirmed it."""
        return self.address if self.show_address else ""


Office = Contact
Referral = Contact


@dataclass(frozen=True, slots=True)
class OldOffice:
    """The office of a province that was merged into another. `aliases`: other names that mean this one alone."""

    old: str
    office: str  # office id
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Province:
    """One of the 34 provinces and cities since 2025-07-01. `old` are the provinces that became it, itself too.

    `abbreviations` also mean other things: read them only as a whole answer or right after a word for a place.
    """

    id: str
    name: str
    short: str
    kind: str = ""
    old: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    abbreviations: tuple[str, ...] = ()
    office: str = ""  # office id
    old_offices: tuple[OldOffice, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.id, self.name, self.short, *self.old, *self.aliases, *self.abbreviations)


def home_for(name: str, provinces: Mapping[str, Province]) -> str:
    """What the slot `province` holds for a name, exactly written but for case: the id of the present province; the old
    province's name where that has an office of its own; empty when nobody knows it."""
    return _home(name, provinces)[0]


def office_for(name: str, provinces: Mapping[str, Province]) -> str:
    """The id of the office for a province by its id or any old or new name; empty where no office was opened."""
    return _home(name, provinces)[1]


def _home(name: str, provinces: Mapping[str, Province]) -> tuple[str, str]:
    wanted = name.strip().casefold()
    for found in provinces.values():
        for before in found.old_offices:
            if wanted in map(str.casefold, (before.old, *before.aliases)):
                return before.old, before.office
        if wanted in map(str.casefold, found.names):
            return found.id, found.office or next((before.office for before in found.old_offices), "")
    return "", ""


_ID = Text(60, ID, "can-tho")
_LIST = Items(Text(160))
_LINE = Text(1000)
_CONTACT = {
    "id": Field(_ID, "mã", required=True),
    "name": Field(Text(200), "tên", required=True),
    "number": Field(Text(60), "số điện thoại"),
    "country": Field(OneOf(tuple(COUNTRY_NAMES)), "nước", required=True),
    "category": Field(Text(40), "loại", required=True),
    "hours": Field(Text(160), "giờ"),
    "cost": Field(Text(80), "chi phí"),
    "languages": Field(_LIST, "ngôn ngữ"),
    "when_to_use": Field(_LINE, "khi nào thì gọi", required=True),
    "status": Field(Text(40), "nguồn chắc đến đâu", required=True),
    "verified_on": Field(
        Text(10, r"20\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", "2025-09-19"), "ngày của nguồn"
    ),
    "source": Field(_LINE, "nguồn"),
    "show": Field(Flag(), "true chỉ khi số đã được kiểm chứng", required=True),
    "note": Field(_LINE, "ghi chú cho cán bộ"),
}
_NETWORK = (
    *("name", "name_en", "cost", "cost_status", "cost_source", "cost_verified_on"),
    *("facebook_page", "facebook_status", "facebook_source", "facebook_url", "zalo_group", "note"),
)

OFFICES = Fields(
    {
        "network": Field(
            Fields(
                {key: Field(_LINE, key) for key in _NETWORK}
                | {key: Field(_LIST, key) for key in ("operators", "services")},
                nullable=True,
            ),
            "mạng lưới OSSO",
        ),
        "offices": Field(
            Items(
                Fields(
                    _CONTACT
                    | {
                        "province": Field(_ID, "mã tỉnh, thành hiện nay", required=True),
                        "old_province": Field(Text(60), "tên tỉnh trước 01/7/2025"),
                        "address": Field(_LINE, "địa chỉ"),
                        "address_status": Field(Text(40), "địa chỉ chắc đến đâu"),
                        "address_source": Field(_LINE, "nguồn của địa chỉ"),
                        "show_address": Field(Flag(), "true khi văn phòng đã xác nhận địa chỉ"),
                        "opened": Field(Text(80), "ngày mở"),
                    },
                    nullable=True,
                ),
                1,
            ),
            "các văn phòng",
            required=True,
        ),
    }
)
REFERRALS = Fields({"referrals": Field(Items(Fields(_CONTACT, nullable=True), 1), "nơi giúp", required=True)})
PROVINCES = Fields(
    {
        "provinces": Field(
            Items(
                Fields(
                    {
                        "id": Field(_ID, "mã tỉnh, thành", required=True),
                        "name": Field(Text(60), "tên hiện nay", required=True),
                        "short": Field(Text(60), "tên gọn", required=True),
                        "kind": Field(OneOf(("tỉnh", "thành phố")), "tỉnh hay thành phố", required=True),
                        "old": Field(Items(Text(60), 1), "các tỉnh cũ hợp thành", required=True),
                        "aliases": Field(_LIST, "cách gọi khác"),
                        "abbreviations": Field(_LIST, "viết tắt"),
                        "office": Field(_ID, "mã văn phòng OSSO ở đó"),
                        "old_offices": Field(
                            Items(
                                Fields(
                                    {
                                        "old": Field(Text(32), "tỉnh cũ", required=True),
                                        "office": Field(_ID, "mã văn phòng", required=True),
                                        "aliases": Field(_LIST, "tên khác của riêng tỉnh cũ"),
                                    }
                                )
                            ),
                            "văn phòng ở tỉnh cũ",
                        ),
                    },
                    nullable=True,
                ),
                1,
            ),
            "các tỉnh, thành",
            required=True,
        )
    }
)


def contact(data: Mapping[str, Any]) -> Contact:
    return Contact(**_values(data))


def province(data: Mapping[str, Any]) -> Province:
    old = tuple(OldOffice(**_values(item)) for item in data.get("old_offices") or ())
    return Province(**_values(data) | {"old_offices": old})


def _values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments: lists as tuples, unknown values left to their defaults."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items() if value is not None}
