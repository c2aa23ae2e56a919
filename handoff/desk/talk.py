"""One chat: the talk as it stands, and everything a counsellor does in it. Notes go to an address of their own; nothing
posted there can reach her.
"""

from __future__ import annotations

import contextlib
import datetime
import uuid
from dataclasses import dataclass
from typing import Any

from flask import abort, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, RowMapping, select

from bot.channels import Window
from bot.errors import Refused
from bot.messages import Reply
from handoff import deeds
from handoff.accounts import allow, audit, current_staff
from handoff.accounts.queries import glass_open
from handoff.accounts.queries import names as names_of
from handoff.accounts.queries import staff as members
from handoff.accounts.staff import Staff
from handoff.deeds import Missing, find
from handoff.desk import rows, transcript, words
from handoff.desk.replies import files_of
from handoff.desk.room import beat, board, desk, pages, read_lately, wants_json, window, wish
from handoff.duty import blocked, called, counsellors
from handoff.frame import frame, now, page, translate
from handoff.media import MOST_BYTES, sendable
from handoff.routing import VIETNAM
from handoff.tickets import (
    HELD,
    NON_DATA,
    QUEUED,
    Close,
    Requeue,
    Snooze,
    Take,
    TakeOver,
    may_write,
    resumes,
)

MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Rights:
    """What the page offers her. The rules decide again when she does it."""

    write: bool
    take: bool
    take_over: bool
    lead: bool
    close: bool


@pages.get("/tickets/<uuid:reference>")
@allow("counsellor", "lead")
def chat(reference: uuid.UUID) -> str:
    staff = current_staff()
    with frame().parts.database.write() as connection:
        row = find(connection, staff, str(reference), now())
        audit(connection, staff, "chat.read", f"ticket:{reference}")
        beat(connection, staff, ticket_id=row["id"])
        _seen_mentions(connection, staff, row)
    return page("desk/chat.html", **_chat(str(reference)))


@pages.get("/tickets/<uuid:reference>/talk")
@allow("counsellor", "lead", quiet=True)
def talk(reference: uuid.UUID) -> str:
    """The talk alone, for the page that keeps itself fresh. The same reading is recorded once a quarter of an hour."""
    staff = current_staff()
    subject = f"ticket:{reference}"
    with frame().parts.database.read() as connection:
        find(connection, staff, str(reference), now())
        known = read_lately(connection, staff, subject)
    if not known:
        with frame().parts.database.write() as connection:
            audit(connection, staff, "chat.read", subject)
    return page("desk/talk.html", **_chat(str(reference)))


