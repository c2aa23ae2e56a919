"""Zalo's refresh tokens are single use: one writer across all processes, and no pair is ever lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.channels.zalo import Zalo, ZaloAccount
from bot.errors import GrantLost, NoToken, Unreachable
from bot.grants import Grants
from bot.http import Http
from bot.store.database import Database
from tests.conftest import dump
from tests.standin import Standin, reset, says, standing

OA = ZaloAccount("222", "8001", "zalo-app-secret-tests", ("zalo-oa-secret-tests",), "seed-refresh-token-tests")
DAY = 86_400_000


@pytest.fixture
def standin() -> Iterator[Standin]:
    with standing() as found:
        yield found


def grants(database: Database, standin: Standin, spill: Path, account: ZaloAccount = OA) -> Grants:
    zalo = Zalo([account], standin.url, standin.url)
    return Grants(
        database, Http([standin.url]), zalo, static={}, spill=spill, clock=lambda: time.time_ns() // 1_000_000
    )


def refreshes(standin: Standin) -> int:
    return sum(one.path.endswith("/access_token") for one in standin.requests)


def test_eight_racing_workers_refresh_once(database: Database, standin: Standin, tmp_path: Path) -> None:
    workers = [grants(database, standin, tmp_path) for _ in range(8)]
    found: list[str] = []
    start = threading.Barrier(8)

    def ask(worker: Grants) -> None:
        start.wait()
        found.append(worker.token("zalo", "222"))

    threads = [threading.Thread(target=ask, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refreshes(standin) == 1
    assert found == [found[0]] * 8


def test_eight_workers_whose_token_was_refused_renew_once(database: Database, standin: Standin, tmp_path: Path) -> None:
    workers = [grants(database, standin, tmp_path) for _ in range(8)]
    old = workers[0].token("zalo", "222")
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda worker=worker: found.append(worker.renew("zalo", "222", old)))
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refreshes(standin) == 2
    assert len(set(found)) == 1
    assert found[0] != old


def test_the_pair_is_kept_encrypted_and_outlives_the_process(
    database: Database, standin: Standin, tmp_path: Path
) -> None:
    token = grants(database, standin, tmp_path).token("zalo", "222")
    assert grants(database, standin, tmp_path).token("zalo", "222") == token
    assert refreshes(standin) == 1
    found = dump(database)
    assert token.encode() not in found
    assert b"refresh-" not in found


@pytest.mark.parametrize(
    "bad",
    [
        says(200, {"error": -14012, "error_name": "Something"}),
        says(200, {}),
        says(500, b"<html>"),
        says(200, {"access_token": "", "refresh_token": ""}),
        reset,
    ],
)
def test_a_failed_answer_never_overwrites_the_old_pair(
    database: Database, standin: Standin, tmp_path: Path, bad: object
) -> None:
    before = grants(database, standin, tmp_path).token("zalo", "222")
    standin.behave = [bad]  # type: ignore[list-item]
    with pytest.raises((NoToken, GrantLost)):
        grants(database, standin, tmp_path).renew("zalo", "222", before)
    with database.write() as connection:
        connection.execute(text('UPDATE "grant" SET lost_at = NULL'))
    assert grants(database, standin, tmp_path).renew("zalo", "222", before) != before


def test_a_lost_grant_raises_an_alarm_and_says_what_to_do(database: Database, standin: Standin, tmp_path: Path) -> None:
    standin.refresh_tokens.clear()
    with pytest.raises(GrantLost, match="OSSO_ZALO_REFRESH_TOKEN"):
        grants(database, standin, tmp_path).token("zalo", "222")
    with database.read() as connection:
        assert connection.execute(text("SELECT kind FROM alarm WHERE cleared_at IS NULL")).scalars().all() == [
            "grant-lost"
        ]
    asked = refreshes(standin)
    with pytest.raises(GrantLost):
        grants(database, standin, tmp_path).token("zalo", "222")
    assert refreshes(standin) == asked  # a lost grant is not asked for again and again


def test_a_new_seed_mends_a_lost_grant(database: Database, standin: Standin, tmp_path: Path) -> None:
    standin.refresh_tokens = {"fresh-seed-from-the-operator"}
    with pytest.raises(GrantLost):
        grants(database, standin, tmp_path).token("zalo", "222")
    mended = ZaloAccount("222", "8001", "zalo-app-secret-tests", ("x",), "fresh-seed-from-the-operator")
    assert grants(database, standin, tmp_path, mended).token("zalo", "222")
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM alarm WHERE cleared_at IS NULL")).scalar() == 0


class Failing(Database):
    """A database that goes away right after the platform answered."""

    fail = False

    def write(self):  # type: ignore[no-untyped-def]
        if self.fail:
            raise Unreachable("gone")
        return super().write()


def test_a_pair_that_could_not_be_committed_is_spilled_and_taken_up(
    database_url: str, database: Database, standin: Standin, tmp_path: Path
) -> None:
    from bot.store.crypto import Keyring
    from tests.conftest import SECRET

    failing = Failing(database_url, Keyring([SECRET]))
    assert failing.keyring
    worker = grants(failing, standin, tmp_path)

    def answer_then_fail(handler: object) -> bool:
        failing.fail = True
        return False

    standin.behave = [answer_then_fail]
    with pytest.raises(Unreachable):
        worker.token("zalo", "222")
    spilled = list(tmp_path.glob("*.spill"))
    assert len(spilled) == 1
    assert spilled[0].stat().st_mode & 0o777 == 0o600
    assert "refresh-" not in spilled[0].read_text()
    failing.fail = False
    assert grants(failing, standin, tmp_path).token("zalo", "222").startswith("access-")
    assert refreshes(standin) == 1
    assert list(tmp_path.glob("*.spill")) == []
    failing.close()
