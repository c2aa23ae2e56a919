"""The doors of the public front: every bad body gets its right status, nothing wrong is kept, nothing secret leaks."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot import log
from bot.app import MOST_BYTES, create_app
from bot.messages import Answer, Call
from bot.metrics import Meter
from bot.pulse import ALARM_MS, Pulse
from bot.settings import load
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.wiring import Parts
from tests.conftest import SECRET
from tests.stage import OA, PAGE, START, Alarmed, Stage

GONE = "postgresql+psycopg://nobody:hunter2-canary@127.0.0.1:9/none"


class Front:
    """The public app on a real database, with its waker and its operator listening."""

    def __init__(self, database: Database, **settings: str) -> None:
        self.stage = Stage(database)
        self.woken: list[int] = []
        self.told: list[Any] = []
        alarm = "http://operator.example/alarm"
        self.pulse = Pulse(database, cast(Any, self), alarm, lambda: self.stage.now)
        channels = self.stage.rim.channels
        mind = SimpleNamespace(book=SimpleNamespace(screen=Alarmed()))
        self.library = SimpleNamespace(matcher=mind, knowledge=SimpleNamespace(articles={"a": 1}), faults=())
        parts = SimpleNamespace(
            settings=load({"OSSO_SECRET_KEYS": SECRET, "OSSO_SIMULATOR": "off"} | settings),
            database=database,
            library=self.library,
            messenger=channels["messenger"],
            zalo=channels["zalo"],
            meter=Meter(),
            pulse=self.pulse,
            rim=self.stage.rim,
        )
        self.app = create_app(cast(Parts, parts), lambda conversation_id, _rank: self.woken.append(conversation_id))
        self.client: FlaskClient = self.app.test_client()

    def exchange(self, call: Call) -> Answer:
        self.told.append(call.json)
        return Answer(200, {}, b"")

    def messenger(self, body: bytes, **headers: str) -> TestResponse:
        given = {"X-Hub-Signature-256": signed(body)} | headers
        return self.client.post("/webhooks/messenger", data=body, headers=given)

    def zalo(self, body: bytes, moment: str, **headers: str) -> TestResponse:
        given = {"X-ZEvent-Signature": mac(body, moment)} | headers
        return self.client.post("/webhooks/zalo", data=body, headers=given)

    @property
    def kept(self) -> int:
        return int(self.stage.rows("SELECT count(*) FROM inbox")[0][0])


@pytest.fixture
def front(database: Database) -> Front:
    return Front(database)


@pytest.fixture
def gone() -> Iterator[Front]:
    database = Database(GONE, Keyring([SECRET]))
    yield Front(database)
    database.close()


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    log.setup("DEBUG")
    yield capsys
    root.handlers[:], root.level = before[0], before[1]
    structlog.reset_defaults()


def signed(body: bytes, secret: str = PAGE.app_secret) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def mac(body: bytes, moment: str, secret: str = OA.oa_secrets[0]) -> str:
    return "mac=" + hashlib.sha256(OA.app_id.encode() + body + moment.encode() + secret.encode()).hexdigest()


def said(words: object, mid: object = None, person: object = "7001", page: str = PAGE.page_id) -> dict[str, Any]:
    message = {"mid": mid or uuid.uuid4().hex, "text": words}
    return {"sender": {"id": person}, "recipient": {"id": page}, "timestamp": START, "message": message}


def batch(*events: object, page: str = PAGE.page_id) -> bytes:
    return json.dumps({"object": "page", "entry": [{"id": page, "time": START, "messaging": list(events)}]}).encode()


def zalo_text(words: object, message_id: str = "z1", oa: str = OA.oa_id, app: str = OA.app_id) -> bytes:
    event = {
        "app_id": app,
        "event_name": "user_send_text",
        "timestamp": str(START),
        "sender": {"id": "6001"},
        "recipient": {"id": oa},
        "message": {"msg_id": message_id, "text": words},
    }
    return json.dumps(event).encode()


# --- what is accepted -----------------------------------------------------------------------------------------------


def test_a_signed_webhook_is_kept_answered_and_wakes_a_worker(front: Front) -> None:
    response = front.messenger(batch(said("chào")))
    assert (response.status_code, response.data) == (200, b"")
    assert front.kept == 1
    assert len(front.woken) == 1
    assert front.zalo(zalo_text("chào"), str(START)).status_code == 200
    assert front.kept == 2


def test_a_duplicate_is_answered_and_wakes_nobody(front: Front) -> None:
    body = batch(said("chào", "m1"))
    for _ in range(3):
        assert front.messenger(body).status_code == 200
    assert front.kept == 1
    assert len(front.woken) == 1


def test_danger_has_its_ticket_before_the_answer_leaves(front: Front) -> None:
    assert front.messenger(batch(said("cứu em"))).status_code == 200
    assert front.stage.rows("SELECT level, state FROM ticket") == [("RED", "waiting")]


def test_a_waker_that_fails_costs_nothing(database: Database) -> None:
    front = Front(database)

    def broken(_conversation: int, _rank: int) -> None:
        raise RuntimeError("no broker")

    front.woken = cast(Any, SimpleNamespace(append=lambda _one: broken(0, 0)))
    response = front.messenger(batch(said("chào", "m1")))
    assert front.kept == 1
    assert response.status_code == 200


# --- forged ---------------------------------------------------------------------------------------------------------


BODY = batch(said("chào", "m1"))
FORGED = {
    "no signature": {"X-Hub-Signature-256": ""},
    "another secret": {"X-Hub-Signature-256": signed(BODY, "another-secret-for-tests")},
    "the old hash": {"X-Hub-Signature-256": "", "X-Hub-Signature": "sha1=" + "0" * 40},
    "no prefix": {"X-Hub-Signature-256": signed(BODY).removeprefix("sha256=")},
    "one letter off": {"X-Hub-Signature-256": signed(BODY)[:-1] + ("0" if signed(BODY)[-1] != "0" else "1")},
    "too long": {"X-Hub-Signature-256": signed(BODY) + "00"},
    "not ASCII": {"X-Hub-Signature-256": "sha256=" + "é" * 64},
    "Zalo's": {"X-Hub-Signature-256": "", "X-ZEvent-Signature": mac(BODY, str(START))},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_forged_webhook_is_refused_and_nothing_of_it_kept(front: Front, headers: dict[str, str]) -> None:
    response = front.messenger(BODY, **headers)
    assert (response.status_code, response.data) == (403, b"")
    assert front.kept == 0
    assert front.woken == []


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b" ", lambda b: b.replace(b'": "', b'":"')])
def test_a_changed_body_is_refused(front: Front, change: Any) -> None:
    """Truncated, padded, written anew: the signature is over the bytes that were sent."""
    changed = change(BODY)
    assert changed != BODY
    assert front.messenger(changed, **{"X-Hub-Signature-256": signed(BODY)}).status_code == 403
    body = zalo_text("chào")
    changed = change(body)
    assert front.zalo(changed, str(START), **{"X-ZEvent-Signature": mac(body, str(START))}).status_code == 403
    assert front.kept == 0


def test_zalo_refuses_another_app_another_secret_and_another_time(front: Front) -> None:
    other = zalo_text("chào", app="666")
    assert front.zalo(other, str(START)).status_code == 403
    body = zalo_text("chào")
    assert front.zalo(body, str(START + 1)).status_code == 403
    assert front.zalo(body, "", **{"X-ZEvent-Signature": mac(body, str(START), "x" * 20)}).status_code == 403
    assert front.kept == 0


def test_forgeries_are_counted(front: Front) -> None:
    front.messenger(BODY, **{"X-Hub-Signature-256": ""})
    front.pulse.beat()
    assert front.stage.rows("SELECT forged FROM channel_health WHERE channel = 'messenger'") == [(1,)]


# --- bodies that are none -------------------------------------------------------------------------------------------


UNREADABLE = {
    "no JSON": b"hello",
    "empty": b"",
    "a list": b"[]",
    "a number": b"7",
    "not UTF-8": b'{"object": "page", "entry": [], "x": "\xff\xfe"}',
    "too deep": b'{"object": "page", "entry": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "cut": b'{"object": "page", "entry": [{"id": "111", "messaging": [{"sen',
    "no entry": b'{"object": "page"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_signed_body_that_is_no_webhook_is_a_bad_request(front: Front, body: bytes) -> None:
    assert front.messenger(body).status_code == 400
    assert front.kept == 0


def test_zalo_cannot_sign_what_is_no_json(front: Front) -> None:
    for body in UNREADABLE.values():
        assert front.zalo(body, "").status_code in (400, 403)
    assert front.kept == 0


def test_an_oversized_body_is_refused_before_it_is_read(front: Front) -> None:
    body = batch(said("x" * MOST_BYTES))
    response = front.messenger(body)
    assert response.status_code == 413
    assert front.kept == 0
    assert front.zalo(zalo_text("x" * MOST_BYTES), str(START)).status_code == 413


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_and_places_are_refused_plainly(front: Front, method: str) -> None:
    assert getattr(front.client, method)("/webhooks/messenger").status_code == 405
    for path in ("/", "/webhooks", "/webhooks/webchat", "/webhooks/messenger/", "/static/x", "/chat", "/rasa/webhook"):
        response = getattr(front.client, method)(path)
        assert response.status_code in (404, 405)
        assert b"<" not in response.data


# --- odd events in sound batches ------------------------------------------------------------------------------------


ODD_WORDS = {
    "NFD": "ca\u0302\u0301p cu\u031b\u0301u",
    "lone surrogate": "a\ud83d",
    "two lone surrogates": "\udc94\ud83d",
    "zero width": "c\u200bh\u200cà\u200do\ufeff",
    "NUL": "a\x00b",
    "controls": "\x01\x1b[31m\x7f",
    "right to left": "\u202eoàhc",
    "100 kB": "đ" * 50_000,
    "empty": "",
    "spaces": " \n\t\u3000",
    "emoji": "👩‍👧‍👦" * 50,
}


@pytest.mark.parametrize("words", ODD_WORDS.values(), ids=ODD_WORDS)
def test_odd_words_are_kept_and_the_next_event_too(front: Front, words: str) -> None:
    assert front.messenger(batch(said(words, "m1"), said("sau", "m2", person="7002"))).status_code == 200
    assert front.kept == 2
    assert front.zalo(zalo_text(words), str(START)).status_code == 200
    assert front.kept == 3
    for conversation_id in front.woken:
        front.stage.worker.drain(conversation_id)
    assert front.stage.rows("SELECT count(*) FROM inbox WHERE done_at IS NULL") == [(0,)]


ODD_EVENTS: dict[str, object] = {
    "null": None,
    "text": "x",
    "number": 7,
    "list": [[]],
    "empty": {},
    "no sender": {"recipient": {"id": "111"}, "message": {"mid": "m", "text": "x"}},
    "sender a list": {"sender": [], "recipient": {"id": "111"}, "message": {"mid": "m", "text": "x"}},
    "id a boolean": {"sender": {"id": True}, "recipient": {"id": "111"}, "message": {"mid": "m", "text": "x"}},
    "text a number": said(7),
    "text an object": said({"a": 1}),
    "message a list": {"sender": {"id": "7001"}, "recipient": {"id": "111"}, "message": []},
    "unknown kind": {"sender": {"id": "7001"}, "recipient": {"id": "111"}, "hologram": {"x": 1}},
    "huge id": said("x", person="9" * 5000),
    "huge number": {"sender": {"id": 10**40}, "recipient": {"id": "111"}, "message": {"mid": "m", "text": "x"}},
    "attachments a text": {"sender": {"id": "7"}, "recipient": {"id": "111"}, "message": {"attachments": "x"}},
    "the Page itself": said("x", person="111"),
    "another Page": said("x", page="999"),
}


@pytest.mark.parametrize("event", ODD_EVENTS.values(), ids=ODD_EVENTS)
def test_an_odd_event_costs_only_itself(front: Front, event: object) -> None:
    assert front.messenger(batch(said("trước", "m1"), event, said("sau", "m2"))).status_code == 200
    assert front.kept == 2


def test_an_odd_time_is_no_reason_to_lose_a_message(front: Front) -> None:
    for number, moment in enumerate((None, "soon", -1, 10**30, 1e400, True)):
        event = said("chào", f"m{number}") | {"timestamp": moment}
        assert front.messenger(batch(event)).status_code == 200
    assert front.kept == 6


def test_events_of_other_accounts_are_nobodys(front: Front) -> None:
    assert front.messenger(batch(said("x", page="999"), page="999")).status_code == 200
    assert front.zalo(zalo_text("x", oa="999"), str(START)).status_code == 200
    assert front.kept == 0


@pytest.mark.parametrize("name", ["user_send_hologram", "", "oa_send_text", 7])
def test_an_unknown_event_of_zalo_is_answered(front: Front, name: object) -> None:
    event = json.loads(zalo_text("x")) | {"event_name": name}
    assert front.zalo(json.dumps(event).encode(), str(START)).status_code == (400 if name == 7 else 200)


# --- the database is gone -------------------------------------------------------------------------------------------


def test_without_a_database_nothing_is_acknowledged_and_the_operator_hears_of_it(gone: Front) -> None:
    response = gone.messenger(batch(said("chào")))
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert gone.woken == []
    gone.stage.now += ALARM_MS
    with pytest.raises(Exception, match="OperationalError"):
        gone.pulse.beat()
    assert gone.told == [{"alarm": "webhooks-failing", "subject": "messenger 111"}]


def test_readiness_says_what_is_missing_and_no_more(gone: Front) -> None:
    assert gone.client.get("/healthz").status_code == 200
    response = gone.client.get("/readyz")
    assert response.status_code == 503
    told = response.get_json()
    assert (told["database"], told["keys"], told["ready"]) == ("Unreachable", "Unreachable", False)
    assert told["knowledge"] is True
    for secret in ("hunter2", "127.0.0.1:9", SECRET):
        assert secret not in response.text


# --- health and metrics ---------------------------------------------------------------------------------------------


def test_a_sound_server_is_ready(front: Front) -> None:
    response = front.client.get("/readyz")
    assert (response.status_code, response.get_json()["ready"]) == (200, True)
    assert front.client.get("/healthz").data == b"ok\n"


def test_metrics_are_for_loopback_or_for_who_has_the_token(database: Database) -> None:
    open_to_loopback = Front(database).client
    assert open_to_loopback.get("/metrics").status_code == 200
    away = {"REMOTE_ADDR": "203.0.113.7"}
    assert open_to_loopback.get("/metrics", environ_base=away).status_code == 403
    forwarded = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}
    assert open_to_loopback.get("/metrics", environ_base=away, headers=forwarded).status_code == 403
    guarded = Front(database, OSSO_METRICS_TOKEN="a-token-for-metrics-77").client
    assert guarded.get("/metrics").status_code == 403
    assert guarded.get("/metrics", headers={"Authorization": "Bearer a-token-for-metrics-78"}).status_code == 403
    assert guarded.get("/metrics", headers={"Authorization": "Bearer é"}).status_code == 403
    told = guarded.get("/metrics", headers={"Authorization": "Bearer a-token-for-metrics-77"})
    assert told.status_code == 200


def test_metrics_count_what_came_and_what_was_refused(front: Front) -> None:
    front.messenger(batch(said("chào", "m1")))
    front.messenger(batch(said("chào", "m1")))
    front.messenger(b"hello")
    front.messenger(BODY, **{"X-Hub-Signature-256": ""})
    told = front.client.get("/metrics").text
    for line in (
        'osso_accepted_total{channel="messenger",kind="message"} 1.0',
        'osso_accepted_total{channel="messenger",kind="duplicate"} 1.0',
        'osso_webhooks_refused_total{channel="messenger",reason="unreadable"} 1.0',
        'osso_webhooks_refused_total{channel="messenger",reason="forged"} 1.0',
    ):
        assert line in told


def test_only_who_knows_the_word_may_verify_the_webhook(front: Front) -> None:
    def ask(**query: str) -> TestResponse:
        asked = {f"hub.{name}": value for name, value in query.items()}
        return front.client.get("/webhooks/messenger", query_string=asked)

    right = ask(mode="subscribe", verify_token=PAGE.verify_token, challenge="1158201444")
    assert (right.status_code, right.text, right.mimetype) == (200, "1158201444", "text/plain")
    assert ask(mode="subscribe", verify_token="wrong", challenge="1").status_code == 403
    assert ask(mode="subscribe", verify_token=PAGE.verify_token, challenge="<script>").status_code == 403
    assert ask().status_code == 403


def test_the_door_of_zalo_proves_the_domain(database: Database) -> None:
    front = Front(database, OSSO_ZALO_SITE_VERIFIER="Abc-123")
    assert front.client.get("/webhooks/zalo").status_code == 200
    assert b"Abc-123" in front.client.get("/zalo_verifierAbc-123.html").data
    assert front.client.get("/zalo_verifierother.html").status_code == 404


# --- nothing leaks --------------------------------------------------------------------------------------------------


def test_no_signature_secret_word_or_id_is_in_an_answer_or_a_log(
    database: Database, logged: pytest.CaptureFixture[str]
) -> None:
    front = Front(database)
    words, person, mid = "Nguyễn Thị Canary cứu em 0987654321", "psid-canary-7701", "mid-canary-8801"
    body = batch(said(words, mid, person))
    responses = [
        front.messenger(body),
        front.messenger(body),
        front.messenger(body, **{"X-Hub-Signature-256": "sha256=" + "ab" * 32}),
        front.messenger(body[:-2]),
        front.messenger(b"hello canary-body"),
        front.zalo(zalo_text(words, "zid-canary-1"), str(START)),
        front.zalo(zalo_text(words), "", **{"X-ZEvent-Signature": "mac=" + "cd" * 32}),
        front.client.get("/metrics"),
        front.client.get("/readyz"),
        front.client.get("/webhooks/messenger", query_string={"hub.verify_token": "token-canary"}),
        front.client.get("/nowhere-canary"),
    ]
    for conversation_id in front.woken:
        front.stage.worker.drain(conversation_id)
    front.stage.write("boom canary", person=person)
    gone = Database(GONE, Keyring([SECRET]))
    responses.append(Front(gone).messenger(body))
    gone.close()
    captured = logged.readouterr()
    assert "accepted" in captured.out
    assert "not accepted" in captured.out
    told = captured.out + captured.err + "".join(f"{one.headers}{one.text}" for one in responses)
    secrets = [
        *(words, person, mid, "canary", "0987654321", "6001", "hunter2", SECRET),
        *(PAGE.app_secret, PAGE.page_token, PAGE.verify_token, OA.app_secret, OA.oa_secrets[0], OA.refresh_token),
        *(signed(body).removeprefix("sha256="), mac(zalo_text(words), str(START)).removeprefix("mac=")),
    ]
    assert [secret for secret in secrets if secret in told] == []


def test_a_fault_of_ours_is_told_without_its_text(database: Database, logged: pytest.CaptureFixture[str]) -> None:
    front = Front(database)

    class Broken:
        def read(self, words: str) -> None:
            raise ValueError(f"canary {words}")

    front.library.matcher.book.screen = Broken()
    response = front.messenger(batch(said("chào em")))
    assert (response.status_code, response.data) == (500, b"500 Internal Server Error\n")
    captured = logged.readouterr()
    assert "request failed" in captured.out
    assert "canary" not in captured.out + captured.err
    assert front.kept == 0


def test_every_answer_carries_the_guarding_headers(front: Front) -> None:
    for response in (front.client.get("/healthz"), front.client.get("/nowhere"), front.messenger(b"x")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "Server" not in response.headers
