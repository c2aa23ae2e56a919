"""A small stage for the rim: real database and workers, a mind that parrots, a transport that records and obeys.

The parrot exists so that delivery is tested apart from understanding; transcripts test the real engine.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from bot.channels.messenger import Messenger, MessengerAccount
from bot.channels.zalo import Zalo, ZaloAccount
from bot.inbox import Accepted, accept
from bot.messages import (
    Address,
    Answer,
    Call,
    Danger,
    Effect,
    Event,
    Heard,
    Message,
    OpenTicket,
    Reply,
    State,
    Turn,
)
from bot.rim import Mind, Rim
from bot.store.database import Database
from bot.worker import Worker

PAGE = MessengerAccount("111", "9001", "app-secret-for-tests-0001", "page-token-for-tests-01", "verify-token-for-tests")
OA = ZaloAccount("222", "8001", "zalo-app-secret-tests", ("zalo-oa-secret-tests",), "seed-refresh-token-tests")
START = 1_790_000_000_000


@dataclass
class Parrot:
    """Says back what it hears. Words it knows: `boom` raises, `person` asks for one, `silent` says nothing."""

    heard: list[Heard] = field(default_factory=list)
    effects: Callable[[Heard], tuple[Effect, ...]] = lambda _heard: ()
    before: Callable[[Heard], None] = lambda _heard: None

    def think(self, state: State, heard: Heard) -> Turn:
        self.before(heard)
        self.heard.append(heard)
        if heard.text == "boom":
            raise ValueError("this text must not reach a log: " + heard.text)
        if heard.world.owner == "person":
            return Turn(state, decision="silent")
        effects = self.effects(heard)
        if heard.danger and heard.danger.level == "RED":
            effects += (OpenTicket("danger", "RED", heard.danger.category),)
            return Turn(state, (Reply("OSSO đây ạ."),), effects, "safety", why=("danger",))
        count = int(state.slots.get("count") or 0) + 1
        after = replace(state, slots={**state.slots, "count": count}, heard_at=heard.at)
        text = heard.text or f"[{heard.payload}]"
        return Turn(after, (Reply(f"{count}: {text}"),), effects, "answer", why=("parrot",))


class Alarmed:
    """Screens one word."""

    def read(self, text: str) -> Danger:
        return Danger("RED", "ipv", "cứu") if "cứu" in text else Danger()


@dataclass
class Platforms:
    """Records every request and answers as told; by default both platforms say yes."""

    calls: list[Call] = field(default_factory=list)
    script: list[Callable[[Call], Answer] | Answer | Exception] = field(default_factory=list)
    count: Any = field(default_factory=lambda: itertools.count(1))

    def exchange(self, call: Call) -> Answer:
        if call.json is not None and "sender_action" in call.json:
            return Answer(200, {}, b'{"recipient_id":"x"}')
        self.calls.append(call)
        if self.script:
            told = self.script.pop(0)
            if isinstance(told, Exception):
                raise told
            return told(call) if callable(told) else told
        return yes(call, next(self.count))

    @property
    def texts(self) -> list[str]:
        return [call.json["message"]["text"] for call in self.calls if call.json]


def yes(call: Call, number: int) -> Answer:
    if "openapi" in call.url:
        return answer(200, {"error": 0, "message": "Success", "data": {"message_id": f"z{number}"}})
    return answer(200, {"recipient_id": "x", "message_id": f"m{number}"})


def answer(status: int, body: object) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(body).encode())


class Tokens:
    """Fixed tokens; counts renewals."""

    renewed = 0

    def token(self, channel: str, account: str) -> str:
        return "token"

    def renew(self, channel: str, account: str, refused: str) -> str:
        self.renewed += 1
        return "token2"


@dataclass
class Stage:
    """Everything together. `now` is a settable clock (ms)."""

    database: Database
    parrot: Parrot = field(default_factory=Parrot)
    platforms: Platforms = field(default_factory=Platforms)
    tokens: Tokens = field(default_factory=Tokens)
    now: int = START
    gather_ms: int = 0
    screen: Any = field(default_factory=Alarmed)

    def __post_init__(self) -> None:
        self.rim = Rim(
            database=self.database,
            channels={
                "messenger": Messenger([PAGE], "https://graph.example/v25.0"),
                "zalo": Zalo([OA], "https://openapi.example", "https://oauth.example"),
            },
            mind=lambda: cast(Mind, self.parrot),
            transport=self.platforms,
            tokens=self.tokens,
            clock=lambda: self.now,
            gather_ms=self.gather_ms,
        )
        self.worker = Worker(self.rim)

    def accept(self, *events: Event) -> Accepted:
        return accept(self.database, self.screen, events, now=self.now)

    def hear(self, *events: Event) -> Accepted:
        """Accepts and drains, as the waker would."""
        accepted = self.accept(*events)
        for conversation_id, _rank in accepted.wake:
            self.worker.drain(conversation_id)
        return accepted

    def write(
        self, text: str, *, key: str = "", person: str = "p1", channel: str = "messenger", **more: Any
    ) -> Accepted:
        return self.hear(message(text, key=key or f"k-{text}-{self.now}", person=person, channel=channel, **more))

    def rows(self, sql: str) -> Sequence[Any]:
        from sqlalchemy import text

        with self.database.read() as connection:
            return connection.execute(text(sql)).all()


def address(person: str = "p1", channel: str = "messenger") -> Address:
    return Address(channel, "111" if channel == "messenger" else "222", person)


def message(text: str, *, key: str, person: str = "p1", channel: str = "messenger", **more: Any) -> Message:
    return Message(key=key, address=address(person, channel), at=START, id=key, text=text, **more)
