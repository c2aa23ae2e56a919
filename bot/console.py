"""What the commands do. Speaks to the operator in plain words; never prints a secret or anything a woman wrote."""

from __future__ import annotations

import datetime
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import select

from bot import log, serve, settings, wiring
from bot.engine import take_turn
from bot.errors import ContentError, OssoError, Refused, SettingsError
from bot.hearing import ZONE
from bot.knowledge import Editor
from bot.knowledge import load as read_knowledge
from bot.messages import Answer, Appointment, Call, Choice, CloseTicket, Danger, Heard, OpenTicket, State, Turn, World
from bot.rim import MaybeSent, Mind, NotSent
from bot.settings import Settings, read_settings
from bot.store import migrate, queries
from bot.store.crypto import Sealed
from bot.store.database import Database
from handoff.accounts import demo
from handoff.accounts import queries as members
from handoff.accounts.accounts import Accounts, open_accounts
from handoff.accounts.chain import record_id
from handoff.accounts.queries import rotate_wrapped as rotate_staff
from handoff.content import approvals

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from bot.knowledge_cli import Tools
    from bot.safety_cli import Signing

DECISIONS = ("answer", "clarify", "safety", "person", "flow", "smalltalk", "unknown", "stop")


def everything(config: Settings) -> tuple[WSGIApplication, Callable[[], None]]:
    """The application of `osso run`, and what stops it."""
    _ready(config)
    _greet(config)
    app, running = serve.application(config, works=True, ticks=True)
    return app, running.stop


def front(config: Settings) -> tuple[WSGIApplication, Callable[[], None]]:
    """The application of `osso web`, and what stops it."""
    _ready(config)
    app, running = serve.application(config, works=False, ticks=False)
    return app, running.stop


def worker() -> None:
    config = _ready(read_settings())
    serve.until_stopped(serve.start(serve.build(config), works=True, ticks=False))


def clock() -> None:
    config = _ready(read_settings())
    serve.until_stopped(serve.start(serve.build(config), works=False, ticks=True))


def _ready(config: Settings) -> Settings:
    """Logging, and tables that are the newest."""
    log.setup(config.log_level)
    database = wiring.open_database(config)
    try:
        if migrate.current(database) != migrate.newest():
            migrate.upgrade(database)
        _ = database.keyring  # a wrong ring must be told now, not by the first woman who writes
    except Sealed:
        raise SettingsError(["OSSO_SECRET_KEYS: none of these keys opens this database"]) from None
    finally:
        database.close()
    return config


def _greet(config: Settings) -> None:
    home = f"http://{'127.0.0.1' if config.host in ('0.0.0.0', '::') else config.host}:{config.port}"
    click.secho("\n  OSSO", bold=True, nl=False)
    click.echo(f"  ({config.env}, {config.database_url.split(':', 1)[0].split('+', 1)[0]})\n")
    if config.simulator:
        click.echo(f"  chat as a woman would     {home}/chat")
    click.echo(f"  the counsellors' desk     {home}/desk/")
    if not config.production:
        for line in _demo_sign_in(config):
            click.echo(f"    {line}")
    click.echo(f"  webhooks                  {home}/webhooks/zalo, {home}/webhooks/messenger")
    for account in config.accounts:
        name = account.channel if account.number == 1 else f"{account.channel} {account.number}"
        state = "configured" if not account.missing else "not configured; missing " + ", ".join(account.missing)
        click.echo(f"  {name:<25} {state}")
    click.echo("\n  Ctrl-C stops.\n")


def accounts() -> Accounts:
    """The staff's accounts, for `osso user` and `osso audit`."""
    config = read_settings()
    database = _opened(config)
    try:
        offices = {one.id: one.name for one in read_knowledge(config.knowledge_dir).offices.values()}
    except ContentError:
        offices = {}
    return open_accounts(config, database, clock=wiring.now_ms, offices=lambda: offices)


def _opened(config: Settings) -> Database:
    """The database, closed when the command ends."""
    database = wiring.open_database(config)
    if context := click.get_current_context(silent=True):
        context.find_root().call_on_close(database.close)
    return database


