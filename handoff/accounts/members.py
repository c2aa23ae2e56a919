"""The life of an account: invited, accepted, given posts, disabled, its second factor reset by two people.

Every change ends the sessions it must end and is in the audit. What the rules forbid raises Refused.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping

from bot.errors import Refused
from handoff.accounts import codes, queries
from handoff.accounts.accounts import Accounts
from handoff.accounts.chain import record, record_id
from handoff.accounts.passwords import weakness
from handoff.accounts.sessions import hashed, new_token, start
from handoff.accounts.signing_in import Visitor, login_form, recovery_hash, trust
from handoff.accounts.staff import EVERYWHERE, ROLES, Role, Staff

INVITED_MS = 72 * 3_600_000
LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}")
Posts = frozenset[tuple[Role, str]]


@dataclass(frozen=True, slots=True)
class Opened:
    """An invitation that can be used: for whom, and how far she is. `secret` is there once a password is chosen."""

    id: int
    staff_id: int
    login: str
    name: str
    kind: str
    secret: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """`recovery` is shown once and never again; `token` and `trusted` are cookies: she is signed in."""

    recovery: tuple[str, ...]
    token: str
    trusted: str


# --- invitations ----------------------------------------------------------------------------------------------------


def invite(
    accounts: Accounts,
    by: Staff | None,
    *,
    login: str,
    name: str,
    posts: Iterable[tuple[Role, str]],
    locale: str = "vi",
) -> str:
    """Adds a member and returns the token of her one-time link. `by` None is the operator's console."""
    login, name, held = login_form(login), name.strip(), frozenset(posts)
    if not LOGIN.fullmatch(login):
        raise Refused("Tên đăng nhập gồm 2–64 chữ thường không dấu, số, dấu chấm, gạch hoặc @.")
    if not name or len(name) > 80:
        raise Refused("Xin nhập họ tên, nhiều nhất 80 ký tự.")
    check_posts(accounts, by, held)
    with accounts.database.write() as connection:
        if queries.member(connection, login=login) is not None:
            raise Refused("Tên đăng nhập này đã có người dùng.")
        now = accounts.clock()
        staff_id = queries.add_member(connection, login=login, name=name, locale=locale, now=now)
        queries.set_posts(connection, staff_id, held)
        row = queries.member(connection, id=staff_id)
        subject = f"staff:{row['uuid']}" if row else ""
        record(accounts, connection, by, "staff.invited", subject, _words(held))
        return _new_invitation(accounts, connection, staff_id, "new", by)


def invite_again(accounts: Accounts, by: Staff | None, reference: str) -> str:
    """A fresh link for a member who has not accepted yet; the old one is void."""
    with accounts.database.write() as connection:
        row = _manageable(connection, by, reference)
        if row["totp_wrapped"] is not None:
            raise Refused("Tài khoản này đã được kích hoạt.")
        queries.drop_invitations(connection, row["id"])
        record(accounts, connection, by, "staff.invited-again", f"staff:{row['uuid']}")
        return _new_invitation(accounts, connection, row["id"], "new", by)


def opened(accounts: Accounts, token: str) -> Opened | None:
    """The invitation behind a link; None when it is unknown, used, over, or waits for its second person."""
    with accounts.database.read() as connection:
        row = queries.invitation_by(connection, token_hash=hashed(token))
        if row is None or row["used_at"] is not None or row["expires_at"] <= accounts.clock():
            return None
        who = queries.member(connection, id=row["staff_id"])
    if who is None or who["disabled_at"] is not None:
        return None
    wrapped = row["totp_wrapped"]
    secret = accounts.keyring.unwrap(bytes(wrapped)).decode() if wrapped is not None else ""
    return Opened(row["id"], who["id"], who["login"], who["name"], row["kind"], secret)


def choose_password(accounts: Accounts, token: str, password: str, again: str) -> None:
    """First step of accepting. Raises Refused when the password will not do or the link is over."""
    found = opened(accounts, token)
    if found is None:
        raise Refused("Liên kết này không còn dùng được.")
    _check_password(password, again, found.login, found.name)
    hashed_password = accounts.hasher.hash(password)
    wrapped = accounts.keyring.wrap(codes.new_secret().encode())
    with accounts.database.write() as connection:
        queries.change_invitation(connection, found.id, password_hash=hashed_password, totp_wrapped=wrapped)


