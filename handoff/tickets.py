"""The life of a ticket and who may do what to it. Pure: a ticket, an act and who does it in, a change out.

waiting → offered → taken ⇄ waiting_her | snoozed → closed. From every open state a ticket can go back to the queue, and
some closed ones open again when she writes, or when who ended them sees the mistake. Nothing here may close danger
without its outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bot.errors import Refused
from bot.messages import LEVELS

State = Literal["waiting", "offered", "taken", "snoozed", "waiting_her", "closed"]
QUEUED: frozenset[str] = frozenset({"waiting", "offered"})
HELD: frozenset[str] = frozenset({"taken", "snoozed", "waiting_her"})

NON_DATA = ("silent", "wrong_number", "joke", "abusive")  # one click each; never counted as a service
CLOSINGS = ("answered", "referred", "case", "appointment", "cancelled", *NON_DATA)
OUTCOMES = (
    "safe",  # she is safe for now, by her own word and the counsellor's judgement
    "with_family",
    "shelter",
    "hospital",
    "police",
    "referred",  # another service has taken her over and said so
    "case",  # goes on as a case
    "unreachable",  # every safe way was tried
    "no_danger",  # the screen was wrong
)
REPORTED = (
    "111",
    "police",
    "commune",
    "other",
    "adult_choice",  # an adult who does not want it reported
    "not_needed",  # no child and nothing to report
)
RESUME_MS = 10 * 60_000
REOPENED = {"closed_at": None, "closing": "", "outcome": "", "reported": "", "step": 0}
REOPEN_MS = {"danger": 7 * 86_400_000, "silent": 3 * 86_400_000}


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the rules need to know of a ticket. `staff_id`: whose it is, or to whom it is offered."""

    state: str
    level: str = "NONE"
    category: str = ""
    staff_id: int | None = None
    closing: str = ""
    closed_at: int | None = None

    @property
    def grave(self) -> bool:
        """Whether it may be closed only with an outcome and a decision on reporting."""
        return self.level == "RED" or self.category == "child_abuse"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `lead` may also take over and assign in the offices she leads; the clock has id 0."""

    id: int
    lead: bool = False


CLOCK = Actor(0)


@dataclass(frozen=True, slots=True)
class Offer:
    to: int


@dataclass(frozen=True, slots=True)
class Decline:
    """The one it was offered to says no, or let the offer lapse."""


@dataclass(frozen=True, slots=True)
class Take:
    pass


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A lead takes it out of a colleague's hands."""


