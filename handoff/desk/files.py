"""Pictures and files in a chat: hers fetched and shown only when asked for, ours cleaned, sealed and lent to the
platform under an address nobody can guess, for two days.
"""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue
from sqlalchemy import insert, select

from bot.errors import Refused
from bot.messages import Reply
from bot.store import models, queries
from bot.store.bodies import attachments_from_json
from bot.store.crypto import Sealed
from handoff import deeds
from handoff.accounts import allow, audit, current_staff
from handoff.deeds import find
from handoff.desk.room import desk, pages
from handoff.desk.talk import back, once_of
from handoff.frame import frame, now
from handoff.media import MOST_BYTES, Clean, clean, fetch

if TYPE_CHECKING:
    from bot.wiring import Parts

media = queries.table(models.Media)
LENT_MS = 48 * 3_600_000


@pages.get("/tickets/<uuid:reference>/attachments/<uuid:entry>/<int:number>")
@allow("counsellor", "lead")
def attachment(reference: uuid.UUID, entry: uuid.UUID, number: int) -> ResponseReturnValue:
    """What she sent, fetched from the platform now, looked into, never kept."""
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
        files = attachments_from_json(body.get("attachments", []))
        if number >= len(files) or not files[number].url:
            abort(404)
        audit(connection, staff, "file.opened", f"ticket:{reference}")
    return _served(fetch(files[number].url))


@pages.post("/tickets/<uuid:reference>/picture")
@allow("counsellor", "lead")
def picture(reference: uuid.UUID) -> ResponseReturnValue:
    """Sends a picture, or a PDF as a link."""
    staff, given = current_staff(), request.files.get("file")
    if given is None:
        raise Refused("Chị chọn tệp giúp.")
    found = clean(given.stream.read(MOST_BYTES + 1))
    if not (found.picture or found.kind == "application/pdf"):
        raise Refused("Chỉ gửi được hình hoặc PDF.")
    token = secrets.token_urlsafe(32)
    with frame().parts.database.write() as connection:
        row = find(connection, staff, str(reference), now())
        her = queries.get_conversation(connection, row["conversation_id"], lock=True)
        if her is None or her["wrapped_key"] is None:
            abort(404)
        ring = frame().parts.database.keyring
        public, key = str(uuid.uuid4()), ring.open_key(her["wrapped_key"])
        connection.execute(
            insert(media).values(
                uuid=public,
                conversation_id=her["id"],
                staff_id=staff.id,
                kind=found.kind,
                body_sealed=key.seal(found.body.hex(), "media", public, "body"),
                token_index=ring.index("media", token),
                until=now() + LENT_MS,
                at=now(),
            )
        )
    address = f"{frame().accounts.base_url}/media/{token}"
    said = Reply(image=address) if found.picture else Reply(f"Em gửi chị tệp này ạ: {address}")
    once = once_of()
    deeds.reply(desk(), staff, str(reference), [said], once=once, paid=request.form.get("paid") == "1")
    return back(reference, once=once, hold=deeds.HOLD_MS)


def lent(parts: Parts) -> Blueprint:
    """The public door at which platforms fetch what staff sent. For the public front; it knows nothing of staff."""
    door = Blueprint("media", __name__)

    @door.get("/media/<token>")
    def give(token: str) -> Response:
        ring = parts.database.keyring
        with parts.database.read() as connection:
            query = select(media, queries.conversation.c.wrapped_key).join(
                queries.conversation, queries.conversation.c.id == media.c.conversation_id
            )
            row = connection.execute(query.where(media.c.token_index == ring.index("media", token))).mappings().first()
        if row is None or row["until"] < parts.rim.clock() or row["wrapped_key"] is None:
            abort(404)
        try:
            body = ring.open_key(row["wrapped_key"]).open(row["body_sealed"], "media", row["uuid"], "body")
        except Sealed:
            abort(404)
        return _served(Clean(row["kind"], bytes.fromhex(body)))

    return door


def _served(found: Clean) -> Response:
    response = Response(found.body, mimetype=found.kind)
    name = "hinh.jpg" if found.picture else "tep.pdf" if found.kind == "application/pdf" else "tin-thoai"
    response.headers["Content-Disposition"] = f"{'inline' if found.picture else 'attachment'}; filename={name}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
