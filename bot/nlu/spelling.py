"""Reads a text as the knowledge base would have written it: marks left out are put back and a misspelt word is mended,
by which words usually stand side by side. Pure; what a known word is, as she wrote it, is never changed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import DamerauLevenshtein
from rapidfuzz.process import extract

from bot.nlu import syllable
from bot.nlu.features import View

_MOST = 12  # tokens mended in one message
_FORMS, _WAYS = 6, 8  # marked forms of one plain word, and readings of the text so far, that are kept in mind
_TRUST = 0.75  # in what stood beside a word before; the rest goes to how common the next word is
_UNKNOWN, _OTHER_MARKS, _MISSPELT = -11.0, -3.0, -4.0  # logarithms of how likely one writes so


Choice = tuple[str, float]  # a word, and what writing it so costs
Way = tuple[
    float, int, tuple[Any, ...]
]  # how likely the words so far are, the last of them, and all: (those before, it)


class Spelt(NamedTuple):
    """The words with their marks, left out ones put back as well as we can, and the same words without any."""

    marked: tuple[str, ...]
    plain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Speller:
    """`forms` gives the marked forms of every plain word of the knowledge base, commonest first; `ids` numbers the
    marked words, `alone` and `beside` are logarithms of how likely a word is, by its number, and after another, by
    their code."""

    keep: frozenset[str] = frozenset()
    forms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)
    alone: Sequence[float] = (0.0, 0.0)
    beside: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, view: View, counts: NDArray[Any], *, keep: frozenset[str]) -> Speller:
        """`counts` are the texts every column of the view with marks was met in."""
        words, end = view.blocks[:2]
        base = words + 2
        often = np.append(counts[:words].astype(np.float64), [0, 0])
        alone = np.log((1 - _TRUST) * (often + 0.01) / max(often.sum(), 1.0))
        codes, pairs = view.codes[: end - words], counts[words:end].astype(np.float64)
        met = pairs > 0
        codes, pairs = codes[met], pairs[met]
        first, second = np.divmod(codes, base)
        often[words] = pairs[first == words].sum()
        beside = np.log(_TRUST * pairs / (often[first] + 0.1) + np.exp(alone[second]))
        forms: dict[str, list[str]] = defaultdict(list)
        names = list(view.words)
        for at in np.argsort(-often[:words], kind="stable").tolist():
            if often[at]:
                forms[syllable.strip(names[at])].append(names[at])
        return cls(
            keep,
            {plain: tuple(some[:_FORMS]) for plain, some in forms.items()},
            view.words,
            alone.tolist(),
            dict(zip(codes.tolist(), beside.tolist(), strict=True)),
        )

    def read(self, tokens: Sequence[str], plain: Sequence[str]) -> Spelt:
        choices: list[list[Choice]] = []
        left = _MOST
        for token, bare in zip(tokens, plain, strict=True):
            meant = self._own(token, bare)
            if not meant and left and self._doubtful(bare):
                left -= 1
                meant = self._near(bare)
                if not meant and (parts := self._cut(bare)):
                    choices += [self._own(part, part) for part in parts]
                    continue
            choices.append(meant if meant and not meant[0][1] else [*meant, (token, _UNKNOWN)])
        marked = self._likeliest(choices)
        return Spelt(marked, tuple(map(syllable.strip, marked)))

    def _own(self, token: str, bare: str) -> list[Choice]:
        """What a known word may be: itself, or every form of what was written without marks, or with others."""
        if token != bare and token in self.ids:
            return [(token, 0.0)]
        return [(form, 0.0 if token == bare else _OTHER_MARKS) for form in self.forms.get(bare, ())]

    def _doubtful(self, bare: str) -> bool:
        return (
            3 <= len(bare) <= 20 and bare.isascii() and bare.isalpha()
            and bare not in self.keep and not syllable.could_be(bare)
        )  # fmt: skip

    def _near(self, bare: str) -> list[Choice]:
        found = extract(bare, self.forms.keys(), scorer=DamerauLevenshtein.distance, score_cutoff=1, limit=None)
        return [(form, _MISSPELT) for plain, _, _ in found for form in self.forms[plain][:3]]

    def _cut(self, bare: str) -> tuple[str, ...]:
        """Two known words written as one."""
        for cut in range(2, len(bare) - 1):
            if bare[:cut] in self.forms and bare[cut:] in self.forms:
                return bare[:cut], bare[cut:]
        return ()

    def _likeliest(self, choices: Sequence[Sequence[Choice]]) -> tuple[str, ...]:
        """One word of each place, so that all together are likeliest."""
        if all(len(some) == 1 for some in choices):
            return tuple(some[0][0] for some in choices)
        base = len(self.ids) + 2
        ways: list[Way] = [(0.0, len(self.ids), ())]
        for some in choices:
            longer = []
            for form, cost in some:
                at = self.ids.get(form, -1)
                best, way = self._best(ways, base, at)
                longer.append((best + cost, at, (way, form)))
            longer.sort(key=itemgetter(0), reverse=True)
            ways = longer[:_WAYS]
        _, way = self._best(ways, base, base - 1)
        words: list[str] = []
        while way:
            way, form = way
            words.append(form)
        return tuple(reversed(words))

    def _best(self, ways: Sequence[Way], base: int, at: int) -> tuple[float, tuple[Any, ...]]:
        """The likeliest of the ways before this word, and how likely with it. An unknown one, -1, is beside nothing."""
        common, beside = self.alone[at], self.beside.get
        best, chosen = -math.inf, ()
        for sum_, last, way in ways:
            likely = sum_ + (beside(last * base + at, common) if at >= 0 else common)
            if likely > best:
                best, chosen = likely, way
        return best, chosen
