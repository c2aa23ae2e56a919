"""Turns through the engine alone: everything that understands, decides and words an answer, no database, no network.

Processor time of the thread, so that a busy machine does not count. What she writes: every line of the transcripts, in
order and with what was remembered, and every test question of the articles, each to a woman who has asked before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bench.figures import Figure, at_most, percentile, told
from bot import console, yamlfile
from bot.hearing import ZONE
from bot.messages import Heard, State
from bot.rim import Mind

ROOT = Path(__file__).parent.parent
GOAL_MS = 5.0


def run() -> Iterator[Figure]:
    mind = console.mind()
    for spoken in (transcripts(), questions()):  # once unmeasured: caches and the actions' loop are warm in a server
        list(spent(mind, spoken))
    for name, spoken in (("transcripts", transcripts()), ("single questions", questions())):
        seconds = list(spent(mind, spoken))
        p50, p99, most = (percentile(seconds, share) * 1000 for share in (0.5, 0.99, 1.0))
        yield at_most(f"one turn through the engine p99, {name}", p99, GOAL_MS, "ms")
        yield told(f"  p50 / longest, {name}", f"{p50:.2f} / {most:.2f} ms of {len(seconds)} turns")


def spent(mind: Mind, conversations: Iterator[list[str]]) -> Iterator[float]:
    """Seconds of processor time of each turn; what an action does on its own thread is not in them."""
    now = datetime.now(ZONE)
    for lines in conversations:
        state, at = State(), int(now.timestamp() * 1000)
        for line in lines:
            at += 20_000
            heard = Heard(line, at=at, first=state.heard_at == 0, world=console.world(now))
            if line.startswith("/"):
                heard = replace(heard, text="", payload=line)
            began = time.thread_time()
            turn = mind.think(state, heard)
            yield time.thread_time() - began
            state = turn.state


def transcripts() -> Iterator[list[str]]:
    for path in sorted((ROOT / "tests" / "transcripts").glob("*.yml")):
        document, _ = yamlfile.read(path)
        data = document.data if document else {}
        for lines in data.values():
            yield [str(line.get("you") or line["tap"]) for line in lines if "you" in line or "tap" in line]


def questions() -> Iterator[list[str]]:
    for line in (ROOT / "knowledge" / "golden.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield ["menu", line.split("\t")[0]]
