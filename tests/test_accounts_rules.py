"""The gate of the desk: every route × role × office, forms of strangers, headers, and no view without a rule."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import g
from sqlalchemy import column, select
from werkzeug.routing import Rule as UrlRule

from bot.store.crypto import Keyring
from bot.store.database import Database
from handoff.accounts import ROLES, Role, break_glass, guard, queries, scoped
from handoff.headers import CSP, HEADERS
from tests.conftest import SECRET
from tests.desk_routes import ANYBODY, ELSEWHERE, EXAMPLES, LAST, MEMBERS, ROUTES, Route
from tests.desk_stage import START, Browser, DeskStage, desk_on, settings_for

HERE, THERE, EVERYWHERE = "osso-hanoi", "osso-cantho", "*"
TOKEN_META = re.compile(r'name="form-token" content="([0-9a-f]{64})"')


@pytest.fixture(scope="module")
def stage(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskStage]:
    """One for all tests here: each brings its own people."""
    folder = tmp_path_factory.mktemp("desk")
    path = folder / "osso.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    with desk_on(database, folder) as stage:
        yield stage
    database.close()


@pytest.fixture
def name() -> str:
    """A sign-in name of this test alone."""
    return f"caller-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Call:
    endpoint: str
    method: str
    path: str


def calls(stage: DeskStage, references: dict[str, str]) -> list[Call]:
    """Every route of the matrix and method with an example address."""
    found = []
    for rule in stage.app.url_map.iter_rules():
        if rule.endpoint not in ROUTES:  # told by the first test
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append(Call(rule.endpoint, method, _address(rule, references)))
    return sorted(found, key=lambda call: (call.endpoint in LAST, call.endpoint, call.method))


def _address(rule: UrlRule, references: dict[str, str]) -> str:
    path = rule.rule
    for name in rule.arguments:
        value = EXAMPLES.get(name) or references.get(rule.endpoint.split(".")[0], "no-such")
        path = re.sub(rf"<(?:\w+:)?{name}>", value, path)
    return path


def example(stage: DeskStage) -> dict[str, str]:
    """A member and a broken glass at Hà Nội."""
    target = stage.add(f"target-{uuid.uuid4().hex[:8]}", ("counsellor", HERE))
    with stage.app.test_request_context(), stage.database.write() as connection:
        row = queries.member(connection, id=target.id)
        assert row
        staff = queries.as_staff(connection, row)
        break_glass.break_glass(
            connection, staff, "ticket:x", reason="danger", note="cần xem ngay bây giờ", office=HERE
        )
        glass = queries.glass_rows(connection, unseen=True)[0]["uuid"]
    return {"admin": target.uuid, "glass": glass}


def let_in(route: Route, role: Role, office: str) -> bool:
    if route.who in (ANYBODY, MEMBERS):
        return route.scope != "own"  # the example is nobody's own session
    if role not in route.who:
        return False
    return {"": True, "target": office in (HERE, EVERYWHERE), "national": office == EVERYWHERE}[route.scope]


def test_every_route_is_in_the_matrix_and_the_matrix_names_no_other(stage: DeskStage) -> None:
    rules = stage.app.url_map.iter_rules()
    endpoints = {rule.endpoint for rule in rules if rule.endpoint.split(".")[0] not in ELSEWHERE}
    assert len(endpoints) > 20
    assert endpoints == set(ROUTES)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("office", [HERE, THERE, EVERYWHERE])
def test_a_route_opens_to_its_roles_at_their_offices_and_to_nobody_else(
    stage: DeskStage, name: str, role: Role, office: str
) -> None:
    references = example(stage)
    browser = stage.signed_in(name, (role, office))
    seen = set()
    for call in calls(stage, references):
        seen.add(call.endpoint)
        route = ROUTES[call.endpoint]
        answer = browser.get(call.path) if call.method == "GET" else browser.post(call.path)
        context = f"{call.method} {call.path} as {role}@{office}: {answer.status_code}"
        assert answer.status_code < 500, context
        if route.who == ANYBODY:
            continue
        missing = answer.status_code == 404
        assert missing is not let_in(route, role, office), context
    assert seen == set(ROUTES)


def test_a_stranger_is_sent_to_sign_in_from_every_route_that_is_not_public(stage: DeskStage) -> None:
    stranger = stage.browser()
    looked = 0
    for call in calls(stage, example(stage)):
        if ROUTES[call.endpoint].who == ANYBODY:
            continue
        looked += 1
        answer = stranger.get(call.path) if call.method == "GET" else stranger.post(call.path)
        if call.method == "GET":
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/sign-in?next=")
        else:
            assert answer.status_code == 401
    assert looked > 15


def test_what_one_may_not_see_looks_like_what_does_not_exist(stage: DeskStage, name: str) -> None:
    references = example(stage)
    browser = stage.signed_in(name, ("admin", THERE))
    hidden = browser.get(f"/staff/{references['admin']}")
    absent = browser.get("/staff/00000000-0000-4000-8000-000000000000")
    nowhere = browser.get("/no/such/page")
    assert hidden.status_code == absent.status_code == nowhere.status_code == 404
    bodies = {
        re.sub(r'value="[^"]*"', "", answer.text) for answer in (hidden, absent, nowhere)
    }  # but for the way back of the look form
    assert len(bodies) == 1


def test_a_view_without_a_rule_keeps_the_app_from_starting(stage: DeskStage) -> None:
    own = DeskStage(stage.database, stage.settings, stage.now)
    own.app.view_functions["naked"] = lambda: "hello"
    own.app.url_map.add(UrlRule("/naked", endpoint="naked"))
    with pytest.raises(RuntimeError, match="naked"):
        guard.check(own.app)
    assert own.browser().get("/naked").status_code == 404


# --- forms ----------------------------------------------------------------------------------------------------------


def test_every_unsafe_route_refuses_a_form_without_or_with_a_foreign_token(stage: DeskStage, name: str) -> None:
    browser = stage.signed_in(name, *((role, EVERYWHERE) for role in ROLES))
    other = stage.signed_in(f"{name}-2", ("counsellor", HERE))
    references = example(stage)
    unsafe = [call for call in calls(stage, references) if call.method != "GET"]
    assert len(unsafe) > 12
    before = stage.actions()
    for call in unsafe:
        for token in ("", "0" * 64, other.token()):
            assert browser.post(call.path, {"form_token": token}).status_code == 400, call
        assert browser.post(call.path, Sec_Fetch_Site="cross-site").status_code == 400, call
        assert browser.post(call.path, Sec_Fetch_Site="same-site").status_code == 400, call
    assert stage.actions() == before


def test_an_old_browser_is_judged_by_its_origin(stage: DeskStage) -> None:
    browser = stage.browser()
    form = {"form_token": browser.token(), "login": "x", "password": "y"}

    def status(**headers: str) -> int:
        return browser.client.post("/sign-in", data=form, base_url="http://localhost", headers=headers).status_code

    assert status() == 403  # let through the gate, and refused as a sign-in
    assert status(Origin="http://localhost") == 403
    assert status(Origin="https://evil.example") == 400


def test_the_token_also_travels_in_a_header(stage: DeskStage, name: str) -> None:
    browser = stage.signed_in(name, ("counsellor", HERE))
    found = TOKEN_META.search(browser.get("/account").text)
    assert found
    answer = browser.post("/look", {"form_token": "", "size": "large"}, X_Form_Token=found[1])
    assert answer.status_code == 302
    assert 'data-size="large"' in browser.get("/account").text


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", "evil", "", "\\\\x"],
)
def test_signing_in_leads_to_no_other_site(stage: DeskStage, name: str, target: str) -> None:
    browser = stage.browser()
    member = stage.add(name, ("counsellor", HERE))
    browser.post("/sign-in", {"login": member.login, "password": member.password, "next": target})
    answer = browser.post("/sign-in/code", {"code": stage.code(member), "next": target})
    assert answer.headers["Location"] == "/"


def test_signing_in_leads_back_to_the_page_asked_for(stage: DeskStage, name: str) -> None:
    browser = stage.browser()
    member = stage.add(name, ("counsellor", HERE))
    assert browser.get("/account?x=1").headers["Location"] == "/sign-in?next=/account?x%3D1"
    browser.post("/sign-in", {"login": member.login, "password": member.password, "next": "/account?x=1"})
    answer = browser.post("/sign-in/code", {"code": stage.code(member), "next": "/account?x=1"})
    assert answer.headers["Location"] == "/account?x=1"


# --- headers --------------------------------------------------------------------------------------------------------


def test_every_page_carries_the_headers_and_no_inline_script_or_style(stage: DeskStage, name: str) -> None:
    references = example(stage)
    browsers: list[Browser] = [stage.browser(), stage.signed_in(name, *((role, EVERYWHERE) for role in ROLES))]
    pages = 0
    for browser in browsers:
        for call in calls(stage, references):
            if call.method != "GET":
                continue
            answer = browser.get(call.path)
            for header, value in HEADERS.items():
                assert answer.headers[header] == value, call
            if call.endpoint != "static":
                assert answer.headers["Cache-Control"] == "no-store", call
                assert "Strict-Transport-Security" not in answer.headers
            if answer.mimetype == "text/html":
                pages += 1
                assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:", answer.text), call
    assert pages > 10
    assert "unsafe" not in CSP


def test_a_versioned_file_may_be_kept_and_an_unversioned_one_not(stage: DeskStage) -> None:
    browser = stage.browser()
    assert "immutable" in browser.get("/static/desk.css?v=x").headers["Cache-Control"]
    assert browser.get("/static/desk.css").headers["Cache-Control"] == "no-store"
    assert browser.get("/static/../app.py").status_code == 404


def test_in_production_cookies_are_secure_and_only_https_is_spoken(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "osso.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    settings = settings_for(
        database.url,
        tmp_path,
        OSSO_ENV="production",
        OSSO_BASE_URL="https://desk.example",
        OSSO_SECRET_KEYS="q7Zk2-Vd9xLw0PfTs3Rb8YhNc5JmGa1EuQi6o4Bt",
    )
    stage = DeskStage(database, settings, START)
    browser = stage.browser()
    browser.base = "https://desk.example"
    answer = browser.get("/sign-in")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-osso=")
    assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"))
    browser.base = "https://evil.example"
    assert browser.get("/sign-in").status_code == 400
    database.close()


def test_a_link_from_another_site_is_asked_again_from_our_own_page(stage: DeskStage, name: str) -> None:
    browser = stage.signed_in(name, ("counsellor", HERE))
    browser.client.delete_cookie("osso")  # what SameSite=Strict does
    answer = browser.get("/account", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/account">' in answer.text
    assert name not in answer.text


# --- scope ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("posts", "also", "seen"),
    [
        ([("counsellor", HERE)], (), {"IN ('osso-hanoi')"}),
        ([("counsellor", HERE), ("analyst", THERE)], (), {"IN ('osso-hanoi')"}),
        ([("counsellor", HERE)], ("",), {"IN ('', 'osso-hanoi')"}),
        ([("lead", EVERYWHERE)], (), set()),
        ([("analyst", THERE)], (), {"IN (NULL)"}),
    ],
)
def test_a_query_is_narrowed_to_the_offices_of_the_role_that_asks(
    stage: DeskStage, name: str, posts: list[tuple[Role, str]], also: tuple[str, ...], seen: set[str]
) -> None:
    member = stage.add(name, *posts)
    with stage.app.test_request_context("/break-glass"), stage.database.read() as connection:
        row = queries.member(connection, id=member.id)
        assert row
        g.staff = queries.as_staff(connection, row)
        query = scoped(select(column("office")), column("office"), roles=("counsellor", "lead"), also=also)
    text = str(query.compile(compile_kwargs={"literal_binds": True}))
    assert ("WHERE" in text) is bool(seen)
    assert all(part in text for part in seen), text
