"""How an article looks to her: the bot's own engine says it, and each platform's own limits cut it. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bot.channels import Channel, Limits, pieces
from bot.channels.messenger import LIMITS as MESSENGER
from bot.channels.zalo import LIMITS as ZALO
from bot.engine import Book, take_turn
from bot.knowledge import Article
from bot.messages import Heard, Reply, State, Turn, World
from handoff.content.room import local_now, today
from handoff.frame import frame, now

LIKE: Mapping[str, Limits] = MappingProxyType({"zalo": ZALO, "messenger": MESSENGER})


@dataclass(frozen=True, slots=True)
class Bubble:
    """One request to the platform: a text, its length there, and the buttons under it as (title, what it taps)."""

    text: str
    length: int
    choices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The bubbles of one article on one channel, and how many messages that is before the first choice."""

    channel: str
    limit: int
    bubbles: tuple[Bubble, ...]


def seen(book: Book, article: Article, channel: str, *, value: str = "", part: str = "") -> Seen:
    """The whole article; with `value` what follows when she tells her country or province; with `part` one section.

    The article is shown as if it might be said today, whatever its standing.
    """
    tonight = max(article.valid_until, today())
    shown = replace(article, valid_until=tonight)
    knowledge = replace(book.knowledge, articles={**book.knowledge.articles, article.id: shown})
    payload = f"article:{article.id}"
    if value and article.variants:
        payload = f"case:{article.id}:{value}"
    elif part:
        payload = f"part:{article.id}:{part}"
    turn = turn_of(replace(book, knowledge=knowledge), channel, payload=payload)
    bubbles = [piece for reply in turn.replies for piece in fit(reply, channel)]
    return Seen(channel, LIKE[channel].text, tuple(map(_bubble, bubbles)))


def turn_of(book: Book, channel: str, *, text: str = "", payload: str = "") -> Turn:
    """What the bot would do for a known woman who wrote or tapped this just now. Drafts count."""
    at = now()
    world = World(
        now=local_now().isoformat(timespec="seconds"),
        staffed=True,
        drafts=True,
        choices=LIKE[channel].choices,
        channel=channel,
    )
    state = State(welcomed=True, heard_at=at, said_at=at)
    return take_turn(book, state, Heard(text=text, payload=payload, at=at, world=world))


def fit(reply: Reply, channel: str) -> tuple[Reply, ...]:
    found: Channel | None = frame().parts.rim.channels.get(channel)
    return found.fit(reply) if found is not None else pieces.fit(reply, LIKE[channel])


def _bubble(piece: Reply) -> Bubble:
    choices = tuple((one.title, one.url or one.phone or one.payload) for one in piece.choices)
    return Bubble(piece.text, pieces.units(piece.text), choices)
