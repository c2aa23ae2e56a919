"""Facebook Messenger: signatures checked, requests written, errors sorted. No I/O; the bot may never use a human's tag.

Sources: Messenger Platform and Graph API documentation (Send API, error codes, conversation routing) as of 2026.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.channels import Limits, Window, messenger_events, messenger_setup, pieces
from bot.channels.answers import body_of, code_of, headers_of, retry_after, verdict_of
from bot.channels.lenient import events, load
from bot.errors import Forged, Unreadable
from bot.messages import Address, Answer, Call, Choice, Event, Ignored, Outcome, Reply, Speech, Verdict

LIMITS = Limits(
    text=1900,  # "under 2000", the unit undocumented
    choices=13,
    title=20,
    button_set=3,
    button_text=640,
    payload=1000,
    media=frozenset({"image"}),
    captions=False,
    form=False,
    bot_hours=24,
    person_hours=7 * 24,  # with the HUMAN_AGENT tag
    free_hours=7 * 24,
    echoes=True,
    receipts=True,
)
SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")

# (code, subcode) to what we do; a code alone stands for all its other subcodes. A subcode under `ANY` decides by
# itself, because Meta documents it without a code, or with several.
ANY = 0
VERDICTS: Mapping[tuple[int, int | None], Verdict] = {
    (10, 2018278): "window",
    (10, 2018065): "window",
    (10, 2534022): "window",
    (100, 2018276): "window",  # HUMAN_AGENT not approved: nobody may write outside the window
    (10, 2018108): "gone",
    (551, None): "gone",
    (ANY, 1545041): "gone",
    (100, 2018001): "gone",
    (100, 33): "gone",
    (ANY, 2018300): "wait",  # another app holds the thread
    (ANY, 2018321): "wait",  # Meta's own questions are running
    (1, None): "retry",
    (2, None): "retry",
    (1200, None): "retry",
    (100, 2018008): "retry",  # Meta could not fetch the file
    (100, 2018294): "retry",
    (4, None): "retry",
    (17, None): "retry",
    (32, None): "retry",
    (341, None): "retry",
    (613, None): "retry",
    (80006, None): "retry",
    (10, 1893063): "stop",  # Page restricted
    (10, None): "stop",
    (3, None): "stop",
    (1, 99): "stop",
    (102, None): "stop",
    (190, None): "stop",  # a Page token cannot be renewed by us
    (368, None): "stop",
    (2022, None): "stop",
    (613, 2018338): "stop",  # "bothersome or abusive"
    (10, 1893015): "refused",  # marketing products that we do not use
    (10, 1404170): "refused",
    (9, 2018352): "refused",
    (4, 2018354): "refused",
    (613, 1893016): "refused",
    (2, 2018344): "refused",  # labels, not messages
    (27, None): "refused",
    (100, None): "refused",
    (10303, None): "refused",
    (10900, None): "refused",
    (10903, None): "refused",
    (36000, None): "refused",
    (9000001, None): "refused",
}
META_QUESTIONS_WAIT = 300.0  # seconds; after 2018300 no time helps, only the other app giving the thread back


@dataclass(frozen=True, slots=True)
class MessengerAccount:
    """One Facebook Page and the app that speaks for it."""

    page_id: str
    app_id: str
    app_secret: str = field(repr=False)
    page_token: str = field(repr=False)
    verify_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Messenger:
    """Messenger for one or more Pages. `api_url` is the Graph API with its version, without a last slash."""

    accounts: Sequence[MessengerAccount]
    api_url: str
    name: str = messenger_events.NAME
    limits: Limits = LIMITS
    expects_echo: bool = True

    def challenge(self, params: Mapping[str, str]) -> str:
        """The text to answer, as text/plain, when Meta asks whether the webhook is ours. Raises `Forged`."""
        given = params.get("hub.verify_token", "").encode(errors="replace")
        tokens = [account.verify_token.encode() for account in self.accounts if account.verify_token]
        answer = params.get("hub.challenge", "")
        known = any(hmac.compare_digest(given, token) for token in tokens)
        if not (known and params.get("hub.mode") == "subscribe" and answer.isascii() and answer.isdigit()):
            raise Forged
        return answer

    def verify(self, headers: Mapping[str, str], body: bytes) -> frozenset[str]:
        """The Pages whose app signed exactly these bytes. SHA-1 signatures are not looked at. Raises `Forged`."""
        found = SIGNATURE.fullmatch(headers_of(headers).get("x-hub-signature-256", ""))
        if not found:
            raise Forged
        vouched = frozenset(
            account.page_id
            for account in self.accounts
            if account.app_secret and hmac.compare_digest(_hmac(account.app_secret, body), found[1])
        )
        if not vouched:
            raise Forged
        return vouched

    def parse(self, body: bytes, accounts: frozenset[str]) -> tuple[Event, ...]:
        root = load(body)
        kind, entries = root.get("object"), root.get("entry")
        if not isinstance(kind, str) or not isinstance(entries, list):
            raise Unreadable("no webhook of Meta")
        if kind != "page":
            return (Ignored("other object"),)
        apps = {account.page_id: account.app_id for account in self.accounts if account.page_id in accounts}
        return tuple(event for entry in entries for event in events(messenger_events.read_entry, entry, apps))

    def fit(self, reply: Reply) -> tuple[Reply, ...]:
        return pieces.fit(reply, self.limits)

    def render(self, speech: Speech, token: str) -> Call:
        body: dict[str, Any] = {"recipient": {"id": speech.address.person}, "messaging_type": "RESPONSE"}
        if speech.human_tag and speech.author == "person":
            body |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
        if speech.reply_to:
            body["reply_to"] = {"mid": speech.reply_to}
        body["message"] = _message_of(speech.reply) | {"metadata": f"{messenger_events.REFERENCE}{speech.reference}"}
        return self._post(speech.address, token, body)

    def signal(self, address: Address, kind: Literal["seen", "typing"], token: str) -> Call | None:
        action = {"seen": "mark_seen", "typing": "typing_on"}[kind]
        return self._post(address, token, {"recipient": {"id": address.person}, "sender_action": action})

    def outcome(self, answer: Answer) -> Outcome:
        headers = headers_of(answer.headers)
        used, regain = _usage(headers)
        wait = max(filter(None, (retry_after(headers), regain)), default=None)
        body = body_of(answer)
        if body is None:
            return Outcome(verdict_of(answer.status), code=f"http/{answer.status}", retry_after=wait, usage=used)
        if isinstance(error := body.get("error"), dict):
            verdict, code = _sort(error, answer.status)
            if code.endswith("2018321"):
                wait = max(wait or 0.0, META_QUESTIONS_WAIT)
            return Outcome(verdict, code=code, retry_after=wait, usage=used)
        done = ("message_id", "recipient_id", "data", "id")
        if 200 <= answer.status < 300 and (
            any(name in body for name in done)
            or body.get("result") == "success"
            or body.get("success") in (True, "true")
        ):
            message_id = body.get("message_id")
            return Outcome("sent", message_id=message_id if isinstance(message_id, str) else "", usage=used)
        return Outcome(verdict_of(answer.status), code=f"http/{answer.status}", retry_after=wait, usage=used)

    def window(self, heard_at_ms: int, now_ms: int) -> Window:
        return self.limits.window(heard_at_ms, now_ms)

    def profile_calls(self, account: MessengerAccount) -> tuple[Call, ...]:
        """Write greeting, Get Started, menu and ice breakers of one Page."""
        return (self._page_call("POST", "me/messenger_profile", account, json=messenger_setup.profile()),)

    def subscription_calls(self, account: MessengerAccount, *, callback_url: str = "") -> tuple[Call, ...]:
        """Subscribe a Page to its events; with `callback_url`, first tell the app where to send them."""
        fields = ",".join(messenger_setup.FIELDS)
        page = self._page_call(
            "POST", f"{account.page_id}/subscribed_apps", account, params={"subscribed_fields": fields}
        )
        if not callback_url:
            return (page,)
        form = {
            "object": "page",
            "callback_url": callback_url,
            "fields": fields,
            "include_values": "true",
            "verify_token": account.verify_token,
        }
        token = f"{account.app_id}|{account.app_secret}"
        app = self._call("POST", f"{account.app_id}/subscriptions", account, token, form=form)
        return (app, page)

    def check_calls(self, account: MessengerAccount) -> tuple[Call, ...]:
        """Ask which fields the Page sends us, whether routing is on, and what its profile says: in this order."""
        return (
            self._page_call("GET", f"{account.page_id}/subscribed_apps", account),
            self._page_call("GET", "me", account, params={"fields": "messaging_feature_status"}),
            self._page_call(
                "GET", "me/messenger_profile", account, params={"fields": ",".join(messenger_setup.profile())}
            ),
        )

    def _post(self, address: Address, token: str, body: Mapping[str, Any]) -> Call:
        account = {account.page_id: account for account in self.accounts}[address.account]
        return self._call("POST", f"{account.page_id}/messages", account, token, json=body)

    def _page_call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        account: MessengerAccount,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> Call:
        return self._call(method, path, account, account.page_token, params=params, json=json)

    def _call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        account: MessengerAccount,
        token: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Call:
        """The token travels in a header, never in the address, which gets logged; Meta wants the proof in the query."""
        proof = _hmac(account.app_secret, token.encode())
        return Call(
            method=method,
            url=f"{self.api_url}/{path}",
            headers={"Authorization": f"Bearer {token}"},
            params={**(params or {}), "appsecret_proof": proof},
            json=json,
            form=form,
        )


def _hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _message_of(reply: Reply) -> dict[str, Any]:
    """The `message` object of one fitted piece."""
    if reply.image:
        return _attached("image", {"url": reply.image}) | _quick_replies(reply)
    if any(choice.url or choice.phone for choice in reply.choices):
        buttons = [_button(choice) for choice in reply.choices]
        return _attached("template", {"template_type": "button", "text": reply.text, "buttons": buttons})
    return {"text": reply.text} | _quick_replies(reply)


def _attached(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"attachment": {"type": kind, "payload": payload}}


def _quick_replies(reply: Reply) -> dict[str, Any]:
    taps: list[dict[str, str]] = [
        {"content_type": "text", "title": choice.title, "payload": choice.payload or choice.title}
        for choice in reply.choices
    ]
    if reply.contact:
        taps.append({"content_type": "user_phone_number"})
    return {"quick_replies": taps} if taps else {}


def _button(choice: Choice) -> dict[str, str]:
    if choice.url:
        return {"type": "web_url", "url": choice.url, "title": choice.title}
    if choice.phone:
        return {"type": "phone_number", "title": choice.title, "payload": pieces.dialable(choice.phone)}
    return {"type": "postback", "title": choice.title, "payload": choice.payload or choice.title}


def _sort(error: Mapping[str, Any], status: int) -> tuple[Verdict, str]:
    """What an error object means, and its name. An error nobody documents is refused, unless it says it will pass."""
    code, subcode = code_of(error.get("code")), code_of(error.get("error_subcode"))
    if code is None:
        return verdict_of(status) if status >= 400 else "refused", f"http/{status}"
    name = str(code) if subcode is None else f"{code}/{subcode}"
    if code == 100 and subcode is None and error.get("type") == "GraphMethodException":
        return "stop", name  # the call itself is refused (no proof, wrong node), not the message
    for known in ((code, subcode), (ANY, subcode), (ANY, code), (code, None)):
        if known in VERDICTS:
            lasting = VERDICTS[known] == "retry" and code in (1, 2) and error.get("is_transient") is False
            return "refused" if lasting else VERDICTS[known], name
    if 200 <= code < 300:
        return "stop", name  # permission missing
    if error.get("is_transient") is True or status == 429:
        return "retry", name
    return verdict_of(status) if status >= 500 else "refused", name


def _usage(headers: Mapping[str, str]) -> tuple[float | None, float | None]:
    """The share of Meta's budgets used (0..1), and the seconds until access comes back, from its two usage headers."""
    shares: list[float] = []
    waits: list[float] = []
    for record in _records(headers):
        for name, value in record.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
                continue
            if name == "estimated_time_to_regain_access":
                waits.append(value * 60.0)
            elif name in ("call_count", "total_time", "total_cputime"):
                shares.append(value / 100)
    return max(shares, default=None), max(waits, default=None)


def _records(headers: Mapping[str, str]) -> list[dict[str, Any]]:
    found: list[object] = []
    for name in ("x-app-usage", "x-business-use-case-usage", "x-page-usage"):
        try:
            value = json.loads(headers.get(name, "{}"))
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found += [value, *(record for listed in value.values() if isinstance(listed, list) for record in listed)]
    return [record for record in found if isinstance(record, dict)]
