"""Six weeks in which all is well, from the hour the store was made on: nobody is ever called."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from backup_engine.archive.manifest import BackupKind, BackupState, Folder
from backup_engine.cron import Cron, parse_cron
from backup_engine.deployment import Deployment
from backup_engine.freshness.concerns import Severity
from backup_engine.freshness.judging import judge
from backup_engine.freshness.measuring import measured
from backup_engine.freshness.sighting import BackupGlance, DagSighting, PlaceSighting, ServerSighting, Sighting
from tests.freshness.sightings import COPY, PRIMARY, deployment

BEGAN = datetime(2026, 11, 3, 9, 17, tzinfo=UTC)
LOOK = timedelta(minutes=125)
"""No day is looked at where the one before was: in 25 of them every five minutes are."""


@dataclass
class World:
    """What lies where, while time goes by.

    :param reading: how long a run reads; waiting, committing, verifying and copying take about as long again
    :param growth: vectors more each day
    """

    of: Deployment
    reading: timedelta
    growth: float
    chance: random.Random
    vectors: float = 200_000.0
    primary: list[BackupGlance] = field(default_factory=list)
    copied_at: dict[str, datetime] = field(default_factory=dict)

    def step(self, due: datetime) -> None:
        """Make an increment, of what a thousandth of the reading brings."""
        began = due + timedelta(seconds=self.chance.randint(10, 40))
        made = BackupGlance(
            name=f"backup-{due:%Y%m%d-%H%M%S}",
            folder=Folder.INCREMENTAL,
            kind=BackupKind.INCREMENTAL,
            state=BackupState.GOOD,
            whole_scope=True,
            started_at=began,
            captured_at=began + self.reading,
            seconds=self.reading.total_seconds(),
            vectors=int(self.vectors),
            collections=3,
            moving=0,
            bytes=int(self.vectors * 0.4),
            verified_at=began + self.reading + timedelta(seconds=self.chance.randint(2, 20)),
            damaged=False,
        )
        self.primary.append(made)
        self.copied_at[made.name] = made.captured_at + timedelta(minutes=3)

    def back_up(self, due: datetime) -> None:
        began = due + timedelta(seconds=self.chance.randint(20, 600))
        captured = began + self.reading
        verified = captured + self.reading / 2 + timedelta(seconds=self.chance.randint(5, 300))
        self.vectors *= 1 + self.growth
        made = BackupGlance(
            name=f"backup-{due:%Y%m%d-%H%M}",
            folder=Folder.DAILY,
            kind=BackupKind.FULL,
            state=BackupState.GOOD,
            whole_scope=True,
            started_at=began,
            captured_at=captured,
            seconds=self.reading.total_seconds(),
            vectors=int(self.vectors),
            collections=3,
            moving=1,
            bytes=int(self.vectors * 400),
            verified_at=verified,
            damaged=False,
        )
        self.primary.append(made)
        self.copied_at[made.name] = verified + self.reading / 2

    def prune(self, at: datetime) -> None:
        """Keep thirty days, and of older ones the Sundays."""
        self.primary = [
            one for one in self.primary if at - one.captured_at < timedelta(days=30) or one.captured_at.weekday() == 6
        ]

    def reverify(self, at: datetime) -> None:
        old = timedelta(days=1)
        self.primary = [
            one.model_copy(update={"verified_at": at}) if at - one.captured_at > old else one for one in self.primary
        ]

    def look(self, at: datetime, dags: tuple[DagSighting, ...]) -> Sighting:
        there_by = [one for one in self.primary if one.captured_at + self.reading / 2 <= at]
        here = [self._as_seen(one, at) for one in sorted(there_by, key=lambda one: one.captured_at)]
        there = [one for one in here if self.copied_at[one.name] <= at]
        places = [self._place(PRIMARY, here), *([self._place(COPY, there)] if self.of.copies else [])]
        server = ServerSighting(
            url="http://vectors:15002",
            version="3.5.0",
            collections=3,
            vectors=int(self.vectors),
            capture_bytes=int(self.vectors * 2_000),
            clock_ahead=self.chance.uniform(-3, 3),
        )
        return Sighting(at=at, deployment=self.of.name, places=tuple(places), server=server, dags=dags)

    def _as_seen(self, one: BackupGlance, at: datetime) -> BackupGlance:
        return one if one.verified_at and one.verified_at <= at else one.model_copy(update={"verified_at": None})

    def _place(self, url: str, held: list[BackupGlance]) -> PlaceSighting:
        return PlaceSighting(
            url=url,
            copy_of_it=url != PRIMARY,
            created_at=BEGAN,
            backups=tuple(reversed(held)),
            bytes=sum(one.bytes + 5_000 for one in held),
            free_bytes=50_000_000_000,
            clock_ahead=self.chance.uniform(-3, 3) if held else None,
        )


def times(cron: Cron, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every time of the schedule in between."""
    found = cron.latest(end)
    every = []
    while found is not None and found > start:
        every.append(found)
        found = cron.latest(found - timedelta(minutes=1))
    return reversed(every)


