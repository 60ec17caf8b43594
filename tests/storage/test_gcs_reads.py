"""Google Cloud Storage: what is read is one generation, whole, however often the stream breaks off; and deleting."""

from dataclasses import replace

import pytest

from backup_engine.errors import DamagedArchive, ObjectNotFound, StoreDenied, StoreUnavailable
from backup_engine.storage.gcs.deleting import SIDE_BY_SIDE
from tests.storage.gcs_places import BUCKET, HASTY, client, new_prefix
from tests.storage.gcs_wire import MIB, asked, content, keys, new_store, store_that_meets

DATA = bytes(range(256)) * 4096 * 18


@pytest.fixture
def store(google):
    return new_store()


class TestInterruptions:
    @pytest.mark.parametrize("size", [0, 1, 3 * MIB])
    @pytest.mark.parametrize("skip", [0, 1, 2])
    def test_a_stream_that_is_cut_goes_on_where_it_was(self, google, store, size, skip):
        store.create("a", [DATA])
        google.fail("GET", "alt=media", "cut", skip=skip, times=2, size=size)
        assert content(store, "a") == DATA

    def test_a_stream_that_stalls_is_taken_up_again(self, google):
        store = new_store(patience=replace(HASTY, silence=0.3))
        store.create("a", [DATA])
        google.fail("GET", "alt=media", "stall", skip=1, size=MIB)
        assert content(store, "a") == DATA

    def test_an_answer_that_is_short_without_saying_so_is_taken_up_again(self, google, store):
        store.create("a", [DATA])
        google.fail("GET", "alt=media", "short", times=3, size=MIB)
        assert content(store, "a") == DATA

    def test_an_object_that_does_not_have_the_bytes_it_claims_is_damage(self, google, store):
        store.create("a", [DATA])
        google.fail("GET", "alt=media", "short", times=2, skip=1, size=0)
        with pytest.raises(DamagedArchive, match="/a ends at 8,388,608 and has 18,874,368"):
            content(store, "a")

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_what_may_pass_is_tried_again(self, google, store, status):
        store.create("a", [DATA])
        google.fail("GET", "/o/", "status", status=status, times=3, skip=1)
        assert content(store, "a") == DATA

    def test_a_storm_that_outlasts_our_patience_is_unavailable(self, google):
        store = new_store(patience=replace(HASTY, progress=0.3))
        store.create("a", [DATA])
        google.fail("GET", "alt=media", "status", times=10_000, skip=1)
        stream = store.read("a")
        with pytest.raises(StoreUnavailable, match=r"503.*every retry"):
            b"".join(stream)

    def test_a_server_that_drips_is_left_in_time(self, google):
        store = new_store(patience=replace(HASTY, progress=0))
        new_store(store.url.removeprefix(f"gs://{BUCKET}/")).create("a", [DATA])
        with pytest.raises(StoreUnavailable, match="in time"):
            store.read("a")


class TestOneGeneration:
    def test_of_a_large_object_that_is_replaced_what_was_not_fetched_is_not_found(self, store):
        seen = store.create("a", [DATA])
        stream = store.read("a")
        first = next(stream)
        store.replace("a", b"new", version=seen.version)
        with pytest.raises(ObjectNotFound, match="replaced after 8,388,608 bytes"):
            b"".join(stream)
        assert first == DATA[:MIB]

    def test_of_a_small_one_the_old_or_the_new_is_read_and_never_nothing(self, google):
        prefix = new_prefix()
        other = new_store(prefix)
        seen = other.create("a", [b"old"])
        store = store_that_meets(prefix, "alt=media", lambda: other.replace("a", b"new!", version=seen.version))
        assert content(store, "a") == b"new!"

    def test_a_range_asks_for_no_more_than_itself(self, google, store):
        store.create("a", [DATA])
        google.reset()
        assert b"".join(store.read("a", offset=9 * MIB, length=5)) == DATA[9 * MIB :][:5]
        assert len(asked("GET")) == 2
        assert len(asked(r"alt=media.*generation=|generation=.*alt=media")) == 1

    def test_a_whole_object_with_another_checksum_is_damage(self, google, store):
        store.create("a", [b"some bytes"])
        google.fail("GET", "/o/", "checksum")
        with pytest.raises(DamagedArchive, match="crc32c"):
            content(store, "a")


@pytest.fixture(scope="module")
def crowded():
    """A first page without any key of ours, and a second one."""
    store = new_store()
    bucket, prefix = client().bucket(BUCKET), store.url.removeprefix(f"gs://{BUCKET}/")
    for number in range(1001):
        bucket.blob(f"{prefix}/a b/{number}").upload_from_string(b"x")
    store.create("z", [b"x"])
    return prefix


class TestListing:
    def test_names_that_are_no_keys_of_ours_are_left_alone(self, store):
        bucket = client().bucket(BUCKET)
        prefix = store.url.removeprefix(f"gs://{BUCKET}/")
        for name in [f"{prefix}/folder/", f"{prefix}/a file", f"{prefix}//x", f"{prefix}x/a", f"{prefix}/../b"]:
            bucket.blob(name).upload_from_string(b"x")
        store.create("a", [b"x"])
        assert keys(store) == ["a"]

    def test_a_page_without_a_key_of_ours_does_not_end_the_listing(self, google, crowded):
        assert keys(new_store(crowded)) == ["z"]

    def test_a_listing_that_breaks_off_is_an_error_and_never_a_short_list(self, google, crowded):
        google.fail("GET", "pageToken", "status", times=10_000)
        with pytest.raises(StoreUnavailable, match="503"):
            keys(new_store(crowded, patience=replace(HASTY, progress=0.2)))


class TestDeleting:
    def test_an_answer_that_was_lost_deletes_nothing_that_came_after(self, google):
        prefix = new_prefix()
        other = new_store(prefix)
        other.create("a", [b"old"])
        google.fail("DELETE", "/o/", "lost")
        store = store_that_meets(prefix, "GET .*/o/", lambda: other.create("a", [b"new"]), skip=1)
        store.delete(["a"])
        assert content(other, "a") == b"new"

    def test_an_answer_that_was_lost_is_success(self, google, store):
        store.create("a", [b"x"])
        google.fail("DELETE", "/o/", "lost")
        store.delete(["a"])
        assert keys(store) == []

    def test_what_is_replaced_between_the_look_and_the_deletion_is_deleted_too(self, google):
        prefix = new_prefix()
        other = new_store(prefix)
        seen = other.create("a", [b"old"])
        store_that_meets(prefix, "DELETE", lambda: other.replace("a", b"new", version=seen.version)).delete(["a"])
        assert keys(other) == []

    @pytest.mark.parametrize("status", [429, 503])
    def test_what_may_pass_is_tried_again(self, google, store, status):
        store.create("a", [b"x"])
        google.fail("DELETE", "/o/", "status", status=status, times=3)
        store.delete(["a"])
        assert keys(store) == []

    def test_a_denied_deletion_says_so_and_the_others_go(self, google, store):
        many = [f"{number:02}" for number in range(3 * SIDE_BY_SIDE)]
        for key in many:
            store.create(key, [b"x"])
        google.hold(BUCKET, store._layout.spot("00").name)
        with pytest.raises(StoreDenied, match=r"/00: a hold forbids it .*release the hold"):
            store.delete(many)
        assert keys(store) == ["00"]
