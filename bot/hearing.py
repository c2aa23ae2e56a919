"""Hearing: one thought of hers, one turn of the engine, one transaction. The only room where a turn becomes rows.

The engine thinks outside the transaction, so that thinking never blocks another writer; the transaction then checks
that the lease is still ours and that the owner did not change meanwhile, and otherwise the turn is thought again.
"""

from __future__ import annotations

import datetime
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from bot import moments
from bot.channels import Channel
from bot.engine import state_from_json, state_to_json
from bot.messages import (
    LEVELS,
    Appointment,
    Choice,
    CloseTicket,
    ConsentGiven,
    Danger,
    Effect,
    Feedback,
    Forget,
    Heard,
    Level,
    Missed,
    OpenTicket,
    Reply,
    RunAction,
    SafeContact,
    ShowData,
    State,
    Subscription,
    Timer,
    Turn,
    World,
)
from bot.rim import Rim
from bot.store import queries
from bot.store.bodies import attachments_from_json, reply_to_json
from bot.store.crypto import ConversationKey

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
STALE_MS, FUTURE_MS = 36 * 3_600_000, 300_000  # outside, the platform's time is not believed
FEEDBACK_WHY = frozenset({"other_question", "unclear", "incomplete"})  # her own words stay in the sealed transcript
OVER_MS = 2 * 3_600_000  # an appointment is over so long after it began
OPENING = frozenset({"message", "consent"})  # what counts as her last word for the platforms' windows
APOLOGY = (
    "Dạ, OSSO vừa gặp trục trặc, tin của chị đã được lưu lại an toàn. "
    "Sẽ có người đọc và trả lời chị. Chị không cần nhắn lại đâu ạ."
)
PERSON = "Gặp tư vấn viên"
FORGOTTEN = "Dạ, OSSO đã xóa hết thông tin của chị theo yêu cầu. Mã biên nhận: {receipt}."
CONTACT_KEPT = "Dạ, OSSO đã nhận thông tin liên hệ của chị và giữ kín ạ. Chị muốn nói chuyện với tư vấn viên không ạ?"


HELD = "Dạ, OSSO đang giữ những thông tin này ạ:"
HELD_ENTRIES = "– Tin nhắn hai bên: {count} tin, từ ngày {since}."
HELD_SLOTS = "– Câu trả lời chị đã cho OSSO biết để hỗ trợ: {count} mục."
HELD_CONSENT = "– Lời đồng ý chị đã cho: {consents}. Lịch hẹn: {appointments}."
HELD_SAFE = "– Cách liên lạc an toàn: đã lưu."
HELD_NO_SAFE = "– Cách liên lạc an toàn: chưa có."
HELD_HOW = "Tất cả được khóa mã, chỉ người hỗ trợ chị đọc được. Chị muốn xóa thì nhắn “xóa dữ liệu của tôi”."
DELETE, MENU = "Xóa dữ liệu", "Menu"
# What the rim says by itself; the catalogues hold all of it.
SAID = (
    *(APOLOGY, FORGOTTEN, CONTACT_KEPT, PERSON, HELD, HELD_ENTRIES, HELD_SLOTS, HELD_CONSENT, HELD_SAFE),
    *(HELD_NO_SAFE, HELD_HOW, DELETE, MENU),
)


class LeaseLost(Exception):
    """Another worker took the conversation over; this one writes nothing more."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A conversation this worker holds: its row when claimed, its fence and its key."""

    id: int
    uuid: str
    fence: int
    row: RowMapping
    key: ConversationKey

    @staticmethod
    def of(rim: Rim, row: RowMapping) -> Holding:
        return Holding(row["id"], row["uuid"], row["fence"], row, rim.database.keyring.open_key(row["wrapped_key"]))


