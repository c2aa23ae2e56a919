"""Messenger against its fixtures: webhooks to the events we promise, errors to what we do, replies to JSON."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from bot.channels.messenger import VERDICTS, Messenger, MessengerAccount
from bot.errors import Forged
from bot.messages import Address, Answer, Call, Choice, Echo, Ignored, Message, Outcome, Reply, Speech, Verdict
from tests.channel_tables import FIXTURES, answer, load, told

PAGE, PERSON, APP = "682498171943165", "1254459154682919", "1517776481860111"
ACCOUNT = MessengerAccount(PAGE, APP, "fb_app_secret", "PAGE_TOKEN", "mytoken")
SECOND = MessengerAccount("1235", "99", "second_secret", "SECOND_TOKEN", "second")
MESSENGER = Messenger((ACCOUNT, SECOND), "https://graph.facebook.com/v25.0")
OURS = frozenset({PAGE})
ADDRESS = Address("messenger", PAGE, PERSON)
EXPECTED = load("messenger/expected.json")
VECTORS = load("messenger/signature/vectors.json")
WEBHOOKS = sorted((FIXTURES / "messenger/webhooks").glob("*.json"))
ERRORS = sorted((FIXTURES / "messenger/errors").glob("*.json"))

CLASSES: dict[str, Verdict] = {
    "attachment_id_stale": "refused",
    "auth": "stop",
    "bad_request": "refused",
    "config": "stop",
    "human_agent_not_approved": "window",
    "media_retry_once": "retry",
    "page_restricted": "stop",
    "permission": "stop",
    "private_reply_done": "refused",
    "private_reply_impossible": "refused",
    "profile_unavailable": "refused",
    "rate_limited": "retry",
    "recipient_invalid": "gone",
    "recipient_or_object_invalid": "gone",
    "recipient_unavailable": "gone",
    "retired_tag": "refused",
    "routing_not_configured": "refused",
    "stop_and_alert": "stop",
    "thread_busy_retry_later": "wait",
    "thread_not_owned": "wait",
    "transient": "retry",
    "window_closed": "window",
}
# Labels that nobody accepted terms for are no reason to stop a channel that sends no labels.
EXCEPTIONS: dict[str, Verdict] = {"2_2018344_not_transient": "refused"}


def say(reply: Reply, **more: Any) -> Call:
    return MESSENGER.render(Speech("row-1", ADDRESS, reply, **more), "PAGE_TOKEN")


def body(call: Call | None, *, metadata: bool = False) -> dict[str, Any]:
    """The JSON of a call, without our own mark unless asked for."""
    assert call is not None
    found: dict[str, Any] = json.loads(json.dumps(call.json))
    if not metadata and "message" in found:
        found["message"].pop("metadata", None)
    return found


def request(name: str) -> Any:
    return load(f"messenger/requests/{name}.json")


def message(**fields: Any) -> bytes:
    event = {"sender": {"id": PERSON}, "recipient": {"id": PAGE}, "timestamp": 1782900000000, "message": fields}
    return json.dumps({"object": "page", "entry": [{"id": PAGE, "time": 1, "messaging": [event]}]}).encode()


def heard(raw: bytes) -> Message:
    (event,) = MESSENGER.parse(raw, OURS)
    assert isinstance(event, Message)
    return event


# --- webhooks -------------------------------------------------------------------------------------------------------


def test_the_table_covers_every_webhook() -> None:
    assert len(WEBHOOKS) > 90
    assert {path.stem for path in WEBHOOKS} - {"verify_request"} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_webhook(name: str) -> None:
    raw = (FIXTURES / f"messenger/webhooks/{name}.json").read_bytes()
    assert [told(event) for event in MESSENGER.parse(raw, OURS)] == EXPECTED[name]


def test_keys_tell_events_apart_and_repeat_with_the_delivery() -> None:
    keys: dict[str, str] = {}
    again = {"batch_duplicate_mid", "standby_read", "read"}  # the same event twice, or on both lists
    for path in WEBHOOKS:
        if path.stem in again or path.stem.startswith(("verify", "postback", "standby_postback")):
            continue
        for event in MESSENGER.parse(path.read_bytes(), OURS):
            if not isinstance(event, Ignored):
                assert event.key not in keys, (path.stem, keys.get(event.key))
                keys[event.key] = path.stem
    assert len(keys) > 50
    first, second = MESSENGER.parse((FIXTURES / "messenger/webhooks/batch_duplicate_mid.json").read_bytes(), OURS)
    assert first == second


def test_one_event_on_standby_and_on_messaging_has_one_key() -> None:
    raw = message(mid="m_1", text="a")
    owned, standby = heard(raw), heard(raw.replace(b'"messaging"', b'"standby"'))
    assert owned.key == standby.key
    assert (owned.standby, standby.standby) == (False, True)


def test_events_of_accounts_that_the_signature_does_not_vouch_for_are_ignored() -> None:
    raw = message(mid="m_1", text="a")
    assert MESSENGER.parse(raw, frozenset()) == (Ignored("other account"),)
    assert MESSENGER.parse(raw, frozenset({"1235"})) == (Ignored("other account"),)
    inner = raw.replace(f'"recipient": {{"id": "{PAGE}"}}'.encode(), b'"recipient": {"id": "1235"}')
    assert inner != raw
    assert MESSENGER.parse(inner, OURS) == (Ignored("other account"),)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"message": 5},
        {"message": {"mid": ["x"], "text": "a"}},
        {"message": {"mid": "m", "text": 7}},
        {"message": {"mid": "m", "attachments": "none"}},
        {"message": {"mid": "m", "attachments": [3]}},
        {"message": {"mid": True}},
        {"sender": "1254459154682919"},
        {"sender": {"id": -4}},
        {"sender": None},
        {"recipient": None},
        {"message": {"mid": "m" * 5000}},
    ],
    ids=str,
)
def test_a_malformed_event_never_harms_the_next(spoilt: dict[str, Any]) -> None:
    good = {"sender": {"id": PERSON}, "recipient": {"id": PAGE}, "timestamp": 1, "message": {"mid": "m", "text": "ok"}}
    root = {"object": "page", "entry": [{"id": PAGE, "messaging": [good | spoilt, good]}, {"id": PAGE, "messaging": 4}]}
    first, second, third = MESSENGER.parse(json.dumps(root).encode(), OURS)
    assert (first, third) == (Ignored("malformed"), Ignored("malformed"))
    assert isinstance(second, Message)
    assert second.text == "ok"


def test_numbers_too_long_for_python_cost_only_their_event() -> None:
    raw = message(mid="m_1", text="a").replace(b"1782900000000", b"9" * 6000)
    assert heard(raw).at == 1000  # the time of the entry, in seconds


def test_lone_surrogates_and_nul_are_replaced_and_nothing_else() -> None:
    nfd = "e\u0302\u0323 \u200b🙏"
    assert heard(message(mid="m_1", text=f"a\ud83d\x00{nfd}")).text == f"a\ufffd\ufffd{nfd}"


def test_a_text_of_100_kb_is_kept_whole() -> None:
    assert len(heard(message(mid="m_1", text="ạ" * 100_000)).text) == 100_000


def test_web_addresses_that_are_none_are_dropped() -> None:
    attachments = [{"type": "image", "payload": {"url": "javascript:alert(1)"}}]
    assert heard(message(mid="m_1", attachments=attachments)).attachments[0].url == ""


def test_a_message_without_id_is_still_heard() -> None:
    event = heard(message(text="cứu tôi"))
    assert (event.id, event.text) == ("", "cứu tôi")
    assert event.key != heard(message(text="tôi")).key


def test_own_echo_by_metadata_gives_the_row_back() -> None:
    raw = message(mid="m_1", text="a", is_echo=True, app_id=42, metadata="osso:row-1").decode()
    swapped = raw.replace(PERSON, "X").replace(f'"recipient": {{"id": "{PAGE}"}}', f'"recipient": {{"id": "{PERSON}"}}')
    (event,) = MESSENGER.parse(swapped.replace('"X"', f'"{PAGE}"').encode(), OURS)
    assert isinstance(event, Echo)
    assert (event.author, event.reference, event.address) == ("bot", "row-1", ADDRESS)


def test_what_the_page_itself_did_is_never_heard_as_hers() -> None:
    raw = message(mid="m_1", text="a").decode().replace(PERSON, PAGE)
    assert MESSENGER.parse(raw.encode(), OURS) == (Ignored("own event"),)
    echo = message(mid="m_1", text="a", is_echo=True)  # an echo that claims to come from her
    assert MESSENGER.parse(echo, OURS) == (Ignored("malformed"),)


def test_an_unsent_message_says_nothing() -> None:
    assert MESSENGER.parse(message(mid="m_1", is_deleted=True), OURS) == (Ignored("unsent message"),)


# --- signatures -----------------------------------------------------------------------------------------------------


def _signed(raw: bytes, secret: str = ACCOUNT.app_secret) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda vector: vector["note"][:30])
def test_signature_vectors(vector: dict[str, str]) -> None:
    channel = Messenger((dataclasses.replace(ACCOUNT, app_secret=vector["app_secret"]),), "https://graph.test")
    raw = base64.b64decode(vector["raw_body_base64"])
    assert channel.verify({"X-Hub-Signature-256": vector["x_hub_signature_256"]}, raw) == OURS
    with pytest.raises(Forged):
        channel.verify({"X-Hub-Signature-256": vector["x_hub_signature_256"]}, raw + b" ")


def test_the_same_json_in_other_bytes_is_refused() -> None:
    genuine, other = VECTORS["valid"][0], VECTORS["same_json_other_bytes"][0]
    dumped = base64.b64decode(other["raw_body_base64"])
    assert json.loads(dumped) == json.loads(base64.b64decode(genuine["raw_body_base64"]))
    with pytest.raises(Forged):
        MESSENGER.verify({"X-Hub-Signature-256": genuine["x_hub_signature_256"]}, dumped)


@pytest.mark.parametrize("header", VECTORS["invalid_headers"])
def test_invalid_headers(header: str) -> None:
    raw = base64.b64decode(VECTORS["valid"][0]["raw_body_base64"])
    with pytest.raises(Forged):
        MESSENGER.verify({"X-Hub-Signature-256": header}, raw)


def test_the_old_header_is_not_looked_at() -> None:
    old = "sha1=" + hmac.new(b"fb_app_secret", b"{}", hashlib.sha1).hexdigest()
    with pytest.raises(Forged):
        MESSENGER.verify({"X-Hub-Signature": old}, b"{}")


def test_a_signature_vouches_only_for_the_pages_of_its_app() -> None:
    assert MESSENGER.verify(_signed(b"{}"), b"{}") == OURS
    assert MESSENGER.verify(_signed(b"{}", "second_secret"), b"{}") == {"1235"}
    shared = Messenger((ACCOUNT, dataclasses.replace(SECOND, app_secret="fb_app_secret")), "https://graph.test")
    assert shared.verify(_signed(b"{}"), b"{}") == {PAGE, "1235"}


def test_an_account_without_secret_vouches_for_nothing() -> None:
    channel = Messenger((dataclasses.replace(ACCOUNT, app_secret="", verify_token=""),), "https://graph.test")
    with pytest.raises(Forged):
        channel.verify(_signed(b"{}", ""), b"{}")
    with pytest.raises(Forged):
        channel.challenge({"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"})


def test_challenge() -> None:
    asked = load("messenger/webhooks/verify_request.json")
    assert MESSENGER.challenge(asked["query"]) == asked["expect"]["body"]
    assert MESSENGER.challenge(asked["query"] | {"hub.verify_token": "second"}) == "1158201444"
    for spoilt in (
        {"hub.verify_token": "wrong"},
        {"hub.verify_token": "mÿtoken\ud800"},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": "<script>"},
        {"hub.challenge": "١٢"},
        {"hub.challenge": ""},
    ):
        with pytest.raises(Forged):
            MESSENGER.challenge(asked["query"] | spoilt)
    with pytest.raises(Forged):
        MESSENGER.challenge({})


# --- requests -------------------------------------------------------------------------------------------------------


def test_text() -> None:
    call = say(Reply("Hello, world!"))
    expected = request("send_text_response")
    expected["message"]["metadata"] = "osso:row-1"
    assert body(call, metadata=True) == expected
    assert call.url == f"https://graph.facebook.com/v25.0/{PAGE}/messages"
    assert call.headers["Authorization"] == "Bearer PAGE_TOKEN"
    assert call.params == {"appsecret_proof": VECTORS["appsecret_proof"]["appsecret_proof"]}
    assert "PAGE_TOKEN" not in call.url + str(call.params)


def test_quick_replies() -> None:
    reply = Reply("Pick a color:", (Choice("Red", "RED"), Choice("Green", "GREEN")))
    assert body(say(*MESSENGER.fit(reply))) == request("send_quick_replies")


def test_button_template() -> None:
    reply = Reply(
        "What do you want to do next?",
        (
            Choice("Visit Messenger", url="https://www.messenger.com"),
            Choice("Gặp nhân viên", "HUMAN"),
            Choice("Gọi", phone="0900000000"),
        ),
    )
    assert body(say(*MESSENGER.fit(reply))) == request("send_button_template")


def test_image() -> None:
    image, text = MESSENGER.fit(Reply("a", image="https://cdn.example.test/i.jpg"))
    assert body(say(image)) == request("send_image_url")
    assert text == Reply("a")


def test_contact_is_asked_with_her_own_number() -> None:
    (piece,) = MESSENGER.fit(Reply("Số của chị?", (Choice("Thôi", "menu"),), contact=True))
    assert body(say(piece))["message"]["quick_replies"] == [
        {"content_type": "text", "title": "Thôi", "payload": "menu"},
        {"content_type": "user_phone_number"},
    ]


def test_reply_to() -> None:
    expected = request("send_reply_to")
    assert body(say(Reply("Hello"), reply_to=expected["reply_to"]["mid"])) == expected


def test_only_a_person_may_use_the_human_tag() -> None:
    words = Reply("(typed by a person)")
    assert body(say(words, author="person", human_tag=True)) == request("send_text_human_agent")
    for more in ({"human_tag": True}, {"author": "person"}, {}):
        assert body(say(words, **more))["messaging_type"] == "RESPONSE"
        assert "tag" not in body(say(words, **more))


def test_signals() -> None:
    assert body(MESSENGER.signal(ADDRESS, "typing", "T")) == request("send_sender_action_typing_on")
    assert body(MESSENGER.signal(ADDRESS, "seen", "T")) == request("send_sender_action_mark_seen")


def test_a_long_title_is_shortened_and_told_in_full() -> None:
    reply = Reply(
        "Chị chọn nhé:", (Choice("Thủ tục đăng ký khai sinh cho con", "article:birth"), Choice("Khác", "menu"))
    )
    (piece,) = MESSENGER.fit(reply)
    assert piece.text == "Chị chọn nhé:\n\n1. Thủ tục đăng ký khai sinh cho con\n2. Khác"
    assert [choice.title for choice in piece.choices] == ["1. Thủ tục đăng ký…", "2. Khác"]


def test_links_too_many_for_buttons_are_written_out() -> None:
    links = tuple(Choice(f"Trang {number}", url=f"https://a.test/{number}") for number in range(4))
    (piece,) = MESSENGER.fit(Reply("Xem thêm", (*links, Choice("Menu", "menu"))))
    assert piece.choices == (Choice("Menu", "menu"),)
    assert all(f"{link.title}: {link.url}" in piece.text for link in links)


def test_a_long_text_above_link_buttons_is_cut_to_the_template() -> None:
    *before, last = MESSENGER.fit(Reply("Một câu vừa. " * 100, (Choice("Trang", url="https://a.test"),)))
    assert before
    assert not any(piece.choices for piece in before)
    assert body(say(last))["message"]["attachment"]["payload"]["text"] == last.text
    assert len(last.text) <= 640


# --- answers --------------------------------------------------------------------------------------------------------


def test_there_are_errors_to_sort() -> None:
    assert len(ERRORS) == 50
    assert {json.loads(path.read_text())["expected_class"] for path in ERRORS} == set(CLASSES)


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.stem)
def test_error(path: Path) -> None:
    expected = EXCEPTIONS.get(path.stem, CLASSES[json.loads(path.read_text())["expected_class"]])
    outcome = MESSENGER.outcome(answer(path))
    assert outcome.verdict == expected
    assert outcome.code
    assert outcome.message_id == ""


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        (
            "send_ok",
            Outcome("sent", "m_AG5Hz2Uq7tuwNEhXfYYKj8mJEM_QPpz5jdCK48PnKAjSdjfipqxqMvK8ma6AC8fplwlqLP_5cgXIbu7I3rBN0P"),
        ),
        ("sender_action_ok", Outcome("sent")),
        ("messenger_profile_set_ok", Outcome("sent")),
        ("subscribed_apps_post_ok", Outcome("sent")),
        ("subscribed_apps_get", Outcome("sent")),
        ("thread_control_ok", Outcome("sent")),
        ("send_200_without_id", Outcome("unknown", code="http/200")),
    ],
)
def test_answer(name: str, outcome: Outcome) -> None:
    assert MESSENGER.outcome(answer(FIXTURES / f"messenger/responses/{name}.json")) == outcome


def test_usage_headers() -> None:
    outcome = MESSENGER.outcome(answer(FIXTURES / "messenger/responses/send_ok_usage_headers.json"))
    assert (outcome.verdict, outcome.usage) == ("sent", 0.28)
    limited = MESSENGER.outcome(answer(FIXTURES / "messenger/errors/80006_messenger_rate.json"))
    assert (limited.usage, limited.retry_after) == (1.0, 19 * 60.0)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"retry-after": "999999999"}, 86_400.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], wait: float | None) -> None:
    assert MESSENGER.outcome(Answer(429, headers, b"")) == Outcome("retry", code="http/429", retry_after=wait)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "unknown"),
        (302, "stop"),
        (400, "refused"),
        (401, "stop"),
        (404, "stop"),
        (408, "unknown"),
        (500, "retry"),
        (502, "unknown"),
        (503, "retry"),
        (504, "unknown"),
    ],
)
def test_answers_that_are_no_json(status: int, verdict: Verdict) -> None:
    for raw in (b"<html></html>", b"", b'{"message_id": "m_', b"[" * 100_000, b"\xff"):
        assert MESSENGER.outcome(Answer(status, {}, raw)).verdict == verdict


def _error(status: int = 400, **fields: Any) -> Outcome:
    return MESSENGER.outcome(Answer(status, {}, json.dumps({"error": fields}).encode()))


def test_codes_decide_not_the_status_and_not_the_prose() -> None:
    assert _error(500, code=10, error_subcode=2018278).verdict == "window"
    assert _error(200, code="190", error_subcode="463") == Outcome("stop", code="190/463")
    assert _error(code=2018300).verdict == "wait"
    assert _error(code=10, error_subcode=2018300).retry_after is None  # only the other app can end this
    assert _error(code=10, error_subcode=2018321).retry_after == 300.0
    assert _error(code=123456).verdict == "refused"
    assert _error(code=123456, is_transient=True).verdict == "retry"
    assert _error(502, code=123456).verdict == "unknown"
    assert _error(code=2, is_transient=False).verdict == "refused"
    assert _error(code=280).verdict == "stop"
    assert _error(message="expired").verdict == "refused"


def test_every_verdict_of_the_table_is_reachable() -> None:
    for (code, subcode), verdict in VERDICTS.items():
        assert _error(code=code or 77, error_subcode=subcode).verdict == verdict


# --- setting up -----------------------------------------------------------------------------------------------------


def test_profile() -> None:
    (call,) = MESSENGER.profile_calls(ACCOUNT)
    written, sample = call.json, request("messenger_profile")
    assert written is not None
    assert (call.method, call.url) == ("POST", "https://graph.facebook.com/v25.0/me/messenger_profile")
    assert set(written) == set(sample)
    for name in ("greeting", "ice_breakers", "persistent_menu"):
        assert written[name][0]["locale"] == "default"
        assert set(written[name][0]) == set(sample[name][0])
    assert len(written["greeting"][0]["text"]) <= 160
    menu, questions = (written[name][0]["call_to_actions"] for name in ("persistent_menu", "ice_breakers"))
    assert 1 <= len(menu) <= 20
    assert all(len(entry["title"]) <= 30 and entry["payload"] for entry in menu)
    assert 1 <= len(questions) <= 4
    assert all(question["question"] and question["payload"] for question in questions)
    shown = json.dumps(call.json, ensure_ascii=False).lower()
    assert not [word for word in ("bạo lực", "đánh", "công an", "tự tử", "buôn người") if word in shown]


def test_subscriptions_and_checks() -> None:
    (page,) = MESSENGER.subscription_calls(ACCOUNT)
    assert page.url.endswith(f"/{PAGE}/subscribed_apps")
    assert "standby" in page.params["subscribed_fields"].split(",")
    app, again = MESSENGER.subscription_calls(ACCOUNT, callback_url="https://osso.test/webhooks/messenger")
    assert again == page
    assert app.form is not None
    assert app.form["verify_token"] == "mytoken"
    assert app.headers["Authorization"] == f"Bearer {APP}|fb_app_secret"
    checks = MESSENGER.check_calls(ACCOUNT)
    assert [call.method for call in checks] == ["GET"] * 3
    for call in (page, app, *checks):
        assert "appsecret_proof" in call.params
        assert "PAGE_TOKEN" not in call.url + str(call.params)
        assert "fb_app_secret" not in call.url + str(call.params)
