"""Faults on demand: what the rules of the sandbox promise to the tests that place them. Needs no other server."""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from pydantic import ValidationError

from sandbox.process import SandboxError, SandboxProcess
from sandbox.rules import Rule, Sent
from tests.contract.client import UPSERT, Api

POINTS = "/points/scroll$"


def upsert(ids: list[str], name: str = "c") -> dict:
    vectors = [{"id": key, "data": [1, 2, 3, 4]} for key in ids]
    return {"query": UPSERT, "variables": {"i": {"collection": name, "vectors": vectors}}}


def writer(ids: list[str]) -> tuple[Sent, ...]:
    return (Sent(path="/graphql", json=upsert(ids)),)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("faults"), faults=True) as sandbox:
        api = Api(sandbox.url)
        api.create("c")
        api.upsert("c", {str(number): [1, 2, 3, 4] for number in range(10)})
        yield sandbox


@pytest.fixture
def sandbox(shared: SandboxProcess) -> SandboxProcess:
    shared.clear()
    return shared


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("mortal"), faults=True) as sandbox:
        yield sandbox


@pytest.fixture
def saved(mortal: SandboxProcess, name: str) -> Api:
    """A server that may be killed; it has a collection that is flushed and then gets one record more."""
    mortal.clear()
    api = Api(mortal.url)
    api.create(name)
    api.upsert(name, {"a": [1, 2, 3, 4], "b": [2, 3, 4, 5]})
    api.save(name)
    api.post("/graphql", upsert(["new"], name))
    return api


@pytest.fixture
def faulty(sandbox: SandboxProcess) -> Api:
    return Api(sandbox.url)


def test_requests_are_counted_until_they_are_cleared(sandbox: SandboxProcess, faulty: Api) -> None:
    faulty.count("c")
    faulty.get("/collections/nothing%20here?a=b")
    seen = [(each.number, each.method, each.path, each.status) for each in sandbox.requests()]
    assert seen == [
        (1, "POST", "/qdrant/collections/c/points/count", 200),
        (2, "GET", "/collections/nothing%20here?a=b", 404),
    ]
    sandbox.clear()
    assert sandbox.requests() == []


def test_a_rule_is_for_the_nth_matching_request_and_for_every_one_without_a_number(
    sandbox: SandboxProcess, faulty: Api
) -> None:
    sandbox.place(
        Rule(what="500", path="^/health$", nth=2, times=2), Rule(what="503", method="POST", body='"limit": 7')
    )
    assert [faulty.get("/health").status_code for _ in range(4)] == [200, 500, 500, 200]
    assert faulty.get("/status").status_code == 200
    statuses = [faulty.post("/qdrant/collections/c/points/scroll", {"limit": limit}).status_code for limit in (7, 8, 7)]
    assert statuses == [503, 200, 503]
    assert sandbox.applied() == [2, 2]


def test_refusals_look_like_the_servers(sandbox: SandboxProcess, faulty: Api) -> None:
    sandbox.place(Rule(what="429", retry_after=3, nth=1), Rule(what="missing", nth=2))
    refused = faulty.get("/status")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert (refused.json()["error_type"], refused.json()["status_code"]) == ("queue_full", 429)
    missing = faulty.get("/status")
    assert (missing.status_code, missing.content) == (404, b"")


@pytest.mark.parametrize(("when", "written"), [("before", False), ("after", True)])
@pytest.mark.parametrize("what", ["drop", "500"])
def test_a_write_is_lost_or_only_its_answer(
    sandbox: SandboxProcess, faulty: Api, name: str, what: str, when: str, written: bool
) -> None:
    faulty.create(name)
    sandbox.place(Rule.model_validate({"what": what, "when": when, "path": "^/graphql$", "nth": 1}))
    if what == "drop":
        with pytest.raises(requests.ConnectionError):
            faulty.post("/graphql", upsert(["x"], name))
    else:
        assert faulty.post("/graphql", upsert(["x"], name)).status_code == 500
    assert faulty.ids(name) == (["x"] if written else [])


