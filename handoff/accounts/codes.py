"""One-time codes: TOTP from an authenticator app, and recovery codes on paper. Nothing here is stored or read."""

from __future__ import annotations

import hmac
import io
import secrets
import unicodedata

import pyotp
import segno

STEP_S = 30
HOW_MANY = 10
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # no 0 o 1 l i: read from paper, typed in a hurry


def new_secret() -> str:
    """160 bits, as authenticator apps expect."""
    return pyotp.random_base32()


def code_at(secret: str, now_ms: int) -> str:
    return pyotp.TOTP(secret).at(now_ms // 1000)


def matching_step(secret: str, code: str, *, now_ms: int, after: int) -> int | None:
    """The 30 s step this code belongs to: now, or one to either side, and later than the step `after` used last."""
    digits = "".join(letter for letter in unicodedata.normalize("NFKC", code) if letter.isascii() and letter.isdigit())
    now = now_ms // 1000 // STEP_S
    found = None
    for step in (now - 1, now, now + 1):
        if hmac.compare_digest(pyotp.TOTP(secret).at(step * STEP_S), digits) and step > after:
            found = step
    return found


def address(secret: str, login: str) -> str:
    """The otpauth:// address an app reads from the QR picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name="OSSO")


def picture(text: str) -> str:
    """A QR code as one SVG element without script or style."""
    out = io.BytesIO()
    segno.make(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, border=2, dark="#000", light="#fff", omitsize=True
    )
    return out.getvalue().decode()


def new_recovery_codes() -> tuple[str, ...]:
    """Ten codes of 25 letters (124 bits each): `abcde-fghjk-…`."""
    return tuple(
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(5)) for _ in range(HOW_MANY)
    )


def plain(code: str) -> str:
    """A recovery code as it is hashed: without dashes and spaces, lower case."""
    return "".join(letter for letter in code.casefold() if letter.isalnum())
