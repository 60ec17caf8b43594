"""The manifest: the immutable record that makes an archive a backup, and the sidecar that says where things lie.

``docs/format.md`` explains every field to somebody without this code; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

from pydantic import Field

from backup_engine.model import CollectionConfiguration, Document, Moment, ReadWay

FORMAT_NAME = "vectorizer-backup"
FORMAT_VERSION = 1


class BackupKind(StrEnum):
    """What a backup holds of each collection."""

    FULL = "full"
    INCREMENTAL = "incremental"


class BackupState(StrEnum):
    """What the commit found. Only good ones of the whole scope take slots or serve as base."""

    GOOD = "good"
    PARTIAL = "partial"
    SUSPECT = "suspect"


class Folder(StrEnum):
    """Where a backup lies: the highest folder it qualified for when it was committed."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    INCREMENTAL = "incremental"


class Standing(StrEnum):
    """How much of a collection was read, and how surely.

    * whole: all of it, at one moment or while nothing moved
    * fuzzy: all of it, while it moved; the window is recorded
    * incomplete: less than the server counted; what there was is kept
    * unreadable: nothing
    """

    WHOLE = "whole"
    FUZZY = "fuzzy"
    INCOMPLETE = "incomplete"
    UNREADABLE = "unreadable"


class Content(StrEnum):
    """What a backup itself holds of a collection.

    * whole: all its records
    * delta: what changed since the state of ``base``, and what was deleted
    * same: nothing: its state is that of ``base``
    """

    WHOLE = "whole"
    DELTA = "delta"
    SAME = "same"


class Base(Document):
    """The collection in the backup that holds the rest of it, or all of it; never one that is itself only the same.

    :param run_key: of the run that made that backup: another one under its name is not meant
    :param key: the collection's key there
    :param state_digest: of the collection's state there
    """

    folder: Folder
    name: str
    run_key: str
    key: str
    state_digest: str


class Entry(Document):
    """One file in the archive, as ``tar -x`` gives it. Sizes in bytes."""

    name: str
    bytes: int = Field(ge=0)
    sha256: str


class StoredEntry(Document):
    """Where that file lies in the archive: one gzip member, at ``offset``."""

    name: str
    offset: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str


class Window(Document):
    """While a fuzzy collection was read: from when to when, and the counts the server gave meanwhile."""

    started_at: Moment
    ended_at: Moment
    lowest: int
    highest: int


class CollectionSummary(Document):
    """What scheduling, retention and incrementals need to know of a collection, without its name.

    :param key: "c0001"; ties the clear and the private part together
    :param vectors: records of the collection's state: what a restore gives, whatever of it lies here
    :param counted: records the server counted when reading ended
    :param state_digest: BLAKE2b-256, hex, over the sorted rows of digests.parquet; "" when unreadable
    :param content: how much of that lies here
    :param base: where the rest lies; None when all of it lies here
    :param number: how many deltas were made of it since it was stored whole, this one included; 0: whole
    :param upserts: records stored here, where ``content`` is a delta
    :param deletions: records of the base that are gone
    :param read_at: when its records were last read, if not by this capture
    :param coded_parts: how many of the parts hold SQ8 codes instead of floats
    :param way: the interface of the server that its records were read from
    """

    key: str
    standing: Standing
    content: Content = Content.WHOLE
    base: Base | None = None
    number: int = Field(default=0, ge=0)
    upserts: int = Field(default=0, ge=0)
    deletions: int = Field(default=0, ge=0)
    read_at: Moment | None = None
    vectors: int
    counted: int
    dimension: int
    created_at: str
    updated_at: str
    configuration_sha256: str
    state_digest: str
    coded_parts: int = 0
    window: Window | None = None
    way: ReadWay = ReadWay.SCROLL
    entries: tuple[Entry, ...]

    @property
    def stored(self) -> int:
        """Records that lie in the parts here."""
        return {Content.WHOLE: self.vectors, Content.DELTA: self.upserts, Content.SAME: 0}[self.content]


