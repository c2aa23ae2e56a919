"""What counsellors do to tickets and chats, each deed one transaction: lock, ask the rules, write, log, audit.

The chat's owner changes in the same transaction as the ticket, and what the bot still wanted to say is withheld with
it; so from that commit on no word of the bot can leave.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from bot.channels import Window
from bot.errors import Refused
from bot.hearing import Holding, queue, safe_contact
from bot.messages import Reply
from bot.outbox import safe_time
from bot.rim import Rim
from bot.store import models, queries
from bot.store.bodies import reply_from_json, reply_to_json
from handoff.accounts.queries import names
from handoff.accounts.staff import Staff
from handoff.duty import called, counsellors, waiting
from handoff.routing import next_for
from handoff.scope import READERS, listable, readable
from handoff.tickets import (
    CLOCK,
    Act,
    Actor,
    Answer,
    Assign,
    Change,
    Close,
    Decline,
    Requeue,
    Take,
    Ticket,
    Undo,
    asks_how_it_went,
    may_write,
    move,
)

note = queries.table(models.Note)
draft = queries.table(models.Draft)
later = queries.table(models.SendLater)
HOLD_MS = 5_000  # undo
ASK_AFTER_MS = 30 * 60_000  # how the chat went is asked when it has settled
DAY_MS = 86_400_000
MOST_FILE = 10_000_000
MOST_TEXT = 4_000
MOST_PIECES = 10
DASHES = "---"
GONE = "Dạ, chị tư vấn viên vừa phải rời máy. OSSO đang tìm người khác cho chị; những gì chị đã kể vẫn được giữ lại ạ."
MOVED = "Dạ, OSSO đang chuyển chị tới văn phòng phù hợp hơn. Chị vẫn giữ chỗ, không cần kể lại từ đầu đâu ạ."
SAID = (GONE, MOVED)  # the catalogues hold both


class Missing(Exception):
    """No such ticket, or not for her eyes: the page answers 404 either way."""


class Record(Protocol):
    def __call__(
        self, connection: Connection, staff: Staff | None, action: str, subject: str, detail: str = ""
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What deeds work with. `wake` may fail freely; `record` appends to the audit inside the transaction."""

    rim: Rim
    wake: Callable[[int, int], None]
    record: Record

    def now(self) -> int:
        return self.rim.clock()


@dataclass(frozen=True, slots=True)
class Locked:
    """A ticket and its conversation, locked in the open transaction."""

    connection: Connection
    row: RowMapping
    conversation: RowMapping
    now: int

    @property
    def ticket(self) -> Ticket:
        return as_ticket(self.row)

    @property
    def subject(self) -> str:
        return f"ticket:{self.row['uuid']}"


def as_ticket(row: Mapping[str, Any] | RowMapping) -> Ticket:
    return Ticket(row["state"], row["level"], row["category"], row["staff_id"], row["closing"], row["closed_at"])


def actor(staff: Staff, office: str) -> Actor:
    return Actor(staff.id, lead=staff.may(office, "lead"))


def find(connection: Connection, staff: Staff, reference: str, now: int) -> RowMapping:
    """The ticket with this public id, if she may read it. Raises Missing; or Refused with the holder's name when the
    queue shows it to her but a colleague holds it."""
    query = select(queries.ticket).where(queries.ticket.c.uuid == reference)
    row = connection.execute(query.where(readable(staff, now))).mappings().first()
    if row is not None:
        return row
    row = connection.execute(query.where(listable(staff, now))).mappings().first()
    if row is None:
        raise Missing
    if row["state"] == "closed":
        raise Refused("Ca này đã kết thúc.")
    raise _with_name(connection, row, Refused("Ca này đã có người nhận."), Actor(staff.id))


def lock(connection: Connection, conversation_id: int, ticket_id: int, now: int) -> Locked:
    """Locks in the order of everybody else: the conversation first."""
    conversation = queries.get_conversation(connection, conversation_id, lock=True)
    row = connection.execute(select(queries.ticket).where(queries.ticket.c.id == ticket_id)).mappings().first()
    if conversation is None or row is None:
        raise Missing
    return Locked(connection, row, conversation, now)


