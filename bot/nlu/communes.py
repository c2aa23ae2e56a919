"""The list of communes and districts before and since 2025-07-01: `knowledge/communes.tsv`.

It stays the bytes of its file, sorted by the first column, and every look-up is a binary search in it: some 15,000 rows
cost one megabyte. `load` and `read` touch the disk; a broken line is passed over by the first and told by the second.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bot.messages import Finding
from bot.nlu import syllable

Word = tuple[str, str, int, int]  # marked, plain, start, end

COLUMNS = 7
ONE_SOURCE = "một nguồn"
NOTES = ("", ONE_SOURCE)
UNITS = ("Thị trấn", "Thị xã", "Thành phố", "Đặc khu", "Phường", "Xã", "Quận", "Huyện")
PLAIN_UNITS = {tuple(syllable.strip(unit.lower()).split()): syllable.strip(unit.lower()) for unit in UNITS}
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vii": "7", "viii": "8"}
_I = str.maketrans("yýỳỷỹỵ", "iíìỉĩị")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list. Of an old commune: what it was and one of those it became. Of a new one: `now` and
    `province`. Of a district: where it was. Names carry their unit (“Xã Kim Anh”), provinces are as they are called."""

    key: str
    old: str
    district: str
    old_province: str
    now: str
    province: str
    note: str

    @property
    def is_district(self) -> bool:
        return not self.old and bool(self.district)

    @property
    def name(self) -> str:
        return self.old or self.district or self.now


@dataclass(frozen=True, slots=True)
class Communes:
    """The bytes of the list, where its lines begin, and the keys of the districts."""

    lines: bytes = b""
    starts: array[int] = field(default_factory=lambda: array("I"))
    districts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lines: bytes) -> Communes:
        starts, at = array("I"), 0
        while at < len(lines):
            if lines[at] not in b"#\n":
                starts.append(at)
            at = lines.find(b"\n", at) + 1 or len(lines)
        keys = re.findall(rb"\n([^\t\n#]+)\t\t[^\t\n]", lines)
        return cls(lines, starts, frozenset(key.decode("utf-8", "replace") for key in keys))

    def __bool__(self) -> bool:
        return bool(self.starts)

    def rows(self, key: str) -> list[Row]:
        """The lines with this key (see `key_of`); a broken line is passed over, `read` tells of it."""
        wanted = key.encode() + b"\t"
        size = len(wanted)
        first = bisect_left(self.starts, wanted, key=lambda at: self.lines[at : at + size])
        found = []
        for at in self.starts[first:]:
            if not self.lines.startswith(wanted, at):
                break
            end = self.lines.find(b"\n", at)
            cells = self.lines[at : end if end >= 0 else None].decode("utf-8", "replace").split("\t")
            if len(cells) == COLUMNS:
                found.append(Row(*cells))
        return found

    def before(self, commune: Row) -> frozenset[str]:
        """The old provinces that a new commune was made of."""
        found = re.finditer(
            rb"\t([^\t\n]+)\t%b\t" % re.escape(f"{commune.now}\t{commune.province}".encode()), self.lines
        )
        return frozenset(match[1].decode("utf-8", "replace") for match in found)


def load(path: Path) -> Communes:
    """The list, or an empty one when there is none."""
    try:
        return Communes.of(path.read_bytes().replace(b"\r\n", b"\n"))
    except OSError:
        return Communes()


def words_of(name: str) -> list[Word]:
    """The words of a name as `_Flat.words` gives those of a text."""
    low = name.lower()
    return [
        (syllable.settle(match[0]), syllable.strip(match[0]), match.start(), match.end())
        for match in re.finditer(r"[^\W_]+", low)
    ]


@lru_cache(maxsize=200)
def unit_of(name: str) -> tuple[str, int]:
    """“Thị trấn Mỹ Long” -> (“thi tran”, 2 words)."""
    plain = tuple(word[1] for word in words_of(name)[:2])
    for size in (2, 1):
        if unit := PLAIN_UNITS.get(plain[:size]):
            return unit, size
    return "", 0


def key_of(name: str) -> str:
    """The key of a full name: plain letters without spaces and without the unit; “Xã Mỹ Lý 2” -> “mili2”."""
    return letters_of(name)[1]


