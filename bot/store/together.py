"""Work that several threads bring at the same moment, done at once by one of them: one commit for all who wait.

Whoever finds nobody at work works for everyone who has come by then; the next turn goes to the first who came since.
Threads that wait do not compete for the interpreter, and a disk that is slow to commit is asked less often.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 32  # of what is done at once


class Together(Generic[T, R]):
    """Calls `work` with what came together, in order of arrival, never twice at the same time; `work` gives one result
    for each. What it raises, everyone of that turn hears. Share one between threads."""

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._waiting: list[_Place[T, R]] = []
        self._busy = False

    def __call__(self, item: T) -> R:
        place = _Place[T, R](item)
        with self._lock:
            self._waiting.append(place)
            leads, self._busy = not self._busy, True
        if not leads:
            place.called.acquire()
        if not place.done:
            self._lead()
        if place.error is not None:
            raise place.error
        return place.result[0]

    def _lead(self) -> None:
        with self._lock:
            turn, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            for place, result in zip(turn, self._work([place.item for place in turn]), strict=True):
                place.result.append(result)
        except BaseException as error:
            for place in turn:
                place.error = error
            raise
        finally:
            for place in turn:
                place.done = True
                place.called.release()
            with self._lock:
                self._busy = bool(self._waiting)
                if self._busy:
                    self._waiting[0].called.release()


class _Place(Generic[T, R]):
    """One who waits: called when done, or when it is his turn to work for all."""

    __slots__ = ("called", "done", "error", "item", "result")

    def __init__(self, item: T) -> None:
        self.item = item
        self.done = False
        self.error: BaseException | None = None
        self.result: list[R] = []
        self.called = threading.Lock()
        self.called.acquire()
