"""Words to her in a counsellor's name: now, held for a moment, or later. Nothing is written that the platform would
not take, or by somebody who does not hold the chat.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import RowMapping, delete, insert, select, update

from bot.channels import Window
from bot.errors import Refused
from bot.hearing import Holding, queue, safe_contact
from bot.messages import Reply
from bot.outbox import safe_time
from bot.store import models, queries
from bot.store.bodies import reply_from_json, reply_to_json
from bot.store.crypto import ConversationKey
from handoff.accounts.staff import Staff
from handoff.deeds.locked import Desk, Locked, Missing, actor, apply, locked_for, with_name
from handoff.deeds.notes import MOST_PIECES, MOST_TEXT, clear_draft, draft
from handoff.tickets import Actor, Answer, Undo, may_write

later = queries.table(models.SendLater)
HOLD_MS = 5_000  # undo
DASHES = "---"
GONE = "Dạ, chị tư vấn viên vừa phải rời máy. OSSO đang tìm người khác cho chị; những gì chị đã kể vẫn được giữ lại ạ."
MOVED = "Dạ, OSSO đang chuyển chị tới văn phòng phù hợp hơn. Chị vẫn giữ chỗ, không cần kể lại từ đầu đâu ạ."
SAID = (GONE, MOVED)  # the catalogues hold both


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
        locked = locked_for(desk, connection, staff, reference)
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
            raise with_name(connection, row, Refused("Ca này đang do người khác giữ, tin chưa được gửi."), by)
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
        locked = locked_for(desk, connection, staff, reference)
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


def send_later(desk: Desk, staff: Staff, reference: str, replies: Sequence[Reply], *, at: int) -> int:
    """Sets messages for `at` (ms), or for the next hour that is safe for her; that time. Everything is asked again when
    they fire: window, ownership, safe hours, files. Raises Missing or Refused."""
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
        check_speech(replies)
        if not may_write(locked.ticket, Actor(staff.id)):
            raise Refused("Chị nhận ca trước đã nhé.")
        if not locked.now + 60_000 <= at <= locked.now + 14 * 86_400_000:
            raise Refused("Giờ gửi phải sau lúc này và trong 14 ngày tới.")
        key = Holding.of(desk.rim, locked.conversation).key
        safe = safe_time(safe_contact(key, locked.conversation), at)
        if safe is None:
            raise Refused("Chị ấy xin đừng nhắn, nên không hẹn giờ gửi được.")
        if safe >= window_of(desk, locked.conversation, locked.now).closes_at:
            raise Refused("Đến giờ đó đã quá thời hạn nền tảng cho nhắn. Chị chọn giờ sớm hơn.")
        public = str(uuid.uuid4())
        connection.execute(
            insert(later).values(
                uuid=public,
                conversation_id=locked.conversation["id"],
                ticket_id=locked.row["id"],
                staff_id=staff.id,
                body_sealed=key.seal([reply_to_json(one) for one in replies], "send_later", public, "body"),
                at=safe,
                set_at=locked.now,
            )
        )
        clear_draft(connection, locked.conversation["id"], staff, "reply")
        desk.record(connection, staff, "chat.later", locked.subject)
    return safe


def set_for_later(key: ConversationKey, row: RowMapping) -> list[Reply]:
    """The messages of a row of `send_later`."""
    body = key.open(row["body_sealed"], "send_later", row["uuid"], "body")
    if isinstance(body, str):  # set before files could go along
        return [Reply(one) for one in pieces(body)]
    return [reply_from_json(one) for one in body]


def cancel_later(desk: Desk, staff: Staff, reference: str, public: str) -> None:
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
        statement = (
            update(later)
            .where(later.c.uuid == public, later.c.ticket_id == locked.row["id"], later.c.status == "waiting")
            .values(status="cancelled")
            .returning(later.c.id)
        )
        if connection.execute(statement).first() is None:
            raise Missing
        desk.record(connection, staff, "chat.later-cancelled", locked.subject)
