"""Vietnamese spelling: which syllables can exist, where the tone goes, and what half-typed Telex and VNI mean.

Nothing here knows words or meaning. Every function takes and gives lower-case NFC text and never raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

_TONES = ("", "\u0301", "\u0300", "\u0309", "\u0303", "\u0323")  # ngang, sắc, huyền, hỏi, ngã, nặng: VNI digits 1-5
_VOWELS = "aăâeêioôơuưy"
_TONED = {unicodedata.normalize("NFC", v + t): (v, i) for v in _VOWELS for i, t in enumerate(_TONES)}
_WITH_TONE = {(v, i): c for c, (v, i) in _TONED.items()}
_PLAIN = str.maketrans({c: unicodedata.normalize("NFD", v)[0] for c, (v, _) in _TONED.items()} | {"đ": "d"})
_MARKED = re.compile("[" + "".join(c for c in _TONED if not c.isascii()) + "đ]")

_RIMES = """
a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây e ec em en eng eo ep et
ê êch êm ên ênh êp êt êu i ich im in inh ip it iu ia iêc iêm iên iêng iêp iêt iêu o oc oi om on ong op ot oa oac oach
oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt oe oen oeo oet ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn
ơp ơt u uc ui um un ung up ut ua uôc uôi uôm uôn uông uôt uân uâng uât uây uê uêch uênh uơ uy uya uych uyên uyêt
uynh uyt uyp uyu uyn ư ưc ưi ưm ưn ưng ưt ưu ưa ươc ươi ươm ươn ương ươp ươt ươu y yt
""".split()
_BARE = "yêm yên yêng yêt yêu".split()  # only with no onset
_ONSETS = ["", *"b c ch d đ g gh gi h k kh l m n ng ngh nh p ph r s t th tr v x".split()]
_QU = """a ac ach ai an ang anh ao au at ay ăc ăm ăn ăng ăp ăt ân âng ât ây e ec en eo et ê ên ênh êt êch y ynh ych yt
yên yêt ơ ơi ơn ôc i it in ich inh""".split()
_FRONT = set("ieêy")


@cache
def _table() -> dict[str, int]:
    """Every toneless syllable -> index of the vowel that carries the tone (old style: hòa, thúy)."""
    table = {rime: _seat(rime, 0) for rime in _BARE}
    for onset in _ONSETS:
        for rime in _RIMES:
            if _fits(onset, rime):
                table[onset + rime] = _seat(rime, len(onset))
    for rime in _QU:
        table["qu" + rime] = _seat(rime, 2)
    for whole in ("xoong", "goong", "boong", "loong", "toong", "sooc", "mooc"):
        table[whole] = len(whole) - len(whole.lstrip("xgbltsm")) + 1
    for whole in ("gi", "gin", "gim", "gip", "git", "gia", "giêng", "giêt", "giêm"):
        table[whole] = whole.index("ê") if "ê" in whole else whole.index("a") if "a" in whole else 1
    return table


def _fits(onset: str, rime: str) -> bool:
    front = rime[0] in _FRONT
    if onset in ("k", "gh", "ngh"):
        return front
    if onset in ("c", "g", "ng"):
        return not front
    return not (onset == "gi" and rime[0] == "i")


def _seat(rime: str, offset: int) -> int:
    marked = [i for i, c in enumerate(rime) if c in "ăâêôơư"]
    if marked:
        return offset + marked[-1]  # ươ takes it on ơ
    vowels = [i for i, c in enumerate(rime) if c in _VOWELS]
    closed = len(vowels) < len(rime)
    if len(vowels) == 1 or (len(vowels) == 2 and not closed):
        return offset + vowels[0]
    return offset + vowels[1]


@cache
def plain_syllables() -> frozenset[str]:
    """Every possible syllable with its marks taken off (about 3,000)."""
    return frozenset(syllable.translate(_PLAIN) for syllable in _table())


def strip(text: str) -> str:
    """The text without tone and vowel marks, đ as d; other scripts stay."""
    return _strip_word(text) if len(text) <= 16 else text.translate(_PLAIN)


@lru_cache(maxsize=20_000)
def _strip_word(word: str) -> str:
    return word.translate(_PLAIN)


@lru_cache(maxsize=20_000)
def bare(form: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a known phrase without marks; for phrases of files, not for what people write."""
    return tuple(map(strip, form))


def says(tokens: Sequence[str], at: int, form: tuple[str, ...]) -> bool:
    """Whether the phrase stands in the tokens at this place, each word with its marks or without any."""
    if at + len(form) > len(tokens):
        return False
    plain = bare(form)
    for i in range(len(form) - 1, -1, -1):  # the first word often fits already
        token = tokens[at + i]
        if token != form[i] and token != plain[i]:
            return False
    return True


def is_marked(token: str) -> bool:
    return _MARKED.search(token) is not None


