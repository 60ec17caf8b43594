"""Pins: somebody's word that a backup stays, whatever the retention says."""

from __future__ import annotations

from datetime import datetime

from backup_engine import wording
from backup_engine.backup import Backup
from backup_engine.errors import InvalidInput
from backup_engine.model import Clock
from backup_engine.records import Pin, Unpin, write_record
from backup_engine.storage.contract import Store


def pin_backup(store: Store, backup: Backup, *, until: datetime, why: str, by: str, clock: Clock, token: str) -> Pin:
    """Keep a backup, and all it hangs on, until then; a later pin takes the place of an earlier one.

    :raises InvalidInput: the time is past, no reason is given, or the backup is about to be deleted
    """
    now = clock()
    if until <= now:
        raise InvalidInput(f"{backup.name}: a pin until {wording.moment(until)} has ended already; give a later time")
    if not why.strip():
        raise InvalidInput(f"{backup.name}: say why it is pinned; the reason is kept with the backup")
    if backup.withdrawal:
        raise InvalidInput(f"{backup.name} is about to be deleted since {wording.moment(backup.withdrawal.at)}")
    record = Pin(at=now, token=token, by=by, why=why, until=until)
    write_record(store, backup.folder, backup.name, record)
    return record


def unpin_backup(store: Store, backup: Backup, *, by: str, clock: Clock, token: str) -> Unpin:
    """Take a pin off; from then on the retention decides again.

    :raises InvalidInput: it is not pinned
    """
    now = clock()
    if backup.pin is None or backup.pin.until <= now:
        raise InvalidInput(f"{backup.name} is not pinned; nothing was changed")
    record = Unpin(at=now, token=token, by=by)
    write_record(store, backup.folder, backup.name, record)
    return record
