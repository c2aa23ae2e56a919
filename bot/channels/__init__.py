"""The contract every channel keeps: bytes in, events out; a reply in, HTTP requests out; an answer in, an outcome out.

Nothing in this room may open a connection, read a clock, keep a value between two calls, or decide what is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from bot.messages import Address, Answer, AttachmentKind, Call, Event, Outcome, Reply, Speech

HOUR = 3_600_000  # ms


@dataclass(frozen=True, slots=True)
class Window:
    """Who may still write to a person. `closes_at` (ms): when the last of them no longer may; `billed`: it costs."""

    bot: bool
    person: bool
    closes_at: int
    billed: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What one HTTP request of a channel can carry. Lengths count UTF-16 units after NFC, the strictest reading."""

    text: int
    choices: int  # choices that only carry a payload
    title: int
    button_set: int  # choices when one of them opens a link or dials a number
    button_text: int  # text above such a set
    payload: int
    media: frozenset[AttachmentKind]  # what we may send
    captions: bool  # an image may carry text
    form: bool  # the platform's contact form is a request of its own, not a button
    bot_hours: int  # after her last word
    person_hours: int
    free_hours: int  # later sends are billed
    echoes: bool
    receipts: bool

    def window(self, heard_at: int, now: int) -> Window:
        """The windows her last word opened; `heard_at` 0: she never spoke. Advice only, the platform decides."""
        if heard_at <= 0:
            return Window(bot=False, person=False, closes_at=0, billed=False)
        age = now - heard_at
        return Window(
            bot=age < self.bot_hours * HOUR,
            person=age < self.person_hours * HOUR,
            closes_at=heard_at + max(self.bot_hours, self.person_hours) * HOUR,
            billed=age >= self.free_hours * HOUR,
        )


class Channel(Protocol):
    """One platform. Implementations are frozen values: accounts and addresses of the platform, nothing live."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def expects_echo(self) -> bool:
        """Whether our own sends come back as `Echo`."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> frozenset[str]:
        """The ids of our accounts that this signature vouches for. Raises `Forged`, which carries nothing."""

    def parse(self, body: bytes, accounts: frozenset[str]) -> tuple[Event, ...]:
        """Every event of a webhook body, in the order given; events of accounts not in `accounts` become `Ignored`.

        Raises `Unreadable` only when the body is no JSON object of the platform's shape.
        """

    def fit(self, reply: Reply) -> tuple[Reply, ...]:
        """The same reply as pieces, each exactly one HTTP request. Fitting a piece again changes nothing."""

    def render(self, speech: Speech, token: str) -> Call:
        """The one HTTP request that says a fitted piece."""

    def signal(self, address: Address, kind: Literal["seen", "typing"], token: str) -> Call | None:
        """A sign of life that is not a message, where the platform has one."""

    def outcome(self, answer: Answer) -> Outcome:
        """How the request ended, read from the platform's codes, never from its prose."""

    def window(self, heard_at_ms: int, now_ms: int) -> Window: ...
