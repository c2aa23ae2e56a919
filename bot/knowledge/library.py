"""The knowledge in use, renewed while the bot talks: a good save is taken over whole, a bad one is told and left.

The only part of the room with a thread. Whoever reads `current` once in a turn sees one knowledge and its matcher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from threading import Thread
from typing import Generic, TypeVar

from bot.errors import ContentError
from bot.knowledge.articles import Article
from bot.knowledge.loading import Knowledge, Parsed, article_files, read, read_article, version
from bot.messages import Finding

M = TypeVar("M")
Approved = Mapping[tuple[str, str], str] | None  # (article id, hash) -> the text of its file when it was published
Signature = tuple[date, AbstractSet[tuple[str, str]] | None, tuple[tuple[str, int, int], ...]]


@dataclass(frozen=True, slots=True)
class Held(Generic[M]):
    """One state of the library: what is known, the matcher trained on it, since when."""

    knowledge: Knowledge
    matcher: M
    loaded_at: datetime


class Library(Generic[M]):
    """Holds the last good knowledge of `root` and the matcher that `train(knowledge, today)` made of it.

    Raises `ContentError` when there is no good one to begin with. `now` gives local time; a new day counts as a change,
    since articles expire at midnight; so does a new approval. `approved` gives the versions that are out: of an article
    edited since then, the old words are told until the new ones are approved.
    Training takes seconds: with `meanwhile`, new knowledge is in use at once beside what that makes of the old matcher.
    """

    def __init__(
        self,
        root: Path,
        train: Callable[[Knowledge, date], M],
        *,
        now: Callable[[], datetime],
        approved: Callable[[], Approved] = lambda: None,
        meanwhile: Callable[[Knowledge, M], M] | None = None,
    ) -> None:
        self._root = root
        self._train = train
        self._now = now
        self._approved = approved
        self._meanwhile = meanwhile
        self._parsed: dict[Path, tuple[tuple[int, int], Parsed]] = {}
        self._loading: Thread | None = None
        self.faults: tuple[Finding, ...]
        self._seen = self._signature()
        knowledge, at, self.faults = self._known()
        self.current: Held[M] = Held(knowledge, train(knowledge, at.date()), at)

    @property
    def knowledge(self) -> Knowledge:
        return self.current.knowledge

    @property
    def matcher(self) -> M:
        return self.current.matcher

    @property
    def loaded_at(self) -> datetime:
        return self.current.loaded_at

    def poll(self) -> bool:
        """Looks whether a file changed and starts loading aside; true when it did. Call it every second."""
        if self._loading and self._loading.is_alive():
            return False
        signature = self._signature()
        if signature == self._seen:
            return False
        self._seen = signature
        self._loading = Thread(target=self._renew, name="knowledge", daemon=True)
        self._loading.start()
        return True

    def settle(self) -> None:
        """Waits until nothing is loading."""
        if self._loading:
            self._loading.join()

    def _renew(self) -> None:
        try:
            knowledge, at, lost = self._known()
            if self._meanwhile:
                self.current = Held(knowledge, self._meanwhile(knowledge, self.matcher), at)
            held = Held(knowledge, self._train(knowledge, at.date()), at)
        except ContentError as error:
            self.faults = error.findings
        except Exception as error:  # whatever training dislikes, the bot goes on with what it has, and says so
            what = type(error).__name__
            vi, en = f"không dựng được bộ hiểu câu hỏi ({what})", f"training failed ({what})"
            self.faults = (Finding("error", "knowledge", 1, "training", vi, en),)
        else:
            self.current = held
            self.faults = lost

    def _known(self) -> tuple[Knowledge, datetime, tuple[Finding, ...]]:
        """What the folder says now, and the approved versions that can be told no more."""
        now = self._now()
        shelf = read(self._root, parsed=self._remembered)
        if shelf.grave:
            raise ContentError(shelf.grave)
        approved, lost = self._out(shelf.knowledge.articles)
        return replace(shelf.knowledge, approved=approved), now, lost

    def _out(self, articles: Mapping[str, Article]) -> tuple[Mapping[str, Article] | None, tuple[Finding, ...]]:
        """The approved version of every article that has a file; an article whose file is gone is not told."""
        record = self._approved()
        if record is None:
            return None, ()
        out: dict[str, Article] = {}
        lost: list[Finding] = []
        for (name, digest), text in record.items():
            if name not in articles:
                continue
            held = articles[name] if articles[name].hash == digest else version(name, digest, text)
            if held is None:
                vi, en = (
                    "không đọc được bản đã duyệt: hãy duyệt lại",
                    "the approved version cannot be read: review again",
                )
                lost.append(Finding("error", f"{articles[name].topic}/{name}.yml", 1, "approved", vi, en))
            else:
                out[name] = replace(held, review=replace(held.review, status="published"))
        return {name: out[name] for name in articles if name in out}, tuple(lost)

    def _remembered(self, path: Path, root: Path, topic: str) -> Parsed:
        """An article file, parsed again only when it changed."""
        try:
            stat = path.stat()
        except OSError:
            return read_article(path, root, topic)
        mark = (stat.st_mtime_ns, stat.st_size)
        held = self._parsed.get(path)
        if held is None or held[0] != mark:
            held = (mark, read_article(path, root, topic))
            self._parsed[path] = held
        return held[1]

    def _signature(self) -> Signature:
        paths = [path for path, _ in article_files(self._root)]
        marks = []
        for path in (*paths, *sorted(self._root.glob("*.yml")), self._root / "communes.tsv"):
            try:
                stat = path.stat()
            except OSError:  # gone between listing and looking: the next look sees it
                continue
            marks.append((str(path), stat.st_mtime_ns, stat.st_size))
        record = self._approved()
        return self._now().date(), None if record is None else frozenset(record), tuple(marks)
