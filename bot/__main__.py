"""The `osso` command. Each subcommand reads the settings, does one thing, and ends with a meaningful exit code:
0 fine, 1 content or state is wrong, 2 settings or usage are wrong, 3 something outside could not be reached.
"""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType
from typing import Any

import click

from bot import launch
from bot.errors import OssoError, SettingsError, Unreachable
from bot.settings import read_settings

# Commands that live with their rooms: name -> module:attribute, and what the console gives them as context object.
ROOMS = {
    "kb": ("bot.knowledge_cli:kb", "tools"),
    "safety": ("bot.safety_cli:safety", "signing"),
    "flow": ("bot.flows_cli:flow", ""),
    "export": ("bot.flows_cli:export", ""),
    "user": ("handoff.cli:user", "accounts"),
    "audit": ("handoff.cli:audit", "accounts"),
}


class Osso(click.Group):
    """A group whose commands end in clear words instead of tracebacks, and import their room only when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *ROOMS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ROOMS:
            return super().get_command(ctx, cmd_name)
        place, given = ROOMS[cmd_name]
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        if given:
            command.context_settings["obj"] = getattr(_console(), given)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            _end(str(error), 2)
        except Unreachable as error:
            hint = "Is OSSO_DATABASE_URL right and the server up?"
            _end(f"The database cannot be reached ({error}). {hint}", 3)
        except OssoError as error:
            _end(str(error), 1)


def _console() -> ModuleType:
    """What the commands do; imported late, so that `osso --help` and the parent of the server stay light."""
    return importlib.import_module("bot.console")


def _end(message: str, code: int) -> None:
    click.echo(message, err=True)
    raise click.exceptions.Exit(code)


@click.group(cls=Osso, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="osso-bot")
def main() -> None:
    """OSSO: first-contact counselling on Zalo and Messenger, and the counsellors' desk."""


@main.command()
def run() -> None:
    """Everything in one process: web, workers and clock. Migrates first; in development with demo data."""
    launch.run(read_settings())


@main.command()
def web() -> None:
    """Only the web server; a worker process hears and speaks."""
    launch.web(read_settings())


@main.command()
def worker() -> None:
    """Only the workers."""
    _console().worker()


@main.command()
def clock() -> None:
    """Only the clock."""
    _console().clock()


@main.command()
def chat() -> None:
    """Talk with the bot in this terminal. Nothing is stored."""
    _console().chat()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per input line.")
@click.argument("text", nargs=-1)
def ask(text: tuple[str, ...], as_json: bool) -> None:
    """What the bot makes of a text. With `-` it reads lines from standard input."""
    lines = _console().lines_of_input() if text == ("-",) else [" ".join(text)]
    if text == ():
        raise click.UsageError("give a TEXT, or - to read lines from standard input")
    for answer in _console().ask(lines):
        if as_json:
            click.echo(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace").decode())
        else:
            _console().show(answer)


@main.group()
def db() -> None:
    """The database: its tables and keys."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Brings the tables up to REVISION."""
    _console().upgrade(revision)


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Takes the tables down to REVISION (`base` removes them and everything in them)."""
    _console().downgrade(revision)


@db.command()
def check() -> None:
    """Whether the tables are the newest and as the code expects."""
    sys.exit(_console().check())


@db.command("rotate-keys")
def rotate_keys() -> None:
    """Wraps every conversation key under the newest key of OSSO_SECRET_KEYS; then the old key can go."""
    _console().rotate_keys()


@main.group()
def channel() -> None:
    """Zalo and Messenger."""


@channel.command()
@click.argument("name", type=click.Choice(["messenger"]))
def setup(name: str) -> None:
    """Writes greeting, get started, menu and ice breakers, and subscribes to every event we read."""
    sys.exit(_console().channel_setup(name))


@channel.command()
@click.option("--live", is_flag=True, help="Also ask the platforms.")
def status(live: bool) -> None:
    """Token ages, last webhook, last send, errors, alarms."""
    sys.exit(_console().channel_status(live))


@main.command()
def doctor() -> None:
    """Checks settings, database, keys, knowledge and queues, and says how to mend what is wrong."""
    sys.exit(_console().doctor())


if __name__ == "__main__":
    main()
