"""How well the screen does on labelled messages: recall by category, severity and style, and what it costs.

Pure. Found means CHECK or more; a false alarm is AMBER or more on a harmless message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bot.errors import ContentError
from bot.messages import LEVELS, Category, Danger, Finding, Level


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled message. `category` is empty for a harmless one; `style` says how it is written."""

    level: Level
    category: Category
    style: str
    text: str


@dataclass(frozen=True, slots=True)
class Score:
    """Shares are 0..1; `cases` maps a cut (`category ipv`, `style implicit`, …) to (found, all)."""

    recall: float
    imminent: float
    imminent_red: float
    category_right: float
    false_alarms: float
    check_on_harmless: float
    dangerous: int
    harmless: int
    cases: Mapping[str, tuple[int, int]]
    missed: tuple[tuple[Row, Danger], ...]
    alarmed: tuple[tuple[Row, Danger], ...]

    def figures(self) -> dict[str, Any]:
        """The figures alone, without anyone's words."""
        plain = ("recall", "imminent", "imminent_red", "category_right", "false_alarms", "check_on_harmless")
        cuts = {cut: {"found": found, "of": of} for cut, (found, of) in sorted(self.cases.items())}
        return {name: round(getattr(self, name), 4) for name in plain} | {
            "dangerous": self.dangerous,
            "harmless": self.harmless,
            "cuts": cuts,
        }


def rows(path: Path) -> list[Row]:
    """Reads level, category, style and text parted by tabs, from a file or every `*.tsv` of a folder.

    Raises ContentError with every fault.
    """
    files = sorted(path.glob("*.tsv")) if path.is_dir() else [path]
    found: list[Row] = []
    faults: list[Finding] = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.split("\t")
            if len(parts) != 4 or parts[0] not in LEVELS or parts[1] not in get_args(Category):
                en = "needs level, category, style, text, parted by tabs"
                faults.append(Finding("error", file.name, number, "row", "cần mức, loại, kiểu, câu, cách bằng tab", en))
                continue
            level: Any = parts[0]
            category: Any = parts[1]
            found.append(Row(level, category, parts[2], parts[3]))
    if faults:
        raise ContentError(faults)
    return found


def score(read: Callable[[str], Danger], cases: Iterable[Row]) -> Score:
    """Reads every message once and counts."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    missed, alarmed = [], []

    def count(cut: str, good: bool) -> None:
        counts[cut][0] += good
        counts[cut][1] += 1

    for row in cases:
        danger = read(row.text)
        if row.category == "":
            count("harmless alarm", danger.level in ("AMBER", "RED"))
            count("harmless check", danger.level == "CHECK")
            count(f"harmless quiet {row.style}", danger.level == "NONE")
            if danger.level != "NONE":
                alarmed.append((row, danger))
            continue
        found = danger.level != "NONE"
        for cut in ("all", f"level {row.level}", f"category {row.category}", f"style {row.style}"):
            count(cut, found)
        if row.level == "RED":
            count("red as red", danger.level == "RED")
        if found:
            count("category right", danger.category == row.category)
        else:
            missed.append((row, danger))

    def share(cut: str) -> float:
        good, all_ = counts[cut]
        return good / all_ if all_ else 0.0

    cuts = {
        cut: (good, of)
        for cut, (good, of) in list(counts.items())
        if cut.split()[0] in ("level", "category", "style", "harmless")
    }
    return Score(
        recall=share("all"),
        imminent=share("level RED"),
        imminent_red=share("red as red"),
        category_right=share("category right"),
        false_alarms=share("harmless alarm"),
        check_on_harmless=share("harmless check"),
        dangerous=counts["all"][1],
        harmless=counts["harmless alarm"][1],
        cases=cuts,
        missed=tuple(missed),
        alarmed=tuple(alarmed),
    )
