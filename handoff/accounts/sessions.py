"""Sessions live on the server: the browser holds an opaque 256-bit id, the database only its hash.

They end after 30 idle minutes or 12 hours, when the member is disabled, and when password or second factor change. The
id is new after every step of signing in, so an id known before is worth nothing after.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping

from handoff.accounts import queries
from handoff.accounts.accounts import Accounts
from handoff.accounts.chain import record
from handoff.accounts.staff import Staff

IDLE_MS = 30 * 60_000
ABSOLUTE_MS = 12 * 3_600_000
HALFWAY_MS = 5 * 60_000  # between password and code
STEP_UP_MS = 10 * 60_000
TOUCH_MS = 60_000  # `seen_at` is written at most once a minute
MOST = 3
BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "coc_coc": "Cốc Cốc",
    "Firefox": "Firefox",
    "Chrome": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "Linux": "Linux",
}


@dataclass(frozen=True, slots=True)
class Session:
    """An open session and whose it is."""

    id: int
    uuid: str
    staff: Staff
    stepped_at: int


def new_token() -> str:
    return secrets.token_urlsafe(32)


def hashed(token: str) -> bytes:
    """Enough for 256 random bits: nothing to guess, so nothing to slow down."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def start(connection: Connection, staff_id: int, stage: str, *, device: str, now: int) -> str:
    """A new session; returns the token for the cookie."""
    token = new_token()
    queries.add_session(
        connection,
        {
            "uuid": str(uuid.uuid4()),
            "token_hash": hashed(token),
            "staff_id": staff_id,
            "stage": stage,
            "device": device[:40],
            "created_at": now,
            "seen_at": now,
            "stepped_at": now if stage == "open" else 0,
        },
    )
    if stage == "open":
        queries.end_sessions(connection, [row["id"] for row in queries.sessions_of(connection, staff_id)[MOST:]])
    return token


def resume(accounts: Accounts, token: str, *, active: bool) -> Session | None:
    """The open session of a cookie, or None. `active`: the member did this herself, not a page on its own."""
    now = accounts.clock()
    with accounts.database.read() as connection:
        row = queries.session_by(connection, hashed(token))
        if row is None or row["stage"] != "open":
            return None
        found = queries.member(connection, id=row["staff_id"])
        if found is None:
            return None
        staff = queries.as_staff(connection, found)
    if found["disabled_at"] is not None or _over(row, now):
        with accounts.database.write() as connection:
            queries.end_sessions(connection, [row["id"]])
        return None
    if active and now - row["seen_at"] >= TOUCH_MS:
        with accounts.database.write() as connection:
            queries.change_session(connection, row["id"], seen_at=now)
    return Session(row["id"], row["uuid"], staff, row["stepped_at"])


def end(accounts: Accounts, session: Session) -> None:
    with accounts.database.write() as connection:
        queries.end_sessions(connection, [session.id])
        record(accounts, connection, session.staff, "session.signed-out", f"staff:{session.staff.uuid}")


def end_one(accounts: Accounts, staff: Staff, reference: str) -> bool:
    """Ends one of her own sessions, by its public id."""
    with accounts.database.write() as connection:
        mine = [row["id"] for row in queries.sessions_of(connection, staff.id) if row["uuid"] == reference]
        queries.end_sessions(connection, mine)
        if mine:
            record(accounts, connection, staff, "session.ended", f"staff:{staff.uuid}")
    return bool(mine)


def sweep(accounts: Accounts) -> int:
    """Removes what has run out: sessions and throttle marks. For the clock, every few minutes."""
    now = accounts.clock()
    with accounts.database.write() as connection:
        queries.forget_throttles(connection, now - 60_000)
        return queries.end_old_sessions(
            connection, seen_before=now - IDLE_MS, made_before=now - ABSOLUTE_MS, halfway_before=now - HALFWAY_MS
        )


def device_name(agent: str) -> str:
    """`Chrome, Windows`: enough to know one's own browser by, nothing to follow anybody with."""
    known = [next((name for word, name in table.items() if word in agent), "") for table in (BROWSERS, SYSTEMS)]
    return ", ".join(part for part in known if part) or "?"


def _over(row: RowMapping, now: int) -> bool:
    return bool(now - row["seen_at"] > IDLE_MS or now - row["created_at"] > ABSOLUTE_MS)