def _locked(desk: Desk, connection: Connection, staff: Staff, reference: str) -> Locked:
    now = desk.now()
    row = find(connection, staff, reference, now)
    return lock(connection, row["conversation_id"], row["id"], now)


# --- moves ------------------------------------------------------------------------------------------------------------


def apply(locked: Locked, act: Act, by: Actor) -> Change:
    """Writes what the rules say. Raises Refused; then nothing was written."""
    change = move(locked.ticket, act, by)
    connection, row, now = locked.connection, locked.row, locked.now
    values = dict(change.values) | {name: now for name in change.stamp if not row[name] or name == "closed_at"}
    queries.change_ticket(connection, row["id"], **values)
    queries.log_ticket(connection, row["id"], change.event, now, staff_id=by.id or None, detail=change.detail[:200])
    if change.owner and change.owner != locked.conversation["owner"]:
        queries.change_conversation(connection, row["conversation_id"], owner=change.owner)
    if change.owner == "person":
        queries.withhold_bot(connection, row["conversation_id"])
    if change.event == "reopened":
        queries.cancel_timer(connection, row["conversation_id"], queries.CHAT_FEEDBACK)
    if change.values.get("state") not in (None, "offered", "waiting"):
        queries.clear_alarm(connection, "red-unclaimed", row["uuid"], now)
    if change.event in ("taken", "taken_over", "assigned", "accepted", "closed", "requeued"):
        end_calls(connection, row["id"], now, taker=change.values.get("staff_id"))
    return change


def end_calls(connection: Connection, ticket_id: int, now: int, *, taker: int | None) -> None:
    """Calls that waited for an answer are over; the taker's own counts as a yes. Mentions stay until seen."""
    open_calls = (called.c.ticket_id == ticket_id, called.c.answered_at.is_(None), called.c.kind != "mention")
    if taker is not None:
        mine = update(called).where(*open_calls, called.c.staff_id == taker)
        connection.execute(mine.values(answer="yes", answered_at=now))
    connection.execute(update(called).where(*open_calls).values(answer="over", answered_at=now))


def call(
    connection: Connection,
    ticket_id: int,
    staff_id: int | None,
    kind: str,
    now: int,
    *,
    by: int | None = None,
    until: int = 0,
    reason: str = "",
) -> None:
    connection.execute(
        insert(called).values(
            uuid=str(uuid.uuid4()),
            ticket_id=ticket_id,
            staff_id=staff_id,
            kind=kind,
            by_id=by,
            until=until,
            reason=reason[:24],
            at=now,
        )
    )


def do(desk: Desk, staff: Staff, reference: str, act: Act) -> Change:
    """One plain act on a ticket. Raises Missing or Refused (who has it, where that helps)."""
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        by = actor(staff, locked.row["office"])
        try:
            change = apply(locked, act, by)
        except Refused as refused:
            raise _with_name(connection, locked.row, refused, by) from None
        if change.event == "requeued" and isinstance(act, Requeue) and act.office:
            tell(desk, locked, MOVED)
        desk.record(connection, staff, f"ticket.{change.event}", locked.subject, change.detail)
    desk.wake(locked.row["conversation_id"], 0)
    return change


