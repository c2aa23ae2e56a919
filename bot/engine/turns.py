"""The order of a turn: danger, stop and person words, a person's silence, the open question, then what she asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.engine import answers, dialogue, whereabouts
from bot.engine.book import Book, Ear, Talk, then
from bot.engine.events import honoured
from bot.engine.listening import KINDS, language, listen
from bot.engine.places import nearest
from bot.flows.conditions import Scalar
from bot.flows.walk import at, go_on
from bot.flows.words import agrees, fold
from bot.messages import (
    Category,
    Danger,
    Effect,
    Forget,
    Heard,
    Missed,
    OpenTicket,
    Reply,
    RunAction,
    Skill,
    State,
    Subscription,
    Timer,
    Turn,
)

GAP = 24 * 3_600_000  # ms of silence after which she is greeted anew
CHECK_WAIT = 15 * 60_000  # ms of silence after a CHECK question that make it AMBER
MOST_DANGERS = 20
SAFETY = "safety"  # stands in `State.last` while her yes or no may answer the crisis words
ANSWERED = "answered"  # likewise while her question was answered before that
FOREIGN = ("foreign_ko", "foreign_en")
FEW_WORDS = 3  # a greeting, a word of thanks
WISHES = ("person", "stop")  # what a mere hint of danger must not delay
SHORT = 9  # words of a message that says one thing
PERSON_ARTICLE = (
    "gen-gap-nguoi-that"  # the article about reaching a person: nobody who asks for one should have to read
)
SKILL: Mapping[Category, Skill] = {"suicide": "psychological", "child_abuse": "child", "runaway": "social"}
CHAT_FEEDBACK = "/chat_feedback"
KEEP_WAITING = "/keep_waiting"  # stands under the question whether she no longer wants to wait
# from timers, the desk, the platform
QUIET_PAYLOADS = ("danger:silence", "remind", CHAT_FEEDBACK, "handback", "forget:platform")


def take_turn(book: Book, state: State, heard: Heard) -> Turn:
    """What one thought of hers leads to. Never raises on her words or on an old state.

    Besides her taps, `heard.payload` may be `danger:silence`, `remind` or `/chat_feedback` (a Timer of ours is due),
    `handback` (a counsellor gave the chat back), `forget:platform` and `consent:<kind>` (what she told the platform).
    """
    state = _known(book, state)
    if state.heard_at and heard.at - state.heard_at > GAP:  # after so long her words stand for themselves, not a choice
        state = replace(state, offered=())
    ear = listen(book, state, heard)
    talk = Talk(book, heard, ear)
    if not heard.text and (heard.payload in QUIET_PAYLOADS or heard.payload.startswith("consent:")):
        return _finish(talk, state, _timer(talk, state))
    danger = _danger(talk, state)
    if heard.world.owner == "person":
        return _finish(talk, state, _silent(talk, state, danger))
    if danger.level != "NONE":
        met = _met(talk, state, danger) if danger.level == "CHECK" else None
        return _finish(talk, state, met or _safety(talk, state, danger))
    greeted, before = _greeting(talk, state)
    turn = _control(talk, before) or _asked(talk, before)
    return _finish(talk, state, then(greeted, turn))


def resume(book: Book, state: State, heard: Heard, events: Sequence[Mapping[str, Any]]) -> Turn:
    """Goes on after the action named by `RunAction` ended with these Rasa events (what it said are `bot` events)."""
    talk = Talk(book, heard, Ear())
    turn = Turn(state, decision="flow", why=("action done",))
    for event in events:
        turn = then(turn, honoured(talk, turn.state, event))
    if any(isinstance(effect, RunAction) for effect in turn.effects):
        return _finish(talk, state, turn, going_on=True)
    state = turn.state
    step = at(book.flows, state.flow, state.step)
    if step is None:
        return _finish(talk, state, turn, going_on=True)
    question = dialogue.open_question(talk, state)
    if question and state.slots.get(question.slot) is None:
        again = () if turn.replies else (talk.say("utter_again", state),)
        turn = then(turn, Turn(state, again, decision="flow", why=(f"refused {question.slot}",)))
        turn = dialogue.ask_again(talk, state, turn)
    elif question:
        turn = then(turn, dialogue.advance(talk, state, question))
    else:
        walk = go_on(book.flows, state.flow, state.step, state.slots, talk.context(state))
        turn = then(turn, dialogue.walked(talk, state, walk))
    return _finish(talk, state, turn, going_on=True)


def failed(book: Book, state: State, heard: Heard, action: str) -> Turn:
    """The action raised, hung or spoke nonsense: she gets an honest sentence, a person is told, the turn is kept."""
    talk = Talk(book, heard, Ear())
    turn = dialogue.trouble(talk, state)
    return _finish(talk, state, replace(turn, why=(f"action {action} failed", *turn.why)), going_on=True)


# --- danger, silence, timers ------------------------------------------------------------------------------------------


def _danger(talk: Talk, state: State) -> Danger:
    danger = talk.heard.danger
    if danger is None:
        danger = talk.book.screen.read(talk.heard.text) if talk.heard.text and not talk.heard.payload else Danger()
    if danger.level in ("AMBER", "CHECK") and talk.book.flows.intents(talk.heard.text):
        return Danger(why=(f"{danger.level} of a fixed phrase passed over",))  # “đừng nhắn nữa” says nothing but that
    if talk.ear.payload == "danger:yes":
        danger = Danger("AMBER", danger.category, why=("she said yes to the safety question",))
    if danger.level == "NONE":
        return danger  # a RED turn is not repeated at her for every word after it; `calm` keeps the tone
    return talk.book.screen.combine(state.danger_at, danger, talk.heard.at)


def _ticket(danger: Danger, state: State) -> OpenTicket:
    province = state.slots.get("province")
    return OpenTicket(
        "danger",
        level=danger.level,
        category=danger.category,
        skill=SKILL.get(danger.category, ""),
        province=province if isinstance(province, str) else "",
        locale=state.locale,
    )


def _safety(talk: Talk, state: State, danger: Danger) -> Turn:
    """First words and numbers; menus, flows and surveys are off. CHECK only asks, and keeps the open question.
    Who never chose a language is answered in the one she cries out in."""
    world = talk.heard.world
    opens = world.opens
    if state.locale == "vi" and (spoken := language(talk.heard.text, talk.ear.act)):
        state, opens = replace(state, locale=spoken), ""  # the hour is in words of the other language
    replies = talk.book.screen.crisis_replies(
        danger,
        country=str(state.slots.get("country") or ""),
        staffed=world.staffed,
        opens=opens,
        locale=state.locale,
    )
    why = (f"danger {danger.level} {danger.category}".strip(), *danger.why)
    after = replace(state, danger_at=(*state.danger_at, (talk.heard.at, danger.level))[-MOST_DANGERS:], unknowns=0)
    after = replace(after, last="" if state.last == ANSWERED else state.last)
    if danger.level == "CHECK":
        article = talk.ear.reading.candidates[0].article if talk.ear.sure else ""
        timer = Timer("danger", talk.heard.at + CHECK_WAIT, "danger:silence")
        return Turn(replace(after, article=article or state.article), replies, (timer,), "safety", why=why)
    if not state.welcomed:
        replies = (*replies, talk.say("utter_welcome_short", state))
    if danger.level == "AMBER":
        after = dialogue.suspended(Turn(after)).state
    else:
        after = replace(after, flow="", step="", stack=(), trail=())
    after = replace(after, last=SAFETY)
    return Turn(after, replies, (_ticket(danger, state), Timer("danger", 0)), "safety", why=why)


def _met(talk: Talk, state: State, danger: Danger) -> Turn | None:
    """What a mere hint of danger does not delay: a wish for a person or for silence, and an answer OSSO is sure of."""
    if talk.ear.act in WISHES:
        return _wished(talk, state, danger)
    return None if state.flow else _answered(talk, state, danger)


def _answered(talk: Talk, state: State, danger: Danger) -> Turn | None:
    """She is answered, then asked the safety question, and her silence counts as ever. Of danger itself she is asked
    first."""
    greeted, before = _greeting(talk, state)
    turn = _control(talk, before) or _asked(talk, before)
    article = talk.served().get(turn.article)
    if turn.decision != "answer" or article is None or (article.escalate and article.escalate.when == "always"):
        return None
    asked = _safety(talk, turn.state, danger)
    asked = replace(asked, state=replace(asked.state, last=ANSWERED))
    return replace(then(then(greeted, turn), asked), decision=turn.decision)


def _wished(talk: Talk, state: State, danger: Danger) -> Turn | None:
    """A hint of danger beside a wish for a person or for silence: the wish is met as if alone, and a counsellor looks.
    Who wants a person is asked the safety question as well; whom a message may endanger is not."""
    greeted, before = _greeting(talk, state)
    acted = _control(talk, before)
    if acted is None:
        return None
    asked = _safety(talk, acted.state, danger)
    if talk.ear.act == "stop":
        asked = replace(asked, replies=(), effects=())
    asked = replace(asked, effects=(*asked.effects, _ticket(danger, state)))
    return replace(then(then(greeted, acted), asked), decision=acted.decision)


def _silent(talk: Talk, state: State, danger: Danger) -> Turn:
    """A person owns the chat: not a word; but danger, stop and delete are passed on."""
    state = dialogue.suspended(Turn(state)).state
    if danger.level == "RED":
        after = replace(state, danger_at=(*state.danger_at, (talk.heard.at, danger.level))[-MOST_DANGERS:])
        return Turn(after, effects=(_ticket(danger, state),), decision="silent", why=("danger RED, a person owns",))
    if talk.ear.act == "stop":
        return Turn(state, effects=(Subscription("*", False),), decision="stop", why=("stop, a person owns the chat",))
    if talk.ear.act == "delete_data":
        effects = (OpenTicket("delete", locale=state.locale),)
        return Turn(state, effects=effects, decision="silent", why=("asks to be deleted, a person owns the chat",))
    return Turn(state, decision="silent", why=("a person owns the chat",))


def _timer(talk: Talk, state: State) -> Turn:
    """What nobody wrote: our own timers, the desk, and what she told the platform."""
    match talk.heard.payload:
        case "forget:platform":
            return Turn(state, effects=(Forget(),), decision="stop", why=("the platform passes on: forget me",))
        case "consent:optout" | "consent:unfollow":
            return Turn(state, effects=(Subscription("*", False),), decision="stop", why=("opted out",))
        case "consent:optin":
            return Turn(state, effects=(Subscription("*", True),), decision="silent", why=("opted in",))
        case "consent:profile" if talk.heard.world.owner == "bot":
            return Turn(state, (talk.say("utter_media_contact", state),), decision="smalltalk", why=("sent a contact",))
    if talk.heard.world.owner == "person":
        return Turn(state, decision="silent", why=("a person owns the chat",))
    match talk.heard.payload:
        case "danger:silence":
            danger = Danger("AMBER", why=("silence after the safety question",))
            return Turn(state, effects=(_ticket(danger, state),), decision="safety", why=danger.why)
        case "remind" if not answers.calm(state, talk.heard.at):
            return Turn(state, (talk.say("utter_reminder", state),), decision="flow", why=("reminder",))
        case "/chat_feedback" if not answers.calm(state, talk.heard.at):
            return _asks_how_it_went(talk, state)
        case "handback":
            return _returned(talk, state)
        case _:
            return Turn(state, decision="silent", why=("nothing to say",))


def _asks_how_it_went(talk: Talk, state: State) -> Turn:
    """Some time after a counsellor closed the chat. What was left open before it is let go: she did not take it up."""
    fresh = replace(state, flow="", step="", stack=(), trail=())
    if state.owner != "person":
        return dialogue.begin(talk, fresh, "chat_feedback")
    back = _returned(talk, fresh)
    return then(back, dialogue.begin(talk, back.state, "chat_feedback"))


def _returned(talk: Talk, state: State) -> Turn:
    """A counsellor handed back: the bot says again that it is one, and offers what was left open."""
    state = replace(dialogue.suspended(Turn(state)).state, owner="bot", welcomed=True)
    turn = Turn(state, (talk.say("utter_return", state),), decision="flow", why=("handed back to the bot",))
    if state.stack:
        turn = then(
            turn, Turn(state, (talk.say("utter_resume_offer", state),), decision="flow", why=("offers the rest",))
        )
    return turn


# --- greeting ---------------------------------------------------------------------------------------------------------


def _greeting(talk: Talk, state: State) -> tuple[Turn, State]:
    """That it is a bot: at first contact, after a long silence, and after a person. Never instead of an answer."""
    heard, act = talk.heard, talk.ear.act
    if state.owner == "person":
        put_aside = replace(dialogue.suspended(Turn(state)).state, owner="bot", welcomed=True)
        return Turn(put_aside, (talk.say("utter_return", put_aside),), why=("a person gave the chat back",)), put_aside
    if heard.first or not state.welcomed:
        greeted = replace(state, welcomed=True)
        if act in talk.book.flows.flows["welcome"].triggers or act == "greeting" or talk.ear.media == "sticker":
            return Turn(state), state  # the welcome flow says it all
        return Turn(greeted, (talk.say("utter_welcome_short", greeted),), why=("first contact",)), greeted
    if state.heard_at and heard.at - state.heard_at > GAP:
        aside = dialogue.suspended(Turn(replace(state, unknowns=0, offered=()))).state
        return Turn(aside, (talk.say("utter_reentry", aside),), why=("long silence",)), aside
    return Turn(state), state


# --- what she wants ---------------------------------------------------------------------------------------------------


def _control(talk: Talk, state: State) -> Turn | None:
    """Words that work everywhere."""
    if talk.heard.world.ticket == "waiting" and (turn := _gives_up(talk, state)):
        return turn
    match talk.ear.act:
        case "stop":
            after = replace(_without_flow(talk, state), stack=(), unknowns=0)
            reply = talk.say("utter_stopped", after)
            turn = Turn(after, (reply,), (Subscription("*", False),), "stop", why=("stop",))
            if talk.heard.world.ticket != "waiting":
                return turn
            return replace(then(turn, dialogue.begin(talk, after, "leave_queue")), decision="stop")
        case "person" if not _makes_a_date(talk):
            return _person(talk, state)
        case _ if talk.ear.sure and talk.ear.reading.candidates[0].article == PERSON_ARTICLE:
            return _person(talk, state)
        case "menu":
            after = replace(_without_flow(talk, state), stack=(), unknowns=0)
            return Turn(after, (talk.say("utter_menu", after),), decision="flow", why=("menu",))
        case "restart":
            kept = {name: value for name, value in state.slots.items() if name.startswith(("contact_", "consent_"))}
            after = State(
                slots=kept, locale=state.locale, welcomed=True, danger_at=state.danger_at, heard_at=state.heard_at
            )
            replies = (talk.say("utter_restarted", after), talk.say("utter_menu", after))
            return Turn(after, replies, decision="flow", why=("start over",))
        case _:
            return None


def _person(talk: Talk, state: State) -> Turn:
    """A person, one turn away from everywhere: the ticket comes first, the flow only finds the words."""
    put_aside = dialogue.suspended(Turn(state)).state
    if talk.heard.world.blocked:
        return Turn(put_aside, (talk.say("utter_blocked", state),), decision="person", why=("staff blocked her",))
    effects = talk.ticket(state, "asked")
    stack = put_aside.stack
    turn = dialogue.begin(talk, replace(put_aside, stack=()), "handover")
    after = replace(turn.state, stack=stack)
    return replace(
        turn, state=after, effects=effects + turn.effects, decision="person", why=("asks for a person", *turn.why)
    )


def _gives_up(talk: Talk, state: State) -> Turn | None:
    """While she waits for a person: “hủy” and words like it are asked back once, and obeyed when said again. What says
    clearly that she no longer waits is the flow's own; with a question open “hủy” is about the question."""
    ear = talk.ear
    if dialogue.open_question(talk, state) or ear.payload:
        return None
    if ear.act not in ("cancel", "leaving") and not _half_said(talk, "stop_waiting", "leaving"):
        return None
    asked_back = any(choice.payload == KEEP_WAITING for choice in state.offered)
    return dialogue.begin(talk, state, "stop_waiting" if asked_back else "leave_queue")


