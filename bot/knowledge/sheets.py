"""Articles as one long sheet (CSV or XLSX) for people who live in Excel: one row per sentence, ids never change.

A sheet is taken whole or not at all. No formula goes out and none comes in, and a sheet without its last line is
refused.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils.exceptions import InvalidFileException

from bot.knowledge.articles import ARTICLE, TOPICS, Article, article
from bot.knowledge.checking import check
from bot.knowledge.loading import Shelf
from bot.knowledge.shape import BEARABLE, Fields, Items, OneOrMore, Shape, Steps
from bot.knowledge.writing import to_data, write_article
from bot.messages import Finding
from bot.yamlfile import Document

HEADER = ("mã bài", "chủ đề", "mục", "nội dung")
END = "HẾT"
MAX_BYTES = 20_000_000
MAX_UNPACKED = 200_000_000
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")
_BLANK = " \u00a0\u3000\ufeff\u200b"
_KEPT = ("review",)  # never in a sheet: an approval is not imported


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    id: str
    topic: str
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sheet would do. `remove` are the articles it does not name. With any finding nothing may be done."""

    add: tuple[Article, ...] = ()
    change: tuple[tuple[Article, Article], ...] = ()
    remove: tuple[Article, ...] = ()
    same: int = 0
    findings: tuple[Finding, ...] = ()

    def files(self, shelf: Shelf, *, removing: bool) -> dict[str, bytes | None]:
        """File → its new bytes, or None to remove it."""
        wanted: dict[str, bytes | None] = {}
        for new in (*self.add, *(after for _, after in self.change)):
            if (old := shelf.files.get(new.id)) and old != _file(new):
                wanted[old] = None  # the topic changed
            wanted[_file(new)] = write_article(new).encode()
        if removing:
            wanted |= {shelf.files[gone.id]: None for gone in self.remove}
        return wanted


def rows(articles: Iterable[Article]) -> Iterator[tuple[str, str, str, str]]:
    """The sheet: header, one row per sentence, last line. Every text safe to open in a spreadsheet."""
    yield HEADER
    count = 0
    for found in articles:
        count += 1
        data = {key: value for key, value in to_data(found).items() if key not in ("id", *_KEPT)}
        for field, text in _flat(data):
            yield found.id, found.topic, field, guarded(text)
    yield END, "", "", f"{count} bài"


def write_csv(articles: Iterable[Article]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows(articles))
    return text.getvalue().encode("utf-8-sig")