@pytest.mark.parametrize("size", [0, 1, 50])
def test_a_cut_answer_promises_more_than_it_holds(sandbox: SandboxProcess, faulty: Api, size: int) -> None:
    whole = len(faulty.get("/collections").content)
    sandbox.place(Rule(what="cut", size=size, path="^/collections$"))
    address = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    connection.request("GET", "/collections")
    response = connection.getresponse()
    assert abs(int(str(response.headers["content-length"])) - whole) < 20
    with pytest.raises(http.client.IncompleteRead) as cut:
        response.read()
    assert len(cut.value.partial) == size


def test_slow_is_before_the_answer_or_between_its_pieces(sandbox: SandboxProcess, faulty: Api) -> None:
    size = len(faulty.get("/stats").content)
    sandbox.place(
        Rule(what="slow", seconds=0.2, nth=1), Rule(what="slow", seconds=0.1, size=size // 3, when="after", nth=2)
    )
    for least in (0.2, 0.3):
        began = time.monotonic()
        assert faulty.get("/stats").status_code == 200
        assert time.monotonic() - began >= least


def test_clearing_lets_go_who_waits(sandbox: SandboxProcess, faulty: Api) -> None:
    sandbox.place(Rule(what="slow", seconds=3600, nth=1))
    with pytest.raises(requests.Timeout):
        requests.get(f"{sandbox.url}/health", timeout=0.2)
    sandbox.clear()
    assert faulty.get("/health").status_code == 200


@pytest.mark.parametrize(("when", "kept"), [("before", ["a", "b"]), ("after", ["a", "b", "new"])])
def test_a_kill_loses_what_was_not_flushed(
    mortal: SandboxProcess, saved: Api, name: str, when: str, kept: list[str]
) -> None:
    mortal.place(Rule.model_validate({"what": "kill", "when": when, "path": "force-save$"}))
    with pytest.raises(requests.ConnectionError):
        saved.save(name)
    mortal.revive()
    assert saved.ids(name) == kept
    assert mortal.requests()[0].path == "/graphql"


@pytest.mark.parametrize(("orderly", "kept"), [(True, ["a", "b", "new"]), (False, ["a", "b"])])
def test_a_restart_does_to_the_data_what_a_restart_does(
    mortal: SandboxProcess, saved: Api, name: str, orderly: bool, kept: list[str]
) -> None:
    created = saved.details(name)["created_at"]
    mortal.place(Rule(what="restart", orderly=orderly, down=2, path=POINTS, nth=1))
    for _ in range(3):
        with pytest.raises(requests.ConnectionError):
            saved.scroll(name)
    assert saved.ids(name) == kept
    assert saved.details(name)["created_at"] > created
    assert sum(each**2 for each in saved.page(name)["items"][0]["data"]) == pytest.approx(1, abs=0.02)


def test_a_writer_writes_between_two_pages(sandbox: SandboxProcess, faulty: Api) -> None:
    sandbox.place(Rule(what="write", path=POINTS, nth=2, send=writer(["0", "11"])))
    first = faulty.scroll("c", limit=5)
    second = faulty.scroll("c", limit=50, offset=first["next_page_offset"])
    assert [each["id"] for each in first["points"]] == list("01234")
    assert [each["id"] for each in second["points"]] == [*"456789", "0", "11"]


def test_a_writer_may_also_write_after_a_request_was_handled(sandbox: SandboxProcess, faulty: Api) -> None:
    before = faulty.count("c")
    sandbox.place(Rule(what="write", when="after", path="/points/count$", nth=1, send=writer(["later"])))
    assert faulty.count("c") == before
    assert faulty.count("c") == before + 1


def test_there_is_no_control_route_unless_one_asks_for_it(tmp_path: Path) -> None:
    rules = (Rule(what="503", path="^/status$"),)
    with SandboxProcess(tmp_path, rules=rules) as sandbox:
        assert requests.get(f"{sandbox.url}/status", timeout=10).status_code == 503
        assert requests.get(f"{sandbox.url}/sandbox/faults", timeout=10).status_code == 404
        with pytest.raises(SandboxError, match="faults=True"):
            sandbox.requests()


def test_a_rule_that_cannot_be_is_refused(sandbox: SandboxProcess) -> None:
    response = requests.put(f"{sandbox.url}/sandbox/faults", json=[{"what": "earthquake"}], timeout=10)
    assert response.status_code == 422
    with pytest.raises(ValidationError):
        Rule(what="slow", path="(")
