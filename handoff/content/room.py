"""What every page of the content staff works with: the files as they stand, their findings, the press, the words.

Reads of the folder are remembered file by file, so that a page or a check while typing parses only what changed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from flask import Blueprint, current_app
from sqlalchemy import Connection

from bot.knowledge import Article, Editor, Shelf, judge, read, read_style
from bot.knowledge.checking import unmarked
from bot.knowledge.deeds import Press
from bot.knowledge.loading import Parsed, read_article
from bot.knowledge.wording import Style
from bot.messages import Finding
from handoff.accounts import Staff
from handoff.accounts.members import Missing
from handoff.content import approvals, words
from handoff.content.approvals import Record
from handoff.frame import VIETNAM, frame, look, now

pages = Blueprint("knowledge", __name__, url_prefix="/knowledge")


@dataclass(frozen=True, slots=True)
class Judged:
    """The folder at one moment: what was read, the rules of wording, every finding."""

    shelf: Shelf
    rules: Style
    findings: tuple[Finding, ...]

    def article(self, name: str) -> Article:
        """Raises Missing."""
        found = self.shelf.knowledge.articles.get(name)
        if found is None:
            raise Missing
        return found

    def about(self, file: str) -> list[Finding]:
        return [one for one in self.findings if one.file == file]


class Bookcase:
    """The newest state of the folder, read again only where a file changed. Safe to share between threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = Lock()
        self._parsed: dict[Path, tuple[tuple[int, int], Parsed]] = {}
        self._held: tuple[tuple[object, ...], Judged] | None = None

    def judged(self, today: datetime.date) -> Judged:
        with self._lock:
            marks = (today, *((str(path), *_mark(path)) for path in sorted(self.root.rglob("*.yml"))))
            if self._held is None or self._held[0] != marks:
                rules, more = read_style(self.root)
                shelf = read(self.root, parsed=self._remembered)
                self._held = (marks, Judged(shelf, rules, tuple(judge(shelf, rules=rules, today=today, before=more))))
            return self._held[1]

    def _remembered(self, path: Path, root: Path, topic: str) -> Parsed:
        mark = _mark(path)
        held = self._parsed.get(path)
        if held is None or held[0] != mark:
            held = (mark, read_article(path, root, topic))
            self._parsed[path] = held
        return held[1]


def _mark(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:  # gone between listing and looking
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


@pages.record_once
def _bookcase(setup: Any) -> None:
    setup.app.extensions["osso-bookcase"] = Bookcase(setup.app.extensions["osso"].parts.settings.knowledge_dir)


def bookcase() -> Bookcase:
    found = current_app.extensions["osso-bookcase"]
    assert isinstance(found, Bookcase)  # noqa: S101 - tells mypy what _bookcase put there
    return found


def judged() -> Judged:
    return bookcase().judged(today())


def root() -> Path:
    return bookcase().root


def local_now() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now() / 1000, VIETNAM)


def today() -> datetime.date:
    return local_now().date()


def record() -> Record:
    return Record(frame().accounts)


def press() -> Press:
    with frame().parts.database.read() as connection:
        people = approvals.people(connection)
    return Press(root(), record(), people, local_now)


def editor_of(connection: Connection, staff: Staff) -> Editor:
    return approvals.people(connection).get(staff.login, Editor(staff.login))


def plain(text: str) -> str:
    """Without tone marks and case: how words are looked for."""
    return " ".join(unmarked(text).casefold().split())


MASK = "•••"
_NUMBERS = re.compile(r"\d(?:[\s.\-()]{0,2}\d){5,}")
_ADDRESSES = re.compile(r"\S+@\S+|https?://\S+")


def masked(text: str) -> str:
    """Her words without what could be a phone, paper or account number, or an address of hers."""
    return _NUMBERS.sub(MASK, _ADDRESSES.sub(MASK, text))


def said(finding: Finding) -> str:
    """A finding in the reader's language."""
    return finding.en if look().locale == "en" else finding.vi


def worst(findings: Iterable[Finding]) -> dict[str, int]:
    counts = {"error": 0, "warning": 0, "note": 0}
    for one in findings:
        counts[one.severity] += 1
    return counts


@pages.app_context_processor
def _words() -> dict[str, object]:
    return {"content": words, "said": said}
