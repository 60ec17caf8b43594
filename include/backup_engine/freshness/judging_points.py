"""Are there recovery points, are they new enough, and were they read back? Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from backup_engine import wording
from backup_engine.archive.manifest import BackupState
from backup_engine.cron import parse_cron
from backup_engine.freshness.case import GRACE, Case, ended, shown
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from backup_engine.freshness.points import longest_age, newest_fresh, often, pace
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting
from backup_engine.tiers import spoken

_DAY = timedelta(days=1)
_PURPOSE = "full_backup"


def judge_points(case: Case) -> Iterator[Concern]:
    """Say what is wrong with the recovery points themselves."""
    yield from _recovery_point(case)
    yield from _schedule(case)
    yield from _verification(case)
    for place in case.answering:
        yield from _newest_damaged(case, place)


def _recovery_point(case: Case) -> Iterator[Concern]:
    if not case.answering:
        yield _unknown(case)
        return
    limit = longest_age(case.terms, case.points)
    fresh = newest_fresh(case.points)
    began = fresh.started_at if fresh else case.created_at
    if case.nothing_to_lose:
        yield _nothing_yet(case)
    elif began is None or case.since(began) > limit:
        yield _too_old(case, fresh, None if began is None else began + limit)
    elif fresh is None:
        yield _not_yet(case, began, limit)


def _too_old(case: Case, fresh: BackupGlance | None, since: datetime | None) -> Concern:
    return Concern(
        kind=ConcernKind.RECOVERY_POINT_OLD,
        severity=Severity.CRITICAL,
        found=f"{_how_old(case, fresh)}; {_promised(case)}{_newer(case, fresh)}.",
        risk="What was written since then is lost if the server is lost now."
        if fresh
        else "Everything is lost if the server is lost now.",
        remedy=f"Look at the newest run of {case.dag(case.purpose)}: its red task says what to mend. Then trigger it "
        f"again, or run: {case.by_hand}",
        since=None if case.silent else since,  # grace is counted from then
        grace_seconds=GRACE.total_seconds() if case.silent else 0.0,
    )


def _how_old(case: Case, fresh: BackupGlance | None) -> str:
    places = wording.listing(place.url for place in case.answering)
    if fresh is not None:
        age = spoken(case.since(fresh.started_at))
        return f"The newest recovery point is {age} old ({fresh.name}, read from {wording.moment(fresh.started_at)})"
    if case.points:
        held = wording.count(len(case.points), "good backup")
        return f"There is no recovery point: {places} has {held}, and none was read back yet"
    return f"There is no recovery point: {places} has no good backup at all"


def _promised(case: Case) -> str:
    limit = longest_age(case.terms, case.points)
    promised = f"at most {spoken(case.terms.rpo)} is promised"
    if spoken(limit) == spoken(case.terms.rpo):
        return promised
    return f"{promised}, and with backups at {often(case.terms)!r} it is never to be older than {spoken(limit)}"


def _newer(case: Case, fresh: BackupGlance | None) -> str:
    """Name the newest backup that does not count, and why."""
    every = [one for place in case.answering for one in place.backups if one.whole_scope]
    newest = max(every, key=lambda one: one.started_at, default=None)
    if newest is None or (fresh and newest.started_at <= fresh.started_at):
        return ""
    return f". Newer is {newest.name}, which does not count: {_why_not(newest)}"


def _why_not(backup: BackupGlance) -> str:
    if backup.state is not BackupState.GOOD:
        return f"it is {backup.state.value}"
    if backup.damaged:
        return "it was found damaged"
    if backup.broken:
        return backup.broken
    if backup.vectors == 0:
        return "it is empty"
    return "it was not read back yet"


def _unknown(case: Case) -> Concern:
    places = wording.listing(place.url for place in case.silent)
    return Concern(
        kind=ConcernKind.RECOVERY_POINT_OLD,
        severity=Severity.NOTE if all(map(case.new, case.silent)) else Severity.CRITICAL,
        found=f"How old the newest recovery point is cannot be told: none of the places answers ({places}).",
        risk="Nothing can be restored while that is so.",
        remedy="Bring one of the places back; what each of them says stands with it.",
        grace_seconds=GRACE.total_seconds(),
    )


def _not_yet(case: Case, began: datetime, limit: timedelta) -> Concern:
    made = f"the store was made {spoken(case.since(began))} ago"
    return Concern(
        kind=ConcernKind.RECOVERY_POINT_OLD,
        severity=Severity.NOTE,
        found=f"There is no recovery point yet: {made}, and backups come at {often(case.terms)!r} (UTC).",
        risk="Everything is lost if the server is lost now.",
        remedy=f"Trigger {case.dag(_PURPOSE)} now, or run: {case.by_hand}. From {wording.moment(began + limit)} on "
        "this is an alarm.",
        since=began,
    )


def _nothing_yet(case: Case) -> Concern:
    return Concern(
        kind=ConcernKind.RECOVERY_POINT_OLD,
        severity=Severity.NOTE,
        found=f"There is no recovery point, and nothing to lose yet: {case.sighting.server.url} holds no vector in the "
        "collections that are backed up.",
        remedy="If it should hold some, look whether this is the right server, and at `collections` in "
        "deployments.yaml.",
    )


def _schedule(case: Case) -> Iterator[Concern]:
    gap, promised = case.terms.gap, case.terms.rpo
    usual = pace(case.terms, case.points)
    if gap + usual <= promised:
        return
    real = case.protection.rpo_real or 0.0
    broken = gap > promised and real > promised.total_seconds()
    takes = f", and one takes {spoken(usual)}" if gap <= promised else ""
    yield Concern(
        kind=ConcernKind.SCHEDULE_TOO_RARE,
        severity=Severity.WARNING if broken else Severity.NOTE,
        found=f"A recovery point at most {spoken(promised)} old is promised, but backups at {often(case.terms)!r} lie "
        f"up to {spoken(gap)} apart{takes}.",
        risk=f"Up to {spoken(gap + usual)} of changes are lost with the server.",
        remedy=f"In deployments.yaml, back {case.deployment.name} up more often (`schedule: {{incremental: …}}`), or "
        f"promise what it gives (`rpo: {_hours(gap + usual)}h`).",
    )


def _hours(length: timedelta) -> int:
    return -(-length // timedelta(hours=1))


def _verification(case: Case) -> Iterator[Concern]:
    """Look whether anything is read back: all backups may rot, or only the new ones never be looked at."""
    if not case.points:
        return
    limit = parse_cron(case.terms.verification).longest_gap() + _DAY
    verified = [one.verified_at for place in case.answering for one in place.backups if one.good and one.verified_at]
    last = max(verified, default=None)
    began = last or case.points[-1].captured_at
    fresh = newest_fresh(case.points)
    if case.since(began) > limit:
        told = f"the last time was {wording.moment(last)}" if last else "none ever was"
        yield _unverified(case, f"No backup was read back for {spoken(case.since(began))}; {told}", limit, began)
    elif fresh and fresh is not case.points[0] and case.since(fresh.started_at) > limit:
        newer = next(one for one in reversed(case.points) if one.started_at > fresh.started_at)
        found = f"Only old backups are read back: none since {fresh.name} of {wording.moment(fresh.started_at)}"
        yield _unverified(case, found, limit, newer.captured_at)


def _unverified(case: Case, found: str, limit: timedelta, began: datetime) -> Concern:
    return Concern(
        kind=ConcernKind.VERIFICATION_OLD,
        severity=Severity.WARNING,
        found=f"{found}. Verification is scheduled at {case.terms.verification!r}, so every {spoken(limit)} at least "
        "one was expected.",
        risk="A backup that nobody reads may be damaged, and nobody would know before it is needed.",
        remedy=f"Look at the newest run of {case.dag('verification')} and trigger it again, or run: vectorizer-backup "
        f"verify {case.points[0].name} --deployment {case.deployment.name}",
        since=began + limit,
    )


def _newest_damaged(case: Case, place: PlaceSighting) -> Iterator[Concern]:
    meant = [one for one in place.backups if one.state is BackupState.GOOD and one.whole_scope and one.vectors]
    newest = max(meant, key=lambda one: one.started_at, default=None)
    if newest is None or not (newest.damaged or newest.broken):
        return
    elsewhere = [
        other for other in case.answering if any(one.name == newest.name and one.good for one in other.backups)
    ]
    yield Concern(
        kind=ConcernKind.NEWEST_DAMAGED,
        severity=Severity.WARNING if elsewhere else Severity.CRITICAL,
        subject=place.url,
        found=f"The newest backup in {shown(place)}, {newest.name} of {wording.moment(newest.started_at)}, "
        f"{_how_damaged(newest)}",
        risk=f"It is whole in {wording.listing(one.url for one in elsewhere)}, and nowhere else."
        if elsewhere
        else f"It cannot be restored. {_next_best(case)}",
        remedy=_mend(case, newest)
        if elsewhere
        else f"Make a new backup now: trigger {case.dag(_PURPOSE)}, or run: "
        f"{case.by_hand}. Then look at the disk or the bucket: what damaged this one may damage the next.",
    )


def _how_damaged(backup: BackupGlance) -> str:
    if backup.damaged:
        return "was found damaged: what lies there is not what its manifest says."
    return f"cannot be restored from there: {ended(backup.broken)}"


def _next_best(case: Case) -> str:
    if not case.points:
        return "There is no other good backup."
    return f"The newest that can be is {case.points[0].name} of {wording.moment(case.points[0].started_at)}."


def _mend(case: Case, backup: BackupGlance) -> str:
    return (
        f"Look at the disk or the bucket first. Then have {backup.name} repaired from the other place: trigger "
        f"{case.dag('sync')} with direction `both`, or run: vectorizer-backup sync --deployment {case.deployment.name} "
        "--direction both"
    )
