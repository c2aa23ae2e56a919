"""Which OSSO office lies nearest to a point. City centres are enough: the office itself is told by the knowledge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from bot.knowledge import Knowledge, Office

CENTRES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {  # office id → latitude, longitude of its city, two decimals
        "osso-hanoi": (21.03, 105.85),
        "osso-haiphong": (20.86, 106.68),
        "osso-haiduong": (20.94, 106.31),
        "osso-cantho": (10.03, 105.78),
        "osso-haugiang": (9.78, 105.47),
    }
)


def nearest(knowledge: Knowledge, latitude: float | None, longitude: float | None) -> Office | None:
    """The nearest office by great circle, or None when the point is no place on earth."""
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    known = [(_distance(latitude, longitude, *CENTRES[name]), name) for name in knowledge.offices if name in CENTRES]
    return knowledge.offices[min(known)[1]] if known else None


def _distance(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    a, b = math.radians(latitude), math.radians(to_latitude)
    turn = math.radians(to_longitude - longitude)
    return math.acos(min(1.0, math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn)))