def _chat(reference: str) -> dict[str, Any]:
    staff = current_staff()
    limit = 500 if request.args.get("all") else 120
    with frame().parts.database.read() as connection:
        row = find(connection, staff, reference, now())
        found = transcript.chat(board(connection), row, limit=limit)
        everyone = counsellors(connection, now())
        known = names_of(connection, [one.id for one in everyone])
        public = {one.id: one.uuid for one in connection.execute(select(members.c.id, members.c.uuid))}
        drafts = {} if found.erased else deeds.drafts(desk(), connection, staff, found.her)
        glass = glass_open(connection, staff.id, f"ticket:{reference}", now())
        stopped = select(blocked).where(blocked.c.conversation_id == found.her["id"])
        block = connection.execute(stopped).mappings().first()
        blocker = names_of(connection, [block["staff_id"]]).get(block["staff_id"], "") if block else ""
        labels = connection.execute(select(rows.label.c.name).order_by(rows.label.c.name)).scalars().all()
        nearby = rows.listing(board(connection), wish({"view": "mine"}))
        calls = [
            one for one in rows.calls(connection, staff) if one["ticket"] == reference and one["kind"] != "mention"
        ]
    by = deeds.actor(staff, row["office"])
    held = row["state"] in HELD
    rights = Rights(
        write=may_write(deeds.as_ticket(row), by),
        take=row["state"] in QUEUED,
        take_over=by.lead and held and row["staff_id"] != staff.id,
        lead=by.lead,
        close=row["closed_at"] is None and (row["staff_id"] == staff.id or by.lead) and held,
    )
    mind = frame().parts.rim.mind()
    return {
        "chat": found,
        "row": row,
        "rights": rights,
        "window": window(found.her["channel"], found.her["heard_at"], now()),
        "window_words": _window_words(window(found.her["channel"], found.her["heard_at"], now()), found.her),
        "resumes": resumes(deeds.as_ticket(row), now(), by) and not found.erased,
        "grave": deeds.as_ticket(row).grave,
        "drafts": drafts,
        "glass": glass,
        "blocked": block,
        "blocker": blocker,
        "labels": labels,
        "colleagues": [
            (public[one.id], known.get(one.id, "?"), "" if one.standing == "here" else words.STANDINGS[one.standing])
            for one in sorted(everyone, key=lambda one: (not one.available, known.get(one.id, "")))
            if one.id != staff.id
        ],
        "public": public,
        "nearby": nearby,
        "calls": calls,
        "once": str(uuid.uuid4()),
        "non_data": NON_DATA,
        "offices": frame().accounts.offices(),
        "shown": lambda name, value: _shown(mind, name, value),
        "later_from": words.local(now() + 10 * MINUTE).strftime("%Y-%m-%dT%H:%M"),
    }


def _shown(mind: Any, name: str, value: Any) -> str:
    """A slot value as people read it."""
    knowledge = getattr(mind.book, "knowledge", None)
    if isinstance(value, bool):
        return "có" if value else "không"
    if name == "province" and knowledge is not None and (found := knowledge.province_of(str(value))):
        return str(found.short) if value in (found.id, found.short) else f"{value} ({found.short})"
    return str(value)[:300]


def _window_words(found: Window, her: RowMapping) -> tuple[str, str, int]:
    """(tone, words, milliseconds left): what sending now would mean, before anything is sent."""
    left = found.closes_at - now()
    if her["unreachable"] == "gone":
        return "bad", "Chị ấy đã chặn hoặc rời kênh này, tin sẽ không tới được.", 0
    if not found.person:
        return "bad", "Đã quá thời hạn nền tảng cho nhắn; chỉ nhắn được khi chị ấy viết lại.", 0
    if found.billed:
        return "warn", "Mỗi tin bây giờ nền tảng tính phí. Còn nhắn được", left
    if not found.bot:
        return "warn", "Chỉ người (không phải bot) còn được nhắn, trong", left
    return "good", "Còn nhắn được", left


def _seen_mentions(connection: Connection, staff: Staff, row: RowMapping) -> None:
    table = called
    connection.execute(
        table.update()
        .where(
            table.c.ticket_id == row["id"],
            table.c.staff_id == staff.id,
            table.c.kind == "mention",
            table.c.answered_at.is_(None),
        )
        .values(answer="seen", answered_at=now())
    )


# --- moves ------------------------------------------------------------------------------------------------------------


def back(reference: uuid.UUID, **values: Any) -> ResponseReturnValue:
    if wants_json():
        return jsonify(values or {"done": True})
    return redirect(url_for("desk.chat", reference=reference), 303)


@pages.post("/tickets/<uuid:reference>/take")
@allow("counsellor", "lead")
def take(reference: uuid.UUID) -> ResponseReturnValue:
    deeds.do(desk(), current_staff(), str(reference), Take())
    return back(reference)


@pages.post("/tickets/<uuid:reference>/take-over")
@allow("lead")
def take_over(reference: uuid.UUID) -> ResponseReturnValue:
    deeds.do(desk(), current_staff(), str(reference), TakeOver())
    return back(reference)


