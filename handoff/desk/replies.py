"""Words used again: saved replies with their pictures, and approved articles, found while writing by a few letters."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, RowMapping, delete, insert, or_, select

from bot.errors import Refused
from bot.hearing import ZONE
from bot.store import models, queries
from handoff.accounts import allow, audit, current_staff
from handoff.accounts.staff import Staff
from handoff.deeds import DASHES, find
from handoff.desk import transcript
from handoff.desk.room import board, fold, office_name, pages, wants_json
from handoff.frame import frame, now, page
from handoff.media import MOST_BYTES, Clean, sendable

saved = queries.table(models.SavedReply)
saved_file = queries.table(models.SavedFile)
MOST_SAVED = 4_000


@pages.get("/tickets/<uuid:reference>/finds")
@allow("counsellor", "lead")
def finds(reference: uuid.UUID) -> ResponseReturnValue:
    """Saved replies with their places filled, and articles that may be said today, best first for the words typed."""
    staff, wanted = current_staff(), fold(request.args.get("q", "")).split()
    with frame().parts.database.read() as connection:
        row = find(connection, staff, str(reference), now())
        chat = transcript.chat(board(connection), row, limit=1)
        found = _saved(connection, staff)
    name = str(chat.slots.get("name") or "")
    places = {
        "ten": f"chị {name}" if name else "chị",
        "tu_van_vien": staff.name,
        "van_phong": office_name(row["office"]) if row["office"] else "OSSO",
    }
    options = [
        {
            "kind": "saved",
            "title": one["title"],
            "text": fill(one["body"], places),
            "file": one["uuid"] if one["file_kind"] else "",
        }
        for one in found
    ]
    options += _articles()
    ranked = sorted(
        ((score, number, one) for number, one in enumerate(options) if (score := fit(wanted, one)) > 0),
        key=lambda found: (-found[0], found[1]),
    )
    return jsonify([one for _score, _number, one in ranked[:12]])


def _saved(connection: Connection, staff: Staff) -> Sequence[RowMapping]:
    """Her own saved replies and the team's, hers first; `file_kind` is NULL without a file."""
    query = (
        select(saved, saved_file.c.kind.label("file_kind"))
        .join(saved_file, saved_file.c.reply_id == saved.c.id, isouter=True)
        .where(or_(saved.c.staff_id.is_(None), saved.c.staff_id == staff.id))
    )
    return connection.execute(query.order_by(saved.c.staff_id.is_(None), saved.c.title)).mappings().all()


def files_of(connection: Connection, staff: Staff, references: Sequence[str]) -> list[Clean]:
    """The files of these saved replies, as far as she may use them."""
    query = (
        select(saved_file.c.kind, saved_file.c.body)
        .join(saved, saved.c.id == saved_file.c.reply_id)
        .where(saved.c.uuid.in_(references), or_(saved.c.staff_id.is_(None), saved.c.staff_id == staff.id))
    )
    return [Clean(row.kind, bytes(row.body)) for row in connection.execute(query.order_by(saved.c.id))]


def fill(text: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        text = text.replace("{" + place + "}", value)
    return text


def fit(wanted: list[str], option: dict[str, Any]) -> int:
    """How well an option answers the words typed, tone marks or not; 0: not at all."""
    title, text = fold(str(option["title"])), fold(str(option["text"]))
    if not wanted:
        return 2 if option["kind"] == "saved" else 1
    if not all(word in title or word in text for word in wanted):
        return 0
    return 1 + sum(3 * (word in title) + (word in text) for word in wanted)


def _articles() -> list[dict[str, Any]]:
    rim = frame().parts.rim
    knowledge = getattr(rim.mind().book, "knowledge", None)
    if knowledge is None:
        return []
    today = datetime.datetime.fromtimestamp(now() / 1000, ZONE).date()
    return [
        {
            "kind": "article",
            "title": one.title,
            "text": f"\n{DASHES}\n".join(one.answer),
            "draft": one.status != "published",
        }
        for one in knowledge.serving(drafts=rim.drafts, today=today)
    ]


@pages.get("/replies")
@allow("counsellor", "lead")
def replies() -> str:
    staff = current_staff()
    with frame().parts.database.read() as connection:
        found = _saved(connection, staff)
    return page("desk/replies.html", found=found)


@pages.post("/replies")
@allow("counsellor", "lead")
def save_reply() -> ResponseReturnValue:
    """A counsellor saves for herself; the team's are a lead's. From the page of all, or from a message in a chat."""
    staff, form = current_staff(), request.form
    title, body = form.get("title", "").strip()[:80], form.get("body", "").strip()
    if not title or not body or len(body) > MOST_SAVED:
        raise Refused("Câu mẫu cần tên và nội dung, không quá 4000 chữ.")
    team = form.get("team") == "1"
    if team and not staff.has("lead"):
        raise Refused("Câu mẫu của cả đội do trưởng văn phòng thêm.")
    given = request.files.get("file")
    file = sendable(given.stream.read(MOST_BYTES + 1)) if given and given.filename else None
    values = {"uuid": str(uuid.uuid4()), "staff_id": None if team else staff.id, "title": title, "body": body}
    with frame().parts.database.write() as connection:
        made = connection.execute(insert(saved).values(**values, at=now()).returning(saved.c.id)).scalar_one()
        if file is not None:
            connection.execute(insert(saved_file).values(reply_id=made, kind=file.kind, body=file.body))
        audit(connection, staff, "reply.saved", f"staff:{staff.uuid}", "team" if team else "own")
    return jsonify(done=True) if wants_json() else redirect(url_for("desk.replies"), 303)


@pages.post("/replies/<uuid:reference>/drop")
@allow("counsellor", "lead")
def drop_reply(reference: uuid.UUID) -> ResponseReturnValue:
    staff = current_staff()
    mine = saved.c.staff_id == staff.id
    with frame().parts.database.write() as connection:
        connection.execute(
            delete(saved).where(
                saved.c.uuid == str(reference), or_(mine, saved.c.staff_id.is_(None)) if staff.has("lead") else mine
            )
        )
        audit(connection, staff, "reply.dropped", f"staff:{staff.uuid}")
    return redirect(url_for("desk.replies"), 303)
