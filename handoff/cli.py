"""`osso user` and `osso audit`: accounts from the operator's console. Whoever runs this has the machine anyway.

The lead's command gives an `Accounts`, or a function that makes one, as Click's context object. Secrets are printed
only where the operator must hand them on; nothing is logged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import cast

import click
from sqlalchemy import RowMapping

from bot.errors import Refused
from handoff.accounts import ROLE_NAMES, ROLES, Role, chain, demo, members, queries
from handoff.accounts.accounts import Accounts
from handoff.accounts.signing_in import login_form
from handoff.content.approvals import set_fields

ROLE_HELP = f"ROLE@OFFICE, office `*` is every office; roles: {', '.join(ROLES)}."


@click.group()
def user() -> None:
    """The staff: who may sign in to the desk, and as what."""


@user.command()
@click.argument("login")
@click.argument("name")
@click.argument("posts", nargs=-1, required=True, metavar="ROLE@OFFICE...")
@click.pass_obj
def add(made: object, login: str, name: str, posts: tuple[str, ...]) -> None:
    """Adds LOGIN (NAME in full) with her posts, and prints a one-time link to set password and second factor.

    Example: osso user add lan.nguyen "Nguyễn Thị Lan" counsellor@osso-hanoi
    """
    accounts = _accounts(made)
    token = members.invite(accounts, None, login=login, name=name, posts=[_post(one) for one in posts])
    _say_link(accounts, token)


@user.command()
@click.argument("login")
@click.pass_obj
def invite(made: object, login: str) -> None:
    """A fresh link for somebody who has not accepted hers yet."""
    accounts = _accounts(made)
    _say_link(accounts, members.invite_again(accounts, None, _member(accounts, login)["uuid"]))


@user.command("list")
@click.pass_obj
def list_(made: object) -> None:
    """Everybody, with posts and state."""
    accounts = _accounts(made)
    with accounts.database.read() as connection:
        rows = queries.members(connection, {"*"})
        held = queries.posts(connection, [row["id"] for row in rows])
    for row in rows:
        state = "disabled" if row["disabled_at"] else "invited" if row["totp_wrapped"] is None else "active"
        posts = " ".join(f"{role}@{office}" for role, office in sorted(held[row["id"]]))
        click.echo(f"{row['login']}\t{state}\t{row['name']}\t{posts}")
    if not rows:
        click.echo('Nobody yet. Begin with: osso user add LOGIN "NAME" admin@*', err=True)


@user.command()
@click.argument("login")
@click.argument("posts", nargs=-1, metavar="[ROLE@OFFICE...]")
@click.pass_obj
def roles(made: object, login: str, posts: tuple[str, ...]) -> None:
    """Replaces the posts of LOGIN; without posts takes them all away."""
    accounts = _accounts(made)
    members.give_posts(accounts, None, _member(accounts, login)["uuid"], [_post(one) for one in posts])
    click.echo("Saved.")


@user.command()
@click.argument("login")
@click.argument("fields", nargs=-1, metavar="[FIELD...]")
@click.pass_obj
def expert(made: object, login: str, fields: tuple[str, ...]) -> None:
    """Says which articles LOGIN is qualified to approve (legal, psychological, vocational, child, social); none: none.

    She also needs the role approver.
    """
    accounts = _accounts(made)
    staff_id = _member(accounts, login)["id"]
    with accounts.database.write() as connection:
        set_fields(accounts, connection, staff_id, fields, by=None)
    click.echo("Saved.")


@user.command()
@click.argument("login")
@click.pass_obj
def disable(made: object, login: str) -> None:
    """Shuts LOGIN out at once; every session of hers ends."""
    accounts = _accounts(made)
    members.disable(accounts, None, _member(accounts, login)["uuid"])
    click.echo("Disabled; every session has ended.")


@user.command("reset-2fa")
@click.argument("login")
@click.confirmation_option(prompt="Have you and a second person met her and made sure it is she?")
@click.pass_obj
def reset_2fa(made: object, login: str) -> None:
    """For a lost phone or password: voids password, codes and sessions, and prints a new one-time link."""
    accounts = _accounts(made)
    _say_link(accounts, members.reset_from_console(accounts, _member(accounts, login)["uuid"]))


@user.command("demo-password")
@click.pass_obj
def demo_password(made: object) -> None:
    """In development: the demo sign-in and the code that is good right now."""
    accounts = _accounts(made)
    click.echo(demo.words(accounts, *demo.account(accounts)))


@click.group()
def audit() -> None:
    """The audit: who read or changed what."""


@audit.command()
@click.pass_obj
def verify(made: object) -> None:
    """Walks the whole chain and every seal; ends with 1 when a row was changed, reordered or removed."""
    verdict = chain.verify(_accounts(made))
    for one in verdict.wrong:
        click.echo(f"WRONG {one}")
    state = "BROKEN" if verdict.wrong else "whole"
    click.echo(f"{state}: {verdict.rows} rows, {verdict.seals} seals, {verdict.unsealed} rows after the last seal")
    sys.exit(1 if verdict.wrong else 0)


@audit.command()
@click.pass_obj
def seal(made: object) -> None:
    """Seals the head of the chain now (the clock does it hourly)."""
    click.echo("Sealed." if chain.seal(_accounts(made)) else "Nothing new to seal.")


def _accounts(made: object) -> Accounts:
    if isinstance(made, Accounts):
        return made
    if callable(made):
        return cast(Callable[[], Accounts], made)()
    raise click.UsageError("no accounts: run this as `osso user …` or `osso audit …`")


def _member(accounts: Accounts, login: str) -> RowMapping:
    with accounts.database.read() as connection:
        row = queries.member(connection, login=login_form(login))
    if row is None:
        raise Refused(f"There is nobody called {login}; see `osso user list`.")
    return row


def _post(text: str) -> tuple[Role, str]:
    role, _, office = text.partition("@")
    if role not in ROLE_NAMES or not office:
        raise click.BadParameter(f"{text}: {ROLE_HELP}")
    return role, office


def _say_link(accounts: Accounts, token: str) -> None:
    click.echo(f"{accounts.base_url}/desk/invitation/{token}")
    click.echo("Give this link to her alone. It works once, for 72 hours.", err=True)
