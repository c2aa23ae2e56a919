"""Reading Zalo's webhooks, one event each. Who spoke is decided by which id is one of our OAs, never by its place.

Sources: copies of Zalo's event pages and console catalogue as of 2026; they disagree on directions and spellings.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.channels.lenient import Skip, decimal, ident, items, key, link, mapping, text, whole
from bot.messages import Address, Attachment, AttachmentKind, Consent, Echo, Event, Message, Notice, Receipt

NAME = "zalo"
VISITOR = "@"  # joins visitor and conversation in the person id of a web visitor; ids of Zalo hold none
MOST_ATTACHMENTS = 30

ATTACHMENTS: Mapping[str, AttachmentKind] = {
    "image": "image",
    "photo": "image",
    "gif": "image",
    "audio": "audio",
    "voice": "audio",
    "video": "video",
    "file": "file",
    "sticker": "sticker",
    "location": "location",
    "link": "link",
}
SPOKEN = ("user_send_", "anonymous_send_")
ECHOED = "oa_send_"
RECEIPTS = ("user_received_message", "user_seen_message", "user_reacted_message")
CONSENTS = ("follow", "unfollow", "user_click_chatnow", "user_submit_info", "user_withdraw")
# Events that mean nothing to a counselling chat, by the reason they are counted under.
UNUSED = {
    "oa_reacted_message": "own event",
    "update_user_info": "profile update",
    "add_user_to_tag": "tag",
    "remove_user_from_tag": "tag",
    "remove_tag": "tag",
    "widget_interaction_accepted": "widget",
    "widget_failed_to_sync_user_external_id": "widget",
    "oa_send_consent": "call",
    "user_reply_consent": "call",
    "user_call_oa": "call",
    "oa_call_user": "call",
    "change_template_status": "template",
    "change_template_quality": "template",
    "change_template_quota": "template",
    "change_oa_daily_quota": "template",
    "change_oa_template_tags": "template",
    "user_feedback": "template",
    "user_click_response_button": "template",
    "event_journey_acknowledged": "template",
    "event_journey_time_out": "template",
    "extension_purchased": "extension",
    "shop_has_order": "extension",
}
PROFILE = {
    "name": "name",
    "phone": "phone",
    "user_dob": "birth_date",
    "gender": "gender",
    "address": "address",
    "ward": "ward",
    "district": "district",
    "city": "city",
    "user_address": "address",
    "user_ward": "ward",
    "user_city": "city",
}
_PAYLOAD = re.compile(r"[a-z][A-Za-z0-9_.:/-]{0,239}")
_ENCODED = re.compile(r"=([A-Za-z0-9_-]{2,1000})")


def query_of(payload: str) -> str:
    """The hidden text that a button sends for `payload`: as it is when it is one machine word, else in base64."""
    if _PAYLOAD.fullmatch(payload):
        return f"#{payload}"
    return "#=" + base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")


def payload_of(words: str) -> str:
    """The payload of a tapped button, or nothing when a person typed `words`.

    Only one machine word after `#` counts, so that whatever reads like speech stays text and is screened for danger.
    """
    query = words.removeprefix("#")
    if query == words:
        return ""
    if _PAYLOAD.fullmatch(query):
        return query
    if found := _ENCODED.fullmatch(query):
        try:
            return base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
        except ValueError:
            return ""
    return ""


def read(root: Mapping[str, Any], body: bytes, accounts: frozenset[str]) -> Iterator[Event]:
    """The event in `root`; `body` are its raw bytes, the same in every delivery."""
    name = text(root.get("event_name"))
    sender, recipient = mapping(root.get("sender")), mapping(root.get("recipient"))
    message = mapping(root.get("message"))
    ends = (ident(sender.get("id")), ident(recipient.get("id")))
    account = next(filter(accounts.__contains__, (*ends, ident(root.get("oa_id")), ident(root.get("oaId")))), "")
    if not account:
        raise Skip("other account" if any(ends) or root.get("oa_id") or root.get("oaId") else "malformed")
    if name in UNUSED:
        raise Skip(UNUSED[name])
    if "group" in name:
        raise Skip("group")
    if message.get("tracking_id"):
        raise Skip("template")
    at, once = whole(root.get("timestamp")), key(name[:40], hashlib.sha256(body).hexdigest())
    if name == "permission_revoked":
        yield Notice(once, NAME, account, at, name)
        return
    if not name.startswith((*SPOKEN, ECHOED)) and name not in (*RECEIPTS, *CONSENTS):
        raise Skip("unknown event")
    address = Address(NAME, account, _person(name, root, message, ends, account))
    if name.startswith(SPOKEN):
        _spoken_by(address, ends, speaker=0)
        yield _message(name, address, at, once, message)
    elif name.startswith(ECHOED):
        _spoken_by(address, ends, speaker=1)
        yield _echo(name, address, at, once, message, ident(sender.get("admin_id")))
    elif name in RECEIPTS:
        yield _receipt(name, address, at, once, message)
    else:
        yield _consent(name, address, at, once, root)


def _person(name: str, root: Mapping[str, Any], message: Mapping[str, Any], ends: tuple[str, str], account: str) -> str:
    """Her id. A visitor without an account is reached by visitor and conversation together."""
    others = [end for end in ends if end and end != account]
    follower = mapping(root.get("follower"))
    person = others[0] if others else ident(follower.get("id")) or ident(root.get("user_id"))
    if not person or len(others) > 1:
        raise Skip
    if "anonymous" not in name:
        return person
    if not (conversation := ident(message.get("conversation_id"))):
        raise Skip
    return f"{person}{VISITOR}{conversation}"


def _spoken_by(address: Address, ends: tuple[str, str], *, speaker: int) -> None:
    """Refuses an event whose name and direction disagree: our own words must never be heard as hers."""
    if ends[speaker] == address.account or not ends[speaker]:
        raise Skip


def _message(name: str, address: Address, at: int, once: str, message: Mapping[str, Any]) -> Event:
    words, mid = _words(text(message.get("text"))), ident(message.get("msg_id"))
    payload = payload_of(words)
    attachments = _attachments(message, contact=name == "user_send_business_card")
    if not words and not attachments:
        kind = ATTACHMENTS.get(name.rpartition("_")[2], "other")
        attachments = (Attachment("contact" if name == "user_send_business_card" else kind),)
    return Message(
        key=key(name, mid) if mid else once,
        address=address,
        at=at,
        id=mid,
        text="" if payload else words,
        payload=payload,
        attachments=attachments,
        reply_to=ident(message.get("quote_msg_id")),
    )


def _words(words: str) -> str:
    """Buttons made in the OA Manager send their payload object as text: `{"content": "A"}` means A."""
    if not words.startswith("{") or len(words) > 2000:
        return words
    try:
        value = json.loads(words)
    except (ValueError, RecursionError):
        return words
    match value:
        case {"content": str(content)} if len(value) == 1 and content.strip():
            return text(content)
        case _:
            return words


def _echo(name: str, address: Address, at: int, once: str, message: Mapping[str, Any], admin: str) -> Event:
    mid = ident(message.get("msg_id"))
    return Echo(
        key=key(name, mid) if mid else once,
        address=address,
        at=at,
        author="person" if admin else "bot",
        id=mid,
        text=text(message.get("text")),
        attachments=_attachments(message, contact=False),
    )


def _receipt(name: str, address: Address, at: int, once: str, message: Mapping[str, Any]) -> Event:
    ids = tuple(filter(None, (ident(message.get("msg_id")), *map(ident, items(message.get("msg_ids"))))))
    if not ids:
        raise Skip
    match name:
        case "user_received_message":
            return Receipt(once, address, at, "delivered", ids)
        case "user_seen_message":
            return Receipt(once, address, at, "seen", ids)
        case _:
            icon = text(message.get("react_icon"))
            if icon == "/-remove":
                return Receipt(once, address, at, "unreacted", ids)
            return Receipt(once, address, at, "reacted", ids, emoji=icon)


def _consent(name: str, address: Address, at: int, once: str, root: Mapping[str, Any]) -> Event:
    source = tuple(("source", found) for found in (text(root.get("source")),) if found)
    match name:
        case "follow":
            return Consent(once, address, at, "follow", source)
        case "unfollow":
            return Consent(once, address, at, "unfollow", source)
        case "user_click_chatnow":  # before her first word; from now on we may write
            return Consent(once, address, at, "follow", (("source", "chatnow"),))
        case "user_submit_info":
            return Consent(once, address, at, "profile", _profile(mapping(root.get("info"))))
        case _:
            return Consent(once, address, at, "withdraw")


def _profile(info: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What she put into the contact form, in its old and its new shape, under our names."""
    given = {**info, **mapping(info.get("full_address"))}
    return tuple((ours, value) for theirs, ours in PROFILE.items() if (value := _field(given.get(theirs))))


