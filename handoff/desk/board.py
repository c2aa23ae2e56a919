"""The lists: who waits, mine, the team's, what I am called to; taking the next one; saved views; live news; pauses."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from flask import Response, abort, jsonify, redirect, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import delete, insert, select

from bot.errors import Refused
from bot.store import models, queries
from handoff.accounts import allow, audit, current_staff
from handoff.accounts.queries import names as names_of
from handoff.deeds import find, take_next
from handoff.demo import start_woman, stories
from handoff.desk import rows
from handoff.desk.live import MOST, Interest
from handoff.desk.room import beat, board, desk, leave, offices, pages, watch, wish
from handoff.duty import card
from handoff.frame import frame, now, page

saved_filter = queries.table(models.SavedFilter)


@pages.get("/queue")
@allow("counsellor", "lead")
def queue() -> str:
    staff = current_staff()
    with frame().parts.database.write() as connection:
        leave(connection, staff)
        beat(connection, staff, ticket_id=None)
    try:
        ended = str(uuid.UUID(request.args.get("ended", "")))
    except ValueError:
        ended = ""
    return page("desk/queue.html", **_queue(), ended=ended)


@pages.get("/queue/list")
@allow("counsellor", "lead", quiet=True)
def queue_list() -> str:
    """The same list alone, for the page that keeps itself fresh."""
    return page("desk/list.html", **_queue())


def _queue() -> dict[str, object]:
    staff, asked = current_staff(), wish(request.args)
    with frame().parts.database.read() as connection:
        found = rows.listing(board(connection), asked)
        calls = rows.calls(connection, staff)
        names = names_of(
            connection, [*(line.row["staff_id"] for line in found.lines), *(one["by_id"] for one in calls)]
        )
        saved = connection.execute(
            select(saved_filter).where(saved_filter.c.staff_id == staff.id).order_by(saved_filter.c.name)
        ).mappings().all()  # fmt: skip
        labels = connection.execute(select(rows.label.c.name).order_by(rows.label.c.name)).scalars().all()
        mine = connection.execute(select(card).where(card.c.staff_id == staff.id)).mappings().first()
    return {
        "found": found,
        "asked": asked,
        "calls": calls,
        "names": names,
        "saved": saved,
        "labels": labels,
        "mine": mine,
        "my_offices": offices(),
        "views": rows.VIEWS,
        "query": request.query_string.decode("ascii", "ignore"),
        "page_size": rows.PAGE,
        "stories": [] if frame().accounts.production else stories(),
    }


@pages.post("/queue/next")
@allow("counsellor", "lead")
def next_ticket() -> ResponseReturnValue:
    """“Nhận ca tiếp theo”."""
    reference = take_next(
        desk(), current_staff(), office=request.form.get("office", "")[:32], topic=request.form.get("topic", "")[:16]
    )
    if reference is None:
        return redirect(url_for("desk.queue", none=1), 303)
    return redirect(url_for("desk.chat", reference=reference), 303)


@pages.post("/queue/filters")
@allow("counsellor", "lead")
def save_filter() -> ResponseReturnValue:
    asked = wish(request.form)
    name = request.form.get("name", "").strip()[:40]
    if not name:
        raise Refused("Chị đặt tên cho bộ lọc nhé.")
    query = urlencode(
        {
            key: value
            for key in ("view", "office", "topic", "level", "label")
            if (value := getattr(asked, key)) and value != "waiting"
        }
    )
    with frame().parts.database.write() as connection:
        connection.execute(
            insert(saved_filter).values(
                uuid=str(uuid.uuid4()), staff_id=current_staff().id, name=name, query=query[:200]
            )
        )
        audit(connection, current_staff(), "filter.saved", f"staff:{current_staff().uuid}")
    return redirect(f"{url_for('desk.queue')}?{query}", 303)


@pages.post("/queue/filters/<uuid:reference>/drop")
@allow("counsellor", "lead")
def drop_filter(reference: uuid.UUID) -> ResponseReturnValue:
    with frame().parts.database.write() as connection:
        connection.execute(
            delete(saved_filter).where(
                saved_filter.c.uuid == str(reference), saved_filter.c.staff_id == current_staff().id
            )
        )
    return redirect(url_for("desk.queue"), 303)


@pages.post("/me/duty")
@allow("counsellor", "lead")
def my_duty() -> ResponseReturnValue:
    """Pause and come back; ask for a talk after a hard chat."""
    staff, act = current_staff(), request.form.get("act", "")
    acts: dict[str, dict[str, object]] = {
        "pause": {"paused": True},
        "back": {"paused": False},
        "debrief": {"debrief_at": now()},
        "debriefed": {"debrief_at": None},
    }
    values = acts.get(act, {})
    if not values:
        abort(400)
    with frame().parts.database.write() as connection:
        queries.upsert(connection, card, {"staff_id": staff.id}, values)
        audit(connection, staff, f"duty.{act}", f"staff:{staff.uuid}")
    return redirect(url_for("desk.queue"), 303)


@pages.post("/demo")
@allow("counsellor", "lead")
def demo() -> ResponseReturnValue:
    """On a development server: a scripted woman begins to write."""
    start_woman(frame().parts, frame().wake, request.form.get("story", ""))
    return redirect(url_for("desk.queue"), 303)


@pages.post("/beat")
@allow("counsellor", "lead")
def sign_of_life() -> ResponseReturnValue:
    """From a page somebody is really at: a hand on keys or mouse within the last minutes."""
    staff = current_staff()
    with frame().parts.database.write() as connection:
        ticket_id = None
        if reference := request.form.get("ticket", ""):
            ticket_id = find(connection, staff, reference[:36], now())["id"]
        writing = request.form.get("writing", "")
        beat(connection, staff, ticket_id=ticket_id, writing=writing if writing in ("reply", "note") else "")
    return "", 204


@pages.get("/live")
@allow("counsellor", "lead", quiet=True)
def live() -> ResponseReturnValue:
    """Server-sent events: that something changed, never what."""
    staff = current_staff()
    if watch().listeners >= MOST:
        return Response(status=503, headers={"Retry-After": "5"})
    conversation = 0
    if reference := request.args.get("ticket", ""):
        with frame().parts.database.read() as connection:
            conversation = find(connection, staff, reference[:36], now())["conversation_id"]
    people = request.args.get("people") == "1" and staff.has("lead")
    interest = Interest(staff.id, staff.offices_as("counsellor", "lead"), conversation, people)
    after = request.headers.get("Last-Event-ID", "")
    return Response(
        stream_with_context(watch().stream(interest, after=after)),
        mimetype="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@pages.get("/news")
@allow("counsellor", "lead", quiet=True)
def news() -> ResponseReturnValue:
    """The counts alone: for the title, and for browsers whose stream was refused."""
    with frame().parts.database.read() as connection:
        return jsonify(rows.counts(board(connection)))
