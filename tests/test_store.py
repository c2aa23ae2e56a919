"""Encryption at rest and schema changes, on both databases."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from bot.store import migrate
from bot.store.crypto import Keyring, Sealed, new_index_key
from bot.store.database import Database
from tests.conftest import SECRET

OLD, NEW = "old-key-" + "a1b2c3d4" * 5, "new-key-" + "e5f6g7h8" * 5


@settings(max_examples=200)
@given(st.recursive(st.text() | st.integers() | st.none() | st.booleans(), st.lists, max_leaves=5))
def test_what_is_sealed_opens_again(value: object) -> None:
    _wrapped, key = Keyring([SECRET]).new_key()
    assert key.open(key.seal(value, "t", "r", "c"), "t", "r", "c") == value


def test_lone_surrogates_survive() -> None:
    _wrapped, key = Keyring([SECRET]).new_key()
    assert key.open(key.seal("a\ud83d", "t"), "t") == "a\ud83d"


def test_the_same_text_never_looks_the_same_twice() -> None:
    _wrapped, key = Keyring([SECRET]).new_key()
    assert key.seal("x", "t") != key.seal("x", "t")


@pytest.mark.parametrize("place", [("entry", "row", "why"), ("entry", "other", "body"), ("outbox", "row", "body")])
def test_a_body_moved_to_another_place_does_not_open(place: tuple[str, ...]) -> None:
    _wrapped, key = Keyring([SECRET]).new_key()
    with pytest.raises(Sealed):
        key.open(key.seal("x", "entry", "row", "body"), *place)


def test_keys_rotate_and_the_old_key_alone_opens_nothing_new() -> None:
    wrapped, key = Keyring([OLD]).new_key()
    body = key.seal("x", "t")
    both = Keyring([NEW, OLD])
    rewrapped = both.rotate(wrapped)
    assert Keyring([NEW]).open_key(rewrapped).open(body, "t") == "x"
    with pytest.raises(Sealed):
        Keyring([OLD]).open_key(rewrapped)


def test_a_destroyed_key_opens_nothing() -> None:
    with pytest.raises(Sealed):
        Keyring([SECRET]).open_key(None)


def test_the_blind_index_depends_on_its_key_and_every_part() -> None:
    one, other = (Keyring([SECRET]).with_index(new_index_key()) for _ in range(2))
    assert one.index("a", "b") == one.index("a", "b")
    assert len({one.index("a", "b"), one.index("ab"), one.index("b", "a"), other.index("a", "b")}) == 4


def test_the_index_key_is_the_same_for_every_process(database: Database, database_url: str) -> None:
    other = Database(database_url, Keyring([SECRET]))
    assert other.keyring.index("x") == database.keyring.index("x")
    other.close()


def test_a_wrong_ring_refuses_instead_of_starting_anew(database: Database, database_url: str) -> None:
    assert database.keyring
    stranger = Database(database_url, Keyring(["another-ring-" + "z9y8x7w6" * 4]))
    with pytest.raises(Sealed):
        _ = stranger.keyring
    stranger.close()


def test_tables_are_as_the_code_expects(database: Database) -> None:
    assert migrate.current(database) == migrate.newest()
    assert migrate.differences(database) == []


def test_migrations_go_down_and_up_again(database: Database) -> None:
    migrate.downgrade(database, "base")
    assert migrate.current(database) == ""
    migrate.upgrade(database)
    assert migrate.current(database) == migrate.newest()
    assert migrate.differences(database) == []


def test_tables_are_rebuilt_with_rows_that_refer_to_them(database: Database) -> None:
    """Where an update of a running house goes: down to the first release and up again, every row still there."""
    migrate.downgrade(database, "0003")
    with database.write() as connection:
        for statement in (
            "INSERT INTO conversation (uuid, channel, account, person_index, created_at)"
            " VALUES ('u', 'zalo', '2', CAST('p' AS {blob}), 1)",
            "INSERT INTO ticket (uuid, conversation_id, state, reason, level, opened_at, closed_at, outcome)"
            " SELECT 't', id, 'closed', 'danger', 'RED', 1, 2, 'safe' FROM conversation",
            "INSERT INTO ticket_event (ticket_id, kind, at) SELECT id, 'opened', 1 FROM ticket",
        ):
            connection.execute(text(statement.format(blob="BLOB" if database.sqlite else "BYTEA")))
    migrate.upgrade(database)
    with database.read() as connection:
        found = connection.execute(text("SELECT reported FROM ticket JOIN ticket_event ON ticket_id = ticket.id"))
        assert found.scalars().all() == ["unrecorded"]  # what was not asked for then is not made up now
    assert migrate.differences(database) == []


def test_processes_that_start_together_agree_on_one_index_key(database: Database, database_url: str) -> None:
    others = [Database(database_url, Keyring([SECRET])) for _ in range(6)]
    start = threading.Barrier(len(others))
    found: list[bytes] = []

    def look(other: Database) -> None:
        start.wait()
        found.append(other.keyring.index("x"))

    threads = [threading.Thread(target=look, args=(other,)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert len(found) == 6
    assert len(set(found)) == 1
