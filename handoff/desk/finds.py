"""Words found again: saved replies and approved articles while writing, and what was said in the chats she may read.

Bodies are encrypted, and an index of words, even keyed, would tell how often each word is said. So searching opens the
newest messages within her scope and looks; every answer says how far back it looked, and goes on from there.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from typing import Any

from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import delete, insert, or_, select

from bot.errors import Refused
from bot.hearing import ZONE
from bot.store import models, queries
from bot.store.crypto import ConversationKey, Sealed
from handoff.accounts import allow, audit, current_staff
from handoff.deeds import DASHES, find
from handoff.desk import rows
from handoff.desk.room import board, fold, office_name, pages
from handoff.desk.words import text_of
from handoff.frame import frame, now, page
from handoff.scope import readable

saved = queries.table(models.SavedReply)
SCAN = 3_000  # messages opened by one search
SHOWN = 50


@pages.get("/tickets/<uuid:reference>/finds")
@allow("counsellor", "lead")
def finds(reference: uuid.UUID) -> ResponseReturnValue:
    """Saved replies with their places filled, and articles that may be said today, best first for the words typed."""
    staff, wanted = current_staff(), fold(request.args.get("q", "")).split()
    with frame().parts.database.read() as connection:
        row = find(connection, staff, str(reference), now())
        chat = rows.chat(board(connection), row, limit=1)
        found = connection.execute(
            select(saved)
            .where(or_(saved.c.staff_id.is_(None), saved.c.staff_id == staff.id))
            .order_by(saved.c.staff_id.is_(None), saved.c.title)
        ).mappings().all()  # fmt: skip
    name = str(chat.slots.get("name") or "")
    places = {
        "ten": f"chị {name}" if name else "chị",
        "tu_van_vien": staff.name,
        "van_phong": office_name(row["office"]) if row["office"] else "OSSO",
    }
    options = [
        {"kind": "saved", "title": one["title"], "text": fill(one["body"], places), "mine": one["staff_id"] is not None}
        for one in found
    ]
    options += _articles()
    ranked = sorted(
        ((score, number, one) for number, one in enumerate(options) if (score := fit(wanted, one)) > 0),
        key=lambda found: (-found[0], found[1]),
    )
    return jsonify([one for _score, _number, one in ranked[:12]])


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
        query = select(saved).where(or_(saved.c.staff_id.is_(None), saved.c.staff_id == staff.id))
        found = connection.execute(query.order_by(saved.c.title)).mappings().all()
    return page("desk/replies.html", found=found)


@pages.post("/replies")
@allow("counsellor", "lead")
def save_reply() -> ResponseReturnValue:
    """A counsellor saves for herself; the team's are a lead's."""
    staff, form = current_staff(), request.form
    title, body = form.get("title", "").strip()[:80], form.get("body", "").strip()
    if not title or not body or len(body) > 4_000:
        raise Refused("Câu mẫu cần tên và nội dung, không quá 4000 chữ.")
    team = form.get("team") == "1"
    if team and not staff.has("lead"):
        raise Refused("Câu mẫu của cả đội do trưởng văn phòng thêm.")
    with frame().parts.database.write() as connection:
        connection.execute(
            insert(saved).values(
                uuid=str(uuid.uuid4()), staff_id=None if team else staff.id, title=title, body=body, at=now()
            )
        )
        audit(connection, staff, "reply.saved", f"staff:{staff.uuid}", "team" if team else "own")
    return redirect(url_for("desk.replies"), 303)


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


# --- search -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hit:
    """A message with the words: where, and the words around them in three parts."""

    ticket: str
    key: str
    name: str
    author: str
    at: int
    before: str
    words: str
    after: str


@pages.get("/search")
@allow("counsellor", "lead")
def search() -> str:
    staff, asked = current_staff(), request.args.get("q", "").strip()[:100]
    upto = request.args.get("before", "")
    before = int(upto) if upto.isascii() and upto.isdigit() and len(upto) < 16 else 0
    hits: list[Hit] = []
    oldest = (0, 0)
    if asked:
        with frame().parts.database.write() as connection:
            audit(connection, staff, "chat.searched", f"staff:{staff.uuid}")
            hits, oldest = _look(connection, asked, before)
    return page("desk/search.html", asked=asked, hits=hits, oldest=oldest, scan=SCAN)


def _look(connection: Any, asked: str, before: int) -> tuple[list[Hit], tuple[int, int]]:
    """Opens the newest messages of the chats she may read. (hits, (id and time of the oldest looked at; 0: all))."""
    entry, ticket, her = queries.entry, queries.ticket, queries.conversation
    mine = (
        select(ticket.c.conversation_id, ticket.c.uuid)
        .where(readable(current_staff(), now()))
        .order_by(ticket.c.id.desc())
        .limit(5_000)
    )
    tickets: dict[int, str] = {}
    for row in connection.execute(mine):
        tickets.setdefault(row.conversation_id, row.uuid)
    query = (
        select(entry, her.c.wrapped_key, her.c.uuid.label("her"), her.c.state_sealed)
        .join(her, her.c.id == entry.c.conversation_id)
        .where(entry.c.conversation_id.in_(list(tickets)), her.c.wrapped_key.is_not(None), entry.c.kind != "undone")
    )
    if before:
        query = query.where(entry.c.id < before)
    found = connection.execute(query.order_by(entry.c.id.desc()).limit(SCAN)).mappings().all()
    ring = frame().parts.database.keyring
    keys: dict[int, ConversationKey] = {}
    wanted, hits = fold(asked), []
    for row in found:
        key = keys.get(row["conversation_id"])
        if key is None:
            key = keys[row["conversation_id"]] = ring.open_key(row["wrapped_key"])
        try:
            text = text_of(key.open(row["body_sealed"], "entry", row["uuid"], "body")) if row["body_sealed"] else ""
        except Sealed:
            continue
        spot = place(text, wanted)
        if spot is None:
            continue
        start, end = spot
        hits.append(
            Hit(
                tickets[row["conversation_id"]],
                row["uuid"],
                rows.name_of(ring, row),
                row["author"],
                row["at"],
                text[max(0, start - 60) : start],
                text[start:end],
                text[end : end + 90],
            )
        )
        if len(hits) >= SHOWN:
            return hits, (row["id"], row["at"])
    return hits, (found[-1]["id"], found[-1]["at"]) if len(found) == SCAN else (0, 0)


def place(text: str, wanted: str) -> tuple[int, int] | None:
    """Where the folded words stand in the text as it was written."""
    folded, origin = [], []
    for number, letter in enumerate(text):
        for plain in fold(letter):
            folded.append(plain)
            origin.append(number)
    at = "".join(folded).find(wanted)
    if at < 0 or not wanted:
        return None
    return origin[at], origin[at + len(wanted) - 1] + 1
