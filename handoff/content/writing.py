"""Writing an article: a form or the raw file, checked while typing by the very code of `osso kb check`, saved as draft.

A save is whole or nothing, and never over somebody else's: the second editor is told, and both texts stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from flask import jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from bot import yamlfile
from bot.errors import Refused
from bot.knowledge import Article, check_article, fingerprint, save, write_article
from bot.knowledge.articles import COUNTRIES, ID, SKILLS, TOPICS, Review
from bot.knowledge.loading import parse_article
from bot.knowledge.writing import write_data
from bot.messages import Finding
from handoff.accounts import allow, audit, current_staff
from handoff.accounts import queries as members
from handoff.content import approvals, missed, words
from handoff.content.board import compared
from handoff.content.form import data_of, document_of, fields_of, marked, text_of
from handoff.content.room import judged, pages, root, said, today
from handoff.content.seen import LIKE, Seen, seen
from handoff.desk.words import CHANNELS
from handoff.frame import frame, now, page, translate

# Faults of shape that loading refuses; `check` also has errors a draft may carry while it is being written.
GRAVE = frozenset({"same-id", "same-short", "value", "id"})
NEW = {"review": {"status": "draft"}, "sources": []}


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the editor: the file it is for, its text, what that parses to, and every finding."""

    file: str
    text: str
    article: Article | None
    findings: tuple[Finding, ...]

    @property
    def grave(self) -> bool:
        """Whether loading would refuse it."""
        return self.article is None or any(one.severity == "error" and one.code in GRAVE for one in self.findings)


def _draft(text: str, file: str) -> Draft:
    found, raw = judged(), text.encode("utf-8", "replace")
    _, article, _ = parse_article(raw, file, file.split("/", 1)[0])
    findings = check_article(raw, file, shelf=found.shelf, rules=found.rules, today=today())
    return Draft(file, text, article, (*findings, *_odd_values(article, file, text)))


def _odd_values(article: Article | None, file: str, text: str) -> list[Finding]:
    """A country no woman can have: loading would refuse it."""
    if article is None or article.variants is None:
        return []
    provinces = judged().shelf.knowledge.provinces
    known = set(COUNTRIES) if article.variants.slot == "country" else {*provinces, "other"}
    document = document_of(text.encode(), file)
    return [
        Finding(
            "error",
            file,
            document.line("variants", "cases", number, "value") if document else 1,
            "value",
            f"không biết giá trị “{value}”",
            f"unknown value “{value}”",
        )
        for number, case in enumerate(article.variants.cases)
        for value in case.values
        if value not in known
    ]


# --- while typing ---------------------------------------------------------------------------------------------------


@pages.post("/check")
@allow("editor", "approver")
def check() -> ResponseReturnValue:
    """What stands in the editor, judged: findings with lines and fields, and how she would see it. Saves nothing."""
    draft = _sent()
    document = document_of(draft.text.encode("utf-8", "replace"), draft.file)
    views: list[Seen] = []
    if draft.article is not None:
        book = frame().parts.rim.mind().book
        views = [seen(book, draft.article, channel, value=request.form.get("case", "")[:60]) for channel in LIKE]
    return jsonify(
        findings=[
            {
                "severity": one.finding.severity,
                "name": translate(words.SEVERITIES[one.finding.severity]),
                "line": one.finding.line,
                "code": one.finding.code,
                "text": said(one.finding),
                "field": one.field,
                "item": one.item,
            }
            for one in marked(draft.findings, document)
        ],
        grave=draft.grave,
        rewords=_rewords(draft),
        views=[
            {
                "channel": view.channel,
                "name": CHANNELS.get(view.channel, view.channel),
                "most": translate("tối đa {n} ký tự một tin", n=view.limit),
                "bubbles": [
                    {"text": one.text, "length": one.length, "choices": [title for title, _ in one.choices]}
                    for one in view.bubbles
                ],
            }
            for view in views
        ],
    )


def _sent() -> Draft:
    """The editor's content of this request: raw, or the form's fields."""
    form = request.form
    topic, name = form.get("topic", ""), form.get("id", "").strip() or "bai-moi"
    if topic not in TOPICS or not re.fullmatch(ID, name) or len(name) > 60:
        raise Refused("Mã bài chỉ gồm chữ thường không dấu, số và gạch nối, ví dụ: leg-an-phi-ly-hon.")
    text = form.get("raw", "").replace("\r\n", "\n") if form.get("as") == "raw" else text_of(form)
    return _draft(text, f"{topic}/{name}.yml")


def _rewords(draft: Draft) -> bool:
    """Whether saving would take words out that are out now."""
    if draft.article is None:
        return False
    held = judged().shelf.knowledge.articles.get(draft.article.id)
    return held is not None and held.status == "published" and held.hash != draft.article.hash


# --- an article that is there ---------------------------------------------------------------------------------------


@pages.get("/<article>/edit")
@allow("editor", "approver")
def edit(article: str) -> str:
    """`add`: a missed question to add, by its reference; her words never travel in an address."""
    found = judged()
    found.article(article)
    file = found.shelf.files[article]
    text = (root() / file).read_text("utf-8")
    document = document_of(text.encode(), file)
    data = dict(document.data) if document is not None and isinstance(document.data, dict) else {}
    added = missed.words_for_article(request.args.get("add", ""))
    if added:
        data["questions"] = [*data.get("questions", []), added]
        text = write_data(data)
    return _page(_draft(text, file), seen_mark=fingerprint(root() / file), data=data, added=added)


