"""Committing a capture: at any instruction the backup is fully there or not there, and every retry converges."""

from __future__ import annotations

from collections.abc import Sequence

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind, BackupState, Folder, Manifest
from backup_engine.capture import staging
from backup_engine.capture.made import backup_of_run
from backup_engine.catalog import Catalog
from backup_engine.chain import Backups, by_name
from backup_engine.commit.chains import broken_chains
from backup_engine.commit.freezing import Frozen, freeze, load_frozen
from backup_engine.commit.joining import write_backup
from backup_engine.commit.placing import reserve_place
from backup_engine.errors import CaptureRefused, DamagedArchive, ObjectNotFound, StoreDenied
from backup_engine.model import Clock, Document, Moment
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import read_identity


class Committed(Document):
    """The backup that a run made.

    :param bytes: size of the archive
    :param reasons: why the state is not good
    :param left_over: why staging may not be swept; None when it was
    """

    name: str
    folder: Folder
    kind: BackupKind
    state: BackupState
    whole_scope: bool
    collections: int
    vectors: int
    bytes: int
    reasons: tuple[str, ...]
    started_at: Moment
    captured_at: Moment
    left_over: str | None = None


def commit_capture(plan_key: str, result_keys: Sequence[str], store: Store, clock: Clock) -> Committed:
    """Make the run's backup of what its streams left in staging, or find the one it has made.

    :param plan_key: where the plan lies
    :param result_keys: where each stream's result lies, in any order
    :raises RestoreMeanwhile: a restore ran meanwhile; the run may begin again, with another plan
    :raises ChainBrokenMeanwhile: what it was compared with went meanwhile; likewise
    :raises CaptureRefused: results are missing, or staging was swept
    :raises NothingToBackUp: not a single record was read, and that was not allowed
    """
    read_identity(store)
    run_key = staging.run_of(plan_key)
    made = _find(store, run_key) or _make(plan_key, result_keys, store, clock)
    try:
        staging.sweep(store, run_key)
    except StoreDenied as error:  # the backup is there, and trying again would not help
        return made.model_copy(update={"left_over": str(error)})
    return made


def _make(plan_key: str, result_keys: Sequence[str], store: Store, clock: Clock) -> Committed:
    """Write the backup, unless another worker of this run does so meanwhile and sweeps what this one works from."""
    try:
        return _write(plan_key, result_keys, store, clock)
    except (ObjectNotFound, DamagedArchive, CaptureRefused) as error:
        made = _find(store, staging.run_of(plan_key))
        if made is not None:
            return made
        if isinstance(error, ObjectNotFound):
            raise CaptureRefused(f"what this run left in staging is gone ({error}); start a new run") from error
        raise


def _write(plan_key: str, result_keys: Sequence[str], store: Store, clock: Clock) -> Committed:
    run_key = staging.run_of(plan_key)
    catalog = Catalog(store, clock)
    own, last = catalog.by_run(run_key), catalog.newest_good()
    if own is not None:
        return _committed(own.manifest, own.bytes)
    backups, newest = by_name(catalog.backups()), last.manifest if last else None
    frozen = _frozen_before(store, run_key, backups) or freeze(plan_key, result_keys, store, clock, newest, backups)
    place = reserve_place(store, run_key, frozen.commit, (one.outline for one in catalog.backups()))
    write_backup(store, frozen, place)
    made = _find(store, run_key)
    if made is None:
        raise DamagedArchive(
            f"{store.url}: the manifest of {place.name} was written, and is not there; check the store"
        )
    return made


def _frozen_before(store: Store, run_key: str, backups: Backups) -> Frozen | None:
    """Give what an earlier attempt froze. Its name may be reserved already, so this run makes that backup or none."""
    frozen = load_frozen(store, run_key)
    if frozen is not None and (broken := broken_chains(frozen.results, backups)):
        raise CaptureRefused(
            f"an earlier attempt of this run began to commit, and {wording.listing(broken)}; start a new run"
        )
    return frozen


def _find(store: Store, run_key: str) -> Committed | None:
    made = backup_of_run(store, run_key)
    return _committed(made.manifest, made.archive.bytes) if made is not None else None


def _committed(manifest: Manifest, size: int) -> Committed:
    clear = manifest.clear
    return Committed(
        name=clear.name,
        folder=clear.folder,
        kind=clear.kind,
        state=clear.state,
        whole_scope=clear.whole_scope,
        collections=len(clear.collections),
        vectors=clear.vectors,
        bytes=size,
        reasons=manifest.private.reasons,
        started_at=clear.started_at,
        captured_at=clear.captured_at,
    )
