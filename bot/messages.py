"""The values that flow between rooms: frozen, slotted, JSON-able. No value holds a live object.

Times are integers, milliseconds since 1970-01-01 UTC, unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# --- content faults -------------------------------------------------------------------------------------------------

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault found in a content file: where it is, what it is, how to mend it, in Vietnamese and English."""

    severity: Severity
    file: str
    line: int
    code: str
    vi: str
    en: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.severity} [{self.code}] {self.vi} / {self.en}"


# --- what a channel hears -------------------------------------------------------------------------------------------

AttachmentKind = Literal["image", "audio", "video", "file", "sticker", "location", "link", "contact", "other"]


@dataclass(frozen=True, slots=True)
class Address:
    """Who we talk with: a channel, our account on it (Page or OA id), and the person's id there."""

    channel: str
    account: str
    person: str


@dataclass(frozen=True, slots=True)
class Attachment:
    kind: AttachmentKind
    url: str = ""
    name: str = ""
    title: str = ""
    size: int | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Something a person wrote, tapped or sent. `key` is unique per event within its channel and account.

    `edits` names the platform message this one replaces (an edit), `standby` is true when another app owned the thread.
    """

    key: str
    address: Address
    at: int
    id: str = ""
    text: str = ""
    payload: str = ""
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""
    edits: str = ""
    referral: str = ""
    standby: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """Delivered, seen, or reacted. `ids` are platform message ids; `watermark` covers everything up to that time."""

    key: str
    address: Address
    at: int
    kind: Literal["delivered", "seen", "reacted", "unreacted"]
    ids: tuple[str, ...] = ()
    watermark: int = 0
    emoji: str = ""


@dataclass(frozen=True, slots=True)
class Echo:
    """Our account spoke. `author`: `bot` = one of our own sends, `person` = staff wrote in the platform's own inbox,
    `machine` = another app. `reference` is our outbox row's id when the platform gave it back."""

    key: str
    address: Address
    at: int
    author: Literal["bot", "person", "machine"]
    id: str = ""
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allows us: follow, opt-in, shared contact details, or a demand to be forgotten (`withdraw`)."""

    key: str
    address: Address
    at: int
    kind: Literal["follow", "unfollow", "optin", "optout", "withdraw", "profile"]
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Handover:
    """Thread control moved. `ours` is true when we own the thread afterwards."""

    key: str
    address: Address
    at: int
    kind: Literal["taken", "passed", "requested", "roles"]
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """The platform speaks about our account (policy warning, permission revoked): an operator must look."""

    key: str
    channel: str
    account: str
    at: int
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Understood as nothing for us; counted by `why` (a short constant, never content)."""

    why: str


Event = Message | Receipt | Echo | Consent | Handover | Notice | Ignored

# --- what a channel says --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing she can tap. `payload` comes back as `Message.payload`; a `url` or `phone` choice opens instead."""

    title: str
    payload: str = ""
    url: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One thing to say. `image` is an https address. `contact` asks for name and phone with the platform's own form."""

    text: str = ""
    choices: tuple[Choice, ...] = ()
    image: str = ""
    contact: bool = False


@dataclass(frozen=True, slots=True)
class Speech:
    """One outbox row on its way out: exactly one HTTP request.

    `human_tag`: written by staff outside the standard window.
    """

    reference: str
    address: Address
    reply: Reply
    author: Literal["bot", "person"] = "bot"
    human_tag: bool = False
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request a channel would like made. Bodies: `json` or `form`, never both."""

    method: Literal["GET", "POST", "DELETE"]
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the platform."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Verdict = Literal[
    "sent",  # the platform took it
    "retry",  # certainly not sent, trying again may help
    "wait",  # another app or a platform flow owns the thread: later
    "token",  # credentials refused: renew once and try again
    "window",  # the window is closed for this person
    "gone",  # this person cannot be reached (blocked, banned, unknown)
    "refused",  # this message will never be taken (a bug or bad input)
    "stop",  # the whole channel must stop until an operator acts
    "unknown",  # it may have been sent
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a send ended. `code` is the platform's code as text (`10/2018278`, `-230`), never content."""

    verdict: Verdict
    message_id: str = ""
    code: str = ""
    retry_after: float | None = None  # seconds
    usage: float | None = None  # share of the platform's budget used, 0..1


# --- understanding --------------------------------------------------------------------------------------------------

Level = Literal["RED", "AMBER", "CHECK", "NONE"]
LEVELS: tuple[Level, ...] = ("NONE", "CHECK", "AMBER", "RED")  # ascending
Category = Literal[
    "", "suicide", "ipv", "trafficking", "child_abuse", "sexual_violence", "threat", "runaway", "medical"
]
Band = Literal["answer", "clarify", "unknown"]


@dataclass(frozen=True, slots=True)
class Danger:
    """The screen's word. `evidence` is the span of her text that decided; it is encrypted like the text itself."""

    level: Level = "NONE"
    category: Category = ""
    evidence: str = ""
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    article: str
    title: str
    score: float  # 0..1


