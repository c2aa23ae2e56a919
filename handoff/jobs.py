"""What happens to tickets by time: routing, offers and their end, escalation of danger, snoozes, absent counsellors,
messages set for later. Every deadline is a row, and every step is taken by a condition on the row it changes, so any
number of clocks may run this and each step still happens once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection, RowMapping, and_, func, or_, select, update

from bot.clock import Job
from bot.errors import Refused
from bot.hearing import Holding, safe_contact
from bot.knowledge.places import Province, office_for
from bot.outbox import safe_time
from bot.store import queries
from bot.store.media import kept, lend_again, token_of
from handoff.accounts.accounts import open_accounts
from handoff.accounts.chain import record
from handoff.accounts.queries import as_staff, member
from handoff.accounts.queries import staff as members
from handoff.deeds import (
    GONE,
    Desk,
    Locked,
    Missing,
    apply,
    as_ticket,
    call,
    later,
    lock,
    set_for_later,
    speak,
    tell,
    window_of,
)
from handoff.duty import blocked, called, counsellors, presence, since, waiting
from handoff.routing import AWAY_MS, AWAY_RED_MS, OFFER_MS, Waiting, escalate, plan, whom
from handoff.tickets import (
    CLOCK,
    HELD,
    QUEUED,
    REOPEN_MS,
    Act,
    Decline,
    HerWord,
    Offer,
    Reopen,
    Requeue,
    Wake,
    may_write,
    reopens,
)
from handoff.tickets import Actor as By

if TYPE_CHECKING:
    from sqlalchemy import Select

    from bot.wiring import Parts

ticket, conversation, entry = queries.ticket, queries.conversation, queries.entry
ALARM = "red-unclaimed"
CALLS = ("first", "second", "lead")


def handoff_jobs(parts: Parts) -> tuple[Job, ...]:
    """The desk's jobs for bot.clock. What they make her hear is found by the sweeper of the same clock."""
    accounts = open_accounts(parts.settings, parts.database, clock=parts.rim.clock, offices=dict)
    desk = Desk(parts.rim, _nobody, functools.partial(record, accounts))
    return jobs(desk, lambda: parts.library.knowledge.provinces)


def jobs(desk: Desk, provinces: Callable[[], Mapping[str, Province]]) -> tuple[Job, ...]:
    def offers() -> None:
        route(desk, provinces())
        end_offers(desk)
        offer(desk)

    def rest() -> None:
        wake_snoozed(desk)
        requeue_absent(desk)

    return (
        Job("desk escalation", 2.0, lambda: escalate_danger(desk)),
        Job("desk her word", 2.0, lambda: hear_her(desk)),
        Job("desk offers", 3.0, offers),
        Job("desk absence", 10.0, rest),
        Job("desk later", 5.0, lambda: send_due(desk)),
    )


def _nobody(_conversation_id: int, _rank: int) -> None:
    """The sweeper wakes what lies open."""


# --- danger -----------------------------------------------------------------------------------------------------------


def escalate_danger(desk: Desk) -> int:
    """Calls the first, the second and the lead for RED without a person: exactly once each. Returns the calls."""
    now, made = desk.now(), 0
    query = select(ticket).where(ticket.c.closed_at.is_(None), ticket.c.level == "RED", ticket.c.state.in_(QUEUED))
    with desk.rim.database.read() as connection:
        rows = connection.execute(query.where(ticket.c.step < 3)).mappings().all()
        due = [row for row in rows if escalate(row["step"], since(connection, row["id"]), now)]
    for row in due:
        with desk.rim.database.write() as connection:
            made += _climb(connection, row["id"], now)
    return made


def _climb(connection: Connection, ticket_id: int, now: int) -> int:
    made, began = 0, since(connection, ticket_id)
    everyone = counsellors(connection, now)
    for _ in CALLS:
        row = connection.execute(select(ticket).where(ticket.c.id == ticket_id)).mappings().one()
        due = escalate(row["step"], began, now)
        if due is None:
            break
        won = (
            update(ticket)
            .where(
                ticket.c.id == ticket_id,
                ticket.c.step == row["step"],
                ticket.c.state.in_(QUEUED),
                ticket.c.closed_at.is_(None),
            )
            .values(step=due.step, due_at=due.next_at)
            .returning(ticket.c.id)
        )
        if connection.execute(won).first() is None:
            break
        before = select(called.c.staff_id).where(
            called.c.ticket_id == ticket_id, called.c.kind.in_(CALLS), called.c.at >= began
        )
        already = {staff_id for staff_id in connection.execute(before).scalars() if staff_id is not None}
        found = whom(due.called, _as_waiting(row, began), everyone, already, now)
        call(connection, ticket_id, found.id if found else None, due.called, now)
        queries.log_ticket(
            connection, ticket_id, "escalated", now, detail=f"{due.called} {found.id if found else 'nobody'}"
        )
        if due.called != "first" or found is None or not found.present:
            queries.raise_alarm(connection, ALARM, row["uuid"], now)  # goes outside: to whoever is on call
        made += 1
    return made


