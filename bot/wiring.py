"""From settings to the concrete parts. The only room that knows them all; nothing here decides anything."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from bot import flows, texts
from bot.actions import Inside, Remote, Runner, house
from bot.channels import Channel
from bot.channels.messenger import Messenger, MessengerAccount
from bot.channels.webchat import Webchat
from bot.channels.zalo import Zalo, ZaloAccount
from bot.clock import Job
from bot.engine import REQUIRED, Book
from bot.engine.book import Reader
from bot.errors import SettingsError, Unreachable
from bot.flows.values import Flows
from bot.grants import Grants
from bot.hearing import ZONE
from bot.http import Http
from bot.knowledge import Knowledge, Library, Province
from bot.metrics import Meter
from bot.nlu import acts, words
from bot.nlu.acts import Acts
from bot.nlu.embedding import Advised, sentence_transformer
from bot.nlu.match import Matcher
from bot.nlu.normalise import Words
from bot.nlu.outside import load_out_of_scope
from bot.nlu.places import load_places
from bot.pulse import Pulse
from bot.rim import Mind, Rim, Roster, Transport, nobody_known
from bot.safety import Screen
from bot.settings import Settings
from bot.store import queries
from bot.store.crypto import Keyring
from bot.store.database import Database
from bot.wakers import Listener, Notifier
from bot.worker import ThreadWaker, Worker

HERE = Path(__file__).parent
LOCALES = HERE.parent / "locales"
SCREEN_FILES = ("danger.yml", "danger.bin", "crisis.yml", "words.yml")
Wake = Callable[[int, int], None]
T = TypeVar("T")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a process may need; commands and apps take what they use."""

    settings: Settings
    database: Database
    library: Library[Mind]
    channels: Mapping[str, Channel]
    messenger: Messenger
    zalo: Zalo
    transport: Transport
    grants: Grants
    meter: Meter
    pulse: Pulse
    rim: Rim

    def close(self) -> None:
        self.database.close()


def open_database(settings: Settings) -> Database:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database(settings.database_url, Keyring(settings.secret_keys))


def approvals_of(database: Database) -> Callable[[], Mapping[tuple[str, str], str]]:
    """What the record says is out, with its words; they are fetched only when the record changed. While the database is
    away the last word holds; without any, nothing is out."""
    held: Mapping[tuple[str, str], str] = {}

    def look() -> Mapping[tuple[str, str], str]:
        nonlocal held
        try:
            with database.read() as connection:
                if queries.articles_out(connection) != held.keys():
                    held = queries.texts_out(connection)
        except Unreachable:
            pass
        return held

    return look


class Kept(Generic[T]):
    """The last value made. It is made again only of something else, so that a reload costs the talk no more than what
    changed: reading the danger signs alone holds up every thread for a quarter of a second."""

    def __init__(self) -> None:
        self._held: tuple[object, T] | None = None

    def get(self, of: object, make: Callable[[], T]) -> T:
        if self._held is None or self._held[0] != of:
            self._held = (of, make())
        return self._held[1]


