"""Where a backup lies and what it is called: decided once, when it is committed, from the time it was captured.

Fulls are stored once, in the highest folder they qualify for. Times decide, in UTC; no date is ever read back from a
name. Only good fulls of the whole scope take slots: everything else is called after its second, in ``daily/``, so that
it never holds a name a good one would get.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import count

from backup_engine.archive.manifest import BackupKind, BackupState, Clear, Folder
from backup_engine.model import Document, Moment
from backup_engine.outline import Outline


class Place(Document):
    """A backup's folder and name."""

    folder: Folder
    name: str


class Reservation(Document):
    """What ``names/<name>`` says: which run holds the name, and what it will put there.

    :param takes_slot: a good full of the whole scope: it stands for its month, its week and its day
    """

    run_key: str
    folder: Folder
    captured_at: Moment
    takes_slot: bool


def reservation_key(name: str) -> str:
    """Where a name is reserved."""
    return f"names/{name}"


def pointer_key(run_key: str) -> str:
    """Where a run's backup is looked up; its content is a ``Place``."""
    return f"names/runs/{run_key}.json"


def takes_slot(said: Clear | Outline) -> bool:
    """Tell whether a backup stands for its month, its week and its day."""
    return said.kind is BackupKind.FULL and said.state is BackupState.GOOD and said.whole_scope


def place_backup(
    captured_at: datetime, *, slot: bool, held: Iterable[datetime], taken: Collection[str] = frozenset()
) -> Place:
    """Decide folder and name of a full backup.

    :param captured_at: when its reading ended, UTC
    :param slot: it is a good full of the whole scope
    :param held: when the other backups that take slots were captured, UTC
    :param taken: names it cannot have
    """
    wanted = _wanted(captured_at, [*held]) if slot else iter(())
    named = (place for place in wanted if place.name not in taken)
    return next(named, None) or next(place for place in _by_second(captured_at) if place.name not in taken)


def place_incremental(captured_at: datetime, taken: Collection[str] = frozenset()) -> Place:
    """Decide the name of an incremental: always after its second.

    :param captured_at: when its reading ended, UTC
    :param taken: names it cannot have
    """
    places = (Place(folder=Folder.INCREMENTAL, name=place.name) for place in _by_second(captured_at))
    return next(place for place in places if place.name not in taken)


def _wanted(captured_at: datetime, held: list[datetime]) -> Iterator[Place]:
    if not any((other.year, other.month) == (captured_at.year, captured_at.month) for other in held):
        yield Place(folder=Folder.MONTHLY, name=f"backup-{captured_at:%Y%m}")
    if not any(_week(other) == _week(captured_at) for other in held):
        yield Place(folder=Folder.WEEKLY, name=f"backup-{captured_at:%Y%m%d}")
    if not any(other.date() == captured_at.date() for other in held):
        yield Place(folder=Folder.DAILY, name=f"backup-{captured_at:%Y%m%d}")


def _by_second(captured_at: datetime) -> Iterator[Place]:
    name = f"backup-{captured_at:%Y%m%d-%H%M%S}"
    yield Place(folder=Folder.DAILY, name=name)
    for number in count(2):
        yield Place(folder=Folder.DAILY, name=f"{name}-{number}")


def _week(moment: datetime) -> tuple[int, int]:
    year, week, _ = moment.isocalendar()
    return year, week
