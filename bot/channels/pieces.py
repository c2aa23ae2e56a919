"""Cutting one reply into pieces that fit a channel, so that no word and no choice of it is lost."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from bot.channels import Limits
from bot.channels.lenient import clean
from bot.messages import Choice, Reply

ASK_CONTACT = "Chị có thể gửi số điện thoại bằng nút bên dưới."

# Where a text may be cut, best place first, with the share of the piece that must stand before the cut.
_BORDERS = (
    (re.compile(r"\n\s*\n"), 0.5),
    (re.compile(r"\n"), 0.5),
    (re.compile(r"(?:(?<=[^\d\s][.!?…])|(?<=[.!?…][”\"')]))\s+"), 0.3),
    (re.compile(r"\s+"), 0.0),
)
_JOINERS = "\u200d\ufe0e\ufe0f"
_LONGEST_CLUSTER = 32


def units(text: str) -> int:
    """The length of `text` in UTF-16 units, as phones and most platforms count."""
    return len(text) + sum(character > "\uffff" for character in text)


def written(text: str) -> str:
    """`text` as it leaves the house: NFC, without stray surrogates, without blank edges."""
    return unicodedata.normalize("NFC", clean(text)).strip()


def fit(reply: Reply, limits: Limits) -> tuple[Reply, ...]:
    """The pieces of `reply`: first the image, then the text, the choices on the last piece, a contact form after it.

    Choices that no button can hold (too many, too long, a number no phone button dials) are written out in the text;
    a numbered list keeps every title, and the last choice, by custom the way out, always keeps its button.
    """
    text = written(reply.text)
    choices = tuple(_tidy(choice) for choice in reply.choices if written(choice.title))
    asks_here = reply.contact and not limits.form
    opening = tuple(choice for choice in choices if choice.url or choice.phone)
    as_set = bool(opening) and len(choices) <= limits.button_set and not asks_here and all(map(_opens, opening))
    if opening and not as_set:
        unsaid = [choice for choice in opening if not _says(text, choice.url or choice.phone)]
        text = _with_lines(text, [f"{choice.title}: {choice.url or choice.phone}" for choice in unsaid])
        choices = tuple(choice for choice in choices if choice not in opening)
    text, choices = _number(text, choices, limits, room=limits.button_set if as_set else limits.choices - asks_here)

    texts = split(text, limits.text)
    if as_set and choices and units(texts[-1]) > limits.button_text:
        texts[-1:] = split(texts[-1], limits.button_text)
    if asks_here and not texts:
        texts = [ASK_CONTACT]
    pieces = [Reply(text=piece) for piece in texts]
    if choices or asks_here:
        pieces[-1] = replace(pieces[-1], choices=choices, contact=asks_here)
    if reply.image:
        if limits.captions and len(pieces) == 1 and not choices:
            pieces[0] = replace(pieces[0], image=reply.image)
        else:
            pieces.insert(0, Reply(image=reply.image))
    if reply.contact and limits.form:
        pieces.append(Reply(contact=True))
    return tuple(pieces)


def split(text: str, limit: int) -> list[str]:
    """`text` cut into pieces of at most `limit` UTF-16 units: at paragraphs, lines, sentences, words, in this order."""
    pieces = []
    rest = text.strip()
    while len(head := _head(rest, limit)) < len(rest):
        cut = _border(rest, len(head))
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest else pieces


def dialable(phone: str) -> str:
    """`phone` as `+` and digits, or nothing when no phone button may dial it: short numbers such as 111, hotlines."""
    digits = re.sub(r"\D", "", phone)
    if phone.strip().startswith("+") and 8 <= len(digits) <= 15:
        return f"+{digits}"
    if digits.startswith("0") and 10 <= len(digits) <= 11:
        return f"+84{digits[1:]}"
    if digits.startswith("84") and 11 <= len(digits) <= 12:
        return f"+{digits}"
    return ""


def numbered(choices: Sequence[Choice]) -> list[str]:
    return [f"{number}. {choice.title}" for number, choice in enumerate(choices, 1)]


def _tidy(choice: Choice) -> Choice:
    title = " ".join(written(choice.title).split())
    return replace(choice, title=title, payload=clean(choice.payload) or title)


def _opens(choice: Choice) -> bool:
    return bool(choice.url or dialable(choice.phone))


def _says(text: str, what: str) -> bool:
    """Whether the text names this number or address already."""
    return re.search(rf"(?<!\w){re.escape(what)}(?!\w)", text) is not None


def _number(text: str, choices: tuple[Choice, ...], limits: Limits, *, room: int) -> tuple[str, tuple[Choice, ...]]:
    """The text and buttons of `choices`: as they are when all fit, else numbered in both places."""
    held = [units(choice.payload) <= limits.payload for choice in choices]
    short = all(units(choice.title) <= limits.title for choice in choices)
    if not choices or (text and short and all(held) and len(choices) <= room):
        return text, choices
    titles = numbered(choices)
    buttons = [
        replace(choice, title=_shorten(title, limits.title))
        for choice, title, holds in zip(choices, titles, held, strict=True)
        if holds
    ]
    if len(buttons) > room:
        buttons = [*buttons[: room - 1], buttons[-1]]
    return _with_lines(text, titles), tuple(buttons)


def _with_lines(text: str, lines: list[str]) -> str:
    return "\n\n".join(filter(None, (text, "\n".join(lines))))


def _shorten(title: str, limit: int) -> str:
    if units(title) <= limit:
        return title
    head = title[: _whole_cluster(title, len(_head(title, limit - 1)))]
    words = head.rpartition(" ")[0]
    return (words if units(words) * 2 > limit else head).rstrip() + "…"


def _head(text: str, limit: int) -> str:
    """The longest beginning of `text` within `limit` UTF-16 units."""
    head = text[:limit]
    while (excess := units(head) - limit) > 0:
        head = head[: -max(1, excess // 2)]
    return head


def _border(text: str, end: int) -> int:
    """The best place to cut `text`, at or before `end`, and after its first character."""
    for pattern, share in _BORDERS:
        cuts = [found.start() for found in pattern.finditer(text, 0, end + 1)]
        if cuts and max(1, end * share) <= cuts[-1] <= end:
            return cuts[-1]
    return _whole_cluster(text, end)


def _whole_cluster(text: str, end: int) -> int:
    """`end`, moved back so that no mark or emoji part is torn from its letter."""
    for cut in range(end, max(0, end - _LONGEST_CLUSTER), -1):
        torn = cut < len(text) and (unicodedata.combining(text[cut]) or text[cut] in _JOINERS)
        if not torn and text[cut - 1] != "\u200d":
            return cut
    return end
