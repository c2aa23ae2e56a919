"""Why the bot answered so, in plain Vietnamese: the engine's short notes, one sentence each. A note nobody has put
into words yet is shown as it is; nothing is hidden.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from bot.engine import Book

DECISIONS: Mapping[str, str] = {
    "answer": "Trả lời theo bài viết",
    "clarify": "Hỏi lại cho rõ",
    "safety": "An toàn trước hết",
    "person": "Mời tư vấn viên",
    "flow": "Đi theo kịch bản",
    "smalltalk": "Chuyện trò",
    "unknown": "Chưa biết",
    "stop": "Ngừng nhắn tin",
    "silent": "Im lặng",
}
LEVELS: Mapping[str, str] = {"RED": "Khẩn cấp", "AMBER": "Đáng lo", "CHECK": "Cần hỏi thêm", "NONE": ""}
CATEGORIES: Mapping[str, str] = {
    "suicide": "ý nghĩ tự làm hại mình",
    "ipv": "bạo lực trong gia đình",
    "trafficking": "mua bán người",
    "child_abuse": "trẻ em bị hại",
    "sexual_violence": "bạo lực tình dục",
    "threat": "bị đe dọa",
    "runaway": "phải bỏ đi, cần chỗ an toàn",
    "medical": "cần cấp cứu",
}
STATES: Mapping[str, str] = {
    "waiting": "Đang chờ tư vấn viên",
    "offered": "Đang mời một tư vấn viên",
    "taken": "Tư vấn viên đã nhận",
}
REASONS: Mapping[str, str] = {
    "asked": "chị muốn gặp người",
    "unknown": "bot chưa trả lời được",
    "article": "bài viết này luôn cần người hỗ trợ",
    "danger": "có dấu hiệu nguy hiểm",
    "echo": "có người đã vào cuộc",
    "failure": "bot gặp trục trặc",
    "appointment": "chị xin một cuộc hẹn",
    "flow": "kịch bản cần người hỗ trợ",
    "delete": "chị xin xóa dữ liệu",
}
SLOTS: Mapping[str, str] = {
    "appointment_kind": "cách hẹn",
    "appointment_when": "lúc hẹn",
    "appointment_act": "đổi hay hủy hẹn",
    "phone": "số điện thoại",
    "consent_store": "đồng ý lưu thông tin",
    "consent_sensitive": "đồng ý lưu chuyện riêng",
    "feedback_useful": "câu trả lời có ích không",
    "feedback_why": "vì sao chưa đúng ý",
    "need": "việc cần giúp",
    "story": "câu chuyện của chị",
    "country": "nước chị đã ở",
    "province": "tỉnh, thành phố",
    "children": "các con",
    "child_age": "tuổi của con",
    "urgency": "mức gấp",
    "urgent_need": "điều cần ngay",
    "campaign_topic": "chủ đề tin nhắn",
    "delete_sure": "chắc chắn xóa",
    "language": "ngôn ngữ",
    "contact_safe_now": "lúc này có an toàn không",
    "contact_shared_phone": "có dùng chung máy không",
    "contact_hours": "giờ nhắn được",
    "contact_call": "gọi được không",
    "contact_message": "nhắn được không",
    "contact_code_word": "mật hiệu",
}
SECTIONS: Mapping[str, str] = {
    "documents": "giấy tờ cần có",
    "steps": "các bước",
    "where": "đến đâu",
    "cost": "chi phí",
    "time": "thời gian",
    "sources": "căn cứ",
}
SMALL: Mapping[str, str] = {
    "greeting": "chào hỏi",
    "thanks": "cảm ơn",
    "bye": "tạm biệt",
    "insult": "lời nặng",
    "yes": "đồng ý",
    "no": "không",
    "ok": "vâng, được",
    "identity": "hỏi bot là ai",
    "sticker": "nhãn dán",
    "image": "ảnh",
    "video": "video",
    "audio": "ghi âm",
    "file": "tệp",
    "link": "liên kết",
    "contact": "danh thiếp",
    "other": "thứ bot không mở được",
}
TOPICS: Mapping[str, str] = {
    "legal": "giấy tờ, pháp lý",
    "vocational": "học nghề, việc làm",
    "psychological": "trò chuyện, chia sẻ",
    "child": "chuyện con cái",
    "general": "chung",
}
WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(note), sentence)
    for note, sentence in (
        (r"danger (?P<level>[A-Z]+), a person owns", "Dấu hiệu nguy hiểm ({level}): báo ngay cho tư vấn viên"),
        (r"danger (?P<level>[A-Z]+)(?: (?P<category>\w+))?", "Thấy dấu hiệu nguy hiểm: {level}{category}"),
        (r"she said yes to the safety question", "Chị trả lời “có” cho câu hỏi an toàn"),
        (r"no danger, she says", "Chị nói mình đang an toàn"),
        (r"silence after the safety question", "Chị im lặng sau câu hỏi an toàn: báo cho tư vấn viên"),
        (r"screen failed|out of time", "Bộ lọc an toàn không đọc xong: coi như cần hỏi thêm"),
        (r"long text with an alarming word", "Tin rất dài, có từ đáng lo ở giữa"),
        (r"RED moments ago", "Vừa có lúc khẩn cấp: vẫn coi là khẩn cấp"),
        (r"second AMBER in 30 minutes", "Hai lần đáng lo trong 30 phút: coi là khẩn cấp"),
        (r"negated", "Có lời phủ định: hạ mức xuống"),
        (r"doubtful", "Cả câu nghe không nguy hiểm: hạ mức xuống, chỉ hỏi lại"),
        (r"unmarked", "Chữ không dấu có thể đọc cách khác: hạ mức xuống"),
        (r"(?P<name>[a-z_]+\.[\w.]+)", "Dấu hiệu “{name}” trong danger.yml"),
        (r"first contact", "Lần đầu chị nhắn: nói rõ đây là trợ lý tự động"),
        (r"long silence", "Lâu rồi chị mới nhắn lại: chào lại một câu"),
        (r"answered (?P<article>\S+) for (?P<slot>\w+)", "Trả lời bài {article}, đúng trường hợp của chị ({slot})"),
        (r"answered (?P<article>\S+)", "Trả lời bài {article}"),
        (r"draft (?P<article>\S+)", "Bài {article} còn là bản nháp, chưa duyệt: chỉ bản thử mới nói"),
        (r"section (?P<section>\w+) of (?P<article>\S+)", "Phần {section} của bài {article}"),
        (r"exact", "Câu của chị trùng với một câu mẫu: chắc chắn"),
        (r"confident", "Câu của chị gần với các câu mẫu: đủ chắc để trả lời"),
        (r"(?P<article>\S+) may not be said today", "Bài {article} chưa duyệt hoặc đã quá hạn: không được nói"),
        (r"unknown article id|unknown topic page|an old button", "Nút cũ, không còn dùng được"),
        (r"topic (?P<topic>\w+)", "Mở mục {topic}"),
        (r"not sure: asked which", "Chưa chắc chị hỏi gì: hỏi lại một lần"),
        (r"singled out of those offered", "Lời chị chỉ rõ một trong các câu vừa đưa ra"),
        (r"keeps the (?P<slot>\w+), the choice stands", "Ghi thêm {slot}; vẫn chờ chị chọn câu"),
        (
            r"another language: a person is brought",
            "Chị viết tiếng khác: nhờ người đọc, rồi hỏi chị muốn dùng tiếng nào",
        ),
        (r"a bare yes to several", "Chị chỉ nói vâng: hỏi lại là câu nào"),
        (r"nothing fits, staff blocked her", "Không có bài nào hợp; đội ngũ đã chặn người này"),
        (r"staff blocked her", "Xin gặp người, nhưng đội ngũ đã chặn người này"),
        (r"nothing fits", "Không có bài nào hợp: nói thật, mời gặp người, ghi lại câu hỏi"),
        (r"twice not understood: a person is brought", "Hai lần chưa hiểu: mời tư vấn viên, không hỏi lần ba"),
        (r"unknown, calm", "Chưa biết, và chị vừa qua lúc nguy hiểm: chỉ ở lại bên chị"),
        (r"unknown, a ticket waits", "Chưa biết; tư vấn viên sắp vào nên chỉ ghi lại"),
        (r"asks for a person", "Chị muốn gặp người: tạo phiếu trước, nói sau"),
        (r"an action asks for a person", "Một bước của kịch bản cần người: tạo phiếu"),
        (r"asks again", "Hỏi lại câu đang dở"),
        (r"asks (?P<slot>\w+)", "Hỏi chị: {slot}"),
        (r"refused event .*", "Một bước bên ngoài trả về điều không dùng được"),
        (r"refused (?P<slot>\w+)", "Câu trả lời chưa dùng được cho: {slot}"),
        (r"checks (?P<slot>\w+)", "Kiểm tra: {slot}"),
        (r"corrected (?P<slot>\w+)", "Chị sửa lại: {slot}"),
        (r"action done", "Bước xử lý đã xong"),
        (r"action (?P<name>\w+) failed", "Bước xử lý bị lỗi: xin lỗi và báo cho người"),
        (r"our own failure", "Lỗi của bot: nói thật và báo cho người"),
        (r"flow goes on", "Kịch bản đi tiếp"),
        (r"steps (?P<steps>.+)", "Qua các bước: {steps}"),
        (r"followed by (?P<name>\w+)", "Rồi đến: {name}"),
        (r"said (?P<name>\w+)", "Một bước xử lý nói: {name}"),
        (r"an action spoke", "Một bước xử lý nói"),
        (r"flow ended", "Kịch bản kết thúc"),
        (r"flow (?P<flow>\w+)", "Bắt đầu kịch bản “{flow}”"),
        (r"no answer to the question", "Tin này không trả lời câu đang hỏi"),
        (r"nothing before this", "Không còn câu nào trước đó"),
        (r"back to (?P<place>\w+)", "Quay lại: {place}"),
        (r"(?P<slot>\w+) done", "Đã rõ: {slot}"),
        (r"no skip", "Câu này không bỏ qua được"),
        (r"cancelled", "Chị thôi không làm nữa"),
        (r"offers the rest", "Mời chị làm tiếp việc còn dở"),
        (r"dropped what was left open", "Bỏ việc còn dở"),
        (r"nothing left open|\w+, but nothing is open", "Không có việc gì đang dở"),
        (r"nothing to repeat|nothing to say", "Không có gì để nói thêm"),
        (r"repeats the question", "Nhắc lại câu hỏi"),
        (r"sent a contact", "Chị gửi thông tin liên hệ"),
        (r"opted in", "Chị đồng ý nhận tin"),
        (r"opted out", "Chị không nhận tin nữa"),
        (r"the platform passes on: forget me", "Nền tảng chuyển lời: xin xóa dữ liệu"),
        (r"small talk: (?P<small>\w+)", "Chuyện trò: {small}"),
        (r"stop", "Chị muốn ngừng nhận tin"),
        (r"menu", "Mở danh sách các mục"),
        (r"start over", "Bắt đầu lại từ đầu"),
        (r"stop, a person owns the chat", "Chị muốn ngừng nhận tin; tư vấn viên đang trò chuyện"),
        (r"asks to be deleted, a person owns the chat", "Chị xin xóa dữ liệu; chuyển cho tư vấn viên"),
        (r"a person owns the chat", "Tư vấn viên đang trò chuyện: bot im lặng"),
        (r"handed back to the bot|a person gave the chat back", "Tư vấn viên trao lại cho bot"),
        (r"reminder(?: \w+)?", "Nhắc hẹn"),
        (r"no reminder \w+", "Thôi nhắc hẹn"),
        (r"slots reset|restarted by an action", "Xóa các câu trả lời, bắt đầu lại"),
    )
)


@dataclass(frozen=True, slots=True)
class Titles:
    """What articles and flows are called."""

    articles: Mapping[str, str]
    flows: Mapping[str, str]

    @staticmethod
    def of(book: Book) -> Titles:
        return Titles(
            {name: article.title for name, article in book.knowledge.articles.items()},
            {name: flow.title for name, flow in book.flows.flows.items()},
        )


def of(row: RowMapping, why: Sequence[str], titles: Titles) -> dict[str, Any] | None:
    """The trace of one entry, or None when it has none to show."""
    if not row["decision"]:
        return None
    return {
        "decision": row["decision"],
        "label": DECISIONS.get(row["decision"], row["decision"]),
        "level": row["level"],
        "level_label": LEVELS.get(row["level"], row["level"]),
        "category": CATEGORIES.get(row["category"], ""),
        "article": titles.articles.get(row["article"], row["article"]),
        "why": [sentence(note, titles) for note in why],
    }


def sentence(note: str, titles: Titles) -> str:
    """One of the engine's notes in plain Vietnamese."""
    for pattern, words in WORDS:
        if found := pattern.fullmatch(note):
            parts = {name: _named(name, value or "", titles) for name, value in found.groupdict().items()}
            return words.format_map(parts)
    return note


