"""What `osso channel setup messenger` writes on a Page: the words and the fields. Only data.

These words show on a phone that others may look at, so none of them says what the office helps with at its worst.
Limits: greeting 160, ice breakers 4, menu 20 entries of 30 characters, payload 1,000 (Messenger Profile API).
"""

from __future__ import annotations

from typing import Any

FIELDS = (
    "messages",
    "messaging_postbacks",
    "message_echoes",
    "messaging_handovers",
    "standby",
    "messaging_referrals",
    "messaging_optins",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "message_edits",
    "messaging_policy_enforcement",
)

_GREETING = (
    "Chào chị! Đây là OSSO. Chị cứ nhắn, viết không dấu cũng được. "
    "OSSO trả lời tự động, và chị có thể gặp tư vấn viên bất cứ lúc nào."
)
_MENU = (
    ("Xem các mục", "menu"),
    ("Giấy tờ, thủ tục", "topic:legal"),
    ("Học nghề, việc làm", "topic:vocational"),
    ("Trò chuyện, chia sẻ", "topic:psychological"),
    ("Chuyện con cái", "topic:child"),
    ("Gặp tư vấn viên", "person"),
)
_QUESTIONS = (
    ("Tôi muốn hỏi về giấy tờ, thủ tục", "topic:legal"),
    ("Tôi muốn học nghề, tìm việc", "topic:vocational"),
    ("Tôi muốn hỏi chuyện con cái", "topic:child"),
    ("Tôi muốn gặp tư vấn viên", "person"),
)


def profile() -> dict[str, Any]:
    """The Messenger Profile of a Page; the names of its fields are also what a check asks for."""
    menu = [{"type": "postback", "title": title, "payload": payload} for title, payload in _MENU]
    questions = [{"question": question, "payload": payload} for question, payload in _QUESTIONS]
    return {
        "get_started": {"payload": "menu"},
        "greeting": [{"locale": "default", "text": _GREETING}],
        "ice_breakers": [{"locale": "default", "call_to_actions": questions}],
        "persistent_menu": [{"locale": "default", "composer_input_disabled": False, "call_to_actions": menu}],
    }
