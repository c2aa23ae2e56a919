"""The only door to the network: one request, bounded in time and size, and an honest word on whether it may be out.

No redirects, no cookies, no retries, only the hosts of the settings. Nothing of a request or answer is logged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from bot.messages import Answer, Call
from bot.rim import MaybeSent, NotSent

CONNECT_S, READ_S, TOTAL_S = 3.05, 6.0, 8.0  # together below the lease of a conversation (10 s)
MOST_BYTES = 256 * 1024


class Http:
    """A transport on `requests`; one session per thread."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(urlsplit(url).netloc for url in allowed if url)
        self._local = threading.local()

    def exchange(self, call: Call) -> Answer:
        """Raises NotSent when the platform was never reached, MaybeSent when it may have acted without our knowing."""
        if urlsplit(call.url).netloc not in self._allowed:
            raise NotSent("host not allowed")
        started = time.monotonic()
        try:
            response = self._session().request(
                call.method,
                call.url,
                params=dict(call.params),
                headers=dict(call.headers),
                json=call.json,
                data=dict(call.form) if call.form is not None else None,
                timeout=(CONNECT_S, READ_S),
                allow_redirects=False,
                stream=True,
            )
        except requests.ConnectTimeout:
            raise NotSent("connect timed out") from None
        except requests.ConnectionError as error:
            raise (NotSent("no connection") if _never_connected(error) else MaybeSent("connection broke")) from None
        except (requests.RequestException, OSError):
            raise MaybeSent("no answer") from None
        try:
            body = bytearray()
            while chunk := response.raw.read1(8192, decode_content=True):  # whatever is there, however little
                body += chunk
                if len(body) > MOST_BYTES or time.monotonic() - started > TOTAL_S:
                    raise MaybeSent("answer too slow or too long")
        except (requests.RequestException, HTTPError, OSError):
            raise MaybeSent("answer broke off") from None
        finally:
            response.close()
        return Answer(
            response.status_code, {key.lower(): value for key, value in response.headers.items()}, bytes(body)
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            self._local.session = session
        return session


def _never_connected(error: requests.ConnectionError) -> bool:
    """Refused, unknown host or unreachable: the connection itself never stood."""
    seen: BaseException | None = error
    for _ in range(6):
        if isinstance(seen, NewConnectionError):
            return True
        reason = getattr(seen, "reason", None)
        inner = reason if isinstance(reason, BaseException) else None
        if inner is None and seen is not None and seen.args and isinstance(seen.args[0], BaseException):
            inner = seen.args[0]
        if inner is None:
            return False
        seen = inner
    return False
