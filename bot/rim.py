"""What the rim's rooms share: the concrete parts that wiring puts together, and the facts of the moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.actions import Inside, Runner, settle
from bot.channels import Channel
from bot.engine import Book, take_turn
from bot.messages import Answer, Call, Heard, State, Turn
from bot.metrics import Meter
from bot.store.database import Database
from bot.texts import Texts


@dataclass(frozen=True, slots=True)
class Mind:
    """What thinks: the loaded book, and the runner of the actions a turn asks for; `inside` holds our own actions."""

    book: Book
    runner: Runner
    inside: Inside

    def think(self, state: State, heard: Heard) -> Turn:
        """One turn, its actions included. Never raises on her words."""
        return settle(self.book, take_turn(self.book, state, heard), heard, self.runner)


class NotSent(Exception):
    """The request certainly did not reach the platform; trying again is safe."""


class MaybeSent(Exception):
    """The request may have reached the platform; it must not be repeated blindly."""


class Transport(Protocol):
    """The only way to the network. Raises NotSent or MaybeSent; any HTTP answer is an Answer."""

    def exchange(self, call: Call) -> Answer: ...


class Tokens(Protocol):
    """The platforms' access tokens."""

    def token(self, channel: str, account: str) -> str:
        """A usable token. Raises GrantLost, or NoToken when there is none at this moment."""
        ...

    def renew(self, channel: str, account: str, refused: str) -> str:
        """A token other than the refused one, renewed if need be. Raises GrantLost or NoToken."""
        ...


@dataclass(frozen=True, slots=True)
class Duty:
    """Whether a fitting counsellor is on shift now, and otherwise when one will be (ms), if that is known."""

    staffed: bool = False
    opens_at: int | None = None


Roster = Callable[[str, str, int], Duty]  # (province, skill, now in ms) -> Duty


def nobody_known(_province: str, _skill: str, _now: int) -> Duty:
    """The roster of a server whose desk knows no shifts yet: it promises nothing."""
    return Duty()


@dataclass(frozen=True, slots=True)
class Rim:
    database: Database
    channels: Mapping[str, Channel]
    mind: Callable[[], Mind]  # the newest good knowledge, swapped whole
    transport: Transport
    tokens: Tokens
    clock: Callable[[], int]  # ms; wall time of this process, for content and display, never for leases
    roster: Roster = nobody_known
    drafts: bool = True
    gather_ms: int = 0
    meter: Meter = field(default_factory=Meter)
    texts: Texts = field(default_factory=lambda: Texts({}))  # what the rim says by itself, in her language
