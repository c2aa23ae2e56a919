"""The list of articles, one article as she sees it on each channel, its history, and what changed since it was out."""

from __future__ import annotations

from collections import Counter
from difflib import unified_diff

from flask import request
from sqlalchemy import Connection, func, select

from bot.knowledge import Article, Editor, approved, may_publish, may_review, write_article
from bot.knowledge.articles import TOPICS
from bot.knowledge.render import PARTS, section
from bot.knowledge.trial import WINNERS, Winners, read_winners
from bot.knowledge.writing import without_review
from bot.store import queries
from handoff.accounts import allow, current_staff
from handoff.accounts import queries as members
from handoff.accounts.members import Missing
from handoff.content import approvals
from handoff.content.room import Judged, editor_of, judged, pages, plain, record, root, today, worst
from handoff.content.seen import LIKE, seen
from handoff.content.standing import older, rows, standing, unapproved
from handoff.frame import frame, page

PAGE = 100
VIEWS = ("", "out", "submitted", "returned", "reviewed", "draft", "unapproved", "expired", "soon", "findings")


@pages.get("/")
@allow("editor", "approver")
def home() -> str:
    found, args = judged(), request.args
    held = found.shelf.knowledge.articles
    with frame().parts.database.read() as connection:
        unhappy = unhappy_counts(connection)
        waiting = _missed_new(connection)
    acts = record().all()
    out = approved(acts)
    wrong = unapproved(held.values(), found.shelf.files, out)
    by_file: dict[str, list[object]] = {}
    for one in found.findings:
        by_file.setdefault(one.file, []).append(one)
    counts = {name: worst(by_file.get(found.shelf.files[name], ())) for name in held}  # type: ignore[arg-type]
    lines = rows(held.values(), acts, counts, out=out, winners=winners(), unhappy=unhappy, today=today())
    totals: Counter[str] = Counter(line.standing for line in lines)
    totals["soon"] = sum(line.soon for line in lines)
    totals["findings"] = sum(bool(line.errors or line.warnings) for line in lines)
    view, topic, asked = args.get("view", ""), args.get("topic", ""), args.get("q", "").strip()[:100]
    if view in ("soon", "findings"):
        lines = [line for line in lines if (line.soon if view == "soon" else line.errors or line.warnings)]
    elif view in VIEWS and view:
        lines = [line for line in lines if line.standing == view]
    if topic in TOPICS:
        lines = [line for line in lines if line.article.topic == topic]
    if asked:
        lines = [line for line in lines if _fits(line.article, plain(asked).split())]
    number = min(int(args["page"]), 1_000) if args.get("page", "").isdecimal() else 0
    return page(
        "content/list.html",
        lines=lines[number * PAGE : (number + 1) * PAGE],
        count=len(lines),
        number=number,
        pages=-(-len(lines) // PAGE),
        totals=totals,
        every=len(held),
        view=view if view in VIEWS else "",
        topic=topic,
        asked=asked,
        grave=found.shelf.grave,
        faults=getattr(getattr(frame().parts, "library", None), "faults", ()),
        unapproved=wrong,
        waiting=waiting,
        today=today(),
    )


def _fits(article: Article, wanted: list[str]) -> bool:
    text = plain(" ".join((article.id, article.title, article.short, *article.questions, *article.answer)))
    return all(f" {word}" in f" {text}" for word in wanted)


def winners() -> Winners:
    """Who answered what when something was last published or measured; empty where nobody measured yet."""
    path = root() / WINNERS
    return read_winners(path.read_text("utf-8")) if path.exists() else {}


def unhappy_counts(connection: Connection) -> dict[str, int]:
    table = queries.feedback
    query = select(table.c.article, func.count()).where(table.c.useful.is_(False)).group_by(table.c.article)
    return {row[0]: row[1] for row in connection.execute(query)}


def _missed_new(connection: Connection) -> int:
    query = select(func.count()).select_from(queries.missed).where(queries.missed.c.status == "new")
    return int(connection.execute(query).scalar_one())


# --- one article ----------------------------------------------------------------------------------------------------


@pages.get("/<article>")
@allow("editor", "approver")
def article(article: str) -> str:
    found = judged()
    one = found.article(article)
    staff, acts = current_staff(), record().of(article)
    with frame().parts.database.read() as connection:
        people = approvals.people(connection)
        me = editor_of(connection, staff)
        names = names_of(connection, {act.by for act in acts})
        unhappy = unhappy_counts(connection).get(article, 0)
    out = approved(acts)
    file = found.shelf.files[article]
    findings = [*unapproved([one], found.shelf.files, out), *found.about(file)]
    book = frame().parts.rim.mind().book
    value = request.args.get("case", "")[:60]
    part = request.args.get("part", "")[:12]
    asked = [book.reader(text) for text in one.questions]
    lost = [
        (text, reading.candidates[0].article if reading.candidates else "")
        for text, reading in zip(one.questions, asked, strict=True)
        if not reading.candidates or reading.candidates[0].article != article
    ]
    return page(
        "content/article.html",
        one=one,
        standing=standing(one, acts, out=out, today=today()),
        older=older(one, acts, out=out),
        today=today(),
        remark=next((act for act in reversed(acts) if act.act == "returned"), None),
        findings=findings,
        file=file,
        views=[seen(book, one, channel, value=value, part=part) for channel in LIKE],
        value=value,
        part=part,
        parts=[(name, words) for name, words in PARTS.items() if section(one, name)],
        lost=lost,
        acts=acts[-6:][::-1],
        names=names,
        refusals=_refusals(found, one, me, people),
        me=me,
        unhappy=unhappy,
        difference=difference(one),
        held=found.shelf.knowledge.articles,
        done=request.args.get("done", ""),
    )


def _refusals(found: Judged, one: Article, me: Editor, people: dict[str, Editor]) -> dict[str, list[object]]:
    """What stands in the way of her reviewing and publishing these words."""
    acts = record().of(one.id)
    review = may_review(one, by=me, acts=acts, findings=found.findings)
    publish = may_publish(one, by=me, acts=acts, people=people, today=today(), findings=found.findings)
    return {"review": list(review), "publish": list(publish)}


def names_of(connection: Connection, logins: set[str]) -> dict[str, str]:
    rows = connection.execute(
        select(members.staff.c.login, members.staff.c.name).where(members.staff.c.login.in_(logins))
    )
    return {row.login: row.name for row in rows}


def difference(one: Article) -> list[tuple[str, str]]:
    """(kind, line) of what changed in the file since it was last published; empty when nothing did or it never was."""
    last = next((act for act in reversed(record().of(one.id)) if act.act == "published" and act.text), None)
    return compared(last.text, write_article(one)) if last else []


def compared(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ with two lines around each: kind `+`, `-`, ` ` or `@`. The review block is left out."""
    old, new = without_review(before), without_review(after)
    lines = list(unified_diff(old, new, n=2, lineterm=""))[2:]
    return [(line[:1], line[1:]) if not line.startswith("@@") else ("@", "…") for line in lines]


# --- history --------------------------------------------------------------------------------------------------------


@pages.get("/<article>/history")
@allow("editor", "approver")
def history(article: str) -> str:
    one = judged().article(article)
    with frame().parts.database.read() as connection:
        held = approvals.versions(connection, article)
        people = members.names(connection, [row["staff_id"] for row in held])
        acts = record().of(article)
        names = names_of(connection, {act.by for act in acts})
    wanted = request.args.get("version", "")
    chosen = next((row for row in held if row["uuid"] == wanted), None)
    if wanted and chosen is None:
        raise Missing
    now_text = write_article(one)
    return page(
        "content/history.html",
        one=one,
        held=held,
        people=people,
        acts=acts,
        names=names,
        out=approved(acts),
        chosen=chosen,
        lines=compared(str(chosen["text"]), now_text) if chosen else [],
    )