def accept(accounts: Accounts, token: str, code: str, *, visitor: Visitor) -> Accepted:
    """Second step: the app gives a right code, and the account is ready. Raises Refused."""
    found = opened(accounts, token)
    if found is None or not found.secret:
        raise Refused("Liên kết này không còn dùng được.")
    now = accounts.clock()
    step = codes.matching_step(found.secret, code, now_ms=now, after=0)
    if step is None:
        raise Refused("Mã chưa đúng. Xin xem lại giờ của điện thoại và nhập mã đang hiện.")
    recovery = codes.new_recovery_codes()
    with accounts.database.write() as connection:
        row = queries.invitation_by(connection, token_hash=hashed(token))
        if row is None or row["used_at"] is not None:
            raise Refused("Liên kết này không còn dùng được.")
        queries.change_invitation(connection, row["id"], used_at=now, password_hash=None, totp_wrapped=None)
        queries.change_member(
            connection,
            found.staff_id,
            password_hash=row["password_hash"],
            password_at=now,
            totp_wrapped=row["totp_wrapped"],
            totp_step=step,
        )
        queries.end_sessions_of(connection, found.staff_id)
        member = queries.member(connection, id=found.staff_id)
        if member is None:
            raise Refused("Liên kết này không còn dùng được.")
        _set_recovery(accounts, connection, member, recovery)
        record_id(accounts, connection, member["id"], "staff.accepted", f"staff:{member['uuid']}", found.kind)
        session = start(connection, member["id"], "open", device=visitor.device, now=now)
    return Accepted(recovery, session, trust(accounts, member))


# --- her own account ------------------------------------------------------------------------------------------------


def change_password(accounts: Accounts, staff: Staff, old: str, new: str, again: str, *, session_id: int) -> str:
    """Ends her other sessions; returns the cookie that keeps this browser trusted. Raises Refused."""
    with accounts.database.read() as connection:
        row = queries.member(connection, id=staff.id)
    if row is None or not accounts.hasher.verify(row["password_hash"], old):
        raise Refused("Mật khẩu hiện tại chưa đúng.")
    _check_password(new, again, staff.login, staff.name)
    hashed_password = accounts.hasher.hash(new)
    with accounts.database.write() as connection:
        queries.change_member(connection, staff.id, password_hash=hashed_password, password_at=accounts.clock())
        queries.end_sessions_of(connection, staff.id, but=session_id)
        record(accounts, connection, staff, "password.changed", f"staff:{staff.uuid}")
        row = queries.member(connection, id=staff.id) or row
    return trust(accounts, row)


def renew_recovery(accounts: Accounts, staff: Staff) -> tuple[str, ...]:
    """Ten new codes; the old ones are void. Shown once."""
    recovery = codes.new_recovery_codes()
    with accounts.database.write() as connection:
        row = queries.member(connection, id=staff.id)
        if row is not None:
            _set_recovery(accounts, connection, row, recovery)
            record(accounts, connection, staff, "recovery.renewed", f"staff:{staff.uuid}")
    return recovery


# --- what an admin does ---------------------------------------------------------------------------------------------


def give_posts(accounts: Accounts, by: Staff | None, reference: str, posts: Iterable[tuple[Role, str]]) -> None:
    """Replaces the posts within the admin's own offices; posts elsewhere stay. Raises Refused."""
    wanted = frozenset(posts)
    with accounts.database.write() as connection:
        row = _manageable(connection, by, reference, wholly=False)
        held = queries.posts(connection, [row["id"]])[row["id"]]
        kept = frozenset(one for one in held if by is not None and not by.may(one[1], "admin"))
        check_posts(accounts, by, wanted - held)
        if by is not None and by.id == row["id"] and ("admin", EVERYWHERE) in held - wanted:
            raise Refused("Không thể tự bỏ quyền quản trị của chính mình.")
        queries.set_posts(connection, row["id"], wanted | kept)
        record(accounts, connection, by, "staff.posts", f"staff:{row['uuid']}", _words(wanted | kept))


def disable(accounts: Accounts, by: Staff | None, reference: str) -> None:
    """She is out at once: every session ends. Raises Refused for oneself and for the last admin."""
    with accounts.database.write() as connection:
        row = _manageable(connection, by, reference)
        if by is not None and by.id == row["id"]:
            raise Refused("Không thể tự khóa tài khoản của mình.")
        if list(queries.holders(connection, "admin")) == [row["id"]]:
            raise Refused("Đây là quản trị viên cuối cùng, không thể khóa.")
        queries.change_member(connection, row["id"], disabled_at=accounts.clock())
        queries.end_sessions_of(connection, row["id"])
        queries.drop_invitations(connection, row["id"])
        record(accounts, connection, by, "staff.disabled", f"staff:{row['uuid']}")


def enable(accounts: Accounts, by: Staff | None, reference: str) -> None:
    with accounts.database.write() as connection:
        row = _manageable(connection, by, reference)
        queries.change_member(connection, row["id"], disabled_at=None)
        record(accounts, connection, by, "staff.enabled", f"staff:{row['uuid']}")


