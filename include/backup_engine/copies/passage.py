"""One backup between two stores: what each of them has of it, and the single steps that change that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from backup_engine.archive.documents import SIDECAR_BYTES, parse_sidecar
from backup_engine.archive.manifest import ArchiveFacts, Folder, Sidecar, archive_key, sidecar_key
from backup_engine.capture import staging
from backup_engine.copies.passing import checked, metered
from backup_engine.errors import DamagedArchive, InvalidInput, LeaseHeld, ObjectExists, ObjectNotFound
from backup_engine.lease import HeldLease, acquire
from backup_engine.model import Clock, Progress
from backup_engine.names import Place, Reservation, pointer_key, reservation_key, takes_slot
from backup_engine.records import Copied, Record, UnreadableRecord, Verification, read_records
from backup_engine.storage.contract import ObjectInfo, Store, read_bytes
from backup_engine.storage.identity import StoreIdentity, read_identity

_CLEARING = timedelta(minutes=2)  # a look and two deletions, with a slow store's retries


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A backup on its way.

    :param content: of the source's manifest, byte for byte
    """

    folder: Folder
    name: str
    source: Store
    target: Store
    source_id: str
    target_id: str
    content: bytes
    sidecar: Sidecar
    clock: Clock
    token: str
    progress: Progress

    @property
    def facts(self) -> ArchiveFacts:
        """What the archive has to be."""
        return self.sidecar.archive

    @property
    def archive(self) -> str:
        """The archive's key, in both stores."""
        return archive_key(self.folder, self.name)

    @property
    def manifest(self) -> str:
        """The manifest's key, in both stores."""
        return sidecar_key(self.folder, self.name)

    def arrived(self) -> bool:
        """Tell whether the target has the manifest.

        :raises ObjectExists: it has another one there
        """
        try:
            found = read_bytes(self.target, self.manifest, limit=SIDECAR_BYTES)
        except ObjectNotFound:
            return False
        if found != self.content:
            raise ObjectExists(
                f"{self.target.url}/{self.manifest} is another backup than {self.source.url}/{self.manifest}; nothing "
                "was changed. Look at both; to keep both, copy to a root of its own"
            )
        return True

    def recorded(self) -> bool:
        """Tell whether one of the two says that the other has it."""
        return self._says(self.source, self.target_id) or self._says(self.target, self.source_id)

    def found(self) -> ObjectInfo | None:
        """Describe what lies where the target's archive belongs."""
        try:
            return self.target.stat(self.archive)
        except ObjectNotFound:
            return None

    def check_size(self) -> None:
        """Make sure that the target's archive has its length.

        :raises DamagedArchive: it has not, or is missing
        """
        found = self.found()
        if found is None or found.size != self.facts.bytes:
            what = "is missing" if found is None else f"has {found.size:,} bytes"
            raise DamagedArchive(
                f"{self.target.url}/{self.archive} {what}, {self.facts.bytes:,} bytes were expected, and a manifest "
                "calls it a backup: `sync` puts it right"
            )

    def reserve(self) -> None:
        """Take the name at the target, as a commit does: nobody else makes a backup of this name there from now on.

        :raises ObjectExists: another run has it
        """
        clear = self.sidecar.manifest.clear
        key, wanted = (
            reservation_key(self.name),
            Reservation(
                run_key=clear.run_key, folder=self.folder, captured_at=clear.captured_at, takes_slot=takes_slot(clear)
            ),
        )
        try:
            staging.keep(self.target, key, wanted)
        except ObjectExists as error:
            if staging.load(self.target, key, Reservation).run_key != clear.run_key:
                raise ObjectExists(
                    f"{self.target.url}/{key} holds the name for another run, which makes another backup of it or "
                    "died over it; nothing was changed. If no run is at work there, delete that object and copy again"
                ) from error
        with suppress(ObjectExists):  # the run wrote it itself, or an earlier attempt at this copy did
            staging.keep(self.target, pointer_key(clear.run_key), Place(folder=self.folder, name=self.name))

    def read_source(self, step: str) -> Iterator[bytes]:
        """Stream the source's archive, entry by entry as the manifest says.

        :raises DamagedArchive: it is not
        """
        return self._stream(self.source, step)

    def compare(self) -> int:
        """Read the target's archive whole; give its bytes.

        :raises DamagedArchive: it is not what the manifest says
        :raises ObjectNotFound: it is not there
        """
        return sum(len(chunk) for chunk in self._stream(self.target, "compare copy"))

    def write_manifest(self) -> None:
        """Make it a backup.

        :raises ObjectExists: the target holds another backup under this name
        :raises LeaseHeld: another worker takes away what it had there
        """
        try:
            self.target.create(self.manifest, [self.content])
        except ObjectExists as error:
            if not self.arrived():
                raise LeaseHeld(
                    f"{self.target.url}/{self.manifest} was there and is gone: another worker replaces it; try again"
                ) from error

    def clear(self, seen: ObjectInfo) -> None:
        """Delete an archive that is no backup's, if it is still the one that was seen.

        :raises LeaseHeld: another worker deletes there now
        """
        with self._clearing() as held:
            found = self.found()
            if found is None or found.version != seen.version or self._has_manifest():
                return
            held.check()
            self.target.delete([self.archive])

    def withdraw(self) -> None:
        """Take the target's damaged backup away, manifest first; one that somebody put right meanwhile stays.

        :raises LeaseHeld: another worker deletes there now
        """
        with self._clearing() as held:
            if not self.arrived() or not self.target_damaged():
                return
            found = self.found()
            held.check()
            self.target.delete([self.manifest])
            if found is not None:  # one that comes from here on is another worker's, and right
                self.target.delete([self.archive])

    def target_damaged(self) -> bool:
        """Tell whether the target's archive is missing, short, or was found damaged when it was last verified."""
        found = self.found()
        return found is None or found.size != self.facts.bytes or self.target_doubted()

    def target_doubted(self) -> bool:
        """Tell whether the target's last verification failed."""
        verifications = [one for one in self._records(self.target) if isinstance(one, Verification)]
        return bool(verifications) and not verifications[-1].passed

    def _says(self, store: Store, other: str) -> bool:
        return any(isinstance(record, Copied) and record.store_id == other for record in self._records(store))

    def _records(self, store: Store) -> tuple[Record | UnreadableRecord, ...]:
        return read_records(store, self.folder, self.name)

    def _stream(self, store: Store, step: str) -> Iterator[bytes]:
        chunks = checked(store.read(self.archive), self.facts, f"{store.url}/{self.archive}")
        return metered(chunks, step, self.name, self.facts.bytes, self.clock, self.progress)

    def _has_manifest(self) -> bool:
        try:
            self.target.stat(self.manifest)
        except ObjectNotFound:
            return False
        return True

    def _clearing(self) -> HeldLease:
        owner = f"copying {self.name} from {self.source.url} ({self.token})"
        return acquire(self.target, f"copy-{self.name}", owner, _CLEARING, self.clock)


