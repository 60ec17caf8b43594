"""Do the places answer, and do the copies hold what they are there for? Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from backup_engine import wording
from backup_engine.catalog import CLOCK_TOLERANCE
from backup_engine.cron import parse_cron
from backup_engine.freshness.case import GRACE, Case, began, ended, shown
from backup_engine.freshness.clocks import SMALL
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from backup_engine.freshness.points import newest_good, usual_length
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting
from backup_engine.tiers import spoken

_COPYING = timedelta(hours=1)
"""What a sync may take for what one run left: a hundred GB at 30 MB a second."""


def judge_places(case: Case) -> Iterator[Concern]:
    """Say what is wrong with the stores."""
    for place in case.silent:
        yield _silent(case, place)
    for place in case.answering:
        yield from _unreadable(place)
        yield from _clock(place)
        yield from _future(place)
        if place.copy_of_it:
            yield from _behind(case, place) or _gaps(case, place)
    if not case.deployment.copies:
        yield _one_place(case)


def _silent(case: Case, place: PlaceSighting) -> Concern:
    kind = ConcernKind.COPY_UNREACHABLE if place.copy_of_it else ConcernKind.STORE_UNREACHABLE
    elsewhere = bool(case.points)
    bad = not (place.copy_of_it or elsewhere or case.new(place))
    return Concern(
        kind=kind,
        severity=Severity.CRITICAL if bad else Severity.WARNING,
        subject=place.url if place.copy_of_it else "",
        found=f"{began(shown(place))} cannot be read: {ended(str(place.problem))}",
        risk=_risk_of_silence(case, place),
        remedy=_remedy_of_silence(case, place),
        grace_seconds=GRACE.total_seconds(),
    )


def _risk_of_silence(case: Case, place: PlaceSighting) -> str:
    if place.copy_of_it:
        return "New backups do not get there; if the other places are lost too, nothing is left."
    if case.points:
        newest = case.points[0]
        return (
            f"No backup can be made. A restore would take the newest of a copy: {newest.name} of "
            f"{wording.moment(newest.started_at)}."
        )
    return "No backup can be made and none can be restored."


def _remedy_of_silence(case: Case, place: PlaceSighting) -> str:
    check = f"vectorizer-backup store check {case.address(place)}"
    if case.new(place):
        init = f"vectorizer-backup store init {case.address(place)} --deployment {case.deployment.name}"
        return f"If it is new, make it a store: {init}. If it is not, mount it or name the right one, and try: {check}"
    return f"Bring the disk, the share, the bucket or its credentials back; what works there says: {check}"


def _unreadable(place: PlaceSighting) -> Iterator[Concern]:
    if place.unreadable:
        number = wording.count(len(place.unreadable), "thing")
        lie = "lies" if len(place.unreadable) == 1 else "lie"
        yield Concern(
            kind=ConcernKind.MANIFEST_UNREADABLE,
            severity=Severity.WARNING,
            subject=place.url,
            found=f"In {shown(place)} {number} {lie} where manifests lie and cannot be read: "
            f"{wording.listing(place.unreadable, most=3)}.",
            risk="Backups whose manifest cannot be read are not seen by anything: not by a restore, not by a sync.",
            remedy="If a newer version of this product wrote it, use that one. If not, it is damaged: look at the disk "
            "or the bucket, and delete nothing yet. Where another place holds the backup, it is restored from there; "
            "where none does, `vectorizer-backup restore --archive FILE` reads the archive without any manifest.",
        )


def _behind(case: Case, place: PlaceSighting) -> tuple[Concern, ...]:
    waiting = _waiting(case, place)
    if not waiting:
        return ()
    allowed = parse_cron(case.terms.sync).longest_gap() + _COPYING + 2 * usual_length(case.points)
    first = max([waiting[-1].captured_at, *([place.created_at] if place.created_at else [])])
    if case.since(first) <= allowed:
        return ()
    here = newest_good(place)
    has = f"its newest is {here.name} of {wording.moment(here.started_at)}" if here else "it holds no good backup"
    lacking = wording.count(len(waiting), "newer good backup")
    behind = Concern(
        kind=ConcernKind.COPY_BEHIND,
        severity=Severity.WARNING,
        subject=place.url,
        found=f"{began(shown(place))} is behind: {has}, and it lacks {lacking} "
        f"({wording.listing((one.name for one in waiting), most=3)}) for {spoken(case.since(first))}; at most "
        f"{spoken(allowed)} was expected.",
        risk="If the other places are lost, so is what was written since then.",
        remedy=f"Look at the newest run of {case.dag('sync')} and trigger it again, or run: vectorizer-backup sync "
        f"--deployment {case.deployment.name}",
        since=first + allowed,
    )
    return (behind,)


def _gaps(case: Case, place: PlaceSighting) -> Iterator[Concern]:
    """Look whether the copy lacks older ones for longer than pruning waits: they go when a person says so, or never."""
    grace = case.deployment.retention.copy_grace
    known, kept = {one.name for one in place.backups}, case.sighting.primary.backups
    missing = [one for one in kept if one.good and one.name not in known and case.since(one.captured_at) > grace]
    if not missing or (place.created_at is not None and case.since(place.created_at) <= grace):
        return
    yield Concern(
        kind=ConcernKind.COPY_BEHIND,
        severity=Severity.WARNING,
        subject=place.url,
        found=f"{began(shown(place))} lacks {wording.count(len(missing), 'good backup')} that the primary store has "
        f"({wording.listing((one.name for one in missing), most=3)}) for more than {spoken(grace)}.",
        risk="If the primary store is lost, so are they. When they have had their time, somebody is asked whether they "
        "go without a copy.",
        remedy=f"Look at the newest run of {case.dag('sync')} and trigger it again, or run: vectorizer-backup sync "
        f"--deployment {case.deployment.name}",
    )


def _waiting(case: Case, place: PlaceSighting) -> list[BackupGlance]:
    """Give the good backups of other places that came after all that is here, newest first."""
    here = newest_good(place)
    known = {one.name for one in place.backups}
    points = [one for one in case.points if one.name not in known]
    return [one for one in points if here is None or one.started_at > here.started_at]


def _one_place(case: Case) -> Concern:
    url = case.sighting.primary.url
    return Concern(
        kind=ConcernKind.ONE_PLACE,
        severity=Severity.NOTE,
        found=f"All backups lie in one place, {url}.",
        risk="If that is lost, all of them are.",
        remedy="Name another store under `copies` in deployments.yaml.",
    )


def _clock(place: PlaceSighting) -> Iterator[Concern]:
    if place.clock_ahead is None or abs(place.clock_ahead) <= SMALL.total_seconds():
        return
    much = abs(place.clock_ahead) > CLOCK_TOLERANCE.total_seconds()
    yield clocks_apart(
        place.url, f"the clock of {shown(place)}", place.clock_ahead, Severity.CRITICAL if much else Severity.WARNING
    )


def clocks_apart(subject: str, whose: str, ahead: float, severity: Severity) -> Concern:
    """Say that a clock and ours differ."""
    way = "ahead of" if ahead > 0 else "behind"
    return Concern(
        kind=ConcernKind.CLOCKS_APART,
        severity=severity,
        subject=subject,
        found=f"{began(whose)} is {wording.duration(abs(ahead))} {way} this machine's; at most "
        f"{spoken(SMALL)} was expected.",
        risk="Leases, points in time and ages are told by clocks: two runs may think both that they are alone, and a "
        "backup may seem newer than it is.",
        remedy="Set both by NTP: `timedatectl` on each machine shows which one is wrong.",
    )


def _future(place: PlaceSighting) -> Iterator[Concern]:
    if place.future:
        yield Concern(
            kind=ConcernKind.CLOCKS_APART,
            severity=Severity.WARNING,
            subject=f"{place.url} (backups)",
            found=f"In {shown(place)} lie backups of the future: {wording.listing(place.future, most=3)}.",
            risk="They count as no recovery point, and no word and no time finds them, until their time has come.",
            remedy="Either the machine that made them had a wrong clock, or this one has: `timedatectl` on each shows "
            "which. Set both by NTP and make a new backup.",
        )
