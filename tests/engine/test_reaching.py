"""Reading goes on from the next place when one is gone, and says so; what is nowhere is the primary's error."""

from __future__ import annotations

import pytest

from backup_engine.archive.manifest import archive_key, sidecar_key
from backup_engine.copies.reaching import Reached, find_backup, reach
from backup_engine.errors import (
    DamagedArchive,
    InvalidInput,
    StoreDenied,
    StoreNotInitialised,
    StoreUnavailable,
    UnknownBackup,
    WrongStore,
)
from backup_engine.storage.contract import Store
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import Time
from tests.engine.places import FOLDER, NAME, built, fail_verification, overwrite, place
from tests.storage.faulty import Fault, FaultyStore

ROOTS = ("s3://secret_conn@one/p?sse=AES256", "gs://two/p")
NEWER = built("backup-20261123", "1" * 16)
NO_ROUTE = Fault(1, error=lambda: StoreUnavailable("no route"))


class Sites:
    """Two addresses: what opening them gives, or raises."""

    def __init__(self, primary: Store | Exception, copy: Store | Exception) -> None:
        self._found = dict(zip(ROOTS, (primary, copy), strict=True))
        self.clock = Time()

    def open(self, url: str) -> Store:
        found = self._found[url]
        if isinstance(found, Exception):
            raise found
        return found

    def reach(self, deployment: str | None = "production") -> Reached:
        return reach(ROOTS, self.open, deployment=deployment)

    def find(self, point: str = NAME):
        return find_backup(ROOTS, self.open, point, self.clock, deployment="production")


def stores(*backups):
    clock = Time()
    return place("one", clock, *backups), place("two", clock, *backups)


def test_the_primary_is_used_when_it_answers():
    primary, copy = stores(built())
    found = Sites(primary, copy).reach()
    assert (found.url, found.store, found.identity.store_id, found.passed_over) == (ROOTS[0], primary, "one", ())
    assert Sites(primary, copy).find().store is primary


@pytest.mark.parametrize(
    "gone",
    [
        StoreUnavailable("no route"),
        StoreDenied("no right"),
        StoreNotInitialised("not mounted"),
        WrongStore("another one"),
        FaultyStore(MemoryStore(), NO_ROUTE),
        MemoryStore("memory://empty"),
        place("x", Time(), deployment="staging"),
    ],
    ids=["no route", "no right", "not mounted", "another one", "silent", "empty", "of another deployment"],
)
def test_a_primary_that_is_gone_is_passed_over_with_a_sentence(gone):
    _, copy = stores(built())
    for found in (Sites(gone, copy).reach(), Sites(gone, copy).find()):
        assert (found.url, found.store) == (ROOTS[1], copy)
        [sentence] = found.passed_over
        assert sentence.startswith("the primary s3://one/p is gone: ")
        assert "secret_conn" not in sentence


def test_a_store_json_of_somebody_else_is_no_store():
    primary, copy = stores(built())
    overwrite(primary, "store.json", b"{}")
    assert Sites(primary, copy).reach().store is copy


def test_whoevers_store_it_is_will_do_when_nobody_asks():
    staging, copy = place("one", Time(), deployment="staging"), stores()[1]
    assert Sites(staging, copy).reach(None).identity.deployment == "staging"


def test_all_gone_is_an_error_that_names_each_place_and_may_pass():
    for call in (Sites.reach, Sites.find):
        sites = Sites(StoreDenied("no right"), StoreUnavailable("no route"))
        with pytest.raises(StoreUnavailable) as raised:
            call(sites)
        assert "the primary s3://one/p is gone: no right" in str(raised.value)
        assert "the copy gs://two/p is gone: no route" in str(raised.value)


def test_a_single_place_says_itself_what_is_wrong_with_it():
    with pytest.raises(StoreNotInitialised):
        reach(["file:///nowhere"], lambda _: MemoryStore())


def test_no_place_at_all_is_refused():
    with pytest.raises(InvalidInput):
        reach([], lambda _: MemoryStore())


def test_other_errors_are_not_taken_for_a_place_that_is_gone():
    with pytest.raises(InvalidInput, match="no such connection"):
        Sites(InvalidInput("no such connection"), stores()[1]).reach()


def test_a_backup_that_the_primary_lacks_is_read_from_the_copy():
    primary, copy = place("one", Time()), stores(built())[1]
    found = Sites(primary, copy).find()
    assert (found.store, found.backup.name) == (copy, NAME)
    assert found.passed_over[0].startswith("the primary s3://one/p is passed over: memory://one has no backup that")


def missing(store: Store) -> None:
    store.delete([archive_key(FOLDER, NAME)])


def short(store: Store) -> None:
    overwrite(store, archive_key(FOLDER, NAME), built().data[:-1])


def condemned(store: Store) -> None:
    fail_verification(store, Time(), built())


DAMAGES = pytest.mark.parametrize("damage", [missing, short, condemned])


@DAMAGES
def test_a_backup_that_is_damaged_in_the_primary_is_read_from_the_copy(damage):
    primary, copy = stores(built())
    damage(primary)
    found = Sites(primary, copy).find()
    assert found.store is copy
    assert "the primary s3://one/p is passed over: memory://one" in found.passed_over[0]


@DAMAGES
def test_who_wants_to_look_at_a_damaged_one_gets_it(damage):
    primary, copy = stores(built())
    damage(primary)
    sites = Sites(primary, copy)
    assert find_backup(ROOTS, sites.open, NAME, sites.clock, whole=False).store is primary


@DAMAGES
def test_a_backup_that_is_whole_nowhere_is_the_primarys_error_and_the_copy_is_mentioned(damage):
    primary, copy = stores(built())
    damage(primary)
    damage(copy)
    with pytest.raises(DamagedArchive, match="memory://one") as raised:
        Sites(primary, copy).find()
    assert "the copy gs://two/p is passed over" in raised.value.__notes__[0]


def test_a_backup_that_is_nowhere_is_the_primarys_error_and_the_copy_is_mentioned():
    with pytest.raises(UnknownBackup, match="memory://one") as raised:
        Sites(*stores(built())).find("backup-19990101")
    assert "memory://two" in raised.value.__notes__[0]


def test_when_the_primary_is_gone_and_the_copy_lacks_it_trying_again_may_help():
    copy = place("two", Time())
    with pytest.raises(StoreUnavailable, match="no route") as raised:
        Sites(StoreUnavailable("no route"), copy).find()
    assert "memory://two has no backup" in raised.value.__notes__[0]


def test_words_mean_what_the_place_that_is_read_holds():
    clock = Time()
    behind = place("two", clock, built())
    ahead = place("one", clock, built(), NEWER)
    clock.pass_by(days=10)
    sites = Sites(ahead, behind)
    sites.clock.pass_by(days=10)
    assert sites.find("latest").backup.name == "backup-20261123"
    lost = Sites(StoreUnavailable("no route"), behind)
    lost.clock.pass_by(days=10)
    assert lost.find("latest").backup.name == NAME


def test_a_primary_that_breaks_off_in_the_middle_of_its_catalog_is_passed_over():
    primary, copy = stores(built())
    for call in range(1, 6):
        broken = FaultyStore(primary, Fault(call, error=lambda: StoreUnavailable("cut off")))
        assert Sites(broken, copy).find().store is copy


def test_a_manifest_that_cannot_be_read_is_no_backup_there():
    primary, copy = stores(built())
    overwrite(primary, sidecar_key(FOLDER, NAME), b"{")
    assert Sites(primary, copy).find().store is copy
