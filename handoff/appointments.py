"""What counsellors decide about appointments women asked for: confirm, move, decline. Each is one transaction in which
the request changes, she is told through the outbox at an hour that is safe for her, and the reminder is set or dropped.

Nothing here speaks over a colleague who holds the chat.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, select, true, update

from bot import moments
from bot.errors import Refused
from bot.hearing import ZONE, Holding, queue, safe_contact
from bot.messages import Choice, Reply
from bot.outbox import safe_time
from bot.store import queries
from bot.store.bodies import reply_to_json
from bot.store.crypto import ConversationKey
from handoff.accounts.queries import names
from handoff.accounts.staff import EVERYWHERE, Staff
from handoff.deeds import Desk, Missing, actor, apply, lock, window_of
from handoff.deeds.speaking import check_window
from handoff.tickets import HELD, QUEUED, Close, Take

appointment, ticket, conversation = queries.appointment, queries.ticket, queries.conversation
OPEN = ("asked", "confirmed")
HOUR, DAY = 3_600_000, 86_400_000
AHEAD_MS = 365 * DAY
REMIND_HOUR = 18  # of the evening before; her own safe hours move it
MOST_PLACE, MOST_WORDS = 200, 500
HELLO = "Chào chị, OSSO trả lời việc chị đã hỏi ạ."  # all that a lock screen shows
VISIT = f"{HELLO} Hẹn gặp chị lúc {{when}}, tại {{place}}."
CALL = f"{HELLO} Tư vấn viên sẽ gọi cho chị lúc {{when}}."
OTHER_VISIT = f"{HELLO} OSSO xin hẹn chị giờ khác: {{when}}, tại {{place}}."
OTHER_CALL = f"{HELLO} Tư vấn viên xin gọi cho chị giờ khác: {{when}}."
CHANGE = "Muốn đổi hoặc bỏ, chị nhắn “lịch hẹn” ạ."
DECLINED = f"{HELLO} Lần này OSSO chưa sắp được lịch hẹn cho chị, OSSO xin lỗi chị."
OTHERWISE = "Chị cứ nhắn tại đây, hoặc nhắn “gặp người” để tìm cách khác ạ."
CHANGE_TITLE, PERSON_TITLE = "Đổi, bỏ lịch hẹn", "Gặp tư vấn viên"
SAID = (VISIT, CALL, OTHER_VISIT, OTHER_CALL, CHANGE, DECLINED, OTHERWISE, CHANGE_TITLE)  # the catalogues hold them all


@dataclass(frozen=True, slots=True)
class Told:
    """When she will be told (ms); None when her own words about safe contact forbid every message."""

    at: int | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What she asked for in words or as an ISO day or moment, and the place a person fixed."""

    when: str
    place: str

    def moment(self) -> datetime.datetime | None:
        """Viet Nam's time of her wish; midnight when she named a day only; None when only a person can read it."""
        try:
            found = datetime.datetime.fromisoformat(self.when)
        except ValueError:
            return None
        return found.replace(tzinfo=ZONE) if found.tzinfo is None else found.astimezone(ZONE)

    def wants(self, starts_at: int) -> bool:
        """Whether this time (ms) is within what she asked for, as far as that can be read."""
        wished = self.moment()
        if wished is None:
            return True
        then = datetime.datetime.fromtimestamp(starts_at / 1000, ZONE)
        return then.date() == wished.date() if len(self.when) == len("2026-11-28") else then == wished


def read(key: ConversationKey, row: RowMapping) -> Wish:
    """Opens what is sealed of a request."""

    def opened(column: str, name: str) -> str:
        return str(key.open(row[column], "appointment", row["uuid"], name)) if row[column] else ""

    return Wish(opened("when_sealed", "when"), opened("place_sealed", "place"))


# --- who may see what -------------------------------------------------------------------------------------------------


