"""What a lead sees: who is there and how loaded, what each holds, the roster. And what she changes."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import RowMapping, delete, insert, select

from bot.errors import Refused
from bot.store import queries
from handoff.accounts import allow, audit, current_staff
from handoff.accounts.queries import names as names_of
from handoff.accounts.queries import staff as members
from handoff.accounts.staff import EVERYWHERE
from handoff.desk import rows
from handoff.desk.room import beat, board, leave, pages, wish
from handoff.duty import calendar, card, counsellors, day_off, presence, shift
from handoff.frame import frame, now, page
from handoff.routing import WEEKDAYS, Counsellor
from handoff.scope import leads
from handoff.tickets import HELD

SKILLS = ("legal", "psychological", "vocational", "child", "social")
LANGUAGES = ("vi", "ko", "en", "zh")
MOST_HELD = 500  # held chats on one page, the gravest first


@pages.get("/team")
@allow("lead")
def team() -> str:
    staff = current_staff()
    with frame().parts.database.write() as connection:
        leave(connection, staff)
        beat(connection, staff, ticket_id=None)
    return page("desk/team.html", **_team())


@pages.get("/team/now")
@allow("lead", quiet=True)
def team_now() -> str:
    """The same people alone, for the page that keeps itself fresh."""
    return page("desk/people.html", **_team())


def _team() -> dict[str, Any]:
    """Everybody of her offices as they are now, and what each holds."""
    staff = current_staff()
    with frame().parts.database.read() as connection:
        mine = _mine(counsellors(connection, now()))
        found = rows.listing(board(connection), wish({"view": "team"}), most=MOST_HELD)
        cards = {row["staff_id"]: row for row in connection.execute(select(card)).mappings()}
        seen = {row["staff_id"]: row for row in connection.execute(select(presence)).mappings()}
        offered = rows.offered(connection)
        public = {row.id: row.uuid for row in connection.execute(select(members.c.id, members.c.uuid))}
        known = names_of(connection, [*(one.id for one in mine), *(line.row["staff_id"] for line in found.lines)])
    held: dict[int, list[rows.Line]] = {}
    for line in found.lines:
        if line.row["state"] in HELD and line.row["staff_id"] is not None:
            held.setdefault(line.row["staff_id"], []).append(line)
    ids = {one.id for one in mine}

    def in_need(one: Counsellor) -> tuple[bool, bool, bool, bool, str]:
        """Who asked to talk, then who holds chats while away, then those on duty, then the rest."""
        asked = one.id in cards and cards[one.id]["debrief_at"] is not None
        left = one.id in held and not one.present
        return (not asked, not left, not one.available, not one.on_shift, known.get(one.id, ""))

    return {
        "mine": sorted(mine, key=in_need),
        "elsewhere": [line for who, lines in held.items() if who not in ids for line in lines],
        "receivers": sorted(mine, key=lambda one: (not one.available, known.get(one.id, ""))),
        "leads": lambda office: leads(staff, office),
        "names": known,
        "cards": cards,
        "seen": seen,
        "offered": offered,
        "public": public,
        "held": held,
        "found": found,
    }


@pages.get("/team/roster")
@allow("lead")
def roster() -> str:
    with frame().parts.database.read() as connection:
        mine = _mine(counsellors(connection, now()))
        ids = [one.id for one in mine]
        shifts = connection.execute(
            select(shift).where(shift.c.staff_id.in_(ids)).order_by(shift.c.weekday, shift.c.day, shift.c.start)
        ).mappings().all()  # fmt: skip
        off = connection.execute(select(day_off).order_by(day_off.c.day)).mappings().all()
        public = {row.id: row.uuid for row in connection.execute(select(members.c.id, members.c.uuid))}
        known = names_of(connection, ids)
        days = sorted(calendar(connection, now()).public)
    today = datetime.datetime.fromtimestamp(now() / 1000, datetime.UTC).date().isoformat()
    return page(
        "desk/roster.html",
        mine=sorted(mine, key=lambda one: known.get(one.id, "")),
        names=known,
        public=public,
        shifts=_alike(shifts),
        off=[row for row in off if row["day"] >= today and (row["staff_id"] in ids or not row["staff_id"])],
        holidays=[day for day in days if day >= today][:12],
        weekdays=WEEKDAYS,
        skills=SKILLS,
        languages=LANGUAGES,
        offices=_my_offices(),
    )


def _alike(shifts: Sequence[RowMapping]) -> list[list[RowMapping]]:
    """Shifts of one person at the same hours together, so that a week is one line."""
    found: dict[tuple[object, ...], list[RowMapping]] = {}
    for row in shifts:
        found.setdefault(tuple(row[name] for name in ("staff_id", "kind", "start", "end", "holidays")), []).append(row)
    return list(found.values())


def _mine(everyone: list[Counsellor]) -> list[Counsellor]:
    offices = current_staff().offices_as("lead")
    if EVERYWHERE in offices:
        return everyone
    return [one for one in everyone if not one.offices.isdisjoint(offices)]


def _my_offices() -> dict[str, str]:
    offices = current_staff().offices_as("lead")
    every = frame().accounts.offices()
    return dict(every) if EVERYWHERE in offices else {one: name for one, name in every.items() if one in offices}


def _member(reference: str) -> int:
    """The id of a counsellor of her offices; 404 for everybody else."""
    with frame().parts.database.read() as connection:
        found = connection.execute(select(members.c.id).where(members.c.uuid == reference)).scalar()
        if found not in {one.id for one in _mine(counsellors(connection, now()))}:
            abort(404)
    return int(found)


@pages.post("/team/shifts")
@allow("lead")
def add_shift() -> ResponseReturnValue:
    """One shift for each weekday ticked, or one on a day."""
    form = request.form
    staff_id = _member(form.get("who", ""))
    start, end = _minutes(form.get("start", "")), _minutes(form.get("end", ""))
    day = _day(form["day"]) if form.get("day") else ""
    ticked = {int(one) for one in form.getlist("weekday") if one in "0123456" and one}
    if not day and not ticked:
        raise Refused("Chị chọn ngày trong tuần hoặc một ngày cụ thể.")
    kind = "on_call" if form.get("kind") == "on_call" else "desk"
    with frame().parts.database.write() as connection:
        for weekday in [None] if day else sorted(ticked):
            key = {"staff_id": staff_id, "kind": kind, "weekday": weekday, "day": day, "start": start, "end": end}
            connection.execute(delete(shift).filter_by(**key))  # sent twice, it stands once
            connection.execute(
                insert(shift).values(uuid=str(uuid.uuid4()), holidays=form.get("holidays") == "1", **key)
            )
        audit(connection, current_staff(), "roster.changed", f"staff-id:{staff_id}", kind)
    return redirect(url_for("desk.roster"), 303)


@pages.post("/team/shifts/<uuid:reference>/drop")
@allow("lead")
def drop_shift(reference: uuid.UUID) -> ResponseReturnValue:
    with frame().parts.database.write() as connection:
        ids = [one.id for one in _mine(counsellors(connection, now()))]
        connection.execute(delete(shift).where(shift.c.uuid == str(reference), shift.c.staff_id.in_(ids)))
        audit(connection, current_staff(), "roster.changed", f"shift:{reference}", "dropped")
    return redirect(url_for("desk.roster"), 303)


@pages.post("/team/days-off")
@allow("lead")
def change_day_off() -> ResponseReturnValue:
    """A person's or an office's day off; sent again with `drop`, it is taken back."""
    form = request.form
    staff_id = _member(form["who"]) if form.get("who") else 0
    office = form.get("office", "")
    if not staff_id and office not in _my_offices():
        raise Refused("Chị chọn người hoặc văn phòng nghỉ.")
    key = {"day": _day(form.get("day", "")), "staff_id": staff_id, "office": "" if staff_id else office}
    with frame().parts.database.write() as connection:
        connection.execute(delete(day_off).filter_by(**key))
        if form.get("drop") != "1":
            connection.execute(insert(day_off).values(**key))
        audit(connection, current_staff(), "roster.changed", f"day-off:{key['day']}", str(staff_id or office))
    return redirect(url_for("desk.roster"), 303)


@pages.post("/team/<uuid:reference>/card")
@allow("lead")
def change_card(reference: uuid.UUID) -> ResponseReturnValue:
    """Skills, languages and how many chats at once."""
    form, staff_id = request.form, _member(str(reference))
    values = {
        "skills": ",".join(one for one in SKILLS if one in form.getlist("skill")),
        "languages": ",".join(one for one in LANGUAGES if one in form.getlist("language")) or "vi",
        "capacity": _whole(form.get("capacity", ""), 1, 20),
        "heavy_cap": _whole(form.get("heavy_cap", ""), 0, 10),
    }
    with frame().parts.database.write() as connection:
        queries.upsert(connection, card, {"staff_id": staff_id}, values)
        audit(connection, current_staff(), "card.changed", f"staff:{reference}")
    return redirect(url_for("desk.roster", card=reference, _anchor=f"card-{reference}"), 303)


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text[:4]) <= high):
        raise Refused("Số ca phải là số hợp lệ.")
    return int(text)


def _minutes(text: str) -> int:
    try:
        found = datetime.time.fromisoformat(text)
    except ValueError:
        raise Refused("Chị chọn giờ giúp.") from None
    return found.hour * 60 + found.minute


def _day(text: str) -> str:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise Refused("Chị chọn ngày giúp.") from None
