"""Google Cloud Storage: many objects become one inside the store, across buckets and keys, and nothing else stays."""

import logging

import pytest

from backup_engine.errors import ObjectExists, ObjectNotFound, StoreUnavailable
from tests.storage.gcs_places import BUCKET, STAGING, client, gcs_with_staging, new_prefix
from tests.storage.gcs_wire import MIB, asked, content, keys, new_store, store_that_meets
from tests.storage.suite import StoreContract

COMPOSE = "/compose"
KEY = "projects/p/locations/us/keyRings/r/cryptoKeys/backups"
BITS = [".staging/run/1/a", ".staging/run/1/b", ".staging/run/1/c"]


@pytest.fixture
def store(google):
    store = new_store()
    for key in BITS:
        store.create(key, [key[-1].encode() * 1000])
    google.reset()
    return store


class TestHowItIsJoined:
    @pytest.mark.parametrize("count", [1, 32, 33, 70, 1100])
    def test_any_number_of_sources_is_joined_and_what_was_made_in_between_goes(self, store, count):
        sources = [BITS[number % 3] for number in range(count)]
        made = store.join("daily/one", sources, b"tail")
        assert made == store.stat("daily/one")
        assert content(store, "daily/one") == b"".join(source[-1].encode() * 1000 for source in sources) + b"tail"
        assert keys(store) == [*BITS, "daily/one"]

    def test_no_byte_of_the_sources_comes_here(self, store):
        store.join("daily/one", BITS * 20, b"tail")
        assert not asked("alt=media")
        assert len(asked("POST /upload/")) == 1

    def test_what_is_made_in_between_lies_beside_the_sources_and_is_swept_with_them(self, google, store):
        google.fail("DELETE", "/o/", "status", times=10_000, status=403, message="You may not delete.")
        store.join("daily/one", BITS * 20, b"tail")
        left = [key for key in keys(store) if key not in {*BITS, "daily/one"}]
        assert len(left) == 3
        assert all(key.startswith(".staging/run/1/join-") for key in left)

    def test_that_it_stays_is_told_in_the_log(self, google, store, caplog):
        google.fail("DELETE", "/o/", "status", times=10_000, status=403, message="You may not delete.")
        with caplog.at_level(logging.WARNING):
            store.join("daily/one", BITS, b"tail")
        assert "what joining left below it stays" in caplog.text

    def test_of_empty_sources_comes_the_tail(self, store):
        store.create(".staging/empty", [])
        store.join("daily/one", [".staging/empty"] * 3, b"tail")
        store.join("daily/two", [".staging/empty"])
        assert (content(store, "daily/one"), content(store, "daily/two")) == (b"tail", b"")


class TestWhatCanGoWrong:
    @pytest.mark.parametrize("skip", [0, 1, 2])
    def test_an_answer_that_was_lost_is_found_again(self, google, store, skip):
        google.fail("POST", COMPOSE, "lost", skip=skip)
        assert store.join("daily/one", BITS * 20, b"tail") == store.stat("daily/one")
        assert keys(store) == [*BITS, "daily/one"]

    @pytest.mark.parametrize("status", [429, 503])
    def test_what_may_pass_is_tried_again(self, google, store, status):
        google.fail("POST", COMPOSE, "status", status=status, times=3)
        store.join("daily/one", BITS, b"tail")

    def test_when_it_fails_nothing_that_was_made_stays(self, google, store):
        google.fail("POST", COMPOSE, "status", times=10_000, skip=2, status=400, message="No.")
        with pytest.raises(Exception, match=r"400, No\."):
            store.join("daily/one", BITS * 20, b"tail")
        assert keys(store) == BITS

    def test_a_missing_source_is_named_before_anything_is_made(self, store):
        with pytest.raises(ObjectNotFound, match=r"\.staging/run/1/x"):
            store.join("daily/one", [*BITS, ".staging/run/1/x"], b"tail")
        assert not asked("POST")

    def test_a_source_that_goes_meanwhile_is_named(self, google):
        prefix = new_prefix()
        other = new_store(prefix)
        for key in BITS:
            other.create(key, [b"x"])
        store = store_that_meets(prefix, COMPOSE, lambda: other.delete([BITS[1]]))
        with pytest.raises(ObjectNotFound, match=r"1/b was deleted or replaced while it was being joined"):
            store.join("daily/one", BITS, b"tail")
        assert keys(other) == [BITS[0], BITS[2]]

    def test_a_source_that_is_replaced_meanwhile_is_never_mixed_in(self, google):
        prefix = new_prefix()
        other = new_store(prefix)
        seen = [other.create(key, [b"x"]) for key in BITS]
        store = store_that_meets(prefix, COMPOSE, lambda: other.replace(BITS[2], b"other", version=seen[2].version))
        with pytest.raises(ObjectNotFound, match="1/c was deleted or replaced"):
            store.join("daily/one", BITS, b"tail")
        assert keys(other) == BITS

    def test_who_comes_second_leaves_nothing(self, google):
        prefix = new_prefix()
        other = new_store(prefix)
        for key in BITS:
            other.create(key, [b"x"])
        store = store_that_meets(prefix, COMPOSE, lambda: other.create("daily/one", [b"fast"]))
        with pytest.raises(ObjectExists, match="daily/one"):
            store.join("daily/one", BITS, b"tail")
        assert content(other, "daily/one") == b"fast"
        assert keys(other) == [*BITS, "daily/one"]

    def test_a_whole_that_is_not_the_sum_of_its_parts_is_removed(self, google, store):
        google.fail("POST", COMPOSE, "checksum")
        with pytest.raises(StoreUnavailable, match="it was removed"):
            store.join("daily/one", BITS, b"tail")
        assert keys(store) == BITS


