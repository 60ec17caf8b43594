"""What a synthetic full promises: the state it was made of, stored whole, and as good a base as a captured one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.collection import CollectionWriter
from backup_engine.archive.manifest import BackupKind, BackupState, Content, Folder, archive_key
from backup_engine.catalog import Catalog
from backup_engine.chain import bases_of, by_name
from backup_engine.diff.differing import diff_points
from backup_engine.errors import (
    BrokenChain,
    DamagedArchive,
    InvalidInput,
    RequestRefused,
    RestoreRefused,
    UnknownBackup,
)
from backup_engine.records import VerificationLevel
from backup_engine.restore_point import open_restore_point
from backup_engine.storage.memory import MemoryStore
from backup_engine.synthesis import synthesize, why_costly
from backup_engine.synthesis.deciding import check_equal
from backup_engine.verification import verify_backup
from tests.engine.captures import keys, stored_content
from tests.engine.places import flipped, overwrite
from tests.engine.samples import configuration, some_records
from tests.engine.synthesis.scene import Scene, restored


@pytest.fixture
def scene() -> Scene:
    return Scene.of_five()


def make(scene: Scene, name: str, attempt: str = "one"):
    return synthesize(scene.store, name, scene.clock, attempt)


def backup(scene: Scene, name: str):
    return by_name(Catalog(scene.store, scene.clock).backups())[name]


def test_it_holds_the_state_of_every_incremental_it_is_made_of(scene) -> None:
    for name in scene.names[1:]:
        made = make(scene, name)
        assert stored_content(scene.store, made.folder, made.name) == scene.states[name]
        assert restored(scene.store, made.name, scene.clock) == restored(scene.store, name, scene.clock)
    assert keys(scene.store, ".staging/") == []


def test_it_says_what_its_source_says_but_for_what_is_stored(scene) -> None:
    source = backup(scene, scene.names[-1]).manifest
    made = backup(scene, make(scene, scene.names[-1]).name).manifest
    assert (made.clear.kind, made.clear.state, made.clear.whole_scope) == (BackupKind.FULL, BackupState.GOOD, True)
    assert made.clear.synthesized_from == source.clear.name
    same = ("started_at", "captured_at", "server", "restore_fencing", "deployment", "store_id", "vectors")
    assert [getattr(made.clear, one) for one in same] == [getattr(source.clear, one) for one in same]
    for one, other in zip(made.clear.collections, source.clear.collections, strict=True):
        assert (one.content, one.base, one.number, one.upserts, one.deletions) == (Content.WHOLE, None, 0, 0, 0)
        told = ("key", "vectors", "state_digest", "created_at", "updated_at", "standing", "read_at", "window", "way")
        assert [getattr(one, field) for field in told] == [getattr(other, field) for field in told]
    assert made.private.aliases == source.private.aliases
    assert [one.name for one in made.private.collections] == [one.name for one in source.private.collections]
    assert made.private.remarks == (f"made of {source.clear.name} and what it hangs on, without the server",)


def test_it_hangs_on_nothing_and_does_not_differ_from_its_source(scene) -> None:
    name = scene.names[-1]
    made = make(scene, name).name
    assert bases_of(backup(scene, made)) == frozenset()
    known = by_name(Catalog(scene.store, scene.clock).backups())
    points = [open_restore_point(scene.store, known[one], known) for one in (name, made)]
    assert diff_points(*points).same
    scene.store.delete(keys(scene.store, f"{Folder.INCREMENTAL.value}/"))
    assert restored(scene.store, made, scene.clock) == scene.states[name]


def test_every_byte_of_it_passes_verification(scene) -> None:
    made = make(scene, scene.names[-1])
    report = verify_backup(scene.store, made.folder, made.name, VerificationLevel.FULL, scene.clock, token="v")
    assert (report.passed, report.vectors) == (True, made.vectors)


def test_it_is_made_once_however_often_it_is_asked_for(scene) -> None:
    first, again = make(scene, scene.names[-1]), make(scene, scene.names[-1], "two")
    assert (first.already, again.already) == (False, True)
    assert again.model_copy(update={"already": False}) == first
    assert len(Catalog(scene.store, scene.clock).backups()) == len(scene.names) + 1


def test_the_server_is_not_touched(scene) -> None:
    scene.server.calls.clear()
    make(scene, scene.names[-1])
    assert scene.server.calls == []


def test_the_next_incremental_builds_on_it_and_restores_the_servers_state(scene) -> None:
    made = make(scene, scene.names[-1])
    scene.server.upsert("docs", some_records([500, 501]))
    name = scene.capture()
    later = backup(scene, name)
    assert bases_of(later) == {made.name}
    assert {one.number for one in later.manifest.clear.collections} == {0, 1}
    assert restored(scene.store, name, scene.clock) == scene.states[name]


def test_incrementals_after_it_survive_what_it_replaced(scene) -> None:
    make(scene, scene.names[-1])
    scene.server.upsert("docs", some_records([500]))
    later = scene.capture()
    for name in scene.names[:-1]:
        one = backup(scene, name)
        scene.store.delete([f"{one.folder.value}/{name}.json", archive_key(one.folder, name)])
    assert restored(scene.store, later, scene.clock) == scene.states[later]


def test_it_is_found_before_its_source_at_the_same_instant(scene) -> None:
    made = make(scene, scene.names[-1])
    catalog = Catalog(scene.store, scene.clock)
    assert [one.name for one in catalog.backups()][:2] == [made.name, scene.names[-1]]
    assert catalog.newest_good().name == made.name


def test_a_slot_that_is_free_is_taken_and_names_never_meet(scene) -> None:
    scene.change(7)
    tomorrow = scene.capture(hours=22)
    made = make(scene, tomorrow)
    assert (made.folder, made.name) == (Folder.WEEKLY, "backup-20261123")
    assert Catalog(scene.store, scene.clock).backups()[0].name == made.name, "before its source, whatever its name"
    second = make(scene, scene.names[-2])
    assert (second.folder, second.name) == (Folder.DAILY, f"{scene.names[-2]}-2")


def test_a_chain_is_costly_when_it_holds_much_more_than_the_state_or_lies_in_many_backups() -> None:
    scene = Scene()
    scene.capture(incremental=False)
    costly = []
    for number in range(1, 20):
        scene.server.upsert("docs", some_records(range(60), seed=number))
        name = scene.capture()
        known = Catalog(scene.store, scene.clock).by_name
        costly.append(why_costly(known[name], known))
    chains = [1 + number.bit_count() for number in range(1, 20)]
    stored = [20 + 60 * links for links in chains]
    assert [why is not None for why in costly] == [records > 1.5 * 80 for records in stored]
    assert costly[6] == f"a restore of {scene.names[7]} reads 260 records for 80; up to 1.5 times as many are fine"
    assert why_costly(known[scene.names[0]], known) is None
    assert why_costly(known[make(scene, scene.names[7]).of], known) == costly[6]


def test_what_is_no_use_is_refused(scene) -> None:
    with pytest.raises(InvalidInput, match="is a full"):
        make(scene, scene.names[0])
    with pytest.raises(UnknownBackup):
        make(scene, "backup-19991231-000000")


def test_a_broken_chain_is_refused_and_nothing_is_written(scene) -> None:
    full = backup(scene, scene.names[0])
    scene.store.delete([f"{full.folder.value}/{full.name}.json"])
    before = keys(scene.store)
    with pytest.raises(BrokenChain, match=full.name):
        make(scene, scene.names[-1])
    assert keys(scene.store) == before


def test_a_backup_that_was_found_damaged_is_refused(scene) -> None:
    last = backup(scene, scene.names[-1])
    _damage(scene.store, last)
    verify_backup(scene.store, last.folder, last.name, VerificationLevel.FULL, scene.clock, token="v")
    with pytest.raises(DamagedArchive, match="found damaged"):
        make(scene, last.name)


def test_damage_nobody_had_found_is_met_and_nothing_is_committed(scene) -> None:
    _damage(scene.store, backup(scene, scene.names[0]))
    with pytest.raises(DamagedArchive):
        make(scene, scene.names[-1])
    assert len(Catalog(scene.store, scene.clock).backups()) == len(scene.names)


@pytest.mark.parametrize("other", [{"state_digest": "0" * 64}, {"vectors": 1}, {"configuration_sha256": "0" * 64}])
def test_a_chain_that_comes_to_another_state_is_refused(scene, other) -> None:
    name = scene.names[-1]
    docs = backup(scene, name).manifest.clear.collections[0]
    writer = CollectionWriter(docs.key, "docs", configuration(), scene.clock())
    for _ in writer.fragments([]):
        pass
    told = {one: getattr(docs, one) for one in ("state_digest", "vectors", "configuration_sha256")}
    check_equal(name, docs, writer.written.model_copy(update=told))
    with pytest.raises(DamagedArchive, match="Nothing is committed"):
        check_equal(name, docs, writer.written.model_copy(update=told | other))


def test_a_partial_or_suspect_incremental_is_refused(scene) -> None:
    scene.server.broken["docs"] = RequestRefused("it is broken", status=400)
    scene.change(8)
    partial = scene.capture()
    assert backup(scene, partial).state is BackupState.PARTIAL
    with pytest.raises(RestoreRefused, match="partial"):
        make(scene, partial)


def test_an_age_of_days_does_not_matter(scene) -> None:
    scene.clock.now += timedelta(days=9)
    made = make(scene, scene.names[2])
    assert stored_content(scene.store, made.folder, made.name) == scene.states[scene.names[2]]


def _damage(store: MemoryStore, one) -> None:
    key = archive_key(one.folder, one.name)
    parts = [entry for entry in one.archive.entries if "part-" in entry.name]
    data = b"".join(store.read(key))
    place = parts[0]
    rest = data[place.offset + place.bytes :]
    overwrite(store, key, data[: place.offset] + flipped(data[place.offset :][: place.bytes]) + rest)
