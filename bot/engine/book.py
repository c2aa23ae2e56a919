"""The loaded parts a turn needs, and how a response of the flow files becomes a reply in her language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

from bot.flows.conditions import Scalar
from bot.flows.deeds import DEEDS, Setting
from bot.flows.values import Flows, Response
from bot.flows.walk import Done, Said, Slots
from bot.knowledge import Article, Knowledge, Office, home_for, office_for
from bot.messages import Choice, Danger, Effect, Heard, OpenTicket, Reading, Reply, Skill, State, Turn
from bot.nlu import Places
from bot.texts import LOCALES, Texts

VIETNAM = timezone(timedelta(hours=7))
PERSON = "/person"
COUNTRIES: Mapping[str, str] = {
    "korea": "Hàn Quốc",
    "taiwan": "Đài Loan",
    "china": "Trung Quốc",
    "japan": "Nhật Bản",
    "malaysia": "Malaysia",
    "cambodia": "Campuchia",
    "other": "nước khác",
}
LABELS = ("Gặp tư vấn viên", "Xem thêm", "Chưa đúng ý", "Hữu ích", "có", "không", *COUNTRIES.values())  # to translate
SMALLTALK: Mapping[str, str] = {
    "greeting": "utter_greeting",
    "thanks": "utter_thanks",
    "bye": "utter_bye",
    "insult": "utter_insult",
    "yes": "utter_ok",
    "no": "utter_ok",
    "ok": "utter_ok",
    "identity": "utter_identity",
    "sticker": "utter_sticker",
    "image": "utter_media_image",
    "video": "utter_media_image",
    "audio": "utter_media_audio",
    "file": "utter_media_file",
    "link": "utter_media_link",
    "contact": "utter_media_contact",
    "other": "utter_media_file",
}
# Responses and flows the engine uses by itself; the loader refuses flow files without them.
REQUIRED: tuple[str, ...] = (
    "handover",
    "find_office",
    "feedback",
    "chat_feedback",
    "urgent_help",
    "appointment",
    "welcome",
    "delete_data",
    "language",
    "safe_contact",
    "utter_media_kept",
    "utter_blocked",
    *sorted(set(SMALLTALK.values())),
    "utter_welcome_short",
    "utter_return",
    "utter_reentry",
    "utter_resume_offer",
    "utter_menu",
    "utter_topic",
    "utter_clarify",
    "utter_unknown",
    "utter_unready",
    "utter_noted",
    "utter_stay",
    "utter_stale",
    "utter_corrected",
    "utter_heard",
    "utter_which_province",
    "utter_place_moved",
    "utter_place_split",
    "utter_place_district",
    "utter_place_new",
    "utter_place_which",
    "utter_place_more",
    "utter_again",
    "utter_back_to",
    "utter_first_question",
    "utter_no_skip",
    "utter_cancelled",
    "utter_cancelled_waiting",
    "utter_stopped",
    "utter_dropped",
    "utter_restarted",
    "utter_trouble",
    "utter_bring_person",
    "utter_calm",
    "utter_reminder",
    "utter_vietnamese_only",
    "utter_feedback_thanks",
    "utter_also",
)
NOTHING = Reading("", "")
_HOLE = re.compile(r"\{(\w+)\}")


class Reader(Protocol):
    """The reader of texts. `last_article` and `slots` are weak hints."""

    def __call__(self, text: str, *, last_article: str = "", slots: Mapping[str, object] | None = None) -> Reading: ...


class Screen(Protocol):
    """The safety screen."""

    def read(self, text: str) -> Danger: ...

    def crisis_replies(
        self, danger: Danger, *, country: str, staffed: bool, opens: str, locale: str
    ) -> tuple[Reply, ...]: ...

    def combine(self, history: Sequence[tuple[int, str]], danger: Danger, at: int) -> Danger: ...


@dataclass(frozen=True, slots=True)
class Book:
    """The loaded parts: articles and offices, the reader of texts, the safety screen, flows, translations, and where
    communes and districts lie."""

    knowledge: Knowledge
    reader: Reader
    screen: Screen
    flows: Flows
    texts: Texts
    places: Places = field(default_factory=Places)


@dataclass(frozen=True, slots=True)
class Ear:
    """What was heard, taken apart. `payload` is a tap (or what stands for one), `act` a speech act or intent."""

    text: str = ""
    payload: str = ""
    act: str = ""
    media: str = ""
    reading: Reading = NOTHING

    @property
    def sure(self) -> bool:
        """Whether an article answers this text with confidence."""
        return bool(self.reading.candidates) and (self.reading.exact or self.reading.band == "answer")


@dataclass(frozen=True, slots=True)
class Talk:
    """One turn in the making: the parts, what was heard, and what it was taken for."""

    book: Book
    heard: Heard
    ear: Ear
    _apart: dict[str, Reading] = field(default_factory=dict, compare=False, repr=False)

    def each(self, texts: Sequence[str]) -> list[Reading]:
        """Parts of her thought, each read by itself; once in a turn."""
        for text in texts:
            if text not in self._apart:
                self._apart[text] = self.book.reader(text)
        return [self._apart[text] for text in texts]

    def today(self) -> date:
        try:
            return datetime.fromisoformat(self.heard.world.now).date()
        except ValueError:
            return datetime.fromtimestamp(self.heard.at / 1000, UTC).astimezone(VIETNAM).date()

    def served(self) -> dict[str, Article]:
        articles = self.book.knowledge.serving(drafts=self.heard.world.drafts, today=self.today())
        return {article.id: article for article in articles}

    def context(self, state: State) -> dict[str, Scalar]:
        world = self.heard.world
        return {
            "owner": world.owner,
            "ticket": world.ticket,
            "ahead": world.ahead,
            "kept": world.kept,
            "staffed": world.staffed,
            "opens": world.opens,
            "appointment": world.appointment,
            "appointment_at": world.appointment_at,
            "locale": state.locale,
            "channel": world.channel,
            "welcomed": state.welcomed,
            "topic": state.topic,
            "receipt": "{receipt}",  # the rim fills it in when the deletion is done
        }

    def say(self, name: str, state: State, slots: Slots | None = None) -> Reply:
        """The response in her language, the first variant that fits; a missing one is an empty reply, never a fault."""
        known = state.slots if slots is None else slots
        variant = self._variant(name, known)
        text = self.book.texts.get(state.locale, variant.text)
        values = {**self.context(state), **known}
        filled = _HOLE.sub(lambda hole: self.shown(hole[1], values.get(hole[1]), state.locale), text)
        buttons = (replace(choice, title=self.book.texts.get(state.locale, choice.title)) for choice in variant.buttons)
        return Reply(filled, tuple(buttons), variant.image)

    def shown(self, name: str, value: Scalar, locale: str) -> str:
        """A slot value as people read it, in her language."""
        match value:
            case None:
                return ""
            case bool():
                return self.book.texts.get(locale, "có" if value else "không")
            case float() if value.is_integer():
                return str(int(value))
        text = str(value)[:120]
        if name == "province" and text in self.book.knowledge.provinces:
            return self.book.knowledge.provinces[text].short
        if name == "country" and text in COUNTRIES:
            return self.book.texts.get(locale, COUNTRIES[text])
        return text

    def home(self, office: Office) -> str:
        """What the slot `province` holds for a woman who is near this office."""
        return home_for(office.old_province or office.province, self.book.knowledge.provinces)

    def province(self, slots: Slots) -> str:
        """The id of the present province she is in, or whatever else she told of it; empty when not known."""
        told = str(slots.get("province") or "")
        found = self.book.knowledge.province_of(told)
        return found.id if found else told

    def _variant(self, name: str, slots: Slots) -> Response:
        channel = self.heard.world.channel
        fitting = [
            variant
            for variant in self.book.flows.responses.get(name, ())
            if variant.channel in ("", channel) and all(slots.get(slot) == value for slot, value in variant.conditions)
        ]
        specific = [variant for variant in fitting if variant.channel or variant.conditions]
        return next(iter([*specific, *fitting]), Response(""))

    def replies(self, did: Sequence[Said | Done], state: State) -> tuple[Reply, ...]:
        return tuple(self.say(item.name, state, item.slots) for item in did if isinstance(item, Said))

    def effects(self, did: Sequence[Said | Done], state: State) -> tuple[Effect, ...]:
        found: list[Effect] = []
        for item in did:
            if isinstance(item, Done):
                office = office_for(str(item.slots.get("province") or ""), self.book.knowledge.provinces)
                found += DEEDS[item.name](
                    item.slots, Setting(state.topic, state.article, state.locale, self.skill(state), office)
                )
        return tuple(found)

    def skill(self, state: State) -> Skill:
        article = self.book.knowledge.articles.get(state.article)
        return article.escalate.skill if article and article.escalate else ""

    def ticket(self, state: State, reason: str) -> tuple[Effect, ...]:
        """A ticket, unless one is open already or staff keep her out of the queue."""
        if self.heard.world.ticket != "none" or self.heard.world.blocked:
            return ()
        province = state.slots.get("province")
        return (
            OpenTicket(
                reason,
                skill=self.skill(state),
                topic=state.topic,
                province=province if isinstance(province, str) else "",
                locale=state.locale,
            ),
        )


def locale_of(slots: Mapping[str, Scalar], before: str) -> str:
    wanted = slots.get("language")
    return wanted if isinstance(wanted, str) and wanted in LOCALES else before


def then(first: Turn, second: Turn) -> Turn:
    """The second turn after the first: its state and decision, both their words and deeds."""
    return replace(
        second,
        replies=first.replies + second.replies,
        effects=first.effects + second.effects,
        article=second.article or first.article,
        topic=second.topic or first.topic,
        candidates=second.candidates or first.candidates,
        sources=first.sources + second.sources,
        why=first.why + second.why,
    )


def person_choice(talk: Talk, state: State) -> Choice:
    return Choice(talk.book.texts.get(state.locale, "Gặp tư vấn viên"), PERSON)
