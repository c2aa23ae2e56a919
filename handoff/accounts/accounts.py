"""What accounts work with: the database, the clock, the hasher, the offices, and keys derived for one purpose each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.settings import Settings
from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff.accounts.passwords import Hasher


@dataclass(frozen=True, slots=True)
class Accounts:
    """One per process. `clock` gives ms UTC; `offices` gives office id → name. Keys are newest first."""

    database: Database
    keyring: Keyring
    clock: Callable[[], int]
    hasher: Hasher
    offices: Callable[[], Mapping[str, str]]
    production: bool
    base_url: str
    form_keys: tuple[bytes, ...]  # CSRF tokens
    device_keys: tuple[bytes, ...]  # cookies of trusted browsers
    demo_key: bytes


def open_accounts(
    settings: Settings,
    database: Database,
    *,
    clock: Callable[[], int],
    offices: Callable[[], Mapping[str, str]],
    hasher: Hasher | None = None,
) -> Accounts:
    """`hasher`: a cheaper one for tests. Reads the database's index key, so the tables must be there.

    (Read now, because the first reading is a transaction of its own and must not fall inside another.)
    """
    keyring = database.keyring

    def derived(purpose: bytes) -> tuple[bytes, ...]:
        return tuple(
            HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.encode())
            for key in settings.secret_keys
        )

    return Accounts(
        database=database,
        keyring=keyring,
        clock=clock,
        hasher=hasher or Hasher(),
        offices=offices,
        production=settings.production,
        base_url=settings.base_url or f"http://{settings.host}:{settings.port}",
        form_keys=derived(b"osso desk forms"),
        device_keys=derived(b"osso desk devices"),
        demo_key=derived(b"osso demo account")[0],
    )
