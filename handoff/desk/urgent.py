"""A chat that is not hers, opened in an emergency: with a reason, for half an hour, a second person told at once.

Nothing is asked about the ticket before: an address without one is answered alike, so that nobody learns which exist.
"""

from __future__ import annotations

import uuid

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from bot.store import queries
from handoff.accounts import allow, current_staff
from handoff.accounts.break_glass import break_glass
from handoff.desk.room import pages
from handoff.frame import frame


@pages.post("/tickets/<uuid:reference>/break-glass")
@allow("counsellor", "lead")
def break_open(reference: uuid.UUID) -> ResponseReturnValue:
    reason, note = request.form.get("reason", ""), request.form.get("note", "")
    office = select(queries.ticket.c.office).where(queries.ticket.c.uuid == str(reference))
    with frame().parts.database.write() as connection:
        told = connection.execute(office).scalar() or ""  # whose leads are told; without an office, any lead
        subject = f"ticket:{reference}"
        break_glass(connection, current_staff(), subject, reason=reason, note=note, office=told)
    return redirect(url_for("desk.chat", reference=reference), 303)
