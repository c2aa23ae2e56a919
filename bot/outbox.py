"""Speaking: the one gate every message leaves by. Owner, consent, safe hours, window and rate are checked in the same
transaction that writes the attempt; the request follows the commit; its end is written afterwards.

A send whose end is unknown is never repeated blindly: neither platform has an idempotency key. Only a RED safety reply
is said once more, because twice is safer than silence.
"""

from __future__ import annotations

import datetime
import random
import re
from dataclasses import dataclass, replace

from sqlalchemy import Connection, RowMapping

from bot import log
from bot.errors import GrantLost, NoToken
from bot.hearing import ZONE, Holding, LeaseLost, safe_contact
from bot.messages import Address, Answer, Outcome, Reply, Speech
from bot.rim import MaybeSent, NotSent, Rim
from bot.store import queries
from bot.store.bodies import reply_from_json, reply_to_json

DELAYS = (1.0, 5.0, 15.0, 60.0, 300.0)  # seconds, ±20 %
UNKNOWN_MS = 60_000
WAIT_S = 300.0
STOPPED_MS = 1_800_000  # one message then tries whether the channel goes again
UNSAID = {"reply": "failure", "reminder": "appointment"}  # a person is told, and why, when the window is closed for it
SEEN_MS = 60_000  # `last send` is written down this often, not for every message


def say_next(rim: Rim, held: Holding) -> bool:
    """Sends the oldest due message of the conversation. False when none is due. Raises LeaseLost."""
    with rim.database.read() as connection:  # most often nothing is left, and looking must not cost a commit
        if not _due(rim, queries.next_outbox(connection, held.id, rim.clock())):
            return False
    with rim.database.write() as connection:
        fresh = queries.renew(connection, held.id, held.fence, rim.database.now(connection))
        if fresh is None:
            raise LeaseLost
        row = queries.next_outbox(connection, held.id, rim.clock())
        if row is None or not _due(rim, row):
            return False
        attempt = _gate(rim, connection, held, fresh, row)
    if attempt is None:
        return True
    outcome = _deliver(rim, attempt.speech)
    rim.meter.said(attempt.speech.address.channel, outcome.verdict)
    with rim.database.write() as connection:
        _settle(rim, connection, held, attempt, outcome)
    return True


def _due(rim: Rim, row: RowMapping | None) -> bool:
    return row is not None and (row["next_at"] <= rim.clock() or row["status"] == "attempting")


@dataclass(frozen=True, slots=True)
class _Attempt:
    row: RowMapping
    speech: Speech
    health: RowMapping | None  # of the account, as it was at the gate


def _gate(
    rim: Rim, connection: Connection, held: Holding, conversation: RowMapping, row: RowMapping
) -> _Attempt | None:  # fmt: skip
    """Decides whether this row may leave now; writes the attempt, or why not."""
    now = rim.clock()
    outbox_id = row["id"]
    if row["status"] == "attempting":  # its worker died: we hold the lease now, and nobody knows how the send ended
        queries.change_outbox(connection, outbox_id, status="unknown")
        return None
    if row["author"] == "bot" and conversation["owner"] == "person":
        queries.change_outbox(connection, outbox_id, status="withheld", code="owner")
        return None
    if conversation["unreachable"] == "gone" and row["purpose"] in queries.PROACTIVE:
        queries.change_outbox(connection, outbox_id, status="failed", code="gone")
        return None
    health = queries.get_health(connection, conversation["channel"], conversation["account"])
    if health is not None and (held_until := _held_until(health)) > now:
        queries.change_outbox(connection, outbox_id, next_at=held_until)
        return None
    if row["purpose"] in queries.PROACTIVE:
        if row["author"] == "bot" and queries.stopped(connection, held.id):
            queries.change_outbox(connection, outbox_id, status="withheld", code="stopped")
            return None
        later = safe_time(safe_contact(held.key, conversation), now)
        if later is None:
            queries.change_outbox(connection, outbox_id, status="withheld", code="unsafe")
            return None
        if later > now:
            queries.change_outbox(connection, outbox_id, next_at=later)
            return None
    window = rim.channels[conversation["channel"]].window(conversation["heard_at"], now)
    by_person = row["author"] == "person"
    if not (window.person if by_person else window.bot):
        queries.change_outbox(connection, outbox_id, status="failed", code="window")
        if not by_person and row["purpose"] in UNSAID:
            queries.ask_for_person(connection, held.id, reason=UNSAID[row["purpose"]], now=now)
        return None
    queries.change_outbox(connection, outbox_id, status="attempting", tries=row["tries"] + 1, attempted_at=now)
    person = held.key.open(conversation["person_sealed"], "conversation", held.uuid, "person")
    speech = Speech(
        reference=row["uuid"],
        address=Address(conversation["channel"], conversation["account"], person),
        reply=reply_from_json(held.key.open(row["body_sealed"], "outbox", row["uuid"], "body")),
        author="person" if by_person else "bot",
        human_tag=by_person and not window.bot,
    )
    return _Attempt(row, speech, health)


