"""Manifests, plans and results made up for tests of what is decided from them."""

from __future__ import annotations

from datetime import datetime

from backup_engine.archive.manifest import (
    BackupKind,
    BackupState,
    Clear,
    CollectionSummary,
    Folder,
    Manifest,
    Private,
    PrivateCollection,
    ServerVersion,
    Standing,
)
from backup_engine.capture.plan import CapturePlan, PlannedCollection
from backup_engine.capture.results import CollectionResult, StreamResult
from backup_engine.model import CollectionState
from tests.engine.captures import SUNDAY, request


def summary(key: str, vectors: int, standing: Standing = Standing.WHOLE) -> CollectionSummary:
    return CollectionSummary(
        key=key,
        standing=standing,
        vectors=vectors,
        counted=vectors,
        dimension=4,
        created_at="c",
        updated_at="u",
        configuration_sha256="",
        state_digest="",
        entries=(),
    )


def manifest(counts: dict[str, int], *, name: str = "backup-202611", captured_at: datetime = SUNDAY) -> Manifest:
    """A good full of the whole scope that holds these collections."""
    numbered = [(f"c{number:04d}", held, counts[held]) for number, held in enumerate(sorted(counts), 1)]
    clear = Clear(
        name=name,
        folder=Folder.MONTHLY,
        kind=BackupKind.FULL,
        state=BackupState.GOOD,
        deployment="production",
        store_id="store-1",
        run_key="0" * 16,
        whole_scope=True,
        started_at=captured_at,
        captured_at=captured_at,
        product_version="1",
        server=ServerVersion(version="3.5.0", started_at=None),
        collections=tuple(summary(key, vectors) for key, _, vectors in numbered),
    )
    private = tuple(PrivateCollection(key=key, name=held, configuration=None) for key, held, _ in numbered)
    return Manifest(clear=clear, private=Private(label=None, server_url="x", collections=private))


def planned(counts: dict[str, int], **changes) -> CapturePlan:
    """A plan of these collections in one stream."""
    left_out = changes.pop("left_out", ())
    collections = tuple(
        PlannedCollection(
            key=f"c{number:04d}",
            state=CollectionState(name=name, vectors=counts[name], dimension=4, created_at="c", updated_at="u"),
        )
        for number, name in enumerate(sorted(counts), 1)
    )
    return CapturePlan(
        request=request(**changes),
        attempt="a1",
        started_at=SUNDAY,
        restore_fencing=0,
        server_url="x",
        server=ServerVersion(version="3.5.0", started_at=None),
        collections=collections,
        streams=(tuple(one.key for one in collections),),
        left_out=left_out,
    )


def read(plan: CapturePlan, standings: dict[str, Standing] | None = None) -> tuple[StreamResult, ...]:
    """All of the plan was read as planned, but for these."""
    made = []
    for one in plan.collections:
        standing = (standings or {}).get(one.state.name, Standing.WHOLE)
        whole = standing in {Standing.WHOLE, Standing.FUZZY}
        private = PrivateCollection(
            key=one.key, name=one.state.name, configuration=None, problem=None if whole else "it is broken"
        )
        vectors = one.state.vectors if whole else 0
        made.append(CollectionResult(summary=summary(one.key, vectors, standing), private=private, fragment=None))
    return (StreamResult(stream=0, ended_at=SUNDAY, collections=tuple(made)),)
