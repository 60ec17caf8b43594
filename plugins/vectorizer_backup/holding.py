"""Whether a copy holds a backup: asked of its store, never of the tasks that should have brought it."""

from __future__ import annotations

from backup_engine.archive.documents import SIDECAR_BYTES
from backup_engine.archive.manifest import Folder, archive_key, sidecar_key
from backup_engine.errors import BackupError, ObjectNotFound
from backup_engine.storage.contract import Store, read_bytes
from vectorizer_backup.connecting import place_of


def lacking(folder: Folder, backup: str, primary: Store, root: str, deployment: str) -> str | None:
    """Tell why the copy at this root does not have the primary's backup; None if it has.

    Its manifest has to be the same to the byte and its archive as long as that says; what is in the archive was
    compared before the manifest was written there.
    """
    try:
        copy = place_of(root, deployment).store
    except BackupError as error:
        return f"{type(error).__name__}: {error}"
    try:
        wanted = read_bytes(primary, sidecar_key(folder, backup), limit=SIDECAR_BYTES)
        found = read_bytes(copy, sidecar_key(folder, backup), limit=SIDECAR_BYTES)
        sizes = [store.stat(archive_key(folder, backup)).size for store in (primary, copy)]
    except ObjectNotFound:
        return "it is not there"
    except BackupError as error:
        return f"{type(error).__name__}: {error}"
    return None if found == wanted and sizes[0] == sizes[1] else "another backup lies there under its name"
