"""What retention decided: every backup is in exactly one of the three lists."""

from __future__ import annotations

from backup_engine.archive.manifest import BackupKind, Folder
from backup_engine.model import Document, Moment


class Kept(Document):
    """A backup that stays.

    :param reasons: all of them, a phrase each: "first of 2026-11-22 (day 3 of 30)", "pinned by anna until …: …"
    """

    name: str
    folder: Folder
    kind: BackupKind
    captured_at: Moment
    bytes: int
    reasons: tuple[str, ...]


class LetGo(Document):
    """A backup that goes.

    :param reason: the rule that let it go, a phrase
    :param run_key: of the run that made it: another one under its name is not meant
    :param fingerprint: of its manifest
    :param asks: why a person has to agree to it, a sentence; None: nobody has to
    """

    name: str
    folder: Folder
    kind: BackupKind
    captured_at: Moment
    bytes: int
    run_key: str
    fingerprint: str
    reason: str
    asks: str | None = None


class Quarantined(Document):
    """What is reported, never counted and never deleted.

    :param key: where it lies
    :param reason: what is wrong with it, a sentence
    """

    key: str
    reason: str


class RetentionPlan(Document):
    """What a store keeps and lets go of.

    :param store: its address for people
    :param made_at: when the catalog it was made from was read
    :param anchor: captured when: the newest good backup, from which ages are counted; None: there is none, nothing goes
    :param keep: newest first
    :param delete: in the order in which they go: what hangs on others before these
    :param questions: why a person has to agree before any of it goes, a sentence each; empty: nobody has to
    """

    deployment: str
    store: str
    store_id: str
    made_at: Moment
    anchor: Moment | None
    keep: tuple[Kept, ...] = ()
    delete: tuple[LetGo, ...] = ()
    quarantine: tuple[Quarantined, ...] = ()
    questions: tuple[str, ...] = ()

    @property
    def kept_bytes(self) -> int:
        """Of all archives that stay."""
        return sum(one.bytes for one in self.keep)

    @property
    def freed_bytes(self) -> int:
        """Of all archives that go."""
        return sum(one.bytes for one in self.delete)
