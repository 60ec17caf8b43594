"""A copy holds what the original holds, to the bit, or is no backup; the original gets a record and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupState, archive_key, records_prefix, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.copies.copying import CopyReport, copy_backup, download_backup
from backup_engine.describing import describe
from backup_engine.errors import (
    DamagedArchive,
    InvalidInput,
    LeaseHeld,
    ObjectExists,
    ObjectNotFound,
    StoreFull,
    StoreNotInitialised,
)
from backup_engine.lease import acquire
from backup_engine.names import Place, Reservation
from backup_engine.records import Copied, acknowledge_backup, read_records
from backup_engine.storage.contract import READ_CHUNK
from backup_engine.storage.memory import MemoryStore
from backup_engine.verification import VerificationLevel, verify_backup
from tests.archive.builder import build, two_collections
from tests.engine.captures import Time, capture, keys, new_store, stored_content
from tests.engine.memory_server import MemoryServer
from tests.engine.places import FOLDER, NAME, TO, built, flipped, holds, objects, overwrite, place
from tests.engine.restores import put
from tests.storage.faulty import FaultyStore

ARCHIVE, MANIFEST = archive_key(FOLDER, NAME), sidecar_key(FOLDER, NAME)


class Pair:
    """A primary that holds a backup, and an empty copy."""

    def __init__(self) -> None:
        self.clock = Time()
        self.source = place("one", self.clock, built())
        self.target = place("two", self.clock)

    def copy(self, word: str = "t1", **changes) -> CopyReport:
        given = {"source": self.source, "target": self.target, "clock": self.clock, "token": word, "to": TO}
        return copy_backup(FOLDER, NAME, **(given | changes))


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_a_copy_is_the_original_to_the_bit(pair):
    size = len(built().data)
    assert pair.copy() == CopyReport(name=NAME, bytes=size, copied=size, compared=size)
    assert holds(pair.target, built())


def test_a_whole_capture_restores_from_its_copy():
    clock = Time()
    source, target, server = new_store(clock), place("two", clock), MemoryServer(clock=clock)
    server.fill("docs", 30, dimension=4)
    made = capture(server, source, clock)
    copy_backup(made.folder, made.name, source, target, clock=clock, token="t", to=TO)
    assert stored_content(target, made.folder, made.name) == {"docs": server.content("docs")}
    assert Catalog(target, clock).find("latest").name == made.name


def test_the_original_is_given_a_record_and_nothing_else(pair):
    before = objects(pair.source)
    pair.copy()
    after = objects(pair.source)
    [added] = after.keys() - before.keys()
    assert added.startswith(f"{records_prefix(FOLDER, NAME)}copy-")
    assert before.items() <= after.items()


def test_the_record_says_where_it_lies_without_connection_and_options(pair):
    pair.copy()
    [record] = read_records(pair.source, FOLDER, NAME)
    assert record == Copied(
        at=pair.clock(), token="t1", to="s3://bucket/production", store_id="two", bytes=len(built().data)
    )
    [backup] = Catalog(pair.source, pair.clock).backups()
    assert backup.copies == (record,)
    assert describe(backup)["copies"] == [
        {"to": "s3://bucket/production", "store_id": "two", "at": "2026-11-22T02:00:00Z", "bytes": len(built().data)}
    ]


def test_of_several_records_about_one_store_the_newest_counts(pair):
    third = place("three", pair.clock)
    pair.copy("a")
    pair.copy("b", target=third, to="gs://third")
    pair.clock.pass_by(hours=1)
    pair.target.delete([MANIFEST])
    pair.copy("c", to="s3://moved")
    [backup] = Catalog(pair.source, pair.clock).backups()
    assert [(record.store_id, record.to) for record in backup.copies] == [
        ("three", "gs://third"),
        ("two", "s3://moved"),
    ]


def test_copying_again_writes_and_reads_nothing_of_the_archive(pair):
    pair.copy()
    watched = FaultyStore(pair.target)
    before = objects(pair.target), objects(pair.source)
    assert pair.copy("t2", target=watched) == CopyReport(name=NAME, bytes=len(built().data), copied=0, compared=0)
    assert (objects(pair.target), objects(pair.source)) == before
    assert not [call for call in watched.calls if call.key == ARCHIVE and call.method != "stat"]


def test_what_somebody_else_brought_there_is_compared_before_it_is_called_a_copy(pair):
    put(pair.target, built())
    assert pair.copy().compared == len(built().data)
    assert len(Catalog(pair.source, pair.clock).backups()[0].copies) == 1
    other = Pair()
    put(other.target, built().with_data(flipped(built().data)))
    with pytest.raises(DamagedArchive, match="memory://two"):
        other.copy()
    assert Catalog(other.source, other.clock).backups()[0].copies == ()


def test_the_name_is_reserved_at_the_copy_as_a_commit_reserves_it(pair):
    pair.copy()
    found, clear = objects(pair.target), built().sidecar.manifest.clear
    assert Reservation.model_validate_json(found[f"names/{NAME}"]) == Reservation(
        run_key=clear.run_key, folder=FOLDER, captured_at=clear.captured_at, takes_slot=True
    )
    assert Place.model_validate_json(found[f"names/runs/{clear.run_key}.json"]) == Place(folder=FOLDER, name=NAME)


def test_a_commit_at_the_copy_finds_the_backup_of_its_own_run():
    clock = Time()
    source, target, server = new_store(clock), place("store-1x", clock), MemoryServer(clock=clock)
    server.fill("docs", 30, dimension=4)
    made = capture(server, source, clock)
    copy_backup(made.folder, made.name, source, target, clock=clock, token="t", to=TO)
    again = capture(server, target, clock, store_id="store-1x")
    assert again.name == made.name
    assert len(Catalog(target, clock).backups()) == 1


def test_what_a_person_said_of_it_goes_with_it():
    clock = Time()
    suspect = build(*two_collections(), state=BackupState.SUSPECT)
    source, target = place("one", clock, suspect), place("two", clock)
    copy_backup(FOLDER, NAME, source, target, clock=clock, token="t1", to=TO)
    acknowledge_backup(source, FOLDER, NAME, why="it was meant", clock=clock, token="a")
    copy_backup(FOLDER, NAME, source, target, clock=clock, token="t2", to=TO)
    [backup] = Catalog(target, clock).backups()
    assert (backup.state, backup.acknowledgement.why) == (BackupState.GOOD, "it was meant")
    assert [record.kind for record in backup.records] == ["acknowledgement"]


def verified(store, clock, token, level=VerificationLevel.FULL):
    return verify_backup(store, FOLDER, NAME, level, clock, token=token).passed


def test_a_backup_that_was_read_whole_counts_as_verified_in_the_copy_that_gave_back_the_same_bytes(pair):
    assert verified(pair.source, pair.clock, "v1")
    pair.copy()
    [backup] = Catalog(pair.target, pair.clock).backups()
    assert backup.verified_at == pair.clock()
    [record] = backup.verifications
    assert (record.level, record.bytes) == (VerificationLevel.FULL, len(built().data))


@pytest.mark.parametrize("levels", [[], [VerificationLevel.QUICK]], ids=["never", "quickly"])
def test_what_was_never_read_whole_counts_as_verified_nowhere(pair, levels):
    for level in levels:
        assert verified(pair.source, pair.clock, "v1", level)
    pair.copy()
    assert [one.verified_at for one in Catalog(pair.target, pair.clock).backups()] == [None]


def test_what_was_found_damaged_since_it_was_read_whole_is_not_vouched_for(pair):
    assert verified(pair.source, pair.clock, "v1")
    right = objects(pair.source)[ARCHIVE]
    overwrite(pair.source, ARCHIVE, flipped(right))
    pair.clock.pass_by(minutes=1)
    assert not verified(pair.source, pair.clock, "v2")
    overwrite(pair.source, ARCHIVE, right)
    pair.copy()
    assert [one.verified_at for one in Catalog(pair.target, pair.clock).backups()] == [None]


def test_progress_is_told_in_bytes_while_it_is_written_and_while_it_is_compared(pair):
    events = []
    pair.copy(progress=events.append)
    size = len(built().data)
    assert [(event.step, event.subject, event.done, event.total) for event in events] == [
        ("copy", NAME, size, size),
        ("compare copy", NAME, size, size),
    ]


def test_no_more_than_a_chunk_is_held_at_a_time(pair):
    class Slow(MemoryStore):
        most = 0

        def create(self, key, chunks):
            listed = []
            for chunk in chunks:
                Slow.most = max(Slow.most, len(chunk))
                listed.append(chunk)
            return super().create(key, listed)

    target = Slow("memory://two", pair.clock)
    target.create("store.json", [objects(pair.target)["store.json"]])
    pair.copy(target=target)
    assert 0 < Slow.most <= READ_CHUNK


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("change", [flipped, lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
def test_a_damaged_source_is_not_copied(pair, change):
    overwrite(pair.source, ARCHIVE, change(built().data))
    with pytest.raises(DamagedArchive):
        pair.copy()
    assert not holds(pair.target, built())
    assert [key for key in keys(pair.target) if not key.startswith("names/")] == ["store.json"]


def test_two_entries_that_changed_places_are_not_copied(pair):
    first, second = built().sidecar.archive.entries[1:3]
    data = built().data
    swapped = (
        data[: first.offset]
        + data[second.offset : second.offset + second.bytes]
        + data[first.offset : first.offset + first.bytes]
        + data[second.offset + second.bytes :]
    )
    assert len(swapped) == len(data)
    overwrite(pair.source, ARCHIVE, swapped)
    with pytest.raises(DamagedArchive):
        pair.copy()


def test_a_source_without_its_archive_or_its_manifest_is_not_copied(pair):
    pair.source.delete([ARCHIVE])
    with pytest.raises(ObjectNotFound):
        pair.copy()
    pair.source.delete([MANIFEST])
    with pytest.raises(ObjectNotFound):
        pair.copy()
    assert not holds(pair.target, built())


def test_a_manifest_under_another_name_is_not_copied(pair):
    moved = sidecar_key(FOLDER, "backup-20261123")
    pair.source.create(moved, pair.source.read(MANIFEST))
    with pytest.raises(DamagedArchive, match="manifest of another backup"):
        copy_backup(FOLDER, "backup-20261123", pair.source, pair.target, clock=pair.clock, token="t", to=TO)


def test_a_store_that_does_not_keep_what_it_is_given_gets_no_manifest(pair):
    class Forgetful(MemoryStore):
        def create(self, key, chunks):
            data = b"".join(chunks)
            return super().create(key, [flipped(data) if key == ARCHIVE else data])

    target = Forgetful("memory://two", pair.clock)
    target.create("store.json", [objects(pair.target)["store.json"]])
    with pytest.raises(DamagedArchive, match="memory://two"):
        pair.copy(target=target)
    assert MANIFEST not in keys(target)
    assert Catalog(pair.source, pair.clock).backups()[0].copies == ()


@pytest.mark.parametrize(
    "left", [flipped(built().data), built().data[:-100], built().data + b"x", b"", built(NAME, "f" * 16).data]
)
def test_an_archive_without_its_manifest_is_made_right(pair, left):
    pair.target.create(ARCHIVE, [left])
    pair.copy()
    assert holds(pair.target, built())


def test_a_right_archive_without_its_manifest_is_compared_and_not_written_again(pair):
    pair.target.create(ARCHIVE, [built().data])
    assert pair.copy() == CopyReport(name=NAME, bytes=len(built().data), copied=0, compared=len(built().data))
    assert holds(pair.target, built())


def test_another_backup_under_the_name_is_left_as_it_is(pair):
    other = built(NAME, "f" * 16)
    put(pair.target, other)
    before = objects(pair.target)
    with pytest.raises(ObjectExists, match=r"memory://two/.* is another backup than memory://one/"):
        pair.copy()
    assert objects(pair.target) == before


def test_a_name_that_another_run_holds_at_the_copy_is_left_to_it(pair):
    other = built(NAME, "f" * 16)
    clear = other.sidecar.manifest.clear
    held = Reservation(run_key=clear.run_key, folder=FOLDER, captured_at=clear.captured_at, takes_slot=True)
    pair.target.create(f"names/{NAME}", [held.model_dump_json().encode()])
    with pytest.raises(ObjectExists, match="holds the name for another run"):
        pair.copy()
    put(pair.target, other)
    assert holds(pair.target, other)


def test_a_manifest_at_the_copy_whose_archive_is_missing_is_told_and_not_called_a_copy(pair):
    pair.copy()
    pair.target.delete([ARCHIVE])
    with pytest.raises(DamagedArchive, match=r"is missing.*`sync` puts it right"):
        pair.copy("t2")


@pytest.mark.parametrize(("deployment", "store_id"), [("staging", "two"), ("production", "one")])
def test_another_deployments_store_and_the_same_store_are_no_place_for_a_copy(pair, deployment, store_id):
    target = place(store_id, pair.clock, deployment=deployment)
    with pytest.raises(InvalidInput, match=r"of two deployments|the same store"):
        pair.copy(target=target)
    assert keys(target) == ["store.json"]


def test_a_place_that_is_no_store_gets_nothing(pair):
    target = MemoryStore()
    with pytest.raises(StoreNotInitialised):
        pair.copy(target=target)
    assert keys(target) == []


def test_an_address_that_is_none_is_refused_before_anything_is_written(pair):
    with pytest.raises(InvalidInput):
        pair.copy(to="ftp://somewhere")
    assert keys(pair.target) == ["store.json"]


def test_room_is_looked_for_first(pair):
    class Full(MemoryStore):
        def free_bytes(self):
            return 10

    target = Full("memory://two", pair.clock)
    target.create("store.json", [objects(pair.target)["store.json"]])
    with pytest.raises(StoreFull):
        pair.copy(target=target)
    assert ARCHIVE not in keys(target)


def test_while_another_worker_clears_the_place_the_copy_is_tried_again_later(pair):
    pair.target.create(ARCHIVE, [b"left over"])
    with acquire(pair.target, f"copy-{NAME}", "another", timedelta(minutes=2), pair.clock), pytest.raises(LeaseHeld):
        pair.copy()
    pair.copy()
    assert holds(pair.target, built())


def test_a_download_is_the_archive_and_damage_is_not_passed_on(pair, tmp_path):
    file = tmp_path / "a.tar.gz"
    download_backup(FOLDER, NAME, pair.source, file)
    assert file.read_bytes() == built().data
    overwrite(pair.source, ARCHIVE, flipped(built().data))
    with pytest.raises(DamagedArchive):
        download_backup(FOLDER, NAME, pair.source, tmp_path / "b.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]
