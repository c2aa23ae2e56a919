"""docs/flows.md: every example loads, and every key the reader knows is explained and shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bot.flows import checks, read, reading
from bot.flows.deeds import DEEDS
from tests.dialogue import ROOT, inside

PAGE = (ROOT / "docs" / "flows.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_loads_without_a_fault(number: int, tmp_path: Path) -> None:
    (tmp_path / "example.yml").write_text(EXAMPLES[number], encoding="utf-8")
    flows, findings = read(tmp_path, actions=inside().names)
    assert [str(finding) for finding in findings] == []
    assert flows.flows


def test_every_key_is_explained_and_shown() -> None:
    known = {
        *reading.KEYS_OF_FILE,
        *reading.KEYS_OF_FLOW,
        *reading.KEYS_OF_STEP,
        *reading.KEYS_OF_KIND,
        *(key for keys in reading.KEYS_OF_KIND.values() for key in keys),
        *reading.KEYS_OF_SLOT,
        *reading.KEYS_OF_RESPONSE,
    }
    assert len(known) > 25
    shown = keys(yaml.safe_load("\n".join(["- " + part.replace("\n", "\n  ") for part in EXAMPLES])))
    assert sorted(key for key in known if f"`{key}" not in PAGE) == []
    assert sorted(known - shown) == []


def keys(data: object) -> set[str]:
    if isinstance(data, dict):
        return {str(key) for key in data} | {inner for value in data.values() for inner in keys(value)}
    return {inner for value in data for inner in keys(value)} if isinstance(data, list) else set()


def test_every_deed_and_context_name_is_listed() -> None:
    assert [name for name in [*DEEDS, *checks.CONTEXT] if f"`{name}`" not in PAGE] == []
    assert f"{checks.TEXT} characters" in PAGE
