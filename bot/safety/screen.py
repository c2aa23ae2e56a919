"""The screen: one text in, one `Danger` out. It never raises, is bounded in time, and when in doubt says CHECK.

Pure: no network, database or randomness; the only clock is the stopwatch it is given, for its own time limit.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.errors import ContentError
from bot.messages import LEVELS, Category, Danger, Level, Reply
from bot.nlu.normalise import Words as Lexicon
from bot.nlu.words import read
from bot.safety import classify
from bot.safety.classify import CATEGORIES, Classifier, Opinion, Weighed
from bot.safety.classify import load as weights
from bot.safety.crisis import Crisis
from bot.safety.crisis import load as crisis_texts
from bot.safety.signs import WINDOW, Chain, Filling, Modifier, Pattern, Sign, Signs, load
from bot.safety.words import Words, stands_for, words

BUDGET = 0.05  # seconds; beyond it a text is CHECK, never NONE
LIMIT = 4 * BUDGET  # and beyond this the screen stops looking
HEAD = 2_500  # characters read from each end of a flood
SPANS = 800  # places kept per slot: a flood of one word must not cost more than a long letter
CUE = 6  # words around an unmarked homograph in which its second cue must stand
LETTER = 45  # words; in a longer letter some window always sounds sad, so the classifier alone says CHECK
SAD, LOUD = 0.9, 0.97  # only from the first chance, and more only from the second, as where she denies something
BESIDE = 5  # words around a pattern of unmarked words that the classifier reads with it
ALARMING = 0.9  # the chance from which the classifier stands in for the second cue of unmarked words
PLAIN, LIKELY = 0.1, 0.6  # below the first it finds such words plainly harmless, below the second rather harmless
DOUBTFUL, HARMLESS = 0.74, 0.4  # below the first chance patterns only ask; below the second only RED not lowered yet
FEW = 4  # words from which the classifier's chance of a whole text means something
CALMED = 0.9  # the chance from which the classifier asks about words of a film, a lesson, a jest, a denial
VOTE = 0.5  # what a level of a pattern weighs beside the classifier's log odds for a kind of danger
DOUBTS = frozenset({"unmarked", "doubtful"})  # why the classifier lowered a pattern; all else is in her words
CALM = ("media", "study")  # slots that tell of a film or a lesson
ESCALATE = 30 * 60 * 1000  # ms: two AMBER within this time are RED

NARROW, LONGEST = 4, 6  # how much rarer a part must be to be looked at first; words of the longest phrases

EXACT, BARE, GUESSED, MISSED = range(4)

Span = tuple[int, int]
Groups = dict[Filling, list[Span]]  # what phrases fill -> where such phrases stand


@dataclass(frozen=True, slots=True)
class Found:
    """Which slots a text fills, and where; a slot's places are gathered when somebody asks for them. `names`: the bit
    of each slot; `bits`: those filled; `hidden`: for each word, 1 where it stands in a harmless collocation; empty when
    none does."""

    groups: Groups
    names: Mapping[str, int]
    bits: int
    hidden: bytes = b""
    known: dict[str, list[Span]] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Groups, names: Mapping[str, int]) -> Found:
        bits = 0
        for filling in groups:
            bits |= filling.bits
        return cls(groups, names, bits)

    def spans(self, slot: str) -> list[Span]:
        """Where a slot is filled, in order, hidden words left out; of a flood only its beginning and its end."""
        spans = self.known.get(slot)
        if spans is None:
            bit = self.names.get(slot, 0)
            if not bit & self.bits:
                return []
            spans = sorted(span for filling, found in self.groups.items() if filling.bits & bit for span in found)
            if self.hidden:
                spans = [span for span in spans if not any(self.hidden[span[0] : span[1]])]
            if len(spans) > SPANS:
                spans = spans[: SPANS // 2] + spans[-SPANS // 2 :]
            self.known[slot] = spans
        return spans


@dataclass(frozen=True, slots=True)
class Scan:
    """Which phrases stand in a text: those that count, unmarked homographs with the cues they need, and for each word
    whether it was guessed, its marks being left out."""

    groups: Groups
    doubtful: Sequence[tuple[Filling, tuple[str, ...], Span]]
    guessed: bytes


@dataclass(frozen=True, slots=True)
class Hit:
    """A pattern found: the words it covers, the words that filled its slots, and the level after modifiers."""

    sign: Sign
    pattern: Pattern
    start: int
    end: int
    parts: tuple[Span, ...]
    level: Level
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """A text as the patterns left it."""

    said: Words
    weighed: Weighed
    found: Found
    hits: Sequence[Hit]


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything the screen knows, loaded once. `clock` is a stopwatch in seconds, of our own work only by default."""

    signs: Signs
    lexicon: Lexicon
    crisis: Crisis
    classifier: Classifier
    clock: Callable[[], float] = field(default=time.thread_time, compare=False)

    @classmethod
    def load(cls, path: Path, lexicon: Lexicon | None = None) -> Screen:
        """Reads `danger.yml`, `crisis.yml` and `words.yml` of a folder (or beside a `danger.yml`); the last not when
        its words are given.

        Raises ContentError with every fault.
        """
        folder = path if path.is_dir() else path.parent
        lexicon, faults = (lexicon, []) if lexicon else read(folder / "words.yml")
        signs, findings = load(folder / "danger.yml", lexicon)
        crisis, faulty = crisis_texts(folder / "crisis.yml")
        classifier, broken = weights(folder / "danger.bin")
        errors = [f for f in (*faults, *findings, *faulty, *broken) if f.severity == "error"]
        if signs is None or crisis is None or classifier is None or errors:
            raise ContentError(errors)
        return cls(signs, lexicon, crisis, classifier)

    def crisis_replies(
        self, danger: Danger, *, country: str, staffed: bool, opens: str, locale: str
    ) -> tuple[Reply, ...]:
        """What to say at once, in her language. `country` is where she may be (`korea`, `taiwan`, …), `opens` when a
        person will be, in words of that language."""
        return self.crisis.replies(danger, country=country, staffed=staffed, opens=opens, locale=locale)

    def combine(self, history: Sequence[tuple[int, str]], danger: Danger, at: int) -> Danger:
        """See `combine`."""
        return combine(history, danger, at)

    def read(self, text: str) -> Danger:
        """What one text says about danger. Never raises; a fault or too much time gives CHECK."""
        began = self.clock()
        try:
            danger = self._read(text, began + LIMIT)
        except Exception:  # a fault of ours must send her to a person, never to silence
            return Danger("CHECK", why=("screen failed",))
        if danger.level == "NONE" and self.clock() - began > BUDGET:
            return Danger("CHECK", why=("out of time",))
        return danger

    def _read(self, text: str, until: float) -> Danger:
        middle = ""
        if len(text) > 2 * HEAD:
            text, middle = text[:HEAD] + "\n" + text[-HEAD:], text[HEAD:-HEAD][:1_000_000].lower()
        said = words(text, self.lexicon)
        scanned = self._scan(said)
        weighed = self._weigh(said, scanned)
        found = self._found(said, scanned, weighed)
        hits = _denied([_likely(hit, scanned.guessed, weighed) for hit in self._hits(said, found, until)])
        opinion = weighed.best()
        if len(said.tokens) >= FEW:
            hits = [_weighed(hit, weighed, opinion) for hit in hits]
        danger = _verdict(hits, said, opinion)
        if danger.level != "RED" and self.clock() < until:
            danger = self._second(danger, Heard(said, weighed, found, hits))
        if middle and danger.level == "NONE" and any(alarm in middle for alarm in self.signs.alarms):
            return Danger("CHECK", why=("long text with an alarming word",))
        return danger

    def calm(self, text: str) -> bool:
        """Whether no pattern at all speaks in a text: for choosing harmless examples to train on."""
        plain = replace(self, classifier=classify.silent())
        return all(hit.level == "NONE" for hit in plain.hits(words(text, self.lexicon)))

    def hits(self, said: Words) -> Iterator[Hit]:
        """Every pattern found, after masks and modifiers: for lints and for explaining."""
        scanned = self._scan(said)
        return self._hits(said, self._found(said, scanned, self._weigh(said, scanned)), float("inf"))

    def features(self, text: str, longest: int) -> tuple[classify.Ints, classify.Floats]:
        """What the classifier sees in the first `longest` words of a text, and what each weighs: for training."""
        said = words(text, self.lexicon).part(0, longest)
        _, found, value = classify.features(said, self._slots(self._scan(said)))
        return found, value

    def _weigh(self, said: Words, scanned: Scan) -> Weighed:
        return self.classifier.weigh(said, self._slots(scanned))

    def _slots(self, scanned: Scan) -> classify.Slots:
        return sorted(
            (start, end, kind)
            for filling, spans in scanned.groups.items()
            for kind in filling.kinds
            for start, end in spans
        )

    def _second(self, danger: Danger, heard: Heard) -> Danger:
        """The classifier's opinion, for what no pattern says. Words in a film or a textbook must be far more alarming,
        and are then asked about only, as is a question on law or help; what she denies or says in jest and what stands
        in a long letter is more only when nearly certain."""
        found = heard.found
        told = any(found.spans(slot) for slot in CALM)
        denied = any(not DOUBTS.issuperset(hit.why) for hit in heard.hits)
        limits = self.classifier
        said, opinion = heard.said, heard.weighed.best()
        letter = len(said.tokens) > LETTER
        enough = CALMED if told or denied or found.hidden else max(limits.check, SAD) if letter else limits.check
        if opinion.chance >= enough and found.hidden:
            said = _without(said, found.hidden)
            opinion = self._weigh(said, self._scan(said)).best()
        if opinion.chance < enough:
            return danger
        level: Level = "CHECK"
        asked = danger.level == "CHECK" and bool(found.spans("asks"))
        sure = LOUD if letter or denied else 0.0 if danger.level == "AMBER" else limits.amber
        if not (told or asked) and opinion.chance >= sure:
            level = "RED" if opinion.imminent >= limits.red else "AMBER"
        if LEVELS.index(level) <= LEVELS.index(danger.level):
            return danger
        category = danger.category or _kind({}, opinion)
        return Danger(level, category, said.span(opinion.start, opinion.end), (*danger.why, "classifier"))

    def _hits(self, said: Words, found: Found, until: float) -> Iterator[Hit]:
        filled, patterns = found.bits, self.signs.patterns
        for number in sorted({number for filling in found.groups for number in filling.opens}):
            sign, pattern = patterns[number]
            if pattern.bits & filled != pattern.bits:
                continue
            if self.clock() > until:
                return
            for start, end, parts in _matches(pattern, found, sign.window):
                if sign.unless and _near(found, sign.unless, start, end, CUE):
                    continue
                if sign.cues and not _near(found, sign.cues, start, end, sign.window):
                    continue
                yield self._modified(Hit(sign, pattern, start, end, parts, sign.level), found, said)

    def _found(self, said: Words, scanned: Scan, weighed: Weighed) -> Found:
        """Where each slot is filled, without what harmless collocations hide. Guessed words hide nothing where the
        classifier is alarmed: they may be other words."""
        groups, guessed = dict(scanned.groups), scanned.guessed
        begin, finish = self.signs.edges
        groups[begin] = [(i, i) for i, stop in enumerate(said.stop) if stop]
        groups[finish] = [(start, start) for start, _ in groups[begin][1:]] + [(len(said.stop), len(said.stop))]
        found = Found.of(groups, self.signs.bits)
        meant = [
            (filling, span)
            for filling, cues, span in scanned.doubtful
            if cues and (_near(found, cues, *span, CUE) or weighed.chance(*_beside(*span)) >= ALARMING)
        ]
        if meant:
            for filling, span in meant:
                groups[filling] = [*groups.get(filling, ()), span]
            found = Found.of(groups, self.signs.bits)
        hidden = bytearray(len(said.tokens))
        for number in {number for filling in groups for number in filling.hides}:
            mask = self.signs.masks[number]
            if mask.bits & found.bits == mask.bits:
                for start, end, _ in _matches(mask, found, WINDOW):
                    doubt = any(guessed[start:end]) and weighed.chance(*_beside(start, end)) >= ALARMING
                    if not doubt and not any(said.stop[start + 1 : end]):
                        hidden[start:end] = b"\1" * (end - start)
        return Found(found.groups, found.names, found.bits, bytes(hidden)) if any(hidden) else found

    def _scan(self, said: Words) -> Scan:
        """Which phrases stand where, one pass over the text."""
        groups: Groups = {}
        doubtful: list[tuple[Filling, tuple[str, ...], Span]] = []
        size = len(said.tokens)
        guessed = bytearray(size)
        for start in range(size):
            node = self.signs.root.next.get(said.bare[start])
            at = start + 1
            while node is not None:
                for phrase in node.phrases:
                    reading = self._reading(said, phrase.words, start)
                    if reading == MISSED:
                        continue
                    if reading == GUESSED:
                        guessed[start:at] = b"\1" * (at - start)
                    if reading != EXACT and phrase.cues is not None:
                        doubtful.append((phrase.fills, phrase.cues, (start, at)))
                    else:
                        groups.setdefault(phrase.fills, []).append((start, at))
                node = node.next.get(said.bare[at]) if at < size else None
                at += 1
        return Scan(groups, doubtful, bytes(guessed))

    def _reading(self, said: Words, phrase: Sequence[str], start: int) -> int:
        """How the phrase stands here: EXACT, as BARE as the text around it, GUESSED with marks left out, or MISSED."""
        reading = EXACT
        for at, word in enumerate(phrase, start):
            token, loose = said.tokens[at], said.loose[at]
            if token == word:
                reading = max(reading, BARE if loose == 2 else EXACT)
            elif not loose or (loose == 1 and token in self.signs.whole) or not stands_for(token, word):
                return MISSED
            else:
                reading = GUESSED
        return reading

    def _modified(self, hit: Hit, found: Found, said: Words) -> Hit:
        level, why = hit.sign.level, list[str]()
        if not hit.sign.plain:
            if _negated(hit, found, said):
                level = _lower(level, "CHECK" if level in ("RED", "AMBER") else "NONE")
                why.append("negated")
            for modifier in self.signs.modifiers:
                if not _applies(modifier, hit, found):
                    continue
                level = max(level, modifier.to, key=LEVELS.index) if modifier.raises else _lower(level, modifier.to)
                why.append(modifier.id)
        return Hit(hit.sign, hit.pattern, hit.start, hit.end, hit.parts, level, tuple(why))


