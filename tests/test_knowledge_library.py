from __future__ import annotations

import os
import threading
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from bot.errors import ContentError
from bot.knowledge import Knowledge, Library, load
from bot.settings import read_settings
from bot.wiring import open_library
from tests.conftest import SECRET
from tests.knowledge_sample import ARTICLE, REAL, SECOND, changed, put, sample

HANOI = timezone(timedelta(hours=7))
FILE = "legal/leg-mot.yml"
TODAY = date(2026, 11, 25)


class Clock:
    """Local time that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 25, 8, tzinfo=HANOI)

    def __call__(self) -> datetime:
        return self.now


def count(knowledge: Knowledge, today: date) -> int:
    """Stands for a matcher: how many articles may be served."""
    return len(knowledge.serving(drafts=True, today=today))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return sample(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rewrite(root: Path, text: str | bytes, *, later: int = 1) -> None:
    """Saves the file with a time of change that differs, however coarse the disk's clock is."""
    put(root, FILE, text)
    path = root / FILE
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + later * 1_000_000_000))


def renewed(library: Library[int]) -> bool:
    found = library.poll()
    library.settle()
    return found


def test_nothing_to_begin_with_is_an_error(root: Path, clock: Clock) -> None:
    put(root, FILE, "id: [")
    with pytest.raises(ContentError):
        Library(root, count, now=clock)


def test_a_good_save_is_taken_over_whole(root: Path, clock: Clock) -> None:
    library = Library(root, count, now=clock)
    first = library.current
    assert not renewed(library), "nothing changed"
    assert library.current is first
    clock.now += timedelta(seconds=2)
    rewrite(root, changed("  - Gom giấy", "  - Gom đủ giấy"))
    assert renewed(library)
    assert library.knowledge.articles["leg-mot"].steps[0] == "Gom đủ giấy"
    assert library.loaded_at == clock.now
    assert first.knowledge.articles["leg-mot"].steps[0] == "Gom giấy", "a turn in progress keeps what it took"
    assert not renewed(library)


def test_a_broken_save_keeps_the_last_good_one_and_says_so(root: Path, clock: Clock) -> None:
    library = Library(root, count, now=clock)
    good = library.current
    rewrite(root, "id: [")
    assert renewed(library)
    assert library.current is good
    assert [(one.file, one.code) for one in library.faults] == [(FILE, "syntax")]
    assert not renewed(library), "the same fault is not read again and again"
    rewrite(root, ARTICLE, later=5)
    assert renewed(library)
    assert library.faults == ()
    assert library.current is not good


def test_files_come_and_go(root: Path, clock: Clock) -> None:
    library = Library(root, count, now=clock)
    put(root, "child/chi-ba.yml", ARTICLE.replace("leg-mot", "chi-ba").replace("short: Ghi chú", "short: Chú"))
    assert renewed(library)
    assert library.matcher == 3
    (root / "child/chi-ba.yml").unlink()
    assert renewed(library)
    assert library.matcher == 2


def test_numbers_and_provinces_are_watched_too(root: Path, clock: Clock) -> None:
    library = Library(root, count, now=clock)
    text = (root / "referrals.yml").read_text()
    put(root, "referrals.yml", text.replace("'113'", "'1133'"))
    assert renewed(library)
    assert library.knowledge.referrals["vn-113"].number == "1133"


def test_a_new_day_withdraws_what_expired(root: Path, clock: Clock) -> None:
    clock.now = datetime(2027, 2, 28, 23, 59, tzinfo=HANOI)
    library = Library(root, count, now=clock)
    assert library.matcher == 2
    clock.now += timedelta(minutes=2)
    assert renewed(library)
    assert library.matcher == 1


def test_a_new_approval_is_taken_over(root: Path, clock: Clock) -> None:
    out: list[dict[tuple[str, str], str]] = [{}]
    library = Library(root, count, now=clock, approved=lambda: out[0])
    assert library.knowledge.approved == {}
    out[0] = {("leg-mot", library.knowledge.articles["leg-mot"].hash): ""}
    assert renewed(library)
    assert said(library) == {"leg-mot": "Gom giấy"}


def said(library: Library[int], today: date = TODAY) -> dict[str, str]:
    """article -> its first step, as production says it."""
    return {one.id: one.steps[0] for one in library.knowledge.serving(drafts=False, today=today)}


def test_an_edited_article_is_told_in_its_approved_words(root: Path, clock: Clock) -> None:
    digest = load(root).articles["leg-mot"].hash
    out: list[dict[tuple[str, str], str]] = [{("leg-mot", digest): ARTICLE, ("leg-gone", "1"): ARTICLE}]
    library = Library(root, count, now=clock, approved=lambda: out[0])
    edited = changed("  - Gom giấy", "  - Gom đủ giấy").replace("2027-02-28", "2028-01-01")
    rewrite(root, edited)
    assert renewed(library)
    assert library.faults == ()
    assert library.knowledge.articles["leg-mot"].steps[0] == "Gom đủ giấy"
    assert said(library) == {"leg-mot": "Gom giấy"}
    assert library.knowledge.serving(drafts=False, today=TODAY)[0].status == "published"
    assert said(library, date(2027, 3, 1)) == {}, "the approved version ends on its own day"
    out[0] = {("leg-mot", library.knowledge.articles["leg-mot"].hash): edited}
    assert renewed(library)
    assert said(library, date(2027, 3, 1)) == {"leg-mot": "Gom đủ giấy"}
    out[0] = {}
    assert renewed(library)
    assert said(library) == {}
    out[0] = {("leg-mot", digest): ARTICLE}
    (root / FILE).unlink()
    put(root, "general/gen-hai.yml", SECOND.replace("  - leg-mot\n", "  - gen-hai\n"))
    assert renewed(library)
    assert said(library) == {}, "an article whose file is gone is not told"


