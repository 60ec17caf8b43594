"""What each server that stands in for Google Cloud Storage keeps of its promises, and the store on each of them.

The table is held against the servers both ways: what one learns to keep has to be moved, and is tested from then on.
None of them is the real one.
"""

import pytest
import requests
from google.api_core.exceptions import BadRequest, NotFound, PreconditionFailed

from backup_engine.findings import Level
from backup_engine.model import system_clock
from backup_engine.storage.checking import check_store
from services.gcs_emulators import FakeGcsServer, GcpStorageEmulator
from services.google_storage.service import GoogleStorage
from tests.storage.gcs_places import BUCKET, client, new_prefix, place_of, server
from tests.storage.suite.changing import Changing
from tests.storage.suite.listing import Listing
from tests.storage.suite.reading import Reading
from tests.storage.suite.writing import Writing

TIMEOUT = 20
MIB = 1 << 20
GONE = (PreconditionFailed, NotFound)


def refused(action, errors=PreconditionFailed):
    try:
        action()
    except errors:
        return True
    return False


class Probes:
    """One question each; the answer is whether the promise is kept."""

    def __init__(self, kind):
        self.bucket = client(kind).bucket(BUCKET)
        self.prefix = new_prefix()

    def blob(self, name, data=None):
        blob = self.bucket.blob(f"{self.prefix}/{name}")
        if data is not None:
            blob.upload_from_string(data)
        return blob

    def put(self, address, data, span, **headers):
        headers["Content-Range"] = f"bytes {span}"
        return requests.put(address, data=data, headers=headers, timeout=TIMEOUT, allow_redirects=False)

    def a_write_refuses_a_taken_name(self):
        self.blob("a", b"1")
        return refused(lambda: self.blob("a").upload_from_string(b"2", if_generation_match=0))

    def a_session_refuses_a_name_that_was_taken_meanwhile(self):
        address = self.blob("a").create_resumable_upload_session(if_generation_match=0, checksum=None)
        self.blob("a", b"1")
        return self.put(address, b"2", "0-0/1").status_code == 412

    def joining_refuses_a_taken_name(self):
        source = self.blob("b", b"2")
        self.blob("a", b"1")
        return refused(lambda: self.blob("a").compose([source], if_generation_match=0))

    def copying_refuses_a_taken_name(self):
        source = self.blob("b", b"2")
        self.blob("a", b"1")
        return refused(lambda: self.blob("a").rewrite(source, if_generation_match=0))

    def a_write_refuses_what_was_changed(self):
        seen = self.blob("a", b"1").generation
        self.blob("a", b"2")
        return refused(lambda: self.blob("a").upload_from_string(b"3", if_generation_match=seen))

    def a_write_refuses_what_is_gone(self):
        blob = self.blob("a", b"1")
        blob.delete()
        return refused(lambda: self.blob("a").upload_from_string(b"3", if_generation_match=blob.generation), GONE)

    def a_deletion_refuses_what_was_changed(self):
        seen = self.blob("a", b"1").generation
        self.blob("a", b"2")
        return refused(lambda: self.blob("a").delete(if_generation_match=seen))

    def an_older_generation_is_not_read_as_the_new_one(self):
        seen = self.blob("a", b"1").generation
        self.blob("a", b"2")
        old = self.bucket.blob(f"{self.prefix}/a", generation=seen)
        return refused(old.download_as_bytes, NotFound)

    def a_wrong_checksum_is_refused(self):
        blob = self.blob("a")
        blob.crc32c = "AAAAAA=="
        return refused(lambda: blob.upload_from_string(b"1", checksum=None), BadRequest)

    def a_wrong_checksum_is_refused_at_the_end_of_a_session(self):
        address = self.blob("a").create_resumable_upload_session(checksum=None)
        return self.put(address, b"2", "0-0/1", **{"x-goog-hash": "crc32c=AAAAAA=="}).status_code == 400

    def a_session_tells_how_far_it_is(self):
        address = self.blob("a").create_resumable_upload_session(checksum=None)
        self.put(address, bytes(MIB), f"0-{MIB - 1}/*")
        answer = self.put(address, b"", "*/*")
        return (answer.status_code, answer.headers.get("Range")) == (308, f"bytes=0-{MIB - 1}")

    def asking_a_session_makes_no_object(self):
        address = self.blob("a").create_resumable_upload_session(checksum=None)
        self.put(address, bytes(MIB), f"0-{MIB - 1}/*")
        self.put(address, b"", "*/*")
        return not self.blob("a").exists()

    def a_session_can_be_cancelled(self):
        address = self.blob("a").create_resumable_upload_session(checksum=None)
        self.put(address, bytes(MIB), f"0-{MIB - 1}/*")
        requests.delete(address, timeout=TIMEOUT)
        return self.put(address, b"1", f"{MIB}-{MIB}/{MIB + 1}").status_code in {404, 410, 499}

    def joining_takes_no_more_than_32(self):
        source = self.blob("b", b"2")
        return refused(lambda: self.blob("a").compose([source] * 33), BadRequest)

    def a_listing_comes_in_pages(self):
        for name in "abc":
            self.blob(name, b"1")
        pages = self.bucket.client.list_blobs(BUCKET, prefix=f"{self.prefix}/", page_size=2).pages
        return [len([*page]) for page in pages] == [2, 1]