def _held_until(health: RowMapping) -> int:
    """Until when (ms) nothing may leave by this account: the platform's rate limit, or a stop until somebody acts."""
    stopped = health["stopped_at"] + STOPPED_MS if health["stopped_at"] else 0
    return int(max(health["pause_until"], stopped))


def _deliver(rim: Rim, speech: Speech) -> Outcome:
    """Makes the request, once more with a renewed token when the first was refused."""
    channel, account = speech.address.channel, speech.address.account
    try:
        token = rim.tokens.token(channel, account)
        outcome = _request(rim, speech, token)
        if outcome.verdict == "token":
            outcome = _request(rim, speech, rim.tokens.renew(channel, account, token))
    except GrantLost:
        return Outcome("stop", code="grant")
    except NoToken:
        return Outcome("retry", code="token")
    return replace(outcome, verdict="stop") if outcome.verdict == "token" else outcome


def _request(rim: Rim, speech: Speech, token: str) -> Outcome:
    channel = rim.channels[speech.address.channel]
    try:
        call = channel.render(speech, token)
    except KeyError:  # the account has left the settings; its conversations wait until it is back
        return Outcome("stop", code="account")
    if call.url.startswith("local:"):
        return Outcome("sent", message_id=speech.reference)
    try:
        answer: Answer = rim.transport.exchange(call)
    except NotSent:
        return Outcome("retry", code="unreachable")
    except MaybeSent:
        return Outcome("unknown")
    return channel.outcome(answer)


def _settle(rim: Rim, connection: Connection, held: Holding, attempt: _Attempt, outcome: Outcome) -> None:
    now = rim.clock()
    row, address = attempt.row, attempt.speech.address
    outbox_id, tries = row["id"], row["tries"] + 1
    logger = log.get().bind(outbox=outbox_id, channel=address.channel, verdict=outcome.verdict, code=outcome.code)
    values: dict[str, object] = {"code": outcome.code[:32]}
    if outcome.message_id:
        names = (address.channel, address.account)
        values["platform_index"] = rim.database.keyring.index("message", *names, outcome.message_id)
    match outcome.verdict:
        case "sent":
            values |= {"status": "sent", "sent_at": now, "code": ""}
            queries.change_conversation(connection, held.id, said_at=now)
            _note_sent(connection, address, attempt.health, now)
        case "unknown":
            values |= {"status": "unknown", "code": ""}
        case "retry" if tries <= len(DELAYS):
            values |= {"status": "due", "next_at": now + _delay(tries, outcome.retry_after)}
        case "wait" if outcome.retry_after is None and row["author"] == "bot":
            # Another app or a person holds the thread: silence until it is given back.
            values |= {"status": "withheld"}
            queries.change_conversation(connection, held.id, owner="person")
            queries.withhold_bot(connection, held.id)
            queries.ask_for_person(connection, held.id, reason="echo", now=now)
        case "wait":
            values |= {"status": "due", "next_at": now + int((outcome.retry_after or WAIT_S) * 1000)}
        case "stop":
            values |= {"status": "due", "next_at": now + STOPPED_MS}
            stopped = {"stopped_at": now, "stopped_code": outcome.code[:32]}
            queries.note_health(connection, address.channel, address.account, **stopped)
            queries.raise_alarm(connection, "channel-stopped", f"{address.channel} {address.account}"[:80], now)
        case "refused" if _plain(attempt.speech.reply) != attempt.speech.reply:
            sealed = held.key.seal(reply_to_json(_plain(attempt.speech.reply)), "outbox", row["uuid"], "body")
            values |= {"status": "due", "next_at": 0, "body_sealed": sealed}
        case _:
            values |= {"status": "failed", "code": outcome.code[:32] or outcome.verdict}
            if outcome.verdict == "gone":
                queries.change_conversation(connection, held.id, unreachable="gone")
            elif outcome.verdict == "window":
                queries.change_conversation(connection, held.id, unreachable="window")
            if row["author"] == "bot" and outcome.verdict != "gone":
                queries.ask_for_person(connection, held.id, reason="failure", now=now)
    if outcome.verdict in ("sent", "unknown"):
        logger.info("said", attempt=tries)
    else:
        error = {"error_at": now, "error_code": (outcome.code or outcome.verdict)[:32]}
        queries.note_health(connection, address.channel, address.account, **error)
        logger.warning("said", attempt=tries)
    if outcome.usage is not None and outcome.usage >= 0.9:
        pause = now + int((outcome.retry_after or 60.0) * 1000)
        queries.note_health(connection, address.channel, address.account, pause_until=pause)
    # An echo may have settled the row while the request was under way; its word stands.
    current = queries.outbox_by_uuid(connection, row["uuid"])
    if current is not None and not (current["status"] == "sent" and outcome.verdict != "sent"):
        queries.change_outbox(connection, outbox_id, **values)


