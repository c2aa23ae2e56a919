"""One suite over every channel: what the contract promises holds for each of them, whatever the platform sends."""

from __future__ import annotations

import json
import unicodedata
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels import HOUR, Channel, pieces
from bot.channels.messenger import Messenger, MessengerAccount
from bot.channels.pieces import units
from bot.channels.webchat import ACCOUNT, Webchat
from bot.channels.zalo import Zalo, ZaloAccount
from bot.errors import Forged, Unreadable
from bot.messages import Address, Answer, Choice, Ignored, Message, Outcome, Reply, Speech, Verdict
from tests.channel_tables import FIXTURES

PAGE = "682498171943165"
OA = "388613280878808645"
MESSENGER = Messenger(
    (MessengerAccount(PAGE, "1517776481860111", "fb_app_secret", "PAGE_TOKEN", "mytoken"),), "https://graph.test/v25.0"
)
ZALO = Zalo(
    (ZaloAccount(OA, "360846524940903967", "app-secret", ("oa-secret",), "seed"),),
    "https://openapi.test",
    "https://oauth.test",
)
SIMULATOR = Webchat("zalo")
CHANNELS: dict[str, tuple[Channel, str]] = {
    "messenger": (MESSENGER, PAGE),
    "zalo": (ZALO, OA),
    "webchat-zalo": (SIMULATOR, ACCOUNT),
    "webchat-messenger": (Webchat("messenger"), ACCOUNT),
}
EVERY = pytest.mark.parametrize("name", CHANNELS)
FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ALPHABET = st.characters(codec=None)
SEEDS = {
    "messenger": sorted((FIXTURES / "messenger/webhooks").glob("*.json")),
    "zalo": sorted((FIXTURES / "zalo/webhook").glob("*.json")),
}
POST = {
    "person": "p1",
    "at": 1782900001000,
    "id": "m1",
    "text": "chào",
    "payload": "",
    "attachments": [{"kind": "image", "url": "https://a.test/i.jpg", "name": "i"}],
    "seen": [],
    "contact": None,
    "reply_to": None,
}


def seeds(name: str) -> list[Any]:
    platform = name if name in SEEDS else ""
    if not platform:
        return [POST, POST | {"seen": ["m0"]}, POST | {"contact": {"name": "A", "phone": "0912345678"}}]
    return [json.loads(path.read_text(encoding="utf-8")) for path in SEEDS[platform]]


def checked(channel: Channel, body: bytes, account: str) -> None:
    """Parses and checks what every event promises: storable texts, keys, numbers; nothing but `Unreadable` raised."""
    try:
        events = channel.parse(body, frozenset({account}))
    except Unreadable:
        return
    assert events == channel.parse(body, frozenset({account}))
    for event in events:
        if isinstance(event, Ignored):
            assert event.why
            continue
        assert event.key
        assert len(event.key) <= 110
        repr(event).encode()  # no lone surrogate anywhere
        assert "\x00" not in str(event)
        assert 0 <= event.at < 2**63
        if isinstance(event, Message):
            assert event.address.account == account
            assert event.address.person
            assert event.address.person != account


@EVERY
def test_the_contract_is_met_by_type(name: str) -> None:
    channel, _ = CHANNELS[name]
    assert channel.name == name.partition("-")[0]
    assert channel.limits.text > 0
    assert isinstance(channel.expects_echo, bool)


@EVERY
def test_accounts_never_print_their_secrets(name: str) -> None:
    shown = repr(CHANNELS[name][0])
    for secret in ("fb_app_secret", "PAGE_TOKEN", "mytoken", "app-secret", "oa-secret", "seed"):
        assert secret not in shown


@EVERY
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"object":"page","entry":',
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{}",
        b'{"object":1,"entry":[],"event_name":2}',
        b'{"object":"page","entry":{}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"<html>",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_webhook_is_unreadable(name: str, body: bytes) -> None:
    channel, account = CHANNELS[name]
    with pytest.raises(Unreadable):
        channel.parse(body, frozenset({account}))


