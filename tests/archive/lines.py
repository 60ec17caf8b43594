"""Lines of archives for tests: a full and the incrementals after it, made by the product's own writers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from backup_engine.archive.batches import make_batch
from backup_engine.archive.collection import WrittenCollection
from backup_engine.archive.delta import DeltaWriter, Gone
from backup_engine.archive.digests import Hashes, id_hashes
from backup_engine.archive.manifest import BackupKind, Base, CollectionSummary, Content, Folder
from backup_engine.archive.state_index import StateIndex
from backup_engine.archive.tail import sidecar
from backup_engine.backup import Backup
from backup_engine.chain import Backups, by_name
from tests.archive.builder import NOON, Built, Given, build, manifest_of, summary_of, write_collection


@dataclass(frozen=True)
class Held:
    """Where a state of a collection is stored."""

    built: Built
    summary: CollectionSummary

    @property
    def base(self) -> Base:
        clear = self.built.sidecar.manifest.clear
        return Base(
            folder=clear.folder,
            name=clear.name,
            run_key=clear.run_key,
            key=self.summary.key,
            state_digest=self.summary.state_digest,
        )

    def index(self, directory: Path) -> StateIndex:
        return StateIndex(self.built.reader().digests(self.summary.key), directory)


class Line:
    """A full, and then incrementals, ten minutes apart; each delta has the base that the product chooses.

    :param full: the full of these states, made before
    """

    def __init__(self, *given: Given, full: Built | None = None) -> None:
        self.builts: list[Built] = [full or build(*given)]
        self._ids: dict[bytes, str] = {}
        self._held: dict[str, list[Held]] = {}
        self._note_ids(given)
        for summary, private in self.builts[0].sidecar.manifest.each():
            self._held[private.name] = [Held(self.builts[0], summary)]

    @property
    def last(self) -> Built:
        return self.builts[-1]

    @property
    def backups(self) -> Backups:
        return by_name(backup_of(built) for built in self.builts)

    def backup(self, number: int = -1) -> Backup:
        return backup_of(self.builts[number])

    def add(self, *given: Given, unknown: bool = False) -> Built:
        """Make the incremental of these states.

        :param unknown: the ids of what is deleted are not known
        """
        self._note_ids(given)
        written = [self._write(one, f"c{number:04d}", unknown=unknown) for number, one in enumerate(given, 1)]
        data, summaries, fragments = b"", [], []
        for piece, done, summary in written:
            summaries.append(summary)
            if summary.content is not Content.SAME:
                data += piece
                fragments.append(done.stored)
        manifest = manifest_of(given, [done for _, done, _ in written])
        changes = {"collections": tuple(summaries), **self._clear()}
        manifest = manifest.model_copy(update={"clear": manifest.clear.model_copy(update=changes)})
        facts, tail = sidecar(manifest, fragments)
        built = Built(data + tail, facts)
        for one, summary in zip(given, summaries, strict=True):
            self._keep(one.name, Held(built, summary))
        self.builts.append(built)
        return built

    def _keep(self, name: str, held: Held) -> None:
        if held.summary.content is Content.WHOLE:
            self._held[name] = [held]
        elif held.summary.content is Content.DELTA:
            self._held[name].append(held)

    def _write(self, given: Given, key: str, *, unknown: bool) -> tuple[bytes, WrittenCollection, CollectionSummary]:
        held = self._held.get(given.name)
        if held is None:
            data, done = write_collection(given, key)
            return data, done, summary_of(given, done)
        number = len(held)
        base = held[number & (number - 1)]
        with tempfile.TemporaryDirectory() as directory:
            data, done = write_delta(
                given, key, base.index(Path(directory)), lambda hashes: self._gone(hashes, unknown=unknown)
            )
        changes = {"content": Content.DELTA, "base": base.base, "number": number}
        changes |= {"upserts": done.upserts, "deletions": done.deletions}
        if done.state_digest == held[-1].summary.state_digest:
            changes = {"content": Content.SAME, "base": held[-1].base, "number": number - 1}
            changes |= {"entries": (), "coded_parts": 0}
        return data, done, summary_of(given, done).model_copy(update=changes)

    def _gone(self, hashes: Hashes, *, unknown: bool) -> Gone:
        texts = [self._ids[hash_.tobytes()] for hash_ in np.split(hashes, len(hashes))]
        return Gone(hashes, [None if unknown else text for text in texts], hashes[:0])

    def _note_ids(self, given: Sequence[Given]) -> None:
        for batch in (batch for one in given for batch in one.batches):
            for number, hash_ in enumerate(np.split(id_hashes(batch), batch.num_rows)):
                self._ids[hash_.tobytes()] = batch.column("id")[number].as_py()

    def _clear(self) -> dict[str, object]:
        at = NOON + timedelta(minutes=10 * len(self.builts))
        return {
            "name": f"backup-{at:%Y%m%d-%H%M%S}",
            "folder": Folder.INCREMENTAL,
            "kind": BackupKind.INCREMENTAL,
            "run_key": f"{len(self.builts):016x}",
            "started_at": at - timedelta(minutes=1),
            "captured_at": at,
        }


def write_delta(given: Given, key: str, base: StateIndex, gone, **more) -> tuple[bytes, WrittenCollection]:
    writer = DeltaWriter(key, given.name, given.configuration, NOON, base=base, gone=gone, **more)
    return b"".join(writer.fragments(given.batches)), writer.written


def backup_of(built: Built) -> Backup:
    manifest = built.sidecar.manifest
    return Backup.of(manifest, built.sidecar.archive)


def state(numbers: Sequence[int], seed: int = 0, *, name: str = "docs", dimension: int = 4) -> Given:
    """Records r0, r1, …, whose vectors follow from number and seed."""
    return Given(name, list(batches(numbers, seed, dimension)), dimension)


def changed(given: Given, numbers: Sequence[int], seed: int) -> Given:
    """The same state, but for these records: written, or written over."""
    return edited(given, upserts=records(numbers, seed, given.dimension))


def without(given: Given, numbers: Sequence[int]) -> Given:
    return edited(given, gone={f"r{number}" for number in numbers})


def edited(given: Given, upserts: dict | None = None, gone: set[str] | frozenset[str] = frozenset()) -> Given:
    held = {key: value for batch in given.batches for key, value in rows_of_batch(batch)}
    held |= upserts or {}
    kept = [(key, value) for key, value in held.items() if key not in gone]
    return Given(given.name, [batch_of_rows(kept, given.dimension)] if kept else [], given.dimension)


def records(numbers: Sequence[int], seed: int, dimension: int) -> dict[str, tuple[bytes, str | None]]:
    return {key: value for batch in batches(numbers, seed, dimension) for key, value in rows_of_batch(batch)}


def batches(numbers: Sequence[int], seed: int, dimension: int) -> Iterator:
    if len(numbers):
        rows = [np.random.default_rng([number, seed]).standard_normal(dimension) for number in numbers]
        payloads = [None if number % 3 == 0 else f'{{"n":{number},"s":{seed}}}' for number in numbers]
        yield make_batch([f"r{number}" for number in numbers], np.array(rows, np.float32), payloads)


def rows_of_batch(batch) -> Iterator[tuple[str, tuple[bytes, str | None]]]:
    width = batch.schema.field("vector").type.list_size
    vectors = batch.column("vector").flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    for number, key in enumerate(batch.column("id").to_pylist()):
        yield key, (vectors[number].astype("<f4").tobytes(), batch.column("payload")[number].as_py())


def batch_of_rows(rows, dimension: int):
    vectors = np.frombuffer(b"".join(vector for _, (vector, _) in rows), "<f4").reshape(-1, dimension).copy()
    return make_batch([key for key, _ in rows], vectors, [payload for _, (_, payload) in rows])


def content_of(batches) -> dict[str, tuple[bytes, str | None]]:
    """By id the bytes of the components and the payload; an id that comes twice is an error."""
    rows = [row for batch in batches for row in rows_of_batch(batch)]
    assert len(dict(rows)) == len(rows), "an id came twice"
    return dict(rows)
