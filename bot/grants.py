"""Access tokens. A Page token stands in the settings; a Zalo refresh token is single use, so renewing has one writer
across all processes, and the new pair is committed before anybody uses it.

A failed answer never overwrites a living pair. If the commit of a new pair fails, it is kept encrypted in a spill file
and taken up before the next renewal. A grant that is lost raises an alarm that says what an operator must do.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from bot import log
from bot.channels.zalo import Zalo, ZaloAccount
from bot.errors import GrantLost, NoToken, Unreachable, Unreadable
from bot.rim import MaybeSent, NotSent, Transport
from bot.store import queries
from bot.store.database import Database

LOCK_MS = 45_000  # longer than any request can take
EARLY_MS = 5 * 3_600_000  # a token of 25 h is renewed at 20 h
TABLE = queries.grant


class Grants:
    """The tokens of every account. Share one between threads."""

    def __init__(
        self,
        database: Database,
        transport: Transport,
        zalo: Zalo | None,
        *,
        static: Mapping[tuple[str, str], str],
        spill: Path,
        clock: Callable[[], int],
    ) -> None:
        self._database = database
        self._transport = transport
        self._zalo = zalo
        self._accounts = {account.oa_id: account for account in zalo.accounts} if zalo else {}
        self._static = dict(static)  # (channel, account) -> token that does not change
        self._spill = spill
        self._clock = clock
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[str, int]] = {}  # oa id -> (token, good until ms)

    def token(self, channel: str, account: str) -> str:
        """A usable token; renewed first when its time is nearly over. Raises GrantLost or NoToken."""
        if channel != "zalo":
            return self._static.get((channel, account), "")
        cached = self._cache.get(account)
        if cached is not None and cached[1] > self._clock():
            return cached[0]
        return self._renew(account, refused="")

    def renew(self, channel: str, account: str, refused: str) -> str:
        """A token other than `refused`: another process may have renewed it already. Raises GrantLost."""
        if channel != "zalo":
            raise GrantLost(f"{channel}: the token in the settings was refused; make a new one and set it")
        self._cache.pop(account, None)
        return self._renew(account, refused=refused)

    def refresh_due(self) -> None:
        """Renews every Zalo pair that is past 20 h. For the clock."""
        for account in self._accounts:
            try:
                self.token("zalo", account)
            except (GrantLost, NoToken, Unreachable) as error:
                log.get().warning("token not renewed", channel="zalo", error=error)

    def _renew(self, account: str, *, refused: str) -> str:
        known = self._accounts.get(account)
        if known is None or self._zalo is None:
            raise GrantLost("zalo: this OA is not in the settings")
        with self._lock:  # threads of this process queue here, processes at the row's lock
            for _ in range(LOCK_MS // 500):
                found = self._take(known, refused)
                if isinstance(found, str):
                    return found
                if found is not None:
                    return self._exchange(known, *found)
                time.sleep(0.5)  # another process is renewing
        raise NoToken("zalo: another process has been renewing the token for too long")

    def _take(self, account: ZaloAccount, refused: str) -> str | tuple[str, str] | None:
        """The living token; or (lock, refresh token) to renew with; or None while another process renews."""
        ring = self._database.keyring
        self._adopt_spill(account.oa_id)
        with self._database.write() as connection:
            now = self._database.now(connection)
            seed = ring.index("seed", account.refresh_token)
            mine = (TABLE.c.channel == "zalo", TABLE.c.account == account.oa_id)
            planted = {"refresh_wrapped": ring.wrap(account.refresh_token.encode()), "seed_index": seed}
            queries.plant_grant(connection, "zalo", account.oa_id, planted)
            row = connection.execute(select(TABLE).where(*mine).with_for_update()).mappings().one()
            if row["lost_at"] is not None and row["seed_index"] != seed:
                # The operator authorised again and set a new first token.
                connection.execute(update(TABLE).where(*mine).values(**planted, lost_at=None, lost_code=""))
                refresh, access, until, lost, busy = account.refresh_token, "", 0, None, row["lock_until"]
            else:
                refresh = ring.unwrap(bytes(row["refresh_wrapped"])).decode()
                access = ring.unwrap(bytes(row["access_wrapped"])).decode() if row["access_wrapped"] else ""
                until, lost, busy = row["expires_at"] - EARLY_MS, row["lost_at"], row["lock_until"]
            if access and access != refused and until > now:
                self._cache[account.oa_id] = (access, until)
                return access
            if lost is not None:
                raise GrantLost(_remedy(account.oa_id))
            if busy > now:
                return None
            lock = str(uuid.uuid4())
            connection.execute(update(TABLE).where(*mine).values(lock_until=now + LOCK_MS, lock_by=lock))
            return lock, refresh

    def _exchange(self, account: ZaloAccount, lock: str, refresh: str) -> str:
        """Spends the refresh token and commits the new pair before returning it."""
        assert self._zalo is not None  # noqa: S101 - _renew checked it
        oa_id = account.oa_id
        mine = (TABLE.c.channel == "zalo", TABLE.c.account == oa_id, TABLE.c.lock_by == lock)
        try:
            answer = self._transport.exchange(self._zalo.refresh_call(account, refresh))
            granted = self._zalo.read_grant(answer)
        except GrantLost as error:
            with self._database.write() as connection:
                now = self._database.now(connection)
                lost = {"lost_at": now, "lost_code": type(error).__name__, "lock_until": 0}
                connection.execute(update(TABLE).where(*mine).values(**lost))
                queries.raise_alarm(connection, "grant-lost", f"zalo {oa_id}", now)
            log.get().error("grant lost", channel="zalo", remedy=_remedy(oa_id))
            raise GrantLost(_remedy(oa_id)) from None
        except (NotSent, MaybeSent, Unreadable) as error:
            # Nothing of the answer is usable; the old pair stays. Not a lost grant yet: the next try will tell.
            with self._database.write() as connection:
                connection.execute(update(TABLE).where(*mine).values(lock_until=0))
            log.get().warning("token not renewed", channel="zalo", error=error)
            raise NoToken("zalo: the token service did not answer usefully") from None
        ring = self._database.keyring
        pair: dict[str, Any] = {
            "access_wrapped": ring.wrap(granted.access_token.encode()),
            "refresh_wrapped": ring.wrap(granted.refresh_token.encode()),
        }
        try:
            with self._database.write() as connection:
                now = self._database.now(connection)
                times = {"expires_at": now + granted.expires_in * 1000, "refreshed_at": now, "lock_until": 0}
                connection.execute(update(TABLE).where(*mine[:2]).values(**pair, **times, lost_at=None, lost_code=""))
                queries.clear_alarm(connection, "grant-lost", f"zalo {oa_id}", now)
        except Unreachable:
            self._write_spill(oa_id, pair, granted.expires_in)
            raise
        self._cache[oa_id] = (granted.access_token, now + granted.expires_in * 1000 - EARLY_MS)
        log.get().info("token renewed", channel="zalo")
        return str(granted.access_token)

    def _write_spill(self, oa_id: str, pair: Mapping[str, bytes], expires_in: int) -> None:
        body = {key: base64.b64encode(value).decode() for key, value in pair.items()}
        body |= {"expires_at": str(self._clock() + expires_in * 1000)}
        path = self._spill / f"grant-{oa_id}.spill"
        path.touch(mode=0o600)
        path.write_text(json.dumps(body), encoding="utf-8")

    def _adopt_spill(self, oa_id: str) -> None:
        path = self._spill / f"grant-{oa_id}.spill"
        if not path.is_file():
            return
        body = json.loads(path.read_text(encoding="utf-8"))
        values = {key: base64.b64decode(body[key]) for key in ("access_wrapped", "refresh_wrapped")}
        with self._database.write() as connection:
            mine = (TABLE.c.channel == "zalo", TABLE.c.account == oa_id)
            times = {"expires_at": int(body["expires_at"]), "lost_at": None, "lock_until": 0}
            connection.execute(update(TABLE).where(*mine).values(**values, **times))
        path.unlink()


def _remedy(oa_id: str) -> str:
    return (
        f"Zalo OA {oa_id}: the authorisation is gone. Open API Explorer of the Zalo developer console, grant the OA "
        "again, set OSSO_ZALO_REFRESH_TOKEN to the new refresh token and start again."
    )
