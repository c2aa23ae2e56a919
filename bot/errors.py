"""Everything that can go wrong, as one tree; each leaf says what to do.

OssoError
├── SettingsError        settings missing, short, default or contradictory: the operator mends `.env`
├── ContentError         knowledge, flows, danger signs or words refused at load: staff mend the named line
├── Forged               a webhook's signature does not match: answer 403, keep nothing
├── Unreadable           a webhook body that is no JSON object of the platform's shape: answer 400, keep nothing
├── Unreachable          the database cannot be reached: answer 503, the platform delivers again
├── GrantLost            a platform's authorisation is gone: an operator must authorise again
├── NoToken              no access token at this moment: try again later
└── Refused              a request by staff that the rules do not allow: the page says why

People's words never raise: what a woman writes always becomes a value, however odd.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.messages import Finding


class OssoError(Exception):
    """Root of the tree."""


class SettingsError(OssoError):
    """Lists every fault of the settings at once."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("Settings are not usable:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = tuple(faults)


class ContentError(OssoError):
    """Lists every finding of severity `error`, with file, line and how to mend it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


class Forged(OssoError):
    """The signature is missing or wrong. Carries nothing: no body, no expected value."""


class Unreadable(OssoError):
    """The body is signed but not what the platform documents."""


class Unreachable(OssoError):
    """The database did not answer; nothing was accepted."""


class GrantLost(OssoError):
    """The platform refuses the account's credentials for good."""


class NoToken(OssoError):
    """The platform's token service did not answer usefully; the old pair still stands."""


class Refused(OssoError):
    """A person on the staff asked for what the rules forbid; the text is shown to her, in her language.

    `{name}` places of the text are filled with `values`; one of them may itself be Refused.
    """

    def __init__(self, text: str = "", /, **values: object) -> None:
        super().__init__(text.format(**values) if values else text)
        self.text, self.values = text, values
