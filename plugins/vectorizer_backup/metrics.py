"""Metrics through Airflow's own StatsD, Datadog and OpenTelemetry settings, under the names that Prometheus sees.

Where labels are sent as tags, name and labels stay apart: ``airflow.vectorizer_backup_copies_behind`` with the tag
``deployment``. Plain StatsD has no tags, and Airflow drops them there without a word, so the labels' values follow the
name: ``airflow.vectorizer_backup_copies_behind.production``. ``monitoring/statsd-mapping.yaml`` leads back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from airflow.sdk import conf
from airflow.sdk.observability import stats

from backup_engine.alerts.ledger import Ledger
from backup_engine.freshness.judgement import Judgement
from backup_engine.freshness.metrics import METRICS, Sample, samples

_NO_SEGMENT = re.compile(r"[^A-Za-z0-9_-]")
_NO_TAG = re.compile(r"[^A-Za-z0-9_./-]")


def emit(judgement: Judgement, ledger: Ledger | None) -> None:
    """Send every figure that is known, a counter as the number it stands at; without settings nothing is sent.

    Only a task's process has Airflow's settings of metrics in place: in the triggerer nothing would be sent.

    :param ledger: what is remembered of the deployment
    """
    _send(samples(judgement, ledger))


def emit_measured_rpo(deployment: str, seconds: float) -> None:
    """Send what could have been lost at most until the deployment's newest backup was there, as soon as it is.

    :param seconds: the watch sends the same again, once the backup was read back
    """
    _send([Sample("vectorizer_backup_rpo_measured_seconds", seconds, {"deployment": deployment})])


def _send(figures: Iterable[Sample]) -> None:
    tagged, narrow = _tags_are_sent(), conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False)
    for sample in figures:
        if not tagged:
            stats.gauge(statsd_name(sample), sample.value)
        else:
            # A character that Airflow does not take in a name, tags in InfluxDB's style included, drops the figure.
            told = {label: _NO_TAG.sub("_", value) if narrow else value for label, value in sample.labels.items()}
            stats.gauge(sample.name, sample.value, tags=told)


def statsd_name(sample: Sample) -> str:
    """Write a figure's name and labels as one name of StatsD: a dot before each label's value, and no other."""
    values = (_NO_SEGMENT.sub("_", sample.labels[label]) for label in METRICS[sample.name].labels)
    return ".".join((sample.name, *values))


def _tags_are_sent() -> bool:
    """Tell whether the one that Airflow chooses, in this order, sends tags."""
    if conf.getboolean("metrics", "statsd_datadog_enabled", fallback=False):
        return conf.getboolean("metrics", "statsd_datadog_metrics_tags", fallback=True)
    if conf.getboolean("metrics", "statsd_on", fallback=False):
        return conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False)
    return True
