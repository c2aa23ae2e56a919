"""Passwords: argon2id, a length, and no guessable words. No composition rules, no expiry.

Hashing is bounded to a few at once, so that a flood of sign-ins cannot eat the machine's memory.
"""

from __future__ import annotations

import re
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 128
STRONG_ENOUGH = 3  # zxcvbn's score from 0 to 4; 3 is "safely unguessable" online
AT_ONCE = 2
# Words of this house and of everyday Vietnamese passwords, without marks; zxcvbn brings the English ones.
CONTEXT = """
    osso onestop service office vanphong motdiemden dichvu hoi lienhiep phunu hoilienhiepphunu vwu iom koica trungtam
    tuvan tuvanvien cungtuvan dicu hoihuong hanoi haiphong haiduong cantho haugiang vietnam saigon hanquoc dailoan
    trungquoc matkhau matkhaucuatoi password admin quantri dangnhap xinchao anhyeuem emyeuanh toiyeuviet congchua
    chobong giadinh hanhphuc khongbiet conyeume yeuthuong nguyen tran pham hoang zalo facebook messenger counsellor
""".split()


class Hasher:
    """argon2id with the given cost (KiB, passes, lanes). One per process; safe between threads."""

    def __init__(self, *, memory_kib: int = 65_536, passes: int = 3, lanes: int = 4) -> None:
        self._argon = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        # costs as much to look into as a member's, and no password is known for it
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${'A' * 22}${'A' * 43}"

    def hash(self, password: str) -> str:
        with self._slots:
            return self._argon.hash(normal(password))

    def verify(self, hashed: str | None, password: str) -> bool:
        """Without a hash (unknown or unready member) the same work is done on a dummy, and the answer is no."""
        with self._slots:
            try:
                right = self._argon.verify(hashed or self._nobody, normal(password)[:LONGEST])
            except (VerificationError, InvalidHashError):
                return False
        return right and hashed is not None

    def outdated(self, hashed: str) -> bool:
        return self._argon.check_needs_rehash(hashed)


def normal(password: str) -> str:
    """One form for one password, whatever keyboard typed its marks (macOS decomposes them)."""
    return unicodedata.normalize("NFKC", password)


def weakness(password: str, *names: str) -> str:
    """Why it cannot be a password, in Vietnamese (the source language); empty when it can. `names`: hers."""
    from zxcvbn import zxcvbn  # noqa: PLC0415 - its word lists cost 10 MB, and few processes see a new password

    password = normal(password)
    if len(password) < SHORTEST:
        return "Mật khẩu cần ít nhất 12 ký tự. Một câu ngắn dễ nhớ là tốt nhất."
    if len(password) > LONGEST:
        return "Mật khẩu dài nhất 128 ký tự."
    words = [*CONTEXT, *(word for name in names for word in (folded(name), *folded(name).split()) if len(word) > 2)]
    if len(_without(folded(password), words)) < 5:
        return "Mật khẩu này chỉ gồm tên, tên văn phòng, từ quen thuộc hoặc số. Xin chọn câu khác."
    if zxcvbn(folded(password)[:72], user_inputs=words)["score"] < STRONG_ENOUGH:
        return "Mật khẩu này dễ đoán. Xin chọn một câu khác, vài từ không liên quan với nhau."
    return ""


def folded(text: str) -> str:
    """Lower case without Vietnamese marks."""
    text = text.casefold().replace("đ", "d")
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def _without(text: str, words: list[str]) -> str:
    """The different letters that remain once digits, signs and familiar words are taken out."""
    letters = re.sub(r"[\W\d_]", "", text)
    for word in sorted(words, key=len, reverse=True):
        letters = letters.replace(re.sub(r"[\W\d_]", "", word) or "\0", "")
    return "".join(dict.fromkeys(letters))