def hear_next(rim: Rim, held: Holding) -> bool:
    """Hears the oldest open inbox row, or the few that make one thought. False when nothing is due."""
    now = rim.clock()
    with rim.database.read() as connection:
        rows = queries.open_inbox(connection, held.id)
        if not rows or rows[0]["next_at"] > now:
            return False
        row = queries.get_conversation(connection, held.id)
        ticket = queries.open_ticket(connection, held.id)
        blocked = ticket is None and queries.is_blocked(connection, held.id)
        ahead = queries.tickets_before(connection, ticket) if ticket else 0
        appointment = queries.open_appointment(connection, held.id, now - OVER_MS)
    if row is None:
        return False
    bodies = [held.key.open(one["body_sealed"], "inbox", one["uuid"], "body") for one in rows]
    if rows[0]["kind"] == "consent" and bodies[0]["consent"] != "follow":
        with rim.database.write() as connection:
            fresh = queries.renew(connection, held.id, held.fence, rim.database.now(connection))
            if fresh is None:
                raise LeaseLost
            _Write(rim, connection, held, fresh, now).consent(rows[0], bodies[0])
        return True
    thought = _thought(rows, bodies, rim.gather_ms, now)
    if isinstance(thought, int):
        with rim.database.write() as connection:
            queries.change_inbox(connection, [rows[0]["id"]], next_at=thought)
        return False
    while True:
        state = state_from_json(
            held.key.open(row["state_sealed"], "conversation", held.uuid, "state") if row["state_sealed"] else {}
        )
        heard = replace(thought.heard, first=row["heard_at"] == 0, world=_world(rim, row, state, ticket, ahead, now))
        world = replace(heard.world, blocked=blocked)
        heard = replace(heard, world=_with_appointment(world, held, appointment, state.locale))
        started = time.perf_counter()
        turn = rim.mind().think(state, heard)
        rim.meter.turned(turn.decision, time.perf_counter() - started)
        with rim.database.write() as connection:
            fresh = queries.renew(connection, held.id, held.fence, rim.database.now(connection))
            if fresh is None:
                raise LeaseLost
            if fresh["owner"] == row["owner"]:
                _Write(rim, connection, held, fresh, now).turn(thought, heard, state, turn)
                return True
        row = fresh  # a person took the chat, or gave it back, while the bot was thinking


def bury(rim: Rim, held: Holding, inbox_id: int) -> None:
    """A message that could not be heard: a person is told, she gets an honest sentence, the next one runs."""
    now = rim.clock()
    with rim.database.write() as connection:
        fresh = queries.renew(connection, held.id, held.fence, rim.database.now(connection))
        if fresh is None:
            raise LeaseLost
        queries.change_inbox(connection, [inbox_id], dead_at=now)
        queries.ask_for_person(connection, held.id, reason="failure", level="CHECK", now=now)
        if fresh["owner"] == "bot":
            write = _Write(rim, connection, held, fresh, now)
            write.say(Reply(write.words(APOLOGY)), purpose="apology")


@dataclass(frozen=True, slots=True)
class _Thought:
    rows: tuple[RowMapping, ...]
    bodies: tuple[dict[str, Any], ...]
    heard: Heard


def _thought(rows: Sequence[RowMapping], bodies: Sequence[dict[str, Any]], gather_ms: int, now: int) -> _Thought | int:
    """What is heard as one; or the time (ms) until which a short message waits for its companions."""

    def plain(place: int) -> bool:
        body = bodies[place]
        return rows[place]["kind"] == "message" and set(body) <= {"id", "text", "evidence"} and bool(body.get("text"))

    count, calm = 1, False
    if gather_ms and plain(0):
        while (
            count < len(rows) and plain(count) and rows[count]["received_at"] - rows[count - 1]["received_at"] < 60_000
        ):
            count += 1
        calm = all(rows[place]["level"] == "NONE" for place in range(count))
        unfinished = len(bodies[count - 1]["text"]) < 60 and not bodies[count - 1]["text"].rstrip().endswith(("?", "ạ"))
        ready_at = rows[count - 1]["received_at"] + gather_ms
        if calm and unfinished and count == len(rows) and now < ready_at:
            return int(ready_at)
    taken = tuple(rows[:count])
    said = tuple(bodies[:count])
    worst = max(taken, key=lambda one: LEVELS.index(one["level"]))
    at, received = taken[-1]["at"], taken[-1]["received_at"]
    evidence = next((body["evidence"] for body in said if body.get("evidence")), "")
    heard = Heard(
        text="\n".join(body["text"] for body in said if body.get("text")),
        payload=_payload(taken[0], said[0]),
        attachments=attachments_from_json(said[0].get("attachments", [])),
        at=at if received - STALE_MS < at < received + FUTURE_MS else received,
        edited=bool(said[0].get("edits")),
        danger=None if calm and count > 1 else Danger(worst["level"], worst["category"], evidence),
    )
    return _Thought(taken, said, heard)


