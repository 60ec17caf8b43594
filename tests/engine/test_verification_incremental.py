"""An incremental passes only if its own bytes are right, and its states follow from what it hangs on."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.digests import DigestSet
from backup_engine.archive.digests_file import write_digests
from backup_engine.archive.entries import END
from backup_engine.archive.manifest import Content, Manifest, archive_key, sidecar_key
from backup_engine.archive.parts import encode_part
from backup_engine.archive.tail import document_bytes
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from backup_engine.verification import VerificationLevel, VerificationReport, verify_backup
from tests.archive.builder import Built, Given, rebuild
from tests.archive.lines import Line, batch_of_rows, changed, edited, records, state, without
from tests.engine.captures import Time
from tests.engine.restores import put
from tests.engine.test_verification import edited as with_manifest
from tests.engine.test_verification import problems, with_private, with_summary

QUICK, FULL = VerificationLevel
BOTH = pytest.mark.parametrize("level", list(VerificationLevel))
DOCS, STILL = state(range(30)), state(range(6), name="still")
LATER = without(changed(DOCS, [3, 40], 1), [7, 8])


@pytest.fixture
def line() -> Line:
    """A full, then an incremental with a delta, a pointer and a new collection."""
    made = Line(DOCS, STILL)
    made.add(LATER, STILL, state(range(4), name="young"))
    return made


class Reads(MemoryStore):
    """A store that remembers what was read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[str, int, int | None]] = []

    def read(self, key: str, *, offset: int = 0, length: int | None = None):
        self.reads.append((key, offset, length))
        return super().read(key, offset=offset, length=length)


def verify(line: Line, level: VerificationLevel, *, last: Built | None = None, store: Store | None = None):
    """Verify the newest of a line, or what somebody put in its place."""
    built = last or line.last
    if store is None:
        store = MemoryStore()
        for one in (*line.builts[:-1], built):
            put(store, one)
    clear = built.sidecar.manifest.clear
    return verify_backup(store, clear.folder, clear.name, level, Time(), token="t1")


def blamed(report: VerificationReport) -> set[str | None]:
    return {problem.collection for problem in report.problems}


def entry(built: Built, file: str, number: int = 0) -> str:
    return [one.name for one in built.sidecar.archive.entries if one.name.endswith(file)][number]


# ------------------------------------------------------------------ what passes


@BOTH
def test_an_honest_incremental_passes(line, level):
    report = verify(line, level)
    assert report.problems == ()
    assert report.passed
    assert (report.collections, report.entries) == (3, 9)


def test_full_counts_records_of_every_state_and_reads_every_byte_of_its_own(line):
    report = verify(line, FULL)
    assert report.vectors == 29 + 6 + 4
    assert report.bytes == len(line.last.data) - len(END)


def test_of_a_base_only_manifest_and_digests_are_read(line):
    store = Reads()
    for built in line.builts:
        put(store, built)
    verify(line, FULL, store=store)
    base = line.builts[0]
    clear = base.sidecar.manifest.clear
    read = [offset for key, offset, _ in store.reads if key == archive_key(clear.folder, clear.name)]
    digests = {base.place(entry(base, "digests.parquet", number)).offset for number in range(2)}
    assert set(read) == digests
    assert sidecar_key(clear.folder, clear.name) in {key for key, _, _ in store.reads}


def test_a_whole_line_passes(line):
    states = [LATER]
    for number in range(2, 9):
        states.append(without(changed(states[-1], [number], number), [number + 10]))
        line.add(states[-1], STILL, state(range(4), name="young"))
        assert verify(line, FULL).passed, number


@settings(max_examples=40, deadline=None)
@given(
    before=st.sets(st.integers(0, 9)),
    after=st.dictionaries(st.integers(0, 9), st.integers(0, 1), min_size=1),
    again=st.dictionaries(st.integers(0, 9), st.integers(0, 1), min_size=1),
    unknown=st.booleans(),
)
def test_whatever_changed_an_honest_incremental_passes(before, after, again, unknown):
    line = Line(state(sorted(before)))
    for one in (after, again):
        new = Given("docs", [], 4)
        for number, seed in one.items():
            new = changed(new, [number], seed)
        line.add(new, unknown=unknown)
        report = verify(line, FULL)
        assert report.problems == ()
        assert report.vectors == len(one)


def test_an_incremental_in_which_nothing_changed_is_compared_with_what_it_points_to(line):
    line.add(LATER, STILL, state(range(4), name="young"))
    assert {one.content for one in line.last.sidecar.manifest.clear.collections} == {Content.SAME}
    report = verify(line, FULL)
    assert report.passed
    assert report.vectors == 39


@BOTH
def test_nothing_compared_is_no_success(level):
    nothing = Given("docs", [], 4)
    line = Line(state(range(3)))
    line.add(nothing)
    assert "nothing was compared" in problems(verify(line, level))
    line.add(nothing)
    assert "nothing was compared" in problems(verify(line, level))


