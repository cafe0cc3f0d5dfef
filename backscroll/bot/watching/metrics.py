"""What Prometheus is told of a bot. Names, kinds, platforms and durations; no ids, no channels, no texts.

Counters and durations come from the observer's calls; what stands at a moment is put into `Gauges` before each scrape.
Each bot has a registry of its own. Proved by `tests/unit/bot/watching/test_metrics.py`, which also holds
docs/watching.md to it.
"""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backscroll.adapters.events import Event, MessagePosted
from backscroll.adapters.observing import EventOutcome, HandlerOutcome, Observer
from backscroll.bot.watching.condition import Condition
from backscroll.bot.watching.events import kind_of, platform_of
from backscroll.storage.records import Answer, FinalState
from backscroll.storage.values import utc_now

SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LONG_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
"""Bounds of the histograms, in seconds."""


class Registry(CollectorRegistry):
    """Without when each series was made, which the library adds to them all unless the whole process forbids it."""

    def collect(self) -> Iterator[Metric]:
        """Lay out what the collectors have."""
        for metric in super().collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class Gauges(Collector):
    """What stands at the moment of `condition`."""

    def __init__(self) -> None:
        self.condition = Condition()

    def collect(self) -> Iterator[Metric]:
        """Lay out what is known."""
        up = GaugeMetricFamily("backscroll_storage_up", "1 while the storage answers.")
        up.add_metric([], self.condition.is_storage_up)
        yield up
        yield from self._answers()
        yield from self._pool()
        platforms = GaugeMetricFamily(
            "backscroll_platform_up", "1 while a configured platform is connected.", labels=["platform"]
        )
        for platform, is_connected in self.condition.platforms.items():
            platforms.add_metric([platform], is_connected)
        yield platforms

    def _answers(self) -> Iterator[Metric]:
        counts = GaugeMetricFamily("backscroll_answers", "Answers that are not finished.", labels=["state"])
        ages = GaugeMetricFamily(
            "backscroll_answers_oldest_seconds", "How long ago the oldest was asked for.", labels=["state"]
        )
        for state, found in (self.condition.answers or {}).items():
            counts.add_metric([state], found.count)
            ages.add_metric([state], found.oldest_s or 0.0)
        yield counts
        yield ages

    def _pool(self) -> Iterator[Metric]:
        figures = {
            "backscroll_storage_connections": ("Connections to the storage that are open.", "open"),
            "backscroll_storage_connections_busy": ("Connections to the storage that are at work.", "busy"),
            "backscroll_storage_connections_max": ("Connections to the storage, at most.", "most"),
            "backscroll_storage_writes_waiting": ("Writes that wait for a transaction.", "waiting"),
        }
        for name, (told, figure) in figures.items():
            gauge = GaugeMetricFamily(name, told)
            if self.condition.pool is not None:
                gauge.add_metric([], getattr(self.condition.pool, figure))
            yield gauge


class Metrics(Observer):
    """Counts what it hears."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.gauges = Gauges()
        self.registry.register(self.gauges)
        ProcessCollector(registry=self.registry)
        self._events = self._counter("events", "Events of the platforms, by what became of them.", "kind", "outcome")
        self._delay_s = self._histogram("event_delay_seconds", "From a message's own time to its commit.", LONG_S)
        self._commit_s = self._histogram("event_commit_seconds", "From an event's handing over to its commit.", SHORT_S)
        self._ack_s = self._histogram("ack_seconds", "From an event's receipt to its acknowledgement.", SHORT_S)
        self._unacknowledged = self._counter("unacknowledged_events", "Events left for the platform to send again.")
        self._connections = self._counter("platform_connections", "Connections made to a platform.")
        self._catch_ups = self._counter("catch_ups", "Workspaces read back after a start or a gap.", "outcome")
        self._handler_s = self._histogram("handler_seconds", "How long the handler ran.", LONG_S, "outcome")
        self._ended = self._counter("answers_ended", "Answers that were finished.", "state")
        self._answer_s = self._histogram("answer_seconds", "From a question's own time to its answer.", LONG_S)
        self._sent_s = self._histogram("answer_commit_seconds", "From a question's commit to its answer.", LONG_S)
        self._heartbeat = Gauge(
            "backscroll_heartbeat_timestamp_seconds", "When the last heartbeat was kept.", registry=self.registry
        )

    def event_ended(self, event: Event, outcome: EventOutcome, took_s: float) -> None:
        """Count an event, and where it is kept how long that took."""
        platform = platform_of(event)
        self._events.labels(platform, kind_of(event), outcome).inc()
        if outcome != "kept":
            return
        self._commit_s.labels(platform).observe(took_s)
        if isinstance(event, MessagePosted) and not event.is_late:
            self._delay_s.labels(platform).observe(_seconds_since(event.created_at))

    def event_rejected(self, platform: str) -> None:
        """Count an event that nobody could understand."""
        self._events.labels(platform, "unknown", "rejected").inc()

    def event_acknowledged(self, platform: str, took_s: float) -> None:
        """Note how long an event waited for its acknowledgement."""
        self._ack_s.labels(platform).observe(took_s)

    def event_not_acknowledged(self, platform: str) -> None:
        """Count an event that is to be sent again."""
        self._unacknowledged.labels(platform).inc()

    def connection_made(self, platform: str) -> None:
        """Count a connection."""
        self._connections.labels(platform).inc()

    def caught_up(self, platform: str, *, is_done: bool) -> None:
        """Count a reading back."""
        self._catch_ups.labels(platform, "done" if is_done else "failed").inc()

    def heartbeat_kept(self, at: float) -> None:
        """Note when the last heartbeat was kept."""
        self._heartbeat.set(at)

    def handler_ended(self, platform: str, outcome: HandlerOutcome, took_s: float) -> None:
        """Note how long a handler ran."""
        self._handler_s.labels(platform, outcome).observe(took_s)

    def answer_ended(self, answer: Answer, state: FinalState, asked_at: datetime | None) -> None:
        """Count an answer, and where it was sent how long that took."""
        platform = answer.key.platform
        self._ended.labels(platform, state).inc()
        if state == "sent":
            self._sent_s.labels(platform).observe(_seconds_since(answer.created_at))
            if asked_at is not None:
                self._answer_s.labels(platform).observe(_seconds_since(asked_at))

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"backscroll_{name}", told, ["platform", *labels], registry=self.registry)

    def _histogram(self, name: str, told: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
        names = ["platform", *labels]
        return Histogram(f"backscroll_{name}", told, names, buckets=bounds, registry=self.registry)


def _seconds_since(at: datetime) -> float:
    return max(0.0, (utc_now() - at).total_seconds())
