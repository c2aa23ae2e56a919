"""Reading what a platform sent without trusting its shape. One odd event may cost itself, never the rest of its batch.

Every reader here returns a clean value or raises `Skip`; nothing else escapes, whatever the JSON holds.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

from bot.errors import Unreadable
from bot.messages import Event, Ignored

_Given = ParamSpec("_Given")
_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")  # lone surrogates have no UTF-8, NUL no place in PostgreSQL
_LONGEST_ID = 1000
_LATEST = 2**53
_SECONDS_BELOW = 10**12


class Skip(Exception):
    """This one event gives nothing. `why` becomes `Ignored.why`; it is a constant, never content."""

    def __init__(self, why: str = "malformed") -> None:
        super().__init__(why)
        self.why = why


def load(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises `Unreadable` for anything else: not UTF-8, not JSON, too deep, a list."""
    try:
        value = json.loads(body.decode(), parse_int=_integer, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise Unreadable("not a JSON object") from None
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def _integer(digits: str) -> int:
    """Python refuses integers of more than 4,300 digits, which would cost the whole batch; no real field has 30."""
    return int(digits) if len(digits) < 30 else -1


def events(read: Callable[_Given, Iterator[Event]], /, *args: _Given.args, **kwargs: _Given.kwargs) -> Iterator[Event]:
    """The events of one reader; when it skips, the one `Ignored` that says why."""
    try:
        yield from read(*args, **kwargs)
    except Skip as skip:
        yield Ignored(skip.why)


def clean(text: str) -> str:
    """Her text as she sent it, but for code points that no database can hold."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def text(value: object) -> str:
    """A text; absent is empty."""
    match value:
        case None:
            return ""
        case str():
            return clean(value)
        case _:
            raise Skip


def ident(value: object) -> str:
    """An id, given as text or as a number; absent is empty."""
    match value:
        case None:
            return ""
        case bool():
            raise Skip
        case int() if value >= 0:
            return str(value)
        case str() if len(value) <= _LONGEST_ID:
            return clean(value).strip()
        case _:
            raise Skip


def mapping(value: object) -> dict[str, Any]:
    """An object; absent is empty."""
    match value:
        case None:
            return {}
        case dict():
            return value
        case _:
            raise Skip


def items(value: object) -> list[Any]:
    """A list; absent is empty."""
    match value:
        case None:
            return []
        case list():
            return value
        case _:
            raise Skip


def link(value: object) -> str:
    """A web address; anything else is empty, so that no page of the desk ever links to a script."""
    if isinstance(value, str) and value.lower().startswith(("https://", "http://")):
        return clean(value)
    return ""


def whole(value: object) -> int:
    """A number that fits a database column, given as number or digits; anything else is 0."""
    match value:
        case bool():
            return 0
        case int():
            number = value
        case float() if math.isfinite(value):
            number = int(value)
        case str() if len(value) < 20 and value.isascii() and value.isdigit():
            number = int(value)
        case _:
            return 0
    return number if 0 <= number < _LATEST else 0


def moment(*values: object) -> int:
    """The first of `values` that is a time, in ms; platforms send ms, seconds, and either as text. 0 when none is."""
    for value in values:
        if number := whole(value):
            return number if number >= _SECONDS_BELOW else number * 1000
    return 0


def decimal(value: object) -> float | None:
    """A finite number, given as number or text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def key(kind: str, *parts: object) -> str:
    """A name for one event that stays the same when the platform delivers it again; at most 110 characters."""
    plain = ":".join((kind, *(str(part) for part in parts)))
    if len(parts) == 1 and len(plain) <= 110:
        return plain
    return f"{kind}:{hashlib.sha256(plain.encode(errors='replace')).hexdigest()}"
