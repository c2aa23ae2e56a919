"""The JSON shapes of sealed bodies: what a message, a reply or an echo becomes at rest, and back."""

from __future__ import annotations

from typing import Any

from bot.messages import Attachment, Choice, Consent, Echo, Message, Reply

_SPARE = ("url", "name", "title", "size", "latitude", "longitude")


def attachments_to_json(attachments: tuple[Attachment, ...]) -> list[dict[str, Any]]:
    return [
        {"kind": one.kind} | {key: getattr(one, key) for key in _SPARE if getattr(one, key) not in ("", None)}
        for one in attachments
    ]


def attachments_from_json(data: list[dict[str, Any]]) -> tuple[Attachment, ...]:
    return tuple(Attachment(**one) for one in data)


def heard_to_json(event: Message | Echo | Consent) -> dict[str, Any]:
    """What hearing needs of an event; empty parts are left out."""
    match event:
        case Message():
            body: dict[str, Any] = {
                "id": event.id,
                "text": event.text,
                "payload": event.payload,
                "reply_to": event.reply_to,
                "edits": event.edits,
                "referral": event.referral,
                "attachments": attachments_to_json(event.attachments),
            }
        case Echo():
            body = {"id": event.id, "text": event.text, "attachments": attachments_to_json(event.attachments)}
        case Consent():
            body = {"consent": event.kind, "fields": [list(pair) for pair in event.fields]}
    return {key: value for key, value in body.items() if value}


def reply_to_json(reply: Reply) -> dict[str, Any]:
    body: dict[str, Any] = {
        "text": reply.text,
        "choices": [[one.title, one.payload, one.url, one.phone] for one in reply.choices],
        "image": reply.image,
        "contact": reply.contact,
    }
    return {key: value for key, value in body.items() if value}


def reply_from_json(data: dict[str, Any]) -> Reply:
    return Reply(
        data.get("text", ""),
        tuple(Choice(*one) for one in data.get("choices", [])),
        data.get("image", ""),
        bool(data.get("contact")),
    )
