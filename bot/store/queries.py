"""Every query of the bot, as functions of a connection inside the caller's transaction. They decide nothing.

Bodies go in and come out sealed: sealing and opening is the caller's, with the conversation's key. What every message
needs is built once, in capitals above its function: building a statement costs four times as much as running it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bot.messages import LEVELS, Level
from bot.store import models

LEASE_MS = 10_000
OPEN_OUTBOX = ("held", "due", "attempting")
PROACTIVE = ("timer", "reminder", "campaign")  # not an answer to something she just wrote
CHAT_FEEDBACK = "chat_feedback"  # the timer that asks how a chat went


def table(model: type[models.Base]) -> Table:
    found = model.__table__
    assert isinstance(found, Table)  # noqa: S101 - every model of ours is a plain table
    return found


conversation = table(models.Conversation)
inbox = table(models.Inbox)
entry = table(models.Entry)
outbox = table(models.Outbox)
ticket = table(models.Ticket)
ticket_event = table(models.TicketEvent)
missed = table(models.MissedQuestion)
feedback = table(models.FeedbackGiven)
timer = table(models.TimerSet)
subscription = table(models.SubscriptionSet)
consent = table(models.ConsentRecord)
appointment = table(models.AppointmentAsked)
grant = table(models.Grant)
health = table(models.ChannelHealth)
alarm = table(models.Alarm)
tombstone = table(models.Tombstone)
meta = table(models.Meta)
approval = table(models.ArticleApproval)
article_version = table(models.ArticleVersion)

# In the very words of the partial indexes: with bound values neither database may use them.
_open_outbox = text("outbox.status IN ('held', 'due', 'attempting')")
_unknown_outbox = text("outbox.status = 'unknown'")
_open_inbox = and_(inbox.c.done_at.is_(None), inbox.c.dead_at.is_(None))


def insert_once(connection: Connection, into: Table, values: Mapping[str, Any], key: Sequence[str]) -> int | None:
    """Inserts unless the unique `key` is taken; the new row's id, or None."""
    return connection.execute(_insert_once(connection.dialect.name, into, tuple(key)), dict(values)).scalar()


@lru_cache(maxsize=32)
def _insert_once(dialect: str, into: Table, key: tuple[str, ...]) -> Insert:
    kind = sqlite if dialect == "sqlite" else postgresql
    statement: Insert = kind.insert(into).on_conflict_do_nothing(index_elements=list(key)).returning(into.c.id)
    return statement