@pages.post("/tickets/<uuid:reference>/call")
@allow("counsellor", "lead")
def call(reference: uuid.UUID) -> ResponseReturnValue:
    """Yes or no to an offer, a transfer, an alarm."""
    yes = request.form.get("answer") == "yes"
    deeds.answer_call(desk(), current_staff(), str(reference), yes=yes, reason=request.form.get("reason", ""))
    return back(reference) if yes else redirect(url_for("desk.queue"), 303)


@pages.post("/tickets/<uuid:reference>/snooze")
@allow("counsellor", "lead")
def snooze(reference: uuid.UUID) -> ResponseReturnValue:
    until = {"30": now() + 30 * MINUTE, "120": now() + 120 * MINUTE, "morning": _morning(now())}.get(
        request.form.get("until", "")
    )
    if until is None:
        abort(400)
    deeds.do(desk(), current_staff(), str(reference), Snooze(until))
    return redirect(url_for("desk.queue", view="mine"), 303)


def _morning(at: int) -> int:
    then = datetime.datetime.fromtimestamp(at / 1000, VIETNAM).replace(hour=8, minute=0, second=0, microsecond=0)
    return int((then + datetime.timedelta(days=1)).timestamp() * 1000)


@pages.post("/tickets/<uuid:reference>/requeue")
@allow("counsellor", "lead")
def requeue(reference: uuid.UUID) -> ResponseReturnValue:
    office = request.form.get("office", "")
    if office and office not in frame().accounts.offices():
        abort(400)
    deeds.do(desk(), current_staff(), str(reference), Requeue("office" if office else "returned", office))
    return redirect(url_for("desk.queue"), 303)


@pages.post("/tickets/<uuid:reference>/transfer")
@allow("counsellor", "lead")
def transfer(reference: uuid.UUID) -> ResponseReturnValue:
    form = request.form
    deeds.transfer(
        desk(),
        current_staff(),
        str(reference),
        to=form.get("to", ""),
        reason=form.get("reason", ""),
        words=form.get("words", ""),
    )
    return back(reference)


@pages.post("/tickets/<uuid:reference>/assign")
@allow("lead")
def assign(reference: uuid.UUID) -> ResponseReturnValue:
    deeds.assign(desk(), current_staff(), str(reference), to=request.form.get("to", ""))
    return redirect(url_for("desk.team"), 303) if request.form.get("from") == "team" else back(reference)


@pages.post("/tickets/<uuid:reference>/close")
@allow("counsellor", "lead")
def close(reference: uuid.UUID) -> ResponseReturnValue:
    form = request.form
    act = Close(form.get("reason", ""), form.get("outcome", ""), form.get("reported", ""))
    hand_back = form.get("hand_back") == "1" and act.reason not in NON_DATA
    deeds.close(
        desk(),
        current_staff(),
        str(reference),
        act,
        last_words=form.get("last_words", ""),
        hand_back=hand_back,
    )
    return redirect(url_for("desk.queue", ended=reference), 303)


@pages.post("/tickets/<uuid:reference>/resume")
@allow("counsellor", "lead")
def resume(reference: uuid.UUID) -> ResponseReturnValue:
    deeds.resume(desk(), current_staff(), str(reference))
    return back(reference)


# --- words ------------------------------------------------------------------------------------------------------------


@pages.post("/tickets/<uuid:reference>/reply")
@allow("counsellor", "lead")
def reply(reference: uuid.UUID) -> ResponseReturnValue:
    """Words to her. Refused words are kept as a draft, so that nothing written is lost."""
    staff, text = current_staff(), request.form.get("text", "")
    once = once_of()
    try:
        replies = [Reply(one) for one in deeds.pieces(text)] + _attached(reference)
        deeds.reply(desk(), staff, str(reference), replies, once=once, paid=request.form.get("paid") == "1")
    except Refused:
        with contextlib.suppress(Missing, Refused):  # no longer hers: the page keeps the words where they stand
            deeds.keep_draft(desk(), staff, str(reference), "reply", text)
        raise
    return back(reference, once=once, hold=deeds.HOLD_MS)


