"""What a policy comes to over years, before anybody trusts it: the real planner, on what schedules would make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from backup_engine.archive.manifest import BackupKind, BackupState, Folder, Sidecar
from backup_engine.backup import Backup
from backup_engine.cron import parse_cron
from backup_engine.model import Document, Moment
from backup_engine.outline import HangsOn, Outline
from backup_engine.retention.planning import Setting, plan_retention
from backup_engine.retention.policy import Policy

_DAY = timedelta(days=1)
BANDS = (
    ("the last day", _DAY),
    ("to a week", 7 * _DAY),
    ("to 30 days", 30 * _DAY),
    ("to 12 weeks", 84 * _DAY),
    ("to a year", 366 * _DAY),
    ("older", timedelta(days=36500)),
)
"""Ages that people ask about, each up to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What happens.

    :param full: cron schedule of fulls, UTC
    :param incremental: cron schedule of incrementals, UTC; None: none are made
    :param full_bytes: of a full's archive
    :param increment_bytes: of an incremental's
    :param step: how often is pruned; what is left does not depend on it, the time it takes does. The product prunes
        after every day's full
    """

    policy: Policy
    full: str
    incremental: str | None
    full_bytes: int
    increment_bytes: int
    begin: datetime
    end: datetime
    step: timedelta = timedelta(days=7)


class Sample(Document):
    """What is there after a pruning."""

    at: Moment
    fulls: int
    incrementals: int
    bytes: int

    @property
    def backups(self) -> int:
        """Of both kinds."""
        return self.fulls + self.incrementals


class Band(Document):
    """Which points in time can be reached, among those of one age.

    :param largest_gap: seconds that lie between two neighbouring points at most; None: there are fewer than two
    """

    age: str
    points: int
    largest_gap: float | None


class Simulation(Document):
    """How it went.

    :param samples: oldest first
    :param oldest: how far back one could reach in the end, seconds
    """

    slots: str
    samples: tuple[Sample, ...]
    bands: tuple[Band, ...]
    oldest: float

    @property
    def most(self) -> Sample:
        """The sample of most bytes."""
        return max(self.samples, key=lambda one: (one.bytes, one.at))


def simulate(course: Course) -> Simulation:
    """Make backups by the schedules, prune them by the policy, and look what is left."""
    there: list[Backup] = []
    samples: list[Sample] = []
    setting = Setting(deployment="simulation", store="simulation", store_id="simulation")
    coming = _backups(course)
    following = next(coming, None)
    at = course.begin
    while at < course.end:
        at = min(at + course.step, course.end)
        while following is not None and following.captured_at < at:
            there.append(following)
            following = next(coming, None)
        names = {one.name for one in plan_retention(there, course.policy, at, setting).keep}
        there = [one for one in there if one.name in names]
        samples.append(_sample(there, at))
    ages = sorted(course.end - one.captured_at for one in there)
    return Simulation(
        slots=str(course.policy.slots),
        samples=tuple(samples),
        bands=tuple(_bands(ages)),
        oldest=max(ages, default=timedelta(0)).total_seconds(),
    )


def _backups(course: Course) -> Iterator[Backup]:
    """Give what the schedules make: an incremental hangs on the one its number without the lowest bit names."""
    times = [(at, BackupKind.FULL) for at in parse_cron(course.full).between(course.begin, course.end)]
    if course.incremental is not None:
        between = parse_cron(course.incremental).between(course.begin, course.end)
        fulls = {at for at, _ in times}
        times += [(at, BackupKind.INCREMENTAL) for at in between if at not in fulls]
    chain: list[Backup] = []
    for at, kind in sorted(times):
        if kind is BackupKind.FULL:
            chain = [_made(at, course.full_bytes, None, 0)]
        elif chain:
            number = len(chain)
            chain.append(_made(at, course.increment_bytes, chain[number & (number - 1)], number))
        else:
            continue
        yield chain[-1]


def _made(at: datetime, size: int, base: Backup | None, number: int) -> Backup:
    name = f"backup-{at:%Y%m%d-%H%M%S}"
    on = () if base is None else (HangsOn(folder=base.folder, name=base.name, run_key=base.name),)
    outline = Outline(
        folder=Folder.INCREMENTAL if base else Folder.DAILY,
        name=name,
        kind=BackupKind.INCREMENTAL if base else BackupKind.FULL,
        state=BackupState.GOOD,
        whole_scope=True,
        deployment="simulation",
        store_id="simulation",
        run_key=name,
        started_at=at,
        captured_at=at,
        vectors=1,
        stored=1,
        collections=1,
        number=number,
        bases=on,
        bytes=size,
        fingerprint=name,
    )
    return Backup(outline, sidecar=_nothing)


def _nothing() -> Sidecar:
    raise AssertionError("a simulated backup has no manifest")


def _sample(there: Sequence[Backup], at: datetime) -> Sample:
    fulls = sum(one.kind is BackupKind.FULL for one in there)
    return Sample(at=at, fulls=fulls, incrementals=len(there) - fulls, bytes=sum(one.bytes for one in there))


def _bands(ages: Sequence[timedelta]) -> Iterator[Band]:
    """Tell for each band how many points lie in it and how far apart they are, the next younger one included."""
    younger = timedelta(0)
    for name, limit in BANDS:
        inside = [age for age in ages if younger <= age < limit]
        before = [age for age in ages if age < younger][-1:]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise([*before, *inside])]
        yield Band(age=name, points=len(inside), largest_gap=max(gaps, default=None))
        younger = limit
