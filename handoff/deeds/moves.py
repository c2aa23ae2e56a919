"""Whose ticket it is: taken, offered, passed on, given back. Each move is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, select, update

from bot.errors import Refused
from bot.messages import LEVELS
from bot.store import queries
from handoff.accounts.staff import Staff
from handoff.deeds.locked import Desk, Missing, actor, apply, call, lock, locked_for, takes_tickets, with_name
from handoff.deeds.notes import write_note
from handoff.deeds.speaking import MOVED, tell
from handoff.duty import called, counsellors, waiting
from handoff.routing import next_for
from handoff.scope import READERS
from handoff.tickets import Act, Actor, Assign, Change, Decline, Requeue, Resume, Take, may_write

TRANSFER_REASONS = ("skill", "office", "language", "shift_over", "load", "known", "other")


def do(desk: Desk, staff: Staff, reference: str, act: Act) -> Change:
    """One plain act on a ticket. Raises Missing or Refused (who has it, where that helps)."""
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
        by = actor(staff, locked.row["office"])
        try:
            change = apply(locked, act, by)
        except Refused as refused:
            raise with_name(connection, locked.row, refused, by) from None
        if change.event == "requeued" and isinstance(act, Requeue) and act.office:
            tell(desk, locked, MOVED)
        desk.record(connection, staff, f"ticket.{change.event}", locked.subject, change.detail)
    desk.wake(locked.row["conversation_id"], 0)
    return change


def resume(desk: Desk, staff: Staff, reference: str) -> None:
    """Takes the end of a ticket back, while she has no newer one. Raises Missing or Refused."""
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
        newer = queries.open_ticket(connection, locked.conversation["id"])
        if newer is not None or locked.conversation["wrapped_key"] is None:
            raise Refused("Ca này đã kết thúc, và chị ấy có ca mới hơn.") if newer else Missing
        apply(locked, Resume(locked.now), actor(staff, locked.row["office"]))
        desk.record(connection, staff, "ticket.resumed", locked.subject)


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
        chosen, offered = next_for(me, rows, now), _offered(connection, staff)
        if chosen is None and offered is None:
            return None
        if offered is not None and (chosen is None or LEVELS.index(chosen.level) <= offered["rank"]):
            ticket_id = offered["id"]
        else:
            assert chosen is not None  # noqa: S101 - tells mypy what the lines above decided
            ticket_id = chosen.id
        conversation_id = connection.execute(
            select(queries.ticket.c.conversation_id).where(queries.ticket.c.id == ticket_id)
        ).scalar_one()
        locked = lock(connection, conversation_id, ticket_id, now)
        apply(locked, Take(), actor(staff, locked.row["office"]))
        desk.record(connection, staff, "ticket.taken", locked.subject, "next")
        return str(locked.row["uuid"])


def _offered(connection: Connection, staff: Staff) -> RowMapping | None:
    """The neediest ticket that is offered to her and waits for her answer."""
    ticket = queries.ticket
    mine = select(ticket).where(
        ticket.c.staff_id == staff.id, ticket.c.state == "offered", ticket.c.closed_at.is_(None)
    )
    return connection.execute(mine.order_by(ticket.c.rank.desc(), ticket.c.opened_at)).mappings().first()


def answer_call(desk: Desk, staff: Staff, reference: str, *, yes: bool, reason: str = "") -> None:
    """Answers what she is called to: an offer, a transfer. Raises Missing when there is no open call."""
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
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


def transfer(desk: Desk, staff: Staff, reference: str, *, to: str, reason: str, words: str) -> None:
    """Asks a colleague (`to`: her public id) to take over. The chat stays with the sender until she says yes."""
    if reason not in TRANSFER_REASONS:
        raise Refused("Chị chọn giúp lý do chuyển ca.")
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
        if not may_write(locked.ticket, Actor(staff.id)):
            raise Refused("Chị nhận ca trước đã nhé.")
        receiver = connection.execute(select(READERS.c.id).where(READERS.c.uuid == to)).scalar()
        if receiver is None or receiver == staff.id or not takes_tickets(connection, receiver, locked.now):
            raise Refused("Người này không nhận ca được.")
        connection.execute(
            update(called)
            .where(called.c.ticket_id == locked.row["id"], called.c.kind == "transfer", called.c.answered_at.is_(None))
            .values(answer="over", answered_at=locked.now)
        )
        call(connection, locked.row["id"], receiver, "transfer", locked.now, by=staff.id, reason=reason)
        if words.strip():
            write_note(desk, locked, staff, words)
        queries.log_ticket(
            connection, locked.row["id"], "transfer", locked.now, staff_id=staff.id, detail=f"{receiver} {reason}"
        )
        desk.record(connection, staff, "ticket.transfer", locked.subject, f"{receiver} {reason}")


def assign(desk: Desk, staff: Staff, reference: str, *, to: str) -> None:
    """A lead puts a ticket into somebody's hands."""
    with desk.rim.database.write() as connection:
        locked = locked_for(desk, connection, staff, reference)
        receiver = connection.execute(select(READERS.c.id).where(READERS.c.uuid == to)).scalar()
        if receiver is None or not takes_tickets(connection, receiver, locked.now):
            raise Refused("Người này không nhận ca được.")
        apply(locked, Assign(receiver), actor(staff, locked.row["office"]))
        if receiver != staff.id:
            call(connection, locked.row["id"], receiver, "mention", locked.now, by=staff.id, reason="assigned")
        desk.record(connection, staff, "ticket.assigned", locked.subject, str(receiver))