def _without_flow(talk: Talk, state: State) -> State:
    flow = talk.book.flows.flows.get(state.flow)
    own = flow.own_slots if flow else frozenset()
    slots = {name: value for name, value in state.slots.items() if name not in own}
    return replace(state, flow="", step="", trail=(), slots=slots)


def _asked(talk: Talk, state: State) -> Turn:
    ear = talk.ear
    if ear.payload.startswith("danger:"):
        return _safe(talk, state)
    if ear.act in ("resume", "drop"):
        return _resumed(talk, state)
    if ear.act == "repeat":
        return _repeated(talk, replace(state, unknowns=0))
    if question := dialogue.open_question(talk, state):
        return dialogue.hear(talk, state, question)
    if state.last == SAFETY and ear.act in ("yes", "no") and answers.calm(state, talk.heard.at):
        # The crisis words ask more than one thing at once; what she may be told and when is asked again, one by one.
        return dialogue.begin(talk, replace(state, last=""), "safe_contact")
    if not state.welcomed and (ear.act == "greeting" or ear.media == "sticker"):
        return dialogue.begin(talk, replace(state, welcomed=True), "welcome")
    if name := dialogue.triggered(talk, state):
        return dialogue.begin(talk, replace(state, welcomed=True), name)
    if ear.payload:
        stale = Turn(state, (talk.say("utter_stale", state),), decision="unknown", why=("an old button",))
        return dialogue.payload_turn(talk, state) or stale
    if ear.media == "location" and talk.heard.attachments:
        place = talk.heard.attachments[0]
        if office := nearest(talk.book.knowledge, place.latitude, place.longitude):
            return dialogue.begin(talk, state, "find_office", {"province": talk.home(office)})
        return dialogue.begin(talk, state, "find_office")
    if turn := _said_anew(talk, state):
        return turn
    if turn := whereabouts.asked(talk, state) or whereabouts.alone(talk, state):
        return turn
    if turn := answers.answers(talk, state):
        return turn
    if ear.act in ("yes", "no") and (turn := answers.narrowed(talk, state)):
        return turn
    if turn := dialogue.small(talk, state):
        return turn
    if ear.act in FOREIGN and state.locale == "vi":
        return _foreign(talk, state)
    if ear.act in FOREIGN and talk.heard.world.ticket == "none":
        return answers.brought(talk, state, (Missed(),))  # articles are Vietnamese: a person reads what OSSO cannot
    if _asked_among(talk, "urgent_help") and not dialogue.asks(ear.text):
        return dialogue.begin(talk, state, "urgent_help")
    if answers.entity(ear.reading, "province") and " van phong " in f" {fold(ear.text)} ":
        return dialogue.begin(talk, state, "find_office")
    told = any(item.kind in ("date", "phone") for item in ear.reading.entities)
    if _makes_a_date(talk) or (told and _asked_among(talk, "appointment")):
        return dialogue.begin(talk, state, "appointment")
    if ear.act in ("back", "skip", "cancel"):
        after = replace(state, unknowns=0)
        return Turn(after, (talk.say("utter_menu", state),), decision="flow", why=(f"{ear.act}, but nothing is open",))
    if turn := answers.narrowed(talk, state):
        return turn
    reading = ear.reading
    if (
        reading.band == "clarify"
        and state.unknowns < 2
        and not answers.calm(state, talk.heard.at)
        and (turn := answers.clarify(talk, state, reading.candidates))
    ):
        return turn
    if state.stack and state.heard_at and talk.heard.at - state.heard_at > GAP:
        offer = Turn(state, (talk.say("utter_resume_offer", state),), decision="flow", why=("offers the rest",))
        return replace(offer, effects=(Missed(reading.candidates),))
    return answers.unknown(talk, state)


