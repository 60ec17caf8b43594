"""Answers that are lost, cut or wrong: nothing is taken for what it is not, and nothing is tried for ever."""

import pytest
from botocore.exceptions import FlexibleChecksumError, ReadTimeoutError

from backup_engine.errors import (
    BackupError,
    DamagedArchive,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    StoreUnavailable,
)
from backup_engine.storage.address import Scheme
from backup_engine.storage.layout import Layout
from backup_engine.storage.s3.reading import RESUMES
from backup_engine.storage.s3.store import S3Store
from tests.storage.s3_luck import (
    QUICK,
    Requests,
    answer_with,
    change_answers,
    change_arguments,
    cut_bodies,
    lose_answers,
    uploads,
)
from tests.storage.s3_places import BUCKET, client, new_client, new_prefix

MIB = 1 << 20
LARGE = bytes(range(256)) * 4096 * 9  # 9 MiB: two parts


@pytest.fixture
def prefix():
    return new_prefix()


@pytest.fixture
def unlucky():
    return new_client(**QUICK)


@pytest.fixture
def store(unlucky, prefix):
    return S3Store(unlucky, Layout(Scheme.S3, BUCKET, prefix))


@pytest.fixture
def other(prefix):
    """Somebody else at the same store."""
    return S3Store(client(), Layout(Scheme.S3, BUCKET, prefix))


def content(store, key):
    return b"".join(store.read(key))


@pytest.mark.parametrize("times", [1, 3], ids=["one answer lost", "every answer lost"])
@pytest.mark.parametrize(
    ("operation", "data"),
    [("PutObject", b"small"), ("CompleteMultipartUpload", LARGE)],
    ids=["put", "complete"],
)
def test_who_made_the_object_and_lost_the_answer_knows_its_own(store, unlucky, prefix, operation, data, times):
    lose_answers(unlucky, operation, times)
    assert store.create("names/one", [data]) == store.stat("names/one")
    assert content(store, "names/one") == data
    assert uploads(client(), prefix) == []


def test_parts_of_which_no_answer_ever_comes_make_nothing(store, unlucky, prefix):
    lose_answers(unlucky, "UploadPart", 100)
    with pytest.raises(StoreUnavailable, match="names/one"):
        store.create("names/one", [LARGE])
    assert [*store.list("")] == []
    assert uploads(client(), prefix) == []


def test_a_lost_answer_does_not_make_the_object_of_another_ones_own(store, unlucky, other):
    """The first try never arrives, another writer comes first, the second try is refused: that is not ours."""
    tries = []

    def never_arrives(request, **_):
        tries.append(request)
        if len(tries) == 1:
            other.create("names/one", [b"small"])  # the very same bytes
            raise ReadTimeoutError(endpoint_url=request.url)

    unlucky.meta.events.register("before-send.s3.PutObject", never_arrives)
    with pytest.raises(ObjectExists, match="names/one"):
        store.create("names/one", [b"small"])
    assert len(tries) == 2


def test_who_replaced_and_lost_the_answer_knows_its_own(store, unlucky):
    seen = store.create("leases/a", [b"0"])
    lose_answers(unlucky, "PutObject")
    made = store.replace("leases/a", b"1", version=seen.version)
    assert made == store.stat("leases/a")
    assert content(store, "leases/a") == b"1"


def test_a_replace_that_came_too_late_is_refused_also_when_its_first_answer_was_lost(store, unlucky, other):
    seen = store.create("leases/a", [b"0"])

    def overtaken(request, **_):
        other.replace("leases/a", b"other", version=other.stat("leases/a").version)
        raise ReadTimeoutError(endpoint_url=request.url)

    unlucky.meta.events.register_first("before-send.s3.PutObject", overtaken)
    with pytest.raises(StoreUnavailable):  # the store never answered
        store.replace("leases/a", b"1", version=seen.version)
    unlucky.meta.events.unregister("before-send.s3.PutObject", overtaken)
    with pytest.raises(ObjectChanged):
        store.replace("leases/a", b"1", version=seen.version)
    assert content(store, "leases/a") == b"other"


def test_equal_bytes_written_again_are_another_version_though_s3_says_the_same_etag(store, other):
    first = store.create("leases/a", [b"mine"])
    middle = other.replace("leases/a", b"theirs", version=first.version)
    again = other.replace("leases/a", b"mine", version=middle.version)
    etag = first.version.partition("-")[0]
    assert again.version.startswith(etag)
    with pytest.raises(ObjectChanged):
        store.replace("leases/a", b"stale", version=first.version)
    assert store.stat("leases/a") == again


