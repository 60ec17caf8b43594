"""Server backups are read as they stream in, whole or not at all, whatever is in them."""

import gzip
import io
import json
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import vectors_of
from backup_engine.archive.canonical import canonical_json
from backup_engine.errors import UnexpectedAnswer
from backup_engine.model import Metric
from backup_engine.vectorizer.server_backups.downloading import json_of
from backup_engine.vectorizer.server_backups.file import BackupFile, files_of, records_of
from backup_engine.vectorizer.server_backups.json_stream import JsonStream
from tests.vectorizer.test_json_stream import LAYOUTS, SIZES, VALUES, cut

COMPONENTS = st.floats(width=32, allow_nan=False, allow_infinity=False)
PAYLOADS = st.none() | st.dictionaries(st.text(), VALUES, max_size=4)
RECORDS = st.fixed_dictionaries({
    "id": st.text(),
    "vector": st.lists(COMPONENTS, min_size=3, max_size=3),
    "metadata": PAYLOADS,
})
COLLECTIONS = st.fixed_dictionaries({
    "vectors": st.lists(RECORDS, max_size=6),
    "dimension": st.just(3),
    "metric": st.sampled_from(["Cosine", "Euclidean", "DotProduct"]),
})
FILES = st.fixed_dictionaries({
    "id": st.uuids().map(str),
    "name": st.text(),
    "date": st.just("2026-11-22T14:18:22.844734348+00:00"),
    "collections": st.lists(st.text(), max_size=3),
    "size": st.integers(0, 1000),
    "data": st.dictionaries(st.text(), COLLECTIONS, max_size=3),
})
RECORD = {"id": "a", "vector": [1.0, 2.0, 3.0], "metadata": None}


def file_of(**changes):
    saved = {"vectors": [RECORD], "dimension": 3, "metric": "Cosine"}
    given = {"id": "0-1", "name": "n", "date": "d", "collections": ["docs"], "size": 24, "data": {"docs": saved}}
    return given | changes


def opened(text: bytes, sizes=None, window: int = 64) -> BackupFile:
    return BackupFile(JsonStream(cut(text, sizes or [50]), "the file", window))


def content(file: BackupFile):
    found = {}
    for saved in file.collections():
        rows = [
            (key, vector.tobytes(), payload)
            for batch in saved.batches()
            for key, vector, payload in zip(
                batch["id"].to_pylist(), vectors_of(batch), batch["payload"].to_pylist(), strict=True
            )
        ]
        found[saved.name] = (rows, saved.metric)
    return found


METRICS = {"Cosine": Metric.COSINE, "Euclidean": Metric.EUCLIDEAN, "DotProduct": Metric.DOT}


def expected(file):
    return {
        name: (
            [
                (
                    record["id"],
                    np.array(record["vector"], np.float32).tobytes(),
                    None if record["metadata"] is None else canonical_json(record["metadata"]),
                )
                for record in saved["vectors"]
            ],
            METRICS[saved["metric"]],
        )
        for name, saved in file["data"].items()
    }


@settings(deadline=None)
@given(FILES, LAYOUTS, SIZES, st.integers(1, 300))
def test_a_file_holds_what_a_parser_finds_in_it(file, layout, sizes, window):
    walked = opened(json.dumps(file, **layout).encode(), sizes, window)
    assert content(walked) == expected(file)
    summary = walked.summary()
    assert (summary.id, summary.name) == (file["id"], file["name"])
    assert summary.vectors == {name: len(saved["vectors"]) for name, saved in file["data"].items()}


@given(st.lists(FILES, max_size=3), LAYOUTS, SIZES)
def test_a_list_of_files_is_counted_without_reading_any(files, layout, sizes):
    text = json.dumps({"backups": files, "more": [1]}, **layout).encode()
    found = [file.summary() for file in files_of(JsonStream(cut(text, sizes), "the list", 64))]
    assert [one.id for one in found] == [file["id"] for file in files]
    assert [sum(one.vectors.values()) for one in found] == [
        sum(len(saved["vectors"]) for saved in file["data"].values()) for file in files
    ]


@settings(deadline=None)
@given(FILES, st.data(), SIZES)
def test_a_file_cut_anywhere_is_an_error(file, data, sizes):
    text = json.dumps(file).encode()
    with pytest.raises(UnexpectedAnswer):
        content(opened(text[: data.draw(st.integers(0, len(text) - 1))], sizes))


@settings(deadline=None)
@given(FILES, st.data())
def test_a_file_with_a_byte_changed_ends_in_an_error_or_in_records(file, data):
    text = bytearray(json.dumps(file).encode())
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        walked = opened(bytes(text))
        content(walked)
        walked.summary()
    except UnexpectedAnswer:
        return


@given(RECORDS, st.permutations(["id", "vector", "metadata", "more"]), LAYOUTS)
def test_records_of_any_layout_are_the_same(record, order, layout):
    given = record | {"more": {"id": [1]}}
    shuffled = json.dumps({key: given[key] for key in order}, **layout).encode()
    plain = json.dumps(record, separators=(",", ":")).encode()
    one, another = records_of([shuffled], "x"), records_of([plain], "x")
    assert (one.ids, one.payloads) == (another.ids, another.payloads)
    assert json.loads(b"[%s]" % one.vectors[0]) == json.loads(b"[%s]" % another.vectors[0])


def test_a_vector_written_with_spaces_may_hold_the_smallest_of_numbers():
    vector = [0.0, 1.1210387714598537e-44, 2.5]
    saved = {"vectors": [RECORD | {"vector": vector}], "dimension": 3, "metric": "Cosine"}
    text = json.dumps(file_of(data={"docs": saved}), indent=2).encode()
    ((rows, _),) = content(opened(text)).values()
    assert rows[0][1] == np.array(vector, np.float32).tobytes()


