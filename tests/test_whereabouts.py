"""Where she says in passing that she is, and where only others are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.engine import take_turn
from bot.messages import Attachment, Heard, OpenTicket, State, World
from tests.dialogue import EVENING, START, book

WORLD = World(now=EVENING)


def told(text: str, **slots: str) -> object:
    """What the slot `province` holds after these words."""
    heard = Heard(at=START, text=text, world=WORLD)
    return take_turn(book(), State(slots=dict(slots), welcomed=True), heard).state.slots["province"]


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("em ở Hải Dương, làm khai sinh cho con ở đâu", "Hải Dương"),
        ("em o hai duong lam khai sinh cho con o dau", "Hải Dương"),
        ("dạ chị em ở hải dương, cho em hỏi thủ tục ly hôn với chồng Hàn", "Hải Dương"),
        ("chị ơi em đang ở Kim Thành Hải Dương, con em chưa có khai sinh thì phải làm sao", "Hải Dương"),
        ("nhà em ở thôn 3, xã Kim Anh, huyện Kim Thành, con em chưa có khai sinh thì làm sao", "Hải Dương"),
        ("quê em Hậu Giang mới về từ Đài Loan, muốn học nghề thì hỏi ai", "Hậu Giang"),
        ("em là người Hải Dương lấy chồng Hàn, ly hôn rồi thì nuôi con thế nào", "Hải Dương"),
        ("em về nước rồi, em ở huyện Long Mỹ, muốn vay vốn thì hỏi ai", "Hậu Giang"),
        ("Em ở Hải Dương nay là Hải Phòng, làm khai sinh cho con ở đâu", "Hải Dương"),
        ("mẹ con em ở Cần Thơ, con em chưa có giấy tờ gì thì phải làm sao", "can-tho"),
        ("chồng em ở Hải Dương, em ở Hà Nội, làm khai sinh cho con ở đâu", "ha-noi"),
        ("chồng em ở Hải Dương, làm khai sinh cho con ở đâu", None),
        ("con em ở Hải Dương với bà ngoại, làm khai sinh ở đâu", None),
        ("em tên Hạnh, ở Hậu Giang, làm khai sinh cho con ở đâu", "Hậu Giang"),
        ("giờ em ở tận Hải Dương, làm khai sinh cho con ở đâu", "Hải Dương"),
        ("chồng em tên Nam, quê Hải Dương, làm khai sinh cho con ở đâu", None),
        ("hàng xóm em ở Hải Dương, muốn học nghề thì hỏi ai", None),
        ("tòa bên Hàn chia cho em căn nhà ở Hải Dương, giờ sang tên thế nào", None),
        ("em bị giật túi ở Hải Dương, mất hết giấy tờ thì làm lại ở đâu", None),
        ("em ở Hà Nam bên Trung Quốc, muốn về nước thì gọi ai", None),
        ("chị em ở Hải Dương muốn học nghề thì hỏi ai", None),
        ("quê chồng em ở Hải Dương, làm khai sinh cho con ở đâu", None),
        ("làm khai sinh cho con ở Hải Dương mất bao lâu", None),
        ("hồi em ở Hải Dương có làm giấy đăng ký kết hôn, giờ ly hôn ở đâu", None),
        ("em không ở Hải Dương thì làm khai sinh cho con ở đâu", None),
        ("sau ly hôn em ở Hải Dương được không ạ", None),
        ("em ở xã Tân Lập, làm khai sinh cho con ở đâu", None),  # many provinces have one
    ],
)
def test_only_where_she_is_herself_is_kept(text: str, home: str | None) -> None:
    assert told(text) == home


def test_what_she_answered_is_not_lost_to_a_word_in_passing() -> None:
    said = "em ở Hải Dương, làm khai sinh cho con ở đâu"
    assert told(said, province="ha-noi") == "ha-noi"
    assert told(said, province="hai-phong") == "Hải Dương", "the same place, said exactly"


def test_a_ticket_of_the_same_words_knows_where_she_is() -> None:
    heard = Heard(at=START, text="em ở Hải Dương, chồng em đang đánh em", world=WORLD)
    (ticket,) = (one for one in take_turn(book(), State(), heard).effects if isinstance(one, OpenTicket))
    assert (ticket.level, ticket.province) == ("RED", "Hải Dương")


def test_her_place_on_the_map_leads_to_the_old_province_too() -> None:
    near = Attachment("location", latitude=20.94, longitude=106.32)
    heard = Heard(at=START, attachments=(near,), world=WORLD)
    assert take_turn(book(), State(welcomed=True), heard).state.slots["province"] == "Hải Dương"
    far = replace(near, latitude=20.85, longitude=106.69)
    turn = take_turn(book(), State(welcomed=True), replace(heard, attachments=(far,)))
    assert turn.state.slots["province"] == "hai-phong"