def test_between_look_and_write_the_server_itself_refuses(store, unlucky, other):
    seen = store.create("leases/a", [b"0"])
    requests = Requests(unlucky)

    def overtake(**_):
        other.replace("leases/a", b"faster", version=seen.version)

    unlucky.meta.events.register("before-call.s3.PutObject", overtake)
    with pytest.raises(ObjectChanged, match="leases/a"):
        store.replace("leases/a", b"slower", version=seen.version)
    assert dict(requests.seen)["PutObject"]["IfMatch"]
    assert content(store, "leases/a") == b"faster"


def test_without_its_condition_a_write_would_go_over_anothers(store, unlucky, other):
    """What the tests above rest on: it is the condition that protects, not luck."""
    seen = store.create("leases/a", [b"0"])
    change_arguments(unlucky, "PutObject", "IfMatch")

    def overtake(**_):
        other.replace("leases/a", b"faster", version=seen.version)

    unlucky.meta.events.register("before-call.s3.PutObject", overtake)
    store.replace("leases/a", b"slower", version=seen.version)
    assert content(store, "leases/a") == b"slower"


@pytest.mark.parametrize(
    ("operation", "data"), [("PutObject", b"slow"), ("CompleteMultipartUpload", LARGE)], ids=["put", "complete"]
)
def test_without_their_condition_creating_writes_would_go_over_anothers(store, unlucky, other, operation, data):
    change_arguments(unlucky, operation, "IfNoneMatch")

    def overtaken():
        other.create("names/one", [b"fast"])
        yield data

    store.create("names/one", overtaken())
    assert content(store, "names/one") == data


def test_a_storm_of_refusals_is_waited_out_within_bounds(store, unlucky):
    asked = answer_with(unlucky, "PutObject", 503, "SlowDown", times=2)
    store.create("names/one", [b"x"])
    assert len(asked) == 2
    endless = answer_with(unlucky, "PutObject", 503, "SlowDown")
    with pytest.raises(StoreUnavailable, match=r"names/two.*fewer requests"):
        store.create("names/two", [b"x"])
    assert len(endless) == QUICK["retries"]["total_max_attempts"]
    assert [info.key for info in store.list("")] == ["names/one"]


def test_of_two_writers_of_whom_s3_lets_neither_be_first_one_tries_again(store, unlucky):
    answer_with(unlucky, "PutObject", 409, "ConditionalRequestConflict", times=2)
    store.create("names/one", [b"x"])
    endless = answer_with(unlucky, "PutObject", 409, "ConditionalRequestConflict")
    with pytest.raises(StoreUnavailable, match=r"names/two.*at the same moment"):
        store.create("names/two", [b"x"])
    assert len(endless) == 4


def test_who_loses_such_a_conflict_learns_that_the_name_is_taken(store, unlucky, other):
    answer_with(unlucky, "PutObject", 409, "ConditionalRequestConflict")

    def overtaken():
        other.create("names/one", [b"fast"])
        yield b"slow"

    with pytest.raises(ObjectExists, match="names/one"):
        store.create("names/one", overtaken())


def test_an_upload_that_somebody_ended_is_told_as_such(store, unlucky, prefix):
    answer_with(unlucky, "CompleteMultipartUpload", 404, "NoSuchUpload")
    with pytest.raises(StoreUnavailable, match=r"names/one.*ended by somebody else.*run again"):
        store.create("names/one", [LARGE])
    assert [*store.list("")] == []
    assert uploads(client(), prefix) == []


def test_bytes_that_change_on_the_way_are_refused_by_the_server(store, unlucky):
    change_arguments(unlucky, "PutObject", Body=b"flipped")
    with pytest.raises(StoreUnavailable, match=r"what arrived is not what was sent.*run again"):
        store.create("names/one", [b"correct"])
    assert [*store.list("")] == []


def test_a_server_that_keeps_something_else_is_found_out_and_the_object_removed(store, unlucky):
    change_arguments(unlucky, "PutObject", "ChecksumCRC32", Body=b"flipped")
    with pytest.raises(DamagedArchive, match=r"names/one: its CRC-32 is .* it was removed"):
        store.create("names/one", [b"correct"])
    assert [*store.list("")] == []


def test_a_server_that_keeps_a_shorter_object_is_found_out_and_the_object_removed(store, unlucky):
    change_arguments(unlucky, "PutObject", "ChecksumCRC32", Body=b"corr")
    with pytest.raises(DamagedArchive, match="it has 4 bytes and 7 were sent"):
        store.create("names/one", [b"correct"])
    assert [*store.list("")] == []