def take_next(desk: Desk, staff: Staff, *, office: str = "", topic: str = "") -> str | None:
    """Gives her the neediest ticket that fits; its public id, or None. Two at once get two different ones."""
    with desk.rim.database.write() as connection:
        now = desk.now()
        me = next((one for one in counsellors(connection, now) if one.id == staff.id), None)
        if me is None:
            return None
        rows = [one for one in waiting(connection, now) if not office or one.office in ("", office)]
        if topic:
            ids = select(queries.ticket.c.id).where(
                queries.ticket.c.topic == topic, queries.ticket.c.closed_at.is_(None)
            )
            wanted = set(connection.execute(ids).scalars())
            rows = [one for one in rows if one.id in wanted]
        offered = select(queries.ticket.c.id).where(
            queries.ticket.c.staff_id == staff.id, queries.ticket.c.state == "offered"
        )
        mine = connection.execute(offered.where(queries.ticket.c.closed_at.is_(None))).scalars().first()
        ticket_id = mine
        while ticket_id is None:
            chosen = next_for(me, rows, now)
            if chosen is None:
                return None
            rows.remove(chosen)
            ticket_id = chosen.id
        conversation_id = connection.execute(
            select(queries.ticket.c.conversation_id).where(queries.ticket.c.id == ticket_id)
        ).scalar_one()
        locked = lock(connection, conversation_id, ticket_id, now)
        apply(locked, Take(), actor(staff, locked.row["office"]))
        desk.record(connection, staff, "ticket.taken", locked.subject, "next")
        return str(locked.row["uuid"])


def answer_call(desk: Desk, staff: Staff, reference: str, *, yes: bool, reason: str = "") -> None:
    """Answers what she is called to: an offer, a transfer. Raises Missing when there is no open call."""
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        row = (
            connection.execute(
                select(called)
                .where(
                    called.c.ticket_id == locked.row["id"],
                    called.c.staff_id == staff.id,
                    called.c.answered_at.is_(None),
                    called.c.kind != "mention",
                )
                .order_by(called.c.id.desc())
            )
            .mappings()
            .first()
        )
        if row is None:
            raise Missing
        by = actor(staff, locked.row["office"])
        if yes:
            act: Act = Assign(staff.id, accepted=True) if row["kind"] == "transfer" else Take()
            apply(locked, act, by)
        else:
            if row["kind"] == "offer" and locked.row["state"] == "offered" and locked.row["staff_id"] == staff.id:
                apply(locked, Decline(), by)
            connection.execute(
                update(called)
                .where(called.c.id == row["id"])
                .values(answer="no", answered_at=locked.now, reason=reason[:24])
            )
            queries.log_ticket(
                connection, locked.row["id"], "refused", locked.now, staff_id=staff.id, detail=reason[:24]
            )
            if row["kind"] == "transfer" and row["by_id"] is not None:
                call(connection, locked.row["id"], row["by_id"], "mention", locked.now, by=staff.id, reason="refused")
        desk.record(connection, staff, "call.yes" if yes else "call.no", locked.subject, row["kind"])


TRANSFER_REASONS = ("skill", "office", "language", "shift_over", "load", "known", "other")


def transfer(desk: Desk, staff: Staff, reference: str, *, to: str, reason: str, words: str) -> None:
    """Asks a colleague (`to`: her public id) to take over. The chat stays with the sender until she says yes."""
    if reason not in TRANSFER_REASONS:
        raise Refused("Chị chọn giúp lý do chuyển ca.")
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        if not may_write(locked.ticket, Actor(staff.id)):
            raise Refused("Chị nhận ca trước đã nhé.")
        receiver = connection.execute(select(READERS.c.id).where(READERS.c.uuid == to)).scalar()
        if receiver is None or receiver == staff.id or not _takes_tickets(connection, receiver, locked.now):
            raise Refused("Người này không nhận ca được.")
        connection.execute(
            update(called)
            .where(called.c.ticket_id == locked.row["id"], called.c.kind == "transfer", called.c.answered_at.is_(None))
            .values(answer="over", answered_at=locked.now)
        )
        call(connection, locked.row["id"], receiver, "transfer", locked.now, by=staff.id, reason=reason)
        if words.strip():
            _add_note(desk, locked, staff, words)
        queries.log_ticket(
            connection, locked.row["id"], "transfer", locked.now, staff_id=staff.id, detail=f"{receiver} {reason}"
        )
        desk.record(connection, staff, "ticket.transfer", locked.subject, f"{receiver} {reason}")


