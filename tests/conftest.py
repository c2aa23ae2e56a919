"""Shared fixtures: both databases for real. Where CI is set a missing service is a failure, elsewhere a named skip."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from bot.store import migrate
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.store.models import Base

SECRET = "a-ring-for-tests-0123456789-abcdefgh"
ADMIN = os.environ.get("OSSO_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "osso.db"
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    migrate.upgrade(database)
    database.checkpoint()
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A migrated database of this run, dropped afterwards."""
    name = f"osso_test_{uuid.uuid4().hex[:12]}"
    try:
        admin = psycopg.connect(ADMIN, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        if os.environ.get("CI"):
            raise
        pytest.skip("PostgreSQL is not running on its usual port")
    with admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = "postgresql+psycopg://" + ADMIN.split("://", 1)[1].rsplit("/", 1)[0] + f"/{name}"
        database = Database(url, Keyring([SECRET]))
        migrate.upgrade(database)
        database.close()
        yield url
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where trained matchers are kept: one for the whole run, so that learning happens once."""
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent  # shared by the workers
    folder = folder / "learned"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[str]:
    """The address of a PostgreSQL database without tables, dropped afterwards."""
    name = f"osso_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(ADMIN, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield ADMIN.rsplit("/", 1)[0] + f"/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a fresh, migrated database: the test runs once on each kind."""
    if request.param == "sqlite":
        path = tmp_path / "osso.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_url")
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        names = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
        connection.execute("SET session_replication_role = replica")  # the audit refuses to be emptied otherwise
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, Keyring([SECRET]))
    yield database
    database.close()


def dump(database: Database) -> bytes:
    """Every byte a thief of the database could read."""
    if database.sqlite:
        database.checkpoint()
        path = Path(database.url.removeprefix("sqlite:///"))
        return b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))
    with database.read() as connection:
        rows = [
            repr(connection.execute(text(f'SELECT * FROM "{table.name}"')).all())
            for table in Base.metadata.sorted_tables
        ]
    return "\n".join(rows).encode()
