"""A collection that is read, compared with the state its delta builds on: what differs, and what is really gone.

No record is called deleted before it was asked for by its id: an upsert in flight hides a record for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.batches import rows_with_null_components
from backup_engine.archive.collection import LISTED_IRREGULAR
from backup_engine.archive.delta import Gone
from backup_engine.archive.digests import Hashes, id_hashes, record_digests
from backup_engine.archive.manifest import Base
from backup_engine.archive.state_index import StateIndex
from backup_engine.capture.base_archives import BaseArchives
from backup_engine.capture.watching import Watch

_ASKED_AT_ONCE = 500
_SLICE = 1 << 18  # records whose ids are looked up in one pass over what is stored

Mask = npt.NDArray[np.bool_]


class Comparison:
    """One collection's readings against one base.

    :param retrieve: asks the server for records by id
    :param directory: an empty one, for 32 bytes a record of the base
    :raises LostBase: the base cannot be read
    """

    def __init__(
        self,
        base: Base,
        archives: BaseArchives,
        watch: Watch,
        retrieve: Callable[[list[str]], pa.RecordBatch],
        directory: Path,
    ) -> None:
        self.index = StateIndex(archives.digests(base), directory)
        self.revived = 0
        """Records that the last reading did not give, and that were there when they were asked for by id."""
        self.irregular: list[str] = []
        self.irregular_count = 0
        """Of the last reading: records with components that the server gave as null; the first thousand are listed."""
        self._base = base
        self._archives = archives
        self._watch = watch
        self._retrieve = retrieve
        self._as_known = np.zeros(self.index.rows, np.bool_)
        self._passed = 0

    def differs(self, batch: pa.RecordBatch) -> Mask:
        """Tell which of these records the base does not have exactly so."""
        return ~self.index.equal(self.index.find(id_hashes(batch)), record_digests(batch))

    def passing(self, batches: Iterable[pa.RecordBatch], known: Iterable[Hashes]) -> Iterator[pa.RecordBatch]:
        """Pass a reading through, counting it.

        :param known: ids of records that belong to it too, as the base has them
        """
        self._begin(known)
        for batch in batches:
            self._passed += batch.num_rows
            self._note_irregular(batch)
            yield batch

    def gone(self, hashes: Hashes) -> Gone:
        """Decide about records of the base that the reading did not give: those that the server has all the same stay
        as the base has them, as far as it counts them.
        """
        there = self._as_known[self.index.find(hashes)]
        doubtful = np.flatnonzero(~there)
        ids = self._ids(hashes[doubtful])
        revived = np.flatnonzero(self._asked(ids))
        if len(revived):
            self._watch.look()
            revived = revived[: max(0, self._watch.highest - self._passed - int(self._as_known.sum()))]
        self.revived = len(revived)
        there[doubtful[revived]] = True
        left = np.delete(np.arange(len(ids)), revived)
        return Gone(hashes[~there], [ids[at] for at in left.tolist()], hashes[there])

    def _begin(self, known: Iterable[Hashes]) -> None:
        self._passed = self.revived = self.irregular_count = 0
        self.irregular = []
        self._as_known[:] = False
        for hashes in known:
            self._as_known[self.index.find(hashes)] = True

    def _note_irregular(self, batch: pa.RecordBatch) -> None:
        rows = np.flatnonzero(rows_with_null_components(batch))
        self.irregular_count += len(rows)
        ids = batch.column("id")
        self.irregular += [ids[row].as_py() for row in rows[: LISTED_IRREGULAR - len(self.irregular)].tolist()]

    def _ids(self, hashes: Hashes) -> list[str]:
        slices = (hashes[start : start + _SLICE] for start in range(0, len(hashes), _SLICE))
        return [text for some in slices for text in self._archives.ids(self._base, some)]

    def _asked(self, ids: list[str]) -> Mask:
        """Tell which of these records the server gives when it is asked for them by id."""
        found: set[str] = set()
        for start in range(0, len(ids), _ASKED_AT_ONCE):
            found.update(self._retrieve(ids[start : start + _ASKED_AT_ONCE]).column("id").to_pylist())
        return np.array([text in found for text in ids], np.bool_)