def open_library(
    settings: Settings, approved: Callable[[], Mapping[tuple[str, str], str] | None] = lambda: None
) -> Library[Mind]:
    """Loads everything staff can edit, and the flows. Raises ContentError with every fault.

    `approved` gives the versions that may be said in production: (article, content hash) -> the text of the file.
    """
    catalogues = texts.load(LOCALES)
    cache = settings.data_dir / "cache"
    cache.mkdir(parents=True, exist_ok=True)

    root = settings.knowledge_dir
    held: Matcher | None = None
    lexicons: Kept[Words] = Kept()
    act_words: Kept[Acts] = Kept()
    screens: Kept[Screen] = Kept()
    flow_files: Kept[Flows] = Kept()

    def marks(*names: str) -> tuple[tuple[int, int], ...]:
        found = [(root / name).stat() for name in names if (root / name).exists()]
        return tuple((one.st_mtime_ns, one.st_size) for one in found)

    def mind(knowledge: Knowledge, book: Book) -> Mind:
        inside = Inside(house(knowledge))
        runner: Runner = inside
        if settings.action_endpoint:
            runner = Remote(settings.action_endpoint, inside, inside.names, settings.action_token)
        return Mind(replace(book, knowledge=knowledge), runner, inside)

    def train(knowledge: Knowledge, _today: datetime.date) -> Mind:
        nonlocal held
        lexicon = lexicons.get(marks("words.yml"), lambda: words.load(root / "words.yml"))
        places = load_places(root)
        held = Matcher.train(
            {article.id: article.asked for article in knowledge.articles.values()},
            {article.id: article.title for article in knowledge.articles.values()},
            {article.id: article.said for article in knowledge.articles.values()},
            lexicon,
            load_out_of_scope(root / "out_of_scope.tsv"),
            cache=cache,
            acts=act_words.get(marks("acts.yml", "words.yml"), lambda: acts.load(root / "acts.yml", lexicon)),
            places=places,
            before=held,
        )
        actions = Inside(house(knowledge)).names
        ids = tuple(knowledge.articles)
        book = Book(
            knowledge=knowledge,
            reader=_reader(held, settings.embeddings_model),
            screen=screens.get(marks(*SCREEN_FILES), lambda: Screen.load(root, lexicon)),
            flows=flow_files.get(
                (actions, ids), lambda: flows.load(HERE / "flows", actions=actions, articles=ids, required=REQUIRED)
            ),
            texts=catalogues,
            places=places,
        )
        return mind(knowledge, book)

    def meanwhile(knowledge: Knowledge, before: Mind) -> Mind:
        """New answers beside the old understanding: an article it does not know waits, one that is gone is not said."""
        reader = held.among(knowledge.articles).read if held else before.book.reader
        return mind(knowledge, replace(before.book, reader=reader))

    return Library(root, train, now=lambda: datetime.datetime.now(ZONE), approved=approved, meanwhile=meanwhile)


def _reader(matcher: Matcher, model: str) -> Reader:
    """The matcher's reading, with a sentence encoder's second opinion where the settings name one."""
    if not model:
        return matcher.read
    try:
        encoder = sentence_transformer(Path(model))
    except (ImportError, OSError, ValueError) as error:
        hint = "install the `embeddings` extra and name the folder of a sentence-transformers model"
        raise SettingsError([f"OSSO_EMBEDDINGS_MODEL: cannot be used ({type(error).__name__}); {hint}"]) from error
    return Advised.of(matcher, encoder).read


def open_channels(settings: Settings) -> tuple[Messenger, Zalo]:
    """The two platforms with the accounts that have everything they need."""
    pages = [
        MessengerAccount(
            page_id=account.fields["PAGE_ID"],
            app_id=account.fields["APP_ID"],
            app_secret=account.fields["APP_SECRET"],
            page_token=account.fields["PAGE_TOKEN"],
            verify_token=account.fields["VERIFY_TOKEN"],
        )
        for account in settings.configured("messenger")
    ]
    accounts = [
        ZaloAccount(
            oa_id=account.fields["OA_ID"],
            app_id=account.fields["APP_ID"],
            app_secret=account.fields["APP_SECRET"],
            oa_secrets=tuple(part.strip() for part in account.fields["OA_SECRET"].split(",") if part.strip()),
            refresh_token=account.fields["REFRESH_TOKEN"],
        )
        for account in settings.configured("zalo")
    ]
    return (
        Messenger(pages, settings.messenger_api_url),
        Zalo(accounts, settings.zalo_api_url, settings.zalo_oauth_url),
    )


