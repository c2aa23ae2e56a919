"""Danger signs as data: `knowledge/danger.yml` read, checked, compiled into one trie of phrases and chains of slots.

Pure but for reading the file. Every fault of the file is reported with its line; nothing here sees anyone's message.

A pattern is written as slots and words in order: `{husband} .. {beat} {me}`. Words side by side are one phrase; beside
a slot up to two other words may stand between, up to five at `..`, ten at `...`, none at `+` (`~`: two, between words).
`?` makes a slot or word optional, `{a|b|=word}` is any of them, `x|y` either word, `_` keeps a phrase together
(`a|b_c`), `^` is the beginning of a clause, `$` its end.
Parts joined by `&` may come in any order, all within `window` words. Masks take no other words unless they say so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import product
from math import inf
from operator import or_
from pathlib import Path
from typing import Any, get_args

from bot.messages import LEVELS, Category, Finding, Level
from bot.nlu.normalise import Words as Lexicon
from bot.nlu.normalise import normalise
from bot.nlu.syllable import strip
from bot.safety.classify import kind
from bot.yamlfile import Document, read

WINDOW = 14
GAPS = {"+": 0, "~": 2, "..": 5, "...": 10}
NEAR = 2
EDGES = frozenset("^$")
_ELEMENT = re.compile(r"\{([^\s{}]+)\}(\??)|([^\s{}&]+)")


@dataclass(frozen=True, slots=True)
class Chain:
    """Slots in order; `gaps[i]` = how many words may stand between element i and i + 1."""

    slots: tuple[str, ...]
    gaps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Chains that must all be found within `window` words, in any order; `bits` stands for the slots it needs."""

    source: str
    line: int
    chains: tuple[Chain, ...]
    needs: frozenset[str]
    bits: int


@dataclass(frozen=True, slots=True)
class Sign:
    """What a family of patterns means. `plain`: neither modifiers nor the classifier may lower it. `unless`/`cues`:
    slots near the hit."""

    id: str
    category: Category
    level: Level
    patterns: tuple[Pattern, ...]
    unless: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    plain: bool = False
    window: int = WINDOW


@dataclass(frozen=True, slots=True)
class Modifier:
    """Words near a hit that change its level: `to` a lower one, or with `raises` a higher one."""

    id: str
    slot: str
    to: Level
    window: int
    unless: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    raises: bool = False


@dataclass(eq=False, slots=True)
class Filling:
    """The slots that a phrase fills together, and `bits` standing for them; `kinds` of those the classifier knows.
    `opens` and `hides`: the patterns and masks, by number, that are tried because of one of them."""

    slots: tuple[str, ...]
    bits: int
    kinds: tuple[int, ...] = ()
    opens: tuple[int, ...] = ()
    hides: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words with their marks, what they fill, and the second cues needed when they are written without marks: None
    when they may stand alone, empty when they never count so."""

    words: tuple[str, ...]
    fills: Filling
    cues: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One step of the trie over words without marks."""

    next: dict[str, Node] = field(default_factory=dict)
    phrases: list[Phrase] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Signs:
    """The whole file, compiled. `digest` is the hash of its content without the `reviews` block. `whole`: words
    that carry no marks of their own and are not missing any in a half-marked sentence. `patterns` are those of all
    signs; each is tried only where its rarest slot is filled. `edges`: what the beginning and the end of a clause fill.
    `bits`: what stands for each slot."""

    version: str
    digest: str
    root: Node
    masks: tuple[Pattern, ...]
    signs: tuple[Sign, ...]
    modifiers: tuple[Modifier, ...]
    slots: Mapping[str, tuple[str, ...]]
    reviews: tuple[Mapping[str, str], ...]
    alarms: tuple[str, ...]
    whole: frozenset[str]
    patterns: tuple[tuple[Sign, Pattern], ...]
    leaned: frozenset[str]  # slots that only serve as cues or parts of others
    edges: tuple[Filling, Filling]
    bits: Mapping[str, int]


