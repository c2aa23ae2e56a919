"""Invented women and staff for a development server, so that one person can try the whole hand-over alone. What they
write goes through the real inbox, screen and engine. Never in production.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, insert, select

from bot.channels.webchat import ACCOUNT
from bot.errors import Refused, Unreachable
from bot.inbox import accept
from bot.messages import Address, Message
from bot.store import models, queries
from handoff.accounts import queries as accounts
from handoff.accounts.demo import demo_account
from handoff.duty import card, shift

if TYPE_CHECKING:
    from bot.wiring import Parts, Wake

PERSON = "person"  # the tap that asks for a counsellor
WAIT_S = 900.0  # a scripted woman gives up after this long without an answer
STEP_S = 2.0
TYPING_S = 4.0


@dataclass(frozen=True, slots=True)
class Story:
    """What an invented woman writes: first by herself, then one line after each answer of a counsellor."""

    name: str
    first: tuple[str, ...]
    then: tuple[str, ...]


STORIES = {
    "papers": Story(
        "Giấy tờ cho con",
        ("chào osso, em mới ở Đài Loan về", "con em sinh bên đó chưa có khai sinh, em muốn gặp người tư vấn"),
        (
            "dạ em cảm ơn chị. cháu 3 tuổi rồi ạ",
            "em ở Cần Thơ, bố cháu vẫn ở Đài Loan",
            "giấy chứng sinh em có, bản tiếng Trung thôi",
            "vậy em cần mang những giấy gì tới văn phòng ạ",
            "dạ em hiểu rồi, em cảm ơn chị nhiều",
        ),
    ),
    "danger": Story(
        "Nguy hiểm ngay lúc này",
        ("cuu em voi", "chồng em đang cầm dao đòi giết em"),
        (
            "em dang tron trong nha tam",
            "co con nho 4 tuoi voi em",
            "nha em o Hai Phong",
            "da em nghe thay hang xom sang roi",
            "em qua nha chi gai roi chi oi, em cam on",
        ),
    ),
    "work": Story(
        "Tìm việc",
        ("em muốn học nghề làm tóc", "cho em gặp tư vấn viên ạ"),
        ("em ở Hà Nội", "em học buổi tối được không chị", "dạ em cảm ơn chị"),
    ),
}
REPLIES = (
    ("Chào lần đầu", "Chào {ten}, em là {tu_van_vien} ở {van_phong}.\n---\nChị kể em nghe, em đang đọc đây ạ."),
    ("Hỏi an toàn", "Bây giờ chị nhắn tin có tiện và an toàn không ạ? Nếu không tiện, chị nhắn em lúc khác cũng được."),
    ("Xin chờ một chút", "Chị chờ em mấy phút để em hỏi lại cho chắc rồi trả lời chị nhé."),
    ("Chào kết", "Em cảm ơn chị đã tin OSSO. Khi cần, chị nhắn lại vào đây bất cứ lúc nào ạ."),
)
LABELS = ("Giấy tờ con", "Ly hôn", "Cần phiên dịch", "Hẹn gặp")
COLLEAGUES = (("demo.lan", "Lan (ví dụ)", "osso-cantho"), ("demo.huong", "Hương (ví dụ)", "osso-haiphong"))


def load_demo(parts: Parts) -> int:
    """Adds the demo's rows unless they are there: shifts, colleagues, saved replies, two women who wrote. Returns how
    many women were added. Raises Refused in production."""
    login, _password, _secret = demo_account(parts)
    now = parts.rim.clock()
    with parts.database.write() as connection:
        if connection.execute(select(func.count()).select_from(queries.table(models.Label))).scalar():
            return 0
        found = accounts.member(connection, login=login)
        assert found is not None  # noqa: S101 - demo_account made her
        for weekday in range(7):
            _shift(connection, found["id"], weekday, 0, 0)
        values = {"skills": "legal,psychological,vocational,child,social", "languages": "vi,en,ko", "capacity": 8}
        queries.upsert(connection, card, {"staff_id": found["id"]}, values)
        for colleague, name, office in COLLEAGUES:
            staff_id = accounts.add_member(connection, login=colleague, name=name, locale="vi", now=now)
            accounts.set_posts(connection, staff_id, [("counsellor", office)])
            for weekday in range(5):
                _shift(connection, staff_id, weekday, 8 * 60, 17 * 60)
        saved = queries.table(models.SavedReply)
        for title, body in REPLIES:
            connection.execute(insert(saved).values(uuid=str(uuid.uuid4()), title=title, body=body, at=now))
        for name in LABELS:
            connection.execute(insert(queries.table(models.Label)).values(name=name))
    for story in ("papers", "work"):
        person = f"demo-{uuid.uuid4().hex[:12]}"
        for line in STORIES[story].first:
            say(parts, person, line)
        say(parts, person, payload=PERSON)
    return 2


def start_woman(parts: Parts, wake: Wake, story: str) -> str:
    """A scripted woman begins to write and goes on as she is answered; her invented id on the simulator's channel.

    Raises Refused in production or for a story that is not there.
    """
    if parts.settings.production:
        raise Refused("Không có người mẫu trên máy thật.")
    if story not in STORIES:
        raise Refused("Không có kịch bản này.")
    person = f"demo-{uuid.uuid4().hex[:12]}"
    threading.Thread(target=_play, args=(parts, wake, person, STORIES[story]), name="osso-demo", daemon=True).start()
    return person


def _play(parts: Parts, wake: Wake, person: str, story: Story) -> None:
    try:
        for line in story.first:
            say(parts, person, line, wake=wake)
            time.sleep(TYPING_S / 2)
        if story is not STORIES["danger"]:
            say(parts, person, payload=PERSON, wake=wake)
        answered = 0
        for line in story.then:
            answered = _answered(parts, person, answered)
            if not answered:
                return
            time.sleep(TYPING_S)
            say(parts, person, line, wake=wake)
    except Unreachable:
        return  # the server is going down; so does the play


def _answered(parts: Parts, person: str, before: int) -> int:
    """Waits for a counsellor's next message; how many there are then, 0 when she waited in vain."""
    index = parts.database.keyring.index("person", "webchat", ACCOUNT, person)
    query = (
        select(func.count())
        .select_from(queries.entry)
        .join(queries.conversation, queries.conversation.c.id == queries.entry.c.conversation_id)
        .join(queries.outbox, queries.outbox.c.entry_id == queries.entry.c.id)
        .where(queries.conversation.c.person_index == index, queries.entry.c.author == "staff")
        .where(queries.outbox.c.status == "sent")
    )
    for _ in range(int(WAIT_S / STEP_S)):
        time.sleep(STEP_S)
        with parts.database.read() as connection:
            count = int(connection.execute(query).scalar_one())
        if count > before:
            return count
    return 0


def say(parts: Parts, person: str, text: str = "", *, payload: str = "", wake: Wake | None = None) -> None:
    """One message of an invented woman, through the real inbox."""
    now, key = parts.rim.clock(), uuid.uuid4().hex
    message = Message(
        key=f"demo-{key}", address=Address("webchat", ACCOUNT, person), at=now, id=key, text=text, payload=payload
    )
    accepted = accept(parts.database, parts.rim.mind().book.screen, (message,), now=now)
    for conversation_id, rank in accepted.wake:
        if wake is not None:
            wake(conversation_id, rank)


def stories() -> Sequence[tuple[str, str]]:
    """(id, name) for the desk's menu."""
    return [(key, story.name) for key, story in STORIES.items()]


def _shift(connection: Connection, staff_id: int, weekday: int, start: int, end: int) -> None:
    values = {"uuid": str(uuid.uuid4()), "staff_id": staff_id, "weekday": weekday, "start": start, "end": end}
    connection.execute(insert(shift).values(**values, holidays=start == end))