def _foreign(talk: Talk, state: State) -> Turn:
    """First words in another language: which one she wants; and more than a greeting goes to a person at once, for the
    screen and the articles know Vietnamese best and nobody can say what was in it."""
    asked = dialogue.begin(talk, state, "language")
    if len(talk.ear.text.split()) < FEW_WORDS or talk.heard.world.blocked:
        return asked
    hers = replace(state, locale=language(talk.ear.text, talk.ear.act) or state.locale)
    effects: tuple[Effect, ...] = (Missed(), *talk.ticket(hers, "unknown"))
    noted = Turn(
        state, (talk.say("utter_noted", hers),), effects, "flow", why=("another language: a person is brought",)
    )
    return then(noted, asked)


def _makes_a_date(talk: Talk) -> bool:
    """Whether she asks for an appointment by that word, and says when it shall be (“em muốn hẹn gặp chiều thứ 7”). A
    call that was promised for yesterday is no appointment: a person must hear of it."""
    said, today = f" {fold(talk.ear.text)} ", talk.heard.world.now[:10]
    ahead = any(item.kind == "date" and item.value[:10] >= today for item in talk.ear.reading.entities)
    return " hen " in said and (ahead or " lich hen " in said) and _asked_among(talk, "appointment")


def _asked_among(talk: Talk, intent: str) -> bool:
    """Whether a phrase of the intent stands among other words (“em cần giúp ngay, không có chỗ ở”)."""
    said = f" {fold(talk.ear.text)} "
    phrases = (fold(phrase) for phrase in talk.book.flows.examples.get(intent, ()))
    return any(" " in phrase and f" {phrase} " in said for phrase in phrases)


