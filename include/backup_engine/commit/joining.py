"""Making the archive of its fragments, looking at what the store made, and writing the manifest last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from backup_engine.archive.manifest import (
    Clear,
    Manifest,
    Private,
    Sidecar,
    archive_key,
    sidecar_key,
)
from backup_engine.archive.tail import document_bytes, sidecar
from backup_engine.capture.results import CollectionResult, Fragment
from backup_engine.commit.freezing import Frozen
from backup_engine.errors import DamagedArchive, ObjectExists
from backup_engine.names import Place
from backup_engine.storage.contract import Store


def write_backup(store: Store, frozen: Frozen, place: Place) -> None:
    """Write archive and manifest, each of them once; again finds them written.

    :raises DamagedArchive: the store did not keep what it was given
    """
    fragments = [one.fragment for one in _in_order(frozen) if one.fragment]
    join_backup(store, manifest_of(frozen, place), fragments)


def join_backup(store: Store, manifest: Manifest, fragments: Sequence[Fragment]) -> None:
    """Make a backup of its fragments: the archive, then the manifest, each of them once; again finds them written.

    :param fragments: of the collections, in the manifest's order
    :raises DamagedArchive: the store did not keep what it was given
    """
    document, tail = sidecar(manifest, [fragment.stored for fragment in fragments])
    folder, name = manifest.clear.folder, manifest.clear.name
    key = archive_key(folder, name)
    with suppress(ObjectExists):  # the name is ours: an earlier attempt of this run made it
        _make(store, key, [fragment.key for fragment in fragments], tail)
    _check_archive(store, key, document, tail)
    with suppress(ObjectExists):  # likewise
        store.create(sidecar_key(folder, name), [document_bytes(document)])


def manifest_of(frozen: Frozen, place: Place) -> Manifest:
    """Describe the backup. A function of what is frozen and of the place: no clock, no chance."""
    commit, plan, request = frozen.commit, frozen.plan, frozen.plan.request
    collections = tuple(_in_order(frozen))
    clear = Clear(
        name=place.name,
        folder=place.folder,
        kind=commit.kind,
        state=commit.state,
        deployment=request.deployment,
        store_id=request.store_id,
        run_key=request.run_key,
        whole_scope=plan.whole_scope,
        started_at=plan.started_at,
        captured_at=commit.captured_at,
        product_version=commit.product_version,
        server=plan.server,
        allowed_empty=request.allow_empty and not any(one.summary.vectors for one in collections),
        restore_fencing=plan.restore_fencing,
        collections=tuple(one.summary for one in collections),
    )
    names = {one.private.name for one in collections}
    private = Private(
        label=request.label,
        server_url=plan.server_url,
        reasons=commit.reasons,
        remarks=plan.remarks,
        collections=tuple(one.private for one in collections),
        left_out=plan.left_out,
        dropped=tuple(sorted(one.name for result in frozen.results for one in result.dropped)),
        acknowledged=request.acknowledged,
        aliases={alias: name for alias, name in plan.aliases.items() if name in names},
    )
    return Manifest(clear=clear, private=private)


def _in_order(frozen: Frozen) -> Iterator[CollectionResult]:
    return iter(sorted((one for r in frozen.results for one in r.collections), key=lambda one: one.summary.key))


def _make(store: Store, key: str, fragments: list[str], tail: bytes) -> None:
    if fragments:
        store.join(key, fragments, tail)
    else:
        store.create(key, [tail])


def _check_archive(store: Store, key: str, expected: Sidecar, tail: bytes) -> None:
    """Read size and tail back."""
    size = store.stat(key).size
    if size != expected.archive.bytes:
        raise DamagedArchive(
            f"{store.url}/{key} has {size:,} bytes, {expected.archive.bytes:,} were written; it is no backup. "
            "Check the store, remove the object, and run this again"
        )
    if b"".join(store.read(key, offset=size - len(tail))) != tail:
        raise DamagedArchive(
            f"{store.url}/{key} does not end as it was written; it is no backup. "
            "Check the store, remove the object, and run this again"
        )