def load(path: Path, lexicon: Lexicon) -> tuple[Signs | None, list[Finding]]:
    """Reads and compiles one file, its phrases spelled as `lexicon` spells messages.

    On any error there are no signs, and every fault is in the findings.
    """
    document, findings = read(path)
    if document is None or any(f.severity == "error" for f in findings):
        return None, findings
    reader = _Reader(document, lexicon, findings)
    signs = reader.signs()
    return (None if any(f.severity == "error" for f in findings) else signs), findings


def digest(data: Mapping[str, Any]) -> str:
    """Hash of what two people sign: everything but the signatures."""
    body = {key: value for key, value in data.items() if key != "reviews"}
    return hashlib.sha256(json.dumps(body, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


class _Reader:
    """Walks one document, collecting faults as it goes."""

    def __init__(self, document: Document, lexicon: Lexicon, findings: list[Finding]) -> None:
        self.doc = document
        self.lexicon = lexicon
        self.findings = findings
        self.raw: dict[str, list[str]] = {}
        self.fills: dict[tuple[str, ...], dict[str, None]] = {}  # phrase -> its slots, in order
        self.spelled: dict[str, tuple[str, ...]] = {}
        self.made: set[str] = set()
        self.leaned: set[str] = set()
        self.bits: dict[str, int] = {}
        self.groups: dict[tuple[str, ...], Filling] = {}

    def fault(self, code: str, vi: str, en: str, *path: str | int) -> None:
        self.findings.append(Finding("error", self.doc.file, self.doc.line(*path), code, vi, en))

    def texts(self, value: Any, *path: str | int) -> list[str]:
        """A list of non-empty texts; a single text counts as a list of one."""
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            self.fault("list", "phải là một danh sách chữ", "must be a list of texts", *path)
            return []
        good = []
        for index, item in enumerate(items):
            if isinstance(item, str | int) and not isinstance(item, bool) and str(item).strip():
                good.append(str(item))
            else:
                self.fault("text", "mục này phải là chữ", "this entry must be text", *path, index)
        return good

    def signs(self) -> Signs | None:
        data = self.doc.data
        if not isinstance(data, dict):
            self.fault("mapping", "tệp phải là các khóa", "the file must be a mapping")
            return None
        if not self.shape(data):
            return None
        for name, value in data["slots"].items():
            self.raw[name] = self.texts(value, "slots", name)
        slots = frozenset(self.raw)
        for name, value in data.get("concepts", {}).items():
            self.raw[f"~{name}"] = self.texts(value, "concepts", name)
        for name in self.raw:
            for filler in self.fillers(name, ()):
                self.fill(filler, name)
        masks = [
            pattern
            for index, text in enumerate(self.texts(data.get("masks") or [], "masks"))
            for pattern in self.pattern(text, "masks", index, near=0)
        ]
        signs = [sign for index, item in enumerate(data["signs"]) if (sign := self.sign(item, index))]
        modifiers = [self.modifier(item, index) for index, item in enumerate(data.get("modifiers") or [])]
        cues = self.homographs(data.get("homographs") or [])
        root = self.trie(cues)
        edges = (self.filling(("^",)), self.filling(("$",)))
        patterns = [(sign, pattern) for sign in signs for pattern in sign.patterns]
        opens = self.openers([pattern for _, pattern in patterns])
        hides = self.openers(masks)
        for filling in self.groups.values():
            filling.opens = tuple(n for slot in filling.slots for n in opens.get(slot, ()))
            filling.hides = tuple(n for slot in filling.slots for n in hides.get(slot, ()))
        return Signs(
            version=str(data.get("version", "")),
            digest=digest(data),
            root=root,
            masks=tuple(masks),
            signs=tuple(signs),
            modifiers=tuple(m for m in modifiers if m),
            slots={name: tuple(self.fillers(name, ())) for name in slots},
            reviews=self.reviews(data.get("reviews") or []),
            alarms=tuple(a.lower() for a in self.texts(data.get("alarms") or [], "alarms")),
            whole=frozenset(self.texts(data.get("whole") or [], "whole")),
            patterns=tuple(patterns),
            leaned=frozenset(self.leaned | {slot for needed in cues.values() for slot in needed}),
            edges=edges,
            bits=self.bits,
        )

    def bit(self, slot: str) -> int:
        """What stands for a slot in `bits`."""
        return self.bits.setdefault(slot, 1 << len(self.bits))

    def filling(self, slots: tuple[str, ...]) -> Filling:
        """The one Filling of these slots."""
        if slots not in self.groups:
            bits = reduce(or_, map(self.bit, slots))
            self.groups[slots] = Filling(slots, bits, tuple(kind(slot) for slot in slots if slot in self.raw))
        return self.groups[slots]

    def openers(self, patterns: Sequence[Pattern]) -> dict[str, list[int]]:
        """The numbers of the patterns under the rarest slot of each."""
        common = Counter(slot for names in self.fills.values() for slot in names)
        opened: dict[str, list[int]] = {}
        for number, pattern in enumerate(patterns):
            rarest = min(sorted(pattern.needs), key=lambda slot: inf if slot in EDGES else common[slot])
            opened.setdefault(rarest, []).append(number)
        return opened

    def shape(self, data: Mapping[str, Any]) -> bool:
        """Whether the file has the keys it must have, and no others."""
        known = {
            "version",
            "author",
            "reviews",
            "slots",
            "concepts",
            "homographs",
            "masks",
            "signs",
            "modifiers",
            "alarms",
            "whole",
        }
        for key in data.keys() - known:
            self.fault("unknown-key", f"không có khóa “{key}”", f"unknown key “{key}”", key)
        for key in ("version", "author", "slots", "signs"):
            if key not in data:
                self.fault("missing", f"thiếu khóa “{key}”", f"missing key “{key}”")
        if (
            isinstance(data.get("slots"), dict)
            and isinstance(data.get("signs"), list)
            and isinstance(data.get("concepts", {}), dict)
        ):
            return True
        self.fault("shape", "“slots” phải là khóa, “signs” là danh sách", "slots: mapping, signs: list", "slots")
        return False

    def trie(self, cues: Mapping[tuple[str, ...], tuple[str, ...]]) -> Node:
        """Every phrase of the file under its words without marks."""
        root = Node()
        longer: dict[str, list[tuple[str, ...]]] = {}
        for key in cues:
            if len(key) > 1:
                longer.setdefault(key[0], []).append(key)
        for tokens, names in self.fills.items():
            node = root
            for token in tokens:
                node = node.next.setdefault(strip(token), Node())
            needed = (
                cues.get(tokens)
                if len(tokens) == 1
                else next((cues[k] for t in tokens for k in longer.get(t, ()) if _inside(k, tokens)), None)
            )
            node.phrases.append(Phrase(tokens, self.filling(tuple(names)), needed))
        return root

    def fillers(self, name: str, trail: tuple[str, ...]) -> list[str]:
        """A slot's phrases, with the slots it includes (`{other}`) spread out."""
        if name in trail:
            self.fault("circle", f"“{name}” gọi vòng lại chính nó", f"slot “{name}” includes itself", "slots", name)
            return []
        result: list[str] = []
        for index, filler in enumerate(self.raw[name]):
            if filler.startswith("{"):
                other = filler.strip("{}")
                if other in self.raw:
                    self.leaned.add(other)
                    result.extend(self.fillers(other, (*trail, name)))
                elif not trail:
                    self.fault("no-slot", f"không có nhóm “{other}”", f"no slot “{other}”", "slots", name, index)
            else:
                result.append(filler)
        return result

    def spell(self, phrase: str) -> tuple[str, ...]:
        """A phrase as messages are spelled: word by word, which is quicker, where no phrase of the lexicon stands."""
        if phrase not in self.spelled:
            written = phrase.split()
            tokens = tuple(token for word in written for token in self.spell(word)) if len(written) > 1 else ()
            if not tokens or self.together(tokens) or self.together(tuple(written)):
                tokens = normalise(phrase, self.lexicon).tokens
            self.spelled[phrase] = tokens
        return self.spelled[phrase]

    def together(self, tokens: tuple[str, ...]) -> bool:
        """Whether the lexicon replaces some of these words together."""
        return any(
            tokens[at + 1 : at + 1 + len(rest)] == rest
            for at, token in enumerate(tokens)
            for rest, _ in self.lexicon.phrases.get(token, ())
        )

    def fill(self, phrase: str, slot: str) -> None:
        """Lets a phrase fill a slot, as messages are spelled and as it is written."""
        for tokens in {self.spell(phrase), tuple(phrase.lower().split())} - {()}:
            names = self.fills.setdefault(tokens, {})
            names[slot] = None

    def literal(self, run: tuple[str, ...]) -> str:
        """A row of literal words is one slot, filled by every reading of its alternatives and optional words."""
        name = "=" + " ".join(run)
        if name not in self.made:
            self.made.add(name)
            choices = [[*word.rstrip("?").split("|"), *([""] if word.endswith("?") else [])] for word in run]
            for reading in product(*choices):
                self.fill(" ".join(reading).replace("_", " "), name)
        return name

    def slot(self, slot: str, *path: str | int) -> str:
        """The name of the slot an element stands for; a union becomes a slot of its own."""
        parts = slot.split("|")
        for part in parts:
            if not part.startswith("=") and part not in self.raw:
                self.fault("no-slot", f"không có nhóm “{part}”", f"no slot “{part}”", *path)
                return slot
        if slot not in self.raw and slot not in self.made:
            self.made.add(slot)
            for part in parts:
                fillers = [part[1:].replace("_", " ")] if part.startswith("=") else self.fillers(part, ())
                for filler in fillers:
                    self.fill(filler, slot)
        return slot

    def pattern(self, text: str, *path: str | int, near: int = NEAR) -> list[Pattern]:
        """One written pattern as one or more patterns (optional elements spread out)."""
        groups: list[list[Chain]] = []
        for part in text.split("&"):
            elements: list[tuple[str, int, bool]] = []  # slot, gap before it, optional
            gap = near
            run: list[str] = []
            left = _ELEMENT.sub(" ", part).strip()
            if left:
                self.fault("pattern", f"không đọc được “{left}”", f"cannot read “{left}”", *path)
            for slot, optional, literal in (*_ELEMENT.findall(part), ("", "", "")):
                if literal and literal not in GAPS and literal not in EDGES:
                    run.append(literal)
                    continue
                if run:
                    elements.append((self.literal(tuple(run)), gap, all(word.endswith("?") for word in run)))
                    run, gap = [], near
                if literal in EDGES:
                    elements.append((literal, 0 if literal == "$" else gap, False))
                    gap = 0
                elif literal:
                    gap = GAPS[literal]
                elif slot:
                    elements.append((self.slot(slot, *path), gap, bool(optional)))
                    gap = near
            chains = _chains(elements)
            if not chains:
                self.fault("empty-pattern", "mẫu câu trống", "empty pattern", *path)
            groups.append(chains)
        line = self.doc.line(*path)
        result = []
        for chains_ in product(*groups):
            needs = frozenset(slot for chain in chains_ for slot in chain.slots)
            result.append(Pattern(text, line, tuple(chains_), needs, reduce(or_, map(self.bit, needs), 0)))
        return result

    def sign(self, item: Any, index: int) -> Sign | None:
        path = ("signs", index)
        if not isinstance(item, dict):
            self.fault("sign", "mỗi dấu hiệu là các khóa", "each sign is a mapping", *path)
            return None
        allowed = {"id", "category", "level", "any", "unless", "cues", "plain", "window"}
        for key in item:
            if key not in allowed:
                self.fault("unknown-key", f"không có khóa “{key}”", f"unknown key “{key}”", *path, key)
        category: Any = item.get("category")
        level: Any = item.get("level")
        if category not in get_args(Category) or not category:
            self.fault("category", f"không có loại “{category}”", f"no category “{category}”", *path, "category")
        if level not in LEVELS[1:]:
            self.fault("level", "mức phải là RED, AMBER hoặc CHECK", "level: RED, AMBER or CHECK", *path, "level")
        window = item.get("window", WINDOW)
        if not isinstance(window, int) or not 1 <= window <= 60:
            self.fault("window", "window từ 1 đến 60 từ", "window: 1 to 60 words", *path, "window")
            window = WINDOW
        patterns: list[Pattern] = []
        for at, text in enumerate(self.texts(item.get("any"), *path, "any")):
            patterns += self.pattern(text, *path, "any", at)
        name = str(item.get("id", ""))
        if not name or "id " + name in self.made:
            self.fault("id", f"“id” thiếu hoặc trùng: “{name}”", f"id missing or not unique: “{name}”", *path)
        self.made.add("id " + name)
        return Sign(
            id=name,
            category=category,
            level=level,
            patterns=tuple(patterns),
            unless=self.names(item.get("unless"), *path, "unless"),
            cues=self.names(item.get("cues"), *path, "cues"),
            plain=item.get("plain") is True,
            window=window,
        )

    def names(self, value: Any, *path: str | int) -> tuple[str, ...]:
        """Slot names; each must exist."""
        found = self.texts(value, *path) if value is not None else []
        for name in found:
            if name not in self.raw:
                self.fault("no-slot", f"không có nhóm “{name}”", f"no slot “{name}”", *path)
        return tuple(found)

    def modifier(self, item: Any, index: int) -> Modifier | None:
        path = ("modifiers", index)
        allowed = {"id", "slot", "to", "window", "unless", "categories", "levels", "raises"}
        if not isinstance(item, dict) or set(item) - allowed or item.get("to") not in LEVELS:
            self.fault("modifier", f"chỉ có các khóa {sorted(allowed)}", f"keys: {sorted(allowed)}", *path)
            return None
        (slot,) = self.names(item.get("slot") or "", *path, "slot") or ("",)
        return Modifier(
            id=str(item.get("id")),
            slot=slot,
            to=item["to"],
            window=int(item.get("window", 8)),
            unless=self.names(item.get("unless"), *path, "unless"),
            categories=tuple(self.texts(item.get("categories") or [], *path, "categories")),
            levels=tuple(self.texts(item.get("levels") or [], *path, "levels")),
            raises=item.get("raises") is True,
        )

    def homographs(self, items: Any) -> dict[tuple[str, ...], tuple[str, ...]]:
        """Phrases that mean something harmless when written without marks, and the cues that say otherwise."""
        result: dict[tuple[str, ...], tuple[str, ...]] = {}
        for index, item in enumerate(items if isinstance(items, list) else [items]):
            path = ("homographs", index)
            if not isinstance(item, dict) or set(item) - {"say", "reads", "cues"} or "say" not in item:
                self.fault("homograph", "cần “say”, “reads”, “cues”", "needs say, reads, cues", *path)
                continue
            for say in self.texts(item["say"], *path, "say"):
                result[tuple(say.lower().split())] = self.names(item.get("cues"), *path, "cues")
        return result

    def reviews(self, items: Any) -> tuple[Mapping[str, str], ...]:
        """Signatures: `{content: sha256, by: name, on: date}`."""
        good = []
        for index, item in enumerate(items if isinstance(items, list) else [items]):
            if isinstance(item, dict) and set(item) == {"content", "by", "on"}:
                good.append({key: str(value) for key, value in item.items()})
            else:
                self.fault("review", "cần “content”, “by”, “on”", "needs content, by, on", "reviews", index)
        return tuple(good)


def _chains(elements: Iterable[tuple[str, int, bool]]) -> list[Chain]:
    """All readings of a row of elements; an optional one left out gives its gap to its successor."""
    rows: list[list[tuple[str, int]]] = [[]]
    carried: list[int] = [0]
    for slot, gap, optional in elements:
        new_rows, new_carried = [], []
        for row, carry in zip(rows, carried, strict=True):
            new_rows.append([*row, (slot, max(gap, carry))])
            new_carried.append(0)
            if optional:
                new_rows.append(row)
                new_carried.append(max(gap, carry))
        rows, carried = new_rows, new_carried
    return [Chain(tuple(slot for slot, _ in row), tuple(gap for _, gap in row[1:])) for row in rows if row]


def _inside(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))
