"""`python -m bench [NAME…]`: measures, prints machine, versions, command and a table. Ends with 1 if any is missed."""

from __future__ import annotations

import importlib
import os
import platform
import shlex
import sqlite3
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psycopg

from bench.figures import Figure, table
from bench.places import ADMIN, reachable

NAMES = ("engine", "accept", "latency", "turns", "size", "start")
LONG = ("faults", "desk", "knowledge")  # minutes each; only when named


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in (*NAMES, *LONG)]
    if unknown:
        print(f"no such measurement: {', '.join(unknown)}; there are: {', '.join((*NAMES, *LONG))}")
        return 2
    print("\n".join(machine()))
    print("command   " + shlex.join(["python", "-m", "bench", *names]) + "\n", flush=True)
    figures: list[Figure] = []
    began = time.monotonic()
    for name in names or NAMES:
        for figure in importlib.import_module(f"bench.{name}").run():
            figures.append(figure)
            print(table([figure]).splitlines()[1], flush=True)
    print(f"\n{table(figures)}\n\n{time.monotonic() - began:.0f} s")
    return int(any(figure.met is False for figure in figures))


def machine() -> list[str]:
    """What the figures were measured on."""
    cpu = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ": ?"
    )
    memory = Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    packages = ("flask", "gunicorn", "sqlalchemy", "psycopg", "cryptography", "scikit-learn")
    return [
        f"machine   {cpu.split(': ')[1]}, {os.cpu_count()} cores, {int(memory) // 1024} MB",
        f"load      {os.getloadavg()[0]:.1f} when it began",
        f"system    {platform.platform(terse=True)}, Python {platform.python_version()}",
        "versions  " + ", ".join(f"{name} {version(name)}" for name in packages),
        f"databases {', '.join(_databases())}",
    ]


def _databases() -> list[str]:
    found = [f"SQLite {sqlite3.sqlite_version} (WAL, synchronous=FULL)"]
    if "postgres" in reachable():
        with psycopg.connect(ADMIN, connect_timeout=3) as connection:
            row = connection.execute("SELECT current_setting('server_version'), current_setting('synchronous_commit')")
            found.append("PostgreSQL {} (synchronous_commit={})".format(*(row.fetchone() or ("?", "?"))))
    else:
        found.append("PostgreSQL not reachable: not measured")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