def combine(history: Sequence[tuple[int, str]], danger: Danger, at_ms: int) -> Danger:
    """The conversation's level: what was just read, in the light of recent (ms, level) turns, oldest first.

    RED is never lowered by later words within the time; a second AMBER is RED.
    """
    recent = [level for at, level in history if 0 <= at_ms - at <= ESCALATE]
    if "RED" in recent and danger.level != "RED":
        return Danger("RED", danger.category, danger.evidence, (*danger.why, "RED moments ago"))
    if danger.level == "AMBER" and "AMBER" in recent:
        return Danger("RED", danger.category, danger.evidence, (*danger.why, "second AMBER in 30 minutes"))
    return danger


def _matches(pattern: Pattern, found: Found, window: int) -> list[tuple[int, int, tuple[Span, ...]]]:
    """Places where all chains of a pattern stand, shortest first for each end."""
    first, *others = [_chain(chain, found) for chain in pattern.chains]
    result = []
    for start, end, parts in first:
        hull = (start, end, parts)
        for group in others:
            best = min(
                ((max(hull[1], e) - min(hull[0], s), s, e, p) for s, e, p in group if e <= hull[0] or s >= hull[1]),
                default=None,
            )
            if best is None or best[0] > window:
                break
            hull = (min(hull[0], best[1]), max(hull[1], best[2]), hull[2] + best[3])
        else:
            result.append(hull)
    return result


