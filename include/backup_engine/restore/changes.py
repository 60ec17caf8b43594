"""What has to be written and deleted to make a collection equal to the backup, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from backup_engine.archive.digests import HASH_BYTES, DigestSet, id_hashes

_IDS = pa.schema([pa.field("id", pa.string(), nullable=False)])
_NO_DIGEST = np.zeros(1, f"S{HASH_BYTES}")


class Changes:
    """Told by a comparison: which records of the backup the server lacks or has otherwise, which it has too many.

    :param temporary: where what does not fit lies (32 bytes for a record that is listed or to be written, its id for
        one to delete); None for the system's place
    """

    def __init__(self, temporary: Path | None) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="changes-", dir=temporary)
        self._listed = DigestSet(temporary=Path(self._directory.name))
        self._wanted = DigestSet(temporary=Path(self._directory.name))
        self._surplus = Path(self._directory.name) / "surplus"
        self._file = pa.OSFile(str(self._surplus), "wb")
        self._ids = pa.ipc.new_stream(self._file, _IDS)
        self.to_delete = 0

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was spilled."""
        self._settle()
        self._listed.close()
        self._wanted.close()
        self._directory.cleanup()

    @property
    def records(self) -> int:
        """Records that the server listed."""
        return self._listed.count

    @property
    def twice(self) -> int:
        """How many of them have an id that another one has too."""
        return self._listed.duplicates

    @property
    def to_write(self) -> int:
        """Records of the backup that the server lacks or has otherwise."""
        return self._wanted.count

    @property
    def none(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.to_write or self.to_delete)

    def listed(self, batch: pa.RecordBatch) -> None:
        """Take in records as the server lists them."""
        _add(self._listed, batch)

    def write(self, batch: pa.RecordBatch) -> None:
        """Take in records of the backup that the server lacks, or has otherwise."""
        _add(self._wanted, batch)

    def delete(self, batch: pa.RecordBatch) -> None:
        """Take in records that only the server has."""
        if batch.num_rows:
            self._ids.write_batch(pa.RecordBatch.from_arrays([batch.column("id")], schema=_IDS))
            self.to_delete += batch.num_rows

    def among(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Choose the records of a batch that have to be written."""
        return batch.filter(pa.array(self._wanted.contains(id_hashes(batch)))) if self.to_write else batch.slice(0, 0)

    def surplus(self) -> Iterator[list[str]]:
        """Give the ids that have to be deleted; nothing more can be taken in afterwards."""
        self._settle()
        with pa.OSFile(str(self._surplus), "rb") as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                yield batch.column("id").to_pylist()

    def _settle(self) -> None:
        if not self._file.closed:
            self._ids.close()
            self._file.close()


def _add(ids: DigestSet, batch: pa.RecordBatch) -> None:
    if batch.num_rows:
        hashes = id_hashes(batch)
        ids.add_rows(hashes, np.repeat(_NO_DIGEST, len(hashes)))