@EVERY
def test_no_signature_is_forged(name: str) -> None:
    with pytest.raises(Forged) as raised:
        CHANNELS[name][0].verify({}, b"{}")
    assert str(raised.value) == ""


@EVERY
@FUZZ
@given(body=st.binary(max_size=300))
def test_any_bytes_parse_or_are_unreadable(name: str, body: bytes) -> None:
    checked(CHANNELS[name][0], body, CHANNELS[name][1])


@EVERY
@FUZZ
@given(value=JSON)
def test_any_json_parses_or_is_unreadable(name: str, value: Any) -> None:
    channel, account = CHANNELS[name]
    checked(channel, json.dumps(value).encode(), account)
    checked(channel, json.dumps({"object": "page", "entry": value, "person": value}).encode(), account)
    entry = {"id": account, "messaging": value, "standby": [value], "changes": [{"field": "messages", "value": value}]}
    checked(channel, json.dumps({"object": "page", "entry": [entry]}).encode(), account)


@EVERY
@settings(FUZZ, max_examples=120)
@given(data=st.data())
def test_any_broken_fixture_parses_or_is_unreadable(name: str, data: st.DataObject) -> None:
    channel, account = CHANNELS[name]
    value = data.draw(st.sampled_from(seeds(name)))
    checked(channel, json.dumps(_broken(value, data)).encode(), account)


@EVERY
@FUZZ
@given(name_of=st.text(max_size=20), value=st.text(max_size=80), body=st.binary(max_size=80))
def test_any_header_is_forged_and_nothing_else(name: str, name_of: str, value: str, body: bytes) -> None:
    channel, _ = CHANNELS[name]
    for header in (name_of, "X-Hub-Signature-256", "X-ZEvent-Signature"):
        with pytest.raises(Forged):
            channel.verify({header: value}, body)


@EVERY
@FUZZ
@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "Date", "X-App-Usage", "X-Business-Use-Case-Usage", "X-RateLimit-Limit"]),
        st.text(max_size=40),
    ),
    body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps({"error": value, "data": value}).encode()),
)
def test_any_answer_has_an_outcome(name: str, status: int, headers: dict[str, str], body: bytes) -> None:
    outcome = CHANNELS[name][0].outcome(Answer(status, headers, body))
    assert outcome.verdict in get_args(Verdict)
    assert outcome.retry_after is None or outcome.retry_after >= 0
    assert outcome.usage is None or outcome.usage >= 0


@EVERY
def test_windows_open_with_her_word_and_close_in_time(name: str) -> None:
    channel, _ = CHANNELS[name]
    bot, person = channel.limits.bot_hours * HOUR, channel.limits.person_hours * HOUR
    heard = 1_782_900_000_000
    assert not channel.window(0, heard).bot
    assert not channel.window(0, heard).person
    assert channel.window(heard, heard - 5000).bot  # clocks differ
    assert channel.window(heard, heard + bot - 1).bot
    assert not channel.window(heard, heard + bot).bot
    assert channel.window(heard, heard + person - 1).person
    assert not channel.window(heard, heard + person).person
    assert channel.window(heard, heard).closes_at == heard + person


# --- fitting --------------------------------------------------------------------------------------------------------

REPLIES = st.builds(
    Reply,
    text=st.text(ALPHABET, max_size=300) | st.text("ab. \n", max_size=6000) | st.text("ệ🙏\u0301\u200d", max_size=3000),
    choices=st.lists(
        st.builds(
            Choice,
            title=st.text(ALPHABET, max_size=40) | st.text("a b", min_size=90, max_size=150),
            payload=st.text("abc:", max_size=300) | st.text(ALPHABET, max_size=30),
            url=st.sampled_from(["", "", "", "https://a.test/x"]),
            phone=st.sampled_from(["", "", "", "111", "0912345678", "+84912345678"]),
        ),
        max_size=20,
    ).map(tuple),
    image=st.sampled_from(["", "https://a.test/i.jpg"]),
    contact=st.booleans(),
)


