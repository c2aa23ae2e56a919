"""Answering from the articles: tell, ask once to be sure, or say honestly that OSSO does not know, and bring a person.

Nothing is said that may not be said today, and nothing is asked a third time.
"""

from __future__ import annotations

from dataclasses import replace

from bot.engine.book import COUNTRIES, Talk, person_choice, then
from bot.engine.listening import parts
from bot.flows.words import fold
from bot.knowledge import Article, Rendered, render, render_case, render_part, shorts
from bot.messages import Candidate, Choice, Effect, Entity, Missed, OpenTicket, Reading, Reply, State, Turn

TOPICS = ("legal", "vocational", "psychological", "child", "general")
PAGE = 6
MOST_ANSWERS = 2
MOST_ADDED = 4  # words that add something to a question asked before
MOST_PLACE_WORDS = 6  # a place said on its own, with its small words
CLEARLY = 0.15  # by which one of the offered articles must fit better than the next
CALM = 24 * 3_600_000  # ms after a RED turn in which no survey and no menu is shown
CUES = (
    "a khong",
    "khong phai",
    "nham",
    "y em la",
    "y toi la",
    "sua lai",
    "quen",
    "a nham",
    "khong em o",
    "chinh xac la",
)


def calm(state: State, at: int) -> bool:
    """Whether she was in danger a short while ago."""
    return any(level in ("RED", "AMBER") and 0 <= at - when <= CALM for when, level in state.danger_at)


def corrects(text: str) -> bool:
    """Whether she takes back something she said ("à không, ở Hải Phòng")."""
    said = f" {fold(text)} "
    return any(f" {cue} " in said for cue in CUES)


def answer(talk: Talk, state: State, article: Article) -> Turn:
    """The whole article for what is known of her; a country or province that her question names is not asked for."""
    kind = article.variants.slot if article.variants else ""
    if kind and (named := entity(talk.ear.reading, kind)):
        state = replace(state, slots={**state.slots, kind: named.value})
    slots = state.slots
    told = render(
        article,
        country=str(slots.get("country") or ""),
        province=talk.province(slots),
        choices=_room(talk),
        links=shorts(talk.served().values()),
    )
    turn = _told(talk, state, article, told, why=f"answered {article.id}")
    if article.escalate and article.escalate.when == "always" and talk.heard.world.ticket == "none":
        province = str(slots.get("province") or "")
        ticket = OpenTicket(
            "article", skill=article.escalate.skill, topic=article.topic, province=province, locale=state.locale
        )
        return replace(turn, effects=(*turn.effects, ticket))
    return turn


def case(talk: Talk, state: State, article: Article, value: str) -> Turn:
    """She told which country or province; it is remembered for the next answer too."""
    if not article.variants:
        return answer(talk, state, article)
    slots = {**state.slots, article.variants.slot: value}
    value = talk.province(slots) if article.variants.slot == "province" else value
    if article.variants.slot == "province" and talk.province(state.slots) == slots["province"]:
        slots = dict(state.slots)  # a tap on the province says less than the old one she named
    known = replace(state, slots=slots)
    told = render_case(
        article,
        value,
        choices=_room(talk),
        links=shorts(talk.served().values()),
    )
    return _told(talk, known, article, told, why=f"answered {article.id} for {article.variants.slot}")


def part(talk: Talk, state: State, article: Article, name: str) -> Turn:
    told = render_part(
        article,
        name,
        choices=_room(talk),
        links=shorts(talk.served().values()),
    )
    if not told.messages:
        return answer(talk, state, article)
    return _told(talk, state, article, told, why=f"section {name} of {article.id}")


def by_id(talk: Talk, state: State, name: str) -> Turn:
    """An article by its id, or an honest word when it may not be said (not reviewed, expired, gone)."""
    served = talk.served()
    if name in served:
        return answer(talk, state, served[name])
    if name in talk.book.knowledge.articles:
        reply = talk.say("utter_unready", state)
        topic = talk.book.knowledge.articles[name].topic
        after = replace(state, article=name, topic=topic, unknowns=0)
        return Turn(after, (reply,), decision="unknown", topic=topic, why=(f"{name} may not be said today",))
    return Turn(state, (talk.say("utter_stale", state),), decision="unknown", why=("unknown article id",))


