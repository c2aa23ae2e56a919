"""Who is at the page: an invented woman, kept nowhere but in her browser's signed cookie. No account, no real name."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Request, Response
from itsdangerous import BadData, URLSafeSerializer

CHANNELS = ("webchat", "webchat-m")
COOKIE = "osso_chat"
NAMES = (
    "Lan Hoa Mai Thảo Hương Hạnh Ngọc Thu Xuân Liên Cúc Đào Nhung Yến Oanh Thủy Hiền Dung Loan Nga Phượng Quyên Tâm Vân"
).split()


@dataclass(frozen=True, slots=True)
class Visitor:
    """`person` is her random id on the simulator's channel, `name` only what the page calls her."""

    person: str
    name: str
    channel: str


class Visitors:
    """Reads and writes the cookie. Signs with the newest of the keys, accepts all of them."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._signer = URLSafeSerializer(list(reversed(secret_keys)), salt="osso simulator")

    def invent(self, channel: str) -> Visitor:
        return Visitor(secrets.token_hex(12), secrets.choice(NAMES), channel)

    def read(self, request: Request) -> Visitor | None:
        """Who the cookie says it is; None without one, or with one that is not ours."""
        try:
            match self._signer.loads(request.cookies.get(COOKIE, "")):
                case [str(person), str(name), str(channel)] if channel in CHANNELS:
                    return Visitor(person, name, channel)
        except BadData:
            pass
        return None

    def write(self, response: Response, visitor: Visitor, *, secure: bool) -> None:
        value = self._signer.dumps([visitor.person, visitor.name, visitor.channel])
        response.set_cookie(COOKIE, str(value), path="/chat", secure=secure, httponly=True, samesite="Lax")
