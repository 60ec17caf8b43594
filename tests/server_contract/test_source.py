"""What the engine may rely on when it reads a server."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from backup_engine.archive.batches import vectors_of
from backup_engine.archive.codes import centred, recover
from backup_engine.errors import UnexpectedAnswer
from backup_engine.model import Metric, Quantization, ReadWay
from backup_engine.ports import Server
from tests.engine.memory_server import MemoryServer
from tests.server_contract.conftest import reading_with
from tests.server_contract.records import (
    IDS,
    PAYLOADS,
    UNQUANTISED,
    batch,
    by_id,
    ids_of,
    listed,
    numbered,
    read,
    settings,
    state_of,
)

ANY_PAYLOAD = ("memory", ReadWay.SCROLL, ReadWay.GRAPHQL, ReadWay.LIST)


@pytest.fixture(params=["memory", *ReadWay])
def server(request) -> Iterator[Server]:
    """A server that others may use too, read in every way there is."""
    if request.param == "memory":
        yield MemoryServer(page_records=50)
        return
    yield from reading_with(request.getfixturevalue("vectorizer_url"), request.param)


def test_a_server_says_what_it_is(server):
    facts = server.facts()
    assert facts.version[0].isdigit()
    assert "@" not in facts.url
    assert facts.uptime_seconds is not None
    assert facts.uptime_seconds >= 0
    assert facts.now is not None


def test_collections_are_listed_sorted_with_their_counts_and_dimensions(server, name):
    for text, count in (("zebra", 3), ("apple", 0), ("Mango", 5)):
        server.create_collection(name(text), settings(dimension=count + 2))
        server.upsert(name(text), numbered(count, dimension=count + 2))
    states = [state for state in server.collections() if state.name in {name(t) for t in ("zebra", "apple", "Mango")}]
    assert [(state.name, state.vectors, state.dimension) for state in states] == [
        (name("Mango"), 5, 7),
        (name("apple"), 0, 2),
        (name("zebra"), 3, 5),
    ]


def test_every_write_moves_updated_at_and_nothing_else_does(server, name):
    server.create_collection(name(), settings())
    created = state_of(server, name())
    server.upsert(name(), numbered(3))
    written = state_of(server, name())
    assert written.updated_at != created.updated_at
    read(server, name())
    server.retrieve(name(), ["r1"])
    server.configuration(name())
    assert state_of(server, name()) == written
    server.upsert(name(), numbered(1))
    rewritten = state_of(server, name())
    assert rewritten.updated_at != written.updated_at
    server.delete_records(name(), ["r1"])
    deleted = state_of(server, name())
    assert deleted.updated_at != rewritten.updated_at
    assert {one.created_at for one in (created, written, rewritten, deleted)} == {created.created_at}


@pytest.mark.parametrize("count", [0, 1, 10, 333])
def test_a_reading_gives_every_record_once_in_the_order_of_insertion(server, name, count):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(count))
    expected = [f"r{number}" for number in range(count)]
    assert ids_of(read(server, name())) == expected
    assert ids_of(read(server, name(), single_page=True)) == expected


@pytest.mark.parametrize("server", ["memory", ReadWay.SCROLL], indirect=True)
def test_a_large_collection_takes_several_pages_unless_a_single_one_is_asked_for(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(333))
    state = state_of(server, name())
    assert server.read(state).pages > 1
    assert server.read(state, single_page=True).pages == 1


@pytest.mark.parametrize("server", [ReadWay.GRAPHQL, ReadWay.LIST], indirect=True)
def test_what_gives_no_large_pages_never_calls_several_pages_one(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(333))
    state = state_of(server, name())
    assert server.read(state).pages > 1
    assert server.read(state, single_page=True).pages > 1


@pytest.mark.parametrize("server", [ReadWay.BACKUP_API], indirect=True)
def test_a_server_backup_is_one_moment_whatever_its_size(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(333))
    assert server.read(state_of(server, name())).pages == 1


@pytest.mark.parametrize("server", [*ReadWay], indirect=True)
def test_a_reading_says_by_which_way_it_comes(server, name, request):
    server.create_collection(name(), settings())
    assert server.read(state_of(server, name())).way is request.node.callspec.params["server"]


def test_a_reading_is_read_when_its_batches_are_taken_and_not_before(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(3))
    reading = server.read(state_of(server, name()))
    server.upsert(name(), numbered(2, first=3))
    assert sum(one.num_rows for one in reading.batches) == 5


@pytest.mark.parametrize("server", ANY_PAYLOAD, indirect=True)
def test_payloads_come_back_as_they_were_written(server, name):
    server.create_collection(name(), settings())
    written = batch([f"r{number}" for number in range(len(PAYLOADS))], PAYLOADS)
    server.upsert(name(), written)
    assert read(server, name())["payload"].to_pylist() == PAYLOADS


def test_payloads_that_are_objects_come_back_as_they_were_written(server, name):
    objects = [payload for payload in PAYLOADS if payload is None or payload.startswith("{")]
    server.create_collection(name(), settings())
    server.upsert(name(), batch([f"r{number}" for number in range(len(objects))], objects))
    assert read(server, name())["payload"].to_pylist() == objects


@pytest.mark.parametrize("server", [ReadWay.BACKUP_API], indirect=True)
def test_a_payload_that_no_server_backup_can_hold_is_an_error_that_names_another_way(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), batch(["text"], ['"text"']))
    with pytest.raises(UnexpectedAnswer, match=r"no JSON object; read .* another way \(read_with: scroll or graphql"):
        read(server, name())


def test_ids_of_every_kind_come_back_as_they_were_written_and_are_found_by_id(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), batch(IDS))
    assert ids_of(read(server, name())) == IDS
    assert sorted(ids_of(server.retrieve(name(), IDS))) == sorted(IDS)
    server.delete_records(name(), IDS)
    assert state_of(server, name()).vectors == 0


def test_records_are_found_by_id_and_missing_ones_are_left_out(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(100))
    found = server.retrieve(name(), ["r7", "never", "r99"])
    assert by_id(found) == {key: value for key, value in by_id(read(server, name())).items() if key in {"r7", "r99"}}
    assert server.retrieve(name(), ["never"]).num_rows == 0
    assert server.retrieve(name(), []).num_rows == 0


@pytest.mark.parametrize("metric", [*Metric])
@pytest.mark.parametrize("quantization", [Quantization.SQ8, Quantization.BINARY])
def test_a_configuration_comes_back_as_the_collection_was_created(server, name, metric, quantization):
    wanted = settings(7, metric, quantization)
    server.create_collection(name(), wanted)
    assert server.configuration(name()).model_copy(update={"reported": {}}) == wanted


@pytest.mark.parametrize("metric", [*Metric])
def test_a_collection_without_quantization_comes_back_as_one(server, name, metric):
    wanted = settings(UNQUANTISED, metric, Quantization.NONE)
    server.create_collection(name(), wanted)
    assert server.configuration(name()).model_copy(update={"reported": {}}) == wanted


@pytest.mark.parametrize("metric", [Metric.EUCLIDEAN, Metric.DOT])
def test_without_quantization_floats_are_kept_to_the_bit(server, name, metric):
    server.create_collection(name(), settings(UNQUANTISED, metric, Quantization.NONE))
    written = numbered(5, dimension=UNQUANTISED)
    server.upsert(name(), written)
    assert vectors_of(read(server, name())).tobytes() == vectors_of(written).tobytes()


def test_cosine_brings_vectors_to_unit_length(server, name):
    server.create_collection(name(), settings(UNQUANTISED, Metric.COSINE, Quantization.NONE))
    written = numbered(5, dimension=UNQUANTISED)
    server.upsert(name(), written)
    found = vectors_of(read(server, name())).astype(np.float64)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    directions = vectors_of(written) / np.linalg.norm(vectors_of(written), axis=1, keepdims=True)
    assert np.allclose(found, directions, atol=1e-6)


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.EUCLIDEAN])
def test_sq8_vectors_are_codes_and_centred_ones_become_the_same_codes_again(server, name, metric):
    for text in ("first", "again"):
        server.create_collection(name(text), settings(16, metric))
    server.upsert(name("first"), numbered(200, dimension=16))
    first = read(server, name("first"))
    codes = recover(vectors_of(first))
    assert codes is not None, "every row reproduces bit for bit"
    again = first.set_column(1, first.schema.field(1), _column(centred(codes), first.schema.field(1).type))
    server.upsert(name("again"), again)
    recovered = recover(vectors_of(read(server, name("again"))))
    assert np.array_equal(recovered.codes, codes.codes)


def _column(vectors, kind):
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), pa.float32()), type=kind)


@pytest.mark.parametrize("text", ["with blank", "ünï😀", "a%20b", "a/b", "UPPER", "n" * 150])
def test_collections_of_every_name_are_listed_written_read_and_deleted(server, name, text):
    server.create_collection(name(text), settings())
    server.upsert(name(text), numbered(3))
    assert len(read(server, name(text))) == 3
    assert server.configuration(name(text)).dimension == 4
    server.delete_collection(name(text))
    assert name(text) not in listed(server)
