"""Settings: the environment and `.env`, read once into one frozen value. Every fault is listed at once.

`TABLE` is the only list of settings; the README's table is checked against it. Secrets never appear in a message.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values

from bot.errors import SettingsError

SHORTEST_SECRET = 32
SHORTEST_PLATFORM_SECRET = 16
_DEFAULT_WORDS = re.compile(r"change|me|secret|password|example|default|test|demo|osso|your|key|[\W_\d]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    default: str
    about: str
    secret: bool = False


TABLE: tuple[Setting, ...] = (
    Setting("OSSO_ENV", "development", "`development` or `production`"),
    Setting("OSSO_HOST", "127.0.0.1", "address the server listens on"),
    Setting("OSSO_PORT", "8000", "port the server listens on"),
    Setting("OSSO_DATA_DIR", "var", "folder for the SQLite file, local secrets, caches"),
    Setting("OSSO_KNOWLEDGE_DIR", "knowledge", "folder of the articles and word lists"),
    Setting("OSSO_DATABASE_URL", "", "SQLAlchemy address; empty means SQLite under `OSSO_DATA_DIR`"),
    Setting("OSSO_SECRET_KEYS", "", "comma-separated key ring, newest first, each at least 32 characters", True),
    Setting("OSSO_BASE_URL", "", "public https address of this server, for links and webhooks"),
    Setting("OSSO_PROXY_HOPS", "0", "trusted reverse proxies in front (0 trusts no forwarded header)"),
    Setting("OSSO_LOG_LEVEL", "INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`"),
    Setting("OSSO_WAKER", "threads", "`threads` (one process) or `postgres` (NOTIFY between processes)"),
    Setting("OSSO_WORKERS", "4", "worker threads of one process"),
    Setting("OSSO_GATHER_SECONDS", "0", "wait this long to join short messages into one thought; danger never waits"),
    Setting("OSSO_SIMULATOR", "", "`on` or `off`; empty means on in development, off in production"),
    Setting("OSSO_ALARM_URL", "", "address that receives alarms as JSON (no personal data)"),
    Setting("OSSO_METRICS_TOKEN", "", "bearer token that `/metrics` asks for; empty allows loopback only", True),
    Setting("OSSO_ACTION_TOKEN", "", "turns on `/rasa/webhook` for a Rasa server that sends this bearer token", True),
    Setting("OSSO_ACTION_ENDPOINT", "", "address of a remote Rasa action server for actions not found here"),
    Setting("OSSO_EMBEDDINGS_MODEL", "", "path of a sentence-transformers model (needs the `embeddings` extra)"),
    Setting("OSSO_MESSENGER_PAGE_ID", "", "Facebook Page id"),
    Setting("OSSO_MESSENGER_APP_ID", "", "Meta app id"),
    Setting("OSSO_MESSENGER_APP_SECRET", "", "Meta app secret, signs webhooks", True),
    Setting("OSSO_MESSENGER_PAGE_TOKEN", "", "Page access token", True),
    Setting("OSSO_MESSENGER_VERIFY_TOKEN", "", "word Meta repeats when it verifies the webhook", True),
    Setting("OSSO_MESSENGER_API_URL", "https://graph.facebook.com/v25.0", "Graph API, with its version"),
    Setting("OSSO_ZALO_OA_ID", "", "Zalo Official Account id"),
    Setting("OSSO_ZALO_APP_ID", "", "Zalo app id"),
    Setting("OSSO_ZALO_APP_SECRET", "", "Zalo app secret, used to renew tokens", True),
    Setting("OSSO_ZALO_OA_SECRET", "", "OA secret key(s) that sign webhooks, comma-separated while rotating", True),
    Setting("OSSO_ZALO_REFRESH_TOKEN", "", "first refresh token; afterwards the database keeps the living one", True),
    Setting("OSSO_ZALO_API_URL", "https://openapi.zalo.me", "Zalo OpenAPI"),
    Setting("OSSO_ZALO_OAUTH_URL", "https://oauth.zaloapp.com", "Zalo OAuth"),
    Setting("OSSO_ZALO_SITE_VERIFIER", "", "code of the `zalo_verifier<CODE>.html` file that proves the domain"),
)

MESSENGER_FIELDS = ("PAGE_ID", "APP_ID", "APP_SECRET", "PAGE_TOKEN", "VERIFY_TOKEN")
ZALO_FIELDS = ("OA_ID", "APP_ID", "APP_SECRET", "OA_SECRET", "REFRESH_TOKEN")


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One Page or one OA: its fields by name without prefix, and what is still missing."""

    channel: Literal["messenger", "zalo"]
    number: int  # 1 for the shorthand names, 2… for OSSO_ZALO_2_OA_ID and the like
    fields: Mapping[str, str]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    env: Literal["development", "production"]
    host: str
    port: int
    data_dir: Path
    knowledge_dir: Path
    database_url: str
    secret_keys: tuple[str, ...]
    base_url: str
    proxy_hops: int
    log_level: str
    waker: Literal["threads", "postgres"]
    workers: int
    gather_seconds: float
    simulator: bool
    alarm_url: str
    metrics_token: str
    action_token: str
    action_endpoint: str
    embeddings_model: str
    accounts: tuple[AccountSettings, ...]
    messenger_api_url: str
    zalo_api_url: str
    zalo_oauth_url: str
    zalo_site_verifier: str

    @property
    def production(self) -> bool:
        return self.env == "production"

    def configured(self, channel: str) -> tuple[AccountSettings, ...]:
        """The accounts of a channel that have everything they need."""
        return tuple(account for account in self.accounts if account.channel == channel and not account.missing)


