"""Multipart uploads: where they begin, what they leave behind, what they cost."""

import tracemalloc
from datetime import timedelta

import pytest

from backup_engine.errors import ObjectChanged, ObjectExists, StoreFull, StoreUnavailable
from backup_engine.storage.address import Scheme
from backup_engine.storage.layout import Layout
from backup_engine.storage.s3.store import S3Store
from backup_engine.storage.s3.uploading import LARGEST_OBJECT, at_once, part_size, parts_of
from tests.storage.s3_luck import Requests, change_arguments, uploads
from tests.storage.s3_places import BUCKET, client, new_client, new_prefix
from tests.storage.suite.sharing import kill_at_signal

MIB = 1 << 20
PART = 8 * MIB


@pytest.fixture
def prefix():
    return new_prefix()


@pytest.fixture
def watched():
    return new_client()


@pytest.fixture
def requests(watched):
    return Requests(watched)


@pytest.fixture
def store(watched, prefix, requests):
    return S3Store(watched, Layout(Scheme.S3, BUCKET, prefix))


def some_bytes(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize(("size", "parts"), [(PART - 1, 0), (PART, 0), (PART + 1, 2), (2 * PART, 2), (2 * PART + 5, 3)])
def test_up_to_one_part_is_one_request_and_more_is_an_upload(store, requests, size, parts):
    data = some_bytes(size)
    made = store.create("daily/one", [data[:1000], data[1000:]])
    assert made == store.stat("daily/one")
    assert b"".join(store.read("daily/one")) == data
    assert requests.count("UploadPart") == parts
    assert requests.count("PutObject") == (not parts)


@pytest.mark.parametrize("size", [5 * MIB - 1, 5 * MIB, 5 * MIB + 1])
@pytest.mark.parametrize("tail", [b"", b"tail"])
def test_sources_around_the_smallest_part_are_joined_to_their_very_bytes(store, size, tail):
    data = some_bytes(size)
    store.create(".staging/a", [data])
    store.create(".staging/b", [b"b"])
    store.join("daily/one", [".staging/b", ".staging/a", ".staging/a", ".staging/b", ".staging/a"], tail)
    assert b"".join(store.read("daily/one")) == b"b" + data + data + b"b" + data + tail


def test_large_sources_are_copied_by_the_server(store, requests):
    store.create(".staging/a", [some_bytes(6 * MIB)])
    store.create(".staging/b", [some_bytes(7 * MIB)])
    requests.seen.clear()
    store.join("daily/one", [".staging/a", ".staging/b"], b"tail")
    assert requests.count("UploadPartCopy") == 2
    assert requests.count("GetObject") == 0
    assert store.stat("daily/one").size == 13 * MIB + 4


def test_small_sources_are_joined_with_one_writing_request(store, requests):
    for number in range(20):
        store.create(f".staging/{number}", [some_bytes(1000)])
    requests.seen.clear()
    store.join("daily/one", [f".staging/{number}" for number in range(20)], b"tail")
    assert requests.count("PutObject") == 1
    assert requests.count("CreateMultipartUpload") == 0


class Broken(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("source"), Broken()], ids=["an error", "an interrupt"])
def test_an_upload_that_fails_is_aborted_and_its_error_passed_on(store, prefix, error):
    def failing():
        yield some_bytes(3 * PART)
        raise error

    with pytest.raises(type(error)) as raised:
        store.create("daily/one", failing())
    assert raised.value is error
    assert uploads(client(), prefix) == []
    assert [*store.list("")] == []


def test_an_upload_whose_name_was_taken_meanwhile_is_aborted(store, prefix):
    def overtaken():
        yield some_bytes(2 * PART)
        store.create("daily/one", [b"fast"])
        yield b"slow"

    with pytest.raises(ObjectExists, match="daily/one"):
        store.create("daily/one", overtaken())
    assert b"".join(store.read("daily/one")) == b"fast"
    assert uploads(client(), prefix) == []


def test_a_join_whose_name_was_taken_meanwhile_is_aborted(store, watched, prefix):
    store.create(".staging/a", [some_bytes(6 * MIB)])

    def overtake(**_):
        client().put_object(Bucket=BUCKET, Key=f"{prefix}/daily/one", Body=b"fast")

    watched.meta.events.register("before-call.s3.CompleteMultipartUpload", overtake)
    with pytest.raises(ObjectExists, match="daily/one"):
        store.join("daily/one", [".staging/a"], b"tail")
    assert b"".join(store.read("daily/one")) == b"fast"
    assert uploads(client(), prefix) == []


