"""Exact: what a backup brings back is what the server had, by somebody else's reading of both."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.model import system_clock
from tests.engine.captures import capture, new_store
from tests.fire.outside import Outside, codes, unlike
from tests.fire.servers import REAL, client, process
from tests.fire.trips import round_trip, some_word

METRICS = ("Cosine", "Euclid", "Dot")
NAMES = ("a b", "a/b", "a%2Fb", "ünï😀", "n" * 200, "empty", "cleanup", "collections", "--all", "quote'\"", "UPPER")
IDS = (
    "plain",
    "with blank",
    " edges ",
    "a#b#c",
    "x" * 300,
    "😀",
    "tab\there",
    "..",
    "a%2Fb",
    '"',
    "0",
    "-1",
    "null",
    "",
)
PROVIDER_DIMENSION = 512
"""The only one in which a default server makes collections without quantization."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    with process(folder / "source") as source, process(folder / "target") as target:
        yield source, target


@pytest.fixture
def source(pair):
    return Outside(pair[0].url)


@pytest.fixture
def target(pair):
    return Outside(pair[1].url)


@pytest.fixture
def trip(pair):
    return lambda *names: round_trip(client(pair[0].url), client(pair[1].url), *names)


def vectors(count: int, dimension: int, seed: int = 0, scale: float = 1.0) -> dict[str, np.ndarray]:
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32) * np.float32(scale)
    return {f"r{number}": row for number, row in enumerate(rows)}


def kinds() -> list[tuple[str, str, int]]:
    """Metric, quantization, dimension: all the server can make."""
    quantised = product(METRICS, ("scalar", "binary", "product"), (1, 33))
    floats = ((metric, "none", PROVIDER_DIMENSION) for metric in METRICS)
    return [*quantised, *floats, ("Cosine", "scalar", 4096), ("Euclid", "scalar", 4096), ("Dot", "product", 4096)]


def test_every_metric_quantization_and_dimension_comes_back_exactly(source, target, trip):
    names = []
    for metric, quantization, dimension in kinds():
        names.append(f"{metric} {quantization} {dimension}")
        source.create(names[-1], dimension, metric, quantization, index=(4 + dimension % 7, 20 + 2 * (dimension % 9)))
        source.write(names[-1], vectors(7 if dimension == 4096 else 40, dimension, dimension, scale=3))
    before = source.see(*names)
    report = trip(*names).report
    assert unlike(before, target.see(*names)) == []
    assert report.vectors == report.compared == sum(one.count for one in before.collections.values())
    kept = {(each.cosine, each.quantization) for each in before.collections.values()}
    assert kept == {*product((True, False), ("scalar", "binary", "product", "none"))}


def test_codes_come_back_bit_for_bit_whatever_they_are(source, target, trip):
    """Vectors whose codes are spread, crowded, all one, two only, huge and tiny."""
    rng = np.random.default_rng(5)
    rows = {
        **vectors(300, 24, 1),
        **{f"crowded {n}": np.exp(rng.standard_normal(24) * 4) for n in range(50)},
        **{f"two {n}": rng.integers(0, 2, 24) for n in range(20)},
        "huge": rng.standard_normal(24) * 1e30,
        "tiny": rng.standard_normal(24) * 1e-30,
        "constant": np.full(24, 0.3),
        "zero": np.zeros(24),
        "minus zero": np.full(24, -0.0),
        "far": 1 + rng.standard_normal(24) * 1e-2,
    }
    names = [f"codes {metric}" for metric in METRICS]
    for metric, name in zip(METRICS, names, strict=True):
        source.create(name, 24, metric)
        source.write(name, {key: row for key, row in rows.items() if metric != "Cosine" or np.any(row)})
    before = source.see(*names)
    trip(*names)
    after = target.see(*names)
    assert unlike(before, after) == []
    for name in names:
        assert np.array_equal(codes(before.collections[name].vectors), codes(after.collections[name].vectors))
        assert len(np.unique(codes(before.collections[name].vectors))) == 256


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_kind_come_back_with_their_aliases(source, target, trip, name):
    source.create(name, 4)
    source.write(name, vectors(3, 4), {"r1": {"of": name}})
    source.alias(f"alias of {name}", name)
    before = source.see(name)
    assert before.aliases == {f"alias of {name}": name}
    trip(name)
    assert unlike(before, target.see(name)) == []


def test_ids_of_every_kind_come_back_in_their_order(source, target, trip):
    source.create("ids", 3)
    source.write("ids", {key: [1, 2, number] for number, key in enumerate(IDS)}, {key: {"id": key} for key in IDS})
    trip("ids")
    after = target.see("ids")
    assert unlike(source.see("ids"), after) == []
    assert after.collections["ids"].ids == IDS


def test_records_with_null_components_are_kept_listed_and_the_only_ones_left_behind(source, target, trip):
    source.create("nulls", 4, "Euclid", "product")
    source.write("nulls", {"r0": [1, 2, 3, 4], "beyond": [1e39, 0, 0, 1], "r1": [0, 1, -1e39, 2], "r2": [4, 3, 2, 1]})
    seen = source.see("nulls").collections["nulls"]
    assert {key for key, vector in zip(seen.ids, seen.vectors, strict=True) if np.isnan(vector).any()} == {
        "beyond",
        "r1",
    }
    committed, report = trip("nulls")
    assert committed.vectors == 4
    assert report.collections[0].left_behind == 2
    assert any("'beyond'" in warning and "'r1'" in warning for warning in report.warnings)
    after = target.see("nulls").collections["nulls"].records
    assert after == {key: record for key, record in seen.records.items() if key in {"r0", "r2"}}


def test_a_graph_comes_back_as_one(source, target, trip):
    source.create_graph("graph", 16, enableGraph=True, hnswM=8, hnswEfConstruction=64)
    source.write("graph", vectors(20, 16))
    before = source.see("graph")
    trip("graph")
    assert unlike(before, target.see("graph")) == []
    assert json.loads(before.collections["graph"].settings)["graphEnabled"] is True or not REAL


def test_a_sharded_collection_which_the_server_counts_and_does_not_list_is_never_called_good(source, pair):
    source.create_graph("sharded", 16, shardCount=2)
    source.write("sharded", vectors(20, 16))
    source.create("beside", 16)
    source.write("beside", vectors(5, 16))
    names = ("beside", "sharded")
    seen = source.see(*names).collections["sharded"]
    committed = capture(client(pair[0].url), new_store(system_clock), system_clock, some_word(), collections=names)
    if len(seen.ids) == seen.count:
        assert committed.state is BackupState.GOOD
        return
    assert (committed.state, committed.vectors) == (BackupState.PARTIAL, 5 + len(seen.ids))
    assert "'sharded' is unreadable" in committed.reasons[0]
    assert "or is sharded" in committed.reasons[0]


def test_a_second_trip_changes_nothing_more(source, target, trip, pair):
    """SQ8 of SQ8 of SQ8: the codes do not wander."""
    source.create("again", 48)
    source.write("again", vectors(200, 48))
    before = source.see("again")
    trip("again")
    source.drop("again")
    round_trip(client(pair[1].url), client(pair[0].url), "again")
    assert unlike(before, source.see("again")) == []
