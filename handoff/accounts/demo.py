"""The demo sign-in of a development server: one person can try the whole desk. Never in production.

Password and secret are derived from the key ring, so they are the same at every start and kept nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from bot.errors import Refused
from handoff.accounts import codes, queries
from handoff.accounts.accounts import Accounts, open_accounts
from handoff.accounts.chain import record
from handoff.accounts.staff import EVERYWHERE, ROLES

if TYPE_CHECKING:
    from bot.wiring import Parts

LOGIN = "demo"
NAME = "Tư vấn viên Demo"


def demo_account(parts: Parts) -> tuple[str, str, str]:
    """(name, password, totp_secret) of the demo member, made or mended. Raises Refused in production."""
    return account(open_accounts(parts.settings, parts.database, clock=parts.rim.clock, offices=dict))


def account(accounts: Accounts) -> tuple[str, str, str]:
    """As `demo_account`, for who has accounts already."""
    if accounts.production:
        raise Refused("There is no demo account in production.")
    password = "demo-" + "-".join(_derived(accounts, "password", 15)[i : i + 6] for i in range(0, 24, 6))
    secret = _derived(accounts, "totp", 20).upper()
    with accounts.database.read() as connection:
        row = queries.member(connection, login=LOGIN)
    if row is not None and row["disabled_at"] is None and row["password_hash"] and row["totp_wrapped"]:
        same = accounts.keyring.unwrap(bytes(row["totp_wrapped"])).decode() == secret
        if same and accounts.hasher.verify(row["password_hash"], password):
            return LOGIN, password, secret
    hashed = accounts.hasher.hash(password)
    with accounts.database.write() as connection:
        now = accounts.clock()
        row = queries.member(connection, login=LOGIN)
        staff_id = row["id"] if row else queries.add_member(connection, login=LOGIN, name=NAME, locale="vi", now=now)
        queries.end_sessions_of(connection, staff_id)
        queries.set_posts(connection, staff_id, [(role, EVERYWHERE) for role in ROLES])
        queries.change_member(
            connection,
            staff_id,
            password_hash=hashed,
            password_at=now,
            totp_wrapped=accounts.keyring.wrap(secret.encode()),
            totp_step=0,
            disabled_at=None,
        )
        record(accounts, connection, None, "staff.demo", "staff:demo")
    return LOGIN, password, secret


def words(accounts: Accounts, login: str, password: str, secret: str) -> str:
    """What `osso run` prints at the start of a development server."""
    now = accounts.clock()
    left = codes.STEP_S - now // 1000 % codes.STEP_S
    return "\n".join(
        (
            f"Desk:      {accounts.base_url}/desk/",
            f"Sign in:   {login}",
            f"Password:  {password}",
            f"Code now:  {codes.code_at(secret, now)} (for {left} s more; another: `osso user demo-password`)",
            f"Secret:    {secret} (for an authenticator app)",
        )
    )


def _derived(accounts: Accounts, purpose: str, size: int) -> str:
    digest = hmac.digest(accounts.demo_key, purpose.encode(), hashlib.sha256)
    return base64.b32encode(digest[:size]).decode().lower()
