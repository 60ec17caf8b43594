"""A backup in short: what listing, choosing and retention ask of its manifest; thousands of them fit at hand."""

from __future__ import annotations

import hashlib

from pydantic import Field

from backup_engine.archive.manifest import BackupKind, BackupState, Folder, Sidecar, Standing
from backup_engine.model import Document, Moment
from backup_engine.restore.names import is_reserved


class HangsOn(Document):
    """A backup that another one directly hangs on.

    :param run_key: of the run that made it: another one under its name is not meant
    """

    folder: Folder
    name: str
    run_key: str


class Outline(Document):
    """What a manifest says, in short.

    :param state: as committed
    :param stored: records that lie in this backup itself
    :param collections: how many it holds
    :param moving: how many of them were written to while they were read
    :param left_out: how many the configuration keeps out of it
    :param number: of the longest delta chain among its collections; 0: all of it is stored whole here
    :param bytes: of the archive
    :param fingerprint: SHA-256, hex, of the manifest as it is stored
    """

    folder: Folder
    name: str
    kind: BackupKind
    state: BackupState
    whole_scope: bool
    deployment: str
    store_id: str
    run_key: str
    started_at: Moment
    captured_at: Moment
    vectors: int
    stored: int
    collections: int
    moving: int = 0
    left_out: int = 0
    label: str | None = None
    synthesized_from: str | None = None
    number: int = Field(default=0, ge=0)
    bases: tuple[HangsOn, ...] = ()
    bytes: int
    fingerprint: str


def fingerprint_of(content: bytes) -> str:
    """Tell a manifest from any other: SHA-256, hex, of its bytes."""
    return hashlib.sha256(content).hexdigest()


def outline_of(sidecar: Sidecar, fingerprint: str) -> Outline:
    """Put a manifest in short.

    :param fingerprint: of its bytes
    """
    clear, private = sidecar.manifest.clear, sidecar.manifest.private
    bases = {(one.base.folder, one.base.name, one.base.run_key) for one in clear.collections if one.base is not None}
    return Outline(
        folder=clear.folder,
        name=clear.name,
        kind=clear.kind,
        state=clear.state,
        whole_scope=clear.whole_scope,
        deployment=clear.deployment,
        store_id=clear.store_id,
        run_key=clear.run_key,
        started_at=clear.started_at,
        captured_at=clear.captured_at,
        vectors=clear.vectors,
        stored=sum(one.stored for one in clear.collections),
        collections=len(clear.collections),
        moving=sum(one.standing is Standing.FUZZY for one in clear.collections),
        left_out=sum(not is_reserved(one.name) for one in private.left_out),
        label=private.label,
        synthesized_from=clear.synthesized_from,
        number=max((one.number for one in clear.collections), default=0),
        bases=tuple(HangsOn(folder=folder, name=name, run_key=key) for folder, name, key in sorted(bases)),
        bytes=sidecar.archive.bytes,
        fingerprint=fingerprint,
    )
