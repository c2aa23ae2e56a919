"""Schema changes with Alembic, on both databases, up and down."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bot.store.database import Database, prepare_sqlite
from bot.store.models import Base

HERE = Path(__file__).parent / "migrations"


def upgrade(database: Database, revision: str = "head") -> None:
    if database.sqlite:
        prepare_sqlite(database.url)
    with database.rebuild() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    with database.rebuild() as connection:
        command.downgrade(_config(connection), revision)


def current(database: Database) -> str:
    """The revision the database is at; empty when it has none."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def newest() -> str:
    return ScriptDirectory(str(HERE)).get_current_head() or ""


def differences(database: Database) -> list[str]:
    """What the tables lack or have too much against bot.store.models, in words; empty when they agree."""
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    return config
