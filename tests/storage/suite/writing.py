"""create and join: whole or not at all, and never over something."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from backup_engine.errors import ObjectExists, ObjectNotFound
from backup_engine.storage.contract import read_bytes

WRITERS = 16


def content(store, key):
    return b"".join(store.read(key))


class Interrupted(BaseException):
    pass


class Writing:
    def test_what_is_created_can_be_read_and_is_described_alike_everywhere(self, store):
        made = store.create("daily/backup.tar.gz", [b"one", b"", b"two"])
        assert content(store, "daily/backup.tar.gz") == b"onetwo"
        assert (made.key, made.size) == ("daily/backup.tar.gz", 6)
        assert made == store.stat("daily/backup.tar.gz")
        assert [made.listed] == [*store.list("")]
        assert made.modified_at.tzinfo is not None

    @pytest.mark.parametrize("chunks", [[], [b""]])
    def test_an_empty_object_is_an_object(self, store, chunks):
        assert store.create("names/empty", chunks).size == 0
        assert content(store, "names/empty") == b""

    def test_chunks_of_any_size_and_kind_of_buffer_arrive_in_order(self, store):
        chunks = [b"a" * 3_000_001, bytearray(b"b" * 5), memoryview(b"c" * 1_100_000)]
        store.create("big", iter(chunks))
        assert content(store, "big") == b"".join(bytes(chunk) for chunk in chunks)

    def test_create_leaves_a_taken_key_as_it_is_and_asks_for_no_chunk(self, store):
        before = store.create("names/taken", [b"first"])
        drawn = []
        with pytest.raises(ObjectExists, match="names/taken"):
            store.create("names/taken", (drawn.append(1) or b"second" for _ in range(1)))
        assert not drawn
        assert store.stat("names/taken") == before
        assert content(store, "names/taken") == b"first"

    def test_who_comes_second_while_writing_gets_object_exists(self, store):
        def overtaken():
            yield b"slow "
            store.create("daily/one", [b"fast"])
            yield b"writer"

        with pytest.raises(ObjectExists, match="daily/one"):
            store.create("daily/one", overtaken())
        assert content(store, "daily/one") == b"fast"

    def test_an_object_that_is_being_written_is_nowhere_to_be_seen(self, store):
        seen = []

        def looking():
            yield b"x" * 2_000_000
            seen.extend(store.list(""))
            with pytest.raises(ObjectNotFound):
                store.stat("daily/one")
            with pytest.raises(ObjectNotFound):
                store.read("daily/one")
            yield b"y"

        store.create("daily/one", looking())
        assert seen == []
        assert store.stat("daily/one").size == 2_000_001

    def test_of_many_threads_that_create_one_key_exactly_one_wins(self, place):
        together = Barrier(WRITERS)

        def write(number):
            store = place.open()
            together.wait()
            try:
                store.create("daily/one", [bytes([number])] * 100)
            except ObjectExists:
                return None
            return number

        with ThreadPoolExecutor(WRITERS) as pool:
            winners = [number for number in pool.map(write, range(WRITERS)) if number is not None]
        assert len(winners) == 1
        assert content(place.open(), "daily/one") == bytes(winners) * 100

    @pytest.mark.parametrize("error", [ValueError("bad data"), OSError(5, "the source failed"), Interrupted()])
    @pytest.mark.parametrize("first", [(), (b"x" * 2_000_000,)])
    def test_chunks_that_raise_leave_nothing_and_their_error_is_passed_on_as_it_is(self, store, error, first):
        def failing():
            yield from first
            raise error

        with pytest.raises(type(error)) as raised:
            store.create(".staging/run/c0001.fragment", failing())
        assert raised.value is error
        assert [*store.list("")] == []
        assert store.create(".staging/run/c0001.fragment", [b"again"]).size == 5

    def test_join_gives_the_sources_in_order_and_then_the_tail(self, store):
        store.create(".staging/b", [b"B" * 70_000])
        store.create(".staging/a", [b"A"])
        store.create(".staging/empty", [])
        made = store.join("daily/one", [".staging/b", ".staging/empty", ".staging/a", ".staging/b"], b"tail")
        assert content(store, "daily/one") == b"B" * 70_000 + b"A" + b"B" * 70_000 + b"tail"
        assert made == store.stat("daily/one")
        assert [info.key for info in store.list(".staging/")] == [".staging/a", ".staging/b", ".staging/empty"]

    @pytest.mark.parametrize("tail", [b"", b"only the tail"])
    def test_join_of_no_sources_is_the_tail(self, store, tail):
        store.join("daily/one", [], tail)
        assert content(store, "daily/one") == tail

    def test_join_leaves_a_taken_key_as_it_is(self, store):
        store.create(".staging/a", [b"A"])
        before = store.create("daily/one", [b"first"])
        with pytest.raises(ObjectExists, match="daily/one"):
            store.join("daily/one", [".staging/a"], b"tail")
        with pytest.raises(ObjectExists, match="daily/one"):
            store.join("daily/one", [".staging/swept-meanwhile"])
        assert store.stat("daily/one") == before
        assert content(store, "daily/one") == b"first"

    def test_join_names_the_missing_source_and_leaves_nothing(self, store):
        store.create(".staging/a", [b"A"])
        with pytest.raises(ObjectNotFound, match=r"\.staging/b"):
            store.join("daily/one", [".staging/a", ".staging/b"], b"tail")
        assert [info.key for info in store.list("")] == [".staging/a"]

    def test_of_many_threads_that_join_to_one_key_exactly_one_wins(self, place):
        together = Barrier(WRITERS)
        place.open().create(".staging/a", [b"A"])

        def write(number):
            store = place.open()
            together.wait()
            try:
                store.join("daily/one", [".staging/a"], bytes([number]))
            except ObjectExists:
                return None
            return number

        with ThreadPoolExecutor(WRITERS) as pool:
            winners = [number for number in pool.map(write, range(WRITERS)) if number is not None]
        assert len(winners) == 1
        assert read_bytes(place.open(), "daily/one", limit=10) == b"A" + bytes(winners)
