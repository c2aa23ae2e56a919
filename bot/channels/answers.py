"""Reading what came back from a platform: its JSON, its headers, and what an HTTP status alone says. Never raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from bot.messages import Answer, Verdict

_LONGEST_WAIT = 86_400.0


def body_of(answer: Answer) -> dict[str, Any] | None:
    """The JSON object that was answered, or nothing when it is HTML, cut off, or no object."""
    try:
        value = json.loads(answer.body.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The same headers with names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def code_of(value: object) -> int | None:
    """An error code, which platforms send as number or as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as `Retry-After` says. A date is read against the answer's own `Date`: no clock here."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait.total_seconds(), 0.0), _LONGEST_WAIT)


def verdict_of(status: int) -> Verdict:
    """What the status says when the platform's own code is missing.

    500 says that the work failed, 503 and 429 that it never began: worth another try, and an echo in between settles
    it. A gateway that lost its server (502, 504) or a success without proof may have sent the message: `unknown`.
    A refusal of the address or the credentials stops the channel: every send would fail.
    """
    match status:
        case 429 | 500 | 503:
            return "retry"
        case 401 | 403 | 404 | 407:
            return "stop"
        case 408:
            return "unknown"
        case _ if 400 <= status < 500:
            return "refused"
        case _ if 300 <= status < 400:
            return "stop"
        case _:
            return "unknown"