class PrivateCollection(Document):
    """What is nobody's business without the key.

    :param irregular: ids of records with components the server gave as null (the first thousand)
    :param irregular_count: how many there are
    :param problem: why the collection is not whole, for people
    :param notes: what the way it was read may have changed or left behind, and which settings are unknown, for people
    """

    key: str
    name: str
    configuration: CollectionConfiguration | None
    irregular: tuple[str, ...] = ()
    irregular_count: int = 0
    problem: str | None = None
    notes: tuple[str, ...] = ()


class LeftOut(Document):
    """A collection that the server listed and the backup does not hold, and why."""

    name: str
    reason: str


class ServerVersion(Document):
    """The server a backup was taken from. ``started_at`` is our clock minus its uptime."""

    version: str
    started_at: Moment | None


class Clear(Document):
    """The part that stays readable when backups are encrypted.

    :param whole_scope: the deployment's whole scope was captured, not a chosen subset
    :param run_key: the run that made it; at most one good backup a run
    :param started_at: when reading began: decides the RPO
    :param captured_at: when reading ended: decides name, folder, and what a time finds
    :param allowed_empty: it holds no vector at all, and whoever asked for it said that this is fine
    :param restore_fencing: number of the server's last restore when reading began; None: not recorded
    :param synthesized_from: name of the incremental whose state this full is, made without the server; None: captured
    """

    name: str
    folder: Folder
    kind: BackupKind
    state: BackupState
    deployment: str
    store_id: str
    run_key: str
    whole_scope: bool
    started_at: Moment
    captured_at: Moment
    product_version: str
    server: ServerVersion
    allowed_empty: bool = False
    restore_fencing: int | None = None
    synthesized_from: str | None = None
    collections: tuple[CollectionSummary, ...]

    @property
    def vectors(self) -> int:
        """Records in all collections."""
        return sum(collection.vectors for collection in self.collections)


class Private(Document):
    """The part that is encrypted when the deployment encrypts.

    :param reasons: why the state is not good, for people
    :param dropped: collections that vanished from the server while it was read
    :param remarks: what was decided about it, for people: why an incremental became a full, what was stored whole
    :param acknowledged: names that somebody declared unreadable; they do not make a backup partial
    """

    label: str | None
    server_url: str
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    collections: tuple[PrivateCollection, ...]
    left_out: tuple[LeftOut, ...] = ()
    dropped: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    aliases: dict[str, str] = {}


class Manifest(Document):
    """manifest.json, the last file in the archive, and the sidecar's first half.

    :param keys: ids of the keys needed to read it; empty: not encrypted
    :param signed_by: id of the key that signed it, if any
    """

    format: Literal["vectorizer-backup"] = "vectorizer-backup"
    version: Literal[1] = 1
    keys: tuple[str, ...] = ()
    signed_by: str | None = None
    clear: Clear
    private: Private

    def each(self) -> Iterator[tuple[CollectionSummary, PrivateCollection]]:
        """Give both parts of each collection, whatever order they are listed in."""
        private = {item.key: item for item in self.private.collections}
        return ((summary, private[summary.key]) for summary in self.clear.collections)

    def name_of(self, key: str) -> str:
        """Tell the collection's name."""
        return next(item.name for item in self.private.collections if item.key == key)

    def key_of(self, name: str) -> str | None:
        """Tell the collection's key, or None if the backup does not hold it."""
        return next((item.key for item in self.private.collections if item.name == name), None)


class ArchiveFacts(Document):
    """The archive as stored: its entries in order, end to end, README.txt and manifest.json included."""

    bytes: int
    entries: tuple[StoredEntry, ...]


class Sidecar(Document):
    """``<name>.json`` beside the archive: written last, deleted first. No sidecar, no backup."""

    manifest: Manifest
    archive: ArchiveFacts


def archive_key(folder: Folder, name: str) -> str:
    """Where the archive lies."""
    return f"{folder.value}/{name}.tar.gz"


def sidecar_key(folder: Folder, name: str) -> str:
    """Where the manifest lies."""
    return f"{folder.value}/{name}.json"


def records_prefix(folder: Folder, name: str) -> str:
    """Where its records lie."""
    return f"{folder.value}/{name}.records/"
