"""From what stores hold to what freshness looks at. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from backup_engine import wording
from backup_engine.archive.manifest import Standing
from backup_engine.backup import Backup
from backup_engine.chain import by_name, lacking
from backup_engine.freshness.sighting import BackupGlance, RestoreGlance, StandbyGlance
from backup_engine.restore.lifecycle import KnownRestore
from backup_engine.standby.state import StandbyState


def glances(backups: Iterable[Backup], held: Iterable[Backup]) -> tuple[BackupGlance, ...]:
    """Look at backups, and at what they hang on.

    :param held: all that the place holds
    """
    known = by_name(held)
    return tuple(glance(one, lacking(one, known) or "") for one in backups)


def glance(backup: Backup, broken: str = "") -> BackupGlance:
    """Look at a backup as one place holds it.

    :param broken: what is wrong with what it hangs on; empty: nothing
    """
    outline = backup.outline
    return BackupGlance(
        name=backup.name,
        folder=backup.folder,
        kind=backup.kind,
        state=backup.state,
        whole_scope=outline.whole_scope,
        started_at=backup.started_at,
        captured_at=backup.captured_at,
        seconds=max(0.0, (backup.captured_at - backup.started_at).total_seconds()),
        vectors=outline.vectors,
        collections=outline.collections,
        moving=outline.moving,
        bytes=backup.bytes,
        verified_at=backup.verified_at,
        damaged=backup.damaged,
        left_out=outline.left_out,
        acknowledged=backup.acknowledgement is not None,
        broken=broken,
    )


def held_by(backup: Backup) -> frozenset[str]:
    """Name the collections that a restore of all of it brings back."""
    return frozenset(
        private.name
        for summary, private in backup.manifest.each()
        if summary.standing is not Standing.UNREADABLE and private.configuration is not None
    )


def glance_at_restore(known: KnownRestore, held: Collection[str] | None) -> RestoreGlance | None:
    """Look at a restore; None: it was not finished, or nothing was compared, so it proves nothing.

    :param held: what the backup holds; None: it is not there any more, and the request says whether all was meant
    """
    report = known.report
    if report is None or report.compared == 0:
        return None
    restored = {item.source for item in report.collections}
    asked_for_all = known.plan is not None and known.plan.request.collections is None
    from_nothing = sum(item.written for item in report.collections) >= report.vectors
    seconds = max(0.0, report.seconds)
    return RestoreGlance(
        restore_id=report.restore_id,
        backup=report.backup,
        finished_at=report.finished_at,
        seconds=seconds,
        vectors=report.vectors,
        rate=report.vectors / seconds if from_nothing and seconds > 0 else 0.0,
        whole=asked_for_all if held is None else restored >= set(held),
    )


def glance_at_standby(connection: str, state: StandbyState | None) -> StandbyGlance:
    """Look at what is known of the standby without asking it.

    :param state: None: nothing was ever brought to it
    """
    if state is None:
        return StandbyGlance(connection=connection, wrong=("nothing was brought to it yet",))
    wrong = [f"{one.name} is doubtful: {one.doubt}" for one in state.collections if one.doubt]
    if state.promoted is not None:
        wrong.append(f"{state.promoted.by} took it into service on {wording.moment(state.promoted.at)}")
    if state.comparison is not None:
        wrong += state.comparison.problems
    return StandbyGlance(connection=connection, backup=state.backup, started_at=state.started_at, wrong=tuple(wrong))