def ask_reset(accounts: Accounts, by: Staff, reference: str) -> None:
    """Her second factor is lost. Nothing happens until another admin approves."""
    with accounts.database.write() as connection:
        row = _manageable(connection, by, reference)
        if by.id == row["id"]:
            raise Refused("Xin nhờ người khác yêu cầu đặt lại cho mình.")
        if row["totp_wrapped"] is None or row["disabled_at"] is not None:
            raise Refused("Tài khoản này chưa kích hoạt hoặc đã khóa.")
        queries.drop_invitations(connection, row["id"])
        queries.add_invitation(connection, _invitation(accounts, row["id"], "reset", by, None))
        record(accounts, connection, by, "reset.asked", f"staff:{row['uuid']}")


def approve_reset(accounts: Accounts, by: Staff, reference: str) -> str:
    """The second person. Old password, codes and sessions are void from now on; returns the token of the new link."""
    with accounts.database.write() as connection:
        row = _manageable(connection, by, reference)
        waiting = [
            one
            for one in queries.open_invitations(connection, accounts.clock())
            if one["staff_id"] == row["id"] and one["kind"] == "reset" and one["token_hash"] is None
        ]
        if not waiting:
            raise Refused("Không có yêu cầu nào đang chờ duyệt.")
        if by.id in (waiting[0]["asked_by"], row["id"]):
            raise Refused("Cần một người khác duyệt yêu cầu này.")
        token = new_token()
        queries.change_invitation(
            connection,
            waiting[0]["id"],
            token_hash=hashed(token),
            approved_by=by.id,
            expires_at=accounts.clock() + INVITED_MS,
        )
        _unready(connection, row["id"])
        record(accounts, connection, by, "reset.approved", f"staff:{row['uuid']}")
    return token


def reset_from_console(accounts: Accounts, reference: str) -> str:
    """For the operator, who has the machine anyway: reset at once. Returns the token of the new link."""
    with accounts.database.write() as connection:
        row = _manageable(connection, None, reference)
        queries.drop_invitations(connection, row["id"])
        _unready(connection, row["id"])
        record(accounts, connection, None, "reset.console", f"staff:{row['uuid']}")
        return _new_invitation(accounts, connection, row["id"], "reset", None)


def check_posts(accounts: Accounts, by: Staff | None, posts: Posts) -> None:
    """Raises Refused for unknown roles or offices, or ones the admin may not give."""
    known = {EVERYWHERE, *accounts.offices()}
    for role, office in sorted(posts):
        if role not in ROLES or office not in known:
            raise Refused("Vai trò hoặc văn phòng không có trong danh sách.")
        if by is not None and not by.may(office, "admin"):
            raise Refused("Chỉ trao được vai trò ở văn phòng mình quản trị.")


def _manageable(connection: Connection, by: Staff | None, reference: str, *, wholly: bool = True) -> RowMapping:
    """The member, if this admin may manage her: all her posts are at offices the admin manages (or some, for posts).

    Otherwise an office's admin could reset a national admin who also sits there. Raises Missing.
    """
    row = queries.member(connection, uuid=reference)
    if row is None:
        raise Missing
    if by is not None:
        held = queries.posts(connection, [row["id"]])[row["id"]]
        mine = [by.may(office, "admin") for _, office in held]
        if held and not (all(mine) if wholly else any(mine)):
            raise Missing
    return row


class Missing(Refused):
    """No such member, or none this admin may see."""


def _check_password(password: str, again: str, *names: str) -> None:
    if password != again:
        raise Refused("Hai lần nhập mật khẩu chưa giống nhau.")
    weak = weakness(password, *names)
    if weak:
        raise Refused(weak)


def _new_invitation(accounts: Accounts, connection: Connection, staff_id: int, kind: str, by: Staff | None) -> str:
    token = new_token()
    queries.add_invitation(connection, _invitation(accounts, staff_id, kind, by, token))
    return token


def _invitation(
    accounts: Accounts, staff_id: int, kind: str, by: Staff | None, token: str | None
) -> Mapping[str, object]:
    now = accounts.clock()
    return {
        "uuid": str(uuid.uuid4()),
        "staff_id": staff_id,
        "kind": kind,
        "token_hash": hashed(token) if token else None,
        "asked_by": by.id if by else None,
        "asked_at": now,
        "expires_at": now + INVITED_MS,
    }


def _unready(connection: Connection, staff_id: int) -> None:
    queries.change_member(connection, staff_id, password_hash=None, totp_wrapped=None)
    queries.set_recovery(connection, staff_id, ())
    queries.end_sessions_of(connection, staff_id)


def _set_recovery(accounts: Accounts, connection: Connection, row: RowMapping, recovery: tuple[str, ...]) -> None:
    queries.set_recovery(connection, row["id"], [recovery_hash(accounts, row["uuid"], code) for code in recovery])


def _words(posts: Posts) -> str:
    return " ".join(f"{role}@{office}" for role, office in sorted(posts))
