"""How long an idle server takes from a signed webhook to the request at the platform, on both channels."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator

from bench import client, webhooks
from bench.figures import Figure, at_most, percentile, told
from bench.places import place, reachable
from bench.processes import served
from tests.standin import Standin, standing

WARM, MESSAGES, PAUSE_S = 8, 40, 0.03


def run() -> Iterator[Figure]:
    for kind in reachable():
        with place(kind) as url, standing() as platforms:
            environ = {"OSSO_DATABASE_URL": url} | webhooks.environment(platforms.url)
            with served(("bot", "run"), environ) as ours:
                for channel, make in (("messenger", webhooks.messenger), ("zalo", webhooks.zalo)):
                    yield from _channel(f"{channel}, {kind}", ours.port, make, platforms)


def _channel(name: str, port: int, make: webhooks.Make, platforms: Standin) -> Iterator[Figure]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    to_answer, to_platform = [], []
    for number in range(WARM + MESSAGES):
        hook = make(webhooks.TEXTS[number % len(webhooks.TEXTS)], f"idle-{name}-{number % 10}")
        before = len(platforms.said())
        began = time.time()
        if client.post(port, hook, connection) != 200:
            raise RuntimeError("a webhook was not accepted")
        answered = time.time()
        platforms.wait(before + 1)
        if number >= WARM:
            to_answer.append((answered - began) * 1000)
            to_platform.append((_arrived(platforms, before) - began) * 1000)
        _settle(platforms)
    connection.close()
    yield at_most(f"webhook to platform request, idle, p50, {name}", percentile(to_platform, 0.5), 50, "ms")
    yield at_most(f"webhook to platform request, idle, p95, {name}", percentile(to_platform, 0.95), 150, "ms")
    yield told(f"  webhook answered p50 / p95, {name}", _pair(to_answer))


def _arrived(platforms: Standin, place: int) -> float:
    sends = [one for one in platforms.requests if isinstance(one.body, dict) and "message" in one.body]
    return sends[place].at


def _settle(platforms: Standin) -> None:
    """Waits until the server is idle again: no request for a moment (a reply may be of several messages)."""
    count = -1
    while count != len(platforms.requests):
        count = len(platforms.requests)
        time.sleep(PAUSE_S)


def _pair(values: list[float]) -> str:
    return f"{percentile(values, 0.5):.1f} / {percentile(values, 0.95):.1f} ms"
