"""The one door to the network tells apart: certainly not sent, maybe sent, answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from bot import http
from bot.http import Http
from bot.messages import Call
from bot.rim import MaybeSent, NotSent
from tests.standin import Standin, crawl, hang, reset, says, standing


@pytest.fixture
def standin() -> Iterator[Standin]:
    with standing() as found:
        yield found


def post(standin: Standin) -> Call:
    return Call("POST", f"{standin.url}/me/messages", json={"recipient": {"id": "1"}, "message": {"text": "a"}})


def test_an_answer_is_an_answer_whatever_its_status(standin: Standin) -> None:
    standin.behave = [says(500, b"<html>"), says(429, {"error": {}}, {"Retry-After": "7"})]
    transport = Http([standin.url])
    assert transport.exchange(post(standin)).status == 500
    slowed = transport.exchange(post(standin))
    assert (slowed.status, slowed.headers["retry-after"]) == (429, "7")
    assert transport.exchange(post(standin)).status == 200


def test_a_closed_port_is_certainly_not_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NotSent):
        Http([url]).exchange(Call("POST", url + "/x", json={}))


def test_a_cut_connection_may_have_been_sent(standin: Standin) -> None:
    standin.behave = [reset]
    with pytest.raises(MaybeSent):
        Http([standin.url]).exchange(post(standin))


def test_silence_may_have_been_sent(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_S", 0.3)
    standin.behave = [hang(1.0)]
    with pytest.raises(MaybeSent):
        Http([standin.url]).exchange(post(standin))


def test_an_answer_that_crawls_is_given_up(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOTAL_S", 0.3)
    standin.behave = [crawl]
    with pytest.raises(MaybeSent):
        Http([standin.url]).exchange(post(standin))


def test_an_answer_that_breaks_off_may_have_been_sent(standin: Standin) -> None:
    def half(handler: Any) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.close_connection = True
        return True

    standin.behave = [half]
    with pytest.raises(MaybeSent):
        Http([standin.url]).exchange(post(standin))


def test_an_answer_without_end_is_cut(standin: Standin) -> None:
    standin.behave = [says(200, b"x" * (http.MOST_BYTES + 10))]
    with pytest.raises(MaybeSent):
        Http([standin.url]).exchange(post(standin))


def test_other_hosts_are_never_asked(standin: Standin) -> None:
    with pytest.raises(NotSent):
        Http(["https://graph.facebook.com"]).exchange(post(standin))
    assert standin.requests == []
