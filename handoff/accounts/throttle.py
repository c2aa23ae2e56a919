"""How fast somebody may try. Tries are delayed, never locked: a rival cannot keep the person on duty out.

Each kind of key (name, address, everybody) lets a burst through and then one try per interval (GCRA). A browser where
this very member has signed in before counts only against itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` tries in a minute, then one every `60 s / most`."""

    most: int

    @property
    def every_ms(self) -> int:
        return MINUTE_MS // self.most


NAME, ADDRESS, EVERYBODY, DEVICE = Limit(5), Limit(20), Limit(200), Limit(5)


def wait_ms(until: int, limit: Limit, *, now: int) -> int:
    """How long before one more try is allowed; 0 when it is allowed now. `until` is what was stored last."""
    return max(0, max(until, now) + limit.every_ms - now - MINUTE_MS)


def after(until: int, limit: Limit, *, now: int) -> int:
    """What to store once the try is let through."""
    return max(until, now) + limit.every_ms


def longest_wait_ms(stored: Mapping[bytes, int], limits: Mapping[bytes, Limit], *, now: int) -> int:
    return max(wait_ms(stored.get(key, 0), limit, now=now) for key, limit in limits.items())


def network(address: str) -> str:
    """The part of an address one household shares: the whole IPv4 address, the /64 of IPv6; `?` when unreadable."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "?"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