def _half_said(talk: Talk, *intents: str) -> bool:
    """Whether three or more words of such an intent stand in a short message that is no question and nothing else by
    itself. Marks count where she writes them: “chồng không cho nữa” is not “không chờ nữa”."""
    text = talk.ear.text
    said = text.split()
    asking = dialogue.asks(" ".join(word for word in said if fold(word) != "dau"))  # “không chờ nữa đâu” asks nothing
    if len(said) > SHORT or asking or talk.book.flows.intents(text):
        return False
    marked = not agrees(text, fold(text))
    for phrase in (one for intent in intents for one in talk.book.flows.examples.get(intent, ())):
        size = len(phrase.split())
        for start in range(len(said) - size + 1 if size > 2 else 0):
            part = " ".join(said[start : start + size])
            if agrees(part, phrase) and (not marked or agrees(phrase, part)):
                return True
    return False


def _said_anew(talk: Talk, state: State) -> Turn | None:
    """A country or province given after an answer that depends on it, or corrected later."""
    for entity in reversed(talk.ear.reading.entities):
        if entity.kind not in ("country", "province"):
            continue
        article = talk.served().get(state.article)
        open_case = any(choice.payload.startswith(f"case:{state.article}:") for choice in state.offered)
        if article and article.variants and article.variants.slot == entity.kind:
            if open_case or answers.corrects(talk.ear.text):
                return answers.case(talk, state, article, entity.value)
        elif answers.corrects(talk.ear.text) and state.last in talk.book.flows.flows:
            return dialogue.begin(talk, state, state.last)
    return None


