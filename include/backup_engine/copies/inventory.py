"""What one place holds, so that several can be compared without asking them again."""

from __future__ import annotations

from dataclasses import dataclass

from backup_engine import wording
from backup_engine.archive.manifest import archive_key, sidecar_key
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.model import Clock
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import read_identity

_SIDECAR = ".json"


@dataclass(frozen=True, slots=True)
class HeldBackup:
    """A backup in one place.

    :param stored: bytes of its archive as the place lists it; None: it is missing
    """

    backup: Backup
    stored: int | None

    @property
    def problem(self) -> str | None:
        """Say what is wrong with it there; None: nothing that is known without reading it."""
        if self.stored is None:
            return "its archive is missing"
        if self.stored != self.backup.bytes:
            return f"its archive has {self.stored:,} of {wording.count(self.backup.bytes, 'byte')}"
        if self.backup.damaged:
            return f"it was found damaged on {wording.moment(self.backup.verifications[-1].at)}"
        return None

    @property
    def intact(self) -> bool:
        """Whether it can be copied from there."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one place holds.

    :param url: its address as it is opened, with connection and options
    :param unreadable: what lies where manifests lie and is none: a sentence each
    :param shown: its address for people; ``url`` when empty
    :param obstructed: names under which a manifest lies that nobody can read
    """

    url: str
    held: tuple[HeldBackup, ...] = ()
    unreadable: tuple[str, ...] = ()
    shown: str = ""
    store_id: str = ""
    deployment: str = ""
    obstructed: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """The address for people."""
        return self.shown or self.url


def take_inventory(url: str, store: Store, clock: Clock) -> Inventory:
    """Look what a place holds: one listing, and the manifests and records in it.

    :raises StoreNotInitialised: it is no store
    """
    identity = read_identity(store)
    catalog = Catalog(store, clock)
    held = tuple(
        HeldBackup(backup, catalog.sizes.get(archive_key(backup.folder, backup.name))) for backup in catalog.backups()
    )
    read = {sidecar_key(one.backup.folder, one.backup.name) for one in held}
    manifests = {key for key in catalog.sizes if key.endswith(_SIDECAR) and key.count("/") == 1}
    return Inventory(
        url=url,
        held=held,
        unreadable=catalog.unreadable,
        shown=store.url,
        store_id=identity.store_id,
        deployment=identity.deployment,
        obstructed=frozenset(key.rpartition("/")[2].removesuffix(_SIDECAR) for key in manifests - read),
    )
