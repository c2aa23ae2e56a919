"""The house keeps its own rules; each rule is first shown to bite."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    found = [ROOT / name for name in listed.stdout.splitlines()]
    assert len(found) > 100
    return [path for path in found if path.is_file()]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    arguments = ["--config", str(folder / "pyproject.toml"), "--no-cache"]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the packages that a test may spoil."""
    for package in ("bot", "handoff"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_import_contracts_hold(house: Path) -> None:
    result = lint(house)
    assert result.returncode == 0, result.stdout[-2000:]


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("bot/messages.py", "import bot.engine", "Imports go down through the rooms"),
        ("bot/engine/__init__.py", "import sqlalchemy", "Thinking rooms touch no network"),
        ("bot/hearing.py", "import handoff.app", "Imports go down through the rooms"),
    ],
)
def test_each_import_contract_bites(house: Path, file: str, line: str, contract: str) -> None:
    spoiled = house / file
    spoiled.write_text(spoiled.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    result = lint(house)
    assert result.returncode != 0
    broken = [told for told in result.stdout.splitlines() if told.endswith("BROKEN")]
    assert any(told.startswith(contract) for told in broken), broken


def test_no_file_carries_a_path_of_a_machine() -> None:
    signs = tuple(f"/{name}/" for name in ("root", "work", "farm", "home"))
    kinds = (".py", ".yml", ".toml", ".md", ".html", ".js", ".css", ".lock", ".tsv", "")
    bad = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix in kinds
        and any(word.strip("\"'(`").startswith(signs) for word in path.read_text(encoding="utf-8").split())
    ]
    assert bad == []


def test_no_room_is_called_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "misc"}
    rooms = [path for path in tracked() if path.suffix == ".py"]
    assert rooms
    assert [str(path) for path in rooms if path.stem in drawers or path.parent.name in drawers] == []


def test_every_module_says_what_it_is_for() -> None:
    rooms = [path.relative_to(ROOT) for path in tracked() if path.suffix == ".py" and path.parts[-2] != "versions"]
    modules = [ROOT / path for path in rooms if path.parts[0] in ("bot", "handoff", "bench")]
    silent = [
        str(path)
        for path in modules
        if path.stat().st_size and not path.read_text(encoding="utf-8").startswith(('"""', "'''"))
    ]
    assert silent == []
