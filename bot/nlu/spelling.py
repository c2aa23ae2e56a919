"""Mends a token that is no Vietnamese syllable toward a word of the knowledge base. Pure; a real syllable is never
changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein
from rapidfuzz.process import extractOne

from bot.nlu import syllable

_MOST = 12  # tokens mended in one message


@dataclass(frozen=True, slots=True)
class Speller:
    """`known` are the plain words of the knowledge base with how often they stand there, commonest first."""

    known: Mapping[str, int]
    keep: frozenset[str] = frozenset()

    def mend(self, tokens: Sequence[str], plain: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The tokens and their plain forms with misspelt ones replaced; a mended token has no marks."""
        if all(self._fine(p) for p in plain):
            return tuple(tokens), tuple(plain)
        out: list[str] = []
        out_plain: list[str] = []
        left = _MOST
        for token, bare in zip(tokens, plain, strict=True):
            better: tuple[str, ...] = ()
            if left and not self._fine(bare):
                left -= 1
                better = self._better(bare)
            out += better or (token,)
            out_plain += better or (bare,)
        return tuple(out), tuple(out_plain)

    def _fine(self, bare: str) -> bool:
        return (
            len(bare) < 3 or len(bare) > 20 or not bare.isascii() or not bare.isalpha()
            or bare in self.known or bare in self.keep or syllable.could_be(bare)
        )  # fmt: skip

    def _better(self, bare: str) -> tuple[str, ...]:
        found = extractOne(bare, list(self.known), scorer=DamerauLevenshtein.distance, score_cutoff=1)
        if found:
            return (found[0],)
        for cut in range(2, len(bare) - 1):
            if bare[:cut] in self.known and bare[cut:] in self.known:
                return bare[:cut], bare[cut:]
        return ()
