"""Databases for one measurement, made and removed here: a SQLite file in a folder of its own, a PostgreSQL database."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bot.store import migrate
from bot.store.crypto import Keyring
from bot.store.database import Database

SECRET = "a-ring-for-measuring-0123456789-abcdefgh"  # noqa: S105 - opens nothing but throw-away databases
ADMIN = os.environ.get("OSSO_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
KINDS = ("sqlite", "postgres")


@contextmanager
def place(kind: str) -> Iterator[str]:
    """The address of a fresh, migrated database of this kind."""
    with _sqlite() if kind == "sqlite" else _postgres() as url:
        database = opened(url)
        migrate.upgrade(database)
        database.close()
        yield url


def opened(url: str) -> Database:
    return Database(url, Keyring([SECRET]))


def plain(url: str) -> str:
    """The address as psycopg itself reads it."""
    return url.replace("+psycopg", "", 1)


def reachable() -> tuple[str, ...]:
    """The kinds that can be measured here."""
    try:
        psycopg.connect(ADMIN, connect_timeout=3).close()
    except psycopg.OperationalError:
        return ("sqlite",)
    return KINDS


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="osso-bench-", ignore_cleanup_errors=True) as folder:
        yield f"sqlite:///{Path(folder) / 'osso.db'}"


@contextmanager
def _postgres() -> Iterator[str]:
    name = f"osso_bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(ADMIN, autocommit=True, connect_timeout=3) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        yield "postgresql+psycopg://" + ADMIN.split("://", 1)[1].rsplit("/", 1)[0] + f"/{name}"
    finally:
        with psycopg.connect(ADMIN, autocommit=True, connect_timeout=3) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
