"""A backup as its manifest and its records state it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from backup_engine.archive.manifest import ArchiveFacts, BackupKind, BackupState, Folder, Manifest, Sidecar
from backup_engine.outline import Outline, fingerprint_of, outline_of
from backup_engine.records import (
    Acknowledgement,
    Copied,
    Pin,
    Proof,
    Record,
    Unpin,
    UnreadableRecord,
    Verification,
    VerificationLevel,
    Withdrawal,
)


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup, in short; its manifest is fetched when somebody asks for it.

    :param records: oldest first
    :param sidecar: gives the manifest and what is said of the archive, the same each time
    """

    outline: Outline
    records: tuple[Record | UnreadableRecord, ...] = ()
    sidecar: Callable[[], Sidecar] = field(kw_only=True, compare=False, repr=False)

    @classmethod
    def of(
        cls, manifest: Manifest, archive: ArchiveFacts, records: tuple[Record | UnreadableRecord, ...] = ()
    ) -> Backup:
        """Make one of what is at hand."""
        sidecar = Sidecar(manifest=manifest, archive=archive)
        outline = outline_of(sidecar, fingerprint_of(sidecar.model_dump_json().encode()))
        return cls(outline, records, sidecar=lambda: sidecar)

    @property
    def manifest(self) -> Manifest:
        """All that was written down when it was committed.

        :raises ObjectNotFound: it is not there any more
        :raises DamagedArchive: it is not what it was when the catalog was read
        """
        return self.sidecar().manifest

    @property
    def archive(self) -> ArchiveFacts:
        """The archive as stored; raises as ``manifest`` does."""
        return self.sidecar().archive

    @property
    def folder(self) -> Folder:
        """Where it lies."""
        return self.outline.folder

    @property
    def name(self) -> str:
        """Unique in its store, whatever the folder."""
        return self.outline.name

    @property
    def kind(self) -> BackupKind:
        """Full or incremental."""
        return self.outline.kind

    @property
    def started_at(self) -> datetime:
        """When reading began."""
        return self.outline.started_at

    @property
    def captured_at(self) -> datetime:
        """When reading ended."""
        return self.outline.captured_at

    @property
    def bytes(self) -> int:
        """Size of the archive."""
        return self.outline.bytes

    @property
    def acknowledgement(self) -> Acknowledgement | None:
        """Who accepted it although it was suspect, and why."""
        return next((record for record in self.records if isinstance(record, Acknowledgement)), None)

    @property
    def state(self) -> BackupState:
        """Its standing now: as committed, but an acknowledged suspect one is good. A partial one stays partial."""
        committed = self.outline.state
        return BackupState.GOOD if committed is BackupState.SUSPECT and self.acknowledgement else committed

    @property
    def verifications(self) -> tuple[Verification, ...]:
        """Every verification of it in this store, oldest first."""
        return tuple(record for record in self.records if isinstance(record, Verification))

    @property
    def damaged(self) -> bool:
        """The last verification, at whatever level, found it damaged."""
        last = next((record for record in reversed(self.records) if isinstance(record, Verification)), None)
        return last is not None and not last.passed

    @property
    def verified_at(self) -> datetime | None:
        """When every byte of it was last found right; None when it never was, or was found damaged since."""
        passed = [one.at for one in self.verifications if one.passed and one.level is VerificationLevel.FULL]
        return passed[-1] if passed and not self.damaged else None

    @property
    def proven_at(self) -> datetime | None:
        """When all of it was last restored and compared; None when it never was, or was found damaged since."""
        proofs = [record.at for record in self.records if isinstance(record, Proof)]
        return proofs[-1] if proofs and not self.damaged else None

    @property
    def pin(self) -> Pin | None:
        """The pin that was put on it last, unless somebody took it off again; whether it has ended is not looked at."""
        said = [record for record in self.records if isinstance(record, Pin | Unpin)]
        return said[-1] if said and isinstance(said[-1], Pin) else None

    @property
    def withdrawal(self) -> Withdrawal | None:
        """That it is about to be deleted: nothing may be built on it any more."""
        return next((record for record in self.records if isinstance(record, Withdrawal)), None)

    @property
    def copies(self) -> tuple[Copied, ...]:
        """Where else it lies, as this store knows: the newest word for each store, oldest first."""
        newest = {record.store_id: record for record in self.records if isinstance(record, Copied)}
        return tuple(sorted(newest.values(), key=lambda record: (record.at, record.store_id)))

    @property
    def good_whole(self) -> bool:
        """Good, and of the deployment's whole scope: what slots, bases and words are for."""
        return self.state is BackupState.GOOD and self.outline.whole_scope
