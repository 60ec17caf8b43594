"""Did backups or stores grow or shrink as they should not, and is there room? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from statistics import median

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind
from backup_engine.freshness.case import Case, began, shown
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from backup_engine.freshness.measures import Measure
from backup_engine.freshness.points import newest_good, usual_length
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting

_FULLS = 14  # two weeks of them: what is normal again after a week is believed
_FEWEST = 3  # fulls that make a habit
_GREW, _SHRANK = 3.0, 0.5
_OWN_MEASURE = 1.5  # more or fewer bytes a vector than before by this factor are not told by the vectors
_MATTERS = 100_000_000  # bytes
_VECTORS_MATTER = 1_000

_WEEK = timedelta(days=7)
_VANISHED = 3  # backups
_MANY = 50  # backups: so many are told of even where most are left
_FILLED = 1_000_000_000  # bytes
_FULLS_A_DAY = 5
_ROOM = 2  # further backups that there is to be room for
_WORKING = timedelta(hours=1)  # a run needs room that it gives back


def judge_sizes(case: Case) -> Iterator[Concern]:
    """Say what grew or shrank oddly, and what is nearly full."""
    yield from _newest_full(case)
    for place in case.answering:
        yield from _vanished(case, place)
        yield from _filled(case, place)
        yield from _room(case, place)


def _newest_full(case: Case) -> Iterator[Concern]:
    """Measure the newest full by those before it, since a person last said that what is missing is meant to be gone."""
    fulls = [one for one in case.points if one.kind is BackupKind.FULL]
    since = [*takewhile(lambda one: not one.acknowledged, fulls)]
    fulls = fulls[: len(since) + 1]
    newest, earlier = fulls[:1], fulls[1 : 1 + _FULLS]
    if len(earlier) < _FEWEST:
        return
    vectors, size = median(one.vectors for one in earlier), median(one.bytes for one in earlier)
    if newest[0].bytes > _GREW * size and newest[0].bytes - size > _MATTERS:
        yield _grown(case, newest[0], earlier, vectors, size)
    fewer = newest[0].vectors < _SHRANK * vectors and vectors - newest[0].vectors >= _VECTORS_MATTER
    smaller = newest[0].bytes < _SHRANK * size and size - newest[0].bytes > _MATTERS
    if fewer or smaller:
        yield _shrunk(case, newest[0], earlier, vectors, size)


def _grown(case: Case, newest: BackupGlance, earlier: Sequence[BackupGlance], vectors: float, size: float) -> Concern:
    by_vectors = newest.vectors / vectors if vectors else 0.0
    explained = newest.bytes / size <= _OWN_MEASURE * by_vectors
    return Concern(
        kind=ConcernKind.STORE_GREW,
        severity=Severity.NOTE if explained else Severity.WARNING,
        found=_compared(newest, earlier, vectors, size),
        risk="The store fills faster than it was planned for, and a restore takes longer.",
        remedy="If much was loaded on purpose, all is well. If not, look what the server holds: a loader that runs "
        f"twice under new ids, payloads that grew. Then look at the room in {case.sighting.primary.url}.",
    )


def _shrunk(case: Case, newest: BackupGlance, earlier: Sequence[BackupGlance], vectors: float, size: float) -> Concern:
    return Concern(
        kind=ConcernKind.STORE_SHRANK,
        severity=Severity.NOTE if _left_out_on_purpose(newest, earlier) else Severity.WARNING,
        found=_compared(newest, earlier, vectors, size),
        risk="What is missing is only in older backups, and these are deleted one after the other as they grow old.",
        remedy="If it was deleted on purpose, all is well. If not, find what is missing: vectorizer-backup show "
        f"{newest.name} and show {earlier[0].name}, both with --deployment {case.deployment.name}; and restore it.",
    )


def _left_out_on_purpose(newest: BackupGlance, earlier: Sequence[BackupGlance]) -> bool:
    return newest.left_out > min(one.left_out for one in earlier)


def _compared(newest: BackupGlance, earlier: Sequence[BackupGlance], vectors: float, size: float) -> str:
    return (
        f"The newest full backup, {newest.name}, has {wording.size(newest.bytes)} and "
        f"{wording.count(newest.vectors, 'vector')}; the {len(earlier)} before it had {wording.size(size)} and "
        f"{wording.count(round(vectors), 'vector')} (median)."
    )


def _vanished(case: Case, place: PlaceSighting) -> Iterator[Concern]:
    """Look whether backups went that no pruning took."""
    held = [(one.backups - _pruned(place, one.at), one) for one in _recent(case, place) if one.backups]
    expected, most = max(held, key=lambda one: (one[0], one[1].at), default=(0, None))
    left = len(place.backups)
    gone = expected - left
    if most is None or gone < max(1, min(_VANISHED, expected)) or (left > expected / 2 and gone < _MANY):
        return
    pruned = most.backups - expected
    but = f", of which {pruned:,} were pruned" if pruned else ""
    yield Concern(
        kind=ConcernKind.STORE_SHRANK,
        severity=Severity.WARNING if left else Severity.CRITICAL,
        subject=place.url,
        found=f"{began(shown(place))} holds {wording.count(left, 'backup')}; on "
        f"{wording.moment(most.at)} it held {most.backups:,} ({wording.size(most.bytes)}, now "
        f"{wording.size(place.bytes)}){but}.",
        risk="Points in time that were promised cannot be restored any more, and what took them may take the others.",
        remedy="If somebody cleaned up by hand, all is well. If not, stop what deletes there (a "
        "bucket's lifecycle rule, a script, a person), and bring them back from a place that has them: "
        f"vectorizer-backup sync --deployment {case.deployment.name} --direction both",
    )


def _pruned(place: PlaceSighting, since: datetime) -> int:
    return sum(one.deleted for one in place.prunings if one.at >= since)


def _filled(case: Case, place: PlaceSighting) -> Iterator[Concern]:
    """Look whether a place grew within a day by more than a day's backups; one that is being made first fills so."""
    largest = max((one.bytes for one in place.backups), default=0)
    young = place.created_at is None or case.since(place.created_at) < _WEEK
    before = [one for one in _recent(case, place) if case.since(one.at) <= timedelta(days=2) and one.backups]
    if young or not before:
        return
    grown = place.bytes - before[0].bytes
    if grown <= max(_FILLED, before[0].bytes, _FULLS_A_DAY * largest):
        return
    yield Concern(
        kind=ConcernKind.STORE_GREW,
        severity=Severity.WARNING,
        subject=place.url,
        found=f"{began(shown(place))} grew by {wording.size(grown)} since {wording.moment(before[0].at)}: "
        f"{wording.size(before[0].bytes)} and {wording.count(before[0].backups, 'backup')} then, "
        f"{wording.size(place.bytes)} and {wording.count(len(place.backups), 'backup')} now.",
        risk="When it is full, no backup can be made.",
        remedy="Look what makes backups so often (runs triggered by a loop, a schedule that was changed), and what "
        f"lies there that belongs to none: vectorizer-backup list --deployment {case.deployment.name}",
    )


