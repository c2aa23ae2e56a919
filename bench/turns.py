"""Turns per second, end to end: webhooks posted as fast as they are taken, until the platform has every reply."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench import client, webhooks
from bench.figures import Figure, nothing, told
from bench.places import place, reachable
from bench.processes import served
from tests.standin import Standin, standing

PEOPLE, EACH = 100, 6
LONGEST_S = 60.0


def run() -> Iterator[Figure]:
    for kind in reachable():
        with place(kind) as url, standing() as platforms:
            environ = {"OSSO_DATABASE_URL": url} | webhooks.environment(platforms.url)
            with served(("bot", "run"), environ) as ours:
                client.rush(ours.port, [webhooks.messenger("menu", f"warm-{n}") for n in range(20)], threads=4)
                settled(platforms, 20)
                before, spent = len(platforms.said()), ours.cpu()
                hooks = [
                    webhooks.messenger(webhooks.TEXTS[(n + m) % len(webhooks.TEXTS)], f"p-{n}")
                    for m in range(EACH)
                    for n in range(PEOPLE)
                ]
                began = time.monotonic()
                load = client.rush(ours.port, hooks, threads=8)
                accepted = load.statuses[200]
                settled(platforms, before + accepted)
                seconds = platforms.requests[-1].at - time.time() + time.monotonic() - began
                said = len(platforms.said()) - before
                spent = ours.cpu() - spent
            name = f"{kind}, one process"
            yield told(
                f"turns per second, {name}", f"{accepted / seconds:.0f} ({accepted} turns, {said} messages sent)"
            )
            yield told(f"  processor ms per turn, {name}", f"{spent / accepted * 1000:.1f}")
            yield nothing(f"webhooks not accepted, {name}", len(hooks) - accepted)


def settled(platforms: Standin, least: int) -> None:
    """Waits until so many messages were sent and no more come."""
    until, count = time.monotonic() + LONGEST_S, -1
    while time.monotonic() < until:
        if len(platforms.requests) == count and len(platforms.said()) >= least:
            return
        count = len(platforms.requests)
        time.sleep(0.5)
