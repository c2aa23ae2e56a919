"""Lists of tickets, read from the tables within her scope. Reads only; what she may not see never arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, or_, select

from bot.channels import Window
from bot.state import state_from_json
from bot.store import models, queries
from bot.store.crypto import Keyring, Sealed
from handoff.accounts.queries import names
from handoff.accounts.staff import Staff
from handoff.duty import called, presence
from handoff.scope import listable, readable
from handoff.tickets import HELD, QUEUED

ticket, conversation, entry, outbox = queries.ticket, queries.conversation, queries.entry, queries.outbox
label = queries.table(models.Label)
ticket_label = queries.table(models.TicketLabel)
VIEWS = ("waiting", "mine", "team", "all", "calls", "closed")
NOWHERE = "-"  # asks for tickets of no office yet
CLOSED_DAYS = 30
PAGE = 50
VIEWING_MS = 45_000
MOST_LISTED = 10_000
TYPING_MS = 6_000


@dataclass(frozen=True, slots=True)
class Line:
    """One ticket in a list. `open` is whether she may open it; of others' chats she sees that they are, not who."""

    row: RowMapping
    open: bool
    name: str
    channel: str
    window: Window
    heard_at: int
    said_at: int
    her_turn: bool
    labels: tuple[str, ...] = ()
    viewers: tuple[tuple[str, str], ...] = ()  # (name, what she writes)


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a list, and what all tabs count. `waits`: (office or topic → (count, oldest opened_at))."""

    lines: tuple[Line, ...]
    total: int
    counts: Mapping[str, int]
    red: tuple[Line, ...]
    oldest: int
    offices: Mapping[str, tuple[int, int]]
    topics: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What she wants to see."""

    view: str = "waiting"
    office: str = ""
    topic: str = ""
    level: str = ""
    label: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """Everything lists are made with."""

    connection: Connection
    keyring: Keyring
    who: Staff
    now: int
    window: Callable[[str, int, int], Window]  # (channel, heard_at, now)