def _recent(case: Case, place: PlaceSighting) -> list[Measure]:
    return [one for one in case.measures.get(place.url, ()) if case.since(one.at) <= _WEEK and one.at <= case.at]


def _room(case: Case, place: PlaceSighting) -> Iterator[Concern]:
    if place.free_bytes is None:
        return
    newest = newest_good(place) or next(iter(case.points), None)
    each = newest.bytes if newest else 0
    next_one = each if place.copy_of_it else max(case.sighting.server.capture_bytes or 0, each)
    wanted = next_one + _ROOM * each
    if place.free_bytes >= wanted:
        return
    refused = place.free_bytes < next_one
    yield Concern(
        kind=ConcernKind.STORE_NEARLY_FULL,
        severity=Severity.CRITICAL if refused and not place.copy_of_it else Severity.WARNING,
        subject=place.url,
        found=f"{began(shown(place))} has {wording.size(place.free_bytes)} free; at least "
        f"{wording.size(wanted)} was expected: the next backup asks for {wording.size(next_one)}, and later ones keep "
        f"{wording.size(each)} each.",
        risk="The next backup is refused before it begins." if refused else "Soon backups are refused.",
        remedy="Give it more room. Or see what lies there: vectorizer-backup list --deployment "
        f"{case.deployment.name}, and keep fewer.",
        grace_seconds=(_WORKING + 2 * usual_length(case.points)).total_seconds(),
    )
