"""The actions of the house: find an office, tell about holidays, check answers; and the deeds, for a Rasa server.

An action says nothing that nobody has confirmed, and keeps nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import holidays
import phonenumbers
from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import ValidationAction

from bot.flows.deeds import DEEDS, Deed, Setting
from bot.flows.words import fold
from bot.knowledge import Knowledge, office_for
from bot.nlu import entities

Events = list[dict[str, Any]]
Domain = dict[str, Any]
REGIONS = ("VN", "KR", "TW", "CN", "JP")
DAY = len("2026-11-28")
FAR = 180  # days; “20/11” said on the 25th is a slip, not next year
AHEAD = 7  # days in which a holiday is worth a word
_CLOCK = re.compile(r"(\d{1,2})(?:\s*(?:gio|h|g)\s*(\d{2})?)?(?:\s*(sang|trua|chieu|toi|dem|am|pm))?")
_PARTS = {"sang": "6-11", "trua": "11-14", "chieu": "14-18", "toi": "18-22", "dem": "21-23", "ca ngay": "7-22"}


def house(knowledge: Knowledge) -> tuple[Action, ...]:
    """Every action of the house, ready to be registered."""
    return (
        FindOffice(knowledge),
        TellHours(),
        *(Check(slot, check) for slot, check in CHECKS.items()),
        *(Deeds(name, deed) for name, deed in DEEDS.items()),
    )


def moment(tracker: Tracker) -> datetime:
    """The time of the turn as the rim gave it; a Rasa server gives none, then it is the server's own."""
    metadata = (tracker.latest_message or {}).get("metadata") or {}
    try:
        return datetime.fromisoformat(str(metadata.get("now")))
    except ValueError:
        return datetime.now(UTC).astimezone()


class FindOffice(Action):  # type: ignore[misc]  # rasa_sdk is not typed
    """province → office_name, office_place, office_phone, office_found: only what the office itself has confirmed."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    def name(self) -> str:
        return "action_find_office"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Events:
        known = self._knowledge
        office = known.offices.get(office_for(str(tracker.get_slot("province") or ""), known.provinces))
        return [
            SlotSet("office_found", office is not None),
            SlotSet("office_name", office.name if office else None),
            SlotSet("office_place", (office.printed_address or None) if office else None),
            SlotSet("office_phone", (office.printed or None) if office else None),
        ]


class TellHours(Action):  # type: ignore[misc]  # rasa_sdk is not typed
    """holiday → the public holiday of today or the coming week, if any."""

    def name(self) -> str:
        return "action_tell_hours"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Events:
        return [SlotSet("holiday", holiday(moment(tracker).date()))]


def holiday(today: date) -> str | None:
    """The next public holiday of Viet Nam within a week, as “Tết Nguyên Đán (06/02)”."""
    days = [today + timedelta(days=ahead) for ahead in range(AHEAD + 1)]
    known = holidays.country_holidays("VN", years=sorted({day.year for day in days}), language="vi")
    found = next((day for day in days if day in known), None)
    return f"{known[found]} ({found:%d/%m})" if found else None


# --- checks of answers ------------------------------------------------------------------------------------------------

Checked = Callable[[str, datetime], str | None]


class Check(ValidationAction):  # type: ignore[misc]  # rasa_sdk is not typed
    """`validate_<slot>`: gives the slot in its one spelling, or takes it back when it cannot be right."""

    def __init__(self, slot: str, check: Checked) -> None:
        self._slot = slot
        setattr(self, f"validate_{slot}", self._validate)
        self._check = check

    def name(self) -> str:
        return f"validate_{self._slot}"

    async def required_slots(
        self, domain_slots: list[str], dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain
    ) -> list[str]:
        return [self._slot]

    def _validate(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain
    ) -> dict[str, Any]:
        checked = self._check(str(value), moment(tracker)) if value is not None else None
        if checked is None:
            dispatcher.utter_message(response=f"utter_invalid_{self._slot}")
        return {self._slot: checked}


def check_phone(text: str, now: datetime) -> str | None:
    """E.164 for a number of Viet Nam or of the countries she may be in; None for anything else."""
    for region in REGIONS:
        try:
            number = phonenumbers.parse(text[:40], region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None


def check_hours(text: str, now: datetime) -> str | None:
    """Safe hours as `18-21`: from “6 giờ tối đến 9h”, “buổi sáng”, “sau 20h”, “18-21”; None when not understood."""
    said = fold(text.replace("-", " den ").replace(":", "h"))
    clock = [_hour(match) for match in _CLOCK.finditer(said)]
    hours = [hour for hour in clock if hour is not None]
    part = next((value for word, value in _PARTS.items() if word in said), None)
    if len(hours) >= 2:
        first, last = hours[0], hours[1]
        late = last + 12 if last <= 12 and first < 12 <= first + 12 and last <= first else last
        evening = re.search(r"\b(toi|chieu|dem)\b", said) is not None
        if evening and first < 12:
            first += 12
        if evening and late < 12:
            late += 12
        return f"{first}-{late}" if 0 <= first < late <= 24 else None
    if len(hours) == 1 and re.search(r"\b(sau|tu)\b", said):
        return f"{hours[0]}-22" if hours[0] < 22 else None
    if len(hours) == 1 and re.search(r"\b(truoc)\b", said):
        return f"7-{hours[0]}" if hours[0] > 7 else None
    return part


def _hour(match: re.Match[str]) -> int | None:
    hour, half = int(match[1]), match[3]
    if half in ("chieu", "toi", "dem", "pm") and hour < 12:
        hour += 12
    return hour if hour <= 24 else None


def check_when(text: str, now: datetime) -> str | None:
    """An appointment's time: an ISO day or moment within half a year, not past; or her own words for a person."""
    words = text.strip()[:200]
    found = words if _iso(words) else next((item.value for item in entities(words, now=now) if item.kind == "date"), "")
    when = _iso(found)
    if when is None:
        return words if len(fold(words)) >= 2 else None
    when = when if when.tzinfo else when.replace(tzinfo=now.tzinfo)
    if not now - timedelta(days=1) < when < now + timedelta(days=FAR):
        return None
    return found if len(found) == DAY else when.isoformat(timespec="minutes")


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


CHECKS: Mapping[str, Checked] = {
    "phone": check_phone,
    "contact_hours": check_hours,
    "appointment_when": check_when,
}


# --- built-in deeds, for a Rasa server --------------------------------------------------------------------------------


class Deeds(Action):  # type: ignore[misc]  # rasa_sdk is not typed
    """A built-in deed as an action: its effects leave as a custom message, `{"effects": [{"effect": "Forget", …}]}`."""

    def __init__(self, name: str, deed: Deed) -> None:
        self._name, self._deed = name, deed

    def name(self) -> str:
        return self._name

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Events:
        effects = self._deed(tracker.slots, Setting())
        dispatcher.utter_message(
            json_message={"effects": [{"effect": type(effect).__name__, **asdict(effect)} for effect in effects]}
        )
        return []
