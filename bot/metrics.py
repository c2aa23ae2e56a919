"""Counters for Prometheus, one registry per server. Labels are constants of ours, never anything a person wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Gauges = Callable[[], Mapping[str, Mapping[tuple[tuple[str, str], ...], float]]]


class Meter:
    """What is counted. Share one between threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._accepted = Counter("osso_accepted", "Webhook events by kind", ["channel", "kind"], registry=self.registry)
        self._refused = Counter(
            "osso_webhooks_refused", "Webhooks refused", ["channel", "reason"], registry=self.registry
        )
        self._turns = Counter("osso_turns", "Turns by decision", ["decision"], registry=self.registry)
        self._turn_seconds = Histogram(
            "osso_turn_seconds",
            "Thinking time of a turn",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2),
            registry=self.registry,
        )
        self._sends = Counter("osso_sends", "Sends by outcome", ["channel", "verdict"], registry=self.registry)
        self._dangers = Counter("osso_dangers", "Screened dangers", ["level", "category"], registry=self.registry)

    def accepted(self, channel: str, counts: Mapping[str, int]) -> None:
        for kind, count in counts.items():
            self._accepted.labels(channel, kind).inc(count)

    def refused(self, channel: str, reason: str) -> None:
        self._refused.labels(channel, reason).inc()

    def turned(self, decision: str, seconds: float) -> None:
        self._turns.labels(decision).inc()
        self._turn_seconds.observe(seconds)

    def said(self, channel: str, verdict: str) -> None:
        self._sends.labels(channel, verdict).inc()

    def danger(self, level: str, category: str) -> None:
        self._dangers.labels(level, category).inc()

    def watch(self, gauges: Gauges) -> None:
        """Adds values that are read when somebody scrapes."""
        self.registry.register(_Watched(gauges))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Watched(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # values need a database; nothing may be asked of it while registering

    def collect(self) -> list[GaugeMetricFamily]:
        families = []
        for name, values in self._gauges().items():
            labels = [key for key, _ in next(iter(values), ())]
            family = GaugeMetricFamily(name, name.replace("_", " "), labels=labels)
            for key, value in values.items():
                family.add_metric([text for _, text in key], value)
            families.append(family)
        return families
