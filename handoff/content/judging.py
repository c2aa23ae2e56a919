"""Submit, review, send back, publish, withdraw, bring back: each a form, each refused with the rules' reasons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from bot.errors import ContentError, Refused
from bot.knowledge import approved, deeds, fingerprint, save, write_article
from bot.knowledge.articles import Review, Status
from bot.knowledge.governance import reviews
from bot.knowledge.loading import parse_article
from handoff.accounts import allow, audit, current_staff
from handoff.content import approvals
from handoff.content.room import judged, pages, press, record, root
from handoff.frame import frame, now, page

MOST_REMARK = 2_000  # characters


@pages.post("/<article>/submit")
@allow("editor", "approver")
def submit(article: str) -> ResponseReturnValue:
    """Hands these words in for review. Whoever wrote along since the last publishing is named too."""
    one, mine = judged().article(article), current_staff().login
    with frame().parts.database.write() as connection:
        along = approvals.writers(connection, article, one.hash)
        audit(connection, current_staff(), "article.submitted", f"article:{article}", one.hash)
    by = mine if mine in along or not along else along[0]
    return _judge(article, "submitted", lambda: deeds.submit(press(), [article], by=by, with_=along))


@pages.post("/<article>/review")
@allow("approver")
def review(article: str) -> ResponseReturnValue:
    judged().article(article)
    seen = {article: request.form.get("hash", "")}
    return _judge(article, "reviewed", lambda: deeds.review(press(), [article], by=current_staff().login, seen=seen))


@pages.post("/<article>/send-back")
@allow("approver")
def send_back(article: str) -> ResponseReturnValue:
    judged().article(article)
    remark = request.form.get("remark", "")[:MOST_REMARK]
    mine = current_staff().login
    return _judge(article, "returned", lambda: deeds.send_back(press(), [article], by=mine, remark=remark))


@pages.post("/<article>/publish")
@allow("approver", step_up=True)
def publish(article: str) -> ResponseReturnValue:
    judged().article(article)
    seen = {article: request.form.get("hash", "")}
    return _judge(article, "published", lambda: deeds.publish(press(), [article], by=current_staff().login, seen=seen))


@pages.post("/<article>/withdraw")
@allow("approver")
def withdraw(article: str) -> ResponseReturnValue:
    one = judged().article(article)
    if one.status == "draft" and not any(name == article for name, _ in approved(record().of(article))):
        raise Refused("Bài này đang là bản nháp, không có gì để rút.")
    return _judge(article, "withdrawn", lambda: deeds.withdraw(press(), [article], by=current_staff().login))


@pages.post("/<article>/rollback")
@allow("editor", "approver")
def rollback(article: str) -> ResponseReturnValue:
    """An old version becomes a new draft; words that were reviewed before need no second review to be published."""
    found = judged()
    found.article(article)
    file, staff = found.shelf.files[article], current_staff()
    seen = fingerprint(root() / file)
    with frame().parts.database.write() as connection:
        row = approvals.find_version(connection, article, request.form.get("version", ""))
        if row is None:
            raise Refused("Không có bản này trong lịch sử.")
        _, old, findings = parse_article(str(row["text"]).encode(), file, file.split("/", 1)[0])
        if old is None:
            raise ContentError(findings)
        counted = reviews(old, acts := record().of(article))
        status: Status = "published" if (article, old.hash) in approved(acts) else "reviewed"
        mark = Review(status, counted[-1].by, counted[-1].on[:10]) if counted else Review("draft")
        text = write_article(replace(old, review=mark))
        approvals.keep(connection, article, old.hash, text=text, staff_id=staff.id, note="rollback", at=now())
        audit(connection, staff, "article.rollback", f"article:{article}", old.hash)
        save(root(), file, text.encode(), seen=seen)
    done = "matches" if mark.status == "published" else "rollback"
    return redirect(url_for("knowledge.article", article=article, done=done), 303)


def _judge(article: str, done: str, deed: Callable[[], object]) -> ResponseReturnValue:
    try:
        deed()
    except ContentError as error:
        return make_response(page("content/refused.html", article=article, findings=error.findings), 409)
    return redirect(url_for("knowledge.article", article=article, done=done), 303)