@EVERY
@settings(FUZZ, max_examples=80)
@given(reply=REPLIES)
def test_every_piece_fits_one_request_and_nothing_is_lost(name: str, reply: Reply) -> None:
    channel, account = CHANNELS[name]
    limits = channel.limits
    fitted = channel.fit(reply)
    for piece in fitted:
        opens = any(choice.url or choice.phone for choice in piece.choices)
        assert units(piece.text) <= (limits.button_text if opens else limits.text)
        assert len(piece.choices) <= (limits.button_set if opens else limits.choices)
        assert all(0 < units(choice.title) <= limits.title for choice in piece.choices)
        assert all(units(choice.payload) <= limits.payload for choice in piece.choices)
        assert not piece.choices or piece.text
        assert unicodedata.is_normalized("NFC", piece.text)
        assert channel.fit(piece) == (piece,)
        json.dumps(_rendered(channel, account, piece).json, ensure_ascii=False).encode()
    said = _letters(" ".join(piece.text for piece in fitted))
    assert _letters(pieces.written(reply.text)) in said
    shown = said + _letters(" ".join(choice.title for piece in fitted for choice in piece.choices))
    for choice in reply.choices:
        assert _letters(pieces.written(choice.title)) in shown
    assert any(piece.image for piece in fitted) == bool(reply.image)
    assert any(piece.contact for piece in fitted) == reply.contact
    assert [piece for piece in fitted if piece.choices] == [
        piece for piece in fitted[-1 - (reply.contact and limits.form) :] if piece.choices
    ]


@EVERY
def test_an_empty_reply_is_no_request(name: str) -> None:
    assert CHANNELS[name][0].fit(Reply()) == ()
    assert CHANNELS[name][0].fit(Reply(text=" \n\u00a0")) == ()


@EVERY
def test_a_long_text_is_cut_at_sentences(name: str) -> None:
    channel, _ = CHANNELS[name]
    sentence = "Chị giữ bản sao giấy tờ ở một nơi an toàn nhé. "
    fitted = channel.fit(Reply(text=sentence * 200))
    assert len(fitted) > 1
    assert all(piece.text.endswith("nhé.") and piece.text.startswith("Chị") for piece in fitted)


@EVERY
def test_a_very_long_text_is_cut_without_loss(name: str) -> None:
    channel, _ = CHANNELS[name]
    for text in ("x" * 100_000, "🙏" * 50_000, "dài " * 25_000):
        fitted = channel.fit(Reply(text=text))
        assert _letters("".join(piece.text for piece in fitted)) == _letters(text)
        assert len(fitted) <= 2 + units(text) // (channel.limits.text - 8)


@EVERY
def test_text_leaves_in_nfc(name: str) -> None:
    fitted = CHANNELS[name][0].fit(Reply(text=unicodedata.normalize("NFD", "Chào chị, Việt Nữ")))
    assert [piece.text for piece in fitted] == ["Chào chị, Việt Nữ"]


@EVERY
def test_choices_that_do_not_fit_are_numbered_and_the_way_out_keeps_its_button(name: str) -> None:
    channel, _ = CHANNELS[name]
    titles = [f"Mục {letter}" for letter in "ABCDEFGHIJKLMNO"]
    reply = Reply(text="Chị chọn nhé:", choices=tuple(Choice(title, f"topic:{title[-1]}") for title in titles))
    (piece,) = channel.fit(reply)
    assert piece.text == "Chị chọn nhé:\n\n" + "\n".join(f"{n}. {title}" for n, title in enumerate(titles, 1))
    assert len(piece.choices) == channel.limits.choices
    assert piece.choices[0] == Choice("1. Mục A", "topic:A")
    assert piece.choices[-1] == Choice("15. Mục O", "topic:O")


@EVERY
def test_choices_stay_on_the_last_piece(name: str) -> None:
    channel, _ = CHANNELS[name]
    fitted = channel.fit(Reply(text="Một câu dài. " * 400, choices=(Choice("Gặp tư vấn viên", "person"),)))
    assert len(fitted) > 2
    assert [bool(piece.choices) for piece in fitted] == [False] * (len(fitted) - 1) + [True]


