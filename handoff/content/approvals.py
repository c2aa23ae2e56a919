"""The record of who wrote, reviewed and published which words, kept in the database and told to the audit.

Append-only: nothing here changes or removes a row. The text itself is the file's; a version is a copy for the history.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, RowMapping, Select, insert, or_, select

from bot.errors import Refused
from bot.knowledge import governance
from bot.knowledge.articles import SKILLS
from bot.knowledge.governance import Act, Approval, Editor
from bot.knowledge.writing import without_review
from bot.messages import Skill
from bot.store import models, queries
from handoff.accounts import Staff
from handoff.accounts import queries as members
from handoff.accounts.accounts import Accounts
from handoff.accounts.chain import record_id
from handoff.frame import VIETNAM

version = queries.article_version
approval = queries.approval
expert = queries.table(models.Expert)


@dataclass(frozen=True, slots=True)
class Record:
    """`bot.knowledge.governance.Approvals` on the tables. People are called by their login."""

    accounts: Accounts

    def of(self, article: str) -> list[Approval]:
        return self._read(_ACTS.where(approval.c.article == article))

    def all(self) -> list[Approval]:
        return self._read(_ACTS)

    def add(self, approval: Approval) -> None:
        """Raises Refused when nobody is called so."""
        with self.accounts.database.write() as connection:
            add_act(self.accounts, connection, approval)

    def _read(self, query: Select[tuple[object, ...]]) -> list[Approval]:
        with self.accounts.database.read() as connection:
            return [as_act(row) for row in connection.execute(query).mappings()]


def last_published(connection: Connection) -> str:
    """`bot.knowledge.governance.last_published` of the tables."""
    row = connection.execute(_LAST).mappings().first()
    return governance.last_published([as_act(row)] if row else [])


_ACTS: Select[tuple[object, ...]] = (
    select(approval, version.c.text, members.staff.c.login)
    .join(version, version.c.id == approval.c.version_id, isouter=True)
    .join(members.staff, members.staff.c.id == approval.c.staff_id, isouter=True)
    .order_by(approval.c.id)
)

_LAST = _ACTS.where(approval.c.act == "published").order_by(None).order_by(approval.c.id.desc()).limit(1)


def as_act(row: RowMapping) -> Approval:
    on = datetime.fromtimestamp(row["at"] / 1000, VIETNAM).isoformat(timespec="seconds")
    act = cast(Act, row["act"])
    return Approval(row["article"], row["hash"], act, row["login"] or "", on, row["text"] or "", row["remark"])


def add_act(accounts: Accounts, connection: Connection, act: Approval) -> None:
    """The same inside the caller's transaction."""
    row = members.member(connection, login=act.by)
    if row is None:
        raise Refused("Không có tài khoản “{name}” trong nhóm nội dung.", name=act.by)
    at = accounts.clock()
    held = keep(connection, act.article, act.hash, text=act.text, staff_id=row["id"], note=act.act, at=at)
    connection.execute(
        insert(approval).values(
            article=act.article,
            hash=act.hash,
            act=act.act,
            staff_id=row["id"],
            version_id=held,
            remark=act.remark,
            at=at,
        )
    )
    record_id(accounts, connection, row["id"], f"article.{act.act}", f"article:{act.article}", act.hash)


# --- versions -------------------------------------------------------------------------------------------------------


def keep(
    connection: Connection, article: str, content_hash: str, *, text: str, staff_id: int | None, note: str, at: int
) -> int:  # fmt: skip
    """Keeps the text as a version unless the newest one reads the same but for its review block; its id."""
    last = connection.execute(
        select(version.c.id, version.c.text).where(version.c.article == article).order_by(version.c.id.desc()).limit(1)
    ).first()
    if last is not None and without_review(last.text) == without_review(text):
        return int(last.id)
    values = {"uuid": str(uuid.uuid4()), "article": article, "hash": content_hash, "text": text}
    made = insert(version).values(**values, staff_id=staff_id, note=note, at=at).returning(version.c.id)
    return int(connection.execute(made).scalar_one())


def versions(connection: Connection, article: str) -> Sequence[RowMapping]:
    """The newest first."""
    query = select(version).where(version.c.article == article).order_by(version.c.id.desc()).limit(200)
    return connection.execute(query).mappings().all()


def find_version(connection: Connection, article: str, reference: str) -> RowMapping | None:
    query = select(version).where(version.c.article == article, version.c.uuid == reference)
    return connection.execute(query).mappings().first()


def writers(connection: Connection, article: str, content_hash: str) -> list[str]:
    """Logins of everybody who changed the stated words since the last publishing, or saved exactly these at any time:
    none of them may review them."""
    last = select(approval.c.version_id).where(approval.c.article == article, approval.c.act == "published")
    since = connection.execute(last.order_by(approval.c.id.desc()).limit(1)).scalar() or 0
    query = (
        select(version.c.id, version.c.hash, version.c.note, members.staff.c.login)
        .join(members.staff, members.staff.c.id == version.c.staff_id)
        .where(version.c.article == article, or_(version.c.id >= since, version.c.hash == content_hash))
        .order_by(version.c.id)
    )
    rows = connection.execute(query).all()
    found: dict[str, None] = {}
    before = ""
    for row in rows:
        if row.note == "saved" and (row.hash == content_hash or row.hash != before):
            found[row.login] = None
        before = row.hash
    return list(found)


# --- who may judge --------------------------------------------------------------------------------------------------


def people(connection: Connection) -> dict[str, Editor]:
    """Everybody of the content staff by login: only approvers judge, each in her fields, and only they publish."""
    rows = connection.execute(
        select(members.staff).where(
            members.staff.c.disabled_at.is_(None),
            members.staff.c.id.in_(select(members.post.c.staff_id).where(members.post.c.role.in_(CONTENT))),
        )
    ).mappings()
    found = {row["id"]: row for row in rows}
    posts = members.posts(connection, found)
    fields = fields_of(connection, found)
    editors = {}
    for staff_id, row in found.items():
        approves = any(role == "approver" for role, _ in posts[staff_id])
        editors[row["login"]] = Editor(
            row["login"], fields.get(staff_id, frozenset()) if approves else frozenset(), approves
        )
    return editors


CONTENT = ("editor", "approver")


def fields_of(connection: Connection, staff_ids: Iterable[int]) -> dict[int, frozenset[Skill]]:
    rows = connection.execute(select(expert).where(expert.c.staff_id.in_(list(staff_ids)))).mappings()
    return {
        row["staff_id"]: frozenset(cast(Skill, name) for name in row["fields"].split() if name in SKILLS)
        for row in rows
    }


def set_fields(
    accounts: Accounts, connection: Connection, staff_id: int, fields: Iterable[str], *, by: Staff | None
) -> None:  # fmt: skip
    """Says what a member is qualified to judge. Raises Refused for an unknown field."""
    wanted = sorted(set(fields))
    if unknown := [name for name in wanted if name not in SKILLS]:
        raise Refused("Không có lĩnh vực “{name}”.", name=unknown[0])
    values: Mapping[str, object] = {
        "fields": " ".join(wanted),
        "by_id": by.id if by else None,
        "at": accounts.clock(),
    }
    queries.upsert(connection, expert, {"staff_id": staff_id}, values)
    row = members.member(connection, id=staff_id)
    subject = f"staff:{row['uuid'] if row else ''}"
    record_id(accounts, connection, by.id if by else None, "staff.expert", subject, " ".join(wanted))
