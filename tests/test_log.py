"""Logs carry allow-listed keys only, whatever a careless call or a library hands them."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from bot import log


@pytest.fixture(autouse=True)
def quiet_again() -> object:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    import structlog

    structlog.reset_defaults()


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_unknown_keys_are_dropped_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup()
    log.get().info("accepted", channel="zalo", text="em bị đánh", phone="0912345678")
    out = capsys.readouterr().out
    told = lines(out)[0]
    assert told["event"] == "accepted"
    assert told["channel"] == "zalo"
    assert told["dropped"] == ["phone", "text"]
    assert "0912345678" not in out
    assert "đánh" not in out


def test_exceptions_are_told_by_type_and_place_only(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup()
    try:
        raise ValueError("em bị đánh")
    except ValueError as error:
        log.get().error("hearing failed", error=error)
    told = lines(capsys.readouterr().out)[0]
    assert told["error"] == "ValueError"
    assert str(told["place"]).startswith("test_log.py:")
    assert "đánh" not in str(told)


def test_libraries_are_told_without_their_text(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup()
    logging.getLogger("urllib3").warning("POST /me/messages?access_token=%s", "secret-token")
    told = lines(capsys.readouterr().out)[0]
    assert told["kind"] == "urllib3"
    assert "secret-token" not in str(told)


def test_quiet_levels_stay_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("ERROR")
    log.get().info("accepted")
    assert capsys.readouterr().out == ""


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _line: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    log.setup()
    log.get().error("not accepted", channel="zalo")
    logging.getLogger("library").error("the pipe is gone")
