"""The accept path: the webhook doors of the web process against the yardstick, and their answer times at 50/s."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench import client, webhooks
from bench.figures import Figure, at_least, at_most, percentile, told
from bench.places import place, reachable
from bench.processes import served
from tests.standin import standing

ROUNDS, PER_ROUND, WARM = 9, 400, 150
PER_SECOND, SECONDS = 50, 8


def hooks(count: int) -> list[webhooks.Webhook]:
    texts = webhooks.TEXTS
    return [webhooks.messenger(texts[n % len(texts)], f"person-{n % 200}") for n in range(count)]


def run() -> Iterator[Figure]:
    for kind in reachable():
        with place(kind) as url:
            environ = {"OSSO_DATABASE_URL": url} | webhooks.environment()
            yield from ratio(kind, environ)
            yield from answer_times(kind, environ)


def ratio(kind: str, environ: dict[str, str]) -> Iterator[Figure]:
    """Rounds in turn, so that a busy machine is busy for both."""
    with served(("bench.bare",), environ) as bare, served(("bot", "web"), environ) as ours:
        for one in (bare, ours):
            client.rush(one.port, hooks(WARM))
        ratios, rates, cpu = [], [], []
        for _ in range(ROUNDS):
            spent = (bare.cpu(), ours.cpu())
            loads = [client.rush(one.port, hooks(PER_ROUND)) for one in (bare, ours)]
            for load in loads:
                if set(load.statuses) != {200}:
                    raise RuntimeError(f"not every webhook was accepted: {dict(load.statuses)}")
            ratios.append(loads[1].rate / loads[0].rate)
            rates.append((loads[0].rate, loads[1].rate))
            cpu.append(((bare.cpu() - spent[0]) / PER_ROUND * 1000, (ours.cpu() - spent[1]) / PER_ROUND * 1000))
    yield at_least(f"accept path / bare view, {kind}", statistics.median(ratios), 0.5)
    both = " / ".join(f"{statistics.median(column):.0f}" for column in zip(*reversed_pairs(rates), strict=True))
    ms = " / ".join(f"{statistics.median(column):.2f}" for column in zip(*reversed_pairs(cpu), strict=True))
    spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
    yield told(f"  accepts per second, ours / bare, {kind}", f"{both} ({ROUNDS} rounds, ratio {spread})")
    yield told(f"  processor ms per accept, ours / bare, {kind}", ms)


def reversed_pairs(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(second, first) for first, second in pairs]


def answer_times(kind: str, environ: dict[str, str]) -> Iterator[Figure]:
    """The server that does everything in one process, workers included, at a steady pace."""
    with standing() as platforms, served(("bot", "run"), environ | webhooks.environment(platforms.url)) as ours:
        client.rush(ours.port, hooks(50), threads=4)
        load = client.paced(ours.port, hooks(PER_SECOND * SECONDS), per_second=PER_SECOND)
    if set(load.statuses) != {200}:
        raise RuntimeError(f"not every webhook was accepted: {dict(load.statuses)}")
    p50, p99, most = (percentile(load.seconds, share) * 1000 for share in (0.5, 0.99, 1.0))
    yield at_most(f"webhook answer p99 at {PER_SECOND}/s, workers busy, {kind}", p99, 200, "ms")
    yield told(f"  p50 and longest, {kind}", f"{p50:.1f} ms, {most:.0f} ms")