def load(environ: Mapping[str, str], dotenv: Path | None = None) -> Settings:
    """Reads `dotenv` (if there), then `environ` over it. Raises SettingsError naming every fault."""
    given = merged(environ, dotenv)
    values = {setting.name: given.get(setting.name, "").strip() or setting.default for setting in TABLE}
    faults: list[str] = []

    def number(name: str, kind: type[int] | type[float], low: float, high: float) -> float:
        try:
            value = kind(values[name])
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            faults.append(f"{name}: must be a number from {low:g} to {high:g}")
            return low
        return value

    def one_of(name: str, allowed: tuple[str, ...]) -> str:
        if values[name] not in allowed:
            faults.append(f"{name}: must be one of {', '.join(allowed)}")
            return allowed[0]
        return values[name]

    def address(name: str) -> str:
        value = values[name].rstrip("/")
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            faults.append(f"{name}: must be an http(s) address")
        return value

    _refuse_unknown(given, faults)
    env = one_of("OSSO_ENV", ("development", "production"))
    production = env == "production"
    data_dir = Path(values["OSSO_DATA_DIR"])
    keys = tuple(key.strip() for key in values["OSSO_SECRET_KEYS"].split(",") if key.strip())
    accounts = _accounts(given, "messenger", MESSENGER_FIELDS) + _accounts(given, "zalo", ZALO_FIELDS)
    settings = Settings(
        env="production" if production else "development",
        host=values["OSSO_HOST"],
        port=int(number("OSSO_PORT", int, 0, 65535)),
        data_dir=data_dir,
        knowledge_dir=Path(values["OSSO_KNOWLEDGE_DIR"]),
        database_url=_database(values["OSSO_DATABASE_URL"], data_dir, faults),
        secret_keys=keys,
        base_url=address("OSSO_BASE_URL"),
        proxy_hops=int(number("OSSO_PROXY_HOPS", int, 0, 10)),
        log_level=one_of("OSSO_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
        waker="postgres" if one_of("OSSO_WAKER", ("threads", "postgres")) == "postgres" else "threads",
        workers=int(number("OSSO_WORKERS", int, 1, 64)),
        gather_seconds=number("OSSO_GATHER_SECONDS", float, 0, 10),
        simulator=values["OSSO_SIMULATOR"] == "on" or (not values["OSSO_SIMULATOR"] and not production),
        alarm_url=address("OSSO_ALARM_URL"),
        metrics_token=values["OSSO_METRICS_TOKEN"],
        action_token=values["OSSO_ACTION_TOKEN"],
        action_endpoint=address("OSSO_ACTION_ENDPOINT"),
        embeddings_model=values["OSSO_EMBEDDINGS_MODEL"],
        accounts=accounts,
        messenger_api_url=address("OSSO_MESSENGER_API_URL"),
        zalo_api_url=address("OSSO_ZALO_API_URL"),
        zalo_oauth_url=address("OSSO_ZALO_OAUTH_URL"),
        zalo_site_verifier=values["OSSO_ZALO_SITE_VERIFIER"],
    )
    if values["OSSO_SIMULATOR"] not in ("", "on", "off"):
        faults.append("OSSO_SIMULATOR: must be on or off")
    if settings.waker == "postgres" and not settings.database_url.startswith("postgresql"):
        faults.append("OSSO_WAKER: `postgres` needs a PostgreSQL OSSO_DATABASE_URL")
    if production:
        _refuse_weak(settings, faults)
    elif not keys:
        faults.append("OSSO_SECRET_KEYS: missing (`osso run` makes local ones under OSSO_DATA_DIR)")
    elif any(len(key) < SHORTEST_SECRET for key in keys):
        faults.append(f"OSSO_SECRET_KEYS: every key needs at least {SHORTEST_SECRET} characters")
    if faults:
        raise SettingsError(faults)
    return settings


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The environment over `.env`; in development with the local key ring made beside the data."""
    given = dict(os.environ if environ is None else environ)
    dotenv = Path(given.get("OSSO_DOTENV", ".env"))
    given.pop("OSSO_DOTENV", None)
    if given.get("OSSO_ENV", "development") != "production" and not given.get("OSSO_SECRET_KEYS"):
        known = merged(given, dotenv)
        if known.get("OSSO_ENV", "development") != "production" and not known.get("OSSO_SECRET_KEYS"):
            local = local_secrets(Path(known.get("OSSO_DATA_DIR") or "var"))
            given |= merged({}, local)
    return load(given, dotenv)


def merged(environ: Mapping[str, str], dotenv: Path | None) -> dict[str, str]:
    """`environ` over the file's values."""
    given: dict[str, str] = {}
    if dotenv and dotenv.is_file():
        given.update({key: value or "" for key, value in dotenv_values(dotenv).items()})
    return given | dict(environ)


def local_secrets(data_dir: Path) -> Path:
    """Makes `data_dir`/local.env (mode 0600) with a fresh key ring unless it is there; returns its path."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "local.env"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"OSSO_SECRET_KEYS={secrets.token_urlsafe(48)}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def _refuse_unknown(given: Mapping[str, str], faults: list[str]) -> None:
    known = {setting.name for setting in TABLE}
    numbered = re.compile(
        rf"OSSO_(MESSENGER_[2-9]\d?_({'|'.join(MESSENGER_FIELDS)})|ZALO_[2-9]\d?_({'|'.join(ZALO_FIELDS)}))"
    )
    faults += [
        f"{name}: no such setting (see the table in README.md)"
        for name in sorted(given)
        if name.startswith("OSSO_") and name not in known and not numbered.fullmatch(name)
    ]


def _accounts(
    given: Mapping[str, str], channel: Literal["messenger", "zalo"], names: tuple[str, ...]
) -> tuple[AccountSettings, ...]:
    found = []
    for count in range(1, 100):
        prefix = f"OSSO_{channel.upper()}_" + (f"{count}_" if count > 1 else "")
        fields = {name: given.get(prefix + name, "").strip() for name in names}
        if count == 1 or any(fields.values()):
            missing = tuple(prefix + name for name in names if not fields[name])
            found.append(AccountSettings(channel, count, fields, missing))
    return tuple(found)


def _database(value: str, data_dir: Path, faults: list[str]) -> str:
    if not value:
        return f"sqlite:///{data_dir.absolute() / 'osso.db'}"
    if value.startswith(("postgresql://", "postgres://")):
        return "postgresql+psycopg://" + value.split("://", 1)[1]
    if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        faults.append("OSSO_DATABASE_URL: must start with sqlite:/// or postgresql://")
    return value


def _looks_default(value: str) -> bool:
    """Placeholder words and digits only (`change-me-please-123`), or too few different characters to be random."""
    if re.fullmatch(r"[0-9a-fA-F]{16,}", value):
        return len(set(value)) < 8
    return len(set(_DEFAULT_WORDS.sub("", value))) < 6 or len(set(value)) < 8


def _refuse_weak(settings: Settings, faults: list[str]) -> None:
    if not settings.secret_keys:
        faults.append("OSSO_SECRET_KEYS: missing")
    for place, key in enumerate(settings.secret_keys, 1):
        if len(key) < SHORTEST_SECRET:
            faults.append(f"OSSO_SECRET_KEYS: key {place} is shorter than {SHORTEST_SECRET} characters")
        elif _looks_default(key):
            faults.append(f"OSSO_SECRET_KEYS: key {place} looks like a default or is too regular")
    if not settings.base_url.startswith("https://"):
        faults.append("OSSO_BASE_URL: must be the public https address")
    for name, value in (("OSSO_METRICS_TOKEN", settings.metrics_token), ("OSSO_ACTION_TOKEN", settings.action_token)):
        if value and (len(value) < SHORTEST_PLATFORM_SECRET or _looks_default(value)):
            faults.append(f"{name}: shorter than {SHORTEST_PLATFORM_SECRET} characters or a default")
    for account in settings.accounts:
        prefix = f"OSSO_{account.channel.upper()}_" + (f"{account.number}_" if account.number > 1 else "")
        if any(account.fields.values()):
            faults += [f"{name}: missing" for name in account.missing]
        for field in ("APP_SECRET", "PAGE_TOKEN", "VERIFY_TOKEN", "OA_SECRET", "REFRESH_TOKEN"):
            for part in account.fields.get(field, "").split(","):
                if part and (len(part.strip()) < SHORTEST_PLATFORM_SECRET or _looks_default(part)):
                    faults.append(
                        f"{prefix}{field}: shorter than {SHORTEST_PLATFORM_SECRET} characters or looks like a default"
                    )
