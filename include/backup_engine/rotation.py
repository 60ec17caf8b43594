"""Which backups to read again, so that in the long run all of them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind
from backup_engine.backup import Backup
from backup_engine.chain import all_bases, by_name
from backup_engine.records import VerificationLevel


@dataclass(frozen=True, slots=True)
class Choice:
    """A backup and why it is its turn."""

    backup: Backup
    reason: str


def choose_for_verification(backups: Sequence[Backup], count: int) -> tuple[Choice, ...]:
    """Choose the newest verified backup, which the next restore would use, with all it hangs on; then those unread for
    longest.

    A backup counts as read when every byte of it was looked at last, right or wrong, and before that when it was
    captured. Incrementals have turns of their own: they are many and small, and would keep fulls from theirs.

    :param backups: newest first
    :param count: how many fulls at most, and how many incrementals; what the newest verified one hangs on is chosen
        whatever the count
    """
    newest = next((backup for backup in backups if backup.good_whole and backup.verified_at), None)
    first = _with_bases(newest, backups) if newest else []
    chosen = {choice.backup.name for choice in first}
    waiting = sorted(
        (backup for backup in backups if backup.name not in chosen), key=lambda one: (last_read(one), one.name)
    )
    rest = [
        choice
        for kind in BackupKind
        for choice in [Choice(one, _unread(one)) for one in waiting if one.kind is kind][
            : max(0, count - _of(first, kind))
        ]
    ]
    return (*first, *rest)


def last_read(backup: Backup) -> datetime:
    """Tell when every byte of it was last read."""
    reads = [one.at for one in backup.verifications if one.level is VerificationLevel.FULL]
    return max([backup.captured_at, *reads])


def _with_bases(newest: Backup, backups: Sequence[Backup]) -> list[Choice]:
    bases = reversed(all_bases(newest, by_name(backups)))
    return [
        Choice(newest, "the newest verified backup: what a restore would use now"),
        *(Choice(base, f"{newest.name} hangs on it, the newest verified backup") for base in bases),
    ]


def _unread(backup: Backup) -> str:
    return f"unread since {wording.moment(last_read(backup))}"


def _of(choices: Sequence[Choice], kind: BackupKind) -> int:
    return sum(choice.backup.kind is kind for choice in choices)
