"""What `osso safety check` looks for: faults, patterns that cannot match or stand twice, slow ones, no signatures.

Pure but for reading the files and the stopwatch it is given. Nothing here looks at anyone's message.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from bot.messages import Finding, Severity
from bot.nlu.words import read
from bot.safety import classify, crisis, signing
from bot.safety.screen import LIMIT, Screen
from bot.safety.signs import Pattern, Signs, load
from bot.safety.words import words


def check(folder: Path, clock: Callable[[], float], *, today: datetime.date) -> list[Finding]:
    """Every finding about `danger.yml`, `crisis.yml` and the words they lean on. `clock` in seconds."""
    lexicon, findings = read(folder / "words.yml")
    signs, faults = load(folder / "danger.yml", lexicon)
    texts, faulty = crisis.load(folder / "crisis.yml")
    classifier, broken = classify.load(folder / "danger.bin")
    findings = [*findings, *faults, *faulty, *broken]
    if signs is None or texts is None or classifier is None:
        return findings
    screen = Screen(signs, lexicon, texts, classifier)
    return [
        *findings,
        *overlapping(signs),
        *unreachable(signs),
        *masked(screen),
        *slow(screen, clock),
        *unsigned(signs, (folder / "danger.bin").read_bytes()),
        *outdated(screen),
        *crisis.stale(texts, today),
    ]


def overlapping(signs: Signs) -> list[Finding]:
    """Patterns written twice, within a sign or across signs."""
    seen: dict[str, tuple[str, int]] = {}
    findings = []
    for sign in signs.signs:
        for pattern in _written(sign.patterns):
            if pattern.source in seen:
                other, line = seen[pattern.source]
                vi = f"mẫu “{pattern.source}” đã có ở {other} (dòng {line})"
                en = f"“{pattern.source}” already stands in {other} (line {line})"
                findings.append(_finding("warning", pattern.line, "overlap", vi, en=en))
            seen.setdefault(pattern.source, (sign.id, pattern.line))
    return findings


def unreachable(signs: Signs) -> list[Finding]:
    """Slots nobody uses, empty slots, and patterns with a slot that can never be filled."""
    filled = _filled(signs) | {"^", "$"}
    used: set[str] = set()
    findings = []
    for sign in signs.signs:
        used |= {*sign.unless, *sign.cues}
        for pattern in sign.patterns:
            used |= pattern.needs
            for slot in sorted(pattern.needs - filled):
                vi, en = f"“{slot}” trong mẫu không bao giờ có chữ", f"“{slot}” of this pattern can never be filled"
                findings.append(_finding("error", pattern.line, "unreachable", vi, en=en))
    for mask in signs.masks:
        used |= mask.needs
    for modifier in signs.modifiers:
        used |= {modifier.slot, *modifier.unless}
    parts = {part for slot in used for part in slot.split("|")} | {"not"} | signs.leaned
    for slot in sorted(signs.slots.keys() - parts):
        vi, en = f"nhóm “{slot}” không mẫu nào dùng", f"no pattern uses the slot “{slot}”"
        findings.append(_finding("note", 1, "unused", vi, en=en))
    return findings


def masked(screen: Screen) -> list[Finding]:
    """One-phrase patterns whose every phrase a mask hides: they can never be heard alone."""
    by_slot: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for phrase in _phrases(screen.signs):
        for slot in phrase[1]:
            by_slot[slot].append(phrase[0])
    findings = []
    for sign in screen.signs.signs:
        for pattern in _written(sign.patterns):
            if len(pattern.needs) != 1:
                continue
            (slot,) = pattern.needs
            said = [" ".join(tokens) for tokens in by_slot[slot]]
            if said and not sign.cues and not any(list(screen.hits(words(text, screen.lexicon))) for text in said):
                vi, en = f"mẫu “{pattern.source}” bị che hết", f"“{pattern.source}” is hidden by masks or unheard"
                findings.append(_finding("warning", pattern.line, "hidden", vi, en=en))
    return findings


def slow(screen: Screen, clock: Callable[[], float]) -> list[Finding]:
    """Floods built from the file's own words; each must be read within the time limit."""
    findings = []
    for text in floods(screen.signs):
        began = clock()
        screen.read(text)
        spent = clock() - began
        if spent > LIMIT:
            vi = f"đọc một tin dài mất {spent * 1000:.0f} ms, quá {LIMIT * 1000:.0f} ms"
            en = f"a long text took {spent * 1000:.0f} ms, over {LIMIT * 1000:.0f} ms"
            findings.append(_finding("warning", 1, "slow", vi, en=en))
    return findings


def floods(signs: Signs) -> tuple[str, ...]:
    """Texts made to be slow: every slot's first words over and over, and one word many thousand times."""
    first = [fillers[0] for fillers in signs.slots.values() if fillers]
    return (
        " ".join(first) * 30,
        "chồng em đánh em " * 6000,
        "a" * 100_000,
        "đ.á.n.h." * 12_000,
        "không " * 20_000,
        "\u202eem\u200b" * 20_000,
    )


def outdated(screen: Screen) -> list[Finding]:
    """A classifier that learnt other spellings than `words.yml` now has: it still serves, a little less well."""
    if screen.classifier.words == classify.spelling(screen.lexicon):
        return []
    vi, en = "words.yml đã đổi từ khi bộ phân loại được học", "words.yml changed since the classifier was trained"
    return [Finding("warning", "danger.bin", 1, "outdated", vi, f"{en}: run `osso safety train`")]


def unsigned(signs: Signs, weights: bytes) -> list[Finding]:
    """Changes to danger signs need two people: a warning until two distinct names sign this very content."""
    content = signing.content(signs, weights)
    names = signing.signers(signs, content)
    if len(names) >= signing.NEEDED:
        return []
    vi = f"cần {signing.NEEDED} người ký nội dung này (`osso safety sign`), mới có {len(names)}: {content}"
    en = f"{signing.NEEDED} people must sign this content (`osso safety sign`), {len(names)} did: {content}"
    return [_finding("warning", 1, "unsigned", vi, en=en)]


def _finding(severity: Severity, line: int, code: str, vi: str, *, en: str) -> Finding:
    return Finding(severity, "danger.yml", line, code, vi, en)


def _written(patterns: tuple[Pattern, ...]) -> list[Pattern]:
    """Each pattern once, however many readings its optional parts gave."""
    return list({(p.source, p.line): p for p in patterns}.values())


def _phrases(signs: Signs) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    stack = [signs.root]
    while stack:
        node = stack.pop()
        stack.extend(node.next.values())
        for phrase in node.phrases:
            yield phrase.words, phrase.fills.slots


def _filled(signs: Signs) -> set[str]:
    return {slot for _, slots in _phrases(signs) for slot in slots}
