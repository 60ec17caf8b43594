"""The backup a run has made already."""

from __future__ import annotations

from backup_engine.archive.manifest import Sidecar
from backup_engine.archive.reading import load_sidecar
from backup_engine.capture import staging
from backup_engine.errors import ObjectNotFound
from backup_engine.names import Place, pointer_key
from backup_engine.storage.contract import Store


def backup_of_run(store: Store, run_key: str) -> Sidecar | None:
    """Follow the run's pointer; None while the run has made no backup.

    The pointer says which name the run wants: another run may have been faster, so only the manifest tells.
    """
    try:
        place = staging.load(store, pointer_key(run_key), Place)
        found = load_sidecar(store, place.folder, place.name)
    except ObjectNotFound:
        return None
    return found if found.manifest.clear.run_key == run_key else None
