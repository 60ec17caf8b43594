"""What the command line promises about time travel: what changed, when it did, and a full made of a chain."""

from __future__ import annotations

import pytest
import requests

CHANGED = [0.5] * 16


@pytest.fixture
def history(run, store, server):
    """A full, then two incrementals: a record was added and another re-embedded, then that was undone."""
    names = [_create(run, store, server)]
    original = server.content("docs")["r7"][0]
    server.write("docs", [("new", CHANGED), ("r7", CHANGED)])
    names.append(_create(run, store, server, "--incremental"))
    server.write("docs", [("r7", original)])
    _delete(server, "docs", ["new"])
    names.append(_create(run, store, server, "--incremental"))
    return names


def _create(run, store, server, *more) -> str:
    made = run("create", "--server", server.url, "--store", store, "--json", *more)
    assert made.code == 0, made.err
    return made.document["name"]


def _delete(server, collection: str, ids) -> None:
    url = f"{server.url}/qdrant/collections/{collection}/points/delete"
    assert requests.post(url, json={"points": ids}, timeout=10).ok


def test_diff_counts_and_names_what_changed_between_two_backups(run, store, history):
    found = run("diff", history[0], history[1], "--store", store, "--ids", 5, "--json")
    assert found.code == 0, found.err
    docs, notes = found.document["collections"]
    assert (docs["name"], docs["verdict"], docs["before"], docs["after"]) == ("docs", "changed", 300, 301)
    assert (docs["examples"]["added"], docs["examples"]["re_embedded"]) == (["new"], ["r7"])
    assert docs["records"] == {
        "added": 1,
        "changed": 1,
        "deleted": 0,
        "re_embedded": 1,
        "payload_too": 0,
        "payload_only": 0,
    }
    assert sum(one["records"] for one in docs["shifts"]) == 1
    assert (notes["verdict"], notes["records"]["changed"]) == ("same", 0)
    shown = run("diff", history[0], history[1], "--store", store, "--collection", "docs")
    assert "What changed from" in shown.out
    assert "notes" not in shown.out


def test_a_change_that_was_undone_is_no_difference(run, store, history):
    found = run("diff", history[0], history[2], "--store", store, "--json").document
    assert {one["verdict"] for one in found["collections"]} == {"same"}


def test_diff_compares_a_backup_with_the_live_server(run, store, server, history):
    found = run("diff", history[1], "live", "--store", store, "--server", server.url, "--ids", 5, "--json")
    assert found.code == 0, found.err
    docs = found.document["collections"][0]
    assert (docs["examples"]["deleted"], docs["examples"]["re_embedded"]) == (["new"], ["r7"])
    assert found.document["second"]["name"] == server.url
    assert "read docs: 300 of 300 vectors" in found.err


def test_find_change_names_the_backups_and_the_last_good_point(run, store, history):
    found = run("find-change", "--collection", "docs", "--id", "r7", "--store", store, "--json")
    assert found.code == 0, found.err
    told = [(one["what"], one["backup"], one["after"], one["same_as"]) for one in found.document["events"]]
    assert told == [
        ("first", history[0], None, None),
        ("changed", history[1], history[0], None),
        ("changed", history[2], history[1], history[0]),
    ]
    shown = run("find-change", "--collection", "docs", "--id", "new", "--store", store)
    assert "vanished" in shown.out
    assert f"{history[1]} is the newest backup" in " ".join(shown.out.split())


def test_synthesize_makes_a_verified_full_of_a_chain_once(run, store, server, history):
    made = run("synthesize", history[1], "--store", store, "--json")
    assert made.code == 0, made.err
    full = made.document
    assert (full["kind"], full["synthesized_from"], full["vectors"]) == ("full", history[1], 341)
    assert full["verified"]
    again = run("synthesize", history[1], "--store", store, "--json")
    assert again.document["name"] == full["name"]
    assert "before" in again.err
    same = run("diff", history[1], full["name"], "--store", store, "--json").document
    assert {one["verdict"] for one in same["collections"]} == {"same"}


def test_synthesize_can_be_asked_to_make_only_what_pays(run, store, history):
    kept = run("synthesize", history[2], "--store", store, "--if-costly", "--json")
    assert (kept.code, kept.document["name"]) == (0, history[2])
    assert "nothing is made" in kept.err
    assert len(run("list", "--store", store, "--json").document["backups"]) == len(history)


def test_what_makes_no_sense_is_refused_in_words(run, store, server, history):
    assert run("synthesize", history[0], "--store", store).code == 1
    assert "is a full" in run("synthesize", history[0], "--store", store).err
    assert run("diff", "live", history[0], "--store", store, "--server", server.url).code == 2
    assert run("diff", history[0], "live", "--store", store).code == 2
    unknown = run("diff", history[0], history[1], "--store", store, "--collection", "dcos", "--json")
    assert (unknown.code, unknown.document["error"]["type"]) == (1, "UnknownCollection")
    assert run("diff", history[0], history[1], "--store", store, "--ids", 10_001).code == 2
    nowhere = run("find-change", "--collection", "dcos", "--id", "x", "--store", store)
    assert (nowhere.code, "'docs'" in nowhere.err) == (1, True)
