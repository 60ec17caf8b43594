"""A backup made by the first release restores for ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backup_engine.archive.batches import vectors_of
from backup_engine.archive.digests import DigestSet, rows_of
from backup_engine.archive.documents import parse_sidecar
from backup_engine.archive.manifest import Standing
from backup_engine.archive.reading import ArchiveReader, LocalFile, scan
from backup_engine.model import Metric, Quantization
from tests.archive.v1_records import CODES, FLOATS, SHOWN

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(params=["with its sidecar", "by scanning"])
def reader(request: pytest.FixtureRequest) -> ArchiveReader:
    file = LocalFile(FIXTURES / "v1.tar.gz")
    if request.param == "by scanning":
        return ArchiveReader(file, scan(file))
    return ArchiveReader(file, parse_sidecar((FIXTURES / "v1.json").read_bytes(), "v1.json"))


def test_its_manifest_says_what_it_said(reader: ArchiveReader):
    reader.check_frame()
    clear, private = reader.manifest.clear, reader.manifest.private
    assert (clear.name, clear.vectors, clear.whole_scope) == ("backup-20261122", 10, True)
    assert [item.name for item in private.collections] == ["Docs & Notes/2026", "codes", "名前"]
    assert [item.standing for item in clear.collections] == [Standing.WHOLE, Standing.FUZZY, Standing.WHOLE]
    assert (private.label, private.aliases) == ("before the move", {"current": "codes"})
    assert private.collections[0].irregular == ("null components",)


def test_its_configurations_are_what_they_were(reader: ArchiveReader):
    configurations = [reader.configuration(key) for key in ("c0001", "c0002", "c0003")]
    assert [item.dimension for item in configurations] == [3, 4, 5]
    assert [item.metric for item in configurations] == [Metric.EUCLIDEAN, Metric.COSINE, Metric.EUCLIDEAN]
    assert [item.quantization for item in configurations] == [Quantization.NONE, Quantization.SQ8, Quantization.NONE]


def test_its_floats_are_the_same_to_the_bit(reader: ArchiveReader):
    [part] = reader.parts("c0001")
    assert part.codes is None
    assert part.batch.column("id").to_pylist() == list(FLOATS)
    assert part.batch.column("payload").to_pylist() == [payload for _, payload in FLOATS.values()]
    expected = np.array([vector for vector, _ in FLOATS.values()], np.float32)
    assert vectors_of(part.batch).tobytes() == expected.tobytes()


def test_its_codes_are_the_same_and_stand_for_the_same_floats(reader: ArchiveReader):
    [part] = reader.parts("c0002")
    assert part.batch.column("id").to_pylist() == list(CODES)
    assert part.codes.codes.tolist() == [codes for codes, *_ in CODES.values()]
    assert part.codes.lo.tolist() == [lo for _, lo, _, _ in CODES.values()]
    assert part.codes.hi.tolist() == [hi for _, _, hi, _ in CODES.values()]
    expected = [[float.fromhex(text) for text in row] for row in SHOWN.values()]
    assert vectors_of(part.batch).tolist() == expected


def test_its_empty_collection_is_empty(reader: ArchiveReader):
    assert list(reader.parts("c0003")) == []
    assert list(reader.digests("c0003")) == []


def test_its_digests_are_calculated_the_same_today(reader: ArchiveReader):
    for collection in reader.manifest.clear.collections:
        with DigestSet() as digests:
            for part in reader.parts(collection.key):
                digests.add(part.batch)
            assert digests.state_digest() == collection.state_digest
            stored = b"".join(rows_of(chunk).tobytes() for chunk in reader.digests(collection.key))
            assert stored == b"".join(rows_of(chunk).tobytes() for chunk in digests.chunks())
