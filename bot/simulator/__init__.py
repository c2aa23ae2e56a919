"""The simulator at `/chat`: a phone in the browser that goes through the same inbox, engine and outbox as a platform.

It knows the visitor by a signed cookie only, shows nothing that was not really sent, and is open to anyone: every
door is capped, counted and closed to other sites.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, jsonify, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter

from bot import log
from bot.channels.lenient import load
from bot.channels.webchat import ACCOUNT, KEPT
from bot.errors import Unreachable, Unreadable
from bot.inbox import accept
from bot.messages import Ignored
from bot.simulator import files, reads, views
from bot.simulator.visitors import CHANNELS, Visitor, Visitors
from bot.store.crypto import Sealed

if TYPE_CHECKING:
    from bot.wiring import Parts, Wake

MOST_BYTES = 1_000_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADER = "X-OSSO-Chat"  # no form and no other site can send it without asking first
SAID = ("id", "text", "payload", "attachments", "contact", "reply_to")
# A page asks four times a second for a while after each message; an office may share one address.
SAY, SAY_ADDRESS = "60/minute", "600/minute"
LOOK, LOOK_ADDRESS = "400/minute", "6000/minute"
ARRIVE_ADDRESS = "120/minute"
HAND, HAND_ADDRESS = "12/minute", "60/minute"


def blueprint(parts: Parts, wake: Wake) -> Blueprint:
    """The pages under `/chat`. `wake` is called after each commit and may fail freely."""
    page = Blueprint(
        "simulator", __name__, url_prefix="/chat", template_folder="templates", static_folder="static"
    )  # fmt: skip
    visitors = Visitors(parts.settings.secret_keys)

    def address() -> str:
        return request.remote_addr or ""

    def person() -> str:
        found = visitors.read(request)
        return found.person if found else address()

    def known() -> Visitor:
        return visitors.read(request) or abort(401)

    limiter = Limiter(key_func=address, storage_uri="memory://")

    @page.record_once
    def _count(setup: BlueprintSetupState) -> None:
        assert isinstance(setup.app, Flask)  # noqa: S101 - Flask types it as its smaller self
        limiter.init_app(setup.app)

    @page.before_request
    def _guard() -> None:
        request.max_content_length = files.MOST_BYTES if request.endpoint == "simulator.hand" else MOST_BYTES
        if request.method == "POST" and not _from_our_page():
            abort(403)

    @page.after_request
    def _headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        if request.endpoint == "simulator.static":
            response.headers["Cache-Control"] = "public, max-age=300"
        return response

    @page.get("", strict_slashes=False)
    @limiter.limit(ARRIVE_ADDRESS)
    def chat() -> Response:
        visitor = visitors.read(request) or visitors.invent(CHANNELS[0])
        response = Response(render_template("chat.html", visitor=visitor))
        visitors.write(response, visitor, secure=request.is_secure)
        return response

    @page.post("/person")
    @limiter.limit(ARRIVE_ADDRESS)
    def meet() -> Response:
        """Another woman, on the channel asked for; the one before is never seen again."""
        channel = _given().get("channel")
        visitor = visitors.invent(channel if channel in CHANNELS else CHANNELS[0])
        response = Response(status=204)
        visitors.write(response, visitor, secure=request.is_secure)
        return response

    @page.post("/messages")
    @limiter.limit(SAY_ADDRESS)
    @limiter.limit(SAY, key_func=person)
    def say() -> ResponseReturnValue:
        given = _given()
        return said(known(), {name: given[name] for name in SAID if name in given})

    def said(visitor: Visitor, given: dict[str, Any]) -> Response:
        now = parts.rim.clock()
        post = given | {"person": visitor.person, "at": now}
        try:
            events = parts.channels[visitor.channel].parse(json.dumps(post).encode(), frozenset({ACCOUNT}))
        except (Unreadable, RecursionError):
            abort(400)
        if any(isinstance(event, Ignored) for event in events):
            abort(400)
        try:
            accepted = accept(parts.database, parts.rim.mind().book.screen, events, now=now)
        except Unreachable as error:
            log.get().error("not accepted", channel=visitor.channel, error=error)
            return Response(status=503, headers={"Retry-After": "5"})
        parts.meter.accepted(visitor.channel, accepted.counts)
        for conversation_id, rank in accepted.wake:
            wake(conversation_id, rank)
        return Response(status=202)

    @page.post("/files")
    @limiter.limit(HAND_ADDRESS)
    @limiter.limit(HAND, key_func=person)
    def hand() -> ResponseReturnValue:
        """A picture or a file of hers, kept as it is: the desk looks into it as into one from a platform."""
        visitor, given = known(), request.files.get("file")
        message, kind = request.form.get("id", ""), request.form.get("kind", "")
        if given is None or not message or kind not in files.KINDS:
            abort(400)
        token = files.token(parts.database.keyring, visitor, message)
        attachment = {"kind": kind, "name": (given.filename or "")[:120], "url": KEPT + token}
        answer = said(visitor, {"id": message, "attachments": [attachment]})
        if answer.status_code != 202:
            return answer
        try:
            with parts.database.write() as connection:
                files.keep(connection, parts.database.keyring, visitor, token, given.stream.read(), parts.rim.clock())
        except Unreachable:
            return Response(status=503, headers={"Retry-After": "5"})
        return jsonify(url=url_for(".file", token=token)), 202

    @page.get("/files/<token>")
    @limiter.limit(LOOK_ADDRESS)
    @limiter.limit(LOOK, key_func=person)
    def file(token: str) -> Response:
        """A file of this woman's own chat, hers or a counsellor's, as long as it is kept."""
        ring = parts.database.keyring
        with parts.database.read() as connection:
            found = files.hers(connection, ring, known(), token)
        if found is None or found.until < parts.rim.clock():
            abort(404)
        response = Response(found.body, mimetype=found.kind)
        response.headers["Content-Disposition"] = "inline" if found.kind.startswith("image/") else "attachment"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @page.get("/messages")
    @limiter.limit(LOOK_ADDRESS)
    @limiter.limit(LOOK, key_func=person)
    def look() -> ResponseReturnValue:
        visitor = known()
        index = parts.database.keyring.index("person", visitor.channel, ACCOUNT, visitor.person)
        try:
            with parts.database.read() as connection:
                seen = reads.look(connection, index, after=request.args.get("after", ""), now=parts.rim.clock())
            return jsonify(views.page(seen, parts.database.keyring, parts.rim.mind().book))
        except Sealed:  # she was forgotten between two looks
            return jsonify(views.NOTHING)
        except Unreachable:
            return Response(status=503, headers={"Retry-After": "5"})

    return page


def _given() -> dict[str, Any]:
    """The JSON object of the request; 400 for anything else, 413 when it is too long."""
    try:
        return load(request.get_data(cache=False))
    except Unreadable:
        abort(400)


def _from_our_page() -> bool:
    """Whether this post was made by our own script: browsers name the site that asks, one way or another."""
    site = request.headers.get("Sec-Fetch-Site")
    ours = site == "same-origin" if site else urlsplit(request.headers.get("Origin", "")).netloc == request.host
    return ours and HEADER in request.headers
