"""Signing in: password, then a code. Who is unknown, unready, disabled or mistaken walks the same path and hears the
same words.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import Connection, RowMapping

from handoff.accounts import codes, queries, throttle
from handoff.accounts.accounts import Accounts
from handoff.accounts.chain import record_id
from handoff.accounts.passwords import normal
from handoff.accounts.sessions import HALFWAY_MS, Session, hashed, new_token, start
from handoff.accounts.staff import Staff
from handoff.accounts.throttle import ADDRESS, DEVICE, EVERYBODY, NAME, Limit

MOST_CODES = 5  # wrong codes before the password is asked again
DEVICE_S = 180 * 86_400


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who knocks: address, browser, and the cookie that says she signed in here before."""

    address: str
    device: str
    trusted: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """Not let in; deliberately without a reason."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Let one step further. `token` is the new cookie; `recovery_left` is set when a recovery code was spent."""

    token: str
    trusted: str = ""
    recovery_left: int | None = None


Outcome = Wait | Wrong | Passed


def try_password(accounts: Accounts, login: str, password: str, *, visitor: Visitor) -> Outcome:
    """First step. On success the token is of a session that is only half-way."""
    login = login_form(login)
    with accounts.database.read() as connection:
        row = queries.member(connection, login=login)
    wait = _wait(accounts, "password", login, row=row, visitor=visitor)
    if wait:
        return Wait(wait)
    right = accounts.hasher.verify(row["password_hash"] if row else None, password)
    with accounts.database.write() as connection:
        if not right or row is None or row["disabled_at"] is not None or row["totp_wrapped"] is None:
            record_id(accounts, connection, None, "sign-in.refused", f"staff:{row['uuid']}" if row else "", "password")
            return Wrong()
        if accounts.hasher.outdated(row["password_hash"]):
            queries.change_member(connection, row["id"], password_hash=accounts.hasher.hash(password))
        return Passed(start(connection, row["id"], "password", device=visitor.device, now=accounts.clock()))


def wait_for_password(accounts: Accounts, staff: Staff, *, visitor: Visitor) -> int:
    """Counts one try of the password by somebody who is signed in; the seconds to wait when it comes too early."""
    with accounts.database.read() as connection:
        row = queries.member(connection, id=staff.id)
    return _wait(accounts, "change", staff.login, row=row, visitor=visitor)


def halfway(accounts: Accounts, token: str) -> bool:
    """Whether this cookie stands between password and code."""
    with accounts.database.read() as connection:
        return _halfway(connection, token, accounts.clock()) is not None


def try_code(accounts: Accounts, token: str, code: str, *, visitor: Visitor) -> Outcome | None:
    """Second step: a code of the app, or a recovery code. None: start again with the password."""
    with accounts.database.read() as connection:
        found = _halfway(connection, token, accounts.clock())
    if found is None:
        return None
    _, row = found
    wait = _wait(accounts, "code", row["login"], row=row, visitor=visitor)
    if wait:
        return Wait(wait)
    with accounts.database.write() as connection:
        found = _halfway(connection, token, accounts.clock())
        if found is None:
            return None
        session, row = found
        subject = f"staff:{row['uuid']}"
        used = _use_code(accounts, connection, row, code)
        if used is None:
            queries.change_session(connection, session["id"], tries=session["tries"] + 1)
            record_id(accounts, connection, None, "sign-in.refused", subject, "code")
            return Wrong()
        queries.end_sessions(connection, [session["id"]])
        opened = start(connection, row["id"], "open", device=session["device"], now=accounts.clock())
        record_id(accounts, connection, row["id"], "sign-in", subject, used)
        left = queries.recovery_left(connection, row["id"]) if used == "recovery" else None
    return Passed(opened, trust(accounts, row), left)


