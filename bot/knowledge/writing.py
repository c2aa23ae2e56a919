"""Writing an article back: the house layout, one editor at a time, a whole file or none.

This is the only place of the room that changes a file, and it never writes what `load` would refuse.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import yaml

from bot.errors import ContentError, Refused
from bot.knowledge.articles import ARTICLE, ID, TOPICS, Article, Review
from bot.knowledge.loading import parse_article
from bot.knowledge.shape import BEARABLE

_FILE = re.compile(rf"(?:{'|'.join(TOPICS)})/{ID}\.yml")


def to_data(of: Article) -> dict[str, Any]:
    """Plain data in the order of the house layout, without what is empty; `article` reads it back to the same value."""
    raw = asdict(of)
    data = {key: _plain(raw[key]) for key in ARTICLE.fields if raw[key] or key == "sources"}
    for case in data.get("variants", {}).get("cases", ()):
        values = case.pop("values")
        case["value"] = values[0] if len(values) == 1 else values
        case |= {key: case.pop(key) for key in ("label", "answer")}  # keep `value` first
    return data


def write_article(of: Article) -> str:
    """The article as its file should read: block style, one item a line, keys in a fixed order."""
    return write_data(to_data(of))


def write_data(data: Mapping[str, Any]) -> str:
    """Plain data of texts, lists and mappings in the same layout, be it an article yet or not."""
    return "\n".join(_lines(data, 0)) + "\n"


def fingerprint(path: Path) -> str:
    """Names the exact bytes of a file, empty when there is none: what an editor saw when she opened it."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def without_review(text: str) -> list[str]:
    """The lines of an article's file but for its review block: what people wrote, whoever judged it since."""
    lines, inside = [], False
    for line in text.splitlines():
        if not line.startswith(" "):
            inside = line.startswith("review:")
        if not inside:
            lines.append(line)
    return lines


def save(root: Path, file: str, raw: bytes, *, seen: str) -> str:
    """Puts these bytes into `<topic>/<id>.yml` and returns their fingerprint.

    `seen` is the fingerprint of the file as the editor opened it. Raises `Refused` when someone saved in between or the
    name is no article's, and `ContentError` when loading would refuse the content. The old file stands until the new
    one is whole on the disk.
    """
    save_all(root, {file: (raw, seen)})
    return hashlib.sha256(raw).hexdigest()


def save_all(root: Path, files: Mapping[str, tuple[bytes | None, str]]) -> None:
    """Several files at once, all or none: file → (bytes or None to remove it, fingerprint seen). Raises like `save`."""
    for file, (raw, _) in files.items():
        if not _FILE.fullmatch(file):
            raise Refused("“{name}” không phải tên tệp của một bài.", name=file)
        if raw is None:
            continue
        _, article, findings = parse_article(raw, file, file.split("/", 1)[0])
        if article is None:
            raise ContentError([found for found in findings if found.code not in BEARABLE])
    with _alone(root):
        for file, (_, seen) in files.items():
            if fingerprint(root / file) != seen:
                raise Refused("“{name}” vừa được người khác lưu: hãy mở lại bài, xem thay đổi rồi sửa tiếp.", name=file)
        done: list[tuple[Path, bytes | None]] = []
        try:
            for file, (raw, _) in files.items():
                path = root / file
                old = path.read_bytes() if path.exists() else None
                _put(path, raw)
                done.append((path, old))
        except OSError as error:
            for path, old in reversed(done):
                _put(path, old)
            raise Refused("Không ghi được tệp ({name}); mọi bài vẫn như cũ.", name=error.strerror) from error


def reviewed(article: Article, review: Review) -> Article:
    """The same article with another review block; its content hash does not change."""
    return replace(article, review=review)


def _put(path: Path, raw: bytes | None) -> None:
    if raw is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Nobody else writes below `root` meanwhile, in this process or another. The lock dies with its holder."""
    lock = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _plain(value: Any) -> Any:
    match value:
        case date():
            return value.isoformat()
        case tuple() | list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items() if item != ""}
        case _:
            return value


def _lines(value: Any, depth: int) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(value, dict):
        for key, held in value.items():
            if isinstance(held, dict | list) and held:
                yield f"{pad}{key}:"
                yield from _lines(held, depth + 1)
            else:
                yield f"{pad}{key}: {_scalar(held)}"
        return
    for item in value:
        if isinstance(item, dict | list):
            first, *rest = _lines(item, depth + 1)
            yield f"{pad}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{pad}- {_scalar(item)}"


_SAFE = re.compile(r"[^\W\d_][^#:\"'\\\[\]{}&*!|>%@`\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]*")


def _scalar(value: Any) -> str:
    """Plain when nothing in it could be read as anything but this text, else in double quotes."""
    if value == []:
        return "[]"
    text = cast(str, value)
    if _SAFE.fullmatch(text) and text == text.strip() and text not in ("true", "false", "null"):
        return text
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return text
    return yaml.dump(text, default_style='"', allow_unicode=True, width=10**9).rstrip("\n")
