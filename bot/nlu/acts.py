"""Speech acts that are no article: hello, thanks, a person please, stop, delete… The wordings live in
`knowledge/acts.yml`.

A word here must never swallow a real question: “dừng đóng bảo hiểm” is no stop and “xóa hộ khẩu” no deletion. Such
questions stand there too, as `none`: what sounds more like them than like any act is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot import yamlfile
from bot.errors import ContentError
from bot.messages import Finding
from bot.nlu import syllable
from bot.nlu.normalise import Normalised, Words, normalise

NAMES = (
    "person", "bot", "stop", "delete", "show_data", "menu", "back", "restart", "help", "repeat", "greeting", "thanks",
    "goodbye", "yes", "no", "skip", "insult", "spam", "noise",
)  # fmt: skip
NEAR = "none"  # learned beside them: what only sounds like one of them
_KEYS = ("longest", "whole", "inside", "unless", "examples")
COMPUTED = ("laugh", "emoji", "foreign_ko", "foreign_zh", "foreign_en")
_WIDE = {"person", "stop", "delete", "show_data", "bot"}  # these are looked for inside a longer message first
_LAUGH = re.compile(
    r"(?:[\W_]*(?:a?(?:k{3,}|(?:[hj][aeiouyj]{1,2}){2,}h?|(?:ka){2,}|lo+l|[:=xX]+[dDvV3)(pP]+|=+)))+[\W_]*"
)
_HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")
_HAN = re.compile(r"[一-鿿]")
_ENGLISH = frozenset(
    "i you he she it we they my your his her me am is are was were be been do does did have has had can could"
    " will would"
    " should want need get go come know how what when where who why the a an and or but if for from with without about"
    " of to in on at not no please help divorce husband wife children child money passport korea vietnam back home this"
    " that after before because so very much hi hello there tell find make take work job live marry married"
    " register".split()
)

Form = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """`whole` forms are the entire message, `inside` forms count in messages of at most `longest` words, unless a form
    of `unless` stands there too. `examples` are messages as women write them, to learn from."""

    longest: int = 12
    whole: frozenset[Form] = frozenset()
    inside: tuple[Form, ...] = ()
    unless: tuple[Form, ...] = ()
    examples: bytes = b""  # one a line: read only to learn, so kept small

    @property
    def said(self) -> tuple[str, ...]:
        """Everything this act is known to sound like."""
        return (*self.examples.decode().splitlines(), *(" ".join(form) for form in (*sorted(self.whole), *self.inside)))


@dataclass(frozen=True, slots=True)
class Acts:
    """`filler` are courtesies that do not count; what speaks of `matters` is a real question."""

    filler: frozenset[str] = frozenset()
    matters: tuple[Form, ...] = ()
    acts: Mapping[str, Act] = field(default_factory=dict)
    openings: Mapping[str, tuple[tuple[Form, str], ...]] = field(
        default_factory=dict
    )  # first plain token -> inside forms
    wholes: Mapping[Form, str] = field(default_factory=dict)  # plain form -> act, when it has one meaning without marks
    exact: Mapping[Form, str] = field(default_factory=dict)  # marked form -> act
    unspaced: tuple[tuple[Form, str], ...] = ()  # inside forms of scripts that do not space words


def load(path: Path, words: Words, *, root: Path | None = None) -> Acts:
    """Raises ContentError with every fault of the file."""
    acts, findings = read(path, words, root=root)
    if findings:
        raise ContentError(findings)
    return acts


def read(path: Path, words: Words, *, root: Path | None = None) -> tuple[Acts, list[Finding]]:
    """The acts that could be read, and every fault found. Never raises on content."""
    document, findings = yamlfile.read(path, root=root)
    return (Acts(), findings) if document is None else _build(document, findings, words)


def parse(raw: bytes, name: str, words: Words) -> tuple[Acts, list[Finding]]:
    document, findings = yamlfile.parse(raw, name)
    return (Acts(), findings) if document is None else _build(document, findings, words)


def _build(document: yamlfile.Document, findings: list[Finding], words: Words) -> tuple[Acts, list[Finding]]:
    def fault(path: tuple[str | int, ...], code: str, vi: str, en: str) -> None:
        findings.append(Finding("error", document.file, document.line(*path), code, vi, en))

    def forms(value: object, path: tuple[str | int, ...]) -> tuple[Form, ...]:
        if not isinstance(value, list):
            fault(path, "shape", "phải là một danh sách câu", "must be a list of phrases")
            return ()
        found = tuple(normalise(str(item), words).tokens for item in value)
        for index, form in enumerate(found):
            if not form:
                fault((*path, index), "empty", "câu trống sau khi bỏ ký hiệu", "nothing is left of this phrase")
        return tuple(form for form in found if form)

    data = document.data if isinstance(document.data, dict) else {}
    table = data.get("acts", {})
    if not isinstance(table, dict) or {"filler", "acts"} - set(data) or set(data) - {"filler", "acts", "matters"}:
        known = "filler, acts, matters"
        fault(
            (), "shape", f"tệp cần filler và acts, và chỉ có {known}", f"needs filler and acts; only {known} are known"
        )
        table = table if isinstance(table, dict) else {}
    acts: dict[str, Act] = {}
    for name, body in table.items():
        path = ("acts", name)
        if name not in (*NAMES, NEAR):
            fault(
                path, "unknown-key", f"OSSO không có loại lời nói “{name}”", f"unknown act; known: {', '.join(NAMES)}"
            )
        elif not isinstance(body, dict) or set(body) - set(_KEYS if name in NAMES else ("examples",)):
            known = ", ".join(_KEYS) if name in NAMES else "examples"
            fault(path, "shape", f"chỉ có {known}", f"only {known} are known")
        else:
            whole, inside, unless = (forms(body.get(key, []), (*path, key)) for key in ("whole", "inside", "unless"))
            longest = body.get("longest", 12)
            if not isinstance(longest, int):
                fault((*path, "longest"), "shape", "longest phải là số", "longest must be a number")
                longest = 12
            examples = body.get("examples", [])
            if not isinstance(examples, list):
                fault((*path, "examples"), "shape", "phải là một danh sách câu", "must be a list of phrases")
                examples = []
            acts[name] = Act(longest, frozenset(whole), inside, unless, "\n".join(map(str, examples)).encode())
    filler = frozenset(token for form in forms(data.get("filler", []), ("filler",)) for token in form)
    return _compile(acts, filler, forms(data.get("matters", []), ("matters",))), findings


def _compile(acts: dict[str, Act], filler: frozenset[str], matters: tuple[Form, ...]) -> Acts:
    openings: dict[str, list[tuple[Form, str]]] = defaultdict(list)
    wholes: dict[Form, str] = {}
    exact: dict[Form, str] = {}
    unspaced: list[tuple[Form, str]] = []
    for name, act in acts.items():
        for form in sorted(act.whole):
            exact.setdefault(form, name)
            wholes.setdefault(tuple(map(syllable.strip, form)), name)
        for form in act.inside:
            if ord(form[0][0]) > 0x2FFF:
                unspaced.append((("".join(form),), name))
                continue
            openings[syllable.strip(form[0])].append((form, name))
    both = filler | {syllable.strip(token) for token in filler}
    longest_first = {first: tuple(sorted(pairs, key=lambda pair: -len(pair[0]))) for first, pairs in openings.items()}
    return Acts(both, matters, acts, longest_first, wholes, exact, tuple(unspaced))


def act_of(text: str, normalised: Normalised, acts: Acts) -> str:
    """The speech act of a message, or "". `text` is what she sent, `normalised` the same text normalised."""
    tokens = normalised.tokens
    if not tokens:
        return _wordless(text)
    if len(tokens) > 40:
        return "spam" if len(_inside(normalised, acts, only="spam")) >= 2 else ""
    for form in (*_trimmed(tokens, acts.filler), tuple(token for token in tokens if token not in acts.filler)):
        if form and (form == tokens or not acts.filler.issuperset(form)) and (name := _whole(form, acts)):
            return "" if _says(tokens, acts.acts[name].unless) else name
    hits = _inside(normalised, acts, only="")
    hits += [(form, name) for form, name in acts.unspaced if form[0] in "".join(tokens)]
    spam = [form for form, name in hits if name == "spam"]
    if len(spam) >= 2 or (spam and "url" in tokens):
        return "spam"
    rivals = [(name in _WIDE, len(form), name) for form, name in hits if name != "spam"]
    if rivals:
        return max(rivals, key=lambda r: (r[0], r[1]))[2]
    return foreign(text) or ("noise" if _random(tokens) else "")


def may_be(name: str, normalised: Normalised, acts: Acts) -> bool:
    """Whether a message that sounds like the act is not too long for it, nor speaks of what real questions do."""
    words = sum(token not in acts.filler for token in normalised.tokens)
    return words <= acts.acts[name].longest and not matters(normalised, acts)


def matters(normalised: Normalised, acts: Acts) -> bool:
    """Whether the message speaks of what real questions do."""
    return _says(normalised.tokens, acts.matters)


def _says(tokens: Form, forms: tuple[Form, ...]) -> bool:
    return any(syllable.says(tokens, at, form) for form in forms for at in range(len(tokens)))


def foreign(text: str) -> str:
    """`foreign_ko`, `foreign_zh`, `foreign_en` when most of the message is in that language, else ""."""
    letters = sum(c.isalpha() for c in text[:2000])
    if not letters:
        return ""
    if 2 * len(_HANGUL.findall(text[:2000])) > letters:
        return "foreign_ko"
    if 2 * len(_HAN.findall(text[:2000])) > letters:
        return "foreign_zh"
    tokens = re.findall(r"[a-z']+", text[:2000].lower())
    if len(tokens) >= 3 and text[:2000].isascii() and sum(t in _ENGLISH for t in tokens) * 2 >= len(tokens):
        possible = sum(map(syllable.could_be, tokens))
        return "foreign_en" if possible * 3 <= len(tokens) * 2 else ""
    return ""


def _whole(form: Form, acts: Acts) -> str:
    if form in acts.exact:
        return acts.exact[form]
    name = acts.wholes.get(form, "")
    if name:
        return name
    plain = tuple(map(syllable.strip, form))  # some marks missing: every written mark must be the right one
    name = acts.wholes.get(plain, "")
    if name and any(syllable.says(form, 0, known) for known in acts.acts[name].whole if len(known) == len(form)):
        return name
    return ""


def _trimmed(tokens: Form, filler: frozenset[str]) -> list[Form]:
    """The message with fewer and fewer courtesies at its two ends, the longest first."""
    left = next((i for i, token in enumerate(tokens) if token not in filler), len(tokens))
    right = next((i for i, token in enumerate(reversed(tokens)) if token not in filler), len(tokens))
    cuts = ((i, j) for i in range(min(left, 6) + 1) for j in range(min(right, 6) + 1) if i + j < len(tokens))
    return [tokens[i : len(tokens) - j] for i, j in sorted(cuts, key=sum)]


def _inside(normalised: Normalised, acts: Acts, *, only: str) -> list[tuple[Form, str]]:
    tokens = normalised.tokens
    words = sum(token not in acts.filler for token in tokens)
    found: dict[tuple[Form, str], None] = {}
    blocked: dict[str, bool] = {}
    for at, plain in enumerate(normalised.plain_tokens):
        for form, name in acts.openings.get(plain, ()):
            if (only and name != only) or (words > acts.acts[name].longest and name != "spam"):
                continue
            if syllable.says(tokens, at, form) and (len(form) > 1 or form[0] == tokens[at]):  # not “các” for a curse
                if name not in blocked:
                    blocked[name] = _says(tokens, acts.acts[name].unless)
                if not blocked[name]:
                    found[form, name] = None
    return list(found)


def _wordless(text: str) -> str:
    if _LAUGH.fullmatch(text[:500].strip().lower()):
        return "laugh"
    if text.strip() and not text.strip().strip("👍👌✅🆗\ufe0f🏻🏼🏽🏾🏿 "):
        return "yes"
    kinds = {unicodedata.category(c) for c in text[:500]}
    return "emoji" if "So" in kinds or "Sk" in kinds else "noise" if text.strip() else ""


def _random(tokens: Form) -> bool:
    """`asdfgh` and `hjk lkj`: a few words, none of which could be spelled in Vietnamese."""
    if len(tokens) > 4 or any(not t.isascii() or not t.isalpha() or syllable.could_be(t) for t in tokens):
        return False
    return any(
        (len(t) > 3 and not re.search("[aeiouy]", t)) or len(t) > 8 or re.search("[^aeiouy]{4}", t) for t in tokens
    )