def joined(words: Sequence[Word]) -> tuple[str, str]:
    """Marked and plain letters of words without spaces: numbers alike (03, III), i and y alike (Mỹ, Mĩ)."""
    marked, plain = [], []
    for index, (said, bare, _, _) in enumerate(words):
        if bare.isdecimal():
            said = bare = bare.lstrip("0") or "0"  # noqa: PLW2901 - the same word, spelt one way
        elif index == len(words) - 1 and said in _ROMAN:
            said = bare = _ROMAN[said]  # noqa: PLW2901
        elif len(bare) > 1 and bare[-1] == "y" and (bare[-2] not in "aeou" or bare == "quy"):
            said, bare = said[:-1] + said[-1].translate(_I), bare[:-1] + "i"  # noqa: PLW2901
        marked.append(said)
        plain.append(bare)
    return "".join(marked), "".join(plain)


def same(said: str, name: str, *, loose: bool = False) -> bool:
    """Whether a name was written with all its marks or with none; `loose`: also with some."""
    if said in (name, syllable.strip(name)):
        return True
    return (
        loose and len(said) == len(name) and all(a in (b, syllable.strip(b)) for a, b in zip(said, name, strict=True))
    )


@lru_cache(maxsize=200)
def letters_of(name: str) -> tuple[str, str, int]:
    """Marked and plain letters of a full name without its unit, and of how many words."""
    words = words_of(name)[unit_of(name)[1] :]
    return *joined(words), len(words)


# --- checking ---------------------------------------------------------------------------------------------------------


def read(path: Path, provinces: Mapping[str, str], *, root: Path) -> list[Finding]:
    """Every fault of the file. `provinces`: each name a province had or has -> the name it has now."""
    name = path.relative_to(root).as_posix()
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        vi, en = "không đọc được tệp (cần UTF-8)", "cannot read the file as UTF-8"
        return [Finding("error", name, 1, "unreadable", vi, en)]
    now = {
        (cells[5], cells[4]) for cells in (line.split("\t") for line in lines) if len(cells) == COLUMNS and not cells[2]
    }
    seen: dict[str, int] = {}
    found: list[Finding] = []
    before = ""
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip():
            continue
        for code, vi, en in _wrong(line.split("\t"), provinces, now):
            found.append(Finding("error", name, number, code, vi, en))
        if first := seen.get(line):
            vi, en = f"lặp lại dòng {first}", f"the same as line {first}"
            found.append(Finding("error", name, number, "same", vi, en))
        elif line.encode() < before.encode():
            vi, en = "sai thứ tự: xếp theo cột đầu, từ a đến z", "out of order: sort by the first column"
            found.append(Finding("error", name, number, "order", vi, en))
        seen.setdefault(line, number)
        before = line
    return found


def _wrong(cells: list[str], provinces: Mapping[str, str], now: set[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """(code, Vietnamese, English) for each fault of one line."""
    if len(cells) != COLUMNS:
        yield "columns", f"cần {COLUMNS} cột cách nhau bằng Tab, đây có {len(cells)}", f"{COLUMNS} columns are needed"
        return
    row = Row(*cells)
    for name in filter(None, (row.old, row.district, row.now)):
        if not unit_of(name)[0]:
            yield "unit", f"“{name}” thiếu chữ xã, phường, huyện… ở đầu", f"“{name}” has no unit before it"
    if row.key != key_of(row.name):
        yield "key", f"khóa phải là “{key_of(row.name)}”", f"the key must be “{key_of(row.name)}”"
    if row.note not in NOTES:
        yield "note", f"ghi chú chỉ là trống hoặc “{ONE_SOURCE}”", f"the note is empty or “{ONE_SOURCE}”"
    if bool(row.district) != bool(row.old_province) or (row.old and not row.now) or not (row.district or row.now):
        yield (
            "cells",
            "thiếu ô: xã cũ cần huyện, tỉnh cũ và xã nay",
            "an old commune needs district, province and commune",
        )
    if row.province not in provinces.values():
        yield "province", f"không có tỉnh “{row.province}” trong provinces.yml", f"unknown province “{row.province}”"
    elif row.old_province and provinces.get(row.old_province) != row.province:
        vi = f"“{row.old_province}” không thành “{row.province}” theo provinces.yml"
        yield "province", vi, f"“{row.old_province}” did not become “{row.province}”"
    elif row.old and row.now and (row.province, row.now) not in now:
        yield (
            "now",
            f"không có dòng riêng cho {row.now}, {row.province}",
            f"{row.now}, {row.province} has no line of its own",
        )