def _payload(row: RowMapping, body: dict[str, Any]) -> str:
    match row["kind"]:
        case "consent":
            return "menu"  # following is the first hello
        case _:
            return str(body.get("payload", ""))


def _world(
    rim: Rim, row: RowMapping, state: State, ticket: RowMapping | None, ahead: int, now: int
) -> World:  # fmt: skip
    duty = rim.roster(str(state.slots.get("province") or ""), ticket["skill"] if ticket else "", now)
    taken = ticket is not None and ticket["state"] not in ("waiting", "offered")
    return World(
        now=datetime.datetime.fromtimestamp(now / 1000, ZONE).isoformat(timespec="seconds"),
        owner=row["owner"],
        ticket="none" if ticket is None else "taken" if taken else "waiting",
        ahead=ahead,
        kept=ticket is not None and queries.kept(ticket),
        staffed=duty.staffed,
        opens=moments.soon(duty.opens_at, now, state.locale),
        drafts=rim.drafts,
        choices=rim.channels[row["channel"]].limits.choices,
        channel=row["channel"],
    )


def _with_appointment(world: World, held: Holding, row: RowMapping | None, locale: str) -> World:
    if row is None:
        return world
    if row["starts_at"] is None:
        return replace(world, appointment="asked")
    place = held.key.open(row["place_sealed"], "appointment", row["uuid"], "place") if row["place_sealed"] else ""
    words = ", ".join(filter(None, (moments.appointed(row["starts_at"], locale), place)))
    return replace(world, appointment="confirmed", appointment_at=words)


