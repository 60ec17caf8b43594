"""The comparison at a restore's end: finds every kind of difference, in bounded memory, and never passes on nothing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import make_batch, vectors_of
from backup_engine.archive.codes import recover
from backup_engine.archive.parts import Part
from backup_engine.model import Metric, Quantization
from backup_engine.restore import spilling
from backup_engine.restore.comparison import Comparison, Expected, compare
from backup_engine.restore.outgoing import outgoing
from tests.archive.memory import arrow_bytes
from tests.engine.memory_collection import keep
from tests.engine.samples import configuration, some_records

FLOATS = configuration(8, Metric.EUCLIDEAN, Quantization.NONE)
COSINE = configuration(8, Metric.COSINE, Quantization.NONE)
SQ8 = configuration(8, Metric.EUCLIDEAN, Quantization.SQ8)
COSINE_SQ8 = configuration(8, Metric.COSINE, Quantization.SQ8)


def comparing(expected, actual, kept=FLOATS, *, coded=False, others_allowed=False, **more) -> Comparison:
    left = [Expected(batch, coded) for batch in expected]
    return compare(left, actual, kept, others_allowed=others_allowed, **more)


def changed(
    batch: pa.RecordBatch, row: int, *, component: float | None = None, payload: str | None = ""
) -> pa.RecordBatch:
    vectors = vectors_of(batch).copy()
    payloads = batch.column("payload").to_pylist()
    if component is not None:
        vectors[row, 0] += np.float32(component)
    if payload != "":
        payloads[row] = payload
    return make_batch(batch.column("id").to_pylist(), vectors, payloads)


def shown(batch: pa.RecordBatch, kept) -> pa.RecordBatch:
    """What a server that keeps records so gives back of them."""
    return make_batch(
        batch.column("id").to_pylist(), keep(vectors_of(batch), kept), batch.column("payload").to_pylist()
    )


def test_equal_sides_pass_and_say_how_many_were_compared():
    records = some_records(range(10))
    found = comparing([records], [records.slice(0, 3), records.slice(3)])
    assert found.passed
    assert (found.expected, found.compared, found.exact) == (10, 10, 10)


def test_nothing_found_where_something_was_expected_fails():
    found = comparing([some_records(range(3))], [])
    assert not found.passed
    assert (found.compared, found.missing) == (0, 3)


def test_an_empty_collection_is_the_same_as_an_empty_collection():
    assert comparing([], []).passed
    assert comparing([some_records([])], [some_records([])]).passed


@pytest.mark.parametrize("order", ["same", "reversed"])
def test_every_kind_of_difference_is_counted_and_named(order):
    expected = some_records(range(40))
    actual = changed(changed(expected, 7, component=0.5), 11, payload='{"other":1}').slice(0, 38)
    actual = pa.concat_batches([actual, some_records([100])])
    if order == "reversed":
        actual = actual.take(pa.array(np.arange(actual.num_rows)[::-1]))
    found = comparing([expected], [actual])
    assert not found.passed
    assert (found.expected, found.compared, found.different, found.missing, found.extra) == (40, 38, 2, 2, 1)
    reasons = {example.id: example.reason for example in found.examples}
    assert reasons.keys() == {"r7", "r11", "r38", "r39", "r100"}
    assert "vector" in reasons["r7"]
    assert "payload" in reasons["r11"]


def test_no_payload_is_not_an_empty_payload():
    expected = some_records([1])
    none, empty = changed(expected, 0, payload=None), changed(expected, 0, payload="{}")
    assert not comparing([none], [empty]).passed
    assert not comparing([empty], [none]).passed
    assert comparing([none], [none]).passed


@pytest.mark.parametrize(
    ("sent", "back", "same"),
    [
        ("0.1", "0.10000000000000002", True),
        ("0.1", "0.10000000000000003", False),
        ('{"a":[1.5,{"b":0.30000000000000004}]}', '{"a":[1.5,{"b":0.3}]}', True),
        ("1e308", "-1e308", False),
        ("0.0", "-0.0", False),
        ("-5e-324", "0.0", False),
        ("5e-324", "0.0", True),
        ("1", "1.0", False),
        ("1", "2", False),
        ("true", "1", False),
        ("9007199254740993", "9007199254740992", False),
        ("123456789012345678901234567890", "1.2345678901234568e+29", True),
        ("123456789012345678901234567890", "1.3e+29", False),
        ("1" + "0" * 400, "1e308", False),
        ("18446744073709551615", "1.8446744073709552e+19", False),
        ('{"a":1}', '{"b":1}', False),
        ('{"a":1}', '{"a":1,"b":1}', False),
        ("[1,2]", "[2,1]", False),
        ("[1]", "[1,1]", False),
        ('"x"', '"x "', False),
        ("{}", "[]", False),
        ("1" * 5000, "1" * 5000, True),
        ("1" * 5000, "2" * 5000, False),
        ("null", "0", False),
    ],
)
def test_a_payload_is_the_same_but_for_the_neighbour_of_a_double(sent, back, same):
    """The server's JSON reader misses some doubles by one step; everything else it keeps exactly."""
    record = some_records([1])
    found = comparing([changed(record, 0, payload=sent)], [changed(record, 0, payload=back)])
    assert found.passed is same


