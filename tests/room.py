"""A room of counsellors on the rim's small stage: real tables, real rules, invented staff, and a mind that parrots."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, insert, select, update

from bot.knowledge.places import Province
from bot.messages import Appointment, OpenTicket, Reply, Timer
from bot.store import queries
from bot.store.database import Database
from bot.texts import Texts
from handoff import deeds, jobs
from handoff.accounts import queries as accounts
from handoff.accounts.staff import Role, Staff
from handoff.deeds import Desk
from handoff.duty import card, presence, shift
from handoff.tickets import Take
from tests.stage import Parrot, Stage, message

PROVINCES = {"ha-noi": Province("ha-noi", "Thành phố Hà Nội", "Hà Nội", office="hn")}


@dataclass
class Thinker(Parrot):
    """A parrot with the texts a mind has."""

    book: Any = field(default_factory=lambda: SimpleNamespace(texts=Texts({})))


@dataclass
class Room:
    """The stage, the desk on it, and what the audit was told."""

    database: Database
    told: list[tuple[int | None, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = Stage(self.database, parrot=Thinker())
        self.desk = Desk(self.stage.rim, lambda conversation_id, rank: None, self.record)

    @property
    def now(self) -> int:
        return self.stage.now

    def later(self, milliseconds: int) -> None:
        self.stage.now += milliseconds

    def record(
        self, connection: Connection, staff: Staff | None, action: str, subject: str, detail: str = ""
    ) -> None:  # fmt: skip
        self.told.append((staff.id if staff else None, action, subject))

    def hire(
        self, login: str, *posts: tuple[Role, str], present: bool = True, on_shift: bool = True, **more: Any
    ) -> Staff:
        """A member with a round-the-clock shift and a desk that was seen just now. `more` goes on her card."""
        with self.database.write() as connection:
            staff_id = accounts.add_member(connection, login=login, name=login.title(), locale="vi", now=self.now)
            accounts.set_posts(connection, staff_id, posts or (("counsellor", "hn"),))
            if more:
                connection.execute(insert(card).values(staff_id=staff_id, **more))
            for weekday in range(7 if on_shift else 0):
                connection.execute(
                    insert(shift).values(
                        uuid=str(uuid.uuid4()), staff_id=staff_id, weekday=weekday, start=0, end=0, holidays=True
                    )
                )
            row = accounts.member(connection, id=staff_id)
            assert row is not None
            found = accounts.as_staff(connection, row)
        if present:
            self.see(found)
        return found

    def see(self, staff: Staff) -> None:
        """A sign of life from her browser."""
        with self.database.write() as connection:
            queries.upsert(connection, presence, {"staff_id": staff.id}, {"seen_at": self.now})

    def asks(self, text: str = "em muốn gặp người thật", person: str = "p1", **more: Any) -> str:
        """She writes and a ticket is opened for her; its public id."""
        accepted = self.stage.write(text, person=person, key=f"{person}-{text}-{self.now}")
        fields: dict[str, Any] = {"reason": "asked", "office": "hn"} | more
        with self.database.write() as connection:
            ticket_id, _new = queries.ask_for_person(connection, accepted.wake[0][0], now=self.now, **fields)
            return str(
                connection.execute(select(queries.ticket.c.uuid).where(queries.ticket.c.id == ticket_id)).scalar_one()
            )

    def wants(
        self, kind: str = "call", when: str = "", *, person: str = "p1", office: str = "hn", act: str = "ask"
    ) -> str:
        """She asks for an appointment, moves or cancels it; the public id of her newest request."""
        effect = Appointment(act, kind, when, office)  # type: ignore[arg-type]
        asks = (OpenTicket("appointment"),) if act != "cancel" else ()
        self.stage.parrot.effects = lambda _heard: (effect, Timer("appointment", 0), *asks)
        self.says(f"{act} {when}", person=person, key=f"{person}-{act}-{when}-{self.now}")
        self.stage.parrot.effects = lambda _heard: ()
        with self.database.read() as connection:
            newest = select(queries.appointment.c.uuid).order_by(queries.appointment.c.id.desc()).limit(1)
            return str(connection.execute(newest).scalar_one())

    def says(self, text: str, person: str = "p1", key: str = "") -> None:
        self.stage.hear(message(text, key=key or f"{person}-{text}-{self.now}", person=person))

    def drain(self) -> None:
        for row in self.stage.rows("SELECT id FROM conversation"):
            self.stage.worker.drain(row[0])

    def ticket(self, reference: str) -> Any:
        with self.database.read() as connection:
            query = select(queries.ticket).where(queries.ticket.c.uuid == reference)
            return connection.execute(query).mappings().one()

    def owner(self, reference: str) -> str:
        with self.database.read() as connection:
            found = queries.get_conversation(connection, self.ticket(reference)["conversation_id"])
        assert found is not None
        return str(found["owner"])

    def change(self, reference: str, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(update(queries.ticket).where(queries.ticket.c.uuid == reference).values(**values))

    def log(self, reference: str) -> list[str]:
        with self.database.read() as connection:
            events = queries.ticket_event
            query = select(events.c.kind).where(events.c.ticket_id == self.ticket(reference)["id"])
            return list(connection.execute(query.order_by(events.c.id)).scalars())

    def tick(self) -> None:
        """Every job of the desk, once."""
        for job in jobs.jobs(self.desk, lambda: PROVINCES):
            job.run()

    def take(self, staff: Staff, reference: str) -> None:
        deeds.do(self.desk, staff, reference, Take())

    def reply(self, staff: Staff, reference: str, text: str, once: str = "", **more: Any) -> list[int]:
        words = [Reply(one) for one in deeds.pieces(text)]
        return deeds.reply(self.desk, staff, reference, words, once=once or str(uuid.uuid4()), **more)

    def said(self) -> list[str]:
        """What really reached the platforms."""
        return self.stage.platforms.texts