@dataclass(frozen=True, slots=True)
class _Write:
    """Writes of one turn inside its transaction."""

    rim: Rim
    connection: Connection
    held: Holding
    row: RowMapping
    now: int

    def turn(self, thought: _Thought, heard: Heard, before: State, turn: Turn) -> None:
        ids = [one["id"] for one in thought.rows]
        queries.change_inbox(self.connection, ids, done_at=self.now)
        entry_id = self._hers(thought, before, turn)
        purpose = _purpose(thought, turn)
        for number, reply in enumerate(turn.replies):
            self.say(reply, purpose=purpose, turn=turn, why=number == 0)
        asked = (one.level for one in turn.effects if isinstance(one, OpenTicket))
        worst = max([heard.danger.level if heard.danger else "NONE", *asked], key=LEVELS.index)
        # The window counts from when it reached us: a late delivery is still worth a try, and the platform decides.
        said_at = max((one["received_at"] for one in thought.rows if one["kind"] in OPENING), default=0)
        queries.change_conversation(
            self.connection,
            self.held.id,
            state_sealed=self.held.key.seal(state_to_json(turn.state), "conversation", self.held.uuid, "state"),
            heard_at=max(said_at, self.row["heard_at"]),
            locale=turn.state.locale[:5],
            flagged=self.row["flagged"] or LEVELS.index(worst) >= LEVELS.index("AMBER"),
            unreachable="" if said_at else self.row["unreachable"],
        )
        for effect in turn.effects:
            self._effect(effect, heard, ids[0], entry_id)
        if (home := turn.state.slots.get("province")) and home != before.slots.get("province"):
            self._place(str(home))
        if any(isinstance(effect, Forget) for effect in turn.effects):
            self._forget(turn)

    def _place(self, home: str) -> None:
        """An open ticket that has no office yet learns where she is, also when she says it later."""
        table = queries.ticket
        mine = (table.c.conversation_id == self.held.id, table.c.closed_at.is_(None), table.c.office == "")
        self.connection.execute(update(table).where(*mine).values(province=home[:32]))

    def consent(self, row: RowMapping, body: dict[str, Any]) -> None:
        """What a platform says about her will: details she shared, messages she no longer wants, a demand to forget."""
        connection, mine, now = self.connection, self.held.id, self.now
        queries.change_inbox(connection, [row["id"]], done_at=now)
        match body["consent"]:
            case "withdraw":
                forget(self.rim, connection, self.held, self.row, (Reply(self.words(FORGOTTEN)),), now)
            case "profile":
                fields = dict(body.get("fields", []))
                sealed = self.held.key.seal(fields, "conversation", self.held.uuid, "profile")
                queries.change_conversation(connection, mine, profile_sealed=sealed, heard_at=row["received_at"])
                if self.row["owner"] == "bot":
                    choices = (Choice(self.words(PERSON), "/person"),)
                    self.say(Reply(self.words(CONTACT_KEPT), choices), purpose="reply")
            case "unfollow" | "optout":
                key = {"conversation_id": mine, "topic": "*"}
                queries.upsert(connection, queries.subscription, key, {"on": False, "at": now})
            case _:
                pass  # an opt-in opens nothing that she did not ask for in the chat

    def words(self, source: str) -> str:
        """A sentence of the rim in the language of her last turn."""
        return self.rim.texts.get(self.row["locale"], source)

    def say(self, reply: Reply, *, purpose: str, turn: Turn | None = None, why: bool = False) -> None:
        """One entry of the transcript and as many outbox rows as the channel needs for it."""
        channel = self.rim.channels[self.row["channel"]]
        public = str(uuid.uuid4())
        article, digest = turn.sources[0] if turn and turn.sources else ("", "")
        entry_id = queries.add_entry(
            self.connection,
            {
                "uuid": public,
                "conversation_id": self.held.id,
                "author": "bot",
                "body_sealed": self.held.key.seal(reply_to_json(reply), "entry", public, "body"),
                "why_sealed": self.held.key.seal(list(turn.why), "entry", public, "why") if turn and why else None,
                "decision": turn.decision if turn else "",
                "article": article,
                "article_hash": digest,
                "at": self.now,
            },
        )
        level: Level = "RED" if purpose == "safety" and turn is not None and _red(turn) else "NONE"
        queue(self.connection, self.held, channel, reply, entry_id=entry_id, purpose=purpose, level=level, now=self.now)

    def _hers(self, thought: _Thought, before: State, turn: Turn) -> int | None:
        entry_id = None
        names = {choice.payload: choice.title for choice in before.offered}
        for row, body in zip(thought.rows, thought.bodies, strict=True):
            if row["kind"] == "timer":
                continue
            public = str(uuid.uuid4())
            shown = {key: value for key, value in body.items() if key not in ("id", "evidence")}
            if body.get("payload") in names:
                shown["tapped"] = names[body["payload"]]
            index = None
            if body.get("id"):
                index = self.rim.database.keyring.index("message", self.row["channel"], self.row["account"], body["id"])
            entry_id = queries.add_entry(
                self.connection,
                {
                    "uuid": public,
                    "conversation_id": self.held.id,
                    "inbox_id": row["id"],
                    "author": "person",
                    "kind": "consent" if row["kind"] == "consent" else "edit" if body.get("edits") else "message",
                    "body_sealed": self.held.key.seal(shown, "entry", public, "body"),
                    "platform_index": index,
                    "platform_sealed": self.held.key.seal(body["id"], "entry", public, "platform") if index else None,
                    "level": row["level"],
                    "category": row["category"],
                    "decision": turn.decision,
                    "at": row["at"] or row["received_at"],
                },
            )
        return entry_id

    def _effect(self, effect: Effect, heard: Heard, inbox_id: int, entry_id: int | None) -> None:
        connection, conversation_id, now = self.connection, self.held.id, self.now
        mine = {"conversation_id": conversation_id, "at": now}
        match effect:
            case OpenTicket() if heard.world.blocked and effect.reason != "delete" and not _danger(effect):
                pass  # staff keep her out of the queue; her words are in the transcript
            case OpenTicket():
                queries.ask_for_person(
                    connection,
                    conversation_id,
                    reason=effect.reason,
                    level=effect.level,
                    now=now,
                    category=effect.category,
                    skill=effect.skill,
                    topic=effect.topic,
                    province=effect.province,
                    locale=effect.locale,
                    entry_id=entry_id,
                )
            case CloseTicket():
                found = queries.open_ticket(connection, conversation_id)
                if found is not None and found["state"] in ("waiting", "offered"):
                    queries.end_outside(connection, found, effect.reason, now)
            case Missed():
                public = str(uuid.uuid4())
                sealed = self.held.key.seal(heard.text, "missed_question", public, "text")
                rows = [[one.article, round(one.score, 3)] for one in effect.candidates]
                connection.execute(
                    insert(queries.missed).values(**mine, uuid=public, text_sealed=sealed, candidates=rows)
                )
            case Feedback():
                why = effect.why if effect.why in FEEDBACK_WHY else "own_words" if effect.why else ""
                values = {"article": effect.article, "useful": effect.useful, "why": why}
                connection.execute(insert(queries.feedback).values(**mine, **values))
            case Timer(at=0):
                queries.cancel_timer(connection, conversation_id, effect.kind)
            case Timer():
                values = {
                    "at": effect.at,
                    "payload": effect.payload,
                    "set_at": now,
                    "unless_heard": effect.unless_heard,
                }
                queries.set_timer(connection, conversation_id, effect.kind, values)
            case Subscription():
                key = {"conversation_id": conversation_id, "topic": effect.topic}
                queries.upsert(connection, queries.subscription, key, {"on": effect.on, "at": now})
            case SafeContact():
                safe = safe_contact(self.held.key, self.row) | dict(effect.fields)
                sealed = self.held.key.seal(safe, "conversation", self.held.uuid, "safe")
                queries.change_conversation(connection, conversation_id, safe_sealed=sealed)
            case ConsentGiven():
                values = {"purpose": effect.purpose, "given": effect.given, "version": effect.version}
                connection.execute(insert(queries.consent).values(**mine, **values, inbox_id=inbox_id))
            case Appointment():
                self._appointment(effect)
            case ShowData():
                self._show_data()
            case Forget() | RunAction():
                pass  # forgetting comes last; actions ran before the transaction

    def _appointment(self, effect: Appointment) -> None:
        """One appointment at a time: asking anew, moving and cancelling end the one before."""
        connection, table = self.connection, queries.appointment
        ended = (
            table.update()
            .where(table.c.conversation_id == self.held.id, table.c.status.in_(("asked", "confirmed")))
            .values(status="cancelled" if effect.act == "cancel" else "moved", changed_at=self.now)
            .returning(table.c.entry_id)
        )
        for entry_id in connection.execute(ended).scalars().all():
            queries.take_back(connection, entry_id)
        if effect.act != "cancel":
            public = str(uuid.uuid4())
            sealed = self.held.key.seal(effect.when, "appointment", public, "when")
            values = {"uuid": public, "kind": effect.kind, "office": effect.office, "when_sealed": sealed}
            connection.execute(insert(table).values(conversation_id=self.held.id, at=self.now, **values))

    def _show_data(self) -> None:
        """What is kept about her, in plain words: counts and dates, so that a watcher learns nothing new."""
        connection, mine = self.connection, self.held.id

        def count(table: Any) -> int:
            query = select(func.count()).select_from(table).where(table.c.conversation_id == mine)
            return int(connection.execute(query).scalar_one())

        since = datetime.datetime.fromtimestamp(self.row["created_at"] / 1000, ZONE)
        lines = [
            self.words(HELD),
            self.words(HELD_ENTRIES).format(count=count(queries.entry), since=f"{since:%d/%m/%Y}"),
            self.words(HELD_SLOTS).format(count=len(self._slots())),
            self.words(HELD_CONSENT).format(consents=count(queries.consent), appointments=count(queries.appointment)),
            self.words(HELD_SAFE if self.row["safe_sealed"] else HELD_NO_SAFE),
            self.words(HELD_HOW),
        ]
        choices = (Choice(self.words(DELETE), "/delete_data"), Choice(self.words(MENU), "/menu"))
        self.say(Reply("\n".join(lines), choices), purpose="reply")

    def _slots(self) -> dict[str, Any]:
        query = select(queries.conversation.c.state_sealed).where(queries.conversation.c.id == self.held.id)
        sealed = self.connection.execute(query).scalar()
        state = self.held.key.open(sealed, "conversation", self.held.uuid, "state") if sealed else {}
        return {key: value for key, value in dict(state.get("slots") or {}).items() if value not in (None, "")}

    def _forget(self, turn: Turn) -> None:
        """Destroys everything of hers, leaves a signed receipt, and answers from a fresh, empty conversation."""
        forget(self.rim, self.connection, self.held, self.row, turn.replies, self.now)


