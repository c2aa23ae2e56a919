"""Words found again: saved replies and approved articles while writing, and what was said in the chats she may read.

Bodies are encrypted, and an index of words, even keyed, would tell how often each word is said. So searching opens the
newest chats within her scope and looks; every answer says how far back it looked, and goes on from there.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, RowMapping, delete, func, insert, or_, select, true, union

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
from handoff.scope import readable, ways

saved = queries.table(models.SavedReply)
SCAN = 1_500  # messages: after so many a search shows what it has and offers to go on
TICKETS = 100  # and after so many tickets
MOST_OF_ONE = 2_000
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
        with frame().parts.database.read() as connection:
            hits, oldest = _look(connection, fold(asked), before)
    return page("desk/search.html", asked=asked, hits=hits, oldest=oldest, scan=SCAN)


def _look(connection: Connection, wanted: str, before: int) -> tuple[list[Hit], tuple[int, int]]:
    """Opens the newest chats she may read. (hits, (id and opening time of the oldest ticket looked at; 0: all))."""
    hits: list[Hit] = []
    opened = 0
    ids = _newest(connection, before)
    for row in _chats(connection, ids):
        found = queries.entries(connection, row["conversation_id"], limit=MOST_OF_ONE)
        opened += len(found)
        key = frame().parts.database.keyring.open_key(row["wrapped_key"])
        hits += _hits(row, key, found, wanted)
        if (opened >= SCAN or len(hits) >= SHOWN) and row["id"] > ids[-1]:
            return hits, (row["id"], row["opened_at"])
    if len(ids) < TICKETS:
        return hits, (0, 0)
    last = select(queries.ticket.c.opened_at).where(queries.ticket.c.id == ids[-1])
    return hits, (ids[-1], connection.execute(last).scalar_one())


def _newest(connection: Connection, before: int) -> list[int]:
    """Ids of the newest tickets she may read, older than `before` unless it is 0: each way by its own index."""
    ticket = queries.ticket
    older = ticket.c.id < before if before else true()
    each = [
        select(select(ticket.c.id).where(way, older).order_by(ticket.c.id.desc()).limit(TICKETS).subquery().c.id)
        for way in ways(current_staff(), now())
    ]
    found = union(*each).subquery()
    return list(connection.execute(select(found.c.id).order_by(found.c.id.desc()).limit(TICKETS)).scalars())


def _chats(connection: Connection, ids: Sequence[int]) -> list[RowMapping]:
    """The tickets with what opens their chat, newest first; of a chat only the newest that she may read."""
    ticket, her = queries.ticket, queries.conversation
    query = (
        select(ticket, her.c.wrapped_key, her.c.uuid.label("her"), her.c.state_sealed)
        .join(her, her.c.id == ticket.c.conversation_id)
        .where(ticket.c.id.in_(ids), her.c.wrapped_key.is_not(None))
    )
    found = connection.execute(query.order_by(ticket.c.id.desc())).mappings().all()
    newest = (
        select(func.max(ticket.c.id))
        .where(ticket.c.conversation_id.in_([row["conversation_id"] for row in found]))
        .where(readable(current_staff(), now()))
        .group_by(ticket.c.conversation_id)
    )
    wanted = set(connection.execute(newest).scalars())
    return [row for row in found if row["id"] in wanted]


def _hits(row: RowMapping, key: ConversationKey, entries: Sequence[RowMapping], wanted: str) -> list[Hit]:
    """The messages of one chat with the words, newest first."""
    name, found = rows.name_of(frame().parts.database.keyring, row), []
    for entry in reversed(entries):
        if entry["body_sealed"] is None or entry["kind"] == "undone":
            continue
        try:
            text = text_of(key.open(entry["body_sealed"], "entry", entry["uuid"], "body"))
        except Sealed:
            continue
        spot = place(text, wanted)
        if spot is None:
            continue
        start, end = spot
        around = (text[max(0, start - 60) : start], text[start:end], text[end : end + 90])
        found.append(Hit(row["uuid"], entry["uuid"], name, entry["author"], entry["at"], *around))
    return found


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
