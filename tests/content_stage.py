"""The content staff's room: the real staff app over a small folder of articles, real flows, a reader one can see."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from sqlalchemy import insert, select
from werkzeug.serving import make_server
from werkzeug.test import Client

from bot import texts
from bot.channels.messenger import Messenger
from bot.channels.zalo import Zalo
from bot.engine import REQUIRED, Book
from bot.flows import load as load_flows
from bot.flows.values import Flows
from bot.knowledge import Article, read
from bot.store import queries
from bot.store.database import Database
from handoff.accounts import Role, Staff, sessions
from handoff.accounts import queries as members
from handoff.accounts.accounts import Accounts, open_accounts
from handoff.accounts.passwords import Hasher
from handoff.app import create_desk
from handoff.content import approvals
from tests.desk_room import Window
from tests.desk_stage import OFFICES, settings_for
from tests.dialogue import FLOWS, ROOT, START, PlainReader, PlainScreen, inside, known
from tests.knowledge_sample import sample

if TYPE_CHECKING:
    from bot.wiring import Parts


@cache
def flows() -> Flows:
    return load_flows(FLOWS, actions=inside().names, articles=known().articles, required=REQUIRED)


@cache
def catalogues() -> texts.Texts:
    return texts.load(ROOT / "locales")


@dataclass
class ContentRoom:
    """`root` is the folder of articles; what is saved there is what the bot reads next."""

    database: Database
    folder: Path
    now: int = START
    root: Path = field(init=False)
    accounts: Accounts = field(init=False)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.folder / "knowledge"
        self.root.mkdir(exist_ok=True)
        sample(self.root)
        settings = settings_for(self.database.url, self.folder, OSSO_KNOWLEDGE_DIR=str(self.root))
        self.accounts = open_accounts(
            settings,
            self.database,
            clock=lambda: self.now,
            offices=lambda: OFFICES,
            hasher=Hasher(memory_kib=8, passes=1, lanes=1),
        )
        channels = {"zalo": Zalo((), "", ""), "messenger": Messenger((), "")}
        rim = SimpleNamespace(clock=lambda: self.now, mind=self.mind, channels=channels, drafts=True)
        parts = SimpleNamespace(settings=settings, database=self.database, rim=rim)
        self.app = create_desk(cast("Parts", parts), lambda _conversation, _rank: None, accounts=self.accounts)

    def mind(self) -> Any:
        held = read(self.root).knowledge
        return SimpleNamespace(book=Book(held, PlainReader(held), PlainScreen(), flows(), catalogues()))

    def hire(self, login: str, *roles: Role, fields: tuple[str, ...] = ()) -> Staff:
        """A member at every office, with what she may judge."""
        with self.database.write() as connection:
            name = f"Chị {login.title()}"
            staff_id = members.add_member(connection, login=login, name=name, locale="vi", now=self.now)
            members.set_posts(connection, staff_id, [(role, "*") for role in roles])
            if fields:
                approvals.set_fields(self.accounts, connection, staff_id, fields, by=None)
            row = members.member(connection, id=staff_id)
            assert row is not None
            return members.as_staff(connection, row)

    def cookie(self, staff: Staff) -> str:
        with self.database.write() as connection:
            return sessions.start(connection, staff.id, "open", device="", now=self.now)

    def browser(self, login: str, *roles: Role, fields: tuple[str, ...] = ()) -> Window:
        client = Client(self.app, use_cookies=True)
        client.set_cookie("osso", self.cookie(self.hire(login, *roles, fields=fields)), domain="localhost")
        window = Window(client)
        window.get("/account")
        return window

    def article(self, name: str = "leg-mot") -> Article:
        return read(self.root).knowledge.articles[name]

    def text(self, name: str = "legal/leg-mot.yml") -> str:
        return (self.root / name).read_text("utf-8")

    def out(self) -> frozenset[tuple[str, str]]:
        with self.database.read() as connection:
            return queries.articles_out(connection)

    def audited(self) -> list[tuple[str, str, str]]:
        with self.database.read() as connection:
            rows = members.audit_after(connection, 0, 10_000)
        return [(row["action"], row["subject"], row["detail"]) for row in rows]

    def misses(self, text: str, near: str = "", status: str = "new", at: int = 0) -> str:
        """A woman asks what nobody can answer; the public id of her question."""
        public, her = str(uuid.uuid4()), str(uuid.uuid4())
        wrapped, key = self.database.keyring.new_key()
        with self.database.write() as connection:
            row = queries.add_conversation(
                connection,
                {
                    "uuid": her,
                    "channel": "zalo",
                    "account": "1",
                    "person_index": self.database.keyring.index(her),
                    "wrapped_key": wrapped,
                    "created_at": self.now,
                },
            )
            sealed = key.seal(text, "missed_question", public, "text")
            values = {"candidates": [[near, 0.4]] if near else [], "status": status, "at": at or self.now}
            connection.execute(
                insert(queries.missed).values(uuid=public, conversation_id=row["id"], text_sealed=sealed, **values)
            )
        return public

    def feels(self, article: str, *, useful: bool, why: str = "") -> None:
        with self.database.write() as connection:
            her = connection.execute(select(queries.conversation.c.id).limit(1)).scalar_one()
            values = {"article": article, "useful": useful, "why": why, "at": self.now}
            connection.execute(insert(queries.feedback).values(conversation_id=her, **values))

    def status(self, reference: str) -> str:
        with self.database.read() as connection:
            query = select(queries.missed.c.status).where(queries.missed.c.uuid == reference)
            return str(connection.execute(query).scalar_one())

    @contextmanager
    def served(self) -> Iterator[str]:
        """The app on a free port of this machine."""
        server = make_server("127.0.0.1", 0, self.app, threaded=True)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(5)
            server.server_close()
