"""The catalog finds what a person means, counts only what is good, and never fails over one broken file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupState
from backup_engine.catalog import Catalog
from backup_engine.describing import describe
from backup_engine.errors import InvalidInput, RequestRefused, StoreUnavailable, UnknownBackup
from backup_engine.records import Verification, acknowledge_backup, write_record
from backup_engine.run_key import run_key
from tests.engine.captures import Time, capture, keys, new_store
from tests.engine.meanwhile import Meanwhile
from tests.engine.memory_server import MemoryServer
from tests.storage.faulty import Fault, FaultyStore


class History:
    """A store with a past: two good days, then a partial one, a suspect one, and a subset."""

    def __init__(self):
        self.clock = Time(datetime.fromisoformat("2026-12-01T02:00:00+00:00"))
        self.store = new_store(self.clock)
        self.server = MemoryServer(clock=self.clock)
        self.server.fill("docs", 50, dimension=4)
        self.server.fill("papers", 50, dimension=4)
        self.first = self.capture("first")
        self.second = self.capture("second")
        self.server.broken["papers"] = RequestRefused("no", status=400)
        self.partial = self.capture("partial")
        self.server.broken.clear()
        self.suspect = self.capture("suspect", suspicions=("it never settled",))
        self.subset = self.capture("subset", collections=("docs",))

    def capture(self, run: str, **changes):
        made = capture(self.server, self.store, self.clock, run, **changes)
        self.clock.pass_by(days=1)
        return made

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.store, self.clock)

    def verify(self, committed, *, passed: bool = True, level: str = "full") -> Verification:
        record = Verification(
            at=self.clock(),
            token=f"v{len(keys(self.store))}",
            level=level,
            passed=passed,
            entries=3,
            vectors=100,
            bytes=1,
            seconds=1,
            host="here",
        )
        write_record(self.store, committed.folder, committed.name, record)
        self.clock.pass_by(minutes=1)
        return record


@pytest.fixture
def past() -> History:
    return History()


def test_backups_come_newest_first_whatever_they_are(past):
    names = [backup.name for backup in past.catalog.backups()]
    assert names == [one.name for one in (past.subset, past.suspect, past.partial, past.second, past.first)]


def test_words_find_only_good_backups_of_the_whole_scope(past):
    assert past.catalog.find("latest").name == past.second.name
    assert past.catalog.newest_good().name == past.second.name
    with pytest.raises(UnknownBackup):
        past.catalog.find("latest-verified")
    past.verify(past.first)
    assert past.catalog.find("latest-verified").name == past.catalog.newest_verified().name == past.first.name


def test_every_backup_is_found_by_its_exact_name(past):
    for one in (past.first, past.second, past.partial, past.suspect, past.subset):
        assert past.catalog.find(one.name).name == one.name


def test_a_day_finds_that_days_full_in_whatever_folder_it_lies(past):
    assert past.first.name == "backup-202612"
    assert past.catalog.find("backup-20261201").name == past.first.name
    assert past.catalog.find("backup-20261202").name == past.second.name


def test_a_day_on_which_there_was_no_good_full_finds_nothing_and_names_what_there_was(past):
    with pytest.raises(UnknownBackup, match=rf"{past.partial.name} \(partial, captured 2026-12-03"):
        past.catalog.find("backup-20261203")


def test_of_several_fulls_of_a_day_the_day_means_the_first(past):
    morning = past.capture("morning")
    past.clock.pass_by(hours=-20)
    past.capture("noon")
    assert past.catalog.find(f"backup-{morning.captured_at:%Y%m%d}").name == morning.name


def test_a_moment_finds_the_newest_good_backup_captured_at_or_before_it(past):
    at = past.second.captured_at.isoformat()
    assert past.catalog.find(at).name == past.second.name
    assert past.catalog.find("2026-12-02T03:00:00+01:00").name == past.second.name, "zones do not matter"
    assert past.catalog.find("2026-12-02T01:59:59.999999Z").name == past.first.name
    assert past.catalog.find("2026-12-31T00:00:00Z").name == past.second.name
    with pytest.raises(UnknownBackup):
        past.catalog.find("2026-12-01T01:59:59Z")


def test_a_moment_without_a_zone_is_refused(past):
    with pytest.raises(InvalidInput, match="names no time zone"):
        past.catalog.find("2026-12-02T02:00:00")


@given(st.integers(-100, 300), st.integers(0, 300))
def test_a_later_moment_never_finds_an_older_backup_and_never_one_from_after_it(hours, more):
    past = shared_history()
    start = past.first.captured_at

    def found(moment):
        try:
            return past.catalog.find(moment.isoformat())
        except UnknownBackup:
            return None

    earlier, later = found(start + timedelta(hours=hours)), found(start + timedelta(hours=hours + more))
    if earlier is not None:
        assert earlier.captured_at <= start + timedelta(hours=hours)
        assert later.captured_at >= earlier.captured_at


_SHARED: list[History] = []


def shared_history() -> History:
    if not _SHARED:
        _SHARED.append(History())
    return _SHARED[0]


@pytest.mark.parametrize("point", ["", "latests", "backup-2026120", "../x", "backup-20269999", "12:00"])
def test_what_means_nothing_is_unknown_and_the_message_shows_what_there_is(past, point):
    with pytest.raises(UnknownBackup, match=r"it has: backup-"):
        past.catalog.find(point)


def test_an_empty_store_says_so():
    clock = Time()
    with pytest.raises(UnknownBackup, match="none at all"):
        Catalog(new_store(clock), clock).find("latest")


def test_a_backup_from_the_future_is_listed_and_no_word_finds_it(past):
    past.clock.pass_by(days=30)
    future = past.capture("future")
    past.clock.pass_by(days=-30)
    assert past.catalog.backups()[0].name == future.name
    assert past.catalog.find("latest").name == past.second.name
    assert past.catalog.find("2031-01-01T00:00:00Z").name == past.second.name
    assert past.catalog.find(future.name).name == future.name
    past.clock.now = future.captured_at - timedelta(minutes=4)
    assert past.catalog.find("latest").name == future.name, "clocks may differ by five minutes"


# ------------------------------------------------------------------- standing


def test_only_full_verifications_count_and_a_later_failure_ends_them(past):
    past.verify(past.second, level="quick")
    assert past.catalog.find(past.second.name).verified_at is None
    record = past.verify(past.second)
    assert past.catalog.find(past.second.name).verified_at == record.at
    past.verify(past.second, level="quick", passed=False)
    damaged = past.catalog.find(past.second.name)
    assert (damaged.verified_at, damaged.damaged) == (None, True)
    assert past.catalog.find("latest").name == past.first.name, "a backup known to be damaged is not restored unasked"
    again = past.verify(past.second)
    assert past.catalog.find("latest-verified").verified_at == again.at


def test_an_acknowledged_suspect_backup_is_good(past):
    acknowledge_backup(
        past.store, past.suspect.folder, past.suspect.name, why="moved away", clock=past.clock, token="t", by="ann"
    )
    found = past.catalog.find("latest")
    assert (found.name, found.state) == (past.suspect.name, BackupState.GOOD)
    assert (found.acknowledgement.by, found.acknowledgement.why) == ("ann", "moved away")


@pytest.mark.parametrize("which", ["partial", "first"])
def test_nothing_but_a_suspect_backup_can_be_acknowledged(past, which):
    one = getattr(past, which)
    with pytest.raises(InvalidInput, match="only a suspect backup"):
        acknowledge_backup(past.store, one.folder, one.name, why="please", clock=past.clock, token="t")
    assert past.catalog.find(one.name).records == ()


def test_an_acknowledgement_says_why(past):
    with pytest.raises(InvalidInput, match="say why"):
        acknowledge_backup(past.store, past.suspect.folder, past.suspect.name, why=" ", clock=past.clock, token="t")


def test_an_acknowledgement_forced_onto_a_partial_backup_does_not_make_it_good(past):
    acknowledge_backup(past.store, past.suspect.folder, past.suspect.name, why="x", clock=past.clock, token="t")
    (key,) = [key for key in keys(past.store) if "acknowledgement" in key]
    forged = key.replace(past.suspect.name, past.partial.name)
    past.store.create(forged, past.store.read(key))
    assert past.catalog.find(past.partial.name).state is BackupState.PARTIAL


def test_a_runs_backup_is_found_by_its_key(past):
    assert past.catalog.by_run(run_key("suspect")).name == past.suspect.name
    assert past.catalog.by_run(run_key("never")) is None


# ------------------------------------------------------------------- broken things


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"manifest":{"format":"vectorizer-backup","version":2}}', b"x" * 100, b'{"manifest":null}'],
)
def test_one_broken_manifest_is_reported_and_hides_no_other(past, content):
    past.store.create("daily/backup-20261225.json", [content])
    catalog = past.catalog
    assert len(catalog.backups()) == 5
    assert len(catalog.unreadable) == 1
    assert "daily/backup-20261225.json" in catalog.unreadable[0]


def test_a_manifest_under_another_name_or_folder_is_not_believed(past):
    content = b"".join(past.store.read(f"monthly/{past.first.name}.json"))
    past.store.create("daily/backup-20991231.json", [content])
    past.store.create(f"weekly/{past.first.name}.json", [content])
    assert len(past.catalog.backups()) == 5
    assert len(past.catalog.unreadable) == 2


def test_a_manifest_without_its_archive_is_still_a_backup_that_a_verification_will_fail(past):
    past.store.delete([f"monthly/{past.first.name}.tar.gz"])
    assert past.catalog.find(past.first.name).name == past.first.name


def test_an_archive_without_its_manifest_is_no_backup(past):
    past.store.delete([f"monthly/{past.first.name}.json"])
    assert past.first.name not in {backup.name for backup in past.catalog.backups()}


def test_a_manifest_deleted_between_listing_and_reading_is_no_backup_any_more(past):
    class Pruned(FaultyStore):
        def list(self, prefix):
            listed = [*self.inner.list(prefix)]
            self.inner.delete([f"monthly/{past.first.name}.json"])
            return iter(listed)

    catalog = Catalog(Pruned(past.store), past.clock)
    assert len(catalog.backups()) == 4
    assert catalog.unreadable == ()


def test_a_record_that_cannot_be_read_harms_neither_its_backup_nor_other_records(past):
    past.verify(past.second)
    prefix = f"{past.second.folder.value}/{past.second.name}.records"
    past.store.create(f"{prefix}/pin-20270101T000000Z-x.json", [b'{"kind":"pin","until":"2027-01-01"}'])
    past.store.create(f"{prefix}/broken.json", [b"{"])
    found = past.catalog.find(past.second.name)
    assert found.verified_at is not None
    assert [record.kind for record in found.records] == ["verification", "unreadable", "unreadable"]


def test_a_store_that_does_not_answer_is_not_an_empty_catalog(past):
    faulty = FaultyStore(past.store, Fault(3, error=lambda: StoreUnavailable("not now"), only=frozenset({"read"})))
    with pytest.raises(StoreUnavailable):
        Catalog(faulty, past.clock).backups()


# ------------------------------------------------------------------- as JSON


def test_a_backup_is_described_in_plain_json_with_at_least_what_is_promised(past):
    record = past.verify(past.partial)
    described = describe(past.catalog.find(past.partial.name))
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    promised = {"name", "kind", "state", "started_at", "captured_at", "collections", "vectors", "bytes", "verified"}
    assert promised <= described.keys()
    assert described["verified"] == record.at.isoformat().replace("+00:00", "Z")
    assert (described["kind"], described["state"], described["vectors"]) == ("full", "partial", 50)
    assert described["captured_at"] == "2026-12-03T02:00:00Z"
    assert {one["name"]: (one["vectors"], one["standing"], one["problem"]) for one in described["collections"]} == {
        "docs": (50, "whole", None),
        "papers": (0, "unreadable", "no"),
    }


def test_while_one_catalog_is_read_another_one_of_the_process_is_too(past):
    """The status of several deployments waits for the slowest, not for all one after the other."""
    seen = []
    with ThreadPoolExecutor(1) as aside:

        def read_another():
            seen.append(aside.submit(lambda: past.catalog.by_name).result(timeout=60))

        assert Catalog(Meanwhile(past.store, 1, read_another), past.clock).by_name.keys() == seen[0].keys()