def step_up(accounts: Accounts, session: Session, code: str, *, visitor: Visitor) -> Outcome:
    """Proves the second factor again; the session gets a new id."""
    with accounts.database.read() as connection:
        row = queries.member(connection, id=session.staff.id)
    if row is None:
        return Wrong()
    wait = _wait(accounts, "code", row["login"], row=row, visitor=visitor)
    if wait:
        return Wait(wait)
    with accounts.database.write() as connection:
        used = _use_code(accounts, connection, row, code)
        if used is None:
            record_id(accounts, connection, row["id"], "step-up.refused", f"staff:{row['uuid']}")
            return Wrong()
        token = new_token()
        queries.change_session(connection, session.id, token_hash=hashed(token), stepped_at=accounts.clock())
        record_id(accounts, connection, row["id"], "step-up", f"staff:{row['uuid']}", used)
        left = queries.recovery_left(connection, row["id"]) if used == "recovery" else None
    return Passed(token, recovery_left=left)


def trust(accounts: Accounts, row: RowMapping) -> str:
    """A cookie for this browser: it was she. Worth nothing alone, and void after a change of password."""
    return _devices(accounts).dumps([row["uuid"], row["password_at"], secrets.token_urlsafe(9)])


def login_form(login: str) -> str:
    """A name as it is stored: one form, lower case, no spaces around."""
    return normal(login).strip().casefold()[:64]


def recovery_hash(accounts: Accounts, staff_uuid: str, code: str) -> bytes:
    return accounts.keyring.index("recovery code", staff_uuid, codes.plain(code))


def _use_code(accounts: Accounts, connection: Connection, row: RowMapping, code: str) -> str | None:
    """Spends a code: `app`, `recovery`, or None when it is none, or spent."""
    row = queries.member(connection, id=row["id"]) or row
    if row["totp_wrapped"] is None or row["disabled_at"] is not None:
        return None
    secret = accounts.keyring.unwrap(bytes(row["totp_wrapped"])).decode()
    step = codes.matching_step(secret, code, now_ms=accounts.clock(), after=row["totp_step"])
    if step is not None:
        return "app" if queries.use_step(connection, row["id"], step) else None
    code_hash = recovery_hash(accounts, row["uuid"], code)
    return "recovery" if queries.use_recovery(connection, row["id"], code_hash, accounts.clock()) else None


def _halfway(connection: Connection, token: str, now: int) -> tuple[RowMapping, RowMapping] | None:
    session = queries.session_by(connection, hashed(token))
    if session is None or session["stage"] != "password" or session["tries"] >= MOST_CODES:
        return None
    if now - session["created_at"] > HALFWAY_MS:
        return None
    row = queries.member(connection, id=session["staff_id"])
    return (session, row) if row is not None and row["disabled_at"] is None else None


def _wait(accounts: Accounts, kind: str, login: str, *, row: RowMapping | None, visitor: Visitor) -> int:
    """Counts one try; the seconds to wait when it comes too early. A browser she used before counts by itself."""
    index = accounts.keyring.index
    device = _device_of(accounts, row, visitor.trusted)
    limits: dict[bytes, Limit]
    if device:
        limits = {index("throttle", kind, "device", device): DEVICE}
    else:
        limits = {
            index("throttle", kind, "name", login): NAME,
            index("throttle", kind, "address", throttle.network(visitor.address)): ADDRESS,
            index("throttle", kind, "everybody"): EVERYBODY,
        }
    now = accounts.clock()
    with accounts.database.write() as connection:
        stored = queries.lock_throttles(connection, list(limits))
        wait = throttle.longest_wait_ms(stored, limits, now=now)
        if not wait:
            for key, limit in limits.items():
                queries.set_throttle(connection, key, throttle.after(stored.get(key, 0), limit, now=now))
    return -(-wait // 1000)


def _device_of(accounts: Accounts, row: RowMapping | None, trusted: str) -> str:
    """The mark of a browser this very member signed in with; empty otherwise."""
    try:
        value = _devices(accounts).loads(trusted, max_age=DEVICE_S)
    except BadSignature:
        return ""
    match value:
        case [str(owner), int(password_at), str(mark)] if row is not None:
            return mark if owner == row["uuid"] and password_at == row["password_at"] else ""
        case _:
            return ""


def _devices(accounts: Accounts) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(list(reversed(accounts.device_keys)), salt="osso device")
