"""How an article is told on a channel: messages to say and choices to tap. Pure; no word is ever cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.knowledge.articles import MESSAGE, Article, Case, Escalate, Slot
from bot.messages import Choice

MOST_MESSAGES = 4  # before she gets a choice
PARTS = {
    "documents": "Giấy tờ cần có",
    "steps": "Các bước",
    "where": "Đến đâu",
    "cost": "Chi phí",
    "time": "Thời gian",
    "sources": "Căn cứ",
}
PERSON = Choice("Gặp tư vấn viên", "person")
DRAFT = "(Bản nháp, OSSO chưa duyệt)"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What to say, in order, and what she can tap after it. `ask` is the slot the last message asks for, if any.

    `stamp` is (article id, content hash): the version she was told.
    """

    messages: tuple[str, ...]
    choices: tuple[Choice, ...]
    stamp: tuple[str, str]
    ask: Slot | None = None
    escalate: Escalate | None = None


def render(
    article: Article,
    *,
    country: str = "",
    province: str = "",
    mark_draft: bool = False,
    choices: int = 5,
    links: Mapping[str, str] | None = None,
) -> Rendered:
    """The whole article for what is known of her.

    The answer, then the fitting case or the one question that finds it; then sections as messages of their own up to
    `MOST_MESSAGES`, the others offered as choices. `choices` is how many her channel can carry (5 Zalo, 13 Messenger).
    `links` are the articles that may be offered, id → button title: a follow-up that is not in it is left out.
    Payloads: `case:<article>:<value>`, `part:<article>:<part>`, `article:<id>`, `person`.
    """
    if not article.variants:
        return _told(article, article.answer, mark_draft=mark_draft, choices=choices, links=links)
    known = country if article.variants.slot == "country" else province
    case = article.variants.case(known)
    if case:
        told = (*article.answer, *case.answer)
        return _told(article, told, mark_draft=mark_draft, choices=choices, links=links)
    messages = (*article.answer, article.variants.ask)
    cases = [Choice(case.label, f"case:{article.id}:{case.values[0]}") for case in article.variants.cases]
    return Rendered(
        messages=_marked(messages, article, mark_draft),
        choices=(*_keep_last(cases, choices - 1), PERSON),
        stamp=(article.id, article.hash),
        ask=article.variants.slot,
        escalate=article.escalate,
    )


def render_case(
    article: Article,
    value: str,
    *,
    mark_draft: bool = False,
    choices: int = 5,
    links: Mapping[str, str] | None = None,
) -> Rendered:
    """What is said once she tells her country or province after `render` asked: the case and the sections, not the
    answer again. An unknown value gets the case `other`, or the sections alone."""
    case: Case | None = article.variants.case(value) if article.variants else None
    return _told(article, case.answer if case else (), mark_draft=mark_draft, choices=choices, links=links)


def render_part(
    article: Article,
    part: str,
    *,
    mark_draft: bool = False,
    choices: int = 5,
    links: Mapping[str, str] | None = None,
) -> Rendered:
    """One section she tapped, with the other sections and the follow-ups as choices. An unknown part says nothing."""
    text = section(article, part)
    others = [other for other in PARTS if other != part and section(article, other)]
    return Rendered(
        messages=_marked((text,) if text else (), article, mark_draft),
        choices=_choices(article, others, choices, links),
        stamp=(article.id, article.hash),
        escalate=article.escalate,
    )


def section(article: Article, part: str) -> str:
    """One section with its heading, or empty text when the article has none."""
    match part:
        case "documents":
            lines = [f"– {item}" for item in article.documents]
        case "steps":
            lines = [f"{number}. {item}" for number, item in enumerate(article.steps, 1)]
        case "where":
            lines = [article.where] if article.where else []
        case "cost":
            return f"{PARTS['cost']}: {article.cost}" if article.cost else ""
        case "time":
            return f"{PARTS['time']}: {article.time}" if article.time else ""
        case "sources":
            cited = [f"{source.law}, {source.article}".rstrip(", ") for source in article.sources]
            lines = [f"– {item}" for item in dict.fromkeys(cited)]
        case _:
            lines = []
    return "\n".join([f"{PARTS[part]}:", *lines]) if lines else ""


def _told(
    article: Article,
    said: tuple[str, ...],
    *,
    mark_draft: bool,
    choices: int,
    links: Mapping[str, str] | None,
) -> Rendered:
    messages = (
        [*said[: MOST_MESSAGES - 1], "\n".join(said[MOST_MESSAGES - 1 :])] if len(said) > MOST_MESSAGES else [*said]
    )
    left: list[str] = []
    for part in PARTS:
        text = section(article, part)
        if not text:
            continue
        if part != "sources" and not left and len(messages) < MOST_MESSAGES:
            messages.append(text)
        else:
            left.append(part)
    invitation = article.escalate.text if article.escalate else ""
    if invitation and messages and len(messages[-1]) + 2 + len(invitation) <= MESSAGE:
        messages[-1] += f"\n\n{invitation}"
    elif invitation and len(messages) < MOST_MESSAGES:
        messages.append(invitation)
    return Rendered(
        messages=_marked(tuple(messages), article, mark_draft),
        choices=_choices(article, left, choices, links),
        stamp=(article.id, article.hash),
        escalate=article.escalate,
    )


def _choices(article: Article, parts: list[str], most: int, links: Mapping[str, str] | None) -> tuple[Choice, ...]:
    """Sections not yet told, then neighbours, the sources last of all; a person always."""
    titled = {part: Choice(PARTS[part], f"part:{article.id}:{part}") for part in parts}
    last = titled.pop("sources", None)
    links = links or {}
    near = [Choice(links[link], f"article:{link}") for link in article.follow_ups if link in links]
    offered = [*titled.values(), *near, *([last] if last else [])]
    return (*offered[: max(most - 1, 0)], PERSON)


def _keep_last(choices: list[Choice], most: int) -> list[Choice]:
    """The first ones that fit and the last one, which is the case for everyone else."""
    if len(choices) <= most:
        return choices
    return [*choices[: most - 1], choices[-1]] if most > 0 else []


def _marked(messages: tuple[str, ...], article: Article, mark_draft: bool) -> tuple[str, ...]:
    if not mark_draft or article.status == "published" or not messages:
        return messages
    return (*messages[:-1], f"{messages[-1]}\n{DRAFT}")
