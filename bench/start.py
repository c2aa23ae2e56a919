"""Starting and size: seconds until `osso run` is ready (its second start), and its memory after five hundred turns."""

from __future__ import annotations

from collections.abc import Iterator

from bench import client, webhooks
from bench.figures import Figure, at_most, told
from bench.places import place
from bench.processes import served, stop
from bench.turns import settled
from tests.standin import standing

TURNS = 500


def run() -> Iterator[Figure]:
    with place("sqlite") as url, standing() as platforms:
        environ = {"OSSO_DATABASE_URL": url} | webhooks.environment(platforms.url)
        with served(("bot", "run"), environ) as first:
            yield told("first start, until ready", f"{first.seconds:.1f} s")
        with served(("bot", "run"), environ) as second:
            yield at_most("second start, until ready", second.seconds, 3.0, "s")
            yield told("  processor seconds of it", f"{second.cpu():.2f} s")
            texts = webhooks.TEXTS
            hooks = [webhooks.messenger(texts[n % len(texts)], f"p-{n % 50}") for n in range(TURNS)]
            client.rush(second.port, hooks, threads=4)
            settled(platforms, TURNS)
            pss, rss = second.memory()
            yield at_most(f"memory after {TURNS} turns, PSS of all processes", pss, 250, "MB")
            yield at_most(f"memory after {TURNS} turns, RSS of all processes", rss, 250, "MB")
            yield at_most("stopping on SIGINT", stop(second.process), 3.0, "s")