@pages.post("/<article>/edit")
@allow("editor", "approver")
def save_edit(article: str) -> ResponseReturnValue:
    held = judged().article(article)
    file = judged().shelf.files[article]
    draft = _sent()
    if draft.file != file:
        raise Refused("Mã và chủ đề của một bài không đổi được; hãy viết bài mới.")
    mark = request.form.get("seen", "")
    return _looked(draft, mark) or _save(draft, held=held, seen_mark=mark)


@pages.get("/new")
@allow("editor", "approver")
def new() -> str:
    """`from`: a missed question the article should answer, by its reference."""
    added = missed.words_for_article(request.args.get("from", ""))
    data: dict[str, Any] = NEW | ({"title": added[:80], "questions": [added]} if added else {})
    return _page(Draft("", write_data(data), None, ()), seen_mark="", data=data, added=added)


@pages.post("/new")
@allow("editor", "approver")
def save_new() -> ResponseReturnValue:
    if not request.form.get("id", "").strip():
        raise Refused("Bài mới cần một mã, ví dụ: leg-an-phi-ly-hon.")
    draft = _sent()
    return _looked(draft, "") or _save(draft, held=None, seen_mark="")


def _looked(draft: Draft, mark: str) -> str:
    """The page again, nothing saved, when she only asked to check or to go between the form and the raw file."""
    match request.form.get("do"):
        case "look":
            return _page(draft, seen_mark=mark)
        case "raw":
            return _page(draft, seen_mark=mark, raw=True)
        case "form":  # a file too broken to be a form stays raw, with the line told
            return _page(
                draft, seen_mark=mark, raw=document_of(draft.text.encode("utf-8", "replace"), draft.file) is None
            )
        case _:
            return ""


def _save(draft: Draft, *, held: Article | None, seen_mark: str) -> ResponseReturnValue:
    path = root() / draft.file
    mark = fingerprint(path)
    if mark != seen_mark:
        return make_response(_page(draft, seen_mark=mark, conflict=path.read_text("utf-8") if mark else ""), 409)
    if draft.grave or draft.article is None:
        return make_response(_page(draft, seen_mark=seen_mark, refused=True), 422)
    same = held is not None and held.hash == draft.article.hash
    article = replace(draft.article, review=held.review if same and held else Review("draft"))
    text, staff = write_article(article), current_staff()
    with frame().parts.database.write() as connection:
        if held is not None:  # what stood there before anybody saved here belongs to the history too
            _keep_first(connection, held)
        approvals.keep(connection, article.id, article.hash, text=text, staff_id=staff.id, note="saved", at=now())
        audit(connection, staff, "article.saved", f"article:{article.id}", article.hash)
        missed.settle(connection, request.form.getlist("missed"))
        save(root(), draft.file, text.encode(), seen=seen_mark)
    return redirect(url_for("knowledge.article", article=article.id, done="saved"), 303)


def _keep_first(connection: Any, held: Article) -> None:
    known = select(approvals.version.c.id).where(approvals.version.c.article == held.id).limit(1)
    if connection.execute(known).first() is None:
        text = write_article(held)
        approvals.keep(connection, held.id, held.hash, text=text, staff_id=None, note="found", at=now())


# --- the page -------------------------------------------------------------------------------------------------------


def _page(
    draft: Draft,
    *,
    seen_mark: str,
    data: dict[str, Any] | None = None,
    added: str = "",
    conflict: str | None = None,
    refused: bool = False,
    raw: bool | None = None,
) -> str:
    found = judged()
    was_raw = request.values.get("as") == "raw"
    if data is None:
        document, _ = yamlfile.parse(draft.text.encode("utf-8", "replace"), draft.file)
        parsed = document.data if document is not None and isinstance(document.data, dict) else {}
        data = parsed if was_raw else data_of(request.form)
    document = document_of(draft.text.encode("utf-8", "replace"), draft.file) if draft.file else None
    name = draft.file.rsplit("/", 1)[-1].removesuffix(".yml") if draft.file else ""
    held = found.shelf.knowledge.articles.get(name)
    views = []
    if draft.article is not None:
        book = frame().parts.rim.mind().book
        views = [seen(book, draft.article, channel) for channel in LIKE]
    return page(
        "content/edit.html",
        held=held,
        name=name,
        topic=draft.file.split("/", 1)[0] if draft.file else request.values.get("topic", "legal"),
        raw=was_raw if raw is None else raw,
        text=draft.text,
        fields=fields_of(data),
        seen=seen_mark,
        marks=marked(draft.findings, document),
        views=views,
        conflict=conflict,
        lines=compared(conflict, draft.text) if conflict else [],
        last=_last_saved(name) if conflict is not None else None,
        refused=refused,
        added=added,
        missed_refs=[
            *filter(None, [request.args.get("add"), request.args.get("from")]),
            *request.form.getlist("missed"),
        ],
        rewords=_rewords(draft),
        skills=SKILLS,
        topics=TOPICS,
        articles=found.shelf.knowledge.articles,
    )


def _last_saved(article: str) -> dict[str, Any] | None:
    """Who saved it last, and when, as far as the record knows."""
    with frame().parts.database.read() as connection:
        rows = approvals.versions(connection, article)[:1]
        names = members.names(connection, [row["staff_id"] for row in rows])
    return {"name": names.get(rows[0]["staff_id"], ""), "at": rows[0]["at"]} if rows else None