def test_a_record_that_the_server_lists_twice_is_a_difference():
    records = some_records(range(5))
    twice = pa.concat_batches([records, records.slice(2, 1)])
    assert comparing([records], [twice]).extra == 1
    assert not comparing([records], [twice]).passed
    assert comparing([records], [twice], others_allowed=True).extra == 1


def test_other_records_are_fine_beside_what_was_merged_and_nowhere_else():
    records, others = some_records(range(5)), some_records(range(50, 60))
    both = pa.concat_batches([others, records])
    assert comparing([records], [both], others_allowed=True).passed
    assert comparing([records], [both]).extra == 10
    assert comparing([records], [others], others_allowed=True).missing == 5


def test_first_twenty_differences_are_shown_however_many_there_are():
    expected = some_records(range(100))
    actual = make_batch(
        expected.column("id").to_pylist(), vectors_of(expected) + 1, expected.column("payload").to_pylist()
    )
    found = comparing([expected], [actual])
    assert found.different == 100
    assert len(found.examples) == 20


def test_a_vector_of_another_dimension_is_different():
    records = some_records(range(3))
    assert comparing([records], [some_records(range(3), dimension=4)]).different == 3


@pytest.mark.parametrize("metric", [Metric.EUCLIDEAN, Metric.DOT])
def test_floats_are_the_same_only_to_the_last_bit(metric):
    kept = configuration(8, metric, Quantization.NONE)
    records = some_records(range(5))
    vectors = vectors_of(records).copy()
    vectors[2, 3] = np.nextafter(vectors[2, 3], np.float32(9))
    moved = make_batch(records.column("id").to_pylist(), vectors, records.column("payload").to_pylist())
    assert comparing([records], [records], kept).exact == 5
    assert [example.id for example in comparing([records], [moved], kept).examples] == ["r2"]


def test_a_cosine_collection_may_be_normalised_and_nothing_else():
    records = some_records(range(50))
    assert comparing([records], [shown(records, COSINE)], COSINE).passed
    assert comparing([records], [shown(records, COSINE)], COSINE).exact < 50
    turned = shown(changed(records, 4, component=1e-4), COSINE)
    assert comparing([records], [turned], COSINE).different == 1


def test_a_zero_vector_is_the_same_only_as_a_zero_vector():
    zero = make_batch(["z"], np.zeros((1, 8), np.float32), [None])
    other = make_batch(["z"], np.full((1, 8), 1e-3, np.float32), [None])
    assert comparing([zero], [zero], COSINE).passed
    assert not comparing([zero], [other], COSINE).passed


@pytest.mark.parametrize("kept", [SQ8, COSINE_SQ8])
def test_codes_come_back_the_same_and_one_code_off_is_a_difference(kept):
    grid = shown(some_records(range(200)), kept)
    codes = recover(vectors_of(grid))
    assert codes is not None
    [piece] = outgoing([Part(grid, codes)], quantized=True)
    back = shown(piece.sent, kept)
    assert compare([piece.expected], [back], kept, others_allowed=False).passed
    row, column = next(zip(*np.nonzero((codes.codes > 10) & (codes.codes < 245)), strict=True))
    codes.codes[row, column] += 1
    [off] = outgoing([Part(grid, codes)], quantized=True)
    found = compare([piece.expected], [shown(off.sent, kept)], kept, others_allowed=False)
    assert found.different == 1


@pytest.mark.parametrize("spread", [0.5, 1e-2, 1e-3, 3e-4])
def test_one_code_off_is_found_in_vectors_that_hardly_vary_too(spread):
    random = np.random.default_rng(4)
    vectors = (1 + spread * random.random((50, 8))).astype(np.float32)
    grid = shown(make_batch([f"r{row}" for row in range(50)], vectors, [None] * 50), COSINE_SQ8)
    codes = recover(vectors_of(grid))
    [piece] = outgoing([Part(grid, codes)], quantized=True)
    assert compare([piece.expected], [shown(piece.sent, COSINE_SQ8)], COSINE_SQ8, others_allowed=False).passed
    row, column = next(zip(*np.nonzero((codes.codes > 10) & (codes.codes < 245)), strict=True))
    codes.codes[row, column] += 1
    [off] = outgoing([Part(grid, codes)], quantized=True)
    found = compare([piece.expected], [shown(off.sent, COSINE_SQ8)], COSINE_SQ8, others_allowed=False)
    assert [example.id for example in found.examples] == [f"r{row}"]


