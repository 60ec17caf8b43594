"""Google Cloud Storage: what is sent arrives whole and once, or nothing is left."""

from dataclasses import replace

import pytest

from backup_engine.errors import ObjectChanged, ObjectExists, StoreUnavailable
from tests.storage.gcs_places import BUCKET, HASTY, client, new_prefix
from tests.storage.gcs_wire import MIB, asked, content, keys, new_store, open_sessions, store_that_meets

DATA = bytes(range(256)) * 4096 * 20  # 20 MiB: three chunks of a session
CHUNKS = [DATA[start : start + MIB] for start in range(0, len(DATA), MIB)]


@pytest.fixture
def store(google):
    return new_store()


class TestHowItIsSent:
    @pytest.mark.parametrize("size", [0, 1, 8 * MIB])
    def test_what_fits_into_one_chunk_goes_in_one_request(self, store, size):
        store.create("a", [b"x" * size])
        assert len(asked("POST")) == 1
        assert not asked("PUT")

    def test_what_is_larger_goes_in_a_session_of_8_mib_chunks(self, store):
        made = store.create("a", CHUNKS)
        assert made == store.stat("a")
        assert content(store, "a") == DATA
        assert len(asked("POST .*uploadType=resumable.*ifGenerationMatch=0")) == 1
        assert len(asked("PUT")) == 3

    def test_one_large_chunk_is_cut_to_pieces(self, store):
        assert store.create("a", [memoryview(DATA)]).size == len(DATA)
        assert len(asked("PUT")) == 3

    def test_every_writing_request_carries_a_generation(self, store):
        made = store.create("a", [b"1"])
        store.replace("a", b"2", version=made.version)
        store.join("b", ["a"], b"tail")
        store.delete(["a"])
        writing = [line for line in asked("^(POST|DELETE)") if "/_control/" not in line]
        assert len(writing) == 6
        assert all("ifGenerationMatch=" in line for line in writing)


class TestNothingIsLeft:
    @pytest.mark.parametrize("error", [ValueError("bad data"), KeyboardInterrupt()])
    def test_an_error_in_the_middle_of_a_session_is_passed_on_and_the_session_cancelled(self, google, store, error):
        def failing():
            yield from CHUNKS[:18]
            raise error

        with pytest.raises(type(error)) as raised:
            store.create("a", failing())
        assert raised.value is error
        assert keys(store) == []
        assert open_sessions(store) == []
        assert len(asked("DELETE .*upload_id=")) == 1

    def test_who_comes_second_while_a_session_is_open_leaves_no_session(self, google, store):
        def overtaken():
            yield DATA
            store.create("a", [b"fast"])
            yield b"slow"

        with pytest.raises(ObjectExists, match=r"gs://backups/.*/a"):
            store.create("a", overtaken())
        assert content(store, "a") == b"fast"
        assert open_sessions(store) == []

    @pytest.mark.parametrize(("method", "request_of"), [("POST", "uploadType=resumable"), ("PUT", "upload_id=")])
    def test_a_store_that_looks_at_the_name_before_the_end_is_understood(self, google, store, method, request_of):
        google.fail(method, request_of, "status", status=412, message="At least one of the pre-conditions")
        with pytest.raises(ObjectExists, match="left as it is"):
            store.create("a", CHUNKS)
        assert open_sessions(store) == []

    def test_a_storm_that_outlasts_our_patience_is_unavailable_and_leaves_no_session(self, google):
        store = new_store(patience=replace(HASTY, progress=0.3))
        google.fail("PUT", "upload_id=", "status", times=10_000, skip=1)
        with pytest.raises(StoreUnavailable, match=r"stands at 8,388,608 bytes \(503.*every retry") as raised:
            store.create("a", CHUNKS)
        assert "upload_id" not in str(raised.value)
        google.reset()
        assert keys(store) == []
        assert open_sessions(store) == []

    def test_an_upload_that_cannot_be_cancelled_either_is_still_no_object(self, google, store):
        google.fail("PUT", "upload_id=", "status", times=10_000, status=403, message="No.")
        google.fail("DELETE", "upload_id=", "lost", times=10_000)
        with pytest.raises(Exception, match=r"403, No\."):
            store.create("a", CHUNKS)
        assert keys(store) == []


