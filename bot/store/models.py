"""Every table. Times are integers, milliseconds UTC; `*_sealed` columns hold bodies encrypted with the conversation's
key, `*_index` columns hold blind indexes. Public ids are random UUIDs; running numbers stay inside.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER primary keys up by itself


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Meta(Base):
    """Single values: the wrapped index key, and leases of jobs that only one process may run."""

    __tablename__ = "meta"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    until: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class Conversation(Base):
    """One person on one account of one channel. `lease_until` and `fence` let exactly one worker speak for it."""

    __tablename__ = "conversation"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    channel: Mapped[str] = mapped_column(String(16))
    account: Mapped[str] = mapped_column(String(64))
    person_index: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    person_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    profile_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # name, phone: only what she gave
    wrapped_key: Mapped[bytes | None] = mapped_column(LargeBinary)  # NULL once she is forgotten
    owner: Mapped[str] = mapped_column(String(8), default="bot", server_default="bot")
    state_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    safe_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)  # safe-contact profile
    locale: Mapped[str] = mapped_column(String(5), default="vi", server_default="vi")
    flagged: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))  # never in broadcasts
    unreachable: Mapped[str] = mapped_column(String(16), default="", server_default="")
    lease_until: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    fence: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    heard_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    said_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[int] = mapped_column(BigInteger)
    erased_at: Mapped[int | None] = mapped_column(BigInteger)


class Inbox(Base):
    """What was accepted. The row is the queue: open until `done_at` or `dead_at`; `event_index` lets it in once."""

    __tablename__ = "inbox"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id"))
    event_index: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    level: Mapped[str] = mapped_column(String(5), default="NONE", server_default="NONE")
    category: Mapped[str] = mapped_column(String(16), default="", server_default="")
    at: Mapped[int] = mapped_column(BigInteger)  # the platform's time
    received_at: Mapped[int] = mapped_column(BigInteger)
    next_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    tries: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    done_at: Mapped[int | None] = mapped_column(BigInteger)
    dead_at: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (
        Index(
            "ix_inbox_open",
            "conversation_id",
            "id",
            sqlite_where=text("done_at IS NULL AND dead_at IS NULL"),
            postgresql_where=text("done_at IS NULL AND dead_at IS NULL"),
        ),
        Index("ix_inbox_received_at", "received_at"),
    )


class Entry(Base):
    """One line of the transcript. `author`: person (her), bot, staff, system. `why_sealed` is the bot's trace."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    inbox_id: Mapped[int | None] = mapped_column(ForeignKey("inbox.id"))
    author: Mapped[str] = mapped_column(String(8))
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(16), default="message", server_default="message")
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    why_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    platform_index: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    platform_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    level: Mapped[str] = mapped_column(String(5), default="NONE", server_default="NONE")
    category: Mapped[str] = mapped_column(String(16), default="", server_default="")
    decision: Mapped[str] = mapped_column(String(12), default="", server_default="")
    article: Mapped[str] = mapped_column(String(80), default="", server_default="")
    article_hash: Mapped[str] = mapped_column(String(64), default="", server_default="")
    replaces: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (
        Index("ix_entry_conversation_id_id", "conversation_id", "id"),
        Index("ix_entry_platform_index", "platform_index"),
    )


class Outbox(Base):
    """One message on its way out: one HTTP request. An attempt is committed before the request is made.

    `status`: held, due, attempting, sent, unknown, failed, withheld, cancelled. `uuid` travels in Messenger's metadata.
    """

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))
    author: Mapped[str] = mapped_column(String(8), default="bot", server_default="bot")
    purpose: Mapped[str] = mapped_column(String(12), default="reply", server_default="reply")
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    level: Mapped[str] = mapped_column(String(5), default="NONE", server_default="NONE")
    status: Mapped[str] = mapped_column(String(12), default="due", server_default="due")
    tries: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    next_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    attempted_at: Mapped[int | None] = mapped_column(BigInteger)
    sent_at: Mapped[int | None] = mapped_column(BigInteger)
    delivered_at: Mapped[int | None] = mapped_column(BigInteger)
    code: Mapped[str] = mapped_column(String(32), default="", server_default="")
    platform_index: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    created_at: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (
        Index(
            "ix_outbox_open",
            "conversation_id",
            "id",
            sqlite_where=text("status IN ('held', 'due', 'attempting')"),
            postgresql_where=text("status IN ('held', 'due', 'attempting')"),
        ),
        Index(
            "ix_outbox_unknown",
            "attempted_at",
            sqlite_where=text("status = 'unknown'"),
            postgresql_where=text("status = 'unknown'"),
        ),
        Index("ix_outbox_platform_index", "platform_index"),
        Index("ix_outbox_conversation_id_sent_at", "conversation_id", "sent_at"),
    )