def _as_waiting(row: RowMapping, began: int) -> Waiting:
    return Waiting(row["id"], began, row["level"], row["office"], row["skill"], row["locale"])


# --- her word ---------------------------------------------------------------------------------------------------------


def hear_her(desk: Desk) -> int:
    """She wrote: the turn is her counsellor's again, or the queue's when nobody is there to read it. Closed tickets
    that her word opens again go back to the queue. Returns how many tickets moved."""
    now = desk.now()
    last = _last_entry("person").scalar_subquery()
    ours = _last_entry("staff").scalar_subquery()
    held = (
        select(ticket.c.id, ticket.c.conversation_id)
        .join(conversation, conversation.c.id == ticket.c.conversation_id)
        .where(ticket.c.closed_at.is_(None))
        .where(
            or_(
                and_(
                    ticket.c.state == "waiting_her",
                    conversation.c.heard_at > conversation.c.said_at - 60_000,
                    last > func.coalesce(ours, 0),
                ),
                and_(ticket.c.state == "snoozed", conversation.c.heard_at > _last_event().scalar_subquery()),
            )
        )
    )
    moved = 0
    with desk.rim.database.read() as connection:
        found = connection.execute(held).all()
    for row in found:
        moved += _each(desk, row.conversation_id, row.id, now, _her_word)
    return moved + _reopen(desk, now)


def _her_word(_desk: Desk, locked: Locked) -> Act | None:
    if locked.row["state"] not in ("waiting_her", "snoozed"):
        return None
    return HerWord(present=not _away(locked))


def _last_entry(author: str) -> Select[tuple[int]]:
    kinds = ("message", "consent", "edit") if author == "person" else ("message", "outside")
    return (
        select(func.max(entry.c.id))
        .where(entry.c.conversation_id == ticket.c.conversation_id, entry.c.author == author, entry.c.kind.in_(kinds))
        .correlate(ticket)
    )


def _last_event() -> Select[tuple[int]]:
    events = queries.ticket_event
    return select(func.max(events.c.at)).where(events.c.ticket_id == ticket.c.id).correlate(ticket)


def _reopen(desk: Desk, now: int) -> int:
    danger = or_(ticket.c.level.in_(("RED", "AMBER")), ticket.c.category == "child_abuse")
    newer = ticket.alias("newer")
    query = (
        select(ticket.c.id, ticket.c.conversation_id)
        .join(conversation, conversation.c.id == ticket.c.conversation_id)
        .where(
            ticket.c.closed_at > now - max(REOPEN_MS.values()),
            conversation.c.heard_at > ticket.c.closed_at,
            or_(danger, ticket.c.closing == "silent"),
            ~select(newer.c.id)
            .where(newer.c.conversation_id == ticket.c.conversation_id, newer.c.id > ticket.c.id)
            .exists(),
            ~select(blocked.c.conversation_id).where(blocked.c.conversation_id == ticket.c.conversation_id).exists(),
        )
    )
    with desk.rim.database.read() as connection:
        found = connection.execute(query).all()
    return sum(_each(desk, row.conversation_id, row.id, now, _again) for row in found)


def _again(_desk: Desk, locked: Locked) -> Act | None:
    heard = locked.conversation["heard_at"]
    if queries.open_ticket(locked.connection, locked.conversation["id"]) is not None:
        return None
    return Reopen(heard) if reopens(locked.ticket, heard) else None


# --- offers -----------------------------------------------------------------------------------------------------------


def route(desk: Desk, provinces: Mapping[str, Province]) -> int:
    """Gives tickets that know their province their office. Returns how many."""
    query = select(ticket.c.id, ticket.c.province).where(
        ticket.c.closed_at.is_(None), ticket.c.office == "", ticket.c.province != ""
    )
    with desk.rim.database.read() as connection:
        found = [(row.id, office_for(row.province, provinces)) for row in connection.execute(query)]
    found = [(ticket_id, office) for ticket_id, office in found if office]
    if found:
        with desk.rim.database.write() as connection:
            for ticket_id, office in found:
                statement = update(ticket).where(ticket.c.id == ticket_id, ticket.c.office == "")
                if connection.execute(statement.values(office=office).returning(ticket.c.id)).first():
                    queries.log_ticket(connection, ticket_id, "routed", desk.now(), detail=office)
    return len(found)