class TestLostAnswers:
    """The request was done, and nobody learnt of it: it is asked again, and finds its own object."""

    def test_of_a_small_object(self, google, store):
        google.fail("POST", "uploadType=multipart", "lost")
        assert store.create("a", [b"x"]) == store.stat("a")
        assert len(asked("POST")) == 2

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_of_any_chunk_of_a_session(self, google, store, which):
        google.fail("PUT", "upload_id=", "lost", skip=which)
        assert store.create("a", CHUNKS) == store.stat("a")
        assert content(store, "a") == DATA
        assert open_sessions(store) == []

    def test_of_the_beginning_of_a_session(self, google, store):
        google.fail("POST", "uploadType=resumable", "lost")
        store.create("a", CHUNKS)
        assert content(store, "a") == DATA

    def test_of_the_last_chunk_of_a_session_that_is_forgotten_then(self, google, store):
        google.fail("PUT", "upload_id=", "lost", skip=2)
        google.fail("PUT", "upload_id=", "status", status=410, skip=2)
        assert store.create("a", CHUNKS) == store.stat("a")

    def test_a_session_that_is_gone_without_an_object_is_unavailable(self, google, store):
        google.fail("PUT", "upload_id=", "status", status=410, skip=1)
        with pytest.raises(StoreUnavailable, match="run again"):
            store.create("a", CHUNKS)
        assert keys(store) == []

    def test_of_a_replacement(self, google, store):
        seen = store.create("a", [b"old"])
        google.fail("POST", "uploadType=multipart", "lost")
        assert store.replace("a", b"new", version=seen.version) == store.stat("a")
        assert content(store, "a") == b"new"

    def test_anothers_object_is_never_taken_for_ones_own(self, google):
        prefix = new_prefix()
        other = new_store(prefix)
        meeting = store_that_meets(prefix, "POST .*multipart", lambda: other.create("a", [b"x"]))
        with pytest.raises(ObjectExists, match="left as it is"):
            meeting.create("a", [b"x"])


class TestInterruptions:
    @pytest.mark.parametrize("size", [0, 1 << 18, 5 * MIB, 8 * MIB])
    def test_a_chunk_that_is_kept_in_part_is_sent_on_from_there(self, google, store, size):
        google.fail("RECEIVE", "upload_id=", "partial", skip=1, size=size)
        store.create("a", CHUNKS)
        assert content(store, "a") == DATA

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    @pytest.mark.parametrize("request_of", ["uploadType=resumable", "upload_id="])
    def test_what_may_pass_is_tried_again(self, google, store, status, request_of):
        for method in ("POST", "PUT"):
            google.fail(method, request_of, "status", status=status, times=3)
        store.create("a", CHUNKS)
        assert content(store, "a") == DATA

    def test_a_store_that_falls_silent_is_asked_how_far_it_is(self, google):
        store = new_store(patience=replace(HASTY, silence=0.3))
        google.fail("PUT", "upload_id=", "stall", skip=1)
        google.fail("PUT", "upload_id=", "lost", skip=2)
        store.create("a", CHUNKS)
        assert content(store, "a") == DATA

    def test_a_small_object_is_tried_again_too(self, google, store):
        google.fail("POST", "uploadType=multipart", "status", times=3, status=429, reason="rateLimitExceeded")
        store.create("a", [b"x"])
        assert len(asked("POST")) == 4


class TestChecksums:
    @pytest.mark.parametrize("data", [b"small", DATA], ids=["small", "large"])
    def test_what_is_damaged_on_its_way_is_refused_by_the_store(self, google, store, data):
        google.fail("RECEIVE", "uploadType=", "flip", skip=int(data is DATA))
        with pytest.raises(StoreUnavailable, match="what arrived is not what was sent"):
            store.create("a", [data])
        assert keys(store) == []
        assert open_sessions(store) == []

    @pytest.mark.parametrize(("data", "method"), [(b"small", "POST"), (DATA, "PUT")], ids=["small", "large"])
    def test_what_is_kept_with_another_checksum_is_removed(self, google, store, data, method):
        google.fail(method, "uploadType=", "checksum", skip=2 if method == "PUT" else 0)
        with pytest.raises(StoreUnavailable, match="AAAAAA== arrived; it was removed"):
            store.create("a", [data])
        assert keys(store) == []
        assert asked("DELETE .*ifGenerationMatch=[1-9]")

    def test_when_it_cannot_be_removed_the_message_says_so(self, google, store):
        google.fail("POST", "uploadType=", "checksum")
        google.fail("DELETE", "/o/", "status", status=403, message="You may not delete.")
        with pytest.raises(StoreUnavailable, match="could not be removed: remove it"):
            store.create("a", [b"x"])


class TestReplacing:
    @pytest.mark.parametrize("version", ["0", "", "x", "-1", "1", "99999999999999"])
    def test_a_version_that_never_was_is_refused_also_where_nothing_is(self, store, version):
        """Generation 0 means to Google: if there is none."""
        with pytest.raises(ObjectChanged):
            store.replace("a", b"x", version=version)
        assert keys(store) == []

    def test_the_version_is_the_generation_and_the_time_is_its_making(self, store):
        made = store.create("a", [b"x"])
        blob = client().bucket(BUCKET).get_blob(store._layout.spot("a").name)
        assert (made.version, made.modified_at) == (str(blob.generation), blob.time_created)
