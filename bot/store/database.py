"""The connection: one engine, two doors. `read()` sees, `write()` changes; each is one transaction.

SQLite has one writer at a time: `write()` takes a process-wide lock and BEGIN IMMEDIATE, so nobody starves and no read
is upgraded half-way. PostgreSQL locks rows. A database that cannot be reached raises Unreachable.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import ClauseElement, Connection, Dialect, Engine, create_engine, event, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.errors import Unreachable
from bot.store.crypto import Keyring, Known, new_index_key
from bot.store.models import Meta
from bot.store.together import Together

REST_S = 1.0  # after a fault the straight way is not tried
IDLE_S = 2.0  # a connection used within this time is taken to be alive
_READ = "osso_read"
Once = tuple[str, Any]  # a statement in the driver's words, and its values
Make = Callable[[], "tuple[ClauseElement, Mapping[str, Any]] | None"]


class Database:
    """Owns the engine. Build one per process; share it between threads."""

    def __init__(self, url: str, keyring: Keyring, *, pool: int = 20) -> None:
        self.url = url
        self.sqlite = url.startswith("sqlite")
        self._lock: Any = threading.Lock() if self.sqlite else nullcontext()
        self.engine = _sqlite(url, pool) if self.sqlite else _postgres(url, pool)
        self.known = Known()
        self._together: Together[Make, Any | None] = Together(self._write_together)
        self._straight: sqlite3.Connection | psycopg.Connection | None = None
        self._rests_until = 0.0
        self._bare_keyring = keyring
        self._keyring: Keyring | None = None
        self._keyring_lock = threading.Lock()

    @property
    def keyring(self) -> Keyring:
        """The ring with this database's index key, which is made on first use and kept wrapped in `meta`."""
        if self._keyring is None:
            with self._keyring_lock:
                if self._keyring is None:
                    self._keyring = self._bare_keyring.with_index(self._index_key())
        return self._keyring

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that changes nothing."""
        with _translated(), self.engine.connect().execution_options(**{_READ: True}) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends, and rolls back when it raises."""
        with _translated(), self._lock, self.engine.connect() as connection, connection.begin():
            yield connection

    def write_once(self, make: Make) -> Any | None:
        """One statement that is a whole transaction, or one transaction with those of threads that come at the same
        time, straight through a driver's connection of their own: the first column of its first row. `make` gives the
        statement and its values, in whichever thread works for all.

        None when it made or gave nothing or could not run: then take the way through `write()`, which tells these
        apart. It costs a quarter of that way, and on PostgreSQL one round trip for all.
        """
        return self._together(make)

    def _write_together(self, makes: Sequence[Make]) -> list[Any | None]:
        """All None when nothing was written; and then for a moment, so that nobody waits in a row for a database that
        does not answer."""
        results: list[Any | None] = [None] * len(makes)
        if time.monotonic() < self._rests_until:
            return results
        said: dict[int, Once] = {}
        for place, make in enumerate(makes):
            with suppress(Exception):  # it will be said again, by itself, on the way through `write()`
                made = make()
                if made is not None:
                    said[place] = self._compile(*made)
        with self._lock:
            try:
                if self._straight is None:
                    self._straight = self._lend()
                for place, rows in zip(said, _each(self._straight, list(said.values())), strict=True):
                    results[place] = rows[0][0] if rows else None
            except (sqlite3.Error, psycopg.Error, DBAPIError, PoolTimeout):
                self._drop()
                self._rests_until = time.monotonic() + REST_S
                return [None] * len(makes)
        return results

    def _compile(self, statement: ClauseElement, values: Mapping[str, Any]) -> Once:
        sql, order = _compiled(statement, self.engine.dialect)
        return sql, [values[name] for name in order] if self.sqlite else values

    def _lend(self) -> sqlite3.Connection | psycopg.Connection:
        """A connection that the pool has nothing to do with any more."""
        lent = self.engine.raw_connection()
        raw = lent.driver_connection
        assert isinstance(raw, sqlite3.Connection | psycopg.Connection)  # noqa: S101 - there is no third
        lent.detach()
        if isinstance(raw, psycopg.Connection):
            raw.autocommit = True
        return raw

    def _drop(self) -> None:
        if self._straight is not None:
            with suppress(sqlite3.Error, psycopg.Error):
                self._straight.close()
            self._straight = None

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """A writing transaction for changing tables. SQLite changes one by copying it and dropping the old one, which
        must not take along the rows that refer to it: references are looked at once, when all is done."""
        with ExitStack() as stack:
            for door in (_translated(), self._lock):
                stack.enter_context(door)
            connection = stack.enter_context(self.engine.connect())
            if self.sqlite:
                stack.enter_context(_unreferenced(connection))
            stack.enter_context(connection.begin())
            yield connection
            if self.sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                raise RuntimeError("rows refer to rows that are gone: nothing was changed")

    def now(self, connection: Connection) -> int:
        """The database's time in ms; leases compare nothing else, so a process with a wrong clock harms nobody."""
        if self.sqlite:
            return time.time_ns() // 1_000_000
        return int(
            connection.execute(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")).scalar_one()
        )

    def close(self) -> None:
        self._drop()
        self.engine.dispose()

    def checkpoint(self) -> None:
        """Folds SQLite's write-ahead log back into the file (erased pages leave the log too)."""
        if self.sqlite:
            with self._lock, self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - tells mypy what the driver hands out
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _index_key(self) -> bytes:
        """Whoever comes first plants the key; everybody reads back the one that stands."""
        dialect = sqlite if self.sqlite else postgresql
        planted = {"name": "index_key", "value": self._bare_keyring.wrap(new_index_key()), "until": 0}
        with self.write() as connection:
            connection.execute(dialect.insert(Meta).values(**planted).on_conflict_do_nothing(index_elements=["name"]))
            wrapped = connection.execute(select(Meta.value).where(Meta.name == "index_key")).scalar_one()
        return self._bare_keyring.unwrap(bytes(wrapped or b""))


def _each(raw: sqlite3.Connection | psycopg.Connection, said: Sequence[Once]) -> list[list[Any]]:
    """The rows that each statement gave; several are one transaction."""
    if not said:
        return []
    if isinstance(raw, psycopg.Connection):
        with raw.pipeline() if len(said) > 1 else nullcontext():
            cursors = [raw.execute(sql, values) for sql, values in said]
        return [cursor.fetchall() for cursor in cursors]
    if len(said) == 1:
        ((sql, values),) = said
        return [raw.execute(sql, values).fetchall()]
    raw.execute("BEGIN IMMEDIATE")
    found = [raw.execute(sql, values).fetchall() for sql, values in said]
    raw.execute("COMMIT")
    return found


@lru_cache(maxsize=16)
def _compiled(statement: ClauseElement, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """The statement in the driver's words, and the order of its values where they go by place."""
    compiled = statement.compile(dialect=dialect)
    return str(compiled), tuple(getattr(compiled, "positiontup", None) or ())


@contextmanager
def _unreferenced(connection: Connection) -> Iterator[None]:
    raw = connection.connection.driver_connection  # SQLite hears this outside a transaction only
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - tells mypy what the driver hands out
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON")


def prepare_sqlite(url: str) -> None:
    """Sets WAL once, before any second process opens the file: two switching a new file at once fail."""
    path = url.removeprefix("sqlite:///").split("?")[0]
    if path and path != ":memory:":
        connection = sqlite3.connect(path, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()


def _sqlite(url: str, pool: int) -> Engine:
    engine = create_engine(url, pool_size=pool, max_overflow=pool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _on_connect(raw: sqlite3.Connection, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            "busy_timeout=30000",
            "synchronous=FULL",
            "secure_delete=ON",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            "cache_size=-8000",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get(_READ)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgres(url: str, pool: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool,
        max_overflow=pool,
        connect_args={
            "options": "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000 -c lock_timeout=5000",
            "connect_timeout": 5,
        },
    )

    @event.listens_for(engine, "checkin")
    def _on_checkin(_raw: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _on_checkout(raw: Any, record: Any, _proxy: Any) -> None:
        """What lay idle may have died with its server; what was used just now is not worth a round trip."""
        if time.monotonic() - record.info.get("used", math.inf) > IDLE_S:
            try:
                engine.dialect.do_ping(raw)
            except psycopg.Error:
                raise DisconnectionError from None

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """The database gone, full, locked for good or read-only is Unreachable; a bug of ours stays what it is."""
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        raise Unreachable(type(error).__name__) from error
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):
            raise Unreachable(type(error).__name__) from error
        raise