ALL = {name for name in vars(Probes) if name not in {"blob", "put"} and not name.startswith("_")}
NOT_KEPT = {
    GoogleStorage: set(),
    FakeGcsServer: {
        "a_deletion_refuses_what_was_changed",
        "a_session_can_be_cancelled",
        "a_session_refuses_a_name_that_was_taken_meanwhile",
        "a_session_tells_how_far_it_is",
        "a_wrong_checksum_is_refused",
        "a_wrong_checksum_is_refused_at_the_end_of_a_session",
        "asking_a_session_makes_no_object",
        "copying_refuses_a_taken_name",
        "joining_refuses_a_taken_name",
    },
    GcpStorageEmulator: {
        "a_deletion_refuses_what_was_changed",
        "a_listing_comes_in_pages",
        "a_session_can_be_cancelled",
        "a_session_refuses_a_name_that_was_taken_meanwhile",
        "a_write_refuses_a_taken_name",
        "a_write_refuses_what_is_gone",
        "a_write_refuses_what_was_changed",
        "a_wrong_checksum_is_refused_at_the_end_of_a_session",
        "an_older_generation_is_not_read_as_the_new_one",
        "copying_refuses_a_taken_name",
        "joining_refuses_a_taken_name",
        "joining_takes_no_more_than_32",
    },
}

CANNOT_PASS = {
    FakeGcsServer: {
        "test_of_many_threads_that_join_to_one_key_exactly_one_wins": "joining_refuses_a_taken_name",
    },
    GcpStorageEmulator: {
        "test_of_many_threads_that_join_to_one_key_exactly_one_wins": "joining_refuses_a_taken_name",
        "test_of_many_threads_that_create_one_key_exactly_one_wins": "a_write_refuses_a_taken_name",
        "test_who_comes_second_while_writing_gets_object_exists": "a_write_refuses_a_taken_name",
        "test_replace_refuses_what_somebody_else_changed": "a_write_refuses_what_was_changed",
        "test_replace_refuses_what_is_gone_and_makes_nothing": "a_write_refuses_what_is_gone",
        "test_replace_refuses_another_object_of_the_same_name_and_size": "a_write_refuses_what_was_changed",
        "test_no_update_is_lost_among_threads_that_replace": "a_write_refuses_what_was_changed",
    },
}
"""Tests of the suite that a server's shortcoming lets fail, always or now and then: with the promise it breaks."""

SLOW = {
    "test_more_keys_than_a_page_of_s3_or_gcs_has_are_listed_completely",  # 4 s, and 48 s where no page ends
    "test_what_stays_is_listed_whatever_comes_and_goes_meanwhile",  # 2 s and 14 s
}


class Suite(Writing, Reading, Changing, Listing):
    """What is worth asking of a server; keys are checked before one is asked."""


def suite_on(kind):
    """Give the suite on a server, without what it cannot pass."""
    left_out = {*CANNOT_PASS[kind], *SLOW}

    @pytest.fixture
    def place(self, tmp_path):
        with place_of(kind)(tmp_path) as place:
            yield place

    @pytest.fixture
    def store(self, place):
        return place.open()

    return type(f"TestOn{kind.__name__}", (Suite,), {**dict.fromkeys(left_out), "place": place, "store": store})


TestOnFakeGcsServer = suite_on(FakeGcsServer)
TestOnGcpStorageEmulator = suite_on(GcpStorageEmulator)


@pytest.mark.parametrize("kind", CANNOT_PASS, ids=lambda kind: kind.__name__)
def test_what_is_left_out_is_a_test_and_breaks_a_promise_the_server_really_does_not_keep(kind):
    for test, promise in CANNOT_PASS[kind].items():
        assert hasattr(Suite, test)
        assert promise in NOT_KEPT[kind]
    assert all(hasattr(Suite, test) for test in SLOW)


def test_the_table_names_only_promises_that_are_asked_for():
    assert all(promises <= ALL for promises in NOT_KEPT.values())


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (GoogleStorage, []),
        (FakeGcsServer, ["create only"]),
        (GcpStorageEmulator, ["create only", "replace if unchanged"]),
    ],
)
def test_a_check_before_the_first_backup_tells_a_server_that_does_not_keep_them(kind, missing, tmp_path):
    with place_of(kind)(tmp_path) as place:
        found = [*check_store(place.open(), system_clock, "1234")]
        assert [one.what for one in found if one.level is Level.MISSING] == missing
        assert [*place.open().list("")] == []


@pytest.mark.parametrize("kind", [FakeGcsServer, GcpStorageEmulator], ids=lambda kind: kind.__name__)
def test_a_large_object_goes_through_a_session_whole(kind, tmp_path):
    with place_of(kind)(tmp_path) as place:
        made = place.open().create("large", (bytes([number]) * MIB for number in range(20)))
        assert made == place.open().stat("large")
        assert b"".join(place.open().read("large", offset=5 * MIB, length=MIB)) == bytes([5]) * MIB


@pytest.mark.parametrize("promise", sorted(ALL))
@pytest.mark.parametrize("kind", NOT_KEPT, ids=lambda kind: kind.__name__)
def test_a_server_keeps_what_the_table_says_and_nothing_else(kind, promise):
    server(kind)
    assert getattr(Probes(kind), promise)() == (promise not in NOT_KEPT[kind])