def _chain(chain: Chain, found: Found) -> list[tuple[int, int, tuple[Span, ...]]]:
    opening = found.spans(chain.slots[0])
    rarest = min((found.spans(slot) for slot in chain.slots), key=len)
    if len(opening) > NARROW * len(rarest):  # begin only where the rarest part is within reach
        reach = sum(chain.gaps) + LONGEST * len(chain.slots)
        ranges = [(bisect_left(opening, (start - reach, 0)), bisect_left(opening, (end, 0))) for start, end in rarest]
        opening = [opening[at] for at in sorted({at for low, high in ranges for at in range(low, high)})]
    states: dict[int, tuple[int, tuple[Span, ...]]] = {end: (start, ((start, end),)) for start, end in opening}
    for slot, gap in zip(chain.slots[1:], chain.gaps, strict=True):
        spans = found.spans(slot)
        nexts: dict[int, tuple[int, tuple[Span, ...]]] = {}
        for end, (start, parts) in states.items():
            at = bisect_left(spans, (end, 0))
            while at < len(spans) and spans[at][0] <= end + gap:
                span = spans[at]
                old = nexts.get(span[1])
                if old is None or old[0] < start:
                    nexts[span[1]] = (start, (*parts, span))
                at += 1
        states = nexts
    return [(start, end, parts) for end, (start, parts) in states.items()]


