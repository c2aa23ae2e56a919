"""How the content pages name things: standings, acts, fields of the form. Vietnamese; pages pass it through `_`."""

from __future__ import annotations

TOPICS = {
    "legal": "Pháp lý",
    "vocational": "Việc làm, học nghề",
    "psychological": "Tâm lý",
    "child": "Con cái",
    "general": "Chung",
}
SKILLS = {
    "legal": "Pháp lý",
    "psychological": "Tâm lý",
    "vocational": "Việc làm, học nghề",
    "child": "Con cái",
    "social": "Hỗ trợ xã hội",
}
STANDINGS = {
    "out": "Đang đăng",
    "unapproved": "Ghi đã đăng, chưa đủ duyệt",
    "reviewed": "Đã duyệt, chờ đăng",
    "submitted": "Chờ duyệt",
    "returned": "Được trả lại để sửa",
    "draft": "Bản nháp",
    "expired": "Hết hạn, đã tự rút",
}
COLOURS = {
    "out": "good",
    "unapproved": "red",
    "reviewed": "check",
    "submitted": "amber",
    "returned": "amber",
    "draft": "",
    "expired": "red",
}
ACTS = {
    "found": "có sẵn trong tệp",
    "saved": "đã lưu",
    "rollback": "đã đưa bản cũ trở lại",
    "wrote": "đã gửi duyệt",
    "reviewed": "đã duyệt",
    "returned": "đã trả lại để sửa",
    "published": "đã đăng",
    "withdrawn": "đã rút",
}
SEVERITIES = {"error": "Lỗi", "warning": "Nên xem", "note": "Ghi chú"}
SEVERITY_COLOURS = {"error": "red", "warning": "amber", "note": ""}
FIELDS = {
    "id": "Mã bài",
    "title": "Tên bài",
    "short": "Tên nút bấm",
    "questions": "Các cách chị em hỏi",
    "answer": "Trả lời",
    "variants": "Khác nhau theo nước hoặc tỉnh",
    "documents": "Giấy tờ cần có",
    "steps": "Các bước",
    "where": "Đến đâu",
    "cost": "Chi phí",
    "time": "Thời gian",
    "follow_ups": "Bài liên quan",
    "escalate": "Mời gặp tư vấn viên",
    "sources": "Nguồn",
    "basis": "Căn cứ",
    "confirm": "Điều còn phải xác nhận",
    "review": "Tình trạng duyệt",
    "valid_until": "Dùng được đến hết ngày",
}
MISSED = {"new": "Mới", "pending": "Đang xử lý", "done": "Đã xong", "ignored": "Bỏ qua"}
WHY = {
    "other_question": "Không đúng câu hỏi",
    "unclear": "Khó hiểu",
    "incomplete": "Còn thiếu",
    "": "Không nói lý do",
}
CASES = {
    "korea": "Hàn Quốc",
    "taiwan": "Đài Loan",
    "china": "Trung Quốc",
    "japan": "Nhật Bản",
    "malaysia": "Malaysia",
    "cambodia": "Campuchia",
    "vietnam": "Việt Nam",
    "other": "Nước khác",
}
BANDS = {"answer": "Trả lời ngay", "clarify": "Hỏi lại", "unknown": "Chưa biết"}
