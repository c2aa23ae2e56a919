"""Taking apart what was heard: a tap, a number or title standing for one, a speech act, media, or words to read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.engine.book import NOTHING, Book, Ear
from bot.flows.checks import INTENTS
from bot.flows.values import Collect
from bot.flows.words import fold, pick
from bot.messages import Heard, State

MOST_TEXT = 4_000
KINDS = ("topic", "article", "case", "part", "feedback", "danger")
# Names other rooms may use for the same speech act.
SAME: Mapping[str, str] = {
    "hello": "greeting",
    "greet": "greeting",
    "goodbye": "bye",
    "human": "person",
    "help": "menu",
    "laugh": "sticker",
    "start_over": "restart",
    "startover": "restart",
    "delete": "delete_data",
    "show": "show_data",
    "affirm": "yes",
    "deny": "no",
    "bot": "identity",
    "who": "identity",
    "insults": "insult",
    "abuse": "insult",
    "unsubscribe": "stop",
    "subscribe": "start_messages",
    "emoji": "sticker",
}
_HANGUL = re.compile("[가-힣]")
_LETTER = re.compile(r"[^\W_]")
_LINK = re.compile(r"https?://\S+")
_SENTENCE = re.compile(
    r"[?？\n]+|(?<=[^\d\s])[.!…]+\s+"
    r"|,?\s+(?:với lại|voi lai|với cả|voi ca|ngoài ra|ngoai ra|tiện thể|tien the|còn nữa|con nua|thêm nữa|them nua)\s+"
    r"|,\s+(?:còn|con|và|va)\s+(?=(?:cho\s+)?(?:em|chị|chi|tôi|toi|mình|minh|cháu|chau|việc|viec|chuyện|chuyen)\b)",
    re.IGNORECASE,
)
_AFFIRMING = ("co", "dung", "vang", "duoc", "yes", "네", "예")


def listen(book: Book, state: State, heard: Heard) -> Ear:
    """Never raises; text over 4,000 characters is read by its beginning (the screen reads all of it)."""
    text = heard.text.strip()[:MOST_TEXT]
    acts = book.flows.intents(text) if text and not heard.payload else frozenset()
    if heard.world.ticket != "waiting":  # “không cần nữa” gives up a place only where there is one
        acts -= {"leaving"}
    if acts == {"stop"}:  # before any title that only looks like it
        return Ear(text, act="stop")
    payload = heard.payload.strip()[:MOST_TEXT] or _standing_for(book, state, text)
    if payload:
        return _tap(book, payload, text)
    if not text:
        return Ear(media=heard.attachments[0].kind if heard.attachments else "")
    if not _LETTER.search(text):
        return Ear(text, media="sticker")
    if _LINK.fullmatch(text):
        return Ear(text, media="link")
    reading = NOTHING if acts else book.reader(text, last_article=state.article, slots=state.slots)
    act = _meant(book, state, acts) if acts else SAME.get(reading.act, reading.act)
    if act == "greeting" and state.locale == "vi" and _HANGUL.search(text):
        act = "foreign_ko"
    if act in ("yes", "no") and not _asks_yes_or_no(book, state) and (chosen := _agreed(state, act)):
        return _tap(book, chosen, text)
    return Ear(text, act=act, reading=reading)


def language(text: str, act: str) -> str:
    """`ko` or `en` when her words are in it, else nothing."""
    if _HANGUL.search(text) or act == "foreign_ko":
        return "ko"
    return "en" if act == "foreign_en" else ""


def _tap(book: Book, payload: str, text: str) -> Ear:
    """`/intent`, `intent` and `flow:name` are acts; every other payload is for the room that made it."""
    act = payload.removeprefix("/")
    flow = book.flows.flows.get(payload.removeprefix("flow:")) if payload.startswith("flow:") else None
    if flow and flow.triggers:
        act = flow.triggers[0]
    known = act in INTENTS or act in book.flows.triggers
    return Ear(text, payload, act if known else "")


def _meant(book: Book, state: State, acts: frozenset[str]) -> str:
    """One of several acts the same letters may be. “Dung” stops, but never answers or ends a yes-or-no question."""
    if len(acts) == 1:
        return next(iter(acts))
    return "stop" if "stop" in acts and not _asks_yes_or_no(book, state) else "unclear"


def _asks_yes_or_no(book: Book, state: State) -> bool:
    flow = book.flows.flows.get(state.flow)
    step = flow.steps.get(state.step) if flow else None
    return isinstance(step, Collect) and book.flows.slots[step.slot].type == "bool"


def parts(text: str) -> list[str]:
    """The sentences of a thought, when it has more than one that says something."""
    found = [part.strip() for part in _SENTENCE.split(text) if len(part.split()) >= 2]
    return found if 2 <= len(found) <= 6 else []


def _standing_for(book: Book, state: State, text: str) -> str:
    """The payload of the offered choice she typed instead of tapping it, or nothing."""
    if not text:
        return ""
    tappable = [choice for choice in state.offered if choice.payload]
    if any(choice.payload == text for choice in tappable):
        return text  # a channel that sends taps as text
    if fold(text) == "0":
        return "/person"
    flow = book.flows.flows.get(state.flow)
    step = flow.steps.get(state.step) if flow else None
    if isinstance(step, Collect) and text.isdecimal():
        slot = book.flows.slots.get(step.slot)
        if slot is not None and slot.type == "float":
            return ""  # a number answers this question
    index = pick(text, [choice.title for choice in tappable])
    return "" if index is None else tappable[index].payload


def _agreed(state: State, act: str) -> str:
    """A bare yes or no to the choices shown last; titles of questions are no yes (“Được hỗ trợ gì?”)."""
    for choice in state.offered:
        if choice.payload.partition(":")[0] in ("article", "topic", "case", "part"):
            continue
        first = fold(choice.title).split(" ")[:1]
        if (
            choice.payload
            and first
            and (first[0] in _AFFIRMING if act == "yes" else first[0] in ("khong", "no", "아니요"))
        ):
            return choice.payload
    return ""
