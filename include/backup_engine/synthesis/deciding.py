"""What may be stored whole again, and what the full is to say. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from backup_engine import PRODUCT_VERSION, wording
from backup_engine.archive.collection import WrittenCollection
from backup_engine.archive.manifest import (
    BackupKind,
    BackupState,
    CollectionSummary,
    Content,
    Manifest,
    PrivateCollection,
)
from backup_engine.backup import Backup
from backup_engine.capture.results import CollectionResult
from backup_engine.chain import Backups, chain_of
from backup_engine.commit.freezing import FrozenCommit
from backup_engine.errors import DamagedArchive, InvalidInput, RestoreRefused
from backup_engine.names import Place
from backup_engine.run_key import run_key

MOST_LINKS = 16
"""Backups a chain may lie in before it is called costly; a day of deltas every ten minutes makes at most 8."""

MOST_STORED = 1.5
"""Times its records that a state's chains may hold before they are called costly: so much longer a restore reads."""


def why_costly(backup: Backup, backups: Backups) -> str | None:
    """Say why restoring a backup from its chains costs so much that it should be stored whole; None: it does not.

    :param backups: those of its store, by name
    :raises BrokenChain: it cannot be restored at all
    """
    chains = [chain_of(backup, one.key, backups) for one in backup.manifest.clear.collections]
    links, vectors = max(map(len, chains), default=0), backup.manifest.clear.vectors
    if links > MOST_LINKS:
        return f"a collection of {backup.name} lies in {links} backups; up to {MOST_LINKS} are fine"
    stored = sum(link.summary.stored for chain in chains for link in chain)
    if stored > MOST_STORED * vectors:
        read = wording.count(stored, "record")
        return f"a restore of {backup.name} reads {read} for {vectors:,}; up to {MOST_STORED:g} times as many are fine"
    return None


def run_of(backup: Backup) -> str:
    """Name the run that makes a backup's synthetic full: the same for all who ever try."""
    clear = backup.manifest.clear
    return run_key("synthesize", clear.store_id, clear.run_key)


def check_incremental(backup: Backup) -> None:
    """Refuse what is no use.

    :raises InvalidInput: it is stored whole already
    """
    if backup.kind is BackupKind.FULL:
        raise InvalidInput(f"{backup.name} is a full: all of it is stored whole already; name an incremental")


def check_sound(backup: Backup) -> None:
    """Refuse what would hide that something is wrong.

    :raises RestoreRefused: it is not good
    :raises DamagedArchive: it was found damaged
    """
    if not backup.good_whole:
        raise RestoreRefused(
            f"{backup.name} is {backup.state.value}: a synthetic full would stand for the deployment, and be built "
            "upon, so only good incrementals of the whole scope are made into one"
        )
    if backup.damaged:
        found = wording.moment(backup.verifications[-1].at)
        raise DamagedArchive(f"{backup.name} was found damaged {found}; name another one, or sync it from a copy")


def commit_of(backup: Backup) -> FrozenCommit:
    """Decide what the full will be called good for."""
    return FrozenCommit(
        plan_key="",
        result_keys=(),
        product_version=PRODUCT_VERSION,
        state=BackupState.GOOD,
        reasons=backup.manifest.private.reasons,
        captured_at=backup.captured_at,
        takes_slot=True,
    )


def check_equal(name: str, summary: CollectionSummary, written: WrittenCollection) -> None:
    """Refuse a collection that came out as another state than it went in.

    :raises DamagedArchive: it did; nothing may be committed
    """
    wanted = (summary.vectors, summary.state_digest, summary.configuration_sha256)
    found = (written.vectors, written.state_digest, written.configuration_sha256)
    if wanted != found:
        raise DamagedArchive(
            f"collection {summary.key} of {name} came out of its chain as {wording.count(found[0], 'record')} with "
            f"state {found[1][:16]}; {wanted[0]:,} with {wanted[1][:16]} were expected. Nothing is committed: verify "
            "the backups it hangs on"
        )


def stored_whole(summary: CollectionSummary, written: WrittenCollection) -> CollectionSummary:
    """Describe a collection as the full holds it."""
    return summary.model_copy(
        update={
            "content": Content.WHOLE,
            "base": None,
            "number": 0,
            "upserts": 0,
            "deletions": 0,
            "coded_parts": written.coded_parts,
            "entries": written.entries,
        }
    )


def details_of(private: PrivateCollection, written: WrittenCollection) -> PrivateCollection:
    """Describe for people what the full holds of a collection."""
    return private.model_copy(update={"irregular": written.irregular, "irregular_count": written.irregular_count})


def manifest_of(
    source: Manifest, run: str, commit: FrozenCommit, place: Place, results: Sequence[CollectionResult]
) -> Manifest:
    """Describe the full: what its source says, but for what is stored. A function of what is given, so that every
    attempt writes the same bytes.

    :param results: in the source's order
    """
    clear = source.clear.model_copy(
        update={
            "name": place.name,
            "folder": place.folder,
            "kind": BackupKind.FULL,
            "state": commit.state,
            "run_key": run,
            "product_version": commit.product_version,
            "synthesized_from": source.clear.name,
            "collections": tuple(one.summary for one in results),
        }
    )
    private = source.private.model_copy(
        update={
            "reasons": commit.reasons,
            "remarks": (f"made of {source.clear.name} and what it hangs on, without the server",),
            "collections": tuple(one.private for one in results),
        }
    )
    return source.model_copy(update={"clear": clear, "private": private})
