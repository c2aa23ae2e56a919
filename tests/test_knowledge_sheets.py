from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from bot.knowledge import Article, load, read
from bot.knowledge.sheets import END, HEADER, Plan, difference, guarded, plan, write_csv, write_xlsx
from tests.knowledge_sample import sample

Rows = list[list[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "knowledge").mkdir()
    return sample(tmp_path / "knowledge")


def sheet(root: Path) -> Rows:
    """The export as rows."""
    return list(csv.reader(io.StringIO(write_csv(load(root).articles.values()).decode("utf-8-sig"))))


def planned(root: Path, rows: Rows, *, delimiter: str = ",") -> Plan:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path = root.parent / "bai.csv"
    path.write_text(text.getvalue(), "utf-8-sig")
    return plan(path, read(root))


def refused(root: Path, rows: Rows) -> set[tuple[str, int]]:
    found = planned(root, rows)
    assert not (found.add or found.change) or found.findings
    return {(one.code, one.line) for one in found.findings}


@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_an_untouched_export_changes_nothing(root: Path, write: object) -> None:
    assert callable(write)
    path = root.parent / ("bai.csv" if write is write_csv else "bai.xlsx")
    path.write_bytes(write(load(root).articles.values()))
    found = plan(path, read(root))
    assert (found.same, found.add, found.change, found.remove, found.findings) == (2, (), (), (), ())


def test_add_change_and_remove_are_told_apart(root: Path) -> None:
    rows = sheet(root)
    mine = [row for row in rows if row[0] == "leg-mot"]
    new = [["leg-moi", *row[1:]] for row in mine]
    new = [[a, b, c, "Nút mới"] if c == "short" else [a, b, c, d] for a, b, c, d in new]
    more = [*mine, ["leg-mot", "legal", "questions", "câu hỏi mới toanh"]]
    found = planned(root, [list(HEADER), *more, *new, [END, "", "", ""]])
    assert [one.id for one in found.add] == ["leg-moi"]
    assert [(old.id, difference(old, now)) for old, now in found.change] == [("leg-mot", ["questions"])]
    assert [one.id for one in found.remove] == ["gen-hai"]
    shelf = read(root)
    assert set(found.files(shelf, removing=False)) == {"legal/leg-mot.yml", "legal/leg-moi.yml"}
    assert found.files(shelf, removing=True)["general/gen-hai.yml"] is None


def test_a_new_question_keeps_the_review_and_a_new_word_does_not(root: Path) -> None:
    path = root / "legal/leg-mot.yml"
    path.write_text(path.read_text().replace("status: draft", "status: reviewed\n  by: lan\n  on: 2026-11-25"))
    rows = sheet(root)
    ((_, asked),) = planned(root, [*rows[:-1], ["leg-mot", "legal", "questions", "câu mới"], rows[-1]]).change
    assert asked.status == "reviewed"
    rows = [[*row[:3], "Nộp tận xã"] if row[3] == "Nộp ở xã" else row for row in rows]
    ((_, reworded),) = planned(root, rows).change
    assert reworded.status == "draft"
    assert not [row for row in rows if row[2].startswith("review")]


def test_a_moved_article_leaves_its_old_folder(root: Path) -> None:
    rows = [["gen-hai", "child", *row[2:]] if row[0] == "gen-hai" else row for row in sheet(root)]
    found = planned(root, rows)
    assert [difference(old, new) for old, new in found.change] == [["topic"]]
    files = found.files(read(root), removing=False)
    assert files["general/gen-hai.yml"] is None
    assert files["child/gen-hai.yml"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_excel_may_separate_as_it_likes(root: Path, delimiter: str) -> None:
    assert planned(root, sheet(root), delimiter=delimiter).same == 2


def test_a_sheet_cut_anywhere_is_refused(root: Path) -> None:
    whole = write_csv(load(root).articles.values())
    path = root.parent / "bai.csv"
    for cut in range(0, len(whole) - 8, 97):
        path.write_bytes(whole[:cut])
        assert plan(path, read(root)).findings, f"cut at {cut}"
    path.write_bytes(whole)
    assert not plan(path, read(root)).findings


def test_a_cut_workbook_is_refused(root: Path) -> None:
    whole = write_xlsx(load(root).articles.values())
    path = root.parent / "bai.xlsx"
    for cut in range(0, len(whole) - 1, 499):
        path.write_bytes(whole[:cut])
        assert {one.code for one in plan(path, read(root)).findings} == {"cut"}, f"cut at {cut}"
    path.write_bytes(b"PK\x03\x04 not a workbook")
    assert plan(path, read(root)).findings


def test_formulas_are_refused_with_their_line(root: Path) -> None:
    rows = sheet(root)
    rows.insert(5, ["leg-mot", "legal", "questions", "=HYPERLINK(A1)"])
    rows.insert(7, ["leg-mot", "legal", "questions", "  @SUM(A1)"])
    assert refused(root, rows) == {("formula", 6), ("formula", 8)}
    book = Workbook()
    page = book.active
    assert page is not None
    for row in sheet(root):
        page.append(row)
    page["D3"] = "=1+1"
    path = root.parent / "bai.xlsx"
    book.save(path)
    assert [(one.code, one.line) for one in plan(path, read(root)).findings] == [("formula", 3)]


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=30)
    | st.builds("{}{}".format, st.sampled_from(list("=+-@＝＋－＠\t\r\n' \u3000")), st.text(max_size=9))
)
def test_no_text_leaves_as_a_formula_and_every_guard_comes_off(text: str) -> None:
    out = guarded(text)
    assert not out.lstrip(" \u00a0\u3000\ufeff\u200b").startswith(
        ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
    )
    assert out == text or out == "'" + text
    if out != text:
        assert guarded(out) != out, "a guarded text is recognised, so its guard can be taken off"