@dataclass(frozen=True, slots=True)
class Entity:
    """`kind`: province, country, phone, date, age, money. `value` is canonical; `start`/`end` index the raw text."""

    kind: str
    value: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the text says. `probability` is the calibrated chance that the first candidate is right."""

    normalised: str
    plain: str
    exact: bool = False
    candidates: tuple[Candidate, ...] = ()
    probability: float = 0.0
    band: Band = "unknown"
    act: str = ""  # a speech act that is no article: greeting, thanks, person, stop, …
    entities: tuple[Entity, ...] = ()
    why: tuple[str, ...] = ()


# --- dialogue -------------------------------------------------------------------------------------------------------

Owner = Literal["bot", "person"]
Decision = Literal["answer", "clarify", "safety", "person", "flow", "smalltalk", "unknown", "stop", "silent"]
Skill = Literal["", "legal", "psychological", "vocational", "child", "social"]


@dataclass(frozen=True, slots=True)
class World:
    """Facts about the world that a turn may speak of. The rim fills them in; the engine never looks for itself.

    `now` is local wall time in ISO 8601 with offset (Asia/Ho_Chi_Minh). `ticket` is the state of her open ticket.
    `staffed`: a counsellor of a fitting office is on shift now. `opens` says in words when one will be.
    `blocked`: staff bring nobody to her any more and no ticket is open; danger alone opens one.
    `kept`: her open ticket is not hers to end.
    """

    now: str = ""
    owner: Owner = "bot"
    ticket: Literal["none", "waiting", "taken"] = "none"
    ahead: int = 0  # tickets before hers in the queue
    blocked: bool = False
    kept: bool = False
    staffed: bool = False
    opens: str = ""
    appointment: Literal["none", "asked", "confirmed"] = "none"
    appointment_at: str = ""  # when and where, in words of her language, once a person has confirmed it
    drafts: bool = True  # whether unreviewed articles may be served (never in production)
    choices: int = 5  # choices one message of her channel can carry
    channel: str = ""  # picks the channel variant of a response


@dataclass(frozen=True, slots=True)
class Heard:
    """One thought of hers: a message, or several sent in a row joined by newlines."""

    text: str = ""
    payload: str = ""
    attachments: tuple[Attachment, ...] = ()
    at: int = 0
    edited: bool = False
    first: bool = False  # nothing was ever heard from her before
    danger: Danger | None = None  # of the whole thought; None: nobody has screened it yet
    world: World = field(default_factory=World)


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """Ask for a person. `reason`: asked, unknown, article, danger, echo, failure, appointment, flow, delete."""

    reason: str
    level: Level = "NONE"
    category: Category = ""
    skill: Skill = ""
    topic: str = ""
    province: str = ""
    locale: str = "vi"


@dataclass(frozen=True, slots=True)
class CloseTicket:
    """She no longer wants to wait."""

    reason: str = "cancelled"


@dataclass(frozen=True, slots=True)
class RunAction:
    """Run a registered rasa_sdk action by name; its events come back through `engine.resume`."""

    name: str


@dataclass(frozen=True, slots=True)
class Missed:
    """The heard text found no answer; staff will see it among the missed questions."""

    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    article: str
    useful: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Timer:
    """Wake this conversation at `at` (ms) with the payload, unless she speaks first when `unless_heard`.
    A timer replaces an earlier one of the same `kind`; `at` 0 cancels it."""

    kind: str
    at: int
    payload: str = ""
    unless_heard: bool = True


@dataclass(frozen=True, slots=True)
class Subscription:
    """Campaign messages on a topic: on or off. Topic `*` is all."""

    topic: str
    on: bool


@dataclass(frozen=True, slots=True)
class SafeContact:
    """How she may be contacted; every sender obeys. Fields not given stay as they were.
    `fields` keys: safe_now, shared_phone, hours (`18-21`), call (yes|no), message (yes|no), code_word."""

    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """`purpose`: store, sensitive, refer, photo, recall, campaign. `version` names the text she saw."""

    purpose: str
    given: bool
    version: str


@dataclass(frozen=True, slots=True)
class Appointment:
    """`act`: ask, move, cancel. `kind`: call or visit. `when` is ISO local or her own words when not understood;
    `office` is the id of the office of her province, empty when not known."""

    act: Literal["ask", "move", "cancel"]
    kind: Literal["call", "visit"] = "call"
    when: str = ""
    office: str = ""


@dataclass(frozen=True, slots=True)
class Forget:
    """She asked for her data to be destroyed and confirmed it."""


@dataclass(frozen=True, slots=True)
class ShowData:
    """She asked what is stored about her: the rim answers with a plain summary."""


Effect = (
    OpenTicket
    | CloseTicket
    | RunAction
    | Missed
    | Feedback
    | Timer
    | Subscription
    | SafeContact
    | ConsentGiven
    | Appointment
    | Forget
    | ShowData
)


@dataclass(frozen=True, slots=True)
class State:
    """What the bot remembers between turns. Slot values are JSON scalars; `stack` holds suspended flows, newest last.

    `offered` are the choices shown last (so a number or a near word can pick one), `trail` the questions of the open
    flow already answered (for "back"), `last` the flow that ended last (for a late correction), `unknowns` counts turns
    in a row without an answer, `owner` who owned the chat at the last turn (so that a hand-back is noticed),
    `heard_at`/`said_at` are ms, `danger_at` the times of recent RED, AMBER and CHECK turns.
    """

    flow: str = ""
    step: str = ""
    slots: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    stack: tuple[tuple[str, str], ...] = ()
    trail: tuple[str, ...] = ()
    last: str = ""
    offered: tuple[Choice, ...] = ()
    article: str = ""
    topic: str = ""
    locale: str = "vi"
    unknowns: int = 0
    welcomed: bool = False
    owner: Owner = "bot"
    heard_at: int = 0
    said_at: int = 0
    danger_at: tuple[tuple[int, Level], ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class Turn:
    """What one thought of hers leads to. `why` is the trace staff can read, in plain words, without her text.
    `sources` stamps what was stated: (article id, content hash)."""

    state: State
    replies: tuple[Reply, ...] = ()
    effects: tuple[Effect, ...] = ()
    decision: Decision = "unknown"
    article: str = ""
    topic: str = ""
    candidates: tuple[Candidate, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    why: tuple[str, ...] = ()
