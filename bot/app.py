"""The web server: two apps behind one port. The public front (webhooks, health, metrics, simulator) knows nothing of
staff; the desk under `/desk` is another app with another trust. Denied unless named here.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from bot import log, simulator
from bot.actions import serve
from bot.channels import Channel
from bot.errors import Forged, Unreachable, Unreadable
from bot.inbox import accept
from bot.store import migrate
from bot.wiring import Parts, Wake
from handoff.app import create_desk
from handoff.desk.files import lent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_BYTES = 1_000_000
PLAIN = "text/plain; charset=utf-8"
HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


def create_server(parts: Parts, wake: Wake) -> WSGIApplication:
    """Both apps, as one WSGI application."""
    return DispatcherMiddleware(create_app(parts, wake), {"/desk": create_desk(parts, wake)})


def guarded(app: WSGIApplication) -> WSGIApplication:
    """The application with `HEADERS` on every answer that does not set them itself."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        def begin(status: str, given: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            names = {name for name, _ in given}
            return start(status, given + [header for header in HEADERS if header[0] not in names], *error)

        return app(environ, begin)

    return answer


def create_app(parts: Parts, wake: Wake) -> Flask:
    """The public front. `wake` is called after each commit and may fail freely."""
    app = Flask("bot", static_folder=None, template_folder=None)
    app.wsgi_app = guarded(app.wsgi_app)  # type: ignore[assignment,method-assign]
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    if parts.settings.proxy_hops:
        hops = parts.settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    _webhooks(app, parts, wake)
    _health(app, parts)
    if parts.settings.action_token:
        _rasa(app, parts)
    app.register_blueprint(lent(parts))
    if parts.settings.simulator:
        app.register_blueprint(simulator.blueprint(parts, wake))

    @app.errorhandler(HTTPException)
    def _refused(error: HTTPException) -> Response:
        return Response(f"{error.code} {error.name}\n", error.code, mimetype="text/plain")

    @app.errorhandler(Exception)
    def _failed(error: Exception) -> Response:
        log.get().error("request failed", error=error)
        return Response("500 Internal Server Error\n", 500, mimetype="text/plain")

    return app


def _webhooks(app: Flask, parts: Parts, wake: Wake) -> None:
    @app.get("/webhooks/messenger")
    def verify_messenger() -> Response:
        try:
            return Response(parts.messenger.challenge(request.args), mimetype="text/plain")
        except Forged:
            return Response("", 403)

    @app.post("/webhooks/messenger")
    def messenger() -> Response:
        return receive(parts, parts.messenger, wake)

    @app.get("/webhooks/zalo")
    def ping_zalo() -> Response:
        return Response("OSSO", mimetype="text/plain")

    @app.post("/webhooks/zalo")
    def zalo() -> Response:
        return receive(parts, parts.zalo, wake)

    code = parts.settings.zalo_site_verifier
    if code:

        @app.get(f"/zalo_verifier{code}.html")
        def zalo_verifier() -> Response:
            return Response(_verifier_page(code), mimetype="text/html")

        @app.get("/")
        def root() -> Response:
            return Response(_verifier_page(code), mimetype="text/html")


def _verifier_page(code: str) -> str:
    safe = "".join(letter for letter in code if letter.isalnum() or letter in "-_")
    return (
        "<!doctype html><html lang=vi><head><meta charset=utf-8>"
        f'<meta name="zalo-platform-site-verification" content="{safe}"><title>OSSO</title></head>'
        "<body>OSSO</body></html>"
    )


def receive(parts: Parts, channel: Channel, wake: Wake) -> Response:
    """One webhook: verify raw bytes, parse, accept in one transaction, answer, wake. Nothing unsigned is kept."""
    name = channel.name
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        parts.meter.refused(name, "too big")
        return Response("", 413)
    try:
        accounts = channel.verify(_headers(request.environ), body)
    except Forged:
        parts.meter.refused(name, "forged")
        parts.pulse.forged(name)
        return Response("", 403)
    try:
        events = channel.parse(body, accounts)
    except Unreadable:
        parts.meter.refused(name, "unreadable")
        return Response("", 400)
    screen = parts.library.matcher.book.screen
    try:
        accepted = accept(parts.database, screen, events, now=parts.rim.clock())
    except Unreachable as error:
        parts.meter.refused(name, "database")
        parts.pulse.failed(name, accounts)
        log.get().error("not accepted", channel=name, error=error)
        return Response("", 503, headers={"Retry-After": "5"})
    except Exception:
        parts.pulse.failed(name, accounts)
        raise
    parts.meter.accepted(name, accepted.counts)
    parts.pulse.heard(name, accounts)
    try:
        for conversation_id, rank in accepted.wake:
            wake(conversation_id, rank)
    except Exception as error:  # it is committed: the sweeper finds it, and the platform must hear that we have it
        log.get().error("nobody woken", channel=name, error=error)
    return Response("", 200)


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """The headers of a request by name, which nobody should tell by its case."""
    return {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}


def _health(app: Flask, parts: Parts) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        """The process lives."""
        return Response("ok\n", mimetype="text/plain")

    @app.get("/readyz")
    def readyz() -> tuple[dict[str, Any], int]:
        """The database answers, its tables are the newest, the knowledge is loaded."""
        checks: dict[str, Callable[[], bool]] = {
            "database": lambda: migrate.current(parts.database) == migrate.newest(),
            "keys": lambda: bool(parts.database.keyring.index("ready")),
            "knowledge": lambda: bool(parts.library.knowledge.articles),
        }
        results: dict[str, Any] = {}
        for name, check in checks.items():
            try:
                results[name] = check()
            except Exception as error:  # each reason is named, none hides another
                results[name] = type(error).__name__
        ready = all(value is True for value in results.values())
        if parts.library.faults:
            results["knowledge_faults"] = len(parts.library.faults)
        return results | {"ready": ready}, 200 if ready else 503

    @app.get("/metrics")
    def metrics() -> Response:
        if not _may_scrape(parts.settings.metrics_token):
            return Response("", 403)
        return Response(parts.meter.text(), mimetype=PLAIN)


def _rasa(app: Flask, parts: Parts) -> None:
    @app.post("/rasa/webhook")
    def actions() -> tuple[Response, int] | Response:
        """Our actions for a Rasa server; off unless OSSO_ACTION_TOKEN is set."""
        if not _bearer(parts.settings.action_token):
            return Response("", 401)
        status, body = serve(parts.library.matcher.inside, request.get_json(silent=True))
        return jsonify(body), status


def _bearer(token: str) -> bool:
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def _may_scrape(token: str) -> bool:
    if token:
        return _bearer(token)
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