def test_irregular_records_of_the_base_are_no_surprise():
    bad = (b"\x00\x00\xc0\x7f" * 4, None)
    before = edited(state(range(5)), {"bad": bad})
    line = Line(before)
    line.add(edited(before, {"r1": bad}))
    listed = with_private_of(line.last, irregular=("bad", "r1"), irregular_count=2)
    assert verify(line, FULL, last=listed).passed
    for wrong in ({"irregular": ("bad",), "irregular_count": 1}, {"irregular": (), "irregular_count": 0}):
        report = verify(line, FULL, last=with_private_of(line.last, **wrong))
        assert "irregular records" in problems(report)


def with_private_of(built: Built, **changes) -> Built:
    return with_manifest(built, lambda manifest: with_private(manifest, 0, **changes))


# ------------------------------------------------------------------ its own bytes


def test_a_flipped_bit_in_any_entry_is_found_and_named(line):
    built = line.last
    for place in built.sidecar.archive.entries:
        data = bytearray(built.data)
        data[place.offset + place.bytes // 2] ^= 0x10
        report = verify(line, FULL, last=built.with_data(bytes(data)))
        assert not report.passed, place.name
        assert place.name in problems(report)


# --------------------------------------------- what was made to agree with a manifest


def exchanged(line: Line, file: str, other: Given) -> VerificationReport:
    """Put a file of another honest incremental of the same base in the place of the true one, hashes and all."""
    twin = Line(DOCS, STILL)
    twin.add(other, STILL, state(range(4), name="young"))
    content = twin.last.reader().entry(entry(twin.last, file))
    return verify(line, FULL, last=rebuild(line.last, {entry(line.last, file): content}))


def test_other_upserts_of_as_many_records_are_found(line):
    report = exchanged(line, "part-00000.parquet", without(changed(DOCS, [3, 40], 2), [7, 8]))
    assert "digests.parquet is not what its base and the parts give" in problems(report)
    assert blamed(report) == {"docs"}


def test_other_deletions_of_as_many_records_are_found(line):
    report = exchanged(line, "deleted.parquet", without(changed(DOCS, [3, 40], 1), [7, 9]))
    assert "deleted.parquet is not what its base and digests.parquet give" in problems(report)
    assert blamed(report) == {"docs"}


def test_digests_of_another_state_of_as_many_records_are_found(line):
    report = exchanged(line, "digests.parquet", without(changed(DOCS, [3, 40], 1), [7, 9]))
    assert not report.passed
    assert blamed(report) == {"docs"}


def test_digests_that_lack_a_deletion_are_found(line):
    """Somebody makes manifest, digests and hashes agree: a deletion is listed, and the record is in the state."""
    twin = Line(DOCS, STILL)
    twin.add(without(changed(DOCS, [3, 40], 1), [7]), STILL, state(range(4), name="young"))
    other = twin.last.sidecar.manifest.clear.collections[0]
    name = entry(line.last, "digests.parquet")
    built = rebuild(line.last, {name: twin.last.reader().entry(name)})
    lie = with_manifest(built, lambda m: with_summary(m, 0, vectors=30, counted=30, state_digest=other.state_digest))
    report = verify(line, FULL, last=lie)
    assert "deleted.parquet and its base and digests.parquet do not give equally many rows" in problems(report)


def test_an_id_that_the_state_has_twice_is_found(line):
    """Base, parts and deletions agree with it, and no restore could give the second one."""
    file = io.BytesIO()
    with DigestSet() as digests:
        for batch in (*LATER.batches, state([4]).batches[0]):
            digests.add(batch)
        write_digests(digests, file)
        lie = {"vectors": digests.count, "counted": digests.count, "state_digest": digests.state_digest()}
    built = rebuild(line.last, {entry(line.last, "digests.parquet"): file.getvalue()})
    report = verify(line, FULL, last=with_manifest(built, lambda manifest: with_summary(manifest, 0, **lie)))
    assert "digests.parquet lists an id twice" in problems(report)


def test_a_stored_record_that_the_base_has_exactly_so_is_found(line):
    """An upsert that changes nothing is none: whoever counts changes would count it."""
    name = entry(line.last, "part-00000.parquet")
    rows = [*records([3], 1, 4).items(), *records([4], 0, 4).items()]
    report = verify(line, FULL, last=rebuild(line.last, {name: encode_part(batch_of_rows(rows, 4)).content}))
    assert "digests.parquet is not what its base and the parts give" in problems(report)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: with_summary(m, 0, upserts=3), "2 vectors; the manifest says 3"),
        (lambda m: with_summary(m, 0, deletions=3), "holds 2 rows; 3 were expected"),
        (lambda m: with_summary(m, 0, vectors=30), "holds 29 rows; 30 were expected"),
        (lambda m: with_summary(m, 0, state_digest="0" * 64), "the manifest says 29 with " + "0" * 64),
        (lambda m: with_summary(m, 0, coded_parts=1), "0 parts of codes; the manifest says 1"),
        (lambda m: with_summary(m, 1, vectors=7), "the manifest says 7 with"),
    ],
)
def test_a_manifest_that_was_edited_on_both_sides_is_found(line, change, told):
    report = verify(line, FULL, last=with_manifest(line.last, change))
    assert not report.passed
    assert told in problems(report)


