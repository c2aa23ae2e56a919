"""Pages of the admin: who works here, what each may do where, and the audit. An office's admin sees her office."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, abort, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bot.errors import Refused
from handoff.accounts import chain, queries
from handoff.accounts import members as deeds
from handoff.accounts.guard import allow, audit, current_staff
from handoff.accounts.staff import EVERYWHERE, ROLE_NAMES, ROLES, Role, Staff
from handoff.frame import frame, now, page, spoken

PAGE = 100
pages = Blueprint("admin", __name__)


@pages.get("/staff")
@allow("admin", step_up=True)
def members() -> str:
    staff = current_staff()
    with frame().accounts.database.read() as connection:
        rows = queries.members(connection, staff.offices_as("admin"))
        held = queries.posts(connection, [row["id"] for row in rows])
        waiting = [row for row in queries.open_invitations(connection, now()) if row["staff_id"] in held]
        names = queries.names(connection, [row["asked_by"] for row in waiting])
    return page(
        "accounts/members.html", rows=rows, held=held, waiting=waiting, names=names, role_names=ROLE_NAMES, **_offices()
    )


@pages.get("/staff/new")
@allow("admin", step_up=True)
def new() -> str:
    return page("accounts/invite.html", **_grid(frozenset()))


@pages.post("/staff/new")
@allow("admin", step_up=True)
def invite() -> AnyResponse:
    form = request.form
    posts = _posts()
    try:
        token = deeds.invite(
            frame().accounts, current_staff(), login=form.get("login", ""), name=form.get("name", ""), posts=posts
        )
    except Refused as error:
        return make_response(page("accounts/invite.html", fault=spoken(error), form=form, **_grid(posts)), 400)
    return _link(token, form.get("name", ""))


@pages.get("/staff/<reference>")
@allow("admin", step_up=True)
def member(reference: str) -> str:
    staff = current_staff()
    with frame().accounts.database.read() as connection:
        row = queries.member(connection, uuid=reference)
        if row is None or row["id"] not in {
            one["id"] for one in queries.members(connection, staff.offices_as("admin"))
        }:
            abort(404)
        held = queries.posts(connection, [row["id"]])[row["id"]]
        waiting = [one for one in queries.open_invitations(connection, now()) if one["staff_id"] == row["id"]]
        names = queries.names(connection, [one["asked_by"] for one in waiting])
        open_sessions = queries.sessions_of(connection, row["id"])
    return page(
        "accounts/member.html",
        row=row,
        waiting=waiting,
        names=names,
        sessions=open_sessions,
        done=request.args.get("done", ""),
        **_grid(held),
    )


@pages.post("/staff/<reference>/posts")
@allow("admin", step_up=True)
def give_posts(reference: str) -> AnyResponse:
    deeds.give_posts(frame().accounts, current_staff(), reference, _posts())
    return redirect(url_for("admin.member", reference=reference, done="posts"), 303)


@pages.post("/staff/<reference>/disable")
@allow("admin", step_up=True)
def disable(reference: str) -> AnyResponse:
    deeds.disable(frame().accounts, current_staff(), reference)
    return redirect(url_for("admin.member", reference=reference), 303)


@pages.post("/staff/<reference>/enable")
@allow("admin", step_up=True)
def enable(reference: str) -> AnyResponse:
    deeds.enable(frame().accounts, current_staff(), reference)
    return redirect(url_for("admin.member", reference=reference), 303)


@pages.post("/staff/<reference>/invite")
@allow("admin", step_up=True)
def invite_again(reference: str) -> AnyResponse:
    return _link(deeds.invite_again(frame().accounts, current_staff(), reference), "")


@pages.post("/staff/<reference>/reset")
@allow("admin", step_up=True)
def ask_reset(reference: str) -> AnyResponse:
    deeds.ask_reset(frame().accounts, current_staff(), reference)
    return redirect(url_for("admin.member", reference=reference, done="asked"), 303)


@pages.post("/staff/<reference>/reset/approve")
@allow("admin", step_up=True)
def approve_reset(reference: str) -> AnyResponse:
    return _link(deeds.approve_reset(frame().accounts, current_staff(), reference), "")


@pages.get("/audit")
@allow("admin", step_up=True)
def log() -> str:
    """Newest first. Reading it is itself in it. Only for admins of every office: rows name subjects of all."""
    staff = _national()
    args = request.args
    where: dict[str, object] = {"action": args.get("action", ""), "subject": args.get("subject", "")[:80]}
    with frame().accounts.database.write() as connection:
        who = queries.member(connection, uuid=args.get("staff", "")) if args.get("staff") else None
        if who is not None:
            where["staff_id"] = who["id"]
        rows = queries.audit_page(connection, before=args.get("before", 0, type=int), limit=PAGE, **where)
        names = queries.names(connection, [row["staff_id"] for row in rows])
        people = queries.members(connection, {EVERYWHERE})
        actions = queries.audit_actions(connection)
        sealed = queries.last_seal(connection)
        audit(connection, staff, "audit.read", "audit", f"before {args.get('before', 0, type=int)}")
    return page(
        "accounts/audit.html",
        rows=rows,
        names=names,
        people=people,
        actions=actions,
        sealed=sealed,
        verdict=None,
        more=rows[-1]["id"] if len(rows) == PAGE else 0,
    )


@pages.post("/audit/verify")
@allow("admin", step_up=True)
def verify() -> str:
    staff = _national()
    verdict = chain.verify(frame().accounts)
    with frame().accounts.database.write() as connection:
        audit(connection, staff, "audit.verified", "audit", f"{verdict.rows} rows {len(verdict.wrong)} wrong")
    return page("accounts/verified.html", verdict=verdict)


def _national() -> Staff:
    staff = current_staff()
    if EVERYWHERE not in staff.offices_as("admin"):
        abort(404)
    return staff


def _link(token: str, name: str) -> AnyResponse:
    """The one-time link, shown once to the admin who hands it over."""
    address = frame().accounts.base_url + url_for("accounts.invitation", token=token)
    return make_response(page("accounts/link.html", address=address, name=name))


def _posts() -> frozenset[tuple[Role, str]]:
    """The ticked boxes `role@office`; whatever is no role is left to the rules to refuse."""
    pairs = (value.partition("@") for value in request.form.getlist("post"))
    return frozenset((cast(Role, role), office) for role, _, office in pairs)


def _offices() -> dict[str, object]:
    return {"offices": frame().accounts.offices()}


def _grid(held: frozenset[tuple[Role, str]]) -> dict[str, object]:
    """What the table of roles × offices shows: the offices this admin may give."""
    staff = current_staff()
    offices = {EVERYWHERE: "", **frame().accounts.offices()}
    mine = {office: name for office, name in offices.items() if staff.may(office, "admin")}
    return {"held": held, "offices": mine, "roles": ROLES, "role_names": ROLE_NAMES}
