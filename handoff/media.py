"""Pictures and files, both ways: known by their content and never by their name, re-encoded so that nothing hides in
them, fetched only from the platforms' own hosts. No file of hers is kept here; what staff send is sealed with her key.
Every refusal says why in words that help whoever waits for the picture.
"""

from __future__ import annotations

import io
import ipaddress
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from PIL import Image, ImageOps
from urllib3 import HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from bot.errors import Refused

MOST_BYTES = 10_000_000
MOST_PIXELS = 40_000_000
LONGEST_SIDE = 2_048
SECONDS = 10.0
# Where the platforms keep what women send. Source: attachment addresses of their webhooks.
HOSTS = (".zdn.vn", ".zadn.vn", ".zalo.me", ".fbcdn.net", ".fbsbx.com")
GONE = "Nền tảng không còn giữ tệp này. Chị nhờ chị ấy gửi lại nhé."
NO_ANSWER = "Máy chủ của nền tảng chưa trả lời. Chị thử lại sau ít phút."
PICTURES = ("JPEG", "PNG", "WEBP", "GIF")
SOUNDS = ((b"ID3", "audio/mpeg"), (b"\xff\xfb", "audio/mpeg"), (b"\xff\xf1", "audio/aac"), (b"OggS", "audio/ogg"),
          (b"#!AMR", "audio/amr"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clean:
    """A file that was looked into: what it is and its bytes, safe to hand on."""

    kind: str
    body: bytes

    @property
    def picture(self) -> bool:
        return self.kind.startswith("image/")


def clean(raw: bytes) -> Clean:
    """What the bytes are, pictures re-encoded without their hidden data (place, camera). Raises Refused."""
    if not raw:
        raise Refused("Tệp trống.")
    if len(raw) > MOST_BYTES:
        raise Refused("Tệp lớn quá 10 MB.")
    if raw.startswith(b"%PDF-"):
        return Clean("application/pdf", raw)
    for start, kind in SOUNDS:
        if raw.startswith(start):
            return Clean(kind, raw)
    if raw[4:8] == b"ftyp" and raw[8:12] in (b"M4A ", b"mp42", b"isom"):
        return Clean("audio/mp4", raw)
    return Clean("image/jpeg", _picture(raw))


def sendable(raw: bytes) -> Clean:
    """What staff may send: pictures and PDF. Raises Refused."""
    found = clean(raw)
    if not (found.picture or found.kind == "application/pdf"):
        raise Refused("Chỉ gửi được hình hoặc PDF.")
    return found


def _picture(raw: bytes) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(raw), formats=PICTURES) as found:
                if found.width * found.height > MOST_PIXELS:
                    raise Refused("Hình lớn quá.")
                turned = ImageOps.exif_transpose(found)
                turned.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
                flat = Image.new("RGB", turned.size, "white")
                shown = turned.convert("RGBA")
                flat.paste(shown, mask=shown.getchannel("A"))
    except Refused:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused("Tệp này không phải hình (JPEG, PNG, WebP) hay PDF.") from None
    out = io.BytesIO()
    flat.save(out, "JPEG", quality=85)
    return out.getvalue()


class Resolve(Protocol):
    def __call__(self, host: str) -> Sequence[str]: ...


def allowed(url: str) -> tuple[str, str]:
    """(host, path and query) of an address we may fetch. Raises Refused for every other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("Địa chỉ tệp không hợp lệ.") from None
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme != "https" or port not in (None, 443) or parts.username or parts.password or not host.isascii():
        raise Refused("Địa chỉ tệp không hợp lệ.")
    if not any(host.endswith(known) for known in HOSTS):
        raise Refused("Tệp này không nằm trên máy chủ của nền tảng.")
    return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def resolve(host: str) -> list[str]:
    return list({str(found[4][0]) for found in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)})


def public(addresses: Sequence[str]) -> str:
    """One address to connect to, when every one of them is on the open internet. Raises Refused."""
    found = [ipaddress.ip_address(one.split("%")[0]) for one in addresses]
    for one in found:
        inner = getattr(one, "ipv4_mapped", None) or getattr(one, "sixtofour", None)
        if not one.is_global or one.is_multicast or (inner is not None and not inner.is_global):
            raise Refused("Địa chỉ tệp không hợp lệ.")
    if not found:
        raise Refused(NO_ANSWER)
    return str(min(found, key=lambda one: one.version))


def fetch(url: str, *, resolver: Resolve = resolve) -> Clean:
    """Gets what she sent, from the platform's host and nowhere else: the name is resolved once and that address is
    used, no redirect is followed, size and time are bounded. Raises Refused."""
    host, path = allowed(url)
    try:
        ip = public(resolver(host))
    except OSError:
        raise Refused(NO_ANSWER) from None
    started = time.monotonic()
    pool = HTTPSConnectionPool(ip, 443, server_hostname=host, assert_hostname=host, timeout=SECONDS, retries=False)
    try:
        answer = pool.request("GET", path, headers={"Host": host}, redirect=False, preload_content=False)
        raw = received(answer.status, answer.stream(65_536), late=lambda: time.monotonic() - started > SECONDS)
    except (HTTPError, OSError):
        raise Refused(NO_ANSWER) from None
    finally:
        pool.close()
    return clean(raw)


def received(status: int, chunks: Iterable[bytes], *, late: Callable[[], bool]) -> bytes:
    """The body of a platform's answer, never more than a file may have. Raises Refused saying why there is none."""
    if status >= 500 or status == 429:
        raise Refused(NO_ANSWER)
    if status != 200:
        raise Refused(GONE)
    raw = bytearray()
    for chunk in chunks:
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise Refused("Tệp lớn quá 10 MB.")
        if late():
            raise Refused(NO_ANSWER)
    return bytes(raw)
