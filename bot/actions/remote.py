"""Actions of a remote Rasa action server (OSSO_ACTION_ENDPOINT). Its failure is an ActionFailed, never a lost turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import rasa_sdk
import requests

from bot.actions.run import LIMIT, ActionFailed, Runner, said

MOST_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Remote:
    """Asks `url` for every action but `ours`, which run inside. `token` goes into the Authorization header."""

    url: str
    inside: Runner
    ours: frozenset[str] = frozenset()
    token: str = field(default="", repr=False)

    def run(self, name: str, tracker: Mapping[str, Any], domain: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Raises ActionFailed on anything but a 200 of Rasa's shape within two seconds."""
        if name in self.ours:
            return self.inside.run(name, tracker, domain)
        body = {
            "next_action": name,
            "sender_id": tracker.get("sender_id"),
            "tracker": dict(tracker),
            "domain": dict(domain),
            "version": rasa_sdk.__version__,
        }
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            answer = requests.post(self.url, json=body, headers=headers, timeout=LIMIT, allow_redirects=False)
            if answer.status_code != 200 or len(answer.content) > MOST_BYTES:
                raise ActionFailed(name)
            data = answer.json() or {}
            events, responses = data.get("events") or [], data.get("responses") or []
        except (requests.RequestException, ValueError, AttributeError) as error:
            raise ActionFailed(name) from error
        items = [*events, *responses] if isinstance(events, list) and isinstance(responses, list) else [None]
        if not all(isinstance(item, dict) for item in items):
            raise ActionFailed(name)
        return said(responses) + events
