"""From rows to what the page shows. A bubble stands only for a send that really left; the trace is in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import url_for
from sqlalchemy import RowMapping

from bot.channels.webchat import KEPT
from bot.engine import Book
from bot.simulator import trace
from bot.simulator.reads import Seen
from bot.store.crypto import ConversationKey, Keyring
from bot.store.media import token_of
from bot.store.queries import OPEN_OUTBOX

NOTHING: Mapping[str, Any] = {"chat": "", "cursor": "", "lines": [], "writing": False, "owner": "bot", "ticket": None}
UNSETTLED = (*OPEN_OUTBOX, "unknown")


def page(seen: Seen | None, keyring: Keyring, book: Book) -> Mapping[str, Any]:
    """The JSON of one look. `cursor` is the last entry before anything that may still change. Raises Sealed."""
    if seen is None:
        return NOTHING
    key = keyring.open_key(seen.conversation["wrapped_key"])
    titles = trace.Titles.of(book)
    said: dict[int | None, list[RowMapping]] = {}
    for row in seen.said:
        said.setdefault(row["entry_id"], []).append(row)
    lines = [_line(row, said.get(row["id"], []), key, titles) for row in seen.entries]
    lines += [_loose(row, key) for row in said.get(None, []) if row["status"] == "sent"]
    return {
        "chat": seen.conversation["uuid"],
        "cursor": _cursor(seen.entries, said),
        "lines": lines,
        "writing": seen.writing,
        "owner": seen.conversation["owner"],
        "ticket": trace.ticket(seen.ticket, seen.ahead) if seen.ticket else None,
    }


def _cursor(entries: Sequence[RowMapping], said: Mapping[int | None, Sequence[RowMapping]]) -> str:
    cursor = ""
    for row in entries:
        if any(one["status"] in UNSETTLED for one in said.get(row["id"], ())):
            break
        cursor = str(row["uuid"])
    return cursor


def _line(row: RowMapping, said: Sequence[RowMapping], key: ConversationKey, titles: trace.Titles) -> dict[str, Any]:
    public = row["uuid"]
    line: dict[str, Any] = {"id": public, "author": row["author"], "at": row["at"]}
    if row["author"] == "person":
        body = key.open(row["body_sealed"], "entry", public, "body")
        sealed = row["platform_sealed"]
        line["message"] = key.open(sealed, "entry", public, "platform") if sealed else ""
        line["text"] = body.get("text") or body.get("tapped") or _tapped(body.get("payload", ""))
        line["attachments"] = [
            {"kind": one["kind"], "url": _address(one.get("url", ""))} for one in body.get("attachments", ())
        ]
    else:
        line["bubbles"] = list(_bubbles(said, key))
    why = key.open(row["why_sealed"], "entry", public, "why") if row["why_sealed"] else ()
    return line | {"trace": trace.of(row, why, titles)}


def _tapped(payload: str) -> str:
    """What stands in her bubble for a tap whose title is not known any more."""
    return "Bắt đầu" if payload == "start" else "(chạm một nút)" if payload else ""


def _address(url: str) -> str:
    """Where this page finds a file that lies here; empty for one that lies elsewhere."""
    token = url.removeprefix(KEPT) if url.startswith(KEPT) else token_of(url)
    return url_for("simulator.file", token=token) if token else ""


def _loose(row: RowMapping, key: ConversationKey) -> dict[str, Any]:
    """A send without an entry: the receipt of an erasure, which leaves no transcript."""
    return {
        "id": row["uuid"],
        "author": "bot",
        "at": row["created_at"],
        "bubbles": list(_bubbles([row], key)),
        "trace": None,
    }


def _bubbles(said: Sequence[RowMapping], key: ConversationKey) -> Iterator[dict[str, Any]]:
    for row in said:
        if row["status"] == "sent":
            body = key.open(row["body_sealed"], "outbox", row["uuid"], "body")
            yield {
                "id": row["uuid"],
                "text": body.get("text", ""),
                "image": bool(body.get("image")),
                "picture": _address(body.get("image", "")),
                "contact": bool(body.get("contact")),
                "choices": [
                    dict(zip(("title", "payload", "url", "phone"), one, strict=True)) for one in body.get("choices", ())
                ],
            }