def told(world: World, days: int) -> list[str]:
    """All that somebody would be called for."""
    terms, end = world.of.terms, BEGAN + timedelta(days=days)
    full, verification = parse_cron(terms.full), parse_cron(terms.verification)
    fulls = [*times(full, BEGAN, end)]
    weekly = [*times(verification, BEGAN, end)]
    steps = [*times(parse_cron(terms.incremental), BEGAN, end)] if terms.incremental else []
    measures, found, at = {}, [], BEGAN
    while at < end:
        while fulls and fulls[0] <= at:
            world.back_up(fulls.pop(0))
            world.prune(at)
        while steps and steps[0] <= at:
            world.step(steps.pop(0))
        while weekly and weekly[0] <= at:
            world.reverify(weekly.pop(0))
        due = full.latest(at)
        dag = DagSighting(dag_id="d", purpose="full_backup", due=due, made=due is not None and due > BEGAN)
        seen = world.look(at, (dag,))
        measures = measured(measures, seen)
        for one in judge(world.of, seen, measures).concerns:
            if one.severity is not Severity.NOTE and one.grace_seconds == 0:
                found.append(f"{at}: {one.key}: {one.found}")
        at += LOOK
    return found


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize(
    ("terms", "reading", "growth"),
    [
        ({"tier": "production", "rpo": "24h"}, timedelta(minutes=3), 0.01),
        ({"tier": "production", "rpo": "26h"}, timedelta(minutes=40), 0.0),
        ({"tier": "development", "rpo": "7d"}, timedelta(hours=2), 0.3),
        ({"tier": "critical", "rpo": "2h", "schedule": {"full": "0 * * * *"}}, timedelta(minutes=10), 0.001),
        ({"tier": "critical", "schedule": {"incremental": "*/10 * * * *"}}, timedelta(seconds=90), 0.01),
        ({"tier": "production", "rpo": "72h", "schedule": {"full": "0 2 * * mon-fri"}}, timedelta(hours=1), -0.01),
    ],
    ids=["daily", "slow", "weekly", "hourly", "continuous", "weekdays"],
)
def test_while_all_is_well_nobody_is_called(terms, reading, growth, copies) -> None:
    chance = random.Random(7)  # noqa: S311 - weeks that are the same each time
    world = World(deployment(copies=copies, **terms), reading, growth, chance)
    days = 20 if "0 * * * *" in str(terms) else 3 if "incremental" in terms.get("schedule", ()) else 45
    assert told(world, days) == []
    assert world.primary, "a month without a backup would be no month in which all is well"


def test_the_same_weeks_without_backups_call_somebody() -> None:
    chance = random.Random(7)  # noqa: S311
    world = World(deployment(rpo="24h"), timedelta(minutes=3), 0.0, chance)
    world.back_up = lambda due: None
    calls = told(world, 3)
    assert calls
    assert "2026-11-04 09:47" < calls[0] < "2026-11-04 12"
    assert "recovery-point-old" in calls[0]