def test_the_guides_layout_tells_dimension_and_metric_in_a_config():
    saved = {"config": {"dimension": 3, "metric": "dot"}, "vectors": [RECORD]}
    (found,) = list(opened(json.dumps(file_of(data={"docs": saved})).encode()).collections())
    found.finish()
    assert (found.dimension, found.metric, found.vectors) == (3, Metric.DOT, 1)


@pytest.mark.parametrize("value", [None, [], "x", {}, {"vectors": []}, {"vectors": [], "dimension": 3}])
def test_a_collection_without_records_holds_none(value):
    file = opened(json.dumps(file_of(data={"docs": value})).encode())
    assert file.summary().vectors == {"docs": 0}


@pytest.mark.parametrize("changes", [{"data": None}, {"data": [1]}, {"data": 7}])
def test_a_file_without_data_is_told_from_one_with_none(changes):
    assert opened(json.dumps(file_of(**changes)).encode()).summary().vectors is None
    assert opened(json.dumps(file_of(data={})).encode()).summary().vectors == {}


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"id": "a", "vector": [1.0, 2.0]}, "collection's 3 components"),
        ({"id": "a", "vector": [1.0, 2.0, "x"]}, "vectors of 3 numbers were expected"),
        ({"id": "a", "vector": [1.0, 2.0, [3.0]]}, "a record with id and vector was expected"),
        ({"id": "a"}, "a record with id and vector was expected"),
        ({"vector": [1.0, 2.0, 3.0]}, "a record with id and vector was expected"),
        (7, "a record with id and vector was expected"),
        ({"id": "\ud800", "vector": [1.0, 2.0, 3.0], "metadata": None}, "a record with id and vector was expected"),
    ],
)
def test_what_is_no_record_of_the_collection_is_an_error_that_shows_it(record, found):
    saved = {"vectors": [RECORD, record], "dimension": 3, "metric": "Cosine"}
    with pytest.raises(UnexpectedAnswer, match=found):
        content(opened(json.dumps(file_of(data={"docs": saved})).encode()))


def test_a_payload_that_is_no_json_is_an_error():
    text = json.dumps(file_of()).encode().replace(b'"metadata": null', b'"metadata": nul')
    with pytest.raises(UnexpectedAnswer, match="not the JSON that was expected"):
        content(opened(text))


def test_a_dimension_that_the_vectors_do_not_have_is_an_error():
    saved = {"vectors": [RECORD], "dimension": 4, "metric": "Cosine"}
    with pytest.raises(UnexpectedAnswer, match="it says dimension 4, its vectors have 3"):
        content(opened(json.dumps(file_of(data={"docs": saved})).encode()))


@pytest.mark.parametrize("text", ['{"docs":{"vectors":[]},"docs":{"vectors":[]}}', '{"docs":{}},"data":{"more":{}}'])
def test_what_stands_twice_is_an_error(text):
    whole = json.dumps(file_of(data=0)).encode().replace(b'"data": 0', b'"data": ' + text.encode())
    with pytest.raises(UnexpectedAnswer, match="twice"):
        opened(whole).summary()


def test_a_file_must_say_its_id_before_its_data_and_be_one():
    with pytest.raises(UnexpectedAnswer, match="a text for id was expected first"):
        opened(b'{"data":{},"id":"0-1"}').is_called("0-1")
    with pytest.raises(UnexpectedAnswer, match="a text for date was expected"):
        opened(json.dumps(file_of(date=7)).encode()).summary()
    with pytest.raises(UnexpectedAnswer, match="data was expected after its head"):
        opened(json.dumps({str(number): 0 for number in range(500)}).encode())


# ------------------------------------------------------------------ downloads

TEXT = json.dumps(file_of(), indent=2).encode()


def tarred(text: bytes, name: str = "0-1.backup", mode: str = "w:gz", kind: bytes = tarfile.REGTYPE) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:
        info = tarfile.TarInfo(name)
        info.size, info.type = len(text), kind
        archive.addfile(info, io.BytesIO(text))
    return made.getvalue()


@given(
    st.sampled_from([
        TEXT,
        b"\n " + TEXT,
        gzip.compress(TEXT, mtime=0),
        tarred(TEXT),
        tarred(TEXT, mode="w"),
        tarred(TEXT, "x" * 300),
    ]),
    st.lists(st.integers(1, 5000), min_size=1, max_size=3),
)
def test_a_download_is_json_or_a_tar_file_packed_or_not(download, sizes):
    chunks = cut(download, sizes)
    assert b"".join(json_of(chunks, "the download")).strip() == TEXT.strip()
    assert next(chunks, None) is None


@pytest.mark.parametrize(
    ("download", "found"),
    [
        (b"", "JSON or a tar file was expected, found ''"),
        (b"<html>gone</html>", "JSON or a tar file was expected, found '<html>"),
        (gzip.compress(b"plain text", mtime=0), "JSON or a tar file was expected, found 'plain"),
        (b"\x1f\x8b" + b"x" * 100, "no gzip file, or a damaged one"),
        (tarred(TEXT, mode="w")[:700], "ends .* bytes before the end of '0-1.backup'"),
        (tarred(b"", kind=tarfile.DIRTYPE, mode="w"), "JSON or a tar file was expected"),
    ],
)
def test_what_is_no_download_is_an_error_that_shows_it(download, found):
    with pytest.raises(UnexpectedAnswer, match=found):
        list(json_of(iter([download]), "the download"))


def test_a_packed_download_that_is_cut_is_no_whole_text():
    packed = tarred(TEXT * 50)
    with pytest.raises(UnexpectedAnswer):
        list(json_of(iter([packed[: len(packed) // 2]]), "the download"))
