"""The load of a name that only the disk knows, and the rename it can overwrite. Needs no other server."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sandbox.process import SandboxProcess
from sandbox.rules import Rule, Sent
from tests.contract.client import Api

VECTORS = {"a": [1, 2, 3, 4], "b": [2, 3, 4, 5]}
ALIASES = "^/qdrant/collections/aliases$"


@dataclass(frozen=True)
class Swap:
    """A swap that is about to happen."""

    sandbox: SandboxProcess
    api: Api
    live: str

    @property
    def aside(self) -> str:
        return f"{self.live}-aside"

    @property
    def before(self) -> str:
        return f"{self.live}-before"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("swaps"), faults=True) as sandbox:
        yield sandbox


@pytest.fixture
def swapping(sandbox: SandboxProcess, name: str) -> Swap:
    """A collection that is on disk, a newer one aside; a reader asks for the first whenever an alias goes."""
    sandbox.clear()
    swap = Swap(sandbox, Api(sandbox.url), name)
    swap.api.create(name)
    swap.api.upsert(name, VECTORS)
    swap.api.save(name)
    swap.api.create(swap.aside)
    swap.api.upsert(swap.aside, {"new": [9, 9, 9, 8]})
    ask = (Sent(method="GET", path=f"/collections/{name}"),)
    reader = Rule(what="write", path=ALIASES, when="after", wait=False, send=ask)
    sandbox.place(Rule(what="load", path="/rename$", when="after", nth=2), reader)
    return swap


def test_a_load_that_ends_after_a_rename_overwrites_the_renamed(swapping: Swap) -> None:
    api, live = swapping.api, swapping.live
    assert api.rename(live, swapping.before).status_code == 200
    assert api.drop_alias(live).status_code == 200
    assert api.rename(swapping.aside, live).status_code == 200
    assert (api.count(live), api.ids(live)) == (2, [])


def test_after_a_flush_no_load_can_overwrite_the_renamed(swapping: Swap) -> None:
    api, live = swapping.api, swapping.live
    assert api.rename(live, swapping.before).status_code == 200
    assert api.save(swapping.before)["flushed"] is True
    assert api.drop_alias(live).status_code == 200
    assert api.rename(swapping.aside, live).status_code == 200
    assert (api.count(live), api.ids(live)) == (1, ["new"])
    assert api.ids(swapping.before) == ["a", "b"]


def test_clearing_the_rules_lets_a_held_load_end(swapping: Swap) -> None:
    api, live = swapping.api, swapping.live
    api.rename(live, swapping.before)
    api.drop_alias(live)
    assert live not in api.names()
    swapping.sandbox.clear()
    assert api.count(live) == 2
