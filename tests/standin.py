"""The platforms as a stranger would meet them: a small HTTP server on loopback that speaks like Graph and Zalo.

It records every request, answers as the real ones do, and misbehaves on demand: refuse, reset, hang, crawl, HTML, 429.
"""

from __future__ import annotations

import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Behaviour = Callable[["_Handler"], bool]  # True when it answered by itself


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    at: float


@dataclass
class Standin:
    """`requests` in the order they came; `behave` is asked first for each of them."""

    requests: list[Request] = field(default_factory=list)
    behave: list[Behaviour] = field(default_factory=list)
    refresh_tokens: set[str] = field(default_factory=lambda: {"seed-refresh-token-tests"})
    access_tokens: set[str] = field(default_factory=set)
    count: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def said(self) -> list[str]:
        """The texts of every message sent, in order, on either platform."""
        bodies = [one.body for one in self.requests if isinstance(one.body, dict) and "message" in one.body]
        return [
            str(body["message"].get("text") or body["message"]["attachment"]["payload"].get("text", ""))
            for body in bodies
        ]

    def wait(self, count: int, seconds: float = 15.0) -> list[str]:
        """Waits until so many messages were sent; fails otherwise."""
        until = time.monotonic() + seconds
        while len(self.said()) < count:
            if time.monotonic() > until:
                raise AssertionError(f"only {len(self.said())} of {count} messages were sent")
            time.sleep(0.02)
        return self.said()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    standin: Standin

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        body: Any = {key: values[0] for key, values in parse_qs(raw.decode()).items()} if form else None
        if not form and raw:
            body = json.loads(raw)
        headers = {key.lower(): value for key, value in self.headers.items()}
        standin = self.standin
        signal = isinstance(body, dict) and "sender_action" in body
        with standin.lock:
            if not signal:
                request = Request(self.command, parts.path, parse_qs(parts.query), headers, body, time.time())
                standin.requests.append(request)
            behave = standin.behave.pop(0) if standin.behave and not signal else None
        if behave is not None and behave(self):
            return
        self._speak(parts.path, body, headers)

    def _speak(self, path: str, body: Any, headers: dict[str, str]) -> None:
        standin = self.standin
        if path.endswith("/oa/access_token"):
            self.reply(200, self._grant(body))
        elif path.startswith(("/v3.0/oa/message", "/v2.0/oa/message")):
            if standin.access_tokens and headers.get("access_token") not in standin.access_tokens:
                self.reply(200, {"error": -216, "message": "Access token is invalid"})
            else:
                number = next(standin.count)
                data = {"message_id": f"z{number}", "user_id": body["recipient"].get("user_id", "")}
                self.reply(200, {"error": 0, "message": "Success", "data": data})
        elif path.endswith("/messages"):
            number = next(standin.count)
            recipient = body.get("recipient", {}).get("id", "")
            self.reply(200, {"recipient_id": recipient, "message_id": f"m{number}"})
        else:
            self.reply(200, {"result": "success", "success": True, "data": []})

    def _grant(self, form: dict[str, str]) -> dict[str, Any]:
        """Single use, as Zalo's are: a refresh token seen twice is dead, and so is its holder's luck."""
        with self.standin.lock:
            given = form.get("refresh_token", "")
            if given not in self.standin.refresh_tokens:
                return {"error_name": "Invalid refresh token", "error_reason": "", "error": -14014}
            self.standin.refresh_tokens.remove(given)
            number = next(self.standin.count)
            access, refresh = f"access-{number}", f"refresh-{number}"
            self.standin.refresh_tokens.add(refresh)
            self.standin.access_tokens = {access}
        return {"access_token": access, "refresh_token": refresh, "expires_in": "90000"}

    def reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def hang(seconds: float) -> Behaviour:
    def behave(handler: _Handler) -> bool:
        time.sleep(seconds)
        return True

    return behave


def reset(handler: _Handler) -> bool:
    """Cuts the connection after reading the request, without a word."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
    return True


def says(status: int, body: Any, headers: dict[str, str] | None = None) -> Behaviour:
    def behave(handler: _Handler) -> bool:
        handler.reply(status, body, headers)
        return True

    return behave


def crawl(handler: _Handler) -> bool:
    """One byte now and then."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    try:
        for _ in range(1000):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass
    handler.close_connection = True
    return True


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that gave up is part of the play


@contextmanager
def standing() -> Iterator[Standin]:
    standin = Standin()
    handler = type("Handler", (_Handler,), {"standin": standin})
    server = _Quiet(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    standin.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