def answers(talk: Talk, state: State) -> Turn | None:
    """What the text asks for, when it is certain or confident: one article, or two when she asked two questions."""
    reading = talk.ear.reading
    wanted: list[Reading] = []
    if not reading.exact:
        each = talk.each(parts(talk.ear.text))
        wanted = [item for item in each if item.candidates and (item.exact or item.band == "answer")]
    names = list(dict.fromkeys(item.candidates[0].article for item in wanted))
    if len(names) < 2:
        if talk.ear.sure:
            names = [reading.candidates[0].article]
        elif not names or (reading.band == "unknown" and reading.act):
            return None
    turn = by_id(talk, state, names[0])
    for name in names[1:MOST_ANSWERS]:
        turn = then(turn, Turn(turn.state, (talk.say("utter_also", turn.state),), decision="answer"))
        turn = then(turn, by_id(talk, turn.state, name))
    more = names[MOST_ANSWERS:]
    if more and turn.replies:
        links = shorts(talk.served().values())
        choices = tuple(Choice(links[name], f"article:{name}") for name in more if name in links)
        last = turn.replies[-1]
        turn = replace(turn, replies=(*turn.replies[:-1], replace(last, choices=(*choices, *last.choices))))
    how = "exact" if reading.exact else "confident"
    return replace(turn, candidates=reading.candidates or turn.candidates, why=(*turn.why, how))


def topic(talk: Talk, state: State, payload: str) -> Turn:
    """A page of a topic's questions: `topic:legal` or `topic:legal:1`."""
    _, _, rest = payload.partition(":")
    name, _, page_text = rest.partition(":")
    page = int(page_text) if page_text.isdecimal() and len(page_text) < 4 else 0
    articles = [article for article in talk.served().values() if article.topic == name]
    shown = articles[page * PAGE : (page + 1) * PAGE]
    if name not in TOPICS or (page and not shown):
        return Turn(state, (talk.say("utter_stale", state),), decision="unknown", why=("unknown topic page",))
    choices = [Choice(article.short, f"article:{article.id}") for article in shown]
    if len(articles) > (page + 1) * PAGE:
        choices.append(Choice(talk.book.texts.get(state.locale, "Xem thêm"), f"topic:{name}:{page + 1}"))
    after = replace(state, topic=name, unknowns=0)
    reply = replace(talk.say("utter_topic", after), choices=(*choices, person_choice(talk, state)))
    return Turn(after, (reply,), decision="flow", topic=name, why=(f"topic {name}",))


def clarify(talk: Talk, state: State, candidates: tuple[Candidate, ...]) -> Turn | None:
    """One question with two or three titles; None when none may be said, or when the last turn asked so already.
    Of two questions in one thought each has its likeliest title first."""
    asked_before = state.unknowns > 0 and any(choice.payload.startswith("article:") for choice in state.offered)
    each = talk.each(parts(talk.ear.text))
    first = [reading.candidates[0] for reading in each if reading.candidates and reading.band != "unknown"]
    candidates = tuple({item.article: item for item in (*first, *candidates)}.values())
    choices = _titles(talk, candidates)
    if not choices or asked_before:
        return None
    reply = replace(talk.say("utter_clarify", state), choices=(*choices, person_choice(talk, state)))
    after = replace(state, unknowns=state.unknowns + 1)
    return Turn(after, (reply,), decision="clarify", candidates=candidates, why=("not sure: asked which",))


def narrowed(talk: Talk, state: State) -> Turn | None:
    """Her words after “which of these?”: what singles one of them out is the answer; a country or province that does
    not is kept, and the same choice stands. None when her words say nothing about the choice."""
    served = talk.served()
    offered = [choice.payload.partition(":")[2] for choice in state.offered if choice.payload.startswith("article:")]
    offered = [name for name in offered if name in served]
    if not state.unknowns or not offered:
        return None
    if talk.ear.act == "yes":  # to which of them?
        again = replace(talk.say("utter_clarify", state), choices=state.offered)
        return Turn(state, (again,), decision="clarify", why=("a bare yes to several",))
    if talk.ear.act == "no":
        return unknown(talk, state)
    place = entity(talk.ear.reading, "country") or entity(talk.ear.reading, "province")
    known = replace(state, slots={**state.slots, place.kind: place.value}) if place else state
    count = len(talk.ear.text.split())
    chosen = _of_place(talk, offered, place) if place else ""
    if not chosen and count <= MOST_ADDED:  # a whole question once more is no answer to ours
        chosen = _of_reading(talk.ear.reading, offered)
    if chosen:
        turn = by_id(talk, replace(known, unknowns=0), chosen)
        return replace(turn, why=("singled out of those offered", *turn.why))
    if place is None or count > MOST_PLACE_WORDS or state.slots.get(place.kind) == place.value:
        return None
    shown = talk.shown(place.kind, place.value, state.locale)
    replies = (
        talk.say("utter_heard", known, {**known.slots, "corrected": shown}),
        replace(talk.say("utter_clarify", known), choices=state.offered),
    )
    return Turn(known, replies, decision="clarify", why=(f"keeps the {place.kind}, the choice stands",))


def _of_place(talk: Talk, offered: list[str], place: Entity) -> str:
    """The one offered article about this country, when the others are about other countries."""
    served = talk.served()
    about: dict[str, list[str]] = {}
    for country, name in COUNTRIES.items():
        if country == "other":
            continue
        word = f" {fold(name).split(' ')[0]} "
        found = [one for one in offered if word in f" {fold(served[one].short)} {fold(served[one].title)} "]
        if found:
            about[country] = found
    mine = about.get(place.value, []) if place.kind == "country" else []
    return mine[0] if len(mine) == 1 and len(about) > 1 else ""


