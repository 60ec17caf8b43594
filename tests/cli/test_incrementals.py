"""What the command line promises about incrementals: made, told apart, and what they hang on."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from tests.cli.conftest import Vectorizer

NUMBERS = count(1)


@pytest.fixture
def chain(run, store, server: Vectorizer):
    """A full, and an incremental of a changed server."""
    full = run("create", "--server", server.url, "--store", store, "--json").document
    value = float(next(NUMBERS))  # another one each time: the server is shared
    server.write("docs", [("r1", [value] * 16), ("new", [0.25, value] * 8)])
    made = run("create", "--incremental", "--server", server.url, "--store", store, "--json")
    assert made.code == 0, made.err
    return full, made.document


def test_an_incremental_stores_what_changed_is_verified_and_names_what_it_hangs_on(chain):
    full, made = chain
    assert (made["kind"], made["folder"], made["state"]) == ("incremental", "incremental", "good")
    assert made["verified"]
    assert (made["chain"], made["breaks"], made["remarks"]) == ([full["name"]], [], [])
    docs, notes = sorted(made["collections"], key=lambda one: one["name"])
    assert (docs["content"], docs["base"], docs["stored"]) == ("delta", full["name"], made["stored"])
    assert (notes["content"], notes["stored"], notes["vectors"]) == ("same", 0, 40)
    assert made["stored"] <= 2 < made["vectors"]
    assert made["bytes"] < full["bytes"]


def test_show_tells_people_what_is_stored_and_where_the_rest_is(run, store, chain):
    full, made = chain
    shown = run("show", made["name"], "--store", store)
    assert shown.code == 0
    assert "incremental" in shown.out
    assert f"as in {full['name']}" in shown.out
    assert f"deleted since {full['name']}" in shown.out


def test_show_tells_what_a_backup_lacks_whose_chain_is_broken(run, store, chain):
    full, made = chain
    next(Path(store.removeprefix("file://")).glob(f"*/{full['name']}.json")).unlink()
    shown = run("show", made["name"], "--store", store, "--json").document
    assert shown["chain"] == []
    assert shown["breaks"] == [f"{made['name']} hangs on {full['name']}, which is not there"]
    assert "good, chain broken" in run("list", "--store", store).out
    assert [bool(one["breaks"]) for one in run("list", "--store", store, "--json").document["backups"]] == [True]


def test_an_incremental_with_nothing_to_build_on_is_a_full_and_says_why(run, store, server):
    made = run("create", "--incremental", "--server", server.url, "--store", store, "--json").document
    assert made["kind"] == "full"
    assert made["remarks"][0] == "an incremental was asked for, and this is a full"
    assert "no good backup of the whole scope" in run("show", "latest", "--store", store).out


def test_an_incremental_of_a_chosen_collection_is_refused(run, store, server):
    made = run("create", "--incremental", "--collection", "docs", "--server", server.url, "--store", store, "--json")
    assert made.code == 1
    assert "incrementals are of the whole scope" in made.err
