"""Under fire: a fault at every request of a capture. No backup is called good that is short, and a retry converges."""

from __future__ import annotations

import numpy as np
import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.catalog import Catalog
from backup_engine.errors import PermanentError
from backup_engine.model import system_clock
from sandbox.rules import Rule
from tests.engine.captures import capture, new_store, stored_content
from tests.fire.faults import LASTING, PASSING, RESTARTS, SLOW, requests_of, struck, struck_requests, tells_what_to_do
from tests.fire.outside import Outside
from tests.fire.servers import REAL, client, process

SMALL_PAGES = 12_000
NAMES = ("paged", "payloads")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with process(tmp_path_factory.mktemp("server")) as started:
        fill(Outside(started.url))
        yield started


def fill(outside: Outside) -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((90, 8)).astype(np.float32)
    outside.create("paged", 8, "Euclid", index=(4, 20))
    outside.write("paged", {f"r{n}": row for n, row in enumerate(rows)}, {f"r{n}": {"n": n} for n in range(90)})
    outside.create("payloads", 8, "Cosine", "product")
    awkward = {"r0": "text", "r1": [1, "x"], "r2": {"big": 2**63}, "r3": 7, "r4": {"a": "b"}}
    outside.write("payloads", {f"r{n}": row for n, row in enumerate(rows[:8])}, awkward)
    outside.flush("paged")


def content(outside: Outside) -> dict[str, dict[str, tuple[bytes, str]]]:
    return {name: one.records for name, one in outside.see(*NAMES).collections.items()}


class Capturing:
    """One run against one server, into a store of its own."""

    def __init__(self, server, **settings) -> None:
        self.store = new_store(system_clock)
        self._server = client(server.url, page_bytes=SMALL_PAGES, **settings)
        self._attempts = 0

    def __call__(self):
        self._attempts += 1
        return capture(self._server, self.store, system_clock, prefix=f"a{self._attempts}", streams=1)

    def backups(self):
        catalog = Catalog(self.store, system_clock)
        assert catalog.unreadable == ()
        return catalog.backups()

    def held(self, backup) -> dict[str, dict[str, tuple[bytes, str]]]:
        stored = stored_content(self.store, backup.folder, backup.name)
        return {name: {key: (v, p or "null") for key, (v, p) in rows.items()} for name, rows in stored.items()}


def assert_honest(capturing: Capturing, *states) -> None:
    """Every backup there is holds each collection as it was in one of these states, if it is called good."""
    for backup in capturing.backups():
        if backup.manifest.clear.state is BackupState.GOOD:
            assert_each_in(capturing.held(backup), states)
        else:
            assert backup.manifest.private.reasons


def assert_each_in(held, states) -> None:
    assert held.keys() == set(NAMES)
    for name, records in held.items():
        wanted = [{key: (v, compact(p)) for key, (v, p) in state[name].items()} for state in states]
        assert {key: (v, compact(p)) for key, (v, p) in records.items()} in wanted, f"{name} was never like that"


def compact(text: str) -> str:
    return text.replace(", ", ",").replace(": ", ":")


def assert_converges(capturing: Capturing, outside: Outside, *states) -> None:
    """A plain retry makes a good backup, or finds the one that is there."""
    committed = capturing()
    assert committed.state is BackupState.GOOD, committed.reasons
    assert len(capturing.backups()) == 1
    assert_honest(capturing, *states, content(outside))


@pytest.fixture(scope="module")
def requests(server) -> int:
    found = requests_of(server, Capturing(server))
    assert found > 20
    return found


@pytest.mark.parametrize("fault", [*PASSING])
def test_a_fault_that_passes_at_any_request_leaves_a_good_backup(server, requests, fault):
    outside = Outside(server.url)
    state = content(outside)
    for request in struck_requests(requests, PASSING, fault):
        capturing = Capturing(server)
        error = struck(server, PASSING[fault](request), capturing)
        assert error is None, f"request {request}: {error}"
        assert [backup.manifest.clear.state for backup in capturing.backups()] == [BackupState.GOOD]
        assert_honest(capturing, state)


@pytest.mark.parametrize("fault", [*RESTARTS])
def test_a_server_that_restarts_at_any_request_gives_a_backup_of_one_of_its_lives_or_an_error(server, requests, fault):
    outside = Outside(server.url)
    for request in struck_requests(requests, RESTARTS, fault, every=9 if REAL else 0):
        before, capturing = content(outside), Capturing(server)
        error = struck(server, RESTARTS[fault](request), capturing)
        after = content(outside)
        assert error is None or tells_what_to_do(error, server.url, *NAMES), f"request {request}: {error}"
        assert not isinstance(error, PermanentError), f"request {request}: {error}"
        assert_honest(capturing, before, after)
        assert_converges(capturing, outside, before)


@pytest.mark.parametrize("fault", [*LASTING])
def test_a_server_that_fails_from_any_request_on_leaves_no_good_backup_that_is_short(server, requests, fault):
    outside = Outside(server.url)
    state = content(outside)
    for request in struck_requests(requests, LASTING, fault):
        capturing = Capturing(server)
        error = struck(server, LASTING[fault](request), capturing)
        assert error is None or tells_what_to_do(error, server.url, *NAMES), f"request {request}: {error}"
        assert error is not None or capturing.backups()[0].manifest.clear.state is not BackupState.GOOD
        assert_honest(capturing, state)


@pytest.mark.parametrize("fault", [*SLOW])
def test_a_server_that_is_silent_for_longer_than_the_client_waits_is_asked_again(server, requests, fault):
    state = content(Outside(server.url))
    for request in struck_requests(requests, SLOW, fault, every=7):
        capturing = Capturing(server, read_timeout=0.4)
        assert struck(server, SLOW[fault](request), capturing) is None
        assert_honest(capturing, state)


@pytest.mark.parametrize("what", ["cut", "drop", "500"])
def test_a_collection_that_the_server_fails_to_give_does_not_take_the_others_down_with_it(server, what):
    capturing, state = Capturing(server), content(Outside(server.url))
    error = struck(server, Rule(what=what, path="paged/points/scroll", size=20), capturing)
    assert error is None
    (backup,) = capturing.backups()
    assert backup.manifest.clear.state is BackupState.PARTIAL
    (reason,) = backup.manifest.private.reasons
    assert "'paged' is unreadable" in reason
    assert "log" in reason
    assert capturing.held(backup)["payloads"].keys() == state["payloads"].keys()
    assert capturing.held(backup)["paged"] == {}
