"""Reading Messenger's webhooks: every entry, list and event of a batch. Whatever one event holds, the next is read.

Source: Messenger Platform, webhook events reference, as of 2026; what its samples contradict is noted where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.channels.lenient import Skip, decimal, events, ident, items, key, link, mapping, moment, text, whole
from bot.messages import (
    Address,
    Attachment,
    AttachmentKind,
    Consent,
    Echo,
    Event,
    Handover,
    Message,
    Notice,
    Receipt,
)

NAME = "messenger"
REFERENCE = "osso:"  # marks our own `metadata`
META_LEAD_FORM_APP = "413038776280800"  # the only foreign app that is a machine for certain
LIKES = frozenset({"369239263222822", "369239343222814", "369239383222810"})
LISTS = ("messaging", "standby", "changes")
MOST_ATTACHMENTS = 30
OWN_DETAILS = re.compile(r"\+?[\d ().-]{7,}|[^\s@]+@[^\s@]+")  # what her phone or e-mail button sends

ATTACHMENTS: Mapping[str, AttachmentKind] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "file": "file",
    "sticker": "sticker",
    "location": "location",
    "fallback": "link",
    "reel": "link",
    "ig_reel": "link",
    "post": "link",
    "ig_post": "link",
    "share": "link",
}
UNUSED = {
    "account_linking": "account linking",
    "messaging_feedback": "feedback form",
    "response_feedback": "feedback form",
}


@dataclass(frozen=True, slots=True)
class Raw:
    """One raw event of a Page (`page`, spoken for by the app `app`) and what stands around it."""

    page: str
    app: str
    kind: str
    event: Mapping[str, Any]
    at: int
    standby: bool

    def address(self) -> Address:
        """Her address when she acted. Skips what names no person, what the Page did, and what is another Page's."""
        sender, recipient = mapping(self.event.get("sender")), mapping(self.event.get("recipient"))
        person, receiver = ident(sender.get("id")), ident(recipient.get("id"))
        if not person and (sender.get("user_ref") or mapping(self.event.get("optin")).get("user_ref")):
            raise Skip("no person id")
        if person == self.page:
            raise Skip("own event")
        if not person or not receiver:
            raise Skip
        if receiver != self.page:
            raise Skip("other account")
        return Address(NAME, self.page, person)

    def reached(self) -> Address:
        """Her address when the Page spoke to her."""
        sender, recipient = mapping(self.event.get("sender")), mapping(self.event.get("recipient"))
        person = ident(recipient.get("id"))
        if not person or person == self.page:
            raise Skip
        if ident(sender.get("id")) != self.page:
            raise Skip("other account")
        return Address(NAME, self.page, person)


def read_entry(entry: object, apps: Mapping[str, str]) -> Iterator[Event]:
    """Every event of one entry. `apps` maps our Pages to the app that speaks for each."""
    found = mapping(entry)
    page = ident(found.get("id"))
    if not any(name in found for name in LISTS):
        raise Skip("empty entry")
    for name in LISTS:
        yield from events(_list, found, name, page, apps.get(page))


def _list(entry: Mapping[str, Any], name: str, page: str, app: str | None) -> Iterator[Event]:
    for raw in items(entry.get(name)):
        if name == "changes":
            yield from events(_change, raw, page, app, entry.get("time"))
        else:
            yield from events(_event, raw, page, app, entry.get("time"), standby=name == "standby")


def _change(raw: object, page: str, app: str | None, time: object) -> Iterator[Event]:
    """The field/value form: public comments, the Page's standing, and what the dashboard's Test button sends."""
    change = mapping(raw)
    value = change.get("value")
    match change.get("field"):
        case _ if page == "0":
            raise Skip("dashboard test")
        case _ if app is None:
            raise Skip("other account")
        case "feed":
            raise Skip("public comment" if mapping(value).get("item") in ("comment", "post") else "public activity")
        case "business_integrity":
            yield Notice(key("integrity", page, time), NAME, page, moment(time), "page_integrity")
        case str():
            yield from _event(value, page, app, time, standby=False)
        case _:
            raise Skip