def test_codes_at_another_scale_are_a_difference():
    grid = shown(some_records(range(5)), COSINE_SQ8)
    shifted = make_batch(
        grid.column("id").to_pylist(), vectors_of(grid) + np.float32(0.5), grid.column("payload").to_pylist()
    )
    assert comparing([grid], [shifted], COSINE_SQ8, coded=True).different == 5


@pytest.mark.parametrize("kept", [SQ8, COSINE_SQ8])
def test_floats_that_became_codes_are_the_same_within_one_step(kept):
    records = some_records(range(100))
    assert comparing([records], [shown(records, kept)], kept).passed
    far = changed(shown(records, kept), 9, component=0.2)
    assert comparing([records], [far], kept).different == 1


def test_an_irregular_record_is_left_out_and_does_not_cost_the_others_their_codes():
    grid = shown(some_records(range(20)), SQ8)
    vectors = vectors_of(grid).copy()
    vectors[3, 2] = np.nan
    part = Part(make_batch(grid.column("id").to_pylist(), vectors, grid.column("payload").to_pylist()), None)
    [piece] = outgoing([part], quantized=True)
    assert piece.sent.num_rows == piece.expected.batch.num_rows == 19
    assert piece.expected.coded
    assert "r3" not in piece.sent.column("id").to_pylist()
    found = compare([piece.expected], [shown(piece.sent, SQ8)], SQ8, others_allowed=False)
    assert found.passed
    assert found.exact == 19


def test_what_is_noted_ends_with_all_that_was_compared():
    records, noted = some_records(range(30)), []
    comparing([records], [records.slice(0, 10), records.slice(10)], noted=noted.append)
    assert noted[-1] == 30
    assert noted == sorted(noted)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(0, 60),
    order=st.randoms(use_true_random=False),
    lost=st.sets(st.integers(0, 59)),
    wrong=st.sets(st.integers(0, 59)),
    added=st.integers(0, 5),
    cut=st.integers(1, 20),
)
def test_the_counts_are_those_of_a_plain_dictionary_comparison(size, order, lost, wrong, added, cut):
    expected = some_records(range(size))
    actual = pa.concat_batches([expected, some_records(range(1000, 1000 + added))])
    for row in wrong:
        if row < size:
            actual = changed(actual, row, component=1)
    rows = [row for row in range(actual.num_rows) if row not in lost]
    order.shuffle(rows)
    actual = actual.take(pa.array(rows, pa.int64()))
    pieces = [actual.slice(at, cut) for at in range(0, actual.num_rows, cut)]
    found = comparing([expected], pieces)
    gone = {row for row in lost if row < size}
    new = added - len({row for row in lost if size <= row < size + added})
    assert (found.missing, found.different, found.extra) == (
        len(gone),
        len({row for row in wrong if row < size} - gone),
        new,
    )
    assert found.expected == size
    assert found.passed == (not gone and not (wrong & set(range(size))) and not new)


def test_what_exceeds_memory_is_spread_again_and_still_compared(monkeypatch, tmp_path):
    monkeypatch.setattr(spilling, "LIMIT_BYTES", 4_000)
    expected = some_records(range(2_000))
    actual = changed(expected, 1234, component=1).take(pa.array(np.arange(2_000)[::-1]))
    found = comparing([expected], [actual], temporary=tmp_path)
    assert (found.compared, found.different) == (2_000, 1)
    assert list(tmp_path.iterdir()) == []


def test_memory_stays_flat_whatever_the_size_and_order():
    batch = 2_000

    def side(numbers):
        for start in numbers:
            ids = [f"id-{start + row:09d}" for row in range(batch)]
            vectors = np.full((batch, 64), start, np.float32)
            yield make_batch(ids, vectors, [None] * batch)

    def peak(batches: int) -> int:
        tracemalloc.start()
        before = arrow_bytes()
        highest = 0

        def noted(_: int) -> None:
            nonlocal highest
            highest = max(highest, arrow_bytes() - before + tracemalloc.get_traced_memory()[0])

        starts = [number * batch for number in range(batches)]
        left = (Expected(piece, False) for piece in side(starts))
        kept = replace_dimension(64)
        found = compare(left, side(reversed(starts)), kept, others_allowed=False, noted=noted)
        tracemalloc.stop()
        assert found.passed
        assert found.compared == batches * batch
        return highest

    assert peak(40) < 2 * peak(10) + (4 << 20)


def replace_dimension(dimension: int):
    return configuration(dimension, Metric.EUCLIDEAN, Quantization.NONE)


def test_passed_needs_everything_at_once():
    whole = Comparison(expected=2, compared=2, exact=2, different=0, missing=0, extra=0)
    assert whole.passed
    for field, value in {"compared": 1, "different": 1, "missing": 1, "extra": 1}.items():
        assert not whole.model_copy(update={field: value}).passed
