"""One spelling for what women type: any text becomes `Normalised`, the same every time, and twice is the same as once.

Only spelling is touched here. No word is guessed at from meaning, no mark is restored, and no text may raise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.nlu import syllable

_LETTERS = r"[^\W\d_]"
_URL = re.compile(r"(?:https?://|www\.)\S+|\b[\w-]+\.(?:com|vn|net|org|info|xyz|top|shop|me|ly|club)\b(?:/\S*)?")
_CODE = re.compile(r"(?<![^\W_])([a-z])[ ]?[-‐–.][ ]?(\d{1,2})(?![^\W_])")  # F-6, e–9
_DOTTED = re.compile(rf"(?<![^\W_]){_LETTERS}{{1,4}}(?:[.*·_|~'’-]{_LETTERS}{{1,4}})+(?![^\W_])")
_ODD = re.compile(r"[\d/.*·_|~'’‐–-]")  # without any of these there is no link, code or dotted word
_STOPS = re.compile(r"[.!?;…\n]+")
_WORD = re.compile(r"[^\W_]+")
_TOKEN = re.compile(r"(?P<word>\d+(?:[.,:/]\d+)+|[^\W_]+)|(?P<stop>[.!?;…\n]+)")
_STRETCH = re.compile(rf"({_LETTERS})\1{{2,}}")
_LAUGH = re.compile(r"a?(?:k{2,}|(?:[hj][aeiouyj]{1,2}){2,}h?|(?:ka){2,}k?|l(?:ol)+|(?:he|hi|ha)h+|=+)")
_WORDLIKE = re.compile(r"[a-zđ]+")
_DIGIT_LETTERS = str.maketrans("013457", "oieast")
_LOOKALIKE = str.maketrans("аеорсухіѕԁɡðɖ", "aeopcyxisdgđđ")
_SOUNDS = (
    (r"^z", "d"),
    (r"^dz", "d"),
    (r"^j(?=[^\W\d_])", "gi"),
    (r"^f", "ph"),
    (r"^w(?=[^\W\d_])", "qu"),
    (r"^k(?=[^ieêy])", "c"),
    (r"(?<=[^\W\d_])j", "i"),
    (r"^q(?!u)", "qu"),
    (r"^ng(?=[ieêy])", "ngh"),
    (r"^g(?=[eê])", "gh"),
    (r"k$", "ch"),
    (r"g$", "ng"),
)
_UNSEEN = re.compile(r"[^\x00-\x7e\xa1-\xac\xae-\u02ff\u1e00-\u1eff]")  # without any of these all is visible
_PASSES = 4
_ALWAYS = "*"  # no token is
_SPELT = 3  # single letters in a row that may be one word spelt out
_GLUED = 6  # letters from which one word is taken for two; of fewer, only when both carry marks
_LONG, _REMEMBERED = 16, 20_000  # of the words whose spelling is remembered


class _Visible(dict[int, int | None]):
    """What each character becomes: itself, or nothing when it is invisible. Asked once of every common one."""

    def __missing__(self, code: int) -> int | None:
        hidden = code > 127 and unicodedata.category(chr(code)) in ("Cf", "Mn", "Cc")
        shown = None if hidden else code
        if code < 0x3000:
            self[code] = shown
        return shown


_VISIBLE = _Visible()


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing of the domain with many names. `label` is what staff read."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Words:
    """The lexicon of `knowledge/words.yml`, read and checked by `bot.nlu.words`.

    `single` maps a token to its replacement, `phrases` a first token to (rest, replacement) pairs, longest first;
    `keep` are foreign words never decoded, `concepts` maps names to concepts.
    """

    single: Mapping[str, str] = field(default_factory=dict)
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = field(default_factory=dict)
    keep: frozenset[str] = frozenset()
    concepts: Mapping[str, Concept] = field(default_factory=dict)
    # first plain token of a form -> (form, concept name), longest first; and forms of scripts that do not space words
    openings: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]] = field(default_factory=dict)
    unspaced: tuple[tuple[str, str], ...] = ()
    # words already put in their one spelling, those beside which a word does not stand as it is, and what `openings`
    # hold by first and second plain token
    _mended: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)
    _standing: dict[str, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)
    _seconds: dict[str, dict[str, list[tuple[tuple[str, ...], str]]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def opened(self) -> Mapping[str, Mapping[str, list[tuple[tuple[str, ...], str]]]]:
        """The forms that may begin with two plain tokens, by these, longest first, with the names of their concepts;
        under "" those of one word alone, which stand among the others too."""
        if not self._seconds:
            found: dict[str, dict[str, list[tuple[tuple[str, ...], str]]]] = {}
            for first, forms in self.openings.items():
                known = found[first] = {"": []}
                for form, name in forms:
                    known.setdefault(syllable.strip(form[1]) if len(form) > 1 else "", []).append((form, name))
                for after in known.keys() - {""}:
                    known[after] += known[""]
            self._seconds.update(found)
        return self._seconds


@dataclass(frozen=True, slots=True)
class Normalised:
    """`marked` keeps the marks, `plain` has none; both are tokens joined by one space. `share` is the part of the words
    she wrote (before any replacement) that carry a mark, 0..1. `breaks` are the token indexes
    where a sentence begins."""

    marked: str = ""
    plain: str = ""
    tokens: tuple[str, ...] = ()
    plain_tokens: tuple[str, ...] = ()
    share: float = 0.0
    breaks: tuple[int, ...] = ()

    @property
    def has_marks(self) -> bool:
        return self.share > 0


def normalise(text: str, words: Words) -> Normalised:
    """The one spelling of `text`. Idempotent: `normalise(n.marked).marked == n.marked`. Linear time, never raises."""
    parts = sentences(text)
    written = [token for sentence in parts for token in sentence if token.isalpha()]
    share = sum(map(syllable.is_marked, written)) / len(written) if written else 0.0
    tokens, breaks = _respelt(parts, words)
    plain = tuple(map(syllable.strip, tokens))
    return Normalised(" ".join(tokens), " ".join(plain), tuple(tokens), plain, share, tuple(breaks))


def respelt(text: str, words: Words) -> Normalised:
    """The tokens of the same alone, for learning from thousands of texts."""
    tokens, _ = _respelt(sentences(text), words)
    return Normalised(tokens=tuple(tokens), plain_tokens=tuple(map(syllable.strip, tokens)))


def _respelt(parts: list[list[str]], words: Words) -> tuple[list[str], list[int]]:
    tokens: list[str] = []
    breaks: list[int] = []
    for sentence in parts:
        mended = _mend(sentence, words)
        if mended:
            breaks.append(len(tokens))
            tokens += mended
    if len(breaks) > 1 and (whole := _mend(tokens, words)) != tokens:  # words that belong together across a stop
        return whole, [0]
    return tokens, breaks


def sentences(text: str) -> list[list[str]]:
    """The raw tokens of each sentence: NFKC, lower case, no invisible characters, `t.ừ.n.g` joined, links as `url`."""
    if not text.isprintable():  # as halves of a surrogate never are
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    if _UNSEEN.search(text):
        text = text.translate(_VISIBLE)
    if not _ODD.search(text):
        return [_WORD.findall(part) for part in _STOPS.split(text)]
    text = _CODE.sub(r"\1\2", _DOTTED.sub(_undot, _URL.sub(" url ", text)))
    found: list[list[str]] = [[]]
    for word, stop in _TOKEN.findall(text):
        if stop:
            found.append([])
        else:
            found[-1].append(word)
    return found


def _undot(match: re.Match[str]) -> str:
    """`t.ừ.n.g` and `ch.ế.t` are one word; `tự.tử` and `a/b` are not."""
    parts = re.split(r"[.*·_|~'’-]", match[0])
    whole = "".join(parts)
    if len(whole) > 40 or all(len(p) > 1 and syllable.could_be(p) for p in parts):
        return match[0]
    if syllable.could_be(whole):
        return whole
    if max(map(len, parts)) > 2:
        return match[0]
    return " ".join(syllable.unglue(whole)) or (whole if len(parts) > 2 and set(map(len, parts)) == {1} else match[0])


def _mend(sentence: list[str], words: Words) -> list[str]:
    if _all_stand(sentence, words):
        return sentence
    return _fixpoint([t for t in sentence if not _laughs(t)], words)


def _all_stand(sentence: list[str], words: Words) -> bool:
    """Whether nothing needs mending, as in most sentences: each token is in its one spelling, none begins a phrase of
    the lexicon, and there are too few single letters to make a word."""
    lonely = 0
    for token, following in zip(sentence, [*sentence[1:], ""], strict=False):
        known = words._standing.get(token)
        if known is None:
            known = _standing(token, words)
        if following in known or _ALWAYS in known:
            return False
        lonely += len(token) == 1
    return lonely < _SPELT


def _standing(token: str, words: Words) -> frozenset[str]:
    """The words before which a token does not stand as it is; `_ALWAYS` when it never does."""
    mends = _laughs(token) or word(token, words) != token
    before = [rest[0] if rest else _ALWAYS for rest, _ in words.phrases.get(token, ())]
    known = frozenset([_ALWAYS] if mends else before)
    if len(token) <= _LONG and len(words._standing) < _REMEMBERED:
        words._standing[token] = known
    return known


def _laughs(token: str) -> bool:
    return token[0] in "akhjl=" and _LAUGH.fullmatch(token) is not None  # most words need no second look


def _fixpoint(tokens: list[str], words: Words) -> list[str]:
    for _ in range(_PASSES):
        mended = [part for token in _phrases(_join_letters(tokens), words) for part in _spelled(token, words)]
        mended = [token for token in mended if not _laughs(token)]
        if mended == tokens:
            break
        tokens = mended
    return tokens


def _join_letters(tokens: list[str]) -> list[str]:
    """`t ự t ử` -> tự tử: a run of three or more single letters that splits into existing syllables."""
    out: list[str] = []
    run: list[str] = []
    for token in [*tokens, ""]:
        if len(token) == 1 and token.isalpha():
            run.append(token)
            continue
        out += (syllable.unglue("".join(run)) if _SPELT <= len(run) <= 40 else []) or run
        run = []
        if token:
            out.append(token)
    return out


def _spelled(token: str, words: Words) -> list[str]:
    known = words._mended.get(token)
    if known is None:
        known = word(token, words).split()
        if len(token) <= _LONG and len(words._mended) < _REMEMBERED:
            words._mended[token] = known
    return known


def word(token: str, words: Words) -> str:
    """One token in its one spelling; it may become several words."""
    if token in words.single:
        return words.single[token]
    if token in words.keep or token.isdigit():
        return token
    token = token.translate(_LOOKALIKE)
    if not syllable.could_be(token):
        token = _decode(token, words)
    token = syllable.settle(token)
    return words.single.get(token, token)


def _decode(token: str, words: Words) -> str:
    """A token that is no syllable, read as stretched, VNI, Telex, digits for letters, or chat spelling of one."""
    squeezed = _STRETCH.sub(r"\1", token)
    if squeezed in words.single or squeezed in words.keep or syllable.could_be(squeezed):
        return squeezed
    if len(squeezed) > 24:
        return squeezed
    token = squeezed
    if any(c.isdigit() for c in token):
        if token[0].isdigit() and not token[1:2].isalpha():
            return token
        spelled = token.translate(_DIGIT_LETTERS)
        return syllable.vni(token) or (
            spelled if len(token) > 2 and _mostly_letters(token) and syllable.could_be(spelled) else token
        )
    single = _single_letters(token)
    if single != token and (single in words.single or (syllable.is_marked(token) and syllable.could_be(single))):
        return single
    decoded = syllable.telex(token)
    if decoded:
        return decoded
    if single != token and syllable.could_be(single):
        return single
    for pattern, sound in _SOUNDS:
        changed = re.sub(pattern, sound, token)
        if changed != token:
            if syllable.could_be(changed):
                return changed
            again = next((s for p, r in _SOUNDS if syllable.could_be(s := re.sub(p, r, changed))), "")
            if again:
                return again
    parts = syllable.unglue(token) if syllable.is_marked(token) else []
    return " ".join(parts) if parts and (len(token) >= _GLUED or all(map(syllable.is_marked, parts))) else token


def _single_letters(token: str) -> str:
    """`quáa` and `khôngg` with each letter once; of two that differ in marks the marked one stays."""
    out = token[:1]
    for char in token[1:]:
        if syllable.strip(char) != syllable.strip(out[-1]) or char.isdigit():
            out += char
        elif syllable.is_marked(char):
            out = out[:-1] + char
    return out


def _mostly_letters(token: str) -> bool:
    return sum(c.isalpha() for c in token) > sum(c.isdigit() for c in token) and not re.search(r"\d\d|^\d+\w$", token)


def _phrases(tokens: list[str], words: Words) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(tokens):
        for rest, replacement in words.phrases.get(tokens[at], ()):
            if tuple(tokens[at + 1 : at + 1 + len(rest)]) == rest:
                out += replacement
                at += 1 + len(rest)
                break
        else:
            out.append(tokens[at])
            at += 1
    return out


def concepts(text: Normalised, words: Words) -> tuple[str, ...]:
    """Names of the concepts the text speaks of, each once. A form matches with its marks, or typed without any."""
    found: dict[str, None] = {}
    opened = words.opened()
    for at, (plain, after) in enumerate(zip(text.plain_tokens, (*text.plain_tokens[1:], ""), strict=False)):
        if known := opened.get(plain):
            for form, name in known.get(after) or known[""]:
                if syllable.says(text.tokens, at, form):
                    found[name] = None
                    break
        if not plain.isascii():
            found |= {name: None for form, name in words.unspaced if form in plain}
    return tuple(found)