def _beside(start: int, end: int) -> Span:
    """A span with the words around it that the classifier reads with it."""
    return start - BESIDE, end + BESIDE


def _likely(hit: Hit, guessed: bytes, weighed: Weighed) -> Hit:
    """A pattern of words written without marks may be other words altogether; the classifier says how likely."""
    if hit.level == "NONE" or hit.sign.plain or not any(any(guessed[start:end]) for start, end in hit.parts):
        return hit
    chance = weighed.chance(*_beside(hit.start, hit.end))
    if chance >= LIKELY:
        return hit
    return replace(hit, level="NONE" if chance < PLAIN else _lower(hit.level, "CHECK"), why=(*hit.why, "unmarked"))


def _weighed(hit: Hit, weighed: Weighed, opinion: Opinion) -> Hit:
    """A pattern found in a text that sounds like no danger at all, neither as a whole nor beside the pattern; or one
    she denies or tells of as long over, in a text the classifier would not ask about."""
    if hit.level == "NONE" or hit.sign.plain:
        return hit
    lowered = bool(hit.why) and opinion.chance < weighed.by.check
    chance = max(opinion.chance, weighed.chance(*_beside(hit.start, hit.end)))
    if chance >= DOUBTFUL and not lowered:
        return hit
    quiet = lowered or (chance < HARMLESS and hit.sign.level != "RED")
    return replace(hit, level="NONE" if quiet else _lower(hit.level, "CHECK"), why=(*hit.why, "doubtful"))


