"""Zalo against its fixtures: webhooks to the events we promise, error codes to what we do, replies to JSON, tokens."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.zalo import Grant, Zalo, ZaloAccount, challenge_of
from bot.channels.zalo_events import payload_of, query_of
from bot.errors import Forged, GrantLost, Unreadable
from bot.messages import (
    Address,
    Answer,
    Call,
    Choice,
    Echo,
    Ignored,
    Message,
    Outcome,
    Receipt,
    Reply,
    Speech,
    Verdict,
)
from tests.channel_tables import FIXTURES, answer, load, told

OA, USER, APP = "388613280878808645", "246845883529197922", "360846524940903967"
OTHERS = (
    "388613280879880645",
    "388613280879808645",
    "3662729599332560487",
    "2893352839501541173",
)  # ids of doc samples
ACCOUNT = ZaloAccount(OA, APP, "app-secret", ("synthetic-oa-secret-key",), "seed")
ZALO = Zalo((ACCOUNT,), "https://openapi.zalo.me", "https://oauth.zaloapp.com")
ALL = frozenset({OA, *OTHERS})
ADDRESS = Address("zalo", OA, USER)
EXPECTED = load("zalo/expected.json")
VECTORS = load("zalo/signature_vectors.json")
WEBHOOKS = sorted((FIXTURES / "zalo/webhook").glob("*.json"))
RESPONSES = sorted((FIXTURES / "zalo/response").glob("*.json"))

VERDICTS: dict[str, Verdict] = {
    "error_m32_app": "retry",
    "error_m32_oa": "retry",
    "error_m100_attachment_expired": "refused",
    "error_m200": "retry",
    "error_m201_invalid_param": "refused",
    "error_m201_missing_template_type": "refused",
    "error_m204": "stop",
    "error_m205": "stop",
    "error_m209": "stop",
    "error_m210": "refused",
    "error_m211": "wait",
    "error_m212": "stop",
    "error_m213": "gone",
    "error_m214": "refused",
    "error_m216": "token",
    "error_m217": "gone",
    "error_m218": "wait",
    "error_m219": "stop",
    "error_m220": "token",
    "error_m221": "stop",
    "error_m223": "stop",
    "error_m224": "stop",
    "error_m227": "gone",
    "error_m230": "window",
    "error_m232": "window",
    "error_m233": "refused",
    "error_m234": "wait",
    "error_m235": "stop",
    "error_m237": "refused",
    "error_m238": "refused",
    "error_m240": "refused",
    "error_m242": "stop",
    "error_m244": "gone",
    "error_m248": "refused",
    "error_m249": "refused",
    "error_m320": "stop",
    "error_m321": "stop",
    "error_m403": "refused",
    "error_zns_m118": "gone",
    "error_zns_m124": "token",
    "error_zns_m144": "wait",
    "call_checkconsent": "refused",
}


def event(**fields: Any) -> bytes:
    root = {
        "app_id": APP,
        "event_name": "user_send_text",
        "sender": {"id": USER},
        "recipient": {"id": OA},
        "message": {"msg_id": "m1", "text": "chào"},
        "timestamp": "1782900000000",
    }
    return json.dumps(root | fields).encode()


def heard(text: str) -> Message:
    (found,) = ZALO.parse(event(message={"msg_id": "m1", "text": text}), ALL)
    assert isinstance(found, Message)
    return found


def say(reply: Reply, **more: Any) -> Call:
    return ZALO.render(Speech("row-1", replace(ADDRESS, person="2468458835296197922"), reply, **more), "TOKEN")


def body(call: Call) -> Any:
    return json.loads(json.dumps(call.json))


def request(name: str) -> Any:
    return load(f"zalo/request/{name}.json")


def signed(
    raw: bytes, secret: str = ACCOUNT.oa_secrets[0], app: str = APP, at: str = "1782900000000"
) -> dict[str, str]:
    return {"X-ZEvent-Signature": "mac=" + hashlib.sha256(f"{app}{raw.decode()}{at}{secret}".encode()).hexdigest()}


# --- webhooks -------------------------------------------------------------------------------------------------------


def test_the_table_covers_every_webhook() -> None:
    assert len(WEBHOOKS) > 60
    assert {path.stem for path in WEBHOOKS} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_webhook(name: str) -> None:
    raw = (FIXTURES / f"zalo/webhook/{name}.json").read_bytes()
    assert [told(found) for found in ZALO.parse(raw, ALL)] == EXPECTED[name]


@pytest.mark.parametrize("path", WEBHOOKS, ids=lambda path: path.stem)
def test_events_of_other_accounts_are_ignored(path: Any) -> None:
    assert ZALO.parse(path.read_bytes(), frozenset({"1"})) == (Ignored("other account"),)


def test_keys_tell_events_apart_and_repeat_with_the_delivery() -> None:
    by_key: dict[str, list[str]] = {}
    for path in WEBHOOKS:
        for found in ZALO.parse(path.read_bytes(), ALL):
            if not isinstance(found, Ignored):
                by_key.setdefault(found.key, []).append(path.stem)
            assert (found,) == ZALO.parse(path.read_bytes(), ALL)
    assert len(by_key) > 30
    assert not [names for names in by_key.values() if len(names) > 1]


def test_the_account_is_found_by_its_id_not_by_its_place() -> None:
    paths = ("user_received_message", "user_received_message__sender_is_user")
    found = [ZALO.parse((FIXTURES / f"zalo/webhook/{path}.json").read_bytes(), ALL)[0] for path in paths]
    for receipt in found:
        assert isinstance(receipt, Receipt)
        assert receipt.address == ADDRESS


def test_our_own_words_are_never_heard_as_hers() -> None:
    (found,) = ZALO.parse(event(sender={"id": OA}, recipient={"id": USER}), ALL)
    assert found == Ignored("malformed")
    (found,) = ZALO.parse(event(event_name="oa_send_text"), ALL)
    assert found == Ignored("malformed")


@pytest.mark.parametrize(
    "spoilt",
    [
        {"sender": None},
        {"sender": 5},
        {"recipient": []},
        {"message": "text"},
        {"message": {"msg_id": {}, "text": "a"}},
        {"message": {"msg_id": "m", "text": 1}},
        {"message": {"msg_id": "m", "attachments": {"type": "image"}}},
        {"message": {"msg_id": "m", "attachments": ["image"]}},
        {"event_name": "anonymous_send_text"},  # without a conversation nobody could answer
        {"event_name": "user_seen_message", "message": {}},
        {"event_name": "follow", "follower": 4, "sender": None, "oa_id": OA},
        {"event_name": "user_submit_info", "info": "x"},
    ],
    ids=str,
)
def test_a_malformed_event_is_counted(spoilt: dict[str, Any]) -> None:
    assert ZALO.parse(event(**spoilt), ALL) == (Ignored("malformed"),)


def test_new_kinds_of_message_are_heard_and_new_events_are_counted() -> None:
    (found,) = ZALO.parse(event(event_name="user_send_hologram", message={"msg_id": "m1"}), ALL)
    assert isinstance(found, Message)
    assert [attachment.kind for attachment in found.attachments] == ["other"]
    (card,) = ZALO.parse(event(event_name="user_send_business_card", message={"msg_id": "m1"}), ALL)
    assert isinstance(card, Message)
    assert [attachment.kind for attachment in card.attachments] == ["contact"]
    assert ZALO.parse(event(event_name="user_click_button"), ALL) == (Ignored("unknown event"),)


def test_taking_a_reaction_back() -> None:
    gone = event(event_name="user_reacted_message", message={"msg_id": "m1", "react_icon": "/-remove"})
    (found,) = ZALO.parse(gone, ALL)
    assert isinstance(found, Receipt)
    assert found.kind == "unreacted"


def test_a_person_in_the_oa_chat_is_told_from_our_own_sends() -> None:
    own = event(event_name="oa_send_text", sender={"id": OA}, recipient={"id": USER})
    staff = event(event_name="oa_send_text", sender={"id": OA, "admin_id": 2851352384411829}, recipient={"id": USER})
    authors = [found.author for raw in (own, staff) for found in ZALO.parse(raw, ALL) if isinstance(found, Echo)]
    assert authors == ["bot", "person"]


def test_odd_texts_are_kept() -> None:
    nfd = "e\u0302\u0323 \u200b"
    assert heard(f"{nfd}\udc00\x00").text == f"{nfd}\ufffd\ufffd"
    assert len(heard("ạ" * 100_000).text) == 100_000


# --- taps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ("#menu", "menu"),
        ("#topic:legal", "topic:legal"),
        ("#article:leg-ly-hon.2", "article:leg-ly-hon.2"),
        ('{"content":"#person"}', "person"),
        ("#", ""),
        ("#1", ""),
        ("# menu", ""),
        ("#cứu tôi với", ""),
        ("#cuu toi voi", ""),
        ("chào #menu", ""),
        ("#=", ""),
        ("#=!!", ""),
        ("#=____", ""),
        ('{"content":"#person","more":1}', ""),
        ('{"content":5}', ""),
        ("{", ""),
        ("{" * 1500, ""),
    ],
)
def test_taps_are_told_from_typing(text: str, payload: str) -> None:
    found = heard(text)
    assert found.payload == payload
    assert found.text == ("" if payload else text)


def test_a_button_of_the_oa_manager_says_its_content() -> None:
    assert heard('{"content":"A"}').text == "A"


@given(payload=st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
def test_every_payload_comes_back_from_a_tap(payload: str) -> None:
    query = query_of(payload)
    assert payload_of(query) == payload
    assert len(query) <= 1100


@given(payload=st.text(st.characters(codec="utf-8"), min_size=1, max_size=ZALO.limits.payload))
def test_payloads_within_the_limit_fit_zalos(payload: str) -> None:
    fitted = ZALO.fit(Reply("a", (Choice("b", payload),)))
    for choice in (choice for piece in fitted for choice in piece.choices):
        assert len(query_of(choice.payload)) <= 1000


# --- signatures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_signature_vectors(vector: dict[str, str]) -> None:
    raw = vector["raw_body"].encode()
    assert ZALO.verify({"X-ZEvent-Signature": vector["expected_header"]}, raw) == {OA}
    dumped = json.dumps(json.loads(raw)).encode()
    for header, wrong in (
        (vector["expected_header"], dumped),
        ("mac=" + vector["wrong_if_reserialized"], raw),
        ("mac=" + vector["wrong_if_hmac"], raw),
        (vector["expected_header"], raw + b" "),
    ):
        assert header != vector["expected_header"] or wrong != raw
        with pytest.raises(Forged):
            ZALO.verify({"X-ZEvent-Signature": header}, wrong)


@pytest.mark.parametrize("form", ["{}", "mac={}", "MAC={}", "mac = {}", "  Mac= {} "])
def test_the_header_as_the_documents_print_it(form: str) -> None:
    vector = VECTORS[0]
    for digest in (vector["expected_hex"], vector["expected_hex"].upper()):
        header = {"x-zevent-signature": form.format(digest)}
        assert ZALO.verify(header, vector["raw_body"].encode()) == {OA}


@pytest.mark.parametrize("header", ["", "mac=", "mac=xyz", "sha256={}", "mac={}0", "mac={}\n{}", "mac=" + "0" * 64])
def test_invalid_headers(header: str) -> None:
    vector = VECTORS[0]
    with pytest.raises(Forged):
        ZALO.verify({"X-ZEvent-Signature": header.replace("{}", vector["expected_hex"])}, vector["raw_body"].encode())


def test_the_app_id_is_ours_not_the_senders() -> None:
    raw = event(app_id="999")
    with pytest.raises(Forged):
        ZALO.verify(signed(raw, app="999"), raw)
    with pytest.raises(Forged):
        ZALO.verify(signed(raw), raw)


def test_the_app_secret_signs_nothing() -> None:
    raw = event()
    assert ZALO.verify(signed(raw), raw) == {OA}
    with pytest.raises(Forged):
        ZALO.verify(signed(raw, secret="app-secret"), raw)


def test_while_a_secret_is_replaced_both_are_taken() -> None:
    both = Zalo((replace(ACCOUNT, oa_secrets=("new", "old")),), "https://a.test", "https://b.test")
    raw = event()
    for secret in ("new", "old"):
        assert both.verify(signed(raw, secret=secret), raw) == {OA}
    with pytest.raises(Forged):
        both.verify(signed(raw, secret="older"), raw)


def test_an_empty_secret_vouches_for_nothing() -> None:
    empty = Zalo((replace(ACCOUNT, oa_secrets=("",)),), "https://a.test", "https://b.test")
    raw = event()
    with pytest.raises(Forged):
        empty.verify(signed(raw, secret=""), raw)


def test_a_timestamp_given_as_number_is_taken_as_written() -> None:
    raw = event(timestamp=1782900000000)
    assert ZALO.verify(signed(raw), raw) == {OA}


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"timestamp":{}}'])
def test_what_cannot_be_read_cannot_be_verified(raw: bytes) -> None:
    with pytest.raises(Forged):
        ZALO.verify({"X-ZEvent-Signature": "mac=" + "0" * 64}, raw)


def test_a_signature_vouches_for_every_oa_of_the_app() -> None:
    two = Zalo(
        (ACCOUNT, replace(ACCOUNT, oa_id="2"), replace(ACCOUNT, oa_id="3", app_id="4")), "https://a", "https://b"
    )
    raw = event()
    assert two.verify(signed(raw), raw) == {OA, "2"}


# --- requests -------------------------------------------------------------------------------------------------------


def test_text() -> None:
    call = say(Reply("text_message"))
    assert body(call) == request("message_cs_text")
    assert (call.method, call.url) == ("POST", "https://openapi.zalo.me/v3.0/oa/message/cs")
    assert call.headers["access_token"] == "TOKEN"
    assert len(call.headers["appsecret_proof"]) == 64
    assert "TOKEN" not in call.url + str(call.params)


def test_quote() -> None:
    expected = request("message_cs_quote")
    call = say(Reply(expected["message"]["text"]), reply_to=expected["message"]["quote_message_id"])
    assert body(call) == expected


def test_image_with_text_is_one_request() -> None:
    (piece,) = ZALO.fit(Reply("text_message", image="https://stc-developers.zdn.vn/images/bg_1.jpg"))
    assert body(say(piece)) == request("message_cs_image_url")


def test_image_with_choices_is_two() -> None:
    image, words = ZALO.fit(Reply("a", (Choice("b"),), image="https://a.test/i.jpg"))
    assert "text" not in body(say(image))["message"]
    assert words == Reply("a", (Choice("b", "b"),))


def test_buttons() -> None:
    expected = request("message_cs_buttons")
    sample = {button["type"]: button for button in expected["message"]["attachment"]["payload"]["buttons"]}
    reply = Reply(
        expected["message"]["text"],
        (
            Choice("Mở website", url="https://oa.zalo.me/home"),
            Choice("Gặp nhân viên", "gap_nhan_vien"),
            Choice("Gọi tổng đài", phone="84919018791"),
        ),
    )
    (piece,) = ZALO.fit(reply)
    found = body(say(piece))
    buttons = found["message"]["attachment"]["payload"].pop("buttons")
    assert buttons == [sample[kind] for kind in ("oa.open.url", "oa.query.hide", "oa.open.phone")]
    del expected["message"]["attachment"]["payload"]["buttons"]
    assert found == expected  # and so without template_type


def test_contact_form() -> None:
    expected = request("message_cs_request_user_info")
    element = expected["message"]["attachment"]["payload"]["elements"][0]
    words = f"{element['title']}\n{element['subtitle']}"
    assert body(say(Reply(words, image=element["image_url"], contact=True))) == expected


def test_contact_is_a_request_of_its_own() -> None:
    words, form = ZALO.fit(Reply("Chị để lại số nhé.", (Choice("Thôi", "menu"),), contact=True))
    assert words == Reply("Chị để lại số nhé.", (Choice("Thôi", "menu"),))
    assert form == Reply(contact=True)
    element = body(say(form))["message"]["attachment"]["payload"]["elements"][0]
    assert set(element) == {"title", "subtitle"}
    pictured = replace(ZALO, contact_image="https://osso.test/logo.png")
    call = pictured.render(Speech("row-1", ADDRESS, form), "TOKEN")
    assert body(call)["message"]["attachment"]["payload"]["elements"][0]["image_url"] == "https://osso.test/logo.png"


def test_a_visitor_without_account_is_answered_in_plain_words() -> None:
    visitor = replace(ADDRESS, person="anonymous_id@conversation_id")
    call = ZALO.render(Speech("row-1", visitor, Reply("text_message")), "TOKEN")
    assert body(call) == request("message_anonymous_text")
    assert call.url == "https://openapi.zalo.me/v2.0/oa/message"
    (piece,) = ZALO.fit(Reply("x " * 990, (Choice("Menu", "menu"), Choice("Trang", url="https://a.test"))))
    text = body(ZALO.render(Speech("row-1", visitor, piece), "TOKEN"))["message"]["text"]
    assert text.startswith("x x")
    assert len(text) <= 2000
    choices = Reply("a", (Choice("Menu", "menu"), Choice("Trang", url="https://a.test")), contact=True)
    said = body(ZALO.render(Speech("row-1", visitor, choices), "TOKEN"))["message"]["text"]
    assert said.splitlines()[:3] == ["a", "Menu", "Trang: https://a.test"]


def test_the_visitor_we_hear_is_the_visitor_we_answer() -> None:
    (found,) = ZALO.parse((FIXTURES / "zalo/webhook/anonymous_send_text.json").read_bytes(), ALL)
    assert isinstance(found, Message)
    call = ZALO.render(Speech("row-1", found.address, Reply("a")), "TOKEN")
    assert body(call)["recipient"] == {"anonymous_id": "9122837465019283746", "conversation_id": "5d3c9b1a2f"}


def test_zalo_has_no_signals() -> None:
    assert ZALO.signal(ADDRESS, "typing", "T") is None
    assert ZALO.signal(ADDRESS, "seen", "T") is None


def test_after_48_hours_zalo_bills() -> None:
    hour = 3_600_000
    assert not ZALO.window(1, 48 * hour).billed
    late = ZALO.window(1, 1 + 48 * hour)
    assert (late.bot, late.billed) == (True, True)


# --- answers --------------------------------------------------------------------------------------------------------


def test_there_are_answers_to_sort() -> None:
    errors = {path.stem for path in RESPONSES if load(f"zalo/response/{path.name}").get("error", 0) != 0}
    assert errors - {name for name in errors if name.startswith("oauth")} == set(VERDICTS)


@pytest.mark.parametrize("name", VERDICTS)
def test_error(name: str) -> None:
    outcome = ZALO.outcome(answer(FIXTURES / f"zalo/response/{name}.json"))
    assert outcome.verdict == VERDICTS[name]
    assert outcome.code == str(load(f"zalo/response/{name}.json")["error"])
    # Without a time to wait, `wait` would mean that another app holds the thread, which Zalo does not know.
    assert outcome.verdict != "wait" or outcome.retry_after


SUCCESSES = [path for path in RESPONSES if load(f"zalo/response/{path.name}").get("error") == 0]


@pytest.mark.parametrize("path", SUCCESSES, ids=lambda path: path.stem)
def test_success(path: Any) -> None:
    data = load(f"zalo/response/{path.name}").get("data")
    known = data if isinstance(data, dict) else {}
    expected = known.get("message_id") or known.get("msg_id") or ""
    assert ZALO.outcome(answer(path)) == Outcome("sent", expected)
    assert bool(expected) == (("message" in path.stem and "status" not in path.stem) or "send" in path.stem)


def test_other_answers() -> None:
    def outcome(status: int, raw: bytes, **headers: str) -> Outcome:
        return ZALO.outcome(Answer(status, headers, raw))

    assert outcome(200, b'{"error":"-230"}').verdict == "window"
    assert outcome(200, b'{"error":-99999}') == Outcome("refused", code="-99999")
    assert outcome(200, b"{}").verdict == "unknown"
    assert outcome(200, b"<html>").verdict == "unknown"
    assert outcome(500, b"<html>").verdict == "retry"
    assert outcome(502, b"").verdict == "unknown"
    assert outcome(429, b"", **{"Retry-After": "7"}) == Outcome("retry", code="http/429", retry_after=7.0)
    limited = outcome(200, b'{"error":0}', **{"X-RateLimit-Limit": "4000", "X-RateLimit-Remain": "1000"})
    assert limited.usage == 0.75
    assert outcome(200, b'{"error":-32}').retry_after == 60.0


# --- authorisation --------------------------------------------------------------------------------------------------


def test_token_calls() -> None:
    call = ZALO.refresh_call(ACCOUNT, "R1")
    assert (call.method, call.url) == ("POST", "https://oauth.zaloapp.com/v4/oa/access_token")
    assert call.headers == {"secret_key": "app-secret"}
    assert call.form == {"refresh_token": "R1", "app_id": APP, "grant_type": "refresh_token"}
    assert ZALO.grant_call(ACCOUNT, "C1", "V1").form == {
        "code": "C1",
        "app_id": APP,
        "grant_type": "authorization_code",
        "code_verifier": "V1",
    }
    (check,) = ZALO.check_calls(ACCOUNT, "T")
    assert (check.method, check.url) == ("GET", "https://openapi.zalo.me/v2.0/oa/getoa")


def test_a_grant_is_two_tokens_that_are_there() -> None:
    grant = ZALO.read_grant(answer(FIXTURES / "zalo/response/oauth_token_success.json"))
    stored = load("zalo/response/oauth_token_success.json")
    assert grant == Grant(stored["access_token"], stored["refresh_token"], 90_000)
    assert stored["access_token"] not in repr(grant)
    bare = ZALO.read_grant(Answer(200, {}, b'{"access_token":"a","refresh_token":"r","expires_in":"soon"}'))
    assert bare == Grant("a", "r", 3600)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("oauth_error_invalid_refresh_token", GrantLost),
        ("oauth_error_without_numeric_code", GrantLost),
        ("oauth_error_app_inactive", Unreadable),
        ("oauth_error_invalid_redirect_uri", Unreadable),
    ],
)
def test_refusals_of_the_sign_in(name: str, error: type[Exception]) -> None:
    for status in (200, 400):
        raw = (FIXTURES / f"zalo/response/{name}.json").read_bytes()
        with pytest.raises(error):
            ZALO.read_grant(Answer(status, {}, raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"{}",
        b"[]",
        b'{"access_token":"","refresh_token":""}',
        b'{"access_token":"a"}',
        b'{"access_token":"a","refresh_token":" "}',
        b'{"access_token":1,"refresh_token":2}',
        b'{"access_token":"a","refresh_token":null,"error":0}',
        b'{"access_token":"a","refresh_tok',
        b'{"error":-1,"error_name":["x"]}',
    ],
)
def test_half_an_answer_is_no_grant(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        ZALO.read_grant(Answer(200, {}, raw))


@given(raw=st.binary(max_size=80) | st.dictionaries(st.text(), st.text()).map(lambda found: json.dumps(found).encode()))
def test_any_answer_of_the_sign_in(raw: bytes) -> None:
    with pytest.raises((Unreadable, GrantLost)):
        ZALO.read_grant(Answer(200, {}, raw))


def test_permission_url_and_pkce() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = challenge_of(verifier)
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B
    redirect = "https://osso.test/zalo?a=1&b=2"
    url = urlsplit(ZALO.permission_url(ACCOUNT, redirect_uri=redirect, challenge=challenge, state="s1"))
    assert url.geturl().startswith("https://oauth.zaloapp.com/v4/oa/permission?")
    assert parse_qs(url.query) == {
        "app_id": [APP],
        "redirect_uri": ["https://osso.test/zalo?a=1&b=2"],
        "code_challenge": [challenge],
        "state": ["s1"],
    }
