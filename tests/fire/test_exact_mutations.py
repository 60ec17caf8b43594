"""What must be found: one code, one digit, one alias, one setting that is not what it was."""

from __future__ import annotations

import numpy as np
import pytest

from backup_engine.errors import ComparisonFailed
from sandbox.rules import Rule, Sent
from tests.engine.captures import Time as FixedTime
from tests.engine.captures import capture, new_store
from tests.fire.faults import struck
from tests.fire.outside import Outside, codes, unlike
from tests.fire.servers import client, process
from tests.fire.trips import restore, some_word

_UPSERT = "mutation($i:UpsertVectorsInput!){upsertVectors(input:$i){success affectedCount}}"
CLOCK = FixedTime()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with process(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def outside(server):
    return Outside(server.url)


@pytest.fixture
def name(outside):
    """A small collection with an alias, of its own for every test."""
    made = f"docs {some_word()}"
    outside.create(made, 4, "Euclid")
    outside.write(made, rows(), {"r1": {"n": 1.25}, "r2": {"text": "ab"}})
    outside.alias(f"alias of {made}", made)
    return made


def rows() -> dict[str, list[float]]:
    return {"r0": [0.0, 1.0, 100.5, 255.0], "r1": [0.0, 2.0, 7.5, 255.0], "r2": [0.0, 3.0, 9.5, 255.0]}


def another_code(outside, name):
    outside.write(name, {"r2": [0.0, 3.0, 10.5, 255.0]}, {"r2": {"text": "ab"}})


def another_digit(outside, name):
    outside.write(name, {"r2": rows()["r2"]}, {"r2": {"text": "ab", "n": 1}})


def another_last_digit(outside, name):
    outside.write(name, {"r2": rows()["r2"]}, {"r2": {"text": "ac"}})


def one_more(outside, name):
    outside.write(name, {"r3": [1, 2, 3, 4]})


def one_less(outside, name):
    outside.erase(name, ["r2"])


def another_order(outside, name):
    outside.write(name, {"r0": rows()["r0"]})


def another_alias(outside, name):
    outside.drop_alias(f"alias of {name}")


def another_index(outside, name):
    outside.drop(name)
    outside.create(name, 4, "Euclid", index=(17, 200))
    outside.write(name, rows(), {"r1": {"n": 1.25}, "r2": {"text": "ab"}})
    outside.alias(f"alias of {name}", name)


MUTATIONS = {
    another_code: "vector of 'r2'",
    another_digit: "payload of 'r2'",
    another_last_digit: "payload of 'r2'",
    one_more: "counts 3 and 4|ids: 1 are others",
    one_less: "ids: 1 are others",
    another_order: "or the order is",
    another_alias: "aliases",
    another_index: "settings",
}


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda one: one.__name__)
def test_the_outside_comparison_finds_every_single_change(outside, name, mutate):
    before = outside.see(name)
    assert unlike(before, outside.see(name)) == []
    mutate(outside, name)
    found = unlike(before, outside.see(name))
    assert any(part in one for one in found for part in MUTATIONS[mutate].split("|")), found


def test_one_code_is_one_code(outside, name):
    before = codes(outside.see(name).collections[name].vectors)
    another_code(outside, name)
    assert (codes(outside.see(name).collections[name].vectors) != before).sum() == 1


LIES = {
    "one code": ([0.0, 3.0, 10.5, 255.0], {"text": "ab"}),
    "one digit": (rows()["r2"], {"text": "ac"}),
    "no payload": (rows()["r2"], None),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_restore_finds_a_server_that_holds_something_else_than_it_was_given(server, outside, name, lie):
    """Another client writes one record right after it was loaded."""
    store = new_store(CLOCK)
    backup = capture(client(server.url), store, CLOCK, some_word(), collections=(name,)).name
    restore_id = some_word()
    vector, payload = LIES[lie]
    record = {"id": "r2", "data": vector} | ({} if payload is None else {"payload": payload})
    aside = f"copy of {name}__restore_{restore_id}"
    sent = Sent(
        path="/graphql", json={"query": _UPSERT, "variables": {"i": {"collection": aside, "vectors": [record]}}}
    )
    rule = Rule(what="write", body="upsertVectors", nth=1, when="after", send=(sent,))
    error = struck(
        server,
        rule,
        lambda: restore(
            backup, store, client(server.url), CLOCK, restore_id=restore_id, rename={name: f"copy of {name}"}
        ),
    )
    assert isinstance(error, ComparisonFailed)
    assert "'r2': another" in str(error)
    assert restore_id in str(error)
    assert f"copy of {name}" not in outside.see().collections, "nothing wrong ever gets the name"


def test_without_the_lie_the_same_restore_passes(server, outside, name):
    store = new_store(CLOCK)
    backup = capture(client(server.url), store, CLOCK, some_word(), collections=(name,)).name
    restore(backup, store, client(server.url), CLOCK, rename={name: f"copy of {name}"})
    before, after = outside.see(name).collections[name], outside.see(f"copy of {name}").collections[f"copy of {name}"]
    assert np.array_equal(before.vectors.view(np.uint32), after.vectors.view(np.uint32))
    assert before.payloads == after.payloads