def assign(desk: Desk, staff: Staff, reference: str, *, to: str) -> None:
    """A lead puts a ticket into somebody's hands."""
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        receiver = connection.execute(select(READERS.c.id).where(READERS.c.uuid == to)).scalar()
        if receiver is None or not _takes_tickets(connection, receiver, locked.now):
            raise Refused("Người này không nhận ca được.")
        apply(locked, Assign(receiver), actor(staff, locked.row["office"]))
        if receiver != staff.id:
            call(connection, locked.row["id"], receiver, "mention", locked.now, by=staff.id, reason="assigned")
        desk.record(connection, staff, "ticket.assigned", locked.subject, str(receiver))


def _takes_tickets(connection: Connection, staff_id: int, now: int) -> bool:
    return any(one.id == staff_id for one in counsellors(connection, now))


def _with_name(connection: Connection, row: RowMapping, refused: Refused, by: Actor) -> Refused:
    """Who has it: the one thing the second of two wants to know."""
    holder = row["staff_id"]
    if holder is None or holder == by.id:
        return refused
    return Refused(f"{refused} ({names(connection, [holder]).get(holder, '')})")


# --- speaking ---------------------------------------------------------------------------------------------------------


def window_of(desk: Desk, conversation: RowMapping, now: int) -> Window:
    return desk.rim.channels[conversation["channel"]].window(conversation["heard_at"], now)


def pieces(text: str) -> list[str]:
    """Several messages in one go, divided by lines of three dashes."""
    found: list[str] = []
    current: list[str] = []
    for line in [*text.replace("\r\n", "\n").split("\n"), DASHES]:
        if line.strip() == DASHES:
            found.append("\n".join(current).strip())
            current = []
        else:
            current.append(line)
    return [piece for piece in found if piece]


def reply(
    desk: Desk,
    staff: Staff,
    reference: str,
    replies: Sequence[Reply],
    *,
    once: str,
    paid: bool = False,
    hold_ms: int = HOLD_MS,
) -> list[int]:
    """Says something in her name, held for a moment so that it can be taken back. The outbox ids.

    `once` (a UUID made by the page) makes a form sent twice speak once. `paid`: she knows that the platform bills it.
    Raises Missing or Refused, which says what to do.
    """
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        ids = speak(desk, locked, staff, replies, once=once, paid=paid, not_before=locked.now + hold_ms)
    if not hold_ms:
        desk.wake(locked.row["conversation_id"], 1)
    return ids


def speak(
    desk: Desk,
    locked: Locked,
    staff: Staff,
    replies: Sequence[Reply],
    *,
    once: str,
    paid: bool,
    not_before: int,
) -> list[int]:
    """The replies as entries and outbox rows in the open transaction; the ticket's turn passes to her."""
    connection, row, conversation, now = locked.connection, locked.row, locked.conversation, locked.now
    check_speech(replies)
    by = actor(staff, row["office"])
    if not may_write(locked.ticket, by):
        if row["staff_id"] not in (None, staff.id):
            raise _with_name(connection, row, Refused("Ca này đang do người khác giữ, tin chưa được gửi."), by)
        raise Refused("Chị nhận ca trước đã nhé, tin chưa được gửi.")
    check_window(window_of(desk, conversation, now), conversation, paid=paid)
    held = Holding.of(desk.rim, conversation)
    channel = desk.rim.channels[conversation["channel"]]
    ids: list[int] = []
    for number, one in enumerate(replies):
        public = str(uuid.uuid5(uuid.UUID(once), str(number)))
        entry_id = queries.insert_once(
            connection,
            queries.entry,
            {
                "uuid": public,
                "conversation_id": held.id,
                "author": "staff",
                "staff_id": staff.id,
                "body_sealed": held.key.seal(reply_to_json(one), "entry", public, "body"),
                "at": now,
            },
            ["uuid"],
        )
        if entry_id is None:
            continue
        ids += queue(
            connection,
            held,
            channel,
            one,
            entry_id=entry_id,
            purpose="reply",
            now=now,
            author="person",
            not_before=not_before,
        )
    if ids:
        apply(locked, Answer(), by)
        connection.execute(
            delete(draft).where(
                draft.c.conversation_id == held.id, draft.c.staff_id == staff.id, draft.c.kind == "reply"
            )
        )
        desk.record(connection, staff, "chat.reply", locked.subject)
    return ids


