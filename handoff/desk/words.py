"""How the desk names things: states, reasons, outcomes, deliveries, times. Vietnamese; pages pass it through `_`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping

from bot.store.bodies import reply_from_json
from handoff.routing import VIETNAM

Translate = Callable[..., str]

STATES = {
    "waiting": "Đang chờ",
    "offered": "Đang mời",
    "taken": "Đang trò chuyện",
    "snoozed": "Tạm gác",
    "waiting_her": "Chờ chị ấy trả lời",
    "closed": "Đã kết thúc",
}
REASONS = {
    "asked": "Chị ấy xin gặp người",
    "unknown": "Bot hai lần không biết",
    "article": "Bài viết khuyên gặp người",
    "danger": "Có dấu hiệu nguy hiểm",
    "echo": "Có người trả lời từ ứng dụng của nền tảng",
    "failure": "Có trục trặc khi trả lời",
    "appointment": "Đặt lịch hẹn",
    "flow": "Theo cuộc trò chuyện",
    "delete": "Xin xóa dữ liệu",
}
TOPICS = {
    "legal": "Pháp lý",
    "vocational": "Việc làm, học nghề",
    "psychological": "Tâm lý",
    "child": "Con cái",
    "general": "Chung",
    "social": "Hỗ trợ xã hội",
}
CATEGORIES = {
    "suicide": "Ý định tự hại",
    "ipv": "Bạo lực gia đình",
    "trafficking": "Mua bán người",
    "child_abuse": "Trẻ em bị xâm hại",
    "sexual_violence": "Bạo lực tình dục",
    "threat": "Bị đe dọa",
    "runaway": "Phải rời nhà",
    "medical": "Cấp cứu y tế",
}
CLOSINGS = {
    "answered": "Đã trả lời xong",
    "referred": "Đã giới thiệu nơi khác",
    "case": "Tiếp tục thành hồ sơ",
    "appointment": "Đã hẹn gặp",
    "cancelled": "Chị ấy không cần nữa",
    "silent": "Chị ấy im lặng",
    "wrong_number": "Nhầm số",
    "joke": "Đùa",
    "abusive": "Quấy rối",
    "outside": "Xử lý ở nơi khác",
}
OUTCOMES = {
    "safe": "Chị ấy đang an toàn",
    "with_family": "Ở với người thân tin cậy",
    "shelter": "Đã tới nơi tạm lánh",
    "hospital": "Đã tới cơ sở y tế",
    "police": "Công an đã tiếp nhận",
    "referred": "Nơi khác đã tiếp nhận",
    "case": "Theo dõi tiếp bằng hồ sơ",
    "unreachable": "Đã thử mọi cách an toàn, không liên lạc được",
    "no_danger": "Không có nguy hiểm (máy nhận nhầm)",
}
REPORTED = {
    "111": "Đã báo 111",
    "police": "Đã báo công an",
    "commune": "Đã báo UBND xã, phường",
    "other": "Đã báo nơi khác có trách nhiệm",
    "adult_choice": "Chị ấy là người lớn, không muốn báo",
    "not_needed": "Không có việc phải báo",
    "unrecorded": "Ca cũ, không ghi",
}
TRANSFER = {
    "skill": "Cần chuyên môn khác",
    "office": "Thuộc văn phòng khác",
    "language": "Cần ngôn ngữ khác",
    "shift_over": "Hết ca trực",
    "load": "Đang quá tải",
    "known": "Chị ấy đã quen người này",
    "other": "Lý do khác",
}
APPOINTMENTS = {
    "asked": "Chờ xác nhận",
    "confirmed": "Đã xác nhận",
    "declined": "Chưa sắp được",
    "cancelled": "Chị ấy bỏ hẹn",
    "moved": "Chị ấy xin đổi giờ",
}
APPOINTMENT_KINDS = {"call": "Gọi điện", "visit": "Đến văn phòng"}
CALLS = {
    "offer": "Mời chị nhận ca này",
    "first": "Ca khẩn cấp đang gọi chị",
    "second": "Ca khẩn cấp chưa ai nhận, đang gọi chị",
    "lead": "Ca khẩn cấp quá 5 phút chưa ai nhận",
    "transfer": "Muốn chuyển ca này cho chị",
    "mention": "Nhắc tới chị",
}
CALL_REASONS = {
    "note": "nhắc chị trong một ghi chú",
    "assigned": "đã giao ca này cho chị",
    "refused": "chưa nhận ca chị chuyển",
    "later owner": "tin hẹn giờ không gửi: ca đã đổi người",
    "later window": "tin hẹn giờ không gửi: quá thời hạn của nền tảng",
    "later unsafe": "tin hẹn giờ không gửi: chị ấy xin đừng nhắn",
    "later file": "tin hẹn giờ không gửi: tệp đi kèm không còn",
    "later gone": "tin hẹn giờ không gửi: không liên lạc được",
}
CHANNELS = {"zalo": "Zalo", "messenger": "Messenger", "webchat": "Thử (Zalo)", "webchat-m": "Thử (Messenger)"}
HERE = {"": "{name} đang xem", "reply": "{name} đang viết trả lời", "note": "{name} đang viết ghi chú"}
STANDINGS = {  # what is told of a colleague; see Counsellor.standing
    "here": "đang trực",
    "full": "đang trực, đủ ca",
    "paused": "tạm nghỉ nhận ca",
    "absent": "có ca trực nhưng vắng",
    "on_call": "trực khẩn",
    "on_call_away": "trực khẩn, chưa mở máy",
    "visiting": "ngoài ca, đang mở máy",
    "off": "ngoài ca",
    "day_off": "nghỉ hôm nay",
    "holiday": "nghỉ lễ",
}
EVENTS = {  # by the clock or the bot, or by somebody no longer known
    "opened": "Ca được mở",
    "raised": "Mức khẩn tăng lên",
    "again": "Chị ấy xin gặp người lần nữa",
    "routed": "Ca về {office}",
    "offered": "Đã mời {to}",
    "lapsed": "Lời mời hết giờ",
    "declined": "Lời mời bị từ chối",
    "refused": "Người được gọi chưa nhận được ca",
    "taken": "Ca đã có người nhận",
    "taken_over": "Ca được nhận thay",
    "assigned": "Ca được giao cho {to}",
    "accepted": "Ca đã chuyển xong",
    "transfer": "Ca đang chờ {to} nhận",
    "snoozed": "Ca được tạm gác",
    "woken": "Hết giờ tạm gác",
    "requeued": "Ca trở lại hàng chờ",
    "requeued absent": "Ca trở lại hàng chờ: chị ấy chờ trả lời mà người giữ ca vắng",
    "requeued disabled": "Ca trở lại hàng chờ: tài khoản của người giữ ca đã khóa",
    "requeued office": "Ca được chuyển sang hàng chờ của {office}",
    "escalated": "Đã gọi thêm {to}",
    "escalated nobody": "Cần gọi thêm người nhưng không có ai trực",
    "closed": "Ca đã kết thúc: {why}",
    "reopened": "Chị ấy nhắn lại, ca được mở lại",
    "resumed": "Ca vừa kết thúc được mở lại",
    "later_dropped": "Một tin hẹn giờ không được gửi",
}
DEEDS = {  # the same, by {name}
    "declined": "{name} từ chối lời mời",
    "refused": "{name} chưa nhận được ca",
    "taken": "{name} đã nhận ca",
    "taken_over": "{name} đã nhận thay",
    "taken_over from": "{name} đã nhận thay {to}",
    "assigned": "{name} đã giao ca cho {to}",
    "accepted": "{name} đã nhận ca được chuyển",
    "accepted from": "{name} đã nhận ca do {to} chuyển",
    "transfer": "{name} muốn chuyển ca cho {to}: {why}",
    "snoozed": "{name} đã tạm gác ca",
    "requeued": "{name} đã trả ca về hàng chờ",
    "requeued office": "{name} đã chuyển ca sang hàng chờ của {office}",
    "closed": "{name} đã kết thúc ca: {why}",
    "resumed": "{name} đã mở lại ca vừa kết thúc",
}
FILES = {
    "image": "Hình ảnh",
    "audio": "Tin thoại",
    "video": "Video",
    "file": "Tệp",
    "sticker": "Nhãn dán",
    "location": "Vị trí",
    "link": "Đường dẫn",
    "contact": "Danh thiếp",
}
SLOTS = {
    "name": "Tên",
    "phone": "Điện thoại",
    "province": "Tỉnh, thành",
    "country": "Nước từng ở",
    "need": "Cần giúp",
    "children": "Con",
    "age": "Tuổi",
    "married": "Hôn nhân",
    "appointment_kind": "Hẹn kiểu",
    "appointment_when": "Hẹn lúc",
    "story": "Chuyện đã kể",
}
SAFE = {
    "safe_now": "Bây giờ nhắn tin có an toàn không",
    "shared_phone": "Máy dùng chung",
    "hours": "Giờ nhắn được",
    "call": "Gọi điện được",
    "message": "Để lại tin nhắn được",
    "code_word": "Từ khóa an toàn",
}
DELIVERY = {
    "held": "Chưa gửi, còn rút lại được",
    "due": "Đang chờ gửi",
    "attempting": "Đang gửi",
    "sent": "Đã gửi",
    "delivered": "Đã tới máy chị ấy",
    "unknown": "Chưa chắc đã gửi, xem lại trên trang của nền tảng",
    "failed": "Không gửi được",
    "failed window": "Không gửi được: quá thời hạn của nền tảng",
    "failed gone": "Không gửi được: chị ấy đã chặn hoặc rời kênh",
    "withheld": "Bot không nói câu này, vì đã có người nhận ca",
    "withheld stopped": "Không gửi: chị ấy đã xin dừng nhận tin",
    "withheld unsafe": "Không gửi: chị ấy xin đừng nhắn lúc này",
    "cancelled": "Đã rút lại",
}
_WORST = ("failed", "unknown", "withheld", "held", "attempting", "due", "cancelled", "sent")


def delivery(pieces: list[Mapping[str, object]]) -> tuple[str, str]:
    """(status, words) of one message that may have left as several requests: the worst of them speaks."""
    if not pieces:
        return "", ""
    worst = min(pieces, key=lambda one: _WORST.index(str(one["status"])) if one["status"] in _WORST else 0)
    status, code = str(worst["status"]), str(worst["code"])
    if status == "sent" and all(one["delivered_at"] for one in pieces):
        return "delivered", DELIVERY["delivered"]
    return status, DELIVERY.get(f"{status} {code}") or DELIVERY.get(status, status)


def other(kind: str, detail: str) -> int | None:
    """Staff id of the second person in a line of the log: whom it was given, offered or taken from."""
    at = {"offered": 0, "assigned": 0, "transfer": 0, "escalated": 1, "taken_over": 1, "accepted": 1}.get(kind)
    parts = detail.split()
    return int(parts[at]) if at is not None and len(parts) > at and parts[at].isdecimal() else None


def event(kind: str, detail: str, name: str, to: str, office: Callable[[str], str], _: Translate) -> str:
    """A line of the log as one sentence. `name`: who did it, empty for the clock and the bot; `to`: to or from whom."""
    first, _blank, rest = detail.partition(" ")
    keys = {
        "requeued": f"requeued {first}",
        "taken_over": "taken_over from" if to else "",
        "accepted": "accepted from" if to else "",
        "escalated": "" if to else "escalated nobody",
    }
    key = keys.get(kind, "")
    said = (DEEDS.get(key) or DEEDS.get(kind)) if name else None
    said = said or EVENTS.get(key) or EVENTS.get(kind, kind)
    why = _(CLOSINGS.get(first, first)) if kind == "closed" else _(TRANSFER.get(rest, rest))
    values = {"name": name, "to": to or _("một đồng nghiệp"), "why": why}
    return _(said, office=office(rest if kind == "requeued" else detail) or _("văn phòng khác"), **values)


def lasting(milliseconds: int, _: Translate) -> str:
    """“dưới 1 phút”, “4 phút”, “2 giờ 10 phút”, “3 ngày”."""
    minutes = max(0, milliseconds) // 60_000
    if minutes < 1:
        return _("dưới 1 phút")
    if minutes < 60:
        return _("{n} phút", n=minutes)
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return _("{h} giờ {m} phút", h=hours, m=rest) if rest and hours < 6 else _("{n} giờ", n=hours)
    return _("{n} ngày", n=hours // 24)


def ago(milliseconds: int, _: Translate) -> str:
    """“vừa xong”, “4 phút trước”."""
    return _("vừa xong") if milliseconds < 60_000 else _("{t} trước", t=lasting(milliseconds, _))


def local(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at / 1000, VIETNAM)


def clock(at: int) -> str:
    return local(at).strftime("%H:%M")


def date(iso: str) -> str:
    """“2027-02-04” as people write it: “04/02/2027”. Nothing stays nothing."""
    return datetime.date.fromisoformat(iso).strftime("%d/%m/%Y") if iso else ""


def day(at: int, now: int, _: Translate) -> str:
    then, today = local(at).date(), local(now).date()
    days = (today - then).days
    if days == 0:
        return _("Hôm nay")
    return _("Hôm qua") if days == 1 else then.strftime("%d/%m/%Y")


def text_of(body: Mapping[str, object]) -> str:
    """The words of a stored body, hers or ours."""
    reply = reply_from_json(dict(body))
    return str(body.get("tapped") or reply.text)
