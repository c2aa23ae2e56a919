"""What women asked and nobody could answer, grouped by likeness, and the answers that did not help them.

Their words are opened for content staff only, numbers and addresses masked, and every opening is in the audit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from rapidfuzz import fuzz, process
from sqlalchemy import Connection, RowMapping, func, select, update

from bot.errors import Refused
from bot.store import queries
from bot.store.crypto import Sealed
from handoff.accounts import allow, audit, current_staff
from handoff.content import words
from handoff.content.room import MASK, judged, masked, pages, plain
from handoff.frame import frame, now, page

missed, her, feedback = queries.missed, queries.conversation, queries.feedback
STATUSES = ("new", "pending", "done", "ignored")
OPENED = 400  # questions opened by one page, the newest first
ALIKE = 84  # 0..100; two questions at least so alike stand in one group
INSIDE = 95  # 0..100; the same for a question that stands inside a longer one
GROUPS = 40
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One missed question, masked. `near`: the articles the bot thought of."""

    reference: str
    text: str
    at: int
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that ask the same, the newest first. `near`: the article most of them were closest to, or empty."""

    asked: tuple[Asked, ...]
    near: str

    @property
    def first(self) -> Asked:
        return self.asked[0]


@pages.get("/missed")
@allow("editor", "approver")
def missed_questions() -> str:
    status = request.args.get("status", "new")
    status = status if status in STATUSES else "new"
    staff = current_staff()
    with frame().parts.database.write() as connection:
        counts = {row[0]: row[1] for row in connection.execute(_COUNTS)}
        opened = _open(connection, status)
        if opened:
            detail = f"{status} {len(opened)} {opened[-1].reference} {opened[0].reference}"
            audit(connection, staff, "missed.read", "missed", detail)
        unhappy = _unhappy(connection, now() - 90 * DAY_MS)
    groups = grouped(opened)
    return page(
        "content/missed.html",
        status=status,
        statuses=STATUSES,
        counts=counts,
        groups=groups[:GROUPS],
        more=max(0, len(groups) - GROUPS),
        unhappy=unhappy,
        held=judged().shelf.knowledge.articles,
    )


_COUNTS = select(missed.c.status, func.count()).group_by(missed.c.status)


@pages.post("/missed")
@allow("editor", "approver")
def mark_missed() -> ResponseReturnValue:
    """Moves a group to another state."""
    form = request.form
    status = form.get("status", "")
    if status not in STATUSES:
        raise Refused("Không có trạng thái này.")
    with frame().parts.database.write() as connection:
        moved = settle(connection, form.getlist("missed"), status)
        audit(connection, current_staff(), "missed.marked", "missed", f"{status} {moved}")
    back = form.get("back", "new")
    return redirect(url_for("knowledge.missed_questions", status=back if back in STATUSES else "new"), 303)


def settle(connection: Connection, references: Sequence[str], status: str = "done") -> int:
    """Marks the questions; how many there were."""
    wanted = [one for one in references[:OPENED] if _reference(one)]
    if not wanted:
        return 0
    change = update(missed).where(missed.c.uuid.in_(wanted)).values(status=status).returning(missed.c.id)
    return len(connection.execute(change).all())


def words_for_article(reference: str) -> str:
    """Her question, masked, to be made into a question of an article; empty when there is none. In the audit."""
    if not _reference(reference):
        return ""
    with frame().parts.database.write() as connection:
        row = connection.execute(_ROWS.where(missed.c.uuid == reference)).mappings().first()
        found = _opened(row) if row is not None else None
        if found is not None:
            audit(connection, current_staff(), "missed.read", f"missed:{reference}", "one")
    return " ".join(found.text.split())[:300] if found else ""


def _reference(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""


_ROWS = select(missed, her.c.wrapped_key).join(her, her.c.id == missed.c.conversation_id)


def _open(connection: Connection, status: str) -> list[Asked]:
    query = _ROWS.where(missed.c.status == status).order_by(missed.c.id.desc()).limit(OPENED)
    found = map(_opened, connection.execute(query).mappings())
    return [one for one in found if one is not None]


def _opened(row: RowMapping) -> Asked | None:
    """None once she is forgotten."""
    if row["text_sealed"] is None:
        return None
    try:
        key = frame().parts.database.keyring.open_key(row["wrapped_key"])
        text = key.open(bytes(row["text_sealed"]), "missed_question", row["uuid"], "text")
    except Sealed:
        return None
    near = tuple(str(one[0]) for one in row["candidates"])
    return Asked(row["uuid"], masked(str(text)).strip(), row["at"], near)


def grouped(asked: Sequence[Asked]) -> list[Group]:
    """The largest group first, then the newest. Each question joins the first group it is like enough."""
    heads: list[str] = []
    groups: list[list[Asked]] = []
    for one in asked:
        bare = plain(one.text.replace(MASK, ""))
        found = process.extractOne(bare, heads, scorer=likeness, score_cutoff=ALIKE)
        if found is None:
            heads.append(bare)
            groups.append([one])
        else:
            groups[found[2]].append(one)
    made = [Group(tuple(held), _nearest(held)) for held in groups]
    return sorted(made, key=lambda group: (-len(group.asked), -group.first.at))


def likeness(one: str, other: str, *, score_cutoff: float | None = None) -> float:
    """0..100. Of two whole sentences it is enough that one says what the other says, with more around it."""
    cutoff = score_cutoff or 0
    whole = fuzz.token_sort_ratio(one, other, score_cutoff=cutoff)
    if whole or min(one.count(" "), other.count(" ")) < 5:
        return float(whole)
    return float(fuzz.token_set_ratio(one, other, score_cutoff=max(cutoff, INSIDE)))


def _nearest(held: Sequence[Asked]) -> str:
    near = Counter(one.near[0] for one in held if one.near)
    return near.most_common(1)[0][0] if near else ""


@dataclass(frozen=True, slots=True)
class Unhappy:
    """An article whose answer did not help: how often, out of how many told us, and why."""

    article: str
    no: int
    yes: int
    why: tuple[tuple[str, int], ...]


def _unhappy(connection: Connection, since: int) -> list[Unhappy]:
    query = (
        select(feedback.c.article, feedback.c.useful, feedback.c.why, func.count())
        .where(feedback.c.at >= since, feedback.c.article != "chat")  # how a talk with a person went is not for here
        .group_by(feedback.c.article, feedback.c.useful, feedback.c.why)
    )
    no: dict[str, Counter[str]] = defaultdict(Counter)
    yes: Counter[str] = Counter()
    for article, useful, why, count in connection.execute(query):
        if useful:
            yes[article] += count
        else:  # only reasons that stood on a button: what she typed herself is not for this page
            no[article][why if why in words.WHY else ""] += count
    found = [Unhappy(one, sum(why.values()), yes[one], tuple(why.most_common())) for one, why in no.items()]
    return sorted(found, key=lambda one: -one.no)[:20]


@pages.get("/missed/pick")
@allow("editor", "approver")
def pick() -> ResponseReturnValue:
    """From the list of articles to the editor of the chosen one, her question brought along by its reference."""
    chosen = judged().article(request.args.get("article", ""))
    return redirect(url_for("knowledge.edit", article=chosen.id, add=_reference(request.args.get("add", ""))))
