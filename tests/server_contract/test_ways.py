"""Which way records are read is found by asking, remembered, and said; what a server lacks is named with a way out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from backup_engine.errors import ComparisonFailed, UnknownBackup, Unsupported
from backup_engine.model import Metric, ReadWay
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.process import SandboxProcess
from sandbox.rules import Rule, Sent
from tests.engine.captures import Time, capture, new_store, only_backup, stored_content
from tests.server_contract.records import by_id, ids_of, numbered, read, settings, state_of

ROUTES = {
    ReadWay.SCROLL: "/points/scroll$",
    ReadWay.GRAPHQL: "^/graphql$",
    ReadWay.LIST: "/vectors$",
    ReadWay.BACKUP_API: "^(/api)?/backups",
}
BY_ID = "/points$"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), faults=True) as process:
        server = connect(process.url)
        server.create_collection("docs", settings(metric=Metric.EUCLIDEAN))
        server.upsert("docs", numbered(120))
        yield process


@pytest.fixture
def without(sandbox) -> Iterator[Callable[..., VectorizerServer]]:
    """Gives a server with these routes switched off."""
    sandbox.steering.clear()

    def reach(*routes: str, way: ReadWay | None = None) -> VectorizerServer:
        for route in routes:
            sandbox.steering.place(Rule(what="missing", path=route, nth=None))
        return connect(sandbox.url, None, ClientSettings(read_with=way, page_bytes=10_000))

    yield reach
    sandbox.steering.clear()


@pytest.mark.parametrize("way", [*ReadWay])
def test_the_first_way_that_the_server_offers_is_taken_and_gives_the_same_records(without, way):
    everything = by_id(read(without(), "docs"))
    server = without(*[ROUTES[other] for other in ReadWay][: [*ReadWay].index(way)])
    reading = server.read(state_of(server, "docs"))
    assert reading.way is way
    assert by_id(read(server, "docs")) == everything


def test_a_way_that_was_found_is_not_looked_for_again(without, sandbox):
    server = without(ROUTES[ReadWay.SCROLL])
    read(server, "docs")
    sandbox.steering.clear()
    read(server, "docs")
    assert not [seen for seen in sandbox.steering.requests() if seen.path.endswith("/points/scroll")]


def test_a_server_without_any_way_is_named_with_its_version_and_every_reason(without):
    server = without(*ROUTES.values())
    with pytest.raises(
        Unsupported, match=r"Vectorizer 3\.5\.0 .* offers no way to read records: scroll: .*; backup-api: "
    ):
        server.read(state_of(server, "docs"))


@pytest.mark.parametrize("way", [*ReadWay])
def test_a_way_that_was_asked_for_and_is_not_there_is_named_with_the_others(without, way):
    server = without(ROUTES[way], way=way)
    reading = server.read(state_of(server, "docs"))
    others = ", ".join(other for other in ReadWay if other is not way)
    with pytest.raises(Unsupported, match=rf"3\.5\.0 .* by {way} .* read_with names another way \({others}\)"):
        list(reading.batches)


def test_records_are_asked_for_by_id_over_graphql_where_the_other_route_is_missing(without):
    wanted = [f"r{number}" for number in range(0, 120, 7)]
    expected = by_id(without().retrieve("docs", wanted))
    server = without(BY_ID)
    assert by_id(server.retrieve("docs", [*wanted, "never"])) == expected
    assert ids_of(server.retrieve("docs", [f"r{number}" for number in range(120)])) == [f"r{n}" for n in range(120)]


def test_without_any_route_by_id_the_error_says_what_to_do(without):
    with pytest.raises(Unsupported, match=r"cannot be asked for records by id .* 'docs' .* while nobody writes to it"):
        without(BY_ID, ROUTES[ReadWay.GRAPHQL]).retrieve("docs", ["r1"])


@pytest.mark.parametrize("way", [*ReadWay])
def test_a_capture_by_any_way_is_the_same_archive_and_says_the_way(without, way):
    made = {}
    for chosen in (ReadWay.SCROLL, way):
        store = new_store(clock := Time())
        committed = capture(without(way=chosen), store, clock)
        ((summary, private),) = only_backup(store, clock).manifest.each()
        assert (committed.state, summary.standing, summary.way) == ("good", "whole", chosen)
        assert bool(private.notes) == (chosen is ReadWay.BACKUP_API)
        made[chosen] = summary.state_digest, stored_content(store, committed.folder, committed.name)
    assert made[way] == made[ReadWay.SCROLL]


PAGE = {
    ReadWay.SCROLL: Rule(what="write", path="/points/scroll$", body="offset", nth=1),
    ReadWay.GRAPHQL: Rule(what="write", path="^/graphql$", body="cursor", nth=2),
    ReadWay.LIST: Rule(what="write", path="/vectors$", nth=3),
    ReadWay.BACKUP_API: Rule(what="write", path="^/backups/create$", nth=1),
}


@pytest.mark.parametrize("way", [*ReadWay])
def test_a_collection_that_is_written_to_while_it_is_read_loses_no_record_by_any_way(without, sandbox, way):
    server = without(way=way)
    server.create_collection("moving", settings(metric=Metric.EUCLIDEAN))
    server.upsert("moving", numbered(120))
    upsert = {"collection": "moving", "vectors": [{"id": "new", "embedding": [1, 2, 3, 4], "payload": {"n": 1}}]}
    delete = {"collection": "moving", "ids": ["r5", "r6", "r7"]}
    sent = ({"path": "/batch_delete", "json": delete}, {"path": "/insert_vectors", "json": upsert})
    sandbox.steering.place(PAGE[way].model_copy(update={"when": "after", "send": tuple(Sent(**one) for one in sent)}))
    store = new_store(clock := Time())
    try:
        made = capture(server, store, clock, collections=("moving",))
        assert 1 in sandbox.steering.applied()
    finally:
        server.delete_collection("moving")
        server.flush()
    ((summary, _),) = only_backup(store, clock).manifest.each()
    assert (made.state, summary.way) == ("good", way)
    found = set(stored_content(store, made.folder, made.name)["moving"])
    lasting = {f"r{number}" for number in range(120)} - {"r5", "r6", "r7"}
    assert lasting <= found <= lasting | {"new", "r5", "r6", "r7"}


# ------------------------------------------------------------------ the backup API, on both kinds of server


@pytest.fixture(params=["bare", "guide"])
def documented(request, tmp_path) -> Iterator[tuple[str, VectorizerServer]]:
    """A server with two collections of two records each, all of its own."""
    with SandboxProcess(tmp_path / "data", dialect=request.param) as process:
        server = connect(process.url)
        for name, metric in (("docs", "euclidean"), ("notes", "cosine")):
            client = server.backup_api._client
            client.call("POST", "/collections", {"name": name, "dimension": 512, "metric": metric})
            vectors = [{"id": f"r{n}", "embedding": [n + 0.5] * 512, "payload": {"n": n}} for n in range(2)]
            client.call("POST", "/insert_vectors", {"collection": name, "vectors": vectors})
        yield request.param, server


def test_server_backups_are_made_listed_counted_and_fetched(documented, tmp_path):
    dialect, server = documented
    made = server.backup_api.create("nightly", ["docs", "notes"])
    assert made.vectors == {"docs": 2, "notes": 2}
    (listed,) = server.backup_api.backups()
    assert (listed.id, listed.name, set(listed.collections)) == (made.id, "nightly", {"docs", "notes"})
    assert listed.vectors == (made.vectors if dialect == "bare" else None)
    saved = server.backup_api.save(made.id, tmp_path / "saved")
    assert saved.vectors == made.vectors
    assert (tmp_path / "saved").read_bytes().startswith(b"\x1f\x8b" if dialect == "guide" else b"{")
    with pytest.raises(UnknownBackup):
        server.backup_api.counted("other")


def test_a_restore_brings_a_lost_collection_back_as_it_was(documented):
    _, server = documented
    made = server.backup_api.create("nightly", ["docs"])
    server.delete_collection("docs")
    server.flush()
    done = server.backup_api.restore(made.id)
    assert (done.before, done.after) == ({"docs": None}, {"docs": 2})
    assert server.configuration("docs").metric is Metric.EUCLIDEAN


def test_a_choice_is_restored_where_the_server_heeds_it_and_refused_where_not(documented):
    dialect, server = documented
    made = server.backup_api.create("nightly", ["docs", "notes"])
    if dialect == "bare":
        with pytest.raises(Unsupported, match="restores everything that is in a server backup"):
            server.backup_api.restore(made.id, ["docs"])
        return
    done = server.backup_api.restore(made.id, ["docs"])
    assert (done.vectors, done.compared) == ({"docs": 2}, False)


def test_the_guides_server_is_captured_out_of_its_downloads(documented):
    dialect, server = documented
    store = new_store(clock := Time())
    made = capture(server, store, clock)
    assert made.state == "good"
    assert {summary.way for summary, _ in only_backup(store, clock).manifest.each()} == {
        ReadWay.BACKUP_API if dialect == "guide" else ReadWay.SCROLL
    }
    content = stored_content(store, made.folder, made.name)
    assert {name: [*records] for name, records in content.items()} == {"docs": ["r0", "r1"], "notes": ["r0", "r1"]}


def test_what_others_wrote_over_it_is_found_when_the_restore_is_compared(sandbox, without):
    server = without()
    made = server.backup_api.create("before", ["docs"])
    sandbox.steering.place(
        Rule(
            what="write",
            path="^/backups/restore$",
            when="after",
            send=({"path": "/batch_delete", "json": {"collection": "docs", "ids": ["r5", "r6"]}},),
        )
    )
    with pytest.raises(ComparisonFailed, match="'docs' counts 118 vectors of 120"):
        server.backup_api.restore(made.id)
    server.upsert("docs", numbered(120))
    sandbox.steering.clear()
    assert server.backup_api.restore(made.id).compared
