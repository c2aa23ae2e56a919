"""What is put on a ticket without a word to her: labels, a block; and the talk on paper, without notes."""

from __future__ import annotations

import uuid

from flask import abort, request
from flask.typing import ResponseReturnValue
from sqlalchemy import delete, insert, select

from bot.errors import Refused
from bot.store import queries
from handoff import deeds
from handoff.accounts import allow, audit, current_staff
from handoff.deeds import find
from handoff.desk import rows, transcript
from handoff.desk.room import board, desk, pages
from handoff.desk.talk import back
from handoff.duty import blocked
from handoff.frame import frame, now, page
from handoff.tickets import Close, may_write


@pages.post("/tickets/<uuid:reference>/labels")
@allow("counsellor", "lead")
def labels(reference: uuid.UUID) -> ResponseReturnValue:
    staff, name = current_staff(), " ".join(request.form.get("label", "").split())[:40]
    if not name:
        abort(400)
    with frame().parts.database.write() as connection:
        row = find(connection, staff, str(reference), now())
        queries.insert_once(connection, rows.label, {"name": name}, ["name"])
        label_id = connection.execute(select(rows.label.c.id).where(rows.label.c.name == name)).scalar_one()
        mine = (rows.ticket_label.c.ticket_id == row["id"], rows.ticket_label.c.label_id == label_id)
        if connection.execute(select(rows.ticket_label).where(*mine)).first() is None:
            connection.execute(insert(rows.ticket_label).values(ticket_id=row["id"], label_id=label_id))
            audit(connection, staff, "label.put", f"ticket:{reference}", str(label_id))
        else:
            connection.execute(delete(rows.ticket_label).where(*mine))
            audit(connection, staff, "label.taken", f"ticket:{reference}", str(label_id))
    return back(reference)


@pages.post("/tickets/<uuid:reference>/block")
@allow("counsellor", "lead")
def block(reference: uuid.UUID) -> ResponseReturnValue:
    """Keeps this person out of the queue, danger excepted; or lets her back in, which also who blocked her may."""
    staff = current_staff()
    with frame().parts.database.write() as connection:
        row = find(connection, staff, str(reference), now())
        conversation_id, lift = row["conversation_id"], request.form.get("act") == "lift"
        setter = select(blocked.c.staff_id).where(blocked.c.conversation_id == conversation_id)
        by = deeds.actor(staff, row["office"])
        hers = may_write(deeds.as_ticket(row), by) or by.lead
        if not (hers or (lift and connection.execute(setter).scalar() == staff.id)):
            raise Refused("Chị nhận ca trước đã nhé.")
        if lift:
            connection.execute(delete(blocked).where(blocked.c.conversation_id == conversation_id))
            audit(connection, staff, "block.lifted", f"ticket:{reference}")
        else:
            values = {"staff_id": staff.id, "at": now()}
            queries.upsert(connection, blocked, {"conversation_id": conversation_id}, values)
            queries.change_conversation(connection, conversation_id, flagged=True)
            audit(connection, staff, "block.set", f"ticket:{reference}")
    if request.form.get("close") and not lift:
        deeds.close(desk(), staff, str(reference), Close("abusive"))
    return back(reference)


@pages.get("/tickets/<uuid:reference>/print")
@allow("counsellor", "lead")
def print_view(reference: uuid.UUID) -> str:
    """The talk for paper or PDF, without notes, traces and events."""
    staff = current_staff()
    with frame().parts.database.write() as connection:
        row = find(connection, staff, str(reference), now())
        audit(connection, staff, "chat.printed", f"ticket:{reference}")
        found = transcript.chat(board(connection), row, limit=2_000)
    said = [one for one in found.bubbles if one.kind not in ("note", "event")]
    return page("desk/print.html", chat=found, row=row, said=said)