def _safe(talk: Talk, state: State) -> Turn:
    """ "No" to the safety question: what she really asked, if that was understood, or the open question again."""
    quiet: tuple[Effect, ...] = (Timer("danger", 0),)
    calmed = Turn(state, (talk.say("utter_calm", state),), quiet, "safety", why=("no danger, she says",))
    if question := dialogue.open_question(talk, state):
        return then(calmed, Turn(state, (talk.say(question.utter, state),), decision="flow", why=("asks again",)))
    if state.article in talk.served() and state.unknowns == 0 and state.last != ANSWERED:
        return then(calmed, answers.by_id(talk, state, state.article))
    return calmed


def _repeated(talk: Talk, state: State) -> Turn:
    """She asks to hear it again: the open question, the last answer, or the menu."""
    if question := dialogue.open_question(talk, state):
        return Turn(state, (talk.say(question.utter, state),), decision="flow", why=("repeats the question",))
    if state.article in talk.served():
        return answers.by_id(talk, state, state.article)
    return Turn(state, (talk.say("utter_menu", state),), decision="flow", why=("nothing to repeat",))


def _resumed(talk: Talk, state: State) -> Turn:
    if not state.stack:
        return Turn(state, (talk.say("utter_menu", state),), decision="flow", why=("nothing left open",))
    if talk.ear.act == "resume":
        return dialogue.ended(talk, replace(state, flow="", step=""))
    after = replace(state, stack=())
    return Turn(after, (talk.say("utter_dropped", after),), decision="flow", why=("dropped what was left open",))