def _note_sent(connection: Connection, address: Address, health: RowMapping | None, now: int) -> None:
    """The account speaks: what was stopped goes again."""
    if health is None or health["stopped_at"] or now - health["sent_at"] >= SEEN_MS:
        sent = {"sent_at": now, "stopped_at": None, "stopped_code": ""}
        queries.note_health(connection, address.channel, address.account, **sent)
    if health is not None and health["stopped_at"]:
        queries.clear_alarm(connection, "channel-stopped", f"{address.channel} {address.account}"[:80], now)


def settle_unknown(rim: Rim) -> list[int]:
    """Ends the waiting for echoes that did not come within 60 s. Returns conversations that have something to say.

    An answer that may not have reached her goes to a person, unless she has written since.
    """
    now = rim.clock()
    wake = []
    with rim.database.write() as connection:
        for row in queries.unknown_sends(connection, now - UNKNOWN_MS):
            if row["level"] == "RED" and row["tries"] < 2:
                queries.change_outbox(connection, row["id"], status="due", next_at=0)
                wake.append(row["conversation_id"])
                continue
            queries.change_outbox(connection, row["id"], code="unsettled")
            conversation = queries.get_conversation(connection, row["conversation_id"])
            silent = conversation is not None and conversation["heard_at"] <= row["attempted_at"]
            if silent and row["author"] == "bot" and row["purpose"] == "reply":
                queries.ask_for_person(connection, row["conversation_id"], reason="failure", now=now)
    return wake


def _delay(tries: int, asked: float | None) -> int:
    """Milliseconds until the next try: the platform's own wish, or the table with ±20 %."""
    seconds = DELAYS[tries - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - spreading, not secrecy
    return int(max(seconds, asked or 0.0) * 1000)


def _plain(reply: Reply) -> Reply:
    """The words alone: what is left when a platform refuses buttons or a picture."""
    titles = "".join(f"\n– {choice.title}" for choice in reply.choices)
    return Reply((reply.text + titles).strip() or reply.image)


def safe_time(safe: dict[str, str], now: int) -> int | None:
    """When a message she did not ask for may come (ms), None for never. Without a profile: 8 to 20 o'clock."""
    if safe.get("message") == "no" or safe.get("safe_now") == "no":
        return None
    found = re.fullmatch(r"(\d{1,2})-(\d{1,2})", safe.get("hours", ""))
    low, high = (int(found[1]), int(found[2])) if found else (8, 20)
    local = datetime.datetime.fromtimestamp(now / 1000, ZONE)
    if (low <= local.hour < high) if low < high else (local.hour >= low or local.hour < high):
        return now
    start = local.replace(hour=low % 24, minute=0, second=0, microsecond=0)
    if start <= local:
        start += datetime.timedelta(days=1)
    return int(start.timestamp() * 1000)
