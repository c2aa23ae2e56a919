"""A loaded machine is slow, not wrong: what is expected of a page may take its time, but must come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

PATIENCE_MS = 30_000


@pytest.fixture(autouse=True, scope="session")
def patient() -> Iterator[None]:
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=5_000)