# --- ends of a turn ---------------------------------------------------------------------------------------------------


def _known(book: Book, state: State) -> State:
    """The state without what the flow files no longer have."""
    flow_ok = at(book.flows, state.flow, state.step) is not None
    slots: dict[str, Scalar] = {slot.name: slot.initial for slot in book.flows.slots.values()}
    slots |= {name: value for name, value in state.slots.items() if name in book.flows.slots}
    return replace(
        state,
        flow=state.flow if flow_ok else "",
        step=state.step if flow_ok else "",
        slots=slots,
        stack=tuple(item for item in state.stack if at(book.flows, *item) is not None),
        offered=tuple(choice for choice in state.offered if _alive(choice.payload)),
        trail=state.trail if flow_ok else (),
    )


def _alive(payload: str) -> bool:
    return payload.startswith("/") or payload.partition(":")[0] in KINDS or payload == "person"


def _finish(talk: Talk, before: State, turn: Turn, *, going_on: bool = False) -> Turn:
    """Fits the choices to her channel and writes down what was said and offered."""
    turn = _placed(talk, turn)
    replies = tuple(_fitted(reply, talk.heard.world.choices) for reply in turn.replies if reply.text or reply.image)
    offered = next((reply.choices for reply in reversed(turn.replies) if reply.choices), ())
    if not offered and (going_on or not replies):
        offered = before.offered
    state = replace(
        turn.state,
        offered=offered,
        heard_at=talk.heard.at or turn.state.heard_at,
        said_at=talk.heard.at if replies else turn.state.said_at,
        owner=talk.heard.world.owner,
        welcomed=turn.state.welcomed or turn.decision == "safety",
    )
    return replace(turn, state=state, replies=replies)


def _placed(talk: Talk, turn: Turn) -> Turn:
    """Where she says in passing that she is: kept unless she told it already, or more exact than that; and a ticket
    of this turn knows it."""
    told = turn.state.slots.get("province")
    home = whereabouts.mentioned(talk)
    if home and told in (None, talk.province({"province": home})):
        turn = replace(turn, state=replace(turn.state, slots={**turn.state.slots, "province": home}))
    known = turn.state.slots.get("province")
    if not isinstance(known, str):
        return turn
    effects = (
        replace(effect, province=known) if isinstance(effect, OpenTicket) and not effect.province else effect
        for effect in turn.effects
    )
    return replace(turn, effects=tuple(effects))


def _fitted(reply: Reply, most: int) -> Reply:
    """More choices than the channel can carry: all as a numbered list, the first ones and the last as buttons."""
    if len(reply.choices) <= most:
        return reply
    listed = "\n".join(f"{number}. {choice.title}" for number, choice in enumerate(reply.choices, 1))
    kept = (*reply.choices[: max(most - 1, 0)], *reply.choices[-1:])
    return replace(reply, text=f"{reply.text}\n{listed}", choices=kept)
