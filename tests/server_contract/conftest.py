"""One suite, every server: the one in memory, and the client over HTTP against the sandbox or a live Vectorizer."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from backup_engine.model import ReadWay
from backup_engine.ports import Server
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.process import SandboxProcess
from tests.engine.memory_server import MemoryServer
from tests.server_contract.stands import SMALL_PAGES, MemoryStand, ProcessStand

LIVE_URL = os.environ.get("VECTORIZER_URL", "").rstrip("/")


@pytest.fixture(scope="session")
def vectorizer_url(tmp_path_factory) -> Iterator[str]:
    """The sandbox, or the server that VECTORIZER_URL names: these tests delete only what they made.

    What they make over the backup API nobody can delete over HTTP.
    """
    if LIVE_URL:
        yield LIVE_URL
        return
    with SandboxProcess(tmp_path_factory.mktemp("vectorizer")) as sandbox:
        yield sandbox.url


@pytest.fixture
def vectorizer(vectorizer_url) -> Iterator[VectorizerServer]:
    yield from reading_with(vectorizer_url, None)


def reading_with(url: str, way: ReadWay | None) -> Iterator[VectorizerServer]:
    server = connect(url, None, ClientSettings(page_bytes=SMALL_PAGES, read_with=way))
    yield server
    server.close()


@pytest.fixture(params=["memory", "vectorizer"])
def server(request) -> Server:
    """A server that others may use too."""
    if request.param == "memory":
        return MemoryServer(page_records=50)
    return request.getfixturevalue("vectorizer")


@pytest.fixture
def name(server) -> Iterator[Callable[..., str]]:
    """Makes names nobody else uses; what bears one is deleted in the end."""
    mark = uuid.uuid4().hex[:8]
    yield lambda text="docs": f"{text} {mark}"
    for alias in [alias for alias in server.aliases() if mark in alias]:
        server.delete_alias(alias)
    for state in server.collections():
        if mark in state.name:
            server.delete_collection(state.name)
    if server.collections() and any(state.vectors for state in server.collections()):
        server.flush()


@pytest.fixture(params=["memory", "sandbox"])
def own(request, tmp_path) -> Iterator[MemoryStand | ProcessStand]:
    """A server of one's own, empty at first, that can be started again."""
    stand = MemoryStand() if request.param == "memory" else ProcessStand(SandboxProcess(tmp_path / "data"))
    with stand:
        yield stand