def test_an_approved_version_nobody_can_read_is_told_to_staff(root: Path, clock: Clock) -> None:
    record: dict[tuple[str, str], str] = {}
    for text in ("", "id: [", ARTICLE):
        record[("leg-mot", "0" * 16)] = text
        library = Library(root, count, now=clock, approved=lambda: record)
        assert said(library) == {}
        assert [(one.file, one.code) for one in library.faults] == [(FILE, "approved")]


def test_training_happens_aside_and_once_at_a_time(root: Path, clock: Clock) -> None:
    gate = threading.Event()
    started = threading.Event()
    begun: list[int] = []

    def slow(knowledge: Knowledge, today: date) -> int:
        begun.append(1)
        if len(begun) > 1:
            started.set()
            assert gate.wait(10)
        return count(knowledge, today)

    library = Library(root, slow, now=clock)
    before = library.current
    rewrite(root, changed("  - Gom giấy", "  - Gom đủ giấy"))
    assert library.poll()
    assert started.wait(10)
    assert library.current is before, "the talk goes on with the old one meanwhile"
    rewrite(root, changed("  - Gom giấy", "  - Gom thật đủ giấy"), later=9)
    assert not library.poll(), "one at a time"
    gate.set()
    library.settle()
    assert library.current is not before
    assert library.poll(), "what was saved meanwhile is not forgotten"
    library.settle()
    assert library.knowledge.articles["leg-mot"].steps[0] == "Gom thật đủ giấy"


def test_failed_training_is_a_fault_and_not_an_end(root: Path, clock: Clock) -> None:
    tried: list[int] = []

    def train(knowledge: Knowledge, today: date) -> int:
        tried.append(1)
        if len(tried) == 2:
            raise ZeroDivisionError
        return count(knowledge, today)

    library = Library(root, train, now=clock)
    rewrite(root, changed("  - Gom giấy", "  - Gom đủ giấy"))
    assert renewed(library)
    assert [one.code for one in library.faults] == ["training"]
    assert library.knowledge.articles["leg-mot"].steps[0] == "Gom giấy"


def test_only_changed_files_are_read_again(root: Path, clock: Clock) -> None:
    library = Library(root, count, now=clock)
    same = library.knowledge.articles["gen-hai"]
    rewrite(root, changed("  - Gom giấy", "  - Gom đủ giấy"))
    assert renewed(library)
    assert library.knowledge.articles["gen-hai"] is same


def test_an_edit_is_served_before_anything_is_learned(root: Path, clock: Clock) -> None:
    gate = threading.Event()
    told: list[str] = []

    def train(knowledge: Knowledge, _today: date) -> str:
        if told:
            assert gate.wait(10)
        told.append("trained")
        return f"learned {len(told)}"

    def meanwhile(_knowledge: Knowledge, before: str) -> str:
        swapped.set()
        return f"{before}, for now"

    swapped = threading.Event()
    library = Library(root, train, now=clock, meanwhile=meanwhile)
    before = library.current
    rewrite(root, changed("  - Gom giấy", "  - Gom đủ giấy"))
    assert library.poll()
    assert swapped.wait(10)
    while library.current is before:  # the very next step of the other thread
        threading.Event().wait(0.001)
    assert told == ["trained"], "nothing was learned yet"
    assert library.matcher == "learned 1, for now"
    assert library.knowledge.articles["leg-mot"].steps[0] == "Gom đủ giấy"
    gate.set()
    library.settle()
    assert library.matcher == "learned 2"


def test_an_edit_makes_nothing_again_that_did_not_change(tmp_path: Path) -> None:
    root = tmp_path / "knowledge"
    copytree(REAL, root, ignore=ignore_patterns("legal", "child", "vocational", "psychological"))
    environ = {
        "OSSO_DATA_DIR": str(tmp_path / "var"),
        "OSSO_KNOWLEDGE_DIR": str(root),
        "OSSO_SECRET_KEYS": SECRET,
        "OSSO_DOTENV": os.devnull,
    }
    library = open_library(read_settings(environ))
    before = library.matcher.book
    article = root / "general/gen-osso-la-gi.yml"
    for file, same in ((article, True), (root / "words.yml", False)):
        file.write_text(
            file.read_text("utf-8").replace("Dạ, OSSO chào chị.", "Dạ, OSSO xin chào chị.") + "# \n", "utf-8"
        )
        assert library.poll()
        library.settle()
        assert library.faults == ()
        after = library.matcher.book
        assert (after.screen is before.screen, after.flows is before.flows) == (same, True)
    assert after.knowledge.articles[article.stem].answer[0].startswith("Dạ, OSSO xin chào")


def test_a_saved_list_of_communes_is_a_change(root: Path, clock: Clock) -> None:
    library = Library(root, count, now=clock)
    assert not renewed(library)
    (root / "communes.tsv").write_text("kimanh\t\t\t\tXã Kim Anh\tHà Nội\t\n", "utf-8")
    assert renewed(library)
    assert not renewed(library)
