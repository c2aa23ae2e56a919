"""From a draft to an answer that is out: the deeds of the content staff, for the commands and the pages alike.

The rules are in `governance`; here they are asked, the review block of the file is written, and the act is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from bot.errors import ContentError, Refused
from bot.knowledge.articles import Article, Review
from bot.knowledge.checking import judge, read_style
from bot.knowledge.governance import Act, Approval, Approvals, Editor, approved, may_publish, may_review, reviews
from bot.knowledge.loading import Shelf, read
from bot.knowledge.writing import fingerprint, save_all, write_article
from bot.messages import Finding


@dataclass(frozen=True, slots=True)
class Press:
    """Where the files are, who did what to them, who may do what today, and the time in Viet Nam."""

    root: Path
    record: Approvals
    people: Mapping[str, Editor]
    now: Callable[[], datetime]

    def editor(self, name: str) -> Editor:
        """Raises Refused for somebody who is not of the content staff."""
        if name not in self.people:
            raise Refused("Không có tài khoản “{name}” trong nhóm nội dung.", name=name)
        return self.people[name]


def submit(press: Press, ids: Sequence[str], *, by: str, with_: Sequence[str] = ()) -> list[Article]:
    """Records who wrote these words: `by`, and `with_` who wrote along. Raises ContentError or Refused."""
    table = _Table.of(press, ids)
    press.editor(by)
    for article in table.chosen:
        for name in dict.fromkeys((by, *with_)):
            press.record.add(_act(press, article, "wrote", name))
    return table.chosen


def review(press: Press, ids: Sequence[str], *, by: str, seen: Mapping[str, str] | None = None) -> list[Article]:
    """Approves exactly the words on the disk, all articles or none.

    `seen`: article → content hash as the reviewer read it. Raises ContentError with every refusal, or Refused.
    """
    table = _Table.of(press, ids, seen=seen)
    editor = press.editor(by)
    found = table.judged()
    _refuse(
        [
            refusal
            for article in table.chosen
            for refusal in may_review(article, by=editor, acts=press.record.of(article.id), findings=found)
        ]
    )
    today = press.now().date().isoformat()
    marked = table.mark({article.id: Review("reviewed", by, today) for article in table.chosen})
    for article in marked:
        press.record.add(_act(press, article, "reviewed", by))
    return marked


def send_back(press: Press, ids: Sequence[str], *, by: str, remark: str) -> list[Article]:
    """These words are a draft again, and `remark` says what to change; reviews of them count no more.

    Raises Refused without a remark, for somebody who judges nothing, and for words that were not handed in.
    """
    table = _Table.of(press, ids)
    if not remark.strip():
        raise Refused("Hãy viết điều cần sửa, để người viết biết.")
    if not press.editor(by).publishes:
        raise Refused("{name} không phải người duyệt nội dung.", name=by)
    for article in table.chosen:
        acts = [act.act for act in press.record.of(article.id) if act.hash == article.hash]
        if not acts or acts[-1] not in ("wrote", "reviewed"):
            raise Refused("{name}: bản này chưa được gửi duyệt, hoặc đã đăng.", name=article.id)
    marked = table.mark({article.id: Review("draft") for article in table.chosen})
    for article in marked:
        press.record.add(replace(_act(press, article, "returned", by), remark=remark.strip()))
    return marked


def publish(press: Press, ids: Sequence[str], *, by: str, seen: Mapping[str, str] | None = None) -> list[Article]:
    """Lets reviewed words out, all articles or none. Raises ContentError with every refusal, or Refused."""
    table = _Table.of(press, ids, seen=seen)
    editor = press.editor(by)
    found = table.judged()
    _refuse(
        [
            refusal
            for article in table.chosen
            for refusal in may_publish(
                article,
                by=editor,
                acts=press.record.of(article.id),
                people=press.people,
                today=press.now().date(),
                findings=found,
            )
        ]
    )
    marked = table.mark({article.id: _last_review(press, article) for article in table.chosen})
    for article in marked:
        press.record.add(_act(press, article, "published", by))
    return marked


def withdraw(press: Press, ids: Sequence[str], *, by: str) -> list[Article]:
    """From now on nobody is told these articles, in whatever words they are out; other words being written stay as they
    stand. The record is first: it holds even where the file cannot be written."""
    table = _Table.of(press, ids)
    press.editor(by)
    marks = {article.id: Review("draft") for article in table.chosen}
    for article in table.chosen:
        act = _act(press, replace(article, review=Review("draft")), "withdrawn", by)
        out = dict(approved(acts := press.record.of(article.id))).get(article.id, article.hash)
        if out != article.hash:
            text = next(done.text for done in reversed(acts) if done.act == "published" and done.hash == out)
            act = replace(act, hash=out, text=text)
            marks[article.id] = article.review if article.status == "reviewed" else Review("draft")
        press.record.add(act)
    return table.mark(marks)


@dataclass(frozen=True, slots=True)
class _Table:
    """The chosen articles as they lay there, with the fingerprints of their files at that moment."""

    press: Press
    shelf: Shelf
    chosen: list[Article]
    seen: Mapping[str, str]

    @staticmethod
    def of(press: Press, ids: Sequence[str], *, seen: Mapping[str, str] | None = None) -> _Table:
        """Raises ContentError when the folder cannot be loaded, Refused for unknown ids and for words changed since."""
        prints = {path.relative_to(press.root).as_posix(): fingerprint(path) for path in press.root.glob("*/*.yml")}
        shelf = read(press.root)
        _refuse(list(shelf.grave))
        if unknown := [name for name in ids if name not in shelf.knowledge.articles]:
            raise Refused("Không có bài: {name}", name=", ".join(unknown))
        chosen = [shelf.knowledge.articles[name] for name in ids]
        if seen and any(seen.get(article.id, article.hash) != article.hash for article in chosen):
            raise Refused("Bài vừa được sửa sau khi chị mở: hãy đọc lại bản mới.")
        return _Table(press, shelf, chosen, prints)

    def judged(self) -> list[Finding]:
        rules, more = read_style(self.press.root)
        return judge(self.shelf, rules=rules, today=self.press.now().date(), before=more)

    def mark(self, reviews: Mapping[str, Review]) -> list[Article]:
        """Writes the review blocks, all or none, and gives the articles as they stand now; no word changes."""
        marked = [replace(article, review=reviews[article.id]) for article in self.chosen]
        files = {self.shelf.files[article.id]: article for article in marked}
        save_all(
            self.press.root,
            {name: (write_article(held).encode(), self.seen.get(name, "")) for name, held in files.items()},
        )
        return marked


def _last_review(press: Press, article: Article) -> Review:
    act = reviews(article, press.record.of(article.id))[-1]
    return Review("published", act.by, act.on[:10])


def _act(press: Press, article: Article, act: Act, by: str) -> Approval:
    on = press.now().isoformat(timespec="seconds")
    return Approval(article.id, article.hash, act, by, on, write_article(article))


def _refuse(found: Sequence[Finding]) -> None:
    if errors := [one for one in found if one.severity == "error"]:
        raise ContentError(errors)