def _event(raw: object, page: str, app: str | None, time: object, *, standby: bool) -> Iterator[Event]:
    if app is None:
        raise Skip("other account")
    event = mapping(raw)
    kind = next((kind for kind in (*READERS, *UNUSED) if event.get(kind) is not None), "")
    body = mapping(event.get(kind))
    found = Raw(page, app, kind, event, moment(event.get("timestamp"), body.get("watermark"), time), standby)
    if kind in UNUSED:
        raise Skip(UNUSED[kind])
    if not kind:
        found.address()
        raise Skip("unknown event")
    yield READERS[kind](found, body)


def _message(found: Raw, body: Mapping[str, Any]) -> Event:
    if body.get("is_echo"):
        return _echo(found, body)
    if body.get("is_deleted"):
        raise Skip("unsent message")
    address, mid, words = found.address(), ident(body.get("mid")), text(body.get("text"))
    attachments = _attachments(body)
    tapped = text(mapping(body.get("quick_reply")).get("payload"))
    if not words and not attachments and not tapped:
        attachments = (Attachment("other"),)  # something that only the app can show
    return Message(
        key=_key("message", mid, address.person, found.at, words),
        address=address,
        at=found.at,
        id=mid,
        text=words,
        payload="" if OWN_DETAILS.fullmatch(tapped) else tapped,
        attachments=attachments,
        reply_to=ident(mapping(body.get("reply_to")).get("mid")),
        referral=_referral(body.get("referral")),
        standby=found.standby,
    )


def _postback(found: Raw, body: Mapping[str, Any]) -> Event:
    """Get Started, menu, ice breaker and button all look alike. On standby Meta strips the payload, the title stays."""
    address, mid = found.address(), ident(body.get("mid"))
    title, payload = text(body.get("title")), text(body.get("payload"))
    return Message(
        key=_key("postback", mid, address.person, found.at, payload, title),
        address=address,
        at=found.at,
        id=mid,
        text=title,
        payload=payload,
        referral=_referral(body.get("referral")),
        standby=found.standby,
    )


def _edit(found: Raw, body: Mapping[str, Any]) -> Event:
    address, mid, words = found.address(), ident(body.get("mid")), text(body.get("text"))
    if not mid:
        raise Skip
    return Message(
        key=key("edit", mid, ident(body.get("num_edit"))),
        address=address,
        at=found.at,
        text=words,
        edits=mid,
        standby=found.standby,
    )


def _echo(found: Raw, body: Mapping[str, Any]) -> Event:
    """The Page spoke. Anything not provably a machine counts as a person, for then the bot must be silent."""
    address, mid, words = found.reached(), ident(body.get("mid")), text(body.get("text"))
    app, metadata = ident(body.get("app_id")), text(body.get("metadata"))
    ours = app == found.app or metadata.startswith(REFERENCE)
    return Echo(
        key=_key("echo", mid, address.person, found.at, words),
        address=address,
        at=found.at,
        author="bot" if ours else "machine" if app == META_LEAD_FORM_APP else "person",
        id=mid,
        text=words,
        attachments=_attachments(body),
        reference=metadata.removeprefix(REFERENCE) if metadata.startswith(REFERENCE) else "",
    )


def _referred(found: Raw, body: Mapping[str, Any]) -> Event:
    """She came back through a link or an advertisement, without a word."""
    address, referral = found.address(), _referral(body)
    return Message(key("referral", address.person, found.at, referral), address, found.at, referral=referral)


def _receipt(found: Raw, body: Mapping[str, Any]) -> Event:
    address, watermark = found.address(), moment(body.get("watermark"))
    match found.kind:
        case "read":
            name = key("read", address.person, watermark)
            return Receipt(name, address, found.at, "seen", watermark=watermark)
        case "delivery":
            mids = tuple(ident(mid) for mid in items(body.get("mids")))
            name = key("delivery", address.person, watermark, *mids)
            return Receipt(name, address, found.at, "delivered", mids, watermark)
        case _:
            mid, emoji = ident(body.get("mid")), text(body.get("emoji")) or text(body.get("reaction"))
            act = "unreacted" if body.get("action") == "unreact" else "reacted"
            name = key(act, address.person, found.at, mid, emoji)
            if act == "unreacted":
                return Receipt(name, address, found.at, "unreacted", (mid,), emoji=emoji)
            return Receipt(name, address, found.at, "reacted", (mid,), emoji=emoji)