class TestStagingElsewhere(StoreContract):
    """The suite once more, with two buckets."""

    # Long, and the same code as with one bucket.
    test_more_keys_than_a_page_of_s3_or_gcs_has_are_listed_completely = None
    test_every_key_the_contract_allows_works = None
    test_what_is_no_key_is_refused_by_every_call_before_it_does_anything = None
    test_any_range_is_that_slice_in_chunks_of_limited_size = None

    @pytest.fixture
    def place(self, tmp_path):
        with gcs_with_staging(tmp_path) as place:
            yield place

    @pytest.fixture
    def store(self, place):
        return place.open()


class TestTwoBuckets:
    @pytest.fixture
    def archive(self, google):
        """A bucket from which nothing can be deleted."""
        name = new_prefix().replace("/", "-")
        kept = client().bucket(name)
        kept.retention_period = 86_400
        kept.create()
        return name

    @pytest.fixture
    def store(self, archive):
        return new_store(bucket=archive, staging=STAGING)

    def names(self, bucket, store):
        prefix = store.url.split("/", 3)[3]
        return [blob.name.removeprefix(f"{prefix}/") for blob in client().list_blobs(bucket, prefix=f"{prefix}/")]

    @pytest.mark.parametrize("sources", [[".staging/a"], [".staging/a", ".staging/b"] * 20])
    @pytest.mark.parametrize("tail", [b"", b"tail"])
    def test_what_is_joined_in_staging_is_copied_whole_to_where_nothing_can_be_deleted(
        self, store, archive, sources, tail
    ):
        parts = {".staging/a": b"A" * (3 * MIB), ".staging/b": b"B"}
        for key, data in parts.items():
            store.create(key, [data])
        assert store.join("daily/one", sources, tail) == store.stat("daily/one")
        assert content(store, "daily/one") == b"".join(parts[source] for source in sources) + tail
        assert self.names(archive, store) == ["daily/one"]
        assert self.names(STAGING, store) == [".staging/a", ".staging/b"]

    def test_a_large_object_is_copied_in_several_calls(self, google, store):
        store.create(".staging/a", [b"A" * (11 * MIB)])
        store.join("daily/one", [".staging/a"])
        calls = asked("POST .*rewriteTo")
        assert len(calls) == 3
        assert ["rewriteToken" in call for call in calls] == [False, True, True]

    @pytest.mark.parametrize("skip", [0, 1, 2])
    def test_an_answer_to_copying_that_was_lost_is_found_again(self, google, store, skip):
        store.create(".staging/a", [b"A" * (11 * MIB)])
        google.fail("POST", "rewriteTo", "lost", skip=skip)
        assert store.join("daily/one", [".staging/a"]) == store.stat("daily/one")

    def test_sources_that_lie_in_the_other_bucket_are_joined_too(self, store, archive):
        store.create("daily/a", [b"A"])
        store.create(".staging/b", [b"B"])
        store.join("daily/one", ["daily/a", ".staging/b", "daily/a"], b"tail")
        store.join(".staging/c", ["daily/a", ".staging/b"])
        assert content(store, "daily/one") == b"ABAtail"
        assert content(store, ".staging/c") == b"AB"
        assert self.names(archive, store) == ["daily/a", "daily/one"]

    def test_what_lies_below_staging_in_the_first_bucket_is_not_ours(self, store, archive):
        prefix = store.url.split("/", 3)[3]
        client().bucket(archive).blob(f"{prefix}/.staging/old").upload_from_string(b"x")
        assert keys(store) == []


class TestEncryption:
    def test_everything_that_stays_is_under_the_key(self, google):
        store = new_store(kms_key=KEY)
        seen = store.create("small", [b"x"])
        store.replace("small", b"y", version=seen.version)
        store.create("large", [b"x" * (9 * MIB)])
        store.join("joined", ["large", "small"], b"tail")
        assert content(store, "joined") == b"x" * (9 * MIB) + b"ytail"
        prefix = store.url.split("/", 3)[3]
        found = {blob.name.rpartition("/")[2]: blob.kms_key_name for blob in client().list_blobs(BUCKET, prefix=prefix)}
        assert found == {"small": KEY, "large": KEY, "joined": KEY}

    def test_without_one_the_bucket_decides(self, google):
        store = new_store()
        store.create("a", [b"x"])
        assert not asked("kmsKeyName")
