"""A judgement as figures. What is not known is absent, never 0 and never now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from backup_engine.alerts.ledger import Ledger
from backup_engine.freshness.concerns import EVENTS, Concern, ConcernKind, Severity
from backup_engine.freshness.judgement import Judgement, PlaceStanding, Protection

PURPOSES = (
    "full_backup",
    "incremental_backup",
    "verification",
    "restore",
    "after_restore",
    "sync",
    "standby",
    "pruning",
)
"""What runs are for; failures are counted for each from the first look on, so that the first failure is seen as one."""

SEEN_IN_AIRFLOW = EVENTS | {ConcernKind.DAG_MISSING, ConcernKind.DAG_PAUSED, ConcernKind.NO_RUN}
"""Outside Airflow nobody knows of these, so nothing is said of them there."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure.

    :param labels: a value for each of the metric's labels
    """

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def samples(judgement: Judgement, ledger: Ledger | None = None) -> tuple[Sample, ...]:
    """Give every figure that is known.

    :param ledger: what is remembered of the deployment; None outside Airflow
    """
    protection = judgement.protection
    name = protection.deployment
    figures = {**_promised(protection), **_newest(protection), **_forecast(protection), **_copies(protection)}
    figures["server_reachable"] = not any(one.kind is ConcernKind.SERVER_UNREACHABLE for one in judgement.concerns)
    of_deployment = (_sample(short, value, deployment=name) for short, value in figures.items() if value is not None)
    kinds = set(ConcernKind) if ledger else set(ConcernKind) - SEEN_IN_AIRFLOW
    return (
        *of_deployment,
        *(one for place in protection.places for one in _place(name, place)),
        *_concerns(name, [*judgement.concerns, *_events(ledger)], kinds),
        *_failures(name, ledger),
    )


def unjudged_samples(unjudged: Mapping[str, Concern]) -> tuple[Sample, ...]:
    """Tell why deployments have no judgement: by name, empty for the configuration itself."""
    return tuple(one for name, concern in unjudged.items() for one in _concerns(name, [concern], {concern.kind}))


def _sample(short: str, value: float, **labels: str) -> Sample:
    return Sample(f"vectorizer_backup_{short}", float(value), labels)


def _promised(protection: Protection) -> dict[str, float | None]:
    return {
        "judged_timestamp_seconds": protection.at.timestamp(),
        "rpo_promised_seconds": protection.rpo,
        "rto_promised_seconds": protection.rto,
    }


def _newest(protection: Protection) -> dict[str, float | None]:
    if not any(place.answers for place in protection.places):
        return {}
    facts = {
        "restorable": protection.fresh is not None,
        "newest_unverified": protection.newest is not None and protection.newest != protection.fresh,
        "rpo_achieved_seconds": protection.rpo_achieved,
        "rpo_measured_seconds": protection.rpo_measured,
        "standby_behind_seconds": protection.standby_behind,
        **_moment("newest_proven", protection.proven_at, protection.at),
    }
    if protection.fresh is None:
        return facts
    rate = protection.vectors / protection.seconds if protection.seconds > 0 else None
    return {
        **facts,
        **_moment("newest_good", protection.fresh_at, protection.at),
        **_moment("newest_verified", protection.verified_at, protection.at),
        "newest_good_vectors": protection.vectors,
        "newest_good_size_bytes": protection.bytes,
        "newest_good_duration_seconds": protection.seconds,
        "newest_good_rate_vectors_per_second": rate,
    }


def _moment(what: str, moment: datetime | None, now: datetime) -> dict[str, float | None]:
    if moment is None:
        return {}
    return {
        f"{what}_timestamp_seconds": moment.timestamp(),
        f"{what}_age_seconds": max(0.0, (now - moment).total_seconds()),
    }


def _forecast(protection: Protection) -> dict[str, float | None]:
    return {
        "rto_forecast_seconds": protection.rto_forecast,
        "rto_measured_seconds": protection.rto_measured,
        "restore_rate_vectors_per_second": protection.rate,
        "restore_rate_measured": protection.rate_measured,
    }


def _copies(protection: Protection) -> dict[str, float | None]:
    copies = [place for place in protection.places if place.copy_of_it]
    return {"copies": len(copies), "copies_behind": sum(not up_to_date(copy, protection) for copy in copies)}


def up_to_date(place: PlaceStanding, protection: Protection) -> bool:
    """Tell whether a place can be read and holds the newest good backup, if there is one anywhere."""
    return place.answers and (protection.newest is None or (place.behind is not None and place.behind <= 0))


def _place(deployment: str, place: PlaceStanding) -> Iterator[Sample]:
    figures: dict[str, float | None] = {"place_reachable": place.answers}
    if place.answers:
        figures |= {
            "place_behind_seconds": place.behind,
            "place_backups": place.backups,
            "place_size_bytes": place.bytes,
            "place_quarantined": place.quarantined,
        }
    if place.answers and place.pruned is not None:
        figures |= {
            "place_pruned_timestamp_seconds": place.pruned.at.timestamp(),
            "place_pruned_kept": place.pruned.kept,
            "place_pruned_deleted": place.pruned.deleted,
            "place_pruned_freed_bytes": place.pruned.freed,
        }
    for short, value in figures.items():
        if value is not None:
            yield _sample(short, value, deployment=deployment, place=place.url)


def _concerns(deployment: str, concerns: Iterable[Concern], kinds: set[ConcernKind]) -> Iterator[Sample]:
    found = [(concern.kind, concern.severity) for concern in concerns]
    for kind in ConcernKind:
        for severity in Severity if kind in kinds else ():
            count = found.count((kind, severity))
            yield _sample("concerns", count, deployment=deployment, kind=kind.value, severity=severity.value)


def _events(ledger: Ledger | None) -> list[Concern]:
    incidents = ledger.open if ledger else ()
    return [one.concern for one in incidents if one.concern.kind in EVENTS]


def _failures(deployment: str, ledger: Ledger | None) -> Iterator[Sample]:
    if ledger is None:
        return
    for purpose, count in {**dict.fromkeys(PURPOSES, 0), **ledger.failures}.items():
        yield _sample("failures_total", count, deployment=deployment, purpose=purpose)
