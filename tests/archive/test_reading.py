"""Reading: what was written comes back, only what is needed is read, and no damage goes unnoticed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import make_batch, vectors_of
from backup_engine.archive.digests import DigestSet, id_hashes, record_digests, rows_of
from backup_engine.archive.documents import parse_sidecar
from backup_engine.archive.entries import END, seal
from backup_engine.archive.manifest import BackupState, Folder, Standing
from backup_engine.archive.reading import ArchiveReader, LocalFile, StoredObject, load_sidecar, scan
from backup_engine.archive.tail import document_bytes
from backup_engine.archive.tail import sidecar as make_sidecar
from backup_engine.errors import (
    BackupError,
    DamagedArchive,
    ObjectNotFound,
    UnknownCollection,
    UnknownFormat,
)
from backup_engine.storage.memory import MemoryStore
from tests.archive.builder import NOON, Built, BytesSource, Given, build, two_collections, write_collection


@cache
def small() -> Built:
    """The smallest archive with everything in it."""
    return build(Given("n", [make_batch(["a", "b"], np.ones((2, 3), np.float32), [None, "{}"])], 3))


@cache
def usual() -> Built:
    return build(*two_collections(), Given("empty", [], 3))


def read_everything(reader: ArchiveReader) -> int:
    """What a full verification reads; gives the number of records."""
    reader.check_frame()
    records = 0
    for key in (collection.key for collection in reader.manifest.clear.collections):
        reader.configuration(key)
        with DigestSet() as digests:
            for part in reader.parts(key):
                digests.add(part.batch)
            stored = b"".join(rows_of(chunk).tobytes() for chunk in reader.digests(key))
            assert stored == b"".join(rows_of(chunk).tobytes() for chunk in digests.chunks())
            records += digests.count
    return records


def test_everything_comes_back_to_the_bit():
    reader = usual().reader()
    assert read_everything(reader) == 12
    for given_collection, key in zip(two_collections(), ["c0001", "c0002"], strict=True):
        [part], [batch] = reader.parts(key), given_collection.batches
        assert part.batch.column("id").equals(batch.column("id"))
        assert part.batch.column("payload").equals(batch.column("payload"))
        assert vectors_of(part.batch).tobytes() == vectors_of(batch).tobytes()
        assert reader.configuration(key) == given_collection.configuration
        [chunk] = reader.digests(key)
        rows = np.stack([id_hashes(batch), record_digests(batch)], axis=1).tobytes()
        assert rows_of(chunk).tobytes() == b"".join(sorted(rows[s : s + 32] for s in range(0, len(rows), 32)))


def test_one_collection_is_restored_by_reading_its_ranges_alone():
    built = usual()
    source = built.source()
    reader = ArchiveReader(source, built.sidecar)
    list(reader.parts("c0002"))
    parts = [built.place(name) for name in reader.part_names("c0002")]
    assert source.reads == [(part.offset, part.bytes) for part in parts]


def test_an_archive_without_its_sidecar_opens_by_scanning(tmp_path: Path):
    built = usual()
    assert scan(built.source()) == built.sidecar
    file = LocalFile(built.save(tmp_path))
    assert read_everything(ArchiveReader(file, scan(file))) == 12


def test_an_archive_is_read_from_a_store():
    built = usual()
    store = MemoryStore()
    store.create("daily/backup-20261122.tar.gz", [built.data])
    store.create("daily/backup-20261122.json", [document_bytes(built.sidecar)])
    sidecar = load_sidecar(store, Folder.DAILY, "backup-20261122")
    assert sidecar == built.sidecar
    assert read_everything(ArchiveReader(StoredObject(store, "daily/backup-20261122.tar.gz"), sidecar)) == 12


def test_a_missing_sidecar_and_a_missing_archive_are_named():
    with pytest.raises(ObjectNotFound, match=r"daily/backup-20261122\.json"):
        load_sidecar(MemoryStore(), Folder.DAILY, "backup-20261122")
    with pytest.raises(ObjectNotFound, match=r"daily/x\.tar\.gz"):
        StoredObject(MemoryStore(), "daily/x.tar.gz")


def test_the_manifest_of_another_backup_is_refused_under_this_name():
    store = MemoryStore()
    store.create("weekly/backup-20261122.json", [document_bytes(usual().sidecar)])
    store.create("daily/backup-20261123.json", [document_bytes(usual().sidecar)])
    for folder, name in ((Folder.WEEKLY, "backup-20261122"), (Folder.DAILY, "backup-20261123")):
        with pytest.raises(DamagedArchive, match="manifest of another backup: daily/backup-20261122"):
            load_sidecar(store, folder, name)


def test_an_unknown_collection_is_named_with_those_there_are():
    with pytest.raises(UnknownCollection, match=r"'c0009'; it holds c0001, c0002, c0003"):
        list(usual().reader().parts("c0009"))


def test_an_unknown_entry_is_named():
    with pytest.raises(DamagedArchive, match=r"backup-20261122\.tar\.gz holds no entry 'x'"):
        usual().reader().entry("x")


def test_a_collection_that_could_not_be_read_is_there_by_name_only():
    given_collection = two_collections()[0]
    built = usual()
    clear, private = built.sidecar.manifest.clear, built.sidecar.manifest.private
    nothing = clear.collections[0].model_copy(
        update={"standing": Standing.UNREADABLE, "entries": (), "vectors": 0, "state_digest": ""}
    )
    manifest = built.sidecar.manifest.model_copy(
        update={
            "clear": clear.model_copy(update={"collections": (nothing,), "state": BackupState.PARTIAL}),
            "private": private.model_copy(
                update={"collections": (private.collections[0].model_copy(update={"configuration": None}),)}
            ),
        }
    )
    facts, tail = make_sidecar(manifest, [])
    reader = Built(tail, facts).reader()
    reader.check_frame()
    assert reader.manifest.name_of("c0001") == given_collection.name
    assert list(reader.parts("c0001")) == []
    for read in (reader.configuration, lambda key: list(reader.digests(key))):
        with pytest.raises(DamagedArchive, match="nothing of collection c0001 could be read when it was made"):
            read("c0001")


# ---------------------------------------------------------------- damage


def test_every_single_flipped_bit_of_an_entry_is_noticed_and_the_entry_named():
    built = small()
    data = bytearray(built.data)
    reader = ArchiveReader(BytesSource(data), built.sidecar)
    for entry in built.sidecar.archive.entries:
        reader.entry(entry.name)
        named = re.compile(rf"backup-20261122\.tar\.gz: {re.escape(entry.name)}: ")
        for position in range(entry.offset, entry.offset + entry.bytes):
            for bit in range(8):
                data[position] ^= 1 << bit
                with pytest.raises(DamagedArchive, match=named):
                    reader.entry(entry.name)
                data[position] ^= 1 << bit
    for position in range(len(data) - len(END), len(data)):
        data[position] ^= 1
        with pytest.raises(DamagedArchive, match="does not end as archives end"):
            reader.check_frame()
        data[position] ^= 1


@given(st.integers(0, len(small().data) * 8 - 1))
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_anywhere_fails_a_full_read(bit):
    data = bytearray(small().data)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BackupError):
        read_everything(small().with_data(bytes(data)).reader())


@given(st.integers(0, len(small().data) * 8 - 1))
@settings(max_examples=150, deadline=None)
def test_without_a_sidecar_too(bit):
    data = bytearray(small().data)
    data[bit // 8] ^= 1 << bit % 8
    source = BytesSource(bytes(data))
    with pytest.raises(BackupError):
        read_everything(ArchiveReader(source, scan(source)))


@given(st.integers(0, len(document_bytes(small().sidecar)) * 8 - 1))
@settings(max_examples=300, deadline=None)
def test_a_flipped_bit_in_the_sidecar_is_noticed_or_means_the_same(bit):
    raw = bytearray(document_bytes(small().sidecar))
    raw[bit // 8] ^= 1 << bit % 8
    try:
        sidecar = parse_sidecar(bytes(raw), "sidecar")
        read_everything(ArchiveReader(small().source(), sidecar))
    except BackupError:
        return
    assert sidecar == small().sidecar


@given(st.integers(0, len(usual().data) - 1))
@settings(max_examples=150, deadline=None)
def test_truncation_anywhere_is_noticed_with_and_without_a_sidecar(length):
    source = BytesSource(usual().data[:length])
    with pytest.raises(DamagedArchive, match=f"has {length:,} bytes, {len(usual().data):,} were expected: truncated"):
        ArchiveReader(source, usual().sidecar)
    with pytest.raises((DamagedArchive, UnknownFormat), match=r"backup-20261122\.tar\.gz"):
        scan(source)


def test_a_file_that_shrinks_while_it_is_read_is_damage(tmp_path: Path):
    path = usual().save(tmp_path)
    file = LocalFile(path)
    reader = ArchiveReader(file, usual().sidecar)
    path.write_bytes(usual().data[:100])
    with pytest.raises(DamagedArchive, match="truncated while it was read"):
        reader.check_frame()


def test_something_appended_is_noticed():
    longer = usual().data + b"\x00" * 512
    with pytest.raises(DamagedArchive, match="another backup's archive"):
        ArchiveReader(BytesSource(longer), usual().sidecar)
    with pytest.raises((DamagedArchive, UnknownFormat)):
        scan(BytesSource(longer))


def two_parts_of_one_size() -> Built:
    batches = [
        make_batch(
            [f"{letter}{number}" for number in range(65_536)], np.zeros((65_536, 3), np.float32), [None] * 65_536
        )
        for letter in "ab"
    ]
    return build(Given("n", batches, 3))


def test_two_entries_swapped_are_noticed_with_and_without_a_sidecar():
    built = two_parts_of_one_size()
    first, second = (built.place(f"collections/c0001-n/part-0000{number}.parquet") for number in (0, 1))
    cut = built.data[: first.offset], built.data[first.offset : second.offset]
    rest = built.data[second.offset : second.offset + second.bytes], built.data[second.offset + second.bytes :]
    swapped = built.with_data(cut[0] + rest[0] + cut[1] + rest[1])
    assert len(swapped.data) == len(built.data)
    with pytest.raises(DamagedArchive, match=r"part-0000[01]\.parquet"):
        read_everything(swapped.reader())
    source = swapped.source()
    with pytest.raises(DamagedArchive):
        read_everything(ArchiveReader(source, scan(source)))


def test_an_entry_replaced_by_an_older_one_is_noticed():
    older = build(Given("n", [make_batch(["a", "b"], np.full((2, 3), 2, np.float32), [None, "{}"])], 3))
    name = "collections/c0001-n/part-00000.parquet"
    here, there = small().place(name), older.place(name)
    assert here.bytes == there.bytes
    data = bytearray(small().data)
    data[here.offset : here.offset + here.bytes] = older.data[there.offset : there.offset + there.bytes]
    with pytest.raises(DamagedArchive, match=name):
        read_everything(small().with_data(bytes(data)).reader())
    source = BytesSource(bytes(data))
    with pytest.raises(DamagedArchive, match=name):
        read_everything(ArchiveReader(source, scan(source)))


def test_the_sidecar_of_another_backup_is_noticed():
    with pytest.raises(DamagedArchive, match="another backup's archive"):
        ArchiveReader(usual().source(), small().sidecar)
    twin = build(Given("n", [make_batch(["a", "b"], np.ones((2, 3), np.float32), [None, "{}"])], 3), run_key="f" * 16)
    assert len(twin.data) == len(small().data)
    with pytest.raises(DamagedArchive, match=r"manifest\.json"):
        ArchiveReader(twin.source(), small().sidecar).check_frame()


def test_a_missing_manifest_makes_no_backup():
    place = small().place("manifest.json")
    with pytest.raises(DamagedArchive, match=r"has no manifest\.json at its end"):
        scan(BytesSource(small().data[: place.offset] + END))
    with pytest.raises(DamagedArchive, match=r"has no manifest\.json at its end"):
        scan(BytesSource(END))


def test_a_missing_end_is_noticed():
    with pytest.raises((DamagedArchive, UnknownFormat)):
        scan(BytesSource(small().data[: -len(END)]))


def test_an_end_in_the_middle_is_noticed():
    place = small().place("manifest.json")
    data = small().data[: place.offset] + END + small().data[place.offset :]
    with pytest.raises(UnknownFormat, match="or not all of it is"):
        scan(BytesSource(data))


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 10_000, b"\x1f\x8b" + bytes(1000)])
def test_what_is_no_archive_is_said_to_be_none(data):
    with pytest.raises((UnknownFormat, DamagedArchive), match=r"backup-20261122\.tar\.gz"):
        scan(BytesSource(data))


def test_fewer_records_than_the_manifest_says_is_damage():
    _, written = write_collection(two_collections()[0])
    built = usual()
    clear = built.sidecar.manifest.clear
    more = clear.collections[0].model_copy(update={"vectors": written.vectors + 1})
    manifest = built.sidecar.manifest.model_copy(
        update={"clear": clear.model_copy(update={"collections": (more, *clear.collections[1:])})}
    )
    reader = ArchiveReader(built.source(), built.sidecar.model_copy(update={"manifest": manifest}))
    with pytest.raises(DamagedArchive, match="collection c0001 holds 5 vectors; 6 were expected"):
        list(reader.parts("c0001"))
    with pytest.raises(DamagedArchive, match="holds 5 rows; 6 were expected"):
        list(reader.digests("c0001"))


def test_sealing_is_what_the_tests_tamper_with():
    """The fixtures above rely on it: the builder's entries are the product's own."""
    stored = small().place("README.txt")
    raw = small().data[stored.offset : stored.offset + stored.bytes]
    assert seal("README.txt", small().reader().entry("README.txt"), NOON).stored == raw
