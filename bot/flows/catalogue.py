"""What there is to translate in flow files, for Babel: every response text and button title, the Vietnamese as key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any

from bot import yamlfile
from bot.flows.values import Flows


def sources(flows: Flows) -> dict[str, str]:
    """Vietnamese text → name of the response that says it (the first one)."""
    found: dict[str, str] = {}
    for name, variants in flows.responses.items():
        for variant in variants:
            for text in (variant.text, *(button.title for button in variant.buttons)):
                if text:
                    found.setdefault(text, name)
    return found


def extract(
    file: IO[bytes], keywords: Collection[str], comment_tags: Collection[str], options: Mapping[str, Any]
) -> Iterator[tuple[int, str, str, list[str]]]:
    """Babel extractor (`bot.flows.catalogue:extract`): line, function, message, comments."""
    document, _ = yamlfile.parse(file.read(), "flow")
    data = document.data if document and isinstance(document.data, dict) else {}
    responses = data.get("responses")
    for name, variants in responses.items() if isinstance(responses, dict) else ():
        for index, variant in enumerate(variants if isinstance(variants, list) else ()):
            if not isinstance(variant, dict) or document is None:
                continue
            place = ("responses", name, index)
            if isinstance(variant.get("text"), str):
                yield document.line(*place, "text"), "", variant["text"], [name]
            buttons = variant.get("buttons")
            for number, button in enumerate(buttons if isinstance(buttons, list) else ()):
                if isinstance(button, dict) and isinstance(button.get("title"), str):
                    yield document.line(*place, "buttons", number), "", button["title"], [name]
