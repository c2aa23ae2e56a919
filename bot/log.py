"""Logging: JSON lines with allow-listed keys. Never text, names, phone numbers, platform ids or tokens.

A key that is not on the list is dropped and its name reported, so a careless call cannot leak. Exceptions are logged by
type and place, without their message: messages of libraries may quote data.
"""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

ALLOWED = frozenset(
    """
    account_number action alarm article attempt channel code conversation count decision error event events faults file
    host job kind level line ms outbox place port reason remedy row seconds severity since state status ticket timestamp
    verdict version waker workers
    """.split()
)


def setup(level: str = "INFO") -> None:
    """Configures structlog and routes the standard library's warnings and above through it."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _place_of_error,
        allow_listed,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=_Line,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Quiet()]
    root.setLevel(logging.WARNING)


def allow_listed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keeps allowed keys; names the dropped ones under `dropped`."""
    dropped = sorted(key for key in event if key not in ALLOWED)
    kept: EventDict = {key: value for key, value in event.items() if key in ALLOWED}
    if dropped:
        kept["dropped"] = dropped
    return kept


def get(**initial: Any) -> structlog.stdlib.BoundLogger:
    """A logger; usage: `log.get().info("accepted", channel="zalo", count=1)`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(**initial)
    return logger


def place_of(error: BaseException) -> str:
    """`module.py:line` of the innermost frame, which is safe to log."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""


def _place_of_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    error = event.get("error")
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["place"] = place_of(error)
    return event


class _Line(structlog.WriteLogger):
    """Writes to standard output; a line that cannot be written (a closed pipe, a full disk) is lost, that is all."""

    def __init__(self, *_args: Any) -> None:
        super().__init__()

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):
            super().msg(message)

    debug = info = warning = error = critical = msg


class _Quiet(logging.Handler):
    """Other libraries' records: their logger and level only, never their text (it may quote data)."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        kind = type(error).__name__ if error else ""
        get().warning("library", kind=record.name, severity=record.levelname, reason=kind, line=record.lineno)
