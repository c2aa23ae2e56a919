"""What the clock does for the content: after a publishing, keeps which question finds which article since then.

Measuring takes half a minute of thinking, so a process of its own does it, behind everyone who talks.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.clock import Job
from bot.knowledge.trial import measured_since
from bot.store.database import Database
from handoff.content import approvals

MARK = (sys.executable, "-m", "bot", "kb", "mark")


class Marker:
    """Starts `osso kb mark` once after every publishing. Two of them in two processes harm nothing."""

    def __init__(self, database: Database, root: Path, command: Sequence[str] = MARK) -> None:
        self._database = database
        self._root = root
        self._command = command
        self._tried = ""
        self.running: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        if self.running and self.running.poll() is None:
            return
        with self._database.read() as connection:
            last = approvals.last_published(connection)
        if last in (measured_since(self._root), self._tried):
            return
        self._tried = last
        self.running = subprocess.Popen(  # noqa: S603 - ourselves
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.setpriority(os.PRIO_PROCESS, self.running.pid, 10)


def jobs(database: Database, root: Path) -> tuple[Job, ...]:
    return (Job("mark", 20.0, Marker(database, root).look),)
