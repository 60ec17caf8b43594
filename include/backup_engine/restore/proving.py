"""The proof that a backup can be restored: all of it was, and was compared there."""

from __future__ import annotations

from contextlib import suppress

from backup_engine.archive.manifest import Manifest
from backup_engine.archive.reading import load_sidecar
from backup_engine.errors import ObjectExists, ObjectNotFound
from backup_engine.records import Proof, write_record
from backup_engine.restore.plan import Action, RestorePlan
from backup_engine.restore.report import RestoreReport
from backup_engine.storage.contract import Store


def keep_proof(plan: RestorePlan, report: RestoreReport, manifest: Manifest, store: Store) -> None:
    """Note beside the backup that it was restored, if all that it holds was, and nothing differed. Again is fine.

    :param manifest: of what was restored
    :param store: nothing is noted unless that backup lies there
    """
    clear = manifest.clear
    if not proves(plan, report, manifest):
        return
    try:
        if load_sidecar(store, clear.folder, clear.name).manifest != manifest:
            return
    except ObjectNotFound:  # it was restored from elsewhere, or is deleted by now
        return
    record = Proof(
        at=report.finished_at,
        token=report.restore_id,
        restore_id=report.restore_id,
        server=report.server_url,
        vectors=report.compared,
        seconds=report.seconds,
    )
    with suppress(ObjectExists):  # an earlier attempt at this restore wrote it
        write_record(store, clear.folder, clear.name, record)


def proves(plan: RestorePlan, report: RestoreReport, manifest: Manifest) -> bool:
    """Tell whether a restore put back every record of every collection, and found each of them equal.

    One that merged proves nothing: what the server had already may stand for what was not written.
    """
    clear = manifest.clear
    restored = {item.key for item in plan.collections if item.action is not Action.MERGE}
    whole = restored == {one.key for one in clear.collections}
    left_behind = sum(one.left_behind for one in report.collections)
    return whole and not left_behind and report.vectors == report.compared == clear.vectors
