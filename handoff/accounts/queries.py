"""Every query of accounts, as functions of a connection inside the caller's transaction. They decide nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.store import models
from bot.store.queries import table
from handoff.accounts.staff import EVERYWHERE, ROLES, Role, Staff

staff = table(models.StaffMember)
post = table(models.StaffPost)
session = table(models.StaffSession)
recovery = table(models.RecoveryCode)
invitation = table(models.Invitation)
throttle = table(models.Throttle)
audit = table(models.Audit)
seal = table(models.AuditSeal)
glass = table(models.BreakGlass)


# --- members --------------------------------------------------------------------------------------------------------


def member(connection: Connection, **where: Any) -> RowMapping | None:
    """One row of `staff` by id, uuid or login."""
    return connection.execute(select(staff).filter_by(**where)).mappings().first()


def members(connection: Connection, offices: Iterable[str]) -> Sequence[RowMapping]:
    """Members with a post at one of the offices, or with no post at all; everybody for `*`."""
    query = select(staff).order_by(staff.c.disabled_at.is_not(None), staff.c.name)
    wanted = set(offices)
    if EVERYWHERE not in wanted:
        here = select(post.c.staff_id).where(post.c.office.in_(wanted))
        anywhere = select(post.c.staff_id)
        query = query.where(or_(staff.c.id.in_(here), staff.c.id.not_in(anywhere)))
    return connection.execute(query).mappings().all()


def posts(connection: Connection, staff_ids: Iterable[int]) -> dict[int, frozenset[tuple[Role, str]]]:
    found: dict[int, set[tuple[Role, str]]] = {staff_id: set() for staff_id in staff_ids}
    for row in connection.execute(select(post).where(post.c.staff_id.in_(list(found)))).all():
        if row.role in ROLES:
            found[row.staff_id].add((row.role, row.office))
    return {staff_id: frozenset(held) for staff_id, held in found.items()}


def as_staff(connection: Connection, row: RowMapping) -> Staff:
    held = posts(connection, [row["id"]])[row["id"]]
    return Staff(row["id"], row["uuid"], row["login"], row["name"], row["locale"], held)


def names(connection: Connection, staff_ids: Iterable[int | None]) -> dict[int | None, str]:
    wanted = {staff_id for staff_id in staff_ids if staff_id is not None}
    rows = connection.execute(select(staff.c.id, staff.c.name).where(staff.c.id.in_(wanted))).all()
    return {row.id: row.name for row in rows}


def add_member(connection: Connection, *, login: str, name: str, locale: str, now: int) -> int:
    values = {"uuid": str(uuid.uuid4()), "login": login, "name": name, "locale": locale, "created_at": now}
    return int(connection.execute(insert(staff).values(**values).returning(staff.c.id)).scalar_one())


def change_member(connection: Connection, staff_id: int, **values: Any) -> None:
    connection.execute(update(staff).where(staff.c.id == staff_id).values(**values))


def use_step(connection: Connection, staff_id: int, step: int) -> bool:
    """Marks a code's step as used; False when it, or a later one, was used before."""
    statement = (
        update(staff)
        .where(staff.c.id == staff_id, staff.c.totp_step < step)
        .values(totp_step=step)
        .returning(staff.c.id)
    )
    return connection.execute(statement).first() is not None


def set_posts(connection: Connection, staff_id: int, held: Iterable[tuple[Role, str]]) -> None:
    connection.execute(delete(post).where(post.c.staff_id == staff_id))
    for role, office in sorted(set(held)):
        connection.execute(insert(post).values(staff_id=staff_id, role=role, office=office))


def holders(connection: Connection, role: Role) -> Sequence[int]:
    """Ids of the enabled, ready members who hold a role everywhere."""
    query = (
        select(staff.c.id)
        .join(post, post.c.staff_id == staff.c.id)
        .where(
            post.c.role == role,
            post.c.office == EVERYWHERE,
            staff.c.disabled_at.is_(None),
            staff.c.totp_wrapped.is_not(None),
        )
    )
    return connection.execute(query).scalars().all()


# --- sessions -------------------------------------------------------------------------------------------------------