def write_xlsx(articles: Iterable[Article]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Bài")
    sheet.freeze_panes = "A2"
    for letter, width in zip("ABCD", (32, 14, 26, 110), strict=True):
        sheet.column_dimensions[letter].width = width
    for row in rows(articles):
        cells = [WriteOnlyCell(sheet, value=text) for text in row]
        for cell in cells:
            cell.data_type = "s"
        sheet.append(cells)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def guarded(text: str) -> str:
    """The text with an apostrophe before it when a spreadsheet could take it for a formula."""
    return f"'{text}" if text.lstrip(_BLANK).startswith(_FORMULA) or text.startswith(_FORMULA) else text


def read_sheet(path: Path) -> tuple[list[Row], list[Finding]]:
    """The rows of a CSV or XLSX file, or every reason it is not taken."""
    if not path.exists() or path.stat().st_size > MAX_BYTES:
        return [], [_no(path, 1, "unreadable", "không có tệp này, hoặc tệp quá lớn", "no such file, or too big")]
    match path.suffix.lower():
        case ".csv":
            cells, findings = _csv(path)
        case ".xlsx":
            cells, findings = _xlsx(path)
        case _:
            return [], [_no(path, 1, "kind", "chỉ nhận tệp .csv hoặc .xlsx", "only .csv or .xlsx")]
    if findings:
        return [], findings
    return _rows(path, cells)


def plan(path: Path, shelf: Shelf) -> Plan:
    """What importing the sheet would add, change and remove. Reads; changes nothing."""
    read, findings = read_sheet(path)
    if findings:
        return Plan(findings=tuple(findings))
    by_id: dict[str, list[Row]] = {}
    for row in read:
        by_id.setdefault(row.id, []).append(row)
    knowledge = shelf.knowledge
    add: list[Article] = []
    change: list[tuple[Article, Article]] = []
    same = 0
    for held in by_id.values():
        new, faults = _article(path, held)
        findings += faults
        if new is None:
            continue
        old = knowledge.articles.get(new.id)
        if old is None:
            add.append(new)
            continue
        new = replace(new, review=old.review) if old.hash == new.hash else new
        if new == old:
            same += 1
        else:
            change.append((old, new))
    remove = tuple(old for old in knowledge.articles.values() if old.id not in by_id)
    return Plan(tuple(add), tuple(change), remove, same, tuple(findings))


def _article(path: Path, held: list[Row]) -> tuple[Article | None, list[Finding]]:
    first = held[0]
    if first.topic not in TOPICS or any(row.topic != first.topic for row in held):
        vi = f"“{first.id}”: mọi dòng phải có cùng một chủ đề trong: {', '.join(TOPICS)}"
        return None, [_no(path, first.line, "topic", vi, f"“{first.id}”: one topic of {', '.join(TOPICS)}")]
    data: dict[str, Any] = {"id": first.id}
    lines: dict[Steps, int] = {(): first.line, ("id",): first.line}
    findings: list[Finding] = []
    for row in held:
        if at := _set(data, ARTICLE, row.field.split("."), row.text):
            lines |= {at[: length + 1]: lines.get(at[: length + 1], row.line) for length in range(len(at))}
        else:
            vi, en = f"không có mục “{row.field}”, hoặc ghi hai lần", f"no such field “{row.field}”, or given twice"
            findings.append(_no(path, row.line, "field", vi, en))
    data.setdefault("sources", [])
    data["review"] = {"status": "draft"}
    made, faults = article(Document(f"{first.topic}/{first.id}.yml", data, lines), first.topic)
    findings += [replace(found, file=path.name) for found in faults if found.code not in BEARABLE]
    return (None if findings else made), findings


def _set(place: Any, shape: Shape, steps: list[str], text: str) -> Steps | None:
    """Puts one text into the data by its field name (`answer`, `variants.cases.1.label`) and gives its path; nothing
    when the article has no such place, or one that is taken."""
    match shape:
        case Fields(fields) if steps and steps[0] in fields and steps[0] not in _KEPT:
            step, *rest = steps
            inner = fields[step].shape
            many = isinstance(inner, Items | OneOrMore)
            if rest:
                path = _set(place.setdefault(step, [] if many else {}), inner, rest, text)
                return (step, *path) if path else None
            if isinstance(inner, Items | OneOrMore) and not isinstance(inner.item, Fields):
                place.setdefault(step, []).append(text)
                return (step, len(place[step]) - 1)
            if many or isinstance(inner, Fields) or step in place:
                return None
            place[step] = text
            return (step,)
        case Items(item) if steps and steps[0].isdecimal() and 1 <= int(steps[0]) <= len(place) + 1:
            index = int(steps[0]) - 1
            if index == len(place):
                place.append({})
            path = _set(place[index], item, steps[1:], text)
            return (index, *path) if path else None
        case _:
            return None


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, held in value.items():
                yield from _flat(held, f"{name}.{key}" if name else key)
        case list():
            for index, item in enumerate(value, 1):
                yield from _flat(item, f"{name}.{index}" if isinstance(item, dict) else name)
        case _:
            yield name, str(value)


def _rows(path: Path, cells: list[tuple[int, list[str]]]) -> tuple[list[Row], list[Finding]]:
    if not cells or [text.strip().lower() for text in cells[0][1][:4]] != list(HEADER):
        vi, en = f"dòng đầu phải là: {', '.join(HEADER)}", f"the first line must be: {', '.join(HEADER)}"
        return [], [_no(path, 1, "header", vi, en)]
    filled = [(line, texts) for line, texts in cells[1:] if any(text.strip() for text in texts)]
    if not filled or filled[-1][1][0].strip() != END:
        vi = f"tệp bị cắt: dòng cuối phải là “{END}”. Hãy xuất lại hoặc chép lại cả tệp"
        line = filled[-1][0] if filled else 1
        return [], [_no(path, line, "cut", vi, f"the file was cut: its last line must be “{END}”")]
    found: list[Row] = []
    findings: list[Finding] = []
    for line, texts in filled[:-1]:
        if len(texts) < 4 or any(text.strip() for text in texts[4:]):
            findings.append(_no(path, line, "columns", "mỗi dòng phải có đúng 4 cột", "four columns a line"))
            continue
        bare = [_bare(text) for text in texts[:4]]
        if None in bare:
            vi = "ô bắt đầu như một công thức (= + - @): thêm dấu ' phía trước nếu đó là chữ"
            findings.append(_no(path, line, "formula", vi, "looks like a formula: put ' before it if it is text"))
            continue
        identity, topic, field, text = (str(part) for part in bare)
        if identity.strip() == END:
            findings.append(_no(path, line, "end", f"“{END}” chỉ được ở dòng cuối", f"“{END}” before the last line"))
        found.append(Row(line, identity.strip(), topic.strip(), field.strip(), text.strip()))
    return ([] if findings else found), findings


def _bare(text: str) -> str | None:
    """The text without its guard; nothing when it is an unguarded formula."""
    if text.startswith("'"):
        return text[1:] if guarded(text[1:]) != text[1:] else text
    return None if guarded(text) != text else text


def _csv(path: Path) -> tuple[list[tuple[int, list[str]]], list[Finding]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return [], [_no(path, 1, "not-utf8", "tệp không phải UTF-8: lưu dạng “CSV UTF-8”", "save as CSV UTF-8")]
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    cells: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            cells.append((reader.line_num, row))
    except csv.Error as error:
        vi = f"tệp CSV hỏng gần dòng {reader.line_num}, có thể bị cắt giữa chừng"
        return [], [_no(path, reader.line_num, "cut", vi, f"broken CSV ({error})")]
    return cells, []


def _xlsx(path: Path) -> tuple[list[tuple[int, list[str]]], list[Finding]]:
    broken = _no(path, 1, "cut", "tệp Excel hỏng hoặc bị cắt: hãy xuất lại", "the workbook is broken or cut")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED:
                return [], [_no(path, 1, "too-big", "tệp Excel quá lớn", "the workbook is too big")]
        book = load_workbook(path)
        sheet = book.worksheets[0]
    except (zipfile.BadZipFile, InvalidFileException, KeyError, IndexError, OSError, ValueError, SyntaxError, EOFError):
        return [], [broken]
    cells: list[tuple[int, list[str]]] = []
    findings: list[Finding] = []
    for line, row in enumerate(sheet.iter_rows(), 1):
        if any(cell.data_type == "f" for cell in row):
            vi = "ô có công thức: hãy dán lại dạng giá trị (chỉ chữ)"
            findings.append(_no(path, line, "formula", vi, "a formula: paste it as plain text"))
            continue
        cells.append((line, [_text(cell.value) for cell in row]))
    return cells, findings


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return value.date().isoformat()
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _file(of: Article) -> str:
    return f"{of.topic}/{of.id}.yml"


def _no(path: Path, line: int, code: str, vi: str, en: str) -> Finding:
    return Finding("error", path.name, line, code, vi, en)


def difference(old: Article, new: Article) -> list[str]:
    """The names of the fields in which two versions differ, in house order."""
    before: Mapping[str, Any] = to_data(old)
    after: Mapping[str, Any] = to_data(new)
    names = [key for key in ARTICLE.fields if before.get(key) != after.get(key)]
    return (["topic"] if old.topic != new.topic else []) + names


def after(root: Path, files: Mapping[str, bytes | None], *, today: date) -> list[Finding]:
    """The errors there would be with these files in place, in them or because of them. The root is not touched."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "knowledge"
        copytree(root, copy)
        for name, raw in files.items():
            if raw is None:
                (copy / name).unlink(missing_ok=True)
            else:
                (copy / name).parent.mkdir(exist_ok=True)
                (copy / name).write_bytes(raw)
        before = {(found.file, found.code, found.vi) for found in check(root, today=today)}
        return [
            found
            for found in check(copy, today=today)
            if found.severity == "error" and (found.file in files or (found.file, found.code, found.vi) not in before)
        ]
