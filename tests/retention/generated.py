"""Histories that hypothesis makes up: fulls, incrementals, junk, gaps, several at one instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupState
from backup_engine.backup import Backup
from backup_engine.records import Record
from backup_engine.retention.policy import IncrementalRetention, Policy, Slots
from tests.retention.histories import delta, full, looked, pin, proof

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2027, 12, 31, tzinfo=UTC)
"""Four years with a leap day, a week 53, and eight changes of the clocks."""

_ODD: tuple[dict[str, object], ...] = (
    {"state": BackupState.PARTIAL},
    {"state": BackupState.SUSPECT},
    {"whole_scope": False},
)

instants = st.datetimes(BEGIN.replace(tzinfo=None), END.replace(tzinfo=None), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)
near = st.integers(0, 60 * 24 * 60).map(lambda minutes: END - timedelta(minutes=minutes))
"""The last two months, where rules meet."""

zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12"])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    daily, weekly, monthly = draw(st.tuples(*[st.integers(0, 12)] * 3).filter(any))
    return Policy(
        slots=Slots(daily=daily, weekly=weekly, monthly=monthly),
        zone=draw(zones),
        floor=timedelta(hours=draw(st.integers(0, 48))),
        set_aside=timedelta(days=draw(st.integers(0, 14))),
        chosen=timedelta(days=draw(st.integers(0, 40))),
        incremental=IncrementalRetention(
            all_for=timedelta(hours=draw(st.integers(0, 48))),
            every=timedelta(hours=draw(st.sampled_from([1, 2, 8, 24]))),
            thinned_for=timedelta(days=draw(st.integers(2, 40))),
        ),
    )


@st.composite
def histories(draw: st.DrawFn, *, junk: bool = True) -> list[Backup]:
    """Up to forty backups; those that hang on others hang on older ones."""
    times = sorted(draw(st.lists(st.one_of(instants, near), max_size=40)))
    made: list[Backup] = []
    for number, at in enumerate(times):
        made.append(draw(_one(f"b{number:02d}", at, [one for one in made if one.captured_at < at], junk=junk)))
    return made


@st.composite
def _one(draw: st.DrawFn, name: str, at: datetime, older: list[Backup], *, junk: bool) -> Backup:
    records = draw(_records(at))
    if older and draw(st.booleans()):
        base = draw(st.sampled_from(older[-5:]))
        return delta(name, at, base, *records, number=draw(st.integers(1, 20)))
    if junk and draw(st.integers(0, 5)) == 0:
        odd = draw(
            st.sampled_from([{"state": BackupState.PARTIAL}, {"state": BackupState.SUSPECT}, {"whole_scope": False}])
        )
        return full(name, at, *records, **odd)
    return full(name, at, *records)


@st.composite
def _records(draw: st.DrawFn, at: datetime) -> list[Record]:
    found: list[Record] = []
    if draw(st.booleans()):
        found.append(looked(at + timedelta(minutes=5), passed=draw(st.integers(0, 9)) > 0))
    if draw(st.integers(0, 4)) == 0:
        found.append(proof(at + timedelta(minutes=9)))
    if draw(st.integers(0, 9)) == 0:
        found.append(pin(at, at + timedelta(days=draw(st.integers(1, 400)))))
    return found


def elsewhere(at: datetime, hours: int) -> datetime:
    """The same instant, written in another zone."""
    return at.astimezone(timezone(timedelta(hours=hours)))