def forget(
    rim: Rim, connection: Connection, held: Holding, row: RowMapping, last_words: Sequence[Reply], now: int
) -> None:  # fmt: skip
    keyring = rim.database.keyring
    person = held.key.open(row["person_sealed"], "conversation", held.uuid, "person")
    rows = queries.erase(connection, held.id, now=now, new_index=uuid.uuid4().bytes * 2)
    rim.database.known.forget(row["person_index"])
    receipt = keyring.sign(f"{row['person_index'].hex()}|{rows}|{now}".encode())
    connection.execute(
        insert(queries.tombstone).values(person_index=row["person_index"], at=now, rows=rows, receipt=receipt)
    )
    if not last_words:
        return
    wrapped, key = keyring.new_key()
    public = str(uuid.uuid4())
    fresh = queries.add_conversation(
        connection,
        {
            "uuid": public,
            "channel": row["channel"],
            "account": row["account"],
            "person_index": row["person_index"],
            "person_sealed": key.seal(person, "conversation", public, "person"),
            "wrapped_key": wrapped,
            "heard_at": row["heard_at"] or now,
            "created_at": now,
        },
    )
    empty = Holding(fresh["id"], public, 0, fresh, key)
    for reply in last_words:
        text = reply.text.replace("{receipt}", receipt[:12].upper())
        channel = rim.channels[row["channel"]]
        queue(connection, empty, channel, replace(reply, text=text), entry_id=None, purpose="receipt", now=now)


