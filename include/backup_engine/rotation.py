"""Which backups to read again, so that in the long run all of them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backup_engine import wording
from backup_engine.backup import Backup
from backup_engine.records import VerificationLevel


@dataclass(frozen=True, slots=True)
class Choice:
    """A backup and why it is its turn."""

    backup: Backup
    reason: str


def choose_for_verification(backups: Sequence[Backup], count: int) -> tuple[Choice, ...]:
    """Choose the newest verified backup, which the next restore would use, then those unread for longest.

    A backup counts as read when every byte of it was looked at last, right or wrong, and before that when it was
    captured.

    :param backups: newest first
    :param count: how many at most
    """
    newest = next((backup for backup in backups if backup.good_whole and backup.verified_at), None)
    first = [Choice(newest, "the newest verified backup: what a restore would use now")] if newest else []
    others = sorted((backup for backup in backups if backup is not newest), key=lambda one: (last_read(one), one.name))
    rest = [Choice(backup, f"unread since {wording.moment(last_read(backup))}") for backup in others]
    return tuple([*first, *rest][:count])


def last_read(backup: Backup) -> datetime:
    """Tell when every byte of it was last read."""
    reads = [one.at for one in backup.verifications if one.level is VerificationLevel.FULL]
    return max([backup.captured_at, *reads])