def _without(said: Words, hidden: bytes) -> Words:
    """The text without its hidden words."""
    keep = [i for i, out in enumerate(hidden) if not out]
    return Words(*(tuple(row[i] for i in keep) for row in (said.tokens, said.bare, said.loose, said.stop)))  # type: ignore[arg-type]


def _near(found: Found, slots: Sequence[str], start: int, end: int, window: int) -> bool:
    """Whether one of the slots stands within `window` words of the span, outside it."""
    return any(
        (e <= start and start - e <= window) or (s >= end and s - end <= window)
        for slot in slots
        for s, e in found.spans(slot)
    )


def _negated(hit: Hit, found: Found, said: Words) -> bool:
    """A `not` right before the first part, or at most one word before a later part, with no stop between."""
    covered = {i for s, e in hit.parts for i in range(s, e)}
    for s, e in found.spans("not"):
        if any(i in covered for i in range(s, e)):
            continue
        for start, _ in hit.parts:
            reach = 0 if start == hit.start else 1
            if 0 <= start - e <= reach and not any(said.stop[e : start + 1]):
                return True
    return False


def _applies(modifier: Modifier, hit: Hit, found: Found) -> bool:
    if modifier.categories and hit.sign.category not in modifier.categories:
        return False
    if modifier.levels and hit.sign.level not in modifier.levels:
        return False
    low, high = hit.start - modifier.window, hit.end + modifier.window
    if not any(start <= high and end >= low for start, end in found.spans(modifier.slot)):
        return False
    return not any(start <= high and end >= low for slot in modifier.unless for start, end in found.spans(slot))


def _denied(hits: list[Hit]) -> list[Hit]:
    """What she denies in one reading she does not say in a shorter one of the same words."""
    denied = [h for h in hits if "negated" in h.why]
    if not denied:
        return hits
    return [
        replace(h, level=_lower(h.level, "CHECK"), why=(*h.why, "negated"))
        if any(d.sign.category == h.sign.category and d.start <= h.start and h.end <= d.end for d in denied)
        else h
        for h in hits
    ]


def _lower(level: Level, to: Level) -> Level:
    return min(level, to, key=LEVELS.index)


def _verdict(hits: Sequence[Hit], said: Words, opinion: Opinion) -> Danger:
    """The highest level any pattern found; of what kind, patterns and classifier say together."""
    top = max((LEVELS.index(h.level) for h in hits), default=0)
    if top == 0:
        return Danger(why=tuple(dict.fromkeys(w for h in hits for w in h.why)))
    votes: dict[Category, int] = {}
    for hit in hits:
        rank = LEVELS.index(hit.level)
        votes[hit.sign.category] = max(votes.get(hit.sign.category, 0), rank + (rank == top) if rank else 0)
    category = _kind(votes, opinion)
    best = max(hits, key=lambda h: (h.sign.category == category, LEVELS.index(h.level), h.start - h.end))
    why = (best.sign.id, *best.why)
    return Danger(LEVELS[top], category, said.span(best.start, best.end), why)


def _kind(votes: Mapping[Category, int], opinion: Opinion) -> Category:
    return max(zip(CATEGORIES, opinion.kinds, strict=True), key=lambda one: one[1] + VOTE * votes.get(one[0], 0))[0]
