"""The audit chain: any row changed, reordered or removed is found, on both databases; and the console's commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from bot.errors import Refused
from bot.store import migrate
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.store.queries import open_alarms
from handoff import cli
from handoff.accounts import Staff, break_glass, chain, members, queries
from tests.conftest import SECRET
from tests.desk_stage import DeskStage, desk_on

OFFICE = "osso-hanoi"


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Iterator[DeskStage]:
    with desk_on(database, tmp_path) as stage:
        yield stage


def filled(stage: DeskStage, rows: int = 8) -> None:
    with stage.database.write() as connection:
        for number in range(rows):
            chain.record(stage.accounts, connection, None, "chat.read", f"conversation:{number}", f"step {number}")
            stage.turn(1)


def unguarded(connection: Connection) -> None:
    """What an intruder who owns the database would do first."""
    if connection.dialect.name == "sqlite":
        for name in ("audit_no_update", "audit_no_delete", "audit_seal_no_update", "audit_seal_no_delete"):
            connection.execute(text(f"DROP TRIGGER {name}"))
    else:
        connection.execute(text("SET LOCAL session_replication_role = replica"))


def swap(connection: Connection) -> None:
    rows = {row["id"]: dict(row) for row in connection.execute(select(queries.audit)).mappings()}
    for mine, its in ((3, 4), (4, 3)):
        content = {name: rows[its][name] for name in ("at", "staff_id", "action", "subject", "detail", "hash")}
        connection.execute(update(queries.audit).where(queries.audit.c.id == mine).values(**content))


def forge(connection: Connection) -> None:
    """A row appended by somebody without the key."""
    last = connection.execute(select(queries.audit).order_by(queries.audit.c.id.desc())).mappings().first()
    assert last
    row = {"at": last["at"], "action": "chat.read", "previous": last["hash"], "hash": b"\x07" * 32}
    connection.execute(insert(queries.audit).values(**row))


MUTATIONS: dict[str, Callable[[Connection], object]] = {
    "another action": lambda c: c.execute(update(queries.audit).where(queries.audit.c.id == 4).values(action="x")),
    "another person": lambda c: c.execute(update(queries.audit).where(queries.audit.c.id == 4).values(staff_id=9)),
    "another time": lambda c: c.execute(update(queries.audit).where(queries.audit.c.id == 4).values(at=1)),
    "another subject": lambda c: c.execute(update(queries.audit).where(queries.audit.c.id == 8).values(subject="y")),
    "another detail": lambda c: c.execute(update(queries.audit).where(queries.audit.c.id == 1).values(detail="z")),
    "a row removed inside": lambda c: c.execute(delete(queries.audit).where(queries.audit.c.id == 4)),
    "the first row removed": lambda c: c.execute(delete(queries.audit).where(queries.audit.c.id == 1)),
    "sealed rows cut off at the end": lambda c: c.execute(delete(queries.audit).where(queries.audit.c.id > 6)),
    "every row removed": lambda c: c.execute(delete(queries.audit)),
    "two rows swapped": swap,
    "a row forged": forge,
    "a seal changed": lambda c: c.execute(update(queries.seal).values(audit_id=3)),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_kind_of_tampering_is_found(stage: DeskStage, mutation: str) -> None:
    filled(stage)
    assert chain.seal(stage.accounts)
    assert chain.verify(stage.accounts) == chain.Verdict(8, 1, 0, ())
    with stage.database.write() as connection:
        unguarded(connection)
        MUTATIONS[mutation](connection)
    assert chain.verify(stage.accounts).wrong


@pytest.mark.parametrize("table", ["audit", "audit_seal"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = 0", "DELETE FROM {}"])
def test_the_database_itself_refuses_change(stage: DeskStage, table: str, statement: str) -> None:
    stage.now = 4_000_000_000_000  # young by any clock
    filled(stage, 2)
    chain.seal(stage.accounts)
    with pytest.raises(DBAPIError, match="append-only"), stage.database.write() as connection:
        connection.execute(text(statement.format(table)))
    assert chain.verify(stage.accounts) == chain.Verdict(2, 1, 0, ())


def test_postgresql_refuses_to_empty_the_table(stage: DeskStage) -> None:
    if stage.database.sqlite:
        pytest.skip("SQLite knows no TRUNCATE")
    filled(stage, 2)
    with pytest.raises(DBAPIError, match="append-only"), stage.database.write() as connection:
        connection.execute(text("TRUNCATE audit"))


def test_what_is_older_than_two_years_may_go_up_to_a_seal_and_the_rest_still_verifies(stage: DeskStage) -> None:
    stage.now = 1_500_000_000_000  # old by any clock
    filled(stage, 5)
    chain.seal(stage.accounts)
    filled(stage, 3)
    stage.turn(63_072_000 + 60)
    filled(stage, 2)
    chain.seal(stage.accounts)
    assert chain.forget_old(stage.accounts) == 5
    assert chain.verify(stage.accounts) == chain.Verdict(5, 2, 0, ())
    assert chain.forget_old(stage.accounts) == 0


def test_a_seal_is_made_only_when_there_is_something_new(stage: DeskStage) -> None:
    assert not chain.seal(stage.accounts)
    filled(stage, 1)
    assert chain.seal(stage.accounts)
    assert not chain.seal(stage.accounts)
    filled(stage, 1)
    assert chain.verify(stage.accounts).unsealed == 1


def test_a_rolled_back_deed_leaves_no_row_and_no_gap(stage: DeskStage) -> None:
    def failing(connection: Connection) -> None:
        chain.record(stage.accounts, connection, None, "chat.read", "conversation:lost")
        raise ZeroDivisionError

    filled(stage, 2)
    with pytest.raises(ZeroDivisionError), stage.database.write() as connection:
        failing(connection)
    filled(stage, 2)
    assert chain.verify(stage.accounts) == chain.Verdict(4, 0, 4, ())


def test_the_admin_reads_and_verifies_and_both_are_recorded(stage: DeskStage) -> None:
    browser = stage.signed_in("mai", ("admin", "*"))
    page = browser.get("/audit?action=sign-in")
    assert "<code>sign-in</code>" in page.text
    assert "<code>staff.invited</code>" not in page.text
    assert "Nguyên vẹn." in browser.post("/audit/verify").text
    assert stage.actions()[-2:] == ["audit.read", "audit.verified"]
    with stage.database.write() as connection:
        unguarded(connection)
        MUTATIONS["another detail"](connection)
    assert 'role="alert"' in browser.post("/audit/verify").text


# --- break-glass ----------------------------------------------------------------------------------------------------


def staff(stage: DeskStage, staff_id: int) -> Staff:
    with stage.database.read() as connection:
        row = queries.member(connection, id=staff_id)
        assert row
        return queries.as_staff(connection, row)


def test_break_glass_opens_one_subject_for_thirty_minutes_and_tells_a_second_person(stage: DeskStage) -> None:
    hoa = stage.add("hoa", ("counsellor", "osso-cantho"))
    breaker = staff(stage, hoa.id)
    with stage.app.test_request_context():
        with stage.database.write() as connection:
            for reason, note in (("danger", "ngắn"), ("curious", "muốn xem cho biết thôi")):
                with pytest.raises(Refused):
                    break_glass.break_glass(connection, breaker, "ticket:1", reason=reason, note=note, office=OFFICE)
            note = "người phụ trách vắng, cần gọi lại ngay"
            break_glass.break_glass(connection, breaker, "ticket:1", reason="absent", note=note, office=OFFICE)
            assert [row["kind"] for row in open_alarms(connection)] == ["break-glass"]
        with stage.database.read() as connection:
            reference = queries.glass_rows(connection, unseen=True)[0]["uuid"]
            assert break_glass.glass_broken(connection, breaker, "ticket:1")
            assert not break_glass.glass_broken(connection, breaker, "ticket:2")
            stage.turn(30 * 60 + 1)
            assert not break_glass.glass_broken(connection, breaker, "ticket:1")
    hers = stage.browser()
    hers.sign_in(hoa)
    assert hers.post(f"/break-glass/{reference}/seen").status_code == 404
    mai = stage.browser()
    mai.sign_in(stage.add("lead2", ("lead", OFFICE)))
    assert "Có người mở khẩn cấp" in mai.get("/account").text
    assert note in mai.get("/break-glass").text
    assert mai.post(f"/break-glass/{reference}/seen").status_code == 303
    assert "Có người mở khẩn cấp" not in mai.get("/account").text
    with stage.database.read() as connection:
        assert open_alarms(connection) == []
    assert [one for one in stage.actions() if one.startswith("break")] == ["break-glass", "break-glass.seen"]


# --- the console ----------------------------------------------------------------------------------------------------


def osso(stage: DeskStage, *words: str) -> Result:
    group = cli.audit if words[0] == "audit" else cli.user
    return CliRunner().invoke(group, list(words[1:]), obj=lambda: stage.accounts)


def test_the_console_adds_lists_changes_resets_and_disables(stage: DeskStage) -> None:
    made = osso(stage, "user", "add", "lan.nguyen", "Nguyễn Thị Lan", f"counsellor@{OFFICE}")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip().rsplit("/", 1)[1]
    assert members.opened(stage.accounts, token)
    assert osso(stage, "user", "list").stdout == f"lan.nguyen\tinvited\tNguyễn Thị Lan\tcounsellor@{OFFICE}\n"
    again = osso(stage, "user", "invite", "lan.nguyen").stdout.strip().rsplit("/", 1)[1]
    assert members.opened(stage.accounts, token) is None
    assert members.opened(stage.accounts, again)
    assert osso(stage, "user", "roles", "lan.nguyen", "lead@*").exit_code == 0
    assert "lead@*" in osso(stage, "user", "list").stdout
    reset = CliRunner().invoke(cli.user, ["reset-2fa", "lan.nguyen"], obj=stage.accounts, input="n\n")
    assert reset.exit_code == 1
    assert "/desk/invitation/" in osso(stage, "user", "reset-2fa", "lan.nguyen", "--yes").stdout
    assert osso(stage, "user", "disable", "lan.nguyen").exit_code == 0
    assert "disabled" in osso(stage, "user", "list").stdout
    assert osso(stage, "user", "demo-password").stdout.count("\n") == 5
    assert stage.actions()[0] == "staff.invited"


@pytest.mark.parametrize(
    "words",
    [
        ("add", "lan", "Lan", "queen@osso-hanoi"),
        ("add", "lan", "Lan", "lead@nowhere"),
        ("add", "LÁN!", "Lan", "lead@*"),
        ("roles", "nobody", "lead@*"),
        ("disable", "nobody"),
    ],
)
def test_the_console_refuses_what_the_rules_forbid(stage: DeskStage, words: tuple[str, ...]) -> None:
    assert osso(stage, "user", *words).exit_code != 0
    assert osso(stage, "user", "list").stdout == ""


def test_the_console_verifies_with_an_exit_code(stage: DeskStage) -> None:
    filled(stage)
    assert osso(stage, "audit", "seal").stdout.endswith("Sealed.\n")
    good = osso(stage, "audit", "verify")
    assert (good.exit_code, good.stdout) == (0, "whole: 8 rows, 1 seals, 0 rows after the last seal\n")
    with stage.database.write() as connection:
        unguarded(connection)
        MUTATIONS["another action"](connection)
    bad = osso(stage, "audit", "verify")
    assert bad.exit_code == 1
    assert "WRONG row 4" in bad.stdout


def test_the_tables_go_down_and_up_again_with_their_triggers(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "osso.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    migrate.downgrade(database, "0001")
    migrate.upgrade(database, "0002")
    assert migrate.current(database) == "0002"
    with database.read() as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    assert set(names) >= {"audit_no_update", "audit_no_delete", "audit_seal_no_update", "audit_seal_no_delete"}
    database.close()