def listing(board: Board, wish: Wish, *, most: int = PAGE) -> Listing:
    """One page of a list, `most` tickets long. Tickets are counted and sorted by the database; only the page's rows are
    read."""
    connection, who, now = board.connection, board.who, board.now
    asked = _my_calls(connection, who)
    seen = and_(ticket.c.closed_at.is_(None), listable(who, now))
    groups = _groups(board, seen)
    queued = [one for one in groups if one.state in QUEUED]
    held = [one for one in groups if one.state in HELD]
    counts = {
        "waiting": sum(one.count for one in queued),
        "mine": sum(one.count for one in held if one.mine),
        "team": sum(one.count for one in held),
        "all": sum(one.count for one in groups),
        "calls": len(asked),
    }
    match wish.view:
        case "mine":
            view = and_(ticket.c.closed_at.is_(None), ticket.c.staff_id == who.id, ticket.c.state.in_(sorted(HELD)))
        case "team":
            view = and_(seen, ticket.c.state.in_(sorted(HELD)))
        case "all":
            view = seen
        case "calls":
            view = and_(seen, ticket.c.id.in_(asked))
        case "closed":
            view = and_(ticket.c.closed_at > now - CLOSED_DAYS * 86_400_000, readable(who, now))
        case _:
            view = and_(seen, ticket.c.state.in_(sorted(QUEUED)))
    chosen = select(ticket.c.id).where(view)
    office = "" if wish.office == NOWHERE else wish.office
    chosen = chosen.where(ticket.c.office == office) if wish.office else chosen
    for column, value in ((ticket.c.topic, wish.topic), (ticket.c.level, wish.level)):
        chosen = chosen.where(column == value) if value else chosen
    if wish.label:
        named = select(ticket_label.c.ticket_id).join(label, label.c.id == ticket_label.c.label_id)
        chosen = chosen.where(ticket.c.id.in_(named.where(label.c.name == wish.label)))
    ordered = (ticket.c.closed_at.desc(),) if wish.view == "closed" else (ticket.c.rank.desc(), ticket.c.opened_at)
    chosen = chosen.order_by(*ordered)
    total = int(connection.execute(select(func.count()).select_from(chosen.limit(MOST_LISTED).subquery())).scalar_one())
    shown = list(connection.execute(chosen.limit(most).offset(wish.page * most)).scalars())
    danger = and_(seen, ticket.c.state.in_(sorted(QUEUED)), ticket.c.level == "RED")
    red = list(connection.execute(select(ticket.c.id).where(danger).order_by(ticket.c.opened_at).limit(20)).scalars())
    lines = _lines(board, [*shown, *red])
    return Listing(
        tuple(lines[one] for one in shown if one in lines),
        total,
        counts,
        tuple(lines[one] for one in red if one in lines),
        min((one.oldest for one in queued), default=0),
        _waits((one.office, one) for one in queued),
        _waits((one.topic, one) for one in queued),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Open tickets that are alike."""

    state: str
    office: str
    topic: str
    mine: bool
    count: int
    oldest: int


def _groups(board: Board, seen: ColumnElement[bool]) -> list[_Group]:
    mine = case((ticket.c.staff_id == board.who.id, 1), else_=0)
    columns = (ticket.c.state, ticket.c.office, ticket.c.topic, mine)
    query = select(*columns, func.count(), func.min(ticket.c.opened_at)).where(seen).group_by(*columns)
    return [_Group(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in board.connection.execute(query)]


def counts(board: Board) -> dict[str, int]:
    """What the title counts: who waits, in danger or not, whose turn is mine, what I am called to."""
    connection, who, now = board.connection, board.who, board.now
    queued = and_(ticket.c.closed_at.is_(None), listable(who, now), ticket.c.state.in_(sorted(QUEUED)))
    danger = func.sum(case((ticket.c.level == "RED", 1), else_=0))
    waiting, red = connection.execute(select(func.count(), danger).where(queued)).one()
    turn = and_(ticket.c.closed_at.is_(None), ticket.c.staff_id == who.id, ticket.c.state == "taken")
    mine = connection.execute(select(func.count()).select_from(ticket).where(turn)).scalar_one()
    return {"waiting": waiting, "red": int(red or 0), "mine": mine, "calls": len(_my_calls(connection, who))}


def _waits(pairs: Iterable[tuple[str, _Group]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for key, one in pairs:
        count, oldest = found.get(key, (0, one.oldest))
        found[key] = (count + one.count, min(oldest, one.oldest))
    return found


def _my_calls(connection: Connection, who: Staff) -> set[int]:
    query = select(called.c.ticket_id).where(called.c.staff_id == who.id, called.c.answered_at.is_(None))
    return set(connection.execute(query).scalars())


def calls(connection: Connection, who: Staff) -> Sequence[RowMapping]:
    """What she is called to and has not answered, newest first."""
    query = (
        select(called, ticket.c.uuid.label("ticket"), ticket.c.level, ticket.c.state)
        .join(ticket, ticket.c.id == called.c.ticket_id)
        .where(called.c.staff_id == who.id, called.c.answered_at.is_(None))
        .where(or_(ticket.c.closed_at.is_(None), called.c.kind == "mention"))
        .order_by(called.c.id.desc())
        .limit(20)
    )
    return connection.execute(query).mappings().all()


def offered(connection: Connection) -> dict[int, int]:
    """Staff id → how many tickets are offered to her and not answered; they count as hers until then."""
    query = select(ticket.c.staff_id, func.count()).where(ticket.c.state == "offered", ticket.c.closed_at.is_(None))
    return {row[0]: row[1] for row in connection.execute(query.group_by(ticket.c.staff_id))}


def _lines(board: Board, ids: Sequence[int]) -> dict[int, Line]:
    connection, who, now = board.connection, board.who, board.now
    query = (
        select(
            ticket,
            conversation.c.channel,
            conversation.c.heard_at,
            conversation.c.said_at,
            conversation.c.uuid.label("her"),
            conversation.c.wrapped_key,
            conversation.c.state_sealed,
            readable(who, now).label("may"),
        )
        .join(conversation, conversation.c.id == ticket.c.conversation_id)
        .where(ticket.c.id.in_(ids))
    )
    rows = connection.execute(query).mappings().all()
    tags: dict[int, list[str]] = {}
    named = select(ticket_label.c.ticket_id, label.c.name).join(label, label.c.id == ticket_label.c.label_id)
    for tag in connection.execute(named.where(ticket_label.c.ticket_id.in_(ids))):
        tags.setdefault(tag.ticket_id, []).append(tag.name)
    seen = viewers(connection, ids, now, but=who.id)
    found = {}
    for row in rows:
        may = bool(row["may"])
        found[row["id"]] = Line(
            row,
            may,
            name_of(board.keyring, row) if may else "",
            row["channel"],
            board.window(row["channel"], row["heard_at"], now),
            row["heard_at"],
            row["said_at"],
            row["state"] == "taken" or row["state"] in QUEUED,
            tuple(sorted(tags.get(row["id"], ()))),
            seen.get(row["id"], ()),
        )
    return found


def writing_now(row: RowMapping, now: int) -> str:
    """What she is writing at this moment, by her last sign of life: reply, note, or nothing."""
    return str(row["writing"]) if row["typing_at"] > now - TYPING_MS else ""


def viewers(
    connection: Connection, ticket_ids: Sequence[int], now: int, *, but: int
) -> dict[int, tuple[tuple[str, str], ...]]:
    """Ticket → (name, what she writes) of everybody else who has it open."""
    query = select(presence).where(
        presence.c.ticket_id.in_(ticket_ids), presence.c.seen_at > now - VIEWING_MS, presence.c.staff_id != but
    )
    rows = connection.execute(query).mappings().all()
    known = names(connection, [row["staff_id"] for row in rows])
    found: dict[int, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["ticket_id"], []).append((known.get(row["staff_id"], "?"), writing_now(row, now)))
    return {ticket_id: tuple(sorted(seen)) for ticket_id, seen in found.items()}


def name_of(keyring: Keyring, row: RowMapping) -> str:
    """What she is called: the name she gave, or a code that is the same every time and says nothing."""
    her = str(row["her"])
    code = her[:4].upper()
    if not row["wrapped_key"] or not row["state_sealed"]:
        return code
    try:
        state = keyring.open_key(row["wrapped_key"]).open(row["state_sealed"], "conversation", her, "state")
    except Sealed:
        return code
    name = state_from_json(state).slots.get("name")
    return str(name)[:60] if name else code
