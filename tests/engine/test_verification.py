"""A verification passes on what a backup's manifest says and on nothing else; every check has what it must fail on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import make_batch
from backup_engine.archive.entries import END, seal
from backup_engine.archive.limits import MANIFEST_NAME, README_NAME
from backup_engine.archive.manifest import Folder, Manifest, Standing, archive_key, sidecar_key
from backup_engine.archive.tail import README, document_bytes
from backup_engine.errors import StoreUnavailable, UnknownBackup, VerificationFailed
from backup_engine.records import Verification, read_records
from backup_engine.verification import VerificationLevel, VerificationReport, require_passed, verify_backup
from tests.archive.builder import NOON, Built, Given, assemble, build, rebuild, two_collections
from tests.archive.memory import arrow_bytes
from tests.engine.captures import Time, new_store
from tests.engine.restores import NAME, put
from tests.storage.faulty import Fault, FaultyStore

QUICK, FULL = VerificationLevel
BOTH = pytest.mark.parametrize("level", list(VerificationLevel))


@pytest.fixture(scope="module")
def honest() -> Built:
    return build(*two_collections())


def verify(built: Built, level: VerificationLevel, store=None) -> VerificationReport:
    clock = Time()
    if store is None:
        store = new_store(clock)
        put(store, built)
    return verify_backup(store, Folder.DAILY, NAME, level, clock, token="t1")


def problems(report: VerificationReport) -> str:
    return "\n".join(map(str, report.problems))


def place_of(built: Built, part: str, number: int = 0):
    return [entry for entry in built.sidecar.archive.entries if part in entry.name][number]


def flipped(built: Built, position: int) -> Built:
    data = bytearray(built.data)
    data[position] ^= 0x10
    return built.with_data(bytes(data))


def edited(built: Built, change) -> Built:
    """The archive with another manifest inside and beside it, both made to agree, by somebody who knows the format."""
    reader, manifest = built.reader(), change(built.sidecar.manifest)
    contents = [(entry.name, reader.entry(entry.name)) for entry in built.sidecar.archive.entries]
    members = [(name, content) for name, content in contents if name != MANIFEST_NAME]
    return assemble([*members, (MANIFEST_NAME, document_bytes(manifest))], manifest)


def with_summary(manifest: Manifest, number: int, **changes) -> Manifest:
    collections = [*manifest.clear.collections]
    collections[number] = collections[number].model_copy(update=changes)
    clear = manifest.clear.model_copy(update={"collections": tuple(collections)})
    return manifest.model_copy(update={"clear": clear})


def with_private(manifest: Manifest, number: int, **changes) -> Manifest:
    collections = [*manifest.private.collections]
    collections[number] = collections[number].model_copy(update=changes)
    private = manifest.private.model_copy(update={"collections": tuple(collections)})
    return manifest.model_copy(update={"private": private})


# ------------------------------------------------------------------ what passes


@BOTH
def test_an_honest_backup_passes(honest, level):
    report = verify(honest, level)
    assert report.problems == ()
    assert report.passed
    assert (report.collections, report.entries) == (2, 8)
    assert report.vectors == (12 if level is FULL else 0)
    require_passed(report)


def test_full_reads_every_byte_but_the_end_mark(honest):
    assert verify(honest, FULL).bytes == len(honest.data) - len(END)


def test_quick_reads_the_start_of_every_entry_and_the_frame_only(honest):
    assert verify(honest, QUICK).bytes < 8 * 600


@BOTH
def test_the_result_is_kept_beside_the_backup(honest, level):
    clock = Time()
    store = new_store(clock)
    put(store, honest)
    verify(honest, level, store)
    [record] = read_records(store, Folder.DAILY, NAME)
    assert isinstance(record, Verification)
    assert (record.level, record.passed, record.at, record.problems) == (level, True, clock(), ())
    assert record.host


def test_progress_counts_the_vectors_of_each_collection(honest):
    clock, events = Time(), []
    store = new_store(clock)
    put(store, honest)
    verify_backup(store, Folder.DAILY, NAME, FULL, clock, token="t1", progress=events.append)
    assert [(event.step, event.subject, event.done, event.total) for event in events] == [
        ("verify", "Docs & Notes/2026", 5, 5),
        ("verify", "codes", 7, 7),
    ]


# ---------------------------------------------------------------- what is damaged


def test_a_flipped_bit_in_any_entry_is_found_and_named(honest):
    names = {item.key: item.name for item in honest.sidecar.manifest.private.collections}
    for entry in honest.sidecar.archive.entries:
        for position in (entry.offset, entry.offset + entry.bytes // 2, entry.offset + entry.bytes - 1):
            report = verify(flipped(honest, position), FULL)
            assert not report.passed, (entry.name, position)
            assert entry.name in problems(report)
            if entry.name.startswith("collections/"):
                key = entry.name.split("/")[1][:5]
                assert {problem.collection for problem in report.problems} == {names[key]}
                assert {problem.entry for problem in report.problems} == {entry.name}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_found(honest, data):
    position = data.draw(st.integers(0, len(honest.data) - 1))
    assert not verify(flipped(honest, position), FULL).passed


def test_damage_to_one_collection_leaves_the_others_verified(honest):
    report = verify(flipped(honest, place_of(honest, "part-").offset + 700), FULL)
    assert report.vectors == 7
    assert {problem.collection for problem in report.problems} == {"Docs & Notes/2026"}


@BOTH
def test_an_archive_that_was_cut_short_is_found(honest, level):
    for length in {0, 1, len(honest.data) // 3, len(honest.data) - len(END), len(honest.data) - 1}:
        report = verify(honest.with_data(honest.data[:length]), level)
        assert not report.passed
        assert "truncated" in problems(report)


@BOTH
def test_an_archive_with_something_behind_it_is_found(honest, level):
    assert not verify(honest.with_data(honest.data + b"\x00"), level).passed
    assert not verify(honest.with_data(honest.data + END), level).passed


@BOTH
def test_an_archive_of_the_right_size_and_the_wrong_bytes_is_found(honest, level):
    assert not verify(honest.with_data(bytes(len(honest.data))), level).passed


@BOTH
def test_two_entries_that_changed_places_are_found(level):
    random = np.random.default_rng(3)
    twins = [
        Given(name, [make_batch(["a", "b"], random.standard_normal((2, 4)).astype(np.float32), [None, None])], 4)
        for name in ("left", "rite")
    ]
    built = build(*twins)
    first, second = place_of(built, "part-"), place_of(built, "part-", 1)
    assert first.bytes == second.bytes
    data = bytearray(built.data)
    one, two = slice(first.offset, first.offset + first.bytes), slice(second.offset, second.offset + second.bytes)
    data[one], data[two] = data[two], data[one]
    report = verify(built.with_data(bytes(data)), level)
    assert {problem.collection for problem in report.problems} == {"left", "rite"}
    assert {problem.entry for problem in report.problems} == {first.name, second.name}


@BOTH
def test_an_older_archive_under_the_right_name_is_found(level):
    def state(number: int) -> Built:
        vectors = np.full((3, 4), number, np.float32)
        return build(Given("docs", [make_batch(["a", "b", "c"], vectors, [None] * 3)], 4))

    older, newer = state(1), state(2)
    assert len(older.data) == len(newer.data)
    report = verify(replace(newer, data=older.data), level)
    assert "manifest.json: its stored bytes" in problems(report)


@BOTH
def test_the_manifest_of_another_backup_is_found(honest, level):
    clear = honest.sidecar.manifest.clear.model_copy(update={"name": "backup-20261121"})
    manifest = honest.sidecar.manifest.model_copy(update={"clear": clear})
    store = new_store(Time())
    put(store, honest, sidecar=honest.sidecar.model_copy(update={"manifest": manifest}))
    assert "another backup" in problems(verify(honest, level, store))
    others = build(two_collections()[1])
    store = new_store(Time())
    put(store, honest, sidecar=others.sidecar)
    assert not verify(honest, level, store).passed


@BOTH
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"manifest":{"format":"x","version":1}}'])
def test_a_manifest_that_cannot_be_read_is_a_failed_verification(honest, level, content):
    store = new_store(Time())
    store.create(archive_key(Folder.DAILY, NAME), [honest.data])
    store.create(sidecar_key(Folder.DAILY, NAME), [content])
    report = verify(honest, level, store)
    assert not report.passed
    assert report.problems
    assert [record.passed for record in read_records(store, Folder.DAILY, NAME)] == [False]


@BOTH
def test_a_manifest_of_a_newer_format_is_a_failed_verification(honest, level):
    store = new_store(Time())
    store.create(archive_key(Folder.DAILY, NAME), [honest.data])
    newer = document_bytes(honest.sidecar).replace(b'"version":1}', b'"version":2}')
    assert newer != document_bytes(honest.sidecar)
    store.create(sidecar_key(Folder.DAILY, NAME), [newer])
    assert "version 2" in problems(verify(honest, level, store))


@BOTH
def test_an_archive_that_is_gone_is_a_failed_verification(honest, level):
    store = new_store(Time())
    put(store, honest)
    store.delete([archive_key(Folder.DAILY, NAME)])
    assert "does not exist" in problems(verify(honest, level, store))


@BOTH
def test_a_backup_that_never_was_is_no_verification_at_all(honest, level):
    store = new_store(Time())
    with pytest.raises(UnknownBackup, match=NAME):
        verify(honest, level, store)
    assert list(store.list(f"{Folder.DAILY.value}/")) == []


# ------------------------------------------- what was made to agree with a manifest


@BOTH
def test_an_entry_too_many_or_too_few_is_found(honest, level):
    reader = honest.reader()
    members = [(entry.name, reader.entry(entry.name)) for entry in honest.sidecar.archive.entries]
    manifest = honest.sidecar.manifest
    part = next(number for number, (name, _) in enumerate(members) if "part-" in name)
    assert "lacks entries" in problems(verify(assemble(members[:part] + members[part + 1 :], manifest), level))
    odd = (members[part][0].replace("part-00000", "part-00001"), members[part][1])
    assert "does not list" in problems(verify(assemble([*members[:part], odd, *members[part:]], manifest), level))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: with_summary(m, 0, vectors=6, counted=6), "5 vectors; the manifest says 6"),
        (lambda m: with_summary(m, 1, vectors=6), "rows"),
        (lambda m: with_summary(m, 0, state_digest="0" * 64), "the manifest says " + "0" * 64),
        (lambda m: with_summary(m, 1, coded_parts=0), "1 parts of codes; the manifest says 0"),
        (lambda m: with_private(m, 0, irregular_count=0, irregular=()), "1 irregular records"),
        (lambda m: with_private(m, 0, irregular=("a",)), "irregular records"),
        (lambda m: with_private(m, 1, name="kodes"), "different collections"),
        (lambda m: with_summary(m, 1, configuration_sha256="0" * 64), "different collections"),
    ],
)
def test_a_manifest_that_was_edited_on_both_sides_is_found(honest, change, told):
    report = verify(edited(honest, change), FULL)
    assert not report.passed
    assert told in problems(report)
    assert all(problem.collection is not None for problem in report.problems)


def test_editing_nothing_leaves_it_honest(honest):
    assert verify(edited(honest, lambda manifest: manifest), FULL).passed


def test_a_part_that_was_exchanged_with_its_hashes_is_found(honest):
    other = build(two_collections()[0], replace(two_collections()[1], batches=[_other_codes()]))
    name = place_of(honest, "part-", 1).name
    report = verify(rebuild(honest, {name: other.reader().entry(place_of(other, "part-", 1).name)}), FULL)
    assert "state digest" in problems(report)
    assert {problem.collection for problem in report.problems} == {"codes"}


def _other_codes() -> pa.RecordBatch:
    batch = two_collections()[1].batches[0]
    payloads = ['{"n":0}', *(f'{{"n":{number}}}' for number in range(1, 6)), '{"n":7}']
    return make_batch(batch.column("id").to_pylist(), _vectors(batch), payloads)


def _vectors(batch: pa.RecordBatch) -> np.ndarray:
    return batch.column("vector").flatten().to_numpy().reshape(batch.num_rows, -1)


def test_digests_that_were_exchanged_with_their_hashes_are_found(honest):
    other = build(two_collections()[0], replace(two_collections()[1], batches=[_other_codes()]))
    digests = place_of(honest, "digests.parquet", 1).name
    content = other.reader().entry(place_of(other, "digests.parquet", 1).name)
    report = verify(rebuild(honest, {digests: content}), FULL)
    assert "not what the parts give" in problems(report)
    assert {(problem.collection, problem.entry) for problem in report.problems} == {("codes", digests)}


def test_an_id_that_is_there_twice_is_found():
    batch = make_batch(["a", "b", "a"], np.arange(12, dtype=np.float32).reshape(3, 4), [None] * 3)
    assert "under an id that another one has" in problems(verify(build(Given("docs", [batch], 4)), FULL))


# -------------------------------------------------------------- nothing compared


@BOTH
def test_nothing_compared_is_no_success_unless_an_empty_backup_was_allowed(level):
    empty = Given("void", [], 4)
    assert "nothing was compared" in problems(verify(build(empty), level))
    assert verify(build(empty, allowed_empty=True), level).passed
    assert "nothing was compared" in problems(verify(build(), level))
    assert verify(build(allowed_empty=True), level).passed


@BOTH
def test_a_partial_backup_is_verified_for_what_it_holds(honest, level):
    unreadable = {"standing": Standing.UNREADABLE, "entries": (), "vectors": 0, "state_digest": "", "coded_parts": 0}

    def drop_first(manifest: Manifest) -> Manifest:
        return with_summary(manifest, 0, **unreadable)

    reader = honest.reader()
    second = honest.sidecar.manifest.clear.collections[1]
    manifest = drop_first(honest.sidecar.manifest)
    members = [(entry.name, reader.entry(entry.name)) for entry in second.entries]
    tail = [(README_NAME, README.encode()), (MANIFEST_NAME, document_bytes(manifest))]
    report = verify(assemble([*members, *tail], manifest), level)
    assert report.passed, problems(report)
    nothing = with_summary(manifest, 1, **unreadable)
    tail = [(README_NAME, README.encode()), (MANIFEST_NAME, document_bytes(nothing))]
    assert "nothing was compared" in problems(verify(assemble(tail, nothing), level))


# ------------------------------------------------------------------------ beside it


def test_a_store_that_does_not_answer_is_no_verdict(honest):
    inner = new_store(Time())
    put(inner, honest)
    watched = FaultyStore(inner)
    verify(honest, FULL, watched)
    inner.delete([info.key for info in inner.list(f"{Folder.DAILY.value}/{NAME}.records/")])
    for call in range(1, len(watched.calls) + 1):
        store = FaultyStore(inner, Fault(call, error=lambda: StoreUnavailable("no answer"), lasting=False))
        with pytest.raises(StoreUnavailable):
            verify(honest, FULL, store)
        assert read_records(inner, Folder.DAILY, NAME) == ()


def test_failures_say_what_and_where_when_they_are_required_to_pass(honest):
    report = verify(flipped(honest, place_of(honest, "part-").offset + 700), FULL)
    with pytest.raises(VerificationFailed, match=r"collection 'Docs & Notes/2026', collections/c0001-.*part-00000"):
        require_passed(report)


def test_a_failure_is_recorded_with_its_problems(honest):
    store = new_store(Time())
    put(store, flipped(honest, place_of(honest, "part-").offset + 700))
    verify(honest, FULL, store)
    [record] = read_records(store, Folder.DAILY, NAME)
    assert not record.passed
    assert "part-00000.parquet" in record.problems[0]


def test_memory_is_flat_whatever_the_size():
    def peak(parts: int) -> int:
        vectors, highest = np.zeros((60_000, 16), np.float32), 0
        batches = [make_batch([f"{p}-{row}" for row in range(60_000)], vectors, [None] * 60_000) for p in range(parts)]
        clock = Time()
        store = new_store(clock)
        put(store, build(Given("docs", batches, 16)))
        del batches
        before = arrow_bytes()

        def note(_event) -> None:
            nonlocal highest
            highest = max(highest, arrow_bytes() - before)

        assert verify_backup(store, Folder.DAILY, NAME, FULL, clock, token="t", progress=note).passed
        return highest

    assert peak(6) < 1.5 * peak(2)


def test_sealed_entries_are_told_by_where_they_lie(honest):
    """A member of the right size under another name is found by the quick level too."""
    first = place_of(honest, "config.json")
    entry = honest.sidecar.manifest.clear.collections[0].entries[0]
    twin = seal(entry.name.replace("config", "c0nfig"), honest.reader().entry(first.name), NOON)
    data = twin.stored + honest.data[len(twin.stored) :]
    report = verify(honest.with_data(data), QUICK)
    assert {problem.entry for problem in report.problems} == {first.name}