class Ticket(Base):
    """A person is asked for. At most one open ticket per conversation; its log is `ticket_event`."""

    __tablename__ = "ticket"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    entry_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(12), default="waiting", server_default="waiting")
    reason: Mapped[str] = mapped_column(String(16))
    level: Mapped[str] = mapped_column(String(5), default="NONE", server_default="NONE")
    rank: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # place of level in LEVELS
    category: Mapped[str] = mapped_column(String(16), default="", server_default="")
    skill: Mapped[str] = mapped_column(String(16), default="", server_default="")
    topic: Mapped[str] = mapped_column(String(16), default="", server_default="")
    province: Mapped[str] = mapped_column(String(32), default="", server_default="")
    office: Mapped[str] = mapped_column(String(32), default="", server_default="")
    locale: Mapped[str] = mapped_column(String(5), default="vi", server_default="vi")
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    opened_at: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    step: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # escalations already made
    taken_at: Mapped[int | None] = mapped_column(BigInteger)
    answered_at: Mapped[int | None] = mapped_column(BigInteger)
    closed_at: Mapped[int | None] = mapped_column(BigInteger)
    closing: Mapped[str] = mapped_column(String(24), default="", server_default="")
    outcome: Mapped[str] = mapped_column(String(32), default="", server_default="")
    reported: Mapped[str] = mapped_column(String(32), default="", server_default="")  # decision on mandatory reporting
    __table_args__ = (
        Index(
            "uq_ticket_open",
            "conversation_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_ticket_queue",
            "rank",
            "opened_at",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_ticket_closed_at", "closed_at"),
        Index("ix_ticket_conversation_id", "conversation_id"),
        Index(
            "ix_ticket_staff_id",
            "staff_id",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_ticket_staff_id_id", "staff_id", "id"),
        Index("ix_ticket_staff_id_closed_at", "staff_id", "closed_at"),
        CheckConstraint(
            "closed_at IS NULL OR (level <> 'RED' AND category <> 'child_abuse')"
            " OR (outcome <> '' AND reported <> '' AND (category <> 'child_abuse' OR reported <> 'adult_choice'))",
            name="closed_with_outcome",
        ),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_in_time"),
    )


class TicketEvent(Base):
    """The ticket's own log: what happened, who did it, when. Append-only."""

    __tablename__ = "ticket_event"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[str] = mapped_column(String(200), default="", server_default="")  # constants and ids, never text
    at: Mapped[int] = mapped_column(BigInteger)


class MissedQuestion(Base):
    __tablename__ = "missed_question"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    text_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    candidates: Mapped[list[list[str | float]]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(8), default="new", server_default="new", index=True)
    at: Mapped[int] = mapped_column(BigInteger)


class FeedbackGiven(Base):
    __tablename__ = "feedback"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    article: Mapped[str] = mapped_column(String(80), index=True)
    useful: Mapped[bool] = mapped_column(Boolean)
    why: Mapped[str] = mapped_column(String(24), default="", server_default="")
    at: Mapped[int] = mapped_column(BigInteger)


class TimerSet(Base):
    __tablename__ = "timer"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    kind: Mapped[str] = mapped_column(String(24))
    payload: Mapped[str] = mapped_column(String(200), default="", server_default="")
    at: Mapped[int] = mapped_column(BigInteger, index=True)
    set_at: Mapped[int] = mapped_column(BigInteger)
    unless_heard: Mapped[bool] = mapped_column(Boolean, default=True, server_default=text("true"))
    __table_args__ = (UniqueConstraint("conversation_id", "kind"),)


class SubscriptionSet(Base):
    __tablename__ = "subscription"
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), primary_key=True)
    topic: Mapped[str] = mapped_column(String(24), primary_key=True)
    on: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[int] = mapped_column(BigInteger)


class ConsentRecord(Base):
    """The ledger of consent: text version, time, the event that proves it. Append-only."""

    __tablename__ = "consent"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    inbox_id: Mapped[int | None] = mapped_column(ForeignKey("inbox.id"))
    purpose: Mapped[str] = mapped_column(String(16))
    given: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[str] = mapped_column(String(32))
    at: Mapped[int] = mapped_column(BigInteger)


