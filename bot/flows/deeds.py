"""The built-in deeds of flows: what an action of the house asks the rim to do. Slots in, effects out; never raises.

The same table is wrapped as rasa_sdk actions (bot/actions/deeds.py), so that a Rasa server may ask for them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from bot.flows.conditions import Scalar
from bot.messages import (
    Appointment,
    CloseTicket,
    ConsentGiven,
    Effect,
    Feedback,
    Forget,
    OpenTicket,
    SafeContact,
    ShowData,
    Skill,
    Subscription,
    Timer,
)

CONSENT_VERSION = "2026-11"
_SKILLS: Mapping[str, Skill] = MappingProxyType(
    {"legal": "legal", "vocational": "vocational", "psychological": "psychological", "child": "child"}
)
_CONTACT_FIELDS = ("safe_now", "shared_phone", "hours", "call", "message", "code_word")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a deed may know besides the slots."""

    topic: str = ""
    article: str = ""
    locale: str = "vi"
    skill: Skill = ""
    office: str = ""  # of her province, if it has one


Deed = Callable[[Mapping[str, Scalar], Setting], tuple[Effect, ...]]


def skill_for(topic: str) -> Skill:
    return _SKILLS.get(topic, "")


def _text(slots: Mapping[str, Scalar], name: str) -> str:
    value = slots.get(name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _ticket(slots: Mapping[str, Scalar], setting: Setting, reason: str) -> OpenTicket:
    topic = _text(slots, "need") or setting.topic
    return OpenTicket(
        reason,
        skill=setting.skill or skill_for(topic),
        topic=topic,
        province=_text(slots, "province"),
        locale=setting.locale,
    )


def _open_ticket(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    return (_ticket(slots, setting, "asked"),)


def _intake(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    ticket = _ticket(slots, setting, "flow")
    if _text(slots, "urgency") != "now":
        return (ticket,)
    return (
        OpenTicket(
            "flow",
            level="AMBER",
            skill=ticket.skill,
            topic=ticket.topic,
            province=ticket.province,
            locale=ticket.locale,
        ),
    )


def _emergency(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    province = _text(slots, "province")
    return (
        OpenTicket("flow", level="AMBER", skill="social", topic="emergency", province=province, locale=setting.locale),
    )


def _close_ticket(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    return (CloseTicket(),)


def _messages(on: bool) -> Deed:
    def deed(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
        return (Subscription(_text(slots, "campaign_topic") or "*", on),)

    return deed


def _save_contact(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    fields = tuple((name, text) for name in _CONTACT_FIELDS if (text := _text(slots, f"contact_{name}")))
    return (SafeContact(fields),) if fields else ()


def _save_consent(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    return tuple(
        ConsentGiven(purpose, slots.get(f"consent_{purpose}") is True, CONSENT_VERSION)
        for purpose in ("store", "sensitive")
        if isinstance(slots.get(f"consent_{purpose}"), bool)
    )


def _appointment(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    kind: Literal["call", "visit"] = "visit" if _text(slots, "appointment_kind") == "visit" else "call"
    when = _text(slots, "appointment_when")
    act: Literal["ask", "move"] = "move" if _text(slots, "appointment_act") == "move" else "ask"
    province = _text(slots, "province")
    ticket = OpenTicket("appointment", topic=setting.topic, province=province, locale=setting.locale)
    # Nothing is reminded of before a person has confirmed it; a reminder of what she changes now would mislead her.
    return (Appointment(act, kind, when, setting.office), ticket, Timer("appointment", 0))


def _cancel_appointment(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    return (Appointment("cancel"), Timer("appointment", 0))


def _forget(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    return (Forget(),)


def _show_data(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    return (ShowData(),)


def _feedback(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    article = _text(slots, "feedback_article") or setting.article
    useful = slots.get("feedback_useful")
    if not isinstance(useful, bool):
        return ()
    return (Feedback(article, useful, _text(slots, "feedback_why")),)


def _nothing(slots: Mapping[str, Scalar], setting: Setting) -> tuple[Effect, ...]:
    return ()


CLEAN_STACK = "action_clean_stack"  # Rasa's own name: flows put aside are dropped, and nothing more is said
DEEDS: Mapping[str, Deed] = MappingProxyType(
    {
        "action_open_ticket": _open_ticket,
        "action_hand_in_intake": _intake,
        "action_report_emergency": _emergency,
        "action_close_ticket": _close_ticket,
        "action_stop_messages": _messages(False),
        "action_start_messages": _messages(True),
        "action_save_contact": _save_contact,
        "action_save_consent": _save_consent,
        "action_ask_appointment": _appointment,
        "action_cancel_appointment": _cancel_appointment,
        "action_forget": _forget,
        "action_show_data": _show_data,
        "action_feedback": _feedback,
        CLEAN_STACK: _nothing,
    }
)
