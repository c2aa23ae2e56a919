"""What every page of the desk stands on: the parts, the accounts, the words in the reader's language, her look.

Views reach everything through `frame()`; nothing is kept between requests.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, current_app, g, has_request_context, render_template, request, url_for

from bot.errors import Refused
from bot.texts import Texts

if TYPE_CHECKING:
    from bot.wiring import Parts, Wake
    from handoff.accounts.accounts import Accounts
    from handoff.accounts.staff import Role

STATIC = Path(__file__).parent / "static"
VIETNAM = timezone(timedelta(hours=7))
LOCALES = ("vi", "en")
LOOK = "osso-look"  # cookie: locale.size.theme, no secret in it
SIZES = ("normal", "large")
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation: where, its words (source language), who sees it."""

    endpoint: str
    words: str
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True)
class Frame:
    parts: Parts
    wake: Wake
    accounts: Accounts
    texts: Texts
    places: tuple[Place, ...]

    @cached_property
    def assets(self) -> dict[str, str]:
        """File under static/ → short hash of its content, so that browsers may keep it for good."""
        return {
            str(path.relative_to(STATIC)): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            for path in sorted(STATIC.rglob("*"))
            if path.is_file()
        }


@dataclass(frozen=True, slots=True)
class Look:
    """How she likes her pages."""

    locale: str
    size: str
    theme: str

    @property
    def cookie(self) -> str:
        return f"{self.locale}.{self.size}.{self.theme}"


def frame() -> Frame:
    found = current_app.extensions["osso"]
    assert isinstance(found, Frame)  # noqa: S101 - tells mypy what create_desk put there
    return found


def now() -> int:
    """ms UTC."""
    return frame().accounts.clock()


def look() -> Look:
    """From her cookie; a member's stored language wins over an absent cookie."""
    given = (request.cookies.get(LOOK, "") + "..").split(".")
    staff = getattr(g, "staff", None)
    default = staff.locale if staff is not None and staff.locale in LOCALES else "vi"
    return Look(
        locale=given[0] if given[0] in LOCALES else default,
        size=given[1] if given[1] in SIZES else "normal",
        theme=given[2] if given[2] in THEMES else "auto",
    )


def translate(source: str, /, **values: Any) -> str:
    """The text in the reader's language; `{name}` places are filled with `values`. Use it as `_`."""
    locale = look().locale if has_request_context() else "vi"
    text = frame().texts.get(locale, source)
    return text.format(**values) if values else text


def spoken(refused: Refused) -> str:
    """Why something was refused, in the reader's language."""
    values = {name: spoken(one) if isinstance(one, Refused) else one for name, one in refused.values.items()}
    return translate(refused.text, **values)


def page(template: str, /, **values: Any) -> str:
    """A rendered template. The layout knows who reads, her look and her places by itself."""
    return render_template(template, **values)


def asset(name: str) -> str:
    return url_for("static", filename=name, v=frame().assets.get(name, ""))


def when(ms: int) -> str:
    """`14:05 25/11/2026`, in Viet Nam."""
    return datetime.fromtimestamp(ms / 1000, VIETNAM).strftime("%H:%M %d/%m/%Y")


def inside(target: str) -> str:
    """A path of this app to go on to after signing in, or empty: never another host, never a scheme."""
    root = request.script_root
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not target.startswith(f"{root}/") or target.startswith(("//", "/\\")):
        return ""
    if any(ord(letter) < 33 or letter == "\\" for letter in target):
        return ""
    return target


def install(app: Flask, built: Frame) -> None:
    """Gives the app its frame and the templates their words."""
    app.extensions["osso"] = built
    app.jinja_env.globals.update({"_": translate, "asset": asset, "look": look, "now": now})
    app.jinja_env.filters["when"] = when