def offer(desk: Desk) -> int:
    """Offers what waits to those who fit. Danger is not offered to one: it is shown to all and calls people by name."""
    now = desk.now()
    with desk.rim.database.read() as connection:
        calm = [one for one in waiting(connection, now) if one.level != "RED"]
        offers = plan(calm, counsellors(connection, now), now) if calm else []
        found = {
            row.id: row.conversation_id
            for row in connection.execute(
                select(ticket.c.id, ticket.c.conversation_id).where(ticket.c.id.in_([one.id for one, _ in offers]))
            )
        }
    made = 0
    for one, who in offers:

        def act(_desk: Desk, locked: Locked, to: int = who.id, level: str = one.level) -> Act | None:
            if locked.row["state"] != "waiting":
                return None
            call(locked.connection, locked.row["id"], to, "offer", now, until=now + OFFER_MS[level])
            return Offer(to)

        made += _each(desk, found[one.id], one.id, now, act)
    return made


def end_offers(desk: Desk) -> int:
    """Offers that ran out, or whose receiver went away, go back to the queue."""
    now = desk.now()
    gone = select(presence.c.staff_id).where(presence.c.seen_at > now - AWAY_MS)
    query = (
        select(called.c.id, called.c.ticket_id, ticket.c.conversation_id)
        .join(ticket, ticket.c.id == called.c.ticket_id)
        .where(called.c.kind == "offer", called.c.answered_at.is_(None))
        .where(or_(called.c.until <= now, called.c.staff_id.not_in(gone)))
    )
    with desk.rim.database.read() as connection:
        found = connection.execute(query).all()
    ended = 0
    for row in found:

        def act(_desk: Desk, locked: Locked, call_id: int = row.id) -> Act | None:
            statement = update(called).where(called.c.id == call_id, called.c.answered_at.is_(None))
            late = statement.values(answer="late", answered_at=now).returning(called.c.staff_id)
            who = locked.connection.execute(late).scalar()
            ours = locked.row["state"] == "offered" and locked.row["staff_id"] == who
            return Decline() if who is not None and ours else None

        ended += _each(desk, row.conversation_id, row.ticket_id, now, act)
    return ended


# --- snoozes and absence ----------------------------------------------------------------------------------------------


def wake_snoozed(desk: Desk) -> int:
    now = desk.now()
    query = select(ticket.c.id, ticket.c.conversation_id).where(
        ticket.c.closed_at.is_(None),
        ticket.c.state == "snoozed",
        or_(ticket.c.due_at <= now, ticket.c.level == "RED"),
    )
    with desk.rim.database.read() as connection:
        found = connection.execute(query).all()

    def act(_desk: Desk, locked: Locked) -> Act | None:
        due = locked.row["due_at"] <= now or locked.row["level"] == "RED"
        return Wake() if locked.row["state"] == "snoozed" and due else None

    return sum(_each(desk, row.conversation_id, row.id, now, act) for row in found)


def requeue_absent(desk: Desk) -> int:
    """A counsellor whose desk went dark while a woman waits for her word loses the ticket to the queue, and the woman
    is told. Everything of somebody disabled goes back at once."""
    now = desk.now()
    unanswered = and_(ticket.c.state == "taken", conversation.c.heard_at > conversation.c.said_at)
    query = (
        select(ticket.c.id, ticket.c.conversation_id)
        .join(conversation, conversation.c.id == ticket.c.conversation_id)
        .join(presence, presence.c.staff_id == ticket.c.staff_id, isouter=True)
        .join(members, members.c.id == ticket.c.staff_id, isouter=True)
        .where(ticket.c.closed_at.is_(None), ticket.c.staff_id.is_not(None), ticket.c.state.in_(HELD))
        .where(
            or_(
                members.c.disabled_at.is_not(None),
                and_(
                    unanswered,
                    or_(
                        func.coalesce(presence.c.seen_at, 0) <= now - AWAY_MS,
                        and_(ticket.c.level == "RED", func.coalesce(presence.c.seen_at, 0) <= now - AWAY_RED_MS),
                    ),
                ),
            )
        )
    )
    with desk.rim.database.read() as connection:
        found = connection.execute(query).all()
    return sum(_each(desk, row.conversation_id, row.id, now, _absent) for row in found)


