"""The second app behind the port: the staff's. Another trust than the public front, so another app.

Mounted at /desk by whoever serves it; every address comes from url_for. No view without `@allow` or `@public`.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, make_response, redirect, request, send_from_directory, url_for
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

from bot import log, texts
from bot.errors import Refused, Unreachable
from handoff import content, frame, headers
from handoff import desk as counselling
from handoff.accounts import admin, break_glass, guard, views
from handoff.accounts.accounts import Accounts, open_accounts
from handoff.accounts.guard import allow, current_staff, public
from handoff.accounts.members import Missing
from handoff.accounts.staff import ROLE_NAMES, ROLES
from handoff.frame import Frame, Place, page, translate

if TYPE_CHECKING:
    from bot.wiring import Parts, Wake

LOCALES = Path(__file__).parent.parent / "locales"
MOST_BYTES = 25_000_000  # one picture or file at a time; each view may ask for less
FORM_MEMORY = 1_000_000

SHORT = {400: "Trang này đã cũ", 413: "Tệp quá lớn", 503: "Máy chủ đang bận"}  # for a page that asks by itself

# The navigation, in order. A place whose view is not there yet is left out.
PLACES: tuple[Place, ...] = (
    Place("desk.queue", "Hàng chờ", ("counsellor", "lead")),
    Place("desk.appointments", "Lịch hẹn", ("counsellor", "lead")),
    Place("desk.team", "Đội ngũ", ("lead",)),
    Place("campaigns.home", "Chiến dịch", ("officer", "lead")),
    Place("knowledge.home", "Nội dung", ("editor", "approver")),
    Place("reports.home", "Báo cáo", ("analyst", "lead")),
    Place("admin.members", "Nhân sự", ("admin",)),
    Place("glass.home", "Mở khẩn cấp", ("counsellor", "lead", "admin")),
    Place("admin.log", "Nhật ký", ("admin",)),
)


def create_desk(parts: Parts, wake: Wake, *, accounts: Accounts | None = None) -> Flask:
    """The staff app. `wake` is called after a commit that gives a conversation something to say, and may fail freely.

    `accounts` is for tests that need a cheap hasher. Raises RuntimeError when a view carries no rule.
    """
    settings = parts.settings
    app = Flask("handoff", static_folder=None, root_path=str(Path(__file__).parent))
    app.config.update(
        MAX_CONTENT_LENGTH=MOST_BYTES,
        MAX_FORM_MEMORY_SIZE=FORM_MEMORY,
        TRUSTED_HOSTS=[urlsplit(settings.base_url).hostname] if settings.production else None,
    )
    app.jinja_env.globals.update({"ROLES": ROLES, "ROLE_NAMES": ROLE_NAMES})
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    built = accounts or open_accounts(
        settings,
        parts.database,
        clock=parts.rim.clock,
        offices=lambda: {office.id: office.name for office in parts.rim.mind().book.knowledge.offices.values()},
    )
    frame.install(app, Frame(parts, wake, built, texts.load(LOCALES, domain="desk"), PLACES))
    headers.install(app, production=settings.production)
    guard.install(app)
    _own_views(app)
    for blueprint in (views.pages, admin.pages, break_glass.pages, counselling.pages, content.pages):
        app.register_blueprint(blueprint)
    _errors(app)
    app.context_processor(_layout)
    guard.check(app)
    return app


def _own_views(app: Flask) -> None:
    @app.get("/static/<path:filename>", endpoint="static")
    @public
    def static(filename: str) -> Response:
        return send_from_directory(frame.STATIC, filename)

    @app.get("/", endpoint="home")
    @allow()
    def home() -> AnyResponse:
        places = _places(app)
        return redirect(url_for(places[0].endpoint if places else "accounts.mine"))

    @app.post("/look", endpoint="look")
    @public
    def look() -> AnyResponse:
        """Language, letter size and colours, kept in a cookie that holds nothing else."""
        old = frame.look()
        chosen = frame.Look(
            locale=_one_of("locale", frame.LOCALES, old.locale),
            size=_one_of("size", frame.SIZES, old.size),
            theme=_one_of("theme", frame.THEMES, old.theme),
        )
        response = redirect(frame.inside(request.form.get("back", "")) or url_for("home"))
        response.set_cookie(
            frame.LOOK, chosen.cookie, max_age=31_536_000, secure=request.is_secure, httponly=True, samesite="Strict"
        )
        return response


def _one_of(name: str, allowed: tuple[str, ...], otherwise: str) -> str:
    value = request.form.get(name, "")
    return value if value in allowed else otherwise


def _places(app: Flask) -> list[Place]:
    staff = g.get("staff")
    return [
        place
        for place in PLACES
        if staff is not None and place.endpoint in app.view_functions and (not place.roles or staff.has(*place.roles))
    ]


def _layout() -> dict[str, object]:
    """What the layout shows on every page."""
    app = current_app
    staff = g.get("staff")
    signed_in = staff is not None and not g.get("bare", False)
    return {
        "staff": staff,
        "places": _places(app) if signed_in else [],
        "notices": break_glass.notices(current_staff()) if signed_in else [],
        "here": request.endpoint,
        "path": request.script_root + request.full_path.rstrip("?") if request.method == "GET" else "",
    }


def _breaking() -> dict[str, object]:
    """What the page of a chat that did not open offers: an emergency. It is the same when there is no such chat."""
    if request.endpoint != "desk.chat" or not guard.signed_in() or not current_staff().has("counsellor", "lead"):
        return {}
    reference = str((request.view_args or {}).get("reference", ""))
    with frame.frame().parts.database.read() as connection:
        broken = break_glass.glass_broken(connection, current_staff(), f"ticket:{reference}")
    return {"reference": reference, "reasons": break_glass.REASONS, "broken": broken}


def _errors(app: Flask) -> None:
    def shown(code: int, why: str = "") -> AnyResponse:
        reference = secrets.token_hex(4)
        g.bare = code >= 500  # a page about a database that is gone asks the database nothing
        if code >= 500:
            log.get().error("desk page failed", code=reference, status=code, place=request.endpoint or "")
        if request.headers.get("Sec-Fetch-Dest", "document") != "document":
            return make_response(
                Response(why or translate(SHORT.get(code, "Không được.")), code, mimetype="text/plain")
            )
        breaking = _breaking() if code in (404, 409) else {}
        return make_response(page("error.html", code=code, why=why, reference=reference, breaking=breaking), code)

    @app.errorhandler(HTTPException)
    def _refused(error: HTTPException) -> AnyResponse:
        if error.response is not None:
            return make_response(error.response)
        if isinstance(error, SecurityError):  # a host that is not ours: no page, its links would lead there
            return make_response(Response("400 Bad Request\n", 400, mimetype="text/plain"))
        return shown(error.code or 500)

    @app.errorhandler(Missing)
    def _missing(_error: Missing) -> AnyResponse:
        """The same page for what is not there and what she may not see."""
        return shown(404)

    @app.errorhandler(Refused)
    def _not_allowed(error: Refused) -> AnyResponse:
        return shown(409, frame.spoken(error))

    @app.errorhandler(Unreachable)
    def _gone(_error: Unreachable) -> AnyResponse:
        response = shown(503)
        response.headers["Retry-After"] = "5"
        return response

    @app.errorhandler(Exception)
    def _failed(error: Exception) -> AnyResponse:
        log.get().error("desk failed", error=error)
        return shown(500)
