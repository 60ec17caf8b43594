"""A thin restore over the server's backup API, for who has nothing else: planned, counted, compared.

The server merges, creates what is missing as Cosine whatever it was, follows aliases, and (all known versions) heeds
no list of collections. So what is missing is created first, as it was; a choice is refused where it would not be
heeded; and what the collections hold afterwards is compared with the server backup, record by record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine import wording
from backup_engine.archive.batches import Vectors, vectors_of
from backup_engine.errors import ComparisonFailed, InvalidInput, RestoreRefused, UnknownCollection, Unsupported
from backup_engine.model import CollectionConfiguration, Document, Hnsw, Metric, Quantization
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.configuration import read_configuration
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.retrieving import Retriever
from backup_engine.vectorizer.server_backups.file import SavedCollection
from backup_engine.vectorizer.server_backups.routes import BackupRoutes
from backup_engine.vectorizer.state import list_collections, read_aliases, read_version
from backup_engine.vectorizer.writer import Writer

_STEPS = 2.5 / 255  # of a vector's range: SQ8 stores it in 255 steps, and may do so anew
_COMPARED = 500


class ServerRestored(Document):
    """What a restore over the server's backup API came to; everything in it was counted.

    :param vectors: what the server backup holds of each collection
    :param before: what the server counted in it before; None: it had to be created
    :param after: what it counts now: at least ``vectors``, and more where it had records the server backup has not
    :param compared: every record was looked up as well; False: the server cannot be asked for records, only counts
    """

    id: str
    version: str
    vectors: dict[str, int]
    before: dict[str, int | None]
    after: dict[str, int]
    compared: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """What a server backup says of a collection."""

    vectors: int
    dimension: int | None
    metric: Metric | None


def restore_server_backup(
    client: VectorizerClient, routes: BackupRoutes, backup_id: str, collections: Sequence[str] | None
) -> ServerRestored:
    """Do as ``BackupApi.restore`` says.

    :raises RestoreRefused: a collection has another dimension or is an alias; nothing was touched
    :raises ComparisonFailed: it was done, and the server does not hold what the server backup holds
    """
    shapes = _shapes(routes, backup_id)
    version = read_version(client)
    chosen = _chosen(shapes, collections, heeded=routes.downloads, version=version, backup_id=backup_id)
    before = {state.name: state for state in list_collections(client)}
    _refuse_misfits(
        {name: shapes[name] for name in chosen},
        {name: state.dimension for name, state in before.items()},
        read_aliases(client),
    )
    for name in chosen:
        if name not in before:
            _create(client, name, shapes[name])
    routes.restore(backup_id, chosen)
    after = {state.name: state.vectors for state in list_collections(client)}
    _insist_on_the_rest(
        {name: state.vectors for name, state in before.items() if name in shapes and name not in chosen}, after
    )
    problems = [text for name in chosen for text in _misshapen(client, name, shapes[name], after)]
    compared = not problems and _compare(client, routes, backup_id, set(chosen), problems)
    if problems:
        raise ComparisonFailed(
            f"the server does not hold what the server backup {backup_id} holds: {'; '.join(problems)}. Nothing was "
            "undone; restore from a backup of this product"
        )
    return ServerRestored(
        id=backup_id,
        version=version,
        vectors={name: shapes[name].vectors for name in chosen},
        before={name: before[name].vectors if name in before else None for name in chosen},
        after={name: after[name] for name in chosen},
        compared=compared,
    )


def _shapes(routes: BackupRoutes, backup_id: str) -> dict[str, Shape]:
    shapes = {}
    with routes.opened(backup_id) as file:
        for saved in file.collections():
            saved.finish()
            shapes[saved.name] = Shape(saved.vectors, saved.dimension, saved.metric)
    return shapes


def _chosen(
    shapes: Mapping[str, Shape], collections: Sequence[str] | None, *, heeded: bool, version: str, backup_id: str
) -> list[str]:
    """Tell what is to be restored. Pure.

    :param heeded: the server restores what it is told to, and no more
    """
    chosen = [*shapes] if collections is None else list(dict.fromkeys(collections))
    missing = [name for name in chosen if name not in shapes]
    if missing:
        raise UnknownCollection(
            f"the server backup {backup_id} does not hold {wording.listing(map(repr, missing))}; it holds "
            f"{wording.listing(map(repr, shapes)) if shapes else 'nothing'}"
        )
    if not chosen:
        raise InvalidInput(f"the server backup {backup_id} holds no collection, or none was chosen: nothing to restore")
    others = [name for name in shapes if name not in chosen]
    if others and not heeded:
        raise Unsupported(
            f"Vectorizer {version} restores everything that is in a server backup, whatever it is told to: "
            f"{wording.listing(map(repr, others))} too. Restore all of it, make a server backup for each collection, "
            "or restore from a backup of this product, which takes any choice"
        )
    return chosen


def _refuse_misfits(chosen: Mapping[str, Shape], dimensions: Mapping[str, int], aliases: Mapping[str, str]) -> None:
    """Refuse what would harm: the server deletes a record before it finds that the new one does not fit. Pure."""
    reasons = [f"{name!r} is an alias of {aliases[name]!r} on the server" for name in chosen if name in aliases]
    for name, shape in chosen.items():
        there = dimensions.get(name)
        if there is not None and shape.vectors and there != shape.dimension:
            reasons.append(f"{name!r} has dimension {there} on the server and {shape.dimension} in the server backup")
        if there is None and (shape.dimension is None or shape.metric is None):
            reasons.append(f"{name!r} is missing on the server, and the server backup does not say how to create it")
    if reasons:
        raise RestoreRefused(f"{'; '.join(reasons)}: delete, rename or create it first; nothing was touched")


def _create(client: VectorizerClient, name: str, shape: Shape) -> None:
    """Create it as it was, as far as that is known; where the server has no route for it, the server will."""
    wanted = CollectionConfiguration(
        dimension=shape.dimension or 1,
        metric=shape.metric or Metric.COSINE,
        quantization=Quantization.SQ8,
        hnsw=Hnsw(),
    )
    with suppress(RouteMissing):
        Writer(client).create_collection(name, wanted)


def _insist_on_the_rest(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    moved = [name for name, count in before.items() if after.get(name) != count]
    if moved:
        raise ComparisonFailed(
            f"{wording.listing(map(repr, moved))} changed during the restore although it was not chosen: the server "
            "heeds no choice, or somebody wrote to it"
        )


def _misshapen(client: VectorizerClient, name: str, shape: Shape, after: Mapping[str, int]) -> list[str]:
    """Compare what the server says of a collection with what the server backup says."""
    if name not in after:
        return [f"{name!r} is not there"]
    if after[name] < shape.vectors:
        return [f"{name!r} counts {after[name]:,} vectors of {shape.vectors:,}"]
    kept = read_configuration(client, name)
    found, wanted = (kept.metric, kept.dimension), (shape.metric or kept.metric, shape.dimension or kept.dimension)
    return [f"{name!r} is {found[0]} of dimension {found[1]}, not {wanted[0]} of {wanted[1]}"] * (found != wanted)


def _compare(
    client: VectorizerClient, routes: BackupRoutes, backup_id: str, chosen: set[str], problems: list[str]
) -> bool:
    """Look each record up on the server, adding what is wrong to ``problems``; False: it cannot be asked."""
    try:
        with routes.opened(backup_id) as file:
            for saved in file.collections():
                if saved.name in chosen:
                    problems += _differences(client, saved)
    except Unsupported:
        return False
    return True


def _differences(client: VectorizerClient, saved: SavedCollection) -> list[str]:
    retriever, kept = Retriever(client), read_configuration(client, saved.name)
    missing = other = 0
    for batch in saved.batches(kept.dimension):
        for at in range(0, batch.num_rows, _COMPARED):
            piece = batch.slice(at, _COMPARED)
            found = retriever.retrieve(saved.name, piece.column("id").to_pylist(), kept.dimension)
            missing += len(set(piece.column("id").to_pylist())) - found.num_rows
            other += _unlike(piece, found, kept)
    problems = [f"{saved.name!r} lacks {wording.count(missing, 'record')}"] if missing else []
    return problems + ([f"{saved.name!r} has other content in {wording.count(other, 'record')}"] if other else [])


def _unlike(expected: pa.RecordBatch, found: pa.RecordBatch, kept: CollectionConfiguration) -> int:
    """Count the records of the same id that differ by more than the server makes them differ. Pure."""
    places = {key: place for place, key in enumerate(expected.column("id").to_pylist())}
    rows = [places[key] for key in found.column("id").to_pylist()]
    payloads = expected.column("payload").to_pylist()
    pairs = zip((payloads[row] for row in rows), found.column("payload").to_pylist(), strict=True)
    differs = np.array([not _same_payload(one, another) for one, another in pairs], np.bool_)
    if kept.quantization in {Quantization.NONE, Quantization.SQ8}:
        differs |= ~_close(vectors_of(expected)[rows], vectors_of(found), cosine=kept.metric is Metric.COSINE)
    return int(differs.sum())


def _close(expected: Vectors, found: Vectors, *, cosine: bool) -> npt.NDArray[np.bool_]:
    """Mark the vectors that are what SQ8, and for Cosine normalising, may make of those that were expected."""
    if cosine:
        lengths = np.linalg.norm(expected, axis=1, keepdims=True)
        expected = np.divide(expected, lengths, where=lengths > 0, out=expected.copy())
    spans = expected.max(axis=1) - expected.min(axis=1)
    slack = _STEPS * spans + 1e-6 * np.abs(expected).max(axis=1)
    close: npt.NDArray[np.bool_] = np.abs(expected - found).max(axis=1) <= slack + 1e-12
    return close


def _same_payload(expected: str | None, found: str | None) -> bool:
    """Compare as far as server backups and asking by id are exact: not in blanks, nor in a float's last digits."""
    return expected == found or _plain(expected) == _plain(found)


def _plain(payload: str | None) -> object:
    return _plainly(json.loads(payload, parse_int=float)) if payload not in {None, "{}"} else None


def _plainly(value: object) -> object:
    match value:
        case dict():
            return {key: _plainly(member) for key, member in value.items()}
        case list():
            return [_plainly(item) for item in value]
        case str():
            return " ".join(value.split())
        case float():
            return f"{value:.14g}"
        case _:
            return value
