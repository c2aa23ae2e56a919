"""Signed webhooks as the platforms send them, made before the clock starts, and the accounts they belong to."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PAGE, OA = "111", "222"
APP_SECRET, OA_SECRET, OA_APP = "app-secret-for-measuring-01", "oa-secret-for-measuring-0001", "8001"
TEXTS = (
    "em chào OSSO ạ",
    "em mới về nước muốn hỏi thủ tục đăng ký kết hôn ở đâu ạ",
    "xin hoi lam lai giay khai sinh cho con can giay to gi",
    "Chị ơi em muốn học nghề nail ở Hải Dương",
    "con em sinh ở Hàn Quốc, giờ muốn xin đi học ở Việt Nam thì làm thế nào",
    "ly hôn với chồng Đài Loan thì nộp đơn ở đâu ạ",
    "em buon qua khong biet noi voi ai",
    "cho e hỏi bảo hiểm y tế cho bé",
)


@dataclass(frozen=True, slots=True)
class Webhook:
    path: str
    body: bytes
    headers: Mapping[str, str]


Make = Callable[[str, str], Webhook]


def environment(api_url: str = "http://127.0.0.1:9") -> dict[str, str]:
    """The settings that make both channels ours; requests to the platforms go to `api_url`."""
    return {
        "OSSO_SIMULATOR": "off",  # as in production
        "OSSO_MESSENGER_PAGE_ID": PAGE,
        "OSSO_MESSENGER_APP_ID": "9001",
        "OSSO_MESSENGER_APP_SECRET": APP_SECRET,
        "OSSO_MESSENGER_PAGE_TOKEN": "page-token-for-measuring-01",
        "OSSO_MESSENGER_VERIFY_TOKEN": "verify-token-for-measuring",
        "OSSO_MESSENGER_API_URL": f"{api_url}/v25.0",
        "OSSO_ZALO_OA_ID": OA,
        "OSSO_ZALO_APP_ID": OA_APP,
        "OSSO_ZALO_APP_SECRET": "zalo-app-secret-for-measuring",
        "OSSO_ZALO_OA_SECRET": OA_SECRET,
        "OSSO_ZALO_REFRESH_TOKEN": "seed-refresh-token-tests",  # the one the stand-in takes
        "OSSO_ZALO_API_URL": api_url,
        "OSSO_ZALO_OAUTH_URL": api_url,
    }


def messenger(text: str, person: str, mid: str = "") -> Webhook:
    now = int(time.time() * 1000)
    message = {"mid": mid or f"m_{uuid.uuid4().hex}{uuid.uuid4().hex}", "text": text}
    event = {"sender": {"id": person}, "recipient": {"id": PAGE}, "timestamp": now, "message": message}
    body = json.dumps({"object": "page", "entry": [{"id": PAGE, "time": now, "messaging": [event]}]}).encode()
    return Webhook("/webhooks/messenger", body, signed_by_meta(body))


def zalo(text: str, person: str, mid: str = "") -> Webhook:
    now = str(int(time.time() * 1000))
    body = json.dumps(
        {
            "app_id": OA_APP,
            "sender": {"id": person},
            "recipient": {"id": OA},
            "event_name": "user_send_text",
            "message": {"msg_id": mid or uuid.uuid4().hex[:20], "text": text},
            "timestamp": now,
        }
    ).encode()
    return Webhook("/webhooks/zalo", body, signed_by_zalo(body, now))


def signed_by_meta(body: bytes) -> dict[str, str]:
    mac = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={mac}", "Content-Type": "application/json"}


def signed_by_zalo(body: bytes, now: str) -> dict[str, str]:
    mac = hashlib.sha256(OA_APP.encode() + body + now.encode() + OA_SECRET.encode()).hexdigest()
    return {"X-ZEvent-Signature": f"mac={mac}", "Content-Type": "application/json"}