def check_speech(replies: Sequence[Reply]) -> None:
    if not replies or not any(one.text or one.image for one in replies):
        raise Refused("Chị chưa viết gì.")
    if len(replies) > MOST_PIECES or any(len(one.text) > MOST_TEXT for one in replies):
        raise Refused("Tin dài quá, chị chia nhỏ giúp.")


def check_window(window: Window, conversation: RowMapping, *, paid: bool) -> None:
    """Raises Refused before anything is written when the platform would not take it, or only for money."""
    if conversation["wrapped_key"] is None:
        raise Refused("Dữ liệu của chị ấy đã được xóa theo yêu cầu.")
    if conversation["unreachable"] == "gone":
        raise Refused("Chị ấy đã chặn hoặc rời kênh này, tin sẽ không tới được.")
    if not window.person:
        raise Refused("Đã quá thời hạn nền tảng cho nhắn; chỉ nhắn được khi chị ấy viết lại.")
    if window.billed and not paid:
        raise Refused("Tin này nền tảng tính phí. Chị đánh dấu đồng ý rồi gửi lại.")


def undo(desk: Desk, staff: Staff, reference: str, once: str) -> str:
    """Takes back what is still held; the words, for the composer. Raises Refused when a part has left already."""
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        publics = [str(uuid.uuid5(uuid.UUID(once), str(number))) for number in range(MOST_PIECES)]
        mine = select(queries.entry).where(
            queries.entry.c.uuid.in_(publics),
            queries.entry.c.conversation_id == locked.conversation["id"],
            queries.entry.c.staff_id == staff.id,
            queries.entry.c.kind == "message",
        )
        entries = connection.execute(mine.order_by(queries.entry.c.id)).mappings().all()
        if not entries:
            raise Missing
        ids = [one["id"] for one in entries]
        pending = select(queries.outbox.c.status).where(queries.outbox.c.entry_id.in_(ids))
        if any(status != "held" for status in connection.execute(pending).scalars()):
            raise Refused("Tin đã đi rồi, không lấy lại được.")
        connection.execute(
            update(queries.outbox).where(queries.outbox.c.entry_id.in_(ids)).values(status="cancelled", code="undone")
        )
        connection.execute(update(queries.entry).where(queries.entry.c.id.in_(ids)).values(kind="undone"))
        apply(locked, Undo(), actor(staff, locked.row["office"]))
        desk.record(connection, staff, "chat.undo", locked.subject)
        key = Holding.of(desk.rim, locked.conversation).key
        texts = [reply_from_json(key.open(one["body_sealed"], "entry", one["uuid"], "body")).text for one in entries]
    return f"\n{DASHES}\n".join(text for text in texts if text)


def tell(desk: Desk, locked: Locked, text: str) -> None:
    """An honest word of the bot about what happens to her place. Said only while the bot may speak."""
    conversation = locked.conversation
    if conversation["wrapped_key"] is None:
        return
    held = Holding.of(desk.rim, conversation)
    said = Reply(desk.rim.texts.get(conversation["locale"], text))
    public = str(uuid.uuid4())
    entry_id = queries.add_entry(
        locked.connection,
        {
            "uuid": public,
            "conversation_id": held.id,
            "author": "bot",
            "decision": "person",
            "body_sealed": held.key.seal(reply_to_json(said), "entry", public, "body"),
            "at": locked.now,
        },
    )
    channel = desk.rim.channels[conversation["channel"]]
    queue(locked.connection, held, channel, said, entry_id=entry_id, purpose="reply", now=locked.now)


# --- closing ----------------------------------------------------------------------------------------------------------