class AppointmentAsked(Base):
    """A call or a visit she asked for. `status`: asked; confirmed or declined by a counsellor; cancelled or moved by
    her (a newer row holds the new wish). `entry_id`: the entry that told her of the last decision."""

    __tablename__ = "appointment"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    office: Mapped[str] = mapped_column(String(32), default="", server_default="")
    when_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(String(12), default="asked", server_default="asked")
    at: Mapped[int] = mapped_column(BigInteger)
    starts_at: Mapped[int | None] = mapped_column(BigInteger)
    place_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    entry_id: Mapped[int | None] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    __table_args__ = (Index("ix_appointment_status_changed_at", "status", "changed_at"),)


class Grant(Base):
    """An account's OAuth pair. Written before it is used; never overwritten by a failed answer."""

    __tablename__ = "grant"
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    access_wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    refresh_wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    seed_index: Mapped[bytes | None] = mapped_column(LargeBinary(32))  # which seed of the settings this grew from
    expires_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    refreshed_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    lock_until: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    lock_by: Mapped[str] = mapped_column(String(36), default="", server_default="")
    lost_at: Mapped[int | None] = mapped_column(BigInteger)
    lost_code: Mapped[str] = mapped_column(String(64), default="", server_default="")


class ChannelHealth(Base):
    """How one account is doing, for `osso channel status`, `/metrics` and the alarms. Counts and times only."""

    __tablename__ = "channel_health"
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    webhook_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    failing_since: Mapped[int | None] = mapped_column(BigInteger)  # first of an unbroken row of failed webhooks
    forged: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    sent_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    error_at: Mapped[int | None] = mapped_column(BigInteger)
    error_code: Mapped[str] = mapped_column(String(32), default="", server_default="")
    stopped_at: Mapped[int | None] = mapped_column(BigInteger)
    stopped_code: Mapped[str] = mapped_column(String(32), default="", server_default="")
    pause_until: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # the platform's rate limit


class Alarm(Base):
    __tablename__ = "alarm"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(80))
    raised_at: Mapped[int] = mapped_column(BigInteger)
    cleared_at: Mapped[int | None] = mapped_column(BigInteger)
    told_at: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (
        Index(
            "uq_alarm_open",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("cleared_at IS NULL"),
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )


class Tombstone(Base):
    """Proof that somebody was forgotten, without saying who: re-applied after a restore from backup."""

    __tablename__ = "tombstone"
    person_index: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    rows: Mapped[int] = mapped_column(Integer)
    receipt: Mapped[str] = mapped_column(String(64))


class StaffMember(Base):
    """One person of the staff. Without `password_hash` and `totp_wrapped` the invitation was not accepted yet."""

    __tablename__ = "staff"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    login: Mapped[str] = mapped_column(String(64), unique=True)  # what she types to sign in, casefolded
    name: Mapped[str] = mapped_column(String(80))
    locale: Mapped[str] = mapped_column(String(5), default="vi", server_default="vi")
    password_hash: Mapped[str | None] = mapped_column(String(255))
    password_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    totp_wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_step: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default="0"
    )  # last 30 s step a code was used of
    created_at: Mapped[int] = mapped_column(BigInteger)
    disabled_at: Mapped[int | None] = mapped_column(BigInteger)


class StaffPost(Base):
    """One role of a member at one office; office `*` is every office."""

    __tablename__ = "staff_post"
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    office: Mapped[str] = mapped_column(String(32), primary_key=True)


class StaffSession(Base):
    """A browser that is signed in, or (`stage` password) half-way. Only a hash of its opaque id is kept."""

    __tablename__ = "staff_session"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    stage: Mapped[str] = mapped_column(String(8))
    device: Mapped[str] = mapped_column(String(40), default="", server_default="")
    created_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int] = mapped_column(BigInteger)
    stepped_at: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default="0"
    )  # last proof of the second factor
    tries: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


class RecoveryCode(Base):
    __tablename__ = "recovery_code"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    used_at: Mapped[int | None] = mapped_column(BigInteger)


class Invitation(Base):
    """A one-time link to set password and second factor. `kind`: new, or reset, which waits for a second person."""

    __tablename__ = "invitation"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    asked_by: Mapped[int | None] = mapped_column(BigInteger)  # NULL: the operator's console
    asked_at: Mapped[int] = mapped_column(BigInteger)
    approved_by: Mapped[int | None] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[int | None] = mapped_column(BigInteger)
    password_hash: Mapped[str | None] = mapped_column(String(255))  # chosen in the first step, hers after the second
    totp_wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)


