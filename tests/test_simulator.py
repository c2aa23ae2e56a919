"""The simulator's doors: who may knock, what is taken, and that a bubble stands only for what was really sent."""

from __future__ import annotations

import ast
import io
import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.errors import Unreachable
from bot.hearing import Holding, queue
from bot.messages import Choice, Reply
from bot.rim import Rim
from bot.simulator import HEADER, POLICY, files, trace
from bot.simulator.visitors import COOKIE
from bot.store import queries
from bot.store.bodies import reply_to_json
from bot.store.crypto import Keyring, Known
from bot.store.database import Database
from bot.worker import Worker, sweep
from tests.conftest import SECRET
from tests.dialogue import book
from tests.simulated import OLDER, Time, app_of, rim_of

OURS = {HEADER: "1", "Sec-Fetch-Site": "same-origin"}


class Phone:
    """One browser at `/chat`. What wakes is heard at once, unless `asleep`."""

    def __init__(self, database: Database, *, keys: Sequence[str] = (SECRET,)) -> None:
        self.clock = Time()
        self.rim: Rim = rim_of(database, self.clock)
        self.worker = Worker(self.rim)
        self.asleep = False
        self.woken: list[int] = []
        self.app = app_of(self.rim, self.wake, keys=keys)
        self.client: FlaskClient = self.app.test_client()
        self.number = itertools.count(1)

    def wake(self, conversation_id: int, _rank: int) -> None:
        self.woken.append(conversation_id)
        if not self.asleep:
            self.worker.drain(conversation_id)

    def open(self) -> TestResponse:
        return self.client.get("/chat")

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(f"/chat{path}", data=data, headers={**OURS, **headers})

    def say(self, **body: Any) -> TestResponse:
        return self.post("/messages", {"id": f"m{next(self.number)}", **body})

    def hand(self, body: bytes, message: str, *, kind: str = "image") -> TestResponse:
        form = {"id": message, "kind": kind, "file": (io.BytesIO(body), "anh.jpg")}
        return self.client.post("/chat/files", data=form, headers=OURS)

    def look(self, after: str = "") -> dict[str, Any]:
        answer = self.client.get("/chat/messages", query_string={"after": after})
        assert answer.status_code == 200
        found: dict[str, Any] = answer.get_json()
        return found

    def bubbles(self, after: str = "") -> list[str]:
        return [one["text"] for line in self.look(after)["lines"] for one in line.get("bubbles", ())]

    def held(self) -> Holding:
        with self.rim.database.read() as connection:
            row = queries.get_conversation(connection, self.woken[-1])
        assert row is not None
        return Holding.of(self.rim, row)