def office() -> ColumnElement[str]:
    """The request's office: its own, or the one her newest ticket was routed to."""
    latest = (
        select(ticket.c.office)
        .where(ticket.c.conversation_id == appointment.c.conversation_id)
        .order_by(ticket.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return func.coalesce(func.nullif(appointment.c.office, ""), latest, "")


def visible(who: Staff) -> ColumnElement[bool]:
    """Requests of the offices she works at, and those that belong to none yet."""
    offices = who.offices_as("counsellor", "lead")
    return true() if EVERYWHERE in offices else office().in_(sorted({*offices, ""}))


def asked(who: Staff) -> Select[tuple[object, ...]]:
    """The requests she may see, with what the page needs of her conversation."""
    return (
        select(
            appointment,
            office().label("at_office"),
            conversation.c.uuid.label("her"),
            conversation.c.channel,
            conversation.c.heard_at,
            conversation.c.locale,
            conversation.c.unreachable,
            conversation.c.wrapped_key,
            conversation.c.state_sealed,
            conversation.c.safe_sealed,
        )
        .join(conversation, conversation.c.id == appointment.c.conversation_id)
        .where(visible(who), conversation.c.wrapped_key.is_not(None))
    )


# --- deeds ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    """A request, her conversation (locked) and her open ticket, in the open transaction."""

    connection: Connection
    row: RowMapping
    her: RowMapping
    ticket: RowMapping | None
    now: int


def confirm(desk: Desk, staff: Staff, reference: str, *, starts_at: int, place: str = "", paid: bool = False) -> Told:
    """Fixes a time (ms), for a visit also the place; a confirmed one is moved so. The same again changes nothing.

    Raises Missing, or Refused with what to do.
    """
    with desk.rim.database.write() as connection:
        case = _open(desk, connection, staff, reference)
        row, place = case.row, " ".join(place.split()) if case.row["kind"] == "visit" else ""
        if not case.now < starts_at < case.now + AHEAD_MS:
            raise Refused("Giờ hẹn phải sau lúc này và trong một năm tới.")
        if row["kind"] == "visit" and not 0 < len(place) <= MOST_PLACE:
            raise Refused("Chị ghi giúp nơi gặp, không quá 200 chữ.")
        key = Holding.of(desk.rim, case.her).key
        before = read(key, row)
        if row["status"] == "confirmed" and (row["starts_at"], before.place) == (starts_at, place):
            return Told(case.now)
        wanted = row["status"] == "asked" and before.wants(starts_at)
        source = (VISIT if wanted else OTHER_VISIT) if row["kind"] == "visit" else CALL if wanted else OTHER_CALL
        when = moments.appointed(starts_at, case.her["locale"])
        text = _in_hers(desk, case, source).replace("{when}", when).replace("{place}", place)
        choices = (Choice(_in_hers(desk, case, CHANGE_TITLE), "/change_appointment"),)
        told = _tell(desk, case, staff, Reply(f"{text} {_in_hers(desk, case, CHANGE)}", choices), paid=paid)
        sealed = key.seal(place, "appointment", row["uuid"], "place") if place else None
        _change(case, staff, status="confirmed", starts_at=starts_at, place_sealed=sealed)
        _remind(desk, case, starts_at)
        _finish_ticket(case, staff)
        action = "appointment.confirmed" if row["status"] == "asked" else "appointment.moved"
        desk.record(connection, staff, action, f"appointment:{row['uuid']}")
    desk.wake(case.her["id"], 1)
    return told


def decline(desk: Desk, staff: Staff, reference: str, *, words: str = "", paid: bool = False) -> Told:
    """Says a kind no, with a line of the counsellor's own if she writes one. Raises Missing or Refused."""
    with desk.rim.database.write() as connection:
        case = _open(desk, connection, staff, reference)
        if len(words.strip()) > MOST_WORDS:
            raise Refused("Lời nhắn dài quá, không quá 500 chữ.")
        lines = (_in_hers(desk, case, DECLINED), words.strip(), _in_hers(desk, case, OTHERWISE))
        choices = (Choice(_in_hers(desk, case, PERSON_TITLE), "/person"),)
        told = _tell(desk, case, staff, Reply("\n".join(filter(None, lines)), choices), paid=paid)
        _change(case, staff, status="declined")
        queries.cancel_timer(connection, case.her["id"], "appointment")
        _finish_ticket(case, staff)
        desk.record(connection, staff, "appointment.declined", f"appointment:{case.row['uuid']}")
    desk.wake(case.her["id"], 1)
    return told


def _open(desk: Desk, connection: Connection, staff: Staff, reference: str) -> _Case:
    """The request under the lock of her conversation: she may have changed her mind a moment ago."""
    query = asked(staff).where(appointment.c.uuid == reference)
    found = connection.execute(query).mappings().first()
    if found is None:
        raise Missing
    her = queries.get_conversation(connection, found["conversation_id"], lock=True)
    row = connection.execute(query).mappings().first()
    if her is None or row is None:
        raise Missing
    held = queries.open_ticket(connection, her["id"])
    if held is not None and held["state"] in HELD and held["staff_id"] != staff.id:
        name = names(connection, [held["staff_id"]]).get(held["staff_id"], "")
        raise Refused("{why} ({name})", why=Refused("Ca này đã có người nhận."), name=name)
    if row["status"] not in OPEN:
        raise Refused("Lời hẹn này đã được đổi, bỏ hoặc trả lời rồi.")
    return _Case(connection, row, her, held, desk.now())


def _in_hers(desk: Desk, case: _Case, source: str) -> str:
    return desk.rim.texts.get(case.her["locale"], source)


def _tell(desk: Desk, case: _Case, staff: Staff, words: Reply, *, paid: bool) -> Told:
    """Queues the words in the counsellor's name, for a safe hour; what was said before and has not left is taken back.
    Raises Refused when the platform would not take it."""
    her, connection = case.her, case.connection
    queries.take_back(connection, case.row["entry_id"])
    held = Holding.of(desk.rim, her)
    at = safe_time(safe_contact(held.key, her), case.now)
    if at is None:
        return Told(None)
    check_window(window_of(desk, her, at), her, paid=paid)
    public = str(uuid.uuid4())
    entry_id = queries.add_entry(
        connection,
        {
            "uuid": public,
            "conversation_id": her["id"],
            "author": "staff",
            "staff_id": staff.id,
            "body_sealed": held.key.seal(reply_to_json(words), "entry", public, "body"),
            "at": case.now,
        },
    )
    channel = desk.rim.channels[her["channel"]]
    queue(connection, held, channel, words, entry_id=entry_id, purpose="reminder", author="person", now=case.now)
    mine = update(appointment).where(appointment.c.id == case.row["id"])
    connection.execute(mine.values(entry_id=entry_id))
    return Told(at)


def _change(case: _Case, staff: Staff, **values: object) -> None:
    values |= {"office": case.row["at_office"], "staff_id": staff.id, "changed_at": case.now}
    case.connection.execute(update(appointment).where(appointment.c.id == case.row["id"]).values(**values))


def _remind(desk: Desk, case: _Case, starts_at: int) -> None:
    """Replaces the reminder; none where no hour before the appointment is safe."""
    at = remind_at(safe_contact(Holding.of(desk.rim, case.her).key, case.her), starts_at, case.now)
    if at is None:
        queries.cancel_timer(case.connection, case.her["id"], "appointment")
        return
    values = {"at": at, "payload": "remind", "set_at": case.now, "unless_heard": False}
    queries.set_timer(case.connection, case.her["id"], "appointment", values)


def _finish_ticket(case: _Case, staff: Staff) -> None:
    """The ticket that only asked for this appointment has what it wanted; a chat that goes on is left alone."""
    row = case.ticket
    if row is None or row["state"] not in QUEUED or row["reason"] != "appointment" or row["level"] != "NONE":
        return
    by = actor(staff, row["office"])
    for act in (Take(), Close("appointment")):
        apply(lock(case.connection, case.her["id"], row["id"], case.now), act, by)


def remind_at(safe: dict[str, str], starts_at: int, now: int) -> int | None:
    """When to remind her (ms): the evening before, or as near to it as her safe hours allow; at the latest an hour
    before. None when that is less than two hours away from now, or no hour is safe."""
    then = datetime.datetime.fromtimestamp(starts_at / 1000, ZONE)
    evening = (then - datetime.timedelta(days=1)).replace(hour=REMIND_HOUR, minute=0, second=0, microsecond=0)
    for hours in (0, -6, -12, -24):
        wished = int(evening.timestamp() * 1000) + hours * HOUR
        at = safe_time(safe, max(wished, now + 2 * HOUR))
        if at is not None and at <= starts_at - HOUR:
            return at
    return None
