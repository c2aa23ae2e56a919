"""Accounts of the staff: signing in, roles at offices, audit. What pages of the desk may use is named here."""

from handoff.accounts.guard import allow, audit, current_staff, my_offices, public, scoped
from handoff.accounts.staff import EVERYWHERE, ROLE_NAMES, ROLES, Role, Staff

__all__ = [
    "EVERYWHERE",
    "ROLES",
    "ROLE_NAMES",
    "Role",
    "Staff",
    "allow",
    "audit",
    "current_staff",
    "my_offices",
    "public",
    "scoped",
]
