"""The gate before every view: who asks, is the form ours, does she hold the role. Denied unless a view says otherwise.

A view carries `@allow(...)` or `@public`; one without makes the app refuse to start. What a member may not see looks
exactly like what does not exist.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flask import Flask, Response, abort, current_app, g, make_response, redirect, request, url_for
from sqlalchemy import ColumnElement, Connection, Select
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as AnyResponse

from handoff.accounts import chain, sessions
from handoff.accounts.sessions import STEP_UP_MS, Session
from handoff.accounts.staff import EVERYWHERE, Role, Staff
from handoff.frame import frame, now, page

V = TypeVar("V", bound=Callable[..., Any])
SAFE = ("GET", "HEAD", "OPTIONS")
FORM_FIELD, FORM_HEADER = "form_token", "X-Form-Token"
_RULE = "osso_rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """`roles`: one of them is needed; none named means any member. `quiet`: the page asks by itself, she did not."""

    public: bool = False
    roles: tuple[Role, ...] = ()
    step_up: bool = False
    quiet: bool = False


def public(view: V) -> V:
    """Anybody may see this view."""
    setattr(view, _RULE, Rule(public=True))
    return view


def allow(*roles: Role, step_up: bool = False, quiet: bool = False) -> Callable[[V], V]:
    """Members with one of the roles; without roles any member. `step_up` asks for a fresh code (10 minutes).

    `quiet` is for what a page fetches on its own (live updates): it does not keep an idle session alive.
    """

    def mark(view: V) -> V:
        setattr(view, _RULE, Rule(roles=roles, step_up=step_up, quiet=quiet))
        return view

    return mark


def rule_of(app: Flask, endpoint: str | None) -> Rule | None:
    return cast("Rule | None", getattr(app.view_functions.get(endpoint or ""), _RULE, None))


def check(app: Flask) -> None:
    """Refuses to start with a route that nobody decided about. Raises RuntimeError naming every one."""
    bare = sorted({rule.endpoint for rule in app.url_map.iter_rules() if rule_of(app, rule.endpoint) is None})
    if bare:
        raise RuntimeError(f"views without @allow or @public: {', '.join(bare)}")


def current_staff() -> Staff:
    """Who is signed in. Only for views under `@allow`; elsewhere it answers 401."""
    staff = g.get("staff")
    if not isinstance(staff, Staff):
        abort(401)
    return staff


def current_session() -> Session:
    session = g.get("session")
    if not isinstance(session, Session):
        abort(401)
    return session


def signed_in() -> bool:
    return isinstance(g.get("staff"), Staff)


def audit(connection: Connection, staff: Staff | None, action: str, subject: str, detail: str = "") -> None:
    """Appends to the audit inside the caller's transaction; constants and ids only, never text."""
    chain.record(frame().accounts, connection, staff, action, subject, detail)


def scoped(
    query: Select[Any], office: ColumnElement[str], *, roles: tuple[Role, ...] = (), also: tuple[str, ...] = ()
) -> Select[Any]:
    """The query narrowed to the offices where the signed-in member holds one of `roles` (the view's when not named).

    `also`: office values that everybody of these roles sees, like `""` for what was not routed yet.
    """
    offices = my_offices(*roles)
    if EVERYWHERE in offices:
        return query
    return query.where(office.in_(sorted({*offices, *also})))


def my_offices(*roles: Role) -> frozenset[str]:
    """Offices where the signed-in member holds one of the roles (the view's when none is named); `*` is all."""
    rule = rule_of(current_app, request.endpoint)
    return current_staff().offices_as(*(roles or (rule.roles if rule else ())))


def form_token() -> str:
    """What a form carries to prove that this browser got it from us: bound to the cookie, new with every sign-in."""
    token = request.cookies.get(cookie_name(), "") or g.get("new_cookie", "")
    if not token:
        token = g.new_cookie = sessions.new_token()  # a stranger's, of no session; only her forms hang on it
    return _form_tokens(token)[0]


def cookie_name() -> str:
    return "__Host-osso" if secure() else "osso"


def set_cookie(response: AnyResponse, token: str) -> None:
    response.set_cookie(cookie_name(), token, path="/", secure=secure(), httponly=True, samesite="Strict")


def device_cookie() -> str:
    return "__Host-osso-device" if secure() else "osso-device"


def set_device(response: AnyResponse, value: str, *, seconds: int) -> None:
    response.set_cookie(
        device_cookie(), value, max_age=seconds, path="/", secure=secure(), httponly=True, samesite="Strict"
    )


def install(app: Flask) -> None:
    app.jinja_env.globals["form_token"] = form_token

    @app.before_request
    def _gate() -> AnyResponse | None:
        rule = rule_of(app, request.endpoint)
        if request.endpoint is not None and rule is None:
            abort(404)
        _recognise(rule)
        if request.method not in SAFE:
            _refuse_foreign_forms()
        if rule is None or rule.public:
            return None
        if g.staff is None:
            return _sign_in_first()
        if rule.roles and not g.staff.has(*rule.roles):
            abort(404)
        if rule.step_up and now() - g.session.stepped_at > STEP_UP_MS:
            return _prove_first()
        return None

    @app.after_request
    def _cookies(response: Response) -> Response:
        if g.get("new_cookie"):
            set_cookie(response, g.new_cookie)
        return response


def _recognise(rule: Rule | None) -> None:
    token = request.cookies.get(cookie_name(), "")
    static = request.endpoint == "static"
    active = not (rule is not None and rule.quiet)
    g.session = sessions.resume(frame().accounts, token, active=active) if token and not static else None
    g.staff = g.session.staff if g.session else None


def _refuse_foreign_forms() -> None:
    """Where the browser says the form comes from, and the token that only our pages carry."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site not in (None, "same-origin"):
        raise BadRequest("foreign")
    # Under no-referrer browsers say `null` for our own forms too: then only Sec-Fetch-Site and the token speak.
    if site is None and origin not in (None, "null", request.host_url.rstrip("/")):
        raise BadRequest("foreign")
    token = request.cookies.get(cookie_name(), "")
    given = request.headers.get(FORM_HEADER) or request.form.get(FORM_FIELD, "")
    if not token or not any(hmac.compare_digest(given.encode(), good.encode()) for good in _form_tokens(token)):
        raise BadRequest("stale")


def _form_tokens(token: str) -> list[str]:
    message = b"form\x1f" + token.encode("utf-8", "surrogatepass")
    return [hmac.new(key, message, hashlib.sha256).hexdigest() for key in frame().accounts.form_keys]


def _sign_in_first() -> AnyResponse:
    wants_page = request.method == "GET" and request.headers.get("Sec-Fetch-Dest", "document") == "document"
    if not wants_page or request.accept_mimetypes.best == "text/event-stream":
        abort(401)
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        # A link from outside: a Strict cookie stays home. Asking once more from our own page brings it along.
        return make_response(page("bounce.html", target=request.script_root + request.full_path.rstrip("?")))
    return redirect(url_for("accounts.sign_in", next=request.script_root + request.full_path.rstrip("?")))


def _prove_first() -> AnyResponse:
    if request.method != "GET":
        return make_response(page("accounts/prove_first.html"), 403)
    return redirect(url_for("accounts.step_up", next=request.script_root + request.full_path.rstrip("?")))


def secure() -> bool:
    return request.is_secure or frame().accounts.production
