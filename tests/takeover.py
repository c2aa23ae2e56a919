"""Random interleavings of a woman, a worker and a counsellor, step by step: what leaves, and who owns the chat."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.errors import Refused
from bot.hearing import Holding, LeaseLost, hear_next
from bot.messages import Call
from bot.outbox import say_next
from bot.store import queries
from handoff import deeds
from handoff.accounts.staff import Staff
from handoff.deeds import Missing
from handoff.tickets import Close, Requeue
from tests.room import Room
from tests.stage import message

STEPS = ("says", "danger", "hears", "sends", "takes", "takes while thinking", "replies", "returns", "closes")
STAFF = "[người] "


@dataclass
class Scene:
    """One woman. `broken`: messages of the bot that left while a person owned the chat."""

    room: Room
    staff: Staff
    person: str = field(default_factory=lambda: uuid.uuid4().hex)
    count: int = 0
    sent: int = 0
    broken: list[str] = field(default_factory=list)
    quick: bool = False  # fewer steps at the end, for thousands of scenes

    def play(self, steps: list[str]) -> list[str]:
        for step in steps:
            self.step(step)
        for _ in range(6 if self.quick else 30):  # whatever is left comes out
            self.room.later(6_000)
            self.step("hears")
            self.step("sends")
        return self.broken

    def step(self, step: str) -> None:
        room = self.room
        room.later(700)
        self.count += 1
        match step:
            case "says" | "danger":
                self._accept("cứu em" if step == "danger" else f"em hỏi {self.count}")
            case "hears" | "takes while thinking":
                if step != "hears":
                    room.stage.parrot.before = lambda _heard: self._take()
                self._work(hear=True)
                room.stage.parrot.before = lambda _heard: None
            case "sends":
                self._work(hear=False)
            case "takes":
                self._take()
            case "replies":
                self._try(lambda one: room.reply(self.staff, one, f"{STAFF}{self.count}", hold_ms=0))
            case "returns":
                self._try(lambda one: deeds.do(room.desk, self.staff, one, Requeue()))
            case "closes":
                self._try(lambda one: deeds.close(room.desk, self.staff, one, Close("case", "safe", "not_needed"),
                                                  hand_back=self.count % 2 == 0))  # fmt: skip

    def _accept(self, text: str) -> None:
        self.room.stage.accept(message(text, key=f"{self.person}{self.count}", person=self.person))

    def _conversation(self) -> int | None:
        index = self.room.database.keyring.index("person", "messenger", "111", self.person)
        with self.room.database.read() as connection:
            found = queries.find_conversation(connection, index)
        return int(found["id"]) if found else None

    def _ticket(self) -> str | None:
        conversation_id = self._conversation()
        if conversation_id is None:
            return None
        with self.room.database.write() as connection:
            found = queries.open_ticket(connection, conversation_id)
            if found is None:
                queries.ask_for_person(connection, conversation_id, reason="asked", now=self.room.now, office="hn")
                found = queries.open_ticket(connection, conversation_id)
            assert found is not None
            return str(found["uuid"])

    def _take(self) -> None:
        self._try(lambda one: self.room.take(self.staff, one))

    def _try(self, act: Callable[[str], object]) -> None:
        reference = self._ticket()
        if reference is not None:
            with contextlib.suppress(Refused, Missing):
                act(reference)

    def _work(self, *, hear: bool) -> None:
        """One step of a worker that holds the lease."""
        conversation_id = self._conversation()
        if conversation_id is None:
            return
        rim, database = self.room.stage.rim, self.room.database
        with database.write() as connection:
            row = queries.claim(connection, conversation_id, database.now(connection))
        if row is None:
            return
        held = Holding.of(rim, row)
        calls: list[Call] = self.room.stage.platforms.calls
        before = len(calls)
        try:
            hear_next(rim, held) if hear else say_next(rim, held)
        except LeaseLost:
            return
        with database.write() as connection:
            queries.release(connection, conversation_id, held.fence)
        for call in calls[before:]:
            self.sent += 1
            text = str(call.json["message"]["text"]) if call.json else ""
            if row["owner"] == "person" and not text.startswith(STAFF):
                self.broken.append(text)
