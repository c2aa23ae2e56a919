"""The open question of a flow: what answers it, what leads away from it, and the way back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from bot.engine import answers, whereabouts
from bot.engine.book import SMALLTALK, Talk, locale_of, then
from bot.engine.places import nearest
from bot.flows.checks import typed
from bot.flows.conditions import Scalar, holds
from bot.flows.deeds import CLEAN_STACK
from bot.flows.values import Collect, Slot
from bot.flows.walk import Done, Walk, at, go_on, start
from bot.flows.words import fold
from bot.knowledge import home_for
from bot.messages import OpenTicket, Reply, RunAction, State, Turn

MOST_SUSPENDED = 5
MOST_SLOT = 2_000
FOR_STAFF = ("image", "video", "audio", "file", "other")  # what the bot cannot look into
_SET = re.compile(r"/SetSlots\((\w+)=([^)]*)\)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_ASKING = ("gi", "sao", "dau", "nao", "bao nhieu", "bao lau", "the nao", "lam sao", "may gio", "khi nao", "duoc khong")


def open_question(talk: Talk, state: State) -> Collect | None:
    step = at(talk.book.flows, state.flow, state.step)
    return step if isinstance(step, Collect) else None


def begin(talk: Talk, state: State, name: str, slots: Mapping[str, Scalar] | None = None) -> Turn:
    """Starts a flow; the open one, if another, is suspended and comes back after it."""
    stack = [item for item in state.stack if item[0] != name]
    if state.flow and state.flow != name and open_question(talk, state):
        stack.append((state.flow, state.step))
    known = {**state.slots, **(slots or {})}
    for entity in talk.ear.reading.entities:  # "văn phòng ở Hải Phòng đâu ạ" answers where before it is asked
        for slot in talk.book.flows.slots.values():
            if entity.kind in slot.entities and _collects(talk, name, slot.name):
                known[slot.name] = _canonical(talk, slot, entity.value)
    before = replace(state, stack=tuple(stack[-MOST_SUSPENDED:]), trail=(), flow="", step="", unknowns=0, slots=known)
    walk = start(talk.book.flows, name, known, talk.context(before))
    return walked(talk, before, walk, why=f"flow {name}")


def _collects(talk: Talk, flow: str, slot: str) -> bool:
    steps = talk.book.flows.flows[flow].steps.values()
    return any(isinstance(step, Collect) and step.slot == slot for step in steps)


def walked(talk: Talk, state: State, walk: Walk, *, why: str = "flow goes on") -> Turn:
    """What a walk said and did, and where the conversation stands now."""
    after = replace(state, slots=walk.slots, flow=walk.flow, step=walk.step, unknowns=0)
    after = replace(after, locale=locale_of(walk.slots, state.locale))
    if any(isinstance(item, Done) and item.name == CLEAN_STACK for item in walk.did):
        after = replace(after, stack=())
    turn = Turn(
        after,
        talk.replies(walk.did, after),
        talk.effects(walk.did, state),
        "flow",
        why=(why, f"steps {' '.join(walk.passed)}"),
    )
    if walk.asks:
        return then(
            turn, Turn(after, (talk.say(walk.asks.utter, after),), decision="flow", why=(f"asks {walk.asks.slot}",))
        )
    if walk.runs:
        return replace(turn, effects=(*turn.effects, RunAction(walk.runs)))
    if walk.lost:
        return then(turn, trouble(talk, after))
    return then(turn, ended(talk, after))


def trouble(talk: Talk, state: State) -> Turn:
    """Something of ours broke: an honest word, a person is told, the flow is over."""
    after = replace(state, flow="", step="", trail=())
    ticket = OpenTicket("failure", topic=state.topic, locale=state.locale)
    return Turn(after, (talk.say("utter_trouble", state),), (ticket,), "flow", why=("our own failure",))


def ended(talk: Talk, state: State) -> Turn:
    """The flow is over; a suspended one goes on with its question."""
    after = replace(state, last=state.flow or state.last, flow="", step="", trail=())
    while after.stack:
        (name, step), rest = after.stack[-1], after.stack[:-1]
        after = replace(after, flow=name, step=step, stack=rest)
        if question := open_question(talk, after):
            if not question.fresh and after.slots.get(question.slot) is not None:  # answered on the way
                back = Turn(after, (talk.say("utter_back_to", after),), decision="flow", why=(f"back to {name}",))
                return then(back, advance(talk, after, question))
            replies = (talk.say("utter_back_to", after), talk.say(question.utter, after))
            return Turn(after, replies, decision="flow", why=(f"back to {name}",))
        after = replace(after, flow="", step="")
    return Turn(after, decision="flow", why=("flow ended",))


def ask_again(talk: Talk, state: State, turn: Turn) -> Turn:
    """The digression was answered: the same question once more."""
    question = open_question(talk, turn.state)
    if question is None or turn.state.flow != state.flow or turn.state.step != state.step:
        return turn
    return then(
        turn, Turn(turn.state, (talk.say(question.utter, turn.state),), decision=turn.decision, why=("asks again",))
    )


def hear(talk: Talk, state: State, question: Collect) -> Turn:
    """Her words or tap, while a question is open."""
    flows = talk.book.flows
    slot = flows.slots[question.slot]
    ear = talk.ear
    if match := _SET.fullmatch(ear.payload):
        return _tapped(talk, state, question, match[1], match[2])
    if ear.act in ("skip", "back", "cancel", "leaving"):
        return _steered(talk, state, question)
    if slot.type == "bool" and ear.act in ("yes", "no"):
        return fill(talk, state, question, ear.act == "yes")
    if name := triggered(talk, state):
        if name == state.flow:
            return begin(talk, replace(state, flow="", step=""), name)
        return begin(talk, state, name)
    if ear.payload:
        return _led_away(talk, state)
    if talk.heard.attachments and ear.media == "location" and "province" in slot.entities:
        place = talk.heard.attachments[0]
        if office := nearest(talk.book.knowledge, place.latitude, place.longitude):
            return fill(talk, state, question, talk.home(office))
    if ear.media:
        return _led_away(talk, state)
    if ear.reading.exact:
        return _led_away(talk, state)
    if (turn := _correction(talk, state, question, slot)) is not None:
        return turn
    asking = ear.sure and asks(ear.text)
    value = None if asking and len(ear.text.split()) > 3 else understood(talk, slot)
    if value is not None:
        return fill(talk, state, question, _meant(talk, state, question, value))
    if "province" in slot.entities and not asking and (turn := whereabouts.which(talk, state, question)):
        return turn
    return _led_away(talk, state)


def _meant(talk: Talk, state: State, question: Collect, value: Scalar) -> Scalar:
    """Of the old provinces just offered the one that lies there now: “Hải Phòng” after “Hải Dương hay Nghệ An?”."""
    if question.slot != "province":
        return value
    taps = [match[2] for choice in state.offered if (match := _SET.fullmatch(choice.payload))]
    within = [home for home in taps if talk.province({"province": home}) == value]
    return within[0] if len(within) == 1 else value


def triggered(talk: Talk, state: State) -> str:
    """The flow her speech act starts, if its condition holds."""
    for name in talk.book.flows.triggers.get(talk.ear.act, ()):
        condition = talk.book.flows.flows[name].condition
        if condition is None or holds(condition, state.slots, talk.context(state)):
            return name
    return ""


def understood(talk: Talk, slot: Slot) -> Scalar:
    """The value her words give the slot, or None."""
    reading, text = talk.ear.reading, talk.ear.text
    for kind in slot.entities:
        if entity := answers.entity(reading, kind):
            value = _canonical(talk, slot, entity.value)
            if kind == "age" and entity.value.endswith("m") and entity.value[:-1].isdecimal():  # months
                value = int(entity.value[:-1]) // 12
            if (fitting := typed(slot, str(value))) is not None:
                return fitting
    if "province" in slot.entities:
        if home := home_for(text, talk.book.knowledge.provinces):
            return home
        _, found = whereabouts.provinces(talk)
        if len(found) == 1:
            return found[0]
    match slot.type:
        case "float":
            number = _NUMBER.search(text)
            return typed(slot, number[0]) if number and len(text) <= 40 else None
        case "categorical":
            return next((value for value in slot.values if fold(value) == fold(text)), None)
        case "bool":
            return None
        case _:
            free = slot.free and (not talk.ear.act or talk.ear.act.startswith("foreign_"))
            return text[:MOST_SLOT] if free else None


def fill(talk: Talk, state: State, question: Collect, value: Scalar) -> Turn:
    """Takes the value, unless a rejection speaks against it; a `validate_<slot>` action may still refuse it."""
    flows = talk.book.flows
    slots = {**state.slots, question.slot: value}
    context = talk.context(state)
    for rejection in (*flows.slots[question.slot].rejections, *question.rejections):
        if holds(rejection.condition, slots, context):
            refused = Turn(
                state, (talk.say(rejection.utter, state),), decision="flow", why=(f"refused {question.slot}",)
            )
            return ask_again(talk, state, refused)
    filled = replace(state, slots=slots, unknowns=0)
    check = f"validate_{question.slot}"
    if check in flows.actions:
        return Turn(filled, effects=(RunAction(check),), decision="flow", why=(f"checks {question.slot}",))
    return advance(talk, filled, question)


def advance(talk: Talk, state: State, question: Collect) -> Turn:
    """On from an answered or skipped question."""
    trail = (*(item for item in state.trail if item != question.id), question.id)
    before = replace(state, trail=trail)
    walk = go_on(talk.book.flows, state.flow, question.id, state.slots, talk.context(state))
    if walk.flow != state.flow:
        before = replace(before, trail=())
    return walked(talk, before, walk, why=f"{question.slot} done")


def _tapped(talk: Talk, state: State, question: Collect, name: str, text: str) -> Turn:
    slot = talk.book.flows.slots.get(name)
    value = typed(slot, text) if slot else None
    if slot is None or value is None or not _collects(talk, state.flow, name):
        stale = Turn(state, (talk.say("utter_stale", state),), decision="flow", why=("an old button",))
        return ask_again(talk, state, stale)
    if name == question.slot:
        return fill(talk, state, question, value)
    return _corrected(talk, state, name, value)


def _steered(talk: Talk, state: State, question: Collect) -> Turn:
    match talk.ear.act:
        case "skip" if question.skip:
            return advance(talk, replace(state, slots={**state.slots, question.slot: None}), question)
        case "skip":
            return ask_again(
                talk, state, Turn(state, (talk.say("utter_no_skip", state),), decision="flow", why=("no skip",))
            )
        case "back":
            return _back(talk, state)
        case _:
            return cancelled(talk, state)


def cancelled(talk: Talk, state: State) -> Turn:
    """Her no to the flow: it is over, and what it asked is forgotten. A suspended flow below it goes on. That she still
    waits for a person is told, for she may have meant that too."""
    flow = talk.book.flows.flows[state.flow]
    slots = {name: value for name, value in state.slots.items() if name not in flow.own_slots}
    waits = talk.heard.world.ticket == "waiting" and not talk.heard.world.kept
    reply = talk.say("utter_cancelled_waiting" if waits else "utter_cancelled", state)
    return then(Turn(state, (reply,), decision="flow", why=("cancelled",)), ended(talk, replace(state, slots=slots)))


def _back(talk: Talk, state: State) -> Turn:
    for index in range(len(state.trail) - 1, -1, -1):
        step = at(talk.book.flows, state.flow, state.trail[index])
        if isinstance(step, Collect):
            slots = {**state.slots, step.slot: None}
            after = replace(state, step=step.id, trail=state.trail[:index], slots=slots, unknowns=0)
            return Turn(after, (talk.say(step.utter, after),), decision="flow", why=(f"back to {step.slot}",))
    first = Turn(state, (talk.say("utter_first_question", state),), decision="flow", why=("nothing before this",))
    return ask_again(talk, state, first)


def _correction(talk: Talk, state: State, question: Collect, slot: Slot) -> Turn | None:
    """Another slot of this flow, said anew or early: with a word of correction, or of a kind not asked for now."""
    cue = answers.corrects(talk.ear.text)
    for entity in reversed(talk.ear.reading.entities):
        for other in talk.book.flows.slots.values():
            if entity.kind not in other.entities or other.name == slot.name:
                continue
            if not _collects(talk, state.flow, other.name) or not (cue or entity.kind not in slot.entities):
                continue
            if not cue and (slot.free or len(talk.ear.text.split()) > 8):
                continue
            return _corrected(talk, state, other.name, _canonical(talk, other, entity.value))
    return None


def _corrected(talk: Talk, state: State, name: str, value: Scalar) -> Turn:
    after = replace(state, slots={**state.slots, name: value}, unknowns=0)
    text = talk.shown(name, value, state.locale)
    heard = "utter_corrected" if state.slots.get(name) is not None else "utter_heard"
    reply = talk.say(heard, after, {**after.slots, "corrected": text})
    return ask_again(talk, state, Turn(after, (reply,), decision="flow", why=(f"corrected {name}",)))


def _led_away(talk: Talk, state: State) -> Turn:
    """No answer to the question: perhaps a question of her own, small talk or media; else not understood."""
    ear = talk.ear
    if ear.payload and (turn := payload_turn(talk, state)):
        return ask_again(talk, state, turn)
    if not ear.payload and not ear.media and (turn := answers.answers(talk, state)):
        return ask_again(talk, state, turn)
    if turn := small(talk, state):
        return ask_again(talk, state, turn)
    unsure = ear.reading.band == "clarify" and (asks(ear.text) or len(ear.text.split()) >= 5)
    if unsure and state.unknowns == 0 and (turn := answers.clarify(talk, state, ear.reading.candidates)):
        return turn  # her own question, perhaps: the open one is asked again after the answer
    count = state.unknowns + 1
    after = replace(state, unknowns=count)
    if count >= 2:
        return suspended(answers.brought(talk, state))
    question = open_question(talk, state)
    again = "utter_again" if question and question.skip else "utter_no_skip"
    reply = talk.say("utter_stale" if ear.payload else again, state)
    return ask_again(talk, state, Turn(after, (reply,), decision="flow", why=("no answer to the question",)))


def suspended(turn: Turn) -> Turn:
    """The open flow put aside, to be offered again later."""
    state = turn.state
    if not state.flow:
        return turn
    stack = tuple(item for item in state.stack if item[0] != state.flow)
    after = replace(state, stack=(*stack, (state.flow, state.step))[-MOST_SUSPENDED:], flow="", step="", trail=())
    return replace(turn, state=after)


def small(talk: Talk, state: State) -> Turn | None:
    """Greetings, thanks, insults, stickers, media."""
    key = talk.ear.media or talk.ear.act
    if key not in SMALLTALK:
        return None
    reply = _fitting(talk, talk.say(SMALLTALK[key], state), state)
    if open_question(talk, state) or answers.calm(state, talk.heard.at):
        reply = replace(reply, choices=())
    return Turn(replace(state, unknowns=0), (reply,), decision="smalltalk", why=(f"small talk: {key}",))


def _fitting(talk: Talk, reply: Reply, state: State) -> Reply:
    """Small talk for who waits already, or is blocked: no person is offered, and what she sent is truly told about."""
    world = talk.heard.world
    if world.ticket == "none" and not world.blocked:
        return reply
    if talk.ear.media in FOR_STAFF:
        reply = talk.say("utter_blocked" if world.blocked else "utter_media_kept", state)
    drop = ("/person", "/stop_waiting") if world.ticket == "taken" else ("/person",)
    return replace(reply, choices=tuple(choice for choice in reply.choices if choice.payload not in drop))


def payload_turn(talk: Talk, state: State) -> Turn | None:
    """A tap that leads to content: articles, their parts and cases, topics, feedback."""
    kind, _, rest = talk.ear.payload.partition(":")
    name, _, value = rest.partition(":")
    article = talk.served().get(name)
    match kind:
        case "topic":
            return answers.topic(talk, state, talk.ear.payload)
        case "article":
            return answers.by_id(talk, state, name)
        case "case" if article:
            return answers.case(talk, state, article, value[:60])
        case "now":
            return whereabouts.tapped(talk, state, talk.ear.payload.partition(":")[2])
        case "part" if article:
            return answers.part(talk, state, article, value)
        case "feedback" if name in talk.book.knowledge.articles and value in ("yes", "no"):
            slots: dict[str, Scalar] = {"feedback_article": name, "feedback_useful": value == "yes"}
            return begin(talk, state, "feedback", slots)
        case _:
            return None


def _canonical(talk: Talk, slot: Slot, value: str) -> Scalar:
    home = home_for(value, talk.book.knowledge.provinces) if "province" in slot.entities else ""
    return home or value


def asks(text: str) -> bool:
    said = f" {fold(text)} "
    return "?" in text or any(f" {word} " in said for word in _ASKING)
