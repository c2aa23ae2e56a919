"""YAML read the strict way: plain data, a line number for every value, and no surprises.

Only the safe subset is taken: no tags, anchors, aliases, tabs or duplicate keys, at most 5 MB; every fault has a line.
Plain scalars stay text unless they are integers, floats, true/false or null (`no`, `on` and dates are text: YAML 1.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.messages import Finding

MAX_BYTES = 5_000_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KINDS = ("null", "bool", "int", "float", "str", "timestamp", "value")
_PLAIN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in _KINDS)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """`data` is plain; `lines` maps a path like `("questions", 3)` to its 1-based line."""

    file: str
    data: Any
    lines: dict[Path_, int]

    def line(self, *path: str | int) -> int:
        """Line of the value at `path`, or of its nearest known parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(path: Path, *, root: Path | None = None, most: int = MAX_BYTES) -> tuple[Document | None, list[Finding]]:
    """Reads one file. Never raises on content; an unreadable file is a finding and no document."""
    name = str(path.relative_to(root)) if root else str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        return None, [_fault(name, 1, "unreadable", "không mở được tệp", f"cannot open the file ({error.strerror})")]
    return parse(raw, name, most=most)


def parse(raw: bytes, name: str, *, most: int = MAX_BYTES) -> tuple[Document | None, list[Finding]]:
    """Reads bytes as one YAML document called `name`, refused above `most` bytes."""
    if len(raw) > most:
        size, limit = f"{len(raw) / 1000:,.0f} kB", f"{most / 1000:,.0f} kB"
        vi, en = f"tệp lớn {size}, tối đa {limit}: hãy tách nhỏ", f"{size}, at most {limit}: split it"
        return None, [_fault(name, 1, "too-big", vi, en)]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return None, [_fault(name, line, "not-utf8", "tệp không phải UTF-8, hãy lưu lại dạng UTF-8", "save as UTF-8")]
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = str(error.problem or error.context)
        return None, [_fault(name, line, "syntax", f"sai cú pháp YAML: {problem}", f"broken YAML: {problem}")]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        return None, [_fault(name, 1, "syntax", f"sai cú pháp YAML: {problem}", f"broken YAML: {problem}")]
    if node is None:
        return None, [_fault(name, 1, "empty", "tệp trống", "the file is empty")]
    findings: list[Finding] = []
    lines: dict[Path_, int] = {}
    seen: set[int] = set()

    def build(current: yaml.Node, path: Path_, depth: int) -> Any:
        line = current.start_mark.line + 1
        lines[path] = line
        if id(current) in seen:
            findings.append(_fault(name, line, "alias", "không dùng neo (&, *)", "anchors and aliases are not allowed"))
            return None
        seen.add(id(current))
        if depth > 20:
            findings.append(_fault(name, line, "too-deep", "lồng quá 20 tầng", "nested deeper than 20"))
            return None
        if isinstance(current, yaml.MappingNode):
            if current.tag != "tag:yaml.org,2002:map":
                findings.append(_tag(name, line, current.tag))
            result: dict[str, Any] = {}
            for key_node, value_node in current.value:
                key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
                at = key_node.start_mark.line + 1
                if not isinstance(key_node, yaml.ScalarNode) or key == "<<":
                    findings.append(_fault(name, at, "key", "khóa phải là chữ", "a key must be plain text"))
                    continue
                if key in result:
                    findings.append(
                        _fault(name, at, "duplicate-key", f"khóa “{key}” lặp lại", f"duplicate key “{key}”")
                    )
                    continue
                result[key] = build(value_node, (*path, key), depth + 1)
                lines[(*path, key)] = at
            return result
        if isinstance(current, yaml.SequenceNode):
            if current.tag != "tag:yaml.org,2002:seq":
                findings.append(_tag(name, line, current.tag))
            return [build(item, (*path, index), depth + 1) for index, item in enumerate(current.value)]
        if isinstance(current, yaml.ScalarNode) and not current.style and current.tag in _PLAIN:
            return _scalar(current.value)
        if current.tag != "tag:yaml.org,2002:str":
            findings.append(_tag(name, line, current.tag))
        return current.value

    data = build(node, (), 0)
    return Document(name, data, lines), findings


def _scalar(value: str) -> Any:
    if value in ("", "~", "null"):
        return None
    if value in ("true", "false"):
        return value == "true"
    if _INT.fullmatch(value):
        return int(value) if len(value) < 19 else value
    if _FLOAT.fullmatch(value):
        return float(value)
    return value


def _tag(name: str, line: int, tag: str) -> Finding:
    return _fault(name, line, "tag", f"không dùng thẻ {tag}", f"tags are not allowed ({tag})")


def _fault(name: str, line: int, code: str, vi: str, en: str) -> Finding:
    return Finding("error", name, line, code, vi, en)