def _of_reading(reading: Reading, offered: list[str]) -> str:
    """The offered article that the new words fit, when they fit it alone."""
    found = [item for item in reading.candidates if item.article in offered]
    if reading.band == "unknown" or not found or found[0] != reading.candidates[0]:
        return ""
    return found[0].article if len(found) == 1 or found[0].score - found[1].score >= CLEARLY else ""


def _titles(talk: Talk, candidates: tuple[Candidate, ...]) -> list[Choice]:
    links = shorts(talk.served().values())
    choices = [Choice(links[item.article], f"article:{item.article}") for item in candidates if item.article in links]
    return choices[: min(3, talk.heard.world.choices - 1)]


def unknown(talk: Talk, state: State) -> Turn:
    """Honest not-knowing: the first time a person is offered, the second time in a row one is brought."""
    candidates = talk.ear.reading.candidates
    missed: tuple[Effect, ...] = (Missed(candidates),)
    count = state.unknowns + 1
    if talk.heard.world.blocked:
        return _kept_out(talk, state, missed)
    if calm(state, talk.heard.at):
        reply = talk.say("utter_noted" if state.unknowns else "utter_stay", state)
        if state.stack:
            go_on = Choice(talk.book.texts.get(state.locale, "Làm tiếp"), "/resume")
            reply = replace(reply, choices=(go_on, *reply.choices))
        effects = missed + talk.ticket(state, "unknown")
        return Turn(replace(state, unknowns=1), (reply,), effects, "unknown", why=("unknown, calm",))
    if talk.heard.world.ticket != "none":
        reply = talk.say("utter_noted", state)
        return Turn(replace(state, unknowns=0), (reply,), missed, "unknown", why=("unknown, a ticket waits",))
    if count >= 2:
        return brought(talk, state, missed)
    reply = talk.say("utter_unknown", state)
    after = replace(state, unknowns=count)
    return Turn(after, (reply,), missed, "unknown", candidates=candidates, why=("nothing fits",))


def brought(talk: Talk, state: State, effects: tuple[Effect, ...] = ()) -> Turn:
    """Twice not understood: a person is brought instead of a third question."""
    if talk.heard.world.blocked:
        return _kept_out(talk, state, effects)
    after = replace(state, unknowns=0)
    reply = talk.say("utter_bring_person", state)
    if talk.ear.reading.band == "clarify" and not state.flow:
        reply = replace(reply, choices=tuple(_titles(talk, talk.ear.reading.candidates)))
    return Turn(
        after,
        (reply,),
        effects + talk.ticket(state, "unknown"),
        "unknown",
        candidates=talk.ear.reading.candidates,
        why=("twice not understood: a person is brought",),
    )


def _kept_out(talk: Talk, state: State, effects: tuple[Effect, ...]) -> Turn:
    """Nobody is brought to whom staff have blocked, and she is told so."""
    reply = talk.say("utter_blocked", state)
    return Turn(replace(state, unknowns=0), (reply,), effects, "unknown", why=("nothing fits, staff blocked her",))


def entity(reading: Reading, kind: str) -> Entity | None:
    """The last entity of the kind: in a correction the later one counts."""
    return next((item for item in reversed(reading.entities) if item.kind == kind), None)


def _room(talk: Talk) -> int:
    """Choices an article may use, leaving one for "not what I asked"."""
    return max(talk.heard.world.choices - 1, 2)


def _told(talk: Talk, state: State, article: Article, told: Rendered, *, why: str) -> Turn:
    choices = list(told.choices)
    person = [choice for choice in choices if choice.payload in ("person", "/person")]
    others = [choice for choice in choices if choice not in person]
    if told.ask is None and not calm(state, talk.heard.at):
        others = others[: max(talk.heard.world.choices - 1 - len(person), 0)]
        others.append(Choice(talk.book.texts.get(state.locale, "Chưa đúng ý"), f"feedback:{article.id}:no"))
        if len(others) + len(person) < talk.heard.world.choices:
            others.append(Choice(talk.book.texts.get(state.locale, "Hữu ích"), f"feedback:{article.id}:yes"))
    replies = [Reply(message) for message in told.messages]
    if replies:
        replies[-1] = replace(replies[-1], choices=(*others, *(person and (person_choice(talk, state),))))
    if state.locale != "vi":
        replies.insert(0, talk.say("utter_vietnamese_only", state))
    after = replace(state, article=article.id, topic=article.topic, unknowns=0)
    return Turn(
        after,
        tuple(replies),
        decision="answer",
        article=article.id,
        topic=article.topic,
        sources=(told.stamp,),
        why=(why,) if article.status == "published" else (why, f"draft {article.id}"),
    )