# ---------------------------------------------------------------- what it hangs on


def with_base(manifest: Manifest, number: int, **changes) -> Manifest:
    base = manifest.clear.collections[number].base
    changes = {"base": base.model_copy(update=changes)}
    if manifest.clear.collections[number].content is Content.SAME and "state_digest" in changes["base"]:
        changes["state_digest"] = changes["base"].state_digest
    return with_summary(manifest, number, **changes)


@BOTH
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "backup-20261121"}, "hangs on daily/backup-20261121, which is not there"),
        ({"run_key": "ffff"}, "of another run"),
        ({"key": "c0007"}, "stores nothing under that key"),
        ({"state_digest": "0" * 64}, "hangs on the state " + "0" * 64),
    ],
)
def test_a_base_that_is_not_what_was_meant_is_found(line, level, changes, told):
    report = verify(line, level, last=with_manifest(line.last, lambda manifest: with_base(manifest, 0, **changes)))
    assert told in problems(report)
    assert blamed(report) == {"docs"}


@BOTH
def test_a_base_that_is_gone_is_found_for_each_collection_that_hangs_on_it(line, level):
    store = MemoryStore()
    put(store, line.last)
    report = verify(line, level, store=store)
    assert blamed(report) == {"docs", "still"}
    assert "hangs on daily/backup-20261122, which is not there" in problems(report)


@BOTH
def test_a_base_whose_manifest_cannot_be_read_is_found(line, level):
    store = MemoryStore()
    put(store, line.last)
    clear = line.builts[0].sidecar.manifest.clear
    store.create(sidecar_key(clear.folder, clear.name), [b"{"])
    assert "whose manifest cannot be read" in problems(verify(line, level, store=store))


@BOTH
def test_a_base_captured_later_is_none(line, level):
    late = line.last.sidecar.manifest.clear.captured_at.replace(year=2027)
    first = line.builts[0]
    manifest = first.sidecar.manifest
    manifest = manifest.model_copy(update={"clear": manifest.clear.model_copy(update={"captured_at": late})})
    store = MemoryStore()
    put(store, line.last)
    put(store, first, sidecar=first.sidecar.model_copy(update={"manifest": manifest}))
    assert "of another run" in problems(verify(line, level, store=store))


@BOTH
def test_a_base_that_is_configured_otherwise_is_found(line, level):
    first = line.builts[0]
    manifest = with_summary(first.sidecar.manifest, 0, configuration_sha256="0" * 64)
    store = MemoryStore()
    put(store, line.last)
    put(store, first, sidecar=first.sidecar.model_copy(update={"manifest": manifest}))
    report = verify(line, level, store=store)
    assert "is configured otherwise" in problems(report)
    assert blamed(report) == {"docs"}


@BOTH
def test_a_pointer_to_a_pointer_is_found(line, level):
    line.add(LATER, STILL, state(range(4), name="young"))
    middle, last = line.builts[1], line.builts[2]
    clear = middle.sidecar.manifest.clear
    pointed = {"folder": clear.folder, "name": clear.name, "run_key": clear.run_key, "key": "c0002"}
    lie = with_manifest(last, lambda manifest: with_base(manifest, 1, **pointed))
    report = verify(line, level, last=lie)
    assert "stores nothing under that key" in problems(report)
    assert blamed(report) == {"still"}


@pytest.mark.parametrize("number", [0, 1])
def test_damage_to_a_bases_digests_is_found_and_the_base_is_named(line, number):
    first = line.builts[0]
    place = first.place(entry(first, "digests.parquet", number))
    data = bytearray(first.data)
    data[place.offset + place.bytes // 2] ^= 1
    store = MemoryStore()
    put(store, first.with_data(bytes(data)))
    put(store, line.last)
    report = verify(line, FULL, store=store)
    assert "the state that it hangs on cannot be read" in problems(report)
    assert place.name in problems(report)
    [problem] = report.problems
    assert (problem.collection, problem.entry) == (("docs", "still")[number], None)


def test_damage_to_a_bases_records_is_its_own_verifications_to_find(line):
    first = line.builts[0]
    place = first.place(entry(first, "part-00000.parquet"))
    data = bytearray(first.data)
    data[place.offset + place.bytes // 2] ^= 1
    store = MemoryStore()
    put(store, first.with_data(bytes(data)))
    put(store, line.last)
    assert verify(line, FULL, store=store).passed
    clear = first.sidecar.manifest.clear
    assert not verify_backup(store, clear.folder, clear.name, FULL, Time(), token="t2").passed


def test_the_manifest_beside_an_incremental_is_the_one_inside(line):
    manifest = with_summary(line.last.sidecar.manifest, 0, counted=77)
    lie = line.last.sidecar.model_copy(update={"manifest": manifest})
    assert document_bytes(lie) != document_bytes(line.last.sidecar)
    store = MemoryStore()
    put(store, line.builts[0])
    put(store, line.last, sidecar=lie)
    assert "different backups" in problems(verify(line, QUICK, store=store))