def build(
    settings: Settings,
    *,
    transport: Transport | None = None,
    clock: Callable[[], int] = now_ms,
    roster: Callable[[Database, Callable[[], Mapping[str, Province]]], Roster] | None = None,
) -> Parts:
    """Puts the parts together; `roster` makes the desk's word on who is on shift.

    Raises ContentError, SettingsError or Unreachable.
    """
    database = open_database(settings)
    library = open_library(settings, approvals_of(database))
    messenger, zalo = open_channels(settings)
    http = transport or Http(
        (
            settings.messenger_api_url,
            settings.zalo_api_url,
            settings.zalo_oauth_url,
            settings.alarm_url,
        )
    )
    static = {("messenger", page.page_id): page.page_token for page in messenger.accounts}
    grants = Grants(database, http, zalo, static=static, spill=settings.data_dir, clock=clock)
    channels: dict[str, Channel] = {
        "messenger": messenger,
        "zalo": zalo,
        "webchat": Webchat("zalo"),
        "webchat-m": Webchat("messenger", name="webchat-m"),
    }
    meter = Meter()
    rim = Rim(
        database=database,
        channels=channels,
        mind=lambda: library.matcher,
        transport=http,
        tokens=grants,
        clock=clock,
        roster=roster(database, lambda: library.knowledge.provinces) if roster else nobody_known,
        drafts=not settings.production,
        gather_ms=int(settings.gather_seconds * 1000),
        meter=meter,
        texts=texts.load(LOCALES),
    )
    pulse = Pulse(database, http, settings.alarm_url, clock)
    return Parts(settings, database, library, channels, messenger, zalo, http, grants, meter, pulse, rim)


@dataclass(frozen=True, slots=True)
class Hands:
    """The threads of one process: workers, and the listener when other processes wake them."""

    wake: Wake
    waker: ThreadWaker | None
    listener: Listener | None
    notifier: Notifier | None

    def start(self) -> None:
        if self.waker is not None:
            self.waker.start()
        if self.listener is not None:
            self.listener.start()

    def stop(self) -> None:
        if self.listener is not None:
            self.listener.stop()
        if self.waker is not None:
            self.waker.stop()
        if self.notifier is not None:
            self.notifier.close()


def hands(parts: Parts, *, works: bool) -> Hands:
    """`works`: this process hears and speaks itself; otherwise it only wakes others."""
    across = parts.settings.waker == "postgres"
    waker = ThreadWaker(Worker(parts.rim), parts.settings.workers) if works else None
    notifier = Notifier(parts.settings.database_url) if across else None
    listener = Listener(parts.settings.database_url, waker.wake) if across and waker is not None else None
    if waker is not None:
        return Hands(waker.wake, waker, listener, notifier)
    return Hands(notifier.wake if notifier is not None else _nobody, None, None, notifier)


def _nobody(_conversation_id: int, _rank: int) -> None:
    """No waker is configured: the sweeper of the process that works finds what lies open."""


def own_jobs(parts: Parts) -> tuple[Job, ...]:
    """What every process does for itself, whoever keeps the clock."""
    return Job("knowledge", 1.0, parts.library.poll), Job("pulse", 5.0, parts.pulse.beat)


def clock_jobs(parts: Parts) -> tuple[Job, ...]:
    """The clock's jobs of the other rooms."""
    return (Job("tokens", 600.0, parts.grants.refresh_due),)


def watch(parts: Parts) -> None:
    """Adds the gauges that are read from the database when somebody scrapes `/metrics`."""

    def gauges() -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        now = parts.rim.clock()
        with parts.database.read() as connection:
            ages = queries.queue_ages(connection)
            health = queries.all_health(connection)
            alarms = queries.open_alarms(connection)

        def age(name: str) -> float:
            return max(0.0, (now - ages[name]) / 1000) if ages[name] else 0.0

        silence: dict[tuple[tuple[str, str], ...], float] = {
            (("channel", row["channel"]), ("account", row["account"])): (now - row["webhook_at"]) / 1000
            for row in health
            if row["account"] and row["webhook_at"]
        }
        return {
            "osso_inbox_open": {(): ages["inbox_open"]},
            "osso_inbox_oldest_seconds": {(): age("inbox_oldest")},
            "osso_outbox_open": {(): ages["outbox_open"]},
            "osso_outbox_oldest_seconds": {(): age("outbox_oldest")},
            "osso_tickets_waiting": {(): ages["tickets_waiting"]},
            "osso_tickets_oldest_seconds": {(): age("tickets_oldest")},
            "osso_dead_letters": {(): ages["dead"]},
            "osso_alarms_open": {(): len(alarms)},
            **({"osso_webhook_silence_seconds": silence} if silence else {}),
        }

    parts.meter.watch(gauges)