def _named(kind: str, value: str, titles: Titles) -> str:
    match kind:
        case "article":
            return f"“{titles.articles.get(value, value)}”"
        case "flow":
            return titles.flows.get(value, value)
        case "slot":
            return SLOTS.get(value, value)
        case "place":
            return SLOTS.get(value) or titles.flows.get(value, value)
        case "steps":  # `handover/0_noop handover/3_action_utter_handover_next`; a noop says nothing
            names = [re.sub(r"^\w+/\d+_(action_)?(utter_)?", "", step) for step in value.split()]
            return ", ".join(name for name in names if name != "noop") or "–"
        case "level":
            return LEVELS.get(value, value).lower()
        case "category":
            return f", {CATEGORIES.get(value, value)}" if value else ""
        case "section":
            return SECTIONS.get(value, value)
        case "small":
            return SMALL.get(value, value)
        case "topic":
            return TOPICS.get(value, value)
        case _:
            return value


def ticket(row: RowMapping, ahead: int) -> dict[str, Any]:
    """The open ticket: its state and why it was opened."""
    return {
        "state": row["state"],
        "label": STATES.get(row["state"], "Đang có người hỗ trợ"),
        "reason": REASONS.get(row["reason"], row["reason"]),
        "level": row["level"],
        "level_label": LEVELS.get(row["level"], ""),
        "category": CATEGORIES.get(row["category"], ""),
        "since": row["opened_at"],
        "ahead": ahead if row["state"] in ("waiting", "offered") else 0,
    }
