"""What a capture says of one collection: how it was read, and how much of it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backup_engine.archive.collection import WrittenCollection
from backup_engine.archive.manifest import CollectionSummary, Content, PrivateCollection, Standing, Window
from backup_engine.capture.base_archives import Held
from backup_engine.capture.fragments import Written
from backup_engine.capture.judging import Verdict
from backup_engine.capture.plan import Basis, PlannedCollection
from backup_engine.capture.results import CollectionResult, Fragment
from backup_engine.model import CollectionConfiguration, CollectionState, ReadWay

STORED_WHOLE = "stored whole: "
"""How a note begins that says why a collection is, although there was a state to compare it with."""


@dataclass(frozen=True, slots=True)
class Read:
    """One collection when reading it has ended.

    :param basis: what it was compared with; None: it is stored whole
    :param listed: how the server listed it when what was read was true
    :param counted: records the server counted
    :param irregular: ids of records of the state with null components, the first of them
    """

    planned: PlannedCollection
    basis: Basis | None
    verdict: Verdict
    written: Written
    configuration: CollectionConfiguration
    listed: CollectionState
    counted: int
    window: Window | None
    way: ReadWay
    irregular: tuple[str, ...]
    irregular_count: int
    notes: tuple[str, ...]
    planned_at: datetime


def result_of(read: Read) -> CollectionResult:
    """Describe a collection that was read; one whose state is the known one is stored as nothing but that."""
    holds = read.written.holds
    summary = CollectionSummary(
        key=read.planned.key,
        standing=read.verdict.standing,
        vectors=holds.vectors,
        counted=read.counted,
        dimension=read.configuration.dimension,
        created_at=read.listed.created_at,
        updated_at=read.listed.updated_at,
        configuration_sha256=holds.configuration_sha256,
        state_digest=holds.state_digest,
        coded_parts=holds.coded_parts,
        way=read.way,
        window=read.window,
        entries=holds.entries,
    )
    private = PrivateCollection(
        key=read.planned.key,
        name=read.planned.state.name,
        configuration=read.configuration,
        irregular=read.irregular,
        irregular_count=read.irregular_count,
        problem=read.verdict.problem,
        notes=read.notes,
    )
    changes, fragment = _stored(read, holds)
    return CollectionResult(summary=summary.model_copy(update=changes), private=private, fragment=fragment)


def _stored(read: Read, holds: WrittenCollection) -> tuple[dict[str, object], Fragment | None]:
    basis = read.basis
    if basis is None:
        return {}, read.written.fragment
    if holds.state_digest == basis.newest.state_digest:
        return {**_same(basis), "read_at": read.planned_at}, None
    changes = {
        "content": Content.DELTA,
        "base": basis.base,
        "number": basis.number,
        "upserts": holds.upserts,
        "deletions": holds.deletions,
    }
    return changes, read.written.fragment


def unchanged(planned: PlannedCollection, basis: Basis, held: Held) -> CollectionResult:
    """Describe a collection that is not read, because the server says that nothing changed.

    :param held: it, in the archive that stores its state
    """
    state = planned.state
    summary = CollectionSummary(
        key=planned.key,
        standing=Standing.WHOLE,
        read_at=basis.read_at,
        vectors=basis.vectors,
        counted=state.vectors,
        dimension=basis.dimension,
        created_at=state.created_at,
        updated_at=state.updated_at,
        configuration_sha256=basis.configuration_sha256,
        state_digest=basis.newest.state_digest,
        way=held.summary.way,
        entries=(),
    )
    kept = tuple(note for note in held.private.notes if not note.startswith(STORED_WHOLE))
    private = held.private.model_copy(
        update={"key": planned.key, "name": state.name, "notes": kept, "problem": None},
    )
    return CollectionResult(summary=summary.model_copy(update=_same(basis)), private=private, fragment=None)


def _same(basis: Basis) -> dict[str, object]:
    return {
        "content": Content.SAME,
        "base": basis.newest,
        "number": basis.number - 1,
        "coded_parts": 0,
        "entries": (),
    }


def unreadable(planned: PlannedCollection, problem: str) -> CollectionResult:
    """Describe a collection of which nothing could be read."""
    state = planned.state
    summary = CollectionSummary(
        key=planned.key,
        standing=Standing.UNREADABLE,
        vectors=0,
        counted=state.vectors,
        dimension=state.dimension,
        created_at=state.created_at,
        updated_at=state.updated_at,
        configuration_sha256="",
        state_digest="",
        entries=(),
    )
    private = PrivateCollection(key=planned.key, name=state.name, configuration=None, problem=problem)
    return CollectionResult(summary=summary, private=private, fragment=None)
