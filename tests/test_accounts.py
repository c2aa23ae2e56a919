"""Signing in at the desk: what gets in, what does not, how fast one may try, and what ends a session."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Refused
from bot.store.crypto import Keyring, Sealed
from bot.store.database import Database
from handoff.accounts import codes, demo, members, queries, sessions, signing_in, throttle, upkeep
from handoff.accounts.passwords import Hasher, weakness
from handoff.accounts.sessions import hashed
from handoff.accounts.signing_in import Visitor, Wait, Wrong
from handoff.accounts.throttle import Limit
from tests.conftest import SECRET, dump
from tests.desk_stage import PASSWORD, Browser, DeskStage, Member, desk_on

OFFICE = "osso-hanoi"
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskStage]:
    folder = tmp_path_factory.mktemp("desk")
    path = folder / "osso.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    with desk_on(database, folder) as stage:
        yield stage
    database.close()


@pytest.fixture
def stage(house: DeskStage) -> DeskStage:
    return house.fresh()


@pytest.fixture
def either(database: Database, tmp_path: Path) -> Iterator[DeskStage]:
    """On SQLite and on PostgreSQL."""
    with desk_on(database, tmp_path) as stage:
        yield stage


def lan(stage: DeskStage) -> Member:
    return stage.add("lan.nguyen", ("counsellor", OFFICE), name="Nguyễn Thị Lan")


def first_step(browser: Browser, login: str, password: str = PASSWORD) -> int:
    return browser.post("/sign-in", {"login": login, "password": password}).status_code


# --- the two steps --------------------------------------------------------------------------------------------------


def test_password_then_code_let_in_and_both_are_in_the_audit(either: DeskStage) -> None:
    browser = either.browser()
    browser.sign_in(lan(either))
    assert "Nguyễn Thị Lan" in browser.get("/account").text
    assert either.actions() == ["staff.invited", "staff.accepted", "sign-in"]


def test_the_name_is_heard_in_any_case_and_the_password_in_any_unicode_form(stage: DeskStage) -> None:
    member = lan(stage)
    decomposed = unicodedata.normalize("NFD", PASSWORD)
    assert decomposed != PASSWORD
    assert first_step(stage.browser(), "  LAN.Nguyen ", decomposed) == 303
    assert member.login == "lan.nguyen"


def test_the_password_alone_opens_nothing(stage: DeskStage) -> None:
    browser = stage.browser()
    assert first_step(browser, lan(stage).login) == 303
    for path in ("/account", "/", "/break-glass", "/step-up"):
        assert browser.get(path).status_code == 302
    assert browser.post("/account/password").status_code == 401


def test_a_code_is_good_once(stage: DeskStage) -> None:
    member = lan(stage)
    code = stage.code(member)
    for expected in (303, 403):
        browser = stage.browser()
        first_step(browser, member.login)
        assert browser.post("/sign-in/code", {"code": code}).status_code == expected


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(stage: DeskStage, steps: int, good: bool) -> None:
    member = lan(stage)
    stage.turn(600)
    browser = stage.browser()
    first_step(browser, member.login)
    code = codes.code_at(member.secret, stage.now + steps * 30_000)
    assert browser.post("/sign-in/code", {"code": f" {code[:3]} {code[3:]}"}).status_code == (303 if good else 403)


def test_an_older_step_is_refused_after_a_newer_one(stage: DeskStage) -> None:
    member = lan(stage)
    stage.turn(600)
    older = codes.code_at(member.secret, stage.now - 30_000)
    newer = codes.code_at(member.secret, stage.now)
    for code, expected in ((newer, 303), (older, 403)):
        browser = stage.browser()
        first_step(browser, member.login)
        assert browser.post("/sign-in/code", {"code": code}).status_code == expected


def test_after_five_wrong_codes_the_password_is_asked_again(stage: DeskStage) -> None:
    member = lan(stage)
    browser = stage.browser()
    first_step(browser, member.login)
    for _ in range(5):
        stage.turn(13)
        assert browser.post("/sign-in/code", {"code": "000000"}).status_code == 403
    stage.turn(13)
    answer = browser.post("/sign-in/code", {"code": stage.code(member)})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in")
    assert not browser.signed_in()


def test_between_password_and_code_there_are_five_minutes(stage: DeskStage) -> None:
    member = lan(stage)
    browser = stage.browser()
    first_step(browser, member.login)
    stage.turn(301)
    assert browser.post("/sign-in/code", {"code": stage.code(member)}).headers["Location"].startswith("/sign-in")


def test_a_recovery_code_works_once_and_says_how_many_are_left(either: DeskStage) -> None:
    member = lan(either)
    browser = either.browser()
    browser.sign_in(member)
    papers = re.findall(r"<li>([a-z0-9-]{29})</li>", browser.post("/account/recovery").text)
    assert len(set(papers)) == 10
    for expected in (303, 403):
        other = either.browser()
        either.turn(13)
        first_step(other, member.login)
        typed = papers[0].upper().replace("-", " ")
        assert other.post("/sign-in/code", {"code": typed}).status_code == expected
    with either.database.read() as connection:
        assert queries.recovery_left(connection, member.id) == 9


# --- who is there, nobody learns ------------------------------------------------------------------------------------


def test_unknown_unready_disabled_and_mistaken_hear_the_same(stage: DeskStage) -> None:
    lan(stage)
    members.invite(stage.accounts, None, login="moi", name="Mới", posts=[("counsellor", OFFICE)])
    gone = stage.add("gone", ("counsellor", OFFICE))
    members.disable(stage.accounts, None, gone.uuid)
    bodies = set()
    tries = [
        ("lan.nguyen", "x" * 20),
        ("nobody", PASSWORD),
        ("moi", PASSWORD),
        ("gone", PASSWORD),
        ("", ""),
        (SCRIPT, "x"),
    ]
    for login, password in tries:
        answer = stage.browser().post("/sign-in", {"login": login, "password": password})
        assert answer.status_code == 403
        bodies.add(re.sub(r'value="[0-9a-f]{64}"', "", answer.text))
    assert len(bodies) == 1
    assert SCRIPT not in bodies.pop()


def test_a_hash_is_computed_for_nobody_too(stage: DeskStage) -> None:
    """The same path: a hasher that counts sees one verification for each try, known or not."""

    class Counting(Hasher):
        asked = 0

        def verify(self, hashed: str | None, password: str) -> bool:
            self.asked += 1
            return super().verify(hashed, password)

    hasher = Counting(memory_kib=8, passes=1, lanes=1)
    assert not hasher.verify(None, "nobody's password")
    assert not hasher.verify("no hash at all", "x")
    assert hasher.verify(hasher.hash("một mật khẩu"), "một mật khẩu")
    assert hasher.asked == 3


# --- throttling -----------------------------------------------------------------------------------------------------


def test_the_sixth_try_within_a_minute_waits_known_or_not(stage: DeskStage) -> None:
    lan(stage)
    for login in ("lan.nguyen", "nobody"):
        browser = stage.browser(f"198.51.100.{len(login)}")
        assert [first_step(browser, login, "wrong") for _ in range(6)] == [403] * 5 + [429]
        answer = browser.post("/sign-in", {"login": login, "password": "wrong"})
        assert 1 <= int(answer.headers["Retry-After"]) <= 12
        stage.turn(12)
        assert first_step(browser, login, "wrong") == 403


def test_many_names_from_one_address_wait_and_other_addresses_do_not(stage: DeskStage) -> None:
    rival = stage.browser("198.51.100.1")
    assert [first_step(rival, f"name{n}", "wrong") for n in range(21)] == [403] * 20 + [429]
    assert first_step(stage.browser("198.51.100.2"), "name99", "wrong") == 403


def test_everybody_together_waits(stage: DeskStage) -> None:
    def outcome(n: int) -> signing_in.Outcome:
        visitor = Visitor(f"198.51.{n // 200}.{n % 200}", "")
        return signing_in.try_password(stage.accounts, f"name{n}", "wrong", visitor=visitor)

    assert [outcome(n) for n in range(201)] == [Wrong()] * 200 + [Wait(1)]


def test_a_rival_cannot_lock_out_the_person_on_duty(either: DeskStage) -> None:
    member = lan(either)
    hers = either.browser("203.0.113.50")
    hers.sign_in(member)
    hers.post("/sign-out")
    for n in range(30):  # the rival hammers her name, from her own office's address as well
        first_step(either.browser("203.0.113.50" if n % 2 else f"198.51.100.{n}"), member.login, "wrong")
    assert first_step(either.browser("192.0.2.1"), member.login) == 429
    hers.sign_in(member)
    assert hers.signed_in()


def test_a_trusted_browser_is_trusted_for_its_own_member_only_and_not_without_limit(stage: DeskStage) -> None:
    member = lan(stage)
    other = stage.add("hoa", ("counsellor", OFFICE))
    browser = stage.browser()
    browser.sign_in(member)
    browser.post("/sign-out")
    stage.turn(120)
    assert [first_step(browser, other.login, "wrong") for _ in range(6)] == [403] * 5 + [429]
    assert [first_step(browser, member.login, "wrong") for _ in range(6)] == [403] * 5 + [429]
    browser.client.set_cookie("osso-device", "forged.cookie.here")
    assert first_step(browser, other.login, "wrong") == 429


def test_the_code_is_throttled_too(stage: DeskStage) -> None:
    member = lan(stage)
    for n in range(2):
        browser = stage.browser(f"198.51.100.{n}")
        first_step(browser, member.login)
        answers = [browser.post("/sign-in/code", {"code": "000000"}).status_code for _ in range(4)]
        assert answers == ([403] * 4 if n == 0 else [403, 429, 429, 429])


@given(
    st.integers(1, 300), st.lists(st.integers(0, 20_000), min_size=1, max_size=400), st.integers(0, 10_000_000_000_000)
)
def test_no_minute_holds_more_than_twice_the_limit_and_waiting_always_helps(
    most: int, gaps: list[int], start: int
) -> None:
    limit, until, now = Limit(most), 0, start
    let_through: list[int] = []
    for gap in gaps:
        now += gap
        wait = throttle.wait_ms(until, limit, now=now)
        assert throttle.wait_ms(until, limit, now=now + wait) == 0
        if not wait:
            until = throttle.after(until, limit, now=now)
            let_through.append(now)
    for at in let_through:
        assert sum(at <= other < at + 60_000 for other in let_through) <= 2 * most


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff", "2001:db8::/64"),
        ("", "?"),
        ("rubbish", "?"),
    ],
)
def test_a_household_shares_one_address(address: str, network: str) -> None:
    assert throttle.network(address) == network


# --- sessions -------------------------------------------------------------------------------------------------------


def test_an_id_from_before_signing_in_is_worth_nothing_after(stage: DeskStage) -> None:
    """Fixation: the attacker plants an id, the member signs in with it, the attacker comes back with it."""
    member = lan(stage)
    browser = stage.browser()
    browser.client.set_cookie("osso", "planted-by-somebody-else")
    seen = [browser.cookie()]
    first_step(browser, member.login)
    seen.append(browser.cookie())
    browser.post("/sign-in/code", {"code": stage.code(member)})
    seen.append(browser.cookie())
    assert len(set(seen)) == 3
    for old in seen[:2]:
        thief = stage.browser()
        thief.client.set_cookie("osso", old)
        assert not thief.signed_in()


def test_stepping_up_changes_the_id_and_the_old_one_ends(stage: DeskStage) -> None:
    member = stage.add("mai", ("admin", "*"))
    browser = stage.browser()
    browser.sign_in(member)
    stage.turn(601)
    assert browser.get("/staff").headers["Location"] == "/step-up?next=/staff"
    assert browser.post("/account/recovery").status_code == 403
    old = browser.cookie()
    answer = browser.post("/step-up", {"code": stage.code(member), "next": "/staff"})
    assert answer.headers["Location"] == "/staff"
    assert browser.get("/staff").status_code == 200
    thief = stage.browser()
    thief.client.set_cookie("osso", old)
    assert not thief.signed_in()


def test_a_session_ends_after_thirty_idle_minutes_and_after_twelve_hours(stage: DeskStage) -> None:
    member = lan(stage)
    idle = stage.browser()
    idle.sign_in(member)
    stage.turn(29 * 60)
    assert idle.signed_in()
    stage.turn(31 * 60)
    assert not idle.signed_in()
    busy = stage.browser()
    busy.sign_in(member)
    for _ in range(36):
        assert busy.signed_in()
        stage.turn(20 * 60)
    stage.turn(61)
    assert not busy.signed_in()


@pytest.mark.parametrize("active", [True, False])
def test_a_page_that_asks_by_itself_keeps_no_session_alive(stage: DeskStage, active: bool) -> None:
    browser = stage.browser()
    browser.sign_in(lan(stage))
    token = browser.cookie()
    stage.turn(20 * 60)
    assert sessions.resume(stage.accounts, token, active=active)
    stage.turn(11 * 60)
    assert bool(sessions.resume(stage.accounts, token, active=True)) is active


def test_the_fourth_session_ends_the_one_used_longest_ago(stage: DeskStage) -> None:
    member = lan(stage)
    browsers = [stage.browser(f"203.0.113.{n}") for n in range(4)]
    for browser in browsers:
        browser.sign_in(member)
        stage.turn(61)
    assert [browser.signed_in() for browser in browsers] == [False, True, True, True]


def test_she_sees_and_ends_her_own_sessions_and_nobody_elses(stage: DeskStage) -> None:
    member, other = lan(stage), stage.add("hoa", ("counsellor", OFFICE))
    here, there, stranger = stage.browser(), stage.browser(), stage.browser()
    here.sign_in(member)
    there.sign_in(member)
    stranger.sign_in(other)
    found = re.findall(r"/account/sessions/([0-9a-f-]{36})/end", here.get("/account").text)
    assert len(found) == 1
    assert stranger.post(f"/account/sessions/{found[0]}/end").status_code == 404
    assert there.signed_in()
    assert here.post(f"/account/sessions/{found[0]}/end").status_code == 303
    assert not there.signed_in()
    assert here.signed_in()


def test_signing_out_ends_the_session_and_clears_the_browser(stage: DeskStage) -> None:
    browser = stage.browser()
    browser.sign_in(lan(stage))
    token = browser.cookie()
    answer = browser.post("/sign-out")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    thief = stage.browser()
    thief.client.set_cookie("osso", token)
    assert not thief.signed_in()


def test_disabling_ends_everything_at_once(stage: DeskStage) -> None:
    member = lan(stage)
    browser = stage.browser()
    browser.sign_in(member)
    members.disable(stage.accounts, None, member.uuid)
    assert not browser.signed_in()
    assert first_step(stage.browser(), member.login) == 403


def test_a_new_password_ends_the_other_sessions_and_their_trust(stage: DeskStage) -> None:
    member = lan(stage)
    here, there = stage.browser(), stage.browser()
    here.sign_in(member)
    there.sign_in(member)
    fresh = "bốn con mèo đọc báo sáng"
    assert here.post("/account/password", {"old": "x", "password": fresh, "again": fresh}).status_code == 409
    stage.turn(61)
    assert here.post("/account/password", {"old": PASSWORD, "password": fresh, "again": fresh}).status_code == 303
    assert here.signed_in()
    assert not there.signed_in()
    assert first_step(stage.browser(), member.login, PASSWORD) == 403
    assert first_step(stage.browser(), member.login, fresh) == 303


def test_the_database_holds_no_id_password_code_or_secret(either: DeskStage) -> None:
    member = lan(either)
    browser = either.browser()
    browser.sign_in(member)
    papers = re.findall(r"<li>([a-z0-9-]{29})</li>", browser.post("/account/recovery").text)
    everything = dump(either.database)
    assert b"lan.nguyen" in everything
    for secret in (browser.cookie(), PASSWORD, member.secret, papers[0], codes.plain(papers[0])):
        assert secret.encode() not in everything
    assert len(hashed(browser.cookie())) == 32


def test_the_sweep_removes_what_has_run_out(stage: DeskStage) -> None:
    member = lan(stage)
    stage.browser().sign_in(member)
    first_step(stage.browser(), member.login)
    assert sessions.sweep(stage.accounts) == 0
    stage.turn(6 * 60)
    assert sessions.sweep(stage.accounts) == 1
    stage.turn(30 * 60)
    assert sessions.sweep(stage.accounts) == 1


def test_the_clock_seals_and_sweeps(stage: DeskStage) -> None:
    first_step(stage.browser(), lan(stage).login)
    stage.turn(6 * 60)
    for job in upkeep.jobs(stage.accounts):
        job.run()
    with stage.database.read() as connection:
        sealed = queries.last_seal(connection)
        assert sealed
        assert queries.audit_after(connection, sealed["audit_id"], 1) == []


def test_secrets_survive_a_new_key_and_leave_the_old_one(stage: DeskStage) -> None:
    member = lan(stage)
    newest = "another-ring-for-tests-9876543210-zyxwv"
    with stage.database.write() as connection:
        assert queries.rotate_wrapped(connection, Keyring([newest, SECRET]).rotate) == 1
        row = queries.member(connection, id=member.id)
    assert row
    assert Keyring([newest]).unwrap(bytes(row["totp_wrapped"])).decode() == member.secret
    with pytest.raises(Sealed):
        Keyring([SECRET]).unwrap(bytes(row["totp_wrapped"]))


# --- passwords ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "weak",
    [
        "ngắn quá",
        "a" * 12,
        "matkhau123456",
        "Mật khẩu 123456",
        "osso-hanoi-2026",
        "OSSO Cần Thơ 2026!",
        "hoilienhiepphunu",
        "qwertyuiop12",
        "123456789012",
        "password1234",
        "nguyenthilan1990",
        "x" * 129,
    ],
)
def test_a_guessable_password_is_refused_with_a_reason(weak: str) -> None:
    assert weakness(weak, "lan.nguyen", "Nguyễn Thị Lan")


@pytest.mark.parametrize(
    "good", [PASSWORD, "correct horse battery", "mưa rơi trên sông vắng", "Zq7!xR2#vLp9", "ấ" * 4 + "t9 pin cam nhà gỗ"]
)
def test_any_unguessable_password_will_do(good: str) -> None:
    assert weakness(good, "lan.nguyen", "Nguyễn Thị Lan") == ""


@given(st.text(max_size=200))
def test_no_text_breaks_the_check(text: str) -> None:
    assert isinstance(weakness(text, text), str)


def test_the_cost_is_what_is_promised() -> None:
    assert Hasher().hash("x" * 12).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_cheaper_old_hash_is_renewed_when_she_signs_in(stage: DeskStage) -> None:
    member = lan(stage)
    old = Hasher(memory_kib=16, passes=1, lanes=1).hash(PASSWORD)
    with stage.database.write() as connection:
        queries.change_member(connection, member.id, password_hash=old)
    stage.browser().sign_in(member)
    with stage.database.read() as connection:
        row = queries.member(connection, id=member.id)
    assert row
    assert row["password_hash"] != old


# --- invitations, roles, resets -------------------------------------------------------------------------------------


def test_an_invitation_works_once_within_three_days(stage: DeskStage) -> None:
    token = members.invite(stage.accounts, None, login="moi", name="Lê Thị Mới", posts=[("counsellor", OFFICE)])
    browser = stage.browser()
    path = f"/invitation/{token}"
    assert "Lê Thị Mới" in browser.get(path).text
    assert browser.post(path, {"code": "123456"}).status_code == 400
    assert browser.post(path, {"password": "ngắn", "again": "ngắn"}).status_code == 400
    assert browser.post(path, {"password": PASSWORD, "again": "khác"}).status_code == 400
    assert browser.post(path, {"password": PASSWORD, "again": PASSWORD}).status_code == 303
    page = browser.get(path).text
    found = re.search(r'<code class="address">([A-Z2-7]{32})</code>', page)
    assert found
    assert "<svg" in page
    assert browser.post(path, {"code": "000000"}).status_code == 400
    done = browser.post(path, {"code": codes.code_at(found[1], stage.now)})
    assert len(re.findall(r"<li>[a-z0-9-]{29}</li>", done.text)) == 10
    assert browser.signed_in()
    assert stage.browser().get(path).status_code == 404
    again = members.invite(stage.accounts, None, login="muon", name="Muộn", posts=[])
    stage.turn(72 * 3600 + 1)
    assert stage.browser().get(f"/invitation/{again}").status_code == 404


def test_a_lost_factor_takes_two_people_and_neither_is_she(either: DeskStage) -> None:
    member = lan(either)
    hers = either.browser()
    hers.sign_in(member)
    mai, hoa = either.signed_in("mai", ("admin", "*")), either.signed_in("hoa", ("admin", "*"))
    path = f"/staff/{member.uuid}/reset"
    assert hers.post(path).status_code == 404
    assert mai.post(f"{path}/approve").status_code == 409
    assert mai.post(path).status_code == 303
    assert mai.post(f"{path}/approve").status_code == 409
    assert hers.signed_in()
    answer = hoa.post(f"{path}/approve")
    assert answer.status_code == 200
    assert "/invitation/" in answer.text
    assert not hers.signed_in()
    assert first_step(either.browser(), member.login) == 403
    assert hoa.post(f"{path}/approve").status_code == 409
    assert either.actions()[-2:] == ["reset.approved", "sign-in.refused"]


def test_an_office_admin_gives_only_what_is_hers_and_cannot_touch_a_national_admin(stage: DeskStage) -> None:
    national = stage.add("mai", ("admin", "*"), ("counsellor", OFFICE))
    local = stage.signed_in("hoa", ("admin", OFFICE))
    assert local.post(f"/staff/{national.uuid}/reset").status_code == 404
    assert local.post(f"/staff/{national.uuid}/disable").status_code == 404
    member = lan(stage)
    path = f"/staff/{member.uuid}/posts"
    assert local.post(path, {"post": ["lead@osso-hanoi"]}).status_code == 303
    for beyond in ("admin@*", "lead@osso-cantho", "lead@nowhere", "queen@osso-hanoi", "lead"):
        assert local.post(path, {"post": [beyond]}).status_code == 409, beyond
    with stage.database.read() as connection:
        assert queries.posts(connection, [member.id])[member.id] == {("lead", OFFICE)}


def test_posts_at_other_offices_survive_an_office_admin(stage: DeskStage) -> None:
    member = stage.add("lan", ("counsellor", OFFICE), ("lead", "osso-cantho"))
    stage.signed_in("hoa", ("admin", OFFICE)).post(f"/staff/{member.uuid}/posts", {"post": []})
    with stage.database.read() as connection:
        assert queries.posts(connection, [member.id])[member.id] == {("lead", "osso-cantho")}


def test_nobody_disables_herself_and_the_last_admin_stays(stage: DeskStage) -> None:
    mai = stage.add("mai", ("admin", "*"))
    browser = stage.browser()
    browser.sign_in(mai)
    assert browser.post(f"/staff/{mai.uuid}/disable").status_code == 409
    assert browser.post(f"/staff/{mai.uuid}/posts", {"post": []}).status_code == 409
    with pytest.raises(Refused):
        members.disable(stage.accounts, None, mai.uuid)


def test_a_script_in_a_name_is_shown_as_text(stage: DeskStage) -> None:
    stage.add("xss", ("admin", "*"), name=SCRIPT)
    browser = stage.signed_in("mai", ("admin", "*"), name=f"{{{{7*7}}}}{SCRIPT}")
    for path in ("/account", "/staff", "/audit"):
        text = browser.get(path).text
        assert "&lt;script&gt;" in text
        assert SCRIPT not in text
        assert "49" not in re.sub(r"[0-9a-f]{8,}|\d\d:\d\d \S+", "", text.split("<main")[0])


# --- the demo -------------------------------------------------------------------------------------------------------


def test_the_demo_signs_in_and_is_the_same_at_every_start(stage: DeskStage) -> None:
    login, password, secret = demo.account(stage.accounts)
    assert demo.account(stage.accounts) == (login, password, secret)
    assert weakness(password) == ""
    browser = stage.browser()
    browser.sign_in(Member(0, "", login, secret, password))
    assert demo.account(stage.accounts) == (login, password, secret)
    assert browser.signed_in()
    assert codes.code_at(secret, stage.now) in demo.words(stage.accounts, login, password, secret)


def test_there_is_no_demo_in_production(stage: DeskStage, tmp_path: Path) -> None:
    key = "q7Zk2-Vd9xLw0PfTs3Rb8YhNc5JmGa1EuQi6o4Bt"
    given = {"OSSO_ENV": "production", "OSSO_BASE_URL": "https://desk.example", "OSSO_SECRET_KEYS": key}
    with desk_on(stage.database, tmp_path, **given) as strict, pytest.raises(Refused):
        demo.account(strict.accounts)
