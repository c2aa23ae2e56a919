"""The simulator's channel: what the page at /chat posts, under the limits of a real platform. No HTTP leaves it.

Whoever serves the page knows the person from its signed cookie, and adds `person` and `at` (ms) to the post.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.channels import Limits, Window, messenger, pieces, zalo
from bot.channels.lenient import Skip, decimal, events, ident, items, key, link, load, mapping, text, whole
from bot.errors import Forged, Unreadable
from bot.messages import (
    Address,
    Answer,
    Attachment,
    AttachmentKind,
    Call,
    Consent,
    Event,
    Message,
    Outcome,
    Receipt,
    Reply,
    Speech,
)

LOCAL = "local:"  # a call to this address is done when it is stored: the page fetches it
KEPT = "kept:"  # a file at this address lies in our own tables, under the token that follows: nobody fetches it by HTTP
ACCOUNT = "simulator"
KINDS: tuple[AttachmentKind, ...] = ("image", "audio", "video", "file", "sticker", "location", "link", "contact")


@dataclass(frozen=True, slots=True)
class Webchat:
    """The simulator, imitating one platform."""

    like: Literal["zalo", "messenger"] = "zalo"
    name: str = "webchat"
    expects_echo: bool = False

    @property
    def limits(self) -> Limits:
        return {"zalo": zalo.LIMITS, "messenger": messenger.LIMITS}[self.like]

    def verify(self, headers: Mapping[str, str], body: bytes) -> frozenset[str]:
        """No webhook leads here: the page's own door knows the person by a signed cookie."""
        raise Forged

    def parse(self, body: bytes, accounts: frozenset[str]) -> tuple[Event, ...]:
        """One post: `{"person", "at", "id", "text", "payload", "attachments", "reply_to"}`, or with `seen` (message
        ids) or `contact` (`name`, `phone`) instead of words."""
        root = load(body)
        if "person" not in root:
            raise Unreadable("no post of the chat page")
        return tuple(events(self._read, root, accounts))

    def fit(self, reply: Reply) -> tuple[Reply, ...]:
        return pieces.fit(reply, self.limits)

    def render(self, speech: Speech, token: str) -> Call:
        reply = speech.reply
        return Call(
            "POST",
            LOCAL,
            json={
                "text": reply.text,
                "image": reply.image,
                "contact": reply.contact,
                "choices": [
                    {"title": choice.title, "payload": choice.payload, "url": choice.url, "phone": choice.phone}
                    for choice in reply.choices
                ],
            },
        )

    def signal(self, address: Address, kind: Literal["seen", "typing"], token: str) -> Call | None:
        return None

    def outcome(self, answer: Answer) -> Outcome:
        return Outcome("sent")

    def window(self, heard_at_ms: int, now_ms: int) -> Window:
        return self.limits.window(heard_at_ms, now_ms)

    def _read(self, root: Mapping[str, Any], accounts: frozenset[str]) -> Iterator[Event]:
        person, mid, at = ident(root.get("person")), ident(root.get("id")), whole(root.get("at"))
        if ACCOUNT not in accounts:
            raise Skip("other account")
        if not person or not mid:
            raise Skip
        address = Address(self.name, ACCOUNT, person)
        if seen := tuple(ident(known) for known in items(root.get("seen"))):
            yield Receipt(key("seen", person, mid), address, at, "seen", seen)
        elif contact := mapping(root.get("contact")):
            fields = tuple((name, value) for name in ("name", "phone") if (value := text(contact.get(name)).strip()))
            yield Consent(key("profile", person, mid), address, at, "profile", fields)
        else:
            yield Message(
                key=key("message", person, mid),
                address=address,
                at=at,
                id=mid,
                text=text(root.get("text")),
                payload=text(root.get("payload")),
                attachments=tuple(_attachment(mapping(raw)) for raw in items(root.get("attachments"))[:10]),
                reply_to=ident(root.get("reply_to")),
            )


def _attachment(raw: Mapping[str, Any]) -> Attachment:
    kind, url = text(raw.get("kind")), text(raw.get("url"))
    return Attachment(
        kind=next((known for known in KINDS if known == kind), "other"),
        url=url if url.startswith(KEPT) else link(url),
        name=text(raw.get("name")),
        latitude=decimal(raw.get("latitude")),
        longitude=decimal(raw.get("longitude")),
    )