@pytest.fixture
def store(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = shutil.copy(sqlite_template, tmp_path / "osso.db")
    database = Database(f"sqlite:///{path}", Keyring([SECRET]))
    yield database
    database.close()


@pytest.fixture
def phone(store: Database) -> Iterator[Phone]:
    phone = Phone(store)
    yield phone
    phone.worker.close()


# --- the page -------------------------------------------------------------------------------------------------------


def test_page_brings_nothing_from_elsewhere_and_nothing_inline(phone: Phone) -> None:
    answer = phone.open()
    page = answer.get_data(as_text=True)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert '<html lang="vi">' in page
    assert "style=" not in page
    assert "http://" not in page
    assert "https://" not in page
    for name in (
        "chat.css",
        "chat.js",
        "dom.js",
        "bubbles.js",
        "trace.js",
        "icons.svg",
        "mark.svg",
        "fonts/latin-400.woff2",
    ):
        with phone.client.get(f"/chat/static/{name}") as file:
            assert file.status_code == 200


def test_cookie_is_signed_hidden_from_scripts_and_stays_on_our_pages(phone: Phone) -> None:
    cookie = phone.open().headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/chat" in cookie
    assert "Secure" not in cookie
    secure = phone.client.get("/chat", base_url="https://localhost").headers["Set-Cookie"]
    assert "Secure" in secure


def test_same_woman_after_a_reload_and_another_one_on_request(phone: Phone) -> None:
    phone.open()
    phone.say(text="xin chào")
    assert phone.bubbles()
    phone.open()
    assert phone.bubbles()
    assert phone.post("/person", {"channel": "webchat-m"}).status_code == 204
    assert phone.bubbles() == []
    assert 'data-like="messenger"' in phone.open().get_data(as_text=True)


@pytest.mark.parametrize("cookie", ["", "rubbish", "WyJhIiwiYiIsIndlYmNoYXQiXQ.AAAA", "é"])
def test_forged_cookie_is_nobody(phone: Phone, cookie: str) -> None:
    phone.client.set_cookie(COOKIE, cookie, path="/chat")
    assert phone.client.get("/chat/messages").status_code == 401
    assert phone.say(text="xin chào").status_code == 401
    assert phone.woken == []


def test_cookie_outlives_a_new_key(store: Database) -> None:
    before = Phone(store, keys=[OLDER])
    before.open()
    cookie = before.client.get_cookie(COOKIE, path="/chat")
    assert cookie is not None
    after = Phone(store, keys=[SECRET, OLDER])
    after.client.set_cookie(COOKIE, cookie.value, path="/chat")
    assert after.client.get("/chat/messages").status_code == 200
    gone = Phone(store, keys=[SECRET])
    gone.client.set_cookie(COOKIE, cookie.value, path="/chat")
    assert gone.client.get("/chat/messages").status_code == 401
    for one in (before, after, gone):
        one.worker.close()


# --- what is taken --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {HEADER: "1"},
        {HEADER: "1", "Sec-Fetch-Site": "cross-site"},
        {HEADER: "1", "Sec-Fetch-Site": "same-site"},
        {HEADER: "1", "Origin": "http://elsewhere.example"},
        {HEADER: "1", "Origin": "null"},
        {HEADER: "1", "Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
def test_another_site_cannot_speak_for_her(phone: Phone, headers: dict[str, str]) -> None:
    phone.open()
    for path in ("/chat/messages", "/chat/person"):
        assert phone.client.post(path, json={"id": "m1", "text": "xin chào"}, headers=headers).status_code == 403
    assert phone.woken == []


def test_older_browsers_name_only_the_origin(phone: Phone) -> None:
    phone.open()
    headers = {HEADER: "1", "Origin": "http://localhost"}
    assert phone.client.post("/chat/messages", json={"id": "m1", "text": "chào"}, headers=headers).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"id": "m1", "text": "\xed\xa0\x80"}',
        b'{"text": "no id"}',
        b'{"id": "m1", "text": 7}',
        b'{"id": "m1", "attachments": {"kind": "image"}}',
        b'{"id": "m1", "attachments": [[]]}',
        b'{"id": "m1", "attachments": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"id": "m1", "attachments": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_what_is_no_message_is_refused_and_leaves_nothing(phone: Phone, body: bytes) -> None:
    phone.open()
    assert phone.post("/messages", body).status_code == 400
    assert phone.woken == []


def test_odd_texts_are_messages_too(phone: Phone) -> None:
    phone.open()
    for words in ("a\ud800b", "\u200b", "e\u0302\u0301", "x" * 100_000, "<script>alert(1)</script>"):
        assert phone.say(text=words).status_code == 202
    lines = [line["text"] for line in phone.look()["lines"] if line["author"] == "person"]
    assert len(lines) == 5
    assert lines[0] == "a\N{REPLACEMENT CHARACTER}b"
    assert len(lines[3]) == 100_000


def test_too_long_a_body_is_refused(phone: Phone) -> None:
    phone.open()
    assert phone.say(text="x" * 1_000_000).status_code == 413
    assert phone.post("/person", {"channel": "x" * 1_000_000}).status_code == 413
    assert phone.woken == []


def test_person_and_time_are_ours_to_say(phone: Phone) -> None:
    phone.open()
    phone.say(text="xin chào", person="somebody-else", at=1, seen=["x"])
    line = next(line for line in phone.look()["lines"] if line["author"] == "person")
    assert line["at"] > 1_000_000_000_000
    assert line["text"] == "xin chào"


def test_same_message_twice_is_heard_once(phone: Phone) -> None:
    phone.open()
    for _ in range(2):
        assert phone.post("/messages", {"id": "m1", "text": "xin chào"}).status_code == 202
    assert [line["message"] for line in phone.look()["lines"] if line["author"] == "person"] == ["m1"]


def test_media_and_contact(phone: Phone) -> None:
    phone.open()
    for kind in ("image", "audio", "sticker", "location"):
        assert phone.say(attachments=[{"kind": kind}]).status_code == 202
    assert phone.say(contact={"name": "Hoa", "phone": "0900000000"}).status_code == 202
    lines = phone.look()["lines"]
    hers = [[one["kind"] for one in line["attachments"]] for line in lines if line["author"] == "person"]
    assert hers == [["image"], ["audio"], ["sticker"], ["location"]]
    assert lines[-1]["author"] == "bot"  # shared details are kept, and only thanked for
    assert lines[-1]["at"] > lines[-2]["at"]


PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def test_a_picture_is_kept_for_two_days_under_an_address_of_her_own(phone: Phone, tmp_path: Path) -> None:
    phone.open()
    sent = [phone.hand(PNG, "m1"), phone.hand(PNG, "m1")]  # an impatient phone sends twice
    assert [answer.status_code for answer in sent] == [202, 202]
    lines = [line for line in phone.look()["lines"] if line["author"] == "person"]
    assert [line["attachments"] for line in lines] == [[{"kind": "image", "url": sent[0].get_json()["url"]}]]
    url = lines[0]["attachments"][0]["url"]
    shown = phone.client.get(url)
    assert (shown.status_code, shown.mimetype, shown.data) == (200, "image/png", PNG)
    assert b"PNG" not in b"".join(file.read_bytes() for file in tmp_path.glob("osso.db*"))
    other = phone.app.test_client()
    other.get("/chat")
    assert other.get(url).status_code == 404
    assert phone.app.test_client().get(url).status_code == 401
    phone.clock.now += 48 * 3_600_000 + 1_000
    assert phone.client.get(url).status_code == 404


def test_only_the_newest_files_are_kept_and_what_is_no_picture_is_never_shown(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_KEPT", 2)
    phone.open()
    page = b"<script>alert(1)</script>"
    urls = [phone.hand(body, f"m{number}").get_json()["url"] for number, body in enumerate((PNG, PNG, page))]
    assert [phone.client.get(url).status_code for url in urls] == [404, 200, 200]
    shown = phone.client.get(urls[2])
    assert (shown.mimetype, shown.headers["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    assert shown.headers["Content-Disposition"] == "attachment"


def test_what_is_no_file_is_refused_and_leaves_nothing(phone: Phone) -> None:
    phone.open()
    assert phone.hand(PNG, "m1", kind="sticker").status_code == 400
    assert phone.hand(PNG, "").status_code == 400
    assert phone.post("/files", b"{}").status_code == 400
    answer = phone.hand(bytes(files.MOST_BYTES), "m1")
    assert answer.status_code == 413
    answer.request.environ["wsgi.input"].close()  # the test client leaves it open
    assert phone.client.post("/chat/files", data={"id": "m1", "kind": "image"}).status_code == 403
    assert phone.woken == []


def test_too_many_messages_are_turned_away(phone: Phone) -> None:
    phone.open()
    phone.asleep = True
    answers = [phone.say(text="a").status_code for _ in range(70)]
    assert answers[:50] == [202] * 50
    assert answers[-1] == 429
    other = phone.app.test_client()
    other.get("/chat")
    body = {"id": "m1", "text": "a"}
    assert other.post("/chat/messages", json=body, headers=OURS).status_code == 202


@dataclass(frozen=True, slots=True)
class Gone:
    """A database that does not answer."""

    keyring: Keyring
    known: Known

    def write(self) -> NoReturn:
        raise Unreachable

    read = write


def test_database_away_is_said_so(phone: Phone) -> None:
    phone.open()
    cookie = phone.client.get_cookie(COOKIE, path="/chat")
    assert cookie is not None
    away = replace(phone.rim, database=cast(Database, Gone(phone.rim.database.keyring, Known())))
    client = app_of(away, lambda _conversation, _rank: None).test_client()
    client.set_cookie(COOKIE, cookie.value, path="/chat")
    said = client.post("/chat/messages", json={"id": "m1", "text": "chào"}, headers=OURS)
    assert (said.status_code, said.headers["Retry-After"]) == (503, "5")
    assert client.get("/chat/messages").status_code == 503


# --- what is shown --------------------------------------------------------------------------------------------------


def test_nothing_before_she_spoke(phone: Phone) -> None:
    phone.open()
    assert phone.look() == {
        "chat": "", "cursor": "", "lines": [], "writing": False, "owner": "bot", "ticket": None,
    }  # fmt: skip


def test_marks_follow_the_message(phone: Phone) -> None:
    """Accepted: the bot is writing and nothing is shown; heard: her line names the message it came as."""
    phone.open()
    phone.asleep = True
    phone.say(text="xin chào")
    seen = phone.look()
    assert seen["writing"]
    assert seen["lines"] == []
    phone.worker.drain(phone.woken[-1])
    seen = phone.look()
    assert not seen["writing"]
    assert seen["lines"][0]["message"] == "m1"
    assert any(line.get("bubbles") for line in seen["lines"])


def test_cursor_brings_only_what_is_new(phone: Phone) -> None:
    phone.open()
    phone.say(text="xin chào")
    cursor = phone.look()["cursor"]
    assert phone.look(cursor)["lines"] == []
    phone.say(text="cảm ơn")
    new = phone.look(cursor)["lines"]
    assert new[0]["text"] == "cảm ơn"
    assert phone.look("not-a-known-id")["lines"][0]["text"] == "xin chào"


def test_public_ids_only(phone: Phone) -> None:
    phone.open()
    phone.say(text="xin chào")
    for line in phone.look()["lines"]:
        assert len(line["id"]) == 36


@pytest.mark.parametrize("status", ["held", "due", "attempting", "unknown", "withheld", "cancelled", "failed"])
def test_what_was_not_sent_is_no_bubble(phone: Phone, status: str) -> None:
    """A counsellor who takes her words back within the undo time was never heard."""
    phone.open()
    phone.say(text="xin chào")
    start = phone.look()["cursor"]
    held = phone.held()
    with phone.rim.database.write() as connection:
        entry_id = _staff_entry(connection, held, Reply("Chị ơi, em đây."))
        channel = phone.rim.channels["webchat"]
        ids = queue(
            connection,
            held,
            channel,
            Reply("Chị ơi, em đây."),
            entry_id=entry_id,
            purpose="reply",
            now=1,
            author="person",
        )
        queries.change_outbox(connection, ids[0], status=status)
    seen = phone.look(start)
    assert [line["bubbles"] for line in seen["lines"]] == [[]]
    waits = status in ("held", "due", "attempting", "unknown")
    assert seen["cursor"] == ("" if waits else seen["lines"][0]["id"])
    with phone.rim.database.write() as connection:
        queries.change_outbox(connection, ids[0], status="sent")
    line = phone.look(start)["lines"][0]
    assert (line["author"], line["bubbles"][0]["text"]) == ("staff", "Chị ơi, em đây.")


def _staff_entry(connection: Any, held: Holding, reply: Reply) -> int:
    public = "00000000-0000-4000-8000-000000000001"
    values = {
        "uuid": public, "conversation_id": held.id, "author": "staff", "at": 2_000_000_000_000,
        "body_sealed": held.key.seal(reply_to_json(reply), "entry", public, "body"),
    }  # fmt: skip
    return queries.add_entry(connection, values)


def test_choices_as_each_platform_can_show_them(phone: Phone) -> None:
    many = Reply("Chị chọn:", tuple(Choice(f"Mục {n}", f"topic:{n}") for n in range(1, 9)))
    for channel, count in (("webchat", 5), ("webchat-m", 8)):
        phone.open()
        phone.post("/person", {"channel": channel})
        phone.say(text="xin chào")
        held = phone.held()
        start = phone.look()["cursor"]
        with phone.rim.database.write() as connection:
            entry_id = queries.add_entry(
                connection,
                {"uuid": f"{channel:0>36}", "conversation_id": held.id, "author": "bot", "at": 2_000_000_000_000},
            )
            queue(connection, held, phone.rim.channels[channel], many, entry_id=entry_id, purpose="reply", now=1)
        phone.worker.drain(held.id)
        bubble = phone.look(start)["lines"][0]["bubbles"][0]
        assert len(bubble["choices"]) == count
        assert bubble["choices"][0].keys() == {"title", "payload", "url", "phone"}


def test_tap_keeps_its_title_after_a_reload(phone: Phone) -> None:
    phone.open()
    phone.say(payload="start")
    choices = [one for line in phone.look()["lines"] for bubble in line.get("bubbles", ()) for one in bubble["choices"]]
    assert choices
    phone.say(payload=choices[0]["payload"])
    phone.say(payload="no:such:payload")
    hers = [line["text"] for line in phone.look()["lines"] if line["author"] == "person"]
    assert hers == ["Bắt đầu", choices[0]["title"], "(chạm một nút)"]


def test_trace_and_ticket_tell_why(database: Database) -> None:
    """On both databases."""
    phone = Phone(database)
    phone.open()
    phone.say(text="chồng đang đánh em")
    seen = phone.look()
    hers = seen["lines"][0]["trace"]
    assert (hers["decision"], hers["label"]) == ("safety", "An toàn trước hết")
    assert (hers["level_label"], hers["category"]) == ("Khẩn cấp", "bạo lực trong gia đình")
    reasons = [reason for line in seen["lines"] for reason in line["trace"]["why"]]
    assert "Thấy dấu hiệu nguy hiểm: khẩn cấp, bạo lực trong gia đình" in reasons
    assert seen["ticket"]["label"] == "Đang chờ tư vấn viên"
    assert seen["ticket"]["level"] == "RED"
    assert phone.look(seen["cursor"])["lines"] == []
    phone.worker.close()


def test_article_is_named_by_its_title(phone: Phone) -> None:
    article = next(iter(book().knowledge.articles.values()))
    phone.open()
    phone.say(text=article.questions[0])
    traces = [line["trace"] for line in phone.look()["lines"]]
    assert article.title in [one["article"] for one in traces]
    assert any(article.title in reason for one in traces for reason in one["why"])


def test_forgotten_woman_gets_her_receipt_and_nothing_else(phone: Phone) -> None:
    phone.open()
    phone.say(text="xóa dữ liệu của tôi")
    old = phone.look()["chat"]
    choices = [one for line in phone.look()["lines"] for bubble in line.get("bubbles", ()) for one in bubble["choices"]]
    sure = next(one for one in choices if "delete_sure" in one["payload"] or "Xóa" in one["title"])
    phone.say(payload=sure["payload"])
    assert phone.look()["chat"] != old
    sweep(phone.rim, phone.wake)
    seen = phone.look()
    assert [line["author"] for line in seen["lines"]] == ["bot"]
    assert seen["lines"][0]["bubbles"][0]["text"]
    assert seen["lines"][0]["trace"] is None


# --- words ----------------------------------------------------------------------------------------------------------


def _notes() -> set[str]:
    """Every note the engine and the screen write out in full."""
    root = Path(trace.__file__).parents[1]
    found = set()
    for path in [*root.glob("engine/*.py"), *root.glob("safety/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "why" and isinstance(node.value, ast.Tuple):
                found |= {
                    item.value
                    for item in node.value.elts
                    if isinstance(item, ast.Constant) and isinstance(item.value, str)
                }
    return found


def test_every_note_of_the_engine_has_words() -> None:
    titles = trace.Titles.of(book())
    notes = _notes()
    assert len(notes) > 30
    assert [note for note in sorted(notes) if trace.sentence(note, titles) == note] == []


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("danger RED, a person owns", "Dấu hiệu nguy hiểm (khẩn cấp): báo ngay cho tư vấn viên"),
        ("danger CHECK", "Thấy dấu hiệu nguy hiểm: cần hỏi thêm"),
        ("asks province", "Hỏi chị: tỉnh, thành phố"),
        ("asks again", "Hỏi lại câu đang dở"),
        ("flow handover", "Bắt đầu kịch bản “Gặp tư vấn viên”"),
        ("back to province", "Quay lại: tỉnh, thành phố"),
        ("steps handover/0_noop handover/3_action_utter_handover_next", "Qua các bước: handover_next"),
        ("section steps of no-such-article", "Phần các bước của bài “no-such-article”"),
        ("runaway.out", "Dấu hiệu “runaway.out” trong danger.yml"),
        ("a note nobody knows {yet}", "a note nobody knows {yet}"),
    ],
)
def test_notes_in_plain_words(note: str, words: str) -> None:
    assert trace.sentence(note, trace.Titles.of(book())) == words
