"""What Prometheus is told, and that docs/watching.md tells the same."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import yaml
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric

from backscroll.adapters.events import MessagePosted
from backscroll.bot.watching.condition import Condition
from backscroll.bot.watching.metrics import Metrics
from backscroll.storage.keys import ThreadKey
from backscroll.storage.records import Answer, AnswerCount, PoolUse
from backscroll.storage.values import utc_now

DOCUMENT = (Path(__file__).parents[4] / "docs/watching.md").read_text()
KEY = ThreadKey("slack", "T1", "C1", "1.0")
LABELS = {"platform", "kind", "outcome", "state"}


def full() -> Metrics:
    """Make metrics that have heard of all there is."""
    metrics, now = Metrics(), utc_now()
    asked_at = now - timedelta(seconds=20)
    event = MessagePosted(KEY, KEY.message("1.1"), "U1", "xyzzy4711", asked_at)
    answer = Answer("a", "t", "m", 1, KEY, "sending", "o", 0, 0, now, None, None, now - timedelta(seconds=7), now)
    metrics.event_ended(event, "kept", 0.02)
    metrics.event_ended(replace(event, is_late=True), "kept", 0.02)
    metrics.event_ended(event, "repeated", 0.02)
    metrics.event_rejected("slack")
    metrics.event_acknowledged("slack", 0.3)
    metrics.event_not_acknowledged("slack")
    metrics.connection_made("slack")
    metrics.caught_up("slack", is_done=True)
    metrics.handler_ended("slack", "answered", 4)
    metrics.answer_ended(answer, "sent", asked_at)
    metrics.answer_ended(answer, "failed", None)
    metrics.heartbeat_kept(1_700_000_000)
    counts = {"waiting": AnswerCount(2, 5.5), "running": AnswerCount(0, None)}
    metrics.gauges.condition = Condition(True, {"slack": False}, False, counts, PoolUse(3, 1, 15, 4))  # type: ignore[arg-type]
    return metrics


def ours(metrics: Metrics) -> Iterator[Metric]:
    return (each for each in metrics.registry.collect() if each.name.startswith("backscroll_"))


def names(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def test_figures_are_what_was_heard() -> None:
    metrics = full()

    def figure(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"backscroll_{name}", labels)

    slack = {"platform": "slack"}
    assert figure("events_total", kind="message", outcome="kept", **slack) == 2
    assert figure("events_total", kind="message", outcome="repeated", **slack) == 1
    assert figure("events_total", kind="unknown", outcome="rejected", **slack) == 1
    assert figure("event_commit_seconds_count", **slack) == 2
    assert figure("event_delay_seconds_count", **slack) == 1
    assert figure("ack_seconds_sum", **slack) == 0.3
    assert figure("answers_ended_total", state="sent", **slack) == 1
    assert figure("answer_seconds_bucket", le="10.0", **slack) == 0
    assert figure("answer_seconds_bucket", le="30.0", **slack) == 1
    assert figure("answer_commit_seconds_bucket", le="10.0", **slack) == 1
    assert figure("answers", state="waiting") == 2
    assert figure("answers_oldest_seconds", state="waiting") == 5.5
    assert figure("storage_up") == 1
    assert figure("storage_connections_busy") == 1
    assert figure("platform_up", **slack) == 0


def test_two_bots_in_one_process_count_for_themselves() -> None:
    full()
    assert full().registry.get_sample_value("backscroll_platform_connections_total", {"platform": "slack"}) == 1


def test_no_text_and_no_id_is_in_a_figure() -> None:
    metrics = full()
    text = generate_latest(metrics.registry).decode()
    assert [each for each in ("xyzzy4711", "T1", "C1", "U1") if each in text] == []
    assert {label for metric in ours(metrics) for sample in metric.samples for label in sample.labels} <= LABELS | {
        "le"
    }


def test_document_has_every_metric_with_its_labels_and_no_other() -> None:
    told = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"(?m)^\| `(backscroll_\w+)` \| (.*?) ?\|", DOCUMENT)
    }
    there = {
        names(metric): {label for sample in metric.samples for label in sample.labels} - {"le"}
        for metric in ours(full())
    }
    assert told == there
    assert "_created" not in generate_latest(full().registry).decode()


def test_alerts_name_metrics_that_are_there() -> None:
    (block,) = [each for each in re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL) if "alert:" in each]
    rules = [rule for group in yaml.safe_load(block)["groups"] for rule in group["rules"]]
    samples = {sample.name for metric in ours(full()) for sample in metric.samples}
    named = {name for rule in rules for name in re.findall(r"backscroll_\w+", rule["expr"])}
    assert len(rules) >= 10
    assert named - samples == set()
    assert all(set(rule) <= {"alert", "expr", "for", "annotations"} for rule in rules)
