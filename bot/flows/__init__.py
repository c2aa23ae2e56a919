"""What the bot does: flows in a documented subset of the Rasa flow format (docs/flows.md), read and checked at load.

Nothing of a flow may raise at talk time: `load` refuses the whole set, with every fault named, or gives values.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bot.errors import ContentError
from bot.flows.checks import check
from bot.flows.reading import read_files
from bot.flows.values import Flows
from bot.messages import Finding

__all__ = ["Flows", "load", "read"]


def read(
    directory: Path,
    *,
    actions: Collection[str] = (),
    articles: Collection[str] | None = None,
    required: Collection[str] = (),
) -> tuple[Flows, list[Finding]]:
    """Reads and checks every `*.yml` of the directory. `actions` are the names that can be run besides the built-in
    deeds, `articles` the known article ids (None: not checked), `required` responses the engine says by itself."""
    flows, lines, findings = read_files(directory)
    findings += check(flows, lines, actions=actions, articles=articles, required=required)
    return flows, sorted(findings, key=lambda finding: (finding.file, finding.line))


def load(
    directory: Path,
    *,
    actions: Collection[str] = (),
    articles: Collection[str] | None = None,
    required: Collection[str] = (),
) -> Flows:
    """As `read`, but raises ContentError with all faults at once."""
    flows, findings = read(directory, actions=actions, articles=articles, required=required)
    faults = [finding for finding in findings if finding.severity == "error"]
    if faults:
        raise ContentError(faults)
    return flows
