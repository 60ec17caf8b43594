"""A backup as its manifest and its records state it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backup_engine.archive.manifest import ArchiveFacts, BackupKind, BackupState, Folder, Manifest
from backup_engine.records import Acknowledgement, Copied, Record, UnreadableRecord, Verification, VerificationLevel


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup as manifest and records state it.

    :param records: oldest first
    """

    folder: Folder
    manifest: Manifest
    archive: ArchiveFacts
    records: tuple[Record | UnreadableRecord, ...] = ()

    @property
    def name(self) -> str:
        """Unique in its store, whatever the folder."""
        return self.manifest.clear.name

    @property
    def kind(self) -> BackupKind:
        """Full or incremental."""
        return self.manifest.clear.kind

    @property
    def started_at(self) -> datetime:
        """When reading began."""
        return self.manifest.clear.started_at

    @property
    def captured_at(self) -> datetime:
        """When reading ended."""
        return self.manifest.clear.captured_at

    @property
    def bytes(self) -> int:
        """Size of the archive."""
        return self.archive.bytes

    @property
    def acknowledgement(self) -> Acknowledgement | None:
        """Who accepted it although it was suspect, and why."""
        return next((record for record in self.records if isinstance(record, Acknowledgement)), None)

    @property
    def state(self) -> BackupState:
        """Its standing now: as committed, but an acknowledged suspect one is good. A partial one stays partial."""
        committed = self.manifest.clear.state
        return BackupState.GOOD if committed is BackupState.SUSPECT and self.acknowledgement else committed

    @property
    def verifications(self) -> tuple[Verification, ...]:
        """Every verification of it in this store, oldest first."""
        return tuple(record for record in self.records if isinstance(record, Verification))

    @property
    def damaged(self) -> bool:
        """The last verification, at whatever level, found it damaged."""
        return bool(self.verifications) and not self.verifications[-1].passed

    @property
    def verified_at(self) -> datetime | None:
        """When every byte of it was last found right; None when it never was, or was found damaged since."""
        passed = [one.at for one in self.verifications if one.passed and one.level is VerificationLevel.FULL]
        return passed[-1] if passed and not self.damaged else None

    @property
    def copies(self) -> tuple[Copied, ...]:
        """Where else it lies, as this store knows: the newest word for each store, oldest first."""
        newest = {record.store_id: record for record in self.records if isinstance(record, Copied)}
        return tuple(sorted(newest.values(), key=lambda record: (record.at, record.store_id)))

    @property
    def good_whole(self) -> bool:
        """Good, and of the deployment's whole scope: what slots, bases and words are for."""
        return self.state is BackupState.GOOD and self.manifest.clear.whole_scope