def test_a_join_whose_source_is_replaced_meanwhile_makes_nothing(store, watched, prefix):
    made = store.create(".staging/a", [some_bytes(6 * MIB)])

    def meddle(**_):
        client().put_object(Bucket=BUCKET, Key=f"{prefix}/.staging/a", Body=some_bytes(6 * MIB)[::-1])

    watched.meta.events.register("before-call.s3.UploadPartCopy", meddle)
    with pytest.raises(StoreUnavailable, match="changed while it was joined"):
        store.join("daily/one", [".staging/a"], b"tail")
    assert [info.key for info in store.list("")] == [".staging/a"]
    assert uploads(client(), prefix) == []
    with pytest.raises(ObjectChanged):
        store.replace(".staging/a", b"x", version=made.version)


def test_the_upload_of_a_killed_writer_is_swept_by_its_age(prefix):
    def write(signal):
        def dying():
            yield some_bytes(3 * PART)
            signal()

        S3Store(client(), Layout(Scheme.S3, BUCKET, prefix)).create("daily/one", dying())

    kill_at_signal(write)
    store, beside = (
        S3Store(client(), Layout(Scheme.S3, BUCKET, prefix)),
        S3Store(client(), Layout(Scheme.S3, BUCKET, f"{prefix}-beside")),
    )
    assert uploads(client(), prefix) == [f"{prefix}/daily/one"]
    assert beside.sweep_uploads(timedelta(0)) == 0
    assert store.sweep_uploads(timedelta(hours=1)) == 0
    assert uploads(client(), prefix) == [f"{prefix}/daily/one"]
    assert store.sweep_uploads(timedelta(0)) == 1
    assert uploads(client(), prefix) == []
    assert [*store.list("")] == []


def test_the_first_write_of_a_store_sweeps_and_the_next_ones_do_not(store, requests):
    store.create("names/a", [b"a"])
    assert requests.count("ListMultipartUploads") == 1
    store.create("names/b", [b"b"])
    store.join("names/c", ["names/a"])
    assert requests.count("ListMultipartUploads") == 1


def test_a_part_that_arrives_otherwise_than_it_left_makes_nothing(watched, store, prefix):
    change_arguments(watched, "UploadPart", Body=b"flipped")
    with pytest.raises(StoreUnavailable, match="what arrived is not what was sent"):
        store.create("daily/one", [some_bytes(2 * PART)])
    assert [*store.list("")] == []
    assert uploads(client(), prefix) == []


def test_a_whole_of_other_parts_than_were_sent_makes_nothing(watched, store, prefix):
    """Each part is right by itself, and the object is not: only the checksum of the whole tells."""
    change_arguments(watched, "CompleteMultipartUpload", ChecksumCRC32="AAAAAA==")
    with pytest.raises(StoreUnavailable, match="what arrived is not what was sent"):
        store.create("daily/one", [some_bytes(2 * PART)])
    assert [*store.list("")] == []
    assert uploads(client(), prefix) == []


def test_parts_grow_so_that_memory_and_their_number_both_suffice():
    sizes = [part_size(number) for number in range(1, 10_001)]
    assert sizes == sorted(sizes)
    assert sum(sizes) == LARGEST_OBJECT > 200 * 10**9
    assert all((at_once(size, 2) + 1) * size <= 48 * MIB for size in sizes)
    with pytest.raises(StoreFull, match="10,000 parts"):
        part_size(10_001)


def test_a_stream_is_cut_into_parts_whatever_its_chunks():
    data = some_bytes(2 * PART + 3)
    for step in (1_000_003, PART, len(data)):
        chunks = [data[at : at + step] for at in range(0, len(data), step)]
        assert [len(part) for part in parts_of(chunks)] == [PART, PART, 3]
        assert b"".join(parts_of(chunks)) == data
    assert [*parts_of([b"", b""])] == []


def test_memory_stays_flat_over_many_parts(prefix):
    store = S3Store(client(), Layout(Scheme.S3, BUCKET, prefix))
    tracemalloc.start()
    try:
        store.create("daily/one", (bytes(MIB) for _ in range(100)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 16 * MIB < peak < 40 * MIB
