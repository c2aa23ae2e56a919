"""What every page of the desk works with: the desk of this request, lists, signs of life, the words of templates."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, current_app, request
from sqlalchemy import Connection, select, update
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from bot.channels import Window
from bot.store import queries
from handoff.accounts import audit, current_staff
from handoff.accounts.queries import audit as audit_table
from handoff.accounts.staff import EVERYWHERE, Staff
from handoff.deeds import Desk, Missing
from handoff.desk import words
from handoff.desk.live import Watch
from handoff.desk.rows import VIEWS, Board, Wish, writing_now
from handoff.duty import presence
from handoff.frame import frame, now, translate

pages = Blueprint("desk", __name__)
READ_AGAIN_MS = 15 * 60_000  # a page that goes on showing the same chat is one reading, recorded anew this often


@pages.record_once
def _watch(setup: Any) -> None:
    built = frame_of(setup.app)
    setup.app.extensions["osso-watch"] = Watch(built.parts.database, built.accounts.clock)


def frame_of(app: Any) -> Any:
    return app.extensions["osso"]


def watch() -> Watch:
    found = current_app.extensions["osso-watch"]
    assert isinstance(found, Watch)  # noqa: S101 - tells mypy what _watch put there
    return found


def desk() -> Desk:
    return Desk(frame().parts.rim, frame().wake, audit)


def board(connection: Connection) -> Board:
    return Board(connection, frame().parts.database.keyring, current_staff(), now(), window)


def window(channel: str, heard_at: int, at: int) -> Window:
    found = frame().parts.rim.channels.get(channel)
    return found.window(heard_at, at) if found else Window(bot=False, person=False, closes_at=0, billed=False)


def wish(args: Mapping[str, str]) -> Wish:
    """What the address asks for; what it cannot mean is left out."""
    view = args.get("view", "waiting")
    page = args.get("page", "0")
    return Wish(
        view if view in VIEWS else "waiting",
        args.get("office", "")[:32],
        args.get("topic", "")[:16],
        args.get("level", "")[:5],
        args.get("label", "")[:40],
        min(int(page), 200) if page.isascii() and page.isdigit() else 0,
    )


def offices() -> dict[str, str]:
    """Office id → name, those she works at (all of them for `*`)."""
    every = dict(frame().accounts.offices())
    mine = current_staff().offices_as("counsellor", "lead")
    return every if EVERYWHERE in mine else {one: name for one, name in every.items() if one in mine}


def office_name(reference: str) -> str:
    name = frame().accounts.offices().get(reference, reference)
    return name.removeprefix("Văn phòng ")


def beat(connection: Connection, staff: Staff, *, ticket_id: int | None, writing: str = "") -> None:
    """A sign of life. The change is told on only when what she looks at, or what she writes (reply, note), is new."""
    at = now()
    row = connection.execute(select(presence).where(presence.c.staff_id == staff.id)).mappings().first()
    values: dict[str, Any] = {"seen_at": at, "ticket_id": ticket_id, "typing_at": at if writing else 0}
    values["writing"] = writing
    if row is None or row["ticket_id"] != ticket_id or writing_now(row, at) != writing:
        values["changed_at"] = at
    queries.upsert(connection, presence, {"staff_id": staff.id}, values)


def leave(connection: Connection, staff: Staff) -> None:
    gone = update(presence).where(presence.c.staff_id == staff.id, presence.c.ticket_id.is_not(None))
    connection.execute(gone.values(ticket_id=None, typing_at=0, changed_at=now()))


def read_lately(connection: Connection, staff: Staff, subject: str) -> bool:
    query = select(audit_table.c.id).where(
        audit_table.c.subject == subject,
        audit_table.c.staff_id == staff.id,
        audit_table.c.action == "chat.read",
        audit_table.c.at > now() - READ_AGAIN_MS,
    )
    return connection.execute(query.limit(1)).first() is not None


def fold(text: str) -> str:
    """Without tone marks and case: how words are looked for."""
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def wants_json() -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


@pages.errorhandler(Missing)
def _missing(_error: Missing) -> AnyResponse:
    """Not there, or not for her: the same page."""
    return current_app.make_response(current_app.handle_user_exception(NotFound()))


@pages.app_context_processor
def _words() -> dict[str, object]:
    return {
        "words": words,
        "office_name": office_name,
        "lasting": lambda milliseconds: words.lasting(milliseconds, translate),
        "ago": lambda milliseconds: words.ago(milliseconds, translate),
        "day": lambda at: words.day(at, now(), translate),
    }
