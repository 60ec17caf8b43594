"""Whether a bucket is set so that backups in it stay what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backup_engine.errors import StoreDenied
from backup_engine.findings import Finding, Level
from backup_engine.storage.gcs.objects import Objects
from backup_engine.storage.gcs.refusals import told

_DAY = 86_400  # seconds
_AGE = ("age", "createdBefore", "daysSinceCustomTime", "customTimeBefore")
"""Conditions of a lifecycle rule that an object meets by growing old, whether it is still needed or not."""
_OLD_VERSIONS = ("numNewerVersions", "daysSinceNoncurrentTime", "noncurrentTimeBefore")


def look_at_settings(objects: Objects, bucket: str, *, scratch: bool) -> Iterator[Finding]:
    """Look at one bucket.

    :param scratch: it holds only what a run keeps while it is at work
    """
    place = f"gs://{bucket}"
    described = objects.client.bucket(bucket)
    try:
        with told(place):
            described.reload(timeout=objects.patience.timeout, retry=objects.patience.retry)
    except StoreDenied as error:
        remedy = "grant storage.buckets.get to have them looked at; backups work without"
        yield Finding(Level.NOTE, f"{place}: settings", f"they may not be read: {error}", remedy)
        return
    # The library names only some of them: what it learnt is taken as it came.
    yield from judge_settings(place, described._properties, scratch=scratch)


def judge_settings(place: str, settings: Mapping[str, Any], *, scratch: bool) -> Iterator[Finding]:
    """Judge a bucket by its description, in the API's own words.

    :param scratch: it holds only what a run keeps while it is at work
    """
    yield from _deletion(place, settings, scratch=scratch)
    yield from _retention(place, settings, scratch=scratch)
    yield from _lifecycle(place, settings.get("lifecycle", {}).get("rule", ()))
    yield _access(place, settings.get("iamConfiguration", {}))


def _deletion(place: str, settings: Mapping[str, Any], *, scratch: bool) -> Iterator[Finding]:
    versioned = settings.get("versioning", {}).get("enabled", False)
    seconds = int(settings.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0))
    what = f"{place}: what was deleted"
    if scratch:
        found = (
            "versions are kept" if versioned else f"it is kept for {seconds / _DAY:g} days" if seconds else "it goes"
        )
        remedy = "" if not (versioned or seconds) else "switch it off here to save room: this bucket holds work in hand"
        yield Finding(Level.NOTE if remedy else Level.OK, what, found, remedy)
    elif versioned or seconds:
        kept = "as older versions" if versioned else f"for {seconds / _DAY:g} days (soft delete)"
        yield Finding(Level.OK, what, f"it is kept {kept}")
    else:
        remedy = "switch soft delete on (7 days or more): gcloud storage buckets update --soft-delete-duration=7d"
        yield Finding(Level.NOTE, what, "it is gone at once, neither versions nor soft delete are on", remedy)


def _retention(place: str, settings: Mapping[str, Any], *, scratch: bool) -> Iterator[Finding]:
    what = f"{place}: retention"
    seconds = int(settings.get("retentionPolicy", {}).get("retentionPeriod", 0))
    if seconds and scratch:
        yield Finding(
            Level.MISSING,
            what,
            f"nothing can be deleted for {seconds / _DAY:g} days",
            "use a bucket without for staging",
        )
    elif seconds:
        remedy = (
            "have it on buckets of copies only: a primary replaces its leases and reservations, and needs soft delete "
            "and versions instead; keep the period below the shortest retention of the deployment"
        )
        yield Finding(Level.NOTE, what, f"nothing can be deleted or replaced for {seconds / _DAY:g} days", remedy)
    else:
        yield Finding(Level.OK, what, "no policy forbids to delete")
    if settings.get("defaultEventBasedHold"):
        remedy = "gcloud storage buckets update --no-default-event-based-hold"
        yield Finding(Level.MISSING, what, "new objects get an event-based hold and can never be deleted", remedy)


def _lifecycle(place: str, rules: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    what = f"{place}: lifecycle"
    bad = [rule for rule in rules if _deletes_by_age(rule)]
    for rule in bad:
        remedy = "remove the rule: a backup that is old may be the base of a new one, retention is this product's"
        yield Finding(Level.MISSING, what, f"a rule deletes objects by age: {rule.get('condition')}", remedy)
    for rule in rules:
        if rule.get("action", {}).get("type") == "SetStorageClass":
            kind = rule["action"].get("storageClass", "another class")
            remedy = "know that restoring and verifying from it costs more, and early deletion too"
            yield Finding(Level.NOTE, what, f"a rule moves objects to {kind}", remedy)
    if not bad:
        yield Finding(Level.OK, what, "no rule deletes what is still needed")


def _deletes_by_age(rule: Mapping[str, Any]) -> bool:
    condition = rule.get("condition", {})
    if rule.get("action", {}).get("type") != "Delete" or condition.get("isLive") is False:
        return False
    return any(name in condition for name in _AGE) and not any(name in condition for name in _OLD_VERSIONS)


def _access(place: str, configuration: Mapping[str, Any]) -> Finding:
    what = f"{place}: access"
    uniform = configuration.get("uniformBucketLevelAccess", {}).get("enabled", False)
    enforced = configuration.get("publicAccessPrevention") == "enforced"
    if uniform and enforced:
        return Finding(Level.OK, what, "uniform, and public access is prevented")
    lacking = " and ".join([
        *(() if uniform else ("access is not uniform",)),
        *(() if enforced else ("public access is not prevented",)),
    ])
    remedy = "gcloud storage buckets update --uniform-bucket-level-access --public-access-prevention"
    return Finding(Level.NOTE, what, lacking, remedy)
