"""What is told to monitoring: one catalogue of metrics, and how Prometheus gets them.

A moment is told as a moment, so that a file which nobody writes any more never looks fresh. How long ago it was is told
only where each look tells it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from backup_engine.alerts.ledger import Ledger
from backup_engine.errors import ConfigurationError
from backup_engine.freshness.concerns import Concern
from backup_engine.freshness.figures import Sample, samples, unjudged_samples
from backup_engine.freshness.judgement import Judgement

__all__ = ["METRICS", "Metric", "Sample", "exposition", "samples", "write_metrics_file"]

_DEPLOYMENT = ("deployment",)
_PLACE = ("deployment", "place")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, the same wherever it is sent.

    :param unit: of its values; empty for a plain number, and for what is 1 (yes) or 0 (no)
    :param pushed: only told where each look sends it anew; in a file it would stay as it was
    """

    name: str
    kind: Literal["gauge", "counter"]
    unit: str
    help: str
    labels: tuple[str, ...] = _DEPLOYMENT
    pushed: bool = False


def _gauge(name: str, unit: str, text: str, labels: tuple[str, ...] = _DEPLOYMENT, *, pushed: bool = False) -> Metric:
    return Metric(f"vectorizer_backup_{name}", "gauge", unit, text, labels, pushed)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _gauge("judged_timestamp_seconds", "seconds", "When the deployment was last looked at and judged."),
        _gauge(
            "newest_good_timestamp_seconds",
            "seconds",
            "When reading of the newest good backup began: the recovery point. Only a backup that is good, whole, not "
            "empty, not damaged and was read back moves it.",
        ),
        _gauge("newest_verified_timestamp_seconds", "seconds", "When the newest good backup was last read back whole."),
        _gauge("newest_proven_timestamp_seconds", "seconds", "When the newest restore of a whole backup ended."),
        _gauge("newest_good_age_seconds", "seconds", "Age of the recovery point: the real RPO.", pushed=True),
        _gauge("newest_verified_age_seconds", "seconds", "Time since it was last read back whole.", pushed=True),
        _gauge("newest_proven_age_seconds", "seconds", "Time since a whole backup was last restored.", pushed=True),
        _gauge("restorable", "", "1: there is a good backup that was read back. 0: there is none."),
        _gauge("newest_unverified", "", "1: a newer good backup was not read back yet and does not count."),
        _gauge("rpo_promised_seconds", "seconds", "How old the recovery point may be."),
        _gauge("rpo_achieved_seconds", "seconds", "Longest time without a recovery point, of two weeks."),
        _gauge(
            "rpo_measured_seconds",
            "seconds",
            "How much could be lost at most until the newest good backup was there: since the one before it began.",
        ),
        _gauge(
            "standby_behind_seconds", "seconds", "How much newer the newest good backup is than what the standby holds."
        ),
        _gauge("rto_promised_seconds", "seconds", "How long a whole restore may take."),
        _gauge("rto_forecast_seconds", "seconds", "How long a whole restore would take now."),
        _gauge("rto_measured_seconds", "seconds", "How long the newest whole restore took."),
        _gauge("restore_rate_vectors_per_second", "vectors per second", "Rate the forecast restore time is made with."),
        _gauge("restore_rate_measured", "", "1: that rate was measured here. 0: it is what is usual."),
        _gauge("newest_good_vectors", "vectors", "Vectors in the newest good backup."),
        _gauge("newest_good_size_bytes", "bytes", "Size of the newest good backup."),
        _gauge("newest_good_duration_seconds", "seconds", "How long reading the newest good backup took."),
        _gauge(
            "newest_good_rate_vectors_per_second", "vectors per second", "How fast the newest good backup was read."
        ),
        _gauge("server_reachable", "", "1: the server answers. 0: it does not."),
        _gauge("place_reachable", "", "1: the store can be read. 0: it cannot.", _PLACE),
        _gauge("place_behind_seconds", "seconds", "How much older the store's newest good backup is.", _PLACE),
        _gauge("place_backups", "", "Backups in the store, good or not.", _PLACE),
        _gauge("place_size_bytes", "bytes", "What lies where backups lie in the store.", _PLACE),
        _gauge("place_quarantined", "", "What lies in the store and is not what a backup can be.", _PLACE),
        _gauge("place_pruned_timestamp_seconds", "seconds", "When the store was last pruned.", _PLACE),
        _gauge("place_pruned_kept", "", "Backups that the last pruning of the store kept.", _PLACE),
        _gauge("place_pruned_deleted", "", "Backups that the last pruning of the store deleted.", _PLACE),
        _gauge("place_pruned_freed_bytes", "bytes", "What the last pruning of the store made room for.", _PLACE),
        _gauge("copies", "", "Copies that every good backup should have."),
        _gauge("copies_behind", "", "Copies that do not hold the newest good backup, or cannot be read."),
        _gauge(
            "concerns", "", "How many concerns of this kind and severity are open.", ("deployment", "kind", "severity")
        ),
        Metric(
            "vectorizer_backup_failures_total", "counter", "", "Runs that ended red, ever.", ("deployment", "purpose")
        ),
    )
}
"""By name. Dashboard, alert rules and documentation are held to it by a test."""


_READABLE_BY_ALL = 0o644  # the node exporter is another user


def exposition(
    judgements: Iterable[Judgement],
    ledgers: Mapping[str, Ledger] | None = None,
    unjudged: Mapping[str, Concern] | None = None,
) -> str:
    """Write the metrics of several deployments in Prometheus' text format.

    :param ledgers: by deployment
    :param unjudged: why other deployments have no judgement, by name; empty for the configuration itself
    """
    known = ledgers or {}
    found = [one for each in judgements for one in samples(each, known.get(each.protection.deployment))]
    registry = CollectorRegistry()
    registry.register(_Found([*found, *unjudged_samples(unjudged or {})]))
    return generate_latest(registry).decode()


def write_metrics_file(path: Path, text: str) -> None:
    """Put the text there in one step: whoever reads meanwhile sees all of the old one or all of the new one.

    :raises ConfigurationError: it cannot be written there
    """
    fresh = path.with_name(f".{path.name}.{uuid4().hex}")  # the collector reads `*.prom` only
    try:
        try:
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(_READABLE_BY_ALL)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the metrics file {path} cannot be written: {error.strerror}. Its folder must exist and be writable for "
            "the user that judges"
        ) from error


class _Found(Collector):
    def __init__(self, found: Iterable[Sample]) -> None:
        self._found = [*found]

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        for metric in METRICS.values():
            of_it = [] if metric.pushed else [one for one in self._found if one.name == metric.name]
            if of_it:
                yield _family(metric, of_it)


def _family(metric: Metric, found: Iterable[Sample]) -> GaugeMetricFamily | CounterMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for one in found:
        family.add_metric([one.labels[label] for label in metric.labels], one.value)
    return family