def tools() -> Tools:
    """What `osso kb` works with. Settings are read whole, and the database opened, only by the commands that ask for
    the record or the people: files can be checked anywhere."""
    from bot.knowledge_cli import Tools  # noqa: PLC0415 - brings spreadsheets, which no server needs

    given = settings.merged(os.environ, Path(os.environ.get("OSSO_DOTENV", ".env")))

    ready = cache(_people_known)

    def people() -> dict[str, Editor]:
        with ready().database.read() as connection:
            return approvals.people(connection)

    root = Path(given.get("OSSO_KNOWLEDGE_DIR") or "knowledge")
    learned = Path(given.get("OSSO_DATA_DIR") or "var") / "cache"
    return Tools(root, approvals=lambda: approvals.Record(ready()), people=people, cache=learned)


def signing() -> Signing:
    """Who may sign danger signs, for `osso safety`; the database is opened only by the command that signs."""
    from bot.safety_cli import Signing  # noqa: PLC0415 - the command that asks has it already

    ready = cache(_people_known)

    def people() -> Collection[str]:
        with ready().database.read() as connection:
            return approvals.people(connection)

    def record(login: str, content: str) -> None:
        with ready().database.write() as connection:
            who = members.member(connection, login=login)
            record_id(ready(), connection, who["id"] if who else None, "danger.signed", "danger:signs", content)

    return Signing(people, record)


def _people_known() -> Accounts:
    config = read_settings()
    database = _opened(config)
    if migrate.current(database) != migrate.newest():
        raise Refused("The tables are not the newest: run `osso db upgrade` first.")
    return open_accounts(config, database, clock=wiring.now_ms, offices=dict)


def _demo_sign_in(config: Settings) -> list[str]:
    database = wiring.open_database(config)
    try:
        made = open_accounts(config, database, clock=wiring.now_ms, offices=dict)
        return demo.words(made, *demo.account(made)).splitlines()[1:]
    finally:
        database.close()


# --- asking ---------------------------------------------------------------------------------------------------------


def lines_of_input() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def mind() -> Mind:
    """What thinks, without a database."""
    config = read_settings()
    log.setup("ERROR")
    return wiring.open_library(config).matcher


def world(now: datetime.datetime) -> World:
    return World(now=now.isoformat(timespec="seconds"), opens="", choices=5, channel="zalo")


