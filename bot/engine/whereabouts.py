"""Communes and districts she names: which province she is in, and where a place of before July 2025 lies now.

Of several places with one name none is chosen for her; and what the list says, the commune's own office confirms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.engine import answers
from bot.engine.book import Talk, person_choice, then
from bot.flows.values import Collect
from bot.flows.words import fold
from bot.knowledge import shorts
from bot.messages import Choice, State, Turn
from bot.nlu import Row, Spot, homes, named

FEW = 3  # words beside a place that is all she says
ADDRESS = 20  # words of the longest address
SHORT = 12  # words of a message that asks for nothing else
_ASKS = re.compile(
    r"\b(?:thuoc (?:tinh|xa|phuong|thanh pho|dau|ve dau|noi nao)|(?:sap )?nhap (?:vao|vo|ve|voi|lai)|doi (?:ten|thanh)"
    r"|ten (?:moi|gi)|(?:gio|nay|moi) (?:la|goi|thuoc|thanh|ten)|(?:xa|phuong|tinh) (?:nao|gi)\b|ve (?:dau|mo|tinh|xa))"
)

_ME = "em|e|minh|toi|tui|chau"
_HERS = rf"(?:nha|que|gia dinh|me con) (?:{_ME})"
_LIVES = re.compile(  # ends before a place where she is: “hiện em đang ở tỉnh …”, “nhà em ở thôn 3, …”, “quê …”
    rf"(?:^|(?P<before>\S+) )(?:(?:(?:{_ME})(?: ten \w+(?: ,)?)?|{_HERS}|(?P<bare>nha|que)) "
    r"(?:(?:thi|la|hien|tai|dang|bay|gio|nay|van|cung|thue|song|tro|tam|thuong|tru|goc) )*"
    rf"(?:o(?: tan| tren| duoi| ngoai| trong)?|tai|que|que o|nguoi|dan)|{_HERS}|(?P<home>que))"
    r"(?: (?:tinh|tp|thanh pho))?(?: (?:thon|xom|ap|khu|khom|to|lang|duong|ngo|so|xa|phuong|huyen|quan|thi|gan)\b"
    r"(?:(?! (?:o|ve|tu|sang|di|lam|chong) ).){0,60})?$"
)
_OTHERS = frozenset(  # before “em ở”: somebody else, or another time
    "chong con me bo ba ma cha anh chi ong chau ban nguoi ho ty vo dua be gai trai co chu bac di cau mo thim noi ngoai "
    "cua khau ban neu hoi luc khi truoc mua thue xay can xom".split()
)
_OPENING = re.compile(r"^(?:da|vang|chao|thua|alo|hi|ad|osso)(?: (?:da|vang|chi|c|oi|a|ad|admin|osso|co))* (?=\S)")
_MAY_I = re.compile(r"(?:co )?(?:duoc|dc) (?:khong|ko|k)\b|ben (?:trung quoc|tq)\b")  # Hà Nam is Henan too


@dataclass(frozen=True, slots=True)
class _Group:
    """One place: as it was, or a new one that no list of old ones explains; and what it became."""

    name: str
    address: str  # names it without doubt
    short: str  # tells it from its namesakes
    now: tuple[str, ...]
    province: str
    kind: str  # moved, district or new


def provinces(talk: Talk) -> tuple[str, tuple[str, ...]]:
    """(the place her answer to “where are you?” names, the provinces it may lie in, as the slot holds them, likeliest
    first)."""
    spots = named(talk.ear.text, talk.book.places, asked=True)
    if not spots:
        return "", ()
    return talk.ear.text[spots[-1].start : spots[-1].end], homes(spots[-1], talk.book.places)


def mentioned(talk: Talk) -> str:
    """Where she says in passing that she is (“em ở Hải Dương, làm khai sinh cho con ở đâu”), as the slot `province`
    holds it; empty when she does not say."""
    found = [item for item in talk.ear.reading.entities if item.kind == "province"]
    spots = named(talk.ear.text, talk.book.places) if found else ()
    for item in reversed(found):
        start = min([item.start, *(spot.start for spot in spots if spot.start <= item.start < spot.end)])
        if _lives(talk.ear.text[:start]) and not _MAY_I.match(fold(talk.ear.text[item.end :])):
            return item.value
    return ""


def _lives(before: str) -> bool:
    """Whether these words, just before a place, say that she is there."""
    sentence = re.split(r"[.;!?\n]", before.lower())[-1].replace("túi", "")  # a bag is not “tui”
    said = _OPENING.sub("", " , ".join(fold(part) for part in sentence.split(",")).strip(" ,") + " ").strip()
    match = _LIVES.search(said)
    if match is None or (match["before"] or "") in _OTHERS:
        return False
    nobodys = match["bare"] or match["home"]  # “chồng em tên Nam, quê Hải Dương”
    return not nobodys or _OTHERS.isdisjoint(said[: match.start()].split())


def which(talk: Talk, state: State, question: Collect) -> Turn | None:
    """She named a place that several provinces have: one question which it is, never a second."""
    place, found = provinces(talk)
    if len(found) < 2 or state.unknowns:
        return None
    shown = ((talk.shown("province", home, state.locale), home) for home in found)
    choices = [Choice(title, f"/SetSlots({question.slot}={home})") for title, home in shown]
    reply = talk.say("utter_which_province", state, {**state.slots, "place": place})
    last = reply.choices if question.skip else (person_choice(talk, state),)
    reply = replace(reply, choices=(*choices[: _room(talk)], *last))
    after = replace(state, unknowns=state.unknowns + 1)
    return Turn(after, (reply,), decision="clarify", why=(f"{len(found)} provinces have a place of this name",))


def asked(talk: Talk, state: State) -> Turn | None:
    """She asks where a commune or district lies now (“xã em giờ thuộc tỉnh nào”), and says which. Whatever else her
    words ask follows; what merely resembles them is offered."""
    if not _ASKS.search(fold(talk.ear.text)):
        return None
    spots = [spot for spot in named(talk.ear.text, talk.book.places) if spot.cued or spot.within]
    if not spots:
        return None
    turn = _told(talk, state, spots[-1])
    more = answers.answers(talk, turn.state)
    if more is None or turn.decision == "clarify":
        return turn
    if talk.ear.reading.exact or len(talk.ear.text.split()) > SHORT:
        return then(turn, more)
    offered = shorts(talk.served().values()).get(more.article, "")
    reply = turn.replies[-1]
    choices = (Choice(offered, f"article:{more.article}"), *reply.choices) if offered else reply.choices
    return replace(turn, replies=(*turn.replies[:-1], replace(reply, choices=choices)))


def alone(talk: Talk, state: State) -> Turn | None:
    """A place and hardly a word more, and no choice between articles is open that it might narrow."""
    open_choice = state.unknowns and any(choice.payload.startswith("article:") for choice in state.offered)
    if talk.ear.reading.exact or open_choice or len(talk.ear.text.split()) > ADDRESS:
        return None
    text, spots = talk.ear.text, named(talk.ear.text, talk.book.places)
    ends, starts = [0, *(spot.end for spot in spots)], [*(spot.start for spot in spots), len(text)]
    beside = sum(len(text[end:start].split()) for end, start in zip(ends, starts, strict=True))
    return _told(talk, state, spots[-1]) if spots and beside <= FEW else None


def tapped(talk: Talk, state: State, address: str) -> Turn | None:
    """The one of several that she chose."""
    spots = named(address, talk.book.places)
    return _told(talk, state, spots[-1]) if spots else None


def _told(talk: Talk, state: State, spot: Spot) -> Turn:
    groups = _groups(spot.rows)
    if len(groups) > 1:
        return _several(talk, state, groups)
    (group,) = groups
    now = ", ".join((" hoặc ".join(group.now), group.province)) if group.now else group.province
    kind = "split" if len(group.now) > 1 else group.kind
    slots = {**state.slots, "place": group.name, "now": now}
    if len(spot.provinces) == 1:
        state = replace(state, slots={**state.slots, "province": homes(spot, talk.book.places)[0]})
    reply = talk.say(f"utter_place_{kind}", state, slots)
    return Turn(replace(state, unknowns=0), (reply,), decision="answer", why=(f"where a place lies now: {kind}",))


def _several(talk: Talk, state: State, groups: Sequence[_Group]) -> Turn:
    slots = {**state.slots, "place": groups[0].name.partition(" (")[0]}
    if len(groups) > _room(talk):
        reply = talk.say("utter_place_more", state, slots)
    else:
        choices = [Choice(group.short, f"now:{group.address}") for group in groups]
        reply = talk.say("utter_place_which", state, slots)
        reply = replace(reply, choices=(*choices, person_choice(talk, state)))
    return Turn(state, (reply,), decision="clarify", why=(f"{len(groups)} places of this name",))


def _groups(rows: Sequence[Row]) -> tuple[_Group, ...]:
    """The different places among the rows. A new commune that took the name of an old one which is part of it, is not
    another place."""
    found: dict[tuple[str, ...], _Group] = {}
    key: tuple[str, ...]
    became = {(row.now, row.province) for row in rows if row.old}
    for row in sorted(rows, key=lambda row: not row.old):
        if row.old:
            was = f"{_low(row.old)} ({_low(row.district)}, {row.old_province} cũ)"
            short = f"{_bare(row.district)}, {row.old_province}"
            key, kind = (row.old, row.district, row.old_province), "moved"
            address = ", ".join(key)
        elif row.district:
            was, short = f"{_low(row.district)} ({row.old_province} cũ)", row.old_province
            key, kind, address = (row.district, row.old_province), "district", f"{row.district}, {row.old_province}"
        elif (row.now, row.province) in became:
            continue
        else:
            was, short = _low(row.now), row.province
            key, kind, address = (row.now, row.province), "new", f"{row.now}, {row.province}"
        before = found[key].now if key in found else ()
        now = (*before, _low(row.now)) if row.now and kind != "new" else before
        found[key] = _Group(was, address, short, now, row.province, kind)
    return tuple(found.values())


def _low(name: str) -> str:
    return name[:1].lower() + name[1:]


def _bare(district: str) -> str:
    """Without its unit; a number keeps it (“Quận 8”)."""
    return re.sub(r"^(?:Huyện|Quận|Thị xã|Thành phố) (?!\d)", "", district)


def _room(talk: Talk) -> int:
    return max(talk.heard.world.choices - 1, 2)
