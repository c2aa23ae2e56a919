"""The reader of `knowledge/out_of_scope.tsv`: messages that no article answers, one a line, `kind<TAB>text`."""

from __future__ import annotations

from pathlib import Path

from bot.errors import ContentError
from bot.messages import Finding


def load_out_of_scope(path: Path) -> tuple[str, ...]:
    """The texts in file order. Raises ContentError with every faulty line."""
    name = path.name
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        unread = Finding(
            "error", name, 1, "unreadable", "không đọc được tệp (cần UTF-8)", "cannot read the file as UTF-8"
        )
        raise ContentError([unread]) from None
    faults = [
        Finding("error", name, number, "shape", "mỗi dòng: loại, phím Tab, câu", "each line: kind, a tab, the text")
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#") and len([part for part in line.split("\t") if part.strip()]) != 2
    ]
    if faults:
        raise ContentError(faults)
    return tuple(line.split("\t")[1].strip() for line in lines if line.strip() and not line.startswith("#"))
