"""`python -m bench.communes FIRST SECOND > knowledge/communes.tsv`: makes the list of communes. Measures nothing.

FIRST is the unpacked folder `vietnamadminunits/data` of that package (MIT), SECOND the file `data.py` of the package
`vietnam-address-converter` (Apache-2.0), which somebody else compiled: a row that only one of them has says so. What
did not agree is counted on standard error.
"""

from __future__ import annotations

import ast
import json
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz import fuzz

from bot.nlu.communes import ONE_SOURCE, key_of, letters_of, unit_of
from bot.nlu.places import called

KNOWLEDGE = Path(__file__).parent.parent / "knowledge"
ALIKE = 70  # likeness, 0..100, of two spellings of one commune in one district
HEAD = """\
# Xã, phường, quận, huyện trước 01/7/2025 và nay thuộc đâu. Old and new communes and districts of Viet Nam.
#
# Nguồn: gói Python vietnamadminunits 1.0.4 (github.com/tranngocminhhieu/vietnamadminunits), dữ liệu 2025-08-23, gồm
# danh mục đơn vị hành chính của Cục Thống kê (danhmuchanhchinh.gso.gov.vn) và các nghị quyết năm 2025 của Ủy ban
# Thường vụ Quốc hội về sắp xếp đơn vị hành chính cấp xã (sapnhap.bando.com.vn). Đối chiếu từng dòng với gói
# vietnam-address-converter 1.0.5 (Apache-2.0); dòng chỉ có ở một nguồn ghi “một nguồn”.
# Made by `python -m bench.communes`.
#
# Cột: khóa (tên không dấu, để tra) | xã, phường cũ | quận, huyện cũ | tỉnh cũ | xã, phường nay | tỉnh nay | ghi chú.
# Xã cũ có nhiều dòng là đã chia cho nhiều xã mới. Dòng không có xã cũ: một xã mới, hoặc một huyện cũ. Thứ tự theo khóa.
#
# vietnamadminunits: MIT License, Copyright (c) 2025 Tran Ngoc Minh Hieu
# Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
# documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
# rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
# persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice
# and this permission notice shall be included in all copies or substantial portions of the Software.
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
# WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
# COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
# OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
# Districts gone some years before 2025 that people away still name: name|the province that had it then.
EARLIER = """
Huyện Thông Nông|Cao Bằng, Huyện Phục Hòa|Cao Bằng, Huyện Quảng Uyên|Cao Bằng, Huyện Kỳ Sơn|Hòa Bình,
Huyện Hoành Bồ|Quảng Ninh, Huyện Yên Dũng|Bắc Giang, Huyện Mỹ Lộc|Nam Định, Huyện Đông Sơn|Thanh Hóa,
Huyện Tĩnh Gia|Thanh Hóa, Thị xã Cửa Lò|Nghệ An, Huyện Nam Đông|Thừa Thiên Huế, Huyện Nông Sơn|Quảng Nam,
Huyện Tây Trà|Quảng Ngãi, Huyện Cát Tiên|Lâm Đồng, Huyện Đạ Tẻh|Lâm Đồng, Huyện Đất Đỏ|Bà Rịa - Vũng Tàu,
Huyện Long Điền|Bà Rịa - Vũng Tàu, Huyện Tân Thành|Bà Rịa - Vũng Tàu, Quận 2|Hồ Chí Minh, Quận 9|Hồ Chí Minh
"""
Old = tuple[str, str, str]  # province, district, commune; as keys without unit in the second source
New = tuple[str, str]  # province, commune


def main(folder: Path, file: Path) -> None:
    now_called = called(KNOWLEDGE)
    olds, news = first(folder)
    sources = Sources.of(olds, second(file))
    counts: Counter[str] = Counter()
    lines = [_line("", "", "", ward, now_called[province], "", of=ward) for province, ward in news]
    districts = {(province, district): "" for province, district, _ in olds}
    districts |= {(province, district): "" for district, _, province in _earlier()}
    for (province, district, ward), became in sorted(olds.items()):
        if not ward:
            districts[province, district] = next(iter(became))[1]
            continue
        for (now, commune), note in sources.both((province, district, ward), became, counts):
            lines.append(_line(ward, district, province, commune, now_called[now], note, of=ward))
            if now_called[now] != now_called[province]:
                print(f"another province: {ward}, {district}, {province} -> {now}", file=sys.stderr)
    lines += [_line("", d, p, now, now_called[p], "", of=d) for (p, d), now in districts.items()]
    sys.stdout.write(HEAD + "".join(sorted(set(lines), key=str.encode)))
    counts |= {"old communes": sum(1 for old in olds if old[2]), "new communes": len(news), "districts": len(districts)}
    for name, count in counts.items():
        print(f"{count:6} {name}", file=sys.stderr)


def _line(old: str, district: str, province: str, now: str, place: str, note: str, *, of: str) -> str:
    return "\t".join((key_of(of), old, district, province, now, place, note)) + "\n"


def _called(province: str) -> str:
    """Huế was called otherwise until half a year before."""
    return "Thừa Thiên Huế" if province == "Huế" else province


def _earlier() -> Iterator[tuple[str, str, str]]:
    return (item.strip().partition("|") for item in EARLIER.replace("\n", " ").split(",") if item.strip())


def first(folder: Path) -> tuple[dict[Old, set[New]], list[New]]:
    """Old communes with what they became, and all new ones. Five island districts had no communes."""
    base = sqlite3.connect(folder / "dataset.db")
    query = "SELECT provinceKey, wardKey, provinceShort, ward FROM admin_units"
    new = {(p, w): (province, ward) for p, w, province, ward in base.execute(query)}
    query = "SELECT provinceKey, districtKey, wardKey, provinceShort, district, ward FROM admin_units_legacy"
    old = {
        f"{p}_{d}_{w or ''}": (_called(province), district, ward or "")
        for p, d, w, province, district, ward in base.execute(query)
    }
    found: dict[Old, set[New]] = defaultdict(set)
    table = json.loads((folder / "converter_2025.json").read_text("utf-8"))
    for province, wards in table["DICT_PROVINCE_WARD_NO_DIVIDED"].items():
        for ward, parts in wards.items():
            for part in parts:
                found[old[part]].add(new[province, ward])
    for province, split in table["DICT_PROVINCE_WARD_DIVIDED"].items():
        for part, pieces in split.items():
            found[old[part]] |= {new[province, piece["newWardKey"]] for piece in pieces}
    return found, sorted(new.values())


def second(file: Path) -> dict[Old, set[New]]:
    """The same of the other source, by keys: (province, district, unit and name) -> (province, unit and name)."""
    tree = ast.parse(file.read_text("utf-8"))
    text = next(node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and str(node.value)[:1] == "{")
    found: dict[Old, set[New]] = defaultdict(set)
    for row in json.loads(str(text))["mapping"]["rows"]:
        old, new = row["old"], row["new"]
        where = (_key(old["province_name"]), key_of(old["district_name"]), _full(old["ward_name"]))
        found[where].add((_key(new["province_name"]), _full(new["ward_name"])))
    return found


def _key(province: str) -> str:
    key = key_of(province.removeprefix("Tỉnh ").removeprefix("tỉnh "))
    return "hue" if key == "thuathienhue" else key


def _full(name: str) -> str:
    """Unit and name with its marks: some communes of one district differ in nothing else."""
    return f"{unit_of(name)[0]} {letters_of(name)[0]}"


@dataclass
class Sources:
    """Both sources, by what is looked for in them."""

    seconds: Mapping[Old, set[New]]
    names: dict[New, New]  # new communes by their keys
    namesakes: dict[str, list[tuple[Old, set[New]]]]  # old communes by their names
    near: dict[tuple[str, str], list[tuple[str, set[New]]]]  # old communes of the second source by district

    @classmethod
    def of(cls, olds: Mapping[Old, set[New]], seconds: Mapping[Old, set[New]]) -> Sources:
        held = cls(seconds, {}, defaultdict(list), defaultdict(list))
        for old, news in olds.items():
            held.namesakes[old[2]].append((old, news))
            held.names |= {(_key(province), _full(commune)): (province, commune) for province, commune in news}
        for (province, district, ward), news in seconds.items():
            held.near[province, district].append((ward, news))
        return held

    def both(self, old: Old, became: set[New], counts: Counter[str]) -> Iterator[tuple[New, str]]:
        """What the commune became by both sources, each with its note. The first one mixes up communes of one name that
        lie in one province now: where the second tells them apart, the namesake's are left out."""
        own = {(_key(province), _full(commune)) for province, commune in became}
        theirs = self._theirs(old, own, counts)
        if not theirs:
            counts["only in the first"] += 1
            yield from ((new, ONE_SOURCE) for new in sorted(became))
            return
        sakes: set[New] = set()
        for other, its in self.namesakes[old[2]]:
            if other != old and its & became:
                sakes |= self.seconds.get((_key(other[0]), key_of(other[1]), _full(other[2])), set())
        left = own & sakes - theirs
        counts["a namesake's left out"] += bool(left)
        own -= left
        counts["agree"] += own == theirs
        counts["the first has more parts"] += bool(own - theirs)
        counts["the second has more parts"] += bool(theirs - own)
        for new in sorted(own | theirs):
            yield self.names[new], "" if new in own & theirs else ONE_SOURCE

    def _theirs(self, old: Old, own: set[New], counts: Counter[str]) -> set[New]:
        province, district, ward = _key(old[0]), key_of(old[1]), _full(old[2])
        if (province, district, ward) in self.seconds:
            return self.seconds[province, district, ward]
        near = [(fuzz.ratio(ward, other), sorted(news)) for other, news in self.near[province, district] if news & own]
        score, news = max(near, default=(0, []))
        if score < ALIKE:
            return set()
        counts["spelt otherwise in the second"] += 1
        return set(news)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
