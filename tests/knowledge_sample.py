"""A small knowledge folder for tests: two sound articles, one office, four numbers, one province, the real style."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile

REAL = Path(__file__).parents[1] / "knowledge"

ARTICLE = """\
id: leg-mot
title: Làm giấy ghi chú ly hôn ở đâu?
short: Ghi chú ly hôn
questions:
  - ghi chú ly hôn làm ở đâu
  - em ly hôn bên Hàn rồi giờ phải làm giấy gì
  - về nước muốn lấy chồng khác thì cần giấy gì
  - ly hôn bên đó bên mình có biết không
  - tui bỏ chồng Đài rồi, giờ ra xã làm sao
  - giấy ly hôn nước ngoài đem về dùng được hông
  - muốn xin giấy độc thân mà xã bắt ghi chú
  - ghi chú ly hôn là cái chi rứa
  - chưa ghi chú thì có cưới lại được không
  - nộp giấy ly hôn Hàn Quốc cho ai
  - đem bản án bên Đài về thì nộp chỗ nào
  - chị ơi em cần vào sổ việc ly hôn
answer:
  - Dạ, chị mang giấy ra UBND xã/phường để ghi vào sổ.
  - Có ghi vào sổ thì chị mới xin được giấy độc thân. OSSO sẽ xác nhận lại.
variants:
  slot: country
  ask: Chị về từ nước nào ạ?
  cases:
    - value: korea
      label: Hàn Quốc
      answer:
        - Giấy Hàn Quốc thì chị xin Apostille rồi dịch.
    - value: [taiwan, china]
      label: Đài Loan
      answer:
        - Giấy Đài Loan thì chị làm hợp pháp hóa lãnh sự rồi dịch.
    - value: other
      label: Nước khác
      answer:
        - Chị nói tên nước để OSSO hỏi giúp.
documents:
  - Tờ khai
  - Bản án đã dịch
steps:
  - Gom giấy
  - Nộp ở xã
where: UBND xã/phường.
follow_ups:
  - gen-hai
escalate:
  when: offer
  skill: legal
  text: Chị có muốn tư vấn viên xem giấy giúp không ạ?
sources:
  - law: Luật Hôn nhân và gia đình 2014
    article: Điều 125
    link: luatnhatthu.vn
    checked: 2026-11-22
    mark: S2
review:
  status: draft
valid_until: 2027-02-28
"""

SECOND = """\
id: gen-hai
title: OSSO giúp được gì?
short: OSSO là gì
questions:
  - OSSO là gì
  - bên mình giúp được gì
  - có mất tiền không chị
  - ai lập ra OSSO
  - văn phòng này làm gì
answer:
  - Dạ, OSSO nghe chị và chỉ chỗ giúp, không mất tiền.
follow_ups:
  - leg-mot
sources: []
basis: Giới thiệu về OSSO
review:
  status: draft
valid_until: 2027-11-22
"""

OFFICES = """\
offices:
  - id: osso-mot
    name: Văn phòng OSSO Cần Thơ
    province: can-tho
    number: null
    country: vietnam
    category: office
    when_to_use: Cần tư vấn
    status: unverified
    show: false
    address: Số 9 đường A6
    show_address: false
"""
REFERRALS = """\
referrals:
  - id: vn-113
    name: Công an
    number: '113'
    country: vietnam
    category: emergency
    when_to_use: Đang nguy hiểm
    status: sourced
    show: true
  - id: tw-113
    name: Đường dây 113
    number: '113'
    country: taiwan
    category: hotline
    when_to_use: Tại Đài Loan
    status: unverified
    show: false
  - id: any-citizen
    name: Bảo hộ công dân
    number: +84 981 84 84 84
    country: any
    category: consular
    when_to_use: Ở nước ngoài
    status: sourced
    show: true
  - id: vn-hidden
    name: Số chưa chắc
    number: 1900 969 680
    country: vietnam
    category: shelter
    when_to_use: Cần chỗ ở
    status: number_unverified
    show: false
"""
PROVINCES = """\
provinces:
  - id: can-tho
    name: Thành phố Cần Thơ
    short: Cần Thơ
    kind: thành phố
    old: [Cần Thơ, Hậu Giang, Sóc Trăng]
    aliases: [tây đô]
    abbreviations: [ct]
    office: osso-mot
    old_offices:
      - old: Hậu Giang
        office: osso-mot
"""


def sample(root: Path) -> Path:
    """Fills `root` with the sample and gives it back."""
    for name, text in {
        "legal/leg-mot.yml": ARTICLE,
        "general/gen-hai.yml": SECOND,
        "offices.yml": OFFICES,
        "referrals.yml": REFERRALS,
        "provinces.yml": PROVINCES,
    }.items():
        put(root, name, text)
    copyfile(REAL / "style.yml", root / "style.yml")
    return root


def put(root: Path, name: str, text: str | bytes) -> None:
    """Writes one file of the sample."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def changed(old: str, new: str, text: str = ARTICLE) -> str:
    """The article with one passage replaced; the passage must be there."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)
