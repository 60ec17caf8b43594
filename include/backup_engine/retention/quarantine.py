"""What is reported, never counted and never deleted: nobody knows what it is, or it says what cannot be. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from backup_engine import wording
from backup_engine.archive.manifest import Folder, archive_key, records_prefix, sidecar_key
from backup_engine.backup import Backup
from backup_engine.retention.plan import Quarantined

TOLERANCE = timedelta(minutes=5)
"""A backup captured later than now by more than this is from the future."""

_FOLDERS = tuple(f"{folder.value}/" for folder in Folder)


def quarantined(
    backups: Sequence[Backup], sizes: Mapping[str, int], deployment: str, unreadable: Sequence[str], now: datetime
) -> tuple[tuple[Backup, ...], tuple[Quarantined, ...]]:
    """Separate what retention decides about from what it leaves alone.

    :param sizes: bytes of every object in the folders of backups, by key
    :param deployment: whose store it is
    :param unreadable: what the catalog says of manifests that nobody can read
    :return: what is decided about, and what is not
    """
    times = Counter(one.name for one in backups)
    doubts = [(one, _doubt(one, sizes, deployment, now, times)) for one in backups]
    strange = [
        *(Quarantined(key=sidecar_key(one.folder, one.name), reason=why) for one, why in doubts if why),
        *(Quarantined(key=said.partition(": ")[0], reason=said.partition(": ")[2] or said) for said in unreadable),
    ]
    known = {one.key for one in strange}
    foreign = (one for one in _foreign(backups, sizes) if one.key not in known)
    return tuple(one for one, why in doubts if why is None), (*strange, *foreign)


def _doubt(
    backup: Backup, sizes: Mapping[str, int], deployment: str, now: datetime, times: Mapping[str, int]
) -> str | None:
    outline, size = backup.outline, sizes.get(archive_key(backup.folder, backup.name))
    if outline.captured_at > now + TOLERANCE:
        return f"it says that it was captured {wording.moment(outline.captured_at)}, which is to come"
    if outline.deployment != deployment:
        return f"it is a backup of deployment {outline.deployment[:80]!r}, and this is a store of {deployment!r}"
    if outline.started_at > outline.captured_at:
        return "it says that it ended before it began"
    if size is None:
        return "its archive is missing"
    if size != outline.bytes:
        return f"its archive has {size:,} bytes, and its manifest says {outline.bytes:,}"
    return "another backup has the same name in another folder" if times[backup.name] > 1 else None


def _foreign(backups: Sequence[Backup], sizes: Mapping[str, int]) -> Iterator[Quarantined]:
    files = {key for one in backups for key in (archive_key(one.folder, one.name), sidecar_key(one.folder, one.name))}
    folders = {records_prefix(one.folder, one.name) for one in backups}
    for key in sorted(sizes):
        own = key in files or f"{key.rpartition('/')[0]}/" in folders
        if not own and key.startswith(_FOLDERS):
            yield Quarantined(key=key, reason="it belongs to no backup that can be read here")