def close(
    desk: Desk, staff: Staff, reference: str, act: Close, *, last_words: str = "", hand_back: bool = False
) -> None:  # fmt: skip
    """Ends the ticket; with `last_words` says them first, with `hand_back` lets the bot take up the talk at once."""
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        if last_words.strip():
            words = [Reply(one) for one in pieces(last_words)]
            speak(desk, locked, staff, words, once=str(uuid.uuid4()), paid=True, not_before=0)
            locked = lock(connection, locked.conversation["id"], locked.row["id"], locked.now)
        apply(locked, act, actor(staff, locked.row["office"]))
        _ask_later(desk, locked, act.reason)
        if hand_back:
            give_back(desk, locked)
        desk.record(connection, staff, "ticket.closed", locked.subject, f"{act.reason} {act.outcome}".strip())
    desk.wake(locked.row["conversation_id"], 1)


def _ask_later(desk: Desk, locked: Locked, reason: str) -> None:
    """Sets the question whether the chat helped: at an hour that is safe for her, while the platform still lets the bot
    speak. Her next word, or another ticket, takes it away again."""
    her, connection = locked.conversation, locked.connection
    danger = her["flagged"] or _sounded_dangerous(locked)
    if her["wrapped_key"] is None or not asks_how_it_went(locked.ticket, reason, danger=danger):
        return
    at = safe_time(safe_contact(Holding.of(desk.rim, her).key, her), locked.now + ASK_AFTER_MS)
    channel = desk.rim.channels[her["channel"]]
    if at is None or not channel.window(her["heard_at"], at).bot or queries.stopped(connection, her["id"]):
        return
    values = {"at": at, "payload": "/chat_feedback", "set_at": locked.now, "unless_heard": True}
    queries.set_timer(connection, her["id"], queries.CHAT_FEEDBACK, values)


def _sounded_dangerous(locked: Locked) -> bool:
    """Whether a word of hers since the day before this ticket was more than nothing to the screen."""
    query = select(queries.entry.c.id).where(
        queries.entry.c.conversation_id == locked.conversation["id"],
        queries.entry.c.at > locked.row["opened_at"] - DAY_MS,
        queries.entry.c.level != "NONE",
    )
    return locked.connection.execute(query.limit(1)).first() is not None


def give_back(desk: Desk, locked: Locked) -> None:
    """The bot hears that the chat is its own again, after everything queued before."""
    conversation = locked.conversation
    if conversation["wrapped_key"] is None:
        return
    public = str(uuid.uuid4())
    ring = desk.rim.database.keyring
    key = ring.open_key(conversation["wrapped_key"])
    queries.add_inbox(
        locked.connection,
        {
            "uuid": public,
            "conversation_id": conversation["id"],
            "event_index": ring.index("handback", public),
            "kind": "timer",
            "body_sealed": key.seal({"payload": "handback"}, "inbox", public, "body"),
            "at": locked.now,
            "received_at": locked.now,
        },
    )


# --- notes, drafts, later ---------------------------------------------------------------------------------------------


def add_note(desk: Desk, staff: Staff, reference: str, text: str, *, mentions: Sequence[str] = ()) -> None:
    """A private note; `mentions` are public ids of colleagues, who are called to it and may then read the chat."""
    if not text.strip() or len(text) > MOST_TEXT:
        raise Refused("Ghi chú trống hoặc dài quá.")
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        _add_note(desk, locked, staff, text)
        found = connection.execute(select(READERS.c.id).where(READERS.c.uuid.in_(list(mentions)[:10]))).scalars().all()
        for receiver in found:
            if receiver != staff.id and _takes_tickets(connection, receiver, locked.now):
                call(connection, locked.row["id"], receiver, "mention", locked.now, by=staff.id, reason="note")
        clear_draft(connection, locked.conversation["id"], staff, "note")
        desk.record(connection, staff, "note.added", locked.subject)


