"""Zalo Official Account: signatures checked, requests written, errors sorted, authorisation asked for. No I/O here.

Sources: the official SDKs (Java, PHP, .NET) and dated copies of Zalo's documentation, as of 2026. A refresh token is
single use: whoever calls `refresh_call` must save the new pair before anything else happens.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from bot.channels import Limits, Window, pieces, zalo_events
from bot.channels.answers import body_of, code_of, headers_of, retry_after, verdict_of
from bot.channels.lenient import events, load
from bot.errors import Forged, GrantLost, Unreadable
from bot.messages import Address, Answer, Call, Choice, Event, Outcome, Reply, Speech, Verdict

LIMITS = Limits(
    text=2000,
    choices=5,
    title=100,
    button_set=5,
    button_text=2000,
    payload=240,  # Zalo takes 1,000 characters after our encoding
    media=frozenset({"image"}),
    captions=True,
    form=True,
    bot_hours=7 * 24,
    person_hours=7 * 24,
    free_hours=48,
    echoes=True,
    receipts=True,
)
SIGNATURE = re.compile(r"(?:mac\s*=\s*)?([0-9a-f]{64})", re.IGNORECASE)
FORM_TITLE = "Thông tin liên hệ"
FORM_SUBTITLE = "Chị chỉ gửi khi thấy an toàn."
SHORTEST_LIFE = 3600  # seconds, assumed when Zalo names none: refreshing early does no harm

VERDICTS: Mapping[int, Verdict] = {
    -32: "retry",
    -200: "retry",
    -124: "token",
    -216: "token",
    -220: "token",
    -230: "window",
    -232: "window",
    -213: "gone",
    -217: "gone",
    -227: "gone",
    -244: "gone",
    -118: "gone",
    -211: "wait",
    -218: "wait",
    -234: "wait",  # night
    -144: "wait",
    -204: "stop",
    -205: "stop",
    -209: "stop",
    -212: "stop",
    -219: "stop",
    -221: "stop",
    -223: "stop",
    -224: "stop",
    -235: "stop",
    -242: "stop",
    -320: "stop",
    -321: "stop",
}
# Seconds until it may go better, where Zalo's code says so: a minute's calls used up, a quota, the night.
WAITS: Mapping[int, float] = {-32: 60.0, -211: 3600.0, -218: 3600.0, -234: 1800.0, -144: 3600.0}


@dataclass(frozen=True, slots=True)
class ZaloAccount:
    """One Official Account and the app it has authorised. `oa_secrets` sign webhooks: the current one, and while it is
    being replaced the one before. `refresh_token` is only the seed; the store holds the live one."""

    oa_id: str
    app_id: str
    app_secret: str = field(repr=False)
    oa_secrets: tuple[str, ...] = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """A pair of tokens. `expires_in` is the life of the access token in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class Zalo:
    """Zalo for one or more Official Accounts. URLs without a last slash; `contact_image` heads the contact form."""

    accounts: Sequence[ZaloAccount]
    api_url: str
    oauth_url: str
    contact_image: str = ""
    name: str = zalo_events.NAME
    limits: Limits = LIMITS
    expects_echo: bool = True

    def verify(self, headers: Mapping[str, str], body: bytes) -> frozenset[str]:
        """The OAs whose app signed exactly these bytes. Raises `Forged`.

        Plain SHA-256, no HMAC, over the app id of our settings, the raw body, the `timestamp` inside it and a secret
        of the OA; a body that names another app is nobody's.
        """
        found = SIGNATURE.fullmatch(headers_of(headers).get("x-zevent-signature", "").strip())
        if not found:
            raise Forged
        try:
            root = load(body)
        except Unreadable:
            raise Forged from None
        given, moment, app_id = found[1].lower(), _scalar(root.get("timestamp")), _scalar(root.get("app_id"))
        vouched = frozenset(
            account.oa_id
            for account in self.accounts
            for secret in account.oa_secrets
            if secret and app_id == account.app_id and hmac.compare_digest(_mac(account, body, moment, secret), given)
        )
        if not vouched:
            raise Forged
        return vouched

    def parse(self, body: bytes, accounts: frozenset[str]) -> tuple[Event, ...]:
        root = load(body)
        if not isinstance(root.get("event_name"), str):
            raise Unreadable("no event of Zalo")
        return tuple(events(zalo_events.read, root, body, accounts))

    def fit(self, reply: Reply) -> tuple[Reply, ...]:
        return pieces.fit(reply, self.limits)

    def render(self, speech: Speech, token: str) -> Call:
        visitor, _, conversation = speech.address.person.partition(zalo_events.VISITOR)
        if conversation:
            recipient = {"anonymous_id": visitor, "conversation_id": conversation}
            return self._post("v2.0/oa/message", speech.address, token, recipient, {"text": _plain(speech.reply)})
        message = self._message(speech.reply)
        if speech.reply_to:
            message["quote_message_id"] = speech.reply_to
        return self._post("v3.0/oa/message/cs", speech.address, token, {"user_id": visitor}, message)

    def signal(self, address: Address, kind: Literal["seen", "typing"], token: str) -> Call | None:
        """Zalo has neither a typing nor a seen mark for OAs."""
        return None

    def outcome(self, answer: Answer) -> Outcome:
        headers = headers_of(answer.headers)
        wait, used = retry_after(headers), _usage(headers)
        body = body_of(answer)
        code = code_of(body.get("error")) if body is not None else None
        if body is None or code is None:
            return Outcome(verdict_of(answer.status), code=f"http/{answer.status}", retry_after=wait, usage=used)
        if code == 0:
            data = body.get("data")
            known = (data.get("message_id") or data.get("msg_id")) if isinstance(data, dict) else ""
            return Outcome("sent", message_id=known if isinstance(known, str) else "", usage=used)
        wait = wait if wait is not None else WAITS.get(code)
        return Outcome(VERDICTS.get(code, "refused"), code=str(code), retry_after=wait, usage=used)

    def window(self, heard_at_ms: int, now_ms: int) -> Window:
        return self.limits.window(heard_at_ms, now_ms)

    def check_calls(self, account: ZaloAccount, token: str) -> tuple[Call, ...]:
        """Ask Zalo about the OA itself: name, whether it is verified, package and its last day."""
        headers = _headers(account, token)
        return (Call("GET", f"{self.api_url}/v2.0/oa/getoa", headers=headers),)

    def refresh_call(self, account: ZaloAccount, refresh_token: str) -> Call:
        """Trade a refresh token for a new pair. It dies with this request, and the old access token with its answer."""
        return self._token_call(account, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    def grant_call(self, account: ZaloAccount, code: str, verifier: str) -> Call:
        """Trade the code of the consent page (single use, ten minutes) for the first pair."""
        return self._token_call(account, {"grant_type": "authorization_code", "code": code, "code_verifier": verifier})

    def read_grant(self, answer: Answer) -> Grant:
        """The new pair. Success is two tokens that are there: the body of a success has no `error` key at all.

        Raises `GrantLost` when Zalo says that the refresh token is dead, `Unreadable` for every other answer; then the
        old pair must stay where it is.
        """
        body = body_of(answer)
        if body is None:
            raise Unreadable(f"no answer of Zalo's sign-in (HTTP {answer.status})")
        tokens = tuple(body.get(name) for name in ("access_token", "refresh_token"))
        match tokens:
            case (str(access), str(refresh)) if access.strip() and refresh.strip():
                life = code_of(body.get("expires_in")) or 0
                return Grant(access, refresh, life if life > 0 else SHORTEST_LIFE)
        said = " ".join(
            str(body.get(name, "")) for name in ("error_name", "error_reason", "error_description", "message")
        )
        code = code_of(body.get("error"))
        if code == -14014 or "refresh token" in said.lower().replace("_", " "):
            raise GrantLost(f"Zalo refuses the refresh token ({code})")
        raise Unreadable(f"Zalo's sign-in refused: {code} {str(body.get('error_name', ''))[:80]}")

    def permission_url(self, account: ZaloAccount, *, redirect_uri: str, challenge: str, state: str) -> str:
        """The page where an administrator of the OA lets our app in. `challenge` comes from `challenge_of`."""
        query = {
            "app_id": account.app_id,
            "redirect_uri": redirect_uri,
            "code_challenge": challenge,
            "state": state,
        }
        return f"{self.oauth_url}/v4/oa/permission?{urlencode(query)}"

    def _token_call(self, account: ZaloAccount, form: Mapping[str, str]) -> Call:
        return Call(
            "POST",
            f"{self.oauth_url}/v4/oa/access_token",
            headers={"secret_key": account.app_secret},
            form={"app_id": account.app_id, **form},
        )

    def _post(
        self,
        path: str,
        address: Address,
        token: str,
        recipient: Mapping[str, str],
        message: Mapping[str, Any],
    ) -> Call:
        account = {account.oa_id: account for account in self.accounts}[address.account]
        return Call(
            "POST",
            f"{self.api_url}/{path}",
            headers=_headers(account, token),
            json={"recipient": recipient, "message": message},
        )

    def _message(self, reply: Reply) -> dict[str, Any]:
        """The `message` object of one fitted piece."""
        if reply.contact:
            return _attached(self._form(reply))
        words = {"text": reply.text} if reply.text else {}
        if reply.choices:
            # Without `template_type`: with it Zalo answers -201.
            return words | _attached({"buttons": [_button(choice) for choice in reply.choices]})
        if reply.image:
            element = {"media_type": "image", "url": reply.image}
            return words | _attached({"template_type": "media", "elements": [element]})
        return words

    def _form(self, reply: Reply) -> dict[str, Any]:
        title, _, subtitle = reply.text.partition("\n")
        element = {"title": title or FORM_TITLE, "subtitle": subtitle or FORM_SUBTITLE}
        if image := reply.image or self.contact_image:
            element["image_url"] = image
        return {"template_type": "request_user_info", "elements": [element]}


def challenge_of(verifier: str) -> str:
    """The PKCE challenge of a verifier of 43 characters: base64url(sha256(verifier)) without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _mac(account: ZaloAccount, body: bytes, moment: str, secret: str) -> str:
    signed = account.app_id.encode() + body + moment.encode(errors="replace") + secret.encode()
    return hashlib.sha256(signed).hexdigest()


def _scalar(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _headers(account: ZaloAccount, token: str) -> dict[str, str]:
    """The proof is asked for only when a switch of the console is on; sent always, the switch may be on."""
    proof = hmac.new(account.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    return {"access_token": token, "appsecret_proof": proof}


def _attached(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"attachment": {"type": "template", "payload": payload}}


def _button(choice: Choice) -> dict[str, Any]:
    """A tap on a hidden query comes back as a text that she never sees: no machine words in her chat."""
    if choice.url:
        return {"title": choice.title, "type": "oa.open.url", "payload": {"url": choice.url}}
    if choice.phone:
        number = pieces.dialable(choice.phone).removeprefix("+")
        return {"title": choice.title, "type": "oa.open.phone", "payload": {"phone_code": number}}
    query = zalo_events.query_of(choice.payload or choice.title)
    return {"title": choice.title, "type": "oa.query.hide", "payload": query}


def _plain(reply: Reply) -> str:
    """A piece as bare text, all that a visitor without an account can be sent; what does not fit is cut."""
    lines = [
        f"{choice.title}: {choice.url or choice.phone}" if choice.url or choice.phone else choice.title
        for choice in reply.choices
    ]
    if reply.contact:
        lines.append("Chị có thể nhắn số điện thoại tại đây.")
    text = "\n".join(filter(None, (reply.text, reply.image, *lines)))
    return next(iter(pieces.split(text, LIMITS.text)), "")


def _usage(headers: Mapping[str, str]) -> float | None:
    """The share of the calls per minute that is used, 0..1."""
    limit, left = code_of(headers.get("x-ratelimit-limit")), code_of(headers.get("x-ratelimit-remain"))
    if limit is None or left is None or limit <= 0:
        return None
    return min(max(1 - left / limit, 0.0), 1.0)