def begin_passage(
    folder: Folder, name: str, source: Store, target: Store, clock: Clock, token: str, progress: Progress
) -> Passage:
    """Look at both stores and read what is to be copied.

    :raises InvalidInput: both are the same store, or stores of different deployments
    :raises ObjectNotFound: the source has no such backup
    """
    here, there = read_identity(source), read_identity(target)
    _check_two(here, there, source, target)
    key = sidecar_key(folder, name)
    content = read_bytes(source, key, limit=SIDECAR_BYTES)
    sidecar = parse_sidecar(content, f"{source.url}/{key}")
    clear = sidecar.manifest.clear
    if (clear.folder, clear.name) != (folder, name):
        raise DamagedArchive(f"{source.url}/{key} is the manifest of another backup: {clear.folder}/{clear.name[:200]}")
    return Passage(
        folder=folder,
        name=name,
        source=source,
        target=target,
        source_id=here.store_id,
        target_id=there.store_id,
        content=content,
        sidecar=sidecar,
        clock=clock,
        token=token,
        progress=progress,
    )


def _check_two(here: StoreIdentity, there: StoreIdentity, source: Store, target: Store) -> None:
    if here.store_id == there.store_id:
        raise InvalidInput(
            f"{source.url} and {target.url} are the same store ({here.store_id}): one place under two addresses, or "
            "one was cloned with its store.json. A copy has to be a store of its own: `store init` makes one"
        )
    if here.deployment != there.deployment:
        raise InvalidInput(
            f"{source.url} is a store of deployment {here.deployment!r}, {target.url} of {there.deployment!r}: "
            "backups of two deployments in one store would pass for each other's"
        )