def _add_note(desk: Desk, locked: Locked, staff: Staff, text: str) -> None:
    public = str(uuid.uuid4())
    key = Holding.of(desk.rim, locked.conversation).key
    locked.connection.execute(
        insert(note).values(
            uuid=public,
            conversation_id=locked.conversation["id"],
            ticket_id=locked.row["id"],
            staff_id=staff.id,
            body_sealed=key.seal(text.strip()[:MOST_TEXT], "note", public, "body"),
            at=locked.now,
        )
    )


def keep_draft(desk: Desk, staff: Staff, reference: str, kind: str, text: str) -> None:
    """Keeps what she has begun; an empty text forgets it."""
    if kind not in ("reply", "note"):
        raise Missing
    with desk.rim.database.write() as connection:
        row = find(connection, staff, reference, desk.now())
        conversation = queries.get_conversation(connection, row["conversation_id"])
        if conversation is None or conversation["wrapped_key"] is None:
            raise Missing
        if not text.strip():
            clear_draft(connection, conversation["id"], staff, kind)
            return
        key = desk.rim.database.keyring.open_key(conversation["wrapped_key"])
        place = f"{conversation['uuid']} {staff.id}"
        sealed = key.seal(text[: MOST_TEXT * MOST_PIECES], "draft", place, kind)
        where = {"conversation_id": conversation["id"], "staff_id": staff.id, "kind": kind}
        queries.upsert(connection, draft, where, {"body_sealed": sealed, "at": desk.now()})


def drafts(desk: Desk, connection: Connection, staff: Staff, conversation: RowMapping) -> dict[str, str]:
    key = desk.rim.database.keyring.open_key(conversation["wrapped_key"])
    place = f"{conversation['uuid']} {staff.id}"
    query = select(draft).where(draft.c.conversation_id == conversation["id"], draft.c.staff_id == staff.id)
    return {
        row["kind"]: key.open(row["body_sealed"], "draft", place, row["kind"])
        for row in connection.execute(query).mappings()
    }


def clear_draft(connection: Connection, conversation_id: int, staff: Staff, kind: str) -> None:
    where = (draft.c.conversation_id == conversation_id, draft.c.staff_id == staff.id, draft.c.kind == kind)
    connection.execute(delete(draft).where(*where))


def send_later(desk: Desk, staff: Staff, reference: str, text: str, *, at: int) -> None:
    """Sets a message for `at` (ms). Everything is asked again when it fires: window, ownership, safe hours."""
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        check_speech([Reply(one) for one in pieces(text)])
        if not may_write(locked.ticket, Actor(staff.id)):
            raise Refused("Chị nhận ca trước đã nhé.")
        if not locked.now + 60_000 <= at <= locked.now + 14 * 86_400_000:
            raise Refused("Giờ gửi phải sau lúc này và trong 14 ngày tới.")
        window = window_of(desk, locked.conversation, locked.now)
        if at >= window.closes_at:
            raise Refused("Đến giờ đó đã quá thời hạn nền tảng cho nhắn. Chị chọn giờ sớm hơn.")
        public = str(uuid.uuid4())
        key = Holding.of(desk.rim, locked.conversation).key
        connection.execute(
            insert(later).values(
                uuid=public,
                conversation_id=locked.conversation["id"],
                ticket_id=locked.row["id"],
                staff_id=staff.id,
                body_sealed=key.seal(text, "send_later", public, "body"),
                at=at,
                set_at=locked.now,
            )
        )
        clear_draft(connection, locked.conversation["id"], staff, "reply")
        desk.record(connection, staff, "chat.later", locked.subject)


def cancel_later(desk: Desk, staff: Staff, reference: str, public: str) -> None:
    with desk.rim.database.write() as connection:
        locked = _locked(desk, connection, staff, reference)
        statement = (
            update(later)
            .where(later.c.uuid == public, later.c.ticket_id == locked.row["id"], later.c.status == "waiting")
            .values(status="cancelled")
            .returning(later.c.id)
        )
        if connection.execute(statement).first() is None:
            raise Missing
        desk.record(connection, staff, "chat.later-cancelled", locked.subject)


__all__ = ["CLOCK", "Desk", "Missing", "apply", "do", "reply", "undo"]
