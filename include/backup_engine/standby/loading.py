"""Load whole collections to the standby: a restore like any other, that can stop anywhere and be gone on with."""

from __future__ import annotations

from collections.abc import Sequence

from backup_engine.errors import ComparisonFailed, InvalidInput, RestoreRefused, Unsupported
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.journal import StoreJournal
from backup_engine.restore.lifecycle import release_restore
from backup_engine.restore.planning import prepare_restore
from backup_engine.restore.report import RestoreReport
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.restore_point import RestorePoint
from backup_engine.run_key import run_key
from backup_engine.standby.party import Party
from backup_engine.standby.plan import PlannedChange
from backup_engine.standby.state import Loading, StandbyState, StateFile


def load_collections(
    party: Party,
    file: StateFile,
    point: RestorePoint,
    changes: Sequence[PlannedChange],
    *,
    in_place: bool = False,
    keep_replaced: bool = False,
) -> RestoreReport:
    """Load collections whole, or go on with that.

    :param in_place: compare what is there, and write what differs; the server keeps a snapshot of what it was
    :param keep_replaced: keep what was replaced aside on the server, until somebody releases the restore
    :raises RestoreRefused: the standby cannot take them; the next attempt plans anew
    :raises ComparisonFailed: it does not hold what it was given
    """
    loading = _begin(party, file, point.name, tuple(sorted(one.name for one in changes)))
    request = RestoreRequest(
        restore_id=loading.restore_id,
        backup=point.name,
        collections=loading.collections,
        mode=RestoreMode.REPLACE,
        in_place=in_place,
    )
    try:
        report = _restore(party, request, point)
    except (RestoreRefused, ComparisonFailed, Unsupported, InvalidInput):
        _note(file, loading.model_copy(update={"given_up": True}))
        raise
    if not keep_replaced:
        _release(party, loading.restore_id)
    return report


def loaded(file: StateFile) -> None:
    """Forget a restore that is done and noted."""
    _note(file, None)


def _restore(party: Party, request: RestoreRequest, point: RestorePoint) -> RestoreReport:
    return execute_restore(
        prepare_restore(request, point.manifest, party.server, party.store),
        point,
        party.server,
        party.store,
        party.clock,
        owner=party.owner,
        progress=party.progress,
        temporary=party.temporary,
        lease=party.restore_lease,
    )


def _begin(party: Party, file: StateFile, backup: str, names: tuple[str, ...]) -> Loading:
    """Go on with the restore that was begun, if it is the same; what another one left aside goes."""
    state = _known(file)
    begun = state.loading
    if begun is not None and not begun.given_up and (begun.backup, begun.collections) == (backup, names):
        return begun
    if begun is not None and StoreJournal(party.store, begun.restore_id).started():
        _release(party, begun.restore_id)
    parts = (party.standby, backup, str(state.runs), party.clock().isoformat(), *names)
    loading = Loading(backup=backup, restore_id=run_key("standby", *parts)[:12], collections=names)
    _note(file, loading)
    return loading


def _note(file: StateFile, loading: Loading | None) -> None:
    file.write(_known(file).model_copy(update={"loading": loading}))


def _release(party: Party, restore_id: str) -> None:
    release_restore(restore_id, party.server, party.store, party.clock, party.owner, lease=party.restore_lease)


def _known(file: StateFile) -> StandbyState:
    if file.state is None:
        raise AssertionError("what a standby holds is written down before anything is brought to it")
    return file.state
