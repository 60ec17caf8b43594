"""An incremental made by the first release restores for ever, with the backup it hangs on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backup_engine.archive.batches import vectors_of
from backup_engine.archive.documents import parse_sidecar
from backup_engine.archive.manifest import BackupKind, Content
from backup_engine.archive.reading import ArchiveReader, LocalFile, scan
from backup_engine.restore_point import RestorePoint, StoredLink
from tests.archive.v1_records import CODES, FLOATS, GONE, LATER

FIXTURES = Path(__file__).parent / "fixtures"


def opened(name: str, *, scanned: bool) -> ArchiveReader:
    file = LocalFile(FIXTURES / f"{name}.tar.gz")
    if scanned:
        return ArchiveReader(file, scan(file))
    return ArchiveReader(file, parse_sidecar((FIXTURES / f"{name}.json").read_bytes(), f"{name}.json"))


@pytest.fixture(params=["with its sidecar", "by scanning"])
def readers(request: pytest.FixtureRequest) -> tuple[ArchiveReader, ArchiveReader]:
    scanned = request.param == "by scanning"
    return opened("v1", scanned=scanned), opened("v1-incremental", scanned=scanned)


def test_its_manifest_says_what_it_said(readers):
    full, reader = readers
    reader.check_frame()
    clear = reader.manifest.clear
    assert (clear.name, clear.kind) == ("backup-20261122-121000", BackupKind.INCREMENTAL)
    assert [one.content for one in clear.collections] == [Content.DELTA, Content.SAME, Content.SAME, Content.WHOLE]
    for summary, there in zip(clear.collections[:3], full.manifest.clear.collections, strict=True):
        assert summary.base is not None
        assert (summary.base.name, summary.base.key) == (full.manifest.clear.name, there.key)
        assert (summary.base.run_key, summary.base.state_digest) == (full.manifest.clear.run_key, there.state_digest)
    delta = clear.collections[0]
    assert (delta.number, delta.upserts, delta.deletions, delta.vectors) == (1, 2, 2, 6)


def test_its_changes_are_what_they_were(readers):
    _, reader = readers
    [part] = reader.parts("c0001")
    assert part.batch.column("id").to_pylist() == list(LATER)
    [deleted] = reader.deleted("c0001")
    assert sorted(deleted.column("id").to_pylist()) == sorted(GONE)


def test_its_state_is_what_it_was_to_the_bit(readers):
    full, reader = readers
    chains = {
        "c0001": (StoredLink(full, "c0001"), StoredLink(reader, "c0001")),
        "c0002": (StoredLink(full, "c0002"),),
        "c0004": (StoredLink(reader, "c0004"),),
    }
    point = RestorePoint(reader.manifest, chains)
    expected = {key: value for key, value in (FLOATS | LATER).items() if key not in GONE}
    found = {}
    for part in point.parts("c0001"):
        columns = part.batch.column("id").to_pylist(), vectors_of(part.batch), part.batch.column("payload").to_pylist()
        found |= {key: (vector.tobytes(), payload) for key, vector, payload in zip(*columns, strict=True)}
    assert found == {key: (np.array(vector, "<f4").tobytes(), text) for key, (vector, text) in expected.items()}
    assert [part.batch.column("id").to_pylist() for part in point.parts("c0002")] == [list(CODES)]
    assert [part.batch.num_rows for part in point.parts("c0004")] == [1]
