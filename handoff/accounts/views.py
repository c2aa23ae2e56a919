"""Pages everybody on the staff has: signing in and out, accepting an invitation, her own account."""

from __future__ import annotations

from flask import Blueprint, abort, make_response, redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from bot.errors import Refused
from handoff.accounts import codes, guard, members, queries, sessions, signing_in
from handoff.accounts.guard import allow, current_session, current_staff, public
from handoff.accounts.signing_in import DEVICE_S, Passed, Visitor, Wait
from handoff.frame import frame, inside, now, page, spoken

pages = Blueprint("accounts", __name__)


def visitor() -> Visitor:
    return Visitor(
        address=request.remote_addr or "",
        device=sessions.device_name(request.headers.get("User-Agent", "")),
        trusted=request.cookies.get(guard.device_cookie(), ""),
    )


def _cookie() -> str:
    return request.cookies.get(guard.cookie_name(), "")


def _next() -> str:
    return inside(request.values.get("next", ""))


# --- signing in -----------------------------------------------------------------------------------------------------


@pages.get("/sign-in")
@public
def sign_in() -> AnyResponse:
    if guard.signed_in():
        return redirect(_next() or url_for("home"))
    return make_response(page("accounts/sign_in.html", next=_next()))


@pages.post("/sign-in")
@public
def password() -> AnyResponse:
    """First step. What is shown when it fails is the same for everybody."""
    form = request.form
    outcome = signing_in.try_password(
        frame().accounts, form.get("login", ""), form.get("password", ""), visitor=visitor()
    )
    if isinstance(outcome, Passed):
        response = redirect(url_for("accounts.code", next=_next() or None), 303)
        guard.set_cookie(response, outcome.token)
        return response
    return _not_yet(outcome, "accounts/sign_in.html", next=_next())


@pages.get("/sign-in/code")
@public
def code() -> AnyResponse:
    if not signing_in.halfway(frame().accounts, _cookie()):
        return redirect(url_for("accounts.sign_in", next=_next() or None))
    return make_response(page("accounts/code.html", next=_next()))


@pages.post("/sign-in/code")
@public
def prove() -> AnyResponse:
    """Second step."""
    outcome = signing_in.try_code(frame().accounts, _cookie(), request.form.get("code", ""), visitor=visitor())
    if outcome is None:
        return redirect(url_for("accounts.sign_in", next=_next() or None), 303)
    if isinstance(outcome, Passed):
        target = _next() or url_for("home")
        if outcome.recovery_left is not None:
            target = url_for("accounts.mine", left=outcome.recovery_left)
        response = redirect(target, 303)
        guard.set_cookie(response, outcome.token)
        guard.set_device(response, outcome.trusted, seconds=DEVICE_S)
        return response
    return _not_yet(outcome, "accounts/code.html", next=_next())


@pages.post("/sign-out")
@allow()
def sign_out() -> AnyResponse:
    sessions.end(frame().accounts, current_session())
    response = redirect(url_for("accounts.sign_in"), 303)
    response.delete_cookie(guard.cookie_name(), path="/", secure=guard.secure(), httponly=True, samesite="Strict")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@pages.get("/step-up")
@allow()
def step_up() -> str:
    return page("accounts/step_up.html", next=_next())


@pages.post("/step-up")
@allow()
def proved() -> AnyResponse:
    form = request.form
    outcome = signing_in.step_up(frame().accounts, current_session(), form.get("code", ""), visitor=visitor())
    if isinstance(outcome, Passed):
        response = redirect(_next() or url_for("home"), 303)
        guard.set_cookie(response, outcome.token)
        return response
    return _not_yet(outcome, "accounts/step_up.html", next=_next())


def _not_yet(outcome: signing_in.Outcome, template: str, **values: str) -> AnyResponse:
    """Wrong, or too soon: the same page again, with the same words for everybody."""
    seconds = outcome.seconds if isinstance(outcome, Wait) else 0
    response = make_response(page(template, wrong=not seconds, wait=seconds, **values), 429 if seconds else 403)
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response


# --- invitation -----------------------------------------------------------------------------------------------------


@pages.get("/invitation/<token>")
@public
def invitation(token: str) -> AnyResponse:
    return _invitation(token)


@pages.post("/invitation/<token>")
@public
def accept(token: str) -> AnyResponse:
    accounts, form = frame().accounts, request.form
    try:
        if "code" not in form:
            members.choose_password(accounts, token, form.get("password", ""), form.get("again", ""))
            return redirect(url_for("accounts.invitation", token=token), 303)
        accepted = members.accept(accounts, token, form.get("code", ""), visitor=visitor())
    except Refused as error:
        return _invitation(token, spoken(error))
    response = make_response(page("accounts/recovery.html", codes=accepted.recovery, fresh=True))
    guard.set_cookie(response, accepted.token)
    guard.set_device(response, accepted.trusted, seconds=DEVICE_S)
    return response


def _invitation(token: str, fault: str = "") -> AnyResponse:
    found = members.opened(frame().accounts, token)
    if found is None:
        return make_response(page("accounts/invitation_over.html"), 404)
    picture = Markup(codes.picture(codes.address(found.secret, found.login))) if found.secret else ""  # noqa: S704 - our own SVG
    template = "accounts/invitation.html"
    return make_response(page(template, invitation=found, picture=picture, fault=fault), 400 if fault else 200)


# --- her own account ------------------------------------------------------------------------------------------------


@pages.get("/account")
@allow()
def mine() -> str:
    staff = current_staff()
    with frame().accounts.database.read() as connection:
        open_sessions = queries.sessions_of(connection, staff.id)
        left = queries.recovery_left(connection, staff.id)
    return _mine(open_sessions=open_sessions, left=left)


@pages.post("/account/password")
@allow()
def change_password() -> AnyResponse:
    form, staff, session = request.form, current_staff(), current_session()
    wait = signing_in.wait_for_password(frame().accounts, staff, visitor=visitor())
    if wait:
        raise Refused("Thử quá nhiều lần. Xin chờ một phút.")
    trusted = members.change_password(
        frame().accounts,
        staff,
        form.get("old", ""),
        form.get("password", ""),
        form.get("again", ""),
        session_id=session.id,
    )
    response = redirect(url_for("accounts.mine", done="password"), 303)
    guard.set_device(response, trusted, seconds=DEVICE_S)
    return response


@pages.post("/account/recovery")
@allow(step_up=True)
def renew_recovery() -> str:
    return page("accounts/recovery.html", codes=members.renew_recovery(frame().accounts, current_staff()), fresh=False)


@pages.post("/account/sessions/<reference>/end")
@allow()
def end_session(reference: str) -> AnyResponse:
    if not sessions.end_one(frame().accounts, current_staff(), reference):
        abort(404)
    return redirect(url_for("accounts.mine", done="session"), 303)


def _mine(**values: object) -> str:
    accounts = frame().accounts
    return page(
        "accounts/mine.html",
        offices=accounts.offices(),
        session=current_session(),
        at=now(),
        done=request.args.get("done", ""),
        spent="left" in request.args,
        **values,
    )