def upsert(connection: Connection, into: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(into).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


# --- conversations --------------------------------------------------------------------------------------------------


CONVERSATION = select(conversation).where(conversation.c.id == bindparam("this"))
CONVERSATION_LOCKED = CONVERSATION.with_for_update()
CONVERSATION_OF = select(conversation).where(conversation.c.person_index == bindparam("this")).with_for_update()
CHANGE_CONVERSATION = update(conversation).where(conversation.c.id == bindparam("this"))
LEASED: Mapping[str, Any] = {"lease_until": bindparam("until")}
CLAIM = (
    update(conversation)
    .where(conversation.c.id == bindparam("this"), conversation.c.lease_until <= bindparam("free"))
    .values(**LEASED, fence=conversation.c.fence + 1)
    .returning(*conversation.c)
)
HELD = update(conversation).where(conversation.c.id == bindparam("this"), conversation.c.fence == bindparam("held"))
RENEW = HELD.values(**LEASED).returning(*conversation.c)
RELEASE = HELD.values(lease_until=0)


def find_conversation(connection: Connection, person_index: bytes) -> RowMapping | None:
    """Finds and locks the row; everything accepted for one person happens in the order of this lock."""
    return connection.execute(CONVERSATION_OF, {"this": person_index}).mappings().first()


def get_conversation(connection: Connection, conversation_id: int, *, lock: bool = False) -> RowMapping | None:
    query = CONVERSATION_LOCKED if lock else CONVERSATION
    return connection.execute(query, {"this": conversation_id}).mappings().first()


def add_conversation(connection: Connection, values: Mapping[str, Any]) -> RowMapping:
    """Adds the row, or returns the one that another receiver added first; locked either way."""
    insert_once(connection, conversation, values, ["person_index"])
    found = find_conversation(connection, values["person_index"])
    assert found is not None  # noqa: S101 - it was just inserted or conflicted with
    return found


def change_conversation(connection: Connection, conversation_id: int, **values: Any) -> None:
    connection.execute(CHANGE_CONVERSATION, {"this": conversation_id, **values})


def claim(connection: Connection, conversation_id: int, now: int) -> RowMapping | None:
    """Takes the lease if it is free: the row with its new fence, or None while another worker holds it."""
    values = {"this": conversation_id, "free": now, "until": now + LEASE_MS}
    return connection.execute(CLAIM, values).mappings().first()


def renew(connection: Connection, conversation_id: int, fence: int, now: int) -> RowMapping | None:
    """Locks the row and renews the lease; None when the fence moved on and this worker must stop."""
    values = {"this": conversation_id, "held": fence, "until": now + LEASE_MS}
    return connection.execute(RENEW, values).mappings().first()


def release(connection: Connection, conversation_id: int, fence: int) -> None:
    connection.execute(RELEASE, {"this": conversation_id, "held": fence})


def has_work(connection: Connection, conversation_id: int, now: int) -> bool:
    """Whether anything of this conversation may be heard or said now."""
    row = next_inbox(connection, conversation_id)
    if row is not None and row["next_at"] <= now:
        return True
    said = next_outbox(connection, conversation_id, now)
    return said is not None and said["next_at"] <= now and said["status"] != "attempting"


def conversations_with_work(connection: Connection, *, due: int, free: int, limit: int = 500) -> list[tuple[int, int]]:
    """(conversation id, rank of its worst open level) with work due at `due` and a lease ended by `free` (both ms).

    Worst and oldest first.
    """
    heard = (
        select(
            inbox.c.conversation_id.label("c"),
            func.max(_rank_of(inbox.c.level)).label("r"),
            func.min(inbox.c.received_at).label("t"),
        )
        .where(_open_inbox, inbox.c.conversation_id.is_not(None), inbox.c.next_at <= due)
        .group_by(inbox.c.conversation_id)
    )
    said = (
        select(
            outbox.c.conversation_id.label("c"),
            func.max(_rank_of(outbox.c.level)).label("r"),
            func.min(outbox.c.created_at).label("t"),
        )
        .where(_open_outbox, outbox.c.next_at <= due)
        .group_by(outbox.c.conversation_id)
    )
    both = heard.union_all(said).subquery()
    query = (
        select(both.c.c, func.max(both.c.r))
        .join(conversation, conversation.c.id == both.c.c)
        .where(conversation.c.lease_until <= free)
        .group_by(both.c.c)
        .order_by(func.max(both.c.r).desc(), func.min(both.c.t))
        .limit(limit)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def _rank_of(column: Any) -> Any:
    return case({level: rank for rank, level in enumerate(LEVELS)}, value=column, else_=0)


# --- inbox ----------------------------------------------------------------------------------------------------------


def add_inbox(connection: Connection, values: Mapping[str, Any]) -> int | None:
    """The new row's id, or None when the event was accepted before."""
    return insert_once(connection, inbox, values, ["event_index"])


@lru_cache(maxsize=2)
def add_to_known(*, sqlite_: bool) -> Insert:
    """For `Database.write_once`: the inbox row of a conversation whose person index and wrapped key still stand.

    Gives the conversation's id, or no row: accepted before, the conversation is not the one we knew, or somebody holds
    it at this moment. It is locked before the row gets its number, so that numbers follow arrival here too.
    """
    kind = sqlite if sqlite_ else postgresql
    names = ("uuid", "event_index", "kind", "body_sealed", "level", "category", "at", "received_at", "done_at")
    known = (
        select(conversation.c.id, *(bindparam(name, type_=inbox.c[name].type) for name in names))
        .where(conversation.c.person_index == bindparam("person"), conversation.c.wrapped_key == bindparam("wrapped"))
        .with_for_update(skip_locked=True)
    )
    once = kind.insert(inbox).from_select(["conversation_id", *names], known, include_defaults=False)
    statement: Insert = once.on_conflict_do_nothing(index_elements=["event_index"]).returning(inbox.c.conversation_id)
    return statement


OPEN_INBOX = (
    select(inbox)
    .where(_open_inbox, inbox.c.conversation_id == bindparam("this"))
    .order_by(inbox.c.id)
    .limit(bindparam("most"))
)
COUNT_TRY = update(inbox).where(inbox.c.id == bindparam("this")).values(tries=inbox.c.tries + 1)
CHANGE_INBOX = update(inbox).where(inbox.c.id.in_(bindparam("these", expanding=True)))


def next_inbox(connection: Connection, conversation_id: int) -> RowMapping | None:
    """The oldest row not yet heard, whether due or not: order is never broken."""
    return connection.execute(OPEN_INBOX, {"this": conversation_id, "most": 1}).mappings().first()


def open_inbox(connection: Connection, conversation_id: int, limit: int = 20) -> Sequence[RowMapping]:
    return connection.execute(OPEN_INBOX, {"this": conversation_id, "most": limit}).mappings().all()


def count_try(connection: Connection, inbox_id: int) -> None:
    connection.execute(COUNT_TRY, {"this": inbox_id})


def change_inbox(connection: Connection, inbox_ids: Sequence[int], **values: Any) -> None:
    connection.execute(CHANGE_INBOX, {"these": list(inbox_ids), **values})


# --- transcript -----------------------------------------------------------------------------------------------------


ADD_ENTRY = insert(entry).returning(entry.c.id)


def add_entry(connection: Connection, values: Mapping[str, Any]) -> int:
    return int(connection.execute(ADD_ENTRY, dict(values)).scalar_one())


def entries(connection: Connection, conversation_id: int, *, after: int = 0, limit: int = 200) -> Sequence[RowMapping]:
    """The newest `limit` entries after an id, oldest first."""
    query = select(entry).where(entry.c.conversation_id == conversation_id, entry.c.id > after)
    found = connection.execute(query.order_by(entry.c.id.desc()).limit(limit)).mappings().all()
    return list(reversed(found))


# --- outbox ---------------------------------------------------------------------------------------------------------


ADD_OUTBOX = insert(outbox).returning(outbox.c.id)
NEXT_OUTBOX = (
    select(outbox)
    .where(
        outbox.c.conversation_id == bindparam("this"),
        _open_outbox,
        or_(outbox.c.next_at <= bindparam("due"), outbox.c.purpose.not_in(PROACTIVE)),
    )
    .order_by(outbox.c.id)
    .limit(1)
)
CHANGE_OUTBOX = update(outbox).where(outbox.c.id == bindparam("this"))
OUTBOX_OF = select(outbox).where(outbox.c.uuid == bindparam("this"))


def add_outbox(connection: Connection, values: Mapping[str, Any]) -> int:
    return int(connection.execute(ADD_OUTBOX, dict(values)).scalar_one())


def next_outbox(connection: Connection, conversation_id: int, due: int) -> RowMapping | None:
    """The oldest message not yet settled; later ones wait for it. A message that waits for a safer hour than `due` (ms)
    holds nobody up: what she asks now is answered now."""
    return connection.execute(NEXT_OUTBOX, {"this": conversation_id, "due": due}).mappings().first()


def change_outbox(connection: Connection, outbox_id: int, **values: Any) -> None:
    connection.execute(CHANGE_OUTBOX, {"this": outbox_id, **values})


def withhold_bot(connection: Connection, conversation_id: int) -> int:
    """A person owns the chat: what the bot still wanted to say stays unsaid. Returns how many messages."""
    statement = (
        update(outbox)
        .where(
            outbox.c.conversation_id == conversation_id,
            outbox.c.author == "bot",
            outbox.c.status.in_(("held", "due")),
        )
        .values(status="withheld")
        .returning(outbox.c.id)
    )
    return len(connection.execute(statement).all())


def outbox_by_uuid(connection: Connection, reference: str) -> RowMapping | None:
    return connection.execute(OUTBOX_OF, {"this": reference}).mappings().first()


def outbox_by_platform(connection: Connection, platform_index: bytes) -> RowMapping | None:
    query = select(outbox).where(outbox.c.platform_index == platform_index).limit(1)
    return connection.execute(query).mappings().first()


def unsettled(connection: Connection, conversation_id: int) -> Sequence[RowMapping]:
    """Sends of this conversation whose end is not known, newest first."""
    query = select(outbox).where(
        outbox.c.conversation_id == conversation_id, outbox.c.status.in_(("attempting", "unknown"))
    )
    return connection.execute(query.order_by(outbox.c.id.desc()).limit(20)).mappings().all()


def unknown_sends(connection: Connection, before: int) -> Sequence[RowMapping]:
    query = select(outbox).where(_unknown_outbox, outbox.c.attempted_at < before, outbox.c.code == "")
    return connection.execute(query.limit(200)).mappings().all()


def mark_delivered(connection: Connection, conversation_id: int, indexes: Sequence[bytes], upto: int, at: int) -> None:
    where: list[ColumnElement[bool]] = [outbox.c.platform_index.in_(indexes)] if indexes else []
    if upto:
        where.append(and_(outbox.c.sent_at.is_not(None), outbox.c.sent_at <= upto))
    if where:
        connection.execute(
            update(outbox)
            .where(outbox.c.conversation_id == conversation_id, outbox.c.delivered_at.is_(None), or_(*where))
            .values(delivered_at=at)
        )


# --- tickets --------------------------------------------------------------------------------------------------------


OPEN_TICKET = select(ticket).where(ticket.c.conversation_id == bindparam("this"), ticket.c.closed_at.is_(None))


def open_ticket(connection: Connection, conversation_id: int) -> RowMapping | None:
    return connection.execute(OPEN_TICKET, {"this": conversation_id}).mappings().first()


def ask_for_person(
    connection: Connection,
    conversation_id: int,
    *,
    reason: str,
    now: int,
    level: Level = "NONE",
    state: str = "waiting",
    **fields: Any,
) -> tuple[int, bool]:
    """Opens a ticket, or raises the urgency of the open one; never lowers it. Returns (ticket id, newly opened)."""
    rank = LEVELS.index(level)
    values = {
        "uuid": str(uuid.uuid4()),
        "conversation_id": conversation_id,
        "reason": reason,
        "level": level,
        "rank": rank,
        "state": state,
        "opened_at": now,
        **fields,
    }
    found = open_ticket(connection, conversation_id)
    if found is None:
        ticket_id = int(connection.execute(insert(ticket).values(**values).returning(ticket.c.id)).scalar_one())
        log_ticket(connection, ticket_id, "opened", now, detail=f"{reason} {level}")
        cancel_timer(connection, conversation_id, CHAT_FEEDBACK)  # nobody asks how it went while it goes on
        return ticket_id, True
    ticket_id = int(found["id"])
    if rank > found["rank"]:
        raised = {"level": level, "rank": rank, "reason": reason, "step": 0}
        raised["category"] = _graver(found["category"], fields.get("category") or "")
        if fields.get("entry_id"):
            raised["entry_id"] = fields["entry_id"]
        connection.execute(update(ticket).where(ticket.c.id == ticket_id).values(**raised))
        log_ticket(connection, ticket_id, "raised", now, detail=f"{reason} {level}")
    else:
        filled = {
            name: value
            for name, value in fields.items()
            if name in ("skill", "topic", "province", "office", "entry_id") and value and not found[name]
        }
        if fields.get("category") == "child_abuse" and found["category"] != "child_abuse":
            filled["category"] = "child_abuse"
        if filled:
            connection.execute(update(ticket).where(ticket.c.id == ticket_id).values(**filled))
        log_ticket(connection, ticket_id, "again", now, detail=f"{reason} {level}")
    return ticket_id, False


def _graver(before: str, now: str) -> str:
    """A child once in danger stays in the case, whatever else is said afterwards."""
    return "child_abuse" if "child_abuse" in (before, now) else now or before


def kept(row: RowMapping) -> bool:
    """Whether only a counsellor ends this ticket: danger stays in the queue whatever she says, for somebody else may
    hold her phone."""
    return bool(row["level"] == "RED" or row["category"] == "child_abuse")


def end_outside(connection: Connection, row: RowMapping, closing: str, now: int, *, detail: str = "") -> bool:
    """Closes a ticket that ended without a counsellor; False for one that is `kept`."""
    if kept(row):
        return False
    change_ticket(connection, row["id"], state="closed", closed_at=now, closing=closing)
    log_ticket(connection, row["id"], "closed", now, detail=detail or closing)
    return True


def change_ticket(connection: Connection, ticket_id: int, **values: Any) -> None:
    connection.execute(update(ticket).where(ticket.c.id == ticket_id).values(**values))


def log_ticket(
    connection: Connection, ticket_id: int, kind: str, at: int, *, staff_id: int | None = None, detail: str = ""
) -> None:
    connection.execute(
        insert(ticket_event).values(ticket_id=ticket_id, kind=kind, at=at, staff_id=staff_id, detail=detail)
    )


TICKETS_BEFORE = (
    select(func.count())
    .select_from(ticket)
    .where(
        ticket.c.closed_at.is_(None),
        ticket.c.state.in_(("waiting", "offered")),
        or_(
            ticket.c.rank > bindparam("mine"),
            and_(ticket.c.rank == bindparam("mine"), ticket.c.opened_at < bindparam("since")),
        ),
    )
)


def tickets_before(connection: Connection, found: RowMapping) -> int:
    """How many waiting tickets stand before this one: more urgent, or as urgent and older."""
    values = {"mine": found["rank"], "since": found["opened_at"]}
    return int(connection.execute(TICKETS_BEFORE, values).scalar_one())


# --- appointments ---------------------------------------------------------------------------------------------------

APPOINTMENT_OF = (
    select(appointment)
    .where(appointment.c.conversation_id == bindparam("this"), appointment.c.status.in_(("asked", "confirmed")))
    .where(or_(appointment.c.starts_at.is_(None), appointment.c.starts_at > bindparam("since")))
    .order_by(appointment.c.id.desc())
    .limit(1)
)


def open_appointment(connection: Connection, conversation_id: int, since: int) -> RowMapping | None:
    """The newest one asked for or confirmed; what was confirmed for before `since` (ms) is over."""
    return connection.execute(APPOINTMENT_OF, {"this": conversation_id, "since": since}).mappings().first()


def take_back(connection: Connection, entry_id: int | None) -> None:
    """Words that have not left yet and no longer hold stay here."""
    where = (outbox.c.entry_id == entry_id, outbox.c.status.in_(("held", "due")))
    connection.execute(update(outbox).where(*where).values(status="cancelled", code="superseded"))


# --- timers ---------------------------------------------------------------------------------------------------------


def due_timers(connection: Connection, now: int) -> Sequence[RowMapping]:
    """Oldest first; in one order for all clocks, so that two cannot wait for each other."""
    query = select(timer).where(timer.c.at <= now).order_by(timer.c.at, timer.c.id).limit(200)
    return connection.execute(query).mappings().all()


def drop_timer(connection: Connection, timer_id: int) -> bool:
    """True for the one caller that really removed it."""
    return connection.execute(delete(timer).where(timer.c.id == timer_id).returning(timer.c.id)).first() is not None


def set_timer(connection: Connection, conversation_id: int, kind: str, values: Mapping[str, Any]) -> None:
    upsert(connection, timer, {"conversation_id": conversation_id, "kind": kind}, values)


def cancel_timer(connection: Connection, conversation_id: int, kind: str) -> None:
    connection.execute(delete(timer).where(timer.c.conversation_id == conversation_id, timer.c.kind == kind))


_BLOCKED = table(models.Blocked)


def is_blocked(connection: Connection, conversation_id: int) -> bool:
    """Whether staff keep her out of the queue; danger comes in all the same."""
    query = select(_BLOCKED.c.conversation_id).where(_BLOCKED.c.conversation_id == conversation_id)
    return connection.execute(query).first() is not None


def stopped(connection: Connection, conversation_id: int) -> bool:
    """Whether she said that nothing may come to her unasked."""
    query = select(subscription.c.on).where(
        subscription.c.conversation_id == conversation_id, subscription.c.topic == "*"
    )
    return connection.execute(query).scalar() is False


# --- erasure --------------------------------------------------------------------------------------------------------

_DESK = (*(table(one) for one in (models.Note, models.Draft, models.SendLater, models.Media)), _BLOCKED)
_HERS = (missed, feedback, timer, subscription, consent, appointment, *_DESK)


def erase(connection: Connection, conversation_id: int, *, now: int, new_index: bytes) -> int:
    """Destroys the key and every row of hers but the dedupe marks and closed counts. Returns the rows destroyed."""
    count = 0
    connection.execute(
        update(inbox)
        .where(inbox.c.conversation_id == conversation_id)
        .values(conversation_id=None, body_sealed=None, done_at=func.coalesce(inbox.c.done_at, now))
    )
    for hers in (*_HERS, outbox, entry):
        count += connection.execute(delete(hers).where(hers.c.conversation_id == conversation_id)).rowcount
    change_conversation(
        connection,
        conversation_id,
        person_index=new_index,
        person_sealed=None,
        profile_sealed=None,
        state_sealed=None,
        safe_sealed=None,
        wrapped_key=None,
        erased_at=now,
    )
    return count + 1


def forget_marks(connection: Connection, before: int) -> int:
    """Drops dedupe marks without a conversation (erased people, notices) received before `before` (ms)."""
    statement = delete(inbox).where(inbox.c.conversation_id.is_(None), inbox.c.received_at < before)
    return connection.execute(statement).rowcount


def hand_back(connection: Connection, before: int, now: int) -> int:
    """Chats owned by a person outside our desk, where nobody said anything since `before`, return to the bot."""
    query = (
        select(conversation.c.id, ticket.c.id.label("ticket_id"))
        .join(ticket, and_(ticket.c.conversation_id == conversation.c.id, ticket.c.closed_at.is_(None)), isouter=True)
        .where(
            conversation.c.owner == "person",
            conversation.c.said_at < before,
            conversation.c.heard_at < before,
            ticket.c.staff_id.is_(None),
        )
    )
    count = 0
    for row in connection.execute(query.order_by(conversation.c.id)).all():
        if not _taken_back(connection, row.id, before):
            continue  # another clock was here first, or somebody spoke
        count += 1
        found = open_ticket(connection, row.id)
        if found is not None and found["id"] == row.ticket_id:
            end_outside(connection, found, "outside", now, detail="outside idle")
    return count


def _taken_back(connection: Connection, conversation_id: int, before: int) -> bool:
    mine = (conversation.c.id == conversation_id, conversation.c.owner == "person")
    idle = (conversation.c.said_at < before, conversation.c.heard_at < before)
    statement = update(conversation).where(*mine, *idle).values(owner="bot").returning(conversation.c.id)
    return connection.execute(statement).first() is not None


# --- one-process jobs, health, alarms -------------------------------------------------------------------------------


def take_job(connection: Connection, name: str, now: int, for_ms: int) -> bool:
    """Lets one process run a job until `for_ms` have passed; others get False."""
    insert_once_meta(connection, name)
    statement = (
        update(meta).where(meta.c.name == name, meta.c.until <= now).values(until=now + for_ms).returning(meta.c.name)
    )
    return connection.execute(statement).first() is not None


def insert_once_meta(connection: Connection, name: str) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(
        dialect.insert(meta).values(name=name, value=None, until=0).on_conflict_do_nothing(index_elements=["name"])
    )


def rotate_conversations(
    connection: Connection, rotate: Callable[[bytes], bytes], *, after: int = 0, limit: int = 1000
) -> tuple[int, int]:
    """Re-wraps the keys of the next conversations. Returns (last id, or 0 at the end; how many).

    A key that was destroyed meanwhile stays destroyed.
    """
    key = conversation.c.wrapped_key
    query = select(conversation.c.id, key).where(conversation.c.id > after, key.is_not(None))
    rows = connection.execute(query.order_by(conversation.c.id).limit(limit)).all()
    for row in rows:
        mine = (conversation.c.id == row.id, key == row.wrapped_key)
        connection.execute(update(conversation).where(*mine).values(wrapped_key=rotate(bytes(row.wrapped_key))))
    return (rows[-1].id if rows else 0), len(rows)


def rotate_wrapped(connection: Connection, rotate: Callable[[bytes], bytes]) -> None:
    """Re-wraps the index key and the token pairs."""
    row = connection.execute(select(meta.c.value).where(meta.c.name == "index_key")).scalar()
    if row is not None:
        connection.execute(update(meta).where(meta.c.name == "index_key").values(value=rotate(bytes(row))))
    for pair in connection.execute(select(grant)).mappings().all():
        wrapped = {
            name: rotate(bytes(pair[name])) for name in ("access_wrapped", "refresh_wrapped") if pair[name] is not None
        }
        if wrapped:
            mine = (grant.c.channel == pair["channel"], grant.c.account == pair["account"])
            connection.execute(update(grant).where(*mine).values(**wrapped))


def lift_stops(connection: Connection, now: int) -> None:
    """Lets stopped accounts try again: whoever mends a token starts the server anew. A stop that lasts alarms again."""
    lifted = update(health).where(health.c.stopped_at.is_not(None)).values(stopped_at=None, stopped_code="")
    if connection.execute(lifted.returning(health.c.channel)).first() is None:
        return
    connection.execute(
        update(alarm).where(alarm.c.kind == "channel-stopped", alarm.c.cleared_at.is_(None)).values(cleared_at=now)
    )
    connection.execute(
        update(outbox).where(outbox.c.status == "due", outbox.c.purpose.not_in(PROACTIVE)).values(next_at=0)
    )


def plant_grant(connection: Connection, channel: str, account: str, values: Mapping[str, Any]) -> None:
    """Writes an account's first pair unless it has one."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(grant).values(channel=channel, account=account, **values)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["channel", "account"]))


def note_health(connection: Connection, channel: str, account: str, **values: Any) -> None:
    upsert(connection, health, {"channel": channel, "account": account}, values)


def all_health(connection: Connection) -> Sequence[RowMapping]:
    return connection.execute(select(health).order_by(health.c.channel, health.c.account)).mappings().all()


HEALTH_OF = select(health).where(health.c.channel == bindparam("on"), health.c.account == bindparam("this"))


def get_health(connection: Connection, channel: str, account: str) -> RowMapping | None:
    return connection.execute(HEALTH_OF, {"on": channel, "this": account}).mappings().first()


def raise_alarm(connection: Connection, kind: str, subject: str, now: int) -> bool:
    """True when the alarm is new."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(alarm)
        .values(kind=kind, subject=subject, raised_at=now)
        .on_conflict_do_nothing(index_elements=["kind", "subject"], index_where=alarm.c.cleared_at.is_(None))
    )
    return connection.execute(statement.returning(alarm.c.id)).scalar() is not None


def clear_alarm(connection: Connection, kind: str, subject: str, now: int) -> bool:
    statement = (
        update(alarm)
        .where(alarm.c.kind == kind, alarm.c.subject == subject, alarm.c.cleared_at.is_(None))
        .values(cleared_at=now)
        .returning(alarm.c.id)
    )
    return connection.execute(statement).first() is not None


def open_alarms(connection: Connection) -> Sequence[RowMapping]:
    query = select(alarm).where(alarm.c.cleared_at.is_(None)).order_by(alarm.c.raised_at)
    return connection.execute(query).mappings().all()


def untold_alarms(connection: Connection) -> Sequence[RowMapping]:
    query = select(alarm).where(alarm.c.cleared_at.is_(None), alarm.c.told_at.is_(None)).order_by(alarm.c.id)
    return connection.execute(query).mappings().all()


def alarm_told(connection: Connection, alarm_id: int, now: int) -> None:
    connection.execute(update(alarm).where(alarm.c.id == alarm_id).values(told_at=now))


def queue_ages(connection: Connection) -> dict[str, int]:
    """Oldest `received_at`/`created_at` (ms) and counts of what is open, for `/metrics` and `osso doctor`."""
    heard = connection.execute(select(func.count(), func.min(inbox.c.received_at)).where(_open_inbox)).one()
    said = connection.execute(select(func.count(), func.min(outbox.c.created_at)).where(_open_outbox)).one()
    waiting = connection.execute(
        select(func.count(), func.min(ticket.c.opened_at)).where(
            ticket.c.closed_at.is_(None), ticket.c.state == "waiting"
        )
    ).one()
    dead = connection.execute(select(func.count()).select_from(inbox).where(inbox.c.dead_at.is_not(None))).scalar_one()
    return {
        "inbox_open": heard[0],
        "inbox_oldest": heard[1] or 0,
        "outbox_open": said[0],
        "outbox_oldest": said[1] or 0,
        "tickets_waiting": waiting[0],
        "tickets_oldest": waiting[1] or 0,
        "dead": dead,
    }


# --- content --------------------------------------------------------------------------------------------------------


def articles_out(connection: Connection) -> frozenset[tuple[str, str]]:
    """(article, content hash) of every version that is out: published, and not withdrawn or replaced since."""
    return frozenset((row.article, row.hash) for row in connection.execute(_out(approval.c.article, approval.c.hash)))


def texts_out(connection: Connection) -> dict[tuple[str, str], str]:
    """The same with the text of the file as it stood when it was published; empty when none was kept."""
    query = _out(approval.c.article, approval.c.hash, article_version.c.text).join_from(
        approval, article_version, article_version.c.id == approval.c.version_id, isouter=True
    )
    return {(row.article, row.hash): row.text or "" for row in connection.execute(query)}


def _out(*columns: ColumnElement[Any]) -> Select[Any]:
    decisive = select(func.max(approval.c.id)).where(approval.c.act.in_(("published", "withdrawn")))
    last = decisive.group_by(approval.c.article)
    return select(*columns).where(approval.c.id.in_(last), approval.c.act == "published")
