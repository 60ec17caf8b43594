"""The server as it is seen over HTTP: against the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.freshness.observing import observe
from backup_engine.model import system_clock
from backup_engine.storage.identity import init_store
from backup_engine.storage.memory import MemoryStore
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.process import SandboxProcess
from tests.engine.over_http import fill
from tests.freshness.sightings import deployment

ONE = deployment()


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    init_store(made, ONE.name, system_clock, lambda: "store-1")
    return made


def look(store: MemoryStore, server: VectorizerServer):
    return observe(ONE, lambda root: store, lambda: server, system_clock)


def test_a_server_over_http_is_seen_with_its_version_its_collections_and_its_clock(store, tmp_path):
    with SandboxProcess(tmp_path) as process:
        server = connect(process.url)
        fill(server, "cosine")
        fill(server, "dot")
        seen = look(store, server).server
    assert (seen.problem, seen.url, seen.collections, seen.vectors) == (None, process.url, 2, 350)
    assert seen.version
    assert seen.clock_ahead is not None
    assert abs(timedelta(seconds=seen.clock_ahead)) < timedelta(seconds=30)
    assert seen.loading, "it was started a moment ago, and who looks at it now cannot know that this is all"


def test_a_server_that_is_gone_is_a_problem_in_words(store, tmp_path):
    with SandboxProcess(tmp_path) as process:
        url = process.url
    seen = look(store, connect(url, settings=ClientSettings(attempts=1)))
    assert "is the server up" in str(seen.server.problem)
    assert seen.primary.problem is None