class Throttle(Base):
    """When the next try of one kind is free of waiting (GCRA's arrival time), by blind index of who tries."""

    __tablename__ = "throttle"
    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    until: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0", index=True)


class Audit(Base):
    """Who read or changed what. Append-only by trigger; each row's keyed hash covers the one before it."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[int] = mapped_column(BigInteger, index=True)
    staff_id: Mapped[int | None] = mapped_column(BigInteger)  # NULL: a stranger, or the operator's console
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(80), default="", server_default="")
    detail: Mapped[str] = mapped_column(String(200), default="", server_default="")  # constants and ids, never text
    previous: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    __table_args__ = (
        Index("ix_audit_staff_id_id", "staff_id", "id"),
        Index("ix_audit_subject_id", "subject", "id"),
        Index("ix_audit_action_id", "action", "id"),
    )


class AuditSeal(Base):
    """The head of the audit chain at a moment, under a key of its own. Append-only by trigger."""

    __tablename__ = "audit_seal"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[int] = mapped_column(BigInteger)
    audit_id: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    seal: Mapped[bytes] = mapped_column(LargeBinary(32))


class BreakGlass(Base):
    """A member opened one subject outside her offices, for thirty minutes, for a stated reason."""

    __tablename__ = "break_glass"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    subject: Mapped[str] = mapped_column(String(80))
    office: Mapped[str] = mapped_column(String(32), default="", server_default="")
    reason: Mapped[str] = mapped_column(String(24))
    note_wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger)
    seen_by: Mapped[int | None] = mapped_column(BigInteger)
    seen_at: Mapped[int | None] = mapped_column(BigInteger, index=True)


class CounsellorCard(Base):
    """What routing knows of one who takes tickets. `skills`, `languages`: comma-separated; caps count open chats."""

    __tablename__ = "counsellor"
    staff_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    skills: Mapped[str] = mapped_column(String(80), default="", server_default="")
    languages: Mapped[str] = mapped_column(String(40), default="vi", server_default="vi")
    capacity: Mapped[int] = mapped_column(Integer, default=5, server_default="5")
    heavy_cap: Mapped[int] = mapped_column(Integer, default=2, server_default="2")
    paused: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))
    debrief_at: Mapped[int | None] = mapped_column(BigInteger)  # she asked to talk a hard chat over
    sound: Mapped[bool] = mapped_column(Boolean, default=True, server_default=text("true"))


class ShiftSet(Base):
    """Weekly (`weekday`, 0 = Monday) or on one `day` (ISO); minutes after midnight in Viet Nam."""

    __tablename__ = "shift"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    staff_id: Mapped[int] = mapped_column(BigInteger, index=True)
    kind: Mapped[str] = mapped_column(String(8), default="desk", server_default="desk")
    weekday: Mapped[int | None] = mapped_column(Integer)
    day: Mapped[str] = mapped_column(String(10), default="", server_default="")
    start: Mapped[int] = mapped_column(Integer)
    end: Mapped[int] = mapped_column(Integer)
    holidays: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))


class DayOffSet(Base):
    """A day off of one person, or (`staff_id` 0) of an office; `office` empty then means all."""

    __tablename__ = "day_off"
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    staff_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    office: Mapped[str] = mapped_column(String(32), primary_key=True, default="", server_default="")


class Presence(Base):
    """The last sign of life of a counsellor's desk, and what she has open there."""

    __tablename__ = "presence"
    staff_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seen_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    changed_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    ticket_id: Mapped[int | None] = mapped_column(BigInteger)
    typing_at: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    writing: Mapped[str] = mapped_column(String(5), default="", server_default="")  # what she typed then: reply, note


class Called(Base):
    """Somebody is called to a ticket. `kind`: offer, first, second, lead, transfer, mention. `staff_id` NULL: nobody
    was found, the alarm goes outside."""

    __tablename__ = "called"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"))
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(10))
    by_id: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(24), default="", server_default="")
    until: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    at: Mapped[int] = mapped_column(BigInteger)
    answer: Mapped[str] = mapped_column(String(10), default="", server_default="")  # yes, no, late, over, seen
    answered_at: Mapped[int | None] = mapped_column(BigInteger)
    __table_args__ = (
        Index("ix_called_ticket_id", "ticket_id"),
        Index("ix_called_staff_id_answered_at", "staff_id", "answered_at"),
        Index("ix_called_staff_id_answer", "staff_id", "answer", "ticket_id"),
    )


