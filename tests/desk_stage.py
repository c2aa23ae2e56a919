"""A small stage for the desk: the real staff app over a real database, a clock one can turn, browsers with cookies.

Passwords are hashed cheaply here; everything else is as in the product.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from flask import Flask
from werkzeug.test import Client, TestResponse

from bot import settings as settings_room
from bot.settings import Settings
from bot.store.database import Database
from handoff.accounts import Role, codes, members, queries
from handoff.accounts.accounts import Accounts, open_accounts
from handoff.accounts.passwords import Hasher
from handoff.accounts.sessions import device_name
from handoff.accounts.signing_in import Visitor
from handoff.app import create_desk
from tests.conftest import SECRET

if TYPE_CHECKING:
    from bot.wiring import Parts

START = 1_790_000_000_000
OFFICES = {"osso-hanoi": "Văn phòng OSSO Hà Nội", "osso-cantho": "Văn phòng OSSO Cần Thơ"}
PASSWORD = "quả bưởi xanh trên mái ngói"
TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


def settings_for(url: str, tmp_path: Path, **environ: str) -> Settings:
    given = {"OSSO_SECRET_KEYS": SECRET, "OSSO_DATABASE_URL": url, "OSSO_DATA_DIR": str(tmp_path)}
    return settings_room.load(given | environ)


@dataclass
class Member:
    id: int
    uuid: str
    login: str
    secret: str
    password: str = PASSWORD


@dataclass
class Browser:
    """One browser: cookies, and the headers a real one sends with a form of ours."""

    stage: DeskStage
    client: Client
    address: str = "203.0.113.7"
    base: str = "http://localhost"
    _tokens: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(
            path,
            base_url=self.base,
            headers=headers,
            environ_overrides={"REMOTE_ADDR": self.address},
            buffered=True,
        )

    def post(self, path: str, form: dict[str, object] | None = None, **headers: str) -> TestResponse:
        """With a right form token unless the form brings its own."""
        data: dict[str, object] = {"form_token": self.token()} | (form or {})
        given = {"Sec-Fetch-Site": "same-origin", "Origin": "null"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.client.post(
            path,
            data=data,
            base_url=self.base,
            headers=given,
            environ_overrides={"REMOTE_ADDR": self.address},
            buffered=True,
        )

    def token(self) -> str:
        cookie = self.cookie()
        if cookie not in self._tokens:
            page = self.get("/account" if self.signed_in() else "/step-up")
            if page.status_code != 200:
                page = self.get("/sign-in")
            if page.status_code != 200:  # half-way pages are the only others with a form
                page = self.get("/sign-in/code")
            found = TOKEN.search(page.text)
            assert found, page.text
            self._tokens[self.cookie()] = found[1]
        return self._tokens[self.cookie()]

    def cookie(self, name: str = "osso") -> str:
        found = self.client.get_cookie(name)
        return found.value if found else ""

    def signed_in(self) -> bool:
        return bool(self.cookie()) and self.get("/account").status_code == 200

    def sign_in(self, member: Member) -> TestResponse:
        """Password, then the next code nobody has used."""
        first = self.post("/sign-in", {"login": member.login, "password": member.password})
        assert first.status_code == 303, first.text
        last = self.post("/sign-in/code", {"code": self.stage.code(member)})
        assert last.status_code == 303, last.text
        return last


@dataclass
class DeskStage:
    database: Database
    settings: Settings
    now: int = START
    since: int = 0  # audit rows up to here are of earlier tests
    accounts: Accounts = field(init=False)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        self.accounts = open_accounts(
            self.settings,
            self.database,
            clock=lambda: self.now,
            offices=lambda: OFFICES,
            hasher=Hasher(memory_kib=8, passes=1, lanes=1),
        )
        parts = SimpleNamespace(
            settings=self.settings, database=self.database, rim=SimpleNamespace(clock=lambda: self.now)
        )
        self.app = create_desk(cast("Parts", parts), lambda _conversation, _rank: None, accounts=self.accounts)

    def fresh(self) -> DeskStage:
        """An empty house for the next test, an hour later; only the audit, which nobody can empty, goes on."""
        with self.database.write() as connection:
            for gone in (queries.post, queries.session, queries.recovery, queries.invitation, queries.glass):
                connection.execute(gone.delete())
            connection.execute(queries.staff.delete())
            connection.execute(queries.throttle.delete())
            last = queries.lock_audit(connection)
        self.since = last["id"] if last else 0
        self.turn(3600)
        return self

    def turn(self, seconds: float) -> None:
        self.now += int(seconds * 1000)

    def browser(self, address: str = "203.0.113.7") -> Browser:
        return Browser(self, Client(self.app, use_cookies=True), address)

    def add(self, login: str, *posts: tuple[Role, str], name: str = "") -> Member:
        """An accepted member with these posts."""
        token = members.invite(self.accounts, None, login=login, name=name or f"Chị {login}", posts=posts)
        members.choose_password(self.accounts, token, PASSWORD, PASSWORD)
        found = members.opened(self.accounts, token)
        assert found
        visitor = Visitor("203.0.113.99", device_name("Chrome Windows"))
        members.accept(self.accounts, token, codes.code_at(found.secret, self.now), visitor=visitor)
        with self.database.write() as connection:
            row = queries.member(connection, login=login)
            assert row
            queries.end_sessions_of(connection, row["id"])
        return Member(row["id"], row["uuid"], login, found.secret)

    def code(self, member: Member) -> str:
        """The member's next code: the clock moves a step on, since a code is good once."""
        self.turn(codes.STEP_S)
        return codes.code_at(member.secret, self.now)

    def signed_in(self, login: str, *posts: tuple[Role, str], name: str = "") -> Browser:
        browser = self.browser()
        browser.sign_in(self.add(login, *posts, name=name))
        return browser

    def actions(self) -> list[str]:
        """What this test did according to the audit, oldest first."""
        with self.database.read() as connection:
            return [row["action"] for row in queries.audit_after(connection, self.since, 10_000)]


@contextmanager
def desk_on(database: Database, tmp_path: Path, **environ: str) -> Iterator[DeskStage]:
    yield DeskStage(database, settings_for(database.url, tmp_path, **environ))
