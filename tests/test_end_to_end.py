"""The whole system as an operator starts it: one process, real HTTP on loopback, the platforms as stand-ins."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.standin import Standin, standing

ROOT = Path(__file__).parent.parent
PAGE, APP, SECRET, TOKEN = "111", "9001", "app-secret-for-tests-0001", "page-token-for-tests-01"
OA, ZALO_APP, OA_SECRET = "222", "8001", "zalo-oa-secret-tests"
PATIENCE = 240.0  # seconds; a cold start on a loaded machine trains its matcher first


@dataclass
class System:
    """`osso run` against the stand-in platforms."""

    folder: Path
    platforms: Standin
    database: str = ""
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "log.txt"

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = {
            "OSSO_DATA_DIR": str(self.folder),
            "OSSO_PORT": str(self.port),
            "OSSO_DOTENV": str(self.folder / "none.env"),
            "OSSO_SECRET_KEYS": "kX9v2mQ7rT4wY8zB1nC5dF3gH6jL0pS-uV_aE",
            "OSSO_MESSENGER_PAGE_ID": PAGE,
            "OSSO_MESSENGER_APP_ID": APP,
            "OSSO_MESSENGER_APP_SECRET": SECRET,
            "OSSO_MESSENGER_PAGE_TOKEN": TOKEN,
            "OSSO_MESSENGER_VERIFY_TOKEN": "verify-token-for-tests",
            "OSSO_MESSENGER_API_URL": f"{self.platforms.url}/v25.0",
            "OSSO_ZALO_OA_ID": OA,
            "OSSO_ZALO_APP_ID": ZALO_APP,
            "OSSO_ZALO_APP_SECRET": "zalo-app-secret-tests",
            "OSSO_ZALO_OA_SECRET": OA_SECRET,
            "OSSO_ZALO_REFRESH_TOKEN": "seed-refresh-token-tests",
            "OSSO_ZALO_API_URL": self.platforms.url,
            "OSSO_ZALO_OAUTH_URL": self.platforms.url,
        }
        if self.database:
            settings |= {"OSSO_DATABASE_URL": self.database, "OSSO_WAKER": "postgres"}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OSSO_")} | settings
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "bot", "run"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(self.log.read_text(encoding="utf-8")[-3000:])
            time.sleep(0.1)

    def ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def stop(self) -> float:
        """Ctrl-C; the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - began

    def messenger(self, text: str, mid: str, person: str = "7001") -> int:
        event = {
            "sender": {"id": person},
            "recipient": {"id": PAGE},
            "timestamp": int(time.time() * 1000),
            "message": {"mid": mid, "text": text},
        }
        body = json.dumps({"object": "page", "entry": [{"id": PAGE, "time": 1, "messaging": [event]}]}).encode()
        mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return self.post("messenger", body, {"X-Hub-Signature-256": f"sha256={mac}"})

    def zalo(self, text: str, message_id: str, person: str = "6001") -> int:
        moment = str(int(time.time() * 1000))
        event: dict[str, Any] = {
            "app_id": ZALO_APP,
            "event_name": "user_send_text",
            "timestamp": moment,
            "sender": {"id": person},
            "recipient": {"id": OA},
            "message": {"msg_id": message_id, "text": text},
        }
        body = json.dumps(event, ensure_ascii=False).encode()
        mac = hashlib.sha256(ZALO_APP.encode() + body + moment.encode() + OA_SECRET.encode()).hexdigest()
        return self.post("zalo", body, {"X-ZEvent-Signature": f"mac={mac}"})

    def post(self, channel: str, body: bytes, headers: dict[str, str]) -> int:
        url = f"http://127.0.0.1:{self.port}/webhooks/{channel}"
        return requests.post(
            url, data=body, headers=headers | {"Content-Type": "application/json"}, timeout=20
        ).status_code


@pytest.fixture(params=["sqlite", "postgres"])
def system(request: pytest.FixtureRequest, tmp_path: Path, learned: Path) -> Iterator[System]:
    url = "" if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    (tmp_path / "cache").symlink_to(learned)
    with standing() as platforms:
        found = System(tmp_path, platforms, url)
        try:
            found.start()
            yield found
        finally:
            if found.process is not None and found.process.poll() is None:
                found.process.kill()
                found.process.wait(10)


def test_signed_webhooks_come_out_as_requests_at_both_platforms_and_a_restart_goes_on(system: System) -> None:
    platforms = system.platforms

    assert system.messenger("xin chào", "mid-1") == 200
    first = platforms.wait(2)
    assert "tự động" in first[0]  # it says that it is a bot
    request = next(one for one in platforms.requests if one.path.endswith("/messages"))
    assert request.path == f"/v25.0/{PAGE}/messages"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    proof = hmac.new(SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
    assert request.query["appsecret_proof"] == [proof]
    assert request.body["recipient"] == {"id": "7001"}
    assert request.body["messaging_type"] == "RESPONSE"

    assert system.zalo("xin chào", "z-1") == 200
    platforms.wait(4)
    request = next(one for one in platforms.requests if one.path == "/v3.0/oa/message/cs")
    assert request.headers["access_token"] in platforms.access_tokens
    assert request.body["recipient"] == {"user_id": "6001"}
    menu = [one.body for one in platforms.requests if one.path == "/v3.0/oa/message/cs"][-1]
    assert 1 <= len(menu["message"]["attachment"]["payload"]["buttons"]) <= 5

    assert system.messenger("chồng em đang đánh em, cứu em với", "mid-2") == 200
    said = "\n".join(platforms.wait(7)[4:])  # care and a question, numbers, who is there
    assert "113" in said

    before = len(platforms.said())
    assert system.messenger("xin chào", "mid-1") == 200  # delivered again: nothing happens
    assert system.post("zalo", b"{}", {"X-ZEvent-Signature": "mac=0"}) == 403

    seconds = system.stop()
    assert system.process is not None
    assert system.process.returncode == 0
    assert seconds < 25  # the promise of 3 s is measured by the bench; here only that it ends by itself
    assert len(platforms.said()) == before

    system.start()
    assert system.messenger("gặp tư vấn viên", "mid-3") == 200
    again = platforms.wait(before + 1)[before:]
    assert not any("trợ lý tự động của Hội" in text for text in again)  # she is known: no second welcome
    logged = system.log.read_text(encoding="utf-8")
    for secret in ("đang đánh", "7001", "6001", "mid-1", TOKEN, SECRET, OA_SECRET, "access-"):
        assert secret not in logged
