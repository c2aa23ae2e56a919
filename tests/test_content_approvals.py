"""The record of approvals: what production may say, on both databases, and the commands that write it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from bot import console
from bot.__main__ import main
from bot.errors import Refused
from bot.knowledge import Approval, Editor, Library, approved, read
from bot.knowledge.articles import Review
from bot.knowledge.governance import last_published
from bot.knowledge.trial import save_winners
from bot.store import migrate
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.wiring import approvals_of
from handoff.content import approvals
from handoff.content.approvals import Record
from handoff.content.standing import older, standing, unapproved
from handoff.content.upkeep import Marker
from handoff.frame import VIETNAM
from tests.conftest import SECRET
from tests.content_stage import ContentRoom
from tests.knowledge_sample import changed, put, sample

ROOT = Path(__file__).resolve().parent.parent
TODAY = date(2026, 11, 25)
ON = "2026-11-25T08:00:00+07:00"


@pytest.fixture
def room(database: Database, tmp_path: Path) -> ContentRoom:
    made = ContentRoom(database, tmp_path)
    made.hire("mai", "editor")
    made.hire("lan", "approver", fields=("legal",))
    return made


def test_the_tables_go_up_and_down(database_url: str) -> None:
    database = Database(database_url, Keyring([SECRET]))
    try:
        assert migrate.differences(database) == []
        migrate.downgrade(database, "0003")
        assert any("approval" in told for told in migrate.differences(database))
        migrate.upgrade(database)
        assert migrate.differences(database) == []
    finally:
        database.close()


def test_the_record_gives_back_what_it_was_given(room: ContentRoom) -> None:
    record = Record(room.accounts)
    acts = [
        Approval("leg-mot", "h1", "wrote", "mai", ON, "a: 1\n"),
        Approval("leg-mot", "h1", "reviewed", "lan", ON, "a: 1\n"),
    ]
    for act in acts:
        record.add(act)
    record.add(Approval("gen-hai", "h2", "wrote", "mai", ON, "b: 1\n"))
    held = record.of("leg-mot")
    assert [(act.article, act.hash, act.act, act.by, act.text) for act in held] == [
        (act.article, act.hash, act.act, act.by, act.text) for act in acts
    ]
    assert all(datetime.fromisoformat(act.on).utcoffset() is not None for act in held)
    assert len(record.all()) == 3
    with pytest.raises(Refused):
        record.add(Approval("leg-mot", "h1", "reviewed", "nobody", ON))
    assert len(record.all()) == 3


def test_what_is_out_is_what_the_rules_say(room: ContentRoom) -> None:
    record = Record(room.accounts)
    for article, digest, act in (
        ("a", "1", "published"),
        ("b", "1", "published"),
        ("b", "2", "reviewed"),
        ("a", "2", "published"),
        ("b", "1", "withdrawn"),
        ("c", "1", "reviewed"),
        ("d", "1", "published"),
        ("d", "1", "withdrawn"),
        ("d", "1", "published"),
    ):
        record.add(Approval(article, digest, act, "lan", ON))  # type: ignore[arg-type]
    assert room.out() == {("a", "2"), ("d", "1")}
    assert approved(record.all()) == room.out()


def test_a_version_is_kept_once_however_often_it_is_judged(room: ContentRoom) -> None:
    text = "id: a\nreview:\n  status: draft\nvalid_until: 2027-01-01\n"
    marked = text.replace("draft", "published\n  by: lan\n  on: 2026-11-25")
    with room.database.write() as connection:
        given = [
            approvals.keep(connection, "a", "1", text=one, staff_id=1, note="saved", at=1)
            for one in (text, marked, text.replace("2027", "2028"), text)
        ]
        kept = connection.execute(select(func.count()).select_from(approvals.version)).scalar_one()
    assert given[0] == given[1]
    assert len(set(given)) == 3
    assert kept == 3


def test_only_approvers_judge_and_publish(room: ContentRoom) -> None:
    room.hire("thu", "editor", fields=("legal",))
    room.hire("hoa", "counsellor", fields=("legal",))
    with room.database.read() as connection:
        people = approvals.people(connection)
    assert set(people) == {"mai", "lan", "thu"}
    assert people["lan"] == Editor("lan", frozenset({"legal"}), publishes=True)
    assert people["thu"] == Editor("thu")


# --- what production says ---------------------------------------------------------------------------------------------


def served(room: ContentRoom, library: Library[None]) -> set[str]:
    room.now += 1000
    library.poll()
    library.settle()
    return {one.id for one in library.knowledge.serving(drafts=False, today=TODAY)}


def test_production_says_only_words_the_record_lets_out(room: ContentRoom) -> None:
    library: Library[None] = Library(
        room.root,
        lambda _knowledge, _today: None,
        now=lambda: datetime(2026, 11, 25, tzinfo=VIETNAM),
        approved=approvals_of(room.database),
    )
    by_hand = changed("status: draft", "status: published\n  by: lan\n  on: 2026-11-25")
    put(room.root, "legal/leg-mot.yml", by_hand)
    assert served(room, library) == set()
    shelf = read(room.root)
    told = unapproved(shelf.knowledge.articles.values(), shelf.files, room.out())
    assert [(one.file, one.code) for one in told] == [("legal/leg-mot.yml", "unapproved")]

    Record(room.accounts).add(Approval("leg-mot", room.article().hash, "published", "lan", ON, by_hand))
    assert served(room, library) == {"leg-mot"}  # no file changed: the record did
    assert unapproved(shelf.knowledge.articles.values(), shelf.files, room.out()) == []

    put(room.root, "legal/leg-mot.yml", by_hand.replace("Dạ, chị mang", "Dạ, chị cầm"))
    assert served(room, library) == {"leg-mot"}
    said = library.knowledge.serving(drafts=False, today=TODAY)[0]
    assert said.answer[0].startswith("Dạ, chị mang"), "the words that were approved"
    one, acts = room.article(), Record(room.accounts).all()
    assert older(one, acts, out=room.out()) == replace(said, review=Review("published", "lan", "2026-11-25"))
    new = by_hand.replace("Dạ, chị mang", "Dạ, chị cầm")
    Record(room.accounts).add(Approval("leg-mot", one.hash, "published", "lan", ON, new))
    assert served(room, library) == {"leg-mot"}
    assert library.knowledge.serving(drafts=False, today=TODAY)[0].answer[0].startswith("Dạ, chị cầm")
    assert older(one, Record(room.accounts).all(), out=room.out()) is None
    put(room.root, "legal/leg-mot.yml", by_hand)  # edited once more
    assert served(room, library) == {"leg-mot"}
    Record(room.accounts).add(Approval("leg-mot", one.hash, "withdrawn", "lan", ON))
    assert served(room, library) == set()


@pytest.mark.parametrize("table", ["approval", "article_version"])
def test_the_record_can_be_changed_by_nobody(room: ContentRoom, table: str) -> None:
    Record(room.accounts).add(Approval("leg-mot", "1", "published", "lan", ON, "a: 1\n"))
    for deed in (f"UPDATE {table} SET hash = '2'", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError, match="append-only"), room.database.write() as connection:
            connection.execute(text(deed))
    assert room.out() == {("leg-mot", "1")}


def test_a_remark_is_kept_with_the_act(room: ContentRoom) -> None:
    Record(room.accounts).add(Approval("leg-mot", "1", "returned", "lan", ON, "a: 1\n", "Thiếu bước dịch giấy"))
    assert [act.remark for act in Record(room.accounts).of("leg-mot")] == ["Thiếu bước dịch giấy"]
    assert ("article.returned", "article:leg-mot", "1") in room.audited()


def test_while_the_database_is_away_the_last_word_holds(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "osso.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    room = ContentRoom(database, tmp_path)
    room.hire("lan", "approver")
    Record(room.accounts).add(Approval("leg-mot", "1", "published", "lan", ON, "a: 1\n"))
    nowhere = Database(f"sqlite:///{tmp_path}/no/such.db", Keyring([SECRET]))
    look, blind = approvals_of(database), approvals_of(nowhere)
    assert look() == {("leg-mot", "1"): "a: 1\n"}
    database.close()
    for part in tmp_path.glob("osso.db*"):
        part.unlink()
    path.mkdir()
    assert look() == {("leg-mot", "1"): "a: 1\n"}
    assert blind() == {}
    database.close()
    nowhere.close()


@pytest.mark.parametrize(
    ("status", "acts", "expected"),
    [
        ("draft", (), "draft"),
        ("draft", ("wrote",), "submitted"),
        ("draft", ("wrote", "returned"), "returned"),
        ("draft", ("wrote", "returned", "wrote"), "submitted"),
        ("draft", ("wrote", "reviewed", "published"), "out"),
        ("draft", ("wrote", "reviewed", "published", "withdrawn"), "draft"),
        ("reviewed", ("wrote", "reviewed"), "reviewed"),
        ("reviewed", (), "draft"),
        ("published", ("wrote", "reviewed", "published"), "out"),
        ("published", ("wrote", "reviewed"), "unapproved"),
    ],
)
def test_where_an_article_stands(tmp_path: Path, status: str, acts: tuple[str, ...], expected: str) -> None:
    more = "" if status == "draft" else "\n  by: lan\n  on: 2026-11-25"
    put(sample(tmp_path), "legal/leg-mot.yml", changed("status: draft", f"status: {status}{more}"))
    one = read(tmp_path).knowledge.articles["leg-mot"]
    done = [Approval("leg-mot", one.hash, act, "lan", ON) for act in acts]  # type: ignore[arg-type]
    assert standing(one, done, out=approved(done), today=TODAY) == expected
    assert standing(one, done, out=approved(done), today=date(2028, 1, 1)) == "expired"


def test_after_a_publishing_the_winners_are_measured_once(room: ContentRoom, tmp_path: Path) -> None:
    told = tmp_path / "told"
    marker = Marker(room.database, room.root, ("/bin/sh", "-c", f"echo measured >> {told}"))

    def look() -> int:
        marker.look()
        if marker.running:
            marker.running.wait(10)
        return told.read_text().count("measured") if told.exists() else 0

    assert look() == 0, "nothing was published"
    record = Record(room.accounts)
    record.add(Approval("leg-mot", "1", "published", "lan", ON))
    assert (look(), look()) == (1, 1)
    save_winners(room.root, {}, since=last_published(record.all()))
    Marker(room.database, room.root, ("/no/such",)).look()  # another process need not do it again
    room.now += 1000
    record.add(Approval("gen-hai", "2", "published", "lan", ON))
    assert (look(), look()) == (2, 2)


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def osso(room: ContentRoom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ContentRoom:
    for name, value in {
        "OSSO_DOTENV": str(tmp_path / "none"),
        "OSSO_SECRET_KEYS": SECRET,
        "OSSO_DATABASE_URL": room.database.url,
        "OSSO_DATA_DIR": str(tmp_path),
        "OSSO_KNOWLEDGE_DIR": str(room.root),
    }.items():
        monkeypatch.setenv(name, value)
    return room


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["kb", *words])


def test_the_commands_write_the_same_record(osso: ContentRoom) -> None:
    assert "mai viết, chờ duyệt" in run("submit", "leg-mot", "--by", "mai").output
    own = run("review", "leg-mot", "--by", "mai")
    assert own.exit_code == 1
    assert "own-words" in own.output
    assert run("review", "leg-mot", "--by", "lan").exit_code == 0
    assert "đã đăng" in run("publish", "leg-mot", "--by", "lan").output
    assert osso.out() == {("leg-mot", osso.article().hash)}
    assert ("article.published", "article:leg-mot", osso.article().hash) in osso.audited()
    assert run("diff", "leg-mot").output == ""
    assert "Không có tài khoản “ai”" in run("submit", "leg-mot", "--by", "ai").output


def test_danger_signs_are_signed_by_two_of_the_content_staff(osso: ContentRoom, tmp_path: Path) -> None:
    for name in ("danger.yml", "danger.bin", "words.yml"):
        shutil.copy(ROOT / "knowledge" / name, tmp_path)
    osso.hire("bich", "counsellor")

    def sign(by: str) -> Result:
        return CliRunner().invoke(main, ["safety", "sign", "--folder", str(tmp_path), "--by", by])

    assert "1 more" in sign("mai").output
    assert [sign(by).exit_code for by in ("mai", "bich", "lan")] == [1, 1, 0]
    told = [row for row in osso.audited() if row[0] == "danger.signed"]
    assert len(told) == 2
    assert len({content for *_, content in told}) == 1


def test_checking_files_needs_no_database_and_no_keys(osso: ContentRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSSO_SECRET_KEYS")
    monkeypatch.setenv("OSSO_ENV", "production")
    monkeypatch.setenv("OSSO_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert run("check").exit_code in (0, 1)
    assert console.tools().root == osso.root
    refused = run("submit", "leg-mot", "--by", "mai")
    assert refused.exit_code == 2
    assert "OSSO_SECRET_KEYS" in refused.output


def test_old_tables_are_told_before_anything_is_written(osso: ContentRoom) -> None:
    migrate.downgrade(osso.database, "0003")
    answer = run("submit", "leg-mot", "--by", "mai")
    migrate.upgrade(osso.database)
    assert answer.exit_code == 1
    assert "osso db upgrade" in answer.output


def test_the_operator_names_an_expert(osso: ContentRoom) -> None:
    answer = CliRunner().invoke(main, ["user", "expert", "lan", "child", "legal"])
    assert answer.exit_code == 0, answer.output
    with osso.database.read() as connection:
        assert approvals.people(connection)["lan"].skills == {"child", "legal"}
    assert CliRunner().invoke(main, ["user", "expert", "lan", "magic"]).exit_code == 1
    assert CliRunner().invoke(main, ["user", "expert", "lan"]).exit_code == 0
    with osso.database.read() as connection:
        assert approvals.people(connection)["lan"].skills == frozenset()
