"""Who may judge which field: OSSO's lawyer, psychologist and social worker, named by an admin of every office."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from bot.knowledge.articles import SKILLS
from bot.knowledge.governance import REVIEWERS
from handoff.accounts import EVERYWHERE, allow, current_staff
from handoff.accounts import queries as members
from handoff.accounts.members import Missing
from handoff.content import approvals
from handoff.content.room import pages
from handoff.frame import frame, page


@pages.get("/experts")
@allow("admin")
def experts() -> str:
    _national()
    with frame().parts.database.read() as connection:
        rows = connection.execute(_APPROVERS).mappings().all()
        fields = approvals.fields_of(connection, [row["id"] for row in rows])
    return page("content/experts.html", rows=rows, held=fields, skills=SKILLS, reviewers=REVIEWERS)


@pages.post("/experts/<reference>")
@allow("admin", step_up=True)
def set_expert(reference: str) -> ResponseReturnValue:
    _national()
    with frame().parts.database.write() as connection:
        row = connection.execute(_APPROVERS.where(members.staff.c.uuid == reference)).mappings().first()
        if row is None:
            raise Missing
        wanted = request.form.getlist("skill")
        approvals.set_fields(frame().accounts, connection, row["id"], wanted, by=current_staff())
    return redirect(url_for("knowledge.experts", done="1"), 303)


_APPROVERS = (
    select(members.staff)
    .where(
        members.staff.c.disabled_at.is_(None),
        members.staff.c.id.in_(select(members.post.c.staff_id).where(members.post.c.role == "approver")),
    )
    .order_by(members.staff.c.name)
)


def _national() -> None:
    if EVERYWHERE not in current_staff().offices_as("admin"):
        raise Missing