def ask(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Each line as the first thing a known woman writes: what it is taken for, and what it would lead to."""
    thinking = mind()
    book = thinking.book
    for line in lines:
        started = time.perf_counter()
        danger: Danger = book.screen.read(line)
        now = datetime.datetime.now(ZONE)
        heard = Heard(text=line, at=int(now.timestamp() * 1000), danger=danger, world=world(now))
        turn = take_turn(book, State(welcomed=True, heard_at=heard.at, said_at=heard.at), heard)
        spent = (time.perf_counter() - started) * 1000
        yield {
            "text": line,
            "level": danger.level,
            "category": danger.category,
            "decision": turn.decision if turn.decision in DECISIONS else "unknown",
            "article": turn.article,
            "topic": turn.topic,
            "candidates": [{**asdict(one), "score": round(one.score, 4)} for one in turn.candidates],
            "ms": round(spent, 2),
        }


def show(answer: dict[str, Any]) -> None:
    click.echo(f"{answer['decision']}  {answer['article']}  {answer['level']} {answer['category']}  {answer['ms']} ms")
    for one in answer["candidates"]:
        click.echo(f"  {one['score']:.2f}  {one['article']}  {one['title']}")


def chat() -> None:
    thinking = mind()
    state = State()
    click.echo("Chị gõ tin nhắn rồi Enter. Số để chọn nút. Ctrl-D để thôi.\n")
    offered: tuple[Choice, ...] = ()
    asked = False  # for an appointment: here nobody confirms it
    waiting, kept = False, False  # for a person: here nobody comes
    while True:
        try:
            text = input("chị › ")
        except (EOFError, KeyboardInterrupt):
            click.echo()
            return
        tapped = offered[int(text) - 1] if text.isdigit() and 0 < int(text) <= len(offered) else None
        now = datetime.datetime.now(ZONE)
        heard = Heard(
            text="" if tapped else text,
            payload=tapped.payload if tapped else "",
            at=int(now.timestamp() * 1000),
            first=state.heard_at == 0,
            world=replace(
                world(now),
                appointment="asked" if asked else "none",
                ticket="waiting" if waiting else "none",
                kept=kept,
            ),
        )
        turn = thinking.think(state, heard)
        state = turn.state
        for effect in turn.effects:
            match effect:
                case Appointment():
                    asked = effect.act != "cancel"
                case OpenTicket():
                    waiting, kept = True, kept or effect.level == "RED"
                case CloseTicket():
                    waiting = kept
        offered = _speak(turn)


def _speak(turn: Turn) -> tuple[Choice, ...]:
    offered: tuple[Choice, ...] = ()
    for reply in turn.replies:
        click.secho("OSSO › " + reply.text.replace("\n", "\n       "), fg="cyan")
        offered = reply.choices or offered
    for number, choice in enumerate(offered, 1):
        click.echo(f"       [{number}] {choice.title} {choice.url or choice.phone}")
    for effect in turn.effects:
        if isinstance(effect, OpenTicket):
            click.secho(f"       (phiếu: {effect.reason} {effect.level})", fg="yellow")
    return offered


# --- database -------------------------------------------------------------------------------------------------------


def upgrade(revision: str) -> None:
    database = wiring.open_database(read_settings())
    migrate.upgrade(database, revision)
    click.echo(f"at {migrate.current(database) or 'nothing'}")


def downgrade(revision: str) -> None:
    database = wiring.open_database(read_settings())
    migrate.downgrade(database, revision)
    click.echo(f"at {migrate.current(database) or 'nothing'}")


def check() -> int:
    database = wiring.open_database(read_settings())
    at, newest = migrate.current(database), migrate.newest()
    if at != newest:
        click.echo(f"at {at or 'nothing'}, newest is {newest}: run `osso db upgrade`")
        return 1
    found = migrate.differences(database)
    for line in found:
        click.echo(line)
    click.echo(f"at {at}" + (", tables as expected" if not found else ""))
    return 1 if found else 0


def rotate_keys() -> None:
    database = wiring.open_database(read_settings())
    ring = database.keyring
    done, last, count = 0, 0, 1
    while count:
        with database.write() as connection:
            last, count = queries.rotate_conversations(connection, ring.rotate, after=last)
        done += count
    with database.write() as connection:
        queries.rotate_wrapped(connection, ring.rotate)
        rotate_staff(connection, ring.rotate)
    click.echo(f"{done} conversation keys are wrapped under the newest key")


# --- channels -------------------------------------------------------------------------------------------------------


def channel_setup(_name: str) -> int:
    parts = wiring.build(read_settings())
    if not parts.messenger.accounts:
        click.echo("Messenger is not configured; see `osso channel status`.")
        return 2
    failed = False
    base = parts.settings.base_url
    for page in parts.messenger.accounts:
        callback = f"{base}/webhooks/messenger" if base else ""
        calls = (
            *parts.messenger.profile_calls(page),
            *parts.messenger.subscription_calls(page, callback_url=callback),
            *parts.messenger.check_calls(page),
        )
        for call in calls:
            failed |= not _made(parts, call)
    if not base:
        click.echo("OSSO_BASE_URL is empty: the app-level subscription was not touched.")
    return 3 if failed else 0


def _made(parts: wiring.Parts, call: Call) -> bool:
    what = f"{call.method} {call.url.rsplit('/', 1)[-1]}"
    try:
        answer: Answer = parts.transport.exchange(call)
    except (NotSent, MaybeSent) as error:
        click.echo(f"  {what}: no answer ({type(error).__name__})")
        return False
    ok = answer.status == 200 and b'"error"' not in answer.body
    code = "" if ok else f" {parts.messenger.outcome(answer).code}"
    click.echo(f"  {what}: {'done' if ok else f'refused, HTTP {answer.status}{code}'}")
    return ok


def _made_all(parts: wiring.Parts, calls: Iterable[Call]) -> bool:
    """Makes every call, whatever the earlier ones said."""
    results = [_made(parts, call) for call in calls]
    return all(results)


def channel_status(live: bool) -> int:
    config = read_settings()
    parts = wiring.build(config)
    now = parts.rim.clock()
    with parts.database.read() as connection:
        health = {(row["channel"], row["account"]): row for row in queries.all_health(connection)}
        grants = {row["account"]: row for row in connection.execute(select(queries.grant)).mappings()}
        alarms = queries.open_alarms(connection)
    for account in config.accounts:
        identity = account.fields.get("PAGE_ID") or account.fields.get("OA_ID") or ""
        click.secho(f"{account.channel} {account.number}", bold=True)
        if account.missing:
            click.echo("  not configured; missing " + ", ".join(account.missing))
            continue
        row = health.get((account.channel, identity))
        click.echo(f"  last webhook  {_ago(now, row['webhook_at'] if row else 0)}")
        click.echo(f"  last send     {_ago(now, row['sent_at'] if row else 0)}")
        if row and row["error_at"]:
            click.echo(f"  last error    {row['error_code']}, {_ago(now, row['error_at'])}")
        if row and row["stopped_at"]:
            click.secho(f"  STOPPED       {row['stopped_code']}, {_ago(now, row['stopped_at'])}", fg="red")
        grant = grants.get(identity)
        if account.channel == "zalo":
            if grant and grant["lost_at"]:
                click.secho("  GRANT LOST    grant the OA again and set OSSO_ZALO_REFRESH_TOKEN", fg="red")
            elif grant and grant["refreshed_at"]:
                click.echo(f"  token         renewed {_ago(now, grant['refreshed_at'])}")
            else:
                click.echo("  token         not renewed yet; the first use will")
    forged = sum(row["forged"] for row in health.values())
    click.echo(f"refused signatures since start: {forged}")
    for alarm in alarms:
        click.secho(f"ALARM {alarm['kind']} {alarm['subject']}, {_ago(now, alarm['raised_at'])}", fg="red")
    good = True
    if live:
        for page in parts.messenger.accounts:
            good &= _made_all(parts, parts.messenger.check_calls(page))
        for oa in parts.zalo.accounts:
            try:
                token = parts.grants.token("zalo", oa.oa_id)
            except OssoError as error:
                click.secho(f"  {error}", fg="red")
                good = False
                continue
            good &= _made_all(parts, parts.zalo.check_calls(oa, token))
    return 0 if good and not alarms else 1


def _ago(now: int, at: int | None) -> str:
    if not at:
        return "never"
    seconds = max(0, (now - at) // 1000)
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds // size} {name} ago"
    return f"{seconds} seconds ago"


# --- doctor ---------------------------------------------------------------------------------------------------------


def doctor() -> int:
    """Every check runs, whatever the others found; each finding says how to mend it."""
    config = read_settings()
    log.setup("ERROR")
    bad = 0

    def report(name: str, fine: bool, detail: str, mend: str = "") -> None:
        nonlocal bad
        bad += not fine
        click.secho(f"{'ok  ' if fine else 'BAD '} {name:<14}", fg="green" if fine else "red", nl=False)
        click.echo(detail + ("" if fine or not mend else f"  → {mend}"))

    report("settings", True, f"{config.env}, data in {config.data_dir}")
    try:
        database = wiring.open_database(config)
        at, newest = migrate.current(database), migrate.newest()
        report("tables", at == newest, f"at {at or 'nothing'}, newest {newest}", "osso db upgrade")
        if at == newest:
            report("keys", bool(database.keyring.index("doctor")), "the ring opens the index key")
            with database.read() as connection:
                ages = queries.queue_ages(connection)
                alarms = queries.open_alarms(connection)
            report("dead letters", ages["dead"] == 0, f"{ages['dead']}", "a counsellor must read them at the desk")
            report("inbox", ages["inbox_open"] < 100, f"{ages['inbox_open']} waiting", "is a worker running?")
            report("alarms", not alarms, ", ".join(f"{a['kind']} {a['subject']}" for a in alarms) or "none")
    except OssoError as error:
        report("database", False, str(error), "check OSSO_DATABASE_URL and OSSO_SECRET_KEYS")
    try:
        knowledge = wiring.open_library(config).knowledge
        report("knowledge", bool(knowledge.articles), f"{len(knowledge.articles)} articles", "osso kb check")
    except OssoError as error:
        report("knowledge", False, str(error).splitlines()[0], "osso kb check")
    for account in config.accounts:
        given = [name for name, value in account.fields.items() if value]
        partly = bool(given) and bool(account.missing)
        report(
            f"{account.channel} {account.number}",
            not partly,
            "configured" if not account.missing else "not configured",
            "set " + ", ".join(account.missing),
        )
    local = config.data_dir / "local.env"
    if local.exists():
        mode = oct(local.stat().st_mode & 0o777)
        report("secrets", mode == "0o600", f"{local} is {mode}", f"chmod 600 {local}")
    return 1 if bad else 0
