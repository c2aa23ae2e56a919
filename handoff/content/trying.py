"""Trying a question: which article the bot would take, how sure it is, and why. Nothing is stored, nothing is sent."""

from __future__ import annotations

from flask import request

from bot.simulator.trace import CATEGORIES, DECISIONS, LEVELS, Titles, sentence
from handoff.accounts import allow
from handoff.content.room import pages
from handoff.content.seen import Bubble, fit, turn_of
from handoff.frame import frame, page

MOST = 500  # characters of a question


@pages.get("/try")
@allow("editor", "approver")
def ask() -> str:
    return page("content/try.html", asked="", reading=None)


@pages.post("/try")
@allow("editor", "approver")
def answer() -> str:
    """Posted, so that a question never stands in an address or a log."""
    text = request.form.get("text", "").strip()[:MOST]
    if not text:
        return ask()
    book = frame().parts.rim.mind().book
    reading = book.reader(text)
    turn = turn_of(book, "zalo", text=text)
    titles = Titles.of(book)
    bubbles = [
        Bubble(piece.text, len(piece.text), tuple((one.title, one.payload) for one in piece.choices))
        for reply in turn.replies
        for piece in fit(reply, "zalo")
    ]
    return page(
        "content/try.html",
        asked=text,
        reading=reading,
        turn=turn,
        label=DECISIONS.get(turn.decision, turn.decision),
        danger=book.screen.read(text),
        levels=LEVELS,
        categories=CATEGORIES,
        why=[sentence(note, titles) for note in (*turn.why, *reading.why)],
        bubbles=bubbles,
        known=book.knowledge.articles,
    )
