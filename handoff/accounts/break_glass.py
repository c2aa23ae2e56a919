"""Break-glass: a member may open one subject outside her offices for thirty minutes, with a reason. A second person is
told at once, in the desk and by alarm, and both ends are in the audit.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from flask import Blueprint, abort, redirect, url_for
from sqlalchemy import Connection, RowMapping
from werkzeug.wrappers import Response as AnyResponse

from bot.errors import Refused
from bot.store.queries import clear_alarm, raise_alarm
from handoff.accounts import queries
from handoff.accounts.guard import allow, audit, current_staff
from handoff.accounts.staff import Staff
from handoff.frame import frame, now, page

OPEN_MS = 30 * 60_000
REASONS = {
    "danger": "Nguy hiểm ngay lúc này",
    "absent": "Người phụ trách vắng mặt",
    "wrong-office": "Ca vào nhầm văn phòng",
    "complaint": "Khiếu nại hoặc kiểm tra",
    "legal": "Nghĩa vụ theo pháp luật",
}
SHORTEST_NOTE = 10
pages = Blueprint("glass", __name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """A line on top of every page until somebody has dealt with it."""

    words: str
    endpoint: str
    count: int


def break_glass(
    connection: Connection, staff: Staff, subject: str, *, reason: str, note: str, office: str = ""
) -> None:
    """Opens `subject` (like `ticket:<uuid>`) to her for thirty minutes. `office`: whose it is, for who is told.

    Raises Refused without a known reason and a note of ten characters.
    """
    if reason not in REASONS:
        raise Refused("Xin chọn lý do.")
    if len(note.strip()) < SHORTEST_NOTE:
        raise Refused("Xin viết rõ lý do, ít nhất 10 ký tự.")
    at, reference = now(), str(uuid.uuid4())
    queries.add_glass(
        connection,
        {
            "uuid": reference,
            "staff_id": staff.id,
            "subject": subject[:80],
            "office": office,
            "reason": reason,
            "note_wrapped": frame().accounts.keyring.wrap(note.strip()[:500].encode()),
            "at": at,
            "until": at + OPEN_MS,
        },
    )
    raise_alarm(connection, "break-glass", reference, at)
    audit(connection, staff, "break-glass", subject, f"{reason} {reference}")


def glass_broken(connection: Connection, staff: Staff, subject: str) -> bool:
    """Whether she has this subject open by break-glass now."""
    return queries.glass_open(connection, staff.id, subject, now()) is not None


def notices(staff: Staff) -> list[Notice]:
    """What waits for her as a second person."""
    if not staff.has("lead", "admin"):
        return []
    with frame().accounts.database.read() as connection:
        broken = sum(_told(staff, row) for row in queries.glass_rows(connection, unseen=True))
        asked = 0
        if staff.has("admin"):
            waiting = queries.open_invitations(connection, now())
            asked = sum(
                row["token_hash"] is None and row["asked_by"] != staff.id and row["staff_id"] != staff.id
                for row in waiting
            )
    found = [
        Notice("Có người mở khẩn cấp, cần người thứ hai xem lại", "glass.home", broken),
        Notice("Yêu cầu đặt lại xác thực hai bước, cần người thứ hai duyệt", "admin.members", asked),
    ]
    return [notice for notice in found if notice.count]


@pages.get("/break-glass")
@allow("counsellor", "lead", "admin")
def home() -> str:
    staff = current_staff()
    with frame().accounts.database.read() as connection:
        rows = [
            row
            for row in queries.glass_rows(connection, unseen=False)
            if row["staff_id"] == staff.id or _told(staff, row)
        ]
        names = queries.names(connection, [row[column] for row in rows for column in ("staff_id", "seen_by")])
    keyring = frame().accounts.keyring
    notes = {row["uuid"]: keyring.unwrap(bytes(row["note_wrapped"])).decode() for row in rows}
    return page("accounts/break_glass.html", rows=rows, names=names, notes=notes, reasons=REASONS)


@pages.post("/break-glass/<reference>/seen")
@allow("lead", "admin")
def seen(reference: str) -> AnyResponse:
    """The second person has seen it."""
    staff = current_staff()
    with frame().accounts.database.write() as connection:
        row = queries.glass_by(connection, reference)
        if row is None or not _told(staff, row):
            abort(404)
        if row["seen_at"] is None:
            queries.change_glass(connection, row["id"], seen_by=staff.id, seen_at=now())
            clear_alarm(connection, "break-glass", reference, now())
            audit(connection, staff, "break-glass.seen", row["subject"], reference)
    return redirect(url_for("glass.home"), 303)


@pages.post("/break-glass/<reference>/end")
@allow("counsellor", "lead", "admin")
def end(reference: str) -> AnyResponse:
    """Closes it before the thirty minutes are over: the one who opened it, or the second person."""
    staff = current_staff()
    with frame().accounts.database.write() as connection:
        row = queries.glass_by(connection, reference)
        if row is None or not (row["staff_id"] == staff.id or _told(staff, row)):
            abort(404)
        if row["until"] > now():
            queries.change_glass(connection, row["id"], until=now())
            audit(connection, staff, "break-glass.ended", row["subject"], reference)
    return redirect(url_for("glass.home"), 303)


def _told(staff: Staff, row: RowMapping) -> bool:
    """Whether she is a second person for it: lead or admin of that office (of any, without one), not its owner."""
    here = staff.may(row["office"], "lead", "admin") if row["office"] else staff.has("lead", "admin")
    return bool(row["staff_id"] != staff.id and here)
