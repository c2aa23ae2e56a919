"""The reader of `knowledge/words.yml`: chat spellings, regional words, words to keep, concepts. All faults at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot import yamlfile
from bot.errors import ContentError
from bot.messages import Finding
from bot.nlu import syllable
from bot.nlu.normalise import Concept, Words, normalise, sentences

_SECTIONS = ("keep", "short", "regional", "concepts")


def load(path: Path, *, root: Path | None = None) -> Words:
    """Raises ContentError with every fault of the file."""
    words, findings = read(path, root=root)
    if any(finding.severity == "error" for finding in findings):
        raise ContentError(findings)
    return words


def read(path: Path, *, root: Path | None = None) -> tuple[Words, list[Finding]]:
    """The words that could be read, and every fault found. Never raises on content."""
    document, findings = yamlfile.read(path, root=root)
    if document is None:
        return Words(), findings
    return _build(document, findings)


def parse(raw: bytes, name: str) -> tuple[Words, list[Finding]]:
    document, findings = yamlfile.parse(raw, name)
    return (Words(), findings) if document is None else _build(document, findings)


@dataclass(frozen=True, slots=True)
class _Reader:
    """One file on its way in; `findings` grows as faults are met."""

    document: yamlfile.Document
    findings: list[Finding]

    def fault(self, path: tuple[str | int, ...], code: str, vi: str, *, en: str) -> None:
        self.findings.append(Finding("error", self.document.file, self.document.line(*path), code, vi, en))

    def section(self, name: str, kind: type) -> Any:
        data = self.document.data if isinstance(self.document.data, dict) else {}
        value = data.get(name, kind())
        if isinstance(value, kind):
            return value
        self.fault((name,), "shape", f"mục “{name}” sai kiểu", en=f"section “{name}” must be a {kind.__name__}")
        return kind()


def _build(document: yamlfile.Document, findings: list[Finding]) -> tuple[Words, list[Finding]]:
    reader = _Reader(document, findings)
    if not isinstance(document.data, dict):
        reader.fault((), "shape", "tệp phải là một bảng gồm các mục", en="the file must be a mapping of sections")
    else:
        for unknown in sorted(set(document.data) - set(_SECTIONS)):
            known = ", ".join(_SECTIONS)
            reader.fault(
                (unknown,), "unknown-key", f"mục lạ “{unknown}”", en=f"unknown section “{unknown}”; known: {known}"
            )
    return _concepts(reader, _spellings(reader)), findings


def _spellings(reader: _Reader) -> Words:
    single: dict[str, str] = {}
    phrases: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = defaultdict(list)
    where: dict[tuple[str, ...], tuple[tuple[str, str], str]] = {}
    for part in ("short", "regional"):
        for key, value in reader.section(part, dict).items():
            wrote, means = tuple(key.split()), str(value or "")
            if not means.strip():
                reader.fault((part, key), "empty", f"“{key}” chưa có nghĩa", en=f"“{key}” has no replacement")
            elif wrote in where:
                first = where[wrote][0][0]
                reader.fault(
                    (part, key), "twice", f"“{key}” đã có ở mục {first}", en=f"“{key}” already stands in {first}"
                )
            else:
                where[wrote] = ((part, key), means)
                if len(wrote) == 1:
                    single[key] = means
                elif wrote:
                    phrases[wrote[0]].append((wrote[1:], tuple(means.split())))
    keep = frozenset(str(word).casefold() for word in reader.section("keep", list))
    longest_first = {first: tuple(sorted(pairs, key=lambda pair: -len(pair[0]))) for first, pairs in phrases.items()}
    words = Words(single, longest_first, keep)
    for wrote, (path, means) in where.items():
        key = path[1]
        if normalise(means, words).marked != means:
            reader.fault(
                path,
                "chain",
                f"nghĩa “{means}” lại bị đổi tiếp hoặc viết chưa chuẩn: hãy ghi dạng cuối cùng",
                en=f"the replacement “{means}” is itself changed: write the final form",
            )
        if sentences(key) != [list(wrote)]:
            reader.fault(
                path,
                "key-form",
                f"“{key}” không bao giờ gặp: viết thường, không dấu câu",
                en=f"“{key}” can never be met: write it in lower case, without punctuation",
            )
        if not syllable.is_marked(key) and key == syllable.strip(means):
            reader.fault(
                path,
                "restore",
                f"“{key}” chỉ là “{means}” không dấu: xóa dòng này, OSSO tự hiểu chữ không dấu",
                en=f"“{key}” is only “{means}” without marks: delete the line, unmarked text is understood",
            )
    return words


def _concepts(reader: _Reader, words: Words) -> Words:
    concepts: dict[str, Concept] = {}
    openings: dict[str, set[tuple[tuple[str, ...], str]]] = defaultdict(set)
    unspaced: list[tuple[str, str]] = []
    for name, body in reader.section("concepts", dict).items():
        path = ("concepts", name)
        if not isinstance(body, dict) or set(body) != {"label", "forms"} or not isinstance(body["forms"], list):
            reader.fault(
                path,
                "shape",
                f"khái niệm “{name}” cần đúng hai mục label và forms",
                en=f"concept “{name}” needs exactly label and forms (a list)",
            )
            continue
        concepts[name] = Concept(name, str(body["label"]))
        for index, form in enumerate(body["forms"]):
            tokens = normalise(str(form), words).tokens
            if not tokens:
                reader.fault((*path, "forms", index), "empty", "dạng viết trống", en="an empty form")
            elif ord(tokens[0][0]) > 0x2FFF:
                unspaced.append(("".join(tokens), name))
            else:
                openings[syllable.strip(tokens[0])].add((tokens, name))
    longest_first = {
        first: tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair))) for first, pairs in openings.items()
    }
    return replace(words, concepts=concepts, openings=longest_first, unspaced=tuple(unspaced))
