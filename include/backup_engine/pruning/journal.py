"""What a store remembers of prunings: a report each under ``prunings/``, the newest of them."""

from __future__ import annotations

import re
from contextlib import suppress

from pydantic import ValidationError

from backup_engine.errors import HostileArchive, ObjectChanged, ObjectNotFound
from backup_engine.pruning.report import PruningReport
from backup_engine.storage.contract import Store, read_bytes

FOLDER = "prunings/"
PLANS = f"{FOLDER}plans/"
"""Where a plan waits for a person to agree."""

KEPT = 400
"""Reports: a year of daily ones."""

_LIMIT = 16 << 20  # bytes; ten thousand deleted backups have about 2 MiB
_REPORT = re.compile(r"prunings/\d{8}T\d{6}Z-[A-Za-z0-9._-]+\.json\Z")


class Journal:
    """One pruning's report, written when it begins and again as it goes on: one that died shows how far it came."""

    def __init__(self, store: Store, report: PruningReport, token: str) -> None:
        self._store = store
        self._key = f"{FOLDER}{report.began_at:%Y%m%dT%H%M%SZ}-{token}.json"
        self._version = store.create(self._key, [_written(report)]).version

    def keep(self, report: PruningReport) -> None:
        """Write what it has come to by now."""
        with suppress(ObjectChanged):  # somebody removed it: the deletions count, not the report of them
            self._version = self._store.replace(self._key, _written(report), version=self._version).version


def prunings(store: Store, *, most: int = KEPT) -> tuple[PruningReport, ...]:
    """Read the newest reports, newest first; one that cannot be read is passed over."""
    keys = sorted((info.key for info in store.list(FOLDER) if _REPORT.match(info.key)), reverse=True)
    return tuple(report for key in keys[:most] if (report := _read(store, key)) is not None)


def forget_old(store: Store) -> None:
    """Delete reports beyond the newest."""
    keys = sorted((info.key for info in store.list(FOLDER) if _REPORT.match(info.key)), reverse=True)
    store.delete(keys[KEPT:])


def _read(store: Store, key: str) -> PruningReport | None:
    try:
        return PruningReport.model_validate_json(read_bytes(store, key, limit=_LIMIT))
    except (ObjectNotFound, ValidationError, HostileArchive):
        return None


def _written(report: PruningReport) -> bytes:
    return report.model_dump_json().encode()
