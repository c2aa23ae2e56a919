"""Translations of the frame: complete, with the same holes and limits, and neutral on a lock screen."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from bot import hearing, texts
from bot.engine.book import LABELS
from bot.flows import checks
from bot.flows.catalogue import extract, sources
from handoff import appointments, deeds
from tests.dialogue import FLOWS, ROOT, book

HOLE = re.compile(r"\{\w+\}")
QUOTED = re.compile(r"“([^”]+)”")
ALL = list(dict.fromkeys([*sources(book().flows), *LABELS, *hearing.SAID, *deeds.SAID, *appointments.SAID]))


def test_there_is_something_to_translate() -> None:
    assert len(ALL) > 150


@pytest.mark.parametrize("locale", texts.LOCALES)
def test_the_catalogue_is_complete_for_the_frame(locale: str) -> None:
    catalogue = book().texts.catalogues[locale]
    assert [text for text in ALL if text not in catalogue] == []


def test_vietnamese_is_its_own_source() -> None:
    assert {text: book().texts.get("vi", text) for text in ALL} == {text: text for text in ALL}
    assert [text for text in ALL if checks.alarming(text)] == []


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_translations_keep_holes_limits_and_calm(locale: str) -> None:
    titles = {
        button.title for variants in book().flows.responses.values() for item in variants for button in item.buttons
    }
    titles |= {*LABELS, hearing.PERSON, hearing.DELETE, hearing.MENU, appointments.CHANGE_TITLE}
    for text in ALL:
        said = book().texts.get(locale, text)
        assert sorted(HOLE.findall(said)) == sorted(HOLE.findall(text)), text
        assert len(said) <= (checks.TITLE if text in titles else checks.TEXT), said
        assert checks.alarming(said) == "", said


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_words_she_is_told_to_write_are_understood_in_her_language(locale: str) -> None:
    looked = 0
    for text in ALL:
        commands = [word for word in QUOTED.findall(text) if book().flows.intents(word)]
        if not commands:
            continue
        looked += 1
        wanted = {intent for word in commands for intent in book().flows.intents(word)}
        said = {
            intent for word in QUOTED.findall(book().texts.get(locale, text)) for intent in book().flows.intents(word)
        }
        assert wanted <= said, (text, wanted, said)
    assert looked > 15


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_a_translation_is_really_another_language(locale: str) -> None:
    same = [text for text in ALL if book().texts.get(locale, text) == text]
    assert set(same) <= {"Hà Nội", "Hải Phòng", "Cần Thơ", "Tiếng Việt", "한국어", "English", "Malaysia", "Menu"}


def test_babel_finds_every_text_of_the_flow_files() -> None:
    found: set[str] = set()
    for path in FLOWS.glob("*.yml"):
        for line, _, message, comments in extract(io.BytesIO(path.read_bytes()), (), (), {}):
            assert line > 0
            assert comments[0].startswith("utter_")
            found.add(message.strip())
    assert set(sources(book().flows)) == found
    assert list(extract(io.BytesIO(b"[1, 2"), (), (), {})) == []
    assert list(extract(io.BytesIO(b"responses: {a: [1, {buttons: [2]}]}"), (), (), {})) == []


def test_an_unknown_locale_or_text_falls_back_to_the_source(tmp_path: Path) -> None:
    assert book().texts.get("fr", "Có") == "Có"
    assert book().texts.get("ko", "không có trong sổ") == "không có trong sổ"
    assert texts.load(tmp_path).catalogues == {}


def test_fuzzy_and_empty_entries_do_not_count(tmp_path: Path) -> None:
    place = tmp_path / "en" / "LC_MESSAGES"
    place.mkdir(parents=True)
    entries = '#, fuzzy\nmsgid "a"\nmsgstr "b"\n\nmsgid "c"\nmsgstr ""\n\nmsgid "d"\nmsgstr "e"\n'
    (place / "osso.po").write_text(entries, encoding="utf-8")
    assert dict(texts.load(tmp_path).catalogues["en"]) == {"d": "e"}


@pytest.mark.parametrize("locale", texts.LOCALES)
def test_the_file_is_a_sound_catalogue(locale: str) -> None:
    with (ROOT / "locales" / locale / "LC_MESSAGES" / "osso.po").open("rb") as file:
        catalogue = read_po(file, locale=locale, abort_invalid=True)
    assert [str(error) for _, errors in catalogue.check() for error in errors] == []