def add_session(connection: Connection, values: Mapping[str, Any]) -> int:
    return int(connection.execute(insert(session).values(**values).returning(session.c.id)).scalar_one())


def session_by(connection: Connection, token_hash: bytes) -> RowMapping | None:
    query = select(session).where(session.c.token_hash == token_hash)
    return connection.execute(query).mappings().first()


def sessions_of(connection: Connection, staff_id: int) -> Sequence[RowMapping]:
    """Open sessions, the last used first."""
    query = select(session).where(session.c.staff_id == staff_id, session.c.stage == "open")
    return connection.execute(query.order_by(session.c.seen_at.desc(), session.c.id.desc())).mappings().all()


def change_session(connection: Connection, session_id: int, **values: Any) -> None:
    connection.execute(update(session).where(session.c.id == session_id).values(**values))


def end_sessions(connection: Connection, session_ids: Sequence[int]) -> None:
    connection.execute(delete(session).where(session.c.id.in_(session_ids)))


def end_sessions_of(connection: Connection, staff_id: int, *, but: int = 0) -> int:
    statement = delete(session).where(session.c.staff_id == staff_id, session.c.id != but)
    return len(connection.execute(statement.returning(session.c.id)).all())


def end_old_sessions(connection: Connection, *, seen_before: int, made_before: int, halfway_before: int) -> int:
    statement = delete(session).where(
        or_(
            session.c.seen_at < seen_before,
            session.c.created_at < made_before,
            (session.c.stage == "password") & (session.c.created_at < halfway_before),
        )
    )
    return len(connection.execute(statement.returning(session.c.id)).all())


# --- recovery codes and invitations ---------------------------------------------------------------------------------


def set_recovery(connection: Connection, staff_id: int, hashes: Iterable[bytes]) -> None:
    connection.execute(delete(recovery).where(recovery.c.staff_id == staff_id))
    for code_hash in hashes:
        connection.execute(insert(recovery).values(staff_id=staff_id, code_hash=code_hash))


def use_recovery(connection: Connection, staff_id: int, code_hash: bytes, now: int) -> bool:
    statement = (
        update(recovery)
        .where(recovery.c.staff_id == staff_id, recovery.c.code_hash == code_hash, recovery.c.used_at.is_(None))
        .values(used_at=now)
        .returning(recovery.c.id)
    )
    return connection.execute(statement).first() is not None


def recovery_left(connection: Connection, staff_id: int) -> int:
    query = select(func.count()).where(recovery.c.staff_id == staff_id, recovery.c.used_at.is_(None))
    return int(connection.execute(query).scalar_one())


def add_invitation(connection: Connection, values: Mapping[str, Any]) -> int:
    return int(connection.execute(insert(invitation).values(**values).returning(invitation.c.id)).scalar_one())


def invitation_by(connection: Connection, **where: Any) -> RowMapping | None:
    """One row by uuid or token_hash, locked against a second use."""
    return connection.execute(select(invitation).filter_by(**where).with_for_update()).mappings().first()


def change_invitation(connection: Connection, invitation_id: int, **values: Any) -> None:
    connection.execute(update(invitation).where(invitation.c.id == invitation_id).values(**values))


def drop_invitations(connection: Connection, staff_id: int) -> None:
    """Forgets what is still open; used ones stay as they were."""
    connection.execute(delete(invitation).where(invitation.c.staff_id == staff_id, invitation.c.used_at.is_(None)))


def open_invitations(connection: Connection, now: int) -> Sequence[RowMapping]:
    """Open invitations and resets, with the uuid and name of the member they are for."""
    query = (
        select(invitation, staff.c.uuid.label("staff_uuid"), staff.c.name.label("staff_name"))
        .join(staff, staff.c.id == invitation.c.staff_id)
        .where(invitation.c.used_at.is_(None), invitation.c.expires_at > now)
        .order_by(invitation.c.id)
    )
    return connection.execute(query).mappings().all()


# --- throttling -----------------------------------------------------------------------------------------------------