class Note(Base):
    """A private word between counsellors. It has no way out: nothing that sends ever reads this table."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    ticket_id: Mapped[int] = mapped_column(BigInteger)
    staff_id: Mapped[int] = mapped_column(BigInteger)
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    at: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (Index("ix_note_conversation_id_id", "conversation_id", "id"),)


class Draft(Base):
    """What a counsellor has begun to write: one for the reply, one for the note of each chat."""

    __tablename__ = "draft"
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), primary_key=True)
    staff_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(5), primary_key=True)
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    at: Mapped[int] = mapped_column(BigInteger)


class SendLater(Base):
    """A message a counsellor wants to leave at `at`. It becomes an outbox row only then, if everything still holds.

    `status`: waiting, sent, cancelled, or why not: window, owner, unsafe, gone.
    """

    __tablename__ = "send_later"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    ticket_id: Mapped[int] = mapped_column(BigInteger)
    staff_id: Mapped[int] = mapped_column(BigInteger)
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(String(10), default="waiting", server_default="waiting")
    at: Mapped[int] = mapped_column(BigInteger)
    set_at: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (
        Index(
            "ix_send_later_due",
            "at",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
    )


class SavedReply(Base):
    """Words used again. `staff_id` NULL: the whole team's. Several messages are divided by a line of three dashes."""

    __tablename__ = "saved_reply"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    staff_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    title: Mapped[str] = mapped_column(String(80))
    body: Mapped[str] = mapped_column(String(4000))
    at: Mapped[int] = mapped_column(BigInteger)


class SavedFile(Base):
    """A picture or PDF that goes with a saved reply: office material, re-encoded, nothing of hers."""

    __tablename__ = "saved_file"
    reply_id: Mapped[int] = mapped_column(ForeignKey("saved_reply.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    body: Mapped[bytes] = mapped_column(LargeBinary)


class SavedFilter(Base):
    """A view of the queue under a name of her own. `query` is the page's query string."""

    __tablename__ = "saved_filter"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    staff_id: Mapped[int] = mapped_column(BigInteger, index=True)
    name: Mapped[str] = mapped_column(String(40))
    query: Mapped[str] = mapped_column(String(200))


class Label(Base):
    """A word put on tickets, the same for all offices. Never about who she is."""

    __tablename__ = "label"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)


class TicketLabel(Base):
    __tablename__ = "ticket_label"
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey("label.id"), primary_key=True)


class Blocked(Base):
    """She is no longer brought to the queue, except in danger. Lifted by deleting the row; both are in the audit."""

    __tablename__ = "blocked"
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), primary_key=True)
    staff_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[int] = mapped_column(BigInteger)


class Media(Base):
    """A picture or file a counsellor sent, re-encoded and sealed; `token_index` finds it for the platform."""

    __tablename__ = "media"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(40))  # what it was found to be by its content, e.g. image/jpeg
    name_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    token_index: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    until: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    at: Mapped[int] = mapped_column(BigInteger)


class ArticleVersion(Base):
    """The text of an article's file as somebody saved or judged it, so that any of them can be shown and brought back.

    `note` is a constant: found (it stood there before anybody saved), saved, rollback, or the act it was kept for.
    """

    __tablename__ = "article_version"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    article: Mapped[str] = mapped_column(String(80), index=True)
    hash: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(String(12))
    at: Mapped[int] = mapped_column(BigInteger)


class ArticleApproval(Base):
    """Who wrote, reviewed, sent back, published or withdrew which words, by content hash.

    Triggers refuse every change and removal, here and of the versions.
    """

    __tablename__ = "approval"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    article: Mapped[str] = mapped_column(String(80), index=True)
    hash: Mapped[str] = mapped_column(String(64))
    act: Mapped[str] = mapped_column(String(10))
    staff_id: Mapped[int] = mapped_column(BigInteger)
    version_id: Mapped[int | None] = mapped_column(ForeignKey("article_version.id"))
    note: Mapped[str] = mapped_column(String(12), default="", server_default="")
    remark: Mapped[str] = mapped_column(Text, default="", server_default="")
    at: Mapped[int] = mapped_column(BigInteger)


class Expert(Base):
    """What a member of the content staff may judge: the fields she is qualified in, set by a national admin."""

    __tablename__ = "expert"
    staff_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    fields: Mapped[str] = mapped_column(String(80), default="", server_default="")  # names with spaces between
    by_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[int] = mapped_column(BigInteger)