@dataclass(frozen=True, slots=True)
class Assign:
    """A lead gives it to somebody, or a transfer was accepted (`by` is then the receiver)."""

    to: int
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A message to her leaves: the next word is hers."""


@dataclass(frozen=True, slots=True)
class Undo:
    """The message was taken back before it left: the word is hers again who holds the ticket."""


@dataclass(frozen=True, slots=True)
class HerWord:
    """She wrote."""

    present: bool = True  # whether her counsellor is there to read it


@dataclass(frozen=True, slots=True)
class Snooze:
    until: int  # ms


@dataclass(frozen=True, slots=True)
class Wake:
    """The snooze is over."""


@dataclass(frozen=True, slots=True)
class Requeue:
    why: Literal["returned", "absent", "disabled", "office"] = "returned"
    office: str = ""  # another office's queue


@dataclass(frozen=True, slots=True)
class Close:
    reason: str
    outcome: str = ""
    reported: str = ""


@dataclass(frozen=True, slots=True)
class Reopen:
    at: int  # ms, when she wrote


@dataclass(frozen=True, slots=True)
class Resume:
    """The click that ended it was a mistake: who held it, or a lead, takes it up again soon after."""

    at: int  # ms


Act = (
    Offer
    | Decline
    | Take
    | TakeOver
    | Assign
    | Answer
    | Undo
    | HerWord
    | Snooze
    | Wake
    | Requeue
    | Close
    | Reopen
    | Resume
)


@dataclass(frozen=True, slots=True)
class Change:
    """Columns to write, the line for the ticket's log, and who owns the chat afterwards (empty: as before).

    `stamp` names the columns that take the time of the change.
    """

    values: Mapping[str, Any]
    event: str
    detail: str = ""
    owner: Literal["", "bot", "person"] = ""
    stamp: tuple[str, ...] = field(default=())


def move(ticket: Ticket, act: Act, by: Actor) -> Change:
    """What the act does. Raises Refused, in words for the page, when the rules do not allow it."""
    values: dict[str, Any]
    match act:
        case Offer():
            _only(ticket, {"waiting"})
            return Change({"state": "offered", "staff_id": act.to}, "offered", str(act.to))
        case Decline():
            _only(ticket, {"offered"})
            _mine(ticket, by, clock=True)
            return Change({"state": "waiting", "staff_id": None}, "lapsed" if by == CLOCK else "declined")
        case Take():
            _only(ticket, QUEUED)
            return _held_by(by.id, "taken")
        case TakeOver():
            _lead(by)
            _open(ticket)
            return _held_by(by.id, "taken_over", f"from {ticket.staff_id or ''}".strip())
        case Assign(accepted=True):
            _only(ticket, HELD)
            if by.id != act.to:
                raise Refused("Chỉ người được chuyển mới nhận được ca này.")
            return _held_by(act.to, "accepted", f"from {ticket.staff_id}")
        case Assign():
            _lead(by)
            _open(ticket)
            return _held_by(act.to, "assigned", str(act.to))
        case Answer():
            _mine(ticket, by)
            return Change({"state": "waiting_her"}, "answered", stamp=("answered_at",))
        case Undo():
            _mine(ticket, by)
            return Change({"state": "taken"}, "undone")
        case HerWord():
            _only(ticket, HELD)
            if act.present:
                return Change({"state": "taken"}, "she_wrote")
            values = {"state": "waiting", "staff_id": None, "step": 0, "due_at": 0}
            return Change(values, "requeued", "absent", owner="bot")
        case Snooze():
            _mine(ticket, by)
            if ticket.level == "RED":
                raise Refused("Ca khẩn cấp không tạm gác được. Chị chuyển cho người khác hoặc kết thúc ca.")
            return Change({"state": "snoozed", "due_at": act.until}, "snoozed")
        case Wake():
            _only(ticket, {"snoozed"})
            return Change({"state": "taken", "due_at": 0}, "woken")
        case Requeue():
            _only(ticket, HELD | {"offered"})
            if by != CLOCK:
                _mine(ticket, by, lead=True)
            values = {"state": "waiting", "staff_id": None, "step": 0, "due_at": 0}
            if act.office:
                values["office"] = act.office
            return Change(values, "requeued", f"{act.why} {act.office}".strip(), owner="bot")
        case Close():
            _mine(ticket, by, lead=True)
            check_closing(ticket, act)
            values = {"state": "closed", "closing": act.reason, "outcome": act.outcome, "reported": act.reported}
            return Change(values, "closed", f"{act.reason} {act.outcome}".strip(), owner="bot", stamp=("closed_at",))
        case Reopen():
            if not reopens(ticket, act.at):
                raise Refused("Ca này đã kết thúc.")
            values = {"state": "waiting", "staff_id": None, "closed_at": None, "closing": "", "step": 0, "due_at": 0}
            if ticket.level == "RED":  # what she says now is screened anew; her thanks must not ring the alarm
                values |= {"level": "AMBER", "rank": LEVELS.index("AMBER")}
            return Change(values, "reopened", ticket.closing)

        case Resume():
            if not resumes(ticket, act.at, by):
                raise Refused("Ca này đã kết thúc.")
            change = _held_by(by.id, "resumed", ticket.closing)
            return replace(change, values={**change.values, **REOPENED})


def resumes(ticket: Ticket, at: int, by: Actor) -> bool:
    """Whether this person may still take the end of the ticket back."""
    fresh = ticket.closed_at is not None and at - ticket.closed_at <= RESUME_MS
    return ticket.state == "closed" and fresh and (ticket.staff_id == by.id or by.lead)


def check_closing(ticket: Ticket, act: Close) -> None:
    """Raises Refused naming what is missing."""
    if act.reason not in CLOSINGS:
        raise Refused("Chị chọn giúp lý do kết thúc ca.")
    if act.outcome not in ("", *OUTCOMES) or act.reported not in ("", *REPORTED):
        raise Refused("Kết quả này không có trong danh sách.")
    if not ticket.grave:
        return
    if not act.outcome:
        raise Refused("Ca nguy hiểm cần ghi kết quả trước khi kết thúc.")
    if not act.reported:
        raise Refused("Chị ghi giúp quyết định báo tin (111, công an, xã…) hoặc vì sao không báo.")
    if ticket.category == "child_abuse" and act.reported == "adult_choice":
        raise Refused("Ca có trẻ em: người dưới 16 tuổi bị xâm hại phải được báo tin.")


def reopens(ticket: Ticket, at: int) -> bool:
    """Whether her word at `at` opens a closed ticket again: after danger, or when it was closed for her silence.
    After an ordinary answer the bot hears her first, so that a word of thanks does not call a counsellor back."""
    if ticket.state != "closed" or ticket.closed_at is None or at <= ticket.closed_at:
        return False
    if ticket.closing in ("wrong_number", "joke", "abusive", "outside"):
        return False
    kind = "danger" if ticket.level in ("RED", "AMBER") or ticket.category == "child_abuse" else ticket.closing
    return at - ticket.closed_at <= REOPEN_MS.get(kind, 0)


def asks_how_it_went(ticket: Ticket, reason: str, *, danger: bool) -> bool:
    """Whether she may be asked, later, if the chat helped: only after a talk that had its end, and never after danger.
    `danger`: whether anything she said in it, or before, sounded like danger, asked about or not."""
    talked = reason in ("answered", "referred", "case", "appointment")
    return talked and ticket.level == "NONE" and not ticket.category and not danger


def may_write(ticket: Ticket, by: Actor) -> bool:
    """Whether this person's words may go out in the chat: only the one who holds it speaks."""
    return ticket.state in HELD and ticket.staff_id == by.id


def _held_by(staff_id: int, event: str, detail: str = "") -> Change:
    values = {"state": "taken", "staff_id": staff_id, "due_at": 0}
    return Change(values, event, detail, owner="person", stamp=("taken_at",))


def _only(ticket: Ticket, states: set[str] | frozenset[str]) -> None:
    if ticket.state in states:
        return
    if ticket.state == "closed":
        raise Refused("Ca này đã kết thúc.")
    if ticket.state in HELD and not states & HELD:
        raise Refused("Ca này đã có người nhận.")
    raise Refused("Ca này vừa đổi trạng thái, chị xem lại giúp.")


def _open(ticket: Ticket) -> None:
    if ticket.state == "closed":
        raise Refused("Ca này đã kết thúc.")


def _lead(by: Actor) -> None:
    if not by.lead:
        raise Refused("Chỉ trưởng nhóm làm được việc này.")


def _mine(ticket: Ticket, by: Actor, *, lead: bool = False, clock: bool = False) -> None:
    _open(ticket)
    if clock and by == CLOCK:
        return
    if ticket.staff_id == by.id and (ticket.state in HELD or (clock and ticket.state == "offered")):
        return
    if lead and by.lead:
        return
    if ticket.state in QUEUED:
        raise Refused("Chị nhận ca trước đã nhé.")
    raise Refused("Ca này đang do người khác giữ.")