def could_be(token: str) -> bool:
    """Whether the token, marks aside, can be a Vietnamese syllable."""
    return token.translate(_PLAIN) in plain_syllables()


def split_tone(token: str) -> tuple[str, int]:
    """`("hoa", 2)` for hòa; the last tone wins when there are several."""
    tone = 0
    letters = []
    for char in token:
        base, mark = _TONED.get(char, (char, 0))
        letters.append(base)
        tone = mark or tone
    return "".join(letters), tone


def spell(toneless: str, tone: int) -> str:
    """The syllable with its tone in the one canonical place, or "" when no such syllable exists."""
    seat = _table().get(toneless)
    if seat is None or (tone in (2, 3, 4) and re.search(r"(?:c|ch|p|t)$", toneless)):
        return ""
    return toneless[:seat] + _WITH_TONE[toneless[seat], tone] + toneless[seat + 1 :] if tone else toneless


@lru_cache(maxsize=20_000)
def settle(token: str) -> str:
    """Moves the tone of a marked syllable to its canonical place; anything else comes back as it was."""
    if not is_marked(token):
        return token
    toneless, tone = split_tone(token)
    return spell(toneless, tone) or token


_TELEX_TONES = {"s": 1, "f": 2, "r": 3, "x": 4, "j": 5}
_TELEX = (("dd", "đ"), ("uow", "ươ"), ("uwow", "ươ"), ("aa", "â"), ("ee", "ê"), ("oo", "ô"), ("aw", "ă"), ("ow", "ơ"))


def telex(token: str) -> str:
    """`dduwowcj` -> được. "" when the token cannot be read as half-typed Telex of an existing syllable."""
    base, tone = split_tone(token)
    first = re.search(f"[{_VOWELS}w]", base)
    if first is None:
        return ""
    for at in range(len(base) - 1, first.start(), -1):
        if base[at] in _TELEX_TONES:
            found = _telex_letters(base[:at] + base[at + 1 :])
            if found and (word := spell(found, _TELEX_TONES[base[at]])):
                return word
    found = _telex_letters(base)
    return spell(found, tone) if found and found != base else ""


def _telex_letters(base: str) -> str:
    forms = [base]
    if len(base) > 2 and base[-1] in "aeo" and base.count(base[-1]) == 2:  # khongo: the circumflex typed at the end
        at = base.index(base[-1])
        forms.append(base[:at] + {"a": "â", "e": "ê", "o": "ô"}[base[-1]] + base[at + 1 : -1])
    if base.endswith("w") and len(base) > 2:  # duongw: the horn typed at the end
        forms += [
            re.sub(vowel, horn, base[:-1], count=1)
            for vowel, horn in (("uo", "ươ"), ("o", "ơ"), ("u", "ư"), ("a", "ă"))
        ]
    if base[0] == "d" and base.endswith("d") and len(base) > 2:
        forms.append("đ" + base[1:-1])
    for form in forms:
        for keys, letter in (*_TELEX, ("uw", "ư"), ("w", "ư")):
            form = form.replace(keys, letter)  # noqa: PLW2901 - the form is rewritten key by key
        if form in _table():
            return form
    return ""


_VNI_MARKS = {"6": str.maketrans("aeo", "âêô"), "7": str.maketrans("uo", "ươ"), "8": str.maketrans("a", "ă")}


def vni(token: str) -> str:
    """`d9u7o7c5` -> được. "" when the token cannot be read as half-typed VNI of an existing syllable."""
    letters, tone = "", 0
    for char in token:
        if char in "12345" and re.search(f"[{_VOWELS}]", letters):
            tone = int(char)
        elif char == "9" and letters.startswith("d"):
            letters = "đ" + letters[1:]
        elif char in _VNI_MARKS:
            hit = re.search("uo(?=[^uo]*$)|[aeou](?=[^aeou]*$)", letters)
            marked = (
                letters
                if hit is None
                else letters[: hit.start()] + hit[0].translate(_VNI_MARKS[char]) + letters[hit.end() :]
            )
            if marked == letters:
                return ""
            letters = marked
        elif char.isdigit():
            return ""
        else:
            letters += char
    base, own = split_tone(letters)
    return spell(base, tone or own) if sum(c.isalpha() for c in token) > 1 else ""


def unglue(token: str) -> list[str]:
    """`tựtử` -> [tự, tử]: the split into the fewest syllables of two letters or more, [] when there is none."""
    best: list[list[str] | None] = [[], *[None] * len(token)]
    for end in range(2, len(token) + 1):
        for start in range(max(0, end - 7), end - 1):
            head = best[start]
            if head is None:
                continue
            toneless, tone = split_tone(token[start:end])
            word = spell(toneless, tone)
            if not word and not tone and not is_marked(toneless) and toneless in plain_syllables():
                word = toneless
            if word and (best[end] is None or len(head) + 1 < len(best[end] or [])):
                best[end] = [*head, word]
    return best[-1] or []
