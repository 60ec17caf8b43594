"""Restore points as tests look at them: what each holds, and stores that are thinned."""

from __future__ import annotations

from collections.abc import Iterable

from backup_engine.archive.batches import vectors_of
from backup_engine.archive.manifest import archive_key, sidecar_key
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.chain import bases_of, by_name
from backup_engine.model import Clock
from backup_engine.restore_point import RestorePoint, open_restore_point
from backup_engine.storage.contract import Store

Content = dict[str, tuple[bytes, str | None]]


def point_of(store: Store, clock: Clock, name: str) -> RestorePoint:
    """Open a backup with all that it hangs on."""
    known = by_name(Catalog(store, clock).backups())
    return open_restore_point(store, known[name], known)


def content_of(point: RestorePoint) -> dict[str, Content]:
    """What a restore of the point would give: by collection and id the bytes of the components and the payload."""
    return {point.manifest.name_of(summary.key): _rows(point, summary.key) for summary in _collections(point)}


def configurations_of(point: RestorePoint) -> dict[str, object]:
    return {point.manifest.name_of(summary.key): point.configuration(summary.key) for summary in _collections(point)}


def thin(store: Store, clock: Clock, kept: Iterable[str]) -> tuple[Backup, ...]:
    """Delete every backup but these and what they hang on, and give those that are left."""
    known = by_name(Catalog(store, clock).backups())
    wanted, more = set(), set(kept)
    while more:
        wanted |= more
        more = {base for name in more for base in bases_of(known[name])} - wanted
    for name, backup in known.items():
        if name not in wanted:
            store.delete([sidecar_key(backup.folder, name)])
            store.delete([archive_key(backup.folder, name)])
    return Catalog(store, clock).backups()


def _collections(point: RestorePoint):
    return point.manifest.clear.collections


def _rows(point: RestorePoint, key: str) -> Content:
    content: Content = {}
    for part in point.parts(key):
        columns = part.batch["id"].to_pylist(), vectors_of(part.batch), part.batch["payload"].to_pylist()
        for record_id, vector, payload in zip(*columns, strict=True):
            assert record_id not in content, "an id came twice"
            content[record_id] = (vector.astype("<f4").tobytes(), payload)
    return content
