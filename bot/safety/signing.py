"""Who vouches for the danger signs: two people, each under the hash of the very content they read.

Pure: text in, text out. Who may sign, and what the audit is told, are the caller's. Changed content is unsigned again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re

from bot.errors import Refused
from bot.safety.signs import Signs

NEEDED = 2  # people
_BLOCK = re.compile(r"^reviews:.*\n(?:[ \t-].*\n)*", re.MULTILINE)


def content(signs: Signs, classifier: bytes) -> str:
    """What is signed: the hash of the signs and of the frozen weights (`danger.bin`) that speak beside them."""
    return hashlib.sha256(f"{signs.digest} {hashlib.sha256(classifier).hexdigest()}".encode()).hexdigest()


def signers(signs: Signs, signed: str) -> frozenset[str]:
    """Who signed this content, as they are compared: the same name in another spelling is the same person."""
    return frozenset(_person(review["by"]) for review in signs.reviews if review["content"] == signed)


def sign(text: str, signs: Signs, signed: str, *, by: str, on: datetime.date) -> str:
    """The file's text with one more signature under this content; those under older contents fall away.

    Raises Refused when the same person signed it already.
    """
    if _person(by) in signers(signs, signed):
        raise Refused(f"{by} đã ký bản này rồi: cần một người khác / signed this content already: another must")
    kept = [(review["by"], review["on"]) for review in signs.reviews if review["content"] == signed]
    lines = [
        f"  - {{content: {signed}, by: {json.dumps(name, ensure_ascii=False)}, on: {day}}}\n"
        for name, day in [*kept, (by.strip(), on.isoformat())]
    ]
    return _BLOCK.sub(lambda _: "reviews:\n" + "".join(lines), text, count=1)


def _person(name: str) -> str:
    return " ".join(name.casefold().split())