def lock_throttles(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, int]:
    """Their stored times, locked in one order so that two tries cannot wait for each other."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    ordered = sorted(keys)
    for key in ordered:
        connection.execute(dialect.insert(throttle).values(key=key, until=0).on_conflict_do_nothing())
    query = select(throttle).where(throttle.c.key.in_(ordered)).order_by(throttle.c.key).with_for_update()
    return {bytes(row.key): row.until for row in connection.execute(query).all()}


def set_throttle(connection: Connection, key: bytes, until: int) -> None:
    connection.execute(update(throttle).where(throttle.c.key == key).values(until=until))


def forget_throttles(connection: Connection, before: int) -> None:
    connection.execute(delete(throttle).where(throttle.c.until < before))


# --- audit ----------------------------------------------------------------------------------------------------------


def lock_audit(connection: Connection) -> RowMapping | None:
    """The newest row; nobody else appends until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(0x0550)))
    return connection.execute(select(audit).order_by(audit.c.id.desc()).limit(1)).mappings().first()


def add_audit(connection: Connection, values: Mapping[str, Any]) -> int:
    return int(connection.execute(insert(audit).values(**values).returning(audit.c.id)).scalar_one())


def audit_after(connection: Connection, after: int, limit: int) -> Sequence[RowMapping]:
    query = select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
    return connection.execute(query).mappings().all()


def audit_page(connection: Connection, *, before: int, limit: int, **where: Any) -> Sequence[RowMapping]:
    """Newest first, older than id `before` when it is not 0; `where` compares columns, empty values do not count."""
    query: Select[Any] = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before:
        query = query.where(audit.c.id < before)
    query = query.filter_by(**{column: value for column, value in where.items() if value not in ("", None)})
    return connection.execute(query).mappings().all()


def audit_actions(connection: Connection) -> Sequence[str]:
    return connection.execute(select(audit.c.action).distinct().order_by(audit.c.action)).scalars().all()


def seals(connection: Connection) -> Sequence[RowMapping]:
    return connection.execute(select(seal).order_by(seal.c.id)).mappings().all()


def last_seal(connection: Connection) -> RowMapping | None:
    return connection.execute(select(seal).order_by(seal.c.id.desc()).limit(1)).mappings().first()


def add_seal(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(insert(seal).values(**values))


def forget_audit(connection: Connection, upto: int) -> int:
    """Deletes rows up to an id; the trigger refuses rows younger than 24 months."""
    return len(connection.execute(delete(audit).where(audit.c.id <= upto).returning(audit.c.id)).all())


# --- break-glass ----------------------------------------------------------------------------------------------------


def add_glass(connection: Connection, values: Mapping[str, Any]) -> int:
    return int(connection.execute(insert(glass).values(**values).returning(glass.c.id)).scalar_one())


def glass_open(connection: Connection, staff_id: int, subject: str, now: int) -> RowMapping | None:
    query = select(glass).where(glass.c.staff_id == staff_id, glass.c.subject == subject, glass.c.until > now)
    return connection.execute(query.order_by(glass.c.id.desc()).limit(1)).mappings().first()


def glass_rows(connection: Connection, *, unseen: bool, limit: int = 100) -> Sequence[RowMapping]:
    query = select(glass).order_by(glass.c.id.desc()).limit(limit)
    if unseen:
        query = query.where(glass.c.seen_at.is_(None))
    return connection.execute(query).mappings().all()


def glass_by(connection: Connection, reference: str) -> RowMapping | None:
    return connection.execute(select(glass).where(glass.c.uuid == reference)).mappings().first()


def change_glass(connection: Connection, glass_id: int, **values: Any) -> None:
    connection.execute(update(glass).where(glass.c.id == glass_id).values(**values))


# --- keys -----------------------------------------------------------------------------------------------------------


def rotate_wrapped(connection: Connection, rotate: Callable[[bytes], bytes]) -> int:
    """Re-wraps everything of accounts that opens with the key ring; returns how many values."""
    count = 0
    for rows, column in (
        (staff, staff.c.totp_wrapped),
        (invitation, invitation.c.totp_wrapped),
        (glass, glass.c.note_wrapped),
    ):
        for row in connection.execute(select(rows.c.id, column).where(column.is_not(None))).all():
            renewed = {column.name: rotate(bytes(row[1]))}
            connection.execute(update(rows).where(rows.c.id == row[0]).values(**renewed))
            count += 1
    return count
