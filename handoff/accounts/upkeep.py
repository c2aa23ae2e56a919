"""What the clock does for accounts: seals the audit, forgets what has run out. One process at a time is enough."""

from __future__ import annotations

from bot.clock import Job
from handoff.accounts import chain, sessions
from handoff.accounts.accounts import Accounts


def jobs(accounts: Accounts) -> tuple[Job, ...]:
    """Sealing twice or sweeping twice harms nothing, so no lease is needed."""
    return (
        Job("audit seal", 3600.0, lambda: chain.seal(accounts)),
        Job("audit forget", 86_400.0, lambda: chain.forget_old(accounts)),
        Job("sessions", 300.0, lambda: sessions.sweep(accounts)),
    )
