"""The room of counsellors with its pages: the real staff app, signed-in browsers, no network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from werkzeug.serving import make_server
from werkzeug.test import Client, TestResponse

from handoff.accounts import sessions
from handoff.accounts.accounts import Accounts, open_accounts
from handoff.accounts.passwords import Hasher
from handoff.accounts.staff import Staff
from handoff.app import create_desk
from tests.desk_stage import settings_for
from tests.room import Room

if TYPE_CHECKING:
    from bot.wiring import Parts

OFFICES = {"hn": "Văn phòng OSSO Hà Nội", "ct": "Văn phòng OSSO Cần Thơ"}
TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass
class Window:
    """Her browser, signed in."""

    client: Client
    token: str = ""

    def get(self, path: str, **headers: str) -> TestResponse:
        given = {"Sec-Fetch-Dest": "document"} | {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.get(path, base_url="http://localhost", headers=given)
        if found := TOKEN.search(answer.text) if answer.mimetype == "text/html" else None:
            self.token = found[1]
        return answer

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        if not self.token:
            self.get("/queue")
        given = {"Sec-Fetch-Site": "same-origin", "Origin": "null"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        data = {"form_token": self.token} | (form or {})
        return self.client.post(path, data=data, base_url="http://localhost", headers=given)


@dataclass
class DeskRoom(Room):
    folder: Path = Path()
    accounts: Accounts = field(init=False)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        settings = settings_for(self.database.url, self.folder)
        self.accounts = open_accounts(
            settings,
            self.database,
            clock=lambda: self.now,
            offices=lambda: OFFICES,
            hasher=Hasher(memory_kib=8, passes=1, lanes=1),
        )
        parts = SimpleNamespace(settings=settings, database=self.database, rim=self.stage.rim)
        self.app = create_desk(cast("Parts", parts), lambda _conversation, _rank: None, accounts=self.accounts)

    def cookie(self, staff: Staff) -> str:
        with self.database.write() as connection:
            return sessions.start(connection, staff.id, "open", device="", now=self.now)

    def browser(self, staff: Staff) -> Window:
        client = Client(self.app, use_cookies=True)
        client.set_cookie("osso", self.cookie(staff), domain="localhost")
        return Window(client)

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