def _absent(_desk: Desk, locked: Locked) -> Act | None:
    row, her = locked.row, locked.conversation
    if row["state"] not in HELD or row["staff_id"] is None:
        return None
    gone = select(members.c.disabled_at).where(members.c.id == row["staff_id"])
    if locked.connection.execute(gone).scalar() is not None:
        return Requeue("disabled")
    if row["state"] != "taken" or her["heard_at"] <= her["said_at"] or not _away(locked):
        return None
    return Requeue("absent")


def _away(locked: Locked) -> bool:
    seen = select(presence.c.seen_at).where(presence.c.staff_id == locked.row["staff_id"])
    limit = AWAY_RED_MS if locked.row["level"] == "RED" else AWAY_MS
    # one who has just taken the ticket was there
    last = max(locked.connection.execute(seen).scalar() or 0, locked.row["taken_at"] or 0)
    return bool(last <= locked.now - limit)


# --- messages set for later -------------------------------------------------------------------------------------------


def send_due(desk: Desk) -> int:
    """Sends what was set for now, when everything still holds; otherwise its writer is told why not."""
    now = desk.now()
    query = select(later.c.id, later.c.conversation_id, later.c.ticket_id).where(
        later.c.status == "waiting", later.c.at <= now
    )
    with desk.rim.database.read() as connection:
        found = connection.execute(query.order_by(later.c.at).limit(200)).all()
    done = 0
    for row in found:
        with desk.rim.database.write() as connection:
            try:
                locked = lock(connection, row.conversation_id, row.ticket_id, now)
            except Missing:
                continue
            done += _send(desk, locked, row.id)
    return done


def _send(desk: Desk, locked: Locked, later_id: int) -> int:
    connection, now = locked.connection, locked.now
    row = connection.execute(select(later).where(later.c.id == later_id)).mappings().one()
    if row["status"] != "waiting":
        return 0
    status, at = _fate(desk, locked, row)
    values: dict[str, object] = {"status": status} if status else {"at": at}
    connection.execute(update(later).where(later.c.id == later_id).values(**values))
    if status == "sent":
        found = member(connection, id=row["staff_id"])
        assert found is not None  # noqa: S101 - _fate looked her up
        said = set_for_later(Holding.of(desk.rim, locked.conversation).key, row)
        for token in filter(None, (token_of(one.image or one.text) for one in said)):
            lend_again(connection, desk.rim.database.keyring, token, now)
        speak(desk, locked, as_staff(connection, found), said, once=row["uuid"], paid=False, not_before=0)
    elif status:
        call(connection, locked.row["id"], row["staff_id"], "mention", now, reason=f"later {status}")
        queries.log_ticket(connection, locked.row["id"], "later_dropped", now, detail=status)
    return 1


def _fate(desk: Desk, locked: Locked, row: RowMapping) -> tuple[str, int]:
    """(status, new time): sent, why not, or empty with the next safe hour."""
    her, now = locked.conversation, locked.now
    if her["wrapped_key"] is None or her["unreachable"] == "gone":
        return "gone", 0
    writer = member(locked.connection, id=row["staff_id"])
    if writer is None or writer["disabled_at"] is not None or not may_write(locked.ticket, By(row["staff_id"])):
        return "owner", 0
    window = window_of(desk, her, now)
    if not window.person or window.billed:
        return "window", 0
    hour = safe_time(safe_contact(Holding.of(desk.rim, her).key, her), now)
    if hour is None:
        return "unsafe", 0
    ring = desk.rim.database.keyring
    said = set_for_later(Holding.of(desk.rim, her).key, row)
    if any(token and kept(locked.connection, ring, token) is None for token in (token_of(one.image) for one in said)):
        return "file", 0
    return ("sent", 0) if hour <= now else ("", hour)


# --- one step ---------------------------------------------------------------------------------------------------------


def _each(
    desk: Desk, conversation_id: int, ticket_id: int, now: int, choose: Callable[[Desk, Locked], Act | None]
) -> int:  # fmt: skip
    """One ticket in a transaction of its own: looked at again under the lock, then moved by the rules. 1 when moved."""
    with desk.rim.database.write() as connection:
        try:
            locked = lock(connection, conversation_id, ticket_id, now)
            act = choose(desk, locked)
            if act is None:
                return 0
            held_before = as_ticket(locked.row).state in HELD
            change = apply(locked, act, CLOCK)
        except (Missing, Refused):
            return 0
        if held_before and change.owner == "bot" and change.event == "requeued":
            tell(desk, locked, GONE)
    return 1