@EVERY
def test_short_emergency_numbers_are_written_not_buttoned(name: str) -> None:
    channel, _ = CHANNELS[name]
    reply = Reply(text="Chị có thể gọi:", choices=(Choice("Tổng đài", phone="111"), Choice("Menu", "menu")))
    (piece,) = channel.fit(reply)
    assert piece.text.endswith("Tổng đài: 111")
    assert piece.choices == (Choice("Menu", "menu"),)


@EVERY
def test_choices_without_text_become_the_text(name: str) -> None:
    (piece,) = CHANNELS[name][0].fit(Reply(choices=(Choice("Có"), Choice("Không"))))
    assert piece.text == "1. Có\n2. Không"
    assert [choice.payload for choice in piece.choices] == ["Có", "Không"]


@pytest.mark.parametrize(
    ("phone", "dialled"),
    [
        ("0912345678", "+84912345678"),
        ("091 234 5678", "+84912345678"),
        ("+84 24 3825 1234", "+842438251234"),
        ("84912345678", "+84912345678"),
        ("111", ""),
        ("1900 1234", ""),
        ("", ""),
        ("chưa có", ""),
    ],
)
def test_which_numbers_a_button_may_dial(phone: str, dialled: str) -> None:
    assert pieces.dialable(phone) == dialled


def test_units_count_as_phones_do() -> None:
    assert units("a🙏ệ") == 4
    assert pieces.split("🙏🙏🙏", 4) == ["🙏🙏", "🙏"]
    assert pieces.split("e\u0323\u0302" * 3, 4) == ["e\u0323\u0302"] * 3


# --- the simulator --------------------------------------------------------------------------------------------------


def test_the_simulator_reads_a_post_and_sends_nothing_out() -> None:
    body = json.dumps(POST).encode()
    (event,) = SIMULATOR.parse(body, frozenset({ACCOUNT}))
    assert isinstance(event, Message)
    assert (event.text, event.address, event.at) == ("chào", Address("webchat", ACCOUNT, "p1"), 1782900001000)
    assert SIMULATOR.parse(body, frozenset()) == (Ignored("other account"),)
    call = _rendered(SIMULATOR, ACCOUNT, Reply("a", (Choice("b", "c"),)))
    assert call.url == "local:"
    assert call.json is not None
    assert call.json["choices"] == [{"title": "b", "payload": "c", "url": "", "phone": ""}]
    assert SIMULATOR.outcome(Answer(200, {}, b"")) == Outcome("sent")


def test_the_simulator_tells_seen_and_contact() -> None:
    kinds = [
        type(event).__name__
        for post in seeds("webchat-zalo")
        for event in SIMULATOR.parse(json.dumps(post).encode(), frozenset({ACCOUNT}))
    ]
    assert kinds == ["Message", "Receipt", "Consent"]


def _rendered(channel: Channel, account: str, reply: Reply) -> Any:
    return channel.render(Speech("row-1", Address(channel.name, account, "p1"), reply), "TOKEN")


def _letters(text: str) -> str:
    return "".join(text.split())


def _broken(value: Any, data: st.DataObject) -> Any:
    """`value` with one place in it replaced by anything, or taken away."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not keys or data.draw(st.integers(0, 5)) == 0:
        return data.draw(JSON)
    key = data.draw(st.sampled_from(keys))
    copy = dict(value) if isinstance(value, dict) else list(value)
    if data.draw(st.integers(0, 5)) == 0:
        del copy[key]
    else:
        copy[key] = _broken(value[key], data)
    return copy


def test_there_are_fixtures_to_break() -> None:
    assert len(seeds("messenger")) > 80
    assert len(seeds("zalo")) > 60


def test_a_number_said_in_the_text_is_not_said_again() -> None:
    reply = Reply(
        "Chị gọi 113 (Việt Nam).", (Choice("Gọi 113 (Việt Nam)", phone="113"), Choice("Gọi 111", phone="111"))
    )
    cut = pieces.fit(reply, Webchat("zalo").limits)
    assert "".join(piece.text for piece in cut).count("113") == 1  # once, as she reads it
    assert "Gọi 111: 111" in cut[-1].text
