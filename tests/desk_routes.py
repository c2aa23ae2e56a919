"""Who may use which route of the desk. Every endpoint stands here, or the matrix in test_accounts_rules fails.

`ANYBODY`: strangers too. `MEMBERS`: whoever is signed in. Otherwise the roles. `scope` says what the office decides:
`""` nothing; `target` only members whose office is the example's (Hà Nội) or every office; `national` only every
office; `own` only the owner of the example.
"""

from __future__ import annotations

from dataclasses import dataclass

from handoff.accounts import Role

ANYBODY = "anybody"
MEMBERS = "members"


@dataclass(frozen=True)
class Route:
    who: str | tuple[Role, ...]
    scope: str = ""


ROUTES: dict[str, Route] = {
    "static": Route(ANYBODY),
    "look": Route(ANYBODY),
    "home": Route(MEMBERS),
    "accounts.sign_in": Route(ANYBODY),
    "accounts.password": Route(ANYBODY),
    "accounts.code": Route(ANYBODY),
    "accounts.prove": Route(ANYBODY),
    "accounts.invitation": Route(ANYBODY),
    "accounts.accept": Route(ANYBODY),
    "accounts.step_up": Route(MEMBERS),
    "accounts.proved": Route(MEMBERS),
    "accounts.mine": Route(MEMBERS),
    "accounts.change_password": Route(MEMBERS),
    "accounts.renew_recovery": Route(MEMBERS),
    "accounts.end_session": Route(MEMBERS, "own"),
    "accounts.sign_out": Route(MEMBERS),
    "admin.members": Route(("admin",)),
    "admin.new": Route(("admin",)),
    "admin.invite": Route(("admin",)),
    "admin.member": Route(("admin",), "target"),
    "admin.give_posts": Route(("admin",), "target"),
    "admin.invite_again": Route(("admin",), "target"),
    "admin.ask_reset": Route(("admin",), "target"),
    "admin.approve_reset": Route(("admin",), "target"),
    "admin.disable": Route(("admin",), "target"),
    "admin.enable": Route(("admin",), "target"),
    "admin.log": Route(("admin",), "national"),
    "admin.verify": Route(("admin",), "national"),
    "glass.home": Route(("counsellor", "lead", "admin")),
    "glass.seen": Route(("lead", "admin"), "target"),
    "glass.end": Route(("lead", "admin"), "target"),
}
# Which example of the stage stands for a variable part of an address.
EXAMPLES = {"filename": "desk.css", "token": "no-such-token"}
# Rooms whose own tests ask every route as every role: test_content_pages, test_desk_pages.
ELSEWHERE = ("knowledge", "desk")
LAST = ("accounts.sign_out",)  # ends what the others need