def no_checksums(client):
    change_answers(client, "HeadObject", lambda answer: answer.pop("ChecksumCRC32", None))


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_where_a_server_keeps_no_checksum_the_object_is_read_again(store, unlucky, data):
    no_checksums(unlucky)
    requests = Requests(unlucky)
    store.create("names/one", [data])
    assert requests.count("GetObject") == 1
    assert content(store, "names/one") == data


def test_what_is_read_again_is_compared(store, unlucky):
    no_checksums(unlucky)
    change_arguments(unlucky, "PutObject", "ChecksumCRC32", Body=b"flipped")
    with pytest.raises(DamagedArchive, match="CRC-32"):
        store.create("names/one", [b"correct"])
    assert [*store.list("")] == []


def test_an_object_that_cannot_be_removed_is_named(store, unlucky):
    change_arguments(unlucky, "PutObject", "ChecksumCRC32", Body=b"flipped")
    change_arguments(unlucky, "DeleteObjects", Bucket="no-such-bucket")
    with pytest.raises(DamagedArchive, match="could not be removed"):
        store.create("names/one", [b"correct"])


def test_a_join_is_compared_with_the_checksums_of_its_sources(store, unlucky):
    store.create(".staging/a", [LARGE])
    change_arguments(unlucky, "UploadPartCopy", CopySourceRange=f"bytes=0-{len(LARGE) - 2}")
    change_arguments(unlucky, "CompleteMultipartUpload", "ChecksumCRC32", "MpuObjectSize")
    with pytest.raises(BackupError, match="daily/one"):
        store.join("daily/one", [".staging/a"], b"tail")
    assert [info.key for info in store.list("")] == [".staging/a"]


@pytest.mark.parametrize("error", [None, ReadTimeoutError(endpoint_url="")], ids=["cut", "stalled"])
def test_a_stream_that_breaks_off_goes_on_where_it_was(store, unlucky, error):
    store.create("object", [LARGE])
    requests = Requests(unlucky)
    cut_bodies(unlucky, after=3_000_000, error=error)
    assert b"".join(store.read("object", offset=5)) == LARGE[5:]
    asked = [arguments for name, arguments in requests.seen if name == "GetObject"]
    assert len(asked) == 4
    assert all(arguments["IfMatch"] for arguments in asked[1:])
    assert asked[1]["Range"] == f"bytes=3000005-{len(LARGE) - 1}"


def test_a_stream_whose_end_shows_a_wrong_checksum_is_refused(store, unlucky):
    store.create("object", [LARGE])
    cut_bodies(unlucky, after=MIB, error=FlexibleChecksumError(error_msg="expected other"))
    with pytest.raises(StoreUnavailable, match=r"object: what arrived has not the checksum.*run again"):
        b"".join(store.read("object"))


def test_a_stream_that_breaks_off_again_and_again_ends(store, unlucky):
    store.create("object", [LARGE])
    requests = Requests(unlucky)
    cut_bodies(unlucky, after=0)
    with pytest.raises(StoreUnavailable, match="object"):
        b"".join(store.read("object"))
    assert requests.count("GetObject") == 1 + RESUMES


@pytest.mark.parametrize("data", [LARGE, LARGE[::-1]], ids=["the same bytes", "other bytes"])
def test_a_broken_stream_does_not_go_on_with_another_object(store, unlucky, other, data):
    made = store.create("object", [LARGE])
    cut_bodies(unlucky, after=MIB, times=1)
    stream = store.read("object")
    assert next(stream) == LARGE[:MIB]
    other.replace("object", data, version=made.version)
    with pytest.raises(StoreUnavailable, match="changed while it was read"):
        b"".join(stream)


def test_an_object_that_goes_while_a_broken_stream_is_taken_up_is_not_found(store, unlucky, other):
    store.create("object", [LARGE])
    cut_bodies(unlucky, after=MIB, times=1)
    stream = store.read("object")
    next(stream)
    other.delete(["object"])
    with pytest.raises(ObjectNotFound, match="object"):
        b"".join(stream)


def test_a_server_that_ignores_ranges_is_refused(store, unlucky):
    store.create("object", [b"0123456789"])
    change_arguments(unlucky, "GetObject", "Range")
    with pytest.raises(BackupError, match="keeps to ranges"):
        store.read("object", offset=3, length=2)