def _attached(reference: uuid.UUID) -> list[Reply]:
    """Files of the saved replies she picked, as messages after the words."""
    staff, wanted = current_staff(), request.form.getlist("attach")[:3]
    if not wanted:
        return []
    with frame().parts.database.read() as connection:
        found = files_of(connection, staff, wanted)
    url = frame().accounts.base_url
    return [deeds.lend(desk(), staff, str(reference), one, base_url=url) for one in found]


@pages.post("/tickets/<uuid:reference>/contact")
@allow("counsellor", "lead")
def contact(reference: uuid.UUID) -> ResponseReturnValue:
    """Asks for name and phone with the platform's own form."""
    once = once_of()
    words_to_her = "Chị cho em xin tên và số điện thoại để em hỗ trợ chị nhé. Chị chỉ gửi khi thấy an toàn ạ."
    asked = [Reply(words_to_her, contact=True)]
    deeds.reply(desk(), current_staff(), str(reference), asked, once=once, paid=request.form.get("paid") == "1")
    return back(reference, once=once, hold=deeds.HOLD_MS)


def once_of() -> str:
    """The page's own mark of this form; a fresh one when it brought none that is usable."""
    try:
        return str(uuid.UUID(request.form.get("once", "")))
    except ValueError:
        return str(uuid.uuid4())


@pages.post("/tickets/<uuid:reference>/undo")
@allow("counsellor", "lead")
def undo(reference: uuid.UUID) -> ResponseReturnValue:
    staff = current_staff()
    text = deeds.undo(desk(), staff, str(reference), once_of())
    deeds.keep_draft(desk(), staff, str(reference), "reply", text)
    return back(reference, text=text)


@pages.post("/tickets/<uuid:reference>/draft")
@allow("counsellor", "lead")
def draft(reference: uuid.UUID) -> ResponseReturnValue:
    form = request.form
    deeds.keep_draft(desk(), current_staff(), str(reference), form.get("kind", ""), form.get("text", ""))
    return "", 204


@pages.post("/tickets/<uuid:reference>/later")
@allow("counsellor", "lead")
def later(reference: uuid.UUID) -> ResponseReturnValue:
    try:
        then = datetime.datetime.fromisoformat(request.form.get("at", "")).replace(tzinfo=VIETNAM)
    except ValueError:
        raise Refused("Chị chọn ngày giờ gửi nhé.") from None
    said = [Reply(one) for one in deeds.pieces(request.form.get("text", ""))] + _attached(reference)
    if (given := request.files.get("file")) is not None and given.filename:
        found = sendable(given.stream.read(MOST_BYTES + 1))
        said.append(deeds.lend(desk(), current_staff(), str(reference), found, base_url=frame().accounts.base_url))
    at = int(then.timestamp() * 1000)
    safe = deeds.send_later(desk(), current_staff(), str(reference), said, at=at)
    if safe == at:
        return back(reference)
    when = words.local(safe).strftime("%H:%M %d/%m")
    return back(reference, told=translate("Giờ đó chưa tiện cho chị ấy: tin sẽ đi lúc {t}.", t=when))


@pages.post("/tickets/<uuid:reference>/later/<uuid:message>/cancel")
@allow("counsellor", "lead")
def later_cancel(reference: uuid.UUID, message: uuid.UUID) -> ResponseReturnValue:
    deeds.cancel_later(desk(), current_staff(), str(reference), str(message))
    return back(reference)


@pages.post("/tickets/<uuid:reference>/notes")
@allow("counsellor", "lead")
def add_note(reference: uuid.UUID) -> ResponseReturnValue:
    deeds.add_note(
        desk(),
        current_staff(),
        str(reference),
        request.form.get("note", ""),
        mentions=request.form.getlist("mention"),
    )
    return back(reference)
