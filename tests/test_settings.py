"""Settings: read once, every fault at once, all of them in the README, secrets never in a message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot import settings
from bot.errors import SettingsError

ROOT = Path(__file__).parent.parent
KEY = "kX9v2mQ7rT4wY8zB1nC5dF3gH6jL0pS-uV_aE"
MESSENGER = {
    "OSSO_MESSENGER_PAGE_ID": "111",
    "OSSO_MESSENGER_APP_ID": "9001",
    "OSSO_MESSENGER_APP_SECRET": "f0e1d2c3b4a5968778695a4b3c2d1e0f",
    "OSSO_MESSENGER_PAGE_TOKEN": "EAAGm0PX4ZCpsBAKZCq8rVt",
    "OSSO_MESSENGER_VERIFY_TOKEN": "wq8rVt3kX9v2mQ7rT4",
}


def production(**changes: str) -> dict[str, str]:
    good = {"OSSO_ENV": "production", "OSSO_SECRET_KEYS": KEY, "OSSO_BASE_URL": "https://osso.example.org"}
    return good | changes


def test_production_starts_with_good_settings() -> None:
    read = settings.load(production(**MESSENGER))
    assert read.production
    assert not read.simulator
    assert [account.fields["PAGE_ID"] for account in read.configured("messenger")] == ["111"]


def test_production_lists_every_fault_at_once_and_no_secret() -> None:
    bad = production(
        OSSO_SECRET_KEYS="short,change-me-change-me-change-me-change-me",
        OSSO_BASE_URL="http://osso.example.org",
        OSSO_PORT="ninety",
        OSSO_MESSENGER_PAGE_ID="111",
        OSSO_MESSENGER_APP_SECRET="secret",
    )
    with pytest.raises(SettingsError) as caught:
        settings.load(bad)
    told = str(caught.value)
    for name in (
        "OSSO_PORT",
        "OSSO_BASE_URL",
        "key 1",
        "key 2",
        "OSSO_MESSENGER_APP_ID: missing",
        "APP_SECRET: shorter",
    ):
        assert name in told
    assert "short," not in told
    assert "change-me" not in told


@pytest.mark.parametrize(
    "key", ["", "x" * 40, "change-me-please-change-me-please-1234", "password" * 6, "0123456789" * 3]
)
def test_production_refuses_missing_default_and_short_keys(key: str) -> None:
    with pytest.raises(SettingsError, match="OSSO_SECRET_KEYS"):
        settings.load(production(OSSO_SECRET_KEYS=key))


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match="OSSO_PROT: no such setting"):
        settings.load({"OSSO_SECRET_KEYS": KEY, "OSSO_PROT": "8000"})


def test_several_accounts_of_a_channel() -> None:
    second = {name.replace("MESSENGER_", "MESSENGER_2_"): value for name, value in MESSENGER.items()}
    second["OSSO_MESSENGER_2_PAGE_ID"] = "112"
    read = settings.load({"OSSO_SECRET_KEYS": KEY} | MESSENGER | second)
    assert [account.fields["PAGE_ID"] for account in read.configured("messenger")] == ["111", "112"]


def test_what_a_channel_misses_is_named() -> None:
    read = settings.load({"OSSO_SECRET_KEYS": KEY, "OSSO_ZALO_OA_ID": "222"})
    zalo = next(account for account in read.accounts if account.channel == "zalo")
    assert "OSSO_ZALO_OA_SECRET" in zalo.missing
    assert read.configured("zalo") == ()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OSSO_PORT=9000\nOSSO_SECRET_KEYS={KEY}\nOSSO_HOST=0.0.0.0\n")
    read = settings.load({"OSSO_PORT": "9001"}, tmp_path / ".env")
    assert (read.port, read.host) == (9001, "0.0.0.0")


def test_local_secrets_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = settings.local_secrets(tmp_path / "var")
    before = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert settings.local_secrets(tmp_path / "var").read_text() == before
    assert settings.load({}, path).secret_keys


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.finditer(r"^\| `(OSSO_\w+)` \| ([^|]*)\|", readme, re.MULTILINE)
    rows = {match[1]: match[2].strip() for match in found}
    assert rows
    assert rows == {one.name: f"`{one.default}`" if one.default else "" for one in settings.TABLE}
