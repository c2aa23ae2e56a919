"""Reading the in/out tables of the channels: fixtures in, the events or verdicts we promise out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from bot.messages import Answer, Event

FIXTURES = Path(__file__).parent / "fixtures"


def told(event: Event) -> dict[str, Any]:
    """What an event says, as plain JSON: its type and every field that is not empty, without its key."""
    fields = json.loads(json.dumps(dataclasses.asdict(event), ensure_ascii=True))
    fields.pop("key", None)
    return {"event": type(event).__name__} | _filled(fields)


def load(path: str) -> Any:
    return json.loads((FIXTURES / path).read_text(encoding="utf-8"))


def answer(path: Path) -> Answer:
    """A stored answer; Messenger's carry status and headers around the body."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    if "http_status" not in stored:
        return Answer(200, {}, path.read_bytes())
    body = stored["body"]
    return Answer(
        stored["http_status"], stored["headers"], (body if isinstance(body, str) else json.dumps(body)).encode()
    )


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    told_of = {
        name: [_filled(attachment) for attachment in value] if name == "attachments" else value
        for name, value in fields.items()
    }
    return {name: value for name, value in told_of.items() if value not in ("", [], None, False, 0)}
