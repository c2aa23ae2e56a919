"""Provinces, districts and communes in a text, by their names before and since 2025-07-01. Never raises.

A name that many places share gives them all. A name that is also an ordinary word counts only after a word for a place,
beside the district or province it lies in, or when she was just asked where she is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot import yamlfile
from bot.nlu import communes, syllable
from bot.nlu.communes import PLAIN_UNITS, UNITS, Communes, Row, Word, joined, letters_of, same, unit_of, words_of

Form = tuple[str, ...]
LONGEST_NAME = 6  # words
LONGEST_DISTRICT = 4
_WORD = re.compile(r"[^\W_]+")
_COMMON = frozenset({("hòa", "bình")})  # also mean something else: only after a cue, or alone
_SHORT = {"x": "xa", "p": "phuong", "f": "phuong", "tt": "thi tran", "h": "huyen", "q": "quan", "tx": "thi xa"}
_SHORT |= {"tp": "thanh pho"}
_DISTRICTS = frozenset(("quan", "huyen", "thi xa", "thanh pho"))
_GLUED = re.compile(r"(p|f|q)(\d{1,2})")
_BETWEEN = frozenset("thuoc o cua cu tinh moi".split())  # between the names of one place
_BEFORE = frozenset(  # before the answer to “where do you live?”
    "o tai que ve ben duoi tren trong ngoai vung dat dia chi da vang a em e c toi t tui minh m con chau nha gia dinh "
    "dang hien gio bay song thue tro day la thuong tru tam ho khau goc dan nguoi".split()
)
_AFTER = frozenset("a da vang nha nhe chi c do day ne cu nay oi em e ah roi".split())
_ORDINARY = frozenset(  # keys of communes that are also what she may well answer
    "dongy congan vanphong trungtam giadinh hopdong antoan tudo thanhcong binhyen hanhphuc yentam hoathuan baoai conoi "
    "cholau cole thuba tunhien lagi chauo conco condao cobi sonha quenha quexa dinhcu tanhoc bancong vanhoa".split()
)


@dataclass(frozen=True, slots=True)
class Places:
    """Names of provinces: first plain token -> (form, province id, needs a cue before it); and the list of communes.

    `ids` gives a province's id for every name it has or had, in lower case; `gone` are the plain names that no province
    has any more; `keys` are all names as keys of the list. `homes` are the names of old provinces that have an
    office of their own -> what the slot `province` holds for them (`bot.knowledge.places.home_for`).
    """

    names: Mapping[str, tuple[tuple[Form, str, bool], ...]] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    homes: Mapping[Form, str] = field(default_factory=dict)
    communes: Communes = field(default_factory=Communes)


@dataclass(frozen=True, slots=True)
class Spot:
    """A district or commune that was named. `start` and `end` index the text; `rows` are all it may be, equally well;
    `provinces` their ids, the likeliest first: one is certain, of several she must be asked. `cued`: a word for a place
    stood before it; `within`: its province stood after it."""

    start: int
    end: int
    rows: tuple[Row, ...]
    provinces: tuple[str, ...]
    cued: bool = False
    within: bool = False


def load_places(root: Path) -> Places:
    """Reads `provinces.yml` and `communes.tsv` below `root`; their faults are told by `osso kb check`, here an odd
    entry is passed over."""
    document, _ = yamlfile.read(root / "provinces.yml")
    names: dict[str, set[tuple[Form, str, bool]]] = defaultdict(set)
    homes: dict[Form, str] = {}
    ids: dict[str, str] = {}
    now: set[str] = set()
    rows = document.data.get("provinces", []) if document and isinstance(document.data, dict) else []
    for row in rows if isinstance(rows, list) else []:
        called = [str(n) for n in (row.get("short"), *(row.get("old") or ())) if n]
        plain = [*called, *(str(n) for n in row.get("aliases") or ())]
        for name, cued in [(n, False) for n in plain] + [(str(n), True) for n in row.get("abbreviations") or ()]:
            if form := _form(name):
                names[syllable.strip(form[0])].add((form, str(row.get("id", "")), cued or form in _COMMON))
        for one in row.get("old_offices") or ():
            homes |= {_form(str(n)): str(one.get("old")) for n in (one.get("old"), *(one.get("aliases") or ()))}
        ids |= {name.lower(): str(row.get("id", "")) for name in called}
        now |= {syllable.strip(name.lower()) for name in called[:1]}
    return Places(
        {first: tuple(sorted(forms, key=lambda f: (-len(f[0]), f))) for first, forms in names.items()},
        ids,
        frozenset(syllable.strip(name) for name in ids) - now,
        frozenset(joined(words_of(name))[1] for name in ids),
        homes,
        communes.load(root / "communes.tsv"),
    )


def _form(name: str) -> Form:
    return tuple(syllable.settle(t) for t in _WORD.findall(unicodedata.normalize("NFC", name.lower())))


def homes(spot: Spot, places: Places) -> tuple[str, ...]:
    """For each of the spot's provinces its id, or its old province with an office of its own, when the place lies in
    that for certain: a new commune only if every part of it did."""
    return tuple(_home(spot.rows, province, places) for province in spot.provinces)


def _home(rows: Sequence[Row], province: str, places: Places) -> str:
    own = set(places.homes.values())
    if not any(places.ids.get(old.lower()) == province for old in own):
        return province
    mine = [row for row in rows if places.ids.get(row.province.lower()) == province]
    olds = {
        old for row in mine for old in ([row.old_province] if row.old_province else places.communes.before(row) or [""])
    }
    return olds.pop() if len(olds) == 1 and olds <= own else province


def called(root: Path) -> dict[str, str]:
    """Each name that a province of `provinces.yml` had or has -> the name it goes by now."""
    document, _ = yamlfile.read(root / "provinces.yml")
    rows = document.data.get("provinces", []) if document and isinstance(document.data, dict) else []
    return {str(name): str(row["short"]) for row in rows for name in (row["short"], *(row.get("old") or ()))}


def fits(words: Sequence[Word], at: int, form: Form) -> bool:
    """Whether these words stand here, each with its marks or without."""
    part = words[at : at + len(form)]
    return len(part) == len(form) and all(w[0] in (f, syllable.strip(f)) for w, f in zip(part, form, strict=True))


def spots(words: Sequence[Word], text: str, places: Places, *, asked: bool = False) -> tuple[Spot, ...]:
    """The districts and communes that a text names, in its order. `words` index `text`, which is in lower case;
    `asked`: she was just asked where she is."""
    if not places.communes:
        return ()
    return tuple(_Search(list(_split(words)), text, places, asked).spots())


def _split(words: Sequence[Word]) -> Iterator[Word]:
    """“p5” and “q8” as two words."""
    for word in words:
        if glued := _GLUED.fullmatch(word[0]):
            middle = word[2] + 1
            yield glued[1], glued[1], word[2], middle
            yield glued[2], glued[2], middle, word[3]
        else:
            yield word


@dataclass(frozen=True, slots=True)
class _Unit:
    name: str
    width: int
    sure: bool  # written with its marks, in two words, or as an abbreviation with its point


@dataclass(frozen=True, slots=True)
class _Tie:
    """How well what stands around a row names its district and province, and where that ends."""

    row: Row
    strength: int
    end: int
    within: bool


class _Search:
    def __init__(self, words: list[Word], text: str, places: Places, asked: bool) -> None:
        self.words = words
        self.text = text
        self.places = places
        self.asked = asked
        self.bare = not any(syllable.is_marked(word[0]) for word in words)
        keys = [joined([word])[1] for word in words]
        self.anchors = [at for at in range(len(words)) if self._anchor(keys, at)]

    def spots(self) -> list[Spot]:
        found: list[Spot] = []
        at = 0
        while at < len(self.words):
            spot, at = self._at(at)
            if spot:
                found.append(spot)
        return [self._agreed(spot, found) for spot in found]

    def _at(self, at: int) -> tuple[Spot | None, int]:
        """The place that begins at this word, and where to look on."""
        unit = self._unit(at)
        begin = at + (unit.width if unit else 0)
        if unit is None and not self.asked and not any(at < near <= at + LONGEST_NAME + 2 for near in self.anchors):
            return None, at + 1
        best: list[_Tie] = []
        for size in range(min(LONGEST_NAME, len(self.words) - begin), 0 if unit else 1, -1):
            ties = [self._tie(row, at, begin + size) for row in self._called(begin, size, unit)]
            most = max((tie.strength for tie in ties), default=0)
            if (most or self._alone(unit, at, size)) and (ties and (not best or most > best[0].strength)):
                best = [tie for tie in ties if tie.strength == most]
        if not best:
            return None, at + 1
        end = max(tie.end for tie in best)
        rows = tuple(tie.row for tie in best)
        within = any(tie.within for tie in best)
        spot = Spot(self.words[at][2], self.words[end - 1][3], rows, self._provinces(rows), unit is not None, within)
        return spot, end

    def _anchor(self, keys: list[str], at: int) -> bool:
        """Whether a province or a district may be named here: only before one a bare name is looked for."""
        if any(fits(self.words, at, form) for form, _, _ in self.places.names.get(self.words[at][1], ())):
            return True
        districts = self.places.communes.districts
        return any("".join(keys[at : at + size]) in districts for size in range(1, LONGEST_DISTRICT + 1))

    def _unit(self, at: int) -> _Unit | None:
        """The word for a place that stands here. Unmarked “xa”, “quan”, “phuong” are one only where she writes no marks
        at all: beside marked words they are far, about and a name."""
        words = self.words
        two = at + 2 < len(words) and PLAIN_UNITS.get((words[at][1], words[at + 1][1]))
        if two and not self._gap(at + 1).strip():
            return _Unit(two, 2, sure=True)
        if at + 1 >= len(words):
            return None
        marked, plain, *_ = words[at]
        gap = self._gap(at).strip()
        if (unit := PLAIN_UNITS.get((plain,))) and not gap:
            right = any(marked == one.lower() for one in UNITS)
            return _Unit(unit, 1, sure=right) if right or (self.bare and marked == plain) else None
        if (unit := _SHORT.get(marked)) and gap in ("", "."):
            return _Unit(unit, 1, sure=bool(gap))
        return None

    def _gap(self, at: int) -> str:
        """What stands between this word and the next."""
        return self.text[self.words[at][3] : self.words[at + 1][2]]

    def _called(self, begin: int, size: int, unit: _Unit | None) -> list[Row]:
        """The rows with the name that these words write, of that unit; of one alike when there are none, for wards were
        communes and towns were districts."""
        said, key = joined(self.words[begin : begin + size])
        if unit is None and (key in self.places.keys or (said == key and key in _ORDINARY)):
            return []  # a province: it is read elsewhere; or “van phong Hai Phong”
        rows = [row for row in self.places.communes.rows(key) if self._written(row.name, said, size)]
        if not self.bare:  # beside marked words “Nga Thanh” is that, and “Nga Thành” only where there is no such
            rows = [row for row in rows if letters_of(row.name)[0] == said] or rows
        if unit is None:
            return rows
        exact = [row for row in rows if unit_of(row.name)[0] == unit.name]
        if exact or not unit.sure:
            return exact
        return [row for row in rows if row.is_district == (unit.name in _DISTRICTS)]

    def _written(self, name: str, said: str, size: int) -> bool:
        """Whether these letters in so many words are that name. A name of one word is too easily another word: it takes
        its marks. “Ea H'leo” may be two words or three."""
        marked, plain, count = letters_of(name)
        if size != count and "'" not in name:
            return False
        return said == marked if count == 1 and not plain.isdecimal() else same(said, marked, loose=self.asked)

    def _alone(self, unit: _Unit | None, at: int, size: int) -> bool:
        """Whether a name counts with neither its district nor its province beside it."""
        begin = at + (unit.width if unit else 0)
        key = joined(self.words[begin : begin + size])[1]
        if key.isdecimal():
            return unit is not None and unit.name == "quan"  # a ward's number is shared by dozens
        if unit is None:
            return self.asked and size > 1 and key not in _ORDINARY and self._whole(at, begin + size)
        if unit.name == "xa" and not unit.sure:
            return self.asked and key not in _ORDINARY  # “xa” is far
        return unit.sure or size > 1

    def _whole(self, start: int, end: int) -> bool:
        """Whether nothing but small words stands around these."""
        before, after = self.words[:start], self.words[end:]
        return all(word[1] in _BEFORE for word in before) and all(word[1] in _AFTER for word in after)

    def _tie(self, row: Row, at: int, end: int) -> _Tie:
        strength, within = 0, False
        if row.old:
            if after := self._district(row, self._over(end)):
                strength, end = 2, after
            elif self._district_before(row, at):
                strength = 2
        after, value = self._province(row, self._over(end))
        if value:
            strength, end, within = strength + value, after, True
        return _Tie(row, strength, end, within)

    def _over(self, at: int) -> int:
        while at < len(self.words) and self.words[at][1] in _BETWEEN:
            at += 1
        return at

    def _district(self, row: Row, at: int) -> int:
        """Where the name of the row's district ends that stands here, with or without its unit; else 0. A number needs
        its unit (“quận 8”)."""
        words = self.words
        starts = [at]
        if at + 1 < len(words) and (words[at][1] in _SHORT or (words[at][1],) in PLAIN_UNITS):
            starts.insert(0, at + 1)
        if at + 2 < len(words) and (words[at][1], words[at + 1][1]) in PLAIN_UNITS:
            starts.insert(0, at + 2)
        marked, plain, count = letters_of(row.district)
        for start in starts:
            part = words[start : start + count]
            if len(part) == count and not (plain.isdecimal() and start == at):
                said = joined(part)
                twice = start == at and plain == letters_of(row.name)[1] == said[0]  # “cho moi, cho moi”
                if said[1] == plain and same(said[0], marked) and not twice:
                    return start + count
        return 0

    def _district_before(self, row: Row, at: int) -> bool:
        """Whether the row's district was named just before (“huyện Kim Thành, xã Kim Anh”)."""
        count = letters_of(row.district)[2]
        return at >= count and self._district(row, at - count) == at

    def _province(self, row: Row, at: int) -> tuple[int, int]:
        """(where the name of the row's province ends that stands here; 2 for its old one, 1 for its new)."""
        words, places = self.words, self.places
        if at < len(words) and words[at][1] == "tp":
            at += 1
        elif at + 1 < len(words) and (words[at][1], words[at + 1][1]) == ("thanh", "pho"):
            at += 2
        if at >= len(words):
            return at, 0
        own = places.ids.get(row.province.lower(), "")
        for form, place, cued in places.names.get(words[at][1], ()):
            if place != own or (cued and len(form) == 1 and not self.asked) or not fits(words, at, form):
                continue
            said = syllable.strip(" ".join(form))
            if said == syllable.strip(row.old_province.lower()):
                return at + len(form), 2
            return (at, 0) if row.old_province and said in places.gone else (at + len(form), 1)
        return at, 0

    def _provinces(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Their ids, that of a district before those of communes, then those with most rows."""
        counts: Counter[str] = Counter()
        for row in rows:
            counts[self.places.ids.get(row.province.lower(), "")] += (
                len(self.places.communes.starts) if row.is_district else 1
            )
        return tuple(place for place, _ in counts.most_common() if place)

    def _agreed(self, spot: Spot, others: Sequence[Spot]) -> Spot:
        """A place of several, narrowed by the district or the one province that she names anywhere else."""
        if len(spot.rows) == 1:
            return spot
        districts = {(r.district, r.old_province) for other in others for r in other.rows if r.is_district}
        kept = [row for row in spot.rows if not row.is_district and (row.district, row.old_province) in districts]
        if not kept and len(spot.provinces) > 1:
            named = self._named(spot)
            kept = (
                [row for row in spot.rows if self.places.ids.get(row.province.lower()) in named]
                if len(named) == 1
                else []
            )
        return replace(spot, rows=tuple(kept), provinces=self._provinces(kept)) if kept else spot

    def _named(self, spot: Spot) -> set[str]:
        """The provinces that stand outside this place."""
        found: set[str] = set()
        for at, word in enumerate(self.words):
            for form, place, cued in self.places.names.get(word[1], ()):
                outside = word[3] <= spot.start or word[2] >= spot.end
                if outside and not cued and fits(self.words, at, form):
                    found.add(place)
                    break
        return found