def _field(value: object) -> str:
    return text(str(value)) if isinstance(value, int) and not isinstance(value, bool) else text(value).strip()


def _attachments(message: Mapping[str, Any], *, contact: bool) -> tuple[Attachment, ...]:
    return tuple(
        _attachment(mapping(raw), contact=contact) for raw in items(message.get("attachments"))[:MOST_ATTACHMENTS]
    )


def _attachment(raw: Mapping[str, Any], *, contact: bool) -> Attachment:
    payload = mapping(raw.get("payload"))
    kind = ATTACHMENTS.get(text(raw.get("type")), "other")
    described = text(payload.get("description"))
    card = _card(described) if kind == "link" else None
    place = mapping(payload.get("coordinates"))
    return Attachment(
        kind="contact" if contact or card is not None else kind,
        url=link(payload.get("url")) or link(payload.get("link_url")),
        name=text(payload.get("name")) or ident(payload.get("id")),
        title=described or text(payload.get("text")) if card is None else card,
        size=whole(payload.get("size")) or None,
        latitude=decimal(place.get("latitude")),
        longitude=decimal(place.get("longitude")),
    )


def _card(described: str) -> str | None:
    """The phone number on a contact card, which is a link described by a JSON text; nothing for other links."""
    if not described.startswith("{"):
        return None
    try:
        card = json.loads(described)
    except (ValueError, RecursionError):
        return None
    return _field(card["phone"]) if isinstance(card, dict) and "phone" in card else None
