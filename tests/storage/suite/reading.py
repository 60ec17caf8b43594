"""read and stat: exactly the range that was asked for, or an error."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_engine.errors import DamagedArchive, HostileArchive, InvalidInput, ObjectNotFound
from backup_engine.storage.contract import READ_CHUNK, read_bytes

DATA = bytes(range(256)) * 8200  # a little over two chunks


class Reading:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
    @given(data=st.data())
    def test_any_range_is_that_slice_in_chunks_of_limited_size(self, store, data):
        if not [*store.list("")]:
            store.create("object", [DATA])
        offset = data.draw(st.integers(0, len(DATA)))
        length = data.draw(st.none() | st.integers(0, len(DATA) - offset))
        chunks = [*store.read("object", offset=offset, length=length)]
        assert b"".join(chunks) == DATA[offset:][:length]
        assert all(0 < len(chunk) <= READ_CHUNK for chunk in chunks)

    @pytest.mark.parametrize(("offset", "length"), [(0, 5), (4, 1), (3, 2), (5, 0), (5, None), (100, 1)])
    def test_a_range_that_the_object_does_not_have_is_damage(self, store, offset, length):
        store.create("daily/short", [b"four"])
        with pytest.raises(DamagedArchive, match="daily/short"):
            store.read("daily/short", offset=offset, length=length)

    @pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1), (-4, 4)])
    def test_a_negative_range_is_refused(self, store, offset, length):
        store.create("daily/short", [b"four"])
        with pytest.raises(InvalidInput):
            store.read("daily/short", offset=offset, length=length)

    def test_what_does_not_exist_is_not_found_by_the_call_itself(self, store):
        store.create("daily/backup-1.json", [b"{}"])
        for key in ["daily/backup-2.json", "weekly/backup-1.json", "daily", "daily/backup-1.json/below"]:
            with pytest.raises(ObjectNotFound, match=key):
                store.read(key)
            with pytest.raises(ObjectNotFound, match=key):
                store.stat(key)

    def test_a_stream_goes_on_with_the_object_it_began_with(self, store):
        store.create("object", [DATA])
        stream = store.read("object")
        first = next(stream)
        store.replace("object", b"new" * 1000, version=store.stat("object").version)
        assert first + b"".join(stream) == DATA

    def test_a_small_object_is_read_whole_and_a_large_one_refused(self, store):
        store.create("store.json", [b"x" * 100])
        assert read_bytes(store, "store.json", limit=100) == b"x" * 100
        with pytest.raises(HostileArchive, match="more than the 99 bytes"):
            read_bytes(store, "store.json", limit=99)

    def test_many_streams_of_one_object_do_not_disturb_each_other(self, store):
        store.create("object", [DATA])
        streams = [store.read("object", offset=offset) for offset in range(4)]
        parts = [[next(stream)] for stream in streams]
        for stream, part in zip(streams, parts, strict=True):
            part.extend(stream)
        assert [b"".join(part) for part in parts] == [DATA[offset:] for offset in range(4)]
