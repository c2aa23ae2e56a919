"""Pictures and files in a chat: hers fetched and shown only when asked for, ours looked into before they are sent."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, RowMapping, select

from bot.channels.webchat import KEPT
from bot.errors import Refused
from bot.store import queries
from bot.store.bodies import attachments_from_json
from bot.store.media import kept, token_of
from handoff import deeds
from handoff.accounts import allow, audit, current_staff
from handoff.deeds import find
from handoff.desk.replies import files_of
from handoff.desk.room import desk, pages
from handoff.desk.talk import back, once_of
from handoff.frame import frame, now
from handoff.media import GONE, MOST_BYTES, Clean, clean, fetch, sendable

if TYPE_CHECKING:
    from bot.wiring import Parts


@pages.get("/tickets/<uuid:reference>/attachments/<uuid:entry>/<int:number>")
@allow("counsellor", "lead")
def attachment(reference: uuid.UUID, entry: uuid.UUID, number: int) -> ResponseReturnValue:
    """What she sent, fetched from the platform now, looked into, never kept; or the picture that staff sent her."""
    staff = current_staff()
    with frame().parts.database.write() as connection:
        row = find(connection, staff, str(reference), now())
        her = queries.get_conversation(connection, row["conversation_id"])
        query = select(queries.entry).where(
            queries.entry.c.uuid == str(entry), queries.entry.c.conversation_id == row["conversation_id"]
        )
        found = connection.execute(query).mappings().first()
        if her is None or her["wrapped_key"] is None or found is None or found["body_sealed"] is None:
            abort(404)
        key = frame().parts.database.keyring.open_key(her["wrapped_key"])
        body = key.open(found["body_sealed"], "entry", found["uuid"], "body")
        urls = [one.url for one in attachments_from_json(body.get("attachments", []))] or [body.get("image", "")]
        if number >= len(urls) or not urls[number]:
            abort(404)
        audit(connection, staff, "file.opened", f"ticket:{reference}")
        ours = _ours(connection, her, urls[number])
    return _served(ours or fetch(urls[number]))


def _ours(connection: Connection, her: RowMapping, url: str) -> Clean | None:
    """A file that lies here: an invented woman's, looked into now as one from a platform; or what staff sent. None for
    an address elsewhere. Raises Refused."""
    token = url.removeprefix(KEPT) if url.startswith(KEPT) else token_of(url)
    if not token:
        return None
    found = kept(connection, frame().parts.database.keyring, token)
    if found is None or found.conversation_id != her["id"]:
        raise Refused(GONE)
    if found.staff_id is not None:
        return Clean(found.kind, found.body)
    if found.until < now():
        raise Refused(GONE)
    return clean(found.body)


@pages.post("/tickets/<uuid:reference>/picture")
@allow("counsellor", "lead")
def picture(reference: uuid.UUID) -> ResponseReturnValue:
    """Sends a picture, or a PDF as a link."""
    staff, given = current_staff(), request.files.get("file")
    if given is None:
        raise Refused("Chị chọn tệp giúp.")
    found = sendable(given.stream.read(MOST_BYTES + 1))
    said = deeds.lend(desk(), staff, str(reference), found, base_url=frame().accounts.base_url)
    once = once_of()
    deeds.reply(desk(), staff, str(reference), [said], once=once, paid=request.form.get("paid") == "1")
    return back(reference, once=once, hold=deeds.HOLD_MS)


@pages.get("/replies/<uuid:reference>/file")
@allow("counsellor", "lead")
def reply_file(reference: uuid.UUID) -> ResponseReturnValue:
    """What goes with a saved reply, to look at before it is used."""
    with frame().parts.database.read() as connection:
        found = files_of(connection, current_staff(), [str(reference)])
    if not found:
        abort(404)
    return _served(found[0])


def lent(parts: Parts) -> Blueprint:
    """The public door at which platforms fetch what staff sent. For the public front; it knows nothing of staff."""
    door = Blueprint("media", __name__)

    @door.get("/media/<token>")
    def give(token: str) -> Response:
        with parts.database.read() as connection:
            found = kept(connection, parts.database.keyring, token)
        if found is None or found.staff_id is None or found.until < parts.rim.clock():
            abort(404)
        return _served(Clean(found.kind, found.body))

    return door


def _served(found: Clean) -> Response:
    response = Response(found.body, mimetype=found.kind)
    name = "hinh.jpg" if found.picture else "tep.pdf" if found.kind == "application/pdf" else "tin-thoai"
    response.headers["Content-Disposition"] = f"{'inline' if found.picture else 'attachment'}; filename={name}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
