"""Compare two states of one collection: by digests first, and of what differs only, by records."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from backup_engine.archive.digests import HASH_BYTES, Hashes, id_hashes
from backup_engine.diff.report import Examples, RecordCounts, ShiftRange
from backup_engine.diff.rows import WantedRows
from backup_engine.diff.shifts import Changes
from backup_engine.diff.sides import State
from backup_engine.diff.states import ChangedRows, among, changed_rows, id_part
from backup_engine.model import Document
from backup_engine.restore.spilling import Spill, pairs, records

_NONE: Hashes = np.empty(0, f"S{HASH_BYTES}")


class Compared(Document):
    """What differs between two states of a collection; the fields are those of ``CollectionDiff``."""

    records: RecordCounts = RecordCounts()
    shifts: tuple[ShiftRange, ...] = ()
    unmeasured: int = 0
    examples: Examples = Examples()


def compare_states(
    a: State, b: State, *, ids: int = 0, vectors: bool = True, temporary: Path | None = None
) -> Compared:
    """Tell what was added, changed and deleted between two states.

    :param ids: how many ids of each kind to name, at most
    :param vectors: both have the same dimension: changed vectors are measured; False: all changed count as re-embedded
    :param temporary: where what changed is kept meanwhile, of both states; None for the system's place
    """
    with tempfile.TemporaryDirectory(prefix="diff-", dir=temporary) as made:
        directory = Path(made)
        found = _Sorted(directory, ids, pair=vectors)
        for piece in changed_rows(a.digests(), b.digests()):
            found.add(piece)
        return _look_at(found, a, b, directory)


class _Sorted:
    """Counts of what differs by digest, and which records have to be looked at.

    :param ids: how many ids of each kind to name
    :param pair: changed records are compared with each other; otherwise only named
    """

    def __init__(self, directory: Path, ids: int, *, pair: bool) -> None:
        self.ids = ids
        self.pair = pair
        self.before = WantedRows(directory / "wanted-before")
        self.after = WantedRows(directory / "wanted-after")
        self.counts = {"added": 0, "changed": 0, "deleted": 0}
        self.named: dict[str, Hashes] = dict.fromkeys(self.counts, _NONE)

    def add(self, piece: ChangedRows) -> None:
        """Take in a piece of the difference."""
        for kind, found in (("added", piece.added), ("changed", piece.changed), ("deleted", piece.gone)):
            room = self.ids - len(self.named[kind])
            self.named[kind] = np.concatenate([self.named[kind], found[:room]])
            self.counts[kind] += len(found)
        changed = piece.changed if self.pair else self.named["changed"]
        self.before.add(_of(piece.before, self.named["deleted"], changed if self.pair else _NONE))
        self.after.add(_of(piece.after, self.named["added"], changed))


def _of(rows: Hashes, *ids: Hashes) -> Hashes:
    """Give the rows of these ids."""
    hashes = id_part(rows)
    return rows[np.logical_or.reduce([among(hashes, some) for some in ids])]


def _look_at(found: _Sorted, a: State, b: State, directory: Path) -> Compared:
    changes = Changes(found.ids)
    spills = Spill(directory / "before"), Spill(directory / "after")
    (deleted,) = _collect(a.records(found.before), spills[0], found.named["deleted"])
    named = [found.named["added"], *([] if found.pair else [found.named["changed"]])]
    added, *re_embedded = _collect(b.records(found.after), spills[1], *named)
    for left, right in pairs(*spills, directory):
        changes.note(records(left), records(right))
    return Compared(
        records=RecordCounts(
            **found.counts,
            re_embedded=changes.re_embedded if found.pair else found.counts["changed"],
            payload_too=changes.payload_too,
            payload_only=changes.payload_only,
        ),
        shifts=changes.shifts,
        unmeasured=changes.unmeasured,
        examples=Examples(
            added=_sorted(added),
            deleted=_sorted(deleted),
            re_embedded=_sorted(*re_embedded, changes.ids_re_embedded),
            payload_only=_sorted(changes.ids_payload_only),
        ),
    )


def _collect(batches: Iterable[pa.RecordBatch], spill: Spill, *named: Hashes) -> list[list[str]]:
    """Give the ids of the named records, and put the others aside."""
    ids: list[list[str]] = [[] for _ in named]
    try:
        for batch in batches:
            hashes = id_hashes(batch)
            rest = np.ones(len(hashes), np.bool_)
            for number, some in enumerate(named):
                these = among(hashes, some)
                ids[number] += batch.column("id").filter(pa.array(these)).to_pylist()
                rest &= ~these
            spill.add(batch.filter(pa.array(rest)))
    finally:
        spill.close()
    return ids


def _sorted(*ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({one for some in ids for one in some}))
