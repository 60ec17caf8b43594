"""Under fire: the server starts again in the middle of a capture, and lists only a part of what it has for a while.

A collection that is asked for by name while it is not listed yet is loaded twice: it counts and lists everything
double from then on. So a capture must never ask then, whatever it was doing. (Only the sandbox starts in steps.)
"""

from __future__ import annotations

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.errors import NothingToBackUp, TransientError
from sandbox.process import SandboxProcess
from sandbox.rules import Rule
from tests.fire.faults import EVERY, requests_of, struck
from tests.fire.outside import Outside
from tests.fire.test_fire_capture import Capturing, assert_honest, content, fill


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with SandboxProcess(tmp_path_factory.mktemp("server"), faults=True) as started:
        fill(Outside(started.url))
        yield started


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("steps", [0, 2], ids=["nothing is listed", "one counts 0, the others are absent"])
def test_a_capture_never_asks_for_what_a_starting_server_does_not_list(server, when, steps):
    requests = requests_of(server, Capturing(server))
    first = 1 + (when == "after") + 2 * (steps > 0)
    for request in range(first, requests + 1, EVERY or 7):
        capturing, outside = Capturing(server), Outside(server.url)
        before = content(outside)
        rule = Rule(what="restart", orderly=False, loading=True, nth=request, when=when)
        error = struck(server, rule, capturing)
        assert isinstance(error, TransientError | NothingToBackUp) or error is None, f"request {request}: {error}"
        for _ in range(steps):
            server.steering.step()
        server.steering.finish_loading()
        after = outside.see()
        assert {name: (one.count, len(one.ids)) for name, one in after.collections.items()} == {
            name: (len(records), len(records)) for name, records in before.items()
        }, f"request {request}: something was loaded twice"
        assert_honest(capturing, before, content(outside))
        committed = capturing()
        assert committed.state is BackupState.GOOD
        assert_honest(capturing, before, content(outside))


def test_the_sandbox_does_double_what_is_asked_for_too_early(server):
    """What the test above would find."""
    with pytest.raises(AssertionError):
        asked_too_early(server)


def asked_too_early(server) -> None:
    outside = Outside(server.url)
    counts = {name: one.count for name, one in outside.see().collections.items()}
    server.clear()
    server.place(Rule(what="restart", orderly=False, loading=True, nth=1, when="after"))
    struck(server, Rule(what="restart", orderly=False, loading=True, nth=1), Capturing(server))
    try:
        outside.get("/collections/paged")
    finally:
        server.steering.finish_loading()
    assert {name: one.count for name, one in outside.see().collections.items()} == counts
