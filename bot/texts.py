"""What the frame says, in her language. Vietnamese is source and key; a missing translation falls back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from babel.messages.pofile import read_po

LOCALES = ("vi", "ko", "en")
DOMAIN = "osso"


@dataclass(frozen=True, slots=True)
class Texts:
    """`catalogues`: locale → (Vietnamese source → translation)."""

    catalogues: Mapping[str, Mapping[str, str]]

    def get(self, locale: str, source: str) -> str:
        """The text in `locale`, or the source itself when the catalogue has none."""
        return self.catalogues.get(locale, {}).get(source) or source


def load(directory: Path, *, domain: str = DOMAIN) -> Texts:
    """Reads `<directory>/<locale>/LC_MESSAGES/<domain>.po` for every locale; fuzzy entries do not count."""
    catalogues: dict[str, Mapping[str, str]] = {}
    for locale in LOCALES:
        path = directory / locale / "LC_MESSAGES" / f"{domain}.po"
        if not path.exists():
            continue
        with path.open("rb") as file:
            catalogue = read_po(file, locale=locale)
        catalogues[locale] = MappingProxyType(
            {
                message.id: message.string
                for message in catalogue
                if isinstance(message.id, str)
                and message.id
                and isinstance(message.string, str)
                and message.string
                and not message.fuzzy
            }
        )
    return Texts(MappingProxyType(catalogues))
