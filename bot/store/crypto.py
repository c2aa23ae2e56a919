"""Encryption at rest: one random key per conversation, wrapped by a rotating ring; blind indexes for look-up.

A body is `version | nonce (12) | AES-256-GCM`, bound to its table, row and column, so that a ciphertext moved to
another row does not open. Destroying a conversation's wrapped key destroys everything sealed with it. Plaintext never
leaves through an error: a body that does not open raises Sealed, which says nothing about it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.errors import OssoError

_VERSION = b"\x01"


class Sealed(OssoError):
    """The body does not open: wrong key, wrong row, or the key was destroyed."""


class Keyring:
    """The ring of key-encryption keys (newest first) and the index key. Safe to share between threads."""

    def __init__(self, secret_keys: Sequence[str], index_key: bytes = b"") -> None:
        if not secret_keys:
            raise ValueError("a key ring needs at least one key")
        self._ring = MultiFernet([Fernet(_derive(secret, b"osso key encryption")) for secret in secret_keys])
        self._index_key = index_key

    def with_index(self, index_key: bytes) -> Keyring:
        """The same ring with the database's own index key (kept wrapped in table `meta`, so rings can rotate)."""
        ring = object.__new__(Keyring)
        ring._ring = self._ring
        ring._index_key = index_key
        return ring

    def new_key(self) -> tuple[bytes, ConversationKey]:
        """A fresh conversation key: (wrapped, usable)."""
        key = AESGCM.generate_key(256)
        return self.wrap(key), ConversationKey(AESGCM(key))

    def wrap(self, secret: bytes) -> bytes:
        return self._ring.encrypt(secret)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Raises Sealed when no key of the ring opens it."""
        try:
            return self._ring.decrypt(wrapped)
        except InvalidToken:
            raise Sealed("no key of the ring opens this") from None

    def open_key(self, wrapped: bytes | None) -> ConversationKey:
        """Raises Sealed when the key was destroyed or the ring lacks its key."""
        if not wrapped:
            raise Sealed("the key was destroyed")
        return ConversationKey(AESGCM(self.unwrap(wrapped)))

    def rotate(self, wrapped: bytes) -> bytes:
        """Re-wraps under the newest key."""
        try:
            return self._ring.rotate(wrapped)
        except InvalidToken:
            raise Sealed("no key of the ring opens this") from None

    def index(self, *parts: str) -> bytes:
        """Blind index: keyed hash of the parts, 32 bytes, equal for equal parts and nothing else to be learned."""
        text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return hmac.digest(self._index_key, text, hashlib.sha256)

    def sign(self, body: bytes) -> str:
        """MAC for receipts of erasure and the like (hex)."""
        return hmac.new(self._index_key, b"receipt\x1f" + body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class ConversationKey:
    _cipher: AESGCM

    def seal(self, value: Any, *place: str) -> bytes:
        """Encrypts a JSON-able value for one place (table, row uuid, column)."""
        nonce = os.urandom(12)
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        return _VERSION + nonce + self._cipher.encrypt(nonce, body, _bind(place))

    def open(self, sealed: bytes, *place: str) -> Any:
        """Decrypts; raises Sealed when the body does not belong to this place or key."""
        if sealed[:1] != _VERSION:
            raise Sealed("unknown version")
        try:
            body = self._cipher.decrypt(sealed[1:13], sealed[13:], _bind(place))
        except (InvalidTag, ValueError):
            raise Sealed("the body does not open") from None
        return json.loads(body.decode("utf-8", "surrogatepass"))


class Known:
    """The keys of conversations met lately, by person index: (wrapped, usable). A hint, never a truth: whoever uses one
    lets the database check that the wrapped key still stands. Safe to share between threads.
    """

    MOST = 2_000

    def __init__(self) -> None:
        self._keys: dict[bytes, tuple[bytes, ConversationKey]] = {}

    def get(self, person_index: bytes) -> tuple[bytes, ConversationKey] | None:
        return self._keys.get(person_index)

    def add(self, person_index: bytes, wrapped: bytes, key: ConversationKey) -> None:
        if len(self._keys) >= self.MOST:
            self._keys.clear()
        self._keys[person_index] = (wrapped, key)

    def forget(self, person_index: bytes) -> None:
        self._keys.pop(person_index, None)


def new_index_key() -> bytes:
    return os.urandom(32)


def _bind(place: tuple[str, ...]) -> bytes:
    return "|".join(place).encode()


def _derive(secret: str, purpose: bytes) -> bytes:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
    return base64.urlsafe_b64encode(key)