def _optin(found: Raw, body: Mapping[str, Any]) -> Event:
    address, kind = found.address(), text(body.get("type"))
    stop = text(body.get("notification_messages_status")).upper().replace(" ", "_") == "STOP_NOTIFICATIONS"
    if kind == "notification_messages" and not stop:
        raise Skip("retired product")  # switched off by Meta on 10 February 2026
    fields = tuple((name, value) for name in ("type", "ref", "payload") if (value := text(body.get(name))))
    name = key("optin", address.person, found.at, *fields)
    return Consent(name, address, found.at, "optout" if stop else "optin", fields)


def _handover(found: Raw, body: Mapping[str, Any]) -> Event:
    address, owner = found.address(), ident(body.get("new_owner_app_id"))
    name = key(found.kind, address.person, found.at, owner, ident(body.get("requested_owner_app_id")))
    match found.kind:
        case "pass_thread_control":
            return Handover(name, address, found.at, "passed", ours=owner == found.app)
        case "take_thread_control":
            return Handover(name, address, found.at, "taken", ours=owner == found.app)
        case _:
            return Handover(name, address, found.at, "requested")


def _notice(found: Raw, body: Mapping[str, Any]) -> Event:
    """What Meta says about the Page itself; these events have no sender."""
    receiver = ident(mapping(found.event.get("recipient")).get("id"))
    if receiver and receiver != found.page:
        raise Skip("other account")
    if found.kind == "app_roles":
        roles = " ".join(sorted(text(role) for role in items(body.get(found.app))))
        return Notice(key("app_roles", found.page, found.at), NAME, found.page, found.at, "app_roles", roles)
    action = text(body.get("action"))
    what = f"policy_{action}" if action in ("warning", "block", "unblock") else "policy_enforcement"
    return Notice(key(what, found.page, found.at), NAME, found.page, found.at, what, text(body.get("reason")))


def _attachments(body: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """Her attachments. A sticker was sent as image, as sticker, and for three months as both: it is one sticker."""
    found = [_attachment(mapping(raw)) for raw in items(body.get("attachments"))[:MOST_ATTACHMENTS]]
    return tuple(dict.fromkeys(found))


def _attachment(raw: Mapping[str, Any]) -> Attachment:
    payload = mapping(raw.get("payload"))
    sticker = ident(payload.get("sticker_id"))
    place = mapping(payload.get("coordinates"))
    return Attachment(
        kind="sticker" if sticker else ATTACHMENTS.get(text(raw.get("type")), "other"),
        url=link(payload.get("url")) or link(raw.get("url")),
        name=sticker,
        title="👍" if sticker in LIKES else text(payload.get("title") or raw.get("title")),
        size=whole(payload.get("size")) or None,
        latitude=decimal(place.get("lat")),
        longitude=decimal(place.get("long")),
    )


def _referral(value: object) -> str:
    """Which link or advertisement brought her; `ref` is not guaranteed, so the kind of the referral stands in."""
    referral = mapping(value)
    return text(referral.get("ref")) or text(referral.get("type"))


def _key(kind: str, mid: str, *parts: object) -> str:
    return key(kind, mid) if mid else key(kind, *parts)


READERS: Mapping[str, Callable[[Raw, Mapping[str, Any]], Event]] = {
    "message": _message,
    "postback": _postback,
    "message_edit": _edit,
    "reaction": _receipt,
    "read": _receipt,
    "delivery": _receipt,
    "referral": _referred,
    "optin": _optin,
    "pass_thread_control": _handover,
    "take_thread_control": _handover,
    "request_thread_control": _handover,
    "app_roles": _notice,
    "policy_enforcement": _notice,
}