def test_guarded_words_survive_the_round_trip(root: Path) -> None:
    odd = ("-gạch đầu dòng", "=không phải công thức", "+84 gọi được không", "@chị", "'nháy'", "'=nháy")
    held = load(root).articles["leg-mot"]
    held = replace(held, questions=(*held.questions, *odd))
    for name, data in (("bai.csv", write_csv([held])), ("bai.xlsx", write_xlsx([held]))):
        path = root.parent / name
        path.write_bytes(data)
        ((_, now),) = plan(path, read(root)).change
        assert now.questions == held.questions
    page = load_workbook(root.parent / "bai.xlsx").worksheets[0]
    cells = [cell for row in page.iter_rows() for cell in row]
    assert cells
    assert not [cell for cell in cells if cell.data_type == "f"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (["leg-mot", "legal", "anser", "x"], "field"),
        (["leg-mot", "legal", "title", "hai lần"], "field"),
        (["leg-mot", "legal", "review.status", "published"], "field"),
        (["leg-mot", "legal", "variants.cases.9.label", "x"], "field"),
        (["leg-mot", "legal", "sources.1", "x"], "field"),
        (["leg-mot", "legal", "variants", "x"], "field"),
        (["leg-mot", "child", "questions", "x"], "topic"),
        (["leg-ba", "nowhere", "title", "x"], "topic"),
        (["leg-ba", "legal", "title", "x"], "missing"),
        (["Leg Ba", "legal", "title", "x"], "format"),
        (["leg-mot", "legal", "questions"], "columns"),
        (["leg-mot", "legal", "questions", "x", "y"], "columns"),
        (["leg-mot", "legal", "follow_ups", "x"], "too-many"),
        (["HẾT", "", "", ""], "end"),
    ],
)
def test_a_wrong_row_refuses_the_whole_sheet(root: Path, row: list[str], code: str) -> None:
    rows = sheet(root)
    links = [["leg-mot", "legal", "follow_ups", f"leg-{word}"] for word in ("a", "b")] if code == "too-many" else []
    found = refused(root, [*rows[:-1], *links, row, rows[-1]])
    assert code in {one for one, _ in found}
    assert all(line > 1 for _, line in found)


def test_other_files_are_refused(root: Path) -> None:
    for name, data, code in (
        ("bai.txt", b"x", "kind"),
        ("bai.csv", b"", "header"),
        ("bai.csv", "mã,b,c,d\n".encode(), "header"),
        ("bai.csv", "mã bài".encode("utf-16"), "not-utf8"),
        ("bai.csv", b'a,"b', "cut"),
    ):
        path = root.parent / name
        path.write_bytes(data)
        assert [one.code for one in plan(path, read(root)).findings] == [code]
    assert [one.code for one in plan(root.parent / "vang.csv", read(root)).findings] == ["unreadable"]


def test_difference_is_empty_for_equals(root: Path) -> None:
    held: Article = load(root).articles["leg-mot"]
    assert difference(held, held) == []
