"""Who works here: a member of the staff and her posts (a role at an office). Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["counsellor", "lead", "officer", "editor", "approver", "analyst", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
EVERYWHERE = "*"  # the office of a post that holds at every office

ROLE_NAMES: dict[Role, str] = {
    "counsellor": "Tư vấn viên",
    "lead": "Trưởng văn phòng",
    "officer": "Cán bộ truyền thông",
    "editor": "Người soạn nội dung",
    "approver": "Người duyệt nội dung",
    "analyst": "Người xem báo cáo",
    "admin": "Quản trị",
}


@dataclass(frozen=True, slots=True)
class Staff:
    """One member. `posts` are pairs (role, office id of knowledge/offices.yml, or `*`)."""

    id: int
    uuid: str
    login: str
    name: str
    locale: str
    posts: frozenset[tuple[Role, str]]

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset(role for role, _ in self.posts)

    @property
    def offices(self) -> frozenset[str]:
        return frozenset(office for _, office in self.posts)

    def has(self, *roles: Role) -> bool:
        """Whether she holds one of these roles anywhere."""
        return not self.roles.isdisjoint(roles)

    def offices_as(self, *roles: Role) -> frozenset[str]:
        """The offices where she holds one of these roles; any role when none is named."""
        return frozenset(office for role, office in self.posts if not roles or role in roles)

    def may(self, office: str, *roles: Role) -> bool:
        """Whether she holds one of these roles at this office."""
        offices = self.offices_as(*roles)
        return EVERYWHERE in offices or office in offices
