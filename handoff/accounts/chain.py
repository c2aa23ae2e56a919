"""The audit: who read or changed what. Rows are chained by a keyed hash and sealed; constants and ids, never text.

Whoever can write to the database but lacks the key ring cannot make, change, reorder or remove a row unnoticed; rows
after the last seal could only be cut off at the end, so seals are made hourly and their heads go to the log.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping

from bot import log
from bot.store.crypto import Keyring
from handoff.accounts import queries
from handoff.accounts.accounts import Accounts
from handoff.accounts.staff import Staff

GENESIS = bytes(32)
KEEP_MS = 63_072_000_000  # 24 months, as in the trigger
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wrong`: the ids of rows (or seals) that do not hold, in order; empty when the chain is whole."""

    rows: int
    seals: int
    unsealed: int  # rows after the last seal
    wrong: tuple[str, ...]


def record(
    accounts: Accounts, connection: Connection, staff: Staff | None, action: str, subject: str = "", detail: str = ""
) -> None:
    """Appends one row inside the caller's transaction. `subject` like `conversation:<uuid>`."""
    record_id(accounts, connection, staff.id if staff else None, action, subject, detail)


def record_id(
    accounts: Accounts, connection: Connection, staff_id: int | None, action: str, subject: str = "", detail: str = ""
) -> None:
    last = queries.lock_audit(connection)
    row = {
        "at": accounts.clock(),
        "staff_id": staff_id,
        "action": action[:32],
        "subject": subject[:80],
        "detail": detail[:200],
        "previous": bytes(last["hash"]) if last else GENESIS,
    }
    queries.add_audit(connection, row | {"hash": _hash(_key(accounts.keyring, "rows"), row)})


def seal(accounts: Accounts) -> bool:
    """Seals the head of the chain; False when nothing was added since the last seal. For the clock, hourly."""
    with accounts.database.write() as connection:
        last = queries.lock_audit(connection)
        before = queries.last_seal(connection)
        if last is None or (before is not None and before["audit_id"] == last["id"]):
            return False
        row = {"at": accounts.clock(), "audit_id": last["id"], "hash": bytes(last["hash"])}
        queries.add_seal(connection, row | {"seal": _seal(_key(accounts.keyring, "seals"), row)})
    log.get().info("audit sealed", row=last["id"], code=bytes(last["hash"]).hex())
    return True


def verify(accounts: Accounts) -> Verdict:
    """Walks the whole chain and every seal."""
    keyring = accounts.keyring
    rows_key, seals_key = _key(keyring, "rows"), _key(keyring, "seals")
    wrong: list[str] = []
    with accounts.database.read() as connection:
        seals = queries.seals(connection)
        good = {row["audit_id"]: bytes(row["hash"]) for row in seals if _sealed_right(seals_key, row)}
        wrong += [f"seal {row['id']}" for row in seals if not _sealed_right(seals_key, row)]
        old = accounts.clock() - KEEP_MS
        # A chain whose oldest years were forgotten starts behind a seal of that age.
        starts = {GENESIS, *(bytes(row["hash"]) for row in seals if row["at"] < old and row["audit_id"] in good)}
        previous: bytes | None = None
        count = last_id = unsealed = 0
        while batch := queries.audit_after(connection, last_id, _BATCH):
            for row in batch:
                count += 1
                follows = bytes(row["previous"]) == previous if previous is not None else row["previous"] in starts
                if not follows or not hmac.compare_digest(_hash(rows_key, row), bytes(row["hash"])):
                    wrong.append(f"row {row['id']}")
                if row["id"] in good and good.pop(row["id"]) != bytes(row["hash"]):
                    wrong.append(f"row {row['id']} against its seal")
                previous = bytes(row["hash"])
                last_id = row["id"]
                unsealed = 0 if seals and row["id"] <= seals[-1]["audit_id"] else unsealed + 1
        first = queries.audit_after(connection, 0, 1)
        oldest = first[0]["id"] if first else 0
        if first:
            wrong += [f"row {missing} is sealed and missing" for missing in sorted(good) if missing >= oldest]
        else:
            wrong += [f"row {row['audit_id']} is sealed and missing" for row in seals if row["at"] >= old]
    return Verdict(count, len(seals), unsealed, tuple(dict.fromkeys(wrong)))


def forget_old(accounts: Accounts) -> int:
    """Deletes whole stretches older than 24 months, up to a seal, so that what remains still verifies."""
    before = accounts.clock() - KEEP_MS
    with accounts.database.write() as connection:
        old = [row["audit_id"] for row in queries.seals(connection) if row["at"] < before]
        return queries.forget_audit(connection, old[-1]) if old else 0


def _key(keyring: Keyring, purpose: str) -> bytes:
    """A key for one purpose, derived from the database's index key, which outlives every rotation of the ring."""
    return keyring.index("derived key", "audit", purpose)


def _hash(key: bytes, row: Mapping[str, Any] | RowMapping) -> bytes:
    fields = [row["at"], row["staff_id"], row["action"], row["subject"], row["detail"]]
    body = bytes(row["previous"]) + json.dumps(fields, ensure_ascii=True).encode()
    return hmac.digest(key, body, hashlib.sha256)


def _seal(key: bytes, row: Mapping[str, Any] | RowMapping) -> bytes:
    return hmac.digest(key, json.dumps([row["at"], row["audit_id"]]).encode() + bytes(row["hash"]), hashlib.sha256)


def _sealed_right(key: bytes, row: Mapping[str, Any] | RowMapping) -> bool:
    return hmac.compare_digest(_seal(key, row), bytes(row["seal"]))