def queue(
    connection: Connection,
    held: Holding,
    channel: Channel,
    reply: Reply,
    *,
    entry_id: int | None,
    purpose: str,
    now: int,
    level: Level = "NONE",
    author: str = "bot",
    not_before: int = 0,
) -> list[int]:
    """Adds the outbox rows of one reply, one row per HTTP request. `not_before` (ms) holds it, e.g. for undo."""
    ids = []
    for piece in channel.fit(reply):
        public = str(uuid.uuid4())
        ids.append(
            queries.add_outbox(
                connection,
                {
                    "uuid": public,
                    "conversation_id": held.id,
                    "entry_id": entry_id,
                    "author": author,
                    "purpose": purpose,
                    "level": level,
                    "status": "held" if not_before else "due",
                    "next_at": not_before,
                    "body_sealed": held.key.seal(reply_to_json(piece), "outbox", public, "body"),
                    "created_at": now,
                },
            )
        )
    return ids


def safe_contact(key: ConversationKey, row: RowMapping | Mapping[str, Any]) -> dict[str, str]:
    """Her safe-contact profile, empty when she gave none."""
    if not row["safe_sealed"]:
        return {}
    found: dict[str, str] = key.open(row["safe_sealed"], "conversation", row["uuid"], "safe")
    return found


def _purpose(thought: _Thought, turn: Turn) -> str:
    """What a message is for, which decides when it may leave: what a timer says waits for her safe hours."""
    if turn.decision == "safety":
        return "safety"
    if thought.rows[0]["kind"] != "timer" or thought.heard.payload == "handback":
        return "reply"
    return "reminder" if thought.heard.payload == "remind" else "timer"


def _danger(effect: OpenTicket) -> bool:
    return LEVELS.index(effect.level) >= LEVELS.index("AMBER")


def _red(turn: Turn) -> bool:
    return any(isinstance(effect, OpenTicket) and effect.level == "RED" for effect in turn.effects)
