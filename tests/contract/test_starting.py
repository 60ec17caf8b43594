"""The start of the sandbox, in steps that a test drives or by the clock. Needs no other server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sandbox.process import SandboxProcess
from sandbox.rules import Rule, Sent
from tests.contract.client import Api

VECTORS = {"a": [1, 2, 3, 4], "b": [2, 3, 4, 5]}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("loaded"), faults=True) as sandbox:
        api = Api(sandbox.url)
        for name in ("first", "second", "third"):
            api.create(name)
            api.upsert(name, VECTORS)
        api.save("first")
        yield sandbox


@pytest.fixture
def starting(loaded: SandboxProcess) -> Iterator[SandboxProcess]:
    """The server just after a kill and a start, which goes on when a test says so."""
    loaded.place(Rule(what="restart", orderly=False, loading=True, nth=1))
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{loaded.url}/health", timeout=10)
    yield loaded
    loaded.steering.finish_loading()
    loaded.clear()


@pytest.fixture
def on_disk(loaded: SandboxProcess, tmp_path: Path) -> Path:
    """A folder with the three collections and no server."""
    (tmp_path / "vectorizer.vecdb").write_bytes((loaded.data_dir / "vectorizer.vecdb").read_bytes())
    return tmp_path


def listed(api: Api) -> dict[str, tuple[int, str]]:
    collections = api.get("/collections").json()["collections"]
    return {each["name"]: (each["vector_count"], each["indexing_status"]["status"]) for each in collections}


def is_silent(sandbox: SandboxProcess) -> bool:
    try:
        return requests.get(f"{sandbox.url}/health", timeout=0.2).status_code != 200
    except requests.Timeout:
        return True


def test_a_start_answers_with_nothing_then_not_at_all_then_with_a_part(starting: SandboxProcess) -> None:
    api = Api(starting.url)
    assert listed(api) == {}
    for whole, coming in ((["first"], "second"), (["first", "second"], "third")):
        assert starting.steering.step()["answers"] is False
        assert is_silent(starting)
        starting.steering.step()
        assert api.get("/health").json()["status"] == "healthy"
        assert listed(api) == {**dict.fromkeys(whole, (2, "completed")), coming: (0, "completed")}
        assert api.details(coming)["vector_count"] == api.count(coming) == 0
    starting.steering.finish_loading()
    assert listed(api) == dict.fromkeys(("first", "second", "third"), (2, "completed"))
    assert api.ids("third") == ["a", "b"]


def test_who_asked_while_nothing_was_said_is_answered_afterwards(starting: SandboxProcess) -> None:
    starting.steering.step()
    starting.place(Rule(what="write", path="^/nothing$", wait=False, send=(Sent(path="/graphql", json={}),)))
    assert is_silent(starting)
    starting.steering.finish_loading()
    assert not is_silent(starting)


def test_who_asks_for_an_absent_collection_doubles_it(starting: SandboxProcess) -> None:
    api = Api(starting.url)
    starting.steering.step()
    starting.steering.step()
    assert api.details("third")["vector_count"] == 2
    starting.steering.finish_loading()
    assert (api.count("third"), api.ids("third")) == (4, ["a", "b", "a", "b"])


def test_a_process_can_be_started_in_steps(on_disk: Path) -> None:
    with SandboxProcess(on_disk, loading="steps") as sandbox:
        assert listed(Api(sandbox.url)) == {}
        sandbox.steering.finish_loading()
        assert len(listed(Api(sandbox.url))) == 3


@pytest.mark.parametrize("ending", ["flush", "stop"])
def test_a_save_while_it_starts_loses_what_is_not_loaded_yet(on_disk: Path, ending: str) -> None:
    with SandboxProcess(on_disk, loading="steps") as sandbox:
        sandbox.steering.step()
        sandbox.steering.step()
        if ending == "flush":
            assert Api(sandbox.url).save("first")["flushed"] is True
            sandbox.kill()
        sandbox.stop()
        sandbox.start()
        sandbox.steering.finish_loading()
        counts = {name: count for name, (count, _) in listed(Api(sandbox.url)).items()}
        assert counts == {"first": 2, "second": 0}


def test_a_start_at_a_pace_ends_by_itself(on_disk: Path) -> None:
    with SandboxProcess(on_disk, loading=40.0, faults=True) as sandbox:
        while requests.get(f"{sandbox.url}/sandbox/steps", timeout=10).json()["coming"]:
            continue
        assert len(listed(Api(sandbox.url))) == 3
