"""Servers as an operator would start them: real processes on loopback, bounded in time, ended and counted here."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.places import SECRET

ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
DATA = ROOT / "var" / "bench"  # keeps what the matcher learned between measurements, as a server does between starts
START_S = 240.0  # the very first start learns


@dataclass(frozen=True, slots=True)
class Served:
    process: subprocess.Popen[bytes]
    port: int
    seconds: float  # from start until ready
    log: Path

    def cpu(self) -> float:
        """Processor seconds used by all its processes."""
        return sum(_cpu(pid) for pid in tree(self.process.pid))

    def memory(self) -> tuple[float, float]:
        """(PSS, RSS) of all its processes, MB."""
        sizes = [_memory(pid) for pid in tree(self.process.pid)]
        return sum(pss for pss, _ in sizes) / 1024, sum(rss for _, rss in sizes) / 1024


@contextmanager
def served(arguments: tuple[str, ...], environ: Mapping[str, str], *, ready: str = "/readyz") -> Iterator[Served]:
    """Runs `python -m …` with these settings until it answers at `ready`; stops it afterwards."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="osso-bench-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        settings = {"OSSO_DATA_DIR": str(DATA), "OSSO_PORT": str(port), "OSSO_LOG_LEVEL": "INFO"} | dict(environ)
        with log.open("wb") as out:
            began = time.monotonic()
            process = spawn(arguments, settings, out=out.fileno())
            try:
                wait_ready(process, port, ready, log)
                yield Served(process, port, time.monotonic() - began, log)
            finally:
                stop(process)


def spawn(arguments: tuple[str, ...], environ: Mapping[str, str], *, out: int) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OSSO_")}
    settings = {"OSSO_SECRET_KEYS": SECRET, "OSSO_DOTENV": os.devnull, "OSSO_HOST": "127.0.0.1"} | dict(environ)
    return subprocess.Popen(  # noqa: S603 - our own interpreter and modules
        [sys.executable, "-m", *arguments], cwd=ROOT, env=kept | settings, stdout=out, stderr=out
    )


def wait_ready(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    raise RuntimeError("the server did not become ready:\n" + log.read_text(errors="replace")[-2000:])


def stop(process: subprocess.Popen[bytes], seconds: float = 6.0) -> float:
    """Ends it as Ctrl-C would; returns how long that took."""
    began = time.monotonic()
    children = tree(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            for pid in reversed(children):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait(5)
    return time.monotonic() - began


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(pid: int) -> list[int]:
    """The process and all it started."""
    found = [pid]
    for one in found:
        try:
            found += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except OSError:
            continue
    return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory(pid: int) -> tuple[int, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return sizes.get("Pss", 0), sizes.get("Rss", 0)
