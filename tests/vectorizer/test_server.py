"""The whole port against a Vectorizer: the sandbox, or the one VECTORIZER_URL names."""

import json
import threading
from contextlib import suppress
from itertools import count

import numpy as np
import pyarrow as pa
import pytest

from backup_engine.archive.batches import make_batch, vectors_of
from backup_engine.archive.canonical import canonical_json
from backup_engine.archive.codes import centred, recover
from backup_engine.errors import CollectionExists, CollectionMoved, CollectionNotFound, InvalidInput, Unsupported
from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization
from backup_engine.ports import Server
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.credentials import Credentials
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.process import SandboxProcess

_numbers = count()

IDS = [
    "plain", "", "#", "x" * 300, "tab\there", "..", "%2F", '"quoted"', "back\\", '"},{"id":"', '","vector":[', "ü 漢",
    "😀", "line\nend", '{"id":"x","vector":[1],"payload":{}}', " lead", "trail ", "null", "7", "\x00",
]  # fmt: skip
PAYLOADS = [
    None, {}, True, "text", " untrimmed \r\n ", [1, 2], [" a "], 7, {"a": 1}, {"big": 12345678901234567890},
    {"big": 2**64 - 1, "text": " untrimmed \r\n "}, {"least": -(2**63), "most": 2**63 - 1, "zero": -0.0, "small": 1e-7},
    {"items": [{"id": "x", "vector": [1], "payload": {}}, {"id": "y"}], "id": "z"},
    {"esc": '\\"},{"id":"', "u": "\x00\u2028"},
    {"float": 9.3e18, "huge": 1e300}, {"double": 0.10490011715303971}, 0.1, [], {"": {"": [None]}}, "null",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(vectorizer_url) -> Server:
    with VectorizerClient(vectorizer_url) as client:
        yield VectorizerServer(client)


@pytest.fixture
def make(server):
    """Makes collections, or takes over names, and deletes them in the end."""
    made: list[str] = []

    def create(name=None, dimension=8, metric=Metric.COSINE, quantization=Quantization.SQ8, hnsw=None):
        made.append(name or f"client-{next(_numbers)}")
        wanted = CollectionConfiguration(
            dimension=dimension, metric=metric, quantization=quantization, hnsw=hnsw or Hnsw()
        )
        server.create_collection(made[-1], wanted)
        return made[-1]

    yield create
    aliases = server.aliases()
    for name in made:
        if name in aliases:
            server.delete_alias(name)
        with suppress(CollectionNotFound):
            server.delete_collection(name)


def some(number, dimension=8, first=0, seed=1):
    vectors = np.random.default_rng(seed).standard_normal((number, dimension)).astype(np.float32)
    payloads = [canonical_json({"number": place}) for place in range(first, first + number)]
    return make_batch([f"r{place}" for place in range(first, first + number)], vectors, payloads)


def state(server, name):
    return next(each for each in server.collections() if each.name == name)


def table(server, name, **how):
    batches = list(server.read(state(server, name), **how).batches)
    return pa.Table.from_batches(batches) if batches else pa.table({"id": [], "vector": [], "payload": []})


def test_a_server_is_what_the_engine_asks_for(server):
    port: Server = server
    facts = port.facts()
    assert facts.version.count(".") == 2
    assert facts.uptime_seconds is not None
    assert facts.role == "Standalone"
    assert facts.now is not None


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("quantization", [Quantization.SQ8, Quantization.BINARY, Quantization.PRODUCT])
def test_a_configuration_is_read_back_as_it_was_created(server, make, metric, quantization):
    index = Hnsw(m=24, ef_construct=300, ef_search=77)
    found = server.configuration(make(dimension=6, metric=metric, quantization=quantization, hnsw=index))
    assert (found.dimension, found.metric, found.quantization, found.hnsw) == (6, metric, quantization, index)


def test_an_unquantized_collection_needs_a_dimension_the_server_knows(server, make):
    (dimension, *_) = server.facts().unquantized_dimensions
    name = make(dimension=dimension, metric=Metric.EUCLIDEAN, quantization=Quantization.NONE)
    assert server.configuration(name).quantization is Quantization.NONE
    with pytest.raises(Unsupported, match="scalar quantization"):
        make(dimension=dimension + 1, quantization=Quantization.NONE)


def test_writing_moves_nothing_of_the_configuration(server, make):
    name = make()
    before = server.configuration(name)
    server.upsert(name, some(3))
    assert server.configuration(name) == before


NAMES = [
    "with space",
    "ünï 漢",
    "pct%20",
    "semi;colon",
    "q?a=1#f",
    "quo\"te'",
    "back\\slash",
    "x" * 200,
    "UPPER",
    "empty",
    "cleanup",
    "a/b",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_kind_are_created_written_read_and_deleted(server, make, name):
    make(name)
    server.upsert(name, some(3))
    assert state(server, name).vectors == 3
    assert table(server, name)["id"].to_pylist() == ["r0", "r1", "r2"]
    assert server.retrieve(name, ["r1"]).num_rows == 1
    assert server.configuration(name).dimension == 8
    server.delete_collection(name)
    assert name not in {each.name for each in server.collections()}


@pytest.mark.parametrize("page_bytes", [1 << 30, 2000])
def test_ids_and_payloads_of_every_kind_come_back_exactly(vectorizer_url, server, make, page_bytes):
    name = make()
    texts = [None if payload is None else canonical_json(payload) for payload in PAYLOADS]
    vectors = np.random.default_rng(3).standard_normal((len(IDS), 8)).astype(np.float32)
    server.upsert(name, make_batch(IDS, vectors, texts))
    paged = connect(vectorizer_url, settings=ClientSettings(page_bytes=page_bytes))
    found = table(paged, name)
    assert found["id"].to_pylist() == IDS
    assert found["payload"].to_pylist() == texts


def test_unquantized_floats_come_back_to_the_bit(server, make):
    (dimension, *_) = server.facts().unquantized_dimensions
    name = make(dimension=dimension, metric=Metric.EUCLIDEAN, quantization=Quantization.NONE)
    bits = np.random.default_rng(4).integers(0, 1 << 32, (40, dimension), dtype=np.uint32).view(np.float32)
    vectors = np.where(np.isfinite(bits), bits, 0).astype(np.float32)
    vectors[0, :3] = [-0.0, 7.038530691851209e-26, 1e-45]
    server.upsert(name, make_batch([str(row) for row in range(40)], vectors.copy(), [None] * 40))
    (batch,) = server.read(state(server, name)).batches
    assert vectors_of(batch).view(np.uint32).tolist() == vectors.view(np.uint32).tolist()


def test_codes_that_were_read_can_be_sent_so_that_they_stay(server, make):
    first, second = make(dimension=32, metric=Metric.EUCLIDEAN), make(dimension=32, metric=Metric.EUCLIDEAN)
    server.upsert(first, some(200, 32))
    (batch,) = server.read(state(server, first)).batches
    codes = recover(vectors_of(batch))
    assert codes is not None
    server.upsert(second, make_batch(batch["id"].to_pylist(), centred(codes), batch["payload"].to_pylist()))
    (again,) = server.read(state(server, second)).batches
    assert vectors_of(again).tobytes() == vectors_of(batch).tobytes()


def test_existing_records_are_replaced_and_missing_ones_deleted_without_complaint(server, make):
    name = make()
    server.upsert(name, some(5))
    server.upsert(name, make_batch(["r1"], np.ones((1, 8), np.float32), ['{"new":1}']))
    server.delete_records(name, ["r0", "nobody"])
    found = dict(zip(table(server, name)["id"].to_pylist(), table(server, name)["payload"].to_pylist(), strict=True))
    assert found == {"r1": '{"new":1}'} | {f"r{place}": f'{{"number":{place}}}' for place in (2, 3, 4)}


def test_a_wrong_dimension_deletes_nothing(server, make):
    name = make()
    server.upsert(name, some(3))
    with pytest.raises(InvalidInput, match="4 components were given, the collection has 8"):
        server.upsert(name, some(3, dimension=4))
    assert state(server, name).vectors == 3


def test_records_are_found_by_id_and_missing_ones_are_absent(server, make):
    name = make()
    server.upsert(name, make_batch(IDS, np.ones((len(IDS), 8), np.float32), [None] * len(IDS)))
    found = server.retrieve(name, [*IDS, "nobody", IDS[0]])
    assert found["id"].to_pylist() == IDS
    assert server.retrieve(name, ["nobody"]).num_rows == 0
    assert server.retrieve(name, []).num_rows == 0


def test_records_found_by_id_have_exact_numbers_and_trimmed_text(server, make):
    name = make()
    payloads = [7, {"big": 2**64 - 1}, {"text": " untrimmed \r\n "}, None]
    texts = [None if payload is None else canonical_json(payload) for payload in payloads]
    server.upsert(name, make_batch(list("abcd"), np.ones((4, 8), np.float32), texts))
    found = server.retrieve(name, list("abcd"))["payload"].to_pylist()
    assert found == [texts[0], texts[1], '{"text":"untrimmed"}', None]


def test_a_taken_name_is_refused_be_it_collection_or_alias(server, make):
    name = make()
    with pytest.raises(CollectionExists):
        make(name)
    server.create_alias(f"{name}-alias", name)
    with pytest.raises(CollectionExists):
        make(f"{name}-alias")


def test_a_rename_leaves_an_alias_that_can_be_forgotten(server, make):
    name = make()
    new_name = f"{name}-renamed"
    server.upsert(name, some(3))
    server.rename_collection(name, new_name)
    assert server.aliases()[name] == new_name
    with pytest.raises(CollectionNotFound):
        server.delete_collection(name)  # would delete the collection behind the alias
    server.delete_alias(name)
    assert name not in server.aliases()
    assert state(server, new_name).vectors == 3
    server.delete_collection(new_name)


def test_updated_at_moves_with_every_write_and_rests_otherwise(server, make):
    name = make()
    server.upsert(name, some(3))
    before = state(server, name)
    assert state(server, name) == before
    server.upsert(name, some(1))
    assert state(server, name).updated_at != before.updated_at


def test_a_flush_is_confirmed(server, make):
    server.upsert(make(), some(1))
    server.flush()


def test_a_collection_is_read_alike_in_one_page_and_in_many(vectorizer_url, server, make):
    name = make(dimension=16)
    server.upsert(name, some(1500, 16))
    paged = connect(vectorizer_url, settings=ClientSettings(page_bytes=100_000))
    assert paged.read(state(paged, name)).pages > 3
    assert table(paged, name).equals(table(server, name))


def test_a_writer_between_pages_is_noticed_or_does_no_harm(vectorizer_url, server, make):
    """A GraphQL upsert moves records to the end: one may be missed, which the engine counts; nothing is mixed up."""
    name = make(dimension=16)
    server.upsert(name, some(600, 16))
    paged = connect(vectorizer_url, settings=ClientSettings(page_bytes=40_000))
    other = connect(vectorizer_url)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            other.upsert(name, some(50, 16, seed=2))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            with suppress(CollectionMoved):
                for row in table(paged, name).to_pylist():
                    assert json.loads(row["payload"])["number"] == int(row["id"][1:])
    finally:
        stop.set()
        writer.join(timeout=30)


def test_a_server_with_a_password_is_read_and_written_as_a_user(tmp_path):
    with SandboxProcess(tmp_path, password="Sup3r-secret-pw!") as sandbox:
        server = connect(sandbox.url, Credentials("admin", "Sup3r-secret-pw!"))
        wanted = CollectionConfiguration(dimension=8, metric=Metric.COSINE, quantization=Quantization.SQ8, hnsw=Hnsw())
        server.create_collection("docs", wanted)
        server.upsert("docs", some(3))
        assert table(server, "docs").num_rows == 3
