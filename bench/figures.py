"""What a measurement says: one line with a figure, its target and whether it was met. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`met` is None for a figure that is only reported."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None


def at_most(what: str, value: float, limit: float, unit: str) -> Figure:
    return Figure(what, f"{value:.3g} {unit}".strip(), f"≤ {limit:g} {unit}".strip(), value <= limit)


def at_least(what: str, value: float, limit: float, unit: str = "") -> Figure:
    return Figure(what, f"{value:.3g} {unit}".strip(), f"≥ {limit:g} {unit}".strip(), value >= limit)


def nothing(what: str, count: int) -> Figure:
    """Something of which there may be none."""
    return Figure(what, str(count), "0", count == 0)


def told(what: str, text: str) -> Figure:
    return Figure(what, text)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0..1) of all values do not exceed; NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def table(figures: Iterable[Figure]) -> str:
    marks = {True: "ok", False: "MISSED", None: ""}
    rows = [("what", "figure", "target", "")] + [(f.what, f.figure, f.target, marks[f.met]) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
