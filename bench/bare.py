"""The yardstick: a bare Flask view that checks an HMAC, reads the JSON and commits one row with the driver itself, on
the same server with the same threads. `python -m bench.bare`, settings from the environment as for `osso web`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import threading
from contextlib import nullcontext
from typing import Any

import psycopg
from flask import Flask, Response, request

from bench.places import plain
from bench.webhooks import APP_SECRET
from bot.launch import Server
from bot.settings import read_settings

TABLE = "CREATE TABLE IF NOT EXISTS bare (id VARCHAR(200) PRIMARY KEY, body BYTEA)"


def view(url: str) -> Flask:
    app = Flask("bare")
    local = threading.local()
    on_sqlite = url.startswith("sqlite")
    lock: Any = threading.Lock() if on_sqlite else nullcontext()
    mark = "?" if on_sqlite else "%s"

    def connection() -> Any:
        if not hasattr(local, "connection"):
            if on_sqlite:
                local.connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level="IMMEDIATE")
                local.connection.execute("PRAGMA synchronous=FULL")
                local.connection.execute("PRAGMA busy_timeout=30000")
            else:
                local.connection = psycopg.connect(plain(url))
        return local.connection

    with lock:
        line = connection()
        line.execute(TABLE)
        line.commit()

    @app.post("/webhooks/messenger")
    def accept() -> Response:
        body = request.get_data(cache=False)
        mac = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(mac, request.headers.get("X-Hub-Signature-256", "")):
            return Response("", 403)
        mid = json.loads(body)["entry"][0]["messaging"][0]["message"]["mid"]
        with lock:
            line = connection()
            line.execute(f"INSERT INTO bare VALUES ({mark}, {mark})", (mid, body))  # noqa: S608 - a constant
            line.commit()
        return Response("", 200)

    @app.get("/readyz")
    def ready() -> str:
        return "ok"

    return app


if __name__ == "__main__":
    config = read_settings()
    Server(config, lambda: (view(config.database_url), lambda: None)).run()
