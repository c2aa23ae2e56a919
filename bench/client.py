"""A client of the standard library: a few threads, each with one connection kept open. Bounded in number and time."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.webhooks import Webhook


@dataclass(slots=True)
class Load:
    """What came of it: seconds per request, how often each status came, and the wall time of all."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wall: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.wall if self.wall else 0.0


def rush(port: int, hooks: Sequence[Webhook], *, threads: int = 16) -> Load:
    """Posts every webhook as fast as it goes, each thread the next one."""
    return _run(port, hooks, threads, lambda _place, _began: None)


def paced(port: int, hooks: Sequence[Webhook], *, per_second: float, threads: int = 16) -> Load:
    """Posts at fixed moments; a late answer counts from when its request was due, so that a stall hides nothing."""

    def due(place: int, began: float) -> float:
        at = began + place / per_second
        time.sleep(max(0.0, at - time.perf_counter()))
        return at

    return _run(port, hooks, threads, due)


def post(port: int, hook: Webhook, connection: http.client.HTTPConnection | None = None) -> int:
    line = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("POST", hook.path, hook.body, dict(hook.headers))
    response = line.getresponse()
    response.read()
    if connection is None:
        line.close()
    return response.status


def _run(port: int, hooks: Sequence[Webhook], threads: int, due: Callable[[int, float], float | None]) -> Load:
    load, lock, places = Load(), threading.Lock(), iter(range(len(hooks)))
    began = time.perf_counter()

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while True:
            with lock:
                place = next(places, None)
            if place is None:
                break
            at = due(place, began) or time.perf_counter()
            try:
                status = post(port, hooks[place], connection)
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            spent = time.perf_counter() - at
            with lock:
                load.seconds.append(spent)
                load.statuses[status] += 1
        connection.close()

    crowd = [threading.Thread(target=run) for _ in range(threads)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    load.wall = time.perf_counter() - began
    return load
