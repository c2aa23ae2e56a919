"""The appointments women asked for: what waits for an answer, what is agreed, what she changed; and the answers."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, RowMapping, and_, or_, select

from bot import moments
from bot.errors import Refused
from bot.hearing import ZONE, safe_contact
from bot.state import state_from_json
from bot.store import queries
from handoff import appointments as deeds
from handoff.accounts import allow, audit, current_staff
from handoff.accounts.queries import names as names_of
from handoff.appointments import DAY, Told, Wish, appointment, asked, read
from handoff.desk.room import desk, office_name, pages, window
from handoff.frame import frame, look, now, page, translate
from handoff.scope import readable
from handoff.tickets import HELD

MOST = 200  # of each list
OVER_DAYS = 14


@dataclass(frozen=True, slots=True)
class Line:
    """One request as the page shows it."""

    row: RowMapping
    name: str
    wish: str
    date: str  # what the form begins with
    time: str
    place: str
    phone: str
    safe: Mapping[str, str]
    decided_by: str
    chat: str  # public id of the ticket she may open, if any
    holder: str  # the colleague who holds the chat now: only she answers
    billed: bool
    reachable: bool


@pages.get("/appointments")
@allow("counsellor", "lead")
def appointments() -> str:
    staff = current_staff()
    now_ms = now()
    upcoming = or_(appointment.c.starts_at.is_(None), appointment.c.starts_at > now_ms - DAY // 4)
    over = appointment.c.changed_at > now_ms - OVER_DAYS * DAY
    closed = and_(appointment.c.status.in_(("declined", "cancelled", "moved")), over)
    with frame().parts.database.write() as connection:
        audit(connection, staff, "appointments.read", f"staff:{staff.uuid}")
        found = {
            "asked": _lines(connection, asked(staff).where(appointment.c.status == "asked").order_by(appointment.c.at)),
            "confirmed": _lines(
                connection,
                asked(staff).where(appointment.c.status == "confirmed", upcoming).order_by(appointment.c.starts_at),
            ),
            "over": _lines(connection, asked(staff).where(closed).order_by(appointment.c.changed_at.desc())),
        }
    return page("desk/appointments.html", found=found, told=_told(), said=moments.appointed)


@pages.post("/appointments/<uuid:reference>/confirm")
@allow("counsellor", "lead")
def confirm_appointment(reference: uuid.UUID) -> ResponseReturnValue:
    """Fixes or moves the time."""
    form = request.form
    try:
        then = datetime.datetime.fromisoformat(f"{form.get('date', '')}T{form.get('time', '')}").replace(tzinfo=ZONE)
    except ValueError:
        raise Refused("Chị chọn ngày và giờ hẹn nhé.") from None
    told = deeds.confirm(
        desk(),
        current_staff(),
        str(reference),
        starts_at=int(then.timestamp() * 1000),
        place=form.get("place", ""),
        paid=form.get("paid") == "1",
    )
    return _back(told)


@pages.post("/appointments/<uuid:reference>/decline")
@allow("counsellor", "lead")
def decline_appointment(reference: uuid.UUID) -> ResponseReturnValue:
    form = request.form
    told = deeds.decline(
        desk(), current_staff(), str(reference), words=form.get("words", ""), paid=form.get("paid") == "1"
    )
    return _back(told)


def _back(told: Told) -> ResponseReturnValue:
    return redirect(url_for("desk.appointments", told="never" if told.at is None else told.at), 303)


def _told() -> tuple[str, str]:
    """(tone, words) of what the last answer led to; empty for a page that was only opened."""
    given = request.args.get("told", "")
    if given == "never":
        return "warn", translate("Đã ghi. Chị ấy xin đừng nhắn, nên không tin nào được gửi.")
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        return "", ""
    at = int(given)
    if at <= now() + 60_000:
        return "good", translate("Đã ghi, tin đang được gửi cho chị ấy.")
    return "good", translate("Đã ghi. Tin sẽ tới chị ấy vào giờ an toàn: {t}.", t=moments.appointed(at, look().locale))


def _lines(connection: Connection, query: object) -> list[Line]:
    rows = connection.execute(query.limit(MOST)).mappings().all()  # type: ignore[attr-defined]
    known = names_of(connection, [row["staff_id"] for row in rows])
    ids = [row["conversation_id"] for row in rows]
    table = queries.ticket
    open_ones = select(table.c.conversation_id, table.c.staff_id).where(
        table.c.conversation_id.in_(ids), table.c.closed_at.is_(None), table.c.state.in_(sorted(HELD))
    )
    held = {row.conversation_id: row.staff_id for row in connection.execute(open_ones)}
    holders = names_of(connection, list(held.values()))
    mine = (
        select(table.c.conversation_id, table.c.uuid)
        .where(table.c.conversation_id.in_(ids), readable(current_staff(), now()))
        .order_by(table.c.id)
    )
    chats = {row.conversation_id: row.uuid for row in connection.execute(mine)}
    return [
        _line(row, known=known, holder=held.get(row["conversation_id"]), holders=holders, chats=chats) for row in rows
    ]


def _line(
    row: RowMapping,
    *,
    known: Mapping[int | None, str],
    holder: int | None,
    holders: Mapping[int | None, str],
    chats: Mapping[int, str],
) -> Line:
    key = frame().parts.database.keyring.open_key(row["wrapped_key"])
    state = key.open(row["state_sealed"], "conversation", row["her"], "state") if row["state_sealed"] else {}
    slots = state_from_json(state).slots
    wish = read(key, row)
    then = datetime.datetime.fromtimestamp(row["starts_at"] / 1000, ZONE) if row["starts_at"] else wish.moment()
    named_hour = then is not None and (row["starts_at"] is not None or len(wish.when) > len("2026-11-28"))
    found = window(row["channel"], row["heard_at"], now())
    colleague = holder is not None and holder != current_staff().id
    return Line(
        row,
        str(slots.get("name") or row["her"][:4].upper())[:60],
        _wish_words(wish),
        f"{then:%Y-%m-%d}" if then else "",
        f"{then:%H:%M}" if then and named_hour else "",
        wish.place or _address(row["at_office"]),
        str(slots.get("phone") or "")[:20] if row["kind"] == "call" else "",
        safe_contact(key, {**row, "uuid": row["her"]}),
        known.get(row["staff_id"], ""),
        chats.get(row["conversation_id"], ""),
        holders.get(holder, "?") if holder is not None and colleague else "",
        found.billed,
        found.person and row["unreachable"] != "gone",
    )


def _wish_words(wish: Wish) -> str:
    """What she asked for, as staff read it: a moment, a day, or her own words."""
    then = wish.moment()
    if then is None:
        return {"any": translate("Lúc nào cũng được"), "": translate("Chị ấy chưa nói giờ")}.get(
            wish.when, f"“{wish.when[:200]}”"
        )
    said = moments.appointed if len(wish.when) > len("2026-11-28") else moments.day
    return said(int(then.timestamp() * 1000), look().locale)


def _address(office: str) -> str:
    """The office's address, where it has confirmed one."""
    knowledge = getattr(frame().parts.rim.mind().book, "knowledge", None)
    found = knowledge.offices.get(office) if knowledge is not None else None
    return f"{office_name(office)}, {found.printed_address}" if found and found.printed_address else ""
