"""Everything the desk says in Vietnamese it also says in English, with the same places to fill."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from bot import texts
from handoff.accounts.break_glass import REASONS
from handoff.accounts.staff import ROLE_NAMES
from handoff.app import PLACES

ROOT = Path(__file__).parent.parent
IN_TEMPLATE = re.compile(r"""\b_\(\s*(?:"([^"]+)"|'([^']+)')""")
SAID = ("Refused", "translate", "_", "Notice")  # calls whose first text is shown to staff


def in_templates() -> set[str]:
    pages = list((ROOT / "handoff" / "templates").rglob("*.html"))
    assert len(pages) > 15
    return {match[1] or match[2] for page in pages for match in IN_TEMPLATE.finditer(page.read_text("utf-8"))}


def in_code() -> set[str]:
    return {first.value for first in said() if isinstance(first, ast.Constant) and isinstance(first.value, str)}


def said() -> list[ast.expr]:
    """What code says to staff: the first argument of every such call."""
    paths = [*(ROOT / "handoff").rglob("*.py"), *(ROOT / "bot" / "knowledge").rglob("*.py")]
    calls = [
        node
        for path in paths
        if path.name not in ("cli.py", "demo.py")  # the console speaks English
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", "") in SAID
    ]
    assert len(calls) > 80
    return [node.args[0] for node in calls]


def test_no_word_is_put_together_where_no_catalogue_can_know_it() -> None:
    assert [ast.unparse(first) for first in said() if isinstance(first, ast.JoinedStr | ast.BinOp)] == []


def test_every_word_of_the_desk_is_in_english_too() -> None:
    english = texts.load(ROOT / "locales", domain="desk").catalogues["en"]
    tables = {*REASONS.values(), *ROLE_NAMES.values(), *(place.words for place in PLACES)}
    missing = sorted((in_templates() | in_code() | tables) - set(english))
    assert missing == []


def test_translations_fill_the_same_places() -> None:
    english = texts.load(ROOT / "locales", domain="desk").catalogues["en"]
    assert len(english) > 150
    for source, translation in english.items():
        assert set(re.findall(r"\{\w+\}", source)) == set(re.findall(r"\{\w+\}", translation)), source
